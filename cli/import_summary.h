/** What `marquee import` and `marquee simulate` print when they are done. */
#ifndef MQ_CLI_IMPORT_SUMMARY_H
#define MQ_CLI_IMPORT_SUMMARY_H

#include "cli/command.h"
#include "data/event_sink.h"

/**
 * Print a summary as text or JSON.
 * @param events  what became of the events of an import --as events; else NULL
 * @param seconds the work took
 */
enum mq_status mq_cli_print_import(struct mq_cli *cli, const struct mq_input_summary *summary,
                                   const struct mq_event_sink_figures *events, double seconds,
                                   struct mq_error *err);

#endif
