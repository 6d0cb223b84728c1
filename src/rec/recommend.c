#include "rec/recommend.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "rec/session.h"

enum mq_status
mq_session_new(const struct mq_snapshot *snapshot, struct mq_session **ret_session,
               struct mq_error *err)
{
    struct mq_session *s = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*s), &s, err);
    if (st != MQ_OK)
        return st;
    size_t most = (size_t)snapshot->recall.merge_cnt;
    size_t entries = most + (size_t)snapshot->filter.category_diversity_count;
    s->snapshot = snapshot;
    st = mq_recall_scratch_new(snapshot, &s->recall, err);
    if (st == MQ_OK)
        st = mq_rank_scratch_new(snapshot, &s->rank, err);
    if (st == MQ_OK)
        st = mq_filter_scratch_new(snapshot, &s->filter, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->candidates), &s->candidates, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->ranked), &s->ranked, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->rows), &s->rows, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->prob), &s->prob, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->order), &s->order, err);
    if (st == MQ_OK)
        st = mq_alloc_array(most, sizeof(*s->rank_position), &s->rank_position, err);
    if (st == MQ_OK)
        st = mq_alloc_array(entries, sizeof(*s->entries), &s->entries, err);
    if (st != MQ_OK) {
        mq_session_free(s);
        return st;
    }
    *ret_session = s;
    return MQ_OK;
}

void
mq_session_free(struct mq_session *s)
{
    if (s == NULL)
        return;
    mq_recall_scratch_free(s->recall);
    mq_rank_scratch_free(s->rank);
    mq_filter_scratch_free(s->filter);
    mq_free(s->candidates);
    mq_free(s->ranked);
    mq_free(s->rows);
    mq_free(s->prob);
    mq_free(s->order);
    mq_free(s->rank_position);
    mq_free(s->entries);
    mq_free(s);
}

enum mq_status
mq_recommend(struct mq_session *s, enum mq_program_type type, const struct mq_user_state *user,
             struct mq_recommendation_list *ret_list, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = s->snapshot;
    int32_t n = 0, count = 0;
    enum mq_status st = mq_recall(snapshot, type, user, NULL, s->recall, s->candidates, &n, err);
    for (int32_t i = 0; i < n && st == MQ_OK; i++)
        s->rows[i] = s->candidates[i].item;
    const float *vector =
        user->portrait != NULL && user->portrait->has_vector ? user->portrait->vector : NULL;
    if (st == MQ_OK)
        st = mq_rank_score(snapshot, vector, n, s->rows, s->rank, s->prob, err);
    if (st == MQ_OK)
        st = mq_rank_order(n, s->prob, s->order, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < n; i++)
        s->rank_position[s->order[i]] = i;
    for (int32_t i = 0; i < n; i++)
        s->ranked[i] = (struct mq_ranked_candidate){
            .item = s->candidates[i].item,
            .channel = s->candidates[i].channel,
            .recall_position = s->candidates[i].position,
            .recall_score = s->candidates[i].score,
            .rank_position = s->rank_position[i],
            .prob = s->prob[i],
        };
    st = mq_filter(snapshot, type, user, s->ranked, n, s->recall, s->filter, s->entries, &count,
                   NULL, err);
    if (st != MQ_OK)
        return st;
    s->type = type;
    s->candidate_count = n;
    s->entry_count = count;
    *ret_list = (struct mq_recommendation_list){
        .candidate_count = n,
        .candidates = s->candidates,
        .prob = s->prob,
        .rank_position = s->rank_position,
        .count = count,
        .entries = s->entries,
    };
    return MQ_OK;
}

enum mq_status
mq_recommend_portrait(const struct mq_snapshot *snapshot, const struct mq_user_state *user,
                      struct mq_portrait *portrait, struct mq_error *err)
{
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    mq_autofree int32_t *history = NULL;
    mq_autofree int32_t *seen = NULL;
    mq_autofree uint32_t *no_times = NULL;
    const uint32_t *times = user->times;
    enum mq_status st = MQ_OK;
    if (times == NULL) {
        st = mq_alloc_array((size_t)user->play_count, sizeof(*no_times), &no_times, err);
        times = no_times;
    }
    if (st == MQ_OK)
        st = mq_portrait_fold(portrait, catalogue, user->items, times, user->play_count, false,
                              &snapshot->portrait, err);
    if (st != MQ_OK || snapshot->tower == NULL || user->play_count == 0)
        return st;
    st = mq_alloc_array((size_t)user->play_count, sizeof(*history), &history, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)catalogue->count, sizeof(*seen), &seen, err);
    if (st != MQ_OK)
        return st;
    memcpy(history, user->items, sizeof(*history) * (size_t)user->play_count);
    int64_t offset[2] = {0, mq_history_distinct(history, user->play_count, seen, 1)};
    float vector[MQ_PORTRAIT_DIM];
    st = mq_user_tower_forward(snapshot->tower, 1, &user->code, offset, history, vector, NULL, err);
    if (st == MQ_OK) {
        memcpy(portrait->vector, vector, sizeof(vector));
        portrait->has_vector = true;
    }
    return st;
}
