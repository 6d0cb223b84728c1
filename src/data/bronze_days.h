/**
 * The days of a bronze layer: which there are, what lies in each, and their lines.
 *
 * A day's content is told by its listing: a SHA-256 over name, size and ETag of every object, so
 * that a late event, a replay or a compaction shows, and no object is read. Cost: one listing, as a
 * stream; memory 130 bytes a day, however many objects there are. Days of very many objects are
 * what `marquee bronze compact` is for.
 *
 * Lines come in the order of keys, that is by topic, partition and offset, before and after a
 * compaction the same: parts of finished merges and merged objects of unfinished ones are passed
 * over (data/bronze_merges.h). Memory: a few MiB. Threads: reentrant.
 */
#ifndef MQ_DATA_BRONZE_DAYS_H
#define MQ_DATA_BRONZE_DAYS_H

#include "data/bronze_record.h"

struct mq_bronze_day {
    char date[MQ_DATE_SIZE];
    int64_t objects, bytes; /**< bytes as stored, compressed */
    char listing[MQ_SHA256_HEX_SIZE];
};

/** Zero-initialise; then mq_bronze_days_release. */
struct mq_bronze_days {
    struct mq_bronze_day *days; /**< [count] by date */
    size_t count, capacity;
};

void mq_bronze_days_release(struct mq_bronze_days *days);

/**
 * List days of good events.
 * @param date NULL: all; else this one (none: count 0)
 */
enum mq_status mq_bronze_days_list(struct mq_object_store *store, const char *region,
                                   const char *date, struct mq_bronze_days *ret_days,
                                   struct mq_error *err);

/** Longest line; longer ones are MQ_E_FORMAT. */
#define MQ_BRONZE_LINE_MAX ((size_t)1 << 20)

/** One line of an object, without its end. Borrowed. */
struct mq_bronze_line {
    const char *key;
    int64_t number; /**< from 1 */
    const char *bytes;
    size_t size;
};

typedef enum mq_status (*mq_bronze_line_fn)(void *context, const struct mq_bronze_line *line,
                                            struct mq_error *err);

/**
 * Call fn for each line of a day.
 * @return MQ_OK | MQ_E_FORMAT (an object is no gzip text: the message names it) | what fn returned
 *         | MQ_E_CANCELLED | store's errors
 */
enum mq_status mq_bronze_read_day(struct mq_object_store *store, const char *region,
                                  enum mq_bronze_kind kind, const char *date, mq_bronze_line_fn fn,
                                  void *context, struct mq_error *err);

#endif
