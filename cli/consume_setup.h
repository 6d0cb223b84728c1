/** What `marquee consume` and `marquee replay` share: settings of the consumer, its report. */
#ifndef MQ_CLI_CONSUME_SETUP_H
#define MQ_CLI_CONSUME_SETUP_H

#include "cli/command.h"
#include "serve/consume.h"

/** Where both wait for somebody: a store or broker that stays away for so long is an error. */
#define MQ_CLI_GIVE_UP_MS 60000

/**
 * Fill from the settings and the flag --project-actions. Opens the store; `metrics` is left to the
 * caller. @param log borrowed
 */
enum mq_status mq_cli_consume_options(struct mq_cli *cli, struct mq_event_log *log,
                                      struct mq_consume_options *ret_options, struct mq_error *err);

/** What was written, as members of a JSON object; owned, NULL: no memory. */
struct json_t *mq_cli_consume_json(const struct mq_consume_figures *figures);

/** Print what was written, as text or JSON. */
enum mq_status mq_cli_consume_report(struct mq_cli *cli, const struct mq_consume_figures *figures,
                                     struct mq_error *err);

#endif
