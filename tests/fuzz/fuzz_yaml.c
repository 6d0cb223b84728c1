/* Any bytes as YAML settings; keys of what is read are unique and found again. */
#include <stdlib.h>
#include <string.h>

#include "format/yaml_document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_yaml_document document = {0};
    if (mq_yaml_parse((const char *)data, size, "fuzz", &document, NULL) != MQ_OK)
        return 0;
    for (size_t i = 0; i < document.count && i < 100; i++)
        if (mq_yaml_find(&document, document.entries[i].key) != &document.entries[i] ||
            document.entries[i].line < 1)
            abort();
    mq_yaml_release(&document);
    return 0;
}
