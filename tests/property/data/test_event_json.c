/*
 * jansson as oracle: random events, whole and damaged, are JSON for both or for none; and of a good
 * event both read the same values.
 */
#include "check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/rng.h"
#include "data/event.h"

#define NOW_MS INT64_C(1767225600000)
#define ROUNDS 60000

static const struct mq_event_rules rules = {
    .now_ms = NOW_MS, .age_max_ms = NOW_MS, .ahead_max_ms = 0, .rating_min = 0.5, .rating_max = 5};

static uint64_t
chosen_seed(void)
{
    const char *given = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu (MARQUEE_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

static void
put(struct mq_buffer *text, const char *part)
{
    assert_int_equal(mq_buffer_append_text(text, part, NULL), MQ_OK);
}

static void
blanks(struct mq_rng *rng, struct mq_buffer *text)
{
    static const char *const some[] = {"", "", "", " ", "\n", "\t \r"};
    put(text, some[mq_rng_below(rng, 6)]);
}

static void
random_text(struct mq_rng *rng, struct mq_buffer *text)
{
    static const char *const parts[] = {"a",
                                        "Z9",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\u00e9",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\\ud83c\\udfac",
                                        "\xf0\x9f\x8e\xac",
                                        " ",
                                        "\\u0000",
                                        "12345678",
                                        "plain text of some length",
                                        "\x7f"};
    put(text, "\"");
    for (uint64_t n = mq_rng_below(rng, 6); n > 0; n--)
        put(text, parts[mq_rng_below(rng, 16)]);
    put(text, "\"");
}

static void
random_number(struct mq_rng *rng, struct mq_buffer *text)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "17",
                                          "4.5",
                                          "0.5",
                                          "5",
                                          "-1",
                                          "1e2",
                                          "1.5E+1",
                                          "2e-3",
                                          "9007199254740991",
                                          "12345678901234567890",
                                          "0.1234567890123456789",
                                          "3.0"};
    put(text, numbers[mq_rng_below(rng, 15)]);
}

static void
random_value(struct mq_rng *rng, struct mq_buffer *text, int depth)
{
    uint64_t kind = mq_rng_below(rng, depth > 0 ? 8 : 6);
    if (kind < 2) {
        random_text(rng, text);
    } else if (kind < 4) {
        random_number(rng, text);
    } else if (kind < 6) {
        static const char *const words[] = {"true", "false", "null"};
        put(text, words[mq_rng_below(rng, 3)]);
    } else {
        bool object = kind == 6;
        put(text, object ? "{" : "[");
        uint64_t n = mq_rng_below(rng, 4);
        blanks(rng, text);
        for (uint64_t i = 0; i < n; i++) {
            if (i > 0)
                put(text, ",");
            blanks(rng, text);
            if (object) {
                put(text, "\"k");
                put(text, (char[]){(char)('a' + i), '"', ':', '\0'});
            }
            random_value(rng, text, depth - 1);
            blanks(rng, text);
        }
        put(text, object ? "}" : "]");
    }
}

/* Around the depth that an event may have, and far beyond. */
static void
deep_value(struct mq_rng *rng, struct mq_buffer *text)
{
    char kinds[200];
    int levels = 25 + (int)mq_rng_below(rng, mq_rng_below(rng, 2) == 0 ? 10 : 170);
    for (int i = 0; i < levels; i++) {
        kinds[i] = mq_rng_below(rng, 2) == 0 ? '[' : '{';
        put(text, kinds[i] == '[' ? "[" : "{\"a\":");
        blanks(rng, text);
    }
    random_value(rng, text, 3);
    while (levels-- > 0)
        put(text, kinds[levels] == '[' ? "]" : "}");
}

static void
random_event(struct mq_rng *rng, struct mq_buffer *text)
{
    static const char *const times[] = {"1767000000",     "1767000000000",
                                        "1767000000.125", "\"2026-01-01T00:00:00Z\"",
                                        "\"2025-12-31\"", "null"};
    static const char *const kinds[] = {"\"rating\"", "\"play\"", "\"search\"", "null", "\"x\""};
    /* Half of them are such that they are taken, if nothing damages them. */
    static const char *const ids[] = {"17", "3.0", "\"\\u0031\\u00e9\"", "\"tt \xe2\x82\xac\"",
                                      "1e2"};
    static const char *const good[] = {"1", "3.0", "5", "2e0", "4"};
    bool tame = mq_rng_below(rng, 2) == 0;
    blanks(rng, text);
    put(text, "{");
    bool first = true;
    for (int i = 0; i < MQ_EVENT_FIELDS + 1; i++) {
        if (i > 3 && mq_rng_below(rng, 3) > 0)
            continue;
        if (i <= 3 && !tame && mq_rng_below(rng, 12) == 0)
            continue;
        if (!first)
            put(text, ",");
        first = false;
        blanks(rng, text);
        put(text, "\"");
        put(text, i < MQ_EVENT_FIELDS ? mq_event_field_name((enum mq_event_field)i) : "other");
        put(text, "\"");
        blanks(rng, text);
        put(text, ":");
        blanks(rng, text);
        if (i == MQ_EVENT_FIELD_timestamp)
            put(text, times[mq_rng_below(rng, tame ? 5 : 6)]);
        else if (i == MQ_EVENT_FIELD_event_type)
            put(text, kinds[mq_rng_below(rng, tame ? 4 : 5)]);
        else if (i == MQ_EVENT_FIELDS || (!tame && mq_rng_below(rng, 10) == 0))
            mq_rng_below(rng, 50) == 0 ? deep_value(rng, text) : random_value(rng, text, 4);
        else if (tame && i != MQ_EVENT_FIELD_source && i != MQ_EVENT_FIELD_trace)
            put(text, i <= MQ_EVENT_FIELD_movie_id || i >= MQ_EVENT_FIELD_source
                          ? ids[mq_rng_below(rng, 5)]
                          : good[mq_rng_below(rng, 5)]);
        else if (i <= MQ_EVENT_FIELD_movie_id || i >= MQ_EVENT_FIELD_source)
            random_text(rng, text);
        else
            random_number(rng, text);
        blanks(rng, text);
    }
    put(text, "}");
    blanks(rng, text);
}

