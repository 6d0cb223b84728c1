#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
mq_buffer_init(struct mq_buffer *buffer, size_t limit_bytes)
{
    *buffer = (struct mq_buffer){.limit_bytes = limit_bytes};
}

void
mq_buffer_release(struct mq_buffer *buffer)
{
    if (buffer == NULL)
        return;
    free(buffer->data);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}

void
mq_buffer_reset(struct mq_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

char *
mq_buffer_take(struct mq_buffer *buffer)
{
    char *data = buffer->data != NULL ? buffer->data : calloc(1, 1);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
    return data;
}

enum mq_status
mq_buffer_reserve(struct mq_buffer *buffer, size_t extra, struct mq_error *err)
{
    size_t limit = buffer->limit_bytes ? buffer->limit_bytes : MQ_BUFFER_DEFAULT_LIMIT;
    if (extra > limit || buffer->size > limit - extra)
        return mq_fail(err, MQ_E_NOMEM,
                       "a buffer of %zu bytes would grow past its limit of %zu bytes", buffer->size,
                       limit);
    size_t need = buffer->size + extra + 1;
    if (need <= buffer->capacity)
        return MQ_OK;
    size_t grown = buffer->capacity ? buffer->capacity : 64;
    while (grown < need)
        grown *= 2;
    char *moved = realloc(buffer->data, grown);
    if (moved == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes of memory", grown);
    if (buffer->data == NULL)
        moved[0] = '\0';
    buffer->data = moved;
    buffer->capacity = grown;
    return MQ_OK;
}

enum mq_status
mq_buffer_append(struct mq_buffer *buffer, const void *bytes, size_t size, struct mq_error *err)
{
    enum mq_status st = mq_buffer_reserve(buffer, size, err);
    if (st != MQ_OK)
        return st;
    if (size > 0)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return MQ_OK;
}

enum mq_status
mq_buffer_append_text(struct mq_buffer *buffer, const char *text, struct mq_error *err)
{
    return mq_buffer_append(buffer, text, strlen(text), err);
}

enum mq_status
mq_buffer_append_char(struct mq_buffer *buffer, char c, struct mq_error *err)
{
    return mq_buffer_append(buffer, &c, 1, err);
}

enum mq_status
mq_buffer_printf(struct mq_buffer *buffer, struct mq_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum mq_status st = n < 0 ? mq_fail(err, MQ_E_INTERNAL, "bad format string '%s'", format)
                              : mq_buffer_reserve(buffer, (size_t)n, err);
    if (st == MQ_OK) {
        vsnprintf(buffer->data + buffer->size, (size_t)n + 1, format, again);
        buffer->size += (size_t)n;
    }
    va_end(again);
    return st;
}
