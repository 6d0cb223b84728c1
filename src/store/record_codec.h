/**
 * A record as bytes, for embedded stores: little endian, a layout version first.
 *
 *   u8 layout = 1 · i64 version · i64 expires_s · u16 attributes, then for each:
 *   u8 name size · name · NUL · u8 type · payload (u8 | i64 | f64 | u32 size, bytes, NUL |
 *   u32 count, texts | u32 count, f64 …)
 *
 * Strings carry a NUL, so that a decoded record points into the bytes where it can.
 * Threads: reentrant.
 */
#ifndef MQ_STORE_RECORD_CODEC_H
#define MQ_STORE_RECORD_CODEC_H

#include "base/buffer.h"
#include "store/feature_store.h"

/** Append a record's bytes (its key is not part of them); a whole REAL as an INTEGER. */
enum mq_status mq_record_encode(const struct mq_record *record, struct mq_buffer *buffer,
                                struct mq_error *err);

/**
 * Read a record; copies everything into the arena.
 * @param key borrowed by ret_record
 * @return MQ_OK | MQ_E_FORMAT (truncated or malformed) | MQ_E_UNSUPPORTED (a newer layout) |
 *         MQ_E_NOMEM
 */
enum mq_status mq_record_decode(const char *key, const void *bytes, size_t size,
                                struct mq_arena *arena, struct mq_record *ret_record,
                                struct mq_error *err);

/**
 * The record that an update leaves: `before` (NULL: none) with the changes applied, version + 1.
 * Pointers are shared with both. @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (too large)
 */
enum mq_status mq_record_merge(const char *key, const struct mq_record *before,
                               const struct mq_attribute *changes, size_t change_count,
                               struct mq_arena *arena, struct mq_record *ret_record,
                               struct mq_error *err);

#endif
