#include "snapshot_fixture.h"

#include <stdio.h>

#define DAY 86400

static const struct fixture_item films[] = {
    {.id = "1", .property = {"drama", "", "", "", "pg", ""}},
    {.id = "2", .property = {"drama", "", "", "", "r", ""}},
    {.id = "3", .property = {"drama", "", "", "", "", ""}, .available_from = FIXTURE_NOW + 1},
    {.id = "4", .property = {"drama", "", "", "", "pg", ""}, .available_until = FIXTURE_NOW},
    {.id = "5", .property = {"drama", "", "", "", "pg", ""}, .territories = "CN | us"},
    {.id = "6", .property = {"western", "", "", "", "pg", ""}},
    {.id = "7", .property = {"horror", "", "", "", "g", ""}},
    {.id = "8", .property = {"horror", "", "", "", "g", ""}, .absent = true},
    {.id = "9",
     .property = {"comedy", "", "", "", "g", ""},
     .available_from = FIXTURE_NOW,
     .available_until = FIXTURE_NOW + 1},
};
#define FILMS (int32_t)(sizeof(films) / sizeof(films[0]))

static struct mq_list_entry entries[200];
static struct mq_filter_counts counts;

/* Filter candidates, one a row, in recall order with falling recall scores; probabilities given. */
static int32_t
run(const struct mq_snapshot *snapshot, const char *id, const int32_t *rows, const double *prob,
    int32_t n, const int32_t *plays, int64_t play_count)
{
    struct mq_error err = {0};
    struct mq_recall_scratch *played;
    struct mq_filter_scratch *scratch;
    struct mq_ranked_candidate candidates[100];
    int32_t count;
    for (int32_t i = 0; i < n; i++)
        candidates[i] = (struct mq_ranked_candidate){.item = rows[i],
                                                     .channel = MQ_CHANNEL_DIRECTOR,
                                                     .recall_position = i,
                                                     .rank_position = n - i,
                                                     .recall_score = 10 - i,
                                                     .prob = prob[i]};
    struct mq_user_state user = {.id = id, .code = -1, .play_count = play_count, .items = plays};
    counts = (struct mq_filter_counts){0};
    check_ok(mq_recall_scratch_new(snapshot, &played, &err));
    check_ok(mq_filter_scratch_new(snapshot, &scratch, &err));
    mq_recall_mark(played, &user);
    check_ok(mq_filter(snapshot, MQ_PROGRAM_MOVIE, &user, candidates, n, played, scratch, entries,
                       &count, &counts, &err));
    mq_recall_scratch_free(played);
    mq_filter_scratch_free(scratch);
    return count;
}

static struct mq_snapshot *
make(const char *const *settings)
{
    return fixture_snapshot(fixture_catalogue(films, FILMS), NULL, NULL, settings);
}

/* The stored order is that of the filter score; of equals, recall's. */
static void
test_descending_order(void **state)
{
    struct mq_snapshot *snapshot = make(NULL);
    const int32_t rows[] = {0, 1, 5, 6};
    const double prob[] = {0.10, 0.90, 0.125, 0.90};
    int32_t count = run(snapshot, "u", rows, prob, 4, NULL, 0);
    assert_true(count >= 4);
    assert_int_equal(entries[0].item, 1); /* 9/40 + .9 = 1.125: 1 */
    assert_int_equal(entries[1].item, 6); /* 1 too, but later in recall */
    assert_int_equal(entries[2].item, 0); /* 10/40 + .1 = .35 */
    assert_int_equal(entries[3].item, 5); /* 8/40 + .12 = .32: .125 is .12 in two places */
    assert_true(entries[0].score == 1.0 && entries[2].score == 0.35 && entries[3].score == 0.32);
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(entries[i].position, i);
    char trace[MQ_TRACE_MAX];
    mq_trace_format(snapshot, &entries[3], "batch", trace);
    assert_string_equal(trace, "batch_director_2|8.00|batch_deepfm_2|0.12|batch_recommend_3|0.32");
    mq_snapshot_free(snapshot);
}

