#include "model/slit.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/kernels.h"
#include "math/spd_inverse.h"

#define DECAY_LEAST 0.1f
#define ITEMS_MAX 65536

struct mq_slit_options
mq_slit_options_default(void)
{
    return (struct mq_slit_options){
        .decay = 10, .target_decay = 3, .regularization = 300, .items_max = 10000};
}

static enum mq_status
check_options(const struct mq_slit_options *o, int32_t item_count, struct mq_error *err)
{
    if (!(o->decay >= DECAY_LEAST && o->decay <= MQ_SLIT_DECAY_MAX))
        return mq_fail(err, MQ_E_RANGE, "SLIT: decay is %g (%g to %g)", (double)o->decay,
                       (double)DECAY_LEAST, (double)MQ_SLIT_DECAY_MAX);
    if (!(o->target_decay >= 0 && o->target_decay <= MQ_SLIT_DECAY_MAX))
        return mq_fail(err, MQ_E_RANGE, "SLIT: target decay is %g (0 to %g)",
                       (double)o->target_decay, (double)MQ_SLIT_DECAY_MAX);
    if (!(o->regularization > 0) || !isfinite(o->regularization))
        return mq_fail(err, MQ_E_RANGE, "SLIT: regularisation is %g (above 0)",
                       (double)o->regularization);
    if (o->items_max < 1 || o->items_max > ITEMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "SLIT: items_max is %d (1 to %d)", o->items_max, ITEMS_MAX);
    if (item_count > o->items_max) {
        mq_fail(err, MQ_E_RANGE, "SLIT of %d items would take %.1f GiB (limit: %d items)",
                item_count, 16.0 * item_count * item_count / 1073741824.0, o->items_max);
        mq_error_hint(err, "raise the limit, or go without: the deep channel follows the order of "
                           "films in any catalogue");
        return MQ_E_RANGE;
    }
    return MQ_OK;
}

/* ρ or γ. */
static double
rate_of(float decay)
{
    return decay > 0 ? exp(-1.0 / (double)decay) : 0;
}

int32_t
mq_slit_history(float decay)
{
    return (int32_t)(-log(MQ_SLIT_LEAST_WEIGHT) * (double)decay) + 1;
}

/* ---- the sums --------------------------------------------------------------------------- */

struct summing {
    const struct mq_rating_matrix *matrix;
    int32_t *history; /* [ratings] each user's items, oldest first */
    int32_t *place;   /* [ratings] by item as in item_user: the rating's place in that history */
    double *past;     /* [window] ρ^d */
    double *tail;     /* [longest history + 1] Σ of ρ^2s over the rows that are left */
    double *follow;   /* [window] weight of a pair in x yᵀ */
    int32_t window;
    float *from; /* [items,items] pairs p < q of x xᵀ, at (earlier, later) */
    float *to;   /* [items,items] x yᵀ */
};

/* All pairs that begin with an item: they fall into its own rows alone. */
static enum mq_status
sum_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct summing *s = context;
    const struct mq_rating_matrix *m = s->matrix;
    int64_t items = m->item_count;
    (void)worker;
    (void)err;
    for (int64_t item = begin; item < end; item++) {
        float *from = s->from + item * items, *to = s->to + item * items;
        double own = 0;
        for (int64_t i = m->item_offset[item]; i < m->item_offset[item + 1]; i++) {
            int32_t user = m->item_user[i], p = s->place[i];
            const int32_t *history = s->history + m->user_offset[user];
            int64_t n = m->user_offset[user + 1] - m->user_offset[user];
            own += s->tail[n - 1 - p];
            int64_t last = MQ_MIN(n - 1, (int64_t)p + s->window);
            for (int64_t q = p + 1; q <= last; q++) {
                from[history[q]] += (float)(s->past[q - p - 1] * s->tail[n - 1 - q]);
                to[history[q]] += (float)s->follow[q - p - 1];
            }
        }
        from[item] += (float)own;
    }
    return MQ_OK;
}

/* x xᵀ + λ I on and below the diagonal, from its pairs in order. */
static enum mq_status
close_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct summing *s = context;
    int64_t items = s->matrix->item_count;
    (void)worker;
    (void)err;
    for (int64_t row = begin; row < end; row++)
        for (int64_t column = 0; column < row; column++)
            s->from[row * items + column] += s->from[column * items + row];
    return MQ_OK;
}

/* Histories by user, and where each rating of an item stands in them. */
static enum mq_status
order_histories(struct summing *s, struct mq_error *err)
{
    const struct mq_rating_matrix *m = s->matrix;
    mq_autofree int64_t *next = NULL;
    mq_autofree int32_t *place_of = NULL;
    int64_t longest = 0;
    for (int32_t user = 0; user < m->user_count; user++)
        longest = MQ_MAX(longest, m->user_offset[user + 1] - m->user_offset[user]);
    enum mq_status st = mq_alloc_array_raw((size_t)m->count, sizeof(*s->history), &s->history, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)m->count, sizeof(*s->place), &s->place, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)longest + 1, sizeof(*s->tail), &s->tail, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)m->item_count + 1, sizeof(*next), &next, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)longest, sizeof(*place_of), &place_of, err);
    if (st != MQ_OK)
        return st;
    for (int32_t item = 0; item < m->item_count; item++)
        next[item] = m->item_offset[item];
    /* Users ascend within an item, so going through users fills each item's places in order. */
    for (int32_t user = 0; user < m->user_count; user++) {
        int64_t first = m->user_offset[user], n = m->user_offset[user + 1] - first;
        mq_rating_matrix_history(m, user, s->history + first);
        for (int64_t k = 0; k < n; k++)
            place_of[m->user_sequence[first + k]] = (int32_t)k;
        for (int64_t k = 0; k < n; k++)
            s->place[next[m->user_item[first + k]]++] = place_of[k];
    }
    return MQ_OK;
}

