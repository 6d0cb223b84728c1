#include "snapshot_fixture.h"

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "math/kernels.h"

static const struct fixture_item films[] = {
    {.id = "1", .popularity = 90, .property = {"drama|crime", "mann", "pacino", "en", "r", "1995"}},
    {.id = "2", .popularity = 80, .property = {"drama", "mann", "", "en", "", "1996"}},
    {.id = "3", .popularity = 70, .property = {"drama", "", "", "en", "", "1995"}},
    {.id = "4",
     .popularity = 60,
     .absent = true,
     .property = {"western", "leone", "", "it", "", ""}},
    {.id = "5", .popularity = 50, .property = {"western", "leone", "", "it", "", "1966"}},
    {.id = "6",
     .popularity = 40,
     .type = MQ_PROGRAM_TV,
     .property = {"drama", "mann", "", "", "", ""}},
    {.id = "7", .popularity = 30, .is_new = true, .property = {"comedy", "", "", "", "", ""}},
};
#define FILMS (int32_t)(sizeof(films) / sizeof(films[0]))

static struct mq_snapshot *
make(const struct fixture_item *items, int32_t n, const float *vectors)
{
    return fixture_snapshot(fixture_catalogue(items, n), vectors, NULL, NULL);
}

static int32_t
recall(const struct mq_snapshot *snapshot, enum mq_program_type type, const int32_t *items,
       int64_t n, const float *vector, struct mq_candidate *candidates)
{
    struct mq_error err = {0};
    struct mq_recall_scratch *scratch;
    struct mq_portrait portrait = {0};
    int32_t count;
    struct mq_user_state user = fixture_user(snapshot, "u", items, NULL, n, &portrait);
    if (vector != NULL) {
        memcpy(portrait.vector, vector, sizeof(portrait.vector));
        portrait.has_vector = true;
    }
    check_ok(mq_recall_scratch_new(snapshot, &scratch, &err));
    check_ok(mq_recall(snapshot, type, &user, NULL, scratch, candidates, &count, &err));
    mq_recall_scratch_free(scratch);
    mq_portrait_release(&portrait);
    return count;
}

static const struct mq_candidate *
find(const struct mq_candidate *candidates, int32_t count, int32_t item)
{
    for (int32_t i = 0; i < count; i++)
        if (candidates[i].item == item)
            return &candidates[i];
    return NULL;
}

/* Whatever was watched is not offered, not only the play whose list is read. */
static void
test_watched_left_out(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate candidates[100];
    const int32_t plays[] = {0, 2};
    int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 2, NULL, candidates);
    assert_null(find(candidates, count, 0));
    assert_null(find(candidates, count, 2));
    assert_non_null(find(candidates, count, 1));
    assert_null(find(candidates, count, 3)); /* left the catalogue */
    assert_null(find(candidates, count, 5)); /* a series */
    for (int32_t i = 1; i < count; i++)
        assert_true(candidates[i - 1].score >= candidates[i].score);
    mq_snapshot_free(snapshot);
}

/* A film watched three times counts as one: hits and scores are those of a single play. */
static void
test_repeated_clicks(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate once[100], thrice[100];
    const int32_t plays[] = {0, 0, 0};
    int32_t a = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 1, NULL, once);
    int32_t b = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 3, NULL, thrice);
    assert_int_equal(a, b);
    for (int32_t i = 0; i < a; i++) {
        assert_int_equal(once[i].item, thrice[i].item);
        assert_int_equal(once[i].hits, thrice[i].hits);
        assert_true(once[i].score == thrice[i].score);
    }
    mq_snapshot_free(snapshot);
}

/* Film 2 shares category, director and language with film 1: named by these lists, by the three
 * portrait lists, and by the heat: 7 hits; best place 1st of 2, 0.5 + 0.2. */
static void
test_score_by_hand(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate candidates[100];
    const int32_t plays[] = {0};
    int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 1, NULL, candidates);
    const struct mq_candidate *second = find(candidates, count, 1);
    assert_int_equal(second->hits, 7);
    assert_int_equal(second->channel, MQ_CHANNEL_CATEGORY);
    assert_int_equal(second->position, 0);
    assert_true(second->score == 7.7);
    mq_snapshot_free(snapshot);
}

static void
test_no_clicks_gives_heat_and_new(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate candidates[100];
    int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, NULL, 0, NULL, candidates);
    assert_int_equal(count, 5);
    for (int32_t i = 0; i < count; i++)
        assert_true(candidates[i].channel == MQ_CHANNEL_HEAT ||
                    candidates[i].channel == MQ_CHANNEL_NEW);
    assert_int_equal(find(candidates, count, 6)->hits, 2); /* hot and new */
    assert_int_equal(find(candidates, count, 4)->hits, 1);
    mq_snapshot_free(snapshot);
}

