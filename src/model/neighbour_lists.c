/* What queries and all rows share: sums by walking lists, scores, the best so far, common codes. */
#include <math.h>

#include "base/memory.h"
#include "model/neighbour_parts.h"

/* The plane is fixed per loop, so that the innermost ones are a load, a product and an addition. */
void
mq_neighbour_add_lists(const struct mq_neighbour_index *index, const struct mq_neighbour_pass *pass,
                       const int32_t *codes, const float *x, int64_t count, bool tail_only,
                       float *sums)
{
    int32_t base = tail_only ? index->head : 0;
    bool ones = pass->plane == MQ_POWER_ONE || (index->whole && index->list_level == NULL);
    float *from = sums - base;
    for (int64_t i = 0; i < count; i++) {
        int32_t code = codes[i];
        int64_t begin = tail_only ? index->list_tail[code] : index->list_offset[code];
        int64_t end = index->list_offset[code + 1];
        float weight = mq_neighbour_powered(pass->weight, x[i]);
        const int32_t *columns = index->list_column;
        if (ones) {
            for (int64_t at = begin; at < end; at++)
                from[columns[at]] += weight;
        } else if (index->whole) {
            const uint8_t *levels = index->list_level;
            bool square = pass->plane == MQ_POWER_SQUARE;
            float product[MQ_NEIGHBOUR_LEVELS + 1];
            for (int level = 0; level <= MQ_NEIGHBOUR_LEVELS; level++)
                product[level] = weight * (float)(square ? level * level : level);
            for (int64_t at = begin; at < end; at++)
                from[columns[at]] += product[levels[at]];
        } else if (pass->plane == MQ_POWER_VALUE) {
            for (int64_t at = begin; at < end; at++)
                from[columns[at]] += weight * index->list_value[at];
        } else {
            for (int64_t at = begin; at < end; at++)
                from[columns[at]] += weight * (index->list_value[at] * index->list_value[at]);
        }
    }
}

void
mq_neighbour_scores(const struct mq_neighbour_index *index, float row_scale, const float *sums,
                    size_t stride, int32_t first, int32_t n, float *ret_scores)
{
    const struct mq_neighbour_options *o = &index->options;
    const float *dot = sums + MQ_SLOT_DOT * stride, *shared = sums + MQ_SLOT_COUNT * stride;
    const float *column_scale = index->column_scale + first;
    if (o->length == MQ_LENGTH_ALL) {
        for (int32_t j = 0; j < n; j++)
            ret_scores[j] = dot[j] * row_scale * column_scale[j];
    } else {
        const float *own = sums + MQ_SLOT_OWN * stride, *other = sums + MQ_SLOT_OTHER * stride;
        /* The root of the product, not the product of roots: rows that are multiples of each other
         * then have likeness 1 to the bit, and stay equals. */
        for (int32_t j = 0; j < n; j++) {
            float length = sqrtf(own[j] * other[j]);
            ret_scores[j] = length > 0 ? dot[j] / length : NAN;
        }
    }
    if (index->slot_count == 1)
        return;
    float least = (float)o->shared_min, shrink = o->shrink;
    for (int32_t j = 0; j < n; j++)
        ret_scores[j] =
            shared[j] >= least ? ret_scores[j] * (shared[j] / (shared[j] + shrink)) : NAN;
}

void
mq_neighbour_best_init(const struct mq_neighbour_index *index, uint64_t *keys,
                       struct mq_neighbour_best *ret_best)
{
    mq_reservoir_init(&ret_best->held, keys, mq_neighbour_k(index));
    ret_best->above = index->options.threshold;
}

void
mq_neighbour_offer(const struct mq_neighbour_index *index, struct mq_neighbour_best *best,
                   const float *scores, int32_t first, int32_t n, int32_t *positions, float *passed)
{
    struct mq_reservoir *held = &best->held;
    size_t count = mq_kernels()->select_above(scores, (size_t)n, best->above, positions, passed);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        mq_reservoir_push(held, passed[i], index->column_row[first + positions[i]]);
    if (held->threshold == -INFINITY || held->count > held->k * 2)
        mq_reservoir_shrink(held);
    /* Columns are not in order of rows, so an equal score may still displace one that is held. */
    if (held->threshold > -INFINITY)
        best->above = fmaxf(index->options.threshold, nextafterf(held->threshold, -INFINITY));
}

void
mq_neighbour_mark(const int32_t *codes, int64_t count, uint64_t *bits)
{
    for (int64_t i = 0; i < count; i++)
        bits[codes[i] >> 6] |= UINT64_C(1) << (codes[i] & 63);
}

void
mq_neighbour_unmark(const int32_t *codes, int64_t count, uint64_t *bits)
{
    for (int64_t i = 0; i < count; i++)
        bits[codes[i] >> 6] = 0;
}

/* Whether ascending codes hold one. */
static bool
holds(const int32_t *codes, int64_t count, int32_t code)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (codes[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && codes[low] == code;
}

/* The cosine of choices is shared/(|x|·|y|), three roundings of 2^-24 away: below a million that
 * leaves no doubt which whole number `shared` was. */
#define TOLD_BY_SCORE 1e6f

int32_t
mq_neighbour_shared(const struct mq_neighbour_index *index, const struct mq_neighbour_found *found,
                    int32_t neighbour, float score)
{
    int32_t column = index->column_of[neighbour];
    if (found->choices && index->slot_count == 1 && index->options.binary) {
        float shared = score / (found->scale * index->column_scale[column]);
        if (shared < TOLD_BY_SCORE)
            return (int32_t)lrintf(shared);
    }
    if (index->column_bits != NULL)
        return (int32_t)mq_kernels()->count_common(
            found->bits, index->column_bits + (size_t)column * index->words, index->words);
    const int32_t *theirs = index->other + index->offset[neighbour];
    int64_t their_count = index->offset[neighbour + 1] - index->offset[neighbour];
    int32_t shared = 0;
    if (found->count * 16 < their_count) { /* a few look-ups beat reading a long row */
        for (int64_t i = 0; i < found->count; i++)
            shared += holds(theirs, their_count, found->codes[i]);
        return shared;
    }
    for (int64_t i = 0; i < their_count; i++)
        shared += (int32_t)(found->bits[theirs[i] >> 6] >> (theirs[i] & 63) & 1);
    return shared;
}
