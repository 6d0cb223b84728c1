/* Any bytes as a Keras HDF5 file, opened as a core image; every weight that is listed is read. */
#include <stdlib.h>

#include "base/memory.h"
#include "format/keras_hdf5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mq_keras_file *file;
    struct mq_error err;
    if (size > 1 << 20 || mq_keras_file_open_memory(data, size, "fuzz", &file, &err) != MQ_OK)
        return 0;
    for (size_t i = 0; i < mq_keras_file_weight_count(file); i++) {
        const struct mq_keras_weight_info *info = mq_keras_file_weight(file, i);
        if (mq_keras_file_find(file, info->layer, info->name) == NULL)
            abort();
        if (info->elements > 1 << 18)
            continue;
        float *values = malloc((size_t)info->elements * sizeof(float) + 1);
        if (values == NULL)
            abort();
        (void)!mq_keras_file_read(file, info, values, &err);
        free(values);
    }
    mq_keras_file_close(file);
    return 0;
}
