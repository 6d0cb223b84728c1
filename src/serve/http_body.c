#include "serve/http_body.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"

/* 16: expect a gzip head, not zlib's. */
#define GZIP_WINDOW (16 + MAX_WBITS)
#define FIRST_BYTES 4096

static enum mq_status
expand(z_stream *stream, size_t limit_bytes, char **block, size_t *ret_size, struct mq_error *err)
{
    size_t capacity = 0, size = 0;
    for (;;) {
        if (size == capacity) {
            if (capacity > limit_bytes)
                return mq_fail(err, MQ_E_RANGE, "the expanded body has over %zu bytes",
                               limit_bytes);
            /* One byte above the limit tells a body at the limit from one beyond. */
            capacity = MQ_MIN(capacity == 0 ? FIRST_BYTES : capacity * 2, limit_bytes + 1);
            char *larger = realloc(*block, capacity);
            if (larger == NULL)
                return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes for a body", capacity);
            *block = larger;
        }
        stream->next_out = (Bytef *)*block + size;
        stream->avail_out = (uInt)MQ_MIN(capacity - size, (size_t)UINT_MAX);
        uInt room = stream->avail_out;
        int code = inflate(stream, Z_NO_FLUSH);
        size += room - stream->avail_out;
        if (code == Z_STREAM_END) {
            if (stream->avail_in == 0)
                break;
            code = inflateReset(stream); /* the next member */
        }
        if (code != Z_OK && !(code == Z_BUF_ERROR && stream->avail_out == 0))
            return mq_fail(err, MQ_E_FORMAT, "the body is not gzip: %s",
                           stream->msg != NULL ? stream->msg : "it ends too early");
    }
    if (size > limit_bytes)
        return mq_fail(err, MQ_E_RANGE, "the expanded body has over %zu bytes", limit_bytes);
    *ret_size = size;
    return MQ_OK;
}

enum mq_status
mq_http_gunzip(const void *bytes, size_t size, size_t limit_bytes, char **ret_bytes,
               size_t *ret_size, struct mq_error *err)
{
    z_stream stream = {0};
    if (size > UINT_MAX)
        return mq_fail(err, MQ_E_RANGE, "a body of %zu bytes is too large", size);
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return mq_fail(err, MQ_E_NOMEM, "cannot start to expand a body");
    /* zlib does not write through next_in. */
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    char *block = NULL;
    enum mq_status st = expand(&stream, limit_bytes, &block, ret_size, err);
    inflateEnd(&stream);
    if (st != MQ_OK) {
        free(block);
        return st;
    }
    *ret_bytes = block;
    return MQ_OK;
}
