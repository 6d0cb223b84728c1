#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "cli/bronze_report.h"
#include "cli/terminal_table.h"
#include "data/bronze_compact.h"
#include "data/bronze_history.h"

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
print_days(struct mq_cli *cli, const char *date, const struct day *days, size_t count,
           struct mq_error *err)
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
        if (date != NULL)
            fprintf(cli->out, "no events of %s\n", date);
        else
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
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_bronze_history history = {0};
    struct day *days = NULL;
    size_t count = 0;
    enum mq_status st = mq_cli_date(cli, &date, err);
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &pool, err);
    if (st == MQ_OK)
        st = mq_bronze_history_load(store, mq_cli_region(cli), NULL, pool, &history, err);
    for (size_t i = 0; i < history.unread_count; i++)
        mq_log_warn("bronze: not counted, marquee bronze verify tells more: %s",
                    history.unread[i].message);
    if (st == MQ_OK)
        st = sum_days(&history, date, &days, &count, err);
    if (st == MQ_OK)
        st = print_days(cli, date, days, count, err);
    free(days);
    mq_bronze_history_release(&history);
    return st;
}

/* ---- compact ---------------------------------------------------------------------------- */

static enum mq_status
print_compacted(struct mq_cli *cli, const char *date, const struct mq_compact_figures *f,
                const struct mq_bronze_findings *refusals, struct mq_error *err)
{
    if (cli->json)
        return mq_cli_print_json(
            cli,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "date", date,
                      "objects_before", (json_int_t)f->before, "objects_after",
                      (json_int_t)f->after, "merges", (json_int_t)f->merges, "parts",
                      (json_int_t)f->parts, "lines", (json_int_t)f->lines, "leftovers",
                      (json_int_t)f->leftovers, "refused_count", (json_int_t)refusals->count,
                      "refused", mq_cli_findings_json(cli, refusals)),
            err);
    fprintf(cli->out, "%s: %lld objects before, %lld now (%lld merged into %lld)\n", date,
            (long long)f->before, (long long)f->after, (long long)f->parts, (long long)f->merges);
    mq_cli_print_findings(cli, "", refusals);
    return MQ_OK;
}

static enum mq_status
run_compact(struct mq_cli *cli, struct mq_error *err)
{
    const char *date = NULL;
    struct mq_object_store *store;
    struct mq_compact_figures f;
    struct mq_bronze_findings refusals;
    struct mq_compact_options options = {.target_bytes = mq_cli_int(cli, "--target-mb") << 20,
                                         .level = (int)mq_cli_int(cli, "--level"),
                                         .refusals = &refusals};
    enum mq_status st = mq_cli_date(cli, &date, err);
    if (st == MQ_OK && date == NULL)
        return mq_cli_usage(cli, err, "--date is missing: the day whose objects are merged");
    if (st == MQ_OK)
        st = mq_cli_store(cli, &store, err);
    if (st == MQ_OK)
        st = mq_cli_pool(cli, &options.pool, err);
    if (st != MQ_OK)
        return st;
    mq_bronze_findings_init(&refusals);
    st = mq_bronze_compact(store, mq_cli_region(cli), date, &options, &f, err);
    if (st == MQ_OK)
        st = print_compacted(cli, date, &f, &refusals, err);
    if (st == MQ_OK && refusals.count > 0) {
        st = mq_fail(err, MQ_E_CONFLICT, "%lld objects of %s were not merged; the first: %s",
                     (long long)refusals.count, date, refusals.kept > 0 ? refusals.texts[0] : "");
        mq_error_hint(err, "nothing of them was deleted; all others were merged");
    }
    mq_bronze_findings_release(&refusals);
    return st;
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
            "is told from the batch records, all of which are read; no event is. A record that "
            "cannot be read is named on standard error, and its events are not counted.",
    .flags = (const struct mq_flag[]){DATE_FLAG("this day alone"), {0}},
    .store_hint = MQ_CLI_BRONZE_STORE_HINT,
    .is_group_default = true,
    .run = run_list,
};

const struct mq_command mq_command_bronze_compact = {
    .name = "bronze compact",
    .summary = "merge a day's small objects into large ones",
    .help =
        "Merges the objects of one day's events, by partition in the order of offsets. An index "
        "remembers what was merged, so that a replay does not write it again. A compaction that "
        "was killed is finished by the same command. Best for days past.\n\n"
        "Each object is compared with its batch record while it is copied: lines, bytes and "
        "SHA-256. One that differs, or that no record names, is refused: it is named with what "
        "mends it, nothing of it is deleted, all others are merged, and the exit status is 1. An "
        "index that was lost or damaged is made anew from the merged objects and the records.",
    .store_hint = MQ_CLI_BRONZE_STORE_HINT,
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
