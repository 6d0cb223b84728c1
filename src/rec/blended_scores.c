#include "rec/blended_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"

struct mq_blended_scorer {
    const struct mq_hybrid *hybrid;
    struct mq_method_scorer *methods;
    float *scores[MQ_METHOD_COUNT]; /* [items] as the method gives them; NULL: not asked yet */
    /* z = scores · scale - shift, of the last user; scale 0: nothing is known */
    float scale[MQ_METHOD_COUNT], shift[MQ_METHOD_COUNT];
};

enum mq_status
mq_blended_scorer_new(const struct mq_hybrid *hybrid, struct mq_blended_scorer **ret_scorer,
                      struct mq_error *err)
{
    struct mq_blended_scorer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a scorer");
    s->hybrid = hybrid;
    enum mq_status st = mq_method_scorer_new(hybrid, &s->methods, err);
    if (st == MQ_OK)
        *ret_scorer = s;
    else
        mq_blended_scorer_free(s);
    return st;
}

void
mq_blended_scorer_free(struct mq_blended_scorer *scorer)
{
    if (scorer == NULL)
        return;
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        mq_free(scorer->scores[m]);
    mq_method_scorer_free(scorer->methods);
    free(scorer);
}

/* Scale and shift of z; scale 0 where all scores are equal, as far as float can tell. */
static void
standardise(const float *scores, int32_t count, float *ret_scale, float *ret_shift)
{
    const struct mq_kernels *kernels = mq_kernels();
    double n = count, mean = (double)kernels->sum(scores, (size_t)count) / n;
    double square = (double)kernels->dot(scores, scores, (size_t)count) / n;
    double variance = square - mean * mean;
    *ret_scale = *ret_shift = 0;
    if (variance <= square * 1e-6)
        return;
    *ret_scale = (float)(1 / sqrt(variance));
    *ret_shift = (float)(mean / sqrt(variance));
}

enum mq_status
mq_standard_scores(struct mq_blended_scorer *s, const struct mq_rated_user *user,
                   enum mq_method method, float *ret_scores, bool *ret_known, struct mq_error *err)
{
    int32_t items = s->hybrid->ratings->item_count;
    float scale = 0, shift = 0;
    enum mq_status st = mq_method_scores(s->methods, user, method, ret_scores, ret_known, err);
    if (st == MQ_OK && *ret_known)
        standardise(ret_scores, items, &scale, &shift);
    *ret_known = scale > 0;
    for (int32_t i = 0; i < items; i++)
        ret_scores[i] = ret_scores[i] * scale - shift;
    return st;
}

static enum mq_status
blend(struct mq_blended_scorer *s, const struct mq_rated_user *user, float *ret_scores,
      bool *ret_known, struct mq_error *err)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t items = (size_t)s->hybrid->ratings->item_count;
    float shift = 0;
    *ret_known = false;
    memset(ret_scores, 0, items * sizeof(*ret_scores));
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        bool known = false;
        float weight = s->hybrid->blend[m];
        s->scale[m] = s->shift[m] = 0;
        if (weight == 0)
            continue;
        enum mq_status st = MQ_OK;
        if (s->scores[m] == NULL)
            st = mq_alloc_array_raw(items, sizeof(float), &s->scores[m], err);
        if (st == MQ_OK)
            st = mq_method_scores(s->methods, user, (enum mq_method)m, s->scores[m], &known, err);
        if (st != MQ_OK)
            return st;
        if (!known)
            continue;
        standardise(s->scores[m], (int32_t)items, &s->scale[m], &s->shift[m]);
        kernels->axpy(weight * s->scale[m], s->scores[m], ret_scores, items);
        shift += weight * s->shift[m];
        *ret_known = *ret_known || m != MQ_METHOD_POPULAR || user->count > 0;
    }
    for (size_t i = 0; i < items; i++)
        ret_scores[i] -= shift;
    return MQ_OK;
}

enum mq_status
mq_blended_scores(struct mq_blended_scorer *s, const struct mq_rated_user *user,
                  enum mq_method method, float *ret_scores, bool *ret_known, struct mq_error *err)
{
    return method == MQ_METHOD_HYBRID
               ? blend(s, user, ret_scores, ret_known, err)
               : mq_method_scores(s->methods, user, method, ret_scores, ret_known, err);
}

struct mq_method_scorer *
mq_blended_methods(struct mq_blended_scorer *s)
{
    return s->methods;
}

float
mq_blended_part(const struct mq_blended_scorer *s, enum mq_method method, int32_t item)
{
    float scale = s->scale[method];
    return scale == 0
               ? 0
               : s->hybrid->blend[method] * (s->scores[method][item] * scale - s->shift[method]);
}
