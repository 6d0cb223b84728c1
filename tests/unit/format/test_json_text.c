#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "format/json.h"
#include "format/json_text.h"

/* JSON written straight into a buffer: what jansson reads of it is what was written. */

struct text {
    struct mq_buffer buffer;
    struct mq_error error;
    struct mq_json_text json;
};

static void
begin(struct text *t)
{
    *t = (struct text){0};
    mq_json_text_begin(&t->json, &t->buffer, &t->error);
}

/* What was written, read by jansson. */
static json_t *
read_back(struct text *t)
{
    struct mq_error err = {0};
    json_t *value = NULL;
    check_ok(mq_json_text_end(&t->json));
    check_ok(mq_json_parse(t->buffer.data, t->buffer.size, "text", &value, &err));
    return value;
}

#define writes(due, ...)                                                                           \
    do {                                                                                           \
        struct text t;                                                                             \
        begin(&t);                                                                                 \
        __VA_ARGS__;                                                                               \
        assert_int_equal(mq_json_text_end(&t.json), MQ_OK);                                        \
        assert_string_equal(t.buffer.data, due);                                                   \
        mq_buffer_release(&t.buffer);                                                              \
    } while (0)

static void
puts_commas_where_they_belong(void **state)
{
    (void)state;
    writes("[]", mq_json_open(&t.json, '['), mq_json_close(&t.json, ']'));
    writes("{}", mq_json_open(&t.json, '{'), mq_json_close(&t.json, '}'));
    writes("[[],[],{}]", mq_json_open(&t.json, '['), mq_json_open(&t.json, '['),
           mq_json_close(&t.json, ']'), mq_json_open(&t.json, '['), mq_json_close(&t.json, ']'),
           mq_json_open(&t.json, '{'), mq_json_close(&t.json, '}'), mq_json_close(&t.json, ']'));
    writes("{\"a\":1,\"b\":[1,\"x\",null,true],\"c\":{\"d\":0.5,\"e\":false},\"f\":null}",
           mq_json_open(&t.json, '{'), mq_json_put_int(&t.json, "a", 1), mq_json_key(&t.json, "b"),
           mq_json_open(&t.json, '['), mq_json_int(&t.json, 1), mq_json_string(&t.json, "x"),
           mq_json_null(&t.json), mq_json_bool(&t.json, true), mq_json_close(&t.json, ']'),
           mq_json_key(&t.json, "c"), mq_json_open(&t.json, '{'),
           mq_json_put_decimal(&t.json, "d", 0.5, 3), mq_json_put_bool(&t.json, "e", false),
           mq_json_close(&t.json, '}'), mq_json_put_string(&t.json, "f", NULL),
           mq_json_close(&t.json, '}'));
}

static void
whole_numbers(void **state)
{
    (void)state;
    static const int64_t values[] = {0,         1,         -1,        9,         10,      -10,
                                     INT32_MIN, INT32_MAX, INT64_MAX, INT64_MIN, 1000000, -999999};
    for (size_t i = 0; i < MQ_COUNT(values); i++) {
        struct text t;
        begin(&t);
        mq_json_open(&t.json, '[');
        mq_json_int(&t.json, values[i]);
        mq_json_close(&t.json, ']');
        json_t *root = read_back(&t);
        assert_true(json_integer_value(json_array_get(root, 0)) == values[i]);
        json_decref(root);
        mq_buffer_release(&t.buffer);
    }
}

static void
decimals(void **state)
{
    (void)state;
    writes("0.5", mq_json_decimal(&t.json, 0.5, 5));
    writes("0.05", mq_json_decimal(&t.json, 0.05, 2));
    writes("0.1", mq_json_decimal(&t.json, 0.05, 1)); /* halves go away from zero */
    writes("-0.1", mq_json_decimal(&t.json, -0.05, 1));
    writes("3", mq_json_decimal(&t.json, 2.9996, 3));
    writes("2.999", mq_json_decimal(&t.json, 2.9991, 3));
    writes("10.01", mq_json_decimal(&t.json, 10.01, 9));
    writes("12", mq_json_decimal(&t.json, 12.4, 0));
    writes("100", mq_json_decimal(&t.json, 100, 9));
    writes("0.000000001", mq_json_decimal(&t.json, 1e-9, 9));
    writes("0", mq_json_decimal(&t.json, 1e-12, 9));
    writes("0", mq_json_decimal(&t.json, -1e-12, 9)); /* not -0 */
    writes("0", mq_json_decimal(&t.json, -0.0, 9));
    writes("8999999999.123", mq_json_decimal(&t.json, 8999999999.123, 3));
    writes("null", mq_json_decimal(&t.json, NAN, 3));
    writes("[null,null]", mq_json_open(&t.json, '['), mq_json_decimal(&t.json, INFINITY, 3),
           mq_json_decimal(&t.json, -INFINITY, 3), mq_json_close(&t.json, ']'));
}

