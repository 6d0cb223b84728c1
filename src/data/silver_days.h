/**
 * silver/days.json: the days whose events were taken into silver/ratings, from which objects of
 * bronze, and what was written; and the names of silver's objects. Page: docs/formats/silver.md.
 *
 *   silver/ratings/dt=YYYY-MM-DD/part-00000.parquet
 *   silver/{user,movie}_features/dt=YYYY-MM-DD/part-NNNNN.parquet
 *
 * Threads: reentrant; a list belongs to one thread at a time.
 */
#ifndef MQ_DATA_SILVER_DAYS_H
#define MQ_DATA_SILVER_DAYS_H

#include "base/clock.h"
#include "base/sha256.h"
#include "data/sql.h"

/** Raised when the same events would give other rows: then every day is taken anew. */
#define MQ_SILVER_VERSION 1

struct mq_silver_day {
    char date[MQ_DATE_SIZE];
    char bronze[MQ_SHA256_HEX_SIZE]; /**< listing of the day (data/bronze_days.h) */
    int64_t rows, bytes;             /**< of its part; rows 0: there is none */
    char sha256[MQ_SHA256_HEX_SIZE]; /**< of its part; "" where there is none */
};

/** Zero-initialise; then mq_silver_days_release. */
struct mq_silver_days {
    struct mq_silver_day *days; /**< [count] by date */
    size_t count, capacity;
};

void mq_silver_days_release(struct mq_silver_days *days);

/**
 * Read the artifact; none, or one of another MQ_SILVER_VERSION, is no day.
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED | store's
 */
enum mq_status mq_silver_days_read(struct mq_object_store *store, const char *region,
                                   struct mq_silver_days *ret_days, struct mq_error *err);
enum mq_status mq_silver_days_write(struct mq_object_store *store, const char *region,
                                    const struct mq_silver_days *days, struct mq_error *err);

/** A day by its date, or NULL. */
const struct mq_silver_day *mq_silver_days_find(const struct mq_silver_days *days,
                                                const char *date);
/** Enter a day, in place of the one of its date. */
enum mq_status mq_silver_days_set(struct mq_silver_days *days, const struct mq_silver_day *day,
                                  struct mq_error *err);

/** Newest day with rows that is not after `date` (NULL: any), or NULL. */
const struct mq_silver_day *mq_silver_days_newest(const struct mq_silver_days *days,
                                                  const char *date);

/** Key of a part of a silver table, or with part -1 of the day's folder ("…/dt=…/"). */
enum mq_status mq_silver_key(const char *region, enum mq_artifact table, const char *date, int part,
                             char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err);

/**
 * The ratings of all days up to one as a view (user_id, movie_id, event_type, rating,
 * watch_seconds, duration_seconds, time_ms), day by day. There must be such a day.
 * @param date NULL: all days  @param ret_rows may be NULL
 */
enum mq_status mq_silver_ratings_view(struct mq_sql *sql, const char *view,
                                      struct mq_object_store *store, const char *region,
                                      const struct mq_silver_days *days, const char *date,
                                      int64_t *ret_rows, struct mq_error *err);

#endif
