/*
 * Vector search: flat and HNSW, rates and recall. Without files it makes its own clustered vectors,
 * as bench/peers/ann.py does; for a comparison both read the same files (raw float32, row-major).
 */
#include <getopt.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/progress.h"
#include "base/rng.h"
#include "emit.h"
#include "index/vector_index.h"
#include "math/kernels.h"

struct settings {
    int64_t n;
    int32_t dim;
    int threads, runs, m, ef_construction, l2;
    const char *vectors, *queries, *kinds;
};

static struct mq_error err;

static void
require(enum mq_status st, const char *what)
{
    if (st == MQ_OK)
        return;
    fprintf(stderr, "bench_index: %s: %s\n", what, err.message);
    exit(1);
}

static float *
read_floats(const char *path, size_t width, int64_t *ret_rows)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "bench_index: cannot open '%s'\n", path);
        exit(1);
    }
    size_t rows = (size_t)ftell(file) / sizeof(float) / width;
    float *values;
    require(mq_alloc_array_raw(rows * width, sizeof(float), &values, &err), path);
    rewind(file);
    if (fread(values, sizeof(float) * width, rows, file) != rows) {
        fprintf(stderr, "bench_index: cannot read '%s'\n", path);
        exit(1);
    }
    fclose(file);
    *ret_rows = (int64_t)rows;
    return values;
}

/* 1,000 centres, unit spread, lengths log-normal with sigma 0.15. */
static float *
make_floats(struct mq_rng *rng, const float *centres, int64_t rows, size_t width)
{
    float *values;
    require(mq_alloc_array_raw((size_t)rows * width, sizeof(float), &values, &err), "vectors");
    for (int64_t i = 0; i < rows; i++) {
        const float *centre = centres + mq_rng_below(rng, 1000) * width;
        float length = (float)exp(0.15 * mq_rng_normal(rng));
        for (size_t j = 0; j < width; j++)
            values[(size_t)i * width + j] = (centre[j] + (float)mq_rng_normal(rng)) * length;
    }
    return values;
}

static double
recall(const int32_t *found, const int32_t *truth, int64_t queries, int k)
{
    int64_t hits = 0;
    for (int64_t q = 0; q < queries; q++)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++)
                hits += found[q * k + i] == truth[q * k + j];
    return (double)hits / (double)(queries * k);
}

/* Time searches of all queries, `together` in a call. */
static void
measure(const struct settings *s, const struct mq_vector_index *index, const float *queries,
        int64_t count, int64_t together, int k, struct mq_pool *pool, const char *work,
        const int32_t *truth)
{
    int32_t *ids;
    float *scores;
    require(mq_alloc_array((size_t)(count * k), sizeof(*ids), &ids, &err), "results");
    require(mq_alloc_array((size_t)(count * k), sizeof(*scores), &scores, &err), "results");
    struct bench_times times = {0};
    for (int run = 0; run < s->runs + 1; run++) {
        double begin = mq_clock_monotonic_s();
        for (int64_t q = 0; q < count; q += together)
            require(mq_vector_index_search(index, queries + (size_t)q * (size_t)s->dim,
                                           MQ_MIN(together, count - q), k, ids + q * k,
                                           scores + q * k, pool, &err),
                    "search");
        if (run > 0) /* the first warms the caches */
            bench_time_add(&times, mq_clock_monotonic_s() - begin);
    }
    char quality[64];
    if (truth != NULL)
        snprintf(quality, sizeof(quality), "{\"recall@%d\": %.4f}", k,
                 recall(ids, truth, count, k));
    bench_emit(work, mq_pool_threads(pool), &times, (double)count, "queries",
               truth != NULL ? quality : NULL);
    mq_free(ids);
    mq_free(scores);
}

static void
bench_flat(const struct settings *s, const struct mq_vector_index *index, const float *queries,
           int64_t count, struct mq_pool *pool)
{
    char work[160];
    snprintf(work, sizeof(work), "flat n=%lld d=%d k=100 batch 256", (long long)s->n, s->dim);
    measure(s, index, queries, MQ_MIN(count, 768), 256, 100, NULL, work, NULL);
    if (s->threads > 1)
        measure(s, index, queries, MQ_MIN(count, 768), 256, 100, pool, work, NULL);
    for (int k = 10; k <= 100 && strstr(s->kinds, "batch") == NULL; k *= 10) {
        snprintf(work, sizeof(work), "flat n=%lld d=%d k=%d one query a call", (long long)s->n,
                 s->dim, k);
        measure(s, index, queries, MQ_MIN(count, 300), 1, k, NULL, work, NULL);
    }
}

