/*
 * The embedded event log: writing.
 *
 * Durability costs one fsync a transaction, so concurrent calls share transactions: a call that
 * finds nobody writing writes its own events and all that queued up meanwhile; the others wait.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "store/event_log_lmdb.h"

/* Bytes one shared transaction takes at most; a write forgets of a partition so many events and
 * twice as many as it writes. */
#define SHARED_BYTES_MAX ((size_t)64 << 20)
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
        const struct open_partition *open = &work->open[i];
        code = mq_lmdb_log_set_end(work->log, txn, open->topic, open->partition, open->end);
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

enum mq_status
mq_lmdb_log_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
                    size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
                    struct mq_error *err)
{
    struct mq_lmdb_log *log = (struct mq_lmdb_log *)base;
    struct mq_pending_write call = {
        .topic = topic, .events = events, .count = count, .produced = ret_produced};
    enum mq_status st = mq_lmdb_log_partitions(base, topic, &call.partitions, err);
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
