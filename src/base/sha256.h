/**
 * SHA-256 (FIPS 180-4), from OpenSSL. Wrapped here once.
 * Threads: one digest, one thread at a time.
 */
#ifndef MQ_BASE_SHA256_H
#define MQ_BASE_SHA256_H

#include "base/stream.h"

/** 64 lower-case hexadecimal digits plus NUL. */
#define MQ_SHA256_HEX_SIZE 65
#define MQ_SHA256_SIZE 32

struct mq_sha256;

/** Start a digest. */
enum mq_status mq_sha256_new(struct mq_sha256 **ret_digest, struct mq_error *err);
/** NULL allowed. */
void mq_sha256_free(struct mq_sha256 *digest);
/** Take more bytes. */
enum mq_status mq_sha256_add(struct mq_sha256 *digest, const void *bytes, size_t size,
                             struct mq_error *err);
/** End it; no more bytes may be added. */
enum mq_status mq_sha256_hex(struct mq_sha256 *digest, char ret_hex[MQ_SHA256_HEX_SIZE],
                             struct mq_error *err);

/** Digest of bytes in memory. */
void mq_sha256_of_bytes(const void *bytes, size_t size, char ret_hex[MQ_SHA256_HEX_SIZE]);

/** Digest of all that is left of a reader. @param ret_size_bytes may be NULL */
enum mq_status mq_sha256_of_reader(struct mq_reader *reader, char ret_hex[MQ_SHA256_HEX_SIZE],
                                   int64_t *ret_size_bytes, struct mq_error *err);

/**
 * A writer that passes everything on to another and digests it. Closing it closes the other.
 * @param inner taken, also on failure
 */
enum mq_status mq_sha256_writer(struct mq_writer *inner, struct mq_writer **ret_writer,
                                struct mq_error *err);
/** Digest of what was written, once, after mq_writer_commit; `offset` tells how much that is. */
enum mq_status mq_sha256_written(struct mq_writer *writer, char ret_hex[MQ_SHA256_HEX_SIZE],
                                 struct mq_error *err);

/**
 * A reader of another, of which nothing was read yet, that digests what is read. Closing it closes
 * the other.
 * @param inner taken, also on failure
 */
enum mq_status mq_sha256_reader(struct mq_reader *inner, struct mq_reader **ret_reader,
                                struct mq_error *err);
/**
 * Read what is left, and compare with the size and digest that are due.
 * @return MQ_OK | MQ_E_FORMAT (says which differs) | errors of the source
 */
enum mq_status mq_sha256_expect(struct mq_reader *reader, int64_t size_bytes, const char *hex,
                                struct mq_error *err);

#endif
