#include "cli/arguments.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/memory.h"
#include "cli/command_table.h"

struct given {
    const struct mq_flag *flag;
    const char **values; /* NULL-terminated text per occurrence; a switch holds "" */
    size_t count, capacity;
};

struct mq_arguments {
    struct given *flags; /* one entry a flag that was given */
    size_t flag_count, flag_capacity;
    const char **positionals;
    size_t positional_count, positional_capacity;
    struct mq_arena text;
};

struct parser {
    int argc;
    char **argv;
    int at;
    const struct mq_command *command;
    struct mq_arguments *arguments;
};

void
mq_arguments_free(struct mq_arguments *arguments)
{
    if (arguments == NULL)
        return;
    for (size_t i = 0; i < arguments->flag_count; i++)
        free(arguments->flags[i].values);
    free(arguments->flags);
    free(arguments->positionals);
    mq_arena_release(&arguments->text);
    free(arguments);
}

static const struct given *
find_given(const struct mq_arguments *arguments, const char *flag)
{
    for (size_t i = 0; i < arguments->flag_count; i++)
        if (strcmp(arguments->flags[i].flag->name, flag) == 0)
            return &arguments->flags[i];
    return NULL;
}

bool
mq_arguments_given(const struct mq_arguments *arguments, const char *flag)
{
    return find_given(arguments, flag) != NULL;
}

const char *
mq_arguments_text(const struct mq_arguments *arguments, const char *flag)
{
    const struct given *given = find_given(arguments, flag);
    return given != NULL ? given->values[given->count - 1] : NULL;
}

const char *const *
mq_arguments_values(const struct mq_arguments *arguments, const char *flag, int *ret_count)
{
    const struct given *given = find_given(arguments, flag);
    *ret_count = given != NULL ? (int)given->count : 0;
    return given != NULL ? given->values : NULL;
}

int
mq_arguments_positional_count(const struct mq_arguments *arguments)
{
    return (int)arguments->positional_count;
}

const char *
mq_arguments_positional(const struct mq_arguments *arguments, int index)
{
    if (index < 0 || (size_t)index >= arguments->positional_count)
        return NULL;
    return arguments->positionals[index];
}

static enum mq_status
add_value(struct mq_arguments *arguments, const struct mq_flag *flag, const char *value,
          struct mq_error *err)
{
    struct given *given = (struct given *)find_given(arguments, flag->name);
    enum mq_status st;
    if (given == NULL) {
        st = mq_grow(&arguments->flags, &arguments->flag_capacity, arguments->flag_count + 1,
                     sizeof(*arguments->flags), err);
        if (st != MQ_OK)
            return st;
        given = &arguments->flags[arguments->flag_count++];
        *given = (struct given){.flag = flag};
    }
    st = mq_grow(&given->values, &given->capacity, given->count + 1, sizeof(*given->values), err);
    if (st != MQ_OK) {
        if (given->count == 0)
            arguments->flag_count--;
        return st;
    }
    given->values[given->count++] = value;
    return MQ_OK;
}

/* The choice that equals text in any case, spelled as in the table; NULL: none. */
static const char *
match_choice(struct mq_arena *arena, const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (const char *p = choices; *p != '\0';) {
        size_t n = strcspn(p, "|");
        if (n == size && strncasecmp(p, text, n) == 0)
            return mq_arena_copy(arena, p, n);
        p += n + (p[n] == '|');
    }
    return NULL;
}

static enum mq_status
check_number(const struct mq_flag *flag, const char *text, struct mq_error *err)
{
    char *end = NULL;
    errno = 0;
    double number;
    if (flag->type == MQ_FLAG_INT)
        number = (double)strtoll(text, &end, 10);
    else
        number = strtod(text, &end);
    bool malformed = end == text || *end != '\0' || errno != 0 || !isfinite(number);
    bool bounded = flag->min != 0 || flag->max != 0;
    if (!malformed && (!bounded || (number >= flag->min && number <= flag->max)))
        return MQ_OK;
    const char *kind = flag->type == MQ_FLAG_INT ? "a whole number" : "a number";
    if (!bounded)
        return mq_fail(err, MQ_E_USAGE, "%s is '%s' (allowed: %s)", flag->name, text, kind);
    if (flag->max >= 9e18)
        return mq_fail(err, MQ_E_USAGE, "%s is '%s' (allowed: %s from %.0f)", flag->name, text,
                       kind, flag->min);
    return mq_fail(err, MQ_E_USAGE, "%s is '%s' (allowed: %s from %g to %.10g)", flag->name, text,
                   kind, flag->min, flag->max);
}

