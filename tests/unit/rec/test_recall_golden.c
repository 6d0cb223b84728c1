/* The whole core against tests/golden/recall_golden.py: equal lists, scores, places and traces. */
#include "snapshot_fixture.h"

#include <math.h>
#include <stdio.h>

#include "format/json.h"
#include "rec/heat.h"
#include "rec/inverted_list_codec.h"

static json_t *golden;

static const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static double
number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static struct mq_snapshot *
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

static void
check_portrait(const struct mq_catalogue *catalogue, const struct mq_portrait *portrait,
               const json_t *expected)
{
    for (int p = 0; p < MQ_PORTRAIT_PROPERTIES; p++) {
        const struct mq_portrait_property *property = &portrait->property[p];
        json_t *want = json_object_get(expected, mq_property_name((enum mq_property)p));
        json_t *recent = json_object_get(want, "recent"), *values = json_object_get(want, "values");
        assert_int_equal(property->recent_count, json_array_size(recent));
        for (int32_t i = 0; i < property->recent_count; i++)
            assert_string_equal(catalogue->names[p].keys[property->recent[i]],
                                json_string_value(json_array_get(recent, (size_t)i)));
        assert_true(property->threshold == number_of(want, "threshold"));
        assert_int_equal(property->count, json_array_size(values));
        for (int32_t i = 0; i < property->count; i++) {
            json_t *value = json_array_get(values, (size_t)i);
            assert_string_equal(catalogue->names[p].keys[property->values[i].value],
                                json_string_value(json_array_get(value, 0)));
            assert_true(property->values[i].score == json_number_value(json_array_get(value, 1)));
            assert_int_equal(mq_portrait_is_marked(portrait, &property->values[i]),
                             json_string_value(json_array_get(value, 2))[0] == '1');
        }
    }
}

static void
check_user(const struct mq_snapshot *snapshot, const json_t *expected)
{
    struct mq_error err = {0};
    json_t *plays = json_object_get(expected, "plays");
    int64_t n = (int64_t)json_array_size(plays);
    int32_t items[128];
    uint32_t times[128];
    for (int64_t i = 0; i < n; i++) {
        json_t *play = json_array_get(plays, (size_t)i);
        items[i] = (int32_t)json_integer_value(json_array_get(play, 0));
        times[i] = (uint32_t)json_integer_value(json_array_get(play, 1));
    }
    struct mq_portrait portrait = {0};
    struct mq_user_state user =
        fixture_user(snapshot, text_of(expected, "id"), items, times, n, &portrait);
    check_portrait(snapshot->catalogue, &portrait, json_object_get(expected, "portrait"));
    portrait.has_vector = n > 0;
    for (size_t d = 0; d < MQ_PORTRAIT_DIM; d++)
        portrait.vector[d] =
            (float)json_integer_value(json_array_get(json_object_get(expected, "vector"), d));

    struct mq_recall_scratch *scratch;
    struct mq_filter_scratch *filter;
    check_ok(mq_recall_scratch_new(snapshot, &scratch, &err));
    check_ok(mq_filter_scratch_new(snapshot, &filter, &err));
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        struct mq_candidate candidates[20];
        struct mq_ranked_candidate ranked[20];
        struct mq_list_entry entries[24];
        float prob[20];
        int32_t count, order[20];
        check_ok(mq_recall(snapshot, (enum mq_program_type)type, &user, NULL, scratch, candidates,
                           &count, &err));
        json_t *want = json_array_get(json_object_get(expected, "recall"), (size_t)type);
        assert_int_equal(count, json_array_size(want));
        for (int32_t i = 0; i < count; i++) {
            json_t *entry = json_array_get(want, (size_t)i);
            assert_string_equal(snapshot->catalogue->ids.keys[candidates[i].item],
                                json_string_value(json_array_get(entry, 0)));
            assert_string_equal(mq_channel_name((enum mq_channel)candidates[i].channel),
                                json_string_value(json_array_get(entry, 1)));
            assert_int_equal(candidates[i].position, json_integer_value(json_array_get(entry, 2)));
            assert_true(candidates[i].score == json_number_value(json_array_get(entry, 3)));
            prob[i] = (float)json_number_value(
                json_array_get(json_object_get(expected, "prob"), (size_t)candidates[i].item));
        }
        check_ok(mq_rank_order(count, prob, order, &err));
        for (int32_t i = 0; i < count; i++)
            ranked[order[i]] =
                (struct mq_ranked_candidate){.item = candidates[order[i]].item,
                                             .channel = candidates[order[i]].channel,
                                             .recall_position = candidates[order[i]].position,
                                             .recall_score = candidates[order[i]].score,
                                             .rank_position = i,
                                             .prob = (double)prob[order[i]]};
        check_ok(mq_filter(snapshot, (enum mq_program_type)type, &user, ranked, count, scratch,
                           filter, entries, &count, NULL, &err));
        want = json_array_get(json_object_get(expected, "filter"), (size_t)type);
        assert_int_equal(count, json_array_size(want));
        for (int32_t i = 0; i < count; i++) {
            json_t *entry = json_array_get(want, (size_t)i);
            char trace[MQ_TRACE_MAX];
            assert_string_equal(snapshot->catalogue->ids.keys[entries[i].item],
                                json_string_value(json_array_get(entry, 0)));
            assert_string_equal(entries[i].kind == MQ_ENTRY_RECOMMEND ? "recommend" : "diversity",
                                json_string_value(json_array_get(entry, 1)));
            assert_true(entries[i].score == json_number_value(json_array_get(entry, 2)));
            size_t size = mq_trace_format(snapshot, &entries[i], "batch", trace);
            assert_int_equal(size, strlen(trace));
            assert_string_equal(trace, json_string_value(json_array_get(entry, 3)));
        }
    }
    mq_filter_scratch_free(filter);
    mq_recall_scratch_free(scratch);
    mq_portrait_release(&portrait);
}

