/**
 * Counters, gauges and histograms of a running server, written in Prometheus' text form (0.0.4).
 *
 * A metric is asked for once, by name and labels, and then touched through its handle without a
 * lock. Asking again gives the same handle. Handles live as long as their set. Where memory or
 * MQ_METRICS_MAX is exhausted, a handle that is counted nowhere comes back: callers need no check.
 *
 * Names follow Prometheus: marquee_<what>_<unit>, counters end in _total, base units (seconds,
 * bytes). Labels are "name, value, name, value, …, NULL"; NULL for none. Values must come from a
 * small set (never a user's id): each makes a series.
 *
 * Threads: all functions are reentrant, but free. Cost: a touch is one atomic addition.
 */
#ifndef MQ_BASE_METRICS_H
#define MQ_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "marquee/status.h"

/** Most series of a set, and buckets of a histogram (+Inf not counted). */
#define MQ_METRICS_MAX 4096
#define MQ_METRIC_BUCKETS_MAX 32

struct mq_metrics;

/** Only grows. */
struct mq_counter {
    _Alignas(64) _Atomic uint64_t value;
};

/** Goes up and down. */
struct mq_gauge {
    _Alignas(64) _Atomic double value;
};

/** How often a value fell at or below each bound. */
struct mq_histogram {
    _Alignas(64) _Atomic double sum;
    int bound_count;
    double bounds[MQ_METRIC_BUCKETS_MAX];
    _Atomic uint64_t counts[MQ_METRIC_BUCKETS_MAX + 1];
};

enum mq_status mq_metrics_new(struct mq_metrics **ret_metrics, struct mq_error *err);
/** NULL allowed. */
void mq_metrics_free(struct mq_metrics *metrics);

/** @param name, help static @param labels copied @return never NULL */
struct mq_counter *mq_metrics_counter(struct mq_metrics *metrics, const char *name,
                                      const char *help, const char *const *labels);
struct mq_gauge *mq_metrics_gauge(struct mq_metrics *metrics, const char *name, const char *help,
                                  const char *const *labels);
/** @param bounds ascending, copied; NULL: latencies from 1 ms to 10 s, in seconds */
struct mq_histogram *mq_metrics_histogram(struct mq_metrics *metrics, const char *name,
                                          const char *help, const char *const *labels,
                                          const double *bounds, int bound_count);

/** A gauge whose value is asked for when the text is written; fn must be reentrant. */
void mq_metrics_gauge_of(struct mq_metrics *metrics, const char *name, const char *help,
                         const char *const *labels, double (*fn)(void *context), void *context);

/** The process's own: start time, resident and peak memory, processor time, open files. */
void mq_metrics_add_process(struct mq_metrics *metrics);

static inline void
mq_counter_add(struct mq_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->value, n, memory_order_relaxed);
}

static inline uint64_t
mq_counter_value(const struct mq_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

static inline void
mq_gauge_set(struct mq_gauge *gauge, double value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void mq_gauge_add(struct mq_gauge *gauge, double difference);

void mq_histogram_observe(struct mq_histogram *histogram, double value);

/** Append everything; families in the order of their first metric. */
enum mq_status mq_metrics_text(struct mq_metrics *metrics, struct mq_buffer *buffer,
                               struct mq_error *err);

/** Content-Type of the text. */
#define MQ_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
