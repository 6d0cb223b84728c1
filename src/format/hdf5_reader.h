/**
 * HDF5 files read without the HDF5 library, which is not safe on files from outside (it reads past
 * its buffers and runs in circles on damaged ones). Only what h5py and Keras write by default:
 * superblock 0 and 1, groups with symbol tables, attributes in object headers, text of fixed and
 * of variable size, little-endian floats of 16, 32 or 64 bits, contiguous, compact or chunked, the
 * latter also deflated and shuffled. Everything else is MQ_E_UNSUPPORTED and says so: links to
 * other places and files among it.
 *
 * Every address and size is checked against the file before use; nothing is allocated that the
 * file's size does not justify; a budget of bytes for all that is looked at ends walks in circles
 * (256 MiB and four times the file, far beyond a thousand layers).
 *
 * An object is the address of its header. Threads: one file, one thread at a time.
 * Format: "HDF5 File Format Specification Version 3.0", sections II, III and IV.
 */
#ifndef MQ_FORMAT_HDF5_READER_H
#define MQ_FORMAT_HDF5_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

#define MQ_HDF5_RANK_MAX 4
#define MQ_HDF5_ELEMENTS_MAX ((int64_t)1 << 32)
/** Largest object header, attributes included, and largest text of an attribute. */
#define MQ_HDF5_HEADER_MAX ((size_t)4 << 20)
#define MQ_HDF5_TEXT_MAX ((size_t)16 << 20)
/** deflate packs at most about 1032 to one; a claim beyond that is no data of this file. */
#define MQ_HDF5_EXPANSION_MAX 1100

struct mq_hdf5_file;

/** @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_FORMAT (no HDF5 file, or damaged) | MQ_E_UNSUPPORTED */
enum mq_status mq_hdf5_open(const char *path, const char *name, struct mq_hdf5_file **ret_file,
                            struct mq_error *err);
/** Over borrowed bytes. @param name for messages, copied */
enum mq_status mq_hdf5_open_memory(const void *bytes, size_t size, const char *name,
                                   struct mq_hdf5_file **ret_file, struct mq_error *err);
/** NULL allowed. */
void mq_hdf5_close(struct mq_hdf5_file *file);

/** The root group. */
uint64_t mq_hdf5_root(const struct mq_hdf5_file *file);

/**
 * Object at a path of names below a group, "/" between them.
 * @return MQ_OK | MQ_E_NOT_FOUND (no such name) | MQ_E_UNSUPPORTED (a link on the way) |
 * MQ_E_FORMAT
 */
enum mq_status mq_hdf5_find(struct mq_hdf5_file *file, uint64_t group, const char *path,
                            uint64_t *ret_object, struct mq_error *err);

/** Called for each text of an attribute; valid during the call, without a NUL at its end. */
typedef enum mq_status (*mq_hdf5_text_fn)(void *context, const char *text, size_t size,
                                          struct mq_error *err);

/**
 * Visit the texts of an attribute. An empty list may be of any type.
 * @param limit most elements
 * @return MQ_OK | MQ_E_NOT_FOUND (no such attribute) | MQ_E_FORMAT | MQ_E_RANGE | what fn returned
 */
enum mq_status mq_hdf5_texts(struct mq_hdf5_file *file, uint64_t object, const char *attribute,
                             size_t limit, mq_hdf5_text_fn fn, void *context, struct mq_error *err);

/** A dataset of floats. */
struct mq_hdf5_dataset {
    int rank; /**< 0…MQ_HDF5_RANK_MAX */
    int64_t shape[MQ_HDF5_RANK_MAX];
    int64_t elements; /**< product of shape, 1 for rank 0 */
    int element_size; /**< 2, 4 or 8 */
    /* Where the data lies. */
    int layout;       /* 0 compact, 1 contiguous, 2 chunked */
    uint64_t address; /* of compact or contiguous data, or of the chunks' tree */
    uint32_t chunk[MQ_HDF5_RANK_MAX];
    uint64_t chunk_bytes;       /* expanded */
    int deflate_at, shuffle_at; /* place in the filter pipeline, -1 none */
};

/** @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED (not such a dataset) | MQ_E_RANGE */
enum mq_status mq_hdf5_dataset_open(struct mq_hdf5_file *file, uint64_t object, const char *name,
                                    struct mq_hdf5_dataset *ret_dataset, struct mq_error *err);

/**
 * Rows [first, first+count) of a dataset (rank 0 has one), converted to float32.
 * @param ret_values [count × row], caller-owned; undefined after a failure
 */
enum mq_status mq_hdf5_dataset_read(struct mq_hdf5_file *file,
                                    const struct mq_hdf5_dataset *dataset, const char *name,
                                    int64_t first, int64_t count, float *ret_values,
                                    struct mq_error *err);

#endif
