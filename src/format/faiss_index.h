/**
 * faiss index files: exact ("flat") vectors, and vectors with an HNSW graph over them.
 *
 * Read: "IxF2", "IxFI", the older "IxFl" (L2 or inner product), and "IHNf" over one of these.
 * Written: "IxF2"/"IxFI", or "IHNf" over it. Any faiss from 1.7 on reads what is written here; row
 * i of the file is id i. All numbers are little-endian. Layout: docs/formats/faiss-index.md.
 *
 * Limits, checked before anything is allocated: MQ_FAISS_DIM_MAX, 2^31-1 vectors,
 * MQ_FAISS_LEVELS_MAX graph levels, MQ_FAISS_NEIGHBORS_MAX links of one vector; when the reader
 * knows its size, arrays longer than what is left are refused at once, and otherwise memory grows
 * only with bytes that really came. A graph is accepted only when every link is a valid id of a
 * vector that has that level, so searching it needs no checks. Vectors must be finite.
 *
 * Threads: reentrant. Golden: tests/golden/faiss_index_golden.py
 */
#ifndef MQ_FORMAT_FAISS_INDEX_H
#define MQ_FORMAT_FAISS_INDEX_H

#include <stdint.h>

#include "base/stream.h"
#include "marquee/status.h"

#define MQ_FAISS_DIM_MAX 65536
#define MQ_FAISS_LEVELS_MAX 64
#define MQ_FAISS_NEIGHBORS_MAX 65536

/** Numbers as in the file. */
enum mq_faiss_metric { MQ_FAISS_INNER_PRODUCT = 0, MQ_FAISS_L2 = 1 };

/**
 * Hierarchical navigable small-world graph (Malkov & Yashunin 2018) in faiss' arrays.
 *
 * Links of vector i on layer l (0 is the ground layer):
 *   neighbors[offsets[i] + cum_neighbors[l] … offsets[i] + cum_neighbors[l+1] - 1],
 * filled from the front; -1 ends a list early. levels[i] is the number of layers i is part of
 * (top layer + 1, at least 1), so offsets[i+1] - offsets[i] == cum_neighbors[levels[i]].
 */
struct mq_faiss_hnsw {
    int32_t level_count;    /**< layers there are slots for; top layer < level_count */
    double *assign_probas;  /**< [level_count] chance of a new vector's top layer */
    int32_t *cum_neighbors; /**< [level_count+1] starts at 0; ground layer 2M, others M slots */
    int32_t *levels;        /**< [n] 1…level_count */
    uint64_t *offsets;      /**< [n+1] starts at 0 */
    int32_t *neighbors;     /**< [offsets[n]] ids, or -1 */
    int32_t entry_point;    /**< id of a vector on the top layer; -1 when n is 0 */
    int32_t max_level;      /**< top layer in use; -1 when n is 0 */
    int32_t ef_construction;
    int32_t ef_search;
};

/** A whole index. Arrays come from malloc's family. */
struct mq_faiss_index {
    enum mq_faiss_metric metric;
    int32_t dim;                /**< 1…MQ_FAISS_DIM_MAX */
    int64_t n;                  /**< vectors, 0…2^31-1 */
    float *vectors;             /**< [n,dim] row-major, 64-byte aligned */
    struct mq_faiss_hnsw *hnsw; /**< NULL: flat */
};

/** Free the arrays of an index that mq_faiss_index_read filled; it is then empty. NULL allowed. */
void mq_faiss_index_release(struct mq_faiss_index *index);

/**
 * Read an index to its end (trailing bytes are refused).
 * @param ret_index owned; release with mq_faiss_index_release. Its vectors can be taken over:
 *                  keep the pointer and set the field to NULL.
 * @return MQ_OK | MQ_E_FORMAT (damaged, or a value out of its range) | MQ_E_UNSUPPORTED (another
 *         kind of faiss index, named in the message) | MQ_E_NOMEM | an error of the source
 * Cost: O(file), memory one copy of the arrays.
 */
enum mq_status mq_faiss_index_read(struct mq_reader *reader, struct mq_faiss_index *ret_index,
                                   struct mq_error *err);

/**
 * Write an index; the arrays are borrowed. Does not commit the writer.
 * @return MQ_OK | MQ_E_RANGE (a limit above, a broken graph, a vector that is not finite)
 *         | an error of the sink
 */
enum mq_status mq_faiss_index_write(const struct mq_faiss_index *index, struct mq_writer *writer,
                                    struct mq_error *err);

/** Check a graph over n vectors as reading does; MQ_E_RANGE names the first fault. */
enum mq_status mq_faiss_hnsw_check(const struct mq_faiss_hnsw *hnsw, int64_t n,
                                   struct mq_error *err);

#endif
