#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "cli/command.h"
#include "cli/terminal_table.h"
#include "data/bronze_compact.h"
#include "data/bronze_history.h"

/* --date as "YYYY-MM-DD", or NULL where it was not given. */
static enum mq_status
date_of(const struct mq_cli *cli, const char **ret_date, struct mq_error *err)
{
    const char *date = mq_cli_text(cli, "--date");
    int64_t ignored;
    if (date != NULL && (strlen(date) != MQ_DATE_SIZE - 1 ||
                         mq_instant_parse(date, strlen(date), &ignored, NULL) != MQ_OK))
        return mq_cli_usage(cli, err, "--date is '%s' (allowed: a day as in 2026-03-01)", date);
    *ret_date = date;
    return MQ_OK;
}

static enum mq_status
load(struct mq_cli *cli, const char *date, struct mq_bronze_history *history, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    enum mq_status st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    return st == MQ_OK ? mq_bronze_history_load(store, mq_cli_region(cli), date, pool, history, err)
                       : st;
}

/* ---- list ------------------------------------------------------------------------------- */

struct day {
    const char *date; /* borrowed from the history */
    int64_t events, objects, bytes, rejected;
};

static int
compare_days(const void *a, const void *b)
{
    return strcmp(((const struct day *)a)->date, ((const struct day *)b)->date);
}

static enum mq_status
sum_days(const struct mq_bronze_history *history, const char *date, struct day **ret_days,
         size_t *ret_count, struct mq_error *err)
{
    struct mq_strmap names = {0};
    struct day *days = NULL;
    size_t capacity = 0;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < history->count; i++) {
        const struct mq_bronze_record *record = &history->records[i];
        for (size_t k = 0; st == MQ_OK && k < record->object_count; k++) {
            const struct mq_bronze_object *object = &record->objects[k];
            int32_t code, known = names.count;
            if (date != NULL && strcmp(date, object->date) != 0)
                continue;
            st = mq_strmap_add_text(&names, object->date, &code, err);
            if (st == MQ_OK)
                st = mq_grow(&days, &capacity, (size_t)names.count, sizeof(*days), err);
            if (st != MQ_OK)
                break;
            if (code == known)
                days[code] = (struct day){.date = object->date};
            struct day *day = &days[code];
            day->objects++;
            day->events += object->kind == MQ_BRONZE_EVENTS ? object->lines : 0;
            day->bytes += object->kind == MQ_BRONZE_EVENTS ? object->bytes : 0;
            day->rejected += object->kind == MQ_BRONZE_REJECTED ? object->lines : 0;
        }
    }
    *ret_count = (size_t)names.count;
    mq_strmap_release(&names);
    if (*ret_count > 1)
        qsort(days, *ret_count, sizeof(*days), compare_days);
    *ret_days = days;
    return st;
}

static enum mq_status
print_days(struct mq_cli *cli, const struct day *days, size_t count, struct mq_error *err)
{
    if (cli->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:I}", "date", days[i].date,
                                                  "events", (json_int_t)days[i].events, "rejected",
                                                  (json_int_t)days[i].rejected, "objects",
                                                  (json_int_t)days[i].objects, "bytes",
                                                  (json_int_t)days[i].bytes));
        return mq_cli_print_json(cli, list, err);
    }
    if (count == 0) {
        fprintf(cli->out, "no events yet\n");
        return MQ_OK;
    }
    struct mq_table table = {0};
    static const char *const titles[] = {"day", "events", "rejected", "written as", "bytes"};
    for (int i = 0; i < 5; i++)
        mq_table_column(&table, titles[i], i >= 1);
    for (size_t i = 0; i < count; i++) {
        mq_table_cell(&table, "%s", days[i].date);
        mq_table_count(&table, days[i].events);
        mq_table_count(&table, days[i].rejected);
        mq_table_count(&table, days[i].objects);
        mq_table_bytes(&table, days[i].bytes);
    }
    enum mq_status st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    return st;
}

static enum mq_status
run_list(struct mq_cli *cli, struct mq_error *err)
{
    const char *date = NULL;
    struct mq_bronze_history history = {0};
    struct day *days = NULL;
    size_t count = 0;
    enum mq_status st = date_of(cli, &date, err);
    if (st == MQ_OK)
        st = load(cli, date, &history, err);
    if (st == MQ_OK)
        st = sum_days(&history, date, &days, &count, err);
    if (st == MQ_OK)
        st = print_days(cli, days, count, err);
    free(days);
    mq_bronze_history_release(&history);
    return st;
}

/* ---- verify ----------------------------------------------------------------------------- */

