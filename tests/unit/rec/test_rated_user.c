#include "check.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/rng.h"
#include "rec/rated_user.h"
#include "rec/rerank.h"

/* A user as the hybrid model sees one; and what rerank makes of its candidates. */

enum { FILMS = 6 };

/* User "a" rated films 2, 0, 4 at 100, 200, 300; "b" film 1. */
static struct mq_rating_matrix *
make_ratings(void)
{
    static const int32_t user[] = {0, 0, 0, 1}, item[] = {2, 0, 4, 1};
    static const float rating[] = {3, 4, 5, 1};
    static const uint32_t time_s[] = {100, 200, 300, 50};
    struct mq_strmap users = {0}, items = {0};
    struct mq_error err = {0};
    int32_t code;
    check_ok(mq_strmap_add_text(&users, "a", &code, &err));
    check_ok(mq_strmap_add_text(&users, "b", &code, &err));
    static const char *const ids[FILMS] = {"f0", "f1", "f2", "f3", "f4", "f5"};
    for (int32_t i = 0; i < FILMS; i++)
        check_ok(mq_strmap_add_text(&items, ids[i], &code, &err));
    struct mq_rating_matrix *matrix = NULL;
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){4, user, item, rating, time_s}, 2,
                                    FILMS, &users, &items, &matrix, &err));
    return matrix;
}

static void
check_user(const struct mq_rated_user *user, int n, const int32_t *items, const float *ratings)
{
    assert_int_equal(user->count, n);
    assert_memory_equal(user->items, items, (size_t)n * sizeof(*items));
    for (int i = 0; i < n; i++) {
        assert_float_equal(user->ratings[i], ratings[i], 0);
        assert_true(i == 0 || user->times[i] >= user->times[i - 1]);
    }
}

static void
the_model_and_what_came_since(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_hybrid hybrid = {.ratings = make_ratings()};
    struct mq_arena arena = {0};
    struct mq_rated_user user;

    check_ok(mq_rated_user_make(&hybrid, "a", NULL, 0, &arena, &user, &err));
    assert_int_equal(user.code, 0);
    assert_false(user.changed);
    check_user(&user, 3, (int32_t[]){2, 0, 4}, (float[]){3, 4, 5});

    /* Known, older, and repeated ones change nothing; of a film the last counts. */
    const struct mq_rated_item since[] = {
        {5, 2, 400}, {2, 1, 90}, {4, 5, 300}, {0, 2, 250}, {5, 4, 500}};
    check_ok(mq_rated_user_make(&hybrid, "a", since, 5, &arena, &user, &err));
    assert_true(user.changed);
    check_user(&user, 4, (int32_t[]){2, 0, 4, 5}, (float[]){3, 2, 5, 4});

    /* A play after a rating moves the film, and leaves the rating. */
    check_ok(mq_rated_user_make(&hybrid, "a", &(struct mq_rated_item){2, -1, 900}, 1, &arena, &user,
                                &err));
    check_user(&user, 3, (int32_t[]){0, 4, 2}, (float[]){4, 5, 3});

    const struct mq_rated_item known[] = {{4, 5, 300}};
    check_ok(mq_rated_user_make(&hybrid, "a", known, 1, &arena, &user, &err));
    assert_false(user.changed);

    /* Somebody the model has never met, and nobody at all. */
    check_ok(mq_rated_user_make(&hybrid, "zoe", since, 2, &arena, &user, &err));
    assert_int_equal(user.code, -1);
    check_user(&user, 2, (int32_t[]){2, 5}, (float[]){1, 2});
    check_ok(mq_rated_user_make(&hybrid, "", NULL, 0, &arena, &user, &err));
    assert_int_equal(user.count, 0);
    assert_false(user.changed);
    mq_arena_release(&arena);
    mq_rating_matrix_free(hybrid.ratings);
}

