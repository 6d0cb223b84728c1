#include "index/vector_index.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "index/hnsw.h"
#include "index/index_parts.h"

struct mq_vector_index_options
mq_vector_index_options_default(void)
{
    return (struct mq_vector_index_options){.kind = MQ_INDEX_AUTO,
                                            .metric = MQ_METRIC_INNER_PRODUCT,
                                            .hnsw_m = 16,
                                            .ef_construction = 200,
                                            .ef_search = 128};
}

struct mq_vector_index_options
mq_vector_index_options_from(const struct mq_config *config)
{
    const char *kind = mq_config_text(config, "index.kind");
    struct mq_vector_index_options options = mq_vector_index_options_default();
    options.kind = strcmp(kind, "flat") == 0   ? MQ_INDEX_FLAT
                   : strcmp(kind, "hnsw") == 0 ? MQ_INDEX_HNSW
                                               : MQ_INDEX_AUTO;
    options.hnsw_m = (int)mq_config_int(config, "index.hnsw_m");
    options.ef_construction = (int)mq_config_int(config, "index.ef_construction");
    options.ef_search = (int)mq_config_int(config, "index.ef_search");
    return options;
}

static enum mq_status
check_options(const struct mq_vector_index_options *options, struct mq_error *err)
{
    if (options->hnsw_m < 2 || options->hnsw_m > 256)
        return mq_fail(err, MQ_E_RANGE, "cannot build an index: hnsw_m is %d (allowed: 2 to 256)",
                       options->hnsw_m);
    if (options->ef_construction < 1 || options->ef_construction > 10000)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot build an index: ef_construction is %d (allowed: 1 to 10000)",
                       options->ef_construction);
    if (options->ef_search < 1 || options->ef_search > MQ_INDEX_EF_SEARCH_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot build an index: ef_search is %d (allowed: 1 to %d)",
                       options->ef_search, MQ_INDEX_EF_SEARCH_MAX);
    return MQ_OK;
}

/* Every value finite and within ±MQ_INDEX_VALUE_MAX; the first that is not is named. */
static enum mq_status
check_values(const char *what, const float *values, int64_t n, int32_t dim, struct mq_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        const float *row = values + (size_t)i * (size_t)dim;
        bool fine = true;
        for (int32_t j = 0; j < dim; j++)
            fine &= fabsf(row[j]) <= MQ_INDEX_VALUE_MAX;
        if (fine)
            continue;
        for (int32_t j = 0; j < dim; j++)
            if (!(fabsf(row[j]) <= MQ_INDEX_VALUE_MAX))
                return mq_fail(err, MQ_E_RANGE,
                               "%s, row %" PRId64 ", column %" PRId32
                               ": value is %g (allowed: finite, from %g to %g)",
                               what, i, j, (double)row[j], (double)-MQ_INDEX_VALUE_MAX,
                               (double)MQ_INDEX_VALUE_MAX);
    }
    return MQ_OK;
}

static enum mq_status
check_shape(int64_t n, int32_t dim, struct mq_error *err)
{
    if (n < 0 || n > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot index %" PRId64 " vectors (allowed: 0 to %" PRId32 ")", n,
                       INT32_MAX);
    if (dim < 1 || dim > MQ_INDEX_DIM_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot index vectors of %" PRId32 " values (allowed: 1 to %d)", dim,
                       MQ_INDEX_DIM_MAX);
    return MQ_OK;
}

static enum mq_index_kind
choose_kind(const struct mq_vector_index_options *options, int64_t n, int32_t dim)
{
    if (options->kind != MQ_INDEX_AUTO) {
        mq_log_info("index: %s as asked for, %" PRId64 " vectors of %" PRId32 " values",
                    options->kind == MQ_INDEX_FLAT ? "flat" : "hnsw", n, dim);
        return options->kind;
    }
    bool graph = n * (int64_t)dim >= MQ_INDEX_HNSW_FROM;
    mq_log_info("index: %s, %" PRId64 " vectors of %" PRId32
                " values (exact search below %d values in all, a graph from there on)",
                graph ? "hnsw" : "flat", n, dim, MQ_INDEX_HNSW_FROM);
    return graph ? MQ_INDEX_HNSW : MQ_INDEX_FLAT;
}

enum mq_status
mq_vector_index_build(const float *vectors, int64_t n, int32_t dim,
                      const struct mq_vector_index_options *options, struct mq_pool *pool,
                      uint64_t seed, struct mq_vector_index **ret_index, struct mq_error *err)
{
    enum mq_status st;
    if ((st = check_options(options, err)) != MQ_OK || (st = check_shape(n, dim, err)) != MQ_OK ||
        (st = check_values("cannot index these vectors", vectors, n, dim, err)) != MQ_OK)
        return st;
    struct mq_vector_index *index = NULL;
    if ((st = mq_alloc_array(1, sizeof(*index), &index, err)) != MQ_OK)
        return st;
    index->metric = options->metric;
    index->dim = dim;
    index->n = n;
    index->ef_search = options->ef_search;
    st = mq_alloc_array_raw((size_t)n * (size_t)dim, sizeof(float), &index->vectors, err);
    if (st == MQ_OK) {
        if (n > 0)
            memcpy(index->vectors, vectors, (size_t)n * (size_t)dim * sizeof(float));
        if (choose_kind(options, n, dim) == MQ_INDEX_HNSW)
            st = mq_hnsw_build(index->vectors, n, dim, options, pool, seed, &index->hnsw, err);
        else
            st = mq_flat_prepare(index, pool, err);
    }
    if (st != MQ_OK) {
        mq_vector_index_free(index);
        return st;
    }
    *ret_index = index;
    return MQ_OK;
}

