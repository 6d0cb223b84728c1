/**
 * A reservoir of the k best of a stream: candidates gather unordered in twice the room; when it is
 * full, a selection keeps the best k. Cheaper than a heap where candidates come in bursts.
 *
 * Same order as math/topk.h: higher score first, of equal scores the lower id first; both are
 * packed in one 64-bit key, so that each comparison is one. Scores must not be NaN.
 *
 * Threads: a reservoir belongs to one thread at a time.
 */
#ifndef MQ_MATH_RESERVOIR_H
#define MQ_MATH_RESERVOIR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mq_reservoir {
    uint64_t *keys; /**< borrowed, [mq_reservoir_room(k)] */
    size_t k, count, room;
    float threshold; /**< scores below it need not be offered; -inf until k are held */
};

/** Keys of storage for k results. */
static inline size_t
mq_reservoir_room(size_t k)
{
    return 2 * k + 32;
}

/** Ascending keys are best first. -0 counts as 0. */
static inline uint64_t
mq_reservoir_key(float score, int32_t id)
{
    uint32_t bits;
    score += 0.0f;
    memcpy(&bits, &score, sizeof(bits));
    bits = bits & UINT32_C(0x80000000) ? bits : ~bits & UINT32_C(0x7fffffff);
    return (uint64_t)bits << 32 | (uint32_t)id;
}

static inline int32_t
mq_reservoir_id(uint64_t key)
{
    return (int32_t)(uint32_t)key;
}

static inline float
mq_reservoir_score(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits = bits & UINT32_C(0x80000000) ? bits : ~bits & UINT32_C(0x7fffffff);
    memcpy(&score, &bits, sizeof(score));
    return score;
}

/** @param storage [mq_reservoir_room(k)], borrowed  @param k at least 1 */
void mq_reservoir_init(struct mq_reservoir *reservoir, uint64_t *storage, size_t k);

/** Keep the best k of what is held and raise the threshold. */
void mq_reservoir_shrink(struct mq_reservoir *reservoir);

/** Offer a candidate. Amortised O(1). */
static inline void
mq_reservoir_push(struct mq_reservoir *reservoir, float score, int32_t id)
{
    if (reservoir->count == reservoir->room)
        mq_reservoir_shrink(reservoir);
    reservoir->keys[reservoir->count++] = mq_reservoir_key(score, id);
}

/** Sort the best k to the front of the storage. @return how many there are, up to k */
size_t mq_reservoir_finish(struct mq_reservoir *reservoir);

/** Move the k least keys to the front, in no order. O(n) expected. */
void mq_keys_select(uint64_t *keys, size_t n, size_t k);

/** Sort ascending. */
void mq_keys_sort(uint64_t *keys, size_t n);

#endif
