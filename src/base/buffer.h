/**
 * Growable byte buffer with a stated maximum.
 *
 * Always NUL-terminated after the first append, so `buffer.data` serves as a C string (which may
 * hold NUL bytes within). Threads: one buffer, one thread at a time.
 */
#ifndef MQ_BASE_BUFFER_H
#define MQ_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include "marquee/status.h"

/** Zero-initialise or mq_buffer_init; then mq_buffer_release. */
struct mq_buffer {
    char *data;         /**< NULL while nothing was ever appended */
    size_t size;        /**< bytes held, without the terminating NUL */
    size_t capacity;    /**< bytes allocated */
    size_t limit_bytes; /**< largest allowed size; 0: MQ_BUFFER_DEFAULT_LIMIT */
};

#define MQ_BUFFER_DEFAULT_LIMIT ((size_t)1 << 30)

void mq_buffer_init(struct mq_buffer *buffer, size_t limit_bytes);
/** Free the block; the buffer is empty and usable again. NULL allowed. */
void mq_buffer_release(struct mq_buffer *buffer);
/** Empty it, keep the memory. */
void mq_buffer_reset(struct mq_buffer *buffer);
/** Hand the block to the caller (free()); an empty buffer gives an allocated "". NULL: no memory.
 */
char *mq_buffer_take(struct mq_buffer *buffer);
/** Room for `extra` more bytes. @return MQ_OK | MQ_E_NOMEM (limit or exhaustion) */
enum mq_status mq_buffer_reserve(struct mq_buffer *buffer, size_t extra, struct mq_error *err);
enum mq_status mq_buffer_append(struct mq_buffer *buffer, const void *bytes, size_t size,
                                struct mq_error *err);
enum mq_status mq_buffer_append_text(struct mq_buffer *buffer, const char *text,
                                     struct mq_error *err);
enum mq_status mq_buffer_append_char(struct mq_buffer *buffer, char c, struct mq_error *err);
enum mq_status mq_buffer_printf(struct mq_buffer *buffer, struct mq_error *err, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

#endif
