/*
 * Feature tables in one LMDB environment: table "x" is the database "table:x", the key of a record
 * is its key, the value record_codec.h's bytes. Keys longer than LMDB allows (511 bytes) are kept
 * under a hash, with the whole key in front of the value; so every value begins with its key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "base/strmap.h"
#include "store/feature_store_backend.h"
#include "store/lmdb_environment.h"
#include "store/record_codec.h"

#define LMDB_KEY_MAX 511
/* Records a write transaction takes, and a scan reads before it lets go of its snapshot. */
#define BATCH_RECORDS 20000
#define SCAN_RECORDS 1000

struct lmdb_store {
    struct mq_feature_store base;
    struct mq_lmdb *environment;
};

static struct mq_lmdb *
environment_of(const struct mq_feature_store *store)
{
    return ((const struct lmdb_store *)store)->environment;
}

static enum mq_status
lmdb_open(const char *rest, struct mq_feature_store **ret_store, struct mq_error *err)
{
    if (*rest == '\0')
        return mq_fail(err, MQ_E_CONFIG, "expected lmdb:FOLDER");
    struct lmdb_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a feature store");
    enum mq_status st = mq_lmdb_open(rest, &store->environment, err);
    if (st != MQ_OK) {
        free(store);
        return st;
    }
    *ret_store = &store->base;
    return MQ_OK;
}

static void
lmdb_free(struct mq_feature_store *store)
{
    mq_lmdb_close(environment_of(store));
    free(store);
}

static enum mq_status
table_of(struct mq_feature_store *store, const char *table, bool create, MDB_dbi *ret_dbi,
         struct mq_error *err)
{
    char name[MQ_TABLE_NAME_MAX + 8];
    snprintf(name, sizeof(name), "table:%s", table);
    enum mq_status st = mq_lmdb_database(environment_of(store), name, 0, create, ret_dbi, err);
    if (st == MQ_E_NOT_FOUND) {
        mq_fail(err, st, "no table '%s' in '%s'", table, store->uri);
        mq_error_hint(err, "make it with `marquee stores create`");
    }
    return st;
}

static enum mq_status
lmdb_create(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    MDB_dbi dbi;
    return table_of(store, table, true, &dbi, err);
}

static enum mq_status
lmdb_check(struct mq_feature_store *store, const char *table, struct mq_error *err)
{
    MDB_dbi dbi;
    return table_of(store, table, false, &dbi, err);
}

/* The LMDB key of a record's key; scratch holds a hashed one. */
static MDB_val
lmdb_key(const char *key, char scratch[MQ_SHA256_HEX_SIZE + 1])
{
    size_t size = strlen(key);
    if (size <= LMDB_KEY_MAX)
        return (MDB_val){size, (void *)key};
    scratch[0] = '\x01'; /* no UTF-8 text of a short key can be 65 bytes behind this and a hash */
    mq_sha256_of_bytes(key, size, scratch + 1);
    return (MDB_val){MQ_SHA256_HEX_SIZE, scratch};
}

