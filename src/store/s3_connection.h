/**
 * One S3 bucket and prefix: addresses, signed requests with retries, errors as S3 means them.
 * The back end (object_store_s3.c), uploads and downloads are built on it. Only src/store
 * includes this. Threads: one connection may be used from many threads.
 */
#ifndef MQ_STORE_S3_CONNECTION_H
#define MQ_STORE_S3_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"
#include "store/aws_client.h"
#include "store/object_store.h"

/** Smallest part of a multipart upload that S3 takes (but the last), and most parts. */
#define MQ_S3_PART_MIN ((size_t)5 << 20)
#define MQ_S3_PARTS_MAX 10000
struct mq_s3_connection {
    struct mq_aws_client aws;
    char *bucket;
    char *prefix;    /**< "" or ends in '/' */
    char *uri;       /**< for messages: "s3://bucket/prefix" */
    bool path_style; /**< bucket in the path, not in the host name */
    size_t part_bytes;
    int transfers; /**< parts under way at once, 1…64 */
};

/**
 * From "//bucket/prefix?region=…&endpoint=…&path-style=…&profile=…&anonymous=…&
 * part-mb=…&transfers=…&deadline-s=…&stall-s=…". Nothing is contacted.
 * @return MQ_OK | MQ_E_CONFIG (names the parameter) | MQ_E_NOMEM
 */
enum mq_status mq_s3_connection_new(const char *rest, struct mq_s3_connection **ret_connection,
                                    struct mq_error *err);
/** NULL allowed. */
void mq_s3_connection_free(struct mq_s3_connection *connection);

struct mq_s3_call {
    const char *method;
    const char *key;   /**< relative to the prefix, not encoded; NULL: the bucket itself */
    const char *query; /**< encoded, sorted; "" none */
    struct mq_aws_header extra[MQ_AWS_EXTRA_HEADERS_MAX];
    size_t extra_count;
    const void *body;
    size_t body_size;
    int *ret_unknown; /**< as in mq_aws_call */
};

/**
 * Sign, send, retry what may be retried (5xx, 429, SlowDown, time-outs, broken connections) within
 * the connection's deadline.
 *
 * @param response body limit set by the caller; on MQ_OK holds a 2xx (or 304) answer
 * @return MQ_OK | MQ_E_NOT_FOUND (404) | MQ_E_DENIED (401, 403) | MQ_E_CONFLICT (409, 412) |
 *         MQ_E_RANGE (416) | MQ_E_CONFIG (301, wrong region) | MQ_E_UNREACHABLE | MQ_E_TIMEOUT |
 *         MQ_E_IO (other). Messages hold the full URI, S3's code and S3's text.
 */
enum mq_status mq_s3_perform(struct mq_s3_connection *connection, const struct mq_s3_call *call,
                             struct mq_http_response *response, struct mq_error *err);

/**
 * Upload from a stream: one put up to the part size, a multipart upload above it, whose parts go
 * out in parallel; aborted unless committed. Memory: (transfers + 1) parts.
 */
enum mq_status mq_s3_upload(struct mq_s3_connection *connection, const char *key,
                            struct mq_writer **ret_writer, struct mq_error *err);

/** Put bytes in one request, checksum included. Parameters as mq_object_put. */
enum mq_status mq_s3_put(struct mq_s3_connection *connection, const char *key, const void *bytes,
                         size_t size, enum mq_put_condition condition, const char *etag,
                         struct mq_object_info *ret_info, struct mq_error *err);

/**
 * Download as a stream: parts are fetched ahead in parallel, all of one version of the object
 * (If-Match), and the whole is checked against the stored CRC-32 where there is one.
 * Memory: transfers parts.
 */
enum mq_status mq_s3_download(struct mq_s3_connection *connection, const char *key,
                              struct mq_reader **ret_reader, struct mq_error *err);

/** Base64 of a CRC-32 (zlib's polynomial), big endian, as S3 writes it. */
void mq_s3_crc32_text(uint32_t crc, char ret_text[9]);

/** mq_s3_crc32_text of bytes. */
void mq_s3_crc32(const void *bytes, size_t size, char ret_text[9]);

/** First text of <tag>…</tag> in an XML answer, unescaped, into ret; false when missing. */
bool mq_s3_xml_text(const struct mq_buffer *body, const char *tag, char *ret, size_t size);

/** Size, time, ETag, and the CRC-32 if there is one of the whole, from the headers of an answer. */
void mq_s3_info_of(const struct mq_http_response *response, struct mq_object_info *ret_info);

/** "s3://bucket/prefix/key" for messages. */
void mq_s3_uri_of(const struct mq_s3_connection *connection, const char *key, char *ret,
                  size_t size);

#endif
