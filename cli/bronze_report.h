/** What `marquee bronze` and `marquee replay` have in common: a layer's name, a day, findings. */
#ifndef MQ_CLI_BRONZE_REPORT_H
#define MQ_CLI_BRONZE_REPORT_H

#include "cli/command.h"
#include "data/bronze_findings.h"

/** Where there is no store, for who asked for a bronze layer. */
#define MQ_CLI_BRONZE_STORE_HINT                                                                   \
    "correct --store; a bronze layer is made by `marquee consume` or `marquee import movielens "   \
    "PATH --as events`"

/** Room of a layer's name. */
#define MQ_CLI_LAYER_NAME_MAX 1024
/** "s3://bucket/prefix/1/bronze": without the URI's parameters. Borrowed arguments. */
void mq_cli_layer_name(const struct mq_object_store *store, const char *region,
                       char ret_name[MQ_CLI_LAYER_NAME_MAX]);

/** --date as "YYYY-MM-DD", or NULL where it was not given. Borrowed. */
enum mq_status mq_cli_date(const struct mq_cli *cli, const char **ret_date, struct mq_error *err);

/** Print findings, a line each after `before`; their commands work on this command's store. */
void mq_cli_print_findings(struct mq_cli *cli, const char *before,
                           const struct mq_bronze_findings *findings);

/** The same as a JSON array; owned, NULL: no memory. */
struct json_t *mq_cli_findings_json(const struct mq_cli *cli,
                                    const struct mq_bronze_findings *findings);

#endif