/* Split a value into its key (copied) and its record. A damaged one is MDB_CORRUPTED. */
static int
decode(const MDB_val *value, struct mq_arena *arena, struct mq_record *ret_record)
{
    const char *bytes = value->mv_data;
    const char *end = memchr(bytes, '\0', value->mv_size);
    if (end == NULL)
        return MDB_CORRUPTED;
    size_t key_size = (size_t)(end - bytes);
    char *key = mq_arena_copy(arena, bytes, key_size);
    if (key == NULL)
        return ENOMEM;
    enum mq_status st =
        mq_record_decode(key, end + 1, value->mv_size - key_size - 1, arena, ret_record, NULL);
    return st == MQ_OK ? 0 : st == MQ_E_NOMEM ? ENOMEM : MDB_CORRUPTED;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct get_work {
    MDB_dbi dbi;
    const char *const *keys;
    size_t count;
    struct mq_arena *arena;
    struct mq_record *records;
    int64_t now_s;
};

static int
get_all(void *context, MDB_txn *txn)
{
    struct get_work *work = context;
    for (size_t i = 0; i < work->count; i++) {
        char scratch[MQ_SHA256_HEX_SIZE + 1];
        MDB_val key = lmdb_key(work->keys[i], scratch), value;
        int code = mdb_get(txn, work->dbi, &key, &value);
        work->records[i] = (struct mq_record){.key = work->keys[i]};
        if (code == MDB_NOTFOUND)
            continue;
        if (code == 0)
            code = decode(&value, work->arena, &work->records[i]);
        if (code != 0)
            return code;
        work->records[i].found = !mq_record_expired(&work->records[i], work->now_s);
    }
    return 0;
}

static enum mq_status
lmdb_batch_get(struct mq_feature_store *store, const char *table, const char *const *keys,
               size_t count, enum mq_consistency consistency, struct mq_arena *arena,
               struct mq_record *ret_records, struct mq_error *err)
{
    (void)consistency; /* every read here sees all that was committed */
    struct get_work work = {.keys = keys,
                            .count = count,
                            .arena = arena,
                            .records = ret_records,
                            .now_s = mq_clock_now_s()};
    enum mq_status st = table_of(store, table, false, &work.dbi, err);
    return st != MQ_OK ? st : mq_lmdb_read(environment_of(store), get_all, &work, err);
}

struct scan_work {
    MDB_dbi dbi;
    struct mq_buffer last; /* key of the last record seen; empty at first */
    int segment, segment_count;
    struct mq_arena *arena;
    struct mq_record *records; /* [SCAN_RECORDS] */
    size_t count;
    bool done;
    int64_t now_s;
};

static int
scan_some(void *context, MDB_txn *txn)
{
    struct scan_work *work = context;
    MDB_cursor *cursor;
    work->count = 0;
    mq_arena_reset(work->arena);
    int code = mdb_cursor_open(txn, work->dbi, &cursor);
    if (code != 0)
        return code;
    MDB_val key = {work->last.size, work->last.data}, value;
    if (work->last.size == 0) {
        code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    } else {
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code == 0 && key.mv_size == work->last.size &&
            memcmp(key.mv_data, work->last.data, key.mv_size) == 0)
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    /* A segment may be a small part of the table: bound what one snapshot walks, too. */
    for (size_t walked = 0; code == 0; walked++) {
        if (work->count == SCAN_RECORDS || walked == 64 * (size_t)SCAN_RECORDS)
            break;
        mq_buffer_reset(&work->last);
        if (mq_buffer_append(&work->last, key.mv_data, key.mv_size, NULL) != MQ_OK) {
            code = ENOMEM;
            break;
        }
        uint64_t hash = mq_hash_bytes(key.mv_data, key.mv_size, 1);
        if (hash % (uint64_t)work->segment_count == (uint64_t)work->segment) {
            struct mq_record *record = &work->records[work->count];
            code = decode(&value, work->arena, record);
            if (code != 0)
                break;
            if (!mq_record_expired(record, work->now_s))
                work->count++;
        }
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    work->done = code == MDB_NOTFOUND;
    return work->done ? 0 : code;
}

static enum mq_status
lmdb_scan(struct mq_feature_store *store, const char *table, int segment, int segment_count,
          mq_feature_visit_fn fn, void *context, struct mq_error *err)
{
    struct mq_arena arena = {0};
    struct scan_work work = {.segment = segment,
                             .segment_count = segment_count,
                             .arena = &arena,
                             .now_s = mq_clock_now_s()};
    enum mq_status st = table_of(store, table, false, &work.dbi, err);
    if (st == MQ_OK)
        st = mq_alloc_array(SCAN_RECORDS, sizeof(*work.records), &work.records, err);
    while (st == MQ_OK && !work.done) {
        st = mq_lmdb_read(environment_of(store), scan_some, &work, err);
        for (size_t i = 0; st == MQ_OK && i < work.count; i++)
            st = fn(context, &work.records[i], err);
    }
    mq_free(work.records);
    mq_buffer_release(&work.last);
    mq_arena_release(&arena);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

struct ordered {
    const struct mq_record *record;
    size_t place;
};

static int
compare_ordered(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    int order = strcmp(x->record->key, y->record->key);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

struct put_work {
    MDB_dbi dbi;
    const struct ordered *items;
    size_t count;
    struct mq_buffer bytes;
};

static int
put_bytes(MDB_txn *txn, MDB_dbi dbi, const struct mq_record *record, struct mq_buffer *bytes)
{
    char scratch[MQ_SHA256_HEX_SIZE + 1];
    mq_buffer_reset(bytes);
    if (mq_buffer_append(bytes, record->key, strlen(record->key) + 1, NULL) != MQ_OK ||
        mq_record_encode(record, bytes, NULL) != MQ_OK)
        return ENOMEM;
    MDB_val key = lmdb_key(record->key, scratch), value = {bytes->size, bytes->data};
    return mdb_put(txn, dbi, &key, &value, 0);
}

static int
put_all(void *context, MDB_txn *txn)
{
    struct put_work *work = context;
    int code = 0;
    for (size_t i = 0; code == 0 && i < work->count; i++)
        code = put_bytes(txn, work->dbi, work->items[i].record, &work->bytes);
    return code;
}

static enum mq_status
lmdb_batch_put(struct mq_feature_store *store, const char *table, const struct mq_record *records,
               size_t count, struct mq_error *err)
{
    struct put_work work = {0};
    enum mq_status st = table_of(store, table, false, &work.dbi, err);
    /* Sorted, a batch touches each page of the tree once. */
    mq_autofree struct ordered *ordered = NULL;
    if (st == MQ_OK)
        st = mq_alloc_array_raw(count, sizeof(*ordered), &ordered, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        ordered[i] = (struct ordered){&records[i], i};
    if (st == MQ_OK)
        qsort(ordered, count, sizeof(*ordered), compare_ordered);
    for (size_t i = 0; st == MQ_OK && i < count; i += BATCH_RECORDS) {
        work.items = ordered + i;
        work.count = MQ_MIN((size_t)BATCH_RECORDS, count - i);
        st = mq_lmdb_write(environment_of(store), put_all, &work, err);
    }
    mq_buffer_release(&work.bytes);
    return st;
}

struct update_work {
    MDB_dbi dbi;
    const char *key;
    const struct mq_attribute *changes;
    size_t change_count;
    enum mq_update_condition condition;
    int64_t version;
    int64_t now_s;
    int64_t after; /* version after */
    bool conflict;
    int64_t found_version; /* 0 none */
    struct mq_error error;
    enum mq_status failure;
};

static int
update_one(void *context, MDB_txn *txn)
{
    struct update_work *work = context;
    struct mq_arena arena = {0};
    struct mq_buffer bytes = {0};
    char scratch[MQ_SHA256_HEX_SIZE + 1];
    MDB_val key = lmdb_key(work->key, scratch), value;
    struct mq_record before, after;
    int code = mdb_get(txn, work->dbi, &key, &value);
    bool exists = code == 0;
    if (exists)
        code = decode(&value, &arena, &before);
    else if (code == MDB_NOTFOUND)
        code = 0;
    exists = exists && code == 0 && !mq_record_expired(&before, work->now_s);
    work->found_version = exists ? before.version : 0;
    work->conflict =
        (work->condition == MQ_UPDATE_IF_ABSENT && exists) ||
        (work->condition == MQ_UPDATE_IF_PRESENT && !exists) ||
        (work->condition == MQ_UPDATE_IF_VERSION && work->found_version != work->version);
    if (code == 0 && !work->conflict) {
        work->failure = mq_record_merge(work->key, exists ? &before : NULL, work->changes,
                                        work->change_count, &arena, &after, &work->error);
        if (work->failure == MQ_OK) {
            code = put_bytes(txn, work->dbi, &after, &bytes);
            work->after = after.version;
            if (code == 0 && bytes.size > MQ_RECORD_BYTES_MAX + MQ_FEATURE_KEY_MAX)
                work->failure = mq_fail(&work->error, MQ_E_RANGE,
                                        "record '%.64s' would have %zu bytes (at most %zu)",
                                        work->key, bytes.size, MQ_RECORD_BYTES_MAX);
        }
    }
    mq_buffer_release(&bytes);
    mq_arena_release(&arena);
    /* Nothing to commit: end the transaction by an error of ours, told apart by the caller. */
    return code == 0 && (work->conflict || work->failure != MQ_OK) ? ECANCELED : code;
}

static enum mq_status
lmdb_update(struct mq_feature_store *store, const char *table, const char *key,
            const struct mq_attribute *changes, size_t change_count,
            enum mq_update_condition condition, int64_t version, int64_t *ret_version,
            struct mq_error *err)
{
    struct update_work work = {.key = key,
                               .changes = changes,
                               .change_count = change_count,
                               .condition = condition,
                               .version = version,
                               .now_s = mq_clock_now_s()};
    enum mq_status st = table_of(store, table, false, &work.dbi, err);
    if (st != MQ_OK)
        return st;
    st = mq_lmdb_write(environment_of(store), update_one, &work, err);
    if (st != MQ_OK && work.conflict)
        return mq_fail(err, MQ_E_CONFLICT,
                       "record '%.64s' in table '%s' has version %lld, not as asked", key, table,
                       (long long)work.found_version);
    if (st != MQ_OK && work.failure != MQ_OK) {
        if (err != NULL)
            *err = work.error;
        return work.failure;
    }
    if (st == MQ_OK)
        *ret_version = work.after;
    return st;
}

struct delete_work {
    MDB_dbi dbi;
    const char *const *keys;
    size_t count;
};

static int
delete_all(void *context, MDB_txn *txn)
{
    struct delete_work *work = context;
    for (size_t i = 0; i < work->count; i++) {
        char scratch[MQ_SHA256_HEX_SIZE + 1];
        MDB_val key = lmdb_key(work->keys[i], scratch);
        int code = mdb_del(txn, work->dbi, &key, NULL);
        if (code != 0 && code != MDB_NOTFOUND)
            return code;
    }
    return 0;
}

static enum mq_status
lmdb_remove(struct mq_feature_store *store, const char *table, const char *const *keys,
            size_t count, struct mq_error *err)
{
    struct delete_work work = {.keys = keys, .count = count};
    enum mq_status st = table_of(store, table, false, &work.dbi, err);
    return st != MQ_OK ? st : mq_lmdb_write(environment_of(store), delete_all, &work, err);
}

const struct mq_feature_store_ops mq_feature_store_lmdb_ops = {
    .scheme = "lmdb",
    .open = lmdb_open,
    .free = lmdb_free,
    .create = lmdb_create,
    .check = lmdb_check,
    .batch_get = lmdb_batch_get,
    .batch_put = lmdb_batch_put,
    .update = lmdb_update,
    .remove = lmdb_remove,
    .scan = lmdb_scan,
};