static enum mq_status
take_value(struct parser *parser, const struct mq_flag *flag, const char *value,
           struct mq_error *err)
{
    if (flag->type == MQ_FLAG_SWITCH) {
        if (value != NULL)
            return mq_fail(err, MQ_E_USAGE, "flag %s takes no value, but '%s' was given",
                           flag->name, value);
        return add_value(parser->arguments, flag, "", err);
    }
    if (value == NULL) {
        const char *next = parser->at < parser->argc ? parser->argv[parser->at] : NULL;
        bool is_flag = next != NULL && strncmp(next, "--", 2) == 0 &&
                       (next[2] == '\0' || mq_command_flag(parser->command, next) != NULL);
        if (next == NULL || is_flag)
            return mq_fail(err, MQ_E_USAGE, "flag %s needs a value: %s %s", flag->name, flag->name,
                           flag->placeholder);
        value = next;
        parser->at++;
    }
    if (!flag->repeatable && mq_arguments_given(parser->arguments, flag->name))
        return mq_fail(err, MQ_E_USAGE, "flag %s was given twice", flag->name);
    if (flag->type != MQ_FLAG_TEXT) {
        enum mq_status st = check_number(flag, value, err);
        if (st != MQ_OK)
            return st;
    } else if (flag->choices != NULL) {
        const char *choice = match_choice(&parser->arguments->text, flag->choices, value);
        if (choice == NULL)
            return mq_fail(err, MQ_E_USAGE, "%s is '%s' (allowed: %s)", flag->name, value,
                           flag->choices);
        value = choice;
    }
    return add_value(parser->arguments, flag, value, err);
}

static enum mq_status
unknown_flag(const struct parser *parser, const char *word, size_t size, struct mq_error *err)
{
    const char *nearest = mq_command_nearest_flag(parser->command, word);
    if (nearest != NULL)
        return mq_fail(err, MQ_E_USAGE, "unknown flag %.*s: did you mean %s?", (int)size, word,
                       nearest);
    return mq_fail(err, MQ_E_USAGE, "unknown flag %.*s", (int)size, word);
}

