/**
 * GroupLens' MovieLens files as an input of Marquee: ml-1m, ml-100k, ml-latest and its small form,
 * ml-20m, ml-25m, ml-32m; and HetRec 2011's metadata (directors, actors, countries, critics'
 * scores, posters), which uses the same film numbers as all but ml-100k.
 *
 * Every rating is a play (with play_at_least, those that reach it), every play and every lower
 * rating an exposure at an unknown position; the rating is kept. Popularity is the number of
 * ratings, ticket number that of ratings of 4 and more. Texts in Latin-1 become UTF-8.
 *
 * As events, every rating is a rating, oldest first, and no log is written (data/event_sink.h).
 *
 * Memory: all ratings, 40 bytes each at most. Threads: one import, one thread (the pool publishes).
 */
#ifndef MQ_DATA_MOVIELENS_H
#define MQ_DATA_MOVIELENS_H

#include "data/event_sink.h"

/** Most actors of a film that are taken from HetRec, in its order of billing. */
#define MQ_HETREC_ACTORS_MAX 5

struct mq_movielens_options {
    double play_at_least; /**< lower ratings are exposures only; 0: every rating is a play */
    bool replace;         /**< see struct mq_input_options */
    int gzip_level;       /**< see struct mq_input_options */
    /** Ratings go there instead of to logs, which are left as they are; NULL: logs. */
    struct mq_event_sink *events;
    double max_bad_share; /**< of ratings that are no good events */
};

/**
 * Import from zip files and folders; each may be a MovieLens set or HetRec's metadata, told by the
 * files in it. Exactly one set of ratings must be among them.
 *
 * @param paths      local, [path_count]
 * @param ret_summary may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND (no such path) | MQ_E_INPUT (no ratings, or two sets, or metadata
 *         that does not fit, or too many ratings that are no good events) | MQ_E_FORMAT (a file
 *         and line) | errors of mq_input_begin and publish, and of the sink
 */
enum mq_status mq_movielens_import(const char *const *paths, int path_count,
                                   const struct mq_movielens_options *options,
                                   struct mq_object_store *store, const char *region,
                                   struct mq_pool *pool, struct mq_input_summary *ret_summary,
                                   struct mq_error *err);

#endif
