/*
 * One item at a time: each of its users' choices around it are added to a row of sums, of which the
 * best are kept. Where few items were met, only those are looked at.
 */
#include "model/sequence_neighbours.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/reservoir.h"

/* Items of a parallel range. */
#define GRAIN 16

struct mq_sequence_options
mq_sequence_options_default(void)
{
    return (struct mq_sequence_options){
        .window = 40, .decay = 15, .backward = 0.2f, .shared_min = 1, .k = 200};
}

static enum mq_status
check(const struct mq_sequence_options *o, struct mq_error *err)
{
    if (o->window < 1 || o->window > MQ_SEQUENCE_WINDOW_MAX || !(o->decay > 0) ||
        !isfinite(o->decay) || !(o->backward >= 0 && o->backward <= 1) || o->shared_min < 1 ||
        o->k < 1 || o->k > MQ_NEIGHBOUR_K_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "neighbours in time: window %d (1 to %d), decay %g (above 0), backward %g "
                       "(0 to 1), least in common %d (1 and more), length %d (1 to %d)",
                       o->window, MQ_SEQUENCE_WINDOW_MAX, (double)o->decay, (double)o->backward,
                       o->shared_min, o->k, MQ_NEIGHBOUR_K_MAX);
    return MQ_OK;
}

struct sequences {
    const struct mq_rating_matrix *matrix;
    const struct mq_sequence_options *options;
    int32_t *history; /* [count] items, user by user, oldest first */
    int32_t *place;   /* [count] by item, as matrix->item_user: where in that user's history */
    float *weight;    /* [window] of distance d + 1 */
    float *scale;     /* [items] 1/√n */
    struct mq_neighbours *result;
};

static void
lay_out(struct sequences *s, int64_t *next)
{
    const struct mq_rating_matrix *m = s->matrix;
    for (int32_t item = 0; item < m->item_count; item++) {
        int64_t n = m->item_offset[item + 1] - m->item_offset[item];
        next[item] = m->item_offset[item];
        s->scale[item] = n > 0 ? 1.0f / sqrtf((float)n) : 0.0f;
    }
    /* Users ascend within an item, and here. */
    for (int32_t user = 0; user < m->user_count; user++) {
        int64_t first = m->user_offset[user], n = m->user_offset[user + 1] - first;
        mq_rating_matrix_history(m, user, s->history + first);
        for (int64_t k = 0; k < n; k++)
            s->place[next[s->history[first + k]]++] = (int32_t)k;
    }
    for (int32_t d = 0; d < s->options->window; d++)
        s->weight[d] = expf(-(float)d / s->options->decay);
}

/* An item around the one at hand; sum and count side by side, since they are met at random. */
struct met_item {
    float sum;
    int32_t users;
};

struct row_sums {
    struct met_item *met; /* [items] */
    int32_t *touched;     /* [items] */
    int32_t touched_count;
};

static inline void
add(struct row_sums *r, int32_t item, float weight)
{
    struct met_item *met = &r->met[item];
    if (met->users++ == 0)
        r->touched[r->touched_count++] = item;
    met->sum += weight;
}

static void
sum_row(const struct sequences *s, int32_t item, struct row_sums *r)
{
    const struct mq_rating_matrix *m = s->matrix;
    int32_t window = s->options->window;
    float backward = s->options->backward;
    for (int64_t i = m->item_offset[item]; i < m->item_offset[item + 1]; i++) {
        int32_t user = m->item_user[i], at = s->place[i];
        const int32_t *history = s->history + m->user_offset[user];
        int32_t n = (int32_t)(m->user_offset[user + 1] - m->user_offset[user]);
        int32_t ahead = MQ_MIN(window, n - 1 - at), behind = MQ_MIN(window, at);
        for (int32_t d = 0; d < ahead; d++)
            add(r, history[at + 1 + d], s->weight[d]);
        for (int32_t d = 0; backward > 0 && d < behind; d++)
            add(r, history[at - 1 - d], backward * s->weight[d]);
    }
}

static void
deliver(const struct sequences *s, int32_t item, struct row_sums *r, struct mq_reservoir *best)
{
    struct mq_neighbours *result = s->result;
    for (int32_t t = 0; t < r->touched_count; t++) {
        int32_t other = r->touched[t];
        float score = r->met[other].sum * s->scale[item] * s->scale[other];
        if (r->met[other].users < s->options->shared_min || !(score >= best->threshold))
            continue;
        mq_reservoir_push(best, score, other);
        if (best->threshold == -INFINITY && best->count > best->k)
            mq_reservoir_shrink(best);
    }
    size_t found = mq_reservoir_finish(best), k = (size_t)result->k;
    for (size_t i = 0; i < k; i++) {
        size_t at = (size_t)item * k + i;
        int32_t id = i < found ? mq_reservoir_id(best->keys[i]) : -1;
        result->ids[at] = id;
        result->scores[at] = id >= 0 ? mq_reservoir_score(best->keys[i]) : 0.0f;
        result->shared[at] = id >= 0 ? r->met[id].users : 0;
    }
    for (int32_t t = 0; t < r->touched_count; t++)
        r->met[r->touched[t]] = (struct met_item){0};
    r->touched_count = 0;
}

static enum mq_status
work_items(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct sequences *s = context;
    size_t items = (size_t)s->matrix->item_count, k = MQ_MIN((size_t)s->result->k, items);
    mq_autofree struct met_item *met = NULL;
    mq_autofree int32_t *touched = NULL;
    mq_autofree uint64_t *keys = NULL;
    (void)worker;
    enum mq_status st = mq_alloc_array(items, sizeof(*met), &met, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(items, sizeof(*touched), &touched, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(mq_reservoir_room(k), sizeof(*keys), &keys, err);
    if (st != MQ_OK)
        return st;
    struct row_sums r = {met, touched, 0};
    for (int64_t item = begin; item < end; item++) {
        struct mq_reservoir best;
        mq_reservoir_init(&best, keys, k);
        sum_row(s, (int32_t)item, &r);
        deliver(s, (int32_t)item, &r, &best);
    }
    return MQ_OK;
}

enum mq_status
mq_sequence_neighbours(const struct mq_rating_matrix *matrix,
                       const struct mq_sequence_options *options, struct mq_pool *pool,
                       struct mq_neighbours *ret_neighbours, struct mq_error *err)
{
    enum mq_status st = check(options, err);
    if (st != MQ_OK)
        return st;
    size_t count = (size_t)matrix->count, items = (size_t)matrix->item_count;
    mq_autofree int32_t *history = NULL;
    mq_autofree int32_t *place = NULL;
    mq_autofree float *weight = NULL;
    mq_autofree float *scale = NULL;
    mq_autofree int64_t *next = NULL;
    struct mq_neighbours result = {.count = matrix->item_count, .k = options->k};
    size_t places = items * (size_t)options->k;
    st = mq_alloc_array_raw(count, sizeof(*history), &history, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(count, sizeof(*place), &place, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)options->window, sizeof(*weight), &weight, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(items, sizeof(*scale), &scale, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(items, sizeof(*next), &next, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*result.ids), &result.ids, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*result.scores), &result.scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*result.shared), &result.shared, err);
    if (st == MQ_OK) {
        struct sequences s = {matrix, options, history, place, weight, scale, &result};
        lay_out(&s, next);
        st = mq_pool_for(pool, matrix->item_count, GRAIN, work_items, &s, err);
    }
    if (st != MQ_OK) {
        mq_neighbours_release(&result);
        return st;
    }
    *ret_neighbours = result;
    return MQ_OK;
}
