/*
 * The feature-store contract against DynamoDB Local. Needs MARQUEE_TEST_DYNAMODB = endpoint URL and
 * AWS_… credentials (any will do there); tests/services/run sets them. MARQUEE_TEST_PARAMETERS adds
 * to the URI ("&stall-s=1"): stores_under_faults.py runs this through a proxy that misbehaves.
 */
#include "../unit/store/feature_store_contract.h"

#include <unistd.h>

#include "store/dynamodb_connection.h"

static int serial;

static char *
make_dynamodb_store(void)
{
    const char *more = getenv("MARQUEE_TEST_PARAMETERS");
    return mq_strfmt("dynamodb:contract-%ld-%d-?endpoint=%s%s", (long)getpid(), serial++,
                     getenv("MARQUEE_TEST_DYNAMODB"), more != NULL ? more : "");
}

/* An operation on the store's table "users", with more of the body. */
static void
call(const char *uri, const char *operation, const char *rest, struct mq_dynamodb_answer *answer)
{
    struct mq_error err = {0};
    struct mq_dynamodb *c;
    char name[MQ_DYNAMODB_TABLE_NAME_MAX + 1];
    struct mq_buffer body = {0};
    check_ok(mq_dynamodb_new(strchr(uri, ':') + 1, &c, &err));
    check_ok(mq_dynamodb_table_name(c, "users", name, &err));
    check_ok(mq_buffer_printf(&body, &err, "{\"TableName\":\"%s\"%s}", name, rest));
    check_ok(mq_dynamodb_call(c, operation, "test", name, &body, answer, &err));
    mq_buffer_release(&body);
    mq_dynamodb_free(c);
}

static void
clear_dynamodb_store(const char *uri)
{
    struct mq_dynamodb *c;
    struct mq_dynamodb_answer answer = {0};
    struct mq_buffer body = {0};
    assert_int_equal(mq_dynamodb_new(strchr(uri, ':') + 1, &c, NULL), MQ_OK);
    assert_int_equal(mq_buffer_printf(&body, NULL, "{\"TableName\":\"%susers\"}", c->prefix),
                     MQ_OK);
    enum mq_status st = mq_dynamodb_call(c, "DeleteTable", "delete", "users", &body, &answer, NULL);
    assert_true(st == MQ_OK || st == MQ_E_NOT_FOUND); /* by a try whose answer got lost */
    mq_dynamodb_answer_release(&answer);
    mq_buffer_release(&body);
    mq_dynamodb_free(c);
}

static const struct feature_backend dynamodb_backend = {make_dynamodb_store, clear_dynamodb_store};

/* On-demand billing, one text key, expiry by "expires". */
static void
table_as_promised(void **state)
{
    struct feature_state *s = *state;
    struct mq_dynamodb_answer answer = {0};
    call(s->uri, "DescribeTable", "", &answer);
    const json_t *table = json_object_get(answer.document, "Table");
    const json_t *billing = json_object_get(table, "BillingModeSummary");
    assert_string_equal(json_string_value(json_object_get(billing, "BillingMode")),
                        "PAY_PER_REQUEST");
    mq_dynamodb_answer_release(&answer);
    call(s->uri, "DescribeTimeToLive", "", &answer);
    const json_t *expiry = json_object_get(answer.document, "TimeToLiveDescription");
    assert_string_equal(json_string_value(json_object_get(expiry, "TimeToLiveStatus")), "ENABLED");
    assert_string_equal(json_string_value(json_object_get(expiry, "AttributeName")), "expires");
    mq_dynamodb_answer_release(&answer);
}

/* What another program sees: numbers as N, sets as SS, vectors as L of N. */
static void
items_for_others(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    const struct mq_text set[] = {{"action", 6}, {"drama", 5}};
    const double reals[] = {0.5, 2};
    const struct mq_attribute attributes[] = {
        {.name = "count", .type = MQ_ATTRIBUTE_INTEGER, .integer = 7},
        {.name = "mean", .type = MQ_ATTRIBUTE_REAL, .real = 3.25},
        {.name = "genres", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {set, 2}},
        {.name = "vector", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, 2}}};
    const struct mq_record record = {
        .key = "u1", .expires_s = 4000000000, .attributes = attributes, .attribute_count = 4};
    check_ok(mq_feature_put(s->store, "users", &record, &err));
    struct mq_dynamodb_answer answer = {0};
    call(s->uri, "GetItem", ",\"Key\":{\"key\":{\"S\":\"u1\"}}", &answer);
    json_t *expected = json_pack(
        "{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:[s,s]}, s:{s:[{s:s},{s:s}]}}", "key",
        "S", "u1", "version", "N", "1", "expires", "N", "4000000000", "count", "N", "7", "mean",
        "N", "3.25", "genres", "SS", "action", "drama", "vector", "L", "N", "0.5", "N", "2");
    assert_non_null(expected);
    assert_true(json_equal(json_object_get(answer.document, "Item"), expected));
    json_decref(expected);
    mq_dynamodb_answer_release(&answer);
}

