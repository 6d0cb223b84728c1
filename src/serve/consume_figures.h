/** What the consumer counts, by name in /metrics. Threads: as base/metrics.h. */
#ifndef MQ_SERVE_CONSUME_FIGURES_H
#define MQ_SERVE_CONSUME_FIGURES_H

#include "base/metrics.h"
#include "serve/consume.h"

struct mq_consume_counts {
    struct mq_counter *good, *rejected[MQ_EVENT_FAULTS], *refused;
    struct mq_counter *batches, *redone, *objects, *bytes, *bytes_packed, *commits, *rebalances;
    struct mq_counter *failures;
    struct mq_gauge *lag, *rate, *batch_age, *partitions, *memory;
    struct mq_histogram *publish_seconds;
};

/** Find or make them all. */
void mq_consume_counts_init(struct mq_metrics *metrics, struct mq_consume_counts *ret_counts);

/** Count a batch that was published. @param holds_refusals it is of the topic of rejected events */
void mq_consume_counts_add(const struct mq_consume_counts *counts,
                           const struct mq_bronze_published *published, bool holds_refusals,
                           int64_t bytes, double seconds);

#endif
