/**
 * A run as people watch it: a line a step on standard output. Shared by `run` and `step`.
 */
#ifndef MQ_CLI_RUN_EVENTS_H
#define MQ_CLI_RUN_EVENTS_H

#include "cli/command.h"
#include "flow/runner.h"

/**
 * Run what is asked for with the session's store, settings and pool, printing as it goes (or the
 * manifest at the end, with --json).
 * @param request table, events and shard are filled in here
 */
enum mq_status mq_cli_run_request(struct mq_cli *cli, struct mq_run_request *request,
                                  struct mq_error *err);

#endif
