/* Every field, need, bound and fault of a user event, and where a refusal points to. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/event.h"

/* 2026-01-01T00:00:00Z */
#define NOW_MS INT64_C(1767225600000)

static const struct mq_event_rules rules = {.now_ms = NOW_MS,
                                            .age_max_ms = INT64_C(10) * 366 * 86400 * 1000,
                                            .ahead_max_ms = 3600 * 1000,
                                            .rating_min = 0.5,
                                            .rating_max = 5};

static struct mq_user_event event;
static struct mq_event_refusal refusal;

static enum mq_status
parse(const char *text)
{
    memset(&event, 0xa5, sizeof(event));
    memset(&refusal, 0, sizeof(refusal));
    return mq_user_event_parse(text, strlen(text), &rules, &event, &refusal);
}

static void
check_good(const char *text)
{
    if (parse(text) != MQ_OK)
        fail_msg("'%s' is refused: %s", text, refusal.reason);
}

static void
check_refused(const char *text, enum mq_event_fault fault, const char *reason)
{
    enum mq_status st = parse(text);
    if (st == MQ_OK)
        fail_msg("'%s' is taken", text);
    if (refusal.fault != fault || strstr(refusal.reason, reason) == NULL)
        fail_msg("'%.200s' is refused as %s: '%s', expected %s: '%s'", text,
                 mq_event_fault_name(refusal.fault), refusal.reason, mq_event_fault_name(fault),
                 reason);
    bool broken = fault == MQ_EVENT_NOT_JSON;
    assert_int_equal(st, broken ? MQ_E_FORMAT : MQ_E_INPUT);
}

static void
check_text(struct mq_event_text text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.bytes, expected, text.size);
}

#define EVENT(rest) "{\"user_id\":1,\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000" rest "}"

static void
all_fields(void **state)
{
    (void)state;
    check_good(" {\"user_id\":\"u-1\",\"movie_id\":318,\"rating\":4.5,\"timestamp\":1767000000.25,"
               "\"event_type\":\"add-to-list\",\"watch_seconds\":12.5,\"duration_seconds\":7200,"
               "\"position\":3,\"source\":\"home\",\"trace\":\"a|b\",\"session_id\":77,"
               "\"event_id\":\"e-9\",\"other\":{\"deep\":[1,2,{\"x\":null}]}} ");
    assert_int_equal(event.present, (1 << MQ_EVENT_FIELDS) - 1);
    check_text(event.user_id, "u-1");
    check_text(event.movie_id, "318");
    check_text(event.source, "home");
    check_text(event.trace, "a|b");
    check_text(event.session_id, "77");
    check_text(event.event_id, "e-9");
    assert_int_equal(event.kind, MQ_EVENT_ADD_TO_LIST);
    assert_int_equal(event.time_ms, INT64_C(1767000000250));
    assert_int_equal(event.position, 3);
    assert_true(event.rating == 4.5 && event.watch_seconds == 12.5);
    assert_true(event.duration_seconds == 7200);
    assert_int_equal(event.begin, 1);
}

static void
needs_by_kind(void **state)
{
    (void)state;
    check_good(EVENT(""));
    assert_int_equal(event.kind, MQ_EVENT_RATING);
    check_good("{\"user_id\":1,\"movie_id\":2,\"timestamp\":1767000000,\"event_type\":\"play\"}");
    check_good("{\"event_type\":\"search\",\"user_id\":1,\"timestamp\":1767000000}");
    check_good(EVENT(",\"event_type\":null"));
    check_refused("{\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000}", MQ_EVENT_MISSING,
                  "user_id is missing");
    assert_int_equal(refusal.field, MQ_EVENT_FIELD_user_id);
    check_refused("{\"user_id\":1,\"rating\":3,\"timestamp\":1767000000}", MQ_EVENT_MISSING,
                  "movie_id is missing");
    check_refused("{\"user_id\":1,\"movie_id\":2,\"timestamp\":1767000000}", MQ_EVENT_MISSING,
                  "rating is missing");
    check_refused("{\"user_id\":1,\"movie_id\":2,\"rating\":null,\"timestamp\":1767000000}",
                  MQ_EVENT_MISSING, "rating is missing");
    check_refused("{\"user_id\":1,\"movie_id\":2,\"rating\":3}", MQ_EVENT_MISSING, "timestamp");
    check_refused("{}", MQ_EVENT_MISSING, "user_id");
    check_refused(EVENT(",\"rating\":4"), MQ_EVENT_REPEATED, "rating stands twice");
}

