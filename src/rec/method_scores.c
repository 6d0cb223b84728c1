#include "rec/method_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "model/neighbour_ranking.h"
#include "model/recency.h"
#include "rec/predicted_ratings.h"

/* Share of its weight that a film keeps which the user liked least; a play without a rating is
 * half-way. */
#define LIKED_LEAST 0.1F

/* By content taste counts, which changes slowly, and the films most alike: what did best for new
 * films (docs/decisions/content-similarity.md). */
#define CONTENT_RECENCY 0.3F
#define CONTENT_POWER 2.0F

struct mq_method_scorer {
    const struct mq_hybrid *hybrid;
    struct mq_neighbour_scratch *users; /* NULL: no index of users */
    float *weights;                     /* [weight_capacity] */
    int32_t weight_capacity;
    float *vector;                /* [factors] of iALS */
    struct mq_predictor *literal; /* of a model of that form; else NULL */
};

enum mq_status
mq_method_scorer_new(const struct mq_hybrid *hybrid, struct mq_method_scorer **ret_scorer,
                     struct mq_error *err)
{
    struct mq_method_scorer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a scorer");
    s->hybrid = hybrid;
    enum mq_status st = MQ_OK;
    if (hybrid->user_index != NULL)
        st = mq_neighbour_scratch_new(hybrid->user_index, &s->users, err);
    if (st == MQ_OK && hybrid->ials != NULL)
        st = mq_alloc_array((size_t)hybrid->ials->factors, sizeof(*s->vector), &s->vector, err);
    if (st == MQ_OK && hybrid->literal)
        st = mq_predictor_new(hybrid, &s->literal, err);
    if (st == MQ_OK)
        *ret_scorer = s;
    else
        mq_method_scorer_free(s);
    return st;
}

void
mq_method_scorer_free(struct mq_method_scorer *scorer)
{
    if (scorer == NULL)
        return;
    mq_neighbour_scratch_free(scorer->users);
    mq_predictor_free(scorer->literal);
    mq_free(scorer->weights);
    mq_free(scorer->vector);
    free(scorer);
}

static enum mq_status
weights_for(struct mq_method_scorer *s, int32_t count, struct mq_error *err)
{
    if (count <= s->weight_capacity)
        return MQ_OK;
    float *weights = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)count, sizeof(*weights), &weights, err);
    if (st != MQ_OK)
        return st;
    mq_free(s->weights);
    s->weights = weights;
    s->weight_capacity = count;
    return MQ_OK;
}

/* How much a film counts by how it was rated, in [LIKED_LEAST, 1]. */
static float
liking(const struct mq_hybrid *h, float rating)
{
    float place = rating < 0 ? 0.5F : (rating - h->rating_low) / (h->rating_high - h->rating_low);
    return LIKED_LEAST + (1 - LIKED_LEAST) * fminf(fmaxf(place, 0), 1);
}

static void
by_content(struct mq_method_scorer *s, const struct mq_rated_user *user, float *ret_scores)
{
    struct mq_rank_options options = mq_hybrid_rank_options(s->hybrid, MQ_NEIGHBOUR_ITEMS, false);
    options.power = CONTENT_POWER;
    options.recency = CONTENT_RECENCY * s->hybrid->recency;
    for (int32_t k = 0; k < user->count; k++)
        s->weights[k] = liking(s->hybrid, user->ratings[k]) *
                        mq_recency_weight(user->count - 1 - k, options.recency);
    mq_rank_by_items(&s->hybrid->content, user->items, s->weights, user->count, &options,
                     ret_scores);
}

enum mq_status
mq_method_alike(struct mq_method_scorer *s, const struct mq_rated_user *user,
                struct mq_neighbour_list *ret_list, struct mq_error *err)
{
    const struct mq_hybrid *h = s->hybrid;
    *ret_list = (struct mq_neighbour_list){0};
    if (!mq_hybrid_has(h, MQ_METHOD_USER_BASED))
        return MQ_OK;
    if (s->literal != NULL) {
        enum mq_status taken = mq_predictor_take(s->literal, user, err);
        if (taken == MQ_OK)
            *ret_list = mq_predictor_alike(s->literal);
        return taken;
    }
    if (user->code >= 0 && !user->changed) {
        *ret_list = mq_neighbours_of(&h->users, user->code);
        return MQ_OK;
    }
    enum mq_status st = weights_for(s, user->count, err);
    if (st != MQ_OK)
        return st;
    float recency = mq_hybrid_rank_options(h, MQ_NEIGHBOUR_USERS, false).recency;
    for (int32_t k = 0; k < user->count; k++)
        s->weights[k] = mq_recency_weight(user->count - 1 - k, recency);
    struct mq_neighbour_row row = {
        .count = user->count, .code = user->items, .weight = s->weights, .self = user->code};
    return mq_neighbour_query(h->user_index, &row, s->users, ret_list, err);
}

static enum mq_status
by_users(struct mq_method_scorer *s, const struct mq_rated_user *user, float *ret_scores,
         struct mq_error *err)
{
    const struct mq_hybrid *h = s->hybrid;
    struct mq_rank_options options = mq_hybrid_rank_options(h, MQ_NEIGHBOUR_USERS, false);
    struct mq_neighbour_list list;
    enum mq_status st = mq_method_alike(s, user, &list, err);
    if (st == MQ_OK)
        mq_rank_by_users(h->ratings, &list, &options, ret_scores);
    return st;
}

