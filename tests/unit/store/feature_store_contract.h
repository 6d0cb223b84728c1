/**
 * The contract of feature_store.h as tests that any back end runs: include this in a cmocka
 * program and list FEATURE_CONTRACT_TESTS(backend).
 */
#ifndef MQ_TESTS_FEATURE_STORE_CONTRACT_H
#define MQ_TESTS_FEATURE_STORE_CONTRACT_H

#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "store/feature_store.h"

struct feature_backend {
    char *(*make)(void); /**< URI of an empty store, owned by the caller */
    void (*clear)(const char *uri);
};

struct feature_state {
    const struct feature_backend *backend;
    char *uri;
    struct mq_feature_store *store;
    struct mq_arena arena;
};

static int
feature_setup(void **state)
{
    struct feature_state *s = calloc(1, sizeof(*s));
    s->backend = *state;
    s->uri = s->backend->make();
    *state = s;
    return s->uri == NULL || mq_feature_store_open(s->uri, &s->store, NULL) != MQ_OK ||
           mq_feature_table_create(s->store, "users", NULL) != MQ_OK;
}

static int
feature_teardown(void **state)
{
    struct feature_state *s = *state;
    mq_feature_store_free(s->store);
    s->backend->clear(s->uri);
    mq_arena_release(&s->arena);
    free(s->uri);
    free(s);
    return 0;
}

static struct mq_text
text_of(const char *text)
{
    return (struct mq_text){text, strlen(text)};
}

static void
assert_texts(const struct mq_text *text, const char *expected)
{
    assert_int_equal(text->size, strlen(expected));
    assert_string_equal(text->data, expected);
}

/* Every type comes back as it went in, to the last bit. */
static void
feature_types(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    const struct mq_text set[] = {{"action", 6}, {"drama", 5}, {"é\"", 3}};
    const double reals[] = {0.1, -1e-129, 3, 1.0 / 3}, numbers[] = {-7, 0.1, 0x1p53};
    const struct mq_attribute attributes[] = {
        {.name = "truth", .type = MQ_ATTRIBUTE_BOOL, .truth = true},
        {.name = "count", .type = MQ_ATTRIBUTE_INTEGER, .integer = INT64_MAX - 1},
        {.name = "minus", .type = MQ_ATTRIBUTE_INTEGER, .integer = INT64_MIN},
        {.name = "mean", .type = MQ_ATTRIBUTE_REAL, .real = 0.1 + 0.2},
        {.name = "name", .type = MQ_ATTRIBUTE_TEXT, .text = {"Grüße \"x\"\n", 12}},
        {.name = "empty", .type = MQ_ATTRIBUTE_TEXT, .text = {"", 0}},
        {.name = "raw", .type = MQ_ATTRIBUTE_BYTES, .text = {"\0\xff\1", 3}},
        {.name = "genres", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {set, 3}},
        {.name = "vector", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, 4}},
        {.name = "nothing", .type = MQ_ATTRIBUTE_NULL},
        {.name = "ages", .type = MQ_ATTRIBUTE_NUMBER_SET, .reals = {numbers, 3}},
    };
    const struct mq_record record = {
        .key = "user/1 ü", .attributes = attributes, .attribute_count = 11};
    check_ok(mq_feature_put(s->store, "users", &record, &err));
    struct mq_record back;
    check_ok(mq_feature_get(s->store, "users", "user/1 ü", MQ_READ_STRONG, &s->arena, &back, &err));
    assert_int_equal(back.version, 1);
    assert_int_equal(back.attribute_count, 11);
    assert_true(mq_record_find(&back, "truth")->truth);
    assert_int_equal(mq_record_find(&back, "count")->type, MQ_ATTRIBUTE_INTEGER);
    assert_true(mq_record_find(&back, "count")->integer == INT64_MAX - 1);
    assert_true(mq_record_find(&back, "minus")->integer == INT64_MIN);
    assert_int_equal(mq_record_find(&back, "mean")->type, MQ_ATTRIBUTE_REAL);
    assert_true(mq_record_find(&back, "mean")->real == 0.1 + 0.2);
    assert_texts(&mq_record_find(&back, "name")->text, "Grüße \"x\"\n");
    assert_texts(&mq_record_find(&back, "empty")->text, "");
    const struct mq_attribute *raw = mq_record_find(&back, "raw");
    assert_int_equal(raw->type, MQ_ATTRIBUTE_BYTES);
    assert_int_equal(raw->text.size, 3);
    assert_memory_equal(raw->text.data, "\0\xff\1", 3);
    const struct mq_attribute *genres = mq_record_find(&back, "genres");
    assert_int_equal(genres->texts.count, 3);
    for (int i = 0; i < 3; i++)
        assert_texts(&genres->texts.items[i], set[i].data);
    const struct mq_attribute *vector = mq_record_find(&back, "vector");
    assert_int_equal(vector->reals.count, 4);
    assert_memory_equal(vector->reals.items, reals, sizeof(reals));
    assert_int_equal(mq_record_find(&back, "nothing")->type, MQ_ATTRIBUTE_NULL);
    const struct mq_attribute *ages = mq_record_find(&back, "ages");
    assert_int_equal(ages->type, MQ_ATTRIBUTE_NUMBER_SET);
    assert_int_equal(ages->reals.count, 3);
    assert_memory_equal(ages->reals.items, numbers, sizeof(numbers));
    assert_null(mq_record_find(&back, "other"));
}

