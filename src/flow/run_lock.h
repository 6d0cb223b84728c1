/**
 * One run at a time on a region of a store. Threads: one holder.
 */
#ifndef MQ_FLOW_RUN_LOCK_H
#define MQ_FLOW_RUN_LOCK_H

#include "store/object_store.h"

struct mq_run_lock;

/**
 * Take the lock `<region>/runs/lock`.
 * @param what for the message that another run gets: "ACTION"
 * @param ret_lock owned (mq_run_lock_release)
 * @return MQ_OK | MQ_E_CONFLICT (says who holds it, since when, and what it runs) | store's errors
 */
enum mq_status mq_run_lock_take(struct mq_object_store *store, const char *region, const char *what,
                                struct mq_run_lock **ret_lock, struct mq_error *err);

/** NULL allowed. */
void mq_run_lock_release(struct mq_run_lock *lock);

#endif
