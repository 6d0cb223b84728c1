/** A small rating matrix by chance, for the tests of factor models. Include after check.h. */
#ifndef MQ_TESTS_SMALL_RATINGS_H
#define MQ_TESTS_SMALL_RATINGS_H

#include "base/rng.h"
#include "data/rating_matrix.h"

enum { SMALL_RATINGS_MAX = 4000 };

/** `count` draws of user and item, ratings 1 to 5, times ascending; fewer where a pair comes twice.
 */
static inline struct mq_rating_matrix *
small_ratings(int32_t users, int32_t items, int32_t count, uint64_t seed)
{
    static int32_t user[SMALL_RATINGS_MAX], item[SMALL_RATINGS_MAX];
    static float rating[SMALL_RATINGS_MAX];
    static uint32_t time_s[SMALL_RATINGS_MAX];
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int32_t i = 0; i < count; i++) {
        user[i] = (int32_t)mq_rng_below(&rng, (uint32_t)users);
        item[i] = (int32_t)mq_rng_below(&rng, (uint32_t)items);
        rating[i] = (float)(1 + mq_rng_below(&rng, 5));
        time_s[i] = 1000u + (uint32_t)i;
    }
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, time_s},
                                    users, items, NULL, NULL, &matrix, &err));
    return matrix;
}

#endif
