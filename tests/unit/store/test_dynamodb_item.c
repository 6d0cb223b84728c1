#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "format/json.h"
#include "store/dynamodb_item.h"

static enum mq_status
read_text(const char *text, struct mq_arena *arena, struct mq_record *ret_record,
          struct mq_error *err)
{
    mq_autojson json_t *item = NULL;
    enum mq_status st = mq_json_parse(text, strlen(text), "item", &item, err);
    return st != MQ_OK ? st : mq_dynamodb_item_read(item, arena, ret_record, err);
}

/* The very text of each type. */
static void
written_form(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_text set[] = {{"a\"", 2}, {"b", 1}};
    const double reals[] = {1, -0.5, 0.1, 1e-200, -0.0};
    const struct mq_attribute attributes[] = {
        {.name = "n", .type = MQ_ATTRIBUTE_NULL},
        {.name = "t", .type = MQ_ATTRIBUTE_BOOL, .truth = true},
        {.name = "i", .type = MQ_ATTRIBUTE_INTEGER, .integer = INT64_MIN},
        {.name = "r", .type = MQ_ATTRIBUTE_REAL, .real = 0.1 + 0.2},
        {.name = "w", .type = MQ_ATTRIBUTE_REAL, .real = 4},
        {.name = "s", .type = MQ_ATTRIBUTE_TEXT, .text = {"x\n", 2}},
        {.name = "b", .type = MQ_ATTRIBUTE_BYTES, .text = {"\0\xff\1\2", 4}},
        {.name = "e", .type = MQ_ATTRIBUTE_BYTES, .text = {"", 0}},
        {.name = "g", .type = MQ_ATTRIBUTE_TEXT_SET, .texts = {set, 2}},
        {.name = "v", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, 5}},
    };
    const struct mq_record record = {.key = "k\"1",
                                     .version = 3,
                                     .expires_s = 9,
                                     .attributes = attributes,
                                     .attribute_count = MQ_COUNT(attributes)};
    struct mq_buffer text = {0};
    check_ok(mq_dynamodb_item_write(&record, &text, &err));
    assert_string_equal(
        text.data,
        "{\"key\":{\"S\":\"k\\\"1\"},\"version\":{\"N\":\"3\"},\"expires\":{\"N\":\"9\"},"
        "\"n\":{\"NULL\":true},\"t\":{\"BOOL\":true},\"i\":{\"N\":\"-9223372036854775808\"},"
        "\"r\":{\"N\":\"0.30000000000000004\"},\"w\":{\"N\":\"4\"},\"s\":{\"S\":\"x\\n\"},"
        "\"b\":{\"B\":\"AP8BAg==\"},\"e\":{\"B\":\"\"},\"g\":{\"SS\":[\"a\\\"\",\"b\"]},"
        "\"v\":{\"L\":[{\"N\":\"1\"},{\"N\":\"-0.5\"},{\"N\":\"0.1\"},{\"N\":\"0\"},"
        "{\"N\":\"0\"}]}}");
    mq_buffer_release(&text);
}

/* Random numbers of all magnitudes come back to the last bit; bytes of all lengths whole. */
static void
round_trips(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    struct mq_arena arena = {0};
    struct mq_buffer text = {0};
    enum { COUNT = 2000 };
    double reals[COUNT];
    for (int i = 0; i < COUNT; i++)
        reals[i] = (mq_rng_uniform(&rng) - 0.5) * pow(10, mq_rng_uniform(&rng) * 250 - 128);
    char bytes[7000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)mq_rng_next(&rng);
    const size_t sizes[] = {0, 1, 2, 3, 4, 3071, 3072, 3073, 6144, 6145, 7000};
    for (size_t i = 0; i < MQ_COUNT(sizes); i++) {
        const struct mq_attribute attributes[] = {
            {.name = "v", .type = MQ_ATTRIBUTE_REALS, .reals = {reals, COUNT}},
            {.name = "b", .type = MQ_ATTRIBUTE_BYTES, .text = {bytes, sizes[i]}}};
        const struct mq_record record = {
            .key = "k", .attributes = attributes, .attribute_count = 2};
        struct mq_record back;
        mq_buffer_reset(&text);
        check_ok(mq_dynamodb_item_write(&record, &text, &err));
        check_ok(read_text(text.data, &arena, &back, &err));
        assert_int_equal(back.version, 1);
        assert_int_equal(back.expires_s, 0);
        assert_memory_equal(mq_record_find(&back, "v")->reals.items, reals, sizeof(reals));
        assert_int_equal(mq_record_find(&back, "b")->text.size, sizes[i]);
        assert_memory_equal(mq_record_find(&back, "b")->text.data, bytes, sizes[i]);
        mq_arena_reset(&arena);
    }
    mq_buffer_release(&text);
    mq_arena_release(&arena);
}

