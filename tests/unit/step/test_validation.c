/* validate-data: each rule on a day that breaks it, and what a broken rule leaves behind. */
#include "events_fixture.h"

#include <jansson.h>
#include <math.h>

#include "step/validation_rules.h"

#define DAY "2020-12-20"
#define STATE "silver/validation.json"

static const char *
day_before(int back)
{
    static char date[MQ_DATE_SIZE];
    mq_date_format(INT64_C(1608422400) - back * (int64_t)MQ_DAY_SECONDS, date); /* of DAY */
    return date;
}

/* Ratings of a day: users and films in turn, and the ratings 1 to 5 in turn. */
static void
put_ratings(struct step_fixture *f, const char *date, int count)
{
    struct mq_buffer text = {0};
    for (int i = 0; i < count; i++) {
        char user[8], film[8];
        snprintf(user, sizeof(user), "u%d", 1 + i % 9);
        snprintf(film, sizeof(film), "%d", 1 + i % 4);
        fixture_rate(&text, date, user, film, 1 + i % 5, i);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, date, 0, text.data != NULL ? text.data : "");
    mq_buffer_release(&text);
}

/* Good days before DAY, found good by a run of their own. */
static void
make_history(struct step_fixture *f, int days, int count, int swing)
{
    for (int back = days; back >= 1; back--)
        put_ratings(f, day_before(back), count + (back % 2 == 0 ? swing : -swing));
    f->context.run_id = "earlier";
    fixture_ok(f, mq_step_validate_data);
    check_count(f, "days", days);
    f->context.run_id = "run";
}

/* The report of the last run, owned. */
static json_t *
report(struct step_fixture *f)
{
    char *text = fixture_get(f, "runs/run/validation.json");
    assert_non_null(text);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    char *page = fixture_get(f, "runs/run/validation.html");
    assert_non_null(page);
    check_contains(page, json_string_value(json_object_get(root, "verdict")));
    free(page);
    return root;
}

static const json_t *
rule_of(const json_t *root, const char *name)
{
    const json_t *day = json_array_get(json_object_get(root, "days"), 0), *rule;
    size_t i;
    json_array_foreach(json_object_get(day, "rules"), i, rule)
    {
        if (strcmp(json_string_value(json_object_get(rule, "rule")), name) == 0)
            return rule;
    }
    fail_msg("no rule %s in the report", name);
    return NULL;
}

static void
check_verdict(struct step_fixture *f, const char *rule, const char *verdict)
{
    json_t *root = report(f);
    assert_string_equal(json_string_value(json_object_get(rule_of(root, rule), "verdict")),
                        verdict);
    json_decref(root);
}

/* The step refuses DAY for a rule, with a text in its message and one in the rule's samples. */
static void
check_refused(struct step_fixture *f, const char *rule, const char *text, const char *sample)
{
    char *before = fixture_get(f, STATE), expected[64];
    f->context.run_id = "run";
    if (fixture_run(f, mq_step_validate_data) != MQ_E_INPUT)
        fail_msg("not refused for %s: %s", rule, f->err.message);
    snprintf(expected, sizeof(expected), DAY " break the rule %s: ", rule);
    check_contains(f->err.message, expected);
    check_contains(f->err.message, text);
    check_contains(f->err.message, "runs/run/validation.html");
    check_contains(f->err.hint,
                   strncmp(text, "0 events", 8) == 0 ? "bronze list" : "set validate.");
    check_verdict(f, rule, "failed");
    if (sample != NULL) {
        json_t *root = report(f);
        const json_t *samples = json_object_get(rule_of(root, rule), "samples");
        check_contains(json_string_value(json_array_get(samples, 0)), sample);
        json_decref(root);
    }
    char *after = fixture_get(f, STATE);
    assert_true((before == NULL && after == NULL) || strcmp(before, after) == 0);
    free(before);
    free(after);
}

