/* The embedded event log: its environment, topics and bounds. */
#include "store/event_log_lmdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define NAME_SIZE (MQ_TOPIC_NAME_MAX + 32)
/* Events that one trim transaction removes. */
#define TRIM_EVENTS 50000

static struct mq_lmdb_log *
log_of(struct mq_event_log *base)
{
    return (struct mq_lmdb_log *)base;
}

static enum mq_status
lmdb_log_open(const char *rest, const char *properties, struct mq_event_log **ret_log,
              struct mq_error *err)
{
    (void)properties;
    if (*rest == '\0')
        return mq_fail(err, MQ_E_CONFIG, "expected lmdb:FOLDER");
    struct mq_lmdb_log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    enum mq_status st = mq_lmdb_open(rest, &log->environment, err);
    const struct {
        const char *name;
        MDB_dbi *dbi;
    } tables[] = {{"topics", &log->topics},
                  {"ends", &log->ends},
                  {"groups", &log->groups},
                  {"members", &log->members},
                  {"owners", &log->owners}};
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(tables); i++)
        st = mq_lmdb_database(log->environment, tables[i].name, 0, true, tables[i].dbi, err);
    if (st != MQ_OK) {
        mq_lmdb_close(log->environment);
        free(log);
        return st;
    }
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->written, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *ret_log = &log->base;
    return MQ_OK;
}

static void
lmdb_log_free(struct mq_event_log *base)
{
    struct mq_lmdb_log *log = log_of(base);
    pthread_cond_destroy(&log->written);
    pthread_mutex_destroy(&log->lock);
    mq_lmdb_close(log->environment);
    free(log);
}

/* ---- topics ----------------------------------------------------------------------------- */

struct topic_work {
    struct mq_lmdb_log *log;
    const char *topic;
    uint32_t partitions; /* asked for, then found */
};

static int
make_topic(void *context, MDB_txn *txn)
{
    struct topic_work *work = context;
    MDB_val key = {strlen(work->topic), (void *)work->topic};
    MDB_val value = {sizeof(work->partitions), &work->partitions};
    int code = mdb_put(txn, work->log->topics, &key, &value, MDB_NOOVERWRITE);
    if (code == MDB_KEYEXIST && value.mv_size == sizeof(work->partitions)) {
        memcpy(&work->partitions, value.mv_data, sizeof(work->partitions));
        code = 0;
    }
    return code;
}

static int
find_topic(void *context, MDB_txn *txn)
{
    struct topic_work *work = context;
    MDB_val key = {strlen(work->topic), (void *)work->topic}, value;
    int code = mdb_get(txn, work->log->topics, &key, &value);
    if (code == 0 && value.mv_size != sizeof(work->partitions))
        code = MDB_CORRUPTED;
    if (code == 0)
        memcpy(&work->partitions, value.mv_data, sizeof(work->partitions));
    if (code == 0 && (work->partitions < 1 || work->partitions > MQ_PARTITIONS_MAX))
        code = MDB_CORRUPTED;
    return code;
}

enum mq_status
mq_lmdb_log_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
                       struct mq_error *err)
{
    struct topic_work work = {log_of(base), topic, 0};
    enum mq_status st = mq_lmdb_read(work.log->environment, find_topic, &work, err);
    if (st == MQ_E_NOT_FOUND) {
        mq_fail(err, st, "no topic '%s' in '%s'", topic,
                base->uri != NULL ? base->uri : mq_lmdb_path(work.log->environment));
        mq_error_hint(err, "make it with `marquee stores create`");
    }
    if (st == MQ_OK)
        *ret_partitions = (int)work.partitions;
    return st;
}

