/*
 * The scanner walks the object's members in order; a known name is read by its type, anything else
 * is skipped by a loop with a bit a level. The first refusal is kept and the walk goes on, for two
 * reasons: bytes that turn out not to be JSON are refused as that, and in an array the next event
 * begins where this one ends.
 */
#include "data/event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "format/number_text.h"
#include "format/utf8.h"

enum field_type { TYPE_ID, TYPE_TEXT, TYPE_REAL, TYPE_INTEGER, TYPE_TIME, TYPE_KIND };
enum field_need { NEED_ALWAYS, NEED_TITLE, NEED_RATING, NEED_NO };

static const struct {
    const char *name;
    uint32_t name_size;
    enum field_type type;
    enum field_need need;
    double least, most;
} fields[] = {
#define EVENT_FIELD(name, type, need, least, most, help)                                           \
    {#name, sizeof(#name) - 1, TYPE_##type, NEED_##need, least, most},
#include "data/event_fields.def"
};

static const char *const kind_names[] = {
#define EVENT_KIND(symbol, name) name,
#include "data/event_fields.def"
};

static const char *const fault_names[] = {
#define EVENT_FAULT(symbol, name, help) name,
#include "data/event_fields.def"
};

static const char *const fault_helps[] = {
#define EVENT_FAULT(symbol, name, help) help,
#include "data/event_fields.def"
};

/* Whole numbers that a double holds exactly. */
#define WHOLE_MAX 9007199254740991.0
/* Bytes of a value that a message quotes. */
#define QUOTED_MAX 40
/* Levels that are followed at all. An event of more is longer than an event may be. */
#define LEVELS_MAX MQ_USER_EVENT_BYTES_MAX
/* Characters of a text that is compared or read as a time, and their most bytes. */
#define SHORT_MAX 40
#define SHORT_SIZE (SHORT_MAX * 4)

const char *
mq_event_kind_name(enum mq_event_kind kind)
{
    return kind_names[kind];
}

const char *
mq_event_fault_name(enum mq_event_fault fault)
{
    return fault_names[fault];
}

const char *
mq_event_fault_help(enum mq_event_fault fault)
{
    return fault_helps[fault];
}

const char *
mq_event_field_name(enum mq_event_field field)
{
    return field < MQ_EVENT_FIELDS ? fields[field].name : NULL;
}

struct mq_event_rules
mq_event_rules_from(const struct mq_config *config, int64_t now_ms)
{
    return (struct mq_event_rules){
        .now_ms = now_ms,
        .age_max_ms = mq_config_int(config, "events.max_age_days") * MQ_DAY_SECONDS * 1000,
        .ahead_max_ms = mq_config_int(config, "events.max_ahead_s") * 1000,
        .rating_min = mq_config_real(config, "events.rating_min"),
        .rating_max = mq_config_real(config, "events.rating_max"),
    };
}

struct scan {
    const char *begin, *p, *end;
    const struct mq_event_rules *rules;
    struct mq_user_event *event;
    struct mq_event_refusal *refusal;
    size_t scratch_used;
    bool refused; /* the refusal is set */
    bool broken;  /* not JSON: it names where */
};

/* ---- refusals --------------------------------------------------------------------------- */

static void refuse(struct scan *s, enum mq_event_fault fault, enum mq_event_field field,
                   const char *at, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void
refuse(struct scan *s, enum mq_event_fault fault, enum mq_event_field field, const char *at,
       const char *format, ...)
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

/* Not JSON: overrules what was found before. @return false */
static bool
broken(struct scan *s, const char *at, const char *expected)
{
    if (s->broken)
        return false;
    s->broken = true;
    s->refused = false;
    if (at >= s->end)
        refuse(s, MQ_EVENT_NOT_JSON, MQ_EVENT_FIELDS, s->end, "not JSON: ends where %s is due",
               expected);
    else
        refuse(s, MQ_EVENT_NOT_JSON, MQ_EVENT_FIELDS, at, "not JSON: 0x%02x where %s is due",
               (unsigned char)*at, expected);
    return false;
}

/* Nesting cannot be followed further in bounded memory: what is behind it stays unread. */
static bool
beyond_bounds(struct scan *s, const char *at)
{
    s->broken = true;
    s->refused = false;
    refuse(s, MQ_EVENT_TOO_DEEP, MQ_EVENT_FIELDS, at, "nested deeper than %d levels", LEVELS_MAX);
    return false;
}

/* ---- tokens ----------------------------------------------------------------------------- */

static inline void
skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) {
        if (*s->p == '\n' || *s->p == '\r')
            s->event->has_line_ends = true;
        s->p++;
    }
}

