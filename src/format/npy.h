/**
 * NumPy's .npy files: one array with a header, versions 1.0 to 3.0.
 *
 * Read: C and Fortran order, little and big endian, element types below; what is handed out is
 * always C order and native byte order. Written: version 1.0, C order, little endian, the header
 * padded so that the data starts at a multiple of 64 bytes, as NumPy does.
 * Object arrays, structures, text and complex numbers are refused with MQ_E_UNSUPPORTED.
 * Threads: one reader or writer, one thread at a time.
 *
 * Layout: docs/formats/npy.md. Golden: tests/golden/npy_golden.py.
 */
#ifndef MQ_FORMAT_NPY_H
#define MQ_FORMAT_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"

enum mq_npy_type { MQ_NPY_F4 = 0, MQ_NPY_F8, MQ_NPY_I4, MQ_NPY_I8, MQ_NPY_U1, MQ_NPY_TYPE_COUNT };

#define MQ_NPY_DIMS_MAX 8
/** Bytes of a header that is read. */
#define MQ_NPY_HEADER_MAX 65536

struct mq_npy_header {
    enum mq_npy_type type;
    bool big_endian, fortran_order; /**< of the file */
    int dims;                       /**< 0…MQ_NPY_DIMS_MAX */
    int64_t shape[MQ_NPY_DIMS_MAX];
    int64_t count;       /**< product of shape */
    int64_t size_bytes;  /**< count * element size */
    int64_t data_offset; /**< bytes before the data */
};

/** Bytes of an element, and NumPy's name without byte order ("f4"). */
size_t mq_npy_type_size(enum mq_npy_type type);
const char *mq_npy_type_name(enum mq_npy_type type);

/**
 * Read the header; the reader is left at the data.
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED (type, version) | MQ_E_RANGE (size)
 */
enum mq_status mq_npy_read_header(struct mq_reader *reader, struct mq_npy_header *ret_header,
                                  struct mq_error *err);

/**
 * Read the data after mq_npy_read_header, converted to C order and native byte order.
 * @param data [header->count] elements, caller-owned
 */
enum mq_status mq_npy_read_data(struct mq_reader *reader, const struct mq_npy_header *header,
                                void *data, struct mq_error *err);

/**
 * Read a float matrix: f4 or f8 (narrowed) of two dimensions, or one (rows of 1 column).
 * @param limit_bytes of the result; 0: 16 GiB
 * @param ret_data float32 [rows, columns] row-major, owned (mq_free), 64-byte aligned
 */
enum mq_status mq_npy_read_floats(struct mq_reader *reader, size_t limit_bytes, float **ret_data,
                                  int64_t *ret_rows, int64_t *ret_columns, struct mq_error *err);

/** Write a whole array. @param data product(shape) elements, C order, native */
enum mq_status mq_npy_write(struct mq_writer *writer, enum mq_npy_type type, int dims,
                            const int64_t *shape, const void *data, struct mq_error *err);

/**
 * Write the header alone; exactly product(shape) elements must follow through mq_npy_write_rows
 * (large arrays, row by row).
 */
enum mq_status mq_npy_write_header(struct mq_writer *writer, enum mq_npy_type type, int dims,
                                   const int64_t *shape, struct mq_error *err);

/** Append `count` elements. */
enum mq_status mq_npy_write_rows(struct mq_writer *writer, enum mq_npy_type type, const void *data,
                                 int64_t count, struct mq_error *err);

#endif
