/**
 * The consumer: a member of a group that writes a topic's events to the bronze layer, each exactly
 * once (docs/decisions/exactly-once.md), and with them what the API refused, from the topic of
 * rejected events.
 *
 * One thread polls and fills a batch a partition; writer threads publish batches (one at a time a
 * partition, several partitions at once); offsets are committed when a batch is durable. A batch is
 * closed when it is large or old enough, or when memory runs short. Stores and brokers that are
 * away are waited for, with the membership kept alive.
 *
 * Memory: events in batches take at most a quarter of `memory_bytes`; judging, compressing and
 * sending them, the client's read-ahead (8 MiB, and what one poll brings) and the process itself
 * stay within the rest.
 *
 * Stops at a request to cancel (base/cancel.h): batches at hand are written and committed first.
 * Stops with MQ_E_CONFLICT when the log ends before what was read of it: then it was begun anew,
 * and its offsets would name other events.
 *
 * A replay reads stretches of offsets again, without a group: batches that were begun there are
 * written anew by their records, from their first event to their last (so events around a stretch
 * may be written too), and what nobody has written yet becomes batches like any other. Between two
 * batches it becomes one batch, as far as memory allows: where a record was lost, that is the batch
 * it was of. Objects and logs are replaced by the same bytes; no group's offsets change. What else
 * a replay has to do is in data/bronze_repair.h.
 */
#ifndef MQ_SERVE_CONSUME_H
#define MQ_SERVE_CONSUME_H

#include "base/metrics.h"
#include "data/bronze_publish.h"
#include "data/bronze_span.h"

/** Least memory_bytes. */
#define MQ_CONSUME_MEMORY_MIN ((size_t)64 << 20)

/** What a group's name is followed by where it reads refusals. */
#define MQ_REFUSALS_GROUP_SUFFIX ".rejected"

/** Longest name of a group that consumes. */
#define MQ_CONSUME_GROUP_MAX (MQ_TOPIC_NAME_MAX - (int)sizeof(MQ_REFUSALS_GROUP_SUFFIX) + 1)

/**
 * The group that reads the topic of refusals: one of its own. In Kafka all members of a group must
 * read the same topics: the one that shares out partitions hears only of those that its own topics
 * gain.
 */
void mq_refusals_group(const char *group, char ret_group[MQ_TOPIC_NAME_MAX + 1]);

struct mq_consume_options {
    struct mq_event_log *log; /**< this and all that follows: borrowed */
    const char *topic;
    const char *group; /**< at most MQ_CONSUME_GROUP_MAX bytes */
    /** The topic of rejected events, read too: what the API refused goes to bronze/rejected. Made
     * where it is missing; not `topic`. NULL: not read. A replay reads only `topic`, which may be
     * this one. */
    const char *refusals_topic;
    struct mq_bronze_layer layer;
    size_t batch_bytes;   /**< a batch is closed when it holds so much … */
    int64_t batch_age_ms; /**< … or its first event came so long ago */
    size_t memory_bytes;
    int writers;         /**< threads that publish; 0: two */
    int64_t session_ms;  /**< a member silent for so long is dead; 0: the log's default */
    int64_t handover_ms; /**< longest wait for batches at hand when partitions pass to another */
    int64_t give_up_ms;  /**< stop when a store or broker is away for so long; 0: never */
    bool until_end;      /**< stop when everything was read that the topic held at the beginning */
    bool replay;         /**< read spans again; group is unused, until_end implied */
    const struct mq_bronze_span *spans; /**< [span_count] by partition; others are not read */
    int span_count;
    int64_t *ret_ends; /**< replay: [span_count] where the events of each span end; what lies
                          between there and the span's end stands for none. May be NULL */
    struct mq_metrics *metrics;
};

struct mq_consume_figures {
    int64_t good, rejected; /**< events written; rejected: what the API refused too */
    int64_t batches, objects, bytes, bytes_packed;
    int64_t redone; /**< batches that somebody had begun before */
    double seconds;
};

/** @return MQ_OK (cancelled, or the end was reached) | errors that waiting does not heal */
enum mq_status mq_consume(const struct mq_consume_options *options,
                          struct mq_consume_figures *ret_figures, struct mq_error *err);

#endif
