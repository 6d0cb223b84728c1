#include "rec/hybrid_ranking.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/topk.h"
#include "rec/rerank.h"
#include "rec/score_order.h"

struct mq_hybrid_ranker {
    const struct mq_hybrid_view *view;
    struct mq_blended_scorer *scorer;
    float *scores; /* [items] */
    /* room for `capacity` candidates */
    struct mq_scored *best;
    float *recall;
    struct mq_score_key *keys;
    size_t best_capacity, recall_capacity, keys_capacity;
};

enum mq_status
mq_hybrid_ranker_new(const struct mq_hybrid_view *view, struct mq_hybrid_ranker **ret_ranker,
                     struct mq_error *err)
{
    struct mq_hybrid_ranker *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a ranker");
    r->view = view;
    enum mq_status st = mq_blended_scorer_new(view->hybrid, &r->scorer, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)view->hybrid->ratings->item_count, sizeof(*r->scores),
                            &r->scores, err);
    if (st == MQ_OK)
        *ret_ranker = r;
    else
        mq_hybrid_ranker_free(r);
    return st;
}

void
mq_hybrid_ranker_free(struct mq_hybrid_ranker *r)
{
    if (r == NULL)
        return;
    mq_blended_scorer_free(r->scorer);
    mq_free(r->scores);
    free(r->best);
    free(r->recall);
    free(r->keys);
    free(r);
}

static enum mq_status
make_room(struct mq_hybrid_ranker *r, size_t count, struct mq_error *err)
{
    enum mq_status st = mq_grow(&r->best, &r->best_capacity, count, sizeof(*r->best), err);
    if (st == MQ_OK)
        st = mq_grow(&r->recall, &r->recall_capacity, count, sizeof(*r->recall), err);
    return st == MQ_OK ? mq_grow(&r->keys, &r->keys_capacity, count, sizeof(*r->keys), err) : st;
}

/* Strike out what may not be listed. */
static void
strike(struct mq_hybrid_ranker *r, const struct mq_hybrid_query *query)
{
    if (query->offered != NULL)
        mq_kernels()->add(query->offered, r->scores, (size_t)r->view->hybrid->ratings->item_count);
    for (int32_t i = 0; !query->seen && i < query->user->count; i++)
        r->scores[query->user->items[i]] = NAN;
    for (int32_t i = 0; i < query->excluded_count; i++)
        if (query->excluded[i] >= 0)
            r->scores[query->excluded[i]] = NAN;
}

enum mq_status
mq_hybrid_rank(struct mq_hybrid_ranker *r, const struct mq_hybrid_query *query,
               struct mq_hybrid_candidate *ret_candidates, int32_t *ret_count, bool *ret_known,
               struct mq_error *err)
{
    size_t items = (size_t)r->view->hybrid->ratings->item_count, count = 0;
    size_t most = MQ_MIN((size_t)query->candidates, items);
    *ret_count = 0;
    enum mq_status st = make_room(r, most, err);
    if (st == MQ_OK)
        st = mq_blended_scores(r->scorer, query->user, query->method, r->scores, ret_known, err);
    if (st != MQ_OK || !*ret_known)
        return st;
    strike(r, query);
    st = mq_topk_row(r->scores, items, most, NULL, 0, r->best, &count, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        r->recall[i] = r->best[i].score;
    mq_recall_scale(r->recall, (int32_t)count);
    for (size_t i = 0; i < count; i++)
        r->keys[i] = (struct mq_score_key){(double)mq_rerank_score(r->recall[i],
                                                                   r->view->quality[r->best[i].id],
                                                                   query->quality_weight),
                                           (int64_t)i};
    mq_score_sort(r->keys, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        int64_t at = r->keys[i].order;
        ret_candidates[i] =
            (struct mq_hybrid_candidate){.item = r->best[at].id,
                                         .raw = r->best[at].score,
                                         .recall = r->recall[at],
                                         .quality = r->view->quality[r->best[at].id],
                                         .score = (float)r->keys[i].score,
                                         .place = (int32_t)at};
    }
    *ret_count = (int32_t)count;
    return MQ_OK;
}

enum mq_status
mq_hybrid_rank_given(struct mq_hybrid_ranker *r, const struct mq_rated_user *user,
                     enum mq_method method, float quality_weight, const int32_t *items,
                     int32_t count, float *ret_scores, bool *ret_known, struct mq_error *err)
{
    enum mq_status st = mq_blended_scores(r->scorer, user, method, r->scores, ret_known, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < count; i++)
        ret_scores[i] = r->scores[items[i]];
    mq_recall_scale(ret_scores, count);
    for (int32_t i = 0; i < count; i++)
        ret_scores[i] = mq_rerank_score(ret_scores[i], r->view->quality[items[i]], quality_weight);
    return MQ_OK;
}

float
mq_hybrid_ranker_raw(const struct mq_hybrid_ranker *r, int32_t item)
{
    return r->scores[item];
}

float
mq_hybrid_ranker_part(const struct mq_hybrid_ranker *r, enum mq_method method, int32_t item)
{
    return mq_blended_part(r->scorer, method, item);
}

struct mq_method_scorer *
mq_hybrid_ranker_methods(struct mq_hybrid_ranker *r)
{
    return mq_blended_methods(r->scorer);
}