static void
ids(void **state)
{
    (void)state;
#define ID(value) "{\"user_id\":" value ",\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000}"
    static const struct {
        const char *json, *text;
    } same[] = {{ID("17"), "17"},
                {ID("17.0"), "17"},
                {ID("1.7e1"), "17"},
                {ID("-0"), "0"},
                {ID("9007199254740991"), "9007199254740991"},
                {ID("\"17\""), "17"},
                {ID("\"\\u0031\\u0037\""), "17"},
                {ID("\"J\\u00fcrgen \\ud83c\\udfac\""), "J\xc3\xbcrgen \xf0\x9f\x8e\xac"},
                {ID("\"a\\\"b\\\\c\\/d\""), "a\"b\\c/d"}};
    for (size_t i = 0; i < MQ_COUNT(same); i++) {
        check_good(same[i].json);
        check_text(event.user_id, same[i].text);
    }
    check_refused(ID("-1"), MQ_EVENT_OUT_OF_RANGE, "user_id is -1");
    check_refused(ID("9007199254740992"), MQ_EVENT_OUT_OF_RANGE, "user_id");
    check_refused(ID("1e400"), MQ_EVENT_OUT_OF_RANGE, "user_id");
    check_refused(ID("1.5"), MQ_EVENT_WRONG_TYPE, "whole number");
    check_refused(ID("true"), MQ_EVENT_WRONG_TYPE, "user_id is true");
    check_refused(ID("[1,[2]]"), MQ_EVENT_WRONG_TYPE, "user_id is [1,[2]]");
    check_refused(ID("\"\""), MQ_EVENT_OUT_OF_RANGE, "0 characters (allowed: 1 to 128)");
    check_refused(ID("\"a\\nb\""), MQ_EVENT_OUT_OF_RANGE, "control character");
    check_refused(ID("\"a\x7f\""), MQ_EVENT_OUT_OF_RANGE, "control character");
    /* 128 wide characters fit, escaped or not; one more does not. */
    for (int form = 0; form < 2; form++) {
        for (int n = 128; n <= 129; n++) {
            char text[4096] = "{\"user_id\":\"";
            for (int i = 0; i < n; i++)
                strcat(text, form ? "\\ud83c\\udfac" : "\xf0\x9f\x8e\xac");
            strcat(text, "\",\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000}");
            if (n == 128) {
                check_good(text);
                assert_int_equal(event.user_id.size, 512);
            } else {
                check_refused(text, MQ_EVENT_OUT_OF_RANGE, "129 characters");
            }
        }
    }
}

/* Every text at its most, all escaped: the scratch holds them. */
static void
scratch_is_enough(void **state)
{
    (void)state;
    static char text[65536];
    strcpy(text, "{\"rating\":3,\"timestamp\":1767000000");
    const struct {
        const char *name;
        int characters;
    } texts[] = {{"user_id", 128}, {"movie_id", 128},   {"source", 128},
                 {"trace", 1024},  {"session_id", 128}, {"event_id", 128}};
    for (size_t i = 0; i < MQ_COUNT(texts); i++) {
        sprintf(text + strlen(text), ",\"%s\":\"", texts[i].name);
        for (int k = 0; k < texts[i].characters; k++)
            strcat(text, "\\uD83C\\uDFAC");
        strcat(text, "\"");
    }
    strcat(text, "}");
    check_good(text);
    assert_int_equal(event.trace.size, 4096);
    assert_memory_equal(event.trace.bytes + 4092, "\xf0\x9f\x8e\xac", 4);
    assert_memory_equal(event.event_id.bytes + 508, "\xf0\x9f\x8e\xac", 4);
    assert_memory_equal(event.user_id.bytes, "\xf0\x9f\x8e\xac", 4);
    assert_true(event.event_id.bytes + 512 <= event.scratch + sizeof(event.scratch));
}

