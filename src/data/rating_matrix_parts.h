/** What the two ways to build a rating matrix share (rating_matrix.c, rating_builder.c). */
#ifndef MQ_DATA_RATING_MATRIX_PARTS_H
#define MQ_DATA_RATING_MATRIX_PARTS_H

#include "data/rating_matrix.h"

/** Offsets (zeroed) and the user side, for so many ratings; user_count and item_count are set. */
enum mq_status mq_rating_matrix_allocate(struct mq_rating_matrix *matrix, int64_t count,
                                         struct mq_error *err);

/** Take ids over, where they are not NULL. */
void mq_rating_matrix_take_ids(struct mq_rating_matrix *matrix, struct mq_strmap *users,
                               struct mq_strmap *items);

/** A rating of a user, for sorting by age. */
struct mq_aged_rating {
    uint32_t time_s;
    int32_t position; /**< among the user's */
    int64_t came;     /**< where it stood in what the matrix was built from */
};

/** Order of struct mq_aged_rating: by time, of equal times as they came; for qsort. */
int mq_rating_compare_ages(const void *a, const void *b);

#endif
