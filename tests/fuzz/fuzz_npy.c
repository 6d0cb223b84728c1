/* Any bytes as .npy; an array that is read is written and must read back the same. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_reader *in;
    struct mq_npy_header header, again;
    float *floats = NULL;
    int64_t rows, columns;
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    if (mq_npy_read_floats(in, 1 << 20, &floats, &rows, &columns, NULL) == MQ_OK)
        mq_free(floats);
    mq_reader_close(in);
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    if (mq_npy_read_header(in, &header, NULL) == MQ_OK && header.size_bytes <= 1 << 20) {
        struct mq_buffer buffer = {0};
        struct mq_writer *out;
        struct mq_reader *back;
        unsigned char *bytes = malloc((size_t)header.size_bytes + 1);
        unsigned char *copy = malloc((size_t)header.size_bytes + 1);
        if (bytes == NULL || copy == NULL ||
            mq_npy_read_data(in, &header, bytes, NULL) != MQ_OK || /* size was checked */
            mq_writer_to_buffer(&buffer, &out, NULL) != MQ_OK ||
            mq_npy_write(out, header.type, header.dims, header.shape, bytes, NULL) != MQ_OK ||
            mq_writer_commit(out, NULL) != MQ_OK ||
            mq_reader_from_memory(buffer.data, buffer.size, "again", &back, NULL) != MQ_OK ||
            mq_npy_read_header(back, &again, NULL) != MQ_OK || again.data_offset % 64 != 0 ||
            again.dims != header.dims || again.size_bytes != header.size_bytes ||
            mq_npy_read_data(back, &again, copy, NULL) != MQ_OK ||
            memcmp(bytes, copy, (size_t)header.size_bytes) != 0)
            abort();
        mq_reader_close(back);
        mq_writer_close(out);
        mq_buffer_release(&buffer);
        free(bytes);
        free(copy);
    }
    mq_reader_close(in);
    return 0;
}