static void
times(void **state)
{
    (void)state;
#define AT(value) "{\"user_id\":1,\"movie_id\":2,\"rating\":3,\"timestamp\":" value "}"
    static const struct {
        const char *json;
        int64_t ms;
    } good[] = {{AT("1767225600"), NOW_MS},
                {AT("1767225600000"), NOW_MS},
                {AT("1767225600.5"), NOW_MS + 500},
                {AT("1.7672256e9"), NOW_MS},
                {AT("\"2026-01-01\""), NOW_MS},
                {AT("\"2026-01-01T00:00:00Z\""), NOW_MS},
                {AT("\"2026-01-01 00:00:00.123456\""), NOW_MS + 123},
                {AT("\"2026-01-01T02:00:00.5+02:00\""), NOW_MS + 500},
                {AT("\"2025-12-31T19:00:00-0500\""), NOW_MS},
                {AT("\"2026-01-01T00:00\\u003a00Z\""), NOW_MS}};
    for (size_t i = 0; i < MQ_COUNT(good); i++) {
        check_good(good[i].json);
        if (event.time_ms != good[i].ms)
            fail_msg("'%s' is %lld", good[i].json, (long long)event.time_ms);
    }
    check_good(AT("1767229200"));
    check_refused(AT("1767229201"), MQ_EVENT_IN_FUTURE, "(allowed: to 2026-01-01T01:00:00Z)");
    check_refused(AT("1767225600000000"), MQ_EVENT_IN_FUTURE, "1767225600000000");
    check_refused(AT("1e999"), MQ_EVENT_IN_FUTURE, "1e999");
    check_refused(AT("0"), MQ_EVENT_TOO_OLD, "timestamp is 0, too old (allowed: from 2015-12-");
    check_refused(AT("-1e999"), MQ_EVENT_TOO_OLD, "-1e999");
    check_refused(AT("\"1970-01-01\""), MQ_EVENT_TOO_OLD, "1970");
    check_refused(AT("\"2026-02-30\""), MQ_EVENT_OUT_OF_RANGE, "2026-02-30");
    check_refused(AT("\"yesterday\""), MQ_EVENT_OUT_OF_RANGE, "YYYY-MM-DDTHH:MM:SSZ");
    check_refused(AT("\"2026-01-01T00:00:00.Z\""), MQ_EVENT_OUT_OF_RANGE, "timestamp");
    check_refused(AT("\"\""), MQ_EVENT_OUT_OF_RANGE, "timestamp");
    check_refused(AT("{}"), MQ_EVENT_WRONG_TYPE, "timestamp is {} where a number or ISO 8601");
}

static void
ranges(void **state)
{
    (void)state;
#define RATED(value) "{\"user_id\":1,\"movie_id\":2,\"rating\":" value ",\"timestamp\":1767000000}"
    check_good(RATED("0.5"));
    check_good(RATED("5"));
    check_good(RATED("5.000"));
    check_refused(RATED("0.49"), MQ_EVENT_OFF_SCALE, "rating is 0.49 (allowed: 0.5 to 5)");
    check_refused(RATED("5.1"), MQ_EVENT_OFF_SCALE, "rating is 5.1");
    check_refused(RATED("1e999"), MQ_EVENT_OFF_SCALE, "1e999");
    check_refused(RATED("\"4\""), MQ_EVENT_WRONG_TYPE, "rating is \"4\" where a number is due");
    assert_int_equal(refusal.field, MQ_EVENT_FIELD_rating);
    assert_int_equal(refusal.offset, 35);
    check_refused(EVENT(",\"watch_seconds\":-1"), MQ_EVENT_OUT_OF_RANGE, "watch_seconds is -1");
    check_refused(EVENT(",\"position\":1.5"), MQ_EVENT_WRONG_TYPE, "position is 1.5");
    check_refused(EVENT(",\"position\":1000001"), MQ_EVENT_OUT_OF_RANGE, "0 to 1000000");
    check_refused(EVENT(",\"event_type\":\"buy\""), MQ_EVENT_OUT_OF_RANGE, "event_type is \"buy\"");
    check_refused(EVENT(",\"event_type\":4"), MQ_EVENT_WRONG_TYPE, "event_type is 4");
    check_refused(EVENT(",\"source\":4"), MQ_EVENT_WRONG_TYPE, "source is 4 where text is due");
    check_good(EVENT(",\"source\":\"\""));
    check_good(EVENT(",\"position\":3.0"));
    assert_int_equal(event.position, 3);
}