/* By code, also in a model of a part of the ratings, which has no ids. */
static void
a_user_by_code(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_hybrid hybrid = {.ratings = make_ratings()};
    struct mq_arena arena = {0};
    struct mq_rated_user user;
    struct mq_rating_matrix *part = NULL;
    const uint8_t keep[] = {1, 0, 1, 0}; /* of "a" films 0 and 4 */

    check_ok(mq_rated_user_stored(&hybrid, 0, &arena, &user, &err));
    assert_string_equal(user.id, "a");
    assert_int_equal(user.code, 0);
    assert_false(user.changed);
    check_user(&user, 3, (int32_t[]){2, 0, 4}, (float[]){3, 4, 5});

    check_ok(mq_rating_matrix_part(hybrid.ratings, keep, &part, &err));
    mq_rating_matrix_free(hybrid.ratings);
    hybrid.ratings = part;
    check_ok(mq_rated_user_stored(&hybrid, 0, &arena, &user, &err));
    assert_string_equal(user.id, "");
    assert_int_equal(user.code, 0);
    check_user(&user, 2, (int32_t[]){0, 4}, (float[]){4, 5});
    check_ok(mq_rated_user_stored(&hybrid, 1, &arena, &user, &err));
    assert_int_equal(user.code, 1);
    assert_int_equal(user.count, 0);
    mq_arena_release(&arena);
    mq_rating_matrix_free(hybrid.ratings);
}

/* ---- against the plain form, which looks at all pairs -------------------------------------- */

enum { MANY = 40, HISTORY = 30, SINCE_MAX = 120, ROUNDS = 2000 };

/* What a user has: the model's, oldest first, and what came since, as it came. */
static int
plainly(const struct mq_rated_item *stored, int stored_count, const struct mq_rated_item *since,
        int since_count, struct mq_rated_item *ret_list, bool *ret_changed)
{
    struct mq_rated_item fresh[SINCE_MAX];
    int n = 0, fresh_count = 0;
    for (int i = 0; i < since_count; i++) {
        struct mq_rated_item one = since[i];
        bool counts = true;
        for (int k = 0; k < since_count; k++) /* one of the film that is later */
            counts = counts &&
                     !(since[k].item == one.item &&
                       (since[k].time_s > one.time_s || (since[k].time_s == one.time_s && k > i)));
        for (int k = 0; k < stored_count; k++)
            if (stored[k].item == one.item) {
                counts = counts && stored[k].time_s < one.time_s;
                one.rating = one.rating < 0 ? stored[k].rating : one.rating;
            }
        if (counts)
            fresh[fresh_count++] = one;
    }
    for (int k = 0; k < stored_count; k++) {
        bool again = false;
        for (int i = 0; i < fresh_count; i++)
            again = again || fresh[i].item == stored[k].item;
        if (!again)
            ret_list[n++] = stored[k];
    }
    for (int i = 0; i < fresh_count; i++) { /* behind all that are not newer */
        int at = n++;
        for (; at > 0 && ret_list[at - 1].time_s > fresh[i].time_s; at--)
            ret_list[at] = ret_list[at - 1];
        ret_list[at] = fresh[i];
    }
    *ret_changed = fresh_count > 0;
    return n;
}

/* A user of `count` of MANY films, with few times, so that many are equal. */
static struct mq_rating_matrix *
random_user(struct mq_rng *rng, int count)
{
    int32_t user[HISTORY] = {0}, item[MANY];
    float rating[HISTORY];
    uint32_t time_s[HISTORY];
    struct mq_strmap users = {0}, items = {0};
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    int32_t code;
    check_ok(mq_strmap_add_text(&users, "a", &code, &err));
    for (int i = 0; i < MANY; i++) {
        char id[8];
        snprintf(id, sizeof(id), "f%d", i);
        check_ok(mq_strmap_add_text(&items, id, &code, &err));
        item[i] = i;
    }
    for (int i = 0; i < count; i++) {
        int other = i + (int)mq_rng_below(rng, (uint32_t)(MANY - i));
        int32_t film = item[other];
        item[other] = item[i];
        item[i] = film;
        rating[i] = (float)(1 + mq_rng_below(rng, 9)) / 2;
        time_s[i] = (uint32_t)(100 + mq_rng_below(rng, 12));
    }
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, time_s}, 1,
                                    MANY, &users, &items, &matrix, &err));
    return matrix;
}

