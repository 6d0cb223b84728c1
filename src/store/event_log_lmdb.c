/*
 * The embedded event log: writing and bounds.
 *
 * Durability costs one fsync a transaction, so concurrent calls share transactions: a call that
 * finds nobody writing writes its own events and all that queued up meanwhile; the others wait.
 */
#include "store/event_log_lmdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strmap.h"

#define NAME_SIZE (MQ_TOPIC_NAME_MAX + 32)
/* Bytes one shared transaction takes at most, and the events one trim transaction removes; a write
 * forgets of a partition so many and twice as many as it writes. */
#define SHARED_BYTES_MAX ((size_t)64 << 20)
#define TRIM_EVENTS 50000
#define FORGET_EVENTS 64
#define PARTITION_SEED 7

/* A produce call that waits, on its caller's stack. */
struct mq_pending_write {
    struct mq_pending_write *next;
    const char *topic;
    const struct mq_new_event *events;
    size_t count, bytes;
    struct mq_produced *produced;
    int partitions;
    bool begun, done;
    enum mq_status status;
    struct mq_error error;
};

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

static enum mq_status
lmdb_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
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
    enum mq_status st = lmdb_partitions(&log->base, topic, &partitions, err);
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
    enum mq_status st = lmdb_partitions(base, topic, &partitions, err);
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

/* ---- writing ---------------------------------------------------------------------------- */

struct open_partition {
    const char *topic;
    int32_t partition;
    MDB_dbi events;
    uint64_t begin, end; /* of what is written */
    int64_t last_ms;
};

struct write_work {
    struct mq_lmdb_log *log;
    struct mq_pending_write *first;
    struct open_partition *open; /* partitions touched by this transaction */
    size_t open_count, open_capacity;
    int64_t now_ms;
};

static struct open_partition *
touch_partition(struct write_work *work, const char *topic, int32_t partition)
{
    for (size_t i = work->open_count; i > 0; i--) {
        struct open_partition *open = &work->open[i - 1];
        if (open->partition == partition && strcmp(open->topic, topic) == 0)
            return open;
    }
    if (mq_grow(&work->open, &work->open_capacity, work->open_count + 1, sizeof(*work->open),
                NULL) != MQ_OK)
        return NULL;
    struct open_partition *open = &work->open[work->open_count++];
    *open = (struct open_partition){.topic = topic, .partition = partition};
    return open;
}