static void
good_day(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, DAY, 200);
    f->context.run_id = "run";
    fixture_ok(f, mq_step_validate_data);
    check_count(f, "events", 200);
    check_count(f, "days", 1);
    check_verdict(f, "form", "passed");
    check_verdict(f, "volume", "not judged");
    check_verdict(f, "same-rating", "passed");
    char *first = fixture_get(f, STATE);
    check_contains(first, "\"date\":\"" DAY "\"");
    check_contains(first, "\"ratings\":200");
    /* Nothing new: nothing is looked at, and the state stays as it is. */
    fixture_ok(f, mq_step_validate_data);
    check_count(f, "days", 0);
    check_count(f, "days_known", 1);
    check_object(f, STATE, first);
    /* A late event makes the day a new one. */
    struct mq_buffer late = {0};
    fixture_rate(&late, DAY, "u1", "4", 5, 9999);
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 500, late.data);
    fixture_ok(f, mq_step_validate_data);
    check_count(f, "events", 201);
    mq_buffer_release(&late);
    free(first);
}

static void
day_without_data(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, day_before(1), 20);
    f->context.date = DAY;
    check_refused(f, "events", "0 events, at least 1", NULL);
    /* An object that holds nothing is no better. */
    put_ratings(f, DAY, 0);
    check_refused(f, "events", "0 events, at least 1", NULL);
    struct mq_buffer one = {0};
    fixture_rate(&one, DAY, "nobody", "1", 3, 10);
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, one.data);
    fixture_option(f, "validate.min_events", "2");
    check_refused(f, "events", "1 event, at least 2", "user nobody, title 1, rating 3.0");
    fixture_option(f, "validate.min_events", "1");
    check_refused(f, "unknown-users", "1 of 1 events are of users", "user nobody in 1 event");
    mq_buffer_release(&one);
    f->context.date = NULL;
}

static void
half_the_volume(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    make_history(f, 10, 200, 4);
    put_ratings(f, DAY, 90);
    check_refused(f, "volume", "90 events, 0.45 times the mean of the days before (200",
                  "user u1, title 1, rating 1.0, time 1608422400000 ms");
    check_contains(f->err.message, "; so user u1, title 1, rating 1.0");
    check_contains(f->err.hint, "set validate.min_volume");
    fixture_option(f, "validate.min_volume", "0.4");
    fixture_ok(f, mq_step_validate_data);
    check_verdict(f, "volume", "passed");
}

static void
volume_in_context(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    /* Where days differ much, half of the mean is nothing to speak of; ten times is. */
    make_history(f, 10, 60, 50);
    put_ratings(f, DAY, 25);
    fixture_ok(f, mq_step_validate_data);
    check_verdict(f, "volume", "passed");
    put_ratings(f, DAY, 700);
    check_refused(f, "volume", "allowed: 0.5 to 10 times", "user u1, title 1");
    check_contains(f->err.hint, "set validate.max_volume");
    json_t *root = report(f);
    assert_string_equal(json_string_value(json_object_get(rule_of(root, "volume"), "setting")),
                        "validate.max_volume");
    json_decref(root);
    char *page = fixture_get(f, "runs/run/validation.html");
    check_contains(page, "The limit is the setting validate.max_volume.");
    free(page);
}

static void
too_little_history(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    make_history(f, 6, 200, 0);
    put_ratings(f, DAY, 10);
    fixture_ok(f, mq_step_validate_data);
    check_verdict(f, "volume", "not judged");
    check_verdict(f, "drift", "not judged");
}

static void
equal_ratings(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    fixture_catalogue(f);
    for (int i = 0; i < 120; i++) {
        char film[8];
        snprintf(film, sizeof(film), "%d", 1 + i % 4);
        fixture_rate(&text, DAY, "u1", film, 3, i);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, text.data);
    check_refused(f, "same-rating", "120 of 120 ratings are 3 (100.00 %)",
                  "user u1, title 1, rating 3.0");
    mq_buffer_release(&text);
}

/* One bad line among 50 good ones. */
static void
check_bad_line(struct step_fixture *f, const char *line, const char *rule, const char *text,
               const char *sample)
{
    struct mq_buffer lines = {0};
    struct mq_error err = {0};
    for (int i = 0; i < 50; i++) {
        if (i == 20)
            check_ok(mq_buffer_printf(&lines, &err, "%s\n", line));
        fixture_rate(&lines, DAY, "u1", i % 2 == 0 ? "1" : "2", 1 + i % 5, i);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, lines.data);
    check_refused(f, rule, text, sample);
    mq_buffer_release(&lines);
}

