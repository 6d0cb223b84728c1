#include "data/bronze_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Records are small: a store behind a network is asked for so many at once. */
#define REMOTE_READERS 16

void
mq_bronze_history_release(struct mq_bronze_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        mq_bronze_record_release(&history->records[i]);
    for (size_t i = 0; i < history->unread_count; i++)
        free(history->unread[i].message);
    free(history->records);
    free(history->unread);
    *history = (struct mq_bronze_history){0};
}

/* ---- order ------------------------------------------------------------------------------ */

static int
compare_places(const char *topic, int32_t partition, int64_t first, const char *other_topic,
               int32_t other_partition, int64_t other_first)
{
    int order = strcmp(topic, other_topic);
    if (order == 0)
        order = (partition > other_partition) - (partition < other_partition);
    return order != 0 ? order : (first > other_first) - (first < other_first);
}

static int
compare_records(const void *a, const void *b)
{
    const struct mq_bronze_record *x = a, *y = b;
    int order = compare_places(x->topic, x->partition, x->first, y->topic, y->partition, y->first);
    return order != 0 ? order : (y->end > 0) - (x->end > 0); /* one that was read first */
}

static int
compare_unread(const void *a, const void *b)
{
    const struct mq_bronze_unread *x = a, *y = b;
    return compare_places(x->topic, x->partition, x->first, y->topic, y->partition, y->first);
}

const struct mq_bronze_record *
mq_bronze_history_find(const struct mq_bronze_history *history, const char *topic,
                       int32_t partition, int64_t first)
{
    size_t low = 0, high = history->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mq_bronze_record *record = &history->records[middle];
        int order = compare_places(record->topic, record->partition, record->first, topic,
                                   partition, first);
        if (order == 0)
            return record;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct mq_bronze_unread *
mq_bronze_history_find_unread(const struct mq_bronze_history *history, const char *topic,
                              int32_t partition, int64_t first)
{
    for (size_t i = 0; i < history->unread_count; i++) {
        const struct mq_bronze_unread *unread = &history->unread[i];
        if (unread->first == first && unread->partition == partition &&
            strcmp(unread->topic, topic) == 0)
            return unread;
    }
    return NULL;
}

const struct mq_bronze_object *
mq_bronze_history_object(const struct mq_bronze_history *history, enum mq_bronze_kind kind,
                         const char *date, const char *name)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    if (!mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, topic, &partition, &first))
        return NULL;
    const struct mq_bronze_record *record =
        mq_bronze_history_find(history, topic, partition, first);
    return record != NULL ? mq_bronze_record_object(record, kind, date) : NULL;
}

int64_t
mq_bronze_history_next(const struct mq_bronze_history *history, const char *topic,
                       int32_t partition, int64_t first)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < history->count; i++) {
        const struct mq_bronze_record *r = &history->records[i];
        if (r->first > first && r->first < next && r->partition == partition &&
            strcmp(r->topic, topic) == 0)
            next = r->first;
    }
    for (size_t i = 0; i < history->unread_count; i++) {
        const struct mq_bronze_unread *u = &history->unread[i];
        if (u->first > first && u->first < next && u->partition == partition &&
            u->why != MQ_E_NOT_FOUND && strcmp(u->topic, topic) == 0)
            next = u->first;
    }
    return next;
}

/* ---- reading ---------------------------------------------------------------------------- */

enum mq_status
mq_bronze_history_name(struct mq_bronze_history *history, const char *topic, int32_t partition,
                       int64_t first, struct mq_error *err)
{
    enum mq_status st = mq_grow(&history->records, &history->capacity, history->count + 1,
                                sizeof(*history->records), err);
    if (st != MQ_OK)
        return st;
    struct mq_bronze_record *record = &history->records[history->count++];
    *record = (struct mq_bronze_record){.partition = partition, .first = first};
    snprintf(record->topic, sizeof(record->topic), "%s", topic);
    return MQ_OK;
}