/* A byte of the word that a text cannot hold as it is: below 0x20, '"', '\', or above 0x7f. */
static inline uint64_t
special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    return ((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) & high;
}

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four digits at p. @return the unit, or -1 */
static int
hex_unit(const struct scan *s, const char *p)
{
    int unit = 0;
    if (s->end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The escape at s->p, which is taken. @return its code point, or -1 after broken() */
static int
take_escape(struct scan *s)
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
    broken(s, at, "an escape of a character");
    return -1;
}

/* A text's contents. */
struct text {
    const char *begin; /* behind the quote */
    size_t size;       /* raw bytes */
    size_t characters; /* counted only where take_text was asked to */
    bool escaped;
    bool control; /* holds a control character, escaped or 0x7f */
};

/* The text at s->p (behind its opening quote), up to and with its closing quote. */
static bool
take_text(struct scan *s, struct text *ret_text)
{
    const char *p = s->p;
    size_t wide = 0; /* bytes that are no characters of their own */
    struct text text = {.begin = p};
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
            return broken(s, p, "the end of a text");
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
            return broken(s, p, "a character of a text");
        } else if (c < 0x80) {
            p++;
        } else {
            size_t n = mq_utf8_character(p, (size_t)(s->end - p));
            if (n == 0)
                return broken(s, p, "UTF-8");
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

/* Write a text's characters; the room must hold four bytes each. @return bytes written */
static size_t
decode_text(const struct scan *s, const struct text *text, char *room)
{
    struct scan inner = *s;
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

/* decode_text of a text that is only looked at when it is short. @return bytes; 0: it is not */
static size_t
decode_short(const struct scan *s, const struct text *text, char room[SHORT_SIZE])
{
    return text->characters <= SHORT_MAX ? decode_text(s, text, room) : 0;
}

static inline bool
is_digit(const struct scan *s, const char *p)
{
    return p < s->end && *p >= '0' && *p <= '9';
}

/* The number at s->p. @param ret_whole it has neither fraction nor exponent */
static bool
take_number(struct scan *s, bool *ret_whole)
{
    const char *p = s->p;
    *ret_whole = true;
    p += *p == '-';
    if (!is_digit(s, p))
        return broken(s, p, p == s->p ? "a value" : "a digit");
    if (*p == '0')
        p++;
    else
        while (is_digit(s, p))
            p++;
    if (p < s->end && *p == '.') {
        *ret_whole = false;
        if (!is_digit(s, ++p))
            return broken(s, p, "a digit");
        while (is_digit(s, p))
            p++;
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        *ret_whole = false;
        p++;
        p += p < s->end && (*p == '+' || *p == '-');
        if (!is_digit(s, p))
            return broken(s, p, "a digit");
        while (is_digit(s, p))
            p++;
    }
    s->p = p;
    return true;
}

static bool
take_word(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < MQ_COUNT(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->p) >= n && memcmp(s->p, words[i], n) == 0) {
            s->p += n;
            return true;
        }
    }
    return broken(s, s->p, "a value");
}

/* ---- values ----------------------------------------------------------------------------- */

static bool
take_byte(struct scan *s, char byte, const char *expected)
{
    if (s->p >= s->end || *s->p != byte)
        return broken(s, s->p, expected);
    s->p++;
    return true;
}

/* The name of a member with its colon, and the blanks up to the value. */
static bool
take_name(struct scan *s, struct text *ret_name)
{
    if (!take_byte(s, '"', "a name in quotes") || !take_text(s, ret_name))
        return false;
    skip_blanks(s);
    if (!take_byte(s, ':', "':'"))
        return false;
    skip_blanks(s);
    return true;
}

static bool
take_scalar(struct scan *s)
{
    struct text text;
    bool whole;
    if (s->p >= s->end)
        return broken(s, s->p, "a value");
    if (*s->p == '"') {
        s->p++;
        return take_text(s, &text);
    }
    return *s->p == '-' || is_digit(s, s->p) ? take_number(s, &whole) : take_word(s);
}

static bool skip_deep(struct scan *s);

/* Skip the value at s->p. @param objects a bit for each of `most` levels: an object, not an array;
 * cleared where that is one word
 * @param depth levels around it; 0 where it is more */
static inline __attribute__((always_inline)) bool
skip_levels(struct scan *s, int depth, int most, uint64_t *objects)
{
    const int outer = depth;
    struct text name;
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
            skip_blanks(s);
            if (s->p >= s->end || *s->p != (object ? '}' : ']')) {
                if (object && !take_name(s, &name))
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
            skip_blanks(s);
            if (s->p < s->end && *s->p == ',') {
                s->p++;
                skip_blanks(s);
                if (object && !take_name(s, &name))
                    return false;
                break;
            }
            if (!take_byte(s, object ? '}' : ']', object ? "',' or '}'" : "',' or ']'"))
                return false;
            depth--;
        }
    }
}

