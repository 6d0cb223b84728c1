/**
 * AWS Signature Version 4: proves to S3, DynamoDB and their likes who sends a request, and that
 * it arrived as it was sent.
 *
 * Pure functions over text; SHA-256 and HMAC come from OpenSSL. Threads: reentrant.
 * Source: AWS General Reference, "Signature Version 4 signing process"; the published test vectors
 * are in tests/unit/store/test_aws_sigv4.c.
 */
#ifndef MQ_STORE_AWS_SIGV4_H
#define MQ_STORE_AWS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/sha256.h"
#include "marquee/status.h"

/** "YYYYMMDDTHHMMSSZ" plus NUL. */
#define MQ_AMZ_DATE_SIZE 17
/** Most headers of a signed request. */
#define MQ_SIGV4_HEADERS_MAX 32

/** Who signs. All text borrowed. */
struct mq_sigv4_identity {
    const char *access_key;
    const char *secret_key;
    const char *region;
    const char *service; /**< "s3", "dynamodb" */
};

/** One header to sign. */
struct mq_sigv4_header {
    const char *name;  /**< lower case */
    const char *value; /**< as sent, trimmed, without runs of spaces */
};

struct mq_sigv4_request {
    const char *method;
    const char *path;  /**< as sent: percent-encoded once, begins with '/' */
    const char *query; /**< as sent: "a=1&b=2", encoded, sorted by name; "" for none */
    const struct mq_sigv4_header *headers; /**< must hold host and x-amz-date; any order */
    size_t header_count;
    const char *payload_sha256; /**< hexadecimal, or "UNSIGNED-PAYLOAD" */
};

/** "YYYYMMDDTHHMMSSZ" of an instant. */
void mq_amz_date_format(int64_t epoch_s, char ret_text[MQ_AMZ_DATE_SIZE]);

/**
 * Append the value of the Authorization header.
 * @param amz_date the value of the x-amz-date header
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (too many headers)
 */
enum mq_status mq_sigv4_authorization(const struct mq_sigv4_identity *identity,
                                      const struct mq_sigv4_request *request, const char *amz_date,
                                      struct mq_buffer *ret_value, struct mq_error *err);

/**
 * Append text percent-encoded: all but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash).
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_uri_encode(const char *text, size_t size, bool keep_slash,
                             struct mq_buffer *buffer, struct mq_error *err);

#endif
