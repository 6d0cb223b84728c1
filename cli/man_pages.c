#include <stdio.h>
#include <string.h>

#include "cli/command_table.h"
#include "cli/generated_files.h"
#include "cli/help_text.h"

/* Roff with the man macros. Errors are kept and looked at once, at the end. */
struct roff {
    struct mq_buffer *buffer;
    struct mq_error *err;
    enum mq_status status;
};

static void
raw(struct roff *roff, const char *text)
{
    if (roff->status == MQ_OK)
        roff->status = mq_buffer_append_text(roff->buffer, text, roff->err);
}

/* Text with roff's special characters escaped. A blank line becomes a paragraph. */
static void
text(struct roff *roff, const char *plain)
{
    bool line_start = true;
    for (const char *p = plain; *p != '\0'; p++) {
        char one[] = {*p, '\0'};
        if (line_start && (*p == '.' || *p == '\''))
            raw(roff, "\\&");
        line_start = *p == '\n';
        if (p[0] == '\n' && p[1] == '\n') {
            raw(roff, "\n.PP\n");
            p++;
        } else {
            raw(roff, *p == '\\' ? "\\e" : *p == '-' ? "\\-" : one);
        }
    }
}

static void
heading(struct roff *roff, const char *title)
{
    raw(roff, ".SH ");
    raw(roff, title);
    raw(roff, "\n");
}

static void
tagged(struct roff *roff, const char *tag, const char *body)
{
    raw(roff, ".TP\n.B ");
    text(roff, tag);
    raw(roff, "\n");
    text(roff, body);
    raw(roff, "\n");
}

static void
flags(struct roff *roff, const char *title, const struct mq_flag *list)
{
    if (list == NULL || list[0].name == NULL)
        return;
    heading(roff, title);
    for (const struct mq_flag *f = list; f->name != NULL; f++) {
        char form[512], help[1024];
        mq_help_flag_form(f, form, sizeof(form));
        mq_help_flag_text(f, help, sizeof(help));
        tagged(roff, form, help);
    }
}

static void
title_line(struct roff *roff, const char *name, const char *summary)
{
    char line[512];
    char upper[MQ_COMMAND_NAME_MAX];
    size_t n = 0;
    for (; name[n] != '\0' && n + 1 < sizeof(upper); n++)
        upper[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 'a' + 'A') : name[n];
    upper[n] = '\0';
    snprintf(line, sizeof(line), ".TH %s 1 \"\" \"Marquee %s\" \"Marquee manual\"\n", upper,
             MQ_VERSION);
    raw(roff, line);
    heading(roff, "NAME");
    text(roff, name);
    raw(roff, " \\- ");
    text(roff, summary);
    raw(roff, "\n");
}

static void
exit_statuses(struct roff *roff)
{
    heading(roff, "EXIT STATUS");
    for (const struct mq_exit_status *s = mq_exit_statuses; s->meaning != NULL; s++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", s->status);
        tagged(roff, number, s->meaning);
    }
}

enum mq_status
mq_man_overview(struct mq_buffer *buffer, struct mq_error *err)
{
    struct roff roff = {.buffer = buffer, .err = err};
    title_line(&roff, "marquee", MQ_TAGLINE);
    heading(&roff, "SYNOPSIS");
    raw(&roff, ".B marquee\n.I COMMAND\n[\\fIFLAG\\fR...]\n");
    heading(&roff, "COMMANDS");
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    for (size_t i = 0; i < count; i++)
        if (!table[i]->is_hidden)
            tagged(&roff, table[i]->name, table[i]->summary);
    flags(&roff, "FLAGS OF EVERY COMMAND", mq_global_flags);
    heading(&roff, "ENVIRONMENT");
    tagged(&roff, "MARQUEE_STORE, MARQUEE_REGION", "as --store and --region");
    tagged(&roff, "MARQUEE_SECTION_KEY", "any option, as --set section.key");
    tagged(&roff, "MARQUEE_CONFIG", "settings file instead of ./marquee.yaml");
    tagged(&roff, "MARQUEE_NOW", "the instant taken for now: epoch seconds or ISO 8601");
    tagged(&roff, "MARQUEE_KERNEL", "instruction set: generic, avx2, avx512 or neon");
    tagged(&roff, "NO_COLOR", "if set, no colours");
    heading(&roff, "FILES");
    tagged(&roff, "marquee.yaml", "settings by section, read from the working folder");
    exit_statuses(&roff);
    heading(&roff, "SEE ALSO");
    for (size_t i = 0; i < count; i++) {
        char name[MQ_COMMAND_NAME_MAX];
        if (table[i]->is_hidden)
            continue;
        mq_command_file_name(table[i], name, sizeof(name));
        raw(&roff, ".BR marquee\\-");
        text(&roff, name);
        raw(&roff, " (1)\n");
    }
    return roff.status;
}

enum mq_status
mq_man_command(const struct mq_command *command, struct mq_buffer *buffer, struct mq_error *err)
{
    struct roff roff = {.buffer = buffer, .err = err};
    char name[MQ_COMMAND_NAME_MAX], title[MQ_COMMAND_NAME_MAX + 16];
    mq_command_file_name(command, name, sizeof(name));
    snprintf(title, sizeof(title), "marquee-%s", name);
    title_line(&roff, title, command->summary);
    heading(&roff, "SYNOPSIS");
    raw(&roff, ".B marquee ");
    text(&roff, command->name);
    raw(&roff, "\n");
    if (command->flags != NULL && command->flags[0].name != NULL)
        raw(&roff, "[\\fIFLAG\\fR...]\n");
    for (const struct mq_positional *p = command->positionals; p != NULL && p->name != NULL; p++) {
        char form[128];
        snprintf(form, sizeof(form), "%s\\fI%s\\fR%s%s\n", p->optional ? "[" : "", p->name,
                 p->repeated ? "..." : "", p->optional ? "]" : "");
        raw(&roff, form);
    }
    heading(&roff, "DESCRIPTION");
    text(&roff, command->help);
    raw(&roff, "\n");
    if (command->positionals != NULL && command->positionals[0].name != NULL) {
        heading(&roff, "ARGUMENTS");
        for (const struct mq_positional *p = command->positionals; p->name != NULL; p++)
            tagged(&roff, p->name, p->help);
    }
    flags(&roff, "FLAGS", command->flags);
    flags(&roff, "FLAGS OF EVERY COMMAND", mq_global_flags);
    if (command->examples != NULL && command->examples[0].command != NULL) {
        heading(&roff, "EXAMPLES");
        for (const struct mq_example *e = command->examples; e->command != NULL; e++)
            tagged(&roff, e->command, e->help);
    }
    exit_statuses(&roff);
    heading(&roff, "SEE ALSO");
    raw(&roff, ".BR marquee (1)\n");
    return roff.status;
}
