#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "eval/quality_gate.h"
#include "format/json.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static struct mq_eval_system systems[2];
static struct mq_eval_report report;
static const struct mq_gate_live *live; /* NULL: none, or in the report */

static struct mq_interval
around(double value, double half)
{
    return (struct mq_interval){value, value - half, value + half};
}

/* A live model and a candidate, measured at 10; nothing else is known. */
static int
make_report(void **state)
{
    (void)state;
    const struct mq_interval none = {NAN, NAN, NAN};
    live = NULL;
    report = (struct mq_eval_report){.cases = 500,
                                     .cut_count = 1,
                                     .cuts = {10},
                                     .system_count = 2,
                                     .systems = systems,
                                     .candidate = 1,
                                     .reference = 0};
    systems[0] = (struct mq_eval_system){.name = "live", .role = MQ_SYSTEM_LIVE};
    systems[1] = (struct mq_eval_system){.name = "candidate", .role = MQ_SYSTEM_CANDIDATE};
    struct mq_eval_system *c = &systems[1];
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++)
        c->figure[0][f] = (struct mq_eval_figure){none, none};
    c->mae = (struct mq_eval_figure){none, none};
    c->figure[0][MQ_FIGURE_NDCG] =
        (struct mq_eval_figure){around(0.1, 0.01), around(-0.002, 0.004)};
    c->figure[0][MQ_FIGURE_HIT_RATE] =
        (struct mq_eval_figure){around(0.2, 0.01), around(-0.01, 0.004)};
    c->figure[0][MQ_FIGURE_NOVELTY] = (struct mq_eval_figure){around(9, 0.1), around(1, 0.1)};
    c->figure[0][MQ_FIGURE_MISCALIBRATION] =
        (struct mq_eval_figure){around(0.5, 0.1), around(0.2, 0.1)};
    c->coverage[0] = (struct mq_eval_figure){{0.5, NAN, NAN}, {-0.001, NAN, NAN}};
    c->rmse = (struct mq_eval_figure){around(0.85, 0.01), around(0.001, 0.002)};
    return 0;
}

static void
judge(const char *bounds, const char *no_worse, int64_t cases_min, struct mq_gate_result *result)
{
    struct mq_error err = {0};
    struct mq_gate_options options;
    check_ok(mq_gate_options_parse(bounds, no_worse, cases_min, &options, &err));
    check_ok(mq_quality_gate(&report, &options, live, result, &err));
}

static void
bounds(void **state)
{
    (void)state;
    struct mq_gate_result r;
    judge("ndcg_10 >= 0.1, hit_rate_10>=0.21 ,\trmse <= 0.85,rmse<=8.4e-1", "", 0, &r);
    assert_int_equal(r.count, 4);
    assert_int_equal(r.failed, 2);
    assert_false(r.passed);
    const bool expected[] = {true, false, true, false};
    for (int i = 0; i < 4; i++)
        assert_int_equal(r.outcomes[i].passed, expected[i]);
    assert_string_equal(r.outcomes[1].rule, "hit_rate_10 >= 0.21");
    assert_string_equal(r.outcomes[3].rule, "rmse <= 0.84");
    NEAR(r.outcomes[1].figure, 0.2);
    NEAR(r.outcomes[1].limit, 0.21);
    NEAR(r.outcomes[1].range.low, 0.19);
}

static void
silence_is_not_consent(void **state)
{
    (void)state;
    struct mq_gate_result r;
    judge("mae <= 1, diversity_10 >= 0", "mae", 0, &r);
    assert_int_equal(r.failed, 3);
    assert_string_equal(r.outcomes[0].note, "not measured");
    assert_string_equal(r.outcomes[2].note, "not measured");
    systems[1].rmse.difference = (struct mq_interval){NAN, NAN, NAN};
    judge("", "rmse", 0, &r);
    assert_int_equal(r.failed, 1);
    assert_string_equal(r.outcomes[0].note, "not measured for both");
}

static void
no_worse_than_live(void **state)
{
    (void)state;
    struct mq_gate_result r;
    judge("", "ndcg_10, hit_rate_10, rmse, miscalibration_10, coverage_10", 0, &r);
    assert_int_equal(r.count, 5);
    /* a loss of 0.002 ± 0.004 is chance, one of 0.01 ± 0.004 is not */
    assert_true(r.outcomes[0].passed);
    NEAR(r.outcomes[0].figure, -0.002);
    NEAR(r.outcomes[0].limit, -0.004);
    assert_string_equal(r.outcomes[0].rule, "ndcg_10 no worse than live");
    assert_false(r.outcomes[1].passed);
    /* where less is better the signs turn */
    assert_true(r.outcomes[2].passed);
    NEAR(r.outcomes[2].limit, 0.002);
    assert_false(r.outcomes[3].passed);
    /* without an interval every loss counts */
    assert_false(r.outcomes[4].passed);
    assert_int_equal(r.failed, 3);
    /* what is better passes, by however much */
    systems[1].figure[0][MQ_FIGURE_NDCG].difference = around(0.5, 0.01);
    systems[1].rmse.difference = around(-0.5, 0.01);
    judge("", "ndcg_10,rmse", 0, &r);
    assert_true(r.passed);
}

