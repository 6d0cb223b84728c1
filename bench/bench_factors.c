/*
 * Factor models: speed on a real matrix, time and memory on a large simulated one.
 *
 * bench_factors ials SEQUENCES [FACTORS…]   seconds an iteration (both sides), with L after each;
 *                                           all users' top-100, seen left out
 * bench_factors ease SEQUENCES              training, and all users' top-100
 * bench_factors biased-mf SEQUENCES         training (ratings by chance: speed alone)
 * bench_factors scale USERS ITEMS RATINGS FACTORS ITERATIONS
 *
 * SEQUENCES holds "user item" a line, users in order (bench/peers/sequences.py). Each user's newest
 * item is left out, as the peers do (bench/peers/factors.py). One JSON line a result.
 * MARQUEE_THREADS sets the threads (2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "emit.h"
#include "model/biased_mf.h"
#include "model/ease.h"
#include "model/factor_lists.h"
#include "model/ials.h"

enum { RUNS = 5, ITERATIONS = 12, K = 100 };

/* A setting that implicit has too: observed pairs weigh 10, the others 1. */
#define OBSERVED 10.0f
#define REGULARIZATION 0.05f

static struct mq_pool *pool;

static enum mq_status
load(const char *path, struct mq_rating_matrix **ret_matrix, struct mq_error *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return mq_fail(err, MQ_E_IO, "cannot open '%s'", path);
    int32_t *user = NULL, *item = NULL, users = 0, items = 0;
    float *rating = NULL;
    size_t user_room = 0, item_room = 0, rating_room = 0, count = 0, kept = 0;
    long u, i;
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && fscanf(file, "%ld %ld", &u, &i) == 2) {
        st = mq_grow(&user, &user_room, count + 1, sizeof(*user), err);
        if (st == MQ_OK)
            st = mq_grow(&item, &item_room, count + 1, sizeof(*item), err);
        if (st == MQ_OK)
            st = mq_grow(&rating, &rating_room, count + 1, sizeof(*rating), err);
        if (st != MQ_OK)
            break;
        user[count] = (int32_t)u;
        item[count] = (int32_t)i;
        rating[count++] = (float)(1 + mq_rng_below(&rng, 5));
        users = MQ_MAX(users, (int32_t)u + 1);
        items = MQ_MAX(items, (int32_t)i + 1);
    }
    fclose(file);
    for (size_t n = 0; n + 1 < count; n++) /* the last of each user is left out */
        if (user[n + 1] == user[n]) {
            user[kept] = user[n];
            item[kept] = item[n];
            rating[kept++] = rating[n];
        }
    if (st == MQ_OK && count == 0)
        st = mq_fail(err, MQ_E_INPUT, "'%s' holds no 'user item' lines", path);
    if (st == MQ_OK)
        st = mq_rating_matrix_build(
            &(struct mq_rating_list){(int64_t)kept, user, item, rating, NULL}, users, items, NULL,
            NULL, ret_matrix, err);
    free(user);
    free(item);
    free(rating);
    return st;
}

static void
objectives_text(const struct mq_ials_report *report, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "{\"objective\": [");
    for (int32_t i = 0; i < report->iterations && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.1f", i > 0 ? ", " : "",
                                 report->objective[i]);
    if (used < size)
        snprintf(text + used, size - used, "]}");
}

/* Each run is a training; the rate counts iterations, not the start and the last half. */
static enum mq_status
time_iterations(const struct mq_rating_matrix *matrix, int32_t factors, struct mq_ials **ret_model,
                struct mq_error *err)
{
    struct mq_ials_options options = mq_ials_options_default();
    options.factors = factors;
    options.iterations = ITERATIONS;
    options.unobserved_weight = 1;
    options.regularization = REGULARIZATION;
    options.regularization_exponent = 0;
    options.form = MQ_IALS_INSTEAD;
    mq_autofree float *confidence = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)matrix->count, sizeof(float), &confidence, err);
    for (int64_t i = 0; st == MQ_OK && i < matrix->count; i++)
        confidence[i] = OBSERVED;
    struct bench_times times = {0}, whole = {0};
    char quality[512] = "";
    for (int run = 0; run <= RUNS && st == MQ_OK; run++) {
        struct mq_ials *model = NULL;
        struct mq_ials_report report;
        options.objectives = run == 0; /* the first warms up and tells L */
        st = mq_ials_train(matrix, confidence, &options, 1, pool, &model, &report, err);
        if (st != MQ_OK)
            break;
        if (run == 0)
            objectives_text(&report, quality, sizeof(quality));
        else
            bench_time_add(&times, report.seconds_per_iteration);
        if (run > 0)
            bench_time_add(&whole, report.seconds);
        mq_free(report.objective);
        mq_ials_free(*ret_model);
        *ret_model = model;
    }
    if (st != MQ_OK)
        return st;
    char work[64];
    snprintf(work, sizeof(work), "ALS f=%d iteration", factors);
    bench_emit(work, mq_pool_threads(pool), &times, (double)matrix->count, "ratings", quality);
    snprintf(work, sizeof(work), "ALS f=%d training, %d iterations and the last half", factors,
             ITERATIONS);
    bench_emit(work, mq_pool_threads(pool), &whole, (double)matrix->count, "ratings", NULL);
    return MQ_OK;
}

