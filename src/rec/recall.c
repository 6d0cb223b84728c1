/*
 * The straightforward form walks, for every play, every list of every property, again and again.
 * Here a value met before is skipped by a stamp, so each list is read once a user; a list is cut to
 * what may be offered once for all users (struct mq_offer); and everything keyed by item is an
 * array with the user's stamp, never cleared.
 *
 * `hits` must be final before scores are, so places are collected first and scored after.
 */
#include "rec/recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "rec/nearest.h"

/* Answers asked of a graph for each that is wanted: played and barred items fall out. */
#define GRAPH_ANSWERS 4

/* Vectors that stay in the first-level cache while all users of a block pass over them. */
#define TILE_ROWS 128

/* One place of one list. */
struct place {
    int32_t item, position, value;
    int32_t method; /* index of the configuration */
    double score;   /* before weight and hits */
};

/* A merged item while it is being chosen. */
struct merged {
    int32_t item, hits, best; /* best: index of its place */
    double score;
};

struct mq_recall_scratch {
    int32_t count;
    uint32_t stamp;
    uint32_t *played; /* [count] stamp of the last user who played the row */
    uint32_t *met;    /* [count] stamp of the last user for whom a list named the row */
    int32_t *slot;    /* [count] index in merged, valid where met */
    uint32_t seed_stamp;
    uint32_t *seeded; /* [count] stamp: distinct plays */
    uint32_t *value_met[MQ_PROPERTY_COUNT];
    uint32_t value_stamp;
    struct place *places;
    size_t place_count, place_capacity;
    struct merged *merged;
    size_t merged_count, merged_capacity;
    struct mq_score_key *keys; /* by merged item: its score and when it was met */
    size_t keys_capacity;
    float *scores; /* [most vector_count] */
    struct mq_nearest_scratch nearest;
    int32_t *graph_rows; /* answers of the graph, then those of them that may be offered */
    float *graph_scores;
    struct mq_score_key *graph_keys;
    size_t graph_row_capacity, graph_score_capacity, graph_key_capacity;
};

enum mq_status
mq_recall_scratch_new(const struct mq_snapshot *snapshot, struct mq_recall_scratch **ret_scratch,
                      struct mq_error *err)
{
    struct mq_recall_scratch *s = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*s), &s, err);
    if (st != MQ_OK)
        return st;
    size_t count = (size_t)snapshot->catalogue->count;
    size_t vectors = 0;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
        vectors = MQ_MAX(vectors, (size_t)snapshot->offer[type].vector_count);
    s->count = snapshot->catalogue->count;
    st = mq_alloc_array(count, sizeof(*s->played), &s->played, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*s->met), &s->met, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*s->slot), &s->slot, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*s->seeded), &s->seeded, err);
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++)
        st = mq_alloc_array((size_t)snapshot->catalogue->names[p].count, sizeof(**s->value_met),
                            &s->value_met[p], err);
    if (st == MQ_OK)
        st = mq_alloc_array(vectors, sizeof(*s->scores), &s->scores, err);
    if (st == MQ_OK)
        st = mq_nearest_scratch_init(&s->nearest, vectors, err);
    if (st != MQ_OK) {
        mq_recall_scratch_free(s);
        return st;
    }
    *ret_scratch = s;
    return MQ_OK;
}

void
mq_recall_scratch_free(struct mq_recall_scratch *s)
{
    if (s == NULL)
        return;
    mq_free(s->played);
    mq_free(s->met);
    mq_free(s->slot);
    mq_free(s->seeded);
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++)
        mq_free(s->value_met[p]);
    free(s->places);
    free(s->merged);
    free(s->keys);
    mq_free(s->scores);
    mq_nearest_scratch_release(&s->nearest);
    free(s->graph_rows);
    free(s->graph_scores);
    free(s->graph_keys);
    mq_free(s);
}

bool
mq_recall_was_played(const struct mq_recall_scratch *scratch, int32_t row)
{
    return scratch->stamp != 0 && scratch->played[row] == scratch->stamp;
}

bool
mq_recall_merged(const struct mq_recall_scratch *s, int32_t row, double *ret_score,
                 int32_t *ret_hits)
{
    if (s->stamp == 0 || s->met[row] != s->stamp)
        return false;
    *ret_score = s->merged[s->slot[row]].score;
    *ret_hits = s->merged[s->slot[row]].hits;
    return true;
}

/* Stamps of one user; after 2^32 users the arrays are cleared once. */
static void
next_stamp(struct mq_recall_scratch *s)
{
    if (++s->stamp == 0) {
        memset(s->played, 0, sizeof(*s->played) * (size_t)s->count);
        memset(s->met, 0, sizeof(*s->met) * (size_t)s->count);
        memset(s->seeded, 0, sizeof(*s->seeded) * (size_t)s->count);
        s->stamp = 1;
    }
}

