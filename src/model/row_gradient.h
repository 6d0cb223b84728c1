/**
 * Sparse gradient of an embedding table: the rows a batch touched, in the order of first touch.
 *
 * Threads: one accumulator, one thread at a time.
 */
#ifndef MQ_MODEL_ROW_GRADIENT_H
#define MQ_MODEL_ROW_GRADIENT_H

#include <stdint.h>

#include "marquee/status.h"

/** All arrays owned. */
struct mq_row_gradient {
    int32_t table_rows, dim;
    int32_t count;    /**< rows touched since the last clear */
    int32_t capacity; /**< most that can be touched */
    int32_t *slot;    /**< int32 [table_rows]: place of a row's gradient, -1 untouched */
    int32_t *rows;    /**< int32 [capacity]: row of each place */
    float *value;     /**< float32 [capacity, dim] */
};

/** @param capacity most rows touched between clears; cut to table_rows */
enum mq_status mq_row_gradient_init(struct mq_row_gradient *gradient, int32_t table_rows,
                                    int32_t dim, int64_t capacity, struct mq_error *err);
/** NULL and zeroed allowed. */
void mq_row_gradient_release(struct mq_row_gradient *gradient);

/** Forget what was touched. Cost: O(count). */
void mq_row_gradient_clear(struct mq_row_gradient *gradient);

/** Place of a row; the gradient of a newly touched row is zeroed. */
static inline float *
mq_row_gradient_at(struct mq_row_gradient *gradient, int32_t row)
{
    int32_t place = gradient->slot[row];
    if (place < 0) {
        place = gradient->count++;
        gradient->slot[row] = place;
        gradient->rows[place] = row;
        float *value = gradient->value + (int64_t)place * gradient->dim;
        for (int32_t i = 0; i < gradient->dim; i++)
            value[i] = 0.0f;
        return value;
    }
    return gradient->value + (int64_t)place * gradient->dim;
}

/** Add all of `from` to `to`, in the order of from's rows. Same table_rows and dim. */
void mq_row_gradient_merge(struct mq_row_gradient *to, const struct mq_row_gradient *from);

#endif
