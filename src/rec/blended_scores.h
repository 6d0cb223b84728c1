/**
 * Scores of all films for one user by the hybrid: the methods' scores, each brought to one scale
 * and weighted as was learned (rec/hybrid_fit.h).
 *
 *   score(i) = Σ_m blend[m] · z_m(i),   z_m(i) = (s_m(i) - mean of s_m) / deviation of s_m
 *
 * with mean and deviation over all films of the model, for this user: what a method says weighs by
 * how far it sets a film apart, whatever unit it counts in. A method that knows nothing of the
 * user, or says the same of all films, adds nothing; one of weight 0 is not asked.
 *
 * Threads: a scorer belongs to one thread at a time; the model may be shared.
 */
#ifndef MQ_REC_BLENDED_SCORES_H
#define MQ_REC_BLENDED_SCORES_H

#include "rec/method_scores.h"

struct mq_blended_scorer;

/** @param hybrid borrowed while the scorer lives @return MQ_OK | MQ_E_NOMEM
 * Memory: 4 bytes a film and method of the blend, once the hybrid is asked. */
enum mq_status mq_blended_scorer_new(const struct mq_hybrid *hybrid,
                                     struct mq_blended_scorer **ret_scorer, struct mq_error *err);
/** NULL allowed. */
void mq_blended_scorer_free(struct mq_blended_scorer *scorer);

/**
 * @param method any; a single one's scores are as it gives them
 * @param ret_scores float32 [items of the model]; all 0 where nothing is known
 * @param ret_known  whether the method knows something of the user; of the hybrid: whether any
 * does, the popular one only of a user with a history
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: that of the methods (rec/method_scores.h), and two passes over the films for each.
 */
enum mq_status mq_blended_scores(struct mq_blended_scorer *scorer, const struct mq_rated_user *user,
                                 enum mq_method method, float *ret_scores, bool *ret_known,
                                 struct mq_error *err);

/**
 * A method's standardised scores for a user.
 * @param ret_scores float32 [items of the model]; all 0 where *ret_known is false
 */
enum mq_status mq_standard_scores(struct mq_blended_scorer *scorer,
                                  const struct mq_rated_user *user, enum mq_method method,
                                  float *ret_scores, bool *ret_known, struct mq_error *err);

/** The scorer's methods, to be asked alone. Borrowed. */
struct mq_method_scorer *mq_blended_methods(struct mq_blended_scorer *scorer);

/**
 * What a method added to a film's score, the last time that the hybrid's scores were made: blend
 * times z. 0: nothing, or not asked.
 */
float mq_blended_part(const struct mq_blended_scorer *scorer, enum mq_method method, int32_t item);

#endif