static void
bench_hnsw(const struct settings *s, const float *vectors, const float *queries, int64_t count,
           const int32_t *truth, struct mq_pool *pool)
{
    static const int widths[] = {10, 12, 16, 20, 24,  32,  40,  48, 56,
                                 64, 72, 80, 96, 128, 192, 256, 512};
    struct mq_vector_index_options options = mq_vector_index_options_default();
    options.kind = MQ_INDEX_HNSW;
    options.metric = s->l2 ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT;
    options.hnsw_m = s->m;
    options.ef_construction = s->ef_construction;
    struct mq_vector_index *index;
    struct bench_times build = {0};
    char work[160];
    double begin = mq_clock_monotonic_s();
    require(mq_vector_index_build(vectors, s->n, s->dim, &options, pool, 1, &index, &err), "build");
    bench_time_add(&build, mq_clock_monotonic_s() - begin);
    snprintf(work, sizeof(work), "hnsw build n=%lld d=%d M=%d efC=%d", (long long)s->n, s->dim,
             s->m, s->ef_construction);
    bench_emit(work, mq_pool_threads(pool), &build, (double)s->n, "vectors", NULL);
    int32_t *ids;
    float *scores;
    require(mq_alloc_array((size_t)(count * 10), sizeof(*ids), &ids, &err), "results");
    require(mq_alloc_array((size_t)(count * 10), sizeof(*scores), &scores, &err), "results");
    int above = 0;
    for (size_t i = 0; i < MQ_COUNT(widths) && above < 2; i++) {
        mq_vector_index_set_ef_search(index, widths[i]);
        require(mq_vector_index_search(index, queries, count, 10, ids, scores, pool, &err),
                "search");
        if (recall(ids, truth, count, 10) < 0.95)
            continue;
        above++;
        snprintf(work, sizeof(work), "hnsw n=%lld d=%d M=%d efC=%d ef=%d k=10 one query a call",
                 (long long)s->n, s->dim, s->m, s->ef_construction, widths[i]);
        measure(s, index, queries, count, 1, 10, NULL, work, truth);
    }
    mq_free(ids);
    mq_free(scores);
    mq_vector_index_free(index);
}

int
main(int argc, char **argv)
{
    struct settings s = {.n = 100000,
                         .dim = 32,
                         .threads = 2,
                         .runs = 5,
                         .m = 16,
                         .ef_construction = 200,
                         .kinds = "flat,hnsw"};
    static const struct option options[] = {{"n", 1, NULL, 'n'},
                                            {"d", 1, NULL, 'd'},
                                            {"threads", 1, NULL, 't'},
                                            {"runs", 1, NULL, 'r'},
                                            {"M", 1, NULL, 'm'},
                                            {"efc", 1, NULL, 'c'},
                                            {"vectors", 1, NULL, 'v'},
                                            {"queries", 1, NULL, 'q'},
                                            {"kinds", 1, NULL, 'k'},
                                            {"l2", 0, NULL, '2'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'n')
            s.n = atoll(optarg);
        else if (c == 'd')
            s.dim = atoi(optarg);
        else if (c == 't')
            s.threads = atoi(optarg);
        else if (c == 'r')
            s.runs = MQ_MAX(1, MQ_MIN(atoi(optarg), BENCH_RUNS_MAX));
        else if (c == 'm')
            s.m = atoi(optarg);
        else if (c == 'c')
            s.ef_construction = atoi(optarg);
        else if (c == 'v')
            s.vectors = optarg;
        else if (c == 'q')
            s.queries = optarg;
        else if (c == 'k')
            s.kinds = optarg;
        else if (c == '2')
            s.l2 = 1;
        else if (c == '?')
            return 2;
    }
    mq_log_configure(MQ_LOG_WARN, false);
    mq_progress_enable(false);
    struct mq_rng rng;
    mq_rng_init(&rng, 7, 0);
    size_t width = (size_t)s.dim;
    int64_t count = 1000;
    float *centres, *vectors, *queries;
    require(mq_alloc_array_raw(1000 * width, sizeof(float), &centres, &err), "centres");
    for (size_t i = 0; i < 1000 * width; i++)
        centres[i] = (float)mq_rng_normal(&rng);
    vectors = s.vectors != NULL ? read_floats(s.vectors, width, &s.n)
                                : make_floats(&rng, centres, s.n, width);
    queries = s.queries != NULL ? read_floats(s.queries, width, &count)
                                : make_floats(&rng, centres, count, width);
    struct mq_pool *pool = NULL;
    require(mq_pool_new(s.threads, &pool, &err), "threads");
    struct mq_vector_index_options flat = mq_vector_index_options_default();
    flat.kind = MQ_INDEX_FLAT;
    flat.metric = s.l2 ? MQ_METRIC_L2 : MQ_METRIC_INNER_PRODUCT;
    struct mq_vector_index *index;
    require(mq_vector_index_build(vectors, s.n, s.dim, &flat, pool, 1, &index, &err), "build");
    if (strstr(s.kinds, "flat") != NULL)
        bench_flat(&s, index, queries, count, pool);
    if (strstr(s.kinds, "hnsw") != NULL) {
        int32_t *truth;
        float *scores;
        require(mq_alloc_array((size_t)(count * 10), sizeof(*truth), &truth, &err), "truth");
        require(mq_alloc_array((size_t)(count * 10), sizeof(*scores), &scores, &err), "truth");
        require(mq_vector_index_search(index, queries, count, 10, truth, scores, pool, &err),
                "truth");
        bench_hnsw(&s, vectors, queries, count, truth, pool);
        mq_free(truth);
        mq_free(scores);
    }
    mq_vector_index_free(index);
    mq_pool_free(pool);
    mq_free(centres);
    mq_free(vectors);
    mq_free(queries);
    return 0;
}
