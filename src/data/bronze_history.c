#include "data/bronze_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Events may lie ahead of the clock by a little; two days are generous. */
#define SLACK_MS (2LL * MQ_DAY_SECONDS * 1000)

void
mq_bronze_history_release(struct mq_bronze_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        mq_bronze_record_release(&history->records[i]);
    free(history->records);
    *history = (struct mq_bronze_history){0};
}

struct loading {
    struct mq_object_store *store;
    const char *region;
    int64_t since_ms;
    struct mq_bronze_history history;
};

/* Note a record's name; it is read afterwards. */
static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct loading *loading = context;
    struct mq_bronze_history *history = &loading->history;
    const char *slash = strrchr(key, '/');
    struct mq_bronze_record record = {0};
    if (!mq_bronze_name_parse(slash + 1, ".json", record.topic, &record.partition, &record.first))
        return MQ_OK; /* none of ours */
    if (info->modified_ms < loading->since_ms) {
        history->skipped++;
        return MQ_OK;
    }
    enum mq_status st = mq_grow(&history->records, &history->capacity, history->count + 1,
                                sizeof(*history->records), err);
    if (st == MQ_OK)
        history->records[history->count++] = record;
    return st;
}

static enum mq_status
read_records(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct loading *loading = context;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; st == MQ_OK && i < end; i++) {
        struct mq_bronze_record *record = &loading->history.records[i];
        st = mq_bronze_record_read(loading->store, loading->region, record->topic,
                                   record->partition, record->first, record, NULL, err);
    }
    return st;
}

static int
compare_records(const void *a, const void *b)
{
    const struct mq_bronze_record *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    if (order == 0)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order != 0 ? order : (x->first > y->first) - (x->first < y->first);
}

enum mq_status
mq_bronze_history_load(struct mq_object_store *store, const char *region, const char *date,
                       struct mq_pool *pool, struct mq_bronze_history *ret_history,
                       struct mq_error *err)
{
    struct loading loading = {.store = store, .region = region, .since_ms = INT64_MIN};
    char prefix[MQ_OBJECT_KEY_MAX];
    int64_t day_s;
    enum mq_status st = MQ_OK;
    if (date != NULL && (st = mq_instant_parse(date, strlen(date), &day_s, err)) == MQ_OK)
        loading.since_ms = day_s * 1000 - SLACK_MS;
    int n = snprintf(prefix, sizeof(prefix), "%s/bronze/batches/", region);
    if (st == MQ_OK && n >= MQ_OBJECT_KEY_MAX)
        st = mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
    if (st == MQ_OK)
        st = mq_object_list(store, prefix, note, &loading, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, (int64_t)loading.history.count, 4, read_records, &loading, err);
    if (st != MQ_OK) {
        mq_bronze_history_release(&loading.history);
        return st;
    }
    if (loading.history.count > 1)
        qsort(loading.history.records, loading.history.count, sizeof(*loading.history.records),
              compare_records);
    *ret_history = loading.history;
    return MQ_OK;
}
