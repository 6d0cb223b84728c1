#include "check.h"

#include <math.h>

#include "evaluation_fixture.h"
#include "eval/quality_gate.h"
#include "eval/recorded_figures.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static struct evaluation_fixture fixture;

static int
make_fixture(void **state)
{
    (void)state;
    char folder[4096];
    const char *source = getenv("MARQUEE_SOURCE");
    snprintf(folder, sizeof(folder), "%s/tests/golden/data", source != NULL ? source : ".");
    fixture_make(folder, NULL, &fixture);
    return 0;
}

static int
release_fixture(void **state)
{
    (void)state;
    fixture_release(&fixture);
    return 0;
}

/* Both forms of a report, to be released. */
static void
write_both(const struct mq_eval_report *report, const struct mq_gate_result *gate,
           struct mq_buffer *json, struct mq_buffer *page)
{
    struct mq_error err = {0};
    struct mq_writer *out;
    *json = *page = (struct mq_buffer){0};
    check_ok(mq_writer_to_buffer(json, &out, &err));
    check_ok(mq_eval_report_write_json(report, gate, out, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
    check_ok(mq_writer_to_buffer(page, &out, &err));
    check_ok(mq_eval_report_write_html(report, gate, out, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
}

static void
intervals_hold_their_values(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_eval_input input = fixture_input(&fixture, 500, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    assert_int_equal(report->candidate, 2);
    assert_int_equal(report->reference, 1);
    assert_int_equal(report->cases, 60);
    assert_false(report->one_relevant);
    const struct mq_eval_system *candidate = &report->systems[2], *live = &report->systems[1];
    for (int c = 0; c < 3; c++)
        for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
            const struct mq_eval_figure *figure = &candidate->figure[c][f];
            if (isnan(figure->value.value))
                continue;
            assert_true(figure->value.low <= figure->value.value &&
                        figure->value.value <= figure->value.high);
            NEAR(figure->difference.value, figure->value.value - live->figure[c][f].value.value);
            assert_true(figure->difference.low <= figure->difference.high);
            assert_true(isnan(live->figure[c][f].difference.value));
        }
    assert_true(isnan(candidate->figure[0][MQ_FIGURE_DIVERSITY].value.value)); /* at cut 1 */
    NEAR(candidate->coverage[1].difference.value,
         candidate->coverage[1].value.value - live->coverage[1].value.value);
    assert_true(isnan(candidate->coverage[1].value.low));
    assert_true(candidate->rmse.value.low < candidate->rmse.value.value);
    NEAR(candidate->rmse.difference.value, candidate->rmse.value.value - live->rmse.value.value);
    assert_true(isnan(report->systems[0].rmse.value.value)); /* popularity predicts no ratings */
    assert_int_equal(candidate->bin_count, 6);
    assert_int_equal(report->band_count, 3);
    mq_eval_report_free(report);
}

/* Every figure of the bands, against all cases' and against plain sums. */
static void
bands_make_up_the_whole(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_eval_input input = fixture_input(&fixture, 200, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    const struct mq_eval_system *candidate = &report->systems[2];
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
        double sum = 0, cases = 0;
        for (int b = 0; b < report->band_count; b++) {
            const struct mq_interval *value = &candidate->band[b].figure[f];
            assert_true(value->low <= value->value && value->value <= value->high);
            sum += (double)report->bands[b].count * value->value;
            cases += (double)report->bands[b].count;
        }
        if (f <= MQ_FIGURE_MRR || f == MQ_FIGURE_LENGTH) /* means over all cases alike */
            NEAR(sum / cases, candidate->figure[report->main_cut][f].value.value);
    }
    const int64_t *offset = input.task->history->user_offset;
    for (int b = 0; b < report->band_count; b++) {
        double squares = 0, absolutes = 0, count = 0;
        for (int64_t i = 0; i < input.ratings->count; i++) {
            int32_t user = input.ratings->user[i];
            int64_t length = offset[user + 1] - offset[user];
            double error = (double)entries[2].predicted[i] - (double)input.ratings->given[i];
            bool before = b > 0 && length < report->bands[b].from;
            bool behind = b + 1 < report->band_count && length >= report->bands[b + 1].from;
            if (before || behind)
                continue;
            squares += error * error;
            absolutes += fabs(error);
            count++;
        }
        NEAR(candidate->band[b].rmse.value, sqrt(squares / count));
        NEAR(candidate->band[b].mae.value, absolutes / count);
        assert_true(candidate->band[b].rmse.low < candidate->band[b].rmse.value);
        assert_true(isnan(report->systems[0].band[b].rmse.value));
    }
    mq_eval_report_free(report);
}

static void
threads_change_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_pool *pool;
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_buffer json[2], page[2];
    check_ok(mq_pool_new(3, &pool, &err));
    for (int i = 0; i < 2; i++) {
        struct evaluation_fixture f;
        char folder[4096];
        const char *source = getenv("MARQUEE_SOURCE");
        snprintf(folder, sizeof(folder), "%s/tests/golden/data", source != NULL ? source : ".");
        fixture_make(folder, i == 0 ? NULL : pool, &f);
        struct mq_eval_input input = fixture_input(&f, 100, entries);
        check_ok(mq_eval_report_make(&input, i == 0 ? NULL : pool, &report, &err));
        write_both(report, NULL, &json[i], &page[i]);
        mq_eval_report_free(report);
        fixture_release(&f);
    }
    assert_string_equal(json[0].data, json[1].data);
    assert_string_equal(page[0].data, page[1].data);
    for (int i = 0; i < 2; i++) {
        mq_buffer_release(&json[i]);
        mq_buffer_release(&page[i]);
    }
    mq_pool_free(pool);
}

static void
json_says_what_was_measured(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_gate_options options;
    struct mq_gate_result gate;
    struct mq_buffer json, page;
    struct mq_eval_input input = fixture_input(&fixture, 0, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    check_ok(mq_gate_options_parse("ndcg_5 >= 0.99", "hit_rate_5", 10, &options, &err));
    check_ok(mq_quality_gate(report, &options, NULL, &gate, &err));
    write_both(report, &gate, &json, &page);
    json_t *root;
    check_ok(mq_json_parse(json.data, json.size, "report", &root, &err));
    assert_string_equal(json_string_value(json_object_get(root, "reference")), "live");
    json_t *system = json_array_get(json_object_get(root, "systems"), 2);
    json_t *figures = json_object_get(system, "figures");
    assert_string_equal(json_string_value(json_object_get(system, "role")), "candidate");
    NEAR(json_number_value(json_object_get(json_object_get(figures, "ndcg_5"), "value")),
         mq_eval_report_find(report, 2, "ndcg_5", NULL)->value.value);
    /* without resamples there are values alone, and what is undefined is not there */
    assert_null(json_object_get(json_object_get(figures, "ndcg_5"), "low"));
    assert_null(json_object_get(figures, "diversity_1"));
    json_t *rules = json_object_get(json_object_get(root, "gate"), "rules");
    assert_int_equal(json_array_size(rules), 3);
    assert_true(json_is_false(json_object_get(json_object_get(root, "gate"), "passed")));
    check_contains(page.data, "<strong class=\"verdict bad\">\xe2\x9c\x97 refused</strong>");
    check_contains(page.data, "ndcg_5 &gt;= 0.99");
    json_decref(root);
    mq_buffer_release(&json);
    mq_buffer_release(&page);
    mq_eval_report_free(report);
}

/* What was measured elsewhere stands last: neither the best, nor in charts, bands or differences.
 */
static void
a_recorded_system(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_buffer json[2], page[2];
    struct mq_interval interval;
    struct mq_eval_input input = fixture_input(&fixture, 0, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    write_both(report, NULL, &json[0], &page[0]);
    json_t *none = json_pack("{s:{s:f}, s:s}", "ndcg_77", "value", 1.0, "ndcg_5", "much");
    assert_false(mq_recorded_figure(none, "ndcg_5", &interval));
    check_ok(mq_eval_report_add_recorded(report, "then", MQ_SYSTEM_LIVE, none, "a day", &err));
    check_ok(mq_eval_report_add_recorded(report, "then", MQ_SYSTEM_LIVE, NULL, "a day", &err));
    assert_int_equal(report->system_count, EVALUATION_SYSTEMS);
    json_decref(none);

    json_t *figures =
        json_pack("{s:{s:f, s:f, s:f}, s:{s:f}, s:{s:f}}", "ndcg_5", "value", 0.999, "low", 0.99,
                  "high", 1.0, "coverage_5", "value", 0.998, "rmse", "value", 0.001);
    check_ok(mq_eval_report_add_recorded(report, "then", MQ_SYSTEM_LIVE, figures, "a day", &err));
    assert_int_equal(report->system_count, EVALUATION_SYSTEMS + 1);
    const struct mq_eval_figure *ndcg =
        mq_eval_report_find(report, EVALUATION_SYSTEMS, "ndcg_5", NULL);
    NEAR(ndcg->value.low, 0.99);
    NEAR(ndcg->value.high, 1.0);
    assert_true(isnan(ndcg->difference.value));
    assert_true(
        isnan(mq_eval_report_find(report, EVALUATION_SYSTEMS, "coverage_5", NULL)->value.low));
    assert_true(isnan(mq_eval_report_find(report, EVALUATION_SYSTEMS, "mae", NULL)->value.value));
    write_both(report, NULL, &json[1], &page[1]);
    check_contains(page[1].data, "then (live, then on a day)");
    check_contains(page[1].data, "its own evaluation, on its own cases");
    assert_null(strstr(page[0].data, "its own evaluation"));
    /* As many cells in bold as without it, and none of its own. */
    size_t best[2] = {0};
    for (int i = 0; i < 2; i++)
        for (const char *at = page[i].data; (at = strstr(at, "class=\"n best\"")) != NULL; at++)
            best[i]++;
    assert_true(best[0] > 0);
    assert_int_equal(best[0], best[1]);
    assert_null(strstr(page[1].data, "n best\">0.9990"));
    json_t *root;
    check_ok(mq_json_parse(json[1].data, json[1].size, "report", &root, &err));
    const json_t *system = json_array_get(json_object_get(root, "systems"), EVALUATION_SYSTEMS);
    assert_string_equal(json_string_value(json_object_get(system, "recorded")), "a day");
    assert_true(json_equal(json_object_get(system, "figures"), figures));
    assert_null(json_object_get(system, "bands"));
    json_decref(root);
    while (report->system_count < MQ_EVAL_SYSTEMS_MAX)
        check_ok(mq_eval_report_add_recorded(report, "x", MQ_SYSTEM_LIVE, figures, "y", &err));
    assert_int_equal(mq_eval_report_add_recorded(report, "x", MQ_SYSTEM_LIVE, figures, "y", &err),
                     MQ_E_RANGE);
    json_decref(figures);
    for (int i = 0; i < 2; i++) {
        mq_buffer_release(&json[i]);
        mq_buffer_release(&page[i]);
    }
    mq_eval_report_free(report);
}

static void
parts_may_be_missing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_buffer json, page;
    struct mq_eval_input input = fixture_input(&fixture, 20, entries);
    /* ratings alone, of a system that is no candidate */
    input.task = NULL;
    input.entries = &entries[1];
    input.entry_count = 1;
    entries[1].ranking = NULL;
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    assert_int_equal(report->candidate, -1);
    write_both(report, NULL, &json, &page);
    check_contains(page.data, "Predicted ratings");
    assert_null(strstr(page.data, "Systems side by side"));
    mq_buffer_release(&json);
    mq_buffer_release(&page);
    mq_eval_report_free(report);
    /* ranking alone, the reference without one; names that are no names */
    input = fixture_input(&fixture, 20, entries);
    entries[1].ranking = NULL;
    entries[2].name = "<b>\"candidate\" & co</b>";
    entries[2].predicted = NULL;
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    assert_true(isnan(report->systems[2].figure[1][MQ_FIGURE_NDCG].difference.value));
    assert_true(isnan(report->systems[2].coverage[1].difference.value));
    write_both(report, NULL, &json, &page);
    assert_null(strstr(page.data, "<b>"));
    check_contains(page.data, "&lt;b&gt;&quot;candidate&quot; &amp; co&lt;/b&gt;");
    assert_null(strstr(page.data, "What would change"));
    mq_buffer_release(&json);
    mq_buffer_release(&page);
    mq_eval_report_free(report);
}

static void
differences_from_another_system(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_eval_input input = fixture_input(&fixture, 20, entries);
    input.reference = entries[2].name;
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    assert_int_equal(report->reference, 2);
    const struct mq_eval_system *live = &report->systems[1], *candidate = &report->systems[2];
    NEAR(live->figure[1][MQ_FIGURE_NDCG].difference.value,
         live->figure[1][MQ_FIGURE_NDCG].value.value -
             candidate->figure[1][MQ_FIGURE_NDCG].value.value);
    assert_true(isnan(candidate->figure[1][MQ_FIGURE_NDCG].difference.value));
    mq_eval_report_free(report);
    input.reference = "nobody";
    check_fails(MQ_E_USAGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "'nobody'");
}

static void
one_relevant_item_a_case_says_less(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_buffer json, page;
    struct mq_ranking_cases cases = {.count = 1,
                                     .eligible = 1,
                                     .user = (int32_t[]){0},
                                     .relevant_offset = (int64_t[]){0, 1},
                                     .relevant = (int32_t[]){3}};
    struct mq_ranking_task task = fixture.task;
    task.cases = &cases;
    struct mq_ranking_result result = {0};
    const struct mq_ranking_system system = {
        .name = "live",
        .score = fixture_score,
        .context = json_object_get(json_object_get(fixture.document, "systems"), "live")};
    check_ok(mq_ranking_evaluate(&task, &system, NULL, NULL, &result, &err));
    struct mq_eval_input input = fixture_input(&fixture, 10, entries);
    input.task = &task;
    input.ratings = NULL;
    for (int s = 0; s < EVALUATION_SYSTEMS; s++)
        entries[s] =
            (struct mq_eval_entry){evaluation_names[s], evaluation_roles[s], &result, NULL};
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    assert_true(report->one_relevant);
    write_both(report, NULL, &json, &page);
    assert_null(strstr(page.data, ">MAP@5<"));
    check_contains(page.data, ">MRR@5<");
    check_contains(json.data, "\"map_5\"");
    mq_buffer_release(&json);
    mq_buffer_release(&page);
    mq_eval_report_free(report);
    mq_ranking_result_release(&result);
}

static void
keys_of_figures(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_eval_input input = fixture_input(&fixture, 0, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    int better;
    assert_ptr_equal(mq_eval_report_find(report, 1, "hit_rate_20", &better),
                     &report->systems[1].figure[2][MQ_FIGURE_HIT_RATE]);
    assert_int_equal(better, 1);
    assert_ptr_equal(mq_eval_report_find(report, 0, "coverage_1", &better),
                     &report->systems[0].coverage[0]);
    assert_non_null(mq_eval_report_find(report, 0, "miscalibration_5", &better));
    assert_int_equal(better, -1);
    assert_non_null(mq_eval_report_find(report, 0, "popular_share_5", &better));
    assert_int_equal(better, 0);
    assert_ptr_equal(mq_eval_report_find(report, 2, "rmse", &better), &report->systems[2].rmse);
    assert_int_equal(better, -1);
    static const char *const unknown[] = {"ndcg",    "ndcg_10", "ndcg_",  "_5",
                                          "ndcg_05", "",        "rmse_5", "hit_5"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_null(mq_eval_report_find(report, 0, unknown[i], NULL));
    mq_eval_report_free(report);
}

static void
bad_input_is_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_eval_input input = fixture_input(&fixture, 10, entries);
    input.entry_count = 0;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    input = fixture_input(&fixture, 10, entries);
    input.main_cut = 3;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "main cut is number 3 (0 to 2)");
    input = fixture_input(&fixture, 10, entries);
    input.level = 1;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    input = fixture_input(&fixture, MQ_RESAMPLES_MAX + 1, entries);
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    input = fixture_input(&fixture, 10, entries);
    input.bands = MQ_ACTIVITY_BANDS_MAX + 1;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    input = fixture_input(&fixture, 10, entries);
    input.ratings = NULL;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "'live' predicts ratings that were not asked for");
    input = fixture_input(&fixture, 10, entries);
    struct mq_ranking_result other = fixture.results[0];
    other.cuts[1] = 7;
    entries[0].ranking = &other;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "the ranking of 'popularity' is of another task");
    input = fixture_input(&fixture, 10, entries);
    entries[0].name = "\xff";
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    input = fixture_input(&fixture, 10, entries);
    struct mq_rating_task strangers = *input.ratings;
    int32_t stranger = input.task->history->user_count;
    strangers.user = &stranger;
    strangers.count = 1;
    input.ratings = &strangers;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "of whom there is no history");
    float broken = fixture.predicted[2][4];
    input = fixture_input(&fixture, 10, entries);
    fixture.predicted[2][4] = NAN;
    check_fails(MQ_E_RANGE, mq_eval_report_make(&input, NULL, &report, &err));
    check_contains(err.message, "candidate: the prediction of test rating 4 is");
    fixture.predicted[2][4] = broken;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_hold_their_values),
        cmocka_unit_test(bands_make_up_the_whole),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(json_says_what_was_measured),
        cmocka_unit_test(a_recorded_system),
        cmocka_unit_test(parts_may_be_missing),
        cmocka_unit_test(differences_from_another_system),
        cmocka_unit_test(one_relevant_item_a_case_says_less),
        cmocka_unit_test(keys_of_figures),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, make_fixture, release_fixture);
}