enum mq_status
mq_bronze_history_name_object(struct mq_bronze_history *history, const char *name,
                              struct mq_error *err)
{
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    return mq_bronze_name_parse(name, MQ_BRONZE_SUFFIX, topic, &partition, &first)
               ? mq_bronze_history_name(history, topic, partition, first, err)
               : MQ_OK;
}

struct reading {
    struct mq_object_store *store;
    const char *region;
    struct mq_bronze_history *history;
    struct outcome {
        enum mq_status status;
        char *message;
    } * outcomes; /* [history->count] of those that could not be read */
};

static bool
is_of_record(enum mq_status st)
{
    return st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED || st == MQ_E_NOT_FOUND;
}

static enum mq_status
read_records(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct reading *reading = context;
    for (int64_t i = begin; i < end; i++) {
        struct mq_bronze_record *record = &reading->history->records[i];
        struct mq_error own = {0};
        if (record->end > 0)
            continue; /* read before */
        enum mq_status st =
            mq_bronze_record_read(reading->store, reading->region, record->topic, record->partition,
                                  record->first, record, NULL, &own);
        if (is_of_record(st)) {
            reading->outcomes[i].status = st;
            reading->outcomes[i].message = mq_strdup(own.message);
        } else if (st != MQ_OK) {
            if (err != NULL)
                *err = own;
            return st;
        }
    }
    return MQ_OK;
}

/* Named again, or read before: one of each place is kept, and one that was read before all. */
static void
drop_doubles(struct mq_bronze_history *history)
{
    size_t kept = 0;
    if (history->count > 1)
        qsort(history->records, history->count, sizeof(*history->records), compare_records);
    for (size_t i = 0; i < history->count; i++) {
        const struct mq_bronze_record *r = &history->records[i];
        bool double_of_last =
            kept > 0 &&
            compare_places(history->records[kept - 1].topic, history->records[kept - 1].partition,
                           history->records[kept - 1].first, r->topic, r->partition, r->first) == 0;
        bool known = r->end == 0 && mq_bronze_history_find_unread(history, r->topic, r->partition,
                                                                  r->first) != NULL;
        if (double_of_last || known)
            mq_bronze_record_release(&history->records[i]);
        else
            history->records[kept++] = history->records[i];
    }
    history->count = kept;
}

/* What could not be read moves to the other list. */
static enum mq_status
set_aside(struct reading *reading, struct mq_error *err)
{
    struct mq_bronze_history *history = reading->history;
    size_t kept = 0;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; i < history->count; i++) {
        struct mq_bronze_record *record = &history->records[i];
        if (reading->outcomes[i].status == MQ_OK) {
            history->records[kept++] = *record;
            continue;
        }
        if (st == MQ_OK)
            st = mq_grow(&history->unread, &history->unread_capacity, history->unread_count + 1,
                         sizeof(*history->unread), err);
        if (st != MQ_OK)
            continue;
        struct mq_bronze_unread *unread = &history->unread[history->unread_count++];
        *unread = (struct mq_bronze_unread){.partition = record->partition,
                                            .first = record->first,
                                            .why = reading->outcomes[i].status,
                                            .message = reading->outcomes[i].message};
        memcpy(unread->topic, record->topic, sizeof(unread->topic));
        reading->outcomes[i].message = NULL;
    }
    history->count = kept;
    if (history->unread_count > 1)
        qsort(history->unread, history->unread_count, sizeof(*history->unread), compare_unread);
    return st;
}

