#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/bronze_report.h"
#include "cli/consume_setup.h"
#include "cli/terminal_table.h"
#include "data/bronze_repair.h"
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

/* ---- what is to be read ----------------------------------------------------------------- */

/* Stretches of offsets, by partition, and how they were asked for. */
struct request {
    struct mq_bronze_span spans[MQ_PARTITIONS_MAX];
    int count;
    int64_t from_ms; /* INT64_MAX: by offset */
};

static enum mq_status
spans_of_offsets(struct mq_cli *cli, const struct mq_consume_options *o, struct request *request,
                 struct mq_error *err)
{
    int stretches;
    const char *const *texts = mq_cli_values(cli, "--offsets", &stretches);
    enum mq_status st = mq_event_log_partitions(o->log, o->topic, &request->count, err);
    for (int i = 0; st == MQ_OK && i < stretches; i++) {
        int32_t p;
        struct mq_bronze_span span;
        st = mq_bronze_span_parse(texts[i], &p, &span, NULL);
        if (st != MQ_OK)
            return mq_cli_usage(cli, err,
                                "--offsets is '%s' (allowed: PARTITION:FIRST-LAST, as 0:120-250)",
                                texts[i]);
        if (p >= request->count)
            return mq_cli_usage(cli, err, "--offsets is '%s', and topic '%s' has %d partitions",
                                texts[i], o->topic, request->count);
        request->spans[p] = mq_bronze_span_join(request->spans[p], span);
    }
    return st;
}

static enum mq_status
find_spans(struct mq_cli *cli, const struct mq_consume_options *o, struct request *request,
           struct mq_error *err)
{
    int64_t to_ms = INT64_MAX;
    *request = (struct request){.from_ms = INT64_MAX};
    if (mq_cli_given(cli, "--offsets"))
        return spans_of_offsets(cli, o, request, err);
    enum mq_status st = time_of(cli, "--from", 0, &request->from_ms, err);
    if (st == MQ_OK)
        st = time_of(cli, "--to", INT64_MAX, &to_ms, err);
    return st == MQ_OK ? mq_bronze_spans_of_time(o->log, o->topic, request->from_ms, to_ms,
                                                 request->spans, &request->count, err)
                       : st;
}

/* Before anything is opened. */
static enum mq_status
check_request(struct mq_cli *cli, struct mq_error *err)
{
    int64_t from_ms = 0, to_ms = 0;
    if (mq_cli_given(cli, "--offsets"))
        return mq_cli_given(cli, "--from") || mq_cli_given(cli, "--to")
                   ? mq_cli_usage(cli, err, "--offsets goes without --from and --to")
                   : MQ_OK;
    if (!mq_cli_given(cli, "--from"))
        return mq_cli_usage(cli, err, "--from is missing: the time to read again from");
    enum mq_status st = time_of(cli, "--from", 0, &from_ms, err);
    if (st == MQ_OK)
        st = time_of(cli, "--to", INT64_MAX, &to_ms, err);
    if (st == MQ_OK && from_ms >= to_ms)
        st = mq_cli_usage(cli, err, "--from '%s' is not before --to '%s'",
                          mq_cli_text(cli, "--from"), mq_cli_text(cli, "--to"));
    return st;
}

static enum mq_status
print_plan(struct mq_cli *cli, const struct mq_consume_options *o, const struct request *request,
           struct mq_error *err)
{
    struct mq_table table = {0};
    struct mq_bronze_span held[MQ_PARTITIONS_MAX];
    json_t *list = json_array();
    enum mq_status st =
        mq_bronze_spans_held(o->log, o->topic, request->spans, request->count, held, err);
    mq_table_column(&table, "partition", true);
    mq_table_column(&table, "first offset", true);
    mq_table_column(&table, "end", true);
    mq_table_column(&table, "offsets", true);
    for (int p = 0; st == MQ_OK && p < request->count; p++) {
        if (mq_cli_given(cli, "--offsets") && mq_bronze_span_is_empty(request->spans[p]))
            continue; /* not asked for */
        int64_t end = MQ_MAX(held[p].first, held[p].end);
        json_array_append_new(list, json_pack("{s:i, s:I, s:I}", "partition", p, "first",
                                              (json_int_t)held[p].first, "end", (json_int_t)end));
        mq_table_cell(&table, "%d", p);
        mq_table_count(&table, held[p].first);
        mq_table_count(&table, end);
        mq_table_count(&table, end - held[p].first);
    }
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, json_incref(list), err);
    else if (st == MQ_OK)
        st = mq_table_print(&table, cli->out, cli->colour, err);
    json_decref(list);
    mq_table_release(&table);
    return st;
}

/* ---- reading again ---------------------------------------------------------------------- */

/* The request's spans then end where their events do: behind these, offsets stand for none. */
static enum mq_status
consume(struct mq_consume_options *options, struct request *request,
        struct mq_consume_figures *figures, struct mq_error *err)
{
    struct mq_bronze_span held[MQ_PARTITIONS_MAX];
    int64_t ends[MQ_PARTITIONS_MAX];
    struct mq_metrics *metrics;
    enum mq_status st = mq_bronze_spans_held(options->log, options->topic, request->spans,
                                             request->count, held, err);
    if (st == MQ_OK)
        st = mq_metrics_new(&metrics, err);
    if (st != MQ_OK)
        return st;
    options->replay = true;
    options->spans = held;
    options->span_count = request->count;
    options->ret_ends = ends;
    options->metrics = metrics;
    st = mq_consume(options, figures, err);
    mq_metrics_free(metrics);
    for (int p = 0; st == MQ_OK && p < request->count; p++)
        if (!mq_bronze_span_is_empty(held[p]) && held[p].end == request->spans[p].end)
            request->spans[p].end = ends[p];
    return st;
}

