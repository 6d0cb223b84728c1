/**
 * Parts of the embedded event log that its files share: event_log_lmdb.c (topics, bounds),
 * event_writing_lmdb.c, event_retention_lmdb.c (what is forgotten), event_group_lmdb.c (consumers
 * and groups) and event_reading_lmdb.c (polls). Only these include it.
 *
 * Databases of the environment:
 *   "events:<topic>:<partition>"  offset (u64) -> i64 time_ms · u32 key size · key · value
 *   "topics"                      topic -> u32 partitions
 *   "ends"                        "<topic>:<partition>" -> u64 next offset (outlives retention)
 *   "groups"                      "<group>/<topic>/<partition>" -> u64 committed offset
 *   "members"                     "<group>/<topic>/<member>" -> i64 heartbeat ms · u32 process
 *   "owners"                      "<group>/<topic>/<partition>" -> member
 */
#ifndef MQ_STORE_EVENT_LOG_LMDB_H
#define MQ_STORE_EVENT_LOG_LMDB_H

#include <pthread.h>

#include "store/event_log_backend.h"
#include "store/lmdb_environment.h"

struct mq_pending_write;

struct mq_lmdb_log {
    struct mq_event_log base;
    struct mq_lmdb *environment;
    MDB_dbi topics, ends, groups, members, owners;
    struct mq_log_retention retention;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t written;
    struct mq_pending_write *first, *last; /* calls that wait to be written */
    bool writing;                          /* one of them writes for all */
    uint32_t turn;                         /* partition of the next event without a key */
};

#define MQ_LMDB_EVENT_HEADER 12

/** Handle of a partition's events. @return MQ_E_NOT_FOUND names the topic */
enum mq_status mq_lmdb_log_partition(struct mq_lmdb_log *log, const char *topic, int32_t partition,
                                     MDB_dbi *ret_dbi, struct mq_error *err);

enum mq_status mq_lmdb_log_partitions(struct mq_event_log *base, const char *topic,
                                      int *ret_partitions, struct mq_error *err);

/** Next offset of a partition, within a transaction; LMDB code. */
int mq_lmdb_log_end(struct mq_lmdb_log *log, MDB_txn *txn, const char *topic, int32_t partition,
                    uint64_t *ret_end);
int mq_lmdb_log_set_end(struct mq_lmdb_log *log, MDB_txn *txn, const char *topic, int32_t partition,
                        uint64_t end);

/** First offset held, or the end where none is; LMDB code. */
int mq_lmdb_log_first(MDB_txn *txn, MDB_dbi events, uint64_t end, uint64_t *ret_first);

/** When an event was taken; LMDB code, MDB_NOTFOUND where it is not held. */
int mq_lmdb_log_time(MDB_txn *txn, MDB_dbi events, uint64_t offset, int64_t *ret_time_ms);

/* event_writing_lmdb.c */
enum mq_status mq_lmdb_log_produce(struct mq_event_log *base, const char *topic,
                                   const struct mq_new_event *events, size_t count,
                                   int64_t timeout_ms, struct mq_produced *ret_produced,
                                   struct mq_error *err);

/* event_retention_lmdb.c */

/**
 * Forget the oldest events of a partition that the retention does not keep, within a write
 * transaction; LMDB code.
 * @param before events from this offset on stay  @param most that are forgotten
 */
int mq_lmdb_log_forget(const struct mq_lmdb_log *log, MDB_txn *txn, MDB_dbi events, uint64_t before,
                       uint64_t most, int64_t now_ms);
void mq_lmdb_log_set_retention(struct mq_event_log *log, struct mq_log_retention retention);
enum mq_status mq_lmdb_log_holdings(struct mq_event_log *log, const char *topic,
                                    struct mq_log_holdings *ret_holdings, struct mq_error *err);

/* event_group_lmdb.c */
enum mq_status mq_lmdb_consumer_new(struct mq_event_log *log,
                                    const struct mq_consumer_options *options,
                                    struct mq_consumer **ret_consumer, struct mq_error *err);
enum mq_status mq_lmdb_consumer_commit(struct mq_consumer *consumer,
                                       const struct mq_position *positions, size_t count,
                                       struct mq_error *err);
enum mq_status mq_lmdb_consumer_committed(struct mq_consumer *consumer, int32_t partition,
                                          int64_t *ret_offset, struct mq_error *err);
enum mq_status mq_lmdb_group_committed(struct mq_event_log *log, const char *topic,
                                       const char *group, int partitions, int64_t *ret_offsets,
                                       struct mq_error *err);
enum mq_status mq_lmdb_consumer_seek(struct mq_consumer *consumer, struct mq_position position,
                                     struct mq_error *err);
int64_t mq_lmdb_consumer_position(struct mq_consumer *consumer, int32_t partition);
void mq_lmdb_consumer_close(struct mq_consumer *consumer);

/* event_reading_lmdb.c */
enum mq_status mq_lmdb_consumer_poll(struct mq_consumer *consumer, size_t max_events,
                                     int64_t timeout_ms, const struct mq_event **ret_events,
                                     size_t *ret_count, struct mq_error *err);

#endif
