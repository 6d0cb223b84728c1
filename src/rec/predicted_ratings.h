/**
 * What rating would this user give: the hybrid's predictors, and their blend.
 *
 *   rating(u,i) = bias + Σ_p weight[p] · p(u,i)      p: baseline, item-based, user-based, factors
 *
 * kept within the scale. Weights were learned on ratings that were held out (rec/hybrid_fit.h). A
 * model without predictors has its baseline alone: mean of all, and how user and film differ.
 *
 * A user who rated since the model was made, or is none of its, is folded in; plays without a
 * rating say nothing here.
 *
 * Threads: a predictor belongs to one thread at a time; the model may be shared.
 */
#ifndef MQ_REC_PREDICTED_RATINGS_H
#define MQ_REC_PREDICTED_RATINGS_H

#include "rec/rated_user.h"

struct mq_predictor;

/** @param hybrid borrowed while the predictor lives @return MQ_OK | MQ_E_NOMEM
 * Memory: 36 bytes a film and 4 KiB. */
enum mq_status mq_predictor_new(const struct mq_hybrid *hybrid, struct mq_predictor **ret_predictor,
                                struct mq_error *err);
/** NULL allowed. */
void mq_predictor_free(struct mq_predictor *predictor);

/**
 * The user that predictions are for, until the next.
 * @param user borrowed likewise
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE
 * Cost: O(ratings) for a user of the model; else a search among users, and O(ratings · factors²).
 */
enum mq_status mq_predictor_take(struct mq_predictor *predictor, const struct mq_rated_user *user,
                                 struct mq_error *err);

/**
 * @param item of the model
 * @param ret_parts float32 [MQ_PREDICTOR_COUNT] what each said; NULL allowed
 * @return in the scale
 */
float mq_predict_rating(struct mq_predictor *predictor, int32_t item, float *ret_parts);

/**
 * What one predictor of neighbours says alone.
 * @param predictor MQ_PREDICTOR_ITEM_BASED | MQ_PREDICTOR_USER_BASED, which the model has
 * @param ret_votes from how many neighbours; 0: the baseline's
 */
float mq_predict_by_neighbours(struct mq_predictor *predictor, int32_t item,
                               enum mq_rating_predictor by, int32_t *ret_votes);

/** Users alike of the user taken, best first, with how many films both rated; empty where the model
 * has no user-based predictor. Borrowed until another is taken. */
struct mq_neighbour_list mq_predictor_alike(const struct mq_predictor *predictor);

/**
 * The users alike that a prediction is made from, best first: for reasons. None where the model has
 * no user-based predictor.
 * @param ret_votes [most] @return how many
 */
int32_t mq_predictor_votes(const struct mq_predictor *predictor, int32_t item, int32_t most,
                           struct mq_rater_vote *ret_votes);

/** How far two people agree. */
struct mq_agreement {
    int32_t shared; /**< films that both rated */
    int32_t agreed; /**< of them: rated at most `within` apart */
};

/**
 * Of the user taken and a user of the model.
 * @param but an item that does not count, -1: all do
 * @return zeros where the model has no user-based predictor
 * Cost: O(ratings of the other), mostly once a user taken; O(items) more, once.
 */
struct mq_agreement mq_predictor_agreement(struct mq_predictor *predictor, int32_t user,
                                           float within, int32_t but);

#endif
