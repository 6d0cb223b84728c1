/**
 * Training rows of the rank model, from the action stream.
 *
 * A row is a user at a moment and a programme; its user vector is the tower's, of the first plays
 * of each programme strictly before that moment, as serving sees them. Labels:
 *   play    the first play of a programme 1; an exposure of a programme that the user never
 *           played 0; other exposures and repeated plays are left out
 *   rating  plays rated `liked` or better 1, below `disliked` 0, between them or unrated left out
 * Where (almost) nothing was shown without being played, `negatives` programmes that the user never
 * played stand in for each play, drawn with probability proportional to plays^negative_power, at
 * the play's moment.
 *
 * Rows before the time cut are for training, the newest ones are held out.
 * Threads: examples are immutable once made.
 */
#ifndef MQ_MODEL_RANK_EXAMPLES_H
#define MQ_MODEL_RANK_EXAMPLES_H

#include "data/actions.h"
#include "model/rank_features.h"
#include "model/youtubednn.h"

enum mq_rank_label { MQ_RANK_LABEL_PLAY = 0, MQ_RANK_LABEL_RATING };

struct mq_rank_example_options {
    enum mq_rank_label label;
    float liked, disliked; /**< ratings: usually 4 and 3 */
    double exposure_share; /**< stand-ins are drawn when rows labelled 0 are fewer than this
                              share of the plays */
    int32_t negatives;     /**< stand-ins a play, 1…100 */
    double negative_power; /**< [0, 1] */
    int64_t max_rows;      /**< the newest rows are taken; at least 1 */
    double holdout;        /**< share of rows held out, the newest, [0, 0.5] */
    uint64_t seed;
};

struct mq_rank_examples {
    int64_t count;       /**< rows, those for training first */
    int64_t train_count; /**< rows below are for training */
    int32_t *item;       /**< [count] catalogue row */
    int32_t *vector_row; /**< [count] row of vectors */
    float *label;        /**< [count] */
    int64_t vector_count;
    float *vectors; /**< float32 [vector_count, MQ_RANK_DIM]; zeros without history */

    bool drawn;               /**< stand-ins were drawn */
    int64_t positives;        /**< rows labelled 1, training and held out */
    int64_t exposures_played; /**< exposures left out: the user played the programme */
    int64_t plays_repeated;   /**< plays left out: not the first of their programme */
    int64_t unrated;          /**< plays left out: no rating, or one between the bounds */
    int64_t without_history;  /**< rows whose user had no play before */
    int64_t older;            /**< rows left out as too old for max_rows */
    int64_t cut_s;            /**< rows at or after this moment are held out */
};

/**
 * @param actions with MQ_ACTIONS_EXPOSURES (label play) or MQ_ACTIONS_RATING (label rating)
 * @param catalogue_count items are catalogue rows below it
 * @return MQ_OK | MQ_E_RANGE (an option) | MQ_E_NOMEM. Without actions: no rows.
 * Determinism: independent of threads. Cost: one tower pass a distinct (user, history).
 */
enum mq_status mq_rank_examples_make(const struct mq_actions *actions, int32_t catalogue_count,
                                     const struct mq_user_tower *tower,
                                     const struct mq_rank_example_options *options,
                                     struct mq_pool *pool, struct mq_rank_examples **ret_examples,
                                     struct mq_error *err);

/** NULL allowed. */
void mq_rank_examples_free(struct mq_rank_examples *examples);

/**
 * Set mean and scale of the dense fields from the training rows' vectors (those of users without
 * history left out): scale is 1 / standard deviation, 1 for a constant value.
 */
void mq_rank_examples_standardise(const struct mq_rank_examples *examples,
                                  struct mq_deepfm_field *fields);

#endif
