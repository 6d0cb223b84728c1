#include "cli/help_text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command_table.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MAX 100
#define FLAG_COLUMN 28
#define LINE_TEXT_MAX 1024

const struct mq_exit_status mq_exit_statuses[] = {
    {0, "done"},
    {1, "failed"},
    {2, "wrong use: command line or settings, the settings file included"},
    {3, "input refused: what the store holds, or lacks and a step must make first"},
    {4, "a store is not there or could not be reached"},
    {0, NULL},
};

static int
width_of(FILE *out)
{
    struct winsize size;
    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 40)
        return WIDTH_DEFAULT;
    return MQ_MIN((int)size.ws_col, WIDTH_MAX);
}

/* Print text wrapped at spaces; lines after the first begin at column `indent`. */
static void
wrap(FILE *out, const char *text, int indent, int column)
{
    int width = width_of(out);
    while (*text != '\0') {
        size_t n = strcspn(text, " \n");
        if (column > indent && column + 1 + (int)n > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, n, out);
        column += (int)n;
        text += n;
        if (*text == '\n') {
            fprintf(out, "\n\n%*s", indent, "");
            column = indent;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

void
mq_help_flag_form(const struct mq_flag *flag, char *ret_text, size_t size)
{
    int n = flag->letter != '\0' ? snprintf(ret_text, size, "-%c, ", flag->letter) : 0;
    const char *value = flag->choices != NULL ? flag->choices : flag->placeholder;
    bool has_value = flag->type != MQ_FLAG_SWITCH;
    snprintf(ret_text + n, size - (size_t)n, "%s%s%s%s", flag->name, has_value ? " " : "",
             has_value ? value : "", flag->repeatable ? " …" : "");
}

void
mq_help_flag_text(const struct mq_flag *flag, char *ret_text, size_t size)
{
    size_t n = (size_t)snprintf(ret_text, size, "%s", flag->help);
    if (flag->default_text != NULL && n < size)
        snprintf(ret_text + n, size - n, " (default %s)", flag->default_text);
}

static void
print_pair(FILE *out, const char *left, const char *right)
{
    /* Count code points, so that "…" takes one column. */
    int columns = 0;
    for (const char *p = left; *p != '\0'; p++)
        columns += ((unsigned char)*p & 0xc0) != 0x80;
    fprintf(out, "  %s", left);
    if (columns + 4 > FLAG_COLUMN)
        fprintf(out, "\n%*s", FLAG_COLUMN, "");
    else
        fprintf(out, "%*s", FLAG_COLUMN - 2 - columns, "");
    wrap(out, right, FLAG_COLUMN, FLAG_COLUMN);
}

static void
print_flags(FILE *out, const struct mq_flag *flags)
{
    for (const struct mq_flag *f = flags; f != NULL && f->name != NULL; f++) {
        char form[LINE_TEXT_MAX], text[LINE_TEXT_MAX];
        mq_help_flag_form(f, form, sizeof(form));
        mq_help_flag_text(f, text, sizeof(text));
        print_pair(out, form, text);
    }
}

static bool
has_rows(const struct mq_flag *flags)
{
    return flags != NULL && flags[0].name != NULL;
}

void
mq_help_synopsis(FILE *out, const struct mq_command *command)
{
    fprintf(out, "marquee %s", command->name);
    if (has_rows(command->flags))
        fputs(" [FLAG…]", out);
    for (const struct mq_positional *p = command->positionals; p != NULL && p->name != NULL; p++)
        fprintf(out, " %s%s%s%s", p->optional ? "[" : "", p->name, p->repeated ? "…" : "",
                p->optional ? "]" : "");
}

static void
print_commands(FILE *out, const char *group)
{
    size_t count;
    const struct mq_command *const *table = mq_command_table(&count);
    for (size_t i = 0; i < count; i++) {
        size_t n = group != NULL ? strlen(group) : 0;
        bool inside =
            group == NULL || (strncmp(table[i]->name, group, n) == 0 && table[i]->name[n] == ' ');
        if (!table[i]->is_hidden && inside)
            print_pair(out, table[i]->name, table[i]->summary);
    }
}

void
mq_help_overview(FILE *out)
{
    fputs("Marquee: " MQ_TAGLINE ".\n\nUse: marquee COMMAND [FLAG…]\n\nCommands:\n", out);
    print_commands(out, NULL);
    fputs("\nFlags of every command:\n", out);
    print_flags(out, mq_global_flags);
    fputs("\nExit status:", out);
    for (const struct mq_exit_status *s = mq_exit_statuses; s->meaning != NULL; s++)
        fprintf(out, "%s %d %s", s == mq_exit_statuses ? "" : ",", s->status, s->meaning);
    fputs(".\nmarquee COMMAND --help says more.\n", out);
}

void
mq_help_group(FILE *out, const char *group)
{
    fprintf(out, "Use: marquee %s SUBCOMMAND [FLAG…]\n\nSubcommands:\n", group);
    print_commands(out, group);
    fprintf(out, "\nmarquee %s SUBCOMMAND --help says more.\n", group);
}

void
mq_help_command(FILE *out, const struct mq_command *command)
{
    fputs("Use: ", out);
    mq_help_synopsis(out, command);
    fputs("\n\n", out);
    wrap(out, command->help, 0, 0);
    if (command->positionals != NULL && command->positionals[0].name != NULL) {
        fputs("\nArguments:\n", out);
        for (const struct mq_positional *p = command->positionals; p->name != NULL; p++) {
            char name[LINE_TEXT_MAX];
            snprintf(name, sizeof(name), "%s%s", p->name, p->repeated ? "…" : "");
            print_pair(out, name, p->help);
        }
    }
    if (has_rows(command->flags)) {
        fputs("\nFlags:\n", out);
        print_flags(out, command->flags);
    }
    fputs("\nFlags of every command:\n", out);
    print_flags(out, mq_global_flags);
    if (command->examples != NULL && command->examples[0].command != NULL) {
        fputs("\nExamples:\n", out);
        for (const struct mq_example *e = command->examples; e->command != NULL; e++)
            fprintf(out, "  %s\n      %s\n", e->command, e->help);
    }
}