/* Numbers are of one type, the same on every back end. */
static void
feature_numbers(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    const double reals[] = {0x1p62, -0.0, 1e-200, 9e125, -1e20, 5e-324};
    const double expected[] = {0x1p62, 0.0, 0.0, 9e125, -1e20, 0.0};
    const struct mq_attribute attributes[] = {
        {.name = "whole", .type = MQ_ATTRIBUTE_REAL, .real = -3},
        {.name = "large", .type = MQ_ATTRIBUTE_REAL, .real = 0x1p62},
        {.name = "larger", .type = MQ_ATTRIBUTE_REAL, .real = 1e20},
        {.name = "small", .type = MQ_ATTRIBUTE_REAL, .real = 1.5e-130},
        {.name = "smaller", .type = MQ_ATTRIBUTE_REAL, .real = 1e-131},
        {.name = "list", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, MQ_COUNT(reals)}},
        {.name = "none", .type = MQ_ATTRIBUTE_REALS},
    };
    const struct mq_record record = {.key = "n", .attributes = attributes, .attribute_count = 7};
    check_ok(mq_feature_put(s->store, "users", &record, &err));
    struct mq_record back;
    check_ok(mq_feature_get(s->store, "users", "n", MQ_READ_STRONG, &s->arena, &back, &err));
    assert_int_equal(mq_record_find(&back, "whole")->type, MQ_ATTRIBUTE_INTEGER);
    assert_int_equal(mq_record_find(&back, "whole")->integer, -3);
    assert_int_equal(mq_record_find(&back, "large")->type, MQ_ATTRIBUTE_INTEGER);
    assert_int_equal(mq_record_find(&back, "large")->integer, INT64_C(1) << 62);
    assert_int_equal(mq_record_find(&back, "larger")->type, MQ_ATTRIBUTE_REAL);
    assert_true(mq_record_find(&back, "larger")->real == 1e20);
    assert_true(mq_record_find(&back, "small")->real == 1.5e-130);
    assert_int_equal(mq_record_find(&back, "smaller")->type, MQ_ATTRIBUTE_INTEGER);
    assert_int_equal(mq_record_find(&back, "smaller")->integer, 0);
    const struct mq_attribute *list = mq_record_find(&back, "list");
    assert_int_equal(list->reals.count, MQ_COUNT(reals));
    assert_memory_equal(list->reals.items, expected, sizeof(expected));
    assert_int_equal(mq_record_find(&back, "none")->reals.count, 0);
    double number;
    assert_true(mq_attribute_number(mq_record_find(&back, "whole"), &number) && number == -3);
    assert_true(mq_attribute_number(mq_record_find(&back, "larger"), &number) && number == 1e20);
    assert_false(mq_attribute_number(list, &number));
    assert_false(mq_attribute_number(NULL, &number));
}

