/**
 * silver/ratings as a matrix of ratings: what every user said of every film, last, up to a day.
 *
 * Users and films get codes in order of first appearance: day by day, within a day by user and
 * time; films of a catalogue that is given come first, in its order, rated or not. A rating counts
 * more than a choice (play, click, entry in a list), whenever it came; of two of a kind the later
 * one.
 *
 * Memory: 24 bytes a rating, those of the matrix (data/rating_matrix.h), the ids, and what the
 * engine reads at a time; nothing else grows with the ratings. Two passes over the parts. Threads:
 * one call, one thread; the engine uses more.
 */
#ifndef MQ_DATA_RATING_LOAD_H
#define MQ_DATA_RATING_LOAD_H

#include "data/catalogue.h"
#include "data/event.h"
#include "data/rating_matrix.h"
#include "data/silver_days.h"

struct mq_rating_load_options {
    const char *date; /**< this day and those before; NULL: all */
    /** Bits 1 << enum mq_event_kind of what is taken: RATING, PLAY, CLICK, ADD_TO_LIST; 0: RATING
     * alone. Other kinds are not in silver. */
    unsigned kinds;
    float choice_rating;                  /**< what a choice without a rating counts; finite */
    const struct mq_catalogue *catalogue; /**< whose rows are the first films' codes; NULL: none */
};

/** What was read. */
struct mq_rating_load_figures {
    int64_t days, rows; /**< rows: of the kinds asked for, before one is kept of a user and film */
    char last_day[MQ_DATE_SIZE];
};

/**
 * @param sql an engine with scratch room (for parts that lie on another machine)
 * @param ret_figures may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND (no silver up to the day: says which step makes it) | MQ_E_INPUT
 *         (no such rating) | MQ_E_FORMAT | MQ_E_NOMEM | MQ_E_CANCELLED
 */
enum mq_status mq_rating_load(struct mq_sql *sql, struct mq_object_store *store, const char *region,
                              const struct mq_rating_load_options *options,
                              struct mq_rating_matrix **ret_matrix,
                              struct mq_rating_load_figures *ret_figures, struct mq_error *err);

#endif
