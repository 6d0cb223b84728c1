#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/command_table.h"
#include "cli/generated_files.h"
#include "flow/steps.h"

struct script {
    struct mq_buffer *buffer;
    struct mq_error *err;
    enum mq_status status;
};

static void put(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put(struct script *script, const char *format, ...)
{
    if (script->status != MQ_OK)
        return;
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        script->status = mq_fail(script->err, MQ_E_NOMEM, "cannot allocate a completion script");
        return;
    }
    script->status = mq_buffer_append(script->buffer, text, (size_t)n, script->err);
    free(text);
}

/* Text inside single quotes, as fish and zsh read it. */
static void
put_quoted(struct script *script, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'')
            put(script, "’");
        else if (*p == '[' || *p == ']' || *p == ':')
            put(script, "%c", *p == ':' ? ',' : *p == '[' ? '(' : ')');
        else
            put(script, "%c", *p);
    }
}

const char *
mq_completion_values(const char *choices, const char *placeholder)
{
    static char steps[2048];
    if (choices != NULL)
        return choices;
    if (placeholder == NULL || strcmp(placeholder, "STEP") != 0)
        return NULL;
    if (steps[0] == '\0') {
        const struct mq_step_table *table = mq_step_table();
        for (int i = 0; i < table->row_count; i++) {
            size_t n = strlen(steps);
            snprintf(steps + n, sizeof(steps) - n, "%s%s", i > 0 ? "|" : "", table->rows[i].name);
        }
    }
    return steps;
}

/* "a|b" with another separator. */
static void
put_values(struct script *script, const char *values, const char *separator)
{
    for (const char *p = values; *p != '\0'; p++) {
        if (*p == '|')
            put(script, "%s", separator);
        else
            put(script, "%c", *p);
    }
}

static bool
takes_files(const struct mq_flag *flag)
{
    return flag->placeholder != NULL &&
           (strcmp(flag->placeholder, "FILE") == 0 || strcmp(flag->placeholder, "PATH") == 0 ||
            strcmp(flag->placeholder, "DIR") == 0);
}

/* First words: groups once, plain commands, "help". */
static void
put_first_words(struct script *script, const char *separator)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    const char *last_group = "";
    size_t last_size = 0;
    for (size_t i = 0; i < count; i++) {
        if (table[i]->is_hidden)
            continue;
        size_t n = strcspn(table[i]->name, " ");
        if (n == last_size && strncmp(last_group, table[i]->name, n) == 0)
            continue;
        last_group = table[i]->name;
        last_size = n;
        put(script, "%.*s%s", (int)n, table[i]->name, separator);
    }
    put(script, "help");
}

/* bash */

static void
bash_flag_values(struct script *script, const struct mq_flag *flags)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++) {
        const char *values = mq_completion_values(f->choices, f->placeholder);
        if (values != NULL) {
            put(script, "        '%s') COMPREPLY=($(compgen -W '", f->name);
            put_values(script, values, " ");
            put(script, "' -- \"$current\")); return ;;\n");
        } else if (takes_files(f)) {
            put(script, "        '%s') COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n",
                f->name);
        } else if (f->type != MQ_FLAG_SWITCH) {
            put(script, "        '%s') return ;;\n", f->name);
        }
    }
}

static void
put_flag_names(struct script *script, const struct mq_flag *flags)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++)
        put(script, "%s ", f->name);
}

