/**
 * Ratings predicted from neighbours.
 *
 *   user-based:  r[u,i] = shift[u,i] + Σ_v s(u,v)^p · (r[v,i] - shift[v,i]) / Σ_v |s(u,v)|^p
 *   item-based:  r[u,i] = shift[u,i] + Σ_j s(i,j)^p · (r[u,j] - shift[u,j]) / Σ_j |s(i,j)|^p
 *
 * v over the neighbours of the user that rated i, j over the neighbours of the item that the user
 * rated: the nearest `neighbours_max` of them. Without a shift and with p = 1 this is seed 001's
 * similarity-weighted rating (scikit-surprise's KNNBasic); with means it is Resnick et al. 1994
 * (KNNWithMeans), with the baseline Koren 2010, section 2.2 (KNNBaseline). A power above 1 is case
 * amplification (Breese, Heckerman and Kadie 1998, section 2.1); a negative s keeps its sign.
 *
 * Where fewer than `neighbours_min` of them rated it the baseline is the prediction. Predictions
 * are kept within [low, high].
 *
 * Golden: tests/golden/neighbours_golden.py
 */
#ifndef MQ_MODEL_NEIGHBOUR_RATING_H
#define MQ_MODEL_NEIGHBOUR_RATING_H

#include "model/neighbours.h"

struct mq_rater_options {
    enum mq_neighbour_side side;
    /** What is taken off, as seen from the side: own mean is the user's where neighbours are
     * users, the item's where they are items. */
    enum mq_neighbour_centre centre;
    int32_t neighbours_max; /**< at least 1 */
    int32_t neighbours_min; /**< at least 1 */
    float power;            /**< 0…16 */
    float low, high;        /**< low <= high, finite */
};

/** Seed 001's form, all neighbours of the lists; low and high as the matrix has them. */
struct mq_rater_options mq_rater_options_literal(enum mq_neighbour_side side,
                                                 const struct mq_rating_matrix *matrix);

/** Best found, with lists by mq_neighbour_options_rating (docs/decisions/neighbours.md). */
struct mq_rater_options mq_rater_options_default(enum mq_neighbour_side side,
                                                 const struct mq_rating_matrix *matrix);

/** What predictions are made from. Zero-initialise; then mq_rater_release. Immutable. */
struct mq_rater {
    struct mq_rater_options options;
    const struct mq_rating_matrix *matrix;
    const struct mq_neighbours *neighbours;
    const struct mq_rating_baseline *baseline;
    double shift; /**< shift[u,i] = shift + user_shift[u] + item_shift[i] */
    float *user_shift, *item_shift;
};

/**
 * @param neighbours lists of the matrix's users or items; NULL for a user-based rater that is only
 *                   asked with lists that are given
 * All are borrowed while the rater lives.
 * @return MQ_OK | MQ_E_RANGE (options) | MQ_E_USAGE (neighbours or baseline of other sizes, or
 *         missing) | MQ_E_NOMEM
 */
enum mq_status mq_rater_init(const struct mq_rating_matrix *matrix,
                             const struct mq_neighbours *neighbours,
                             const struct mq_rating_baseline *baseline,
                             const struct mq_rater_options *options, struct mq_rater *ret_rater,
                             struct mq_error *err);

/** NULL allowed. */
void mq_rater_release(struct mq_rater *rater);

/** The user whose ratings are predicted, and working memory: 16 bytes an item. */
struct mq_rater_scratch;

enum mq_status mq_rater_scratch_new(const struct mq_rater *rater,
                                    struct mq_rater_scratch **ret_scratch, struct mq_error *err);
/** NULL allowed. */
void mq_rater_scratch_free(struct mq_rater_scratch *scratch);

/** A user of the matrix. @return MQ_OK | MQ_E_RANGE (user) | MQ_E_USAGE (user-based, no lists) */
enum mq_status mq_rater_take_user(const struct mq_rater *rater, int32_t user,
                                  struct mq_rater_scratch *scratch, struct mq_error *err);

/**
 * A user given by ratings; weights and `self` are not looked at.
 * @param row  borrowed until another user is taken
 * @param list user-based: the row's neighbours (mq_neighbour_query), borrowed likewise; else NULL
 * @return MQ_OK | MQ_E_RANGE (an item, or a neighbour, out of range) | MQ_E_USAGE (no list)
 */
enum mq_status mq_rater_take_row(const struct mq_rater *rater, const struct mq_neighbour_row *row,
                                 const struct mq_neighbour_list *list,
                                 struct mq_rater_scratch *scratch, struct mq_error *err);

/**
 * The rating of one item.
 * @param item in [0, item_count)
 * @param ret_count how many neighbours it is made from; 0: the baseline; NULL allowed
 * Cost: user-based O(neighbours · log ratings), item-based O(neighbours).
 */
float mq_rater_predict(const struct mq_rater *rater, struct mq_rater_scratch *scratch, int32_t item,
                       int32_t *ret_count);

/**
 * The ratings of all items: the same values.
 * @param ret_ratings float32 [item_count]
 * Cost: user-based O(ratings of the neighbours + items), item-based O(items · neighbours).
 */
void mq_rater_predict_all(const struct mq_rater *rater, struct mq_rater_scratch *scratch,
                          float *ret_ratings);

/** One neighbour's part in a prediction: for reasons. */
struct mq_rater_vote {
    int32_t id;   /**< user, or item that the user rated */
    float score;  /**< likeness */
    float rating; /**< that user's of the item, or the user's of that item */
};

/**
 * The nearest neighbours that a prediction is made from, best first.
 * @param ret_votes [most]  @return how many
 */
int32_t mq_rater_votes(const struct mq_rater *rater, const struct mq_rater_scratch *scratch,
                       int32_t item, int32_t most, struct mq_rater_vote *ret_votes);

#endif
