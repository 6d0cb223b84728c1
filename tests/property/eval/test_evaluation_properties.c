/* Random ratings and scores: splits cut as they say, cases hold what they may, the engine lists
 * what a plain sort lists, on any number of threads. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "eval/ranking_evaluation.h"

enum { USERS_MAX = 60, ITEMS_MAX = 50, RATINGS_MAX = 900, ROUNDS = 150 };

static struct mq_rng rng;
static struct mq_pool *pool;

static int32_t
below(int32_t bound)
{
    return (int32_t)mq_rng_below(&rng, (uint32_t)bound);
}

static struct mq_rating_matrix *
random_matrix(void)
{
    static int32_t user[RATINGS_MAX], item[RATINGS_MAX];
    static float rating[RATINGS_MAX];
    static uint32_t time_s[RATINGS_MAX];
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix;
    int32_t users = 1 + below(USERS_MAX), items = 1 + below(ITEMS_MAX);
    uint32_t spread = mq_rng_below(&rng, 2) ? 5 : 1000000; /* many of one time, or few */
    struct mq_rating_list list = {.count = below(RATINGS_MAX),
                                  .user = user,
                                  .item = item,
                                  .rating = rating,
                                  .time_s = time_s};
    for (int64_t i = 0; i < list.count; i++) {
        user[i] = below(users);
        item[i] = below(items);
        rating[i] = (float)(1 + below(5));
        time_s[i] = mq_rng_below(&rng, spread);
    }
    check_ok(mq_rating_matrix_build(&list, users, items, NULL, NULL, &matrix, &err));
    return matrix;
}

/* Every rating has one mark; training is never newer than what is held out, user by user or over
 * all. */
static void
check_marks(const struct mq_rating_matrix *m, const uint8_t *marks, bool by_age, bool by_user)
{
    int64_t newest_trained = -1, oldest_held = INT64_MAX;
    for (int32_t u = 0; u < m->user_count; u++) {
        int64_t trained = 0;
        if (by_user) {
            newest_trained = -1;
            oldest_held = INT64_MAX;
        }
        for (int64_t i = m->user_offset[u]; i < m->user_offset[u + 1]; i++) {
            bool train = marks[i] == MQ_SPLIT_TRAIN;
            assert_true(train || marks[i] == MQ_SPLIT_VALIDATION || marks[i] == MQ_SPLIT_TEST);
            trained += train;
            if (train)
                newest_trained = MQ_MAX(newest_trained, (int64_t)m->user_time[i]);
            else
                oldest_held = MQ_MIN(oldest_held, (int64_t)m->user_time[i]);
        }
        if (by_user && m->user_offset[u + 1] > m->user_offset[u])
            assert_true(trained > 0);
        if (by_user && by_age)
            assert_true(newest_trained <= oldest_held);
    }
    if (by_age)
        assert_true(by_user || newest_trained <= oldest_held);
}

static void
splits_cut_as_they_say(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static uint8_t marks[RATINGS_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        struct mq_rating_matrix *m = random_matrix(), *part[2];
        const struct mq_split_shares shares = {0.4 * mq_rng_uniform(&rng),
                                               0.5 * mq_rng_uniform(&rng)};
        uint64_t seed = mq_rng_next(&rng);
        check_ok(mq_split_leave_newest(m, round % 2 == 0, marks, &err));
        check_marks(m, marks, true, true);
        check_ok(mq_split_newest_per_user(m, &shares, marks, &err));
        check_marks(m, marks, true, true);
        check_ok(mq_split_random_per_user(m, &shares, seed, marks, &err));
        check_marks(m, marks, false, true);
        check_ok(mq_split_random(m, &shares, seed, marks, &err));
        check_marks(m, marks, false, false);
        int64_t test_from, validation_from;
        check_ok(mq_split_time_of_share(m, shares.test, &test_from, &err));
        check_ok(
            mq_split_time_of_share(m, shares.test + shares.validation, &validation_from, &err));
        check_ok(mq_split_at_times(m, validation_from, test_from, marks, &err));
        check_marks(m, marks, true, false);
        struct mq_split_counts counts;
        mq_split_count(m, marks, &counts);
        assert_true((double)counts.test <= shares.test * (double)m->count);
        assert_int_equal(counts.train + counts.validation + counts.test, m->count);
        check_ok(mq_split_part(m, marks, MQ_SPLIT_TRAIN, &part[0], &err));
        check_ok(mq_split_part(m, marks, MQ_SPLIT_VALIDATION | MQ_SPLIT_TEST, &part[1], &err));
        assert_int_equal(part[0]->count + part[1]->count, m->count);
        mq_rating_matrix_free(part[0]);
        mq_rating_matrix_free(part[1]);
        mq_rating_matrix_free(m);
    }
}

