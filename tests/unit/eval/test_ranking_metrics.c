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
novelty_is_mean_self_information(void **state)
{
    (void)state;
    /* plays + 1: 8, 4, 2, 2 of 16: 1, 2, 3, 3 bits */
    int64_t plays[] = {7, 3, 1, 1}, shown[] = {1, 2, 0, 1}, nothing[4] = {0};
    NEAR(mq_novelty(shown, plays, 4), (1 + 2 * 2 + 3) / 4.0);
    NEAR(mq_novelty(nothing, plays, 4), 0);
}

static void
popularity_share_takes_the_head(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int64_t plays[] = {1, 9, 5, 5}, shown[] = {4, 3, 2, 1}, nothing[4] = {0};
    double result;
    check_ok(mq_popularity_share(shown, plays, 4, 1, &result, &err));
    NEAR(result, 0.3);
    check_ok(mq_popularity_share(shown, plays, 4, 2, &result, &err)); /* of equals item 2 */
    NEAR(result, 0.5);
    check_ok(mq_popularity_share(shown, plays, 4, 100, &result, &err));
    NEAR(result, 1);
    check_ok(mq_popularity_share(shown, plays, 4, 0, &result, &err));
    NEAR(result, 0);
    check_ok(mq_popularity_share(nothing, plays, 4, 2, &result, &err));
    NEAR(result, 0);
    int32_t order[4];
    mq_order_by_plays(plays, 4, order);
    const int32_t expected[] = {1, 2, 3, 0};
    assert_memory_equal(order, expected, sizeof(expected));
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
        cmocka_unit_test(novelty_is_mean_self_information),
        cmocka_unit_test(popularity_share_takes_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
