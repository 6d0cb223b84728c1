/**
 * Lists of days sorted by date, and their form as a small JSON artifact. A day is any struct whose
 * first member is `char date[MQ_DATE_SIZE]`; a list is (pointer, count, capacity).
 *
 *   {"schema": <of the artifact>, "version": n, "days": [{"date": "2026-03-01", …}, …]}
 *
 * Threads: reentrant; a list belongs to one thread at a time.
 */
#ifndef MQ_DATA_DAY_LIST_H
#define MQ_DATA_DAY_LIST_H

#include <jansson.h>

#include "base/clock.h"
#include "data/artifact.h"

/** Largest document: ten thousands of days. */
#define MQ_DAY_LIST_BYTES_MAX ((size_t)64 << 20)

/** The day of a date among `count` of `size` bytes each, or NULL. */
const void *mq_day_find(const void *days, size_t count, size_t size, const char *date);

/**
 * Enter a day in its place, over the one of its date.
 * @param days address of the list's pointer  @param day copied, `size` bytes
 */
enum mq_status mq_day_set(void *days, size_t *count, size_t *capacity, size_t size, const void *day,
                          struct mq_error *err);

/** What reads a day of the document and enters it. Messages need not name the document. */
typedef enum mq_status (*mq_day_parse_fn)(void *list, const json_t *json, struct mq_error *err);

/**
 * Read an artifact's days.
 * @param version days of another one are passed over
 * @return MQ_OK (also where there is no document) | MQ_E_FORMAT | MQ_E_UNSUPPORTED | store's
 */
enum mq_status mq_day_list_read(struct mq_object_store *store, const char *region,
                                enum mq_artifact artifact, int version, mq_day_parse_fn parse,
                                void *list, struct mq_error *err);

/** Write them. @param days JSON array, taken, also on failure; NULL is refused as MQ_E_NOMEM */
enum mq_status mq_day_list_write(struct mq_object_store *store, const char *region,
                                 enum mq_artifact artifact, int version, json_t *days,
                                 struct mq_error *err);

/** Copy a member of a day: exactly `size` - 1 characters, or (may_be_empty) none. */
enum mq_status mq_day_text(const json_t *json, const char *name, char *ret_text, size_t size,
                           bool may_be_empty, struct mq_error *err);

#endif