static void
sampled_candidates_may_be_offered(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static uint8_t marks[RATINGS_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        struct mq_rating_matrix *m = random_matrix();
        struct mq_ranking_cases cases = {0};
        const struct mq_split_shares shares = {0, 0.3};
        const struct mq_ranking_cases_options options = {
            .relevant_at_least = (float)below(5), .cases_max = below(40), .seed = (uint64_t)round};
        int32_t negatives = 1 + below(2 * ITEMS_MAX);
        check_ok(mq_split_random_per_user(m, &shares, (uint64_t)round, marks, &err));
        check_ok(mq_ranking_cases_from_split(m, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        check_ok(mq_ranking_cases_sample(&cases, m, negatives, (uint64_t)round, &err));
        for (int64_t c = 0; c < cases.count; c++) {
            int32_t u = cases.user[c];
            int64_t begin = cases.candidate_offset[c], end = cases.candidate_offset[c + 1];
            int64_t relevant = cases.relevant_offset[c + 1] - cases.relevant_offset[c];
            int64_t unrated = m->item_count - (m->user_offset[u + 1] - m->user_offset[u]);
            int met[ITEMS_MAX] = {0};
            assert_true(relevant > 0);
            assert_int_equal(end - begin, relevant + MQ_MIN(unrated, negatives));
            for (int64_t i = cases.relevant_offset[c]; i < cases.relevant_offset[c + 1]; i++)
                met[cases.relevant[i]] = -1;
            for (int64_t i = begin; i < end; i++) {
                int32_t item = cases.candidate[i];
                if (met[item] == -1)
                    relevant--;
                else
                    assert_int_equal(mq_rating_matrix_find(m, u, item), -1);
                assert_int_not_equal(met[item], 2);
                met[item] = 2;
            }
            assert_int_equal(relevant, 0);
        }
        mq_ranking_cases_release(&cases);
        mq_rating_matrix_free(m);
    }
}

/* ---- the engine beside a plain sort ------------------------------------------------------- */

static float scores[USERS_MAX][ITEMS_MAX];

static enum mq_status
give_scores(void *context, int worker, int64_t index, int32_t user, const int32_t *items,
            int32_t count, float *ret_scores, struct mq_error *err)
{
    (void)context;
    (void)worker;
    (void)index;
    (void)err;
    for (int32_t i = 0; i < count; i++)
        ret_scores[i] = scores[user][items != NULL ? items[i] : i];
    return MQ_OK;
}

static const struct mq_ranking_system scorer = {.name = "scorer", .score = give_scores};

/* A list by repeated search for the best. */
static enum mq_status
sort_plainly(void *context, int worker, int64_t index, int32_t user, int32_t k, int32_t *ret_items,
             int32_t *ret_count, struct mq_error *err)
{
    (void)worker;
    (void)index;
    (void)err;
    const struct mq_ranking_task *task = context;
    bool used[ITEMS_MAX] = {false};
    int32_t count = 0;
    for (;;) {
        int32_t best = -1;
        for (int32_t i = 0; i < task->item_count; i++)
            if (!used[i] && task->offered[i] != 0 && !isnan(scores[user][i]) &&
                mq_rating_matrix_find(task->history, user, i) < 0 &&
                (best < 0 || scores[user][i] > scores[user][best]))
                best = i;
        if (best < 0 || count == k)
            break;
        used[best] = true;
        ret_items[count++] = best;
    }
    *ret_count = count;
    return MQ_OK;
}

static const struct mq_ranking_system sorter = {.name = "sorter", .rank = sort_plainly};

static void
check_same(const struct mq_ranking_result *a, const struct mq_ranking_result *b)
{
    size_t room = (size_t)a->count * (size_t)a->cut_count;
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++) {
        assert_int_equal(a->figure[f] == NULL, b->figure[f] == NULL);
        for (size_t i = 0; a->figure[f] != NULL && i < room; i++)
            assert_true(a->figure[f][i] == b->figure[f][i] ||
                        (isnan(a->figure[f][i]) && isnan(b->figure[f][i])));
    }
    assert_memory_equal(a->coverage, b->coverage, sizeof(a->coverage));
}

static void
check_bounds(const struct mq_ranking_result *r)
{
    static const enum mq_list_figure grow[] = {MQ_FIGURE_HIT_RATE, MQ_FIGURE_RECALL, MQ_FIGURE_MRR,
                                               MQ_FIGURE_LENGTH};
    for (int c = 0; c < r->cut_count; c++) {
        for (int f = MQ_FIGURE_HIT_RATE; f <= MQ_FIGURE_MRR; f++)
            for (int64_t i = 0; i < r->count; i++) {
                double value = r->figure[f][c * r->count + i];
                assert_true(value >= 0 && value <= 1 + 1e-12);
            }
        for (int64_t i = 0; i < r->count; i++) {
            double diversity = r->figure[MQ_FIGURE_DIVERSITY][c * r->count + i];
            double off = r->figure[MQ_FIGURE_MISCALIBRATION][c * r->count + i];
            assert_true(isnan(diversity) || (diversity >= -1e-12 && diversity <= 1));
            assert_true(isnan(off) || (off >= 0 && off <= log(100) + 1e-9));
        }
        assert_true(r->coverage[c] >= 0 && r->coverage[c] <= 1);
        for (size_t g = 0; c > 0 && g < sizeof(grow) / sizeof(grow[0]); g++)
            for (int64_t i = 0; i < r->count; i++)
                assert_true(r->figure[grow[g]][c * r->count + i] >=
                            r->figure[grow[g]][(c - 1) * r->count + i]);
    }
}

static void
engine_lists_what_a_sort_lists(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static uint8_t marks[RATINGS_MAX], offered[ITEMS_MAX];
    static int64_t plays[ITEMS_MAX], genre_offset[ITEMS_MAX + 1];
    static int32_t genre[3 * ITEMS_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        struct mq_rating_matrix *m = random_matrix(), *train;
        struct mq_ranking_cases cases = {0};
        struct mq_ranking_result one = {0}, many = {0}, plain = {0};
        const struct mq_split_shares shares = {0, 0.3};
        const struct mq_ranking_cases_options options = {0};
        int32_t cuts[3];
        cuts[0] = 1 + below(3);
        cuts[1] = cuts[0] + 1 + below(10);
        cuts[2] = cuts[1] + 1 + below(60);
        check_ok(mq_split_random_per_user(m, &shares, (uint64_t)round, marks, &err));
        check_ok(mq_split_part(m, marks, MQ_SPLIT_TRAIN, &train, &err));
        check_ok(mq_ranking_cases_from_split(m, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        for (int32_t i = 0; i < m->item_count; i++) {
            offered[i] = mq_rng_below(&rng, 8) > 0;
            plays[i] = train->item_offset[i + 1] - train->item_offset[i];
            genre_offset[i + 1] = genre_offset[i];
            for (int32_t g = below(3);
                 g < 6 && mq_rng_below(&rng, 4) > 0 && genre_offset[i + 1] < genre_offset[i] + 3;
                 g += 1 + below(3))
                genre[genre_offset[i + 1]++] = g;
            for (int32_t u = 0; u < m->user_count; u++)
                scores[u][i] = mq_rng_below(&rng, 20) == 0 ? NAN : (float)below(12);
        }
        const struct mq_item_genres genres = {m->item_count, 6, genre_offset, genre};
        struct mq_ranking_task task = {.cases = &cases,
                                       .item_count = m->item_count,
                                       .cut_count = 3,
                                       .cuts = cuts,
                                       .history = train,
                                       .offered = offered,
                                       .plays = plays,
                                       .head = below(10),
                                       .genres = &genres};
        struct mq_ranking_system by_hand = sorter;
        by_hand.context = &task;
        check_ok(mq_ranking_evaluate(&task, &scorer, NULL, NULL, &one, &err));
        check_ok(mq_ranking_evaluate(&task, &scorer, pool, NULL, &many, &err));
        check_ok(mq_ranking_evaluate(&task, &by_hand, pool, NULL, &plain, &err));
        check_same(&one, &many);
        check_same(&one, &plain);
        check_bounds(&one);
        mq_ranking_result_release(&one);
        mq_ranking_result_release(&many);
        mq_ranking_result_release(&plain);
        mq_ranking_cases_release(&cases);
        mq_rating_matrix_free(train);
        mq_rating_matrix_free(m);
    }
}

/* A system that knows what is right is perfect, with sampled candidates and without. */
static void
oracle_is_perfect(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static uint8_t marks[RATINGS_MAX];
    const int32_t cuts[] = {ITEMS_MAX};
    for (int round = 0; round < ROUNDS; round++) {
        struct mq_rating_matrix *m = random_matrix(), *train;
        struct mq_ranking_cases cases = {0};
        struct mq_ranking_result r = {0};
        const struct mq_split_shares shares = {0, 0.3};
        const struct mq_ranking_cases_options options = {0};
        check_ok(mq_split_random_per_user(m, &shares, (uint64_t)round, marks, &err));
        check_ok(mq_split_part(m, marks, MQ_SPLIT_TRAIN, &train, &err));
        check_ok(mq_ranking_cases_from_split(m, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        for (int32_t u = 0; u < m->user_count; u++)
            for (int32_t i = 0; i < m->item_count; i++)
                scores[u][i] = (float)mq_rng_uniform(&rng);
        for (int64_t c = 0; c < cases.count; c++)
            for (int64_t i = cases.relevant_offset[c]; i < cases.relevant_offset[c + 1]; i++)
                scores[cases.user[c]][cases.relevant[i]] = 2;
        struct mq_ranking_task task = {.cases = &cases,
                                       .item_count = m->item_count,
                                       .cut_count = 1,
                                       .cuts = cuts,
                                       .history = train};
        for (int sampled = 0; sampled < 2; sampled++) {
            if (sampled == 1)
                check_ok(mq_ranking_cases_sample(&cases, m, 20, (uint64_t)round, &err));
            check_ok(mq_ranking_evaluate(&task, &scorer, pool, NULL, &r, &err));
            static const enum mq_list_figure perfect[] = {
                MQ_FIGURE_HIT_RATE, MQ_FIGURE_RECALL, MQ_FIGURE_NDCG, MQ_FIGURE_MAP, MQ_FIGURE_MRR};
            for (size_t f = 0; f < sizeof(perfect) / sizeof(perfect[0]); f++)
                assert_true(cases.count == 0 ||
                            fabs(mq_ranking_figure(&r, perfect[f], 0) - 1) < 1e-12);
            mq_ranking_result_release(&r);
        }
        mq_ranking_cases_release(&cases);
        mq_rating_matrix_free(train);
        mq_rating_matrix_free(m);
    }
}

static int
set_up(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const char *seed_text = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    mq_rng_init(&rng, seed, 0);
    return mq_pool_new(3, &pool, &err) == MQ_OK ? 0 : -1;
}

static int
tear_down(void **state)
{
    (void)state;
    mq_pool_free(pool);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_cut_as_they_say),
        cmocka_unit_test(sampled_candidates_may_be_offered),
        cmocka_unit_test(engine_lists_what_a_sort_lists),
        cmocka_unit_test(oracle_is_perfect),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
