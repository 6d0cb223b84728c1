/*
 * What the table of fields asks of an event: the object's members are read in order, a known name
 * by its type, anything else is skipped. The tokens below are data/event_scan.h.
 */
#include "data/event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "data/event_scan.h"
#include "format/number_text.h"

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
wrong_type(struct mq_event_scan *s, enum mq_event_field field)
{
    const char *at = s->p;
    if (!mq_event_scan_skip(s, 1))
        return false;
    int n = (int)MQ_MIN(s->p - at, QUOTED_MAX);
    mq_event_scan_refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s%s where %s is due",
                         fields[field].name, n, at, s->p - at > n ? "…" : "",
                         type_words(fields[field].type));
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
read_text(struct mq_event_scan *s, enum mq_event_field field)
{
    const char *at = s->p++;
    struct mq_event_scanned text;
    if (!mq_event_scan_text(s, &text))
        return false;
    if ((double)text.characters < fields[field].least ||
        (double)text.characters > fields[field].most) {
        mq_event_scan_refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at,
                             "%s has %zu characters (allowed: %.0f to %.0f)", fields[field].name,
                             text.characters, fields[field].least, fields[field].most);
        return true;
    }
    if (fields[field].type == TYPE_ID &&
        (text.control || memchr(text.begin, 0x7f, text.size) != NULL)) {
        mq_event_scan_refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at, "%s holds a control character",
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
    size_t n = mq_event_scan_decode(s, &text, room);
    s->scratch_used += n;
    *out = (struct mq_event_text){room, (uint32_t)n};
    return true;
}

/* The number at s->p as a double. @param ret_ok false: beyond what a double holds */
static bool
read_double(struct mq_event_scan *s, double *ret_value, bool *ret_whole, bool *ret_ok)
{
    const char *at = s->p;
    if (!mq_event_scan_number(s, ret_whole))
        return false;
    *ret_ok = mq_text_to_real(at, (size_t)(s->p - at), ret_value);
    return true;
}

static void
out_of_range(struct mq_event_scan *s, enum mq_event_field field, const char *at, double least,
             double most)
{
    mq_event_scan_refuse(
        s, field == MQ_EVENT_FIELD_rating ? MQ_EVENT_OFF_SCALE : MQ_EVENT_OUT_OF_RANGE, field, at,
        "%s is %.*s (allowed: %.16g to %.16g)", fields[field].name,
        (int)MQ_MIN(s->p - at, QUOTED_MAX), at, least, most);
}

