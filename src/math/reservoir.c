#include "math/reservoir.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"

/* So few keys selection sorts. */
#define FEW 24

static uint64_t
median(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low = MQ_MIN(a, b), high = MQ_MAX(a, b);
    return c < low ? low : c > high ? high : c;
}

/* Keys below the pivot to the front, without a branch on the data. @return how many */
static size_t
partition(uint64_t *keys, size_t n, uint64_t pivot)
{
    size_t below = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t key = keys[i];
        keys[i] = keys[below];
        keys[below] = key;
        below += key < pivot;
    }
    return below;
}

static int
compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t
pick(const uint64_t *keys, size_t n)
{
    return median(keys[n / 4], keys[n / 2], keys[n - n / 4 - 1]);
}

void
mq_keys_select(uint64_t *keys, size_t n, size_t k)
{
    /* Keys come in an order that defeats the pivots only by design; then sorting is the way out. */
    int patience = 64;
    while (k > 0 && k < n) {
        if (n <= FEW) {
            mq_kernels()->sort_few(keys, n);
            return;
        }
        if (patience-- == 0) {
            qsort(keys, n, sizeof(*keys), compare);
            return;
        }
        uint64_t pivot = pick(keys, n);
        size_t below = partition(keys, n, pivot);
        if (below == 0) { /* the pivot is the least: take it and its equals off */
            below = partition(keys, n, pivot + 1);
            if (below >= k)
                return;
        }
        if (below >= k) {
            n = below;
        } else {
            keys += below;
            n -= below;
            k -= below;
        }
    }
}

void
mq_keys_sort(uint64_t *keys, size_t n)
{
    int patience = 64; /* as in mq_keys_select */
    while (n > MQ_SORT_FEW) {
        if (patience-- == 0) {
            qsort(keys, n, sizeof(*keys), compare);
            return;
        }
        uint64_t pivot = pick(keys, n);
        size_t below = partition(keys, n, pivot);
        if (below == 0) {
            below = partition(keys, n, pivot + 1);
            keys += below;
            n -= below;
        } else if (below < n - below) { /* recursion on the shorter side: depth O(log n) */
            mq_keys_sort(keys, below);
            keys += below;
            n -= below;
        } else {
            mq_keys_sort(keys + below, n - below);
            n = below;
        }
    }
    mq_kernels()->sort_few(keys, n);
}

void
mq_reservoir_init(struct mq_reservoir *reservoir, uint64_t *storage, size_t k)
{
    *reservoir = (struct mq_reservoir){
        .keys = storage, .k = k, .room = mq_reservoir_room(k), .threshold = -INFINITY};
}

void
mq_reservoir_shrink(struct mq_reservoir *reservoir)
{
    if (reservoir->count < reservoir->k)
        return;
    mq_keys_select(reservoir->keys, reservoir->count, reservoir->k);
    reservoir->count = reservoir->k;
    uint64_t worst = 0;
    for (size_t i = 0; i < reservoir->k; i++)
        worst = MQ_MAX(worst, reservoir->keys[i]);
    reservoir->threshold = mq_reservoir_score(worst);
}

size_t
mq_reservoir_finish(struct mq_reservoir *reservoir)
{
    if (reservoir->count > reservoir->k)
        mq_reservoir_shrink(reservoir);
    mq_keys_sort(reservoir->keys, reservoir->count);
    return reservoir->count;
}
