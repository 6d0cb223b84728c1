#include "cli/consume_setup.h"

#include <jansson.h>

#include "base/memory.h"
#include "cli/terminal_table.h"

enum mq_status
mq_cli_consume_options(struct mq_cli *cli, struct mq_event_log *log,
                       struct mq_consume_options *ret_options, struct mq_error *err)
{
    const struct mq_config *config = cli->config;
    const char *rejected = mq_config_text(config, "events.rejected_topic");
    *ret_options = (struct mq_consume_options){
        .log = log,
        .topic = mq_config_text(config, "events.topic"),
        .group = mq_config_text(config, "events.group"),
        .refusals_topic = *rejected != '\0' ? rejected : NULL,
        .layer = {.region = mq_cli_region(cli),
                  .log = log,
                  .rejected_topic = *rejected != '\0' ? rejected : NULL,
                  .rules = mq_event_rules_from(config, 0),
                  .level = (int)mq_config_int(config, "consume.compression"),
                  .project_actions = mq_cli_given(cli, "--project-actions")},
        .batch_bytes = (size_t)mq_config_int(config, "consume.batch_bytes"),
        .batch_age_ms = (int64_t)(mq_config_real(config, "consume.batch_age_s") * 1000),
        .memory_bytes = (size_t)mq_config_int(config, "consume.memory_mb") << 20,
        .writers = (int)mq_config_int(config, "consume.writers"),
        .session_ms = (int64_t)(mq_config_real(config, "consume.session_s") * 1000),
        .handover_ms = (int64_t)(mq_config_real(config, "consume.handover_s") * 1000)};
    return mq_cli_store(cli, &ret_options->layer.store, err);
}

json_t *
mq_cli_consume_json(const struct mq_consume_figures *f)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "events", (json_int_t)f->good,
                     "rejected", (json_int_t)f->rejected, "batches", (json_int_t)f->batches,
                     "redone", (json_int_t)f->redone, "objects", (json_int_t)f->objects,
                     "event_bytes", (json_int_t)f->bytes, "object_bytes",
                     (json_int_t)f->bytes_packed, "seconds", f->seconds, "peak_memory_bytes",
                     (json_int_t)mq_memory_peak_bytes());
}

enum mq_status
mq_cli_consume_report(struct mq_cli *cli, const struct mq_consume_figures *f, struct mq_error *err)
{
    if (cli->json)
        return mq_cli_print_json(cli, mq_cli_consume_json(f), err);
    char good[MQ_FORM_SIZE], rejected[MQ_FORM_SIZE], objects[MQ_FORM_SIZE], seconds[MQ_FORM_SIZE];
    char peak[MQ_FORM_SIZE];
    mq_form_count(f->good, good);
    mq_form_count(f->rejected, rejected);
    mq_form_count(f->objects, objects);
    mq_form_seconds(f->seconds, seconds);
    mq_form_bytes((int64_t)mq_memory_peak_bytes(), peak);
    fprintf(cli->out, "%s events and %s rejected ones in %s objects, %s, peak memory %s\n", good,
            rejected, objects, seconds, peak);
    return MQ_OK;
}
