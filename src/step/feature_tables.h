/**
 * silver/user_features and silver/movie_features of one day, from the ratings of all days up to it.
 *
 * Users are shared out by a hash of their ids into shares of some two million rows, which are
 * worked on one after the other: what has to be in memory is a share, and nothing grows faster than
 * the ratings. A share is a part of user_features; films are counted over all shares, in one part.
 * Folders of the day hold these parts and no others afterwards. Threads: one.
 */
#ifndef MQ_STEP_FEATURE_TABLES_H
#define MQ_STEP_FEATURE_TABLES_H

#include "data/silver_days.h"
#include "step/step.h"

struct mq_feature_tables {
    int64_t users, movies, ratings;
    double prior_mean; /**< that means are shrunk to */
    int parts;         /**< of user_features */
};

/**
 * @param silver days that were taken; one of them is `date` or before
 * @param date   features are as of its end
 * @param share_rows ratings of a share, more or less; 0: two million; others are for tests
 */
enum mq_status mq_feature_tables_make(struct mq_step_context *context, struct mq_sql *sql,
                                      const struct mq_silver_days *silver, const char *date,
                                      int64_t share_rows, struct mq_feature_tables *ret_tables,
                                      struct mq_error *err);

/** The parts of a table of a day as a view. */
enum mq_status mq_feature_tables_view(struct mq_step_context *context, struct mq_sql *sql,
                                      const char *view, enum mq_artifact table, const char *date,
                                      struct mq_error *err);

#endif
