#include "rec/rank.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "rec/score_order.h"

struct mq_rank_scratch {
    void *deepfm;
};

enum mq_status
mq_rank_scratch_new(const struct mq_snapshot *snapshot, struct mq_rank_scratch **ret_scratch,
                    struct mq_error *err)
{
    struct mq_rank_scratch *scratch = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*scratch), &scratch, err);
    if (st == MQ_OK && snapshot->scorer != NULL)
        st = mq_alloc_array(mq_deepfm_scratch_bytes(snapshot->scorer), 1, &scratch->deepfm, err);
    if (st != MQ_OK) {
        mq_rank_scratch_free(scratch);
        return st;
    }
    *ret_scratch = scratch;
    return MQ_OK;
}

void
mq_rank_scratch_free(struct mq_rank_scratch *scratch)
{
    if (scratch == NULL)
        return;
    mq_free(scratch->deepfm);
    mq_free(scratch);
}

enum mq_status
mq_rank_score(const struct mq_snapshot *snapshot, const float *vector, int64_t n,
              const int32_t *rows, struct mq_rank_scratch *scratch, float *ret_prob,
              struct mq_error *err)
{
    if (snapshot->scorer == NULL) {
        for (int64_t i = 0; i < n; i++)
            ret_prob[i] = 0;
        return MQ_OK;
    }
    for (int i = 0; vector != NULL && i < MQ_RANK_DIM; i++)
        if (!isfinite(vector[i]))
            vector = NULL;
    float values[MQ_RANK_DIM];
    mq_rank_user_values(vector, vector != NULL ? 1 : 0, values);
    return mq_deepfm_score(snapshot->scorer, values, n, rows, ret_prob, scratch->deepfm, err);
}

/* Users' candidates are few: their keys stand on the stack. */
#define KEYS_ON_STACK 1024

enum mq_status
mq_rank_order(int64_t n, const float *prob, int32_t *ret_order, struct mq_error *err)
{
    struct mq_score_key few[KEYS_ON_STACK], *keys = few;
    mq_autofree struct mq_score_key *many = NULL;
    if (n > KEYS_ON_STACK) {
        enum mq_status st = mq_alloc_array_raw((size_t)n, sizeof(*many), &many, err);
        if (st != MQ_OK)
            return st;
        keys = many;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!(prob[i] >= 0 && prob[i] <= 1))
            return mq_fail(err, MQ_E_RANGE, "a rank probability is %g (0 to 1)", (double)prob[i]);
        keys[i] = (struct mq_score_key){(double)prob[i], i};
    }
    mq_score_sort(keys, n);
    for (int64_t i = 0; i < n; i++)
        ret_order[i] = (int32_t)keys[i].order;
    return MQ_OK;
}
