/** Bytes of an HDF5 file by address, checked and budgeted. Internal to hdf5_reader. */
#ifndef MQ_FORMAT_HDF5_BYTES_H
#define MQ_FORMAT_HDF5_BYTES_H

#include <string.h>

#include "format/hdf5_reader.h"

#define MQ_HDF5_UNDEFINED UINT64_MAX

struct mq_hdf5_file {
    const unsigned char *memory; /* NULL: read from fd */
    int fd;
    uint64_t size, root;
    uint64_t budget; /* bytes that may still be read before it looks like a circle */
    char name[];
};

/** A message of an object header, in memory. */
struct mq_hdf5_message {
    int type, flags;
    const unsigned char *data;
    size_t size;
};

struct mq_hdf5_header {
    unsigned char *bytes; /* all blocks one after the other */
    struct mq_hdf5_message *messages;
    size_t count;
};

/** Make sure of a budget before reading data. @param extra bytes beside what the file's size grants
 */
void mq_hdf5_refill(struct mq_hdf5_file *file, uint64_t extra);

/** Copy [address, address+size) of the file. MQ_E_FORMAT outside it, or without budget. */
enum mq_status mq_hdf5_bytes(struct mq_hdf5_file *file, uint64_t address, void *ret_bytes,
                             size_t size, struct mq_error *err);

enum mq_status mq_hdf5_damaged(const struct mq_hdf5_file *file, const char *what, uint64_t address,
                               struct mq_error *err);

/** Read a header whole; release with mq_hdf5_header_release. */
enum mq_status mq_hdf5_header_read(struct mq_hdf5_file *file, uint64_t address,
                                   struct mq_hdf5_header *ret_header, struct mq_error *err);
void mq_hdf5_header_release(struct mq_hdf5_header *header);
/** First message of a type that is stored in place; NULL for none. */
const struct mq_hdf5_message *mq_hdf5_header_find(const struct mq_hdf5_header *header, int type);

/** A dataspace message: rank, and sizes up to MQ_HDF5_RANK_MAX. False when it is none. */
bool mq_hdf5_space_parse(const unsigned char *p, size_t size, int *ret_rank, uint64_t *ret_dims);

enum {
    MQ_HDF5_SPACE = 0x01,
    MQ_HDF5_TYPE = 0x03,
    MQ_HDF5_EXTERNAL = 0x07,
    MQ_HDF5_LAYOUT = 0x08,
    MQ_HDF5_FILTERS = 0x0b,
    MQ_HDF5_ATTRIBUTE = 0x0c,
    MQ_HDF5_CONTINUATION = 0x10,
    MQ_HDF5_SYMBOL_TABLE = 0x11,
};

static inline uint16_t
mq_hdf5_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
mq_hdf5_u32(const unsigned char *p)
{
    return (uint32_t)mq_hdf5_u16(p) | (uint32_t)mq_hdf5_u16(p + 2) << 16;
}

static inline uint64_t
mq_hdf5_u64(const unsigned char *p)
{
    return (uint64_t)mq_hdf5_u32(p) | (uint64_t)mq_hdf5_u32(p + 4) << 32;
}

#endif
