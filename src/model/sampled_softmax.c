#include "model/sampled_softmax.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"

/* A score whose exponential is 0 beside any other. */
#define MQ_SCORE_MASKED (-1e30f)

static void
take_all(struct mq_negative_sampler *sampler)
{
    sampler->source = MQ_NEGATIVES_ALL;
    sampler->draws = sampler->active_count;
    memset(sampler->log_expected, 0, sizeof(float) * (size_t)sampler->item_count);
}

/* Walker's alias table (Vose 1991): one uniform number picks a column and one of its two items. */
static enum mq_status
build_alias(struct mq_negative_sampler *sampler, const double *share, struct mq_error *err)
{
    int32_t n = sampler->active_count;
    mq_autofree int32_t *small = NULL, *large = NULL;
    mq_autofree double *scaled = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(int32_t), &small, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n, sizeof(int32_t), &large, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n, sizeof(double), &scaled, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n, sizeof(double), &sampler->alias_chance, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n, sizeof(int32_t), &sampler->alias, err);
    if (st != MQ_OK)
        return st;
    int32_t smalls = 0, larges = 0;
    for (int32_t i = 0; i < n; i++) {
        scaled[i] = share[i] * n;
        if (scaled[i] < 1.0)
            small[smalls++] = i;
        else
            large[larges++] = i;
    }
    while (smalls > 0 && larges > 0) {
        int32_t s = small[--smalls], l = large[larges - 1];
        sampler->alias_chance[s] = scaled[s];
        sampler->alias[s] = l;
        scaled[l] -= 1.0 - scaled[s];
        if (scaled[l] < 1.0) {
            larges--;
            small[smalls++] = l;
        }
    }
    while (larges > 0)
        sampler->alias_chance[large[--larges]] = 1.0;
    while (smalls > 0)
        sampler->alias_chance[small[--smalls]] = 1.0;
    return MQ_OK;
}

static enum mq_status
expect(struct mq_negative_sampler *sampler, const int64_t *plays, int32_t batch,
       struct mq_error *err)
{
    int32_t n = sampler->active_count;
    if (sampler->source == MQ_NEGATIVES_UNIFORM) {
        float q = logf((float)sampler->draws / (float)n);
        for (int32_t i = 0; i < n; i++)
            sampler->log_expected[sampler->active[i]] = q;
        return MQ_OK;
    }
    mq_autofree double *share = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(double), &share, err);
    if (st != MQ_OK)
        return st;
    bool in_batch = sampler->source == MQ_NEGATIVES_IN_BATCH;
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) {
        double count = (double)plays[sampler->active[i]];
        share[i] = in_batch ? count : pow(count, 0.75);
        sum += share[i];
    }
    if (in_batch)
        sampler->draws = batch;
    for (int32_t i = 0; i < n; i++) {
        share[i] /= sum;
        sampler->log_expected[sampler->active[i]] = (float)log(share[i] * sampler->draws);
    }
    return in_batch ? MQ_OK : build_alias(sampler, share, err);
}

enum mq_status
mq_negative_sampler_init(struct mq_negative_sampler *sampler, enum mq_negative_source source,
                         int32_t item_count, const int64_t *plays, int32_t draws, int32_t batch,
                         struct mq_error *err)
{
    struct mq_negative_sampler made = {.source = source, .item_count = item_count, .draws = draws};
    enum mq_status st = mq_alloc_array((size_t)item_count, sizeof(int32_t), &made.active, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, sizeof(int32_t), &made.times, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, sizeof(float), &made.log_expected, err);
    if (st == MQ_OK) {
        for (int32_t i = 0; i < item_count; i++)
            if (plays[i] > 0)
                made.active[made.active_count++] = i;
        if (source == MQ_NEGATIVES_ALL ||
            (source != MQ_NEGATIVES_IN_BATCH && draws >= made.active_count))
            take_all(&made);
        else
            st = expect(&made, plays, batch, err);
    }
    if (st != MQ_OK) {
        mq_negative_sampler_release(&made);
        return st;
    }
    *sampler = made;
    return MQ_OK;
}

void
mq_negative_sampler_release(struct mq_negative_sampler *sampler)
{
    if (sampler == NULL)
        return;
    mq_free(sampler->active);
    mq_free(sampler->log_expected);
    mq_free(sampler->alias_chance);
    mq_free(sampler->alias);
    mq_free(sampler->times);
    *sampler = (struct mq_negative_sampler){0};
}

int32_t
mq_negative_sampler_most(const struct mq_negative_sampler *sampler)
{
    return MQ_MIN(sampler->draws, sampler->active_count);
}

/* What repeats and the sampler's habits ask of the scores of ret_item[0…count); clears the counts.
 */
static int32_t
weigh_draws(struct mq_negative_sampler *sampler, int32_t count, const int32_t *item,
            float *ret_correction)
{
    for (int32_t i = 0; i < count; i++) {
        ret_correction[i] = logf((float)sampler->times[item[i]]) - sampler->log_expected[item[i]];
        sampler->times[item[i]] = 0;
    }
    return count;
}

int32_t
mq_negative_sampler_draw(struct mq_negative_sampler *sampler, struct mq_rng *rng,
                         const int32_t *target, int32_t target_count, int32_t *ret_item,
                         float *ret_correction)
{
    int32_t n = sampler->active_count, count = 0;
    switch (sampler->source) {
    case MQ_NEGATIVES_ALL:
        for (; count < n; count++) {
            ret_item[count] = sampler->active[count];
            ret_correction[count] = 0.0f;
        }
        return count;
    case MQ_NEGATIVES_UNIFORM:
        for (; count < sampler->draws; count++) {
            int32_t other = count + (int32_t)mq_rng_below(rng, (uint32_t)(n - count));
            int32_t item = sampler->active[other];
            sampler->active[other] = sampler->active[count];
            sampler->active[count] = item;
            ret_item[count] = item;
            ret_correction[count] = -sampler->log_expected[item];
        }
        return count;
    case MQ_NEGATIVES_POPULARITY:
        for (int32_t i = 0; i < sampler->draws; i++) {
            int32_t column = (int32_t)mq_rng_below(rng, (uint32_t)n);
            if (mq_rng_uniform(rng) >= sampler->alias_chance[column])
                column = sampler->alias[column];
            int32_t item = sampler->active[column];
            if (sampler->times[item]++ == 0)
                ret_item[count++] = item;
        }
        return weigh_draws(sampler, count, ret_item, ret_correction);
    case MQ_NEGATIVES_IN_BATCH:
        for (int32_t i = 0; i < target_count; i++)
            if (sampler->times[target[i]]++ == 0)
                ret_item[count++] = target[i];
        return weigh_draws(sampler, count, ret_item, ret_correction);
    }
    return 0;
}

double
mq_sampled_softmax(int32_t rows, int32_t columns, float *scores, const float *correction,
                   const int32_t *own_column, const float *weight)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t width = (size_t)columns + 1;
    double loss = 0.0;
    kernels->bias_add(scores, (size_t)rows, width, correction);
    for (int32_t b = 0; b < rows; b++) {
        float *row = scores + (size_t)b * width, target = row[columns], log_sum;
        if (own_column[b] >= 0)
            row[own_column[b]] = MQ_SCORE_MASKED;
        kernels->softmax_rows(row, 1, width, width, &log_sum);
        loss += (double)weight[b] * ((double)log_sum - (double)target);
        row[columns] -= 1.0f;
        kernels->scale(weight[b], row, width);
    }
    return loss;
}
