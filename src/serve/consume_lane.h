/**
 * One partition in the consumer: events in order into the batch at hand, and where the partition's
 * chain of batches stands. Pure book-keeping: what has to be asked of a store or log is a job
 * (serve/consume_writers.h), made and collected by serve/consume.c.
 *
 * A lane begins unknown. The first offset it hears of is looked up; then it takes events from the
 * offset that the look-up names, which may lie before: in a batch that somebody began and nobody
 * committed. Events that come meanwhile are left out, for the lane seeks afterwards.
 *
 * Offsets may stand for no event (Kafka's transaction markers). Those between events belong to the
 * batch of the event behind them, or to the one at hand when the log says that it holds nothing
 * more. Those behind the last batch are not committed: what is committed is in a batch.
 *
 * Threads: one.
 */
#ifndef MQ_SERVE_CONSUME_LANE_H
#define MQ_SERVE_CONSUME_LANE_H

#include "serve/consume_writers.h"

struct mq_lane {
    const char *topic; /**< borrowed */
    int32_t partition;
    bool holds_refusals; /**< the topic is that of rejected events */
    bool owned;
    bool known;       /**< the chain was looked up */
    int64_t position; /**< where the group stood when the partition was assigned; -1: nowhere */
    int64_t expected; /**< next offset to take; -1 before known */
    int64_t limit;    /**< the batch at hand must not reach across it */
    int64_t
        skip_to; /**< the group stands there, ahead of the chain: events below are left out; -1 */
    int64_t durable;    /**< every event below it is; -1: not known */
    int64_t reached;    /**< the log held nothing more below it; -1: not known */
    int64_t begin, end; /**< what the log held when it was last asked; -1 */
    bool adopting;      /**< the batch at hand follows a record */
    struct mq_bronze_record adopted;
    struct mq_bronze_batch batch; /**< at hand */
    bool complete;                /**< it takes no more: its bounds are reached */
    double batch_since_s;         /**< its first event; monotonic */
    double waits_since_s;         /**< the first event heard of and not in a batch; 0: none */
    struct mq_write_job *job;     /**< under way, at most one */
    int64_t to_commit;            /**< durable, not committed yet; -1: nothing */
    int64_t seek_to;              /**< the consumer has to seek there; -1: no */
    int64_t gap_at;               /**< expected offset at which a gap was looked into; -1 */
    double asked_s;               /**< when the log was asked last whether it was begun anew */
};

/** Why an event was not taken. */
enum mq_lane_answer {
    MQ_LANE_TAKEN = 0,
    MQ_LANE_IGNORED,  /**< not owned, seen before, or a seek is due */
    MQ_LANE_LOOK,     /**< a look-up has to be made first (lane->job is to be set) */
    MQ_LANE_GAP,      /**< offsets are missing before it: ask, then mq_lane_close_gap */
    MQ_LANE_LEFT_OUT, /**< the group passed it over: the lane goes on at the group's offset */
    MQ_LANE_BEHIND    /**< it was there already, and should not come again: ask the log */
};

void mq_lane_init(struct mq_lane *lane, const char *topic, int32_t partition, bool holds_refusals);
/** Forget everything but the name. The job must be gone. */
void mq_lane_reset(struct mq_lane *lane);

/** It was assigned. @param position the group's; negative: none */
void mq_lane_assign(struct mq_lane *lane, int64_t position);

/** Take an event if it is the next one. */
enum mq_status mq_lane_take(struct mq_lane *lane, const struct mq_event *event,
                            enum mq_lane_answer *ret_answer, struct mq_error *err);

/** The log holds nothing below `first_held` any more, and was asked again for lane->expected. */
void mq_lane_close_gap(struct mq_lane *lane, const struct mq_event *event, int64_t first_held);

/**
 * The log holds nothing more below an offset than what was given out (mq_consumer_position, at a
 * time when nothing came). A batch at hand then ends there; where there is none, and nothing is
 * under way, all below is durable.
 */
void mq_lane_reached(struct mq_lane *lane, int64_t position);

/** Monotonic time of the oldest event that was heard of and is not durable; `now` if none. */
double mq_lane_oldest(const struct mq_lane *lane, double now);

/** A look-up is under way for an event that just came. */
void mq_lane_look(struct mq_lane *lane, struct mq_write_job *job);

/** What a look-up found; sets seek_to. */
void mq_lane_looked(struct mq_lane *lane, struct mq_write_job *job);

/** Make a job of the batch at hand; the lane goes on behind it. @return NULL: no memory */
struct mq_write_job *mq_lane_close_batch(struct mq_lane *lane);

/** What a finished batch found: commit it, follow the next record, or do it again by another's. */
void mq_lane_written(struct mq_lane *lane, struct mq_write_job *job);

/** Whether the batch at hand may be closed now. */
static inline bool
mq_lane_can_close(const struct mq_lane *lane)
{
    return lane->known && lane->job == NULL && lane->batch.count > 0 &&
           (!lane->adopting || lane->complete);
}

#endif
