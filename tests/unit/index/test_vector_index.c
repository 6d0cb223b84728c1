#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/stream.h"
#include "index/vector_index.h"

static struct mq_error err;

static struct mq_vector_index_options
options_of(enum mq_index_kind kind, enum mq_index_metric metric)
{
    struct mq_vector_index_options options = mq_vector_index_options_default();
    options.kind = kind;
    options.metric = metric;
    return options;
}

static struct mq_vector_index *
build(const float *x, int64_t n, int32_t dim, enum mq_index_kind kind, enum mq_index_metric metric)
{
    struct mq_vector_index_options options = options_of(kind, metric);
    struct mq_vector_index *index = NULL;
    check_ok(mq_vector_index_build(x, n, dim, &options, NULL, 1, &index, &err));
    return index;
}

/* None, one and two vectors, for each kind: padded results in order. */
static void
test_few(void **state)
{
    (void)state;
    const float x[4] = {1, 0, 0, 2}, query[2] = {1, 1};
    for (int kind = MQ_INDEX_FLAT; kind <= MQ_INDEX_HNSW; kind++)
        for (int64_t n = 0; n <= 2; n++) {
            struct mq_vector_index *index =
                build(x, n, 2, (enum mq_index_kind)kind, MQ_METRIC_INNER_PRODUCT);
            assert_int_equal(mq_vector_index_count(index), n);
            assert_int_equal(mq_vector_index_kind(index), kind);
            int32_t ids[4] = {9, 9, 9, 9};
            float scores[4];
            check_ok(mq_vector_index_search(index, query, 1, 4, ids, scores, NULL, &err));
            assert_int_equal(ids[0], n == 2 ? 1 : n == 1 ? 0 : -1);
            assert_int_equal(ids[1], n == 2 ? 0 : -1);
            assert_int_equal(ids[3], -1);
            assert_true(scores[3] == -INFINITY);
            if (n == 2)
                assert_true(scores[0] == 2 && scores[1] == 1);
            mq_vector_index_free(index);

            index = build(x, n, 2, (enum mq_index_kind)kind, MQ_METRIC_L2);
            check_ok(mq_vector_index_search(index, query, 1, 4, ids, scores, NULL, &err));
            assert_int_equal(ids[0], n > 0 ? 0 : -1);
            assert_int_equal(ids[1], n > 1 ? 1 : -1);
            assert_true(scores[3] == INFINITY);
            if (n > 0)
                assert_true(scores[0] == 1);
            mq_vector_index_free(index);
        }
    mq_vector_index_free(NULL);
}

static void
test_refused(void **state)
{
    (void)state;
    float x[6] = {1, 2, 3, NAN, 5, 6};
    struct mq_vector_index_options options = mq_vector_index_options_default();
    struct mq_vector_index *index = NULL;
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, 3, 2, &options, NULL, 1, &index, &err));
    check_contains(err.message, "row 1, column 1");
    check_contains(err.message, "nan");
    x[3] = 4;
    x[4] = -INFINITY;
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, 3, 2, &options, NULL, 1, &index, &err));
    check_contains(err.message, "row 2, column 0");
    x[4] = 1e16f;
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, 3, 2, &options, NULL, 1, &index, &err));
    x[4] = 5;
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, 3, 0, &options, NULL, 1, &index, &err));
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, -1, 2, &options, NULL, 1, &index, &err));
    options.hnsw_m = 1;
    check_fails(MQ_E_RANGE, mq_vector_index_build(x, 3, 2, &options, NULL, 1, &index, &err));
    check_contains(err.message, "hnsw_m is 1");
    assert_null(index);

    index = build(x, 3, 2, MQ_INDEX_FLAT, MQ_METRIC_L2);
    int32_t ids[2] = {7, 7};
    float scores[2], bad[4] = {1, 2, INFINITY, 0};
    check_fails(MQ_E_RANGE, mq_vector_index_search(index, bad, 2, 1, ids, scores, NULL, &err));
    check_contains(err.message, "row 1, column 0");
    check_fails(MQ_E_RANGE, mq_vector_index_search(index, bad, 1, 0, ids, scores, NULL, &err));
    assert_int_equal(ids[0], 7);
    mq_vector_index_free(index);
}

/* Equal vectors come in the order of their ids; zero vectors and zero queries are no trouble. */
static void
test_duplicates_and_zeros(void **state)
{
    (void)state;
    enum { N = 3000, DIM = 8, K = 40 };
    static float x[N * DIM];
    struct mq_rng rng;
    mq_rng_init(&rng, 3, 0);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < DIM; j++)
            x[i * DIM + j] = i % 3 == 0 ? 0.0f : (float)(i % 7) - (float)(j % 3);
    float query[DIM] = {0}, scores[K];
    int32_t ids[K];
    for (int metric = 0; metric <= 1; metric++) {
        struct mq_vector_index *index =
            build(x, N, DIM, MQ_INDEX_FLAT, (enum mq_index_metric)metric);
        check_ok(mq_vector_index_search(index, query, 1, K, ids, scores, NULL, &err));
        for (int i = 0; i < K; i++) /* all products are 0; of distances the zero vectors' */
            assert_int_equal(ids[i], metric == MQ_METRIC_L2 ? 3 * i : i);
        mq_vector_index_free(index);
        index = build(x, N, DIM, MQ_INDEX_HNSW, (enum mq_index_metric)metric);
        check_ok(mq_vector_index_search(index, query, 1, K, ids, scores, NULL, &err));
        for (int i = 1; i < K && ids[i] >= 0; i++)
            assert_true(scores[i - 1] == scores[i] ? ids[i - 1] < ids[i]
                        : metric == MQ_METRIC_L2   ? scores[i - 1] < scores[i]
                                                   : scores[i - 1] > scores[i]);
        mq_vector_index_free(index);
    }
}

