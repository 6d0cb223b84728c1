/**
 * One shard of a training batch: loss and gradient of some runs of samples.
 *
 * A run is `count` consecutive plays of one user, each the target of a sample whose history is what
 * came before it. The run's rows are gathered once: 50 rows of history (zeros where there is less),
 * then the targets; sample j's history is the window [j, j+50) of them. Hence
 *  - mean pooling is a running sum, its gradient a running sum too;
 *  - position pooling is one product with a banded (Toeplitz) matrix that all runs share:
 *    rows (j, h), columns 0…run+48, entry weight[h][49 + j - column];
 *  - the user's part of the first layer is computed once a run.
 *
 * Inside of model/youtubednn_train.h; public to its tests.
 */
#ifndef MQ_MODEL_YOUTUBEDNN_SHARD_H
#define MQ_MODEL_YOUTUBEDNN_SHARD_H

#include <stdint.h>

#include "model/row_gradient.h"
#include "model/youtubednn.h"

/** Most samples of a shard. */
#define MQ_TOWER_SHARD 256
/** Most samples of a run. */
#define MQ_TOWER_RUN_MAX 50

struct mq_tower_run {
    int64_t first;  /**< index of the first target in the sequences */
    int32_t user;   /**< row of tower->user */
    int32_t before; /**< plays of the user before it, at least 1 */
    int32_t count;  /**< samples, 1…MQ_TOWER_RUN_MAX */
};

/** Learned position weights: pooling[len, h, k] = weight[h, k] * scale[len, h] for k < len. */
struct mq_tower_position {
    float *weight; /**< float32 [H, 50], learned */
    float *scale;  /**< float32 [51, H], fixed: 1 / Σ_{k<len} of the initial weights */
};

/** What all shards of a batch share; read only while they run. */
struct mq_tower_batch {
    const struct mq_user_tower *tower;
    const struct mq_tower_position *position; /**< NULL: mean pooling */
    const float *toeplitz;                    /**< float32 [run_max*H, run_max+49]; NULL: mean */
    int32_t run_max;
    const int32_t *item;       /**< the sequences */
    const float *weight;       /**< as item; NULL: all 1 */
    float weight_factor;       /**< 1 / sum of the batch's weights */
    const float *log_expected; /**< float32 [item_count] of the sampler */
    int32_t negative_count;
    const int32_t *negative;          /**< int32 [negative_count], distinct */
    const float *negative_vector;     /**< float32 [negative_count, 32] */
    const float *negative_correction; /**< float32 [negative_count + 1], the last 0 */
};

/** Gradients of one shard, and its work space. All arrays owned. One thread at a time. */
struct mq_tower_shard {
    int32_t heads, run_max, negative_most;

    double loss;
    float *kernel[MQ_TOWER_LAYERS], *bias[MQ_TOWER_LAYERS]; /**< as the tower's layers */
    float *position;                                        /**< float32 [H, 50]; mean: NULL */
    struct mq_row_gradient user, item;

    float *rows;                       /**< [samples + 50·runs, 32] gathered items */
    float *pooled;                     /**< [samples, H·32] */
    float *user_rows;                  /**< [runs, 16] */
    float *user_part;                  /**< [runs, 128] */
    float *hidden1, *hidden2, *vector; /**< [samples, 128 | 64 | 32] */
    float *d_pooled, *d_hidden1, *d_hidden2, *d_vector;
    float *scores;       /**< [samples, negative_most + 1] */
    float *weight;       /**< [samples] */
    int32_t *own_column; /**< [samples] */
    float *d_rows;       /**< [run_max + 50, 32] */
    float *d_toeplitz;   /**< [run_max·H, run_max + 49] */
};

enum mq_status mq_tower_shard_init(struct mq_tower_shard *shard, const struct mq_user_tower *tower,
                                   bool position, int32_t run_max, int32_t negative_most,
                                   struct mq_error *err);
/** NULL and zeroed allowed. */
void mq_tower_shard_release(struct mq_tower_shard *shard);

/**
 * Gradients of runs[0…run_count) into the shard (what was there is forgotten).
 * @param runs at most MQ_TOWER_SHARD samples together
 */
void mq_tower_shard_run(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
                        const struct mq_tower_run *runs, int32_t run_count);

/** Fill toeplitz [run_max*H, run_max+49] from the position weights. */
void mq_tower_toeplitz(const struct mq_tower_position *position, int32_t heads, int32_t run_max,
                       float *ret_toeplitz);

#endif
