#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/consume_setup.h"
#include "cli/terminal_table.h"
#include "store/event_log_settings.h"

/* A flag's time in epoch milliseconds. @param absent where it was not given */
static enum mq_status
time_of(const struct mq_cli *cli, const char *flag, int64_t absent, int64_t *ret_ms,
        struct mq_error *err)
{
    const char *text = mq_cli_text(cli, flag);
    int64_t seconds;
    *ret_ms = absent;
    if (text == NULL)
        return MQ_OK;
    if (mq_instant_parse(text, strlen(text), &seconds, NULL) != MQ_OK)
        return mq_cli_usage(cli, err,
                            "%s is '%s' (allowed: a day as 2026-03-01, or a time as "
                            "2026-03-01T17:30 or 2026-03-01T17:30:00Z)",
                            flag, text);
    *ret_ms = seconds * 1000;
    return MQ_OK;
}

/* What lies in the time, by partition. */
static enum mq_status
print_plan(struct mq_cli *cli, const struct mq_consume_options *o, struct mq_error *err)
{
    struct mq_table table = {0};
    json_t *list = json_array();
    int partitions;
    enum mq_status st = mq_event_log_partitions(o->log, o->topic, &partitions, err);
    mq_table_column(&table, "partition", true);
    mq_table_column(&table, "first offset", true);
    mq_table_column(&table, "end", true);
    mq_table_column(&table, "offsets", true);
    for (int p = 0; st == MQ_OK && p < partitions; p++) {
        int64_t first, end;
        st = mq_event_log_bounds(o->log, o->topic, p, &first, &end, err);
        if (st == MQ_OK && o->to_ms < mq_clock_now_ms())
            st = mq_event_log_offset_at(o->log, o->topic, p, o->to_ms, &end, err);
        if (st == MQ_OK)
            st = mq_event_log_offset_at(o->log, o->topic, p, o->from_ms, &first, err);
        if (st != MQ_OK)
            break;
        first = MQ_MIN(first, end);
        json_array_append_new(list, json_pack("{s:i, s:I, s:I}", "partition", p, "first",
                                              (json_int_t)first, "end", (json_int_t)end));
        mq_table_cell(&table, "%d", p);
        mq_table_count(&table, first);
        mq_table_count(&table, end);
        mq_table_count(&table, end - first);
    }
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, json_incref(list), err);
    else if (st == MQ_OK)
        st = mq_table_print(&table, cli->out, cli->colour, err);
    json_decref(list);
    mq_table_release(&table);
    return st;
}

static enum mq_status
replay(struct mq_cli *cli, struct mq_consume_options *options, struct mq_error *err)
{
    struct mq_consume_figures figures;
    struct mq_metrics *metrics;
    enum mq_status st = mq_metrics_new(&metrics, err);
    if (st != MQ_OK)
        return st;
    options->metrics = metrics;
    st = mq_consume(options, &figures, err);
    mq_metrics_free(metrics);
    return st == MQ_OK ? mq_cli_consume_report(cli, &figures, err) : st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_consume_options options;
    struct mq_event_log *log = NULL;
    int64_t from_ms = 0, to_ms = 0;
    if (!mq_cli_given(cli, "--from"))
        return mq_cli_usage(cli, err, "--from is missing: the time to read again from");
    enum mq_status st = time_of(cli, "--from", 0, &from_ms, err);
    if (st == MQ_OK)
        st = time_of(cli, "--to", INT64_MAX, &to_ms, err);
    if (st == MQ_OK && from_ms >= to_ms)
        st = mq_cli_usage(cli, err, "--from '%s' is not before --to '%s'",
                          mq_cli_text(cli, "--from"), mq_cli_text(cli, "--to"));
    if (st == MQ_OK)
        st = mq_event_log_open_configured(cli->config, &log, err);
    if (st == MQ_OK)
        st = mq_cli_consume_options(cli, log, &options, err);
    if (st == MQ_OK) {
        options.replay = true;
        options.from_ms = from_ms;
        options.to_ms = to_ms;
        options.give_up_ms = MQ_CLI_GIVE_UP_MS;
        options.layer.rejected_topic = NULL;
        st = mq_cli_given(cli, "--dry-run") ? print_plan(cli, &options, err)
                                            : replay(cli, &options, err);
    }
    mq_event_log_free(log);
    return st;
}

const struct mq_command mq_command_replay = {
    .name = "replay",
    .without_store = true,
    .summary = "write what the event log took within a time to the bronze layer again",
    .help =
        "Reads the events that the log took from --from on and before --to, and writes their "
        "batches again: objects that were lost or damaged come back, byte for byte, and with "
        "--project-actions the exposure and play logs of the nightly job too. Batch records say "
        "what belongs together, so a batch that reaches across either time is written whole, and "
        "each event stays in the bronze layer once: marquee bronze verify proves it.\n\n"
        "Times are when the log took an event, not the event's own; a day begins at 00:00 UTC. "
        "No consumer group is joined and no offset committed, so consumers may run meanwhile. The "
        "topic of rejected events is left alone. What the log has forgotten (retention) cannot be "
        "read again.",
    .flags =
        (const struct mq_flag[]){
            {.name = "--from",
             .type = MQ_FLAG_TEXT,
             .placeholder = "TIME",
             .help = "first time: 2026-03-01, or 2026-03-01T17:30"},
            {.name = "--to",
             .type = MQ_FLAG_TEXT,
             .placeholder = "TIME",
             .help = "end, itself not included; to the newest event where it is not given"},
            {.name = "--dry-run", .help = "show the offsets, read and write nothing"},
            {.name = "--project-actions",
             .help = "write the day's exposure and play logs for marquee run too"},
            {.name = "--events",
             .type = MQ_FLAG_TEXT,
             .placeholder = "URI",
             .option = "events.log",
             .help = "the event log: lmdb:FOLDER or kafka:HOST:PORT"},
            {.name = "--topic",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAME",
             .option = "events.topic",
             .help = "topic to read"},
            {0}},
    .examples = (const struct mq_example[]){{"marquee replay --from 2026-03-01 --to 2026-03-02",
                                             "what came on that day, into the bronze layer again"},
                                            {"marquee replay --from 2026-03-01T17:30 --dry-run",
                                             "which offsets that would read"},
                                            {0}},
    .run = run,
};