/* Clicks on an item that left: it is never offered, what it shares still leads somewhere. */
static void
test_only_removed_items(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate candidates[100];
    const int32_t plays[] = {3, 3};
    int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 2, NULL, candidates);
    assert_null(find(candidates, count, 3));
    assert_int_equal(candidates[0].item, 4);
    assert_int_equal(candidates[0].hits, 7); /* western, leone, it: list and portrait; heat */
    mq_snapshot_free(snapshot);
}

static void
test_all_seen(void **state)
{
    struct mq_snapshot *snapshot = make(films, FILMS, NULL);
    struct mq_candidate candidates[100];
    const int32_t plays[] = {0, 1, 2, 3, 4, 5, 6};
    assert_int_equal(recall(snapshot, MQ_PROGRAM_MOVIE, plays, FILMS, NULL, candidates), 0);
    mq_snapshot_free(snapshot);
}

static void
test_tiny_catalogues(void **state)
{
    struct mq_candidate candidates[100];
    for (int32_t n = 0; n <= 2; n++) {
        struct mq_snapshot *snapshot = make(films, n, NULL);
        const int32_t plays[] = {0};
        int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, n > 0 ? 1 : 0, NULL, candidates);
        assert_int_equal(count, n == 2 ? 1 : 0);
        assert_int_equal(recall(snapshot, MQ_PROGRAM_MOVIE, NULL, 0, NULL, candidates), n);
        mq_snapshot_free(snapshot);
    }
}

/* Fewer vectors than places; NaN, infinite and zero vectors are as if there were none. */
static void
test_vectors(void **state)
{
    float vectors[FILMS * MQ_PORTRAIT_DIM] = {0};
    float user[MQ_PORTRAIT_DIM] = {1};
    vectors[0 * MQ_PORTRAIT_DIM] = 3;
    vectors[1 * MQ_PORTRAIT_DIM] = 2;
    vectors[2 * MQ_PORTRAIT_DIM] = NAN;
    vectors[4 * MQ_PORTRAIT_DIM] = INFINITY;
    struct mq_snapshot *snapshot = make(films, FILMS, vectors);
    struct mq_candidate candidates[100];
    const int32_t plays[] = {6};
    assert_int_equal(snapshot->offer[MQ_PROGRAM_MOVIE].vector_count, 2);
    int32_t count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 1, user, candidates);
    assert_int_equal(find(candidates, count, 0)->hits, 2); /* the vector and the heat */
    for (int32_t i = 0; i < count; i++)
        assert_true(isfinite(candidates[i].score));
    int32_t without = count;
    user[5] = NAN;
    count = recall(snapshot, MQ_PROGRAM_MOVIE, plays, 1, user, candidates);
    assert_int_equal(find(candidates, count, 0)->hits, 1);
    assert_int_equal(count, without);
    mq_snapshot_free(snapshot);
}

/* A user's scores have the same bits whoever shares the block: what a matrix product would round
 * otherwise at its edges would reorder lists from one shard to the next. */
static void
test_scores_do_not_depend_on_the_block(void **state)
{
    enum { ROWS = 1037, USERS = 19 };
    struct mq_rng rng;
    mq_rng_init(&rng, 11, 0);
    float *rows = calloc(ROWS * MQ_PORTRAIT_DIM, sizeof(float));
    float *users = calloc(USERS * MQ_PORTRAIT_DIM, sizeof(float));
    float *together = calloc(USERS * ROWS, sizeof(float)), *alone = calloc(ROWS, sizeof(float));
    for (int i = 0; i < ROWS * MQ_PORTRAIT_DIM; i++)
        rows[i] = (float)mq_rng_normal(&rng);
    for (int i = 0; i < USERS * MQ_PORTRAIT_DIM; i++)
        users[i] = (float)mq_rng_normal(&rng);
    const struct mq_offer offer = {.vector_count = ROWS, .vectors = rows};
    mq_recall_vector_scores(&offer, USERS, users, together);
    for (int u = 0; u < USERS; u++) {
        const float *user = users + u * MQ_PORTRAIT_DIM;
        mq_recall_vector_scores(&offer, 1, user, alone);
        assert_memory_equal(alone, together + u * ROWS, ROWS * sizeof(float));
        mq_kernels()->dot_rows(user, rows, ROWS, MQ_PORTRAIT_DIM, alone);
        assert_memory_equal(alone, together + u * ROWS, ROWS * sizeof(float));
    }
    free(rows);
    free(users);
    free(together);
    free(alone);
}

