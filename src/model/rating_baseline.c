#include "model/rating_baseline.h"

#include <math.h>

#include "base/memory.h"

#define SWEEPS_MAX 1000

struct mq_rating_baseline_options
mq_rating_baseline_options_default(void)
{
    return (struct mq_rating_baseline_options){
        .item_shrink = 10.0f, .user_shrink = 15.0f, .sweeps = 10};
}

/* One side of a sweep: parts[k] from what the other side's parts leave over. */
struct half_sweep {
    const int64_t *offset;
    const int32_t *other;
    const float *rating;
    const float *other_part;
    float *part;
    double mean, shrink;
};

static float
shrunk_mean(const int32_t *other, const float *rating, int64_t count, const float *other_part,
            double mean, double shrink)
{
    double left = 0;
    for (int64_t i = 0; i < count; i++)
        left += (double)rating[i] - mean - (double)other_part[other[i]];
    return count > 0 ? (float)(left / (shrink + (double)count)) : 0.0f;
}

static enum mq_status
sweep_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct half_sweep *h = context;
    (void)worker;
    (void)err;
    for (int64_t k = begin; k < end; k++) {
        int64_t first = h->offset[k];
        h->part[k] = shrunk_mean(h->other + first, h->rating + first, h->offset[k + 1] - first,
                                 h->other_part, h->mean, h->shrink);
    }
    return MQ_OK;
}

enum mq_status
mq_rating_baseline_fit(const struct mq_rating_matrix *matrix,
                       const struct mq_rating_baseline_options *options, struct mq_pool *pool,
                       struct mq_rating_baseline *ret_baseline, struct mq_error *err)
{
    if (!(options->item_shrink >= 0 && isfinite(options->item_shrink)) ||
        !(options->user_shrink >= 0 && isfinite(options->user_shrink)) || options->sweeps < 0 ||
        options->sweeps > SWEEPS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "rating baseline: shrinkage %g and %g (allowed: 0 and more), %d sweeps "
                       "(allowed: 0 to %d)",
                       (double)options->item_shrink, (double)options->user_shrink, options->sweeps,
                       SWEEPS_MAX);
    struct mq_rating_baseline fit = {.user_count = matrix->user_count,
                                     .item_count = matrix->item_count,
                                     .mean = mq_rating_matrix_mean(matrix),
                                     .user_shrink = options->user_shrink,
                                     .item_shrink = options->item_shrink};
    enum mq_status st =
        mq_alloc_array((size_t)matrix->user_count, sizeof(*fit.user), &fit.user, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->item_count, sizeof(*fit.item), &fit.item, err);
    struct half_sweep items = {.offset = matrix->item_offset,
                               .other = matrix->item_user,
                               .rating = matrix->item_rating,
                               .other_part = fit.user,
                               .part = fit.item,
                               .mean = fit.mean,
                               .shrink = (double)options->item_shrink};
    struct half_sweep users = {.offset = matrix->user_offset,
                               .other = matrix->user_item,
                               .rating = matrix->user_rating,
                               .other_part = fit.item,
                               .part = fit.user,
                               .mean = fit.mean,
                               .shrink = (double)options->user_shrink};
    for (int32_t sweep = 0; st == MQ_OK && sweep < options->sweeps; sweep++) {
        st = mq_pool_for(pool, matrix->item_count, 256, sweep_range, &items, err);
        if (st == MQ_OK)
            st = mq_pool_for(pool, matrix->user_count, 256, sweep_range, &users, err);
    }
    if (st != MQ_OK) {
        mq_rating_baseline_release(&fit);
        return st;
    }
    *ret_baseline = fit;
    return MQ_OK;
}

void
mq_rating_baseline_release(struct mq_rating_baseline *baseline)
{
    if (baseline == NULL)
        return;
    mq_free(baseline->user);
    mq_free(baseline->item);
    *baseline = (struct mq_rating_baseline){0};
}

float
mq_rating_baseline_user(const struct mq_rating_baseline *baseline, const int32_t *items,
                        const float *ratings, int32_t count)
{
    return shrunk_mean(items, ratings, count, baseline->item, baseline->mean,
                       (double)baseline->user_shrink);
}
