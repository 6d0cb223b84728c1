#include "../rec/snapshot_fixture.h"

#include <math.h>

#include "eval/held_out_evaluation.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

/*
 * Row 5 left the catalogue. Held out: u0 row 2, u1 row 2, u3 row 3, u4 row 5; u2 has one play.
 * Plays of the rest: row 0 three, row 1 two, row 3 one; by plays 0 1 3 2 4 (5).
 */
static const struct fixture_item fixture[] = {
    {.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "d"}, {.id = "e"}, {.id = "f", .absent = true}};
static int64_t offset[] = {0, 3, 5, 6, 8, 10};
static int32_t item[] = {0, 1, 2, 0, 2, 3, 0, 3, 1, 5};
static uint32_t time_s[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

struct world {
    struct mq_snapshot *snapshot;
    struct mq_actions actions;
    struct mq_split split;
};

static void
make_world(struct world *world)
{
    struct mq_error err = {0};
    *world = (struct world){
        .actions = {
            .user_count = 5, .count = 10, .offset = offset, .item = item, .time_s = time_s}};
    world->snapshot = fixture_snapshot(fixture_catalogue(fixture, 6), NULL, NULL, NULL);
    for (int u = 0; u < 5; u++) {
        const char id[] = {'u', (char)('0' + u), '\0'};
        int32_t code;
        check_ok(mq_strmap_add_text(&world->actions.users, id, &code, &err));
    }
    check_ok(mq_split_newest(&world->actions, 6, 0, 1, &world->split, &err));
    assert_int_equal(world->split.count, 4);
}

static void
release_world(struct world *world)
{
    mq_split_release(&world->split);
    mq_strmap_release(&world->actions.users);
    mq_snapshot_free(world->snapshot);
}

static void
popularity_by_hand(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_held_out_report report;
    make_world(&world);
    check_ok(mq_held_out_evaluate(world.snapshot, &world.actions, &world.split, NULL, NULL, &report,
                                  &err));
    /* u0: 3 [2] 4   u1: 1 3 [2] 4   u3: 1 [3] 2 4   u4: 0 3 2 4, its own may not be offered */
    const struct mq_list_quality *q = &report.popularity;
    assert_int_equal(report.users, 4);
    assert_int_equal(report.barred, 1);
    NEAR(q->hit_10, 0.75);
    NEAR(q->hit_50, 0.75);
    NEAR(q->ndcg_10, (2 / log2(3) + 0.5) / 4);
    NEAR(q->mrr_50, (0.5 + 1.0 / 3 + 0.5) / 4);
    NEAR(q->coverage_10, 1);
    NEAR(q->mean_count_50, 15.0 / 4);
    NEAR(q->popular_10, 1.0 / 15);
    /* plays + 1: 4 3 1 2 1 1 of 12; shown: 1 2 4 4 4 0 */
    NEAR(q->novelty_10, (log2(3) + 2 * log2(4) + 4 * log2(12) + 4 * log2(6) + 4 * log2(12)) / 15);
    release_world(&world);
}

static void
path_offers_all_but_the_history(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_held_out_report report;
    make_world(&world);
    check_ok(mq_held_out_evaluate(world.snapshot, &world.actions, &world.split, NULL, NULL, &report,
                                  &err));
    /* Heat takes all that is left of five films: the held-out ones are among them again. */
    NEAR(report.path.hit_50, 0.75);
    NEAR(report.path.mean_count_50, 15.0 / 4);
    NEAR(report.candidate_hit_rate, 0.75);
    int64_t entries = 0;
    for (int c = 0; c <= MQ_CHANNEL_COUNT; c++)
        entries += report.channel[c].entries_50;
    assert_int_equal(entries, 15);
    assert_int_equal(report.channel[MQ_CHANNEL_HEAT].hits_50, 3);
    assert_int_equal(report.channel[MQ_CHANNEL_HEAT].hits_10, 3);
    assert_int_equal(report.channel[MQ_CHANNEL_HEAT].candidate_hits, 3);
    release_world(&world);
}

static void
threads_change_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_pool *pool;
    struct mq_held_out_report one, three;
    memset(&one, 0, sizeof(one));
    memset(&three, 0, sizeof(three));
    make_world(&world);
    check_ok(mq_pool_new(3, &pool, &err));
    check_ok(
        mq_held_out_evaluate(world.snapshot, &world.actions, &world.split, NULL, NULL, &one, &err));
    check_ok(mq_held_out_evaluate(world.snapshot, &world.actions, &world.split, pool, NULL, &three,
                                  &err));
    assert_memory_equal(&one, &three, sizeof(one));
    mq_pool_free(pool);
    release_world(&world);
}

static void
nobody_is_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world world;
    struct mq_held_out_report report;
    struct mq_split none = {0};
    make_world(&world);
    check_fails(MQ_E_INPUT, mq_held_out_evaluate(world.snapshot, &world.actions, &none, NULL, NULL,
                                                 &report, &err));
    check_contains(err.message, "no user has played two programmes");
    release_world(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_by_hand),
        cmocka_unit_test(path_offers_all_but_the_history),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(nobody_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
