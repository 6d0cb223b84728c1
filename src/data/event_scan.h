/**
 * The tokens of an event's JSON, walked once without a tree: data/event.c reads known members by
 * their types, and has anything else skipped, by a loop with a bit a level.
 *
 * The first refusal is kept and the walk goes on, for two reasons: bytes that turn out not to be
 * JSON are refused as that, and in an array the next event begins where this one ends. Functions
 * that return bool return false once the bytes are known not to be JSON; the walk ends there.
 *
 * Threads: reentrant, a scan belongs to one. Memory: none but the event's own; 8 KiB of the stack
 * where a value nests too deep.
 */
#ifndef MQ_DATA_EVENT_SCAN_H
#define MQ_DATA_EVENT_SCAN_H

#include "data/event.h"

/** Characters of a text that is compared or read as a time, and their most bytes. */
#define MQ_EVENT_SHORT_MAX 40
#define MQ_EVENT_SHORT_SIZE (MQ_EVENT_SHORT_MAX * 4)

/** All borrowed. */
struct mq_event_scan {
    const char *begin, *p, *end;
    const struct mq_event_rules *rules;
    struct mq_user_event *event;
    struct mq_event_refusal *refusal;
    size_t scratch_used;
    bool refused; /* the refusal is set */
    bool broken;  /* not JSON: it names where */
};

/** A text's contents, as they stand. */
struct mq_event_scanned {
    const char *begin; /**< behind the quote */
    size_t size;       /**< raw bytes */
    size_t characters; /**< an escape is one */
    bool escaped;
    bool control; /**< holds a control character, escaped or 0x7f */
};

/** Refuse, unless something was refused before. @param at of the bytes that were given */
void mq_event_scan_refuse(struct mq_event_scan *s, enum mq_event_fault fault,
                          enum mq_event_field field, const char *at, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** Not JSON: overrules what was refused before. @return false */
bool mq_event_scan_broken(struct mq_event_scan *s, const char *at, const char *expected);

static inline void
mq_event_scan_blanks(struct mq_event_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) {
        if (*s->p == '\n' || *s->p == '\r')
            s->event->has_line_ends = true;
        s->p++;
    }
}

/** The text at s->p (behind its opening quote), up to and with its closing quote. */
bool mq_event_scan_text(struct mq_event_scan *s, struct mq_event_scanned *ret_text);

/** Write a text's characters; the room must hold four bytes each. @return bytes written */
size_t mq_event_scan_decode(const struct mq_event_scan *s, const struct mq_event_scanned *text,
                            char *room);

/** As mq_event_scan_decode, of a text that is only looked at when it is short.
 * @return bytes; 0: it is not */
size_t mq_event_scan_short(const struct mq_event_scan *s, const struct mq_event_scanned *text,
                           char room[MQ_EVENT_SHORT_SIZE]);

/** The number at s->p. @param ret_whole it has neither fraction nor exponent */
bool mq_event_scan_number(struct mq_event_scan *s, bool *ret_whole);

/** true, false or null. */
bool mq_event_scan_word(struct mq_event_scan *s);

/** The byte that has to be at s->p. @param expected for the message */
bool mq_event_scan_byte(struct mq_event_scan *s, char byte, const char *expected);

/** The name of a member with its colon, and the blanks up to the value. */
bool mq_event_scan_name(struct mq_event_scan *s, struct mq_event_scanned *ret_name);

/** Skip any value at s->p. @param depth levels around it */
bool mq_event_scan_skip(struct mq_event_scan *s, int depth);

#endif
