/** What `marquee import` and `marquee simulate` share: where events go, and what is printed in the
 * end. */
#ifndef MQ_CLI_IMPORT_SUMMARY_H
#define MQ_CLI_IMPORT_SUMMARY_H

#include "cli/command.h"
#include "data/event_sink.h"

/**
 * A sink by the settings of events and compression.
 * @param log borrowed; NULL: straight to the bronze layer of this command's region
 */
enum mq_status mq_cli_event_sink(const struct mq_cli *cli, struct mq_object_store *store,
                                 struct mq_pool *pool, struct mq_event_log *log,
                                 struct mq_event_sink **ret_sink, struct mq_error *err);

/**
 * Print a summary as text or JSON.
 * @param events  what became of the events of an import --as events; else NULL
 * @param seconds the work took
 */
enum mq_status mq_cli_print_import(struct mq_cli *cli, const struct mq_input_summary *summary,
                                   const struct mq_event_sink_figures *events, double seconds,
                                   struct mq_error *err);

#endif
