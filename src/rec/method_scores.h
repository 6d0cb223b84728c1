/**
 * Scores of all films for one user, by one method of the hybrid model. What a method's scores mean
 * differs from method to method; only their order, and their spread for one user, may be used.
 *
 *   item-based   Σ w · likeness of films, w newest first by a power law model/neighbour_ranking.h
 *   user-based   Σ likeness² of the users alike who chose the film
 *                both in a literal model: the rating that neighbours give, from 1 for the lowest;
 *                0 where none of them says anything
 *   content      as item-based, by content squared and with less recency, times how the film was
 *                liked
 *   mf           vector of the user · vector of the film
 *   ease         Σ w · B over the newest MQ_EASE_HISTORY films
 *   sequence     SLIT, or neighbours in time
 *   deep         vector of the user · vector of the film
 *   popular      logarithm of how many rated it lately: the same for all
 *
 * A user who rated since the model was made, or is none of its, is scored by what is known now:
 * lists of neighbours are searched, the vector is folded in. Films the user has rated are scored
 * like all others; leaving them out is the caller's.
 *
 * Threads: a scorer belongs to one thread at a time; the model may be shared.
 */
#ifndef MQ_REC_METHOD_SCORES_H
#define MQ_REC_METHOD_SCORES_H

#include "rec/rated_user.h"

/** Newest films that EASE is asked about: what came before hardly counts by then. */
#define MQ_EASE_HISTORY 50

struct mq_method_scorer;

/** @param hybrid borrowed while the scorer lives @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_method_scorer_new(const struct mq_hybrid *hybrid,
                                    struct mq_method_scorer **ret_scorer, struct mq_error *err);
/** NULL allowed. */
void mq_method_scorer_free(struct mq_method_scorer *scorer);

/**
 * Users who chose the same films (in a literal model: who rated them alike): the model's list, or a
 * search where the user changed or is new.
 * @param ret_list best first; borrowed from the model or the scorer until its next use; empty where
 *                 the model compares no users by choices
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE
 */
enum mq_status mq_method_alike(struct mq_method_scorer *scorer, const struct mq_rated_user *user,
                               struct mq_neighbour_list *ret_list, struct mq_error *err);

/**
 * @param method any but MQ_METHOD_HYBRID
 * @param ret_scores float32 [items of the model]; all 0 where the method knows nothing of this user
 * @param ret_known  whether it knows something: the user has a history, and the model the method
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(items · min(ratings, 50)) at most; user-based O(ratings of the neighbours + items), and
 * for a changed user a search among all users.
 */
enum mq_status mq_method_scores(struct mq_method_scorer *scorer, const struct mq_rated_user *user,
                                enum mq_method method, float *ret_scores, bool *ret_known,
                                struct mq_error *err);

#endif
