#include "format/gzip_pack.h"

#include <libdeflate.h>

enum mq_status
mq_gzip_pack(const void *bytes, size_t size, int level, struct mq_buffer *buffer,
             struct mq_error *err)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
    if (compressor == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a compressor");
    size_t room = libdeflate_gzip_compress_bound(compressor, size);
    enum mq_status st = mq_buffer_reserve(buffer, room, err);
    if (st == MQ_OK) {
        size_t packed =
            libdeflate_gzip_compress(compressor, bytes, size, buffer->data + buffer->size, room);
        if (packed == 0)
            st = mq_fail(err, MQ_E_INTERNAL, "cannot compress %zu bytes", size);
        buffer->size += packed;
        buffer->data[buffer->size] = '\0';
    }
    libdeflate_free_compressor(compressor);
    return st;
}
