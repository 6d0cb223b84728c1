/* bench_rating_load STORE [THREADS]: silver/ratings of region 1 of a store as a rating matrix. The
 * peak of memory is that of the process: the matrix, the ids, and the engine (run.memory_mb: 1024).
 */
#include "emit.h"

#include "base/filesystem.h"
#include "data/rating_load.h"

static void
fail(const struct mq_error *err)
{
    fprintf(stderr, "bench_rating_load: %s\n", err->message);
    exit(1);
}

int
main(int argc, char **argv)
{
    struct mq_error err = {0};
    struct mq_object_store *store;
    struct mq_sql *sql;
    struct mq_rating_matrix *matrix;
    struct mq_rating_load_figures figures;
    const struct mq_rating_load_options options = {0};
    char *scratch;
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    if (argc < 2)
        return 2;
    if (mq_object_store_open(argv[1], &store, &err) != MQ_OK ||
        mq_fs_scratch(&scratch, &err) != MQ_OK)
        fail(&err);
    const struct mq_sql_options engine = {
        .threads = threads, .memory_bytes = INT64_C(1) << 30, .scratch = scratch};
    if (mq_sql_open(&engine, &sql, &err) != MQ_OK)
        fail(&err);
    struct bench_times times = {0};
    double began = mq_clock_monotonic_s();
    if (mq_rating_load(sql, store, "1", &options, &matrix, &figures, &err) != MQ_OK)
        fail(&err);
    bench_time_add(&times, mq_clock_monotonic_s() - began);
    char quality[128];
    snprintf(quality, sizeof(quality), "{\"ratings\": %lld, \"users\": %d, \"items\": %d}",
             (long long)matrix->count, matrix->user_count, matrix->item_count);
    bench_emit("rating load", threads, &times, (double)figures.rows, "rows", quality);
    mq_rating_matrix_free(matrix);
    mq_sql_free(sql);
    mq_object_store_free(store);
    (void)!mq_fs_remove(scratch, NULL);
    free(scratch);
    return 0;
}
