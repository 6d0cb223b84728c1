/*
 * Random shapes and contents: flat search is exact to the bit, HNSW finds what brute force finds,
 * and neither depends on batch, threads or neighbours in the call.
 */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "index/vector_index.h"
#include "math/kernels.h"
#include "math/topk.h"

static struct mq_error err;
static struct mq_rng rng;

static float *
floats(size_t count)
{
    float *values = NULL;
    check_ok(mq_alloc_array(count, sizeof(float), &values, &err));
    return values;
}

/* Vectors of several kinds: spread, in tight or wide clusters, of very unequal lengths, on a coarse
 * grid (ties), with constant columns. */
static float *
vectors(size_t n, size_t dim, uint32_t style)
{
    float *x = floats(n * dim);
    float centre[16][1024];
    for (int c = 0; c < 16; c++)
        for (size_t j = 0; j < dim; j++)
            centre[c][j] = (float)mq_rng_normal(&rng) * 3;
    for (size_t i = 0; i < n; i++) {
        float length = style == 2 ? (float)exp(2 * mq_rng_normal(&rng)) : 1;
        const float *c = centre[mq_rng_below(&rng, 16)];
        for (size_t j = 0; j < dim; j++) {
            float v = (float)mq_rng_normal(&rng);
            if (style == 1)
                v = c[j] + 0.01f * v;
            if (style == 5)
                v = c[j] + v;
            if (style == 3)
                v = (float)mq_rng_below(&rng, 3);
            if (style == 4 && j % 2 == 0)
                v = 1e6f;
            x[i * dim + j] = v * length;
        }
    }
    return x;
}

/* Scores by the kernel that the index uses, chosen by a heap: the truth, bit for bit. */
static size_t
brute_force(const float *x, size_t n, size_t dim, const float *query, bool distance, size_t k,
            struct mq_scored *best)
{
    const struct mq_kernels *kernels = mq_kernels();
    float *scores = floats(n);
    struct mq_topk topk;
    (distance ? kernels->square_distance_rows : kernels->dot_rows)(query, x, n, dim, scores);
    mq_topk_init(&topk, best, k);
    for (size_t i = 0; i < n; i++)
        mq_topk_push(&topk, distance ? -scores[i] : scores[i], (int32_t)i);
    mq_free(scores);
    return mq_topk_finish(&topk);
}

static void
test_flat_is_exact(void **state)
{
    struct mq_pool *pool = *state;
    static const size_t dims[] = {1, 2, 3, 7, 16, 31, 32, 33, 64, 100, 256, 513};
    for (int round = 0; round < 60; round++) {
        size_t dim = dims[mq_rng_below(&rng, MQ_COUNT(dims))];
        size_t n = 1 + mq_rng_below(&rng, round % 4 == 0 ? 100 : dim > 64 ? 2500 : 6000);
        size_t k = 1 + mq_rng_below(&rng, round % 5 == 0 ? 2000 : 60);
        size_t queries = 1 + mq_rng_below(&rng, 11);
        uint32_t style = mq_rng_below(&rng, 5);
        bool distance = mq_rng_below(&rng, 2);
        float *x = vectors(n, dim, style), *q = vectors(queries, dim, mq_rng_below(&rng, 5));
        if (round % 7 == 0)
            memset(q, 0, dim * sizeof(float));
        struct mq_vector_index_options options = mq_vector_index_options_default();
        options.kind = MQ_INDEX_FLAT;
        options.metric = distance ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT;
        struct mq_vector_index *index = NULL;
        check_ok(
            mq_vector_index_build(x, (int64_t)n, (int32_t)dim, &options, pool, 1, &index, &err));
        int32_t *ids = NULL;
        float *scores = floats(queries * k);
        struct mq_scored *best = NULL;
        check_ok(mq_alloc_array(queries * k, sizeof(*ids), &ids, &err));
        check_ok(mq_alloc_array(k, sizeof(*best), &best, &err));
        check_ok(
            mq_vector_index_search(index, q, (int64_t)queries, (int)k, ids, scores, pool, &err));
        for (size_t i = 0; i < queries; i++) {
            size_t found = brute_force(x, n, dim, q + i * dim, distance, k, best);
            for (size_t j = 0; j < k; j++) {
                int32_t want = j < found ? best[j].id : -1;
                if (ids[i * k + j] != want)
                    fail_msg("n=%zu dim=%zu k=%zu style=%u distance=%d query %zu: place %zu is "
                             "%d, expected %d",
                             n, dim, k, style, distance, i, j, ids[i * k + j], want);
                if (j < found)
                    assert_true(scores[i * k + j] == (distance ? -best[j].score : best[j].score));
            }
        }
        mq_vector_index_free(index);
        mq_free(x);
        mq_free(q);
        mq_free(ids);
        mq_free(scores);
        mq_free(best);
    }
}

static double
recall_of(const struct mq_vector_index *index, const float *queries, size_t count, size_t k,
          struct mq_pool *pool)
{
    size_t dim = (size_t)mq_vector_index_dim(index), hits = 0;
    bool distance = mq_vector_index_metric(index) == MQ_METRIC_L2;
    int32_t *ids = NULL;
    float *scores = floats(count * k);
    struct mq_scored *best = NULL;
    check_ok(mq_alloc_array(count * k, sizeof(*ids), &ids, &err));
    check_ok(mq_alloc_array(k, sizeof(*best), &best, &err));
    check_ok(
        mq_vector_index_search(index, queries, (int64_t)count, (int)k, ids, scores, pool, &err));
    for (size_t i = 0; i < count; i++) {
        brute_force(mq_vector_index_vectors(index), (size_t)mq_vector_index_count(index), dim,
                    queries + i * dim, distance, k, best);
        for (size_t j = 0; j < k; j++)
            for (size_t l = 0; l < k; l++)
                hits += ids[i * k + j] == best[l].id;
    }
    mq_free(ids);
    mq_free(scores);
    mq_free(best);
    return (double)hits / (double)(count * k);
}

