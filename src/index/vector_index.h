/**
 * Vector search: the k vectors nearest to a query by inner product or squared distance, exactly
 * (flat) or by an HNSW graph (Malkov & Yashunin 2018).
 *
 * Row i of what was built is id i. Results are ordered best first; of equal scores the lower id
 * comes first. Flat results are exact: the scores are float32 products of the vectors as given.
 * Which kind pays is a matter of size: docs/decisions/vector-search.md has what was measured.
 *
 * Limits: up to 2^31-1 vectors of 1…MQ_INDEX_DIM_MAX values, each finite and within
 * ±MQ_INDEX_VALUE_MAX (so that no score overflows).
 *
 * Threads: an index is immutable once built or read; any number of threads may search it, scratch
 * belongs to the call. The bytes of an index depend on vectors, options and seed alone, not on the
 * number of threads.
 */
#ifndef MQ_INDEX_VECTOR_INDEX_H
#define MQ_INDEX_VECTOR_INDEX_H

#include <stdint.h>

#include "base/pool.h"
#include "base/stream.h"
#include "config/options.h"
#include "marquee/status.h"

#define MQ_INDEX_DIM_MAX 65536
#define MQ_INDEX_VALUE_MAX 1e15f
/** Most results of one query. */
#define MQ_INDEX_K_MAX 65536
#define MQ_INDEX_EF_SEARCH_MAX 100000
/** Values (vectors × dim) from which on MQ_INDEX_AUTO takes the graph. */
#define MQ_INDEX_HNSW_FROM 16000000

enum mq_index_kind {
    MQ_INDEX_AUTO = 0, /**< flat below MQ_INDEX_HNSW_FROM values (vectors × dim), else HNSW */
    MQ_INDEX_FLAT,
    MQ_INDEX_HNSW
};

enum mq_index_metric {
    MQ_METRIC_INNER_PRODUCT = 0, /**< scores are products, greatest first */
    MQ_METRIC_L2 = 1             /**< scores are squared distances, least first */
};

struct mq_vector_index_options {
    enum mq_index_kind kind;
    enum mq_index_metric metric;
    int hnsw_m; /**< links of a vector on upper layers, twice that on the ground: 2…256 */
    int ef_construction; /**< candidates kept while inserting: 1…10000 */
    int ef_search;       /**< candidates kept while searching (raised to k): 1…100000 */
};

/** Settings index.kind, index.hnsw_m, index.ef_construction, index.ef_search; inner product. */
struct mq_vector_index_options mq_vector_index_options_from(const struct mq_config *config);

/** The defaults of the same, without a configuration. */
struct mq_vector_index_options mq_vector_index_options_default(void);

struct mq_vector_index;

/**
 * Build an index; logs which kind was chosen and why.
 *
 * @param vectors float32 [n,dim] row-major, copied; n may be 0
 * @param seed    of the layers of the HNSW graph
 * @param ret_index owned; mq_vector_index_free
 * @return MQ_OK | MQ_E_RANGE (a limit above; the message names row and column of a value that is
 *         not finite) | MQ_E_NOMEM
 * Cost: flat O(n*dim); HNSW O(n log n * ef_construction * dim), spread over the pool.
 * Memory: flat 5 bytes a value (float32 and a byte code); HNSW 4, and 8*m bytes a vector for links.
 */
enum mq_status mq_vector_index_build(const float *vectors, int64_t n, int32_t dim,
                                     const struct mq_vector_index_options *options,
                                     struct mq_pool *pool, uint64_t seed,
                                     struct mq_vector_index **ret_index, struct mq_error *err);

/** NULL allowed. */
void mq_vector_index_free(struct mq_vector_index *index);

/**
 * The k best of each query.
 *
 * @param queries    float32 [n_queries,dim] row-major, finite
 * @param k          1…MQ_INDEX_K_MAX; where fewer vectors are found, the rest is padded
 * @param ret_ids    int32 [n_queries,k], best first, padded with -1
 * @param ret_scores float32 [n_queries,k], padded with -inf (inner product) or +inf (distance)
 * @param pool       spreads the queries of a batch; NULL: the caller's thread alone
 * @return MQ_OK | MQ_E_RANGE (k, a query that is not finite) | MQ_E_NOMEM
 */
enum mq_status mq_vector_index_search(const struct mq_vector_index *index, const float *queries,
                                      int64_t n_queries, int k, int32_t *ret_ids, float *ret_scores,
                                      struct mq_pool *pool, struct mq_error *err);

int64_t mq_vector_index_count(const struct mq_vector_index *index);
int32_t mq_vector_index_dim(const struct mq_vector_index *index);
/** MQ_INDEX_FLAT or MQ_INDEX_HNSW. */
enum mq_index_kind mq_vector_index_kind(const struct mq_vector_index *index);
enum mq_index_metric mq_vector_index_metric(const struct mq_vector_index *index);
/** float32 [count,dim] row-major, borrowed from the index. */
const float *mq_vector_index_vectors(const struct mq_vector_index *index);

/** Candidates kept while searching from now on (1…100000). Not while others search. */
void mq_vector_index_set_ef_search(struct mq_vector_index *index, int ef_search);

/**
 * Read a faiss index file (format/faiss_index.h): flat or HNSW, inner product or L2.
 * @return as mq_faiss_index_read, and MQ_E_RANGE for values beyond the limits above
 */
enum mq_status mq_vector_index_read(struct mq_reader *reader, struct mq_vector_index **ret_index,
                                    struct mq_error *err);

/** Write a faiss index file: faiss opens it, row i is id i. Does not commit the writer. */
enum mq_status mq_vector_index_write(const struct mq_vector_index *index, struct mq_writer *writer,
                                     struct mq_error *err);

#endif