/* A few bytes changed, taken out or doubled. */
static void
damage(struct mq_rng *rng, struct mq_buffer *text)
{
    static const char bytes[] = "{}[]\",:0.e-\\u\x80\xff\n\x01 n";
    for (uint64_t n = 1 + mq_rng_below(rng, 3); n > 0 && text->size > 1; n--) {
        size_t at = (size_t)mq_rng_below(rng, text->size);
        switch (mq_rng_below(rng, 4)) {
        case 0:
            text->data[at] = bytes[mq_rng_below(rng, sizeof(bytes) - 1)];
            break;
        case 1:
            memmove(text->data + at, text->data + at + 1, text->size - at - 1);
            text->size--;
            break;
        case 2:
            text->size = at;
            break;
        default:
            text->data[at] ^= (char)(1 << mq_rng_below(rng, 8));
            break;
        }
    }
}

static void
same_text(struct mq_event_text text, const json_t *value, const char *whole)
{
    if (json_is_string(value)) {
        if (text.size != json_string_length(value) ||
            memcmp(text.bytes, json_string_value(value), text.size) != 0)
            fail_msg("another text in: %s", whole);
        return;
    }
    char expected[64];
    int n = snprintf(expected, sizeof(expected), "%lld", (long long)json_number_value(value));
    if (text.size != (uint32_t)n || memcmp(text.bytes, expected, (size_t)n) != 0)
        fail_msg("another id in: %s", whole);
}

static void
same_values(const struct mq_user_event *event, const json_t *root, const char *whole)
{
    const struct {
        enum mq_event_field field;
        const struct mq_event_text *text;
        double number;
    } parts[] = {
        {MQ_EVENT_FIELD_user_id, &event->user_id, 0},
        {MQ_EVENT_FIELD_movie_id, &event->movie_id, 0},
        {MQ_EVENT_FIELD_source, &event->source, 0},
        {MQ_EVENT_FIELD_trace, &event->trace, 0},
        {MQ_EVENT_FIELD_session_id, &event->session_id, 0},
        {MQ_EVENT_FIELD_event_id, &event->event_id, 0},
        {MQ_EVENT_FIELD_rating, NULL, event->rating},
        {MQ_EVENT_FIELD_watch_seconds, NULL, event->watch_seconds},
        {MQ_EVENT_FIELD_duration_seconds, NULL, event->duration_seconds},
        {MQ_EVENT_FIELD_position, NULL, event->position},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const json_t *value = json_object_get(root, mq_event_field_name(parts[i].field));
        bool given = value != NULL && !json_is_null(value);
        if (given != mq_user_event_has(event, parts[i].field))
            fail_msg("presence of %s in: %s", mq_event_field_name(parts[i].field), whole);
        if (given && parts[i].text != NULL)
            same_text(*parts[i].text, value, whole);
        else if (given && parts[i].number != json_number_value(value))
            fail_msg("another %s in: %s", mq_event_field_name(parts[i].field), whole);
    }
}

static void
agrees_with_jansson(void **state)
{
    (void)state;
    uint64_t seed = chosen_seed();
    int taken = 0, refused = 0, broken = 0;
    struct mq_buffer text = {0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct mq_rng rng;
        mq_rng_init(&rng, seed, round);
        mq_buffer_reset(&text);
        random_event(&rng, &text);
        if (mq_rng_below(&rng, 2) == 0)
            damage(&rng, &text);
        /* An exact block, so that the sanitizer sees a read past its end. */
        char *bytes = malloc(text.size + (text.size == 0));
        memcpy(bytes, text.data, text.size);
        static struct mq_user_event event;
        struct mq_event_refusal refusal;
        enum mq_status st = mq_user_event_parse(bytes, text.size, &rules, &event, &refusal);
        json_error_t where;
        json_t *root = json_loadb(
            bytes, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &where);
        enum json_error_code code = root == NULL ? json_error_code(&where) : json_error_unknown;
        /* What jansson cannot hold though it is JSON. */
        bool has_nul =
            memchr(bytes, '\0', text.size) != NULL; /* the end of the text, for jansson */
        if (has_nul && st != MQ_E_FORMAT)
            fail_msg("round %llu: a NUL byte was taken", (unsigned long long)round);
        bool beyond = root == NULL &&
                      (code == json_error_numeric_overflow || code == json_error_null_byte_in_key);
        if (!beyond && !has_nul && (st == MQ_E_FORMAT) != (root == NULL))
            fail_msg("round %llu: %s, jansson: %s: %.*s", (unsigned long long)round,
                     st == MQ_OK ? "taken" : refusal.reason, root != NULL ? "JSON" : where.text,
                     (int)text.size, bytes);
        if (st == MQ_OK && root != NULL)
            same_values(&event, root, bytes);
        taken += st == MQ_OK;
        refused += st == MQ_E_INPUT;
        broken += st == MQ_E_FORMAT;
        json_decref(root);
        free(bytes);
    }
    mq_buffer_release(&text);
    print_message("%d taken, %d refused, %d not JSON\n", taken, refused, broken);
    assert_true(taken > ROUNDS / 50 && refused > ROUNDS / 50 && broken > ROUNDS / 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_jansson)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
