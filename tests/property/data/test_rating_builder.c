/*
 * The builder in two passes makes the matrix that mq_rating_matrix_build makes of the same ratings
 * in the same order; with choices, a rating beats a choice whenever it came.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/rng.h"
#include "data/rating_matrix.h"

#define ROUNDS 400

static uint64_t
chosen_seed(void)
{
    const char *given = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu (MARQUEE_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

struct ratings {
    int64_t count;
    int32_t users, items;
    int32_t *user, *item;
    float *rating;
    uint32_t *time;
};

/* Few users and items, so that many ratings repeat; times that go back now and then. */
static struct ratings
draw(struct mq_rng *rng)
{
    struct mq_error err = {0};
    struct ratings r = {.count = (int64_t)mq_rng_below(rng, 300),
                        .users = 1 + (int32_t)mq_rng_below(rng, 8),
                        .items = 1 + (int32_t)mq_rng_below(rng, 12)};
    size_t n = (size_t)r.count;
    check_ok(mq_alloc_array(n, sizeof(*r.user), &r.user, &err));
    check_ok(mq_alloc_array(n, sizeof(*r.item), &r.item, &err));
    check_ok(mq_alloc_array(n, sizeof(*r.rating), &r.rating, &err));
    check_ok(mq_alloc_array(n, sizeof(*r.time), &r.time, &err));
    bool by_time = mq_rng_below(rng, 2) == 0;
    for (size_t i = 0; i < n; i++) {
        r.user[i] = (int32_t)mq_rng_below(rng, (uint32_t)r.users);
        r.item[i] = (int32_t)mq_rng_below(rng, (uint32_t)r.items);
        r.rating[i] = (float)(1 + mq_rng_below(rng, 5));
        r.time[i] = by_time ? (uint32_t)(i / 3) : (uint32_t)mq_rng_below(rng, 20);
    }
    return r;
}

static void
release(struct ratings *r)
{
    mq_free(r->user);
    mq_free(r->item);
    mq_free(r->rating);
    mq_free(r->time);
}

static struct mq_rating_matrix *
build_in_two(const struct ratings *r, float choice_rating)
{
    struct mq_error err = {0};
    struct mq_rating_builder *builder;
    struct mq_rating_matrix *m;
    int64_t by_user[8] = {0};
    for (int64_t i = 0; i < r->count; i++)
        by_user[r->user[i]]++;
    check_ok(mq_rating_builder_new(r->users, r->items, by_user, &builder, &err));
    for (int64_t i = 0; i < r->count; i++)
        check_ok(
            mq_rating_builder_add(builder, r->user[i], r->item[i], r->rating[i], r->time[i], &err));
    check_ok(mq_rating_builder_finish(builder, choice_rating, NULL, NULL, &m, &err));
    mq_rating_builder_free(builder);
    return m;
}

static void
same_as_in_one(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, chosen_seed(), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct ratings r = draw(&rng);
        const struct mq_rating_list list = {r.count, r.user, r.item, r.rating, r.time};
        struct mq_rating_matrix *one, *two = build_in_two(&r, 1);
        check_ok(mq_rating_matrix_build(&list, r.users, r.items, NULL, NULL, &one, &err));
        size_t n = (size_t)one->count;
        assert_int_equal(two->count, one->count);
        assert_memory_equal(two->user_offset, one->user_offset,
                            ((size_t)r.users + 1) * sizeof(int64_t));
        assert_memory_equal(two->item_offset, one->item_offset,
                            ((size_t)r.items + 1) * sizeof(int64_t));
        assert_memory_equal(two->user_item, one->user_item, n * sizeof(int32_t));
        assert_memory_equal(two->user_rating, one->user_rating, n * sizeof(float));
        assert_memory_equal(two->user_time, one->user_time, n * sizeof(uint32_t));
        assert_memory_equal(two->user_sequence, one->user_sequence, n * sizeof(int32_t));
        assert_memory_equal(two->item_user, one->item_user, n * sizeof(int32_t));
        assert_memory_equal(two->item_rating, one->item_rating, n * sizeof(float));
        mq_rating_matrix_free(one);
        mq_rating_matrix_free(two);
        release(&r);
    }
}

/* The last rating of a user and item if there is one, else the last choice. */
static void
ratings_beat_choices(void **state)
{
    (void)state;
    struct mq_rng rng;
    mq_rng_init(&rng, chosen_seed(), 1);
    for (int round = 0; round < ROUNDS; round++) {
        struct ratings r = draw(&rng);
        for (int64_t i = 0; i < r.count; i++)
            if (mq_rng_below(&rng, 2) == 0)
                r.rating[i] = NAN;
        struct mq_rating_matrix *m = build_in_two(&r, 2.5F);
        for (int32_t user = 0; user < r.users; user++)
            for (int32_t item = 0; item < r.items; item++) {
                int64_t best = -1, at = mq_rating_matrix_find(m, user, item);
                for (int64_t i = 0; i < r.count; i++) {
                    if (r.user[i] != user || r.item[i] != item)
                        continue;
                    bool is_rated = !isnan(r.rating[i]);
                    bool was_rated = best >= 0 && !isnan(r.rating[best]);
                    if (best < 0 || (is_rated && !was_rated) ||
                        (is_rated == was_rated && r.time[i] >= r.time[best]))
                        best = i;
                }
                assert_int_equal(at >= 0, best >= 0);
                if (best < 0)
                    continue;
                float expected = isnan(r.rating[best]) ? 2.5F : r.rating[best];
                assert_true(m->user_rating[at] == expected);
                assert_int_equal(m->user_time[at], r.time[best]);
            }
        mq_rating_matrix_free(m);
        release(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_in_one),
                                       cmocka_unit_test(ratings_beat_choices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
