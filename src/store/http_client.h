/**
 * HTTP requests by libcurl, wrapped once: connections are kept and reused, bodies and headers have
 * stated limits, failures become mq_error with the retriable flag set where a retry may help.
 *
 * Threads: one client may be used from many threads; each request takes a handle of its own from
 * the client's pool. libcurl traps: global initialisation is not thread safe (done once here);
 * signals are off; a 4xx or 5xx is not a failure of the transfer: look at the status.
 */
#ifndef MQ_STORE_HTTP_CLIENT_H
#define MQ_STORE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "marquee/status.h"

#define MQ_HTTP_REQUEST_HEADERS_MAX 40
/** Most response headers that are kept, and the longest value. */
#define MQ_HTTP_RESPONSE_HEADERS_MAX 48
#define MQ_HTTP_HEADER_VALUE_MAX 1024

struct mq_http_client;

struct mq_http_request {
    const char *method;
    const char *url;
    const char *headers[MQ_HTTP_REQUEST_HEADERS_MAX]; /**< "Name: value", borrowed */
    size_t header_count;
    const void *body; /**< borrowed; NULL for none */
    size_t body_size;
    int64_t timeout_ms; /**< whole request; 0: the client's */
};

struct mq_http_header {
    char name[64]; /**< lower case */
    char value[MQ_HTTP_HEADER_VALUE_MAX];
};

/** Zero-initialise, set body.limit_bytes; release after use. */
struct mq_http_response {
    int status;
    struct mq_buffer body; /**< appended to; its limit is the largest accepted body */
    struct mq_http_header headers[MQ_HTTP_RESPONSE_HEADERS_MAX];
    size_t header_count;
};

struct mq_http_options {
    int64_t connect_timeout_ms; /**< 0: 5,000 */
    int64_t timeout_ms;         /**< 0: 60,000 */
    int64_t stall_timeout_ms;   /**< give up when less than 1 kB/s moves for so long; 0: 20,000 */
    int idle_connections;       /**< kept handles; 0: 16 */
};

/** @param options may be NULL */
enum mq_status mq_http_client_new(const struct mq_http_options *options,
                                  struct mq_http_client **ret_client, struct mq_error *err);
/** NULL allowed; no request may be under way. */
void mq_http_client_free(struct mq_http_client *client);

/**
 * Send a request and read the whole answer.
 * @return MQ_OK (any HTTP status) | MQ_E_UNREACHABLE | MQ_E_TIMEOUT (both retriable) |
 *         MQ_E_RANGE (body above its limit) | MQ_E_NOMEM
 */
enum mq_status mq_http_perform(struct mq_http_client *client, const struct mq_http_request *request,
                               struct mq_http_response *response, struct mq_error *err);

/** Value of a response header, or NULL. @param name lower case */
const char *mq_http_header_of(const struct mq_http_response *response, const char *name);

/** Forget an answer but keep the memory and the limit. */
void mq_http_response_reset(struct mq_http_response *response);
void mq_http_response_release(struct mq_http_response *response);

#endif
