/* Any bytes as a record of the embedded feature store. What is read is written, read again and
 * written to equal bytes (the first writing may turn whole reals into integers). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/record_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_arena arena;
    struct mq_record record, again;
    mq_arena_init(&arena, (size_t)64 << 20);
    if (mq_record_decode("key", data, size, &arena, &record, NULL) == MQ_OK && record.version > 0) {
        struct mq_buffer bytes = {0}, twice = {0};
        if (mq_record_encode(&record, &bytes, NULL) != MQ_OK || bytes.size != size ||
            mq_record_decode("key", bytes.data, bytes.size, &arena, &again, NULL) != MQ_OK ||
            mq_record_encode(&again, &twice, NULL) != MQ_OK || twice.size != size ||
            memcmp(bytes.data, twice.data, size) != 0)
            abort();
        mq_buffer_release(&bytes);
        mq_buffer_release(&twice);
    }
    mq_arena_release(&arena);
    return 0;
}