static void
not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "{",
        "{\"user_id\"",
        "{\"user_id\":",
        "{\"user_id\":1",
        "{\"user_id\":1,",
        "{\"user_id\":1,}",
        "{user_id:1}",
        "{'user_id':1}",
        "{\"user_id\":01}",
        "{\"user_id\":+1}",
        "{\"user_id\":.5}",
        "{\"user_id\":1.}",
        "{\"user_id\":1e}",
        "{\"user_id\":-}",
        "{\"user_id\":NaN}",
        "{\"user_id\":nullx}",
        "{\"user_id\":tru}",
        "{\"user_id\":\"a",
        "{\"user_id\":\"\\x\"}",
        "{\"user_id\":\"\\u12g4\"}",
        "{\"user_id\":\"\\ud800\"}",
        "{\"user_id\":\"\\udc00\\ud800\"}",
        "{\"user_id\":\"\n\"}",
        "{\"user_id\":\"\xff\"}",
        "{\"user_id\":\"\xed\xa0\x80\"}",
        "{\"other\":[1,]}",
        "{\"other\":[1}",
        "{\"other\":{\"a\":1]}",
        "{\"other\":{\"a\" 1}}",
        "{\"other\":\"\xc0\x80\"}",
        "\xef\xbb\xbf{}",
        EVENT("") "x",
        EVENT("") EVENT(""),
        "{\"user_id\":true,\"x\":}", /* broken overrules what was found before */
        "[}",
    };
    for (size_t i = 0; i < MQ_COUNT(bad); i++)
        check_refused(bad[i], MQ_EVENT_NOT_JSON, "not JSON: ");
    check_refused("{\"user_id\":1,}", MQ_EVENT_NOT_JSON, "not JSON: 0x7d where a name");
    assert_int_equal(refusal.offset, 13);
    static const char nul[] = "{\"user_id\":1,\0\"movie_id\":2}";
    assert_int_equal(mq_user_event_parse(nul, sizeof(nul) - 1, &rules, &event, &refusal),
                     MQ_E_FORMAT);
    assert_int_equal(mq_user_event_parse(NULL, 0, &rules, &event, &refusal), MQ_E_FORMAT);
    check_refused("17", MQ_EVENT_WRONG_TYPE, "the event is 17 where an object is due");
    check_refused("[1, {\"a\": []}]", MQ_EVENT_WRONG_TYPE, "an object is due");
    check_refused("null", MQ_EVENT_WRONG_TYPE, "an object is due");
}

static void
bounds(void **state)
{
    (void)state;
    static char text[80000];
    for (int extra = 0; extra <= 1; extra++) {
        strcpy(text, EVENT(",\"x\":\""));
        size_t n = strlen(text) - 1; /* without the brace */
        memset(text + n, 'y', (size_t)(MQ_USER_EVENT_BYTES_MAX + extra) - n - 2);
        strcpy(text + MQ_USER_EVENT_BYTES_MAX + extra - 2, "\"}  \n");
        if (extra == 0)
            check_good(text);
        else
            check_refused(text, MQ_EVENT_TOO_LARGE, "65537 bytes (allowed: 65536)");
    }
    for (int levels = 31; levels <= 32; levels++) {
        strcpy(text, EVENT(",\"x\":"));
        size_t n = strlen(text) - 1;
        for (int i = 0; i < levels; i++)
            text[n + (size_t)i] = '[', text[n + (size_t)(levels + i)] = ']';
        strcpy(text + n + 2 * levels, "}");
        if (levels == 31)
            check_good(text);
        else
            check_refused(text, MQ_EVENT_TOO_DEEP, "nested deeper than 32 levels");
    }
}

/* An event that is nested too deep is refused alone: it is JSON, and the next one is found. Only
 * what no event can be long enough for is given up. */
static void
deep_among_others(void **state)
{
    (void)state;
    size_t room = 400000, n = 0;
    char *text = malloc(room);
    for (int levels = 40; levels <= 70000; levels += 69960 / 2) {
        n = (size_t)snprintf(text, room, "{\"user_id\":1,\"x\":");
        for (int i = 0; i < levels; i++)
            n += (size_t)snprintf(text + n, room - n, "%s", i % 2 == 0 ? "[1," : "{\"a\":");
        n += (size_t)snprintf(text + n, room - n, "[]");
        for (int i = levels - 1; i >= 0; i--)
            text[n++] = i % 2 == 0 ? ']' : '}';
        size_t end = n + 1;
        n += (size_t)snprintf(text + n, room - n, "}, " EVENT(""));
        enum mq_status st = mq_user_event_scan(text, n, &rules, &event, &refusal);
        assert_int_equal(refusal.fault, end > MQ_USER_EVENT_BYTES_MAX && levels < 70000
                                            ? MQ_EVENT_TOO_LARGE
                                            : MQ_EVENT_TOO_DEEP);
        assert_int_equal(st, levels < 70000 ? MQ_E_INPUT : MQ_E_FORMAT);
        if (st != MQ_E_INPUT)
            continue;
        assert_int_equal(event.end, end);
        assert_int_equal(mq_user_event_scan(text + end + 1, n - end - 1, &rules, &event, &refusal),
                         MQ_OK);
        /* What is not JSON is so at any depth. */
        text[end - 10] = '!';
        assert_int_equal(mq_user_event_scan(text, n, &rules, &event, &refusal), MQ_E_FORMAT);
        assert_int_equal(refusal.fault, MQ_EVENT_NOT_JSON);
        assert_int_equal(refusal.offset, end - 10);
    }
    free(text);
}

