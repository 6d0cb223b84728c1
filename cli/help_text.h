/**
 * Help for people, from the command table: wrapped to 80 columns (or the terminal's width, at most
 * 100). Threads: reentrant.
 */
#ifndef MQ_CLI_HELP_TEXT_H
#define MQ_CLI_HELP_TEXT_H

#include "cli/command.h"

/** `marquee --help`: every command with its summary, the global flags, exit status. */
void mq_help_overview(FILE *out);

/** `marquee GROUP --help`: the group's subcommands. */
void mq_help_group(FILE *out, const char *group);

/** `marquee COMMAND --help`. */
void mq_help_command(FILE *out, const struct mq_command *command);

/** "marquee run [--flag …] PATH…": the synopsis, without a newline. */
void mq_help_synopsis(FILE *out, const struct mq_command *command);

/** "--type movie|tv" as written in help and documents. Cut at `size`. */
void mq_help_flag_form(const struct mq_flag *flag, char *ret_text, size_t size);

/** The flag's help with its default and range appended. Cut at `size`. */
void mq_help_flag_text(const struct mq_flag *flag, char *ret_text, size_t size);

/** One line on what each exit status means; ends with {0, NULL}. */
struct mq_exit_status {
    int status;
    const char *meaning;
};
extern const struct mq_exit_status mq_exit_statuses[];

/** What Marquee is, in one line. */
#define MQ_TAGLINE "recommendations for a film and TV catalogue"

#endif