static enum mq_status
print_result(struct mq_cli *cli, const struct mq_consume_figures *figures,
             const struct mq_bronze_repair_figures *mended, const struct mq_bronze_report *report,
             struct mq_error *err)
{
    if (cli->json) {
        json_t *document = mq_cli_consume_json(figures);
        json_object_set_new(document, "records_mended", json_integer(mended->records));
        json_object_set_new(document, "merges_mended", json_integer(mended->merges));
        json_object_set_new(document, "leftovers_deleted", json_integer(mended->leftovers));
        json_object_set_new(document, "finding_count", json_integer(report->findings.count));
        json_object_set_new(document, "findings", mq_cli_findings_json(cli, &report->findings));
        return mq_cli_print_json(cli, document, err);
    }
    enum mq_status st = mq_cli_consume_report(cli, figures, err);
    if (mended->records + mended->merges + mended->leftovers > 0)
        fprintf(cli->out,
                "%lld batch records and %lld merged objects made anew, %lld leftovers deleted\n",
                (long long)mended->records, (long long)mended->merges,
                (long long)mended->leftovers);
    mq_cli_print_findings(cli, "", &report->findings);
    if (report->findings.count == 0 && report->batches > 0)
        fprintf(cli->out, "read back: every offset is accounted for once\n");
    return st;
}

static enum mq_status
replay(struct mq_cli *cli, struct mq_consume_options *options, struct request *request,
       struct mq_error *err)
{
    struct mq_bronze_repair *repair = NULL;
    struct mq_consume_figures figures;
    struct mq_bronze_repair_figures mended;
    struct mq_bronze_report report = {0};
    struct mq_bronze_repair_options around = {.store = options->layer.store,
                                              .region = options->layer.region,
                                              .log = options->log,
                                              .topic = options->topic,
                                              .group = options->group,
                                              .from_ms = request->from_ms};
    enum mq_status st = mq_cli_pool(cli, &around.pool, err);
    if (st == MQ_OK)
        st = mq_bronze_repair_new(&around, request->spans, request->count, &repair, err);
    if (st == MQ_OK)
        st = consume(options, request, &figures, err);
    if (st == MQ_OK)
        st = mq_cancel_check(err);
    if (st == MQ_OK)
        st = mq_bronze_repair_finish(repair, request->spans, request->count, &mended, &report, err);
    if (st == MQ_OK)
        st = print_result(cli, &figures, &mended, &report, err);
    if (st == MQ_OK && report.findings.count > 0)
        st = mq_fail(err, MQ_E_CONFLICT,
                     "not all came back: the bronze layer has %lld findings in this stretch; the "
                     "first: %s",
                     (long long)report.findings.count,
                     report.findings.kept > 0 ? report.findings.texts[0] : "");
    mq_bronze_report_release(&report);
    mq_bronze_repair_free(repair);
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct mq_consume_options options;
    struct request request;
    struct mq_event_log *log = NULL;
    char layer[MQ_CLI_LAYER_NAME_MAX];
    enum mq_status st = check_request(cli, err);
    if (st == MQ_OK)
        st = mq_event_log_open_configured(cli->config, &log, err);
    if (st == MQ_OK)
        st = mq_cli_consume_options(cli, log, &options, err);
    if (st == MQ_OK)
        st = find_spans(cli, &options, &request, err);
    if (st == MQ_OK && mq_cli_given(cli, "--dry-run")) {
        st = print_plan(cli, &options, &request, err);
    } else if (st == MQ_OK) {
        options.give_up_ms = MQ_CLI_GIVE_UP_MS;
        options.layer.rejected_topic = NULL;
        mq_cli_layer_name(options.layer.store, options.layer.region, layer);
        mq_log_info("replay: topic '%s' of '%s' into '%s'", options.topic, mq_event_log_uri(log),
                    layer);
        st = replay(cli, &options, &request, err);
    }
    mq_event_log_free(log);
    return st;
}

const struct mq_command mq_command_replay = {
    .name = "replay",
    .without_store = true,
    .summary = "write what the event log took within a time to the bronze layer again",
    .help =
        "Reads the events that the log took from --from on and before --to (or those of "
        "--offsets), "
        "and writes their batches again: objects that were lost or damaged come back, byte for "
        "byte, and with --project-actions the exposure and play logs of the nightly job too. Batch "
        "records say what belongs together, so a batch that reaches across either end is written "
        "whole, and each event stays in the bronze layer once.\n\n"
        "Merged objects come back too: one that is lost, or holds other lines than its batches "
        "promise, is made anew from its parts, all of which are read again, and a batch record "
        "that cannot be read is made anew. At the end the stretch is read back and verified. What "
        "is still missing or wrong then, as where the log has forgotten events (retention), is "
        "named and makes exit status 1.\n\n"
        "Times are when the log took an event, not the event's own; a day begins at 00:00 UTC. "
        "No consumer group is joined and no offset committed, so consumers may run meanwhile. Of "
        "the topic of rejected events (--topic), what the API refused is written again.",
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
            {.name = "--offsets",
             .type = MQ_FLAG_TEXT,
             .repeatable = true,
             .placeholder = "PARTITION:FIRST-LAST",
             .help = "these offsets, as findings of marquee bronze verify name them; in place of "
                     "--from and --to"},
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
                                            {"marquee replay --offsets 2:1200-1799",
                                             "a stretch of partition 2 that verify found a gap in"},
                                            {0}},
    .run = run,
};