static int
append_event(MDB_txn *txn, struct open_partition *open, const struct mq_new_event *event)
{
    MDB_val key = {sizeof(open->end), &open->end};
    MDB_val value = {MQ_LMDB_EVENT_HEADER + event->key_size + event->value_size, NULL};
    int code = mdb_put(txn, open->events, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (code != 0)
        return code;
    unsigned char *p = value.mv_data;
    uint32_t key_size = (uint32_t)event->key_size;
    memcpy(p, &open->last_ms, 8);
    memcpy(p + 8, &key_size, 4);
    if (event->key_size > 0)
        memcpy(p + MQ_LMDB_EVENT_HEADER, event->key, event->key_size);
    if (event->value_size > 0)
        memcpy(p + MQ_LMDB_EVENT_HEADER + event->key_size, event->value, event->value_size);
    return 0;
}

static int
begin_partition(struct write_work *work, MDB_txn *txn, struct open_partition *open)
{
    int code = mq_lmdb_log_end(work->log, txn, open->topic, open->partition, &open->end);
    open->begin = open->end;
    open->last_ms = work->now_ms;
    int64_t before_ms;
    if (code == 0 && open->end > 0) {
        code = mq_lmdb_log_time(txn, open->events, open->end - 1, &before_ms);
        if (code == 0)
            open->last_ms = MQ_MAX(open->last_ms, before_ms);
        if (code == MDB_NOTFOUND) /* trimmed */
            code = 0;
    }
    return code;
}

static int
write_all(void *context, MDB_txn *txn)
{
    struct write_work *work = context;
    int code = 0;
    for (size_t i = 0; code == 0 && i < work->open_count; i++)
        if (work->open[i].events != 0) /* else its call has failed already */
            code = begin_partition(work, txn, &work->open[i]);
    for (struct mq_pending_write *call = work->first; code == 0 && call != NULL;
         call = call->next) {
        for (size_t i = 0; code == 0 && call->begun && i < call->count; i++) {
            struct open_partition *open =
                touch_partition(work, call->topic, call->produced[i].partition);
            code = append_event(txn, open, &call->events[i]);
            call->produced[i].offset = (int64_t)open->end++;
        }
    }
    for (size_t i = 0; code == 0 && i < work->open_count; i++) {
        if (work->open[i].events == 0)
            continue;
        char name[NAME_SIZE];
        MDB_val key = end_key(name, work->open[i].topic, work->open[i].partition);
        MDB_val value = {sizeof(work->open[i].end), &work->open[i].end};
        code = mdb_put(txn, work->log->ends, &key, &value, 0);
        const struct open_partition *open = &work->open[i];
        if (code == 0)
            code = mq_lmdb_log_forget(work->log, txn, open->events, open->begin,
                                      2 * (open->end - open->begin) + FORGET_EVENTS, work->now_ms);
    }
    return code;
}

/* Settle partitions of a call, and open them: database handles cannot be opened within. */
static enum mq_status
begin_call(struct write_work *work, struct mq_pending_write *call, struct mq_error *err)
{
    for (size_t i = 0; i < call->count; i++) {
        const struct mq_new_event *event = &call->events[i];
        uint32_t pick =
            event->key != NULL
                ? (uint32_t)(mq_hash_bytes(event->key, event->key_size, PARTITION_SEED) >> 33)
                : work->log->turn++;
        int32_t partition = (int32_t)(pick % (uint32_t)call->partitions);
        call->produced[i].partition = partition;
        struct open_partition *open = touch_partition(work, call->topic, partition);
        if (open == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a write");
        if (open->events == 0) {
            enum mq_status st =
                mq_lmdb_log_partition(work->log, call->topic, partition, &open->events, err);
            if (st != MQ_OK)
                return st;
        }
    }
    call->begun = true;
    return MQ_OK;
}

/* Write the calls of a chain in one transaction and give each its result. */
static void
write_chain(struct mq_lmdb_log *log, struct mq_pending_write *first)
{
    struct write_work work = {.log = log, .first = first, .now_ms = mq_clock_now_ms()};
    struct mq_error error = {0};
    enum mq_status st = MQ_OK;
    for (struct mq_pending_write *call = first; call != NULL; call = call->next)
        call->status = begin_call(&work, call, &call->error);
    st = mq_lmdb_write(log->environment, write_all, &work, &error);
    for (struct mq_pending_write *call = first; call != NULL; call = call->next) {
        if (call->status == MQ_OK && st != MQ_OK) {
            call->status = st;
            call->error = error;
        }
        for (size_t i = 0; i < call->count; i++) {
            call->produced[i].status = call->status;
            if (call->status != MQ_OK)
                call->produced[i].partition = -1, call->produced[i].offset = -1;
        }
    }
    free(work.open);
}

/* Take calls off the queue, up to the bytes of one transaction. */
static struct mq_pending_write *
take_chain(struct mq_lmdb_log *log)
{
    struct mq_pending_write *first = log->first, *last = first;
    size_t bytes = first->bytes;
    while (last->next != NULL && bytes + last->next->bytes <= SHARED_BYTES_MAX) {
        last = last->next;
        bytes += last->bytes;
    }
    log->first = last->next;
    if (log->first == NULL)
        log->last = NULL;
    last->next = NULL;
    return first;
}

static void
write_for_all(struct mq_lmdb_log *log, const struct mq_pending_write *own)
{
    log->writing = true;
    while (!own->done) {
        struct mq_pending_write *chain = take_chain(log);
        pthread_mutex_unlock(&log->lock);
        write_chain(log, chain);
        pthread_mutex_lock(&log->lock);
        while (chain != NULL) {
            struct mq_pending_write *next = chain->next; /* gone with its caller once done */
            chain->done = true;
            chain = next;
        }
        pthread_cond_broadcast(&log->written);
    }
    log->writing = false;
    /* Somebody who queued up late may have to write for the next round. */
    pthread_cond_broadcast(&log->written);
}

/* Take a call that nobody has begun to write off the queue. @return false: it is being written */
static bool
leave_queue(struct mq_lmdb_log *log, const struct mq_pending_write *call)
{
    struct mq_pending_write **link = &log->first, *before = NULL;
    while (*link != NULL && *link != call) {
        before = *link;
        link = &before->next;
    }
    if (*link == NULL)
        return false;
    *link = call->next;
    if (log->last == call)
        log->last = before;
    return true;
}

/* Wait until somebody has written the call, or write it. @return false: left the queue in time */
static bool
await_write(struct mq_lmdb_log *log, struct mq_pending_write *call, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    bool late = false;
    while (!call->done) {
        if (!log->writing)
            write_for_all(log, call);
        else if (late)
            pthread_cond_wait(&log->written, &log->lock);
        else
            late = pthread_cond_timedwait(&log->written, &log->lock, &until) == ETIMEDOUT;
        if (late && !call->done && leave_queue(log, call))
            return false;
    }
    return true;
}

static enum mq_status
lmdb_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
             size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
             struct mq_error *err)
{
    struct mq_lmdb_log *log = log_of(base);
    struct mq_pending_write call = {
        .topic = topic, .events = events, .count = count, .produced = ret_produced};
    enum mq_status st = lmdb_partitions(base, topic, &call.partitions, err);
    if (st != MQ_OK) {
        for (size_t i = 0; i < count; i++)
            ret_produced[i].status = st;
        return st;
    }
    for (size_t i = 0; i < count; i++)
        call.bytes += events[i].key_size + events[i].value_size + 32;
    pthread_mutex_lock(&log->lock);
    if (log->last != NULL)
        log->last->next = &call;
    else
        log->first = &call;
    log->last = &call;
    bool written = await_write(log, &call, timeout_ms);
    pthread_mutex_unlock(&log->lock);
    if (!written) {
        for (size_t i = 0; i < count; i++)
            ret_produced[i] = (struct mq_produced){MQ_E_TIMEOUT, -1, -1};
        return mq_fail(err, MQ_E_TIMEOUT,
                       "topic '%s' of '%s': waited %lld ms for the writes before this one", topic,
                       base->uri, (long long)timeout_ms);
    }
    if (call.status != MQ_OK && err != NULL)
        *err = call.error;
    return call.status;
}

const struct mq_event_log_ops mq_event_log_lmdb_ops = {
    .scheme = "lmdb",
    .open = lmdb_log_open,
    .free = lmdb_log_free,
    .create_topic = lmdb_create_topic,
    .partitions = lmdb_partitions,
    .produce = lmdb_produce,
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
