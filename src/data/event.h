/**
 * A user event: raw JSON bytes in, a checked struct or a reason out.
 *
 * One pass over the bytes, no tree and no allocation: the API does this for every event it takes
 * and the consumer for every event it writes. The rules are the table data/event_fields.def and
 * `struct mq_event_rules`. JSON is taken strictly (RFC 8259, UTF-8, no lone surrogates, no byte
 * order mark); fields that the table does not know are skipped, whatever they hold.
 *
 * Bounds: MQ_USER_EVENT_BYTES_MAX bytes, MQ_USER_EVENT_DEPTH_MAX levels; texts as in the table.
 * Threads: reentrant. Cost: about 2 ns a byte. Page: docs/formats/event.md.
 */
#ifndef MQ_DATA_EVENT_H
#define MQ_DATA_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "marquee/status.h"

/** Largest event in bytes, blanks around it not counted. */
#define MQ_USER_EVENT_BYTES_MAX 65536
/** Nesting of arrays and objects, the event itself included. */
#define MQ_USER_EVENT_DEPTH_MAX 32
/** Epoch values from here on are milliseconds, below they are seconds (the year 5138). */
#define MQ_EVENT_MILLISECONDS_FROM 1e11

/** Index of a field in the table. */
enum mq_event_field {
#define EVENT_FIELD(name, type, need, least, most, help) MQ_EVENT_FIELD_##name,
#include "data/event_fields.def"
    MQ_EVENT_FIELDS
};

enum mq_event_kind {
#define EVENT_KIND(symbol, name) MQ_EVENT_##symbol,
#include "data/event_fields.def"
    MQ_EVENT_KINDS
};

/** Why an event was refused. */
enum mq_event_fault {
#define EVENT_FAULT(symbol, name, help) MQ_EVENT_##symbol,
#include "data/event_fields.def"
    MQ_EVENT_FAULTS
};

/** "add-to-list". */
const char *mq_event_kind_name(enum mq_event_kind kind);
/** "too-old": label of counters and answers. */
const char *mq_event_fault_name(enum mq_event_fault fault);
/** What a fault means, one line. */
const char *mq_event_fault_help(enum mq_event_fault fault);
/** "user_id"; NULL for MQ_EVENT_FIELDS. */
const char *mq_event_field_name(enum mq_event_field field);

/** What the settings say of events. */
struct mq_event_rules {
    int64_t now_ms;       /**< epoch milliseconds; the caller's clock */
    int64_t age_max_ms;   /**< older than now by more: too old */
    int64_t ahead_max_ms; /**< later than now by more: in the future */
    double rating_min, rating_max;
};

/** Rules from the settings events.max_age_days, .max_ahead_s, .rating_min, .rating_max. */
struct mq_event_rules mq_event_rules_from(const struct mq_config *config, int64_t now_ms);

/** A text of an event; not NUL-terminated, well-formed UTF-8, no control characters in an ID. */
struct mq_event_text {
    const char *bytes;
    uint32_t size;
};

/**
 * A checked event. Texts point into the bytes it was read from or into `scratch`: it must not be
 * copied or moved while they are used. A field that is not `present` has an unset value, but
 * `kind`, which is MQ_EVENT_RATING then.
 */
struct mq_user_event {
    uint32_t present; /**< bit 1 << enum mq_event_field */
    enum mq_event_kind kind;
    int64_t time_ms; /**< epoch milliseconds; always present */
    struct mq_event_text user_id, movie_id, source, trace, session_id, event_id;
    double rating, watch_seconds, duration_seconds;
    int32_t position;
    /**
     * Where the event begins and ends in the bytes given: without the blanks around it. JSON allows
     * line ends only between tokens, so a blank may stand for each: has_line_ends says that one is
     * needed before the bytes can be a line of a file.
     */
    size_t begin, end;
    bool has_line_ends;
    char scratch[7168];
};

static inline bool
mq_user_event_has(const struct mq_user_event *event, enum mq_event_field field)
{
    return event->present >> field & 1;
}

/** The reason of a refusal; the first one where there are several. */
struct mq_event_refusal {
    enum mq_event_fault fault;
    enum mq_event_field field; /**< MQ_EVENT_FIELDS: the event as a whole */
    size_t offset;             /**< byte of the bytes given */
    char reason[192];          /**< "rating is 7 (allowed: 0.5 to 5)" */
};

/**
 * Check exactly one event: all of the bytes but blanks around it.
 * @param ret_event    on MQ_OK   @param ret_refusal on failure
 * @return MQ_OK | MQ_E_FORMAT (not JSON, or nested deeper than MQ_USER_EVENT_BYTES_MAX) |
 *         MQ_E_INPUT (JSON, but refused)
 */
enum mq_status mq_user_event_parse(const char *bytes, size_t size,
                                   const struct mq_event_rules *rules,
                                   struct mq_user_event *ret_event,
                                   struct mq_event_refusal *ret_refusal);

/**
 * Check the event that the bytes begin with (blanks before it are skipped); anything may follow.
 * @param ret_event begin and end are also set with MQ_E_INPUT, so that a caller can go on behind it
 * @return as mq_user_event_parse
 */
enum mq_status mq_user_event_scan(const char *bytes, size_t size,
                                  const struct mq_event_rules *rules,
                                  struct mq_user_event *ret_event,
                                  struct mq_event_refusal *ret_refusal);

#endif
