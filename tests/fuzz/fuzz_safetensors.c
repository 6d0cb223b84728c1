/* Any bytes as safetensors; what is read is written and must read back the same. */
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_reader *in;
    struct mq_safetensors file = {0}, again = {0};
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    enum mq_status st = mq_safetensors_read(in, 1 << 20, &file, NULL);
    mq_reader_close(in);
    if (st != MQ_OK)
        return 0;
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    if (mq_writer_to_buffer(&buffer, &out, NULL) != MQ_OK)
        abort();
    st = mq_safetensors_write(out, file.tensors, file.count, file.metadata, file.metadata_count,
                              NULL);
    if (st == MQ_OK) { /* an empty name is read but not written */
        if (mq_writer_commit(out, NULL) != MQ_OK ||
            mq_reader_from_memory(buffer.data, buffer.size, "again", &in, NULL) != MQ_OK ||
            mq_safetensors_read(in, 1 << 21, &again, NULL) != MQ_OK || again.count != file.count)
            abort();
        for (size_t i = 0; i < file.count; i++) {
            const struct mq_tensor *tensor = &file.tensors[i];
            const struct mq_tensor *copy = mq_safetensors_find(&again, tensor->name);
            if (copy == NULL || copy->type != tensor->type || copy->dims != tensor->dims ||
                copy->size_bytes != tensor->size_bytes ||
                (tensor->size_bytes > 0 &&
                 memcmp(copy->data, tensor->data, tensor->size_bytes) != 0))
                abort();
        }
        mq_reader_close(in);
        mq_safetensors_release(&again);
    }
    mq_writer_close(out);
    mq_buffer_release(&buffer);
    mq_safetensors_release(&file);
    return 0;
}
