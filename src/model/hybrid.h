/**
 * The hybrid recommender: what users rated, and the models that were made of it, on one axis of
 * users and one of films. A film's code is the same in every part.
 *
 * Films are all programmes of the catalogue it was made with, in its order, then films that were
 * rated and have left it: so new films are there, though only the content channel knows them.
 *
 * Its parts answer two questions. Which films next (ranking): one score a film by each method,
 * blended with weights that were learned on held-out choices (rec/hybrid_fit.h). What rating
 * would this user give (prediction): baseline, neighbours and factors, blended likewise.
 *
 * Immutable once made. Threads: reentrant reads.
 */
#ifndef MQ_MODEL_HYBRID_H
#define MQ_MODEL_HYBRID_H

#include <stdint.h>

#include "data/rating_matrix.h"
#include "marquee/status.h"
#include "model/biased_mf.h"
#include "model/ease.h"
#include "model/ials.h"
#include "model/neighbour_ranking.h"
#include "model/neighbour_rating.h"
#include "model/rating_baseline.h"
#include "model/slit.h"
#include "model/youtubednn.h"

/** A way to score films for a user; the order is that of `blend`. */
enum mq_method {
    MQ_METHOD_ITEM_BASED = 0, /**< films like those the user rated, by who rated them */
    MQ_METHOD_USER_BASED,     /**< films of users who rated alike */
    MQ_METHOD_CONTENT,        /**< films like those the user rated, by what is written about them */
    MQ_METHOD_MF,             /**< implicit matrix factorisation (iALS) */
    MQ_METHOD_EASE,           /**< linear autoencoder; catalogues of bounded size */
    MQ_METHOD_SEQUENCE,       /**< what follows what: SLIT, or neighbours in time where the
                                   catalogue is too large for it */
    MQ_METHOD_DEEP,           /**< YoutubeDNN */
    MQ_METHOD_POPULAR,        /**< what many rate now */
    MQ_METHOD_COUNT,
    MQ_METHOD_HYBRID = MQ_METHOD_COUNT, /**< all of them, blended */
};

/** "item-based", …, "popular", "hybrid". */
const char *mq_method_name(enum mq_method method);

/** Method of a name, MQ_METHOD_HYBRID included; -1: none. */
int mq_method_find(const char *name, size_t size);

/** Names of all, "item-based|…|hybrid": for choices. */
#define MQ_METHOD_CHOICES "item-based|user-based|content|mf|ease|sequence|deep|popular|hybrid"

/** Predictors of a rating, in the order of rating_weight. */
enum mq_rating_predictor {
    MQ_PREDICTOR_BASELINE = 0,
    MQ_PREDICTOR_ITEM_BASED,
    MQ_PREDICTOR_USER_BASED,
    MQ_PREDICTOR_FACTORS,
    MQ_PREDICTOR_COUNT
};

/** "baseline", "item-based", "user-based", "factors". */
const char *mq_predictor_name(enum mq_rating_predictor predictor);

/** Longest version, NUL included: "20261126T020000Z-1a2b3c4d". */
#define MQ_HYBRID_VERSION_SIZE 32

/** Greatest recency. */
#define MQ_HYBRID_RECENCY_MAX 4.0F

struct mq_hybrid {
    char version[MQ_HYBRID_VERSION_SIZE]; /**< "" before it is saved */
    int64_t made_s;                       /**< epoch seconds of the run that made it */
    struct mq_rating_matrix *ratings;     /**< with ids of users and films; owned */

    float *popularity; /**< float32 [items] ratings, those of today counting 1, halved by age */
    float *average;    /**< float32 [items] mean rating, shrunk to the mean of all */
    float rating_low, rating_high; /**< scale of the ratings, as configured */
    bool literal;                  /**< neighbours in seed 001's form: mq_hybrid_rating_options */
    float threshold;               /**< of that form; -1…1 */
    int32_t scale_users; /**< while it is trained: as in struct mq_hybrid_options; not kept */
    float recency;       /**< times the exponents by which newer films of a history weigh more; not
                            sequence's */

    /* Ranking; what a model lacks is empty or NULL, and its blend 0. */
    struct mq_neighbours items;     /**< of films, by choices */
    struct mq_neighbours users;     /**< of users, by choices */
    struct mq_neighbours content;   /**< of films, by content */
    struct mq_neighbours following; /**< of films, in time; where there is no slit */
    struct mq_ials *ials;
    struct mq_ease *ease;
    struct mq_slit *slit;
    struct mq_user_tower *tower;
    float blend[MQ_METHOD_COUNT]; /**< weights of standardised scores */

    /* Prediction. */
    struct mq_rating_baseline baseline;
    struct mq_neighbours rating_items; /**< of films, by ratings */
    struct mq_neighbours rating_users; /**< of users, by ratings */
    struct mq_biased_mf *factors;
    float rating_weight[MQ_PREDICTOR_COUNT]; /**< of predictions; they need not sum to 1 */
    float rating_bias;

    /* For users who are not in the matrix, or rated since: made at the end, not kept in files. */
    struct mq_neighbour_index *user_index;        /**< of `users` */
    struct mq_neighbour_index *rating_user_index; /**< of `rating_users` */
    struct mq_rater item_rater, user_rater;       /**< of `rating_items`, `rating_users` */
};

/**
 * Make what is not kept in files, once all else is there.
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 */
enum mq_status mq_hybrid_finish(struct mq_hybrid *hybrid, struct mq_pool *pool,
                                struct mq_error *err);

/**
 * Users that each user is compared with, of so many: 65,536, fewer where that would be more than
 * 2^34 pairs (from 262,144 users on), never below 8,192. So the time of all lists is bounded.
 */
int32_t mq_hybrid_users_compared(int32_t user_count);

/** How neighbours by choices are found: mq_neighbour_options_ranking. */
struct mq_neighbour_options mq_hybrid_choice_options(const struct mq_hybrid *hybrid,
                                                     enum mq_neighbour_side side);

/** How neighbours by ratings are found: mq_neighbour_options_rating, or where the model is literal
 * mq_neighbour_options_literal with its threshold. */
struct mq_neighbour_options mq_hybrid_rating_options(const struct mq_hybrid *hybrid,
                                                     enum mq_neighbour_side side);

/** How a method makes scores of lists (mq_rank_options_default), with the model's recency. */
struct mq_rank_options mq_hybrid_rank_options(const struct mq_hybrid *hybrid,
                                              enum mq_neighbour_side side, bool in_time);

/** Exponent of mf and ease (mq_recency_weights). */
double mq_hybrid_recency(const struct mq_hybrid *hybrid);

/** NULL allowed. Nobody may be reading. */
void mq_hybrid_free(struct mq_hybrid *hybrid);

/** Whether a method has what it scores with. */
bool mq_hybrid_has(const struct mq_hybrid *hybrid, enum mq_method method);

/** Fail with MQ_E_UNSUPPORTED: trained without the method, and with which. */
enum mq_status mq_hybrid_lacks(const struct mq_hybrid *hybrid, enum mq_method method,
                               struct mq_error *err);

#endif
