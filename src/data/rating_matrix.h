/**
 * Ratings as a sparse matrix on dense codes, by user (CSR) and by item (CSC): what collaborative
 * filtering, factorisation and their evaluation work on.
 *
 * Codes are positions in `users` and `items`, in order of first appearance in what it was built
 * from. A user has at most one rating of an item: the latest, of equal times the one that came
 * last. Within a user items ascend; within an item users ascend. Ratings are finite.
 *
 * Memory: 24 bytes a rating (16 by user, 8 by item), and the ids. Immutable once built.
 * Threads: reentrant reads.
 */
#ifndef MQ_DATA_RATING_MATRIX_H
#define MQ_DATA_RATING_MATRIX_H

#include <stdint.h>

#include "base/strmap.h"
#include "marquee/status.h"

/** Most ratings of a matrix. */
#define MQ_RATINGS_MAX (INT64_C(1) << 40)

struct mq_rating_matrix {
    int32_t user_count, item_count;
    int64_t count;          /**< ratings */
    struct mq_strmap users; /**< id by code; empty where the matrix was made from codes alone */
    struct mq_strmap items; /**< the same */

    int64_t
        *user_offset;   /**< int64 [user_count+1]: user u owns [user_offset[u], user_offset[u+1]) */
    int32_t *user_item; /**< int32 [count] item codes, ascending within a user */
    float *user_rating; /**< float32 [count] */
    uint32_t *user_time; /**< uint32 [count] epoch seconds */
    /** int32 [count]: a user's ratings from the oldest to the newest, as positions within the
     * user's own: the k-th is at user_offset[u] + user_sequence[user_offset[u] + k]. Of equal times
     * the one that came first in the list is older. */
    int32_t *user_sequence;

    int64_t *item_offset; /**< int64 [item_count+1] */
    int32_t *item_user;   /**< int32 [count] user codes, ascending within an item */
    float *item_rating;   /**< float32 [count] */
};

/** Ratings one by one, in any order. All borrowed. */
struct mq_rating_list {
    int64_t count;
    const int32_t *user;    /**< in [0, user_count) */
    const int32_t *item;    /**< in [0, item_count) */
    const float *rating;    /**< finite; NULL: all 1 */
    const uint32_t *time_s; /**< NULL: all 0 */
};

/**
 * Build.
 * @param users,items taken (left empty) on success; NULL: codes alone
 * @return MQ_OK | MQ_E_RANGE (a code or rating out of range: names the position) | MQ_E_NOMEM
 * Cost: O(count·log of a user's ratings), twice 8 bytes a rating of scratch.
 */
enum mq_status mq_rating_matrix_build(const struct mq_rating_list *list, int32_t user_count,
                                      int32_t item_count, struct mq_strmap *users,
                                      struct mq_strmap *items, struct mq_rating_matrix **ret_matrix,
                                      struct mq_error *err);

/**
 * Make the item side of a matrix whose user side was read from a file (checked by the reader;
 * arrays of mq_alloc_array, item side NULL).
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_rating_matrix_transpose(struct mq_rating_matrix *matrix, struct mq_error *err);

/* ---- building in two passes, for more ratings than fit in memory twice ------------------ */

struct mq_rating_builder;

/**
 * Begin, once it is known how many ratings each user has, repeated ones included.
 * @param by_user int64 [user_count], borrowed during the call
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM
 * Memory: 16 bytes a rating until it is finished, the matrix's 24 afterwards; nothing beside.
 */
enum mq_status mq_rating_builder_new(int32_t user_count, int32_t item_count, const int64_t *by_user,
                                     struct mq_rating_builder **ret_builder, struct mq_error *err);
/** NULL allowed. */
void mq_rating_builder_free(struct mq_rating_builder *builder);

/**
 * Add one. @param rating NAN: a choice without a rating, which a rating of the same user and item
 *                 beats whenever it came
 * @return MQ_OK | MQ_E_RANGE (a code out of range, infinite, or more than were counted)
 */
enum mq_status mq_rating_builder_add(struct mq_rating_builder *builder, int32_t user, int32_t item,
                                     float rating, uint32_t time_s, struct mq_error *err);

/**
 * Make the matrix, as mq_rating_matrix_build does of the same ratings in the same order. The
 * builder is empty afterwards, also on failure.
 * @param choice_rating finite; rating of those added with NAN
 * @param users,items taken (left empty) on success; NULL: codes alone
 */
enum mq_status mq_rating_builder_finish(struct mq_rating_builder *builder, float choice_rating,
                                        struct mq_strmap *users, struct mq_strmap *items,
                                        struct mq_rating_matrix **ret_matrix, struct mq_error *err);

/** NULL allowed. */
void mq_rating_matrix_free(struct mq_rating_matrix *matrix);

/**
 * A part of a matrix with the same codes: ratings whose mark is set. Ids are not copied.
 * @param keep uint8 [count] by position in user order
 */
enum mq_status mq_rating_matrix_part(const struct mq_rating_matrix *matrix, const uint8_t *keep,
                                     struct mq_rating_matrix **ret_part, struct mq_error *err);

/**
 * The ratings of some users, who get codes of their own: users[k] becomes k. Items keep theirs.
 * Ids are not copied.
 * @param users int32 [count] in [0, user_count), ascending
 */
enum mq_status mq_rating_matrix_of_users(const struct mq_rating_matrix *matrix,
                                         const int32_t *users, int32_t count,
                                         struct mq_rating_matrix **ret_part, struct mq_error *err);

/**
 * A user's items from the oldest to the newest.
 * @param ret_items int32 [ratings of the user]
 */
static inline void
mq_rating_matrix_history(const struct mq_rating_matrix *matrix, int32_t user, int32_t *ret_items)
{
    int64_t first = matrix->user_offset[user], n = matrix->user_offset[user + 1] - first;
    for (int64_t k = 0; k < n; k++)
        ret_items[k] = matrix->user_item[first + matrix->user_sequence[first + k]];
}

/** Position of a user's rating of an item in user order, or -1. Cost: O(log of the user's). */
int64_t mq_rating_matrix_find(const struct mq_rating_matrix *matrix, int32_t user, int32_t item);

/** Mean of all ratings; 0 where there is none. */
double mq_rating_matrix_mean(const struct mq_rating_matrix *matrix);

#endif
