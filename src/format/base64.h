/** Base64 (RFC 4648, with padding): bytes that JSON cannot hold, as text. Threads: reentrant. */
#ifndef MQ_FORMAT_BASE64_H
#define MQ_FORMAT_BASE64_H

#include <stddef.h>

#include "base/buffer.h"
#include "marquee/status.h"

/** Append the text of some bytes. @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_base64_encode(const void *bytes, size_t size, struct mq_buffer *buffer,
                                struct mq_error *err);

#endif
