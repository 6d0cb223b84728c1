#include "check.h"

#include <math.h>

#include "eval/ranking_metrics.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

/* Relevant items stand at places 2 and 4 (from 1); a third one, 99, is not listed. */
static const int32_t items[] = {10, 11, 12, 13, 14};
static const int32_t relevant[] = {99, 13, 11};
static const struct mq_judged_list list = {items, 5, relevant, 3};

static void
hit_recall_precision(void **state)
{
    (void)state;
    NEAR(mq_hit_at(&list, 1), 0);
    NEAR(mq_hit_at(&list, 2), 1);
    NEAR(mq_hit_at(&list, 5), 1);
    NEAR(mq_recall_at(&list, 1), 0);
    NEAR(mq_recall_at(&list, 3), 1.0 / 3);
    NEAR(mq_recall_at(&list, 4), 2.0 / 3);
    NEAR(mq_precision_at(&list, 2), 0.5);
    NEAR(mq_precision_at(&list, 5), 0.4);
    /* a short list is not forgiven */
    NEAR(mq_precision_at(&list, 10), 0.2);
}

static void
ndcg_discounts_by_place(void **state)
{
    (void)state;
    double second = 1 / log2(3), fourth = 1 / log2(5);
    NEAR(mq_ndcg_at(&list, 1), 0);
    NEAR(mq_ndcg_at(&list, 2), second / (1 + second));
    NEAR(mq_ndcg_at(&list, 10), (second + fourth) / (1 + second + 0.5));
    int32_t best[] = {11, 13, 99};
    struct mq_judged_list perfect = {best, 3, relevant, 3};
    NEAR(mq_ndcg_at(&perfect, 10), 1);
    NEAR(mq_ndcg_at(&perfect, 2), 1);
}

static void
reciprocal_rank_and_average_precision(void **state)
{
    (void)state;
    NEAR(mq_reciprocal_rank_at(&list, 1), 0);
    NEAR(mq_reciprocal_rank_at(&list, 5), 0.5);
    /* precision 1/2 at place 2 and 2/4 at place 4, over min(k, 3) */
    NEAR(mq_average_precision_at(&list, 5), (0.5 + 0.5) / 3);
    NEAR(mq_average_precision_at(&list, 2), 0.5 / 2);
    int32_t best[] = {13, 99, 11, 5};
    struct mq_judged_list perfect = {best, 4, relevant, 3};
    NEAR(mq_average_precision_at(&perfect, 4), 1);
}

static void
nothing_gives_nothing(void **state)
{
    (void)state;
    struct mq_judged_list no_relevant = {items, 5, NULL, 0}, no_items = {NULL, 0, relevant, 3};
    const struct mq_judged_list *lists[] = {&no_relevant, &no_items};
    for (int i = 0; i < 2; i++) {
        NEAR(mq_hit_at(lists[i], 10), 0);
        NEAR(mq_recall_at(lists[i], 10), 0);
        NEAR(mq_precision_at(lists[i], 10), 0);
        NEAR(mq_ndcg_at(lists[i], 10), 0);
        NEAR(mq_reciprocal_rank_at(lists[i], 10), 0);
        NEAR(mq_average_precision_at(lists[i], 10), 0);
    }
    NEAR(mq_precision_at(&list, 0), 0);
    NEAR(mq_ndcg_at(&list, 0), 0);
    NEAR(mq_average_precision_at(&list, 0), 0);
}

static void
coverage_counts_what_may_be_offered(void **state)
{
    (void)state;
    int64_t shown[] = {3, 0, 1, 7};
    uint8_t offered[] = {1, 1, 1, 0};
    NEAR(mq_catalogue_coverage(shown, offered, 4), 2.0 / 3);
    uint8_t none[4] = {0};
    NEAR(mq_catalogue_coverage(shown, none, 4), 0);
}

static void
self_information_of_plays(void **state)
{
    (void)state;
    /* plays + 1: 8, 4, 2, 2 of 16 */
    int64_t plays[] = {7, 3, 1, 1};
    double bits[4];
    mq_self_information(plays, 4, bits);
    const double expected[] = {1, 2, 3, 3};
    for (int i = 0; i < 4; i++)
        NEAR(bits[i], expected[i]);
}

static void
short_head_takes_the_most_played(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int64_t plays[] = {1, 9, 5, 5};
    static const struct {
        int32_t head;
        uint8_t expected[4];
    } cases[] = {
        {1, {0, 1, 0, 0}}, {2, {0, 1, 1, 0}} /* of equals item 2 */, {100, {1, 1, 1, 1}}, {0, {0}}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t is_head[4];
        check_ok(mq_short_head(plays, 4, cases[i].head, is_head, &err));
        assert_memory_equal(is_head, cases[i].expected, 4);
    }
    int32_t order[4];
    mq_order_by_plays(plays, 4, order);
    const int32_t expected[] = {1, 2, 3, 0};
    assert_memory_equal(order, expected, sizeof(expected));
}

/* 1 for the same parity, else 0. */
static double
parity(const void *context, int32_t a, int32_t b)
{
    ++*(int *)(uintptr_t)context;
    return (a ^ b) % 2 == 0;
}

static void
diversity_is_mean_unlikeness(void **state)
{
    (void)state;
    int calls = 0;
    /* 10 11 12: two of three pairs differ; at all five 6 of 10 */
    NEAR(mq_intra_list_diversity(items, 5, 3, parity, &calls), 2.0 / 3);
    assert_int_equal(calls, 3);
    NEAR(mq_intra_list_diversity(items, 5, 10, parity, &calls), 0.6);
    assert_true(isnan(mq_intra_list_diversity(items, 5, 1, parity, &calls)));
    assert_true(isnan(mq_intra_list_diversity(NULL, 0, 10, parity, &calls)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hit_recall_precision),
        cmocka_unit_test(ndcg_discounts_by_place),
        cmocka_unit_test(reciprocal_rank_and_average_precision),
        cmocka_unit_test(nothing_gives_nothing),
        cmocka_unit_test(coverage_counts_what_may_be_offered),
        cmocka_unit_test(self_information_of_plays),
        cmocka_unit_test(short_head_takes_the_most_played),
        cmocka_unit_test(diversity_is_mean_unlikeness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
