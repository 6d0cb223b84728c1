/**
 * Sorting by score, inline: greater score first, of equals the lesser order number. Order numbers
 * are distinct, so the result is one and the same whatever the algorithm. Scores are not NaN.
 * Threads: reentrant. Cost: O(n log n), select O(n), without calls or allocation.
 */
#ifndef MQ_REC_SCORE_ORDER_H
#define MQ_REC_SCORE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct mq_score_key {
    double score;
    int64_t order;
};

static inline bool
mq_score_before(struct mq_score_key a, struct mq_score_key b)
{
    return a.score > b.score || (a.score == b.score && a.order < b.order);
}

static inline void
mq_score_insertion(struct mq_score_key *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        struct mq_score_key moving = keys[i];
        int64_t at = i;
        while (at > 0 && mq_score_before(moving, keys[at - 1])) {
            keys[at] = keys[at - 1];
            at--;
        }
        keys[at] = moving;
    }
}

/* Hoare's partition around the median of three; keys before the result come before those after. */
static inline int64_t
mq_score_partition(struct mq_score_key *keys, int64_t n)
{
    struct mq_score_key a = keys[0], b = keys[n / 2], c = keys[n - 1];
    struct mq_score_key low = mq_score_before(a, b) ? a : b, high = mq_score_before(a, b) ? b : a;
    struct mq_score_key pivot =
        mq_score_before(c, low) ? low : (mq_score_before(c, high) ? c : high);
    int64_t i = -1, j = n;
    for (;;) {
        do {
            i++;
        } while (mq_score_before(keys[i], pivot));
        do {
            j--;
        } while (mq_score_before(pivot, keys[j]));
        if (i >= j)
            return j + 1;
        struct mq_score_key t = keys[i];
        keys[i] = keys[j];
        keys[j] = t;
    }
}

/** Sort all. */
static inline void
mq_score_sort(struct mq_score_key *keys, int64_t n)
{
    /* The larger part waits: the stack stays below log2 n. */
    struct {
        struct mq_score_key *keys;
        int64_t n;
    } waiting[64];
    int depth = 0;
    for (;;) {
        while (n > 16) {
            int64_t cut = mq_score_partition(keys, n);
            if (cut == n)
                cut = n - 1;
            if (cut > n - cut) {
                waiting[depth].keys = keys;
                waiting[depth++].n = cut;
                keys += cut;
                n -= cut;
            } else {
                waiting[depth].keys = keys + cut;
                waiting[depth++].n = n - cut;
                n = cut;
            }
        }
        mq_score_insertion(keys, n);
        if (depth == 0)
            return;
        keys = waiting[--depth].keys;
        n = waiting[depth].n;
    }
}

/** Bring the best `keep` of n to the front, in any order. */
static inline void
mq_score_select(struct mq_score_key *keys, int64_t n, int64_t keep)
{
    while (n > 16 && keep > 0 && keep < n) {
        int64_t cut = mq_score_partition(keys, n);
        if (cut == n)
            cut = n - 1;
        if (keep <= cut) {
            n = cut;
        } else {
            keys += cut;
            n -= cut;
            keep -= cut;
        }
    }
    if (keep > 0 && keep < n)
        mq_score_insertion(keys, n);
}

#endif
