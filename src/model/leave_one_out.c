#include "model/leave_one_out.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"

/* Users whose scores are in memory at once, for one thread: 32 rows of the catalogue. */
#define BLOCK 32

struct evaluation {
    int32_t item_count, dim;
    const float *users, *items;
    const int32_t *target;
    const int64_t *hist_offset;
    const int32_t *hist_items;
    float *scores;     /* [threads, BLOCK, item_count] */
    int32_t *rank_all; /* [n] */
    int32_t *rank_new; /* [n]: history left out */
};

static int32_t
count_above(const float *scores, int32_t n, float bound)
{
    int32_t above = 0;
    for (int32_t i = 0; i < n; i++)
        above += scores[i] > bound;
    return above;
}

static enum mq_status
rank_block(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct evaluation *e = context;
    size_t items = (size_t)e->item_count;
    float *scores = e->scores + (size_t)worker * BLOCK * items;
    mq_sgemm_nt(end - begin, e->item_count, e->dim, e->users + begin * e->dim, e->items, 0.0f,
                scores);
    for (int64_t u = begin; u < end; u++) {
        float *row = scores + (size_t)(u - begin) * items;
        float bound = row[e->target[u]];
        e->rank_all[u] = count_above(row, e->item_count, bound);
        row[e->target[u]] = -INFINITY;
        for (int64_t i = e->hist_offset[u]; i < e->hist_offset[u + 1]; i++)
            row[e->hist_items[i]] = -INFINITY;
        e->rank_new[u] = count_above(row, e->item_count, bound);
    }
    return MQ_OK;
}

static void
sum_up(const int32_t *rank, int64_t n, int side, struct mq_hit_rates *rates)
{
    double hit_10 = 0, hit_50 = 0, gain = 0;
    for (int64_t u = 0; u < n; u++) {
        hit_10 += rank[u] < 10;
        hit_50 += rank[u] < 50;
        if (rank[u] < 10)
            gain += 1.0 / log2(rank[u] + 2.0);
    }
    rates->hit_10[side] = hit_10 / (double)n;
    rates->hit_50[side] = hit_50 / (double)n;
    rates->ndcg_10[side] = gain / (double)n;
}

static enum mq_status
check_range(const int32_t *items, int64_t n, int32_t item_count, const char *what,
            struct mq_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (items[i] < 0 || items[i] >= item_count)
            return mq_fail(err, MQ_E_RANGE,
                           "cannot evaluate: %s %lld is item %d (allowed: 0 to %d)", what,
                           (long long)i, items[i], item_count - 1);
    return MQ_OK;
}

enum mq_status
mq_leave_one_out(int64_t n, int32_t item_count, int32_t dim, const float *users, const float *items,
                 const int32_t *target, const int64_t *hist_offset, const int32_t *hist_items,
                 struct mq_pool *pool, struct mq_hit_rates *ret_rates, struct mq_error *err)
{
    struct mq_hit_rates rates = {.count = n};
    if (n == 0) {
        *ret_rates = rates;
        return MQ_OK;
    }
    struct evaluation e = {.item_count = item_count,
                           .dim = dim,
                           .users = users,
                           .items = items,
                           .target = target,
                           .hist_offset = hist_offset,
                           .hist_items = hist_items};
    mq_autofree float *scores = NULL;
    mq_autofree int32_t *ranks = NULL;
    enum mq_status st = check_range(target, n, item_count, "target", err);
    if (st == MQ_OK)
        st = check_range(hist_items + hist_offset[0], hist_offset[n] - hist_offset[0], item_count,
                         "history entry", err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)mq_pool_threads(pool) * BLOCK * (size_t)item_count,
                                sizeof(float), &scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n * 2, sizeof(int32_t), &ranks, err);
    if (st != MQ_OK)
        return st;
    e.scores = scores;
    e.rank_all = ranks;
    e.rank_new = ranks + n;
    st = mq_pool_for(pool, n, BLOCK, rank_block, &e, err);
    if (st != MQ_OK)
        return st;
    sum_up(e.rank_all, n, 0, &rates);
    sum_up(e.rank_new, n, 1, &rates);
    *ret_rates = rates;
    return MQ_OK;
}
