/**
 * silver/validation.json: the days of bronze that validate-data found good, from which objects, and
 * the figures that later days are compared with. Page: docs/formats/validation.md.
 * Threads: reentrant; a list belongs to one thread at a time.
 */
#ifndef MQ_DATA_VALIDATED_DAYS_H
#define MQ_DATA_VALIDATED_DAYS_H

#include "base/clock.h"
#include "base/sha256.h"
#include "data/artifact.h"

/** Equal parts of the rating scale in which a day's ratings are counted. */
#define MQ_RATING_BINS 20

struct mq_validated_day {
    char date[MQ_DATE_SIZE];
    char bronze[MQ_SHA256_HEX_SIZE]; /**< listing of the day (data/bronze_days.h) */
    int64_t events, ratings;
    double scale_min, scale_max; /**< of the bins */
    int64_t bins[MQ_RATING_BINS];
};

/** Zero-initialise; then mq_validated_days_release. */
struct mq_validated_days {
    struct mq_validated_day *days; /**< [count] by date */
    size_t count, capacity;
};

void mq_validated_days_release(struct mq_validated_days *days);

/** Read the artifact; none is no day. @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED | store's */
enum mq_status mq_validated_days_read(struct mq_object_store *store, const char *region,
                                      struct mq_validated_days *ret_days, struct mq_error *err);
enum mq_status mq_validated_days_write(struct mq_object_store *store, const char *region,
                                       const struct mq_validated_days *days, struct mq_error *err);

/** A day by its date, or NULL. */
const struct mq_validated_day *mq_validated_days_find(const struct mq_validated_days *days,
                                                      const char *date);
/** Enter a day, in place of the one of its date. */
enum mq_status mq_validated_days_set(struct mq_validated_days *days,
                                     const struct mq_validated_day *day, struct mq_error *err);

/** Bin of a rating; ratings off the scale count at its ends. */
int mq_rating_bin(double rating, double scale_min, double scale_max);

#endif
