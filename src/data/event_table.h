/**
 * Bronze events as a table of the SQL engine: each line checked as the API checks it
 * (data/event.h), good ones appended, the others counted by reason with a sample.
 *
 *   event (day bigint, user_id varchar, movie_id varchar, event_type varchar, rating double,
 *          watch_s double, length_s double, time_ms bigint, seq bigint, event_hash bigint)
 *
 * day counts from 1970-01-01; what an event does not say is NULL; seq is the place among all that
 * were loaded, in the order of lines (data/bronze_days.h); event_hash stands for the event_id (of a
 * million ids two share one with a chance of 3e-8). The table spills like all others.
 * Threads: as the engine's: one. Cost: about 1 µs an event.
 */
#ifndef MQ_DATA_EVENT_TABLE_H
#define MQ_DATA_EVENT_TABLE_H

#include "data/bronze_days.h"
#include "data/sql.h"

/** Lines kept of each reason. */
#define MQ_EVENT_SAMPLES 3
/** Longest piece of a line that is kept, NUL included. */
#define MQ_EVENT_SAMPLE_TEXT 240

/** A line that was not taken. */
struct mq_event_sample {
    char object[256]; /**< its name below the day's folder */
    int64_t line;
    char reason[192];
    char text[MQ_EVENT_SAMPLE_TEXT]; /**< valid UTF-8; cut */
};

/** Copy the beginning of some bytes as text that people and JSON can take: valid UTF-8, cut between
 * characters; bytes that are none become '?'. */
void mq_text_piece(const char *bytes, size_t size, char *ret_text, size_t room);

/** Why a line was not taken: a fault of the event, or that it is of another day than its folder. */
#define MQ_EVENT_OTHER_DAY MQ_EVENT_FAULTS
#define MQ_EVENT_VERDICTS (MQ_EVENT_FAULTS + 1)

/** What a day's lines are. Zero-initialise; add up over days if wanted. About 23 kB. */
struct mq_event_census {
    int64_t lines, taken;
    int64_t refused[MQ_EVENT_VERDICTS];
    int64_t kinds[MQ_EVENT_KINDS]; /**< good lines by kind, taken or not */
    struct mq_event_sample samples[MQ_EVENT_VERDICTS][MQ_EVENT_SAMPLES];
};

/** Which kinds are taken: bits 1 << enum mq_event_kind. */
#define MQ_EVENT_ALL_KINDS ((1u << MQ_EVENT_KINDS) - 1)

/** Make (or empty) the table. */
enum mq_status mq_event_table_create(struct mq_sql *sql, struct mq_error *err);

/**
 * Append a day's events.
 * @param rules as of events that arrive now; how old an event is does not count
 * @param kinds bits of the kinds that are taken
 * @param seq   number of the next event, raised
 * @param census added to
 */
enum mq_status mq_event_table_load(struct mq_sql *sql, struct mq_object_store *store,
                                   const char *region, const char *date,
                                   const struct mq_event_rules *rules, unsigned kinds, int64_t *seq,
                                   struct mq_event_census *census, struct mq_error *err);

#endif
