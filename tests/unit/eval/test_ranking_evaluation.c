#include "check.h"

#include <math.h>

#include "eval/ranking_evaluation.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

enum { USERS = 3, ITEMS = 6 };

/* history: user 0 items 0 1, user 1 item 2, user 2 none; to be found: 2 4, 0, 5 */
static const int32_t past_user[] = {0, 0, 1};
static const int32_t past_item[] = {0, 1, 2};
static int32_t case_user[] = {0, 1, 2};
static int64_t relevant_offset[] = {0, 2, 3, 4};
static int32_t relevant[] = {2, 4, 0, 5};
static const int32_t cuts[] = {1, 3};
static const int64_t plays[] = {7, 3, 1, 1, 0, 0}; /* of 12, and 6 items */

/* genres {0} {0} {1} {0 1} {1} {} */
static const int64_t genre_offset[] = {0, 1, 2, 3, 5, 6, 6};
static const int32_t genre[] = {0, 0, 1, 0, 1, 1};
static const struct mq_item_genres genres = {
    .item_count = ITEMS, .genre_count = 2, .offset = genre_offset, .genre = genre};

static const float scores[USERS][ITEMS] = {
    {9, 8, 3, 7, 2, 1}, /* 0 and 1 are history: 3 2 4 5 */
    {4, 5, 9, 3, 3, 2}, /* 1 0 3 4: of equals the lower */
    {1, NAN, 6, 5, 4, 0},
};

struct world {
    struct mq_rating_matrix *history;
    struct mq_ranking_cases cases;
    struct mq_ranking_task task;
};

static void
make_world(struct world *world)
{
    struct mq_error err = {0};
    const struct mq_rating_list list = {.count = 3, .user = past_user, .item = past_item};
    *world = (struct world){
        .cases = {.count = USERS,
                  .user = case_user,
                  .relevant_offset = relevant_offset,
                  .relevant = relevant},
        .task = {.item_count = ITEMS,
                 .cut_count = 2,
                 .cuts = cuts,
                 .plays = plays,
                 .head = 2,
                 .genres = &genres},
    };
    check_ok(mq_rating_matrix_build(&list, USERS, ITEMS, NULL, NULL, &world->history, &err));
    world->task.cases = &world->cases;
    world->task.history = world->history;
}

static enum mq_status
score(void *context, int worker, int64_t index, int32_t user, const int32_t *items, int32_t count,
      float *ret_scores, struct mq_error *err)
{
    (void)worker;
    (void)index;
    if (context != NULL)
        return mq_fail(err, MQ_E_INTERNAL, "user %d cannot be scored", user);
    for (int32_t i = 0; i < count; i++)
        ret_scores[i] = scores[user][items != NULL ? items[i] : i];
    return MQ_OK;
}

static const struct mq_ranking_system scorer = {.name = "scorer", .score = score};

static void
figures_by_hand(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_ranking_result r = {0};
    make_world(&world);
    check_ok(mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    /* at 3: user 0 3 [2] [4], user 1 1 [0] 3, user 2 2 3 4 */
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 0), 0);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 1), 2.0 / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_RECALL, 1), 2.0 / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_PRECISION, 1), (2.0 / 3 + 1.0 / 3) / 3);
    double third = 1 / log2(3), half = 0.5;
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_NDCG, 1), ((third + half) / (1 + third) + third) / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_MRR, 1), (0.5 + 0.5) / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_MAP, 1), ((0.5 + 2.0 / 3) / 2 + 0.5) / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_LENGTH, 0), 1);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_LENGTH, 1), 3);
    /* shown at 3: 0 1, 1 1, 2 2, 3 3, 4 2; plays + 1 of 18: 8 4 2 2 1 1 */
    NEAR(r.coverage[0], 3.0 / 6);
    NEAR(r.coverage[1], 5.0 / 6);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_NOVELTY, 1),
         (log2(18.0 / 8) + log2(18.0 / 4) + 5 * log2(9) + 2 * log2(18)) / 9);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_POPULAR_SHARE, 1), 2.0 / 9);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_POPULAR_SHARE, 0), 1.0 / 3);
    /* pairs: 3-2 1/√2, 3-4 1/√2, 2-4 1; 1-0 1, 1-3 1/√2, 0-3 1/√2; 2-3, 2-4, 3-4 as the first */
    assert_true(isnan(mq_ranking_figure(&r, MQ_FIGURE_DIVERSITY, 0)));
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_DIVERSITY, 1), 2 * (1 - 1 / sqrt(2)) / 3);
    /* user 0: history {1 0}, list 3 2 4 {1/6 5/6}; user 1: {0 1}, 1 0 3 {5/6 1/6}; user 2 has none
     */
    double few = 0.99 / 6 + 0.01;
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_MISCALIBRATION, 1), -log(few));
    assert_true(isnan(r.figure[MQ_FIGURE_MISCALIBRATION][USERS + 2]));
    mq_ranking_result_release(&r);
    mq_rating_matrix_free(world.history);
}

static void
barred_items_are_not_shown(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_ranking_result r = {0};
    const uint8_t offered[] = {1, 1, 0, 1, 1, 1};
    make_world(&world);
    world.task.offered = offered;
    world.task.history = NULL;
    check_ok(mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    /* 0 1 3; 1 0 3; 3 4 0: nothing was played before */
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 1), 1.0 / 3);
    NEAR(r.coverage[1], 4.0 / 5);
    assert_null(r.figure[MQ_FIGURE_MISCALIBRATION]);
    assert_true(isnan(mq_ranking_figure(&r, MQ_FIGURE_MISCALIBRATION, 1)));
    mq_ranking_result_release(&r);
    mq_rating_matrix_free(world.history);
}

