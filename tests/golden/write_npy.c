/* write_npy OUT DATA: OUT/marquee-*.npy for npy_golden.py to load. */
#include <stdio.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/npy.h"

static int
write_file(const char *folder, enum mq_npy_type type, int dims, const int64_t *shape,
           const void *data)
{
    struct mq_error err;
    struct mq_writer *out;
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/marquee-%s.npy", folder, mq_npy_type_name(type));
    enum mq_status st = mq_writer_to_file(path, &out, &err);
    if (st == MQ_OK) {
        st = mq_npy_write(out, type, dims, shape, data, &err);
        if (st == MQ_OK)
            st = mq_writer_commit(out, &err);
        mq_writer_close(out);
    }
    if (st != MQ_OK)
        fprintf(stderr, "%s\n", err.message);
    return st != MQ_OK;
}

int
main(int argc, char **argv)
{
    static const float f4[] = {0, .25f, .5f, .75f, 1, 1.25f};
    static const double f8[] = {0, .25, .5, .75, 1, 1.25};
    static const int32_t i4[] = {-2, -1, 0, 1, 2};
    static const int64_t i8[] = {INT64_C(1) << 40};
    if (argc < 2)
        return 2;
    const char *folder = argv[1];
    return write_file(folder, MQ_NPY_F4, 2, (int64_t[]){2, 3}, f4) |
           write_file(folder, MQ_NPY_F8, 3, (int64_t[]){1, 2, 3}, f8) |
           write_file(folder, MQ_NPY_I4, 1, (int64_t[]){5}, i4) |
           write_file(folder, MQ_NPY_I8, 0, NULL, i8) |
           write_file(folder, MQ_NPY_U1, 2, (int64_t[]){0, 3}, "");
}