static void
lines_that_are_no_events(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    check_bad_line(f, "{\"user_id\":\"u1\", oops", "form", "1 of 51 lines are no events (1.96 %)",
                   "jsonl.gz line 21: ");
    check_bad_line(f, "{\"user_id\":\"u1\",\"rating\":3,\"timestamp\":1608422400}", "completeness",
                   "1 of 51 lines lack a field", "movie_id");
    check_bad_line(f,
                   "{\"user_id\":\"u1\",\"movie_id\":\"1\",\"rating\":9,\"timestamp\":1608422400}",
                   "ranges", "1 of 51 lines have a value out of range", "rating is 9");
    check_bad_line(f,
                   "{\"user_id\":\"u1\",\"movie_id\":\"1\",\"rating\":3,\"timestamp\":1608336000}",
                   "ranges", "out of range", "timestamp is of 2020-12-19T00:00:00Z");
    check_bad_line(f,
                   "{\"user_id\":\"u1\",\"movie_id\":\"1\",\"rating\":3,\"timestamp\":1989422400}",
                   "ranges", "out of range", "future");
    /* Whatever its age was when it came; but not before there was time. */
    check_bad_line(f, "{\"user_id\":\"u1\",\"movie_id\":\"1\",\"rating\":3,\"timestamp\":-1e16}",
                   "ranges", "1 of 51 lines have a value out of range",
                   "timestamp is -1e16, too old");
    /* More than a line may be. */
    char *endless = malloc(3 << 20);
    memset(endless, 'x', (3 << 20) - 1);
    endless[(3 << 20) - 1] = '\0';
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, endless);
    free(endless);
    assert_int_equal(fixture_run(f, mq_step_validate_data), MQ_E_FORMAT);
    check_contains(f->err.message, "has over 1048576 bytes");
}

static void
damaged_object(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, DAY, 10);
    fixture_put(f, "bronze/user-events/dt=" DAY "/t-0-00000000000000000077.jsonl.gz", "no gzip");
    assert_int_equal(fixture_run(f, mq_step_validate_data), MQ_E_FORMAT);
    check_contains(f->err.message, "t-0-00000000000000000077.jsonl.gz");
    check_contains(f->err.hint, "marquee bronze verify");
    assert_null(fixture_get(f, STATE));
}

static void
repeated_events(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    fixture_catalogue(f);
    for (int i = 0; i < 20; i++)
        fixture_rate(&text, DAY, "u1", "1", 4, i / 5); /* each five times */
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, text.data);
    check_refused(f, "duplicates", "16 of 20 events repeat another",
                  "5 times: user u1, title 1, rating 4.0, time 1608422400000 ms");
    mq_buffer_release(&text);
}

static void
unknown_ids(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    fixture_catalogue(f);
    for (int i = 0; i < 20; i++)
        fixture_rate(&text, DAY, i < 12 ? "nobody" : "u1", i < 4 ? "77" : "1", 1 + i % 5, i);
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, text.data);
    check_refused(f, "unknown-users", "12 of 20 events are of users", "user nobody in 12 events");
    check_verdict(f, "unknown-films", "failed");
    check_contains(f->err.message, ", and 1 more rule is broken");
    fixture_option(f, "validate.max_unknown_users", "1");
    check_refused(f, "unknown-films", "4 of 20 events are of titles", "title 77 in 4 events");
    /* Without a user file, nobody is unknown. */
    const char *keys[] = {"1/system/user-data/clean/latest/user.csv"};
    struct mq_error err = {0};
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_option(f, "validate.max_unknown_films", "1");
    fixture_ok(f, mq_step_validate_data);
    check_verdict(f, "unknown-users", "not judged");
    mq_buffer_release(&text);
}

static void
rejected_events(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, DAY, 30);
    fixture_bronze(f, MQ_BRONZE_REJECTED, DAY, 0,
                   "{\"reason\":\"too-old\"}\n{\"reason\":\"not-json\"}\n");
    check_refused(f, "rejected", "2 of 32 events that came were rejected",
                  "{\"reason\":\"too-old\"}");
}