void
mq_vector_index_free(struct mq_vector_index *index)
{
    if (index == NULL)
        return;
    mq_byte_panels_release(&index->panels);
    mq_hnsw_free(index->hnsw);
    mq_free(index->vectors);
    mq_free(index);
}

enum mq_status
mq_vector_index_search(const struct mq_vector_index *index, const float *queries, int64_t n_queries,
                       int k, int32_t *ret_ids, float *ret_scores, struct mq_pool *pool,
                       struct mq_error *err)
{
    if (k < 1 || k > MQ_INDEX_K_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot search for %d nearest vectors (allowed: 1 to %d)",
                       k, MQ_INDEX_K_MAX);
    enum mq_status st =
        check_values("cannot search for these queries", queries, n_queries, index->dim, err);
    if (st != MQ_OK)
        return st;
    if (index->hnsw != NULL)
        return mq_hnsw_search(index->hnsw, index->vectors, queries, n_queries, k, index->ef_search,
                              ret_ids, ret_scores, pool, err);
    return mq_flat_search(index, queries, n_queries, k, ret_ids, ret_scores, pool, err);
}

int64_t
mq_vector_index_count(const struct mq_vector_index *index)
{
    return index->n;
}

int32_t
mq_vector_index_dim(const struct mq_vector_index *index)
{
    return index->dim;
}

enum mq_index_kind
mq_vector_index_kind(const struct mq_vector_index *index)
{
    return index->hnsw != NULL ? MQ_INDEX_HNSW : MQ_INDEX_FLAT;
}

enum mq_index_metric
mq_vector_index_metric(const struct mq_vector_index *index)
{
    return index->metric;
}

const float *
mq_vector_index_vectors(const struct mq_vector_index *index)
{
    return index->vectors;
}

void
mq_vector_index_set_ef_search(struct mq_vector_index *index, int ef_search)
{
    index->ef_search = MQ_MAX(1, MQ_MIN(ef_search, MQ_INDEX_EF_SEARCH_MAX));
}

enum mq_status
mq_vector_index_read(struct mq_reader *reader, struct mq_vector_index **ret_index,
                     struct mq_error *err)
{
    struct mq_faiss_index file = {0};
    struct mq_vector_index *index = NULL;
    enum mq_status st = mq_faiss_index_read(reader, &file, err);
    if (st != MQ_OK)
        return st;
    if ((st = mq_alloc_array(1, sizeof(*index), &index, err)) != MQ_OK)
        goto done;
    index->metric = file.metric == MQ_FAISS_INNER_PRODUCT ? MQ_METRIC_INNER_PRODUCT : MQ_METRIC_L2;
    index->dim = file.dim;
    index->n = file.n;
    index->vectors = file.vectors;
    file.vectors = NULL;
    index->ef_search = mq_vector_index_options_default().ef_search;
    if ((st = check_shape(index->n, index->dim, err)) != MQ_OK ||
        (st = check_values("cannot use this index", index->vectors, index->n, index->dim, err)) !=
            MQ_OK)
        goto done;
    if (file.hnsw != NULL) {
        index->ef_search = MQ_MAX(1, MQ_MIN(file.hnsw->ef_search, MQ_INDEX_EF_SEARCH_MAX));
        st = mq_hnsw_from_faiss(file.hnsw, index->n, index->dim, index->metric, &index->hnsw, err);
    } else {
        st = mq_flat_prepare(index, NULL, err);
    }
done:
    mq_faiss_index_release(&file);
    if (st != MQ_OK) {
        mq_vector_index_free(index);
        return st;
    }
    *ret_index = index;
    return MQ_OK;
}

enum mq_status
mq_vector_index_write(const struct mq_vector_index *index, struct mq_writer *writer,
                      struct mq_error *err)
{
    struct mq_faiss_index file = {
        .metric = index->metric == MQ_METRIC_INNER_PRODUCT ? MQ_FAISS_INNER_PRODUCT : MQ_FAISS_L2,
        .dim = index->dim,
        .n = index->n,
        .vectors = index->vectors,
    };
    if (index->hnsw == NULL)
        return mq_faiss_index_write(&file, writer, err);
    struct mq_faiss_hnsw graph = {0};
    enum mq_status st = mq_hnsw_to_faiss(index->hnsw, index->ef_search, &graph, err);
    if (st == MQ_OK) {
        file.hnsw = &graph;
        st = mq_faiss_index_write(&file, writer, err);
    }
    mq_hnsw_faiss_release(&graph);
    return st;
}