static void
feature_missing(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    struct mq_record record;
    check_fails(MQ_E_NOT_FOUND, mq_feature_get(s->store, "users", "nobody", MQ_READ_STRONG,
                                               &s->arena, &record, &err));
    check_contains(err.message, "nobody");
    check_fails(MQ_E_NOT_FOUND, mq_feature_get(s->store, "no-table", "x", MQ_READ_STRONG, &s->arena,
                                               &record, &err));
    check_contains(err.message, "no-table");
    const char *const keys[] = {"nobody"};
    check_ok(mq_feature_delete(s->store, "users", keys, 1, &err));
    check_ok(mq_feature_table_create(s->store, "users", &err));
}

static void
feature_refusals(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    char *huge = calloc(1, MQ_RECORD_BYTES_MAX + 1);
    memset(huge, 'x', MQ_RECORD_BYTES_MAX);
    struct mq_attribute a = {
        .name = "text", .type = MQ_ATTRIBUTE_TEXT, .text = {huge, MQ_RECORD_BYTES_MAX}};
    struct mq_record record = {.key = "large one", .attributes = &a, .attribute_count = 1};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    check_contains(err.message, "large one");
    free(huge);
    a = (struct mq_attribute){.name = "mean", .type = MQ_ATTRIBUTE_REAL, .real = NAN};
    record.key = "nan";
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    check_contains(err.message, "finite");
    a = (struct mq_attribute){.name = "version", .type = MQ_ATTRIBUTE_REAL, .real = 1};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    a = (struct mq_attribute){.name = "mean", .type = MQ_ATTRIBUTE_REAL, .real = 1e126};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    a = (struct mq_attribute){.name = "t", .type = MQ_ATTRIBUTE_TEXT, .text = {"a\0b", 3}};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    a = (struct mq_attribute){.name = "t", .type = MQ_ATTRIBUTE_TEXT, .text = {"\xff", 1}};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    check_contains(err.message, "UTF-8");
    a = (struct mq_attribute){.name = "mean", .type = MQ_ATTRIBUTE_REAL, .real = 1};
    record.key = "\xff";
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    record.key = "";
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    check_fails(MQ_E_RANGE, mq_feature_table_create(s->store, "No Such Name", &err));
    const struct mq_text unsorted[] = {{"b", 1}, {"a", 1}};
    a = (struct mq_attribute){.name = "set", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {unsorted, 2}};
    record.key = "k";
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    const double twice[] = {0, 1e-200}; /* both are kept as 0 */
    a = (struct mq_attribute){.name = "n", .type = MQ_ATTRIBUTE_NUMBER_SET, .reals = {twice, 2}};
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
    check_contains(err.message, "distinct");
    a.reals.count = 0;
    check_fails(MQ_E_RANGE, mq_feature_put(s->store, "users", &record, &err));
}