static void
as_the_plain_form(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_arena arena = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, 20261126, 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct mq_hybrid hybrid = {.ratings =
                                       random_user(&rng, (int)mq_rng_below(&rng, HISTORY + 1))};
        struct mq_rated_item stored[HISTORY], since[SINCE_MAX], expected[MANY];
        struct mq_rated_user user;
        bool changed;
        check_ok(mq_rated_user_stored(&hybrid, 0, &arena, &user, &err));
        int stored_count = user.count, since_count = (int)mq_rng_below(&rng, SINCE_MAX + 1);
        for (int k = 0; k < stored_count; k++)
            stored[k] = (struct mq_rated_item){user.items[k], user.ratings[k], user.times[k]};
        for (int i = 0; i < since_count; i++)
            since[i] = (struct mq_rated_item){
                (int32_t)mq_rng_below(&rng, MANY),
                mq_rng_below(&rng, 4) == 0 ? -1 : (float)(1 + mq_rng_below(&rng, 9)) / 2,
                (uint32_t)(105 + mq_rng_below(&rng, 12))};
        int n = plainly(stored, stored_count, since, since_count, expected, &changed);
        check_ok(mq_rated_user_make(&hybrid, "a", since, since_count, &arena, &user, &err));
        assert_int_equal(user.count, n);
        assert_int_equal(user.changed, changed);
        for (int k = 0; k < n; k++) {
            assert_int_equal(user.items[k], expected[k].item);
            assert_int_equal(user.times[k], expected[k].time_s);
            assert_float_equal(user.ratings[k], expected[k].rating, 0);
        }
        mq_arena_reset(&arena);
        mq_rating_matrix_free(hybrid.ratings);
    }
    mq_arena_release(&arena);
}

static void
quality_of_films(void **state)
{
    (void)state;
    const float popularity[] = {0, 9, 99, 0}, average[] = {3, 5, 1, 7};
    float quality[4];
    mq_quality_compute(4, popularity, average, 1, 5, quality);
    assert_float_equal(quality[0], 0.6 * 0.5, 1e-6);
    assert_float_equal(quality[1], 0.4 * 0.5 + 0.6, 1e-6); /* log 10 is half of log 100 */
    assert_float_equal(quality[2], 0.4, 1e-6);
    assert_float_equal(quality[3], 0.6, 1e-6); /* off the scale: its end */
    const float none[] = {0, 0, 0, 0};
    mq_quality_compute(4, none, average, 1, 5, quality);
    assert_float_equal(quality[0], 0.3, 1e-6);
}

static void
scores_brought_to_one_scale(void **state)
{
    (void)state;
    float scores[] = {-2, 6, 2};
    mq_recall_scale(scores, 3);
    assert_float_equal(scores[0], 0, 0);
    assert_float_equal(scores[1], 1, 0);
    assert_float_equal(scores[2], 0.5, 1e-6);
    float equal[] = {4, 4};
    mq_recall_scale(equal, 2);
    assert_float_equal(equal[0], 1, 0);
    mq_recall_scale(equal, 0);
    assert_float_equal(mq_rerank_score(0.5F, 1, 0), 0.5, 0);
    assert_float_equal(mq_rerank_score(0.5F, 1, 0.25F), 0.625, 1e-6);
    assert_float_equal(mq_rerank_score(0.5F, 1, 1), 1, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_and_what_came_since),
        cmocka_unit_test(a_user_by_code),
        cmocka_unit_test(as_the_plain_form),
        cmocka_unit_test(quality_of_films),
        cmocka_unit_test(scores_brought_to_one_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
