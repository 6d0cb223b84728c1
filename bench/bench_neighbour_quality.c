/*
 * Neighbours: how good their lists and predicted ratings are.
 *
 * bench_neighbour_quality RATINGS rank|ratings [--threads N] [--only TEXT], RATINGS as
 * bench/peers/ratings.py writes it. Prints one JSON line a form; bench/quality/README.md says how
 * it is measured.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "emit.h"
#include "model/neighbour_ranking.h"
#include "model/neighbour_rating.h"
#include "model/sequence_neighbours.h"
#include "ratings_file.h"

enum { SEEDS = 5, GRAIN = 64, THREADS = 2 };

static struct mq_pool *pool;
static const char *only = ""; /* part of a form's name */

static bool
is_asked(const char *form)
{
    return strstr(form, only) != NULL;
}

/* ---- the newest choice of each user, all items ranked ------------------------------------- */

struct ranking {
    const struct mq_rating_matrix *matrix;
    const struct mq_neighbours *lists;
    bool by_users;
    struct mq_rank_options options;
    const int32_t *target;
    int32_t *rank; /* [users] */
};

static enum mq_status
rank_users(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct ranking *r = context;
    const struct mq_rating_matrix *m = r->matrix;
    size_t items = (size_t)m->item_count;
    mq_autofree float *scores = NULL;
    mq_autofree int32_t *history = NULL;
    (void)worker;
    enum mq_status st = mq_alloc_array(items, sizeof(*scores), &scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*history), &history, err);
    for (int64_t user = begin; st == MQ_OK && user < end; user++) {
        int32_t n = (int32_t)(m->user_offset[user + 1] - m->user_offset[user]);
        mq_rating_matrix_history(m, (int32_t)user, history);
        if (r->by_users) {
            struct mq_neighbour_list list = mq_neighbours_of(r->lists, (int32_t)user);
            mq_rank_by_users(m, &list, &r->options, scores);
        } else {
            mq_rank_by_items(r->lists, history, NULL, n, &r->options, scores);
        }
        for (int32_t k = 0; k < n; k++)
            scores[history[k]] = -1;
        float own = scores[r->target[user]];
        r->rank[user] = 0;
        for (int32_t item = 0; item < m->item_count; item++)
            r->rank[user] += scores[item] > own || (scores[item] == own && item < r->target[user]);
    }
    return st;
}

static void
rank_all(struct ranking *r, const char *form)
{
    int32_t users = r->matrix->user_count;
    struct bench_times times = {0};
    double hit[2] = {0}, gain = 0;
    char quality[128];
    double begin = mq_clock_monotonic_s();
    bench_require(mq_pool_for(pool, users, GRAIN, rank_users, r, &bench_err));
    bench_time_add(&times, mq_clock_monotonic_s() - begin);
    for (int32_t user = 0; user < users; user++) {
        hit[0] += r->rank[user] < 10;
        hit[1] += r->rank[user] < 50;
        gain += r->rank[user] < 10 ? 1 / log2(r->rank[user] + 2.0) : 0;
    }
    snprintf(quality, sizeof(quality), "{\"HR@10\": %.4f, \"HR@50\": %.4f, \"NDCG@10\": %.4f}",
             hit[0] / users, hit[1] / users, gain / users);
    bench_emit(form, mq_pool_threads(pool), &times, users, "users", quality);
}

static void
rank_by_index(struct ranking *r, const struct mq_neighbour_options *options, const char *form)
{
    struct mq_neighbour_index *index;
    struct mq_neighbours lists;
    if (!is_asked(form))
        return;
    bench_require(mq_neighbour_index_new(r->matrix, NULL, options, pool, &index, &bench_err));
    bench_require(mq_neighbours_of_all(index, pool, &lists, &bench_err));
    r->lists = &lists;
    r->by_users = options->side == MQ_NEIGHBOUR_USERS;
    rank_all(r, form);
    mq_neighbours_release(&lists);
    mq_neighbour_index_free(index);
}