/* More than any back end's batch, with keys twice and missing ones between. */
static void
feature_batches(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    enum { COUNT = 257 };
    static char names[COUNT][32];
    static struct mq_attribute attributes[COUNT];
    static struct mq_record records[COUNT + 1], back[COUNT + 1];
    static const char *keys[COUNT + 1];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "key-%d", i * 7 % COUNT);
        attributes[i] =
            (struct mq_attribute){.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = i};
        records[i] =
            (struct mq_record){.key = names[i], .attributes = &attributes[i], .attribute_count = 1};
        keys[i] = names[i];
    }
    struct mq_attribute last = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = -1};
    records[COUNT] = (struct mq_record){.key = names[0], .attributes = &last, .attribute_count = 1};
    keys[COUNT] = "missing";
    check_ok(mq_feature_batch_put(s->store, "users", records, COUNT + 1, &err));
    check_ok(mq_feature_batch_get(s->store, "users", keys, COUNT + 1, MQ_READ_STRONG, &s->arena,
                                  back, &err));
    for (int i = 0; i < COUNT; i++) {
        assert_true(back[i].found);
        assert_string_equal(back[i].key, names[i]);
        assert_int_equal(mq_record_find(&back[i], "n")->integer, i == 0 ? -1 : i);
    }
    assert_false(back[COUNT].found);
    const char *const doubled[] = {names[1], "missing", names[1], names[2], "missing"};
    check_ok(mq_feature_batch_get(s->store, "users", doubled, 5, MQ_READ_EVENTUAL, &s->arena, back,
                                  &err));
    assert_true(back[0].found && back[2].found && back[3].found);
    assert_false(back[1].found || back[4].found);
    assert_int_equal(mq_record_find(&back[2], "n")->integer, 1);
    keys[COUNT] = names[0];
    check_ok(mq_feature_delete(s->store, "users", keys, COUNT + 1, &err));
    check_ok(mq_feature_batch_get(s->store, "users", keys, COUNT, MQ_READ_STRONG, &s->arena, back,
                                  &err));
    for (int i = 0; i < COUNT; i++)
        assert_false(back[i].found);
}

/* The largest that is allowed, in every type, is taken. */
static void
feature_largest(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    enum { REALS = 31000, TEXT = 400 * 1024 - 200 };
    double *reals = malloc(REALS * sizeof(*reals));
    for (int i = 0; i < REALS; i++)
        reals[i] = -1.0 / (i + 3) * 1e-90;
    char *text = malloc(TEXT);
    memset(text, 'x', TEXT);
    const struct mq_attribute attributes[] = {
        {.name = "reals", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, REALS}},
        {.name = "text", .type = MQ_ATTRIBUTE_TEXT, .text = {text, TEXT}},
        {.name = "bytes", .type = MQ_ATTRIBUTE_BYTES, .text = {text, TEXT}}};
    struct mq_record records[3], back[3];
    const char *const keys[] = {"reals", "text", "bytes"};
    for (int i = 0; i < 3; i++)
        records[i] =
            (struct mq_record){.key = keys[i], .attributes = &attributes[i], .attribute_count = 1};
    check_ok(mq_feature_batch_put(s->store, "users", records, 3, &err));
    check_ok(
        mq_feature_batch_get(s->store, "users", keys, 3, MQ_READ_STRONG, &s->arena, back, &err));
    assert_memory_equal(back[0].attributes[0].reals.items, reals, REALS * sizeof(*reals));
    assert_int_equal(back[1].attributes[0].text.size, TEXT);
    assert_memory_equal(back[2].attributes[0].text.data, text, TEXT);
    /* An update that would make it larger than allowed is refused, naming it. */
    check_fails(MQ_E_RANGE, mq_feature_update(s->store, "users", "text", &attributes[2], 1,
                                              MQ_UPDATE_ALWAYS, 0, NULL, &err));
    check_contains(err.message, "'text'");
    free(text);
    free(reals);
}

/* Where answers get lost (MARQUEE_TEST_PARAMETERS says so) an update without a version may count
 * twice; else it counts once. */
static void
assert_version(int64_t version, int64_t expected)
{
    if (getenv("MARQUEE_TEST_PARAMETERS") != NULL)
        assert_true(version >= expected);
    else
        assert_int_equal(version, expected);
}

