#include "model/row_gradient.h"

#include "base/memory.h"

enum mq_status
mq_row_gradient_init(struct mq_row_gradient *gradient, int32_t table_rows, int32_t dim,
                     int64_t capacity, struct mq_error *err)
{
    struct mq_row_gradient made = {.table_rows = table_rows, .dim = dim};
    made.capacity = (int32_t)MQ_MIN(capacity, (int64_t)table_rows);
    enum mq_status st = mq_alloc_array_raw((size_t)table_rows, sizeof(int32_t), &made.slot, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)made.capacity, sizeof(int32_t), &made.rows, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)made.capacity, sizeof(float) * (size_t)dim, &made.value, err);
    if (st != MQ_OK) {
        mq_row_gradient_release(&made);
        return st;
    }
    for (int32_t i = 0; i < table_rows; i++)
        made.slot[i] = -1;
    *gradient = made;
    return MQ_OK;
}

void
mq_row_gradient_release(struct mq_row_gradient *gradient)
{
    if (gradient == NULL)
        return;
    mq_free(gradient->slot);
    mq_free(gradient->rows);
    mq_free(gradient->value);
    *gradient = (struct mq_row_gradient){0};
}

void
mq_row_gradient_clear(struct mq_row_gradient *gradient)
{
    for (int32_t i = 0; i < gradient->count; i++)
        gradient->slot[gradient->rows[i]] = -1;
    gradient->count = 0;
}

void
mq_row_gradient_merge(struct mq_row_gradient *to, const struct mq_row_gradient *from)
{
    int32_t dim = from->dim;
    for (int32_t i = 0; i < from->count; i++) {
        float *restrict sum = mq_row_gradient_at(to, from->rows[i]);
        const float *restrict add = from->value + (int64_t)i * dim;
        for (int32_t d = 0; d < dim; d++)
            sum[d] += add[d];
    }
}
