/**
 * Training of YoutubeDNN: every play but a user's first is a sample (history before it → it),
 * learnt by a softmax over all items, sampled or in full.
 *
 * Samples are never materialised: they are cut from the users' sequences as runs of up to `run`
 * consecutive plays of one user, shuffled as runs. Inside a run histories overlap in all but one
 * play, so that pooling (and its gradient) costs a few rows a sample and not fifty.
 *
 * Deviations from the paper and from DeepMatch: no random positives for negatives, the sampler's
 * expected counts are subtracted for the sampler really used (logQ, Jean et al. 2015; Yi et al.
 * 2019), a negative that equals the sample's target is masked, tables are sized by the mapping.
 */
#ifndef MQ_MODEL_YOUTUBEDNN_TRAIN_H
#define MQ_MODEL_YOUTUBEDNN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "config/options.h"
#include "model/leave_one_out.h"
#include "model/sampled_softmax.h"
#include "model/youtubednn.h"

enum mq_tower_pooling { MQ_POOLING_MEAN = 0, MQ_POOLING_POSITION };

/** Settings; options.def section youtubednn says each one's meaning, range and default. */
struct mq_youtubednn_options {
    enum mq_tower_pooling pooling;
    enum mq_negative_source negative_source;
    int32_t heads;            /**< of the position form */
    int32_t negatives;        /**< shared by a shard of a batch */
    int32_t batch;            /**< samples a step */
    int32_t run;              /**< most consecutive samples of one user drawn together */
    int32_t epochs;           /**< at most */
    int64_t samples_max;      /**< over all epochs, but for a first epoch; 0: no limit */
    int32_t patience;         /**< epochs without a better held-out hit rate before stopping */
    int32_t validation_users; /**< whose newest play is held out; 0: none, no early stopping */
    float rate;               /**< Adam's, at the start */
    float rate_end;           /**< at the last epoch's end, as a share of `rate` (cosine) */
    float l2;                 /**< on touched embedding rows */
    float user_dropout;       /**< share of runs trained as an unknown user */
    float user_deviation;     /**< standard deviation of the initial user embeddings */
    float item_deviation;     /**< standard deviation of the initial item embeddings */
};

/** Read them from the configuration. */
void mq_youtubednn_options_read(const struct mq_config *config,
                                struct mq_youtubednn_options *ret_options);

/** What to learn from. All borrowed. */
struct mq_youtubednn_data {
    int32_t user_count;    /**< users with a code */
    int32_t item_count;    /**< items with a code */
    const int64_t *offset; /**< int64 [user_count+1] */
    const int32_t *item;   /**< int32 [offset[user_count]], in [0, item_count), oldest first, each
                                item once a user (mq_history_distinct) */
    const float *weight;   /**< float32 as `item`: weight of the sample whose target it is, finite,
                                >= 0; NULL: all 1 */
};

/** Figures for the manifest. */
struct mq_youtubednn_report {
    int64_t samples;              /**< an epoch */
    int32_t epochs;               /**< run */
    int32_t best_epoch;           /**< whose weights were kept, from 1 */
    double loss;                  /**< mean of the last epoch */
    double seconds;               /**< of training, without evaluation */
    struct mq_hit_rates held_out; /**< of the kept weights; count 0 where nothing was held out */
};

/**
 * Train a tower.
 *
 * Without a single sample (no user with two plays) the initial tower is returned, samples 0.
 * Item vectors of items that no sample touched are their initial values; mq_untrained_items_fill
 * gives them sensible ones.
 *
 * @param pool NULL: this thread alone. The result does not depend on the number of threads.
 * @return MQ_OK | MQ_E_RANGE (an item or weight out of range) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Threads: one call at a time per pool.  Memory: tables ×3, plus 8 bytes a run, plus the batch.
 */
enum mq_status mq_youtubednn_train(const struct mq_youtubednn_data *data,
                                   const struct mq_youtubednn_options *options, uint64_t seed,
                                   struct mq_pool *pool, struct mq_user_tower **ret_tower,
                                   struct mq_youtubednn_report *ret_report, struct mq_error *err);

#endif