static void
next_value_stamp(struct mq_recall_scratch *s, const struct mq_snapshot *snapshot)
{
    if (++s->value_stamp == 0) {
        for (int p = 0; p < MQ_PROPERTY_COUNT; p++)
            memset(s->value_met[p], 0,
                   sizeof(**s->value_met) * (size_t)snapshot->catalogue->names[p].count);
        s->value_stamp = 1;
    }
}

void
mq_recall_mark(struct mq_recall_scratch *s, const struct mq_user_state *user)
{
    next_stamp(s);
    for (int64_t i = 0; i < user->play_count; i++)
        if (user->items[i] >= 0 && user->items[i] < s->count)
            s->played[user->items[i]] = s->stamp;
}

void
mq_recall_vector_scores(const struct mq_offer *offer, int64_t n, const float *users,
                        float *ret_scores)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t count = (size_t)offer->vector_count;
    float scores[4 * TILE_ROWS];
    for (size_t begin = 0; begin < count; begin += TILE_ROWS) {
        const float *rows = offer->vectors + begin * MQ_PORTRAIT_DIM;
        size_t size = MQ_MIN(count - begin, (size_t)TILE_ROWS);
        int64_t u = 0;
        for (; u + 4 <= n; u += 4) {
            kernels->dot_rows4(users + u * MQ_PORTRAIT_DIM, rows, size, MQ_PORTRAIT_DIM, scores);
            for (int64_t q = 0; q < 4; q++)
                memcpy(ret_scores + (size_t)(u + q) * count + begin, scores + (size_t)q * size,
                       size * sizeof(*scores));
        }
        for (; u < n; u++)
            kernels->dot_rows(users + u * MQ_PORTRAIT_DIM, rows, size, MQ_PORTRAIT_DIM,
                              ret_scores + (size_t)u * count + begin);
    }
}

/* Append the first topn unplayed rows of a list, and score the places when their number is known.
 */
static enum mq_status
take_list(struct mq_recall_scratch *s, const int32_t *rows, int64_t count, int32_t method_index,
          const struct mq_recall_method *method, int32_t value, struct mq_error *err)
{
    size_t begin = s->place_count;
    enum mq_status st =
        mq_grow(&s->places, &s->place_capacity,
                begin + (size_t)MQ_MIN(count, (int64_t)method->topn), sizeof(*s->places), err);
    if (st != MQ_OK)
        return st;
    int32_t taken = 0;
    struct place *places = s->places + begin;
    for (int64_t i = 0; i < count && taken < method->topn; i++) {
        if (s->played[rows[i]] == s->stamp)
            continue;
        places[taken] = (struct place){
            .item = rows[i], .position = taken, .value = value, .method = method_index};
        taken++;
    }
    if (method->by_position)
        for (int32_t i = 0; i < taken; i++)
            places[i].score = (double)(taken - 1 - i) * method->w + method->b;
    s->place_count = begin + (size_t)taken;
    return MQ_OK;
}

static enum mq_status
take_property(const struct mq_snapshot *snapshot, const struct mq_offer *offer,
              const int32_t *seeds, int64_t seed_count, int32_t method_index,
              struct mq_recall_scratch *s, struct mq_error *err)
{
    const struct mq_recall_method *method = &snapshot->recall.method[method_index];
    const struct mq_catalogue *catalogue = snapshot->catalogue;
    enum mq_property p = mq_channel_property((enum mq_channel)method->channel);
    const int64_t *offset = catalogue->offset[p];
    uint32_t *met = s->value_met[p];
    for (int64_t i = 0; i < seed_count; i++) {
        for (int64_t k = offset[seeds[i]]; k < offset[seeds[i] + 1]; k++) {
            int32_t value = catalogue->value[p][k];
            if (met[value] == s->value_stamp)
                continue;
            met[value] = s->value_stamp;
            int64_t count;
            const int32_t *rows = mq_inverted_list_rows(&offer->list[p], value, &count);
            enum mq_status st = take_list(s, rows, count, method_index, method, value, err);
            if (st != MQ_OK)
                return st;
        }
    }
    return MQ_OK;
}

