/** Inside of index/vector_index.h: what an index holds, and the two ways to search it. */
#ifndef MQ_INDEX_INDEX_PARTS_H
#define MQ_INDEX_INDEX_PARTS_H

#include "format/faiss_index.h"
#include "index/byte_panels.h"
#include "index/vector_index.h"

struct mq_hnsw;

struct mq_vector_index {
    enum mq_index_metric metric;
    int32_t dim;
    int64_t n;
    float *vectors;  /* [n,dim] owned */
    bool has_panels; /* flat, where they pay */
    struct mq_byte_panels panels;
    struct mq_hnsw *hnsw; /* NULL: flat */
    int ef_search;
};

/** Exact search (flat.c); arguments checked by the caller. */
enum mq_status mq_flat_search(const struct mq_vector_index *index, const float *queries,
                              int64_t n_queries, int k, int32_t *ret_ids, float *ret_scores,
                              struct mq_pool *pool, struct mq_error *err);

/** Make the byte panels of a flat index where they pay. */
enum mq_status mq_flat_prepare(struct mq_vector_index *index, struct mq_pool *pool,
                               struct mq_error *err);

#endif
