#include "data/event_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/memory.h"
#include "format/utf8.h"

/* Levels that are followed at all. An event of more is longer than an event may be. */
#define LEVELS_MAX MQ_USER_EVENT_BYTES_MAX

/* ---- refusals --------------------------------------------------------------------------- */

void
mq_event_scan_refuse(struct mq_event_scan *s, enum mq_event_fault fault, enum mq_event_field field,
                     const char *at, const char *format, ...)
{
    if (s->refused)
        return;
    s->refused = true;
    s->refusal->fault = fault;
    s->refusal->field = field;
    s->refusal->offset = (size_t)(at - s->begin);
    va_list args;
    va_start(args, format);
    vsnprintf(s->refusal->reason, sizeof(s->refusal->reason), format, args);
    va_end(args);
}

bool
mq_event_scan_broken(struct mq_event_scan *s, const char *at, const char *expected)
{
    if (s->broken)
        return false;
    s->broken = true;
    s->refused = false;
    if (at >= s->end)
        mq_event_scan_refuse(s, MQ_EVENT_NOT_JSON, MQ_EVENT_FIELDS, s->end,
                             "not JSON: ends where %s is due", expected);
    else
        mq_event_scan_refuse(s, MQ_EVENT_NOT_JSON, MQ_EVENT_FIELDS, at,
                             "not JSON: 0x%02x where %s is due", (unsigned char)*at, expected);
    return false;
}

/* Nesting cannot be followed further in bounded memory: what is behind it stays unread. */
static bool
beyond_bounds(struct mq_event_scan *s, const char *at)
{
    s->broken = true;
    s->refused = false;
    mq_event_scan_refuse(s, MQ_EVENT_TOO_DEEP, MQ_EVENT_FIELDS, at, "nested deeper than %d levels",
                         LEVELS_MAX);
    return false;
}

/* ---- tokens ----------------------------------------------------------------------------- */

