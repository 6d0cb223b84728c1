/**
 * A hybrid model from ratings: its parts (model/hybrid_train.h) and how they are blended.
 *
 * The blends are learned first, on models of a part of the ratings: of some users the newest
 * rating (or any) is held out, and methods learn to order films (rec/blend_learning.h); of all
 * ratings one in twenty, and predictors learn to agree (rec/rating_blend.h). Then everything is
 * trained on all ratings, with the blends that were learned. Where there are very many ratings, the
 * predictors' blend is learned on those of some users, drawn at random; the methods' is not, for
 * the fewer ratings, the less they are worth (docs/decisions/hybrid-blend.md).
 *
 * Threads: one call at a time per pool. Same ratings, options and seed, same bytes.
 */
#ifndef MQ_REC_HYBRID_FIT_H
#define MQ_REC_HYBRID_FIT_H

#include "model/hybrid_train.h"
#include "rec/blend_learning.h"
#include "rec/rating_blend.h"

struct mq_hybrid_fit_options {
    struct mq_hybrid_options model;
    unsigned blended;     /**< 1u << enum mq_method of those that may be blended */
    int32_t blend_users;  /**< users of whom a rating is held out; 0: equal weights */
    bool blend_newest;    /**< their newest, else any */
    int32_t blend_others; /**< these two as in struct mq_blend_options */
    double blend_worth;
    int64_t blend_ratings; /**< more than so many: the predictors' blend by users who have about as
                                many together; 0: by all */
};

/** From the settings hybrid.* (as mq_hybrid_options_read). */
enum mq_status mq_hybrid_fit_options_read(const struct mq_config *config,
                                          struct mq_hybrid_fit_options *ret_options,
                                          struct mq_error *err);

struct mq_hybrid_fit_report {
    struct mq_hybrid_report parts; /**< of the training on all ratings */
    struct mq_blend_report blend;
    struct mq_rating_blend rating_blend;
    int64_t rating_cases;  /**< held out for it */
    int64_t blend_ratings; /**< out of which */
    double blend_s, rating_blend_s, train_s;
};

/**
 * @param ratings taken on success; its first items are the catalogue's rows in order
 * @param catalogue for content; NULL: no content
 * @param made_s  the run's instant, epoch seconds
 * @param ret_report may be NULL
 * @return MQ_OK | MQ_E_INPUT (no ratings) | MQ_E_RANGE (blends learned on too many choices and
 *         films at once, as mq_blend_learn) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: that of training twice, the predictors the first time on about blend_ratings (0: on all).
 * Memory: the ratings once more (24 bytes each) while blends are learned.
 */
enum mq_status mq_hybrid_fit(struct mq_rating_matrix *ratings, const struct mq_catalogue *catalogue,
                             const struct mq_hybrid_fit_options *options, int64_t made_s,
                             uint64_t seed, struct mq_pool *pool, struct mq_hybrid **ret_hybrid,
                             struct mq_hybrid_fit_report *ret_report, struct mq_error *err);

#endif
