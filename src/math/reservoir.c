#include "math/reservoir.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"

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

/* A key so that k keys are below it; where keys are equal there may be none: then the greatest with
 * fewer below, which are counted. Counting costs less than moving, so the range of keys is cut, in
 * turn where k keys would be below if they were spread evenly, and in half. 0 < k < n. */
static uint64_t
bound_of(const uint64_t *keys, size_t n, size_t k, size_t *ret_below)
{
    const struct mq_kernels *kernels = mq_kernels();
    uint64_t low, high; /* the k-th and the one after it are in low…high */
    size_t below_low = 0, to_high = n;
    bool half = false;
    kernels->key_range(keys, n, &low, &high);
    while (low < high) {
        double part = half ? 0.5 : (double)(k - below_low) / (double)(to_high - below_low);
        uint64_t cut = low + MQ_MIN((uint64_t)((double)(high - low) * part), high - low - 1);
        size_t below = kernels->count_below(keys, n, cut + 1);
        if (below == k) {
            *ret_below = k;
            return cut + 1;
        }
        if (below < k) {
            low = cut + 1;
            below_low = below;
        } else {
            high = cut;
            to_high = below;
        }
        half = !half;
    }
    *ret_below = below_low;
    return low;
}

void
mq_keys_select(uint64_t *keys, size_t n, size_t k)
{
    size_t below, kept = 0;
    if (k == 0 || k >= n)
        return;
    uint64_t bound = bound_of(keys, n, k, &below);
    for (size_t i = 0; kept < below; i++) {
        uint64_t key = keys[i];
        keys[kept] = key;
        kept += key < bound;
    }
    for (; kept < k; kept++)
        keys[kept] = bound;
}

void
mq_keys_sort(uint64_t *keys, size_t n)
{
    int patience = 64;
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
    uint64_t best, worst;
    mq_kernels()->key_range(reservoir->keys, reservoir->k, &best, &worst);
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
