/**
 * Objects: immutable byte strings under slash-separated keys. Everything that outlives a process
 * (input files, artifacts, models, manifests, locks) is an object.
 *
 * A URI picks the back end: `file:PATH` (or a bare path) a directory; `s3://bucket/prefix?…` an
 * S3-compatible service. Keys are relative to the URI, UTF-8, 1…1023 bytes, without empty, "." or
 * ".." segments and not ending in ".partial", else MQ_E_RANGE. On a directory no key may be the
 * folder of another ("a" and "a/b"), and a segment has at most 255 bytes.
 *
 * Guarantees, for every back end:
 *  - a put is atomic: readers see the old object or the new, whole; never a part. After it returns
 *    the object survives a crash.
 *  - a get sees every put that returned before it began.
 *  - an ETag changes whenever the bytes change.
 *
 * Threads: a store may be used from many threads at once; a reader or writer from one.
 * Errors: MQ_E_NOT_FOUND, MQ_E_EXISTS (put-if-absent), MQ_E_CONFLICT (put-if-match), MQ_E_DENIED,
 * MQ_E_UNREACHABLE, MQ_E_TIMEOUT, MQ_E_IO, MQ_E_RANGE, MQ_E_NOMEM; messages name the full URI.
 */
#ifndef MQ_STORE_OBJECT_STORE_H
#define MQ_STORE_OBJECT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/stream.h"
#include "marquee/status.h"

#define MQ_OBJECT_KEY_MAX 1024
#define MQ_ETAG_MAX 96

struct mq_object_store;

/** What is known of one object. */
struct mq_object_info {
    int64_t size_bytes;
    int64_t modified_ms;    /**< epoch milliseconds of the last put */
    char etag[MQ_ETAG_MAX]; /**< opaque, NUL-terminated */
    bool has_crc32;         /**< the next is known; mq_object_stat_checksum sees to it */
    uint32_t crc32;         /**< of the bytes; zlib's polynomial, as gzip and S3 have it */
};

/** Open a store. Does not create or contact it yet. @param uri copied */
enum mq_status mq_object_store_open(const char *uri, struct mq_object_store **ret_store,
                                    struct mq_error *err);
/** NULL allowed. Readers and writers must be closed before. */
void mq_object_store_free(struct mq_object_store *store);

/** The URI for messages: without parameters, secrets (base/redact.h) and slashes at its end, so
 * that a key follows "<uri>/". */
const char *mq_object_store_uri(const struct mq_object_store *store);

/**
 * Whether the folder or the bucket is there and may be listed.
 * @return MQ_OK | MQ_E_NOT_FOUND (the hint says how to make it) | MQ_E_DENIED | MQ_E_CONFIG (in
 *         another region) | …
 */
enum mq_status mq_object_store_check(struct mq_object_store *store, struct mq_error *err);

/** Make the folder or the bucket, private; one of ours that is there already is fine. */
enum mq_status mq_object_store_create(struct mq_object_store *store, struct mq_error *err);

/** Path on this machine of an object, when the back end is a directory; else false. */
bool mq_object_store_local_path(const struct mq_object_store *store, const char *key,
                                char *ret_path, size_t path_size);

enum mq_status mq_object_stat(struct mq_object_store *store, const char *key,
                              struct mq_object_info *ret_info, struct mq_error *err);

/**
 * mq_object_stat with the CRC-32 of the object's bytes, of the very version that the rest tells of.
 *
 * Cost: on S3 one HEAD where the server keeps a checksum of the whole object, as it does for all
 * that Marquee puts; on a bucket encrypted by KMS that needs kms:Decrypt. On a directory, and where
 * the server keeps none (an old one, or parts' checksums alone), the object is read through.
 * @return as mq_object_stat | MQ_E_CONFLICT (changed again and again while it was read)
 */
enum mq_status mq_object_stat_checksum(struct mq_object_store *store, const char *key,
                                       struct mq_object_info *ret_info, struct mq_error *err);

/** Whole object appended to a buffer, bounded by the buffer's limit. */
enum mq_status mq_object_get(struct mq_object_store *store, const char *key,
                             struct mq_buffer *buffer, struct mq_error *err);

/** Bytes [offset, offset+size) appended to a buffer; a range past the end is MQ_E_RANGE. */
enum mq_status mq_object_get_range(struct mq_object_store *store, const char *key, int64_t offset,
                                   size_t size, struct mq_buffer *buffer, struct mq_error *err);

/** Stream an object from its beginning. @param ret_reader owned; close with mq_reader_close */
enum mq_status mq_object_reader(struct mq_object_store *store, const char *key,
                                struct mq_reader **ret_reader, struct mq_error *err);

/** How a put may fail on what is there already. */
enum mq_put_condition {
    MQ_PUT_ALWAYS = 0,
    MQ_PUT_IF_ABSENT, /**< MQ_E_EXISTS when the key exists */
    MQ_PUT_IF_MATCH,  /**< MQ_E_CONFLICT unless the current ETag equals `etag` */
};

/**
 * Put from memory. MQ_E_EXISTS and MQ_E_CONFLICT mean that nothing was written; after
 * MQ_E_UNREACHABLE, MQ_E_TIMEOUT and MQ_E_IO it may have been.
 * @param etag for MQ_PUT_IF_MATCH, else NULL  @param ret_info of this very put; may be NULL
 */
enum mq_status mq_object_put(struct mq_object_store *store, const char *key, const void *bytes,
                             size_t size, enum mq_put_condition condition, const char *etag,
                             struct mq_object_info *ret_info, struct mq_error *err);

/** Put from a stream: nothing is visible until mq_writer_commit. Memory is bounded (one part). */
enum mq_status mq_object_writer(struct mq_object_store *store, const char *key,
                                struct mq_writer **ret_writer, struct mq_error *err);

/** Upload a local file (moved when the back end is a directory on the same file system). */
enum mq_status mq_object_put_file(struct mq_object_store *store, const char *key, const char *path,
                                  struct mq_error *err);

/**
 * Upload many local files, each as mq_object_put_file does. On a directory they are made durable
 * together, which is many times faster than one by one; a failure may leave some of them put.
 */
enum mq_status mq_object_put_files(struct mq_object_store *store, const char *const *keys,
                                   const char *const *paths, size_t count, struct mq_error *err);

/**
 * Objects whose key begins with prefix, in byte order of keys; fn returns non-OK to stop. In a
 * directory, links to folders are passed over: they may lead round in a circle, or out of it.
 */
typedef enum mq_status (*mq_object_visit_fn)(void *context, const char *key,
                                             const struct mq_object_info *info,
                                             struct mq_error *err);
enum mq_status mq_object_list(struct mq_object_store *store, const char *prefix,
                              mq_object_visit_fn fn, void *context, struct mq_error *err);
/** mq_object_list of the keys above `after` alone, in byte order; what is not listed costs little.
 */
enum mq_status mq_object_list_after(struct mq_object_store *store, const char *prefix,
                                    const char *after, mq_object_visit_fn fn, void *context,
                                    struct mq_error *err);

enum mq_status mq_object_copy(struct mq_object_store *store, const char *from_key,
                              const char *to_key, struct mq_error *err);

/** Delete; a missing object is fine. */
enum mq_status mq_object_delete(struct mq_object_store *store, const char *const *keys,
                                size_t count, struct mq_error *err);

/** Whether a key may be used; on failure says which rule it breaks. */
enum mq_status mq_object_key_check(const char *key, struct mq_error *err);

#endif