static void
first_model_of_all(void **state)
{
    (void)state;
    struct mq_gate_result r;
    systems[0].role = MQ_SYSTEM_BASELINE; /* differences are from a baseline: not a live model */
    judge("ndcg_10 >= 0.05", "hit_rate_10", 0, &r);
    assert_true(r.passed);
    assert_string_equal(r.outcomes[1].note, "no live model");
    report.reference = -1;
    judge("", "hit_rate_10", 0, &r);
    assert_true(r.passed);
}

/* A live model that has seen the held-out choices goes by what was recorded of it. */
static void
held_against_a_record(void **state)
{
    (void)state;
    struct mq_gate_result r;
    mq_autojson json_t *figures = json_pack(
        "{s:{s:f, s:f, s:f}, s:{s:f, s:f, s:f}, s:{s:f, s:f, s:f}, s:{s:f}}", "ndcg_10", "value",
        0.113, "low", 0.103, "high", 0.12, "hit_rate_10", "value", 0.6, "low", 0.55, "high", 0.65,
        "rmse", "value", 0.837, "low", 0.81, "high", 0.847, "coverage_10", "value", 0.5);
    const struct mq_gate_live record = {
        .figures = figures, .data = "silver up to 2020-12-18", .why = "it has seen them"};
    systems[0].role = MQ_SYSTEM_BASELINE; /* the report's differences are from a baseline */
    live = &record;
    judge("", "ndcg_10, hit_rate_10, rmse, coverage_10, miscalibration_10", 0, &r);
    /* .1 ± .01 after .113, .103 to .12: the root of .01² + .01² is let pass */
    assert_true(r.outcomes[0].passed);
    NEAR(r.outcomes[0].figure, -0.013);
    NEAR(r.outcomes[0].limit, -sqrt(2) * 0.01);
    NEAR(r.outcomes[0].range.high, -0.013 + sqrt(2) * 0.01);
    NEAR(r.outcomes[0].range.low, -0.013 - hypot(0.01, 0.007));
    NEAR(r.outcomes[0].live.value, 0.113);
    assert_string_equal(r.outcomes[0].note,
                        "compared with the live model's own evaluation, silver up to 2020-12-18: "
                        "0.113 (0.103 to 0.12); it has seen them");
    /* far worse */
    assert_false(r.outcomes[1].passed);
    NEAR(r.outcomes[1].figure, -0.4);
    assert_string_equal(r.outcomes[1].rule, "hit_rate_10 no worse than live");
    /* less is better: .85 ± .01 after .837, .81 to .847 */
    assert_true(r.outcomes[2].passed);
    NEAR(r.outcomes[2].limit, sqrt(2) * 0.01);
    /* without an interval on either side every loss counts */
    assert_true(r.outcomes[3].passed);
    NEAR(r.outcomes[3].figure, 0);
    assert_true(isnan(r.outcomes[3].range.low));
    systems[1].coverage[0].value.value = 0.499;
    /* what was not recorded is not judged, and says so */
    assert_true(r.outcomes[4].passed);
    assert_true(isnan(r.outcomes[4].live.value));
    check_contains(r.outcomes[4].note, "not judged: the live model's own evaluation");
    assert_int_equal(r.failed, 1);
    judge("", "coverage_10, mae", 0, &r);
    assert_false(r.outcomes[0].passed);
    assert_string_equal(r.outcomes[1].note, "not measured");
    assert_int_equal(r.failed, 2);

    /* A live system of the report goes first; a figure that it was not measured on is recorded. */
    systems[0].role = MQ_SYSTEM_LIVE;
    systems[1].rmse.difference = (struct mq_interval){NAN, NAN, NAN};
    judge("", "ndcg_10, rmse", 0, &r);
    NEAR(r.outcomes[0].figure, -0.002);
    assert_string_equal(r.outcomes[0].note, "");
    NEAR(r.outcomes[1].live.value, 0.837);

    const struct mq_gate_live nothing = {.why = "live model x was not evaluated"};
    live = &nothing;
    judge("", "rmse", 0, &r);
    assert_true(r.passed);
    assert_string_equal(r.outcomes[0].note, "not judged: live model x was not evaluated");
}