/* Any number is read back within half a unit of its last digit; one too great for that, exactly. */
static void
decimals_by_chance(void **state)
{
    (void)state;
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int k = 0; k < 20000; k++) {
        int digits = (int)mq_rng_below(&rng, 10);
        double value = ldexp((double)mq_rng_below(&rng, UINT32_MAX) / UINT32_MAX,
                             (int)mq_rng_below(&rng, 120) - 60);
        if (k % 2 == 1)
            value = -value;
        if (k == 0)
            value = DBL_MAX;
        struct text t;
        begin(&t);
        mq_json_open(&t.json, '[');
        mq_json_decimal(&t.json, value, digits);
        mq_json_close(&t.json, ']');
        json_t *root = read_back(&t);
        double back = json_number_value(json_array_get(root, 0));
        if (fabs(value) > 9e9)
            assert_true(back == value);
        else
            assert_true(fabs(back - value) <=
                        0.5 * pow(10, -digits) + fabs(value) * 4 * DBL_EPSILON);
        json_decref(root);
        mq_buffer_release(&t.buffer);
    }
}

static void
texts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",  "plain", "\"quoted\" \\ /", "line\nfeed\ttab\r\b\f\x01\x1f",
        "é", "电影",  "\U0001f3ac",      "\x7f"};
    writes("\"a\xef\xbf\xbd"
           "b\"",
           mq_json_string(&t.json, "a\xff"
                                   "b"));
    struct text t;
    begin(&t);
    mq_json_open(&t.json, '[');
    for (size_t i = 0; i < MQ_COUNT(good); i++)
        mq_json_string(&t.json, good[i]);
    mq_json_string(&t.json, NULL);
    mq_json_close(&t.json, ']');
    json_t *root = read_back(&t);
    for (size_t i = 0; i < MQ_COUNT(good); i++)
        assert_string_equal(json_string_value(json_array_get(root, i)), good[i]);
    assert_true(json_is_null(json_array_get(root, MQ_COUNT(good))));
    json_decref(root);
    mq_buffer_release(&t.buffer);
    /* Bytes that are no UTF-8: alone, cut short, a surrogate, longer than need be. */
    static const char *const bad[] = {"\xe9", "x\xe7\x94", "\xed\xa0\x80", "\xc0\xaf", "\xf8\x88"};
    for (size_t i = 0; i < MQ_COUNT(bad); i++) {
        begin(&t);
        mq_json_open(&t.json, '[');
        mq_json_string(&t.json, bad[i]);
        mq_json_close(&t.json, ']');
        root = read_back(&t);
        check_contains(json_string_value(json_array_get(root, 0)), "\xef\xbf\xbd");
        json_decref(root);
        mq_buffer_release(&t.buffer);
    }
}

/* The first failure is kept, and nothing is written behind it. */
static void
keeps_the_first_failure(void **state)
{
    (void)state;
    struct text t;
    begin(&t);
    mq_buffer_init(&t.buffer, 16);
    mq_json_open(&t.json, '[');
    mq_json_string(&t.json, "0123456789");
    assert_int_equal(mq_json_text_end(&t.json), MQ_OK);
    mq_json_string(&t.json, "0123456789");
    assert_int_equal(mq_json_text_end(&t.json), MQ_E_NOMEM);
    size_t size = t.buffer.size;
    mq_json_int(&t.json, 1);
    mq_json_put_decimal(&t.json, "a", 1e300, 3);
    mq_json_close(&t.json, ']');
    assert_int_equal(t.buffer.size, size);
    assert_int_equal(mq_json_text_end(&t.json), MQ_E_NOMEM);
    assert_int_equal(t.error.code, MQ_E_NOMEM);
    mq_buffer_release(&t.buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_commas_where_they_belong),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(decimals),
        cmocka_unit_test(decimals_by_chance),
        cmocka_unit_test(texts),
        cmocka_unit_test(keeps_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
