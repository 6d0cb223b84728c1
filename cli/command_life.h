/**
 * A command's life: open what the command line asks for, run, report the outcome, close.
 */
#ifndef MQ_CLI_COMMAND_LIFE_H
#define MQ_CLI_COMMAND_LIFE_H

#include "cli/arguments.h"

/**
 * Run a parsed command: settings merged, log and progress set up, signals caught (SIGINT and
 * SIGTERM ask the work to stop cleanly; a second one ends the process at once).
 * @return process exit status; the failure, if any, has been reported on standard error
 */
int mq_cli_run_parsed(const struct mq_parsed *parsed);

/**
 * Report a failure once: "marquee: <message>" and "hint: …", or one JSON object with `as_json`.
 * @return process exit status
 */
int mq_cli_report(const struct mq_error *error, bool as_json);

#endif