static enum mq_status
weigh_pairs(struct summing *s, const struct mq_slit_options *options, struct mq_error *err)
{
    double past = rate_of(options->decay), future = rate_of(options->target_decay);
    int64_t longest = 0;
    const struct mq_rating_matrix *m = s->matrix;
    for (int32_t user = 0; user < m->user_count; user++)
        longest = MQ_MAX(longest, m->user_offset[user + 1] - m->user_offset[user]);
    s->window = mq_slit_history(MQ_MAX(options->decay, options->target_decay));
    enum mq_status st = mq_alloc_array((size_t)s->window, sizeof(*s->past), &s->past, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)s->window, sizeof(*s->follow), &s->follow, err);
    if (st != MQ_OK)
        return st;
    for (int32_t d = 1; d <= s->window; d++) {
        double a = pow(past, d), b = pow(future, d);
        s->past[d - 1] = a >= MQ_SLIT_LEAST_WEIGHT ? a : 0;
        s->follow[d - 1] =
            fabs(past - future) > 1e-9 ? (a - b) / (past - future) : d * pow(past, d - 1);
    }
    for (int64_t rows = 1; rows <= longest; rows++)
        s->tail[rows] = s->tail[rows - 1] + pow(past, 2.0 * (double)(rows - 1));
    return MQ_OK;
}

static enum mq_status
sum_up(struct summing *s, const struct mq_slit_options *options, struct mq_pool *pool,
       struct mq_error *err)
{
    size_t items = (size_t)s->matrix->item_count;
    enum mq_status st = order_histories(s, err);
    if (st == MQ_OK)
        st = weigh_pairs(s, options, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, items * sizeof(*s->from), &s->from, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, items * sizeof(*s->to), &s->to, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, (int64_t)items, 16, sum_rows, s, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, (int64_t)items, 64, close_rows, s, err);
    for (size_t i = 0; st == MQ_OK && i < items; i++)
        s->from[i * items + i] += options->regularization;
    return st;
}

/* ---- the model -------------------------------------------------------------------------- */

enum mq_status
mq_slit_from_weights(float *weights, int32_t item_count, float decay, struct mq_slit **ret_model,
                     struct mq_error *err)
{
    if (!(decay >= DECAY_LEAST && decay <= MQ_SLIT_DECAY_MAX))
        return mq_fail(err, MQ_E_RANGE, "SLIT: decay is %g (%g to %g)", (double)decay,
                       (double)DECAY_LEAST, (double)MQ_SLIT_DECAY_MAX);
    struct mq_slit *model = calloc(1, sizeof(*model));
    if (model == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a SLIT model");
    *model = (struct mq_slit){.item_count = item_count, .decay = decay, .weights = weights};
    *ret_model = model;
    return MQ_OK;
}

enum mq_status
mq_slit_train(const struct mq_rating_matrix *matrix, const struct mq_slit_options *options,
              struct mq_pool *pool, struct mq_slit **ret_model, struct mq_error *err)
{
    struct summing s = {.matrix = matrix};
    float *weights = NULL;
    int64_t items = matrix->item_count;
    enum mq_status st = check_options(options, matrix->item_count, err);
    if (st == MQ_OK)
        st = sum_up(&s, options, pool, err);
    mq_free(s.history);
    mq_free(s.place);
    mq_free(s.past);
    mq_free(s.follow);
    mq_free(s.tail);
    if (st == MQ_OK)
        st = mq_spd_inverse(s.from, items, pool, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)items, (size_t)items * sizeof(*weights), &weights, err);
    if (st == MQ_OK) {
        mq_sgemm_parallel(pool, false, false, items, items, items, 1.0f, s.from, items, s.to, items,
                          0.0f, weights, items);
        st = mq_slit_from_weights(weights, matrix->item_count, options->decay, ret_model, err);
    }
    mq_free(s.from);
    mq_free(s.to);
    if (st != MQ_OK)
        mq_free(weights);
    return st;
}

void
mq_slit_free(struct mq_slit *model)
{
    if (model == NULL)
        return;
    mq_free(model->weights);
    free(model);
}

void
mq_slit_scores(const struct mq_slit *model, const int32_t *items, int64_t count, float *ret_scores)
{
    const struct mq_kernels *k = mq_kernels();
    size_t n = (size_t)model->item_count;
    int64_t first = MQ_MAX(count - mq_slit_history(model->decay), (int64_t)0);
    float weight = 1, rate = (float)rate_of(model->decay);
    for (size_t i = 0; i < n; i++)
        ret_scores[i] = 0;
    for (int64_t h = count - 1; h >= first; h--, weight *= rate)
        k->axpy(weight, model->weights + (size_t)items[h] * n, ret_scores, n);
}