static json_t *
report_json(const struct mq_bronze_report *r)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < r->findings_kept; i++)
        json_array_append_new(findings, json_string(r->findings[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "partitions",
                     (json_int_t)r->partitions, "batches", (json_int_t)r->batches, "offsets",
                     (json_int_t)r->offsets, "events", (json_int_t)r->events, "rejected",
                     (json_int_t)r->rejected, "empty_offsets", (json_int_t)r->empty, "lost_offsets",
                     (json_int_t)r->lost, "objects", (json_int_t)r->objects, "merged_objects",
                     (json_int_t)r->merged, "bytes", (json_int_t)r->bytes, "finding_count",
                     (json_int_t)r->finding_count, "findings", findings);
}

static void
print_report(struct mq_cli *cli, const struct mq_bronze_report *r)
{
    char batches[MQ_FORM_SIZE], offsets[MQ_FORM_SIZE], events[MQ_FORM_SIZE];
    char rejected[MQ_FORM_SIZE], objects[MQ_FORM_SIZE], bytes[MQ_FORM_SIZE];
    mq_form_count(r->batches, batches);
    mq_form_count(r->offsets, offsets);
    mq_form_count(r->events, events);
    mq_form_count(r->rejected, rejected);
    mq_form_count(r->objects, objects);
    mq_form_bytes(r->bytes, bytes);
    fprintf(cli->out,
            "%lld partitions, %s batches, %s offsets: %s events, %s rejected\n"
            "%s objects read whole, %s of text\n",
            (long long)r->partitions, batches, offsets, events, rejected, objects, bytes);
    for (size_t i = 0; i < r->findings_kept; i++)
        fprintf(cli->out, "%s\n", r->findings[i]);
    if (r->finding_count == 0)
        fprintf(cli->out, "every offset is accounted for once\n");
}

static enum mq_status
run_verify(struct mq_cli *cli, struct mq_error *err)
{
    const char *date = NULL;
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_bronze_history history = {0};
    struct mq_bronze_report report = {0};
    enum mq_status st = date_of(cli, &date, err);
    if (st == MQ_OK)
        st = load(cli, date, &history, err);
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_bronze_verify(store, mq_cli_region(cli), date, &history, pool, &report, err);
    if (st == MQ_OK && cli->json)
        st = mq_cli_print_json(cli, report_json(&report), err);
    else if (st == MQ_OK)
        print_report(cli, &report);
    if (st == MQ_OK && report.finding_count > 0)
        st = mq_fail(err, MQ_E_CONFLICT, "the bronze layer has %lld findings; the first: %s",
                     (long long)report.finding_count,
                     report.findings_kept > 0 ? report.findings[0] : "");
    mq_bronze_report_release(&report);
    mq_bronze_history_release(&history);
    return st;
}

/* ---- compact ---------------------------------------------------------------------------- */

static enum mq_status
run_compact(struct mq_cli *cli, struct mq_error *err)
{
    const char *date = NULL;
    struct mq_object_store *store;
    struct mq_compact_figures f;
    struct mq_compact_options options = {.target_bytes = mq_cli_int(cli, "--target-mb") << 20,
                                         .level = (int)mq_cli_int(cli, "--level")};
    enum mq_status st = date_of(cli, &date, err);
    if (st == MQ_OK && date == NULL)
        return mq_cli_usage(cli, err, "--date is missing: the day whose objects are merged");
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_bronze_compact(store, mq_cli_region(cli), date, &options, &f, err);
    if (st != MQ_OK)
        return st;
    if (cli->json)
        return mq_cli_print_json(
            cli,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "date", date, "objects_before",
                      (json_int_t)f.before, "objects_after", (json_int_t)f.after, "merges",
                      (json_int_t)f.merges, "parts", (json_int_t)f.parts, "lines",
                      (json_int_t)f.lines, "leftovers", (json_int_t)f.leftovers),
            err);
    fprintf(cli->out, "%s: %lld objects before, %lld now (%lld merged into %lld)\n", date,
            (long long)f.before, (long long)f.after, (long long)f.parts, (long long)f.merges);
    return MQ_OK;
}

#define DATE_FLAG(text)                                                                            \
    {                                                                                              \
        .name = "--date", .type = MQ_FLAG_TEXT, .placeholder = "DAY", .help = text                 \
    }

const struct mq_command mq_command_bronze_list = {
    .name = "bronze list",
    .summary = "list the days of raw events",
    .help = "Lists what the bronze layer holds, by the events' own days: good events, rejected "
            "ones (by the day they came), the objects they were written as, and bytes of text. It "
            "is told from the batch records; no event is read.",
    .flags = (const struct mq_flag[]){DATE_FLAG("this day alone"), {0}},
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_bronze_verify = {
    .name = "bronze verify",
    .summary = "prove that every event is in the bronze layer once",
    .help = "Checks that the batches of each partition follow each other without gap or overlap, "
            "that each batch's counts add up, that each of its objects is there (alone or merged) "
            "with the lines and the bytes that the batch names, by SHA-256, and that there is no "
            "object that no batch names. Reads every object of the day, or of all days.\n\n"
            "Each finding is named, and makes exit status 1.",
    .flags = (const struct mq_flag[]){DATE_FLAG("objects of this day alone"), {0}},
    .examples = (const struct mq_example[]){{"marquee bronze verify --date 2026-03-01",
                                             "a day's objects, and the batches since"},
                                            {0}},
    .run = run_verify,
};

const struct mq_command mq_command_bronze_compact = {
    .name = "bronze compact",
    .summary = "merge a day's small objects into large ones",
    .help =
        "Merges the objects of one day's events, by partition in the order of offsets. An index "
        "remembers what was merged, so that a replay does not write it again. A compaction that "
        "was killed is finished by the same command. Best for days past.",
    .flags =
        (const struct mq_flag[]){
            DATE_FLAG("the day"),
            {.name = "--target-mb",
             .type = MQ_FLAG_INT,
             .placeholder = "N",
             .default_text = "256",
             .min = 1,
             .max = 102400,
             .help = "size of a merged object's parts together, compressed, at most"},
            {.name = "--level",
             .type = MQ_FLAG_INT,
             .placeholder = "N",
             .default_text = "6",
             .min = 1,
             .max = 9,
             .help = "gzip level of merged objects: 1 fast, 9 small"},
            {0}},
    .run = run_compact,
};