static void
bash_script(struct script *script)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    put(script,
        "# bash completion of marquee; generated, see marquee completions --help\n"
        "_marquee() {\n"
        "    local current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
        "    local command='' word i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=\"${COMP_WORDS[i]}\"\n"
        "        [[ $word == -* ]] && continue\n"
        "        case \"$command $word\" in\n");
    for (size_t i = 0; i < count; i++) {
        if (table[i]->is_hidden)
            continue;
        const char *blank = strchr(table[i]->name, ' ');
        if (blank != NULL)
            put(script, "        ' %.*s') command='%.*s' ;;\n        '%s') command='%s' ;;\n",
                (int)(blank - table[i]->name), table[i]->name, (int)(blank - table[i]->name),
                table[i]->name, table[i]->name, table[i]->name);
        else
            put(script, "        ' %s') command='%s' ;;\n", table[i]->name, table[i]->name);
    }
    put(script, "        esac\n    done\n    case \"$before\" in\n");
    bash_flag_values(script, mq_global_flags);
    put(script, "    esac\n    local flags='");
    put_flag_names(script, mq_global_flags);
    put(script, "' words=''\n    case \"$command\" in\n    '') words='");
    put_first_words(script, " ");
    put(script, "' ;;\n");
    for (size_t i = 0; i < count; i++) {
        const struct mq_command *c = table[i];
        if (c->is_hidden)
            continue;
        put(script, "    '%s')\n", c->name);
        put(script, "        case \"$before\" in\n");
        bash_flag_values(script, c->flags);
        put(script, "        esac\n        flags+=' ");
        put_flag_names(script, c->flags);
        put(script, "'\n");
        const struct mq_positional *p = c->positionals;
        const char *values =
            p != NULL && p->name != NULL ? mq_completion_values(NULL, p->name) : NULL;
        if (values != NULL) {
            put(script, "        words='");
            put_values(script, values, " ");
            put(script, "'\n");
        }
        put(script, "        ;;\n");
    }
    /* A group's own word offers its subcommands. */
    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(table[i]->name, ' ');
        size_t n = blank != NULL ? (size_t)(blank - table[i]->name) : 0;
        bool first =
            blank != NULL && (i == 0 || strncmp(table[i - 1]->name, table[i]->name, n + 1) != 0);
        if (!first)
            continue;
        put(script, "    '%.*s') words='", (int)n, table[i]->name);
        for (size_t j = i; j < count; j++)
            if (strncmp(table[j]->name, table[i]->name, n + 1) == 0)
                put(script, "%s ", table[j]->name + n + 1);
        put(script, "' ;;\n");
    }
    put(script, "    esac\n"
                "    if [[ $current == -* ]]; then\n"
                "        COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
                "    elif [[ -n $words ]]; then\n"
                "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                "    else\n"
                "        COMPREPLY=($(compgen -f -- \"$current\"))\n"
                "    fi\n"
                "}\n"
                "complete -o filenames -F _marquee marquee\n");
}

/* zsh */

static void
zsh_flags(struct script *script, const struct mq_flag *flags)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++) {
        put(script, "            '%s%s[", f->repeatable ? "*" : "", f->name);
        put_quoted(script, f->help);
        put(script, "]");
        const char *values = mq_completion_values(f->choices, f->placeholder);
        if (f->type != MQ_FLAG_SWITCH) {
            put(script, ":");
            put_quoted(script, f->placeholder);
            put(script, ":");
            if (values != NULL) {
                put(script, "(");
                put_values(script, values, " ");
                put(script, ")");
            } else if (takes_files(f)) {
                put(script, "_files");
            }
        }
        put(script, "' \\\n");
    }
}