static void
test_rules(void **state)
{
    static const char *const settings[] = {"filter.territory", "US", "filter.levels_blocked",
                                           "X| R ", NULL};
    struct mq_snapshot *snapshot = make(settings);
    const int32_t rows[] = {0, 1, 2, 3, 4, 5, 7, 8};
    const double prob[] = {.5, .5, .5, .5, .5, .5, .5, .5};
    const int32_t plays[] = {5};
    run(snapshot, "u", rows, prob, 8, plays, 1);
    assert_int_equal(counts.barred[MQ_BAR_LEVEL], 1);
    assert_int_equal(counts.barred[MQ_BAR_NOT_YET], 1);
    assert_int_equal(counts.barred[MQ_BAR_EXPIRED], 1);
    assert_int_equal(counts.barred[MQ_BAR_TERRITORY], 0); /* "CN | us" names it */
    assert_int_equal(counts.barred[MQ_BAR_ABSENT], 1);
    assert_int_equal(counts.barred[MQ_BAR_SEEN], 1);
    mq_snapshot_free(snapshot);
    static const char *const elsewhere[] = {
        "filter.territory", "FR", "filter.levels_allowed", "g", "filter.seen", "false", NULL};
    snapshot = make(elsewhere);
    run(snapshot, "u", rows, prob, 8, plays, 1);
    assert_int_equal(counts.barred[MQ_BAR_TERRITORY], 1);
    assert_int_equal(counts.barred[MQ_BAR_LEVEL], 3); /* pg, r, pg */
    assert_int_equal(counts.barred[MQ_BAR_SEEN], 0);
    mq_snapshot_free(snapshot);
}

/* Picks come from categories that the list lacks, are new to it, and stand last. */
static void
test_diversity(void **state)
{
    struct mq_snapshot *snapshot = make(NULL);
    const int32_t rows[] = {0};
    const double prob[] = {.5};
    int32_t count = run(snapshot, "u", rows, prob, 1, NULL, 0);
    /* western 6, horror 7, comedy 9 are lacking; drama is the scarcest present: 2 and 5 are left.
     */
    assert_int_equal(count, 1 + 5);
    bool listed[FILMS] = {false};
    for (int32_t i = 0; i < count; i++) {
        assert_false(listed[entries[i].item]);
        listed[entries[i].item] = true;
        assert_int_equal(entries[i].kind, i == 0 ? MQ_ENTRY_RECOMMEND : MQ_ENTRY_DIVERSITY);
        assert_true(i == 0 || entries[i].score == 0);
    }
    char trace[MQ_TRACE_MAX];
    mq_trace_format(snapshot, &entries[1], "batch", trace);
    assert_string_equal(trace, "batch_diversity_2|western");
    mq_snapshot_free(snapshot);
}

/* The choice depends on seed and user alone. */
static void
test_diversity_is_seeded(void **state)
{
    static const char *const other[] = {"run.seed", "99", NULL};
    static char ids[400][8];
    static struct fixture_item many[400];
    for (int i = 0; i < 400; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%d", i + 1);
        many[i] = (struct fixture_item){.id = ids[i], .property = {i == 0 ? "drama" : "horror"}};
    }
    struct mq_snapshot *snapshot = fixture_snapshot(fixture_catalogue(many, 400), NULL, NULL, NULL);
    struct mq_snapshot *seeded = fixture_snapshot(fixture_catalogue(many, 400), NULL, NULL, other);
    const int32_t rows[] = {0};
    const double prob[] = {.5};
    int32_t first[3][6];
    const struct mq_snapshot *const with[3] = {snapshot, snapshot, seeded};
    const char *const users[3] = {"ann", "bob", "ann"};
    for (int i = 0; i < 3; i++) {
        for (int again = 0; again < 2; again++) {
            int32_t count = run(with[i], users[i], rows, prob, 1, NULL, 0);
            assert_int_equal(count, 6);
            for (int k = 0; k < 6; k++) {
                if (again)
                    assert_int_equal(first[i][k], entries[k].item);
                first[i][k] = entries[k].item;
            }
        }
    }
    assert_memory_not_equal(first[0], first[1], sizeof(first[0]));
    assert_memory_not_equal(first[0], first[2], sizeof(first[0]));
    mq_snapshot_free(snapshot);
    mq_snapshot_free(seeded);
}

/* No category exists, everything is seen, nothing is offered: it ends, with fewer picks. */
static void
test_diversity_ends(void **state)
{
    struct mq_snapshot *snapshot = make(NULL);
    const int32_t plays[] = {0, 1, 4, 5, 6, 8};
    assert_int_equal(run(snapshot, "u", NULL, NULL, 0, plays, 6), 0);
    assert_int_equal(counts.picks_missing, 5);
    mq_snapshot_free(snapshot);
    static const struct fixture_item bare[] = {{.id = "a"}, {.id = "b"}};
    snapshot = fixture_snapshot(fixture_catalogue(bare, 2), NULL, NULL, NULL);
    const int32_t rows[] = {1};
    const double prob[] = {0};
    assert_int_equal(run(snapshot, "u", rows, prob, 1, NULL, 0), 1);
    mq_snapshot_free(snapshot);
    snapshot = fixture_snapshot(fixture_catalogue(NULL, 0), NULL, NULL, NULL);
    assert_int_equal(run(snapshot, "u", NULL, NULL, 0, NULL, 0), 0);
    mq_snapshot_free(snapshot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descending_order), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_diversity),        cmocka_unit_test(test_diversity_is_seeded),
        cmocka_unit_test(test_diversity_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