enum mq_status
mq_bronze_history_read(struct mq_object_store *store, const char *region, struct mq_pool *pool,
                       struct mq_bronze_history *history, struct mq_error *err)
{
    struct reading reading = {.store = store, .region = region, .history = history};
    struct mq_pool *many = NULL;
    char path[MQ_OBJECT_KEY_MAX];
    bool is_folder = mq_object_store_local_path(store, region, path, sizeof(path));
    drop_doubles(history);
    const size_t count = history->count;
    enum mq_status st = mq_alloc_array(count, sizeof(*reading.outcomes), &reading.outcomes, err);
    if (st != MQ_OK)
        return st;
    if (!is_folder && count > REMOTE_READERS)
        st = mq_pool_new(REMOTE_READERS, &many, err);
    if (st == MQ_OK)
        st =
            mq_pool_for(many != NULL ? many : pool, (int64_t)count, 4, read_records, &reading, err);
    mq_pool_free(many);
    if (st == MQ_OK)
        st = set_aside(&reading, err);
    for (size_t i = 0; i < count; i++)
        free(reading.outcomes[i].message);
    mq_free(reading.outcomes);
    return st;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listing {
    struct mq_bronze_history *history;
    const char *topic; /* NULL: every one */
    int32_t partition;
    int64_t end; /* the listing stops there */
};

static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct listing *listing = context;
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    if (!mq_bronze_name_parse(strrchr(key, '/') + 1, ".json", topic, &partition, &first))
        return MQ_OK; /* none of ours */
    if (listing->topic != NULL) {
        if (strcmp(topic, listing->topic) != 0 || partition != listing->partition)
            return MQ_OK; /* topic "a-1" shares a prefix with partition 1 of "a" */
        if (first >= listing->end)
            return mq_fail(err, MQ_E_CANCELLED, "the stretch ends");
    }
    return mq_bronze_history_name(listing->history, topic, partition, first, err);
}

static enum mq_status
list_all(struct mq_object_store *store, const char *region, struct mq_bronze_history *history,
         struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    struct listing listing = {.history = history};
    int n = snprintf(prefix, sizeof(prefix), "%s/bronze/batches/", region);
    return n < MQ_OBJECT_KEY_MAX ? mq_object_list(store, prefix, note, &listing, err)
                                 : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
}

enum mq_status
mq_bronze_history_name_span(struct mq_object_store *store, const char *region, const char *topic,
                            int32_t partition, struct mq_bronze_span span,
                            struct mq_bronze_history *history, struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX], after[MQ_OBJECT_KEY_MAX];
    struct listing listing = {
        .history = history, .topic = topic, .partition = partition, .end = span.end};
    int64_t before;
    if (mq_bronze_span_is_empty(span))
        return MQ_OK;
    enum mq_status st =
        mq_bronze_record_first_before(store, region, topic, partition, span.first, &before, err);
    if (st == MQ_OK && before >= 0)
        st = mq_bronze_history_name(history, topic, partition, before, err);
    if (st == MQ_OK)
        st = mq_bronze_record_key(region, topic, partition, span.first, after, err);
    if (st != MQ_OK)
        return st;
    int n = snprintf(prefix, sizeof(prefix), "%s/bronze/batches/%s-%d-", region, topic, partition);
    if (n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
    struct mq_error own = {0};
    st = mq_object_list_after(store, prefix, after, note, &listing, &own);
    if (st == MQ_E_CANCELLED && strcmp(own.message, "the stretch ends") == 0)
        st = MQ_OK;
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

/* The batch before a stretch may end before it, too. */
static void
drop_outside(struct mq_bronze_history *history, const struct mq_bronze_scope *scope)
{
    size_t kept = 0;
    for (size_t i = 0; i < history->count; i++) {
        struct mq_bronze_record *record = &history->records[i];
        if (record->end > scope->spans[record->partition].first)
            history->records[kept++] = *record;
        else
            mq_bronze_record_release(record);
    }
    history->count = kept;
}

enum mq_status
mq_bronze_history_load(struct mq_object_store *store, const char *region,
                       const struct mq_bronze_scope *scope, struct mq_pool *pool,
                       struct mq_bronze_history *ret_history, struct mq_error *err)
{
    struct mq_bronze_history history = {0};
    enum mq_status st = MQ_OK;
    if (scope == NULL)
        st = list_all(store, region, &history, err);
    for (int p = 0; scope != NULL && st == MQ_OK && p < scope->count; p++)
        st = mq_bronze_history_name_span(store, region, scope->topic, p, scope->spans[p], &history,
                                         err);
    if (st == MQ_OK)
        st = mq_bronze_history_read(store, region, pool, &history, err);
    if (st != MQ_OK) {
        mq_bronze_history_release(&history);
        return st;
    }
    if (scope != NULL)
        drop_outside(&history, scope);
    *ret_history = history;
    return MQ_OK;
}
