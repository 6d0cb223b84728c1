/**
 * Threads that do the consumer's slow work: look up what the bronze layer holds already, and
 * publish batches. What fails for a while (a store or broker that is away, a full disk) is tried
 * again until it succeeds or the job is abandoned; so the thread that polls never waits for a
 * store.
 *
 * Threads: all functions from the one thread that owns the writers.
 */
#ifndef MQ_SERVE_CONSUME_WRITERS_H
#define MQ_SERVE_CONSUME_WRITERS_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "data/bronze_publish.h"

/** Most threads. */
#define MQ_CONSUME_WRITERS_MAX 64
/** Pauses between tries grow from the first to the second. */
#define MQ_CONSUME_RETRY_FIRST_MS 100
#define MQ_CONSUME_RETRY_LAST_MS 5000

enum mq_write_kind {
    MQ_WRITE_LOOK, /**< find where a partition's chain of batches stands at `offset` */
    MQ_WRITE_BATCH /**< publish */
};

/** One piece of work on one partition. Made by the owner, who gets it back when it is done. */
struct mq_write_job {
    enum mq_write_kind kind;
    const char *topic; /**< borrowed */
    int32_t partition;
    int64_t offset;                  /**< LOOK: where the group would go on */
    struct mq_bronze_batch batch;    /**< BATCH: owned */
    struct mq_bronze_record adopted; /**< BATCH: the record to follow, where adopting; owned */
    bool adopting;
    bool look_ahead; /**< BATCH: find what begins behind the batch, too */

    enum mq_status status; /**< MQ_OK; BATCH: MQ_E_EXISTS, with the record in `found` */
    struct mq_error error;
    int64_t begin; /**< LOOK: offset to go on with: before `offset` to redo a batch */
    struct mq_bronze_record found; /**< the record that begins there (or behind the batch) */
    bool has_found;
    int64_t skip_to; /**< LOOK: the offset, where the chain ends before it (at `begin`); -1 */
    int64_t limit;   /**< where the next record begins; batches must not reach across */
    struct mq_bronze_published figures;
    double seconds;
    double since_s; /**< when its oldest event was heard of; monotonic; 0: the lane's matter */
    int tries;      /**< times that the log looked begun anew */

    struct mq_write_job *next;
    _Atomic bool abandoned, done;
};

/** Whether a failure may pass by waiting: a store or broker that is away, a full disk. */
static inline bool
mq_consume_passes(enum mq_status st, const struct mq_error *err)
{
    return st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT || st == MQ_E_IO || err->retriable;
}

/** The log ends before what was read from it: it was begun anew. @param known read before */
enum mq_status mq_consume_fail_shorter(const char *topic, int32_t partition, int64_t end,
                                       int64_t known, struct mq_error *err);

struct mq_consume_writers;

/**
 * @param layer      borrowed
 * @param log        borrowed
 * @param give_up_ms longest time that one job may fail; 0: for ever
 * @param failures   counts failed tries; borrowed
 */
enum mq_status mq_consume_writers_new(int threads, const struct mq_bronze_layer *layer,
                                      struct mq_event_log *log, int64_t give_up_ms,
                                      struct mq_counter *failures,
                                      struct mq_consume_writers **ret_writers,
                                      struct mq_error *err);
/** Abandon what is under way, wait for it, and stop. NULL allowed. */
void mq_consume_writers_free(struct mq_consume_writers *writers);

struct mq_write_job *mq_write_job_new(enum mq_write_kind kind, const char *topic,
                                      int32_t partition);
void mq_write_job_free(struct mq_write_job *job);

/** Hand a job over; it is the writers' until job->done. */
void mq_consume_writers_submit(struct mq_consume_writers *writers, struct mq_write_job *job);

/** Wait until some job is done, at most so long. */
void mq_consume_writers_wait(struct mq_consume_writers *writers, int64_t timeout_ms);

/** Give a job up that is not done: it ends at its next failure at the latest, and frees itself. */
void mq_consume_writers_abandon(struct mq_consume_writers *writers, struct mq_write_job *job);

#endif