/* A caller walks an array: good ones, refused ones, and where each ends. */
static void
one_after_the_other(void **state)
{
    (void)state;
    static const char text[] = " {\"user_id\":1} , " EVENT("") "\n, 17";
    const char *p = text, *end = text + sizeof(text) - 1;
    assert_int_equal(mq_user_event_scan(p, (size_t)(end - p), &rules, &event, &refusal),
                     MQ_E_INPUT);
    assert_int_equal(event.begin, 1);
    assert_int_equal(event.end, 14);
    p += 16;
    assert_int_equal(mq_user_event_scan(p, (size_t)(end - p), &rules, &event, &refusal), MQ_OK);
    assert_memory_equal(p + event.begin, EVENT(""), event.end - event.begin);
    assert_false(event.has_line_ends);
    p += event.end + 2;
    assert_int_equal(mq_user_event_scan(p, (size_t)(end - p), &rules, &event, &refusal),
                     MQ_E_INPUT);
    assert_int_equal(refusal.offset, 1);
    check_good("\n{\"user_id\":1,\n\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000}");
    assert_true(event.has_line_ends);
    check_good("\n" EVENT("") "\r\n");
    assert_false(event.has_line_ends);
    check_good("{\"user\\u005fid\":1,\"movie_id\":2,\"rating\":3,\"timestamp\":1767000000}");
    check_text(event.user_id, "1");
}

static bool
is_object(int value, int level)
{
    return (level * 7 + value) % 3 == 0;
}

/* Values that are too deep, one after the other, each with other brackets at each level than the
 * one before: what was of one is not taken for the next's. */
static void
deep_after_deep(void **state)
{
    (void)state;
    enum { VALUES = 20, LEVELS = 300 };
    size_t room = (size_t)1 << 16, closing = 0;
    char *text = malloc(room);
    size_t n = (size_t)snprintf(text, room, "{\"user_id\":1");
    for (int v = 0; v < VALUES; v++) {
        n += (size_t)snprintf(text + n, room - n, ",\"x%d\":", v);
        for (int i = 0; i < LEVELS; i++)
            n += (size_t)snprintf(text + n, room - n, "%s", is_object(v, i) ? "{\"a\":" : "[");
        n += (size_t)snprintf(text + n, room - n, "0");
        closing = n;
        for (int i = LEVELS - 1; i >= 0; i--)
            text[n++] = is_object(v, i) ? '}' : ']';
    }
    text[n++] = '}';
    assert_int_equal(mq_user_event_scan(text, n, &rules, &event, &refusal), MQ_E_INPUT);
    assert_int_equal(refusal.fault, MQ_EVENT_TOO_DEEP);
    assert_int_equal(event.end, n);
    for (size_t at = closing; at < n - 1; at += 37) {
        char kept = text[at];
        text[at] = kept == '}' ? ']' : '}';
        assert_int_equal(mq_user_event_scan(text, n, &rules, &event, &refusal), MQ_E_FORMAT);
        assert_int_equal(refusal.fault, MQ_EVENT_NOT_JSON);
        assert_int_equal(refusal.offset, at);
        text[at] = kept;
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields),
        cmocka_unit_test(needs_by_kind),
        cmocka_unit_test(ids),
        cmocka_unit_test(scratch_is_enough),
        cmocka_unit_test(times),
        cmocka_unit_test(ranges),
        cmocka_unit_test(not_json),
        cmocka_unit_test(bounds),
        cmocka_unit_test(deep_among_others),
        cmocka_unit_test(deep_after_deep),
        cmocka_unit_test(one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
