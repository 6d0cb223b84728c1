/**
 * Arrays of a struct as tensors of a safetensors file, both ways. For model/hybrid_files.c.
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_HYBRID_TENSORS_H
#define MQ_MODEL_HYBRID_TENSORS_H

#include "format/safetensors.h"

#define MQ_BOUND_TENSORS_MAX 32

/** An array and its name in the file. */
struct mq_bound_tensor {
    char name[40];
    enum mq_tensor_type type;
    int dims;
    int64_t shape[2]; /**< reading: -1 any extent, and what was found afterwards */
    void *array;      /**< address of the pointer to it, of mq_alloc_array; reading: NULL before */
};

struct mq_bound_tensors {
    struct mq_bound_tensor list[MQ_BOUND_TENSORS_MAX];
    int count;
};

/** Add one. @return it; the shape may be read after mq_bound_tensors_read */
struct mq_bound_tensor *mq_bound_tensors_add(struct mq_bound_tensors *tensors, const char *prefix,
                                             const char *name, enum mq_tensor_type type, int dims,
                                             int64_t rows, int64_t columns, void *array);

/** Write all. Does not commit the writer. */
enum mq_status mq_bound_tensors_write(const struct mq_bound_tensors *tensors,
                                      struct mq_writer *writer, struct mq_error *err);

/**
 * Read all: each must be there, of its type and shape; real numbers must be finite. Others in the
 * file are passed over.
 * @return MQ_OK | MQ_E_FORMAT (names file and tensor) | MQ_E_NOMEM; on failure arrays that were
 * read are left for the owner of the struct
 */
enum mq_status mq_bound_tensors_read(struct mq_bound_tensors *tensors, struct mq_reader *reader,
                                     struct mq_error *err);

#endif
