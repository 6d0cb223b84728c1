#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "format/json.h"

static char *
dump(const char *text, enum mq_json_form form)
{
    struct mq_error err;
    struct mq_buffer buffer = {0};
    mq_autojson json_t *value = NULL;
    check_ok(mq_json_parse(text, strlen(text), "x.json", &value, &err));
    check_ok(mq_json_dump(value, form, &buffer, &err));
    return mq_buffer_take(&buffer);
}

#define dumps(text, form, due)                                                                     \
    do {                                                                                           \
        char *dumped = dump(text, form);                                                           \
        assert_string_equal(dumped, due);                                                          \
        free(dumped);                                                                              \
    } while (0)

static void
forms(void **state)
{
    static const char text[] = "{\"b\": [1, 2.50, -0.1, 1e300, true, null], \"a\": {\"é\": "
                               "\"x\\n\\u0001\"}, \"c\": [], \"d\": {}}";
    dumps(text, MQ_JSON_COMPACT,
          "{\"b\":[1,2.5,-0.1,1e+300,true,null],\"a\":{\"é\":\"x\\n\\u0001\"},\"c\":[],\"d\":{}}");
    dumps(text, MQ_JSON_CANONICAL,
          "{\"a\":{\"é\":\"x\\n\\u0001\"},\"b\":[1,2.5,-0.1,1e+300,true,null],\"c\":[],\"d\":{}}");
    dumps("{\"b\":[1,2],\"a\":{}}", MQ_JSON_INDENTED,
          "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"a\": {}\n}");
    dumps("3", MQ_JSON_COMPACT, "3");
    dumps("[3.0,1e20]", MQ_JSON_COMPACT, "[3.0,1e+20]");
}

#define refused(code, text, part)                                                                  \
    do {                                                                                           \
        struct mq_error err;                                                                       \
        json_t *value = NULL;                                                                      \
        check_fails(code, mq_json_parse(text, sizeof(text) - 1, "x.json", &value, &err));          \
        check_contains(err.message, part);                                                         \
        assert_null(value);                                                                        \
    } while (0)

static void
errors_name_the_place(void **state)
{
    refused(MQ_E_FORMAT, "{\n  \"a\": x\n}", "'x.json': line 2, column 8");
    refused(MQ_E_FORMAT, "", "line 1, column 0");
    refused(MQ_E_FORMAT, "{\"a\":1,\"a\":2}", "duplicate");
    refused(MQ_E_FORMAT, "[1,2", "line 1");
    refused(MQ_E_FORMAT, "[123456789012345678901]", "integer");
    refused(MQ_E_FORMAT, "[NaN]", "line 1");
    refused(MQ_E_FORMAT, "\"\xff\"", "decode byte 0xff");
    refused(MQ_E_FORMAT, "[1] x", "line 1");
    char deep[2 * (MQ_JSON_DEPTH_MAX + 1)];
    struct mq_error err;
    json_t *value = NULL;
    memset(deep, '[', MQ_JSON_DEPTH_MAX + 1);
    memset(deep + MQ_JSON_DEPTH_MAX + 1, ']', MQ_JSON_DEPTH_MAX + 1);
    check_fails(MQ_E_RANGE, mq_json_parse(deep, sizeof(deep), "deep", &value, &err));
    check_ok(mq_json_parse(deep + 1, sizeof(deep) - 2, "deep", &value, &err));
    json_decref(value);
}

static void
members_are_typed(void **state)
{
    struct mq_error err;
    static const char text[] = "{\"t\":\"x\",\"i\":3,\"r\":2.5}";
    mq_autojson json_t *object = NULL;
    const char *found;
    int64_t integer;
    double real;
    check_ok(mq_json_parse(text, sizeof(text) - 1, "x", &object, &err));
    check_ok(mq_json_need_text(object, "t", &found, &err));
    assert_string_equal(found, "x");
    check_ok(mq_json_need_int(object, "i", &integer, &err));
    assert_int_equal(integer, 3);
    check_ok(mq_json_need_real(object, "i", &real, &err));
    assert_true(real == 3.0);
    check_fails(MQ_E_FORMAT, mq_json_need_int(object, "r", &integer, &err));
    assert_string_equal(err.message, "key 'r' is of type real where integer is due");
    check_fails(MQ_E_FORMAT, mq_json_need_text(object, "zz", &found, &err));
    assert_string_equal(err.message, "key 'zz' is missing");
}

static void
text_and_numbers_from_outside(void **state)
{
    struct mq_buffer buffer = {0};
    struct mq_error err;
    check_ok(mq_json_quote("a\"\\\t\x01\xff\xc3\xa9", 8, &buffer, &err));
    assert_string_equal(buffer.data, "\"a\\\"\\\\\\t\\u0001\xef\xbf\xbdé\"");
    mq_buffer_reset(&buffer);
    check_ok(mq_json_real((double)NAN, &buffer, &err));
    check_ok(mq_json_real(-(double)INFINITY, &buffer, &err));
    check_ok(mq_json_real(0.1 + 0.2, &buffer, &err));
    assert_string_equal(buffer.data, "nullnull0.30000000000000004");
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(members_are_typed),
        cmocka_unit_test(text_and_numbers_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
