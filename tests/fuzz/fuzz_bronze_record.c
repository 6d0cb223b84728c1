/* Any bytes as the record of a bronze batch; what is read is written and must read back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "data/bronze_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_bronze_record record = {0}, again = {0};
    if (mq_bronze_record_parse((const char *)data, size, "fuzz", &record, NULL) != MQ_OK)
        return 0;
    struct mq_buffer first = {0}, second = {0};
    if (mq_bronze_record_text(&record, &first, NULL) != MQ_OK ||
        mq_bronze_record_parse(first.data, first.size, "again", &again, NULL) != MQ_OK ||
        mq_bronze_record_text(&again, &second, NULL) != MQ_OK || first.size != second.size ||
        memcmp(first.data, second.data, first.size) != 0)
        abort();
    mq_buffer_release(&first);
    mq_buffer_release(&second);
    mq_bronze_record_release(&record);
    mq_bronze_record_release(&again);
    return 0;
}
