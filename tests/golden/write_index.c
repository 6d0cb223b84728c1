/*
 * write_index OUT DATA: vector indexes and their search results, for index_golden.py to check with
 * faiss.
 *
 * Written: marquee-search-{flat,hnsw}-{ip,l2}.index over the vectors below, each with the top 50 of
 * the queries as raw int32 ids and float32 scores (.ids, .scores). From faiss' own graphs in DATA:
 * their top 10, likewise.
 */
#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "index/vector_index.h"

enum { N = 5000, DIM = 32, QUERIES = 100, K = 50, SMALL_N = 200, SMALL_DIM = 8, SMALL_K = 10 };

/* Exact in float32 and easy to repeat in NumPy: the high half of a 32-bit linear congruence. */
static void
fill(float *values, size_t count, uint32_t state)
{
    for (size_t i = 0; i < count; i++) {
        state = state * UINT32_C(1664525) + UINT32_C(1013904223);
        values[i] = (float)((int32_t)(state >> 16) - 32768) / 8192.0f;
    }
}

static enum mq_status
put_bytes(const char *folder, const char *name, const char *suffix, const void *bytes, size_t size,
          struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
    struct mq_writer *writer;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st != MQ_OK)
        return st;
    st = mq_writer_put(writer, bytes, size, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
put_results(const struct mq_vector_index *index, const char *folder, const char *name,
            const float *queries, int count, int k, struct mq_error *err)
{
    static int32_t ids[QUERIES * K];
    static float scores[QUERIES * K];
    enum mq_status st = mq_vector_index_search(index, queries, count, k, ids, scores, NULL, err);
    size_t results = (size_t)(count * k);
    if (st == MQ_OK)
        st = put_bytes(folder, name, ".ids", ids, results * sizeof(*ids), err);
    if (st == MQ_OK)
        st = put_bytes(folder, name, ".scores", scores, results * sizeof(*scores), err);
    return st;
}

static enum mq_status
write_one(const char *out, enum mq_index_kind kind, enum mq_index_metric metric,
          const float *vectors, const float *queries, struct mq_error *err)
{
    char name[64], path[MQ_PATH_MAX];
    snprintf(name, sizeof(name), "marquee-search-%s-%s", kind == MQ_INDEX_FLAT ? "flat" : "hnsw",
             metric == MQ_METRIC_L2 ? "l2" : "ip");
    snprintf(path, sizeof(path), "%s/%s.index", out, name);
    struct mq_vector_index_options options = mq_vector_index_options_default();
    options.kind = kind;
    options.metric = metric;
    struct mq_vector_index *index = NULL;
    struct mq_writer *writer;
    enum mq_status st = mq_vector_index_build(vectors, N, DIM, &options, NULL, 1, &index, err);
    if (st == MQ_OK && (st = mq_writer_to_file(path, &writer, err)) == MQ_OK) {
        st = mq_vector_index_write(index, writer, err);
        if (st == MQ_OK)
            st = mq_writer_commit(writer, err);
        mq_writer_close(writer);
    }
    if (st == MQ_OK)
        st = put_results(index, out, name, queries, QUERIES, K, err);
    mq_vector_index_free(index);
    return st;
}

static enum mq_status
search_theirs(const char *out, const char *data, const char *name, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    float queries[SMALL_N / 7 * SMALL_DIM];
    snprintf(path, sizeof(path), "%s/%s.index", data, name);
    struct mq_reader *reader;
    struct mq_vector_index *index = NULL;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_vector_index_read(reader, &index, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < SMALL_N / 7; i++)
        memcpy(queries + i * SMALL_DIM, mq_vector_index_vectors(index) + i * 7 * SMALL_DIM,
               SMALL_DIM * sizeof(float));
    mq_vector_index_set_ef_search(index, 2 * SMALL_N);
    st = put_results(index, out, name, queries, SMALL_N / 7, SMALL_K, err);
    mq_vector_index_free(index);
    return st;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    mq_log_configure(MQ_LOG_WARN, false);
    mq_progress_enable(false);
    static float vectors[N * DIM], queries[QUERIES * DIM];
    fill(vectors, N * DIM, 1);
    fill(queries, QUERIES * DIM, 2);
    struct mq_error err = {0};
    enum mq_status st = MQ_OK;
    for (int i = 0; i < 4 && st == MQ_OK; i++)
        st = write_one(argv[1], i & 1 ? MQ_INDEX_HNSW : MQ_INDEX_FLAT,
                       i & 2 ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT, vectors, queries, &err);
    static const char *const theirs[] = {"faiss-flat-l2", "faiss-flat-ip", "faiss-hnsw-l2",
                                         "faiss-hnsw-ip"};
    for (size_t i = 0; i < MQ_COUNT(theirs) && st == MQ_OK; i++)
        st = search_theirs(argv[1], argv[2], theirs[i], &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_index: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
