/** gzip bodies of requests, expanded within a bound. Threads: reentrant. */
#ifndef MQ_SERVE_HTTP_BODY_H
#define MQ_SERVE_HTTP_BODY_H

#include <stddef.h>

#include "marquee/status.h"

/**
 * Expand a gzip body (one or more members).
 * @param limit_bytes largest result; memory use stays below twice that
 * @param ret_bytes   owned (free)
 * @return MQ_OK | MQ_E_FORMAT (damaged or cut) | MQ_E_RANGE (above the limit) | MQ_E_NOMEM
 */
enum mq_status mq_http_gunzip(const void *bytes, size_t size, size_t limit_bytes, char **ret_bytes,
                              size_t *ret_size, struct mq_error *err);

#endif
