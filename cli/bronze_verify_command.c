#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "cli/bronze_report.h"
#include "cli/configured_stores.h"
#include "cli/terminal_table.h"
#include "data/bronze_verify.h"
#include "serve/consume.h"

/* The topic's place among the configured stores: it is always one of them. */
static const struct mq_store_place *
place_of(const struct mq_configured_stores *stores, const char *topic)
{
    size_t i = 0;
    while (i + 1 < stores->count && (stores->places[i].kind != MQ_STORE_EVENTS ||
                                     strcmp(stores->places[i].name, topic) != 0))
        i++;
    return &stores->places[i];
}

/* What the configured log says. One that is not there, or does not answer, is a reason, no failure;
 * and looking makes none. */
static enum mq_status
ask_ends(struct mq_cli *cli, const char *topic, const char *group, struct mq_bronze_ends *ends,
         struct mq_error *err)
{
    struct mq_configured_stores stores;
    struct mq_event_log *log;
    struct mq_error own = {0};
    if (*mq_config_text(cli->config, "events.log") == '\0') {
        mq_bronze_ends_unknown(topic, group, "no event log is configured (events.log)", ends);
        return MQ_OK;
    }
    enum mq_status st = mq_configured_stores_init(&stores, cli, err);
    if (st != MQ_OK)
        return st;
    st = mq_store_place_check(&stores, place_of(&stores, topic), &own);
    if (st == MQ_OK)
        st = mq_configured_events(&stores, &log, &own);
    if (st == MQ_OK) {
        st = mq_bronze_ends_ask(log, topic, group, ends, err);
    } else if (st == MQ_E_CONFIG || st == MQ_E_NOMEM || st == MQ_E_RANGE) {
        if (err != NULL)
            *err = own;
    } else {
        mq_bronze_ends_unknown(topic, group, own.message, ends);
        st = MQ_OK;
    }
    mq_configured_stores_release(&stores);
    return st;
}

static json_t *
report_json(const struct mq_cli *cli, const char *date, const struct mq_bronze_report *r)
{
    return json_pack("{s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
                     "date", date, "partitions", (json_int_t)r->partitions, "batches",
                     (json_int_t)r->batches, "offsets", (json_int_t)r->offsets, "events",
                     (json_int_t)r->events, "rejected", (json_int_t)r->rejected, "skipped",
                     (json_int_t)r->skipped, "empty_offsets", (json_int_t)r->empty, "lost_offsets",
                     (json_int_t)r->lost, "objects", (json_int_t)r->objects, "merged_objects",
                     (json_int_t)r->merged, "bytes", (json_int_t)r->bytes, "finding_count",
                     (json_int_t)r->findings.count, "findings",
                     mq_cli_findings_json(cli, &r->findings), "unchecked",
                     mq_cli_findings_json(cli, &r->unchecked));
}

static void
print_report(struct mq_cli *cli, const char *date, const struct mq_bronze_ends *ends,
             const struct mq_bronze_report *r)
{
    char batches[MQ_FORM_SIZE], offsets[MQ_FORM_SIZE], events[MQ_FORM_SIZE];
    char rejected[MQ_FORM_SIZE], objects[MQ_FORM_SIZE], bytes[MQ_FORM_SIZE];
    const char *of = date != NULL ? " of " : "", *day = date != NULL ? date : "";
    mq_form_count(r->batches, batches);
    mq_form_count(r->offsets, offsets);
    mq_form_count(r->events, events);
    mq_form_count(r->rejected, rejected);
    mq_form_count(r->objects, objects);
    mq_form_bytes(r->bytes, bytes);
    fprintf(cli->out,
            "%lld partitions, %s batches, %s offsets: %s events%s%s, %s rejected\n"
            "%s objects%s%s read whole, %s of text\n",
            (long long)r->partitions, batches, offsets, events, of, day, rejected, objects, of, day,
            bytes);
    mq_cli_print_findings(cli, "", &r->findings);
    mq_cli_print_findings(cli, "not checked: ", &r->unchecked);
    if (r->findings.count == 0 && r->unchecked.count == 0)
        fprintf(cli->out,
                "every offset is accounted for once, from the beginning to what group '%s' has "
                "committed\n",
                ends->group);
    else if (r->findings.count == 0)
        fprintf(cli->out, "every offset of these batches is accounted for once\n");
}

