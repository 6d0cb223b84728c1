/**
 * The command line: what a command is, and what its code is given.
 *
 * Every command is one `struct mq_command` in cli/<command>_command.c, listed once in
 * cli/commands.def. Its rows (flags, positionals, help, examples) are the only description of
 * the command line: the parser, `--help`, the messages, man pages, shell completions and
 * docs/cli/ are generated from them.
 *
 * To add a command: write cli/NAME_command.c with `const struct mq_command mq_command_NAME = {…}`,
 * add COMMAND(NAME) to cli/commands.def and the file to cli/meson.build.
 *
 * A command prints its result on `cli->out` (aligned text, or JSON when cli->json) and returns a
 * status. It never prints errors: main reports them once and sets the exit status
 * (mq_status_exit_code). Threads: commands run on the main thread.
 */
#ifndef MQ_CLI_COMMAND_H
#define MQ_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/pool.h"
#include "config/options.h"
#include "marquee/status.h"
#include "store/object_store.h"

struct json_t;
struct mq_cli;

enum mq_flag_type {
    MQ_FLAG_SWITCH = 0, /**< present or not */
    MQ_FLAG_TEXT,
    MQ_FLAG_INT,
    MQ_FLAG_REAL,
};

/** One flag. All text is static. */
struct mq_flag {
    const char *name; /**< "--change-type" */
    char letter;      /**< 'q' for "-q"; 0: none */
    enum mq_flag_type type;
    bool repeatable;          /**< may be given several times; see mq_cli_values */
    const char *placeholder;  /**< "URI"; required unless a switch */
    const char *choices;      /**< "ACTION|BATCH", matched in any case; NULL: free */
    const char *default_text; /**< value when not given, shown in the help; NULL: none */
    double min, max;          /**< allowed numbers; both 0: any */
    const char *option;       /**< also sets this option ("store.uri"); NULL: none */
    const char *help;         /**< one line, lower case, no full stop */
};

/** One positional argument. */
struct mq_positional {
    const char *name; /**< "PATH" */
    bool optional;
    bool repeated; /**< the last one only: takes all that follow */
    const char *help;
};

struct mq_example {
    const char *command; /**< as typed: "marquee run --change-type ACTION" */
    const char *help;    /**< what it does */
};

/** One command. Arrays end with a row whose name is NULL, and may be NULL when empty. */
struct mq_command {
    const char *name;    /**< "run", or "import movielens" for a subcommand of a group */
    const char *summary; /**< one line, no full stop */
    const char *help;    /**< paragraphs parted by "\n\n"; no manual line breaks */
    const struct mq_positional *positionals;
    const struct mq_flag *flags; /**< beside the global ones */
    const struct mq_example *examples;
    bool is_hidden;         /**< not listed in help and documents */
    bool is_group_default;  /**< runs when the group's name stands alone ("runs" = "runs list") */
    bool without_store;     /**< a store that is not there is fine: it is made, or reported on */
    const char *store_hint; /**< else: how to come to a store that it can work on; NULL: imports */
    enum mq_status (*run)(struct mq_cli *cli, struct mq_error *err);
};

/** Flags every command takes; ends with a NULL name. */
extern const struct mq_flag mq_global_flags[];

/** A parsed command line with what it opened. */
struct mq_cli {
    const struct mq_command *command;
    struct mq_config *config; /**< defaults, marquee.yaml, environment, flags: merged */
    bool json;                /**< --json: print one JSON document instead of text */
    bool quiet, verbose;
    bool colour; /**< standard output is a terminal and NO_COLOR is unset */
    bool unread; /**< standard output is a pipe that its reader has closed */
    FILE *out;   /**< standard output */
    struct mq_arguments *arguments;
    struct mq_object_store *store; /* opened by mq_cli_store */
    struct mq_pool *pool;          /* started by mq_cli_pool */
};

/* -- arguments; `flag` must be a flag of the command or a global one (asserted) -- */

/** Whether it was given on the command line. */
bool mq_cli_given(const struct mq_cli *cli, const char *flag);
/** Value (the last, if repeated), else the row's default, else NULL. Borrowed. */
const char *mq_cli_text(const struct mq_cli *cli, const char *flag);
/** As a whole number; already checked. 0 without value and default. */
int64_t mq_cli_int(const struct mq_cli *cli, const char *flag);
double mq_cli_real(const struct mq_cli *cli, const char *flag);
/** All values of a repeatable flag, in order. Borrowed. @param ret_count may be 0 */
const char *const *mq_cli_values(const struct mq_cli *cli, const char *flag, int *ret_count);
int mq_cli_positional_count(const struct mq_cli *cli);
/** NULL beyond the last. Borrowed. */
const char *mq_cli_positional(const struct mq_cli *cli, int index);

/* -- what commands work on -- */

/**
 * The store of --store, opened at the first call. Borrowed.
 * @return MQ_OK | MQ_E_UNREACHABLE (its folder is not there, and the command is not
 *         without_store: nothing is created) | MQ_E_CONFIG (malformed URI)
 */
enum mq_status mq_cli_store(struct mq_cli *cli, struct mq_object_store **ret_store,
                            struct mq_error *err);
/** Region of --region. Borrowed. */
const char *mq_cli_region(const struct mq_cli *cli);
/** The process's thread pool (run.threads), started at the first call. Borrowed. */
enum mq_status mq_cli_pool(struct mq_cli *cli, struct mq_pool **ret_pool, struct mq_error *err);

/* -- output -- */

/**
 * The flags that say where this command works, as a shell takes them: " --store file:x --region 2",
 * of --store, --region and --config those that were given; "" for none. Free with free().
 * @return NULL when out of memory
 */
char *mq_cli_place_flags(const struct mq_cli *cli);

/** A text with these flags added to every command in it: "`marquee …`". NULL as above. */
char *mq_cli_with_place(const struct mq_cli *cli, const char *text);

/**
 * Print bytes. Where nobody reads any longer (`marquee … | head`) the command is to end and has not
 * failed.
 * @return MQ_OK | MQ_E_CANCELLED (nobody reads) | MQ_E_IO
 */
enum mq_status mq_cli_print(struct mq_cli *cli, const void *bytes, size_t size,
                            struct mq_error *err);

/** Print a JSON document, indented, with a newline. Takes the reference, also on failure. That
 * nobody reads is no failure here: what the command found decides how it ends. */
enum mq_status mq_cli_print_json(struct mq_cli *cli, struct json_t *document, struct mq_error *err);

/** Wrong use found by the command itself: MQ_E_USAGE with the hint "see: marquee … --help". */
enum mq_status mq_cli_usage(const struct mq_cli *cli, struct mq_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