static void
feature_updates(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    struct mq_attribute n = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = 1};
    int64_t version;
    check_fails(MQ_E_CONFLICT, mq_feature_update(s->store, "users", "u", &n, 1,
                                                 MQ_UPDATE_IF_PRESENT, 0, NULL, &err));
    check_ok(
        mq_feature_update(s->store, "users", "u", &n, 1, MQ_UPDATE_IF_ABSENT, 0, &version, &err));
    assert_int_equal(version, 1);
    check_fails(MQ_E_CONFLICT, mq_feature_update(s->store, "users", "u", &n, 1, MQ_UPDATE_IF_ABSENT,
                                                 0, NULL, &err));
    const struct mq_attribute both[] = {
        {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = 2},
        {.name = "t", .type = MQ_ATTRIBUTE_TEXT, .text = text_of("x")}};
    check_ok(mq_feature_update(s->store, "users", "u", both, 2, MQ_UPDATE_IF_VERSION, 1, &version,
                               &err));
    assert_int_equal(version, 2);
    check_fails(MQ_E_CONFLICT, mq_feature_update(s->store, "users", "u", &n, 1,
                                                 MQ_UPDATE_IF_VERSION, 1, &version, &err));
    assert_int_equal(version, 2);
    const struct mq_attribute gone = {.name = "n", .type = MQ_ATTRIBUTE_NULL};
    check_ok(
        mq_feature_update(s->store, "users", "u", &gone, 1, MQ_UPDATE_ALWAYS, 0, &version, &err));
    assert_version(version, 3);
    struct mq_record record;
    check_ok(mq_feature_get(s->store, "users", "u", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(record.version, version);
    assert_int_equal(record.attribute_count, 1);
    assert_texts(&mq_record_find(&record, "t")->text, "x");
    /* Names that an expression language might trip over, and one given twice. */
    const struct mq_attribute odd[] = {
        {.name = "size", .type = MQ_ATTRIBUTE_INTEGER, .integer = 1},
        {.name = "a.b #:\"ü", .type = MQ_ATTRIBUTE_INTEGER, .integer = 2},
        {.name = "twice", .type = MQ_ATTRIBUTE_INTEGER, .integer = 3},
        {.name = "twice", .type = MQ_ATTRIBUTE_INTEGER, .integer = 4}};
    check_ok(
        mq_feature_update(s->store, "users", "u", odd, 4, MQ_UPDATE_IF_PRESENT, 0, &version, &err));
    assert_version(version, 4);
    check_ok(mq_feature_get(s->store, "users", "u", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(record.attribute_count, 4);
    assert_int_equal(mq_record_find(&record, "a.b #:\"ü")->integer, 2);
    assert_int_equal(mq_record_find(&record, "twice")->integer, 4);
    /* A touch: nothing changes but the version. Version 0 stands for no record. */
    check_ok(mq_feature_update(s->store, "users", "u", NULL, 0, MQ_UPDATE_IF_VERSION, version,
                               &version, &err));
    assert_int_equal(version, record.version + 1);
    check_fails(MQ_E_CONFLICT, mq_feature_update(s->store, "users", "u", &n, 1,
                                                 MQ_UPDATE_IF_VERSION, 0, NULL, &err));
    check_ok(mq_feature_update(s->store, "users", "new", &n, 1, MQ_UPDATE_IF_VERSION, 0, &version,
                               &err));
    assert_int_equal(version, 1);
    struct mq_attribute many[MQ_UPDATE_CHANGES_MAX + 1];
    char names[MQ_UPDATE_CHANGES_MAX + 1][16];
    for (int i = 0; i <= MQ_UPDATE_CHANGES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "name-%d", i);
        many[i] =
            (struct mq_attribute){.name = names[i], .type = MQ_ATTRIBUTE_INTEGER, .integer = i};
    }
    check_ok(mq_feature_update(s->store, "users", "many", many, MQ_UPDATE_CHANGES_MAX,
                               MQ_UPDATE_ALWAYS, 0, NULL, &err));
    check_fails(MQ_E_RANGE,
                mq_feature_update(s->store, "users", "many", many, MQ_UPDATE_CHANGES_MAX + 1,
                                  MQ_UPDATE_ALWAYS, 0, NULL, &err));
    check_fails(MQ_E_NOT_FOUND, mq_feature_update(s->store, "no-table", "u", &n, 1,
                                                  MQ_UPDATE_ALWAYS, 0, NULL, &err));
    check_contains(err.message, "no-table");
    check_contains(err.hint, "stores create");
}

struct counter_thread {
    struct mq_feature_store *store;
    int failures;
};

static void *
count_up(void *argument)
{
    struct counter_thread *thread = argument;
    struct mq_error err;
    for (int done = 0; done < 20;) {
        struct mq_arena arena = {0};
        struct mq_record record;
        if (mq_feature_get(thread->store, "users", "counter", MQ_READ_STRONG, &arena, &record,
                           &err) != MQ_OK)
            thread->failures++, done = 20;
        else {
            struct mq_attribute n = {.name = "n",
                                     .type = MQ_ATTRIBUTE_INTEGER,
                                     .integer = mq_record_find(&record, "n")->integer + 1};
            enum mq_status st = mq_feature_update(thread->store, "users", "counter", &n, 1,
                                                  MQ_UPDATE_IF_VERSION, record.version, NULL, &err);
            if (st == MQ_OK)
                done++;
            else if (st != MQ_E_CONFLICT)
                thread->failures++, done = 20;
        }
        mq_arena_release(&arena);
    }
    return NULL;
}

/* Optimistic locking: four writers, no increment is lost. */
static void
feature_races(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    struct mq_attribute n = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = 0};
    struct mq_record record = {.key = "counter", .attributes = &n, .attribute_count = 1};
    check_ok(mq_feature_put(s->store, "users", &record, &err));
    pthread_t threads[4];
    struct counter_thread work[4];
    for (int i = 0; i < 4; i++) {
        work[i] = (struct counter_thread){s->store, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &work[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(work[i].failures, 0);
    }
    check_ok(
        mq_feature_get(s->store, "users", "counter", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(mq_record_find(&record, "n")->integer, 80);
    assert_int_equal(record.version, 81);
}

static enum mq_status
mark_seen(void *context, const struct mq_record *record, struct mq_error *err)
{
    int *seen = context;
    seen[mq_record_find(record, "n")->integer]++;
    return MQ_OK;
}

static enum mq_status
stop_scan(void *context, const struct mq_record *record, struct mq_error *err)
{
    return mq_fail(err, MQ_E_CANCELLED, "stop at %s", record->key);
}

static void
feature_scan(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    enum { COUNT = 1300 };
    static char names[COUNT][32];
    static struct mq_attribute attributes[COUNT];
    static struct mq_record records[COUNT];
    static int seen[COUNT];
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "user-%d", i);
        attributes[i] =
            (struct mq_attribute){.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = i};
        records[i] =
            (struct mq_record){.key = names[i], .attributes = &attributes[i], .attribute_count = 1};
    }
    check_ok(mq_feature_batch_put(s->store, "users", records, COUNT, &err));
    for (int segment = 0; segment < 3; segment++)
        check_ok(mq_feature_scan(s->store, "users", segment, 3, mark_seen, seen, &err));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    check_fails(MQ_E_CANCELLED, mq_feature_scan(s->store, "users", 0, 1, stop_scan, NULL, &err));
    check_fails(MQ_E_USAGE, mq_feature_scan(s->store, "users", 3, 3, mark_seen, seen, &err));
}

/* A record whose time is over is as if deleted; MARQUEE_NOW moves the clock. */
static void
feature_expiry(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    struct mq_attribute n = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = 0};
    struct mq_record record = {
        .key = "short", .expires_s = 4000000000, .attributes = &n, .attribute_count = 1};
    check_ok(mq_feature_put(s->store, "users", &record, &err));
    check_ok(mq_feature_get(s->store, "users", "short", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(record.expires_s, 4000000000);
    setenv("MARQUEE_NOW", "4000000001", 1);
    int seen[1] = {0};
    enum mq_status got =
        mq_feature_get(s->store, "users", "short", MQ_READ_STRONG, &s->arena, &record, &err);
    enum mq_status scanned = mq_feature_scan(s->store, "users", 0, 1, mark_seen, seen, &err);
    /* To an update it is not there either: nothing of it is left. */
    struct mq_attribute other = {.name = "m", .type = MQ_ATTRIBUTE_INTEGER, .integer = 5};
    enum mq_status conditions[2];
    conditions[0] = mq_feature_update(s->store, "users", "short", &other, 1, MQ_UPDATE_IF_PRESENT,
                                      0, NULL, &err);
    conditions[1] = mq_feature_update(s->store, "users", "short", &other, 1, MQ_UPDATE_IF_VERSION,
                                      1, NULL, &err);
    int64_t version = 0;
    enum mq_status updated = mq_feature_update(s->store, "users", "short", &other, 1,
                                               MQ_UPDATE_IF_ABSENT, 0, &version, &err);
    unsetenv("MARQUEE_NOW");
    assert_int_equal(conditions[0], MQ_E_CONFLICT);
    assert_int_equal(conditions[1], MQ_E_CONFLICT);
    assert_int_equal(updated, MQ_OK);
    assert_int_equal(version, 1);
    check_ok(mq_feature_get(s->store, "users", "short", MQ_READ_STRONG, &s->arena, &record, &err));
    assert_int_equal(record.attribute_count, 1);
    assert_int_equal(record.expires_s, 0);
    assert_int_equal(got, MQ_E_NOT_FOUND);
    assert_int_equal(scanned, MQ_OK);
    assert_int_equal(seen[0], 0);
}

static void
feature_long_keys(void **state)
{
    struct feature_state *s = *state;
    struct mq_error err = {0};
    char keys[3][MQ_FEATURE_KEY_MAX + 2];
    for (int i = 0; i < 3; i++) {
        memset(keys[i], 'k', MQ_FEATURE_KEY_MAX);
        keys[i][MQ_FEATURE_KEY_MAX - 1] = (char)('a' + i);
        keys[i][MQ_FEATURE_KEY_MAX] = '\0';
        struct mq_attribute n = {.name = "n", .type = MQ_ATTRIBUTE_INTEGER, .integer = i};
        struct mq_record record = {.key = keys[i], .attributes = &n, .attribute_count = 1};
        check_ok(mq_feature_put(s->store, "users", &record, &err));
    }
    for (int i = 0; i < 3; i++) {
        struct mq_record record;
        check_ok(
            mq_feature_get(s->store, "users", keys[i], MQ_READ_STRONG, &s->arena, &record, &err));
        assert_int_equal(mq_record_find(&record, "n")->integer, i);
        assert_string_equal(record.key, keys[i]);
    }
}

#define FEATURE_TEST(test, backend)                                                                \
    {                                                                                              \
#test, test, feature_setup, feature_teardown, (void *)(backend)                            \
    }
#define FEATURE_CONTRACT_TESTS(backend)                                                            \
    FEATURE_TEST(feature_types, backend), FEATURE_TEST(feature_numbers, backend),                  \
        FEATURE_TEST(feature_missing, backend), FEATURE_TEST(feature_largest, backend),            \
        FEATURE_TEST(feature_refusals, backend), FEATURE_TEST(feature_batches, backend),           \
        FEATURE_TEST(feature_updates, backend), FEATURE_TEST(feature_races, backend),              \
        FEATURE_TEST(feature_scan, backend), FEATURE_TEST(feature_expiry, backend),                \
        FEATURE_TEST(feature_long_keys, backend)

#endif
