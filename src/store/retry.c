#include "store/retry.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

void
mq_retry_begin(struct mq_retry *retry, int64_t deadline_ms, int attempts_max)
{
    static _Atomic uint64_t serial;
    double now = mq_clock_monotonic_s();
    *retry = (struct mq_retry){.deadline_s = now + (double)deadline_ms / 1000.0,
                               .attempts_max = attempts_max,
                               .base_ms = 50,
                               .cap_ms = 8000};
    /* Jitter must differ between processes; it touches no result. */
    mq_rng_init(&retry->rng, (uint64_t)getpid() ^ (uint64_t)(now * 1e6),
                atomic_fetch_add(&serial, 1));
}

bool
mq_retry_again(struct mq_retry *retry, bool slow_down, int64_t at_least_ms)
{
    retry->attempt++;
    if (retry->attempt >= retry->attempts_max)
        return false;
    int64_t longest = retry->base_ms << MQ_MIN(retry->attempt, 20);
    longest = MQ_MIN(longest * (slow_down ? 5 : 1), retry->cap_ms);
    int64_t wait_ms = (int64_t)(mq_rng_uniform(&retry->rng) * (double)longest);
    wait_ms = MQ_MAX(wait_ms, at_least_ms);
    if (mq_clock_monotonic_s() + (double)wait_ms / 1000.0 > retry->deadline_s)
        return false;
    struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    while (nanosleep(&pause, &pause) != 0) {
    }
    return true;
}
