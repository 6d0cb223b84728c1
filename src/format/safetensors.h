/**
 * safetensors: named tensors behind a JSON header (huggingface/safetensors format 0.x).
 *
 * Layout: uint64 little-endian header size, JSON object {name: {dtype, shape, data_offsets}},
 * then the data. Checked on reading as the format asks: offsets ordered without gap or overlap,
 * sizes equal to shape times width, no duplicate names, everything inside the file.
 * Written: wide elements first, then by name, so that each tensor is aligned to its width; data
 * 8-byte aligned, header padded with blanks.
 * Threads: a file is immutable after reading.
 *
 * Layout: docs/formats/safetensors.md. Golden: tests/golden/safetensors_golden.py.
 */
#ifndef MQ_FORMAT_SAFETENSORS_H
#define MQ_FORMAT_SAFETENSORS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/stream.h"

#define MQ_SAFETENSORS_HEADER_MAX ((size_t)100 << 20)
#define MQ_SAFETENSORS_DIMS_MAX 8
#define MQ_SAFETENSORS_COUNT_MAX 65536

enum mq_tensor_type {
    MQ_TENSOR_F32 = 0,
    MQ_TENSOR_F64,
    MQ_TENSOR_I32,
    MQ_TENSOR_I64,
    MQ_TENSOR_U8,
    MQ_TENSOR_F16,
    MQ_TENSOR_BF16,
    MQ_TENSOR_I8,
    MQ_TENSOR_I16,
    MQ_TENSOR_BOOL,
    MQ_TENSOR_TYPE_COUNT
};

struct mq_tensor {
    const char *name;
    enum mq_tensor_type type;
    int dims;
    int64_t shape[MQ_SAFETENSORS_DIMS_MAX];
    int64_t count; /**< product of shape */
    size_t size_bytes;
    const void *data; /**< C order, little endian */
};

/** Zero-initialise; then mq_safetensors_release. */
struct mq_safetensors {
    struct mq_tensor *tensors; /**< [count], in file order of the data; data 64-byte aligned */
    size_t count;
    const char **metadata; /**< [2*metadata_count] key, value of "__metadata__" */
    size_t metadata_count;
    struct mq_arena arena; /* owns everything */
};

/** Bytes of an element, and the format's name ("F32"). */
size_t mq_tensor_type_size(enum mq_tensor_type type);
const char *mq_tensor_type_name(enum mq_tensor_type type);

/**
 * Read a whole file.
 * @param limit_bytes of header and data; 0: 16 GiB
 * @param ret_file must be empty before; filled on success
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED (dtype) | MQ_E_RANGE | MQ_E_NOMEM
 */
enum mq_status mq_safetensors_read(struct mq_reader *reader, size_t limit_bytes,
                                   struct mq_safetensors *ret_file, struct mq_error *err);

/** Empty allowed. */
void mq_safetensors_release(struct mq_safetensors *file);

/** A tensor by name, or NULL. */
const struct mq_tensor *mq_safetensors_find(const struct mq_safetensors *file, const char *name);

/**
 * A float tensor that must be there with the given shape (-1: any extent).
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (type or shape differ, both named)
 */
enum mq_status mq_safetensors_need_floats(const struct mq_safetensors *file, const char *name,
                                          int dims, const int64_t *shape,
                                          const struct mq_tensor **ret_tensor,
                                          struct mq_error *err);

/**
 * Write tensors (name, type, dims, shape, data are read; count and size_bytes are derived).
 * @param metadata [2*metadata_count] key, value; NULL with 0
 * @return MQ_OK | MQ_E_RANGE (duplicate or empty name, "__metadata__", negative extent) | an error
 *         of the sink
 */
enum mq_status mq_safetensors_write(struct mq_writer *writer, const struct mq_tensor *tensors,
                                    size_t count, const char *const *metadata,
                                    size_t metadata_count, struct mq_error *err);

#endif