static enum mq_status
time_factor_lists(const struct mq_rating_matrix *matrix, const struct mq_ials *model,
                  struct mq_error *err)
{
    mq_autofree int32_t *items = NULL;
    mq_autofree float *scores = NULL;
    size_t room = (size_t)matrix->user_count * K;
    enum mq_status st = mq_alloc_array_raw(room, sizeof(*items), &items, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(room, sizeof(*scores), &scores, err);
    struct bench_times times = {0};
    const struct mq_factor_queries queries = {.count = matrix->user_count,
                                              .vector = model->user,
                                              .offset = matrix->user_offset,
                                              .item = matrix->user_item};
    for (int run = 0; run <= RUNS && st == MQ_OK; run++) {
        struct mq_factor_panels panels = {0};
        double begin = mq_clock_monotonic_s();
        st = mq_factor_panels_build(model->item, model->item_count, model->factors, pool, &panels,
                                    err);
        if (st == MQ_OK)
            st = mq_factor_lists(&panels, &queries, K, pool, items, scores, err);
        if (run > 0)
            bench_time_add(&times, mq_clock_monotonic_s() - begin);
        mq_factor_panels_release(&panels);
    }
    char work[64];
    snprintf(work, sizeof(work), "ALS f=%d lists of 100, seen left out", model->factors);
    if (st == MQ_OK)
        bench_emit(work, mq_pool_threads(pool), &times, (double)matrix->user_count, "users", NULL);
    return st;
}

static enum mq_status
run_ials(const struct mq_rating_matrix *matrix, int count, char **factors, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int i = 0; i < count && st == MQ_OK; i++) {
        struct mq_ials *model = NULL;
        st = time_iterations(matrix, atoi(factors[i]), &model, err);
        if (st == MQ_OK)
            st = time_factor_lists(matrix, model, err);
        mq_ials_free(model);
    }
    return st;
}

static enum mq_status
run_ease(const struct mq_rating_matrix *matrix, struct mq_error *err)
{
    struct mq_ease_options options = mq_ease_options_default();
    struct bench_times training = {0}, listing = {0};
    mq_autofree int32_t *items = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)matrix->user_count * K, sizeof(*items), &items, err);
    for (int run = 0; run < RUNS && st == MQ_OK; run++) {
        struct mq_ease *model = NULL;
        double begin = mq_clock_monotonic_s();
        st = mq_ease_train(matrix, NULL, &options, pool, &model, err);
        bench_time_add(&training, mq_clock_monotonic_s() - begin);
        begin = mq_clock_monotonic_s();
        if (st == MQ_OK)
            st = mq_ease_lists(model, matrix, NULL, K, pool, items, NULL, err);
        bench_time_add(&listing, mq_clock_monotonic_s() - begin);
        mq_ease_free(model);
    }
    if (st != MQ_OK)
        return st;
    bench_emit("EASE training", mq_pool_threads(pool), &training, (double)matrix->count, "ratings",
               NULL);
    bench_emit("EASE lists of 100, seen left out", mq_pool_threads(pool), &listing,
               (double)matrix->user_count, "users", NULL);
    return MQ_OK;
}

static enum mq_status
run_biased_mf(const struct mq_rating_matrix *matrix, struct mq_error *err)
{
    struct mq_biased_mf_options options = mq_biased_mf_options_default();
    struct bench_times times = {0};
    enum mq_status st = MQ_OK;
    for (int run = 0; run < RUNS && st == MQ_OK; run++) {
        struct mq_biased_mf *model = NULL;
        struct mq_biased_mf_report report;
        st = mq_biased_mf_train(matrix, &options, 1, pool, &model, &report, err);
        if (st == MQ_OK)
            bench_time_add(&times, report.seconds);
        mq_biased_mf_free(model);
    }
    char work[64];
    snprintf(work, sizeof(work), "biased MF f=%d training, %d iterations", options.factors,
             options.iterations);
    if (st == MQ_OK)
        bench_emit(work, mq_pool_threads(pool), &times, (double)matrix->count, "ratings", NULL);
    return st;
}

