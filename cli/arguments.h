/**
 * The parser: argv to a command with its checked flags and positionals.
 *
 * `--flag value` and `--flag=value`, letters one by one ("-q -v" or "-qv"), global flags before or
 * after the command, `--` ends the flags. A value is never taken from a word that is itself a flag
 * of the command ("--store --json" is refused), other dashes are fine ("--from -1").
 * Threads: reentrant.
 */
#ifndef MQ_CLI_ARGUMENTS_H
#define MQ_CLI_ARGUMENTS_H

#include "cli/command.h"

/** Most words of a command line. */
#define MQ_ARGUMENTS_MAX 4096

struct mq_arguments;

/** What the command line asks for. */
enum mq_request {
    MQ_REQUEST_RUN,           /**< run the command */
    MQ_REQUEST_HELP,          /**< its help (--help, or `help COMMAND`) */
    MQ_REQUEST_GROUP_HELP,    /**< the help of a group ("import --help"); see `group` */
    MQ_REQUEST_OVERVIEW,      /**< `marquee --help` or `marquee help` */
    MQ_REQUEST_OVERVIEW_BARE, /**< `marquee` alone: the overview, but wrong use */
    MQ_REQUEST_VERSION,       /**< `marquee --version` */
};

struct mq_parsed {
    enum mq_request request;
    const struct mq_command *command; /**< NULL for the overviews and a group */
    const char *group;                /**< borrowed from argv */
    struct mq_arguments *arguments;   /**< owned: mq_arguments_free */
};

/**
 * Parse argv[1…]. Checks names, counts, numbers, ranges and choices.
 *
 * On failure ret_parsed->command is the command as far as known (for the hint), nothing is owned.
 * @return MQ_OK | MQ_E_USAGE | MQ_E_NOMEM
 */
enum mq_status mq_arguments_parse(int argc, char **argv, struct mq_parsed *ret_parsed,
                                  struct mq_error *err);

/** NULL allowed. */
void mq_arguments_free(struct mq_arguments *arguments);

bool mq_arguments_given(const struct mq_arguments *arguments, const char *flag);
/** Last value given (choices in the spelling of the table), or NULL. */
const char *mq_arguments_text(const struct mq_arguments *arguments, const char *flag);
const char *const *mq_arguments_values(const struct mq_arguments *arguments, const char *flag,
                                       int *ret_count);
int mq_arguments_positional_count(const struct mq_arguments *arguments);
const char *mq_arguments_positional(const struct mq_arguments *arguments, int index);

#endif
