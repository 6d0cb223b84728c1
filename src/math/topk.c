/*
 * A heap of the k best with the worst at its root; scores are first compared, many at once, with
 * the root's. After a short warm-up nearly all fall below it, so the cost is that of reading them.
 */
#include "math/topk.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"

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

enum mq_status
mq_topk_row(const float *scores, size_t n, size_t k, const int32_t *exclude, size_t exclude_count,
            struct mq_scored *ret_best, size_t *ret_count, struct mq_error *err)
{
    if (n > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot select from %zu scores (allowed: up to %d)", n,
                       INT32_MAX);
    const struct mq_kernels *kernels = mq_kernels();
    int32_t positions[BLOCK];
    float values[BLOCK];
    struct mq_topk topk;
    size_t skip = 0;
    mq_topk_init(&topk, ret_best, k);
    for (size_t begin = 0; begin < n && k > 0; begin += BLOCK) {
        size_t size = MQ_MIN((size_t)BLOCK, n - begin), found = 0;
        if (topk.count < topk.k) {
            for (size_t i = 0; i < size; i++) {
                positions[found] = (int32_t)i;
                values[found++] = scores[begin + i];
            }
        } else {
            /* Ids ascend, so an equal score never displaces one that is held. */
            found = kernels->select_above(scores + begin, size, topk.threshold, positions, values);
        }
        for (size_t i = 0; i < found; i++) {
            int32_t id = (int32_t)begin + positions[i];
            skip = advance(exclude, exclude_count, skip, id);
            if (skip < exclude_count && exclude[skip] == id)
                continue;
            mq_topk_push(&topk, values[i], id);
        }
    }
    *ret_count = mq_topk_finish(&topk);
    return MQ_OK;
}