static enum mq_status
take_portrait(const struct mq_snapshot *snapshot, const struct mq_offer *offer,
              const struct mq_portrait *portrait, int32_t method_index, struct mq_recall_scratch *s,
              struct mq_error *err)
{
    const struct mq_recall_method *method = &snapshot->recall.method[method_index];
    enum mq_property p = mq_channel_property((enum mq_channel)method->channel);
    const struct mq_portrait_property *property = &portrait->property[p];
    for (int32_t i = 0; i < property->recent_count; i++) {
        int64_t count;
        const int32_t *rows = mq_inverted_list_rows(&offer->list[p], property->recent[i], &count);
        enum mq_status st =
            take_list(s, rows, count, method_index, method, property->recent[i], err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static bool
is_finite_vector(const float *vector)
{
    float sum = 0;
    for (int i = 0; i < MQ_PORTRAIT_DIM; i++)
        sum += vector[i] * 0.0f;
    return sum == 0.0f;
}

/* The nearest unplayed rows of an offer by the graph, as positions in it; fewer than `most` where
 * the graph's answers were mostly played or not on offer. */
static enum mq_status
search_graph(const struct mq_snapshot *snapshot, const struct mq_offer *offer, const float *vector,
             size_t most, struct mq_recall_scratch *s, size_t *ret_found, struct mq_error *err)
{
    int asked = (int)MQ_MIN(most * GRAPH_ANSWERS, (size_t)MQ_INDEX_K_MAX);
    enum mq_status st =
        mq_grow(&s->graph_rows, &s->graph_row_capacity, (size_t)asked, sizeof(*s->graph_rows), err);
    if (st == MQ_OK)
        st = mq_grow(&s->graph_scores, &s->graph_score_capacity, (size_t)asked,
                     sizeof(*s->graph_scores), err);
    if (st == MQ_OK)
        st = mq_grow(&s->graph_keys, &s->graph_key_capacity, most, sizeof(*s->graph_keys), err);
    if (st == MQ_OK)
        st = mq_vector_index_search(snapshot->graph, vector, 1, asked, s->graph_rows,
                                    s->graph_scores, NULL, err);
    if (st != MQ_OK)
        return st;
    size_t found = 0;
    for (int i = 0; i < asked && found < most && s->graph_rows[i] >= 0; i++) {
        int32_t row = s->graph_rows[i];
        if (offer->vector_position[row] >= 0 && s->played[row] != s->stamp)
            s->graph_keys[found++] =
                (struct mq_score_key){s->graph_scores[i], offer->vector_position[row]};
    }
    *ret_found = found;
    return MQ_OK;
}

/* The nearest unplayed rows of an offer, every vector of it looked at. */
static const struct mq_score_key *
search_all(const struct mq_offer *offer, const struct mq_user_state *user, float *scores,
           size_t most, struct mq_recall_scratch *s, size_t *ret_found)
{
    if (scores == NULL) {
        scores = s->scores;
        mq_kernels()->dot_rows(user->portrait->vector, offer->vectors, (size_t)offer->vector_count,
                               MQ_PORTRAIT_DIM, scores);
    }
    for (int64_t i = 0; i < user->play_count; i++) {
        int32_t row = user->items[i];
        int32_t at = row >= 0 && row < s->count ? offer->vector_position[row] : -1;
        if (at >= 0)
            scores[at] = NAN; /* never chosen */
    }
    return mq_nearest_choose(&s->nearest, scores, (size_t)offer->vector_count, most, ret_found);
}

static enum mq_status
take_nearest(const struct mq_snapshot *snapshot, const struct mq_offer *offer,
             const struct mq_user_state *user, float *vector_scores, int32_t method_index,
             struct mq_recall_scratch *s, struct mq_error *err)
{
    const struct mq_recall_method *method = &snapshot->recall.method[method_index];
    const float *vector = user->portrait->vector;
    if (!user->portrait->has_vector || offer->vector_count == 0 || method->topn == 0 ||
        !is_finite_vector(vector))
        return MQ_OK;
    size_t most = MQ_MIN((size_t)method->topn, (size_t)offer->vector_count), found = 0;
    const struct mq_score_key *nearest = NULL;
    enum mq_status st = MQ_OK;
    if (snapshot->graph != NULL && vector_scores == NULL) {
        st = search_graph(snapshot, offer, vector, most, s, &found, err);
        nearest = s->graph_keys;
    }
    if (st == MQ_OK && found < most)
        nearest = search_all(offer, user, vector_scores, most, s, &found);
    if (st == MQ_OK)
        st = mq_grow(&s->places, &s->place_capacity, s->place_count + found, sizeof(*s->places),
                     err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < found; i++) {
        double score = method->by_position ? (double)(found - 1 - i) * method->w + method->b
                                           : nearest[i].score;
        s->places[s->place_count++] = (struct place){.item = offer->vector_row[nearest[i].order],
                                                     .position = (int32_t)i,
                                                     .value = -1,
                                                     .method = method_index,
                                                     .score = score};
    }
    return MQ_OK;
}

static enum mq_status
merge(const struct mq_snapshot *snapshot, struct mq_recall_scratch *s,
      struct mq_candidate *ret_candidates, int32_t *ret_count, struct mq_error *err)
{
    enum mq_status st =
        mq_grow(&s->merged, &s->merged_capacity, s->place_count, sizeof(*s->merged), err);
    if (st != MQ_OK)
        return st;
    s->merged_count = 0;
    for (size_t i = 0; i < s->place_count; i++) {
        int32_t item = s->places[i].item;
        if (s->met[item] != s->stamp) {
            s->met[item] = s->stamp;
            s->slot[item] = (int32_t)s->merged_count;
            s->merged[s->merged_count++] =
                (struct merged){.item = item, .best = -1, .score = -INFINITY};
        }
        s->merged[s->slot[item]].hits++;
    }
    for (size_t i = 0; i < s->place_count; i++) {
        const struct place *place = &s->places[i];
        struct merged *m = &s->merged[s->slot[place->item]];
        double whole =
            snapshot->recall.method[place->method].weight * (place->score + (double)m->hits);
        if (whole > m->score) {
            m->score = whole;
            m->best = (int32_t)i;
        }
    }
    st = mq_grow(&s->keys, &s->keys_capacity, s->merged_count, sizeof(*s->keys), err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < s->merged_count; i++)
        s->keys[i] = (struct mq_score_key){s->merged[i].score, (int64_t)i};
    int32_t kept = MQ_MIN((int32_t)s->merged_count, snapshot->recall.merge_cnt);
    mq_score_select(s->keys, (int64_t)s->merged_count, kept);
    mq_score_sort(s->keys, kept);
    for (int32_t i = 0; i < kept; i++) {
        const struct merged *m = &s->merged[s->keys[i].order];
        const struct place *place = &s->places[m->best];
        ret_candidates[i] = (struct mq_candidate){
            .item = m->item,
            .channel = snapshot->recall.method[place->method].channel,
            .position = place->position,
            .hits = m->hits,
            .value = place->value,
            .score = m->score,
        };
    }
    *ret_count = kept;
    return MQ_OK;
}

enum mq_status
mq_recall(const struct mq_snapshot *snapshot, enum mq_program_type type,
          const struct mq_user_state *user, float *vector_scores, struct mq_recall_scratch *s,
          struct mq_candidate *ret_candidates, int32_t *ret_count, struct mq_error *err)
{
    const struct mq_offer *offer = &snapshot->offer[type];
    mq_recall_mark(s, user);
    s->place_count = 0;
    enum mq_status st = MQ_OK;

    /* Distinct plays, newest first. */
    int64_t limit = snapshot->recall_clicks > 0 ? snapshot->recall_clicks : user->play_count;
    mq_autofree int32_t *seed_block = NULL;
    int32_t seed_few[256];
    int32_t *seeds = seed_few;
    int64_t most = MQ_MIN(limit, user->play_count);
    if (most > (int64_t)MQ_COUNT(seed_few)) {
        st = mq_alloc_array_raw((size_t)most, sizeof(*seed_block), &seed_block, err);
        if (st != MQ_OK)
            return st;
        seeds = seed_block;
    }
    int64_t seed_count = 0;
    for (int64_t i = user->play_count - 1; i >= 0 && seed_count < limit; i--) {
        int32_t row = user->items[i];
        if (row < 0 || row >= s->count || s->seeded[row] == s->stamp)
            continue;
        s->seeded[row] = s->stamp;
        seeds[seed_count++] = row;
    }

    next_value_stamp(s, snapshot);
    for (int32_t i = 0; i < snapshot->recall.order_count && st == MQ_OK; i++) {
        int32_t index = snapshot->recall.order[i];
        const struct mq_recall_method *method = &snapshot->recall.method[index];
        enum mq_channel channel = (enum mq_channel)method->channel;
        if (mq_channel_is_property(channel)) {
            st = take_property(snapshot, offer, seeds, seed_count, index, s, err);
        } else if (channel == MQ_CHANNEL_HEAT) {
            st = take_list(s, offer->hot, offer->count, index, method, -1, err);
        } else if (channel == MQ_CHANNEL_NEW) {
            st = take_list(s, offer->fresh, offer->fresh_count, index, method, -1, err);
        } else if (user->portrait != NULL) {
            st = channel == MQ_CHANNEL_PORTRAIT_UB
                     ? take_nearest(snapshot, offer, user, vector_scores, index, s, err)
                     : take_portrait(snapshot, offer, user->portrait, index, s, err);
        }
    }
    return st == MQ_OK ? merge(snapshot, s, ret_candidates, ret_count, err) : st;
}
