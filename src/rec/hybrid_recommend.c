#include "rec/hybrid_recommend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* In a cold start a film's score is multiplied by this for each film of its genre before it. */
#define GENRE_DECAY 0.85F

struct mq_hybrid_session {
    const struct mq_snapshot *snapshot;
    struct mq_hybrid_ranker *ranker;
    struct mq_predictor *predictor;
    struct mq_recall_scratch *played;
    struct mq_filter_scratch *filter;
    struct mq_hybrid_candidate *candidates;   /* [candidate_max] */
    struct mq_ranked_candidate *ranked;       /* [candidate_max] */
    int32_t *place_of;                        /* [catalogue] place among the candidates */
    struct mq_list_entry *listed;             /* [candidate_max + picks] */
    struct mq_hybrid_recommendation *entries; /* [candidate_max + picks] */
    int32_t candidate_max;
    int32_t *genre_count; /* [categories] */
    int32_t *rows;        /* [row_capacity] played and excluded */
    int32_t *excluded;    /* [excluded_capacity] of the model */
    size_t row_capacity, excluded_capacity;
};

enum mq_status
mq_hybrid_session_new(const struct mq_snapshot *snapshot, struct mq_hybrid_session **ret_session,
                      struct mq_error *err)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    struct mq_hybrid_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a session");
    s->snapshot = snapshot;
    s->candidate_max = MQ_MAX(snapshot->hybrid_candidates, snapshot->list_max);
    size_t most = (size_t)s->candidate_max;
    size_t entries = most + (size_t)snapshot->filter.category_diversity_count;
    enum mq_status st = mq_hybrid_ranker_new(snapshot->hybrid, &s->ranker, err);
    if (st == MQ_OK)
        st = mq_predictor_new(snapshot->hybrid->hybrid, &s->predictor, err);
    if (st == MQ_OK)
        st = mq_recall_scratch_new(snapshot, &s->played, err);
    if (st == MQ_OK)
        st = mq_filter_scratch_new(snapshot, &s->filter, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->candidates), &s->candidates, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->ranked), &s->ranked, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)catalogue->count, sizeof(*s->place_of), &s->place_of, err);
    if (st == MQ_OK)
        st = mq_alloc_array(entries, sizeof(*s->listed), &s->listed, err);
    if (st == MQ_OK)
        st = mq_alloc_array(entries, sizeof(*s->entries), &s->entries, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)catalogue->names[MQ_PROPERTY_CATEGORY].count,
                            sizeof(*s->genre_count), &s->genre_count, err);
    if (st == MQ_OK)
        *ret_session = s;
    else
        mq_hybrid_session_free(s);
    return st;
}

void
mq_hybrid_session_free(struct mq_hybrid_session *s)
{
    if (s == NULL)
        return;
    mq_hybrid_ranker_free(s->ranker);
    mq_predictor_free(s->predictor);
    mq_recall_scratch_free(s->played);
    mq_filter_scratch_free(s->filter);
    mq_free(s->candidates);
    mq_free(s->ranked);
    mq_free(s->place_of);
    mq_free(s->listed);
    mq_free(s->entries);
    mq_free(s->genre_count);
    free(s->rows);
    free(s->excluded);
    free(s);
}

struct mq_hybrid_ranker *
mq_hybrid_session_ranker(struct mq_hybrid_session *session)
{
    return session->ranker;
}

struct mq_predictor *
mq_hybrid_session_predictor(struct mq_hybrid_session *session)
{
    return session->predictor;
}

const struct mq_snapshot *
mq_hybrid_session_snapshot(const struct mq_hybrid_session *session)
{
    return session->snapshot;
}

/* ---- cold start --------------------------------------------------------------------------- */