/* Written, read again: the same results. The graph survives the file. */
static void
test_file(void **state)
{
    (void)state;
    enum { N = 2000, DIM = 12, QUERIES = 20, K = 10 };
    static float x[N * DIM];
    struct mq_rng rng;
    mq_rng_init(&rng, 4, 0);
    for (int i = 0; i < N * DIM; i++)
        x[i] = (float)mq_rng_normal(&rng);
    for (int round = 0; round < 4; round++) {
        enum mq_index_kind kind = round & 1 ? MQ_INDEX_HNSW : MQ_INDEX_FLAT;
        enum mq_index_metric metric = round & 2 ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT;
        struct mq_vector_index *index = build(x, N, DIM, kind, metric), *again = NULL;
        struct mq_buffer buffer = {0};
        struct mq_writer *writer = NULL;
        struct mq_reader *reader = NULL;
        check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
        check_ok(mq_vector_index_write(index, writer, &err));
        check_ok(mq_writer_commit(writer, &err));
        mq_writer_close(writer);
        check_ok(mq_reader_from_memory(buffer.data, buffer.size, "index", &reader, &err));
        check_ok(mq_vector_index_read(reader, &again, &err));
        mq_reader_close(reader);
        mq_buffer_release(&buffer);
        assert_int_equal(mq_vector_index_kind(again), kind);
        assert_int_equal(mq_vector_index_metric(again), metric);
        assert_int_equal(mq_vector_index_dim(again), DIM);
        assert_memory_equal(mq_vector_index_vectors(again), x, sizeof(x));
        int32_t ids[2][QUERIES * K];
        float scores[2][QUERIES * K];
        check_ok(mq_vector_index_search(index, x, QUERIES, K, ids[0], scores[0], NULL, &err));
        check_ok(mq_vector_index_search(again, x, QUERIES, K, ids[1], scores[1], NULL, &err));
        assert_memory_equal(ids[0], ids[1], sizeof(ids[0]));
        assert_memory_equal(scores[0], scores[1], sizeof(scores[0]));
        mq_vector_index_free(index);
        mq_vector_index_free(again);
    }
}

/* An index that faiss wrote is searched; wide enough, its graph gives the exact neighbours. */
static void
test_file_of_faiss(void **state)
{
    (void)state;
    static const char *const names[] = {"flat-l2", "flat-ip", "hnsw-l2", "hnsw-ip"};
    enum { K = 10 };
    int32_t ids[2][K];
    float scores[2][K];
    for (int i = 0; i < 4; i++) {
        char path[1024];
        struct mq_reader *reader = NULL;
        struct mq_vector_index *index = NULL;
        snprintf(path, sizeof(path), "%s/tests/golden/data/faiss-%s.index",
                 getenv("MARQUEE_SOURCE") != NULL ? getenv("MARQUEE_SOURCE") : ".", names[i]);
        check_ok(mq_reader_from_file(path, &reader, &err));
        check_ok(mq_vector_index_read(reader, &index, &err));
        mq_reader_close(reader);
        assert_int_equal(mq_vector_index_kind(index), i < 2 ? MQ_INDEX_FLAT : MQ_INDEX_HNSW);
        int64_t n = mq_vector_index_count(index);
        int32_t dim = mq_vector_index_dim(index);
        const float *x = mq_vector_index_vectors(index);
        mq_vector_index_set_ef_search(index, (int)(2 * n));
        struct mq_vector_index *exact =
            build(x, n, dim, MQ_INDEX_FLAT, mq_vector_index_metric(index));
        for (int64_t row = 0; row < n; row += 5) {
            const float *query = x + row * dim;
            check_ok(mq_vector_index_search(index, query, 1, K, ids[0], scores[0], NULL, &err));
            check_ok(mq_vector_index_search(exact, query, 1, K, ids[1], scores[1], NULL, &err));
            assert_memory_equal(ids[0], ids[1], sizeof(ids[0]));
            assert_memory_equal(scores[0], scores[1], sizeof(scores[0]));
        }
        mq_vector_index_free(index);
        mq_vector_index_free(exact);
    }
}

static void
test_choice_by_size(void **state)
{
    (void)state;
    struct mq_config *config = NULL;
    check_ok(mq_config_new(&config, &err));
    struct mq_vector_index_options options = mq_vector_index_options_from(config);
    struct mq_vector_index_options defaults = mq_vector_index_options_default();
    assert_memory_equal(&options, &defaults, sizeof(options));
    check_ok(mq_config_set(config, "index.kind", "hnsw", MQ_FROM_FLAG, "flag", &err));
    assert_int_equal(mq_vector_index_options_from(config).kind, MQ_INDEX_HNSW);
    mq_config_free(config);
    float x[2] = {1, 2};
    struct mq_vector_index *index = build(x, 2, 1, MQ_INDEX_AUTO, MQ_METRIC_INNER_PRODUCT);
    assert_int_equal(mq_vector_index_kind(index), MQ_INDEX_FLAT);
    mq_vector_index_free(index);
}

int
main(void)
{
    mq_log_configure(MQ_LOG_WARN, false);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_duplicates_and_zeros),
                                       cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_file_of_faiss),
                                       cmocka_unit_test(test_choice_by_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