/* The value at s->p lies too deep: refused, but read, so that its event's end is found. */
static __attribute__((noinline)) bool
skip_deep(struct scan *s)
{
    uint64_t objects[LEVELS_MAX / 64 + 1]; /* 8 KiB: set as far as it is used */
    refuse(s, MQ_EVENT_TOO_DEEP, MQ_EVENT_FIELDS, s->p, "nested deeper than %d levels",
           MQ_USER_EVENT_DEPTH_MAX);
    return skip_levels(s, 0, LEVELS_MAX, objects);
}

/* Skip any value at s->p. @param depth levels around it */
static bool
skip_value(struct scan *s, int depth)
{
    uint64_t objects[MQ_USER_EVENT_DEPTH_MAX / 64 + 1] = {0};
    return skip_levels(s, depth, MQ_USER_EVENT_DEPTH_MAX, objects);
}

/* ---- fields ----------------------------------------------------------------------------- */

static const char *
type_words(enum field_type type)
{
    switch (type) {
    case TYPE_ID:
        return "text or a whole number";
    case TYPE_TEXT:
    case TYPE_KIND:
        return "text";
    case TYPE_REAL:
        return "a number";
    case TYPE_INTEGER:
        return "a whole number";
    case TYPE_TIME:
        break;
    }
    return "a number or ISO 8601 text";
}

/* A value that is none of the field's types. */
static bool
wrong_type(struct scan *s, enum mq_event_field field)
{
    const char *at = s->p;
    if (!skip_value(s, 1))
        return false;
    int n = (int)MQ_MIN(s->p - at, QUOTED_MAX);
    refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s%s where %s is due", fields[field].name, n,
           at, s->p - at > n ? "…" : "", type_words(fields[field].type));
    return true;
}

static struct mq_event_text *
text_of(struct mq_user_event *event, enum mq_event_field field)
{
    switch (field) {
    case MQ_EVENT_FIELD_user_id:
        return &event->user_id;
    case MQ_EVENT_FIELD_movie_id:
        return &event->movie_id;
    case MQ_EVENT_FIELD_source:
        return &event->source;
    case MQ_EVENT_FIELD_trace:
        return &event->trace;
    case MQ_EVENT_FIELD_session_id:
        return &event->session_id;
    default:
        return &event->event_id;
    }
}

static bool
read_text(struct scan *s, enum mq_event_field field)
{
    const char *at = s->p++;
    struct text text;
    if (!take_text(s, &text))
        return false;
    if ((double)text.characters < fields[field].least ||
        (double)text.characters > fields[field].most) {
        refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at, "%s has %zu characters (allowed: %.0f to %.0f)",
               fields[field].name, text.characters, fields[field].least, fields[field].most);
        return true;
    }
    if (fields[field].type == TYPE_ID &&
        (text.control || memchr(text.begin, 0x7f, text.size) != NULL)) {
        refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at, "%s holds a control character",
               fields[field].name);
        return true;
    }
    struct mq_event_text *out = text_of(s->event, field);
    if (!text.escaped) {
        *out = (struct mq_event_text){text.begin, (uint32_t)text.size};
        return true;
    }
    /* At most four bytes a character: the scratch holds every field's most. An escape is longer
     * than what it stands for, so the raw size bounds nothing here, the characters do. */
    char *room = s->event->scratch + s->scratch_used;
    size_t n = decode_text(s, &text, room);
    s->scratch_used += n;
    *out = (struct mq_event_text){room, (uint32_t)n};
    return true;
}