static enum mq_status
parse_long(struct parser *parser, const char *word, struct mq_error *err)
{
    size_t size = strcspn(word, "=");
    const char *name = mq_arena_copy(&parser->arguments->text, word, size);
    if (name == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the command line");
    const struct mq_flag *flag = mq_command_flag(parser->command, name);
    if (flag == NULL)
        return unknown_flag(parser, name, size, err);
    return take_value(parser, flag, word[size] == '=' ? word + size + 1 : NULL, err);
}

static enum mq_status
parse_letters(struct parser *parser, const char *word, struct mq_error *err)
{
    for (const char *p = word + 1; *p != '\0'; p++) {
        const struct mq_flag *flag = mq_command_flag_letter(parser->command, *p);
        if (flag == NULL)
            return unknown_flag(parser, word, strlen(word), err);
        enum mq_status st = take_value(parser, flag, NULL, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

/* "-5" and "-" are positionals, "-q" is not. */
static bool
looks_like_flag(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9');
}

static enum mq_status
parse_words(struct parser *parser, bool until_command, struct mq_error *err)
{
    struct mq_arguments *arguments = parser->arguments;
    bool flags_ended = false;
    while (parser->at < parser->argc) {
        const char *word = parser->argv[parser->at];
        enum mq_status st = MQ_OK;
        if (!flags_ended && strcmp(word, "--") == 0) {
            flags_ended = true;
            parser->at++;
            continue;
        }
        if (!flags_ended && looks_like_flag(word)) {
            parser->at++;
            st = word[1] == '-' ? parse_long(parser, word, err) : parse_letters(parser, word, err);
            if (st != MQ_OK)
                return st;
            continue;
        }
        if (until_command)
            return MQ_OK;
        st = mq_grow(&arguments->positionals, &arguments->positional_capacity,
                     arguments->positional_count + 1, sizeof(*arguments->positionals), err);
        if (st != MQ_OK)
            return st;
        arguments->positionals[arguments->positional_count++] = word;
        parser->at++;
    }
    return MQ_OK;
}

static enum mq_status
check_positionals(const struct parser *parser, struct mq_error *err)
{
    size_t least = 0, most = 0;
    const char *missing = NULL;
    size_t have = parser->arguments->positional_count;
    for (const struct mq_positional *p = parser->command->positionals; p != NULL && p->name != NULL;
         p++) {
        if (most != SIZE_MAX)
            most++;
        if (!p->optional) {
            if (least >= have && missing == NULL)
                missing = p->name;
            least++;
        }
        if (p->repeated)
            most = SIZE_MAX;
    }
    if (missing != NULL)
        return mq_fail(err, MQ_E_USAGE, "%s needs %s", parser->command->name, missing);
    if (have > most)
        return mq_fail(err, MQ_E_USAGE, "%s: unexpected argument '%s'", parser->command->name,
                       parser->arguments->positionals[most]);
    return MQ_OK;
}

static void
unknown_command(const char *word, const char *before, const char *nearest, struct mq_error *err)
{
    if (nearest != NULL)
        mq_fail(err, MQ_E_USAGE, "unknown command '%.64s': did you mean '%s%s'?", word, before,
                nearest);
    else
        mq_fail(err, MQ_E_USAGE, "unknown command '%.64s'", word);
}

/* Find the command at argv[at], one or two words; sets request and group for groups. */
static enum mq_status
find_command(struct parser *parser, struct mq_parsed *parsed, struct mq_error *err)
{
    const char *first = parser->argv[parser->at];
    const char *second = parser->at + 1 < parser->argc ? parser->argv[parser->at + 1] : NULL;
    char name[MQ_COMMAND_NAME_MAX];
    if (mq_command_is_group(first)) {
        if (second != NULL && !looks_like_flag(second)) {
            snprintf(name, sizeof(name), "%s %s", first, second);
            parser->command = mq_command_find(name);
            if (parser->command == NULL) {
                char with_group[MQ_COMMAND_NAME_MAX + 16];
                snprintf(with_group, sizeof(with_group), "marquee %s", name);
                unknown_command(with_group, "marquee ", mq_command_nearest(name), err);
                mq_error_hint(err, "see: marquee %s --help", first);
                return MQ_E_USAGE;
            }
            parser->at += 2;
            return MQ_OK;
        }
        parser->command = mq_command_group_default(first);
        parser->at++;
        parsed->group = first;
        return MQ_OK;
    }
    parser->command = mq_command_find(first);
    if (parser->command == NULL) {
        unknown_command(first, "", mq_command_nearest(first), err);
        mq_error_hint(err, "see: marquee --help");
        return MQ_E_USAGE;
    }
    parser->at++;
    return MQ_OK;
}

static enum mq_status
parse(struct parser *parser, struct mq_parsed *parsed, struct mq_error *err)
{
    struct mq_arguments *arguments = parser->arguments;
    if (parser->argc == 2 && strcmp(parser->argv[1], "--version") == 0) {
        parsed->request = MQ_REQUEST_VERSION;
        return MQ_OK;
    }
    enum mq_status st = parse_words(parser, true, err);
    if (st != MQ_OK)
        return st;
    bool help = false;
    if (parser->at < parser->argc && strcmp(parser->argv[parser->at], "help") == 0) {
        help = true;
        parser->at++;
    }
    if (parser->at >= parser->argc) {
        help = help || mq_arguments_given(arguments, "--help");
        parsed->request = help ? MQ_REQUEST_OVERVIEW : MQ_REQUEST_OVERVIEW_BARE;
        return MQ_OK;
    }
    st = find_command(parser, parsed, err);
    if (st != MQ_OK)
        return st;
    parsed->command = parser->command;
    st = parse_words(parser, false, err);
    if (st != MQ_OK)
        return st;
    help = help || mq_arguments_given(arguments, "--help");
    if (parsed->group != NULL && (help || parser->command == NULL)) {
        if (!help) {
            mq_fail(err, MQ_E_USAGE, "%s needs a subcommand", parsed->group);
            mq_error_hint(err, "see: marquee %s --help", parsed->group);
            return MQ_E_USAGE;
        }
        parsed->request = MQ_REQUEST_GROUP_HELP;
        return MQ_OK;
    }
    parsed->request = help ? MQ_REQUEST_HELP : MQ_REQUEST_RUN;
    return help ? MQ_OK : check_positionals(parser, err);
}

enum mq_status
mq_arguments_parse(int argc, char **argv, struct mq_parsed *ret_parsed, struct mq_error *err)
{
    if (argc > MQ_ARGUMENTS_MAX)
        return mq_fail(err, MQ_E_USAGE, "%d words on the command line (allowed: %d)", argc,
                       MQ_ARGUMENTS_MAX);
    struct mq_arguments *arguments = calloc(1, sizeof(*arguments));
    if (arguments == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the command line");
    struct parser parser = {.argc = argc, .argv = argv, .at = 1, .arguments = arguments};
    struct mq_parsed parsed = {.request = MQ_REQUEST_RUN};
    struct mq_error error = {0};
    enum mq_status st = parse(&parser, &parsed, &error);
    if (st != MQ_OK) {
        ret_parsed->command = parser.command;
        if (st == MQ_E_USAGE && error.hint[0] == '\0')
            mq_error_hint(&error, "see: marquee %s%s--help",
                          parser.command != NULL ? parser.command->name : "",
                          parser.command != NULL ? " " : "");
        if (err != NULL)
            *err = error;
        mq_arguments_free(arguments);
        return st;
    }
    parsed.arguments = arguments;
    *ret_parsed = parsed;
    return MQ_OK;
}
