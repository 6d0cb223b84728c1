#include "format/hdf5_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_MAX (((haddr_t)1 << 62) - 1)

/* What H5Pset_driver copies into the access list. */
struct output_info {
    struct mq_hdf5_output *output;
};

struct output_file {
    H5FD_t base;
    struct mq_hdf5_output *output;
    haddr_t end_allocated, end_written;
};

static H5FD_t *
output_open(const char *name, unsigned flags, hid_t access, haddr_t limit)
{
    (void)name;
    (void)flags;
    (void)limit;
    const struct output_info *info = H5Pget_driver_info(access);
    struct output_file *file = info != NULL ? calloc(1, sizeof(*file)) : NULL;
    if (file == NULL)
        return NULL;
    file->output = info->output;
    return &file->base;
}

static herr_t
output_close(H5FD_t *base)
{
    free(base);
    return 0;
}

static herr_t
output_query(const H5FD_t *base, unsigned long *ret_flags)
{
    (void)base;
    if (ret_flags != NULL)
        *ret_flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
                     H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t
output_get_eoa(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const struct output_file *)base)->end_allocated;
}

static herr_t
output_set_eoa(H5FD_t *base, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((struct output_file *)base)->end_allocated = address;
    return 0;
}

static haddr_t
output_get_eof(const H5FD_t *base, H5FD_mem_t type)
{
    (void)type;
    return ((const struct output_file *)base)->end_written;
}

/* HDF5 reads back what it wrote; what was never written is zero. */
static herr_t
output_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
            void *buffer)
{
    (void)type;
    (void)transfer;
    struct mq_hdf5_output *output = ((struct output_file *)base)->output;
    char *bytes = buffer;
    while (size > 0) {
        ssize_t n = pread(output->fd, bytes, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && output->errnum == 0)
            output->errnum = errno;
        if (n <= 0)
            break;
        bytes += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    memset(bytes, 0, size);
    return 0;
}

static herr_t
output_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
             const void *buffer)
{
    (void)type;
    (void)transfer;
    struct output_file *file = (struct output_file *)base;
    struct mq_hdf5_output *output = file->output;
    if (file->end_written < address + size)
        file->end_written = address + size;
    const char *bytes = buffer;
    while (size > 0 && output->errnum == 0) {
        ssize_t n = pwrite(output->fd, bytes, size, (off_t)address);
        if (n < 0 && errno != EINTR)
            output->errnum = errno;
        if (n <= 0)
            continue;
        bytes += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* The library compares the file's length with what it allocated when it opens a file. */
static herr_t
output_truncate(H5FD_t *base, hid_t transfer, hbool_t closing)
{
    (void)transfer;
    (void)closing;
    struct output_file *file = (struct output_file *)base;
    if (file->output->errnum == 0 && file->end_written != file->end_allocated) {
        if (ftruncate(file->output->fd, (off_t)file->end_allocated) != 0)
            file->output->errnum = errno;
        file->end_written = file->end_allocated;
    }
    return 0;
}

static const H5FD_class_t output_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600,
#endif
    .name = "marquee_output",
    .maxaddr = ADDRESS_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(struct output_info),
    .open = output_open,
    .close = output_close,
    .query = output_query,
    .get_eoa = output_get_eoa,
    .set_eoa = output_set_eoa,
    .get_eof = output_get_eof,
    .read = output_read,
    .write = output_write,
    .truncate = output_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

bool
mq_hdf5_output_use(hid_t access, struct mq_hdf5_output *output)
{
    static hid_t driver = -1; /* guarded by the lock of mq_hdf5_enter */
    if (driver < 0)
        driver = H5FDregister(&output_class);
    struct output_info info = {output};
    return driver >= 0 && H5Pset_driver(access, driver, &info) >= 0;
}