/* A byte of the word that a text cannot hold as it is: below 0x20, '"', '\', or above 0x7f. */
static inline uint64_t
special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    return ((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & high;
}

/* Four digits at p. @return the unit, or -1 */
static int
hex_unit(const struct mq_event_scan *s, const char *p)
{
    int unit = 0;
    if (s->end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = mq_hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The escape at s->p, which is taken. @return its code point, or -1 after mq_event_scan_broken() */
static int
take_escape(struct mq_event_scan *s)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *at = s->p++;
    const char *found = s->p < s->end && *s->p != '\0' ? strchr(plain, *s->p) : NULL;
    if (found != NULL) {
        s->p++;
        return meant[found - plain];
    }
    int unit = s->p < s->end && *s->p == 'u' ? hex_unit(s, s->p + 1) : -1;
    if (unit >= 0) {
        s->p += 5;
        if (unit < 0xd800 || unit > 0xdfff)
            return unit;
        if (unit < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
            int low = hex_unit(s, s->p + 2);
            if (low >= 0xdc00 && low <= 0xdfff) {
                s->p += 6;
                return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            }
        }
    }
    mq_event_scan_broken(s, at, "an escape of a character");
    return -1;
}

bool
mq_event_scan_text(struct mq_event_scan *s, struct mq_event_scanned *ret_text)
{
    const char *p = s->p;
    size_t wide = 0; /* bytes that are no characters of their own */
    struct mq_event_scanned text = {.begin = p};
    for (;;) {
        while (s->end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            uint64_t special = special_bytes(word);
            if (special != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                p += __builtin_ctzll(special) >> 3; /* the lowest mark is never a false one */
#endif
                break;
            }
            p += 8;
        }
        if (p >= s->end)
            return mq_event_scan_broken(s, p, "the end of a text");
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            break;
        if (c == '\\') {
            s->p = p;
            int point = take_escape(s);
            if (point < 0)
                return false;
            text.escaped = true;
            text.control |= point < 0x20 || point == 0x7f;
            wide += (size_t)(s->p - p) - 1;
            p = s->p;
        } else if (c < 0x20) {
            return mq_event_scan_broken(s, p, "a character of a text");
        } else if (c < 0x80) {
            p++;
        } else {
            size_t n = mq_utf8_character(p, (size_t)(s->end - p));
            if (n == 0)
                return mq_event_scan_broken(s, p, "UTF-8");
            wide += n - 1;
            p += n;
        }
    }
    text.size = (size_t)(p - text.begin);
    text.characters = text.size - wide;
    s->p = p + 1;
    *ret_text = text;
    return true;
}

size_t
mq_event_scan_decode(const struct mq_event_scan *s, const struct mq_event_scanned *text, char *room)
{
    struct mq_event_scan inner = *s;
    inner.p = text->begin;
    inner.end = text->begin + text->size;
    size_t n = 0;
    while (inner.p < inner.end) {
        if (*inner.p == '\\')
            n += mq_utf8_encode((unsigned)take_escape(&inner), room + n);
        else
            room[n++] = *inner.p++;
    }
    return n;
}

size_t
mq_event_scan_short(const struct mq_event_scan *s, const struct mq_event_scanned *text,
                    char room[MQ_EVENT_SHORT_SIZE])
{
    return text->characters <= MQ_EVENT_SHORT_MAX ? mq_event_scan_decode(s, text, room) : 0;
}

static inline bool
is_digit(const struct mq_event_scan *s, const char *p)
{
    return p < s->end && *p >= '0' && *p <= '9';
}

bool
mq_event_scan_number(struct mq_event_scan *s, bool *ret_whole)
{
    const char *p = s->p;
    *ret_whole = true;
    p += *p == '-';
    if (!is_digit(s, p))
        return mq_event_scan_broken(s, p, p == s->p ? "a value" : "a digit");
    if (*p == '0')
        p++;
    else
        while (is_digit(s, p))
            p++;
    if (p < s->end && *p == '.') {
        *ret_whole = false;
        if (!is_digit(s, ++p))
            return mq_event_scan_broken(s, p, "a digit");
        while (is_digit(s, p))
            p++;
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        *ret_whole = false;
        p++;
        p += p < s->end && (*p == '+' || *p == '-');
        if (!is_digit(s, p))
            return mq_event_scan_broken(s, p, "a digit");
        while (is_digit(s, p))
            p++;
    }
    s->p = p;
    return true;
}

bool
mq_event_scan_word(struct mq_event_scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < MQ_COUNT(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
            s->p += n;
            return true;
        }
    }
    return mq_event_scan_broken(s, s->p, "a value");
}

/* ---- values ----------------------------------------------------------------------------- */

bool
mq_event_scan_byte(struct mq_event_scan *s, char byte, const char *expected)
{
    if (s->p >= s->end || *s->p != byte)
        return mq_event_scan_broken(s, s->p, expected);
    s->p++;
    return true;
}

bool
mq_event_scan_name(struct mq_event_scan *s, struct mq_event_scanned *ret_name)
{
    if (!mq_event_scan_byte(s, '"', "a name in quotes") || !mq_event_scan_text(s, ret_name))
        return false;
    mq_event_scan_blanks(s);
    if (!mq_event_scan_byte(s, ':', "':'"))
        return false;
    mq_event_scan_blanks(s);
    return true;
}

static bool
take_scalar(struct mq_event_scan *s)
{
    struct mq_event_scanned text;
    bool whole;
    if (s->p >= s->end)
        return mq_event_scan_broken(s, s->p, "a value");
    if (*s->p == '"') {
        s->p++;
        return mq_event_scan_text(s, &text);
    }
    return *s->p == '-' || is_digit(s, s->p) ? mq_event_scan_number(s, &whole)
                                             : mq_event_scan_word(s);
}

static bool skip_deep(struct mq_event_scan *s);

/* Skip the value at s->p. @param objects a bit for each of `most` levels: an object, not an array;
 * cleared where that is one word
 * @param depth levels around it; 0 where it is more */
static inline __attribute__((always_inline)) bool
skip_levels(struct mq_event_scan *s, int depth, int most, uint64_t *objects)
{
    const int outer = depth;
    struct mq_event_scanned name;
    for (;;) {
        /* A value begins. */
        bool nested = s->p < s->end && (*s->p == '{' || *s->p == '[');
        if (nested && depth == most) {
            if (most == LEVELS_MAX)
                return beyond_bounds(s, s->p);
            if (!skip_deep(s))
                return false;
        } else if (nested) {
            bool object = *s->p == '{';
            uint64_t bit = UINT64_C(1) << (depth & 63);
            if (most >= 64 && (depth & 63) == 0)
                objects[depth >> 6] = 0; /* the first level of a word */
            objects[depth >> 6] = object ? objects[depth >> 6] | bit : objects[depth >> 6] & ~bit;
            depth++;
            s->p++;
            mq_event_scan_blanks(s);
            if (s->p >= s->end || *s->p != (object ? '}' : ']')) {
                if (object && !mq_event_scan_name(s, &name))
                    return false;
                continue;
            }
            s->p++;
            depth--;
        } else if (!take_scalar(s)) {
            return false;
        }
        /* A value has ended. */
        for (;;) {
            if (depth == outer)
                return true;
            bool object = objects[(depth - 1) >> 6] >> ((depth - 1) & 63) & 1;
            mq_event_scan_blanks(s);
            if (s->p < s->end && *s->p == ',') {
                s->p++;
                mq_event_scan_blanks(s);
                if (object && !mq_event_scan_name(s, &name))
                    return false;
                break;
            }
            if (!mq_event_scan_byte(s, object ? '}' : ']', object ? "',' or '}'" : "',' or ']'"))
                return false;
            depth--;
        }
    }
}

/* The value at s->p lies too deep: refused, but read, so that its event's end is found. */
static __attribute__((noinline)) bool
skip_deep(struct mq_event_scan *s)
{
    uint64_t objects[LEVELS_MAX / 64 + 1]; /* 8 KiB: set as far as it is used */
    mq_event_scan_refuse(s, MQ_EVENT_TOO_DEEP, MQ_EVENT_FIELDS, s->p,
                         "nested deeper than %d levels", MQ_USER_EVENT_DEPTH_MAX);
    return skip_levels(s, 0, LEVELS_MAX, objects);
}

bool
mq_event_scan_skip(struct mq_event_scan *s, int depth)
{
    uint64_t objects[MQ_USER_EVENT_DEPTH_MAX / 64 + 1] = {0};
    return skip_levels(s, depth, MQ_USER_EVENT_DEPTH_MAX, objects);
}
