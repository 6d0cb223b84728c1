/**
 * The HNSW graph: hierarchical navigable small worlds (Malkov & Yashunin 2018).
 *
 * Each vector is on the ground layer and, with chance 1/m a layer, on layers above. A search goes
 * down from the entry point greedily and then keeps the best `ef` of what it meets on the ground
 * (algorithm 5, 2). Vectors are not held here: rows of the caller's table are the vertices.
 *
 * Deviation from the paper: vectors are inserted in batches. Each member of a batch searches the
 * graph as it stood before the batch, in parallel, and is compared with the batch's earlier members
 * one by one; then links back are made, vertex by vertex. The graph does not depend on the number
 * of threads. Inner products are used as they are, in building too (Morozov & Babenko 2018):
 * lifting the vectors to equal length first, which makes them a metric, found far less here.
 *
 * Threads: immutable once built; searches take scratch from a locked free list of the graph.
 */
#ifndef MQ_INDEX_HNSW_H
#define MQ_INDEX_HNSW_H

#include <stdint.h>

#include "format/faiss_index.h"
#include "index/vector_index.h"

/** Most links of one vertex on a layer, in files too. */
#define MQ_HNSW_LINKS_MAX 1024

struct mq_hnsw;

/**
 * @param vectors [n,dim] borrowed while building
 * @param ret_graph owned; mq_hnsw_free
 */
enum mq_status mq_hnsw_build(const float *vectors, int64_t n, int32_t dim,
                             const struct mq_vector_index_options *options, struct mq_pool *pool,
                             uint64_t seed, struct mq_hnsw **ret_graph, struct mq_error *err);

/** NULL allowed. */
void mq_hnsw_free(struct mq_hnsw *graph);

/**
 * Search; arguments as mq_vector_index_search, checked there.
 * @param vectors [n,dim] the table the graph was built on
 */
enum mq_status mq_hnsw_search(struct mq_hnsw *graph, const float *vectors, const float *queries,
                              int64_t n_queries, int k, int ef_search, int32_t *ret_ids,
                              float *ret_scores, struct mq_pool *pool, struct mq_error *err);

/** Take over a checked graph of a file (mq_faiss_hnsw_check); copies. */
enum mq_status mq_hnsw_from_faiss(const struct mq_faiss_hnsw *file, int64_t n, int32_t dim,
                                  enum mq_index_metric metric, struct mq_hnsw **ret_graph,
                                  struct mq_error *err);

/** The graph in faiss' arrays. @param ret_file owned; mq_hnsw_faiss_release */
enum mq_status mq_hnsw_to_faiss(const struct mq_hnsw *graph, int ef_search,
                                struct mq_faiss_hnsw *ret_file, struct mq_error *err);

void mq_hnsw_faiss_release(struct mq_faiss_hnsw *file);

#endif