enum mq_status
mq_lmdb_log_partition(struct mq_lmdb_log *log, const char *topic, int32_t partition,
                      MDB_dbi *ret_dbi, struct mq_error *err)
{
    int partitions;
    enum mq_status st = mq_lmdb_log_partitions(&log->base, topic, &partitions, err);
    if (st != MQ_OK)
        return st;
    if (partition < 0 || partition >= partitions)
        return mq_fail(err, MQ_E_RANGE, "topic '%s' has no partition %d (0 to %d)", topic,
                       partition, partitions - 1);
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "events:%s:%d", topic, partition);
    return mq_lmdb_database(log->environment, name, MDB_INTEGERKEY, true, ret_dbi, err);
}

static enum mq_status
lmdb_create_topic(struct mq_event_log *base, const char *topic, int partitions,
                  struct mq_error *err)
{
    struct topic_work work = {log_of(base), topic, (uint32_t)partitions};
    enum mq_status st = mq_lmdb_write(work.log->environment, make_topic, &work, err);
    MDB_dbi ignored;
    for (int32_t p = 0; st == MQ_OK && p < (int32_t)work.partitions; p++)
        st = mq_lmdb_log_partition(work.log, topic, p, &ignored, err);
    return st;
}

/* ---- bounds ----------------------------------------------------------------------------- */

static MDB_val
end_key(char name[NAME_SIZE], const char *topic, int32_t partition)
{
    int size = snprintf(name, NAME_SIZE, "%s:%d", topic, partition);
    return (MDB_val){(size_t)size, name};
}

int
mq_lmdb_log_end(struct mq_lmdb_log *log, MDB_txn *txn, const char *topic, int32_t partition,
                uint64_t *ret_end)
{
    char name[NAME_SIZE];
    MDB_val key = end_key(name, topic, partition), value;
    int code = mdb_get(txn, log->ends, &key, &value);
    if (code == 0 && value.mv_size != sizeof(*ret_end))
        return MDB_CORRUPTED;
    *ret_end = 0;
    if (code == 0)
        memcpy(ret_end, value.mv_data, sizeof(*ret_end));
    return code == MDB_NOTFOUND ? 0 : code;
}

int
mq_lmdb_log_set_end(struct mq_lmdb_log *log, MDB_txn *txn, const char *topic, int32_t partition,
                    uint64_t end)
{
    char name[NAME_SIZE];
    MDB_val key = end_key(name, topic, partition), value = {sizeof(end), &end};
    return mdb_put(txn, log->ends, &key, &value, 0);
}

int
mq_lmdb_log_first(MDB_txn *txn, MDB_dbi events, uint64_t end, uint64_t *ret_first)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_cursor_open(txn, events, &cursor);
    if (code != 0)
        return code;
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    *ret_first = end;
    if (code == 0)
        memcpy(ret_first, key.mv_data, sizeof(*ret_first));
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

struct place_work {
    struct mq_lmdb_log *log;
    const char *topic;
    int32_t partition;
    MDB_dbi events;
    int64_t time_ms;
    uint64_t first, end, found;
    int64_t removed;
};

static int
find_bounds(void *context, MDB_txn *txn)
{
    struct place_work *work = context;
    int code = mq_lmdb_log_end(work->log, txn, work->topic, work->partition, &work->end);
    return code != 0 ? code : mq_lmdb_log_first(txn, work->events, work->end, &work->first);
}

int
mq_lmdb_log_time(MDB_txn *txn, MDB_dbi events, uint64_t offset, int64_t *ret_time_ms)
{
    MDB_val key = {sizeof(offset), &offset}, value;
    int code = mdb_get(txn, events, &key, &value);
    if (code == 0 && value.mv_size < MQ_LMDB_EVENT_HEADER)
        return MDB_CORRUPTED;
    if (code == 0)
        memcpy(ret_time_ms, value.mv_data, sizeof(*ret_time_ms));
    return code;
}

