/**
 * Taking days of bronze into silver/ratings: each day's ratings and choices, of a user, a film and
 * a kind of event the last one, by the event's own day. Of a user's events of a day with the same
 * event_id only the one that was taken first counts. A day whose bronze changed is made anew.
 * Rows are sorted by user and time, of equal times as they came, so the same events give the same
 * bytes; an object that would not change is not put.
 *
 * Days are taken in groups of some 24 MiB of bronze as stored, those of 4 MiB and more each by
 * itself, and what was taken is noted after each group, so that a run that died goes on. Memory: a
 * group's events, which spill; the events of one day may be any number. Threads: one.
 */
#ifndef MQ_STEP_SILVER_TAKE_H
#define MQ_STEP_SILVER_TAKE_H

#include "data/silver_days.h"
#include "data/validated_days.h"
#include "step/step.h"

/** Bytes of bronze, compressed, that shape the work and not its outcome. */
struct mq_silver_limits {
    int64_t group_bytes; /**< of days that are taken together */
    int64_t large_bytes; /**< of a day from which on it is taken by itself: how a day is written
                              depends on that day alone */
};

struct mq_silver_taken {
    int64_t days, events, refused; /**< refused: lines that are no good events */
    int64_t repeated;              /**< of these, events whose event_id was there before */
    int64_t rows, unchanged;       /**< unchanged: days whose rows came out as they were */
    int64_t groups;                /**< that days were taken in */
    int64_t waiting;               /**< days left out: their bronze is not what was found good */
};

/**
 * Take the days of bronze (with context->date: that day) that are known to be good and were not
 * taken as they are now.
 * @param silver read before; brought up to date, also in the store
 * @param limits NULL: those above; others are for tests
 */
enum mq_status mq_silver_take(struct mq_step_context *context, struct mq_sql *sql,
                              struct mq_silver_days *silver, const struct mq_silver_limits *limits,
                              struct mq_silver_taken *ret_taken, struct mq_error *err);

#endif
