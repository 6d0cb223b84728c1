/* Any bytes as JSON; what parses is written canonically and must parse to an equal value. */
#include <stdlib.h>

#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mq_autojson json_t *value = NULL;
    if (mq_json_parse((const char *)data, size, "fuzz", &value, NULL) != MQ_OK)
        return 0;
    struct mq_buffer buffer = {0};
    mq_autojson json_t *again = NULL;
    if (mq_json_dump(value, MQ_JSON_CANONICAL, &buffer, NULL) != MQ_OK ||
        mq_json_parse(buffer.data, buffer.size, "again", &again, NULL) != MQ_OK ||
        !json_equal(value, again))
        abort();
    mq_buffer_release(&buffer);
    return 0;
}