/* The number at s->p as a double. @param ret_ok false: beyond what a double holds */
static bool
read_double(struct scan *s, double *ret_value, bool *ret_whole, bool *ret_ok)
{
    const char *at = s->p;
    if (!take_number(s, ret_whole))
        return false;
    *ret_ok = mq_text_to_real(at, (size_t)(s->p - at), ret_value);
    return true;
}

static void
out_of_range(struct scan *s, enum mq_event_field field, const char *at, double least, double most)
{
    refuse(s, field == MQ_EVENT_FIELD_rating ? MQ_EVENT_OFF_SCALE : MQ_EVENT_OUT_OF_RANGE, field,
           at, "%s is %.*s (allowed: %.16g to %.16g)", fields[field].name,
           (int)MQ_MIN(s->p - at, QUOTED_MAX), at, least, most);
}

static bool
read_number_id(struct scan *s, enum mq_event_field field)
{
    const char *at = s->p;
    double value = 0;
    bool whole, ok;
    if (!read_double(s, &value, &whole, &ok))
        return false;
    if (!ok || value < 0 || value > WHOLE_MAX) {
        out_of_range(s, field, at, 0, WHOLE_MAX);
    } else if (value != floor(value)) {
        refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s where %s is due", fields[field].name,
               (int)MQ_MIN(s->p - at, QUOTED_MAX), at, type_words(TYPE_ID));
    } else if (whole && *at != '-') {
        *text_of(s->event, field) = (struct mq_event_text){at, (uint32_t)(s->p - at)};
    } else {
        char *room = s->event->scratch + s->scratch_used;
        int n =
            snprintf(room, sizeof(s->event->scratch) - s->scratch_used, "%lld", (long long)value);
        s->scratch_used += (size_t)n;
        *text_of(s->event, field) = (struct mq_event_text){room, (uint32_t)n};
    }
    return true;
}

static bool
read_number(struct scan *s, enum mq_event_field field)
{
    const char *at = s->p;
    double value = 0, least = fields[field].least, most = fields[field].most;
    bool whole, ok;
    if (!read_double(s, &value, &whole, &ok))
        return false;
    if (field == MQ_EVENT_FIELD_rating) {
        least = s->rules->rating_min;
        most = s->rules->rating_max;
    }
    if (fields[field].type == TYPE_INTEGER && ok && value != floor(value)) {
        refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s where %s is due", fields[field].name,
               (int)MQ_MIN(s->p - at, QUOTED_MAX), at, type_words(TYPE_INTEGER));
        return true;
    }
    if (!ok || value < least || value > most) {
        out_of_range(s, field, at, least, most);
        return true;
    }
    switch (field) {
    case MQ_EVENT_FIELD_rating:
        s->event->rating = value;
        break;
    case MQ_EVENT_FIELD_watch_seconds:
        s->event->watch_seconds = value;
        break;
    case MQ_EVENT_FIELD_duration_seconds:
        s->event->duration_seconds = value;
        break;
    default:
        s->event->position = (int32_t)value;
        break;
    }
    return true;
}

static void
check_time(struct scan *s, const char *at, double time_ms)
{
    char now[MQ_INSTANT_SIZE];
    const struct mq_event_rules *rules = s->rules;
    enum mq_event_field field = MQ_EVENT_FIELD_timestamp;
    if (time_ms < (double)rules->now_ms - (double)rules->age_max_ms) {
        mq_instant_format((rules->now_ms - rules->age_max_ms) / 1000, now);
        refuse(s, MQ_EVENT_TOO_OLD, field, at, "timestamp is %.*s, too old (allowed: from %s)",
               (int)MQ_MIN(s->p - at, QUOTED_MAX), at, now);
    } else if (time_ms > (double)rules->now_ms + (double)rules->ahead_max_ms) {
        mq_instant_format((rules->now_ms + rules->ahead_max_ms) / 1000, now);
        refuse(s, MQ_EVENT_IN_FUTURE, field, at,
               "timestamp is %.*s, in the future (allowed: to %s)",
               (int)MQ_MIN(s->p - at, QUOTED_MAX), at, now);
    } else {
        s->event->time_ms = (int64_t)floor(time_ms);
    }
}

