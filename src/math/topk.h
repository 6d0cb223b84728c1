/**
 * The k best of a row of scores, with a stable rule: higher score first, of equal scores the lower
 * id first. The result never depends on the order in which candidates came.
 *
 * NaN scores are never chosen. Threads: reentrant; a heap belongs to one thread at a time.
 */
#ifndef MQ_MATH_TOPK_H
#define MQ_MATH_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** A candidate. */
struct mq_scored {
    float score;
    int32_t id;
};

/** Whether a comes before b in a result. */
static inline bool
mq_scored_before(struct mq_scored a, struct mq_scored b)
{
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/** Keeps the best k of what is pushed: a binary heap with the worst kept one at its root. */
struct mq_topk {
    struct mq_scored *heap; /**< borrowed, [k] */
    size_t k, count;
    float threshold; /**< scores below it are refused; -inf until k are held */
};

/** @param storage [k], borrowed until the last call */
void mq_topk_init(struct mq_topk *topk, struct mq_scored *storage, size_t k);

/** Offer a candidate. Amortised O(1) where most are below the threshold, else O(log k). */
void mq_topk_push(struct mq_topk *topk, float score, int32_t id);

/** Sort what is held, best first, in the storage; the heap is used up. @return how many */
size_t mq_topk_finish(struct mq_topk *topk);

/**
 * The best k of scores [n], id = position.
 *
 * @param exclude ids never chosen, ascending, [exclude_count]; NULL with 0
 * @param ret_best [k], best first; @param ret_count how many were found (< k where n is small)
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (n above 2^31-1)
 * Cost: O(n) SIMD comparisons plus O(k log k) a few times; k up to n.
 */
enum mq_status mq_topk_row(const float *scores, size_t n, size_t k, const int32_t *exclude,
                           size_t exclude_count, struct mq_scored *ret_best, size_t *ret_count,
                           struct mq_error *err);

/** Sort candidates, best first (the rule above). */
void mq_scored_sort(struct mq_scored *candidates, size_t n);

#endif