static void
other_distribution(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    fixture_catalogue(f);
    make_history(f, 10, 200, 4);
    for (int i = 0; i < 200; i++) {
        char film[8];
        snprintf(film, sizeof(film), "%d", 1 + i % 4);
        fixture_rate(&text, DAY, "u1", film, i % 10 == 0 ? 4 : 5, i);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, 0, text.data);
    check_refused(f, "drift", "stability index", "rating 5.0"); /* whose share grew */
    mq_buffer_release(&text);
}

static void
old_news(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, DAY, 30);
    f->context.run_id = "run";
    fixture_option(f, "validate.max_age_hours", "400");
    fixture_ok(f, mq_step_validate_data);
    check_verdict(f, "freshness", "passed");
    put_ratings(f, DAY, 31);
    fixture_option(f, "validate.max_age_hours", "48");
    check_refused(f, "freshness", "the newest event is 288.0 hours old; at most 48", NULL);
}

static void
stability_index(void **state)
{
    (void)state;
    const int64_t same[] = {10, 20, 30, 0}, twice[] = {20, 40, 60, 0}, other[] = {60, 0, 0, 0};
    assert_true(fabs(mq_stability_index(same, same, 4)) < 1e-12);
    assert_true(mq_stability_index(same, twice, 4) < 0.001);
    assert_true(mq_stability_index(same, other, 4) > 1);
    /* By hand: p = 10.5/61.5, 20.5/61.5, 30.5/61.5; q = 60.5/61.5, .5/61.5, .5/61.5. */
    double p[] = {10.5 / 61.5, 20.5 / 61.5, 30.5 / 61.5}, q[] = {60.5 / 61.5, .5 / 61.5, .5 / 61.5};
    double expected = 0;
    for (int b = 0; b < 3; b++)
        expected += (p[b] - q[b]) * log(p[b] / q[b]);
    assert_true(fabs(mq_stability_index(same, other, 4) - expected) < 1e-12);
    assert_int_equal(mq_rating_bin(0.5, 0.5, 5), 0);
    assert_int_equal(mq_rating_bin(5, 0.5, 5), MQ_RATING_BINS - 1);
    assert_int_equal(mq_rating_bin(-3, 0.5, 5), 0);
    assert_int_equal(mq_rating_bin(9, 0.5, 5), MQ_RATING_BINS - 1);
    assert_int_equal(mq_rating_bin(NAN, 0.5, 5), 0);
}

static void
reports_of_a_run(void **state)
{
    (void)state;
    static char region[MQ_OBJECT_KEY_MAX];
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error err = {0};
    struct mq_step_context context = {.region = "1", .run_id = "r7"};
    check_ok(mq_step_report_key(&context, "validation", "json", key, &err));
    assert_string_equal(key, "1/runs/r7/validation.json");
    context.run_id = NULL;
    check_ok(mq_step_report_key(&context, "report", "html", key, &err));
    assert_string_equal(key, "1/runs/none/report.html");
    memset(region, 'x', sizeof(region) - 1);
    context.region = region;
    check_fails(MQ_E_RANGE, mq_step_report_key(&context, "report", "html", key, &err));
    assert_string_equal(key, "1/runs/none/report.html");
}

static void
interrupted_import(void **state)
{
    struct step_fixture *f = *state;
    fixture_catalogue(f);
    put_ratings(f, DAY, 10);
    fixture_put(f, "system/import.json", "{\"schema\": 1, \"state\": \"writing\"}");
    assert_int_equal(fixture_run(f, mq_step_validate_data), MQ_E_INPUT);
    check_contains(f->err.hint, "run the import again");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_INPUT);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(good_day),
        TEST(day_without_data),
        TEST(half_the_volume),
        TEST(volume_in_context),
        TEST(too_little_history),
        TEST(equal_ratings),
        TEST(lines_that_are_no_events),
        TEST(damaged_object),
        TEST(repeated_events),
        TEST(unknown_ids),
        TEST(rejected_events),
        TEST(other_distribution),
        TEST(old_news),
        TEST(interrupted_import),
        cmocka_unit_test(reports_of_a_run),
        cmocka_unit_test(stability_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
