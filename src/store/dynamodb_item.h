/**
 * Records as DynamoDB's JSON items, and back.
 *
 *   key → "key" S · version → "version" N · expires_s → "expires" N (left out when 0) · attributes
 *   under their names: NULL NULL · BOOL BOOL · INTEGER, REAL N · TEXT S · BYTES B (base64) ·
 *   TEXT_SET SS · REALS L of N
 *
 * Numbers as text have at most 17 digits, below DynamoDB's 38, so they come back to the last bit.
 * Threads: reentrant.
 */
#ifndef MQ_STORE_DYNAMODB_ITEM_H
#define MQ_STORE_DYNAMODB_ITEM_H

#include <jansson.h>

#include "base/buffer.h"
#include "store/feature_store.h"

/** Append {"key":…} of a record's key alone. */
enum mq_status mq_dynamodb_key_write(const char *key, struct mq_buffer *buffer,
                                     struct mq_error *err);

/** Append one attribute's value: {"N":"1"}. */
enum mq_status mq_dynamodb_value_write(const struct mq_attribute *attribute,
                                       struct mq_buffer *buffer, struct mq_error *err);

/** Append {"N":"…"}. */
enum mq_status mq_dynamodb_integer_write(int64_t value, struct mq_buffer *buffer,
                                         struct mq_error *err);

/** Append a whole item. @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_dynamodb_item_write(const struct mq_record *record, struct mq_buffer *buffer,
                                      struct mq_error *err);

/**
 * Read an item; everything is copied into the arena. A set is sorted.
 * @return MQ_OK | MQ_E_FORMAT (no item, or a malformed value) | MQ_E_UNSUPPORTED (a type that no
 *         record has: map, set of numbers …; names key and attribute) | MQ_E_NOMEM
 */
enum mq_status mq_dynamodb_item_read(const json_t *item, struct mq_arena *arena,
                                     struct mq_record *ret_record, struct mq_error *err);

/** Text of an item's key, or NULL. Borrowed from the item. */
const char *mq_dynamodb_item_key(const json_t *item);

/** The whole number of an item's member ("version"), or `missing`. */
int64_t mq_dynamodb_item_integer(const json_t *item, const char *name, int64_t missing);

#endif
