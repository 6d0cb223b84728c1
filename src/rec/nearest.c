#include "rec/nearest.h"

#include <math.h>

#include "base/memory.h"
#include "math/kernels.h"

/* One score in so many is looked at for the threshold. */
#define SAMPLE_STRIDE 8

enum mq_status
mq_nearest_scratch_init(struct mq_nearest_scratch *scratch, size_t most, struct mq_error *err)
{
    *scratch = (struct mq_nearest_scratch){0};
    enum mq_status st = mq_alloc_array(most, sizeof(*scratch->positions), &scratch->positions, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*scratch->passed), &scratch->passed, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*scratch->keys), &scratch->keys, err);
    return st;
}

void
mq_nearest_scratch_release(struct mq_nearest_scratch *scratch)
{
    mq_free(scratch->positions);
    mq_free(scratch->passed);
    mq_free(scratch->keys);
    *scratch = (struct mq_nearest_scratch){0};
}

/* A score that somewhat more than k of the row exceed, most likely; false where n is too small. */
static bool
guess_threshold(struct mq_nearest_scratch *scratch, const float *scores, size_t n, size_t k,
                float *ret_threshold)
{
    int64_t sampled = 0;
    for (size_t i = 0; i < n; i += SAMPLE_STRIDE)
        if (!isnan(scores[i]))
            scratch->keys[sampled++] = (struct mq_score_key){scores[i], (int64_t)i};
    /* The count above is about Poisson: three deviations keep the second pass rare. */
    double mean = (double)k / SAMPLE_STRIDE;
    int64_t rank = (int64_t)(mean + 3 * sqrt(mean)) + 2;
    if (rank * 2 > sampled)
        return false;
    mq_score_select(scratch->keys, sampled, rank);
    double lowest = scratch->keys[0].score;
    for (int64_t i = 1; i < rank; i++)
        lowest = fmin(lowest, scratch->keys[i].score);
    *ret_threshold = (float)lowest;
    return true;
}

const struct mq_score_key *
mq_nearest_choose(struct mq_nearest_scratch *scratch, const float *scores, size_t n, size_t k,
                  size_t *ret_count)
{
    float threshold;
    size_t passed = 0;
    if (guess_threshold(scratch, scores, n, k, &threshold)) {
        passed =
            mq_kernels()->select_above(scores, n, threshold, scratch->positions, scratch->passed);
        for (size_t i = 0; i < passed; i++)
            scratch->keys[i] = (struct mq_score_key){scratch->passed[i], scratch->positions[i]};
    }
    if (passed < k) {
        passed = 0;
        for (size_t i = 0; i < n; i++)
            if (!isnan(scores[i]))
                scratch->keys[passed++] = (struct mq_score_key){scores[i], (int64_t)i};
    }
    size_t kept = MQ_MIN(passed, k);
    mq_score_select(scratch->keys, (int64_t)passed, (int64_t)kept);
    mq_score_sort(scratch->keys, (int64_t)kept);
    *ret_count = kept;
    return scratch->keys;
}
