/**
 * A made-up operator: a catalogue of films and series, users with tastes, and weeks of exposures
 * and plays, as an input of Marquee. For demonstrations without a network and for tests that need
 * to know the truth.
 *
 * The model. Every genre has a centre in an 8-dimensional taste space; a programme lies near the
 * centres of its genres, a user near those of a few favourites. A visit shows a list of ten
 * programmes, drawn from the user's favourite genres and from everything, by that day's popularity.
 * The user looks at place p with probability (p + 1)^-0.6 and plays what is looked at with
 *
 *     P(play | looked at) = q(channel) * sigmoid(2 * user . item + appeal(item) - 2.4)
 *
 * where q is a quality that is known for each recall channel (mq_simulated_channels) and does not
 * depend on place, user or item: so the true order of the channels is the order of q. Popularity
 * fades after a programme's release, rises again for a few, and part of the catalogue arrives while
 * the simulation runs. How much is watched grows with the match.
 *
 * As ratings, what is shown is not written, and whoever plays rates: in half stars, by the match
 * with some noise.
 *
 * The same options give the same bytes, on any number of threads. Threads: one simulation, one
 * thread. Cost: about 0.2 µs an action; memory 60 bytes a user and 300 bytes a programme.
 */
#ifndef MQ_DATA_SIMULATE_H
#define MQ_DATA_SIMULATE_H

#include "data/event_sink.h"

#define MQ_SIMULATE_USERS_MAX 100000000
#define MQ_SIMULATE_ITEMS_MAX 10000000

struct mq_simulate_options {
    int64_t users;   /**< 1…MQ_SIMULATE_USERS_MAX */
    int64_t items;   /**< 1…MQ_SIMULATE_ITEMS_MAX */
    int64_t events;  /**< lines of the logs, about: visits are whole; at least 1 */
    int64_t days;    /**< 1…3650 */
    int64_t until_s; /**< end of the last day, epoch seconds; a multiple of a day */
    uint64_t seed;
    int gzip_level; /**< see struct mq_input_options */
    bool replace;   /**< see struct mq_input_options */
    /** Every play becomes a rating event there, and no log is written; NULL: logs. `events` is then
     * the number of ratings. */
    struct mq_event_sink *ratings;
};

/** A recall channel as traces name it, and how good its picks are; 1: average. */
struct mq_simulated_channel {
    const char *name;
    double quality;
};

/** The channels; ends with a NULL name. */
extern const struct mq_simulated_channel mq_simulated_channels[];

/**
 * Make the input and publish it.
 * @param ret_summary may be NULL
 * @return MQ_OK | MQ_E_RANGE (options) | MQ_E_NOMEM | errors of mq_input_begin and publish
 */
enum mq_status mq_simulate(const struct mq_simulate_options *options, struct mq_object_store *store,
                           const char *region, struct mq_pool *pool,
                           struct mq_input_summary *ret_summary, struct mq_error *err);

#endif