/* A graph over the vectors gives the lists of the exact search, also to users who played what it
 * would answer; with nothing left to offer, the search over all vectors steps in. */
static void
test_graph(void **state)
{
    enum { MANY = 600 };
    struct fixture_item many[MANY];
    char ids[MANY][8];
    float *vectors = calloc(MANY * MQ_PORTRAIT_DIM, sizeof(float));
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%d", i + 1);
        many[i] = (struct fixture_item){.id = ids[i], .property = {"drama"}};
        for (int d = 0; d < MQ_PORTRAIT_DIM; d++)
            vectors[i * MQ_PORTRAIT_DIM + d] = (float)mq_rng_normal(&rng);
    }
    struct mq_snapshot *snapshot = make(many, MANY, vectors);
    struct mq_vector_index_options options = mq_vector_index_options_default();
    options.kind = MQ_INDEX_HNSW;
    options.ef_search = MANY;
    struct mq_vector_index *graph;
    struct mq_error err = {0};
    check_ok(
        mq_vector_index_build(vectors, MANY, MQ_PORTRAIT_DIM, &options, NULL, 1, &graph, &err));
    int32_t plays[MANY];
    for (int i = 0; i < MANY; i++)
        plays[i] = i;
    static const int played[] = {0, 1, 30, 300, MANY - 3, MANY};
    for (size_t round = 0; round < MQ_COUNT(played); round++) {
        float user[MQ_PORTRAIT_DIM];
        for (int d = 0; d < MQ_PORTRAIT_DIM; d++)
            user[d] = (float)mq_rng_normal(&rng);
        struct mq_candidate exact[100], walked[100];
        snapshot->graph = NULL;
        int32_t n = recall(snapshot, MQ_PROGRAM_MOVIE, plays, played[round], user, exact);
        snapshot->graph = graph;
        int32_t m = recall(snapshot, MQ_PROGRAM_MOVIE, plays, played[round], user, walked);
        assert_int_equal(m, n);
        for (int32_t i = 0; i < n; i++) {
            assert_int_equal(walked[i].item, exact[i].item);
            assert_int_equal(walked[i].channel, exact[i].channel);
            assert_true(fabs(walked[i].score - exact[i].score) < 1e-4);
        }
    }
    mq_snapshot_free(snapshot);
    free(vectors);
}

/* The block product gives the lists that one user alone gets. */
static void
test_block_of_users(void **state)
{
    float vectors[FILMS * MQ_PORTRAIT_DIM];
    for (int i = 0; i < FILMS * MQ_PORTRAIT_DIM; i++)
        vectors[i] = (float)((i * 7919) % 13 - 6);
    struct mq_snapshot *snapshot = make(films, FILMS, vectors);
    const struct mq_offer *offer = &snapshot->offer[MQ_PROGRAM_MOVIE];
    struct mq_error err = {0};
    struct mq_recall_scratch *scratch;
    check_ok(mq_recall_scratch_new(snapshot, &scratch, &err));
    float users[3 * MQ_PORTRAIT_DIM], scores[3 * FILMS];
    for (int i = 0; i < 3 * MQ_PORTRAIT_DIM; i++)
        users[i] = (float)((i * 31) % 7 - 3);
    mq_recall_vector_scores(offer, 3, users, scores);
    for (int u = 0; u < 3; u++) {
        struct mq_portrait portrait = {.has_vector = true};
        memcpy(portrait.vector, users + u * MQ_PORTRAIT_DIM, sizeof(portrait.vector));
        const int32_t plays[] = {u};
        struct mq_user_state user = {
            .id = "u", .code = -1, .play_count = 1, .items = plays, .portrait = &portrait};
        struct mq_candidate alone[100], block[100];
        int32_t a, b;
        check_ok(mq_recall(snapshot, MQ_PROGRAM_MOVIE, &user, NULL, scratch, alone, &a, &err));
        check_ok(mq_recall(snapshot, MQ_PROGRAM_MOVIE, &user, scores + u * offer->vector_count,
                           scratch, block, &b, &err));
        assert_int_equal(a, b);
        for (int32_t i = 0; i < a; i++)
            assert_int_equal(alone[i].item, block[i].item);
    }
    mq_recall_scratch_free(scratch);
    mq_snapshot_free(snapshot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watched_left_out),
        cmocka_unit_test(test_repeated_clicks),
        cmocka_unit_test(test_score_by_hand),
        cmocka_unit_test(test_no_clicks_gives_heat_and_new),
        cmocka_unit_test(test_only_removed_items),
        cmocka_unit_test(test_all_seen),
        cmocka_unit_test(test_tiny_catalogues),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_scores_do_not_depend_on_the_block),
        cmocka_unit_test(test_graph),
        cmocka_unit_test(test_block_of_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
