#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/reservoir.h"
#include "math/topk.h"

static void
test_ties_and_nan(void **state)
{
    (void)state;
    struct mq_error err;
    float scores[] = {1, 3, NAN, 3, 2, -INFINITY, 3};
    struct mq_scored best[7];
    size_t count;
    check_ok(mq_topk_row(scores, 7, 4, NULL, 0, best, &count, &err));
    assert_int_equal(count, 4);
    int32_t want[] = {1, 3, 6, 4};
    for (int i = 0; i < 4; i++)
        assert_int_equal(best[i].id, want[i]);
    check_ok(mq_topk_row(scores, 7, 7, NULL, 0, best, &count, &err));
    assert_int_equal(count, 6); /* all but NaN */
    assert_int_equal(best[5].id, 5);
    check_ok(mq_topk_row(scores, 7, 0, NULL, 0, best, &count, &err));
    assert_int_equal(count, 0);
    check_ok(mq_topk_row(scores, 0, 3, NULL, 0, best, &count, &err));
    assert_int_equal(count, 0);
}

static void
test_exclusion(void **state)
{
    (void)state;
    struct mq_error err;
    float scores[] = {5, 4, 3, 2, 1};
    int32_t exclude[] = {0, 2, 2, 9};
    struct mq_scored best[5];
    size_t count;
    check_ok(mq_topk_row(scores, 5, 2, exclude, 4, best, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(best[0].id, 1);
    assert_int_equal(best[1].id, 3);
    check_ok(mq_topk_row(scores, 5, 5, exclude, 4, best, &count, &err));
    assert_int_equal(count, 3);
}

static void
test_against_sort(void **state)
{
    (void)state;
    struct mq_error err;
    struct mq_rng rng;
    mq_rng_init(&rng, 11, 0);
    for (int round = 0; round < 60; round++) {
        size_t n = 1 + mq_rng_below(&rng, 6000), k = 1 + mq_rng_below(&rng, 300);
        float *scores;
        struct mq_scored *all, *best, *pushed;
        check_ok(mq_alloc_array(n, sizeof(*scores), &scores, &err));
        check_ok(mq_alloc_array(n, sizeof(*all), &all, &err));
        check_ok(mq_alloc_array(k, sizeof(*best), &best, &err));
        check_ok(mq_alloc_array(k, sizeof(*pushed), &pushed, &err));
        int32_t exclude[50];
        size_t exclude_count = 0, kept = 0, count;
        for (size_t i = 0; i < n; i++) {
            /* Few distinct values in every other round: many ties. Rising in every third. */
            scores[i] = round & 1 ? (float)mq_rng_below(&rng, 20) : (float)mq_rng_normal(&rng);
            if (round % 3 == 0)
                scores[i] += (float)i;
            if (exclude_count < 50 && mq_rng_below(&rng, 20) == 0)
                exclude[exclude_count++] = (int32_t)i;
            else
                all[kept++] = (struct mq_scored){scores[i], (int32_t)i};
        }
        check_ok(mq_topk_row(scores, n, k, exclude, exclude_count, best, &count, &err));
        /* The heap alone, fed in another order, finds the same. */
        struct mq_topk topk;
        mq_topk_init(&topk, pushed, k);
        for (size_t i = kept; i-- > 0;)
            mq_topk_push(&topk, all[i].score, all[i].id);
        assert_int_equal(mq_topk_finish(&topk), count);
        mq_scored_sort(all, kept);
        assert_int_equal(count, MQ_MIN(k, kept));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(best[i].id, all[i].id);
            assert_int_equal(pushed[i].id, all[i].id);
            assert_true(best[i].score == all[i].score);
        }
        mq_free(scores);
        mq_free(all);
        mq_free(best);
        mq_free(pushed);
    }
}

static int
by_key(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Many k of keys spread evenly, bunched at one end, all equal, or equal but for a few. */
static void
test_selection(void **state)
{
    (void)state;
    enum { MOST = 600 };
    uint64_t keys[MOST], sorted[MOST], chosen[MOST];
    struct mq_rng rng;
    mq_rng_init(&rng, 12, 0);
    for (int round = 0; round < 60; round++) {
        size_t n = 1 + mq_rng_below(&rng, MOST);
        for (size_t i = 0; i < n; i++) {
            uint64_t wide = mq_rng_next(&rng);
            const uint64_t forms[] = {wide,
                                      UINT64_MAX >> wide % 64,
                                      UINT64_MAX - (wide >> wide % 64),
                                      (wide & 1) - 1,
                                      7,
                                      wide % 3,
                                      i};
            keys[i] = forms[round % 7];
        }
        memcpy(sorted, keys, sizeof(keys));
        qsort(sorted, n, sizeof(*sorted), by_key);
        for (size_t k = 0; k <= n; k += k + 2 > n || k < 20 ? 1 : MQ_MIN(1 + k / 10, n - 1 - k)) {
            memcpy(chosen, keys, sizeof(keys));
            mq_keys_select(chosen, n, k);
            qsort(chosen, k, sizeof(*chosen), by_key);
            qsort(chosen + k, n - k, sizeof(*chosen), by_key);
            assert_memory_equal(chosen, sorted, n * sizeof(*chosen)); /* and nothing is lost */
        }
        mq_keys_sort(keys, n);
        assert_memory_equal(keys, sorted, n * sizeof(*keys));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ties_and_nan), cmocka_unit_test(test_exclusion),
        cmocka_unit_test(test_against_sort), cmocka_unit_test(test_selection)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
