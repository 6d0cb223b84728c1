/**
 * A consumer of the embedded event log: what event_group_lmdb.c (groups and their commits) and
 * event_reading_lmdb.c (polls) share. Threads: as mq_consumer of store/event_log.h.
 */
#ifndef MQ_STORE_EVENT_CONSUMER_LMDB_H
#define MQ_STORE_EVENT_CONSUMER_LMDB_H

#include "base/arena.h"
#include "base/clock.h"
#include "store/event_log_lmdb.h"

/** Room of a member's name. */
#define MQ_LMDB_MEMBER_SIZE 64

struct mq_lmdb_own_partition {
    bool owned;
    MDB_dbi events;
    uint64_t next; /* offset to read */
    uint64_t told; /* end of what was told to be forgotten */
};

struct mq_lmdb_consumer {
    struct mq_consumer base;
    struct mq_lmdb_log *log;
    char member[MQ_LMDB_MEMBER_SIZE];
    int partitions;
    struct mq_lmdb_own_partition *own; /* [partitions] */
    int turn;                          /* partition that is read first next time */
    int64_t heartbeat_ms;              /* monotonic, of the last one */
    struct mq_arena arena;             /* events of the last poll */
    struct mq_event *events;
    size_t event_count, event_capacity;
};

static inline struct mq_lmdb_consumer *
mq_lmdb_consumer_of(struct mq_consumer *base)
{
    return (struct mq_lmdb_consumer *)base;
}

static inline int64_t
mq_lmdb_monotonic_ms(void)
{
    return (int64_t)(mq_clock_monotonic_s() * 1000.0);
}

/** Beat the heart where that is due; partitions pass to others and from them, and the callbacks of
 * the consumer are told. Without a group: nothing. */
enum mq_status mq_lmdb_keep_membership(struct mq_lmdb_consumer *consumer, struct mq_error *err);

#endif