/* Numbers as DynamoDB or another program may write them; sets come in any order. */
static void
other_writers(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_arena arena = {0};
    struct mq_record r;
    check_ok(read_text("{\"key\":{\"S\":\"k\"},\"version\":{\"N\":\"1\"},\"a\":{\"N\":\"1E+3\"},"
                       "\"b\":{\"N\":\"1.50\"},\"c\":{\"N\":\"9223372036854775808\"},"
                       "\"d\":{\"SS\":[\"z\",\"b\",\"y\"]},\"e\":{\"N\":\"-0\"},"
                       "\"f\":{\"NS\":[\"30\",\"-1.5\",\"2E+1\"]}}",
                       &arena, &r, &err));
    assert_int_equal(mq_record_find(&r, "a")->type, MQ_ATTRIBUTE_INTEGER);
    assert_int_equal(mq_record_find(&r, "a")->integer, 1000);
    assert_true(mq_record_find(&r, "b")->real == 1.5);
    assert_int_equal(mq_record_find(&r, "c")->type, MQ_ATTRIBUTE_REAL);
    assert_true(mq_record_find(&r, "c")->real == 0x1p63);
    assert_string_equal(mq_record_find(&r, "d")->texts.items[0].data, "b");
    assert_string_equal(mq_record_find(&r, "d")->texts.items[2].data, "z");
    assert_int_equal(mq_record_find(&r, "e")->integer, 0);
    const struct mq_attribute *f = mq_record_find(&r, "f");
    assert_int_equal(f->type, MQ_ATTRIBUTE_NUMBER_SET);
    assert_true(f->reals.items[0] == -1.5 && f->reals.items[1] == 20 && f->reals.items[2] == 30);
    mq_arena_release(&arena);
}

static void
refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_arena arena = {0};
    struct mq_record record;
    static const struct {
        const char *attribute;
        enum mq_status status;
    } bad[] = {
        {"{\"M\":{}}", MQ_E_UNSUPPORTED},
        {"{\"BS\":[\"AAAA\"]}", MQ_E_UNSUPPORTED},
        {"{\"N\":\"1\",\"S\":\"x\"}", MQ_E_UNSUPPORTED},
        {"7", MQ_E_UNSUPPORTED},
        {"{\"N\":\"nan\"}", MQ_E_FORMAT},
        {"{\"N\":\"0x10\"}", MQ_E_FORMAT},
        {"{\"N\":\"\"}", MQ_E_FORMAT},
        {"{\"N\":1}", MQ_E_FORMAT},
        {"{\"N\":\"1e999\"}", MQ_E_FORMAT},
        {"{\"NULL\":false}", MQ_E_FORMAT},
        {"{\"BOOL\":\"true\"}", MQ_E_FORMAT},
        {"{\"B\":\"AAA\"}", MQ_E_FORMAT},
        {"{\"B\":\"A===\"}", MQ_E_FORMAT},
        {"{\"B\":\"AA-A\"}", MQ_E_FORMAT},
        {"{\"SS\":[]}", MQ_E_FORMAT},
        {"{\"SS\":[\"a\",\"a\"]}", MQ_E_FORMAT},
        {"{\"SS\":[1]}", MQ_E_FORMAT},
        {"{\"NS\":[]}", MQ_E_FORMAT},
        {"{\"NS\":[\"1\",\"1.0\"]}", MQ_E_FORMAT},
        {"{\"NS\":[1]}", MQ_E_FORMAT},
        {"{\"L\":[{\"S\":\"x\"}]}", MQ_E_FORMAT},
        {"{\"L\":7}", MQ_E_FORMAT},
    };
    for (size_t i = 0; i < MQ_COUNT(bad); i++) {
        char *text = mq_strfmt("{\"key\":{\"S\":\"film 1\"},\"version\":{\"N\":\"1\"},\"x\":%s}",
                               bad[i].attribute);
        enum mq_status st = read_text(text, &arena, &record, &err);
        if (st != bad[i].status)
            fail_msg("%s: %s", bad[i].attribute, mq_status_name(st));
        check_contains(err.message, "film 1");
        check_contains(err.message, "'x'");
        free(text);
    }
    check_fails(MQ_E_FORMAT, read_text("[]", &arena, &record, &err));
    check_fails(MQ_E_FORMAT, read_text("{\"version\":{\"N\":\"1\"}}", &arena, &record, &err));
    check_fails(MQ_E_FORMAT, read_text("{\"key\":{\"S\":\"k\"}}", &arena, &record, &err));
    check_contains(err.message, "'version'");
    mq_arena_release(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_form),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(other_writers),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
