#include "model/hybrid.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/recency.h"

#define PAIRS_MAX (INT64_C(1) << 34)
#define COMPARED_LEAST (1 << 13)
#define COMPARED_MOST (1 << 16)

static const char *const names[MQ_METHOD_COUNT + 1] = {
    "item-based", "user-based", "content", "mf", "ease", "sequence", "deep", "popular", "hybrid"};

const char *
mq_method_name(enum mq_method method)
{
    return names[method];
}

const char *
mq_predictor_name(enum mq_rating_predictor predictor)
{
    static const char *const predictors[MQ_PREDICTOR_COUNT] = {"baseline", "item-based",
                                                               "user-based", "factors"};
    return predictors[predictor];
}

int
mq_method_find(const char *name, size_t size)
{
    for (int m = 0; m <= MQ_METHOD_COUNT; m++)
        if (strlen(names[m]) == size && memcmp(names[m], name, size) == 0)
            return m;
    return -1;
}

static enum mq_status
make_rater(struct mq_hybrid *h, enum mq_neighbour_side side, const struct mq_neighbours *lists,
           struct mq_rater *ret_rater, struct mq_error *err)
{
    struct mq_rater_options options = h->literal ? mq_rater_options_literal(side, h->ratings)
                                                 : mq_rater_options_default(side, h->ratings);
    return lists->ids == NULL
               ? MQ_OK
               : mq_rater_init(h->ratings, lists, &h->baseline, &options, ret_rater, err);
}

enum mq_status
mq_hybrid_finish(struct mq_hybrid *h, struct mq_pool *pool, struct mq_error *err)
{
    struct mq_neighbour_options ranking = mq_hybrid_choice_options(h, MQ_NEIGHBOUR_USERS);
    struct mq_neighbour_options rating = mq_hybrid_rating_options(h, MQ_NEIGHBOUR_USERS);
    enum mq_status st = MQ_OK;
    if (h->users.ids != NULL) {
        ranking.k = h->users.k;
        st = mq_neighbour_index_new(h->ratings, NULL, &ranking, pool, &h->user_index, err);
    }
    if (st == MQ_OK && h->rating_users.ids != NULL) {
        rating.k = h->rating_users.k;
        st = mq_neighbour_index_new(h->ratings, &h->baseline, &rating, pool, &h->rating_user_index,
                                    err);
    }
    if (st == MQ_OK)
        st = make_rater(h, MQ_NEIGHBOUR_ITEMS, &h->rating_items, &h->item_rater, err);
    return st == MQ_OK ? make_rater(h, MQ_NEIGHBOUR_USERS, &h->rating_users, &h->user_rater, err)
                       : st;
}

int32_t
mq_hybrid_users_compared(int32_t user_count)
{
    int64_t fitting = PAIRS_MAX / MQ_MAX(user_count, 1);
    return (int32_t)MQ_MIN(MQ_MAX(fitting, (int64_t)COMPARED_LEAST), (int64_t)COMPARED_MOST);
}

static void
bound_candidates(const struct mq_hybrid *hybrid, struct mq_neighbour_options *options)
{
    if (options->side == MQ_NEIGHBOUR_USERS)
        options->candidates_max =
            mq_hybrid_users_compared(MQ_MAX(hybrid->ratings->user_count, hybrid->scale_users));
}

struct mq_neighbour_options
mq_hybrid_choice_options(const struct mq_hybrid *hybrid, enum mq_neighbour_side side)
{
    struct mq_neighbour_options options = mq_neighbour_options_ranking(side);
    options.recency *= hybrid->recency;
    bound_candidates(hybrid, &options);
    return options;
}

struct mq_neighbour_options
mq_hybrid_rating_options(const struct mq_hybrid *hybrid, enum mq_neighbour_side side)
{
    struct mq_neighbour_options options =
        hybrid->literal ? mq_neighbour_options_literal(side) : mq_neighbour_options_rating(side);
    if (hybrid->literal)
        options.threshold = hybrid->threshold;
    bound_candidates(hybrid, &options);
    return options;
}

struct mq_rank_options
mq_hybrid_rank_options(const struct mq_hybrid *hybrid, enum mq_neighbour_side side, bool in_time)
{
    struct mq_rank_options options = mq_rank_options_default(side, in_time);
    if (!in_time) /* what comes next hangs on what came last, whatever the setting */
        options.recency *= hybrid->recency;
    return options;
}

double
mq_hybrid_recency(const struct mq_hybrid *hybrid)
{
    return MQ_RECENCY_EXPONENT * (double)hybrid->recency;
}

void
mq_hybrid_free(struct mq_hybrid *h)
{
    if (h == NULL)
        return;
    mq_rater_release(&h->item_rater);
    mq_rater_release(&h->user_rater);
    mq_neighbour_index_free(h->user_index);
    mq_neighbour_index_free(h->rating_user_index);
    mq_neighbours_release(&h->items);
    mq_neighbours_release(&h->users);
    mq_neighbours_release(&h->content);
    mq_neighbours_release(&h->following);
    mq_neighbours_release(&h->rating_items);
    mq_neighbours_release(&h->rating_users);
    mq_ials_free(h->ials);
    mq_ease_free(h->ease);
    mq_slit_free(h->slit);
    mq_user_tower_free(h->tower);
    mq_rating_baseline_release(&h->baseline);
    mq_biased_mf_free(h->factors);
    mq_free(h->popularity);
    mq_free(h->average);
    mq_rating_matrix_free(h->ratings);
    free(h);
}

bool
mq_hybrid_has(const struct mq_hybrid *h, enum mq_method method)
{
    switch (method) {
    case MQ_METHOD_ITEM_BASED:
        return h->items.ids != NULL && (!h->literal || h->rating_items.ids != NULL);
    case MQ_METHOD_USER_BASED:
        return h->users.ids != NULL && (!h->literal || h->rating_users.ids != NULL);
    case MQ_METHOD_CONTENT:
        return h->content.ids != NULL;
    case MQ_METHOD_MF:
        return h->ials != NULL;
    case MQ_METHOD_EASE:
        return h->ease != NULL;
    case MQ_METHOD_SEQUENCE:
        return h->slit != NULL || h->following.ids != NULL;
    case MQ_METHOD_DEEP:
        return h->tower != NULL;
    case MQ_METHOD_POPULAR:
    case MQ_METHOD_HYBRID:
        break;
    }
    return true;
}

enum mq_status
mq_hybrid_lacks(const struct mq_hybrid *h, enum mq_method method, struct mq_error *err)
{
    char has[sizeof(MQ_METHOD_CHOICES) + (size_t)MQ_METHOD_COUNT] = "";
    size_t used = 0;
    for (int m = 0; m <= MQ_METHOD_COUNT; m++)
        if (mq_hybrid_has(h, (enum mq_method)m))
            used += (size_t)snprintf(has + used, sizeof(has) - used, "%s%s", used > 0 ? ", " : "",
                                     mq_method_name((enum mq_method)m));
    return mq_fail(err, MQ_E_UNSUPPORTED,
                   "the model %s was trained without the method '%s' (it has: %s)", h->version,
                   mq_method_name(method), has);
}