/* How much a film's score keeps after the films before it. */
static float
kept(const struct mq_hybrid_session *s, int32_t row)
{
    const struct mq_catalogue *c = s->snapshot->catalogue;
    const int64_t *offset = c->offset[MQ_PROPERTY_CATEGORY];
    float share = 1;
    int32_t most = 0;
    for (int64_t k = offset[row]; k < offset[row + 1]; k++)
        most = MQ_MAX(most, s->genre_count[c->value[MQ_PROPERTY_CATEGORY][k]]);
    for (int32_t k = 0; k < most; k++)
        share *= GENRE_DECAY;
    return share;
}

/* Greedy: next comes the film whose score is greatest once its genres have been discounted for the
 * films before it. The scores stay in descending order: each is its own, discounted. */
static void
mix_genres(struct mq_hybrid_session *s, int32_t count)
{
    const struct mq_catalogue *c = s->snapshot->catalogue;
    const int64_t *offset = c->offset[MQ_PROPERTY_CATEGORY];
    memset(s->genre_count, 0,
           sizeof(*s->genre_count) * (size_t)c->names[MQ_PROPERTY_CATEGORY].count);
    for (int32_t i = 0; i < count; i++) {
        int32_t best = i;
        float greatest = -1;
        for (int32_t j = i; j < count; j++) {
            float score = s->candidates[j].score *
                          kept(s, s->snapshot->hybrid->row_of[s->candidates[j].item]);
            if (score > greatest) {
                greatest = score;
                best = j;
            }
        }
        struct mq_hybrid_candidate chosen = s->candidates[best];
        memmove(s->candidates + i + 1, s->candidates + i,
                (size_t)(best - i) * sizeof(*s->candidates));
        chosen.score = greatest;
        s->candidates[i] = chosen;
        int32_t row = s->snapshot->hybrid->row_of[chosen.item];
        for (int64_t k = offset[row]; k < offset[row + 1]; k++)
            s->genre_count[c->value[MQ_PROPERTY_CATEGORY][k]]++;
    }
}

/* ---- lists -------------------------------------------------------------------------------- */

/* Rows that count as played: those of the user, where these are not offered again, and those to be
 * left out. */
static enum mq_status
mark_played(struct mq_hybrid_session *s, const struct mq_hybrid_request *request,
            struct mq_user_state *ret_state, struct mq_error *err)
{
    const struct mq_hybrid_view *view = s->snapshot->hybrid;
    const struct mq_rated_user *user = request->user;
    size_t most = (size_t)user->count + (size_t)request->excluded_count;
    int32_t count = 0;
    enum mq_status st = mq_grow(&s->rows, &s->row_capacity, most + 1, sizeof(*s->rows), err);
    if (st == MQ_OK)
        st = mq_grow(&s->excluded, &s->excluded_capacity, (size_t)request->excluded_count + 1,
                     sizeof(*s->excluded), err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; s->snapshot->filter_seen && i < user->count; i++)
        if (view->row_of[user->items[i]] >= 0)
            s->rows[count++] = view->row_of[user->items[i]];
    for (int32_t i = 0; i < request->excluded_count; i++) {
        int32_t row = request->excluded[i];
        s->excluded[i] = row >= 0 ? view->item_of[row] : -1;
        if (row >= 0)
            s->rows[count++] = row;
    }
    *ret_state =
        (struct mq_user_state){.id = user->id, .code = -1, .play_count = count, .items = s->rows};
    mq_recall_mark(s->played, ret_state);
    return MQ_OK;
}

static enum mq_status
rank(struct mq_hybrid_session *s, const struct mq_hybrid_request *request,
     struct mq_hybrid_recommendations *list, int32_t *ret_count, struct mq_error *err)
{
    bool known;
    struct mq_hybrid_query query = {.user = request->user,
                                    .method = request->method,
                                    .offered = s->snapshot->hybrid->offered[request->type],
                                    .excluded = s->excluded,
                                    .excluded_count = request->excluded_count,
                                    .seen = !s->snapshot->filter_seen,
                                    .candidates = s->candidate_max,
                                    .quality_weight = s->snapshot->quality_weight};
    enum mq_status st = mq_hybrid_rank(s->ranker, &query, s->candidates, ret_count, &known, err);
    list->method = request->method;
    list->cold_start = st == MQ_OK && !known;
    if (!list->cold_start)
        return st;
    list->method = query.method = MQ_METHOD_POPULAR;
    st = mq_hybrid_rank(s->ranker, &query, s->candidates, ret_count, &known, err);
    if (st == MQ_OK)
        mix_genres(s, *ret_count);
    return st;
}