/* ISO 8601 text to epoch milliseconds. */
static bool
iso_time(const char *text, size_t size, double *ret_ms)
{
    int64_t seconds;
    if (mq_instant_parse(text, size, &seconds, NULL) != MQ_OK)
        return false;
    double ms = (double)seconds * 1000;
    const char *point = memchr(text, '.', size);
    if (point != NULL) {
        const char *p = point + 1, *end = text + size;
        if (p == end || *p < '0' || *p > '9')
            return false;
        for (int worth = 100; p < end && *p >= '0' && *p <= '9'; p++, worth /= 10)
            ms += worth * (*p - '0');
    }
    *ret_ms = ms;
    return true;
}

static bool
read_time(struct scan *s)
{
    const char *at = s->p;
    enum mq_event_field field = MQ_EVENT_FIELD_timestamp;
    double value;
    bool whole, ok;
    if (*at == '"') {
        s->p++;
        struct text text;
        char plain[SHORT_SIZE];
        if (!take_text(s, &text))
            return false;
        size_t n = decode_short(s, &text, plain);
        if (n == 0 || !iso_time(plain, n, &value)) {
            refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at,
                   "timestamp is %.*s (expected epoch seconds or milliseconds, or "
                   "YYYY-MM-DDTHH:MM:SSZ)",
                   (int)MQ_MIN(s->p - at, QUOTED_MAX), at);
            return true;
        }
        check_time(s, at, value);
        return true;
    }
    if (!read_double(s, &value, &whole, &ok))
        return false;
    if (!ok)
        value = *at == '-' ? -1e300 : 1e300;
    check_time(s, at, fabs(value) < MQ_EVENT_MILLISECONDS_FROM ? value * 1000 : value);
    return true;
}

static bool
read_kind(struct scan *s)
{
    const char *at = s->p++;
    struct text text;
    char plain[SHORT_SIZE];
    if (!take_text(s, &text))
        return false;
    size_t n = decode_short(s, &text, plain);
    for (size_t i = 0; i < MQ_COUNT(kind_names); i++) {
        if (strlen(kind_names[i]) == n && memcmp(kind_names[i], plain, n) == 0) {
            s->event->kind = (enum mq_event_kind)i;
            return true;
        }
    }
    refuse(s, MQ_EVENT_OUT_OF_RANGE, MQ_EVENT_FIELD_event_type, at,
           "event_type is %.*s (allowed: rating, exposure, click, play, search, add-to-list)",
           (int)MQ_MIN(s->p - at, QUOTED_MAX), at);
    return true;
}

/* The value of a known field. */
static bool
read_field(struct scan *s, enum mq_event_field field)
{
    if (s->p >= s->end)
        return broken(s, s->p, "a value");
    char c = *s->p;
    if (c == 'n') /* null: as if it were missing */
        return take_word(s);
    if (s->event->present >> field & 1) {
        refuse(s, MQ_EVENT_REPEATED, field, s->p, "%s stands twice", fields[field].name);
        return skip_value(s, 1);
    }
    s->event->present |= UINT32_C(1) << field;
    bool text = c == '"', number = c == '-' || (c >= '0' && c <= '9');
    switch (fields[field].type) {
    case TYPE_ID:
        if (text || number)
            return text ? read_text(s, field) : read_number_id(s, field);
        break;
    case TYPE_TEXT:
        if (text)
            return read_text(s, field);
        break;
    case TYPE_REAL:
    case TYPE_INTEGER:
        if (number)
            return read_number(s, field);
        break;
    case TYPE_TIME:
        if (text || number)
            return read_time(s);
        break;
    case TYPE_KIND:
        if (text)
            return read_kind(s);
        break;
    }
    return wrong_type(s, field);
}

/* ---- the event -------------------------------------------------------------------------- */