static void
candidates_are_ranked_alone(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_ranking_result r = {0};
    int64_t offset[] = {0, 3, 5, 8};
    int32_t candidate[] = {5, 2, 4, 0, 3, 1, 0, 5};
    make_world(&world);
    world.cases.candidate_offset = offset;
    world.cases.candidate = candidate;
    world.task.plays = NULL;
    world.task.figures = 1u << MQ_FIGURE_HIT_RATE | 1u << MQ_FIGURE_MRR | 1u << MQ_FIGURE_NOVELTY |
                         1u << MQ_FIGURE_LENGTH;
    check_ok(mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    /* [2] [4] 5; [0] 3; 0 [5], for the score of 1 is no number */
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 0), 2.0 / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_MRR, 1), 2.5 / 3);
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_LENGTH, 1), 7.0 / 3);
    assert_null(r.figure[MQ_FIGURE_NDCG]);    /* not asked for */
    assert_null(r.figure[MQ_FIGURE_NOVELTY]); /* asked for, but plays are not known */
    mq_ranking_result_release(&r);
    /* a system that scores all alike gains nothing: the order is that of the candidates */
    const struct mq_ranking_system ranker = {.name = "ranker", .rank = NULL};
    check_fails(MQ_E_USAGE, mq_ranking_evaluate(&world.task, &ranker, NULL, NULL, &r, &err));
    check_contains(err.message, "ranker cannot score given candidates");
    mq_rating_matrix_free(world.history);
}

struct script {
    const int32_t *items;
    int32_t count;
};

static enum mq_status
rank(void *context, int worker, int64_t index, int32_t user, int32_t k, int32_t *ret_items,
     int32_t *ret_count, struct mq_error *err)
{
    (void)worker;
    (void)index;
    (void)user;
    (void)err;
    const struct script *script = context;
    assert_int_equal(k, 3);
    for (int32_t i = 0; i < script->count && i < k; i++)
        ret_items[i] = script->items[i];
    *ret_count = script->count;
    return MQ_OK;
}

static void
lists_of_a_system_are_checked(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_ranking_result r = {0};
    make_world(&world);
    const struct {
        struct script script;
        const char *message;
    } cases[] = {
        {{(const int32_t[]){1, 6}, 2}, "bad: case 0: item 6 (0 to 5)"},
        {{(const int32_t[]){-1}, 1}, "item -1 (0 to 5)"},
        {{(const int32_t[]){3, 1, 3}, 3}, "item 3 is listed twice"},
        {{(const int32_t[]){0, 1, 2, 3}, 4}, "a list of 4 entries (0 to 3)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mq_ranking_system bad = {
            .name = "bad", .rank = rank, .context = (void *)(uintptr_t)&cases[i].script};
        check_fails(MQ_E_RANGE, mq_ranking_evaluate(&world.task, &bad, NULL, NULL, &r, &err));
        check_contains(err.message, cases[i].message);
    }
    /* no list at all is not wrong, just of no use; what a list of its own holds is left as it is */
    struct script empty = {NULL, 0}, same = {(const int32_t[]){0, 2}, 2};
    const struct mq_ranking_system idle = {.name = "idle", .rank = rank, .context = &empty};
    check_ok(mq_ranking_evaluate(&world.task, &idle, NULL, NULL, &r, &err));
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_NDCG, 1), 0);
    NEAR(r.coverage[1], 0);
    assert_true(isnan(mq_ranking_figure(&r, MQ_FIGURE_NOVELTY, 1)));
    mq_ranking_result_release(&r);
    const struct mq_ranking_system equal = {.name = "equal", .rank = rank, .context = &same};
    check_ok(mq_ranking_evaluate(&world.task, &equal, NULL, NULL, &r, &err));
    NEAR(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 1), 2.0 / 3);
    mq_ranking_result_release(&r);
    mq_rating_matrix_free(world.history);
}

static void
bad_tasks_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_ranking_result r = {0};
    make_world(&world);
    const int32_t bad_cuts[][2] = {{0, 3}, {3, 3}, {1, MQ_EVAL_CUT_MAX + 1}};
    for (int i = 0; i < 3; i++) {
        world.task.cuts = bad_cuts[i];
        check_fails(MQ_E_RANGE, mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    }
    world.task.cuts = cuts;
    world.task.cut_count = 0;
    check_fails(MQ_E_RANGE, mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    world.task.cut_count = 2;
    const struct mq_ranking_system neither = {.name = "neither"};
    check_fails(MQ_E_USAGE, mq_ranking_evaluate(&world.task, &neither, NULL, NULL, &r, &err));
    const struct mq_ranking_system failing = {.name = "failing", .score = score, .context = &world};
    check_fails(MQ_E_INTERNAL, mq_ranking_evaluate(&world.task, &failing, NULL, NULL, &r, &err));
    check_contains(err.message, "user 0 cannot be scored");
    struct mq_item_genres broken = genres;
    broken.genre_count = 1;
    world.task.genres = &broken;
    check_fails(MQ_E_RANGE, mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    world.task.genres = NULL;
    world.cases.count = 0;
    check_ok(mq_ranking_evaluate(&world.task, &scorer, NULL, NULL, &r, &err));
    assert_true(isnan(mq_ranking_figure(&r, MQ_FIGURE_HIT_RATE, 0)));
    mq_ranking_result_release(&r);
    mq_rating_matrix_free(world.history);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(barred_items_are_not_shown),
        cmocka_unit_test(candidates_are_ranked_alone),
        cmocka_unit_test(lists_of_a_system_are_checked),
        cmocka_unit_test(bad_tasks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
