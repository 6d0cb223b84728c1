/**
 * The samples of an epoch as shuffled runs, cut into batches and shards.
 *
 * Every user's plays but the first (and the held-out newest) are targets; they are cut into runs of
 * at most `run` consecutive ones at a place that chance picks anew each epoch, and the runs are
 * shuffled. Batches take exactly `batch` samples from that stream (the last may be shorter), shards
 * MQ_TOWER_SHARD samples of a batch, splitting a run where it does not fit.
 *
 * Inside of model/youtubednn_train.h; public to its tests.
 */
#ifndef MQ_MODEL_YOUTUBEDNN_RUNS_H
#define MQ_MODEL_YOUTUBEDNN_RUNS_H

#include <stdint.h>

#include "base/rng.h"
#include "model/youtubednn_shard.h"
#include "model/youtubednn_train.h"

/** A shard's runs, borrowed until the next batch. */
struct mq_tower_shard_runs {
    const struct mq_tower_run *runs;
    int32_t run_count;
};

/** A run of the epoch: 12 bytes, as there may be millions. */
struct mq_tower_stretch {
    int32_t user;  /**< row of tower->user, user_count for an unknown one */
    int32_t owner; /**< whose plays they are */
    int32_t start; /**< the owner's play that is the first target */
};

struct mq_tower_runs {
    const struct mq_youtubednn_data *data; /**< borrowed */
    const uint8_t *held;                   /**< borrowed */
    int32_t run, batch;
    float user_dropout;
    int64_t samples; /**< an epoch */

    struct mq_tower_stretch *stretch; /**< [capacity] shuffled */
    uint8_t *length;                  /**< [capacity] samples of each */
    int64_t count, capacity;
    int64_t next;                      /**< stretch at which the next batch begins */
    int32_t taken;                     /**< samples of it that are used up */
    struct mq_tower_run *batch_runs;   /**< [batch] */
    struct mq_tower_shard_runs *parts; /**< [shards a batch] */
};

/** @param held uint8 [user_count], 1: the newest play is no target */
enum mq_status mq_tower_runs_init(struct mq_tower_runs *runs, const struct mq_youtubednn_data *data,
                                  const uint8_t *held, const struct mq_youtubednn_options *options,
                                  struct mq_error *err);
/** NULL and zeroed allowed. */
void mq_tower_runs_release(struct mq_tower_runs *runs);

/** Start an epoch: cut and shuffle. */
enum mq_status mq_tower_runs_shuffle(struct mq_tower_runs *runs, struct mq_rng *rng,
                                     struct mq_error *err);

/** The next batch as shards. @return how many shards; 0 at the epoch's end */
int32_t mq_tower_runs_next(struct mq_tower_runs *runs, const struct mq_tower_shard_runs **ret_parts,
                           int32_t *ret_samples);

#endif
