/*
 * Polls of the embedded event log: events of all partitions in turn, straight from the map.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/event_consumer_lmdb.h"

/* Between two looks at a log that has nothing new. */
#define WAIT_MS 2
/* Bytes of events one poll hands out at most. */
#define POLL_BYTES_MAX ((size_t)8 << 20)
/* Bytes of events after whose reading the map's pages are let go. */
#define LET_GO_BYTES ((size_t)512 << 10)

struct read_work {
    struct mq_lmdb_consumer *consumer;
    size_t max_events;
    size_t bytes;
    uint64_t next[MQ_PARTITIONS_MAX];
    uint64_t gone[MQ_PARTITIONS_MAX]; /* offsets passed over, which the log has forgotten */
    int last;                         /* partition read last */
    uintptr_t low, high;              /* where the events lie in the map */
};

/* Let go of the pages of the map that were read: they stay in the system's cache, and a reader of a
 * long log stays small. LMDB never writes through the map, so nothing can be lost. */
static void
let_go(const struct read_work *work)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (work->low + page - 1) / page * page;
    if (work->bytes >= LET_GO_BYTES && work->high > begin)
        madvise((void *)begin, work->high - begin, MADV_DONTNEED);
}

static int
read_event(struct read_work *work, int32_t partition, const MDB_val *key, const MDB_val *value)
{
    struct mq_lmdb_consumer *consumer = work->consumer;
    uint64_t offset;
    uint32_t key_size;
    if (value->mv_size < MQ_LMDB_EVENT_HEADER || key->mv_size != sizeof(offset))
        return MDB_CORRUPTED;
    memcpy(&offset, key->mv_data, sizeof(offset));
    const char *bytes = value->mv_data;
    memcpy(&key_size, bytes + 8, 4);
    size_t body = value->mv_size - MQ_LMDB_EVENT_HEADER;
    if (key_size > body)
        return MDB_CORRUPTED;
    char *copy = mq_arena_copy(&consumer->arena, bytes + MQ_LMDB_EVENT_HEADER, body);
    if (copy == NULL ||
        mq_grow(&consumer->events, &consumer->event_capacity, consumer->event_count + 1,
                sizeof(*consumer->events), NULL) != MQ_OK)
        return ENOMEM;
    struct mq_event *event = &consumer->events[consumer->event_count++];
    *event = (struct mq_event){.partition = partition,
                               .offset = (int64_t)offset,
                               .key = copy,
                               .key_size = key_size,
                               .value = copy + key_size,
                               .value_size = body - key_size};
    memcpy(&event->time_ms, bytes, 8);
    work->low = MQ_MIN(work->low, (uintptr_t)bytes);
    work->high = MQ_MAX(work->high, (uintptr_t)bytes);
    work->next[partition] = offset + 1;
    work->bytes += body;
    return 0;
}

/* Offsets have no gaps but at the front, where retention took them away: as Kafka's consumers do
 * with auto.offset.reset=earliest, go on at what is held. @param found first offset held from
 * `next` on; NULL: none */
static int
skip_forgotten(struct read_work *work, MDB_txn *txn, int32_t partition, const MDB_val *found)
{
    const struct mq_lmdb_consumer *consumer = work->consumer;
    uint64_t to = 0;
    int code = 0;
    if (found != NULL && found->mv_size != sizeof(to))
        return MDB_CORRUPTED;
    if (found != NULL)
        memcpy(&to, found->mv_data, sizeof(to));
    else
        code = mq_lmdb_log_end(consumer->log, txn, consumer->base.options.topic, partition, &to);
    if (code == 0 && to > work->next[partition]) {
        work->gone[partition] += to - work->next[partition];
        work->next[partition] = to;
    }
    return code;
}

static void
tell_forgotten(const struct read_work *work, int32_t partition)
{
    struct mq_lmdb_own_partition *own = &work->consumer->own[partition];
    uint64_t from = own->next, count = work->gone[partition];
    if (count == 0 || from + count <= own->told) /* read again from there */
        return;
    own->told = from + count;
    mq_log_warn("events: topic '%s', partition %d: offsets %llu to %llu were forgotten before "
                "they were read (events.retention_hours, events.retention_mb)",
                work->consumer->base.options.topic, partition, (unsigned long long)from,
                (unsigned long long)(from + count - 1));
}

static int
read_partition(struct read_work *work, MDB_txn *txn, int32_t partition)
{
    struct mq_lmdb_consumer *consumer = work->consumer;
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, consumer->own[partition].events, &cursor);
    if (code != 0)
        return code;
    MDB_val key = {sizeof(uint64_t), &work->next[partition]}, value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code == 0 || code == MDB_NOTFOUND) {
        int skipped = skip_forgotten(work, txn, partition, code == 0 ? &key : NULL);
        code = skipped != 0 ? skipped : code;
    }
    while (code == 0 && consumer->event_count < work->max_events && work->bytes < POLL_BYTES_MAX) {
        code = read_event(work, partition, &key, &value);
        work->last = partition;
        if (code == 0)
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int
read_events(void *context, MDB_txn *txn)
{
    struct read_work *work = context;
    struct mq_lmdb_consumer *consumer = work->consumer;
    mq_arena_reset(&consumer->arena);
    consumer->event_count = 0;
    work->bytes = 0;
    work->low = UINTPTR_MAX;
    work->high = 0;
    work->last = consumer->turn;
    for (int p = 0; p < consumer->partitions; p++) {
        work->next[p] = consumer->own[p].next;
        work->gone[p] = 0;
    }
    int code = 0;
    for (int i = 0; code == 0 && i < consumer->partitions; i++) {
        int32_t p = (consumer->turn + i) % consumer->partitions;
        if (consumer->own[p].owned)
            code = read_partition(work, txn, p);
    }
    let_go(work);
    return code;
}

static void
pause_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

enum mq_status
mq_lmdb_consumer_poll(struct mq_consumer *base, size_t max_events, int64_t timeout_ms,
                      const struct mq_event **ret_events, size_t *ret_count, struct mq_error *err)
{
    struct mq_lmdb_consumer *consumer = mq_lmdb_consumer_of(base);
    int64_t deadline = mq_lmdb_monotonic_ms() + timeout_ms;
    for (;;) {
        enum mq_status st = mq_lmdb_keep_membership(consumer, err);
        struct read_work work = {.consumer = consumer, .max_events = max_events};
        if (st == MQ_OK)
            st = mq_lmdb_read(consumer->log->environment, read_events, &work, err);
        if (st != MQ_OK)
            return st;
        int64_t left = deadline - mq_lmdb_monotonic_ms();
        if (consumer->event_count > 0 || left <= 0) {
            for (int p = 0; p < consumer->partitions; p++) {
                tell_forgotten(&work, p);
                consumer->own[p].next = work.next[p];
            }
            /* The next poll begins behind the partition that filled this one. */
            consumer->turn = (work.last + 1) % consumer->partitions;
            *ret_events = consumer->events;
            *ret_count = consumer->event_count;
            return MQ_OK;
        }
        pause_ms(MQ_MIN(left, WAIT_MS));
    }
}
