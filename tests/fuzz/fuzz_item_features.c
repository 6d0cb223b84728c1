/* Any bytes as a frame of item features; what is read is written and must read back the same. */
#include <stdlib.h>
#include <string.h>

#include "model/rank_features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_reader *in;
    struct mq_writer *out;
    struct mq_item_features *features = NULL, *again = NULL;
    if (mq_reader_from_memory(data, size, "fuzz", &in, NULL) != MQ_OK)
        abort();
    enum mq_status st = mq_item_features_read(in, &features, NULL);
    mq_reader_close(in);
    if (st != MQ_OK)
        return 0;
    struct mq_buffer buffer = {0};
    if (mq_writer_to_buffer(&buffer, &out, NULL) != MQ_OK ||
        mq_item_features_write(features, out, NULL) != MQ_OK ||
        mq_writer_commit(out, NULL) != MQ_OK ||
        mq_reader_from_memory(buffer.data, buffer.size, "again", &in, NULL) != MQ_OK ||
        mq_item_features_read(in, &again, NULL) != MQ_OK || again->count != features->count)
        abort();
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++)
        if (memcmp(again->category[c], features->category[c],
                   (size_t)features->count * sizeof(int32_t)) != 0)
            abort();
    mq_reader_close(in);
    mq_writer_close(out);
    mq_buffer_release(&buffer);
    mq_item_features_free(features);
    mq_item_features_free(again);
    return 0;
}