static void
bench_rank(const struct bench_ratings *ratings)
{
    mq_autofree uint8_t *held = NULL;
    mq_autofree int32_t *target = NULL;
    mq_autofree int32_t *rank = NULL;
    size_t users = (size_t)ratings->user_count;
    bench_require(mq_alloc_array((size_t)ratings->count, 1, &held, &bench_err));
    bench_require(mq_alloc_array(users, sizeof(*target), &target, &bench_err));
    bench_require(mq_alloc_array(users, sizeof(*rank), &rank, &bench_err));
    for (int64_t i = 0; i < ratings->count; i++)
        if (i + 1 == ratings->count || ratings->user[i + 1] != ratings->user[i]) {
            held[i] = 1;
            target[ratings->user[i]] = ratings->item[i];
        }
    struct mq_rating_matrix *matrix = bench_ratings_matrix(ratings, held);
    struct ranking r = {.matrix = matrix, .target = target, .rank = rank};
    struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS);
    r.options = (struct mq_rank_options){.neighbours_max = INT32_MAX, .power = 1};
    options.k = 49; /* implicit's 50 hold the item itself */
    rank_by_index(&r, &options, "items: cosine of choices, k=49");
    options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_USERS);
    options.k = 50;
    rank_by_index(&r, &options, "users: cosine of choices, k=50");
    for (int side = 0; side < 2; side++) {
        r.options = mq_rank_options_default((enum mq_neighbour_side)side, false);
        options = mq_neighbour_options_ranking((enum mq_neighbour_side)side);
        rank_by_index(&r, &options,
                      side == MQ_NEIGHBOUR_USERS ? "users: default" : "items: default");
    }
    if (is_asked("items in time: default")) {
        struct mq_sequence_options in_time = mq_sequence_options_default();
        struct mq_neighbours lists;
        bench_require(mq_sequence_neighbours(matrix, &in_time, pool, &lists, &bench_err));
        r.lists = &lists;
        r.by_users = false;
        r.options = mq_rank_options_default(MQ_NEIGHBOUR_ITEMS, true);
        rank_all(&r, "items in time: default");
        mq_neighbours_release(&lists);
    }
    mq_rating_matrix_free(matrix);
}

/* ---- ratings ------------------------------------------------------------------------------ */

struct judging {
    const struct bench_ratings *ratings;
    const int64_t *line; /* [users+1] where a user's lines begin */
    const uint8_t *held;
    const struct mq_rater *rater;
    double *square; /* [users] */
};

static enum mq_status
judge_users(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct judging *j = context;
    struct mq_rater_scratch *scratch;
    mq_autofree float *all = NULL;
    (void)worker;
    enum mq_status st = mq_rater_scratch_new(j->rater, &scratch, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)j->ratings->item_count, sizeof(*all), &all, err);
    for (int64_t user = begin; st == MQ_OK && user < end; user++) {
        bool by_users = j->rater->options.side == MQ_NEIGHBOUR_USERS;
        st = mq_rater_take_user(j->rater, (int32_t)user, scratch, err);
        if (st == MQ_OK && by_users)
            mq_rater_predict_all(j->rater, scratch, all);
        j->square[user] = 0;
        for (int64_t i = j->line[user]; st == MQ_OK && i < j->line[user + 1]; i++) {
            int32_t item = j->ratings->item[i];
            if (!j->held[i])
                continue;
            float rating = by_users ? all[item] : mq_rater_predict(j->rater, scratch, item, NULL);
            j->square[user] += pow((double)(j->ratings->rating[i] - rating), 2);
        }
    }
    mq_rater_scratch_free(scratch);
    return st;
}

static double
judge(struct judging *j, const struct mq_rating_matrix *matrix,
      const struct mq_rating_baseline *baseline, const struct mq_neighbour_options *lists_by,
      const struct mq_rater_options *options, double *ret_seconds)
{
    struct mq_neighbour_index *index;
    struct mq_neighbours lists;
    struct mq_rater rater;
    int64_t count = 0;
    double square = 0, begin = mq_clock_monotonic_s();
    bench_require(mq_neighbour_index_new(matrix, baseline, lists_by, pool, &index, &bench_err));
    bench_require(mq_neighbours_of_all(index, pool, &lists, &bench_err));
    bench_require(mq_rater_init(matrix, &lists, baseline, options, &rater, &bench_err));
    j->rater = &rater;
    bench_require(mq_pool_for(pool, matrix->user_count, GRAIN, judge_users, j, &bench_err));
    *ret_seconds = mq_clock_monotonic_s() - begin;
    for (int32_t user = 0; user < matrix->user_count; user++)
        square += j->square[user];
    for (int64_t i = 0; i < j->ratings->count; i++)
        count += j->held[i];
    mq_rater_release(&rater);
    mq_neighbours_release(&lists);
    mq_neighbour_index_free(index);
    return sqrt(square / (double)count);
}

