#include "format/json_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"

/* Above it 64 bits would not hold a value with nine digits behind the point. */
#define DECIMAL_MAX 9e9

void
mq_json_text_begin(struct mq_json_text *text, struct mq_buffer *buffer, struct mq_error *err)
{
    *text = (struct mq_json_text){.buffer = buffer, .err = err};
}

enum mq_status
mq_json_text_end(const struct mq_json_text *text)
{
    return text->st;
}

static void
append(struct mq_json_text *text, const char *bytes, size_t size)
{
    if (text->st == MQ_OK)
        text->st = mq_buffer_append(text->buffer, bytes, size, text->err);
}

/* Before a value or a key. */
static void
separate(struct mq_json_text *text)
{
    if (text->comma)
        append(text, ",", 1);
    text->comma = true;
}

void
mq_json_open(struct mq_json_text *text, char mark)
{
    separate(text);
    append(text, &mark, 1);
    text->comma = false;
}

void
mq_json_close(struct mq_json_text *text, char mark)
{
    append(text, &mark, 1);
    text->comma = true;
}

void
mq_json_key(struct mq_json_text *text, const char *key)
{
    separate(text);
    append(text, "\"", 1);
    append(text, key, strlen(key));
    append(text, "\":", 2);
    text->comma = false;
}

void
mq_json_string(struct mq_json_text *text, const char *value)
{
    if (value == NULL) {
        mq_json_null(text);
        return;
    }
    separate(text);
    if (text->st == MQ_OK)
        text->st = mq_json_quote(value, strlen(value), text->buffer, text->err);
}

static void
append_digits(struct mq_json_text *text, uint64_t value, int least)
{
    char digits[24];
    int n = (int)sizeof(digits);
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
        least--;
    } while (value > 0 || least > 0);
    append(text, digits + n, sizeof(digits) - (size_t)n);
}

void
mq_json_int(struct mq_json_text *text, int64_t value)
{
    separate(text);
    if (value < 0)
        append(text, "-", 1);
    append_digits(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

void
mq_json_decimal(struct mq_json_text *text, double value, int digits)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    if (!isfinite(value)) {
        mq_json_null(text);
        return;
    }
    separate(text);
    if (fabs(value) > DECIMAL_MAX) {
        char number[32];
        append(text, number, (size_t)snprintf(number, sizeof(number), "%.17g", value));
        return;
    }
    uint64_t scaled = (uint64_t)llround(fabs(value) * (double)powers[digits]);
    if (value < 0 && scaled > 0)
        append(text, "-", 1);
    append_digits(text, scaled / powers[digits], 1);
    uint64_t rest = scaled % powers[digits];
    if (rest == 0)
        return;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    append(text, ".", 1);
    append_digits(text, rest, digits);
}

void
mq_json_bool(struct mq_json_text *text, bool value)
{
    separate(text);
    append(text, value ? "true" : "false", value ? 4 : 5);
}

void
mq_json_null(struct mq_json_text *text)
{
    separate(text);
    append(text, "null", 4);
}

void
mq_json_put_string(struct mq_json_text *text, const char *key, const char *value)
{
    mq_json_key(text, key);
    mq_json_string(text, value);
}

void
mq_json_put_int(struct mq_json_text *text, const char *key, int64_t value)
{
    mq_json_key(text, key);
    mq_json_int(text, value);
}

void
mq_json_put_decimal(struct mq_json_text *text, const char *key, double value, int digits)
{
    mq_json_key(text, key);
    mq_json_decimal(text, value, digits);
}

void
mq_json_put_bool(struct mq_json_text *text, const char *key, bool value)
{
    mq_json_key(text, key);
    mq_json_bool(text, value);
}
