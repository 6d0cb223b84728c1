/**
 * Retrying what may succeed later: exponential back-off with full jitter, within a deadline.
 *
 * Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015: each wait is
 * uniform in [0, min(cap, base * 2^attempt)]. Threads: one retry, one thread.
 */
#ifndef MQ_STORE_RETRY_H
#define MQ_STORE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct mq_retry {
    double deadline_s; /**< monotonic */
    int attempt;       /**< tries that failed so far */
    int attempts_max;
    int64_t base_ms, cap_ms;
    struct mq_rng rng;
};

/** @param deadline_ms from now  @param attempts_max tries in all, at least 1 */
void mq_retry_begin(struct mq_retry *retry, int64_t deadline_ms, int attempts_max);

/**
 * After a failed try: wait, then true; or false when tries or time are used up.
 * @param slow_down the service asked for less: wait five times longer
 * @param at_least_ms the service named a pause (Retry-After), else 0
 */
bool mq_retry_again(struct mq_retry *retry, bool slow_down, int64_t at_least_ms);

#endif
