/* The feature store fails half-way: the next run goes on there, and every record is written once.
 */
#include "events_fixture.h"

#include "unit/store/http_stub.h"

#define DAY "2020-12-20"
#define USERS 9

/* A DynamoDB that has every table, and takes writes until it is told to refuse them. */
struct fake {
    int writes_allowed; /* then denied; -1: all are allowed */
    int writes;
    int users[USERS + 1]; /* puts of u1 to u9 */
    int movies[5];        /* puts of 1 to 4 */
    int deletes;
};

static void
count_keys(struct fake *fake, const char *request)
{
    for (const char *p = request; (p = strstr(p, "\"key\":{\"S\":\"")) != NULL;) {
        p += strlen("\"key\":{\"S\":\"");
        if (*p == 'u')
            fake->users[p[1] - '0']++;
        else
            fake->movies[*p - '0']++;
    }
    for (const char *p = request; (p = strstr(p, "DeleteRequest")) != NULL; p++)
        fake->deletes++;
}

static const char *
answer(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    struct fake *fake = stub->context;
    if (strstr(request, "DescribeTable") != NULL)
        return http_stub_answer(stub, 200, "",
                                "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{"
                                "\"AttributeName\":\"key\",\"KeyType\":\"HASH\"}]}}");
    if (strstr(request, "BatchWriteItem") == NULL)
        return http_stub_answer(stub, 200, "", "{}");
    if (fake->writes_allowed == 0)
        return http_stub_answer(stub, 400, "",
                                "{\"__type\":\"com.amazon.coral.service#AccessDeniedException\","
                                "\"Message\":\"not authorized to perform: "
                                "dynamodb:BatchWriteItem\"}");
    fake->writes_allowed -= fake->writes_allowed > 0;
    fake->writes++;
    count_keys(fake, request);
    return http_stub_answer(stub, 200, "", "{\"UnprocessedItems\":{}}");
}

static void
rate(struct step_fixture *f, int64_t first, double rating)
{
    struct mq_buffer text = {0};
    for (int u = 1; u <= USERS; u++) {
        char user[8], film[8];
        snprintf(user, sizeof(user), "u%d", u);
        snprintf(film, sizeof(film), "%d", 1 + u % 4);
        fixture_rate(&text, DAY, user, film, rating, first + u);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, DAY, first, text.data);
    mq_buffer_release(&text);
}

static int
setup(void **state)
{
    if (fixture_setup(state) != 0)
        return 1;
    struct step_fixture *f = *state;
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    fixture_catalogue(f);
    fixture_option(f, "features.batch", "2");
    f->context.run_id = "run";
    return 0;
}

static void
use_stub(struct step_fixture *f, const struct http_stub *stub)
{
    mq_autofree char *uri = mq_strfmt(
        "dynamodb:t-?region=us-east-1&endpoint=http://127.0.0.1:%d&deadline-s=20", stub->port);
    fixture_option(f, "features.store", uri);
}

static void
goes_on_where_it_failed(void **state)
{
    struct step_fixture *f = *state;
    struct fake fake = {.writes_allowed = 2};
    struct http_stub *stub = http_stub_start(answer, &fake);
    use_stub(f, stub);
    rate(f, 0, 3);
    fixture_ok(f, mq_step_validate_data);
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_DENIED);
    check_contains(f->err.message, "dynamodb:BatchWriteItem");
    assert_int_equal(fake.writes, 2); /* of two records each */
    char *there = fixture_get(f, "silver/feature-store/user_features.json");
    check_contains(there, "\"until\": \"u4\"");
    check_contains(there, "\"done\": false");
    free(there);

    fake.writes_allowed = -1;
    fixture_ok(f, mq_step_extract_features);
    check_contains(f->report.notes.data, "was gone on with");
    check_count(f, "days", 0); /* silver was done */
    check_count(f, "user_features_written", 5);
    check_count(f, "movie_features_written", 4);
    for (int u = 1; u <= USERS; u++)
        assert_int_equal(fake.users[u], 1);
    for (int m = 1; m <= 4; m++)
        assert_int_equal(fake.movies[m], 1);
    assert_null(fixture_get(f, "silver/feature-store/user_features.pending.parquet"));
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", 0);
    http_stub_stop(stub);
    free(stub);
}

/* Between failure and retry the features change: whoever may have the old or the half-written state
 * is written again, nobody is forgotten. */
static void
other_features_meanwhile(void **state)
{
    struct step_fixture *f = *state;
    struct fake fake = {.writes_allowed = -1};
    struct http_stub *stub = http_stub_start(answer, &fake);
    use_stub(f, stub);
    rate(f, 0, 3);
    fixture_ok(f, mq_step_validate_data);
    fixture_ok(f, mq_step_extract_features); /* the store holds A */
    rate(f, 100, 3);                         /* all rate again: B differs for all */
    fixture_ok(f, mq_step_validate_data);
    fake = (struct fake){.writes_allowed = 1};
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_DENIED); /* u1, u2 hold B */
    /* Back to A: what holds A need not be written, but nobody knows who holds what. */
    const char *keys[] = {"1/bronze/user-events/dt=" DAY "/t-0-00000000000000000100.jsonl.gz"};
    struct mq_error err = {0};
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_ok(f, mq_step_validate_data);
    fake = (struct fake){.writes_allowed = -1};
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", USERS);
    for (int u = 1; u <= USERS; u++)
        assert_int_equal(fake.users[u], 1);
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", 0);
    http_stub_stop(stub);
    free(stub);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(goes_on_where_it_failed),
                                       TEST(other_features_meanwhile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
