/* Any bytes as a Keras HDF5 file; every weight that is listed is read, whole and by rows. */
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
        enum mq_status whole = mq_keras_file_read(file, info, values, &err);
        int64_t rows = info->rank > 0 ? info->shape[0] : 1;
        if (rows > 1) {
            enum mq_status last = mq_keras_file_read_rows(file, info, rows - 1, 1, values, &err);
            if (whole == MQ_OK && last != MQ_OK)
                abort();
        }
        free(values);
    }
    mq_keras_file_close(file);
    return 0;
}
