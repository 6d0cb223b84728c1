#include "format/base64.h"

#include <stdint.h>

enum mq_status
mq_base64_encode(const void *bytes, size_t size, struct mq_buffer *buffer, struct mq_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    enum mq_status st = mq_buffer_reserve(buffer, (size + 2) / 3 * 4, err);
    if (st != MQ_OK)
        return st;
    char *out = buffer->data + buffer->size;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (left > 2 ? in[i + 2] : 0);
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = '=';
        *out++ = '=';
        if (left > 1)
            out[-2] = digits[three >> 6 & 63];
        if (left > 2)
            out[-1] = digits[three & 63];
    }
    buffer->size = (size_t)(out - buffer->data);
    *out = '\0';
    return MQ_OK;
}
