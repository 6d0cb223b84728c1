#include "serve/consume_figures.h"

#include "base/memory.h"

void
mq_consume_counts_init(struct mq_metrics *m, struct mq_consume_counts *c)
{
    static const char events_help[] = "Events written to the bronze layer, by what became of them";
    static const double seconds[] = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300};
    const char *good[] = {"result", "good", "reason", "", NULL};
    c->good = mq_metrics_counter(m, "marquee_consume_events_total", events_help, good);
    for (int f = 0; f < MQ_EVENT_FAULTS; f++) {
        const char *labels[] = {"result", "rejected", "reason",
                                mq_event_fault_name((enum mq_event_fault)f), NULL};
        c->rejected[f] = mq_metrics_counter(m, "marquee_consume_events_total", events_help, labels);
    }
    const char *refused[] = {"result", "refused", "reason", "", NULL}; /* the API counts reasons */
    c->refused = mq_metrics_counter(m, "marquee_consume_events_total", events_help, refused);
    c->batches =
        mq_metrics_counter(m, "marquee_consume_batches_total", "Batches made durable", NULL);
    c->redone =
        mq_metrics_counter(m, "marquee_consume_batches_redone_total",
                           "Batches that had been begun before, and were written again", NULL);
    c->objects = mq_metrics_counter(m, "marquee_consume_objects_total", "Objects written", NULL);
    c->bytes = mq_metrics_counter(m, "marquee_consume_event_bytes_total",
                                  "Bytes of events written, before compression", NULL);
    c->bytes_packed = mq_metrics_counter(m, "marquee_consume_object_bytes_total",
                                         "Bytes of objects written", NULL);
    c->commits = mq_metrics_counter(m, "marquee_consume_commits_total", "Commits of offsets", NULL);
    c->rebalances = mq_metrics_counter(m, "marquee_consume_rebalances_total",
                                       "Times that partitions came or went", NULL);
    c->failures =
        mq_metrics_counter(m, "marquee_consume_failures_total",
                           "Tries of a store or broker that failed and are repeated", NULL);
    c->lag =
        mq_metrics_gauge(m, "marquee_consume_lag_events",
                         "Events in own partitions that are not durable in the bronze layer", NULL);
    c->rate = mq_metrics_gauge(m, "marquee_consume_events_per_second",
                               "Events read in the last second", NULL);
    c->batch_age =
        mq_metrics_gauge(m, "marquee_consume_batch_age_seconds",
                         "Time since the oldest event came that was read and is not durable", NULL);
    c->partitions = mq_metrics_gauge(m, "marquee_consume_partitions", "Partitions owned", NULL);
    c->memory = mq_metrics_gauge(m, "marquee_consume_batch_memory_bytes",
                                 "Memory of batches at hand and under way", NULL);
    c->publish_seconds =
        mq_metrics_histogram(m, "marquee_consume_publish_seconds", "Time to make a batch durable",
                             NULL, seconds, (int)MQ_COUNT(seconds));
}

void
mq_consume_counts_add(const struct mq_consume_counts *c, const struct mq_bronze_published *p,
                      bool holds_refusals, int64_t bytes, double seconds)
{
    if (holds_refusals)
        mq_counter_add(c->refused, (uint64_t)p->rejected);
    mq_counter_add(c->good, (uint64_t)p->good);
    for (int f = 0; f < MQ_EVENT_FAULTS; f++)
        mq_counter_add(c->rejected[f], (uint64_t)p->faults[f]);
    mq_counter_add(c->batches, 1);
    mq_counter_add(c->redone, p->was_there ? 1 : 0);
    mq_counter_add(c->objects, (uint64_t)p->objects);
    mq_counter_add(c->bytes, (uint64_t)bytes);
    mq_counter_add(c->bytes_packed, (uint64_t)p->bytes_packed);
    mq_histogram_observe(c->publish_seconds, seconds);
}
