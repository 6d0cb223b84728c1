/** One JSON line a measurement, in the form of bench/peers/peerlib.py; and times of repeated runs.
 */
#ifndef MQ_BENCH_EMIT_H
#define MQ_BENCH_EMIT_H

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

#define BENCH_RUNS_MAX 64

struct bench_times {
    double seconds[BENCH_RUNS_MAX];
    int count;
};

static inline int
bench_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static inline void
bench_time_add(struct bench_times *times, double seconds)
{
    if (times->count < BENCH_RUNS_MAX)
        times->seconds[times->count++] = seconds;
    qsort(times->seconds, (size_t)times->count, sizeof(double), bench_compare);
}

static inline double
bench_best(const struct bench_times *times)
{
    return times->seconds[0];
}

static inline double
bench_median(const struct bench_times *times)
{
    int n = times->count;
    return n % 2 ? times->seconds[n / 2] : (times->seconds[n / 2 - 1] + times->seconds[n / 2]) / 2;
}

/**
 * @param amount  units of work in one run (queries, samples): rate = amount / seconds
 * @param quality JSON object text, or NULL
 */
static inline void
bench_emit(const char *work, int threads, const struct bench_times *times, double amount,
           const char *unit, const char *quality)
{
    printf("{\"peer\": \"marquee\", \"work\": \"%s\", \"threads\": %d, \"seconds\": %.6g, "
           "\"rate\": %.6g, \"median_rate\": %.6g, \"unit\": \"%s/s\", ",
           work, threads, bench_best(times), amount / bench_best(times),
           amount / bench_median(times), unit);
    if (quality != NULL)
        printf("\"quality\": %s, ", quality);
    printf("\"peak_rss_mb\": %.1f}\n", (double)mq_memory_peak_bytes() / 1048576.0);
    fflush(stdout);
}

#endif
