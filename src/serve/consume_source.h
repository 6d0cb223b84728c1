/**
 * One topic that the consumer reads: its membership of the group, and a lane a partition. Lanes
 * come with the partitions that are assigned, so a topic may gain partitions while it is read.
 *
 * There are two: the users' events, and the topic of rejected ones, of which what the API refused
 * goes to the bronze layer (what consumers rejected is there already). Both are written by the same
 * mechanism; see data/bronze_batch.h for the difference.
 *
 * Threads: the one that polls.
 */
#ifndef MQ_SERVE_CONSUME_SOURCE_H
#define MQ_SERVE_CONSUME_SOURCE_H

#include "serve/consume_figures.h"
#include "serve/consume_lane.h"

/** What the sources share. */
struct mq_consume_work {
    const struct mq_consume_options *options;
    struct mq_consume_writers *writers;
    struct mq_consume_counts counts;
    struct mq_consume_figures figures;
    double told_s;
    int64_t taken;         /**< events */
    enum mq_status status; /**< of what cannot be waited for; ends the loop */
    struct mq_error error;
};

/** Zero-initialise; then mq_source_open, and mq_source_close whatever became of it. */
struct mq_source {
    struct mq_consume_work *work;
    const char *topic;
    bool holds_refusals;
    char group[MQ_TOPIC_NAME_MAX + 1]; /**< that it reads as; of refusals mq_refusals_group */
    struct mq_consumer *consumer;
    struct mq_lane *lanes; /**< [MQ_PARTITIONS_MAX], lane_count of them in use */
    int64_t *ends; /**< [MQ_PARTITIONS_MAX] until_end: what the topic held at first; 0: nothing */
    int lane_count;
    double failing_since_s; /**< the log; 0: it does not fail */
    double others_s;        /**< until_end: when others' partitions were looked at … */
    double probed_s;        /**< … and when the log was, for events that others left */
};

/** Make the lanes, find their bounds where the run has an end, and join. @param topic borrowed */
enum mq_status mq_source_open(struct mq_source *source, struct mq_consume_work *work,
                              const char *topic, bool holds_refusals, struct mq_error *err);
/** Hand all partitions over: batches at hand are written first. */
void mq_source_leave(struct mq_source *source);
/** Free what is left; the writers must have stopped. */
void mq_source_close(struct mq_source *source);

/** Take back what writers have done, commit what is durable, seek where lanes have to go. */
void mq_source_settle(struct mq_source *source);

/** Memory of batches at hand and under way. */
size_t mq_source_memory(const struct mq_source *source);

/** Close batches that are due. @param short_of_memory all that may be closed are */
void mq_source_close_batches(struct mq_source *source, bool short_of_memory);

/** Whether a job is under way. */
bool mq_source_is_busy(const struct mq_source *source);

/** Take what comes, waiting at most so long. @param full memory is used up: nothing is taken */
void mq_source_poll(struct mq_source *source, bool full, int64_t timeout_ms);

/** until_end: whether all that the topic held at the beginning is written, by us or others. */
bool mq_source_at_end(struct mq_source *source);

/** After a replay: where the events of each span end. @param ret_ends [count] by partition */
void mq_source_replayed(const struct mq_source *source, int64_t *ret_ends, int count);

/** Write and commit what is at hand everywhere, within a time. */
void mq_source_finish(struct mq_source *source, int64_t timeout_ms);
/** Afterwards: give up if something was read and is not written. */
void mq_source_check_finished(const struct mq_source *source);

/** How it stands. */
struct mq_source_figures {
    int owned;
    int64_t lag;     /**< events in own partitions that are not durable */
    double oldest_s; /**< when the oldest of them that was read came; `now` if none */
};

/** Asks for the log's ends. A log that lost events which are written down ends the run. */
void mq_source_measure(struct mq_source *source, double now, struct mq_source_figures *ret_figures);

#endif