static void
test_hnsw_recall(void **state)
{
    struct mq_pool *pool = *state;
    for (int round = 0; round < 6; round++) {
        size_t n = 2000 + mq_rng_below(&rng, 2000), dim = 4 + mq_rng_below(&rng, 24);
        /* Products of far clusters are hard for any graph: docs/decisions/vector-search.md. */
        uint32_t style = round == 1 ? 5 : 0;
        float *x = vectors(n, dim, style), *q = vectors(50, dim, style);
        struct mq_vector_index_options options = mq_vector_index_options_default();
        options.kind = MQ_INDEX_HNSW;
        options.metric = round < 3 ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT;
        options.ef_construction = 100;
        struct mq_vector_index *index = NULL;
        check_ok(
            mq_vector_index_build(x, (int64_t)n, (int32_t)dim, &options, pool, 1, &index, &err));
        double recall = recall_of(index, q, 50, 10, pool);
        if (recall < 0.95)
            fail_msg("recall %.3f at n=%zu dim=%zu style=%u metric=%d", recall, n, dim, style,
                     options.metric);
        /* Every vector is found by itself where distance is the measure. */
        if (options.metric == MQ_METRIC_L2 && style == 0)
            assert_true(recall_of(index, x, 50, 1, pool) >= 0.98);
        mq_vector_index_free(index);
        mq_free(x);
        mq_free(q);
    }
}

/* The bytes of a graph do not depend on the number of threads. */
static void
test_same_graph(void **state)
{
    struct mq_pool *pool = *state;
    size_t n = 3000, dim = 9;
    float *x = vectors(n, dim, 0);
    struct mq_buffer files[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        struct mq_vector_index_options options = mq_vector_index_options_default();
        options.kind = MQ_INDEX_HNSW;
        options.ef_construction = 40;
        struct mq_vector_index *index = NULL;
        struct mq_writer *writer = NULL;
        check_ok(mq_vector_index_build(x, (int64_t)n, (int32_t)dim, &options, i ? pool : NULL, 5,
                                       &index, &err));
        check_ok(mq_writer_to_buffer(&files[i], &writer, &err));
        check_ok(mq_vector_index_write(index, writer, &err));
        check_ok(mq_writer_commit(writer, &err));
        mq_writer_close(writer);
        mq_vector_index_free(index);
    }
    assert_int_equal(files[0].size, files[1].size);
    assert_memory_equal(files[0].data, files[1].data, files[0].size);
    mq_buffer_release(&files[0]);
    mq_buffer_release(&files[1]);
    mq_free(x);
}

struct searcher {
    const struct mq_vector_index *index;
    const float *queries;
    int32_t ids[40 * 5];
    pthread_t thread;
};

static void *
search_alone(void *argument)
{
    struct searcher *s = argument;
    float scores[40 * 5];
    size_t dim = (size_t)mq_vector_index_dim(s->index);
    for (int i = 0; i < 40; i++)
        if (mq_vector_index_search(s->index, s->queries + (size_t)i * dim, 1, 5, s->ids + 5 * i,
                                   scores + 5 * i, NULL, NULL) != MQ_OK)
            return s;
    return NULL;
}

/* Many threads search one index at the same time, one query a call: the results of a batch. */
static void
test_concurrent(void **state)
{
    struct mq_pool *pool = *state;
    size_t n = 3000, dim = 17;
    float *x = vectors(n, dim, 0), *q = vectors(40, dim, 0), scores[40 * 5];
    int32_t ids[40 * 5];
    for (int kind = MQ_INDEX_FLAT; kind <= MQ_INDEX_HNSW; kind++) {
        struct mq_vector_index_options options = mq_vector_index_options_default();
        options.kind = (enum mq_index_kind)kind;
        struct mq_vector_index *index = NULL;
        check_ok(
            mq_vector_index_build(x, (int64_t)n, (int32_t)dim, &options, pool, 5, &index, &err));
        check_ok(mq_vector_index_search(index, q, 40, 5, ids, scores, pool, &err));
        struct searcher searchers[4];
        for (int i = 0; i < 4; i++) {
            searchers[i].index = index;
            searchers[i].queries = q;
            assert_int_equal(
                pthread_create(&searchers[i].thread, NULL, search_alone, &searchers[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            void *failed;
            pthread_join(searchers[i].thread, &failed);
            assert_null(failed);
            assert_memory_equal(searchers[i].ids, ids, sizeof(ids));
        }
        mq_vector_index_free(index);
    }
    mq_free(x);
    mq_free(q);
}

int
main(void)
{
    const char *seed_text = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    mq_rng_init(&rng, seed, 0);
    mq_log_configure(MQ_LOG_WARN, false);
    mq_progress_enable(false);
    struct mq_pool *pool = NULL;
    if (mq_pool_new(3, &pool, NULL) != MQ_OK)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_flat_is_exact, pool),
                                       cmocka_unit_test_prestate(test_hnsw_recall, pool),
                                       cmocka_unit_test_prestate(test_same_graph, pool),
                                       cmocka_unit_test_prestate(test_concurrent, pool)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mq_pool_free(pool);
    return failed;
}