/* What filter listed, with the scores it came with. Where seen films are offered again, filter
 * does not look at those that are marked, and may pick one that is to be left out.
 * @return entries */
static int32_t
fill_entries(struct mq_hybrid_session *s, int32_t listed)
{
    const struct mq_hybrid_view *view = s->snapshot->hybrid;
    int32_t count = 0;
    for (int32_t i = 0; i < listed; i++) {
        const struct mq_list_entry *from = &s->listed[i];
        if (from->kind == MQ_ENTRY_DIVERSITY && mq_recall_was_played(s->played, from->item))
            continue;
        struct mq_hybrid_recommendation *to = &s->entries[count];
        *to = (struct mq_hybrid_recommendation){.row = from->item,
                                                .item = view->item_of[from->item],
                                                .kind = from->kind,
                                                .position = count++,
                                                .category = from->category};
        if (from->kind != MQ_ENTRY_RECOMMEND)
            continue;
        const struct mq_hybrid_candidate *c = &s->candidates[s->place_of[from->item]];
        to->raw = c->raw;
        to->recall = c->recall;
        to->quality = c->quality;
        to->score = c->score;
        to->place = c->place;
    }
    return count;
}

enum mq_status
mq_hybrid_recommend(struct mq_hybrid_session *s, const struct mq_hybrid_request *request,
                    struct mq_hybrid_recommendations *ret_list, struct mq_error *err)
{
    const struct mq_hybrid_view *view = s->snapshot->hybrid;
    struct mq_user_state state;
    struct mq_hybrid_recommendations list = {.entries = s->entries};
    int32_t n = 0;
    enum mq_status st = mark_played(s, request, &state, err);
    if (st == MQ_OK)
        st = rank(s, request, &list, &n, err);
    /* Filter takes them in order: equal scores, once rounded, stay as they are. */
    for (int32_t i = 0; st == MQ_OK && i < n; i++) {
        int32_t row = view->row_of[s->candidates[i].item];
        s->place_of[row] = i;
        s->ranked[i] = (struct mq_ranked_candidate){
            .item = row, .rank_position = i, .prob = (double)s->candidates[i].score};
    }
    if (st == MQ_OK)
        st = mq_filter(s->snapshot, request->type, &state, s->ranked, n, s->played, s->filter,
                       s->listed, &list.count, NULL, err);
    if (st != MQ_OK)
        return st;
    list.count = fill_entries(s, list.count);
    *ret_list = list;
    return MQ_OK;
}

size_t
mq_hybrid_trace(const struct mq_snapshot *snapshot, const struct mq_hybrid_recommendation *entry,
                enum mq_method method, const char *path, char ret_trace[MQ_TRACE_MAX])
{
    if (entry->kind == MQ_ENTRY_DIVERSITY) {
        const struct mq_list_entry pick = {.item = entry->row,
                                           .kind = MQ_ENTRY_DIVERSITY,
                                           .channel = -1,
                                           .position = entry->position,
                                           .category = entry->category};
        return mq_trace_format(snapshot, &pick, path, ret_trace);
    }
    int n = snprintf(
        ret_trace, MQ_TRACE_MAX, "%s_%s_%d|%.4f|%s_rerank_%d|%.4f|%s_recommend_%d|%.4f", path,
        mq_method_name(method), entry->place, (double)entry->recall, path, entry->position,
        (double)entry->quality, path, entry->position, (double)entry->score);
    return MQ_MIN((size_t)n, (size_t)MQ_TRACE_MAX - 1);
}