/* A table that another program made, with another key, is not touched. */
static void
foreign_table(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    struct mq_dynamodb *c;
    struct mq_buffer body = {0};
    struct mq_dynamodb_answer answer = {0};
    check_ok(mq_dynamodb_new(strchr(s->uri, ':') + 1, &c, &err));
    check_ok(mq_buffer_printf(
        &body, &err,
        "{\"TableName\":\"%smovies\",\"AttributeDefinitions\":[{\"AttributeName\":\"id\","
        "\"AttributeType\":\"N\"}],\"KeySchema\":[{\"AttributeName\":\"id\",\"KeyType\":\"HASH\"}],"
        "\"BillingMode\":\"PAY_PER_REQUEST\"}",
        c->prefix));
    enum mq_status made =
        mq_dynamodb_call(c, "CreateTable", "make", "movies", &body, &answer, &err);
    assert_true(made == MQ_OK || made == MQ_E_EXISTS); /* by a try whose answer got lost */
    check_fails(MQ_E_CONFLICT, mq_feature_table_create(s->store, "movies", &err));
    check_contains(err.message, "another key");
    mq_buffer_reset(&body);
    check_ok(mq_buffer_printf(&body, &err, "{\"TableName\":\"%smovies\"}", c->prefix));
    made = mq_dynamodb_call(c, "DeleteTable", "delete", "movies", &body, &answer, &err);
    assert_true(made == MQ_OK || made == MQ_E_NOT_FOUND);
    mq_dynamodb_answer_release(&answer);
    mq_buffer_release(&body);
    mq_dynamodb_free(c);
}

static enum mq_status
count_one(void *context, const struct mq_record *record, struct mq_error *err)
{
    (void)record;
    (void)err;
    ++*(int *)context;
    return MQ_OK;
}

/* Several pages of 1 MB, and batches above the 16 MB of one answer. */
static void
large_tables(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    enum { COUNT = 60, SIZE = 300000 };
    char *text = malloc(SIZE);
    memset(text, '"', SIZE); /* twice as long in JSON */
    static char names[COUNT][16];
    static const char *keys[COUNT];
    static struct mq_record records[COUNT], back[COUNT];
    struct mq_attribute a = {.name = "t", .type = MQ_ATTRIBUTE_TEXT, .text = {text, SIZE}};
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        keys[i] = names[i];
        records[i] = (struct mq_record){.key = names[i], .attributes = &a, .attribute_count = 1};
    }
    check_ok(mq_feature_batch_put(s->store, "users", records, COUNT, &err));
    check_ok(mq_feature_batch_get(s->store, "users", keys, COUNT, MQ_READ_STRONG, &s->arena, back,
                                  &err));
    for (int i = 0; i < COUNT; i++)
        assert_true(back[i].found && back[i].attributes[0].text.size == SIZE);
    int seen = 0;
    check_ok(mq_feature_scan(s->store, "users", 0, 2, count_one, &seen, &err));
    check_ok(mq_feature_scan(s->store, "users", 1, 2, count_one, &seen, &err));
    assert_int_equal(seen, COUNT);
    free(text);
}

static void
unreachable(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_feature_store *store;
    struct mq_arena arena = {0};
    struct mq_record record;
    check_ok(mq_feature_store_open("dynamodb:x-?endpoint=http://127.0.0.1:1&deadline-s=1", &store,
                                   &err));
    check_fails(MQ_E_UNREACHABLE,
                mq_feature_get(store, "users", "k", MQ_READ_STRONG, &arena, &record, &err));
    check_contains(err.message, "127.0.0.1:1");
    mq_arena_release(&arena);
    mq_feature_store_free(store);
}

int
main(void)
{
    if (getenv("MARQUEE_TEST_DYNAMODB") == NULL) {
        printf("skip: feature_store_dynamodb (MARQUEE_TEST_DYNAMODB is not set; run: make "
               "test-services)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        FEATURE_CONTRACT_TESTS(&dynamodb_backend),
        FEATURE_TEST(table_as_promised, &dynamodb_backend),
        FEATURE_TEST(items_for_others, &dynamodb_backend),
        FEATURE_TEST(foreign_table, &dynamodb_backend),
        FEATURE_TEST(large_tables, &dynamodb_backend),
        cmocka_unit_test(unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