static enum mq_event_field
find_field(const struct scan *s, const struct text *name, enum mq_event_field likely)
{
    char plain[SHORT_SIZE];
    const char *bytes = name->begin;
    size_t n = name->size;
    if (name->escaped) {
        n = decode_short(s, name, plain);
        bytes = plain;
    }
    for (int i = 0; i < MQ_EVENT_FIELDS; i++) {
        enum mq_event_field field = (enum mq_event_field)((likely + i) % MQ_EVENT_FIELDS);
        if (fields[field].name_size == n && memcmp(fields[field].name, bytes, n) == 0)
            return field;
    }
    return MQ_EVENT_FIELDS;
}

static void
check_needed(struct scan *s, const char *at)
{
    const struct mq_user_event *event = s->event;
    for (int i = 0; i < MQ_EVENT_FIELDS; i++) {
        bool needed = fields[i].need == NEED_ALWAYS ||
                      (fields[i].need == NEED_TITLE && event->kind != MQ_EVENT_SEARCH) ||
                      (fields[i].need == NEED_RATING && event->kind == MQ_EVENT_RATING);
        if (needed && !(event->present >> i & 1))
            refuse(s, MQ_EVENT_MISSING, (enum mq_event_field)i, at, "%s is missing",
                   fields[i].name);
    }
}

static bool
read_members(struct scan *s)
{
    struct text name;
    enum mq_event_field likely = MQ_EVENT_FIELD_user_id;
    skip_blanks(s);
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!take_name(s, &name))
            return false;
        enum mq_event_field field = find_field(s, &name, likely);
        if (field == MQ_EVENT_FIELDS ? !skip_value(s, 1) : !read_field(s, field))
            return false;
        likely = (enum mq_event_field)(field + 1);
        skip_blanks(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
            skip_blanks(s);
            continue;
        }
        return take_byte(s, '}', "',' or '}'");
    }
}

static void
read_event(struct scan *s)
{
    skip_blanks(s);
    s->event->has_line_ends = false;
    const char *at = s->p;
    s->event->begin = (size_t)(at - s->begin);
    if (s->p < s->end && *s->p == '{') {
        s->p++;
        if (!read_members(s))
            return;
        check_needed(s, at);
    } else {
        if (!skip_value(s, 0))
            return;
        refuse(s, MQ_EVENT_WRONG_TYPE, MQ_EVENT_FIELDS, at,
               "the event is %.*s where an object is due", (int)MQ_MIN(s->p - at, QUOTED_MAX), at);
    }
    s->event->end = (size_t)(s->p - s->begin);
    if (s->p - at > MQ_USER_EVENT_BYTES_MAX) {
        s->refused = false; /* whatever else is wrong with it */
        refuse(s, MQ_EVENT_TOO_LARGE, MQ_EVENT_FIELDS, at, "the event has %zu bytes (allowed: %d)",
               (size_t)(s->p - at), MQ_USER_EVENT_BYTES_MAX);
    }
}

static struct scan
begin_scan(const char *bytes, size_t size, const struct mq_event_rules *rules,
           struct mq_user_event *event, struct mq_event_refusal *refusal)
{
    if (bytes == NULL)
        bytes = "";
    event->present = 0;
    event->kind = MQ_EVENT_RATING;
    return (struct scan){.begin = bytes,
                         .p = bytes,
                         .end = bytes + size,
                         .rules = rules,
                         .event = event,
                         .refusal = refusal};
}

static enum mq_status
outcome(const struct scan *s)
{
    return s->broken ? MQ_E_FORMAT : s->refused ? MQ_E_INPUT : MQ_OK;
}

enum mq_status
mq_user_event_scan(const char *bytes, size_t size, const struct mq_event_rules *rules,
                   struct mq_user_event *ret_event, struct mq_event_refusal *ret_refusal)
{
    struct scan s = begin_scan(bytes, size, rules, ret_event, ret_refusal);
    read_event(&s);
    return outcome(&s);
}

enum mq_status
mq_user_event_parse(const char *bytes, size_t size, const struct mq_event_rules *rules,
                    struct mq_user_event *ret_event, struct mq_event_refusal *ret_refusal)
{
    struct scan s = begin_scan(bytes, size, rules, ret_event, ret_refusal);
    read_event(&s);
    if (!s.broken) {
        bool within = ret_event->has_line_ends;
        skip_blanks(&s);
        ret_event->has_line_ends = within;
        if (s.p != s.end)
            broken(&s, s.p, "the end");
    }
    return outcome(&s);
}
