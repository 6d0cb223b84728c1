/*
 * Neighbours: time of all lists of items and of users, of lists in time, and of single queries.
 *
 * bench_neighbours RATINGS lists|query [--threads N] [--runs N] [--only TEXT], RATINGS as
 * bench/peers/ratings.py writes it; TEXT is part of what is measured. Prints one JSON line a
 * result.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rng.h"
#include "emit.h"
#include "model/neighbours.h"
#include "model/sequence_neighbours.h"
#include "ratings_file.h"

static const char *const sides[] = {"items", "users"};
static const char *only = ""; /* part of what is measured */

static void
time_lists(const struct mq_rating_matrix *matrix, const struct mq_rating_baseline *baseline,
           const char *what, const struct mq_neighbour_options *options, struct mq_pool *pool,
           int runs)
{
    struct bench_times times = {0};
    char work[128];
    snprintf(work, sizeof(work), "top-%d of all %s, %s", options->k, sides[options->side], what);
    if (strstr(work, only) == NULL)
        return;
    for (int run = 0; run <= runs; run++) {
        struct mq_neighbour_index *index;
        struct mq_neighbours lists;
        double begin = mq_clock_monotonic_s();
        bench_require(mq_neighbour_index_new(matrix, baseline, options, pool, &index, &bench_err));
        bench_require(mq_neighbours_of_all(index, pool, &lists, &bench_err));
        if (run > 0) /* the first warms the caches */
            bench_time_add(&times, mq_clock_monotonic_s() - begin);
        mq_neighbours_release(&lists);
        mq_neighbour_index_free(index);
    }
    bench_emit(work, mq_pool_threads(pool), &times, (double)matrix->count, "ratings", NULL);
}

static void
time_sequences(const struct mq_rating_matrix *matrix, struct mq_pool *pool, int runs)
{
    struct mq_sequence_options options = mq_sequence_options_default();
    struct bench_times times = {0};
    char work[128];
    snprintf(work, sizeof(work), "top-%d of all items, in time", options.k);
    for (int run = 0; run <= runs && strstr(work, only) != NULL; run++) {
        struct mq_neighbours lists;
        double begin = mq_clock_monotonic_s();
        bench_require(mq_sequence_neighbours(matrix, &options, pool, &lists, &bench_err));
        if (run > 0)
            bench_time_add(&times, mq_clock_monotonic_s() - begin);
        mq_neighbours_release(&lists);
    }
    if (times.count > 0)
        bench_emit(work, mq_pool_threads(pool), &times, (double)matrix->count, "ratings", NULL);
}

static void
bench_lists(const struct mq_rating_matrix *matrix, struct mq_pool *pool, int runs)
{
    struct mq_rating_baseline baseline;
    struct mq_rating_baseline_options fit = mq_rating_baseline_options_default();
    bench_require(mq_rating_baseline_fit(matrix, &fit, pool, &baseline, &bench_err));
    for (int side = 0; side < 2; side++) {
        struct mq_neighbour_options cosine =
            mq_neighbour_options_cosine((enum mq_neighbour_side)side);
        struct mq_neighbour_options rated = cosine, centred, literal, recent;
        rated.binary = false;
        literal = mq_neighbour_options_literal((enum mq_neighbour_side)side);
        centred = mq_neighbour_options_rating((enum mq_neighbour_side)side);
        centred.k = 100;
        recent = mq_neighbour_options_ranking((enum mq_neighbour_side)side);
        time_lists(matrix, NULL, "cosine of choices", &cosine, pool, runs);
        time_lists(matrix, NULL, "cosine of ratings", &rated, pool, runs);
        time_lists(matrix, NULL, "cosine in common", &literal, pool, runs);
        time_lists(matrix, &baseline, "centred by baseline", &centred, pool, runs);
        if (side == MQ_NEIGHBOUR_USERS)
            time_lists(matrix, NULL, "cosine, recency", &recent, pool, runs);
    }
    time_sequences(matrix, pool, runs);
    mq_rating_baseline_release(&baseline);
}

/* Each user's own ratings as a query, one after the other. */
static void
bench_query(const struct mq_rating_matrix *matrix, int runs)
{
    struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_USERS);
    struct mq_neighbour_index *index;
    struct mq_neighbour_scratch *scratch;
    struct bench_times times = {0};
    options.k = 50;
    bench_require(mq_neighbour_index_new(matrix, NULL, &options, NULL, &index, &bench_err));
    bench_require(mq_neighbour_scratch_new(index, &scratch, &bench_err));
    for (int run = 0; run <= runs; run++) {
        double begin = mq_clock_monotonic_s();
        for (int32_t user = 0; user < matrix->user_count; user++) {
            int64_t first = matrix->user_offset[user];
            struct mq_neighbour_row row = {.count =
                                               (int32_t)(matrix->user_offset[user + 1] - first),
                                           .code = matrix->user_item + first,
                                           .rating = matrix->user_rating + first,
                                           .self = user};
            struct mq_neighbour_list list;
            bench_require(mq_neighbour_query(index, &row, scratch, &list, &bench_err));
        }
        if (run > 0)
            bench_time_add(&times, mq_clock_monotonic_s() - begin);
    }
    bench_emit("neighbours of one given user, k=50", 1, &times, matrix->user_count, "queries",
               NULL);
    mq_neighbour_scratch_free(scratch);
    mq_neighbour_index_free(index);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"threads", 1, NULL, 't'}, {"runs", 1, NULL, 'r'}, {"only", 1, NULL, 'o'}, {0}};
    int threads = 2, runs = 5;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 't')
            threads = atoi(optarg);
        else if (c == 'r')
            runs = MQ_MAX(1, MQ_MIN(atoi(optarg), BENCH_RUNS_MAX));
        else if (c == 'o')
            only = optarg;
        else
            return 2;
    }
    if (optind + 2 != argc) {
        fprintf(stderr, "use: %s RATINGS lists|query\n", argv[0]);
        return 2;
    }
    const char *what = argv[optind + 1];
    mq_log_configure(MQ_LOG_WARN, false);
    mq_progress_enable(false);
    struct bench_ratings ratings = {0};
    struct mq_pool *pool = NULL;
    bench_require(mq_pool_new(threads, &pool, &bench_err));
    bench_ratings_load(argv[optind], &ratings);
    struct mq_rating_matrix *matrix = bench_ratings_matrix(&ratings, NULL);
    if (strcmp(what, "lists") == 0)
        bench_lists(matrix, pool, runs);
    else if (strcmp(what, "query") == 0)
        bench_query(matrix, runs);
    mq_rating_matrix_free(matrix);
    mq_pool_free(pool);
    bench_ratings_release(&ratings);
    return 0;
}