static void
test_users(void **state)
{
    struct mq_snapshot *snapshot = golden_snapshot();
    json_t *user;
    size_t index;
    json_array_foreach(json_object_get(golden, "users"), index, user) check_user(snapshot, user);
    assert_true(index >= 12);
    mq_snapshot_free(snapshot);
}

static void
test_lists(void **state)
{
    struct mq_snapshot *snapshot = golden_snapshot();
    struct mq_error err = {0};
    double score[60];
    struct mq_inverted_lists *lists;
    check_ok(mq_order_scores(snapshot->catalogue, snapshot->heat, 2, score, &err));
    check_ok(mq_inverted_lists_build(snapshot->catalogue, score, &lists, &err));
    int compared = 0;
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        json_t *want = json_object_get(json_object_get(golden, "lists"),
                                       mq_property_name((enum mq_property)p));
        const char *name;
        json_t *ids;
        json_object_foreach(want, name, ids)
        {
            int64_t count;
            const int32_t *rows = mq_inverted_list_rows(
                &lists->list[p], fixture_value(snapshot->catalogue, (enum mq_property)p, name),
                &count);
            assert_int_equal(count, json_array_size(ids));
            for (int64_t i = 0; i < count; i++, compared++)
                assert_int_equal(atoi(snapshot->catalogue->ids.keys[rows[i]]),
                                 json_integer_value(json_array_get(ids, (size_t)i)));
        }
    }
    assert_true(compared > 200);
    mq_inverted_lists_free(lists);
    mq_snapshot_free(snapshot);
}

static int
load(void **state)
{
    char path[4096];
    const char *source = getenv("MARQUEE_SOURCE");
    snprintf(path, sizeof(path), "%s/tests/golden/data/recall_golden.json",
             source != NULL ? source : ".");
    struct mq_error err = {0};
    if (mq_json_read_file(path, &golden, &err) == MQ_OK)
        return 0;
    print_error("%s\n", err.message);
    return -1;
}

static int
unload(void **state)
{
    json_decref(golden);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
