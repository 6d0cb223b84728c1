#include "scoring_bench.h"

#include <math.h>

#include "rec/hybrid_ranking.h"
#include "rec/rerank.h"

/* Lists of the hybrid: all films scored, struck out, sorted, reranked, each by hand. */

struct ranking {
    struct bench *b;
    struct mq_catalogue *catalogue;
    struct mq_hybrid_view *view;
    struct mq_hybrid_ranker *ranker;
    struct mq_blended_scorer *scorer;
};

static int
setup(void **state)
{
    struct ranking *r = calloc(1, sizeof(*r));
    struct mq_error err = {0};
    void *bench;
    bench_setup(&bench);
    r->b = bench;
    r->catalogue = fixture_catalogue(films, ITEMS);
    check_ok(mq_hybrid_view_new(r->b->hybrid, r->catalogue, &r->view, &err));
    check_ok(mq_hybrid_ranker_new(r->view, &r->ranker, &err));
    check_ok(mq_blended_scorer_new(r->b->hybrid, &r->scorer, &err));
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct ranking *r = *state;
    void *bench = r->b;
    mq_blended_scorer_free(r->scorer);
    mq_hybrid_ranker_free(r->ranker);
    mq_hybrid_view_free(r->view);
    mq_catalogue_free(r->catalogue);
    free(r);
    return bench_teardown(&bench);
}

static bool
is_struck_out(const struct mq_hybrid_query *q, int32_t item)
{
    bool out = q->offered != NULL && isnan(q->offered[item]);
    for (int32_t k = 0; k < q->user->count; k++)
        out = out || (!q->seen && q->user->items[k] == item);
    for (int32_t k = 0; k < q->excluded_count; k++)
        out = out || q->excluded[k] == item;
    return out;
}

/* Films by selection: the greatest that is left, of equal scores the lower code. */
static int32_t
best_of(const struct mq_hybrid_query *q, const float *scores, int32_t *ret_items)
{
    bool taken[ITEMS] = {false};
    int32_t count = 0;
    while (count < q->candidates) {
        int32_t best = -1;
        for (int32_t i = 0; i < ITEMS; i++)
            if (!taken[i] && !is_struck_out(q, i) && (best < 0 || scores[i] > scores[best]))
                best = i;
        if (best < 0)
            break;
        taken[best] = true;
        ret_items[count++] = best;
    }
    return count;
}

static void
check_list(struct ranking *r, const struct mq_hybrid_query *q)
{
    struct mq_error err = {0};
    struct mq_hybrid_candidate got[ITEMS];
    float scores[ITEMS];
    double final[ITEMS];
    int32_t items[ITEMS], count;
    bool known, expected;
    check_ok(mq_blended_scores(r->scorer, q->user, q->method, scores, &expected, &err));
    check_ok(mq_hybrid_rank(r->ranker, q, got, &count, &known, &err));
    assert_int_equal(known, expected);
    assert_int_equal(count, best_of(q, scores, items));
    double least = count > 0 ? (double)scores[items[count - 1]] : 0;
    double most = count > 0 ? (double)scores[items[0]] : 0;
    for (int32_t k = 0; k < count; k++) {
        double recall = most > least ? ((double)scores[items[k]] - least) / (most - least) : 1;
        final[k] = recall * (1 - (double)q->quality_weight) +
                   (double)r->view->quality[items[k]] * (double)q->quality_weight;
    }
    bool seen[ITEMS] = {false};
    for (int32_t k = 0; k < count; k++) {
        int32_t place = got[k].place;
        assert_in_range(place, 0, count - 1);
        assert_false(seen[place]);
        seen[place] = true;
        assert_int_equal(got[k].item, items[place]);
        assert_float_equal(got[k].raw, scores[got[k].item], 0);
        assert_float_equal(got[k].score, final[place], 1e-5);
        assert_float_equal(got[k].quality, r->view->quality[got[k].item], 0);
        assert_true(got[k].recall >= 0 && got[k].recall <= 1);
        assert_true(k == 0 || got[k].score <= got[k - 1].score);
        assert_true(k == 0 || got[k].score < got[k - 1].score || place > got[k - 1].place);
    }
}

static void
lists_by_hand(void **state)
{
    struct ranking *r = *state;
    const int32_t excluded[] = {-1, 4, 4, 9};
    float offered[ITEMS] = {0};
    offered[0] = offered[6] = NAN;
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(r->b, u);
        for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
            if (m == MQ_METHOD_DEEP)
                continue;
            struct mq_hybrid_query q = {.user = &user, .method = m, .candidates = 5};
            check_list(r, &q);
            q.quality_weight = 0.3F;
            check_list(r, &q);
            q.candidates = 100; /* more than there are */
            check_list(r, &q);
            q.offered = offered;
            q.excluded = excluded;
            q.excluded_count = MQ_COUNT(excluded);
            check_list(r, &q);
            q.seen = true;
            check_list(r, &q);
            q.candidates = 1;
            q.quality_weight = 1;
            check_list(r, &q);
        }
    }
}

