#include "rec/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

/* The part of a list that may be offered, in its order. */
static enum mq_status
cut_list(const struct mq_inverted_list *from, const struct mq_catalogue *catalogue,
         const uint8_t *bar, uint8_t type, struct mq_inverted_list *list, struct mq_error *err)
{
    enum mq_status st =
        mq_alloc_array((size_t)from->value_count + 1, sizeof(*list->offset), &list->offset, err);
    if (st != MQ_OK)
        return st;
    int64_t total = 0;
    for (int64_t k = 0; k < from->offset[from->value_count]; k++)
        total += bar[from->rows[k]] == MQ_BAR_NONE && catalogue->type[from->rows[k]] == type;
    if ((st = mq_alloc_array_raw((size_t)total, sizeof(*list->rows), &list->rows, err)) != MQ_OK)
        return st;
    int64_t end = 0;
    for (int32_t v = 0; v < from->value_count; v++) {
        for (int64_t k = from->offset[v]; k < from->offset[v + 1]; k++)
            if (bar[from->rows[k]] == MQ_BAR_NONE && catalogue->type[from->rows[k]] == type)
                list->rows[end++] = from->rows[k];
        list->offset[v + 1] = end;
    }
    list->value_count = from->value_count;
    return MQ_OK;
}

static int
compare_heat(const void *left, const void *right, void *argument)
{
    const double *const *keys = argument; /* heat, place in list order */
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    if (keys[0][a] != keys[0][b])
        return keys[0][a] > keys[0][b] ? -1 : 1;
    return (keys[1][a] > keys[1][b]) - (keys[1][a] < keys[1][b]);
}

static bool
is_usable_vector(const float *vector)
{
    bool any = false;
    for (int i = 0; i < MQ_PORTRAIT_DIM; i++) {
        if (!isfinite(vector[i]))
            return false;
        any |= vector[i] != 0;
    }
    return any;
}

static enum mq_status
build_offer(struct mq_snapshot *s, const struct mq_inverted_lists *lists, const int32_t *ordered,
            int32_t ordered_count, const double *place, uint8_t type, struct mq_error *err)
{
    const struct mq_catalogue *catalogue = s->catalogue;
    struct mq_offer *offer = &s->offer[type];
    enum mq_status st = MQ_OK;
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++)
        st = cut_list(&lists->list[p], catalogue, s->bar, type, &offer->list[p], err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ordered_count, sizeof(*offer->hot), &offer->hot, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ordered_count, sizeof(*offer->fresh), &offer->fresh, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)catalogue->count, sizeof(*offer->vector_position),
                                &offer->vector_position, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < ordered_count; i++) {
        int32_t row = ordered[i];
        if (s->bar[row] != MQ_BAR_NONE || catalogue->type[row] != type)
            continue;
        offer->hot[offer->count++] = row;
        if (catalogue->is_new[row])
            offer->fresh[offer->fresh_count++] = row;
    }
    const double *keys[2] = {s->heat, place};
    qsort_r(offer->hot, (size_t)offer->count, sizeof(*offer->hot), compare_heat, keys);

    for (int32_t row = 0; row < catalogue->count; row++)
        offer->vector_position[row] = -1;
    int32_t with = 0;
    for (int32_t row = 0; row < s->vector_count; row++)
        with += s->bar[row] == MQ_BAR_NONE && catalogue->type[row] == type &&
                is_usable_vector(s->vectors + (size_t)row * MQ_PORTRAIT_DIM);
    if ((st = mq_alloc_array((size_t)with, sizeof(*offer->vector_row), &offer->vector_row, err)) !=
            MQ_OK ||
        (st = mq_alloc_array_raw((size_t)with * MQ_PORTRAIT_DIM, sizeof(*offer->vectors),
                                 &offer->vectors, err)) != MQ_OK)
        return st;
    for (int32_t row = 0; row < s->vector_count; row++) {
        const float *vector = s->vectors + (size_t)row * MQ_PORTRAIT_DIM;
        if (s->bar[row] != MQ_BAR_NONE || catalogue->type[row] != type || !is_usable_vector(vector))
            continue;
        memcpy(offer->vectors + (size_t)offer->vector_count * MQ_PORTRAIT_DIM, vector,
               sizeof(*vector) * MQ_PORTRAIT_DIM);
        offer->vector_position[row] = offer->vector_count;
        offer->vector_row[offer->vector_count++] = row;
    }
    return MQ_OK;
}

static enum mq_status
build_offers(struct mq_snapshot *s, const struct mq_inverted_lists *lists, double new_bonus,
             struct mq_error *err)
{
    size_t count = (size_t)s->catalogue->count;
    mq_autofree double *score = NULL;
    mq_autofree double *place = NULL;
    mq_autofree int32_t *ordered = NULL;
    struct mq_inverted_lists *built = NULL;
    int32_t ordered_count = 0;
    enum mq_status st = mq_alloc_array(count, sizeof(*score), &score, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*place), &place, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*ordered), &ordered, err);
    if (st == MQ_OK)
        st = mq_order_scores(s->catalogue, s->heat, new_bonus, score, err);
    if (st == MQ_OK)
        st = mq_order_rows(s->catalogue, score, ordered, &ordered_count, err);
    if (st == MQ_OK && lists == NULL) {
        st = mq_inverted_lists_build(s->catalogue, score, &built, err);
        lists = built;
    }
    for (int32_t i = 0; i < ordered_count; i++)
        place[ordered[i]] = i;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++)
        st = build_offer(s, lists, ordered, ordered_count, place, (uint8_t)type, err);
    mq_inverted_lists_free(built);
    return st;
}