static void
zsh_script(struct script *script)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    put(script, "#compdef marquee\n"
                "# zsh completion of marquee; generated, see marquee completions --help\n"
                "_marquee() {\n"
                "    local command='' word\n"
                "    local -a list\n"
                "    for word in ${words[2,CURRENT-1]}; do\n"
                "        [[ $word == -* ]] && continue\n"
                "        case \"$command $word\" in\n");
    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(table[i]->name, ' ');
        int n = (int)strcspn(table[i]->name, " ");
        if (table[i]->is_hidden)
            continue;
        if (blank != NULL)
            put(script, "        ' %.*s') command='%.*s' ;;\n", n, table[i]->name, n,
                table[i]->name);
        put(script, "        '%s%s') command='%s' ;;\n", blank != NULL ? "" : " ", table[i]->name,
            table[i]->name);
    }
    put(script, "        esac\n    done\n    case \"$command\" in\n    '')\n        list=(\n");
    for (size_t i = 0; i < count; i++) {
        if (table[i]->is_hidden)
            continue;
        put(script, "            '%.*s:", (int)strcspn(table[i]->name, " "), table[i]->name);
        put_quoted(script, table[i]->summary);
        put(script, "'\n");
    }
    put(script, "        )\n        _describe command list\n        ;;\n");
    for (size_t i = 0; i < count; i++) {
        const struct mq_command *c = table[i];
        if (c->is_hidden)
            continue;
        put(script, "    '%s')\n        _arguments \\\n", c->name);
        zsh_flags(script, c->flags);
        zsh_flags(script, mq_global_flags);
        const struct mq_positional *p = c->positionals;
        const char *values =
            p != NULL && p->name != NULL ? mq_completion_values(NULL, p->name) : NULL;
        put(script, "            '*::");
        if (values != NULL) {
            put(script, "%s:(", p->name);
            put_values(script, values, " ");
            put(script, ")'\n");
        } else {
            put(script, "argument:_files'\n");
        }
        put(script, "        ;;\n");
    }
    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(table[i]->name, ' ');
        size_t n = blank != NULL ? (size_t)(blank - table[i]->name) : 0;
        bool first =
            blank != NULL && (i == 0 || strncmp(table[i - 1]->name, table[i]->name, n + 1) != 0);
        if (!first)
            continue;
        put(script, "    '%.*s')\n        list=(\n", (int)n, table[i]->name);
        for (size_t j = i; j < count; j++) {
            if (strncmp(table[j]->name, table[i]->name, n + 1) != 0)
                continue;
            put(script, "            '%s:", table[j]->name + n + 1);
            put_quoted(script, table[j]->summary);
            put(script, "'\n");
        }
        put(script, "        )\n        _describe subcommand list\n        ;;\n");
    }
    put(script, "    esac\n}\n_marquee \"$@\"\n");
}

/* fish */

static void
fish_flag(struct script *script, const struct mq_flag *flag, const char *condition)
{
    put(script, "complete -c marquee%s -l %s", condition, flag->name + 2);
    if (flag->letter != '\0')
        put(script, " -s %c", flag->letter);
    if (flag->type != MQ_FLAG_SWITCH)
        put(script, takes_files(flag) ? " -r -F" : " -x");
    const char *values = mq_completion_values(flag->choices, flag->placeholder);
    if (values != NULL) {
        put(script, " -a '");
        put_values(script, values, " ");
        put(script, "'");
    }
    put(script, " -d '");
    put_quoted(script, flag->help);
    put(script, "'\n");
}

static void
fish_script(struct script *script)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    put(script, "# fish completion of marquee; generated, see marquee completions --help\n");
    for (const struct mq_flag *f = mq_global_flags; f->name != NULL; f++)
        fish_flag(script, f, "");
    for (size_t i = 0; i < count; i++) {
        const struct mq_command *c = table[i];
        if (c->is_hidden)
            continue;
        int n = (int)strcspn(c->name, " ");
        const char *second = c->name[n] != '\0' ? c->name + n + 1 : NULL;
        put(script, "complete -c marquee -f -n __fish_use_subcommand -a %.*s", n, c->name);
        if (second == NULL) {
            put(script, " -d '");
            put_quoted(script, c->summary);
            put(script, "'\n");
        } else {
            put(script, "\ncomplete -c marquee -f -n '__fish_seen_subcommand_from %.*s' -a %s -d '",
                n, c->name, second);
            put_quoted(script, c->summary);
            put(script, "'\n");
        }
        char condition[256];
        snprintf(condition, sizeof(condition), " -n '__fish_seen_subcommand_from %s'",
                 second != NULL ? second : c->name);
        for (const struct mq_flag *f = c->flags; f != NULL && f->name != NULL; f++)
            fish_flag(script, f, condition);
        const struct mq_positional *p = c->positionals;
        const char *values =
            p != NULL && p->name != NULL ? mq_completion_values(NULL, p->name) : NULL;
        if (values != NULL) {
            put(script, "complete -c marquee -f%s -a '", condition);
            put_values(script, values, " ");
            put(script, "'\n");
        }
    }
}

enum mq_status
mq_completion_script(enum mq_shell shell, struct mq_buffer *buffer, struct mq_error *err)
{
    struct script script = {.buffer = buffer, .err = err};
    switch (shell) {
    case MQ_SHELL_BASH:
        bash_script(&script);
        break;
    case MQ_SHELL_ZSH:
        zsh_script(&script);
        break;
    case MQ_SHELL_FISH:
        fish_script(&script);
        break;
    }
    return script.status;
}
