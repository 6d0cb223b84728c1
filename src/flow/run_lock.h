/**
 * One run at a time on a region of a store; or one run a shard, when the users are shared out.
 * Threads: one holder.
 *
 * A lock is an object that is put only where there is none: `<region>/runs/lock.json`, or
 * `lock.shard-<i>-of-<n>.json`. After a process died its lock stays; the next one on the same
 * machine sees that by process number and start time, and takes it over.
 */
#ifndef MQ_FLOW_RUN_LOCK_H
#define MQ_FLOW_RUN_LOCK_H

#include "store/object_store.h"

struct mq_run_lock;

/**
 * Take the lock of the whole region, which excludes every shard.
 * @param what for the message that another run gets: "ACTION"
 * @param ret_lock owned (mq_run_lock_release)
 * @return MQ_OK | MQ_E_CONFLICT (says who holds it, since when, and what it runs) | store's errors
 */
enum mq_status mq_run_lock_take(struct mq_object_store *store, const char *region, const char *what,
                                struct mq_run_lock **ret_lock, struct mq_error *err);

/** Take the lock of one shard; 0, 1 is the whole region. */
enum mq_status mq_run_lock_take_shard(struct mq_object_store *store, const char *region,
                                      const char *what, int shard_index, int shard_count,
                                      struct mq_run_lock **ret_lock, struct mq_error *err);

/** NULL allowed. */
void mq_run_lock_release(struct mq_run_lock *lock);

#endif