static void
few_cases(void **state)
{
    (void)state;
    struct mq_gate_result r;
    judge("", "", 501, &r);
    assert_int_equal(r.count, 1);
    assert_false(r.passed);
    assert_string_equal(r.outcomes[0].rule, "cases >= 501");
    NEAR(r.outcomes[0].figure, 500);
    judge("", "", 500, &r);
    assert_true(r.passed);
    judge(" , ,", ",", 0, &r);
    assert_int_equal(r.count, 0);
    assert_true(r.passed);
    report.cut_count = 0;
    report.rating_users = 7;
    judge("", "", 8, &r);
    assert_false(r.passed);
}

static void
bad_settings(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_gate_options options;
    struct mq_gate_result r;
    static const struct {
        const char *bounds, *no_worse, *message;
    } unreadable[] = {
        {"ndcg_10", "", "'ndcg_10': a figure, >= or <=, and a number is due"},
        {"ndcg_10 > 0.1", "", "'ndcg_10 > 0.1'"},
        {"ndcg_10 >= high", "", "a number behind the sign is due"},
        {"ndcg_10 >=", "", "'ndcg_10 >='"},
        {">= 0.1", "", "the name of a figure"},
        {"rmse <= 0.9 0.8", "", "a number behind the sign"},
        {"", "a_name_of_a_figure_that_is_longer_than_any_there_could_ever_be", "the name"},
    };
    for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++) {
        check_fails(MQ_E_CONFIG, mq_gate_options_parse(unreadable[i].bounds, unreadable[i].no_worse,
                                                       0, &options, &err));
        check_contains(err.message, unreadable[i].message);
    }
    char many[65 * 5 + 1] = "";
    for (int i = 0; i < 65; i++)
        memcpy(many + 5 * i, "rmse,", 6);
    check_fails(MQ_E_CONFIG, mq_gate_options_parse("", many, 0, &options, &err));
    check_contains(err.message, "more than 64 rules");
    check_ok(mq_gate_options_parse("ndcg_20 >= 0.1", "", 0, &options, &err));
    check_fails(MQ_E_CONFIG, mq_quality_gate(&report, &options, NULL, &r, &err));
    check_contains(err.message, "the gate asks for 'ndcg_20', which this evaluation does not give");
    check_contains(err.hint, "report.json");
    check_ok(mq_gate_options_parse("", "novelty_10", 0, &options, &err));
    check_fails(MQ_E_CONFIG, mq_quality_gate(&report, &options, NULL, &r, &err));
    check_contains(err.message, "neither more nor less");
    /* The same, before there is a report. */
    static const int32_t cuts[] = {10, 20, 50};
    static const struct {
        const char *bounds, *no_worse, *message;
    } unknown[] = {{"hitrate >= 3", "", "gate.bounds asks for 'hitrate'"},
                   {"", "foo", "gate.no_worse asks for 'foo'"},
                   {"", "ndcg_11", "gate.no_worse asks for 'ndcg_11'"},
                   {"rmse <= 1", "", "gate.bounds asks for 'rmse'"}};
    for (size_t i = 0; i < MQ_COUNT(unknown); i++) {
        check_ok(mq_gate_options_parse(unknown[i].bounds, unknown[i].no_worse, 0, &options, &err));
        check_fails(MQ_E_CONFIG, mq_gate_options_check(&options, cuts, 3, false, &err));
        check_contains(err.message, unknown[i].message);
        check_contains(err.hint, "hit_rate, ");
        check_contains(err.hint, "coverage, with _10, _20 or _50 behind the name (ndcg_10)");
        check_contains(err.hint, "with hybrid.predict also rmse, mae");
    }
    check_ok(
        mq_gate_options_parse("rmse <= 1, coverage_50 >= 0", "mae, mrr_20", 0, &options, &err));
    check_ok(mq_gate_options_check(&options, cuts, 3, true, &err));
    check_ok(mq_gate_options_parse("", "novelty_10", 0, &options, &err));
    check_fails(MQ_E_CONFIG, mq_gate_options_check(&options, cuts, 3, true, &err));
    check_contains(err.message, "neither more nor less");
    report.candidate = -1;
    check_fails(MQ_E_USAGE, mq_quality_gate(&report, &options, NULL, &r, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bounds, make_report),
        cmocka_unit_test_setup(silence_is_not_consent, make_report),
        cmocka_unit_test_setup(no_worse_than_live, make_report),
        cmocka_unit_test_setup(first_model_of_all, make_report),
        cmocka_unit_test_setup(held_against_a_record, make_report),
        cmocka_unit_test_setup(few_cases, make_report),
        cmocka_unit_test_setup(bad_settings, make_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
