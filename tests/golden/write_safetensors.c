/* write_safetensors OUT DATA: OUT/marquee.safetensors for safetensors_golden.py to load. */
#include <stdio.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/safetensors.h"

int
main(int argc, char **argv)
{
    static const float f4[] = {0, .25f, .5f, .75f, 1, 1.25f};
    static const uint8_t u1[] = {0, 1, 2};
    static const double f8[] = {2.5};
    static const int64_t i8[] = {-7};
    static const struct mq_tensor tensors[] = {
        {.name = "é \"quoted\"", .type = MQ_TENSOR_F32, .dims = 2, .shape = {2, 3}, .data = f4},
        {.name = "a", .type = MQ_TENSOR_U8, .dims = 1, .shape = {3}, .data = u1},
        {.name = "b", .type = MQ_TENSOR_F64, .dims = 1, .shape = {1}, .data = f8},
        {.name = "c", .type = MQ_TENSOR_I64, .dims = 2, .shape = {1, 1}, .data = i8},
        {.name = "none", .type = MQ_TENSOR_F32, .dims = 2, .shape = {0, 4}, .data = f4},
    };
    static const char *const metadata[] = {"model", "deepfm", "version", "1"};
    struct mq_error err;
    struct mq_writer *out;
    char path[MQ_PATH_MAX];
    if (argc < 2)
        return 2;
    snprintf(path, sizeof(path), "%s/marquee.safetensors", argv[1]);
    enum mq_status st = mq_writer_to_file(path, &out, &err);
    if (st == MQ_OK) {
        st = mq_safetensors_write(out, tensors, MQ_COUNT(tensors), metadata, 2, &err);
        if (st == MQ_OK)
            st = mq_writer_commit(out, &err);
        mq_writer_close(out);
    }
    if (st != MQ_OK)
        fprintf(stderr, "%s\n", err.message);
    return st != MQ_OK;
}