static bool
read_number_id(struct mq_event_scan *s, enum mq_event_field field)
{
    const char *at = s->p;
    double value = 0;
    bool whole, ok;
    if (!read_double(s, &value, &whole, &ok))
        return false;
    if (!ok || value < 0 || value > WHOLE_MAX) {
        out_of_range(s, field, at, 0, WHOLE_MAX);
    } else if (value != floor(value)) {
        mq_event_scan_refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s where %s is due",
                             fields[field].name, (int)MQ_MIN(s->p - at, QUOTED_MAX), at,
                             type_words(TYPE_ID));
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
read_number(struct mq_event_scan *s, enum mq_event_field field)
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
        mq_event_scan_refuse(s, MQ_EVENT_WRONG_TYPE, field, at, "%s is %.*s where %s is due",
                             fields[field].name, (int)MQ_MIN(s->p - at, QUOTED_MAX), at,
                             type_words(TYPE_INTEGER));
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
check_time(struct mq_event_scan *s, const char *at, double time_ms)
{
    char now[MQ_INSTANT_SIZE];
    const struct mq_event_rules *rules = s->rules;
    enum mq_event_field field = MQ_EVENT_FIELD_timestamp;
    if (time_ms < (double)rules->now_ms - (double)rules->age_max_ms) {
        mq_instant_format((rules->now_ms - rules->age_max_ms) / 1000, now);
        mq_event_scan_refuse(s, MQ_EVENT_TOO_OLD, field, at,
                             "timestamp is %.*s, too old (allowed: from %s)",
                             (int)MQ_MIN(s->p - at, QUOTED_MAX), at, now);
    } else if (time_ms > (double)rules->now_ms + (double)rules->ahead_max_ms) {
        mq_instant_format((rules->now_ms + rules->ahead_max_ms) / 1000, now);
        mq_event_scan_refuse(s, MQ_EVENT_IN_FUTURE, field, at,
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
read_time(struct mq_event_scan *s)
{
    const char *at = s->p;
    enum mq_event_field field = MQ_EVENT_FIELD_timestamp;
    double value;
    bool whole, ok;
    if (*at == '"') {
        s->p++;
        struct mq_event_scanned text;
        char plain[MQ_EVENT_SHORT_SIZE];
        if (!mq_event_scan_text(s, &text))
            return false;
        size_t n = mq_event_scan_short(s, &text, plain);
        if (n == 0 || !iso_time(plain, n, &value)) {
            mq_event_scan_refuse(s, MQ_EVENT_OUT_OF_RANGE, field, at,
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
read_kind(struct mq_event_scan *s)
{
    const char *at = s->p++;
    struct mq_event_scanned text;
    char plain[MQ_EVENT_SHORT_SIZE];
    if (!mq_event_scan_text(s, &text))
        return false;
    size_t n = mq_event_scan_short(s, &text, plain);
    for (size_t i = 0; i < MQ_COUNT(kind_names); i++) {
        if (strlen(kind_names[i]) == n && memcmp(kind_names[i], plain, n) == 0) {
            s->event->kind = (enum mq_event_kind)i;
            return true;
        }
    }
    mq_event_scan_refuse(
        s, MQ_EVENT_OUT_OF_RANGE, MQ_EVENT_FIELD_event_type, at,
        "event_type is %.*s (allowed: rating, exposure, click, play, search, add-to-list)",
        (int)MQ_MIN(s->p - at, QUOTED_MAX), at);
    return true;
}

/* The value of a known field. */
static bool
read_field(struct mq_event_scan *s, enum mq_event_field field)
{
    if (s->p >= s->end)
        return mq_event_scan_broken(s, s->p, "a value");
    char c = *s->p;
    if (c == 'n') /* null: as if it were missing */
        return mq_event_scan_word(s);
    if (s->event->present >> field & 1) {
        mq_event_scan_refuse(s, MQ_EVENT_REPEATED, field, s->p, "%s stands twice",
                             fields[field].name);
        return mq_event_scan_skip(s, 1);
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
find_field(const struct mq_event_scan *s, const struct mq_event_scanned *name,
           enum mq_event_field likely)
{
    char plain[MQ_EVENT_SHORT_SIZE];
    const char *bytes = name->begin;
    size_t n = name->size;
    if (name->escaped) {
        n = mq_event_scan_short(s, name, plain);
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
check_needed(struct mq_event_scan *s, const char *at)
{
    const struct mq_user_event *event = s->event;
    for (int i = 0; i < MQ_EVENT_FIELDS; i++) {
        bool needed = fields[i].need == NEED_ALWAYS ||
                      (fields[i].need == NEED_TITLE && event->kind != MQ_EVENT_SEARCH) ||
                      (fields[i].need == NEED_RATING && event->kind == MQ_EVENT_RATING);
        if (needed && !(event->present >> i & 1))
            mq_event_scan_refuse(s, MQ_EVENT_MISSING, (enum mq_event_field)i, at, "%s is missing",
                                 fields[i].name);
    }
}

static bool
read_members(struct mq_event_scan *s)
{
    struct mq_event_scanned name;
    enum mq_event_field likely = MQ_EVENT_FIELD_user_id;
    mq_event_scan_blanks(s);
    if (s->p < s->end && *s->p == '}') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!mq_event_scan_name(s, &name))
            return false;
        enum mq_event_field field = find_field(s, &name, likely);
        if (field == MQ_EVENT_FIELDS ? !mq_event_scan_skip(s, 1) : !read_field(s, field))
            return false;
        likely = (enum mq_event_field)(field + 1);
        mq_event_scan_blanks(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
            mq_event_scan_blanks(s);
            continue;
        }
        return mq_event_scan_byte(s, '}', "',' or '}'");
    }
}

static void
read_event(struct mq_event_scan *s)
{
    mq_event_scan_blanks(s);
    s->event->has_line_ends = false;
    const char *at = s->p;
    s->event->begin = (size_t)(at - s->begin);
    if (s->p < s->end && *s->p == '{') {
        s->p++;
        if (!read_members(s))
            return;
        check_needed(s, at);
    } else {
        if (!mq_event_scan_skip(s, 0))
            return;
        mq_event_scan_refuse(s, MQ_EVENT_WRONG_TYPE, MQ_EVENT_FIELDS, at,
                             "the event is %.*s where an object is due",
                             (int)MQ_MIN(s->p - at, QUOTED_MAX), at);
    }
    s->event->end = (size_t)(s->p - s->begin);
    if (s->p - at > MQ_USER_EVENT_BYTES_MAX) {
        s->refused = false; /* whatever else is wrong with it */
        mq_event_scan_refuse(s, MQ_EVENT_TOO_LARGE, MQ_EVENT_FIELDS, at,
                             "the event has %zu bytes (allowed: %d)", (size_t)(s->p - at),
                             MQ_USER_EVENT_BYTES_MAX);
    }
}

static struct mq_event_scan
begin_scan(const char *bytes, size_t size, const struct mq_event_rules *rules,
           struct mq_user_event *event, struct mq_event_refusal *refusal)
{
    if (bytes == NULL)
        bytes = "";
    event->present = 0;
    event->kind = MQ_EVENT_RATING;
    return (struct mq_event_scan){.begin = bytes,
                                  .p = bytes,
                                  .end = bytes + size,
                                  .rules = rules,
                                  .event = event,
                                  .refusal = refusal};
}

static enum mq_status
outcome(const struct mq_event_scan *s)
{
    return s->broken ? MQ_E_FORMAT : s->refused ? MQ_E_INPUT : MQ_OK;
}

enum mq_status
mq_user_event_scan(const char *bytes, size_t size, const struct mq_event_rules *rules,
                   struct mq_user_event *ret_event, struct mq_event_refusal *ret_refusal)
{
    struct mq_event_scan s = begin_scan(bytes, size, rules, ret_event, ret_refusal);
    read_event(&s);
    return outcome(&s);
}

enum mq_status
mq_user_event_parse(const char *bytes, size_t size, const struct mq_event_rules *rules,
                    struct mq_user_event *ret_event, struct mq_event_refusal *ret_refusal)
{
    struct mq_event_scan s = begin_scan(bytes, size, rules, ret_event, ret_refusal);
    read_event(&s);
    if (!s.broken) {
        bool within = ret_event->has_line_ends;
        mq_event_scan_blanks(&s);
        ret_event->has_line_ends = within;
        if (s.p != s.end)
            mq_event_scan_broken(&s, s.p, "the end");
    }
    return outcome(&s);
}
