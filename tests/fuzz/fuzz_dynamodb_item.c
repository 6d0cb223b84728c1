/* Any bytes as an item of DynamoDB. What is read is written, read again and written to equal bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "store/dynamodb_item.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mq_autojson json_t *item = NULL;
    if (mq_json_parse((const char *)data, size, "fuzz", &item, NULL) != MQ_OK)
        return 0;
    struct mq_arena arena;
    struct mq_record record, again;
    mq_arena_init(&arena, (size_t)64 << 20);
    if (mq_dynamodb_item_read(item, &arena, &record, NULL) == MQ_OK) {
        struct mq_buffer first = {0}, second = {0};
        mq_autojson json_t *written = NULL;
        if (mq_dynamodb_item_write(&record, &first, NULL) != MQ_OK ||
            mq_json_parse(first.data, first.size, "written", &written, NULL) != MQ_OK ||
            mq_dynamodb_item_read(written, &arena, &again, NULL) != MQ_OK ||
            mq_dynamodb_item_write(&again, &second, NULL) != MQ_OK || first.size != second.size ||
            memcmp(first.data, second.data, first.size) != 0)
            abort();
        mq_buffer_release(&first);
        mq_buffer_release(&second);
    }
    mq_arena_release(&arena);
    return 0;
}
