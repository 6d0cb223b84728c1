/**
 * The catalogue, settings and users of tests/golden/recall_golden.py as a snapshot: for the test
 * and for the program that writes their pickles.
 */
#ifndef MQ_TESTS_GOLDEN_SNAPSHOT_H
#define MQ_TESTS_GOLDEN_SNAPSHOT_H

#include "snapshot_fixture.h"

#include <stdio.h>

#include "format/json.h"

static json_t *golden;

static inline const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static inline double
number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static inline struct mq_snapshot *
golden_snapshot(void)
{
    json_t *items = json_object_get(golden, "items"), *config = json_object_get(golden, "config");
    size_t n = json_array_size(items);
    struct fixture_item *fixture = calloc(n, sizeof(*fixture));
    struct mq_error err = {0};
    struct mq_snapshot_parts parts = {0};
    check_ok(mq_alloc_array(n, sizeof(double), &parts.heat, &err));
    check_ok(mq_alloc_array(n * MQ_PORTRAIT_DIM, sizeof(float), &parts.vectors, &err));
    char *joined[60 * MQ_PROPERTY_COUNT] = {0};
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(items, i);
        fixture[i] = (struct fixture_item){
            .id = text_of(item, "id"),
            .type = (enum mq_program_type)number_of(item, "type"),
            .absent = number_of(item, "present") == 0,
            .is_new = number_of(item, "is_new") != 0,
            .popularity = number_of(item, "popularity"),
            .ticket_num = number_of(item, "ticket_num"),
            .score = number_of(item, "score"),
            .available_until = (int64_t)number_of(item, "available_until"),
        };
        parts.heat[i] = number_of(item, "heat");
        for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
            json_t *values = json_object_get(item, mq_property_name((enum mq_property)p));
            char *text = calloc(1, 256);
            for (size_t v = 0; v < json_array_size(values); v++) {
                strcat(text, v > 0 ? "|" : "");
                strcat(text, json_string_value(json_array_get(values, v)));
            }
            joined[i * MQ_PROPERTY_COUNT + (size_t)p] = text;
            fixture[i].property[p] = text;
        }
        json_t *vector = json_object_get(item, "vector");
        for (size_t d = 0; d < json_array_size(vector); d++)
            parts.vectors[i * MQ_PORTRAIT_DIM + d] =
                (float)json_integer_value(json_array_get(vector, d));
    }
    parts.catalogue = fixture_catalogue(fixture, (int32_t)n);
    parts.vector_count = (int32_t)n;

    struct mq_recall_config recall;
    mq_recall_config_default(&recall);
    recall.merge_cnt = (int32_t)number_of(config, "merge_cnt");
    for (int32_t i = 0; i < recall.method_count; i++) {
        struct mq_recall_method *method = &recall.method[i];
        json_t *pos = json_object_get(json_object_get(config, "pos"), method->name);
        method->topn = (int32_t)number_of(json_object_get(config, "topn"), method->name);
        method->by_position = pos != NULL;
        method->w = json_number_value(json_array_get(pos, 0));
        method->b = json_number_value(json_array_get(pos, 1));
        json_t *weight = json_object_get(json_object_get(config, "weight"), method->name);
        method->weight = weight != NULL ? json_number_value(weight) : 1.0;
    }
    parts.recall = &recall;
    struct mq_filter_config filter = {0};
    filter.category_diversity_count = (int32_t)number_of(config, "diversity");
    json_t *category;
    size_t index;
    json_array_foreach(json_object_get(config, "category"), index, category)
    {
        int32_t code;
        check_ok(mq_strmap_add_text(&filter.category, json_string_value(category), &code, &err));
    }
    parts.filter = &filter;
    const char *settings[] = {"recall.clicks",
                              "25",
                              "filter.list",
                              "15",
                              "filter.diversity_pool",
                              "6",
                              "heat.new_bonus",
                              "2",
                              "portrait.half_life_days",
                              "10",
                              "portrait.recent",
                              "3",
                              "run.seed",
                              "1",
                              NULL};
    struct mq_config *options = fixture_config(settings);
    struct mq_snapshot *snapshot;
    check_ok(mq_snapshot_assemble(&parts, options, (int64_t)number_of(config, "now"), NULL,
                                  &snapshot, &err));
    mq_config_free(options);
    for (size_t i = 0; i < n * MQ_PROPERTY_COUNT; i++)
        free(joined[i]);
    free(fixture);
    return snapshot;
}

/** Read recall_golden.json of the source folder. */
static inline enum mq_status
golden_load(struct mq_error *err)
{
    char path[4096];
    const char *source = getenv("MARQUEE_SOURCE");
    snprintf(path, sizeof(path), "%s/tests/golden/data/recall_golden.json",
             source != NULL ? source : ".");
    return mq_json_read_file(path, &golden, err);
}

/** A user of the file; plays and portrait point into *store. */
struct golden_user {
    int32_t items[128];
    uint32_t times[128];
    struct mq_portrait portrait;
    struct mq_user_state state;
};

static inline void
golden_user_make(const struct mq_snapshot *snapshot, const json_t *expected,
                 struct golden_user *store)
{
    json_t *plays = json_object_get(expected, "plays");
    int64_t n = (int64_t)json_array_size(plays);
    *store = (struct golden_user){0};
    for (int64_t i = 0; i < n; i++) {
        json_t *play = json_array_get(plays, (size_t)i);
        store->items[i] = (int32_t)json_integer_value(json_array_get(play, 0));
        store->times[i] = (uint32_t)json_integer_value(json_array_get(play, 1));
    }
    store->state = fixture_user(snapshot, text_of(expected, "id"), store->items, store->times, n,
                                &store->portrait);
    store->portrait.has_vector = n > 0;
    for (size_t d = 0; d < MQ_PORTRAIT_DIM; d++)
        store->portrait.vector[d] =
            (float)json_integer_value(json_array_get(json_object_get(expected, "vector"), d));
}

/** Candidates with the probabilities that the file gives, in recall order. */
static inline void
golden_rank(const json_t *expected, const struct mq_candidate *candidates, int32_t count,
            float *ret_prob, int32_t *ret_order, struct mq_ranked_candidate *ret_ranked)
{
    struct mq_error err = {0};
    for (int32_t i = 0; i < count; i++)
        ret_prob[i] = (float)json_number_value(
            json_array_get(json_object_get(expected, "prob"), (size_t)candidates[i].item));
    check_ok(mq_rank_order(count, ret_prob, ret_order, &err));
    for (int32_t i = 0; i < count; i++) {
        const struct mq_candidate *c = &candidates[ret_order[i]];
        ret_ranked[ret_order[i]] =
            (struct mq_ranked_candidate){.item = c->item,
                                         .channel = c->channel,
                                         .recall_position = c->position,
                                         .recall_score = c->score,
                                         .rank_position = i,
                                         .prob = (double)ret_prob[ret_order[i]]};
    }
}

#endif
