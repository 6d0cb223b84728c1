/* The whole core against tests/golden/recall_golden.py: equal lists, scores, places and traces. */
#include "golden_snapshot.h"

#include <math.h>
#include <stdio.h>

#include "format/json.h"
#include "rec/heat.h"
#include "rec/inverted_list_codec.h"

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
    struct golden_user user;
    golden_user_make(snapshot, expected, &user);
    check_portrait(snapshot->catalogue, &user.portrait, json_object_get(expected, "portrait"));

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
        check_ok(mq_recall(snapshot, (enum mq_program_type)type, &user.state, NULL, scratch,
                           candidates, &count, &err));
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
        }
        golden_rank(expected, candidates, count, prob, order, ranked);
        check_ok(mq_filter(snapshot, (enum mq_program_type)type, &user.state, ranked, count,
                           scratch, filter, entries, &count, NULL, &err));
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
    mq_portrait_release(&user.portrait);
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
    struct mq_error err = {0};
    if (golden_load(&err) == MQ_OK)
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