static enum mq_status
by_ratings(struct mq_method_scorer *s, const struct mq_rated_user *user,
           enum mq_rating_predictor by, float *ret_scores, struct mq_error *err)
{
    const struct mq_hybrid *h = s->hybrid;
    enum mq_status st = mq_predictor_take(s->literal, user, err);
    for (int32_t i = 0; st == MQ_OK && i < h->ratings->item_count; i++) {
        int32_t votes;
        float rating = mq_predict_by_neighbours(s->literal, i, by, &votes);
        if (votes > 0)
            ret_scores[i] = 1 + rating - h->rating_low;
    }
    return st;
}

static enum mq_status
by_factors(struct mq_method_scorer *s, const struct mq_rated_user *user, float *ret_scores,
           struct mq_error *err)
{
    const struct mq_ials *ials = s->hybrid->ials;
    size_t factors = (size_t)ials->factors;
    const float *vector = s->vector;
    enum mq_status st = MQ_OK;
    if (user->code >= 0 && !user->changed) {
        vector = ials->user + (size_t)user->code * factors;
    } else {
        st = mq_recency_weights(user->times, user->count, mq_hybrid_recency(s->hybrid), s->weights,
                                err);
        if (st == MQ_OK)
            st = mq_ials_fold_in(ials, user->items, s->weights, user->count, s->vector, err);
    }
    if (st == MQ_OK)
        mq_kernels()->dot_rows(vector, ials->item, (size_t)ials->item_count, factors, ret_scores);
    return st;
}

static enum mq_status
by_ease(struct mq_method_scorer *s, const struct mq_rated_user *user, float *ret_scores,
        struct mq_error *err)
{
    /* Where all films weigh alike all count. */
    float recency = (float)mq_hybrid_recency(s->hybrid);
    int32_t count = recency > 0 ? MQ_MIN(user->count, MQ_EASE_HISTORY) : user->count;
    for (int32_t k = 0; k < count; k++)
        s->weights[k] = mq_recency_weight(count - 1 - k, recency);
    return mq_ease_scores(s->hybrid->ease, user->items + (user->count - count), s->weights, count,
                          ret_scores, err);
}

static void
by_sequence(const struct mq_hybrid *h, const struct mq_rated_user *user, float *ret_scores)
{
    if (h->slit != NULL) {
        mq_slit_scores(h->slit, user->items, user->count, ret_scores);
        return;
    }
    struct mq_rank_options options = mq_hybrid_rank_options(h, MQ_NEIGHBOUR_ITEMS, true);
    mq_rank_by_items(&h->following, user->items, NULL, user->count, &options, ret_scores);
}

static enum mq_status
by_tower(const struct mq_hybrid *h, const struct mq_rated_user *user, float *ret_scores,
         struct mq_error *err)
{
    const struct mq_user_tower *tower = h->tower;
    float vector[MQ_TOWER_DIM];
    const int64_t offset[] = {0, user->count};
    const int32_t code = user->code;
    enum mq_status st =
        mq_user_tower_forward(tower, 1, &code, offset, user->items, vector, NULL, err);
    if (st == MQ_OK)
        mq_kernels()->dot_rows(vector, tower->item, (size_t)tower->item_count, MQ_TOWER_DIM,
                               ret_scores);
    return st;
}

enum mq_status
mq_method_scores(struct mq_method_scorer *scorer, const struct mq_rated_user *user,
                 enum mq_method method, float *ret_scores, bool *ret_known, struct mq_error *err)
{
    const struct mq_hybrid *h = scorer->hybrid;
    memset(ret_scores, 0, (size_t)h->ratings->item_count * sizeof(*ret_scores));
    *ret_known = mq_hybrid_has(h, method) && (method == MQ_METHOD_POPULAR || user->count > 0);
    if (!*ret_known)
        return MQ_OK;
    enum mq_status st = weights_for(scorer, user->count, err);
    if (st != MQ_OK)
        return st;
    if (h->literal && (method == MQ_METHOD_ITEM_BASED || method == MQ_METHOD_USER_BASED))
        return by_ratings(scorer, user,
                          method == MQ_METHOD_USER_BASED ? MQ_PREDICTOR_USER_BASED
                                                         : MQ_PREDICTOR_ITEM_BASED,
                          ret_scores, err);
    struct mq_rank_options by_items = mq_hybrid_rank_options(h, MQ_NEIGHBOUR_ITEMS, false);
    switch (method) {
    case MQ_METHOD_ITEM_BASED:
        mq_rank_by_items(&h->items, user->items, NULL, user->count, &by_items, ret_scores);
        return MQ_OK;
    case MQ_METHOD_USER_BASED:
        return by_users(scorer, user, ret_scores, err);
    case MQ_METHOD_CONTENT:
        by_content(scorer, user, ret_scores);
        return MQ_OK;
    case MQ_METHOD_MF:
        return by_factors(scorer, user, ret_scores, err);
    case MQ_METHOD_EASE:
        return by_ease(scorer, user, ret_scores, err);
    case MQ_METHOD_SEQUENCE:
        by_sequence(h, user, ret_scores);
        return MQ_OK;
    case MQ_METHOD_DEEP:
        return by_tower(h, user, ret_scores, err);
    case MQ_METHOD_POPULAR:
        for (int32_t i = 0; i < h->ratings->item_count; i++)
            ret_scores[i] = log1pf(h->popularity[i]);
        return MQ_OK;
    case MQ_METHOD_HYBRID:
        break;
    }
    return mq_fail(err, MQ_E_RANGE, "the hybrid's scores are a blend of its methods' scores");
}
