#include "model/recency.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

struct moment {
    uint32_t time_s;
    int64_t at;
};

static int
newer_first(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;
    return (a->time_s < b->time_s) - (a->time_s > b->time_s);
}

/* @param order scratch [count] */
static void
weigh(const uint32_t *time_s, int64_t count, double exponent, struct moment *order,
      float *ret_weight)
{
    for (int64_t i = 0; i < count; i++)
        order[i] = (struct moment){time_s[i], i};
    qsort(order, (size_t)count, sizeof(*order), newer_first);
    for (int64_t first = 0, end = 0; first < count; first = end) {
        while (end < count && order[end].time_s == order[first].time_s)
            end++;
        double newer = (double)first + (double)(end - first - 1) / 2;
        float weight = (float)pow(1 + newer, -exponent);
        for (int64_t i = first; i < end; i++)
            ret_weight[order[i].at] = weight;
    }
}

static enum mq_status
check_exponent(double exponent, struct mq_error *err)
{
    return exponent >= 0 && exponent <= 10
               ? MQ_OK
               : mq_fail(err, MQ_E_RANGE, "recency exponent %g (0 to 10)", exponent);
}

enum mq_status
mq_recency_weights(const uint32_t *time_s, int64_t count, double exponent, float *ret_weight,
                   struct mq_error *err)
{
    mq_autofree struct moment *order = NULL;
    enum mq_status st = check_exponent(exponent, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*order), &order, err);
    if (st == MQ_OK)
        weigh(time_s, count, exponent, order, ret_weight);
    return st;
}

enum mq_status
mq_recency_weights_all(const struct mq_rating_matrix *matrix, double exponent, float *ret_weight,
                       struct mq_error *err)
{
    int64_t longest = 0;
    for (int32_t u = 0; u < matrix->user_count; u++)
        longest = MQ_MAX(longest, matrix->user_offset[u + 1] - matrix->user_offset[u]);
    mq_autofree struct moment *order = NULL;
    enum mq_status st = check_exponent(exponent, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)longest, sizeof(*order), &order, err);
    for (int32_t u = 0; u < matrix->user_count && st == MQ_OK; u++) {
        int64_t first = matrix->user_offset[u];
        weigh(matrix->user_time + first, matrix->user_offset[u + 1] - first, exponent, order,
              ret_weight + first);
    }
    return st;
}
