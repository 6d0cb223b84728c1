/*
 * A heap of the k best with the worst at its root; scores are first compared, many at once, with
 * the root's. After a short warm-up nearly all fall below it, so the cost is that of reading them.
 * Of a row with a k that is not small, many pass at first: they go to a reservoir, which takes them
 * in without a comparison.
 */
#include "math/topk.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/reservoir.h"

/* A reservoir on the stack serves these k; below, a heap does less. */
#define RESERVOIR_LEAST 16
#define RESERVOIR_MOST 1024

/* Scores of one SIMD selection: positions and values stay in the first-level cache. */
#define BLOCK 1024

void
mq_topk_init(struct mq_topk *topk, struct mq_scored *storage, size_t k)
{
    *topk = (struct mq_topk){.heap = storage, .k = k, .threshold = k > 0 ? -INFINITY : INFINITY};
}

static void
sift_down(struct mq_scored *heap, size_t count, size_t at)
{
    struct mq_scored moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && mq_scored_before(heap[child], heap[child + 1]))
            child++;
        if (!mq_scored_before(moved, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

void
mq_topk_push(struct mq_topk *topk, float score, int32_t id)
{
    struct mq_scored candidate = {score, id};
    if (topk->count < topk->k) {
        if (isnan(score))
            return;
        size_t at = topk->count++;
        while (at > 0 && mq_scored_before(topk->heap[(at - 1) / 2], candidate)) {
            topk->heap[at] = topk->heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        topk->heap[at] = candidate;
        if (topk->count == topk->k)
            topk->threshold = topk->heap[0].score;
        return;
    }
    if (topk->k == 0 || !mq_scored_before(candidate, topk->heap[0]))
        return;
    topk->heap[0] = candidate;
    sift_down(topk->heap, topk->k, 0);
    topk->threshold = topk->heap[0].score;
}

size_t
mq_topk_finish(struct mq_topk *topk)
{
    struct mq_scored *heap = topk->heap;
    for (size_t count = topk->count; count > 1; count--) {
        struct mq_scored worst = heap[0];
        heap[0] = heap[count - 1];
        heap[count - 1] = worst;
        sift_down(heap, count - 1, 0);
    }
    return topk->count;
}

static int
compare(const void *left, const void *right)
{
    const struct mq_scored *a = left, *b = right;
    return mq_scored_before(*a, *b) ? -1 : mq_scored_before(*b, *a);
}

void
mq_scored_sort(struct mq_scored *candidates, size_t n)
{
    if (n > 1)
        qsort(candidates, n, sizeof(*candidates), compare);
}

/* Where exclude, searched from `at` on, holds id or what follows it. */
static size_t
advance(const int32_t *exclude, size_t count, size_t at, int32_t id)
{
    while (at < count && exclude[at] < id)
        at++;
    return at;
}

/* Candidates of a block: positions and values of those above a threshold, or of all. */
static size_t
offer(const float *scores, size_t size, float threshold, int32_t *positions, float *values)
{
    /* Ids ascend, so an equal score never displaces one that is held. */
    if (threshold > -INFINITY)
        return mq_kernels()->select_above(scores, size, threshold, positions, values);
    size_t found = 0;
    for (size_t i = 0; i < size; i++) {
        positions[found] = (int32_t)i;
        values[found] = scores[i];
        found += !isnan(scores[i]);
    }
    return found;
}

static size_t
row_by_heap(const float *scores, size_t n, size_t k, const int32_t *exclude, size_t exclude_count,
            struct mq_scored *ret_best)
{
    int32_t positions[BLOCK];
    float values[BLOCK];
    struct mq_topk topk;
    size_t skip = 0;
    mq_topk_init(&topk, ret_best, k);
    for (size_t begin = 0; begin < n && k > 0; begin += BLOCK) {
        size_t size = MQ_MIN((size_t)BLOCK, n - begin);
        size_t found = offer(scores + begin, size, topk.threshold, positions, values);
        for (size_t i = 0; i < found; i++) {
            int32_t id = (int32_t)begin + positions[i];
            skip = advance(exclude, exclude_count, skip, id);
            if (skip == exclude_count || exclude[skip] != id)
                mq_topk_push(&topk, values[i], id);
        }
    }
    return mq_topk_finish(&topk);
}

static size_t
row_by_reservoir(const float *scores, size_t n, size_t k, const int32_t *exclude,
                 size_t exclude_count, struct mq_scored *ret_best)
{
    uint64_t storage[2 * RESERVOIR_MOST + 32];
    int32_t positions[BLOCK];
    float values[BLOCK];
    struct mq_reservoir reservoir;
    size_t skip = 0;
    mq_reservoir_init(&reservoir, storage, k);
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        size_t size = MQ_MIN((size_t)BLOCK, n - begin);
        size_t found = offer(scores + begin, size, reservoir.threshold, positions, values);
        for (size_t i = 0; i < found; i++) {
            int32_t id = (int32_t)begin + positions[i];
            skip = advance(exclude, exclude_count, skip, id);
            if (skip == exclude_count || exclude[skip] != id)
                mq_reservoir_push(&reservoir, values[i], id);
        }
        mq_reservoir_shrink(&reservoir);
    }
    size_t count = mq_reservoir_finish(&reservoir);
    for (size_t i = 0; i < count; i++)
        ret_best[i] =
            (struct mq_scored){mq_reservoir_score(storage[i]), mq_reservoir_id(storage[i])};
    return count;
}

enum mq_status
mq_topk_row(const float *scores, size_t n, size_t k, const int32_t *exclude, size_t exclude_count,
            struct mq_scored *ret_best, size_t *ret_count, struct mq_error *err)
{
    if (n > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot select from %zu scores (allowed: up to %d)", n,
                       INT32_MAX);
    *ret_count = k >= RESERVOIR_LEAST && k <= RESERVOIR_MOST
                     ? row_by_reservoir(scores, n, k, exclude, exclude_count, ret_best)
                     : row_by_heap(scores, n, k, exclude, exclude_count, ret_best);
    return MQ_OK;
}
