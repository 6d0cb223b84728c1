/**
 * Time: the wall clock, a monotonic clock for durations, and UTC dates.
 *
 * The wall clock can be fixed for tests and reproducible runs: environment MARQUEE_NOW holds
 * epoch seconds or an ISO 8601 instant. All timestamps in Marquee are UTC. Threads: reentrant.
 */
#ifndef MQ_BASE_CLOCK_H
#define MQ_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

#define MQ_DAY_SECONDS 86400
/** "YYYY-MM-DD" plus NUL. */
#define MQ_DATE_SIZE 11
/** "YYYY-MM-DDTHH:MM:SSZ" plus NUL. */
#define MQ_INSTANT_SIZE 21

/** Now, in epoch seconds (or MARQUEE_NOW). */
int64_t mq_clock_now_s(void);

/** Now, in epoch milliseconds (or MARQUEE_NOW). */
int64_t mq_clock_now_ms(void);

/** Monotonic time in seconds, for durations only; MARQUEE_NOW does not touch it. */
double mq_clock_monotonic_s(void);

/** Days since 1970-01-01 of an instant in epoch milliseconds, of the past too. */
static inline int64_t
mq_day_of_ms(int64_t epoch_ms)
{
    const int64_t day_ms = INT64_C(1000) * MQ_DAY_SECONDS;
    return epoch_ms / day_ms - (epoch_ms % day_ms < 0);
}

/** Write "YYYY-MM-DD" of an instant; years 0001…9999, else "0000-00-00". */
void mq_date_format(int64_t epoch_s, char ret_text[MQ_DATE_SIZE]);

/** Write "YYYY-MM-DDTHH:MM:SSZ". */
void mq_instant_format(int64_t epoch_s, char ret_text[MQ_INSTANT_SIZE]);

/**
 * Parse "YYYY-MM-DD", or "YYYY-MM-DDTHH:MM[:SS[.fff]][Z|±HH[:MM]]" (a space may stand for the T);
 * no offset means UTC.
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_RANGE (no such day or time)
 */
enum mq_status mq_instant_parse(const char *text, size_t size, int64_t *ret_epoch_s,
                                struct mq_error *err);

/** Whether a text is a day and nothing else: "YYYY-MM-DD", in the calendar. */
bool mq_date_valid(const char *text);

#endif