/* Users of 10 to 190 ratings at even odds, items by a power law. */
static enum mq_status
simulate(int32_t users, int32_t items, int64_t ratings, struct mq_rating_matrix **ret_matrix,
         struct mq_error *err)
{
    mq_autofree int32_t *user = NULL;
    mq_autofree int32_t *item = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)ratings, sizeof(*user), &user, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)ratings, sizeof(*item), &item, err);
    if (st != MQ_OK)
        return st;
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    int64_t n = 0;
    for (int32_t u = 0; u < users && n < ratings; u++) {
        int64_t mean = ratings / users,
                own = mean / 10 + mq_rng_below(&rng, (uint32_t)(mean * 9 / 5) + 1);
        for (int64_t i = 0; i < own && n < ratings; i++, n++) {
            double x = mq_rng_uniform(&rng);
            user[n] = u;
            item[n] = (int32_t)((double)items * x * x * x);
        }
    }
    return mq_rating_matrix_build(&(struct mq_rating_list){n, user, item, NULL, NULL}, users, items,
                                  NULL, NULL, ret_matrix, err);
}

static enum mq_status
run_scale(char **values, struct mq_error *err)
{
    struct mq_rating_matrix *matrix = NULL;
    struct mq_ials_options options = mq_ials_options_default();
    struct mq_ials *model = NULL;
    struct mq_ials_report report;
    double begin = mq_clock_monotonic_s();
    enum mq_status st = simulate(atoi(values[0]), atoi(values[1]), atoll(values[2]), &matrix, err);
    if (st != MQ_OK)
        return st;
    printf("{\"work\": \"matrix of %lld ratings\", \"seconds\": %.1f, \"peak_rss_mb\": %.0f}\n",
           (long long)matrix->count, mq_clock_monotonic_s() - begin,
           (double)mq_memory_peak_bytes() / 1048576.0);
    fflush(stdout);
    options.factors = atoi(values[3]);
    options.iterations = atoi(values[4]);
    st = mq_ials_train(matrix, NULL, &options, 1, pool, &model, &report, err);
    if (st == MQ_OK)
        printf("{\"work\": \"ALS f=%d\", \"seconds_an_iteration\": %.2f, \"seconds\": %.1f, "
               "\"objective\": %.6g, \"peak_rss_mb\": %.0f}\n",
               options.factors, report.seconds_per_iteration, report.seconds,
               report.final_objective, (double)mq_memory_peak_bytes() / 1048576.0);
    fflush(stdout);
    if (st == MQ_OK)
        st = time_factor_lists(matrix, model, err);
    mq_ials_free(model);
    mq_rating_matrix_free(matrix);
    return st;
}

int
main(int count, char **values)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    const char *threads = getenv("MARQUEE_THREADS");
    bool scale = count == 7 && strcmp(values[1], "scale") == 0;
    if (count < 3 || (!scale && strcmp(values[1], "scale") == 0)) {
        fprintf(stderr, "usage: bench_factors ials SEQUENCES FACTORS… | ease SEQUENCES | "
                        "biased-mf SEQUENCES | scale USERS ITEMS RATINGS FACTORS ITERATIONS\n");
        return 2;
    }
    mq_progress_enable(false);
    enum mq_status st = mq_pool_new(threads != NULL ? atoi(threads) : 2, &pool, &err);
    if (st == MQ_OK && scale) {
        st = run_scale(values + 2, &err);
    } else {
        if (st == MQ_OK)
            st = load(values[2], &matrix, &err);
        if (st == MQ_OK)
            st = strcmp(values[1], "ials") == 0   ? run_ials(matrix, count - 3, values + 3, &err)
                 : strcmp(values[1], "ease") == 0 ? run_ease(matrix, &err)
                                                  : run_biased_mf(matrix, &err);
    }
    mq_rating_matrix_free(matrix);
    mq_pool_free(pool);
    if (st != MQ_OK)
        fprintf(stderr, "bench_factors: %s\n", err.message);
    return mq_status_exit_code(st);
}
