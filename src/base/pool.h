/**
 * The process's one thread pool: data-parallel loops over index ranges.
 *
 * Work is cut into ranges of `grain` indices. Which thread runs which range is not defined; for
 * results that do not depend on it, write to per-index places, or per-range places (range number
 * = begin / grain) merged in order. Calls from inside a worker run inline on that worker.
 */
#ifndef MQ_BASE_POOL_H
#define MQ_BASE_POOL_H

#include <stdint.h>

#include "marquee/status.h"

struct mq_pool;

/** Most threads of a pool. */
#define MQ_POOL_THREADS_MAX 256

/**
 * One range of a loop.
 * @param worker 0…threads-1, distinct among ranges that run at the same time: index of scratch
 * @return not MQ_OK stops the loop early; the failure of the lowest range is reported
 */
typedef enum mq_status (*mq_pool_fn)(void *context, int64_t begin, int64_t end, int worker,
                                     struct mq_error *err);

/** @param threads 1…MQ_POOL_THREADS_MAX, or 0 for one a processor. The caller's thread is one. */
enum mq_status mq_pool_new(int threads, struct mq_pool **ret_pool, struct mq_error *err);

/** Stop the threads. NULL allowed. Not from inside a loop. */
void mq_pool_free(struct mq_pool *pool);

/** Threads that take part in a loop; 1 for a NULL pool. */
int mq_pool_threads(const struct mq_pool *pool);

/**
 * Run fn over [0, count) in ranges of `grain`; returns when all are done. A NULL pool runs inline.
 * Ends early with MQ_E_CANCELLED after mq_cancel_request (base/cancel.h).
 * Threads: one loop at a time per pool; a second caller waits.
 */
enum mq_status mq_pool_for(struct mq_pool *pool, int64_t count, int64_t grain, mq_pool_fn fn,
                           void *context, struct mq_error *err);

#endif