static void
free_offers(struct mq_snapshot *s)
{
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        struct mq_offer *offer = &s->offer[type];
        for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
            mq_free(offer->list[p].offset);
            mq_free(offer->list[p].rows);
        }
        mq_free(offer->hot);
        mq_free(offer->fresh);
        mq_free(offer->vector_row);
        mq_free(offer->vector_position);
        mq_free(offer->vectors);
    }
}

/* What the snapshot made itself; the parts are not touched. */
static void
free_made(struct mq_snapshot *s)
{
    mq_hybrid_view_free(s->hybrid);
    free_offers(s);
    mq_free(s->bar);
    mq_deepfm_scorer_free(s->scorer);
    mq_availability_release(&s->rules);
}

enum mq_status
mq_snapshot_assemble(struct mq_snapshot_parts *parts, const struct mq_config *config, int64_t now_s,
                     struct mq_pool *pool, struct mq_snapshot **ret_snapshot, struct mq_error *err)
{
    struct mq_catalogue *catalogue = parts->catalogue;
    if (parts->vector_count < 0 || parts->vector_count > catalogue->count)
        return mq_fail(err, MQ_E_FORMAT,
                       "%d item vectors for a catalogue of %d rows: they are of another run",
                       parts->vector_count, catalogue->count);
    struct mq_snapshot *s = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*s), &s, err);
    if (st != MQ_OK)
        return st;
    double *no_heat = NULL;
    struct mq_filter_config default_filter = {0};
    s->catalogue = catalogue;
    s->heat = parts->heat;
    s->vectors = parts->vectors;
    s->vector_count = parts->vectors != NULL ? parts->vector_count : 0;
    s->seed = (uint64_t)mq_config_int(config, "run.seed");
    s->recall_clicks = (int32_t)mq_config_int(config, "recall.clicks");
    s->list_max = (int32_t)mq_config_int(config, "filter.list");
    s->diversity_pool = (int32_t)mq_config_int(config, "filter.diversity_pool");
    s->filter_seen = mq_config_flag(config, "filter.seen");
    s->hybrid_candidates = (int32_t)mq_config_int(config, "hybrid.candidates");
    s->quality_weight = (float)mq_config_real(config, "hybrid.quality_weight");
    mq_portrait_options_read(config, &s->portrait);
    if (parts->recall != NULL)
        s->recall = *parts->recall;
    else
        mq_recall_config_default(&s->recall);
    if (s->heat == NULL) {
        st = mq_alloc_array((size_t)catalogue->count, sizeof(*no_heat), &no_heat, err);
        s->heat = no_heat;
    }
    if (st == MQ_OK)
        st = mq_availability_read(config, now_s, &s->rules, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)catalogue->count, sizeof(*s->bar), &s->bar, err);
    for (int32_t row = 0; row < catalogue->count && st == MQ_OK; row++)
        s->bar[row] = (uint8_t)mq_availability_check(&s->rules, catalogue, row);
    if (st == MQ_OK)
        st = build_offers(s, parts->lists, mq_config_real(config, "heat.new_bonus"), err);
    if (st == MQ_OK && parts->deepfm != NULL)
        st = mq_rank_scorer_new(parts->deepfm, parts->features, pool, &s->scorer, err);
    if (st == MQ_OK && parts->hybrid != NULL)
        st = mq_hybrid_view_new(parts->hybrid, catalogue, &s->hybrid, err);
    if (st == MQ_OK && parts->hybrid != NULL)
        st = mq_hybrid_view_offer(s->hybrid, catalogue, s->bar, err);
    if (st == MQ_OK && parts->filter == NULL)
        st = mq_filter_config_default(catalogue, &default_filter, err);
    if (st != MQ_OK) {
        free_made(s);
        mq_free(no_heat);
        mq_free(s);
        return st;
    }
    if (parts->filter != NULL) {
        s->filter = *parts->filter;
        *parts->filter = (struct mq_filter_config){0};
    } else {
        s->filter = default_filter;
    }
    s->graph = parts->graph;
    s->tower = parts->tower;
    s->deepfm = parts->deepfm;
    s->features = parts->features;
    s->model = parts->hybrid;
    mq_inverted_lists_free(parts->lists);
    parts->lists = NULL;
    *ret_snapshot = s;
    return MQ_OK;
}

void
mq_snapshot_free(struct mq_snapshot *s)
{
    if (s == NULL)
        return;
    free_made(s);
    mq_hybrid_free(s->model);
    mq_free(s->heat);
    mq_free(s->vectors);
    mq_vector_index_free(s->graph);
    mq_user_tower_free(s->tower);
    mq_deepfm_free(s->deepfm);
    mq_item_features_free(s->features);
    mq_filter_config_release(&s->filter);
    mq_catalogue_free(s->catalogue);
    mq_free(s);
}
