/**
 * Stretches of a topic's offsets: what a replay writes again, one a partition. Times and offsets
 * that a person asks for become spans here, and nowhere else. Threads: reentrant.
 */
#ifndef MQ_DATA_BRONZE_SPAN_H
#define MQ_DATA_BRONZE_SPAN_H

#include "store/event_log.h"

/** Offsets [first, end); none where end <= first. */
struct mq_bronze_span {
    int64_t first, end;
};

static inline bool
mq_bronze_span_is_empty(struct mq_bronze_span span)
{
    return span.end <= span.first;
}

/** The smallest span that holds both. */
static inline struct mq_bronze_span
mq_bronze_span_join(struct mq_bronze_span a, struct mq_bronze_span b)
{
    if (mq_bronze_span_is_empty(a))
        return b;
    if (!mq_bronze_span_is_empty(b)) {
        a.first = b.first < a.first ? b.first : a.first;
        a.end = b.end > a.end ? b.end : a.end;
    }
    return a;
}

/**
 * What the log took from from_ms on and before to_ms, and holds still.
 * @param to_ms    a time that lies ahead is the end of the topic
 * @param ret_spans [MQ_PARTITIONS_MAX]  @param ret_count the topic's partitions
 */
enum mq_status mq_bronze_spans_of_time(struct mq_event_log *log, const char *topic, int64_t from_ms,
                                       int64_t to_ms, struct mq_bronze_span *ret_spans,
                                       int *ret_count, struct mq_error *err);

/** Cut spans to what the log holds. @param ret_held [count]; may be spans itself */
enum mq_status mq_bronze_spans_held(struct mq_event_log *log, const char *topic,
                                    const struct mq_bronze_span *spans, int count,
                                    struct mq_bronze_span *ret_held, struct mq_error *err);

/**
 * Take "PARTITION:FIRST-LAST" or "PARTITION:OFFSET" apart; last is included.
 * @return MQ_OK | MQ_E_RANGE (not of this form, or no such partition)
 */
enum mq_status mq_bronze_span_parse(const char *text, int32_t *ret_partition,
                                    struct mq_bronze_span *ret_span, struct mq_error *err);

#endif
