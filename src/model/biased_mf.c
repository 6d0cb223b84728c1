#include "model/biased_mf.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "model/biased_mf_row.h"
#include "model/biased_mf_train.h"
#include "model/rated_ridge.h"

struct mq_biased_mf_options
mq_biased_mf_options_default(void)
{
    return (struct mq_biased_mf_options){
        .factors = 23, .iterations = 25, .implicit_regularization = 1.5f, .implicit = true};
}

enum mq_status
mq_biased_mf_new(int32_t user_count, int32_t item_count, int32_t factors,
                 struct mq_biased_mf **ret_model, struct mq_error *err)
{
    size_t d = (size_t)factors + 1, users = (size_t)user_count, items = (size_t)item_count;
    size_t moments = (size_t)MQ_BIASED_MF_MOMENTS(factors);
    struct mq_biased_mf *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a matrix factorisation");
    m->user_count = user_count;
    m->item_count = item_count;
    m->factors = factors;
    enum mq_status st = mq_alloc_array(users, d * sizeof(float), &m->user, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, d * sizeof(float), &m->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array(d, sizeof(float), &m->precision, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, d * sizeof(float), &m->implicit, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, moments * sizeof(float), &m->moments, err);
    if (st != MQ_OK) {
        mq_biased_mf_free(m);
        return st;
    }
    *ret_model = m;
    return MQ_OK;
}

void
mq_biased_mf_free(struct mq_biased_mf *model)
{
    if (model == NULL)
        return;
    mq_free(model->user);
    mq_free(model->item);
    mq_free(model->precision);
    mq_free(model->implicit);
    mq_free(model->moments);
    free(model);
}

static enum mq_status
copy_array(const char *what, const float *from, size_t rows, size_t width, float *to,
           struct mq_error *err)
{
    for (size_t i = 0; i < rows * width; i++)
        if (!isfinite(from[i]))
            return mq_fail(err, MQ_E_RANGE, "matrix factorisation: %s[%zu,%zu] is not finite", what,
                           i / width, i % width);
    memcpy(to, from, rows * width * sizeof(float));
    return MQ_OK;
}

enum mq_status
mq_biased_mf_from_arrays(const struct mq_biased_mf *kept, struct mq_biased_mf **ret_model,
                         struct mq_error *err)
{
    if (kept->user_count < 0 || kept->item_count < 0 || kept->factors < 0 ||
        kept->factors > MQ_BIASED_MF_FACTORS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "matrix factorisation of %d users, %d items and %d factors (0 to %d)",
                       kept->user_count, kept->item_count, kept->factors, MQ_BIASED_MF_FACTORS_MAX);
    if (!isfinite(kept->mean) || !isfinite(kept->scale) || !(kept->scale > 0) ||
        !isfinite(kept->noise) || !(kept->noise > 0) || !(kept->low <= kept->high))
        return mq_fail(err, MQ_E_RANGE,
                       "matrix factorisation with mean %g, scale %g, noise %g, ratings %g to %g",
                       (double)kept->mean, (double)kept->scale, (double)kept->noise,
                       (double)kept->low, (double)kept->high);
    size_t d = (size_t)kept->factors + 1, items = (size_t)kept->item_count;
    for (size_t j = 0; j < d; j++)
        if (!(kept->precision[j] > 0))
            return mq_fail(err, MQ_E_RANGE, "matrix factorisation: precision[%zu] is %g (above 0)",
                           j, (double)kept->precision[j]);
    struct mq_biased_mf *m = NULL;
    enum mq_status st =
        mq_biased_mf_new(kept->user_count, kept->item_count, kept->factors, &m, err);
    if (st != MQ_OK)
        return st;
    m->mean = kept->mean;
    m->scale = kept->scale;
    m->low = kept->low;
    m->high = kept->high;
    m->noise = kept->noise;
    st = copy_array("user", kept->user, (size_t)kept->user_count, d, m->user, err);
    if (st == MQ_OK)
        st = copy_array("item", kept->item, items, d, m->item, err);
    if (st == MQ_OK)
        st = copy_array("precision", kept->precision, 1, d, m->precision, err);
    if (st == MQ_OK)
        st = copy_array("implicit", kept->implicit, items, d, m->implicit, err);
    if (st == MQ_OK)
        st = copy_array("moments", kept->moments, items,
                        (size_t)MQ_BIASED_MF_MOMENTS(kept->factors), m->moments, err);
    if (st != MQ_OK) {
        mq_biased_mf_free(m);
        return st;
    }
    *ret_model = m;
    return MQ_OK;
}

enum mq_status
mq_biased_mf_fold_in(const struct mq_biased_mf *model, const int32_t *items, const float *ratings,
                     int64_t count, float *ret_row, struct mq_error *err)
{
    size_t d = (size_t)model->factors + 1;
    if (count < 0 || count > MQ_RATINGS_MAX)
        return mq_fail(err, MQ_E_RANGE, "matrix factorisation: a user of %" PRId64 " ratings",
                       count);
    for (int64_t i = 0; i < count; i++) {
        if (items[i] < 0 || items[i] >= model->item_count)
            return mq_fail(err, MQ_E_RANGE,
                           "matrix factorisation: rating %" PRId64 " is of item %d (0 to %d)", i,
                           items[i], model->item_count - 1);
        if (!isfinite(ratings[i]))
            return mq_fail(err, MQ_E_RANGE,
                           "matrix factorisation: rating %" PRId64 " is not finite", i);
    }
    mq_autofree float *scratch = NULL;
    enum mq_status st = mq_alloc_array_raw(mq_biased_mf_row_scratch(model->factors) + 2 * d,
                                           sizeof(float), &scratch, err);
    if (st != MQ_OK)
        return st;
    float *prior = scratch + mq_biased_mf_row_scratch(model->factors), *row = prior + d;
    struct mq_biased_mf_side side = {.factors = model->factors,
                                     .mean = model->mean,
                                     .scale = model->scale,
                                     .noise = model->noise,
                                     .moments = model->moments,
                                     .precision = model->precision};
    mq_rated_ridge_fit_row(model->implicit, (int32_t)d, items, count, prior);
    st = mq_biased_mf_row(&side, items, ratings, count, prior, scratch, row, NULL, NULL, err);
    if (st == MQ_OK)
        memcpy(ret_row, row, d * sizeof(float));
    return st;
}

float
mq_biased_mf_rate(const struct mq_biased_mf *model, const float *row, int32_t item)
{
    size_t d = (size_t)model->factors + 1;
    const float *other = model->item + (size_t)item * d;
    float rating = model->mean + model->scale * (row[0] + other[0] +
                                                 mq_kernels()->dot(row + 1, other + 1, d - 1));
    return rating < model->low ? model->low : rating > model->high ? model->high : rating;
}

enum mq_status
mq_biased_mf_predict(const struct mq_biased_mf *model, const int32_t *users, const int32_t *items,
                     int64_t count, float *ret_ratings, struct mq_error *err)
{
    for (int64_t i = 0; i < count; i++)
        if (users[i] < 0 || users[i] >= model->user_count || items[i] < 0 ||
            items[i] >= model->item_count)
            return mq_fail(err, MQ_E_RANGE,
                           "matrix factorisation: pair %" PRId64
                           " is user %d (0 to %d), item %d (0 to %d)",
                           i, users[i], model->user_count - 1, items[i], model->item_count - 1);
    size_t d = (size_t)model->factors + 1;
    for (int64_t i = 0; i < count; i++)
        ret_ratings[i] = mq_biased_mf_rate(model, model->user + (size_t)users[i] * d, items[i]);
    return MQ_OK;
}