static enum mq_status
verify(struct mq_cli *cli, const char *date, const struct mq_bronze_ends *ends,
       const struct mq_bronze_ends *refusals_ends, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_bronze_history history = {0};
    struct mq_bronze_report report = {0};
    const struct mq_bronze_question question = {
        .date = date, .ends = ends, .refusals_ends = refusals_ends};
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_bronze_history_load(store, mq_cli_region(cli), NULL, pool, &history, err);
    if (st == MQ_OK)
        st = mq_bronze_verify(store, mq_cli_region(cli), &question, &history, pool, &report, err);
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, report_json(cli, date, &report), err);
    else if (st == MQ_OK)
        print_report(cli, date, ends, &report);
    if (st == MQ_OK && report.findings.count > 0)
        st = mq_fail(err, MQ_E_CONFLICT, "the bronze layer has %lld findings; the first: %s",
                     (long long)report.findings.count,
                     report.findings.kept > 0 ? report.findings.texts[0] : "");
    mq_bronze_report_release(&report);
    mq_bronze_history_release(&history);
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    const char *date = NULL;
    struct mq_object_store *store;
    const char *refusals = mq_config_text(cli->config, "events.rejected_topic");
    const char *group = mq_config_text(cli->config, "events.group");
    char refusals_group[MQ_TOPIC_NAME_MAX + 1];
    mq_autofree struct mq_bronze_ends *ends = calloc(2, sizeof(*ends));
    if (ends == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the ends of a topic");
    enum mq_status st = mq_cli_date(cli, &date, err);
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err); /* before a log is asked in vain */
    if (st == MQ_OK)
        st = ask_ends(cli, mq_config_text(cli->config, "events.topic"), group, &ends[0], err);
    bool has_refusals = *refusals != '\0' && st == MQ_OK && strcmp(refusals, ends[0].topic) != 0;
    mq_refusals_group(group, refusals_group);
    if (has_refusals)
        st = ask_ends(cli, refusals, refusals_group, &ends[1], err);
    return st == MQ_OK ? verify(cli, date, &ends[0], has_refusals ? &ends[1] : NULL, err) : st;
}

const struct mq_command mq_command_bronze_verify = {
    .name = "bronze verify",
    .summary = "prove that every event is in the bronze layer once",
    .help = "Checks that the batches of each partition follow each other without gap or overlap, "
            "that each batch's counts add up, that each of its objects is there (alone or merged) "
            "with the lines and the bytes that the batch names, by SHA-256, and that there is no "
            "object that no batch names. Merged objects are compared with the batches too, not "
            "with the index.\n\n"
            "The event log tells the two ends: the batches must begin where the topic begins (at "
            "offset 0, or at what the log still holds) and reach as far as the group has "
            "committed. Where the log cannot be asked, or forgot too much, that is said with the "
            "reason: 'not checked: …', and nothing is claimed of that end. Where the log is there "
            "and has another end than the batches, that is a finding.\n\n"
            "Reads all batch records, and every object of the day, or of all days. Each finding is "
            "named, with what mends it, and makes exit status 1. So does nothing: a place without "
            "any batch, and a day of which no batch holds events, are findings ('nothing: …'), for "
            "a check that found nothing to check has proved nothing.",
    .store_hint = MQ_CLI_BRONZE_STORE_HINT,
    .flags =
        (const struct mq_flag[]){
            {.name = "--date",
             .type = MQ_FLAG_TEXT,
             .placeholder = "DAY",
             .help = "objects of this day alone; all batches are checked against each other"},
            {.name = "--events",
             .type = MQ_FLAG_TEXT,
             .placeholder = "URI",
             .option = "events.log",
             .help = "the event log that tells the ends; \"\" asks none"},
            {.name = "--topic",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAME",
             .option = "events.topic",
             .help = "topic whose ends are asked for"},
            {.name = "--group",
             .type = MQ_FLAG_TEXT,
             .placeholder = "NAME",
             .option = "events.group",
             .help = "consumer group that writes the layer"},
            {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee bronze verify --date 2026-03-01", "a day's objects, and all batches"}, {0}},
    .run = run,
};