static void
nothing_to_list(void **state)
{
    struct ranking *r = *state;
    struct mq_error err = {0};
    struct mq_rated_user nobody = bench_stranger(r->b), user = bench_user(r->b, 1);
    struct mq_hybrid_candidate got[ITEMS];
    struct mq_hybrid_query q = {.user = &nobody, .method = MQ_METHOD_HYBRID, .candidates = ITEMS};
    int32_t count = 7;
    bool known;
    check_ok(mq_hybrid_rank(r->ranker, &q, got, &count, &known, &err));
    assert_false(known);
    assert_int_equal(count, 0);
    q.method = MQ_METHOD_POPULAR;
    check_ok(mq_hybrid_rank(r->ranker, &q, got, &count, &known, &err));
    assert_true(known);
    assert_int_equal(count, ITEMS);
    /* A method that the model lacks. */
    q.user = &user;
    q.method = MQ_METHOD_DEEP;
    check_ok(mq_hybrid_rank(r->ranker, &q, got, &count, &known, &err));
    assert_false(known);
    assert_int_equal(count, 0);
    /* Nothing is offered. */
    float offered[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        offered[i] = NAN;
    q.method = MQ_METHOD_HYBRID;
    q.offered = offered;
    check_ok(mq_hybrid_rank(r->ranker, &q, got, &count, &known, &err));
    assert_true(known);
    assert_int_equal(count, 0);
}

static void
given_films(void **state)
{
    struct ranking *r = *state;
    struct mq_error err = {0};
    const int32_t items[] = {11, 3, 0, 3, 8};
    struct mq_rated_user user = bench_user(r->b, 5), nobody = bench_stranger(r->b);
    float got[MQ_COUNT(items)], scores[ITEMS];
    double least = INFINITY, most = -INFINITY;
    bool known;
    check_ok(mq_blended_scores(r->scorer, &user, MQ_METHOD_HYBRID, scores, &known, &err));
    for (size_t i = 0; i < MQ_COUNT(items); i++) {
        least = fmin(least, (double)scores[items[i]]);
        most = fmax(most, (double)scores[items[i]]);
    }
    check_ok(mq_hybrid_rank_given(r->ranker, &user, MQ_METHOD_HYBRID, 0.25F, items, MQ_COUNT(items),
                                  got, &known, &err));
    assert_true(known);
    for (size_t i = 0; i < MQ_COUNT(items); i++)
        assert_float_equal(got[i],
                           0.75 * ((double)scores[items[i]] - least) / (most - least) +
                               0.25 * (double)r->view->quality[items[i]],
                           1e-5);
    for (int32_t i = 0; i < ITEMS; i++)
        assert_float_equal(mq_hybrid_ranker_raw(r->ranker, i), scores[i], 0);
    /* What each method added adds up. */
    for (int32_t i = 0; i < ITEMS; i++) {
        double sum = 0;
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            sum += (double)mq_hybrid_ranker_part(r->ranker, m, i);
        assert_float_equal(sum, scores[i], 1e-4);
    }
    check_ok(mq_hybrid_rank_given(r->ranker, &nobody, MQ_METHOD_EASE, 1, items, MQ_COUNT(items),
                                  got, &known, &err));
    assert_false(known);
    for (size_t i = 0; i < MQ_COUNT(items); i++)
        assert_float_equal(got[i], r->view->quality[items[i]], 1e-6);
    check_ok(
        mq_hybrid_rank_given(r->ranker, &user, MQ_METHOD_MF, 0.5F, items, 0, got, &known, &err));
}

/* Which film is which, what each is worth, and what may be offered. */
static void
view_of_a_catalogue(void **state)
{
    struct ranking *r = *state;
    struct mq_error err = {0};
    const struct mq_hybrid *h = r->b->hybrid;
    float quality[ITEMS];
    mq_quality_compute(ITEMS, h->popularity, h->average, h->rating_low, h->rating_high, quality);
    assert_memory_equal(r->view->quality, quality, sizeof(quality));
    /* A later catalogue: in another order, one film gone, a series, and one that is newer. */
    const struct fixture_item later[] = {{"12", "New", .year = 0},
                                         {"99", "Newer", .year = 0},
                                         {"1", "Heat", .year = 0},
                                         {"3", "Toy Story", .type = MQ_PROGRAM_TV}};
    struct mq_catalogue *catalogue = fixture_catalogue(later, MQ_COUNT(later));
    struct mq_hybrid_view *view;
    const uint8_t barred[] = {0, 0, 1, 0};
    check_ok(mq_hybrid_view_new(r->b->hybrid, catalogue, &view, &err));
    assert_int_equal(view->catalogue_count, 4);
    assert_memory_equal(view->item_of, ((int32_t[]){11, -1, 0, 2}), 4 * sizeof(int32_t));
    for (int32_t i = 0; i < ITEMS; i++)
        assert_int_equal(view->row_of[i], i == 11 ? 0 : i == 0 ? 2 : i == 2 ? 3 : -1);
    for (int again = 0; again < 2; again++) {
        check_ok(mq_hybrid_view_offer(view, catalogue, barred, &err));
        for (int32_t i = 0; i < ITEMS; i++) {
            assert_int_equal(!isnan(view->offered[MQ_PROGRAM_MOVIE][i]), i == 11);
            assert_int_equal(!isnan(view->offered[MQ_PROGRAM_TV][i]), i == 2);
        }
    }
    mq_hybrid_view_free(view);
    mq_catalogue_free(catalogue);
    check_ok(mq_hybrid_view_new(r->b->hybrid, NULL, &view, &err));
    assert_int_equal(view->catalogue_count, 0);
    for (int32_t i = 0; i < ITEMS; i++)
        assert_int_equal(view->row_of[i], -1);
    mq_hybrid_view_free(view);
    mq_hybrid_view_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_list, setup, teardown),
        cmocka_unit_test_setup_teardown(given_films, setup, teardown),
        cmocka_unit_test_setup_teardown(view_of_a_catalogue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
