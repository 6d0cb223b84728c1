#include "model/untrained_items.h"

#include "base/memory.h"

/* sum += vector, in double: the result does not depend on how many items a group has. */
static void
add_row(double *sum, const float *vector, int32_t dim)
{
    for (int32_t d = 0; d < dim; d++)
        sum[d] += (double)vector[d];
}

enum mq_status
mq_untrained_items_fill(int32_t item_count, int32_t dim, const uint8_t *trained,
                        int32_t group_count, const int64_t *group_offset, const int32_t *group,
                        float *vectors, struct mq_error *err)
{
    /* Row group_count is the sum over all trained items. */
    mq_autofree double *sum = NULL, *mean = NULL;
    mq_autofree int64_t *members = NULL;
    enum mq_status st =
        mq_alloc_array(((size_t)group_count + 1) * (size_t)dim, sizeof(double), &sum, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)dim, sizeof(double), &mean, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)group_count + 1, sizeof(int64_t), &members, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < item_count; i++) {
        if (!trained[i])
            continue;
        const float *vector = vectors + (size_t)i * (size_t)dim;
        for (int64_t g = group_offset[i]; g < group_offset[i + 1]; g++) {
            add_row(sum + (size_t)group[g] * (size_t)dim, vector, dim);
            members[group[g]]++;
        }
        add_row(sum + (size_t)group_count * (size_t)dim, vector, dim);
        members[group_count]++;
    }
    for (int32_t i = 0; i < item_count; i++) {
        if (trained[i])
            continue;
        int32_t used = 0;
        for (int32_t d = 0; d < dim; d++)
            mean[d] = 0.0;
        for (int64_t g = group_offset[i]; g < group_offset[i + 1]; g++) {
            if (members[group[g]] == 0)
                continue;
            const double *total = sum + (size_t)group[g] * (size_t)dim;
            for (int32_t d = 0; d < dim; d++)
                mean[d] += total[d] / (double)members[group[g]];
            used++;
        }
        const double *all = sum + (size_t)group_count * (size_t)dim;
        for (int32_t d = 0; d < dim; d++) {
            double value = used > 0                   ? mean[d] / used
                           : members[group_count] > 0 ? all[d] / (double)members[group_count]
                                                      : 0.0;
            vectors[(size_t)i * (size_t)dim + (size_t)d] = (float)value;
        }
    }
    return MQ_OK;
}
