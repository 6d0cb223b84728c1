/**
 * The hybrid model held against what it was not trained on: rebuilt on the training part of a
 * split (blends included), then asked for the test part, beside popularity, each of its methods
 * and, where there is one, the model that serves.
 *
 * Methods that the hybrid is not blended of are not trained again for this, nor measured. Lists are
 * made as the product makes them: methods by their scores alone, the hybrid with its
 * rerank. Availability does not count: what was chosen then may have left since. Ratings are
 * predicted by the baseline, each predictor and the blend.
 *
 * A live model is asked as it is, with the users' training history. It may have been trained on
 * choices that are held out here; so where there is one, cases are those users whose held-out
 * choices it has not seen. Where these are fewer than `live_cases_min` it is left out, and all
 * cases stay: the gate then goes by its own evaluation (eval/quality_gate.h).
 */
#ifndef MQ_EVAL_HYBRID_EVALUATION_H
#define MQ_EVAL_HYBRID_EVALUATION_H

#include "base/pool.h"
#include "eval/evaluation_report.h"
#include "rec/hybrid_fit.h"

/**
 * The model that serves, asked for when the candidate is rebuilt: its training and a live model
 * need not be in memory together.
 * @param ret_live borrowed until the evaluation ends; NULL: none
 */
typedef enum mq_status (*mq_live_model_fn)(void *context, const struct mq_hybrid **ret_live,
                                           struct mq_error *err);

/** All borrowed. */
struct mq_hybrid_eval_task {
    const struct mq_rating_matrix *matrix;  /**< all parts, with ids where there is a live model */
    const uint8_t *marks;                   /**< uint8 [matrix->count] of eval/rating_splits.h */
    const struct mq_candidate_lists *lists; /**< candidates made elsewhere; NULL: none */
    const struct mq_catalogue *catalogue;   /**< whose rows are the first items; NULL: none */
    mq_live_model_fn read_live;             /**< NULL: there is no live model */
    void *live_context;
    const char *data, *protocol; /**< as in struct mq_eval_input */
};

struct mq_hybrid_eval_options {
    struct mq_hybrid_fit_options fit;
    int cut_count, main_cut; /**< main_cut: place in cuts */
    int32_t cuts[MQ_EVAL_CUTS_MAX];
    int32_t negatives;   /**< sampled for each case; 0: all films are ranked */
    bool among_held_out; /**< only films with a test rating are ranked; goes before negatives */
    int64_t cases_max;   /**< 0: all */
    int64_t live_cases_min;
    float relevant_at_least; /**< lower test ratings are not relevant; 0: all are */
    float quality_weight;    /**< of the hybrid's rerank */
    int32_t candidates;      /**< that are reranked */
    int bands, bins, resamples;
    double level;
    bool rank, predict;    /**< what is measured: lists, ratings */
    const char *reference; /**< as in struct mq_eval_input */
    uint64_t seed;
};

/** From hybrid.* and eval.*; both lists and ratings. */
enum mq_status mq_hybrid_eval_options_read(const struct mq_config *config,
                                           struct mq_hybrid_eval_options *ret_options,
                                           struct mq_error *err);

/**
 * @param made_s epoch seconds, as in mq_hybrid_fit
 * @param ret_live_cases cases on which the live model was compared; 0: it was left out. May be NULL
 * @return MQ_OK | MQ_E_INPUT (nothing to train on, or to test) | MQ_E_RANGE | MQ_E_NOMEM |
 *         MQ_E_CANCELLED
 * Threads: uses the pool; the report does not depend on the number of threads.
 */
enum mq_status mq_hybrid_evaluate(const struct mq_hybrid_eval_task *task,
                                  const struct mq_hybrid_eval_options *options, int64_t made_s,
                                  struct mq_pool *pool, struct mq_eval_report **ret_report,
                                  int64_t *ret_live_cases, struct mq_error *err);

#endif
