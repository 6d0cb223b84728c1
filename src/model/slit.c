#include "model/slit.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/kernels.h"
#include "math/spd_inverse.h"

#define EXPONENT_MAX 8.0f
#define TARGET_DECAY_MAX 100.0f
#define ITEMS_MAX 65536

struct mq_slit_options
mq_slit_options_default(void)
{
    return (struct mq_slit_options){.exponent = 0.7f,
                                    .window = 40,
                                    .target_decay = 3,
                                    .regularization = 300,
                                    .items_max = 10000};
}

static enum mq_status
check_weights(float exponent, int32_t window, struct mq_error *err)
{
    if (!(exponent >= 0 && exponent <= EXPONENT_MAX))
        return mq_fail(err, MQ_E_RANGE, "SLIT: exponent is %g (0 to %g)", (double)exponent,
                       (double)EXPONENT_MAX);
    if (window < 1 || window > MQ_SLIT_WINDOW_MAX)
        return mq_fail(err, MQ_E_RANGE, "SLIT: window is %d (1 to %d)", window, MQ_SLIT_WINDOW_MAX);
    return MQ_OK;
}

static enum mq_status
check_options(const struct mq_slit_options *o, int32_t item_count, struct mq_error *err)
{
    enum mq_status st = check_weights(o->exponent, o->window, err);
    if (st != MQ_OK)
        return st;
    if (!(o->target_decay >= 0 && o->target_decay <= TARGET_DECAY_MAX))
        return mq_fail(err, MQ_E_RANGE, "SLIT: target decay is %g (0 to %g)",
                       (double)o->target_decay, (double)TARGET_DECAY_MAX);
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

/* Weight of a film that is the g-th newest, from 1. */
static double
weight_of(float exponent, int32_t g)
{
    return pow((double)g, -(double)exponent);
}

/* ---- the sums --------------------------------------------------------------------------- */

struct summing {
    const struct mq_rating_matrix *matrix;
    int32_t window;
    int32_t *history; /* [ratings] each user's items, oldest first */
    int32_t *place;   /* [ratings] by item as in item_user: the rating's place in that history */
    double *pairs;  /* [window][window+1] of x xᵀ: by distance, and rows behind the later film */
    double *follow; /* [window] of x yᵀ, by distance - 1 */
    float *from;    /* [items,items] pairs p < q of x xᵀ, at (earlier, later) */
    float *to;      /* [items,items] x yᵀ */
};

/* Σ w(a+d) w(a) over the rows behind the later of two films d apart. */
static double
pair_weight(const struct summing *s, int64_t d, int64_t rows)
{
    return s->pairs[d * (s->window + 1) + MQ_MIN(rows, s->window - d)];
}

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
            own += pair_weight(s, 0, n - 1 - p);
            int64_t last = MQ_MIN(n - 1, (int64_t)p + s->window);
            for (int64_t q = p + 1; q <= last; q++) {
                to[history[q]] += (float)s->follow[q - p - 1];
                if (q < p + s->window)
                    from[history[q]] += (float)pair_weight(s, q - p, n - 1 - q);
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
    int32_t window = options->window, width = window + 1;
    double rate = options->target_decay > 0 ? exp(-1.0 / (double)options->target_decay) : 0;
    s->window = window;
    enum mq_status st =
        mq_alloc_array((size_t)window, (size_t)width * sizeof(*s->pairs), &s->pairs, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)window, sizeof(*s->follow), &s->follow, err);
    if (st != MQ_OK)
        return st;
    for (int32_t d = 0; d < window; d++)
        for (int32_t rows = 1; rows <= window - d; rows++)
            s->pairs[d * width + rows] =
                s->pairs[d * width + rows - 1] +
                weight_of(options->exponent, rows + d) * weight_of(options->exponent, rows);
    /* Σ w(k) γ^(d-k), k = 1 … d: the row just before the later film adds w(d), the others fade. */
    for (int32_t d = 1; d <= window; d++)
        s->follow[d - 1] = (d > 1 ? s->follow[d - 2] * rate : 0) + weight_of(options->exponent, d);
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
mq_slit_from_weights(float *weights, int32_t item_count, float exponent, int32_t window,
                     struct mq_slit **ret_model, struct mq_error *err)
{
    enum mq_status st = check_weights(exponent, window, err);
    if (st != MQ_OK)
        return st;
    struct mq_slit *model = calloc(1, sizeof(*model));
    if (model == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a SLIT model");
    *model = (struct mq_slit){.item_count = item_count, .exponent = exponent, .window = window};
    st = mq_alloc_array((size_t)window, sizeof(*model->decay), &model->decay, err);
    if (st != MQ_OK) {
        mq_slit_free(model);
        return st;
    }
    for (int32_t g = 0; g < window; g++)
        model->decay[g] = (float)weight_of(exponent, g + 1);
    model->weights = weights;
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
    mq_free(s.pairs);
    mq_free(s.follow);
    if (st == MQ_OK)
        st = mq_spd_inverse(s.from, items, pool, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)items, (size_t)items * sizeof(*weights), &weights, err);
    if (st == MQ_OK) {
        mq_sgemm_parallel(pool, false, false, items, items, items, 1.0f, s.from, items, s.to, items,
                          0.0f, weights, items);
        st = mq_slit_from_weights(weights, matrix->item_count, options->exponent, options->window,
                                  ret_model, err);
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
    mq_free(model->decay);
    free(model);
}

void
mq_slit_scores(const struct mq_slit *model, const int32_t *items, int64_t count, float *ret_scores)
{
    int32_t newest[MQ_SLIT_WINDOW_MAX], n = (int32_t)MQ_MIN(count, (int64_t)model->window);
    for (int32_t g = 0; g < n; g++)
        newest[g] = items[count - 1 - g];
    mq_kernels()->gather_weighted_sum(model->weights, (size_t)model->item_count, newest,
                                      model->decay, (size_t)n, ret_scores);
}