/* Times never run backwards within a partition and offsets have no gap: a binary search. */
static int
find_time(void *context, MDB_txn *txn)
{
    struct place_work *work = context;
    int code = find_bounds(work, txn);
    uint64_t low = work->first, high = work->end;
    while (code == 0 && low < high) {
        uint64_t middle = low + (high - low) / 2;
        int64_t time_ms;
        code = mq_lmdb_log_time(txn, work->events, middle, &time_ms);
        if (code == 0 && time_ms < work->time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    work->found = low;
    return code;
}

static enum mq_status
lmdb_bounds(struct mq_event_log *base, const char *topic, int32_t partition, int64_t *ret_first,
            int64_t *ret_end, struct mq_error *err)
{
    struct place_work work = {.log = log_of(base), .topic = topic, .partition = partition};
    enum mq_status st = mq_lmdb_log_partition(work.log, topic, partition, &work.events, err);
    if (st == MQ_OK)
        st = mq_lmdb_read(work.log->environment, find_bounds, &work, err);
    if (st == MQ_OK) {
        *ret_first = (int64_t)work.first;
        *ret_end = (int64_t)work.end;
    }
    return st;
}

static enum mq_status
lmdb_offset_at(struct mq_event_log *base, const char *topic, int32_t partition, int64_t time_ms,
               int64_t *ret_offset, struct mq_error *err)
{
    struct place_work work = {
        .log = log_of(base), .topic = topic, .partition = partition, .time_ms = time_ms};
    enum mq_status st = mq_lmdb_log_partition(work.log, topic, partition, &work.events, err);
    if (st == MQ_OK)
        st = mq_lmdb_read(work.log->environment, find_time, &work, err);
    if (st == MQ_OK)
        *ret_offset = (int64_t)work.found;
    return st;
}

static int
trim_some(void *context, MDB_txn *txn)
{
    struct place_work *work = context;
    MDB_cursor *cursor;
    work->removed = 0;
    int code = find_time(work, txn);
    if (code == 0)
        code = mdb_cursor_open(txn, work->events, &cursor);
    if (code != 0)
        return code;
    MDB_val key, value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == 0 && work->removed < TRIM_EVENTS &&
           work->first + (uint64_t)work->removed < work->found) {
        code = mdb_cursor_del(cursor, 0);
        if (code == 0) {
            work->removed++;
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); /* the one that moved up */
        }
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static enum mq_status
lmdb_trim(struct mq_event_log *base, const char *topic, int64_t time_ms, int64_t *ret_removed,
          struct mq_error *err)
{
    struct place_work work = {.log = log_of(base), .topic = topic, .time_ms = time_ms};
    int partitions;
    enum mq_status st = mq_lmdb_log_partitions(base, topic, &partitions, err);
    for (work.partition = 0; st == MQ_OK && work.partition < partitions; work.partition++) {
        st = mq_lmdb_log_partition(work.log, topic, work.partition, &work.events, err);
        do {
            if (st == MQ_OK)
                st = mq_lmdb_write(work.log->environment, trim_some, &work, err);
            *ret_removed += work.removed;
        } while (st == MQ_OK && work.removed == TRIM_EVENTS);
    }
    return st;
}

const struct mq_event_log_ops mq_event_log_lmdb_ops = {
    .scheme = "lmdb",
    .open = lmdb_log_open,
    .free = lmdb_log_free,
    .create_topic = lmdb_create_topic,
    .partitions = mq_lmdb_log_partitions,
    .produce = mq_lmdb_log_produce,
    .bounds = lmdb_bounds,
    .offset_at = lmdb_offset_at,
    .set_retention = mq_lmdb_log_set_retention,
    .holdings = mq_lmdb_log_holdings,
    .trim = lmdb_trim,
    .consumer_new = mq_lmdb_consumer_new,
    .poll = mq_lmdb_consumer_poll,
    .commit = mq_lmdb_consumer_commit,
    .committed = mq_lmdb_consumer_committed,
    .group_committed = mq_lmdb_group_committed,
    .seek = mq_lmdb_consumer_seek,
    .position = mq_lmdb_consumer_position,
    .consumer_close = mq_lmdb_consumer_close,
};
