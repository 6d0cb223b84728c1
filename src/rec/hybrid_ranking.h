/**
 * Films ordered for a user by the hybrid model, or by one of its methods: the best of all films, or
 * a list that is given. Scores, then the rerank (rec/rerank.h); availability and diversity come
 * after (rec/hybrid_recommend.h).
 *
 *   recall(i) = score(i) brought to [0, 1] among the user's candidates
 *   final(i)  = recall(i) · (1 - w) + quality(i) · w
 *
 * Candidates are the films with the greatest scores, or those given; so w mixes two figures that
 * both go from 0 to 1, whatever the method.
 *
 * Threads: a ranker belongs to one thread at a time; the view may be shared.
 */
#ifndef MQ_REC_HYBRID_RANKING_H
#define MQ_REC_HYBRID_RANKING_H

#include "rec/blended_scores.h"
#include "rec/hybrid_view.h"

struct mq_hybrid_ranker;

/** @param view borrowed while the ranker lives
 *  @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_hybrid_ranker_new(const struct mq_hybrid_view *view,
                                    struct mq_hybrid_ranker **ret_ranker, struct mq_error *err);
/** NULL allowed. */
void mq_hybrid_ranker_free(struct mq_hybrid_ranker *ranker);

struct mq_hybrid_candidate {
    int32_t item;  /**< of the model */
    float raw;     /**< the method's score */
    float recall;  /**< in [0, 1] */
    float quality; /**< in [0, 1] */
    float score;   /**< final, in [0, 1] */
    int32_t place; /**< by recall alone, from 0 */
};

struct mq_hybrid_query {
    const struct mq_rated_user *user;
    enum mq_method method;
    const float *offered;    /**< float32 [items] 0 or NaN: never listed; NULL: all are offered */
    const int32_t *excluded; /**< int32 [excluded_count] of the model, or -1: passed over */
    int32_t excluded_count;
    bool seen;            /**< films the user has rated are listed too */
    int32_t candidates;   /**< at least 1 */
    float quality_weight; /**< w, in [0, 1] */
};

/**
 * The best films.
 * @param ret_candidates [query->candidates], best first
 * @param ret_count  how many; fewer where fewer are offered
 * @param ret_known  whether the method knows something of the user; the list of one of whom nothing
 *                   is known is empty, but for the popular method's
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: that of the scores, and a pass over the films.
 */
enum mq_status mq_hybrid_rank(struct mq_hybrid_ranker *ranker, const struct mq_hybrid_query *query,
                              struct mq_hybrid_candidate *ret_candidates, int32_t *ret_count,
                              bool *ret_known, struct mq_error *err);

/**
 * Scores of films that are given, seen or not, offered or not.
 * @param items  int32 [count] of the model  @param ret_scores float32 [count] final, in [0, 1]
 */
enum mq_status mq_hybrid_rank_given(struct mq_hybrid_ranker *ranker,
                                    const struct mq_rated_user *user, enum mq_method method,
                                    float quality_weight, const int32_t *items, int32_t count,
                                    float *ret_scores, bool *ret_known, struct mq_error *err);

/** The ranker's methods, to be asked alone. Borrowed. */
struct mq_method_scorer *mq_hybrid_ranker_methods(struct mq_hybrid_ranker *ranker);

/** The method's own score of a film, as in struct mq_hybrid_candidate, in the last list or the last
 *  films given. @param item of the model */
float mq_hybrid_ranker_raw(const struct mq_hybrid_ranker *ranker, int32_t item);

/** What a method added to a film's raw score in the hybrid's last list (mq_blended_part). */
float mq_hybrid_ranker_part(const struct mq_hybrid_ranker *ranker, enum mq_method method,
                            int32_t item);

#endif