static void
bench_ratings_form(const struct bench_ratings *ratings, const int64_t *line,
                   enum mq_neighbour_side side, bool literal)
{
    char form[96], quality[256];
    snprintf(form, sizeof(form), "%s-based: %s", side == MQ_NEIGHBOUR_USERS ? "user" : "item",
             literal ? "literal, 40 nearest" : "default");
    if (!is_asked(form))
        return;
    struct bench_times times = {0};
    double rmse[SEEDS], mean = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        mq_autofree uint8_t *held = NULL;
        mq_autofree double *square = NULL;
        struct mq_rating_baseline baseline;
        struct mq_rating_baseline_options fit = mq_rating_baseline_options_default();
        bench_require(mq_alloc_array((size_t)ratings->count, 1, &held, &bench_err));
        bench_require(
            mq_alloc_array((size_t)ratings->user_count, sizeof(*square), &square, &bench_err));
        for (int64_t i = 0; i < ratings->count; i++)
            held[i] = ratings->folds[i] >> seed & 1;
        struct mq_rating_matrix *matrix = bench_ratings_matrix(ratings, held);
        bench_require(mq_rating_baseline_fit(matrix, &fit, pool, &baseline, &bench_err));
        struct mq_neighbour_options lists =
            literal ? mq_neighbour_options_literal(side) : mq_neighbour_options_rating(side);
        struct mq_rater_options options = literal ? mq_rater_options_literal(side, matrix)
                                                  : mq_rater_options_default(side, matrix);
        if (literal) { /* as scikit-surprise: all are neighbours, the 40 nearest raters count */
            lists.k = MQ_MAX(ratings->user_count, ratings->item_count);
            options.neighbours_max = 40;
        }
        struct judging j = {ratings, line, held, NULL, square};
        double seconds;
        rmse[seed] = judge(&j, matrix, &baseline, &lists, &options, &seconds);
        bench_time_add(&times, seconds);
        mean += rmse[seed] / SEEDS;
        mq_rating_baseline_release(&baseline);
        mq_rating_matrix_free(matrix);
    }
    snprintf(quality, sizeof(quality),
             "{\"RMSE\": %.4f, \"seeds\": [%.4f, %.4f, %.4f, %.4f, %.4f]}", mean, rmse[0], rmse[1],
             rmse[2], rmse[3], rmse[4]);
    bench_emit(form, mq_pool_threads(pool), &times, (double)ratings->count, "ratings", quality);
}

static void
bench_ratings(const struct bench_ratings *ratings)
{
    mq_autofree int64_t *line = NULL;
    bench_require(
        mq_alloc_array((size_t)ratings->user_count + 1, sizeof(*line), &line, &bench_err));
    for (int64_t i = 0; i < ratings->count; i++)
        line[ratings->user[i] + 1] = i + 1;
    for (int side = 0; side < 2; side++)
        for (int literal = 0; literal < 2; literal++)
            bench_ratings_form(ratings, line, (enum mq_neighbour_side)side, literal);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"threads", 1, NULL, 't'}, {"only", 1, NULL, 'o'}, {0}};
    int threads = THREADS;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 't')
            threads = atoi(optarg);
        else if (c == 'o')
            only = optarg;
        else
            return 2;
    }
    if (optind + 2 != argc) {
        fprintf(stderr, "use: %s RATINGS rank|ratings\n", argv[0]);
        return 2;
    }
    mq_log_configure(MQ_LOG_WARN, false);
    mq_progress_enable(false);
    struct bench_ratings ratings = {0};
    bench_require(mq_pool_new(threads, &pool, &bench_err));
    bench_ratings_load(argv[optind], &ratings);
    if (strcmp(argv[optind + 1], "rank") == 0)
        bench_rank(&ratings);
    else
        bench_ratings(&ratings);
    bench_ratings_release(&ratings);
    mq_pool_free(pool);
    return 0;
}
