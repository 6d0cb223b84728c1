/*
 * Rows of iALS: many steps of conjugate gradient end where Cholesky does; both satisfy the normal
 * equations computed in double; the bytes do not depend on the number of threads; lists of all
 * users are those of a plain search.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>

#include "../../unit/model/small_ratings.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/factor_lists.h"
#include "model/ials_solve.h"

enum { USERS = 200, ITEMS = 150, ROUNDS = 12 };

static void
fill(struct mq_rng *rng, float *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(mq_rng_normal(rng) * deviation);
}

/* |A x - b| / |b| of a row, in double. */
static double
misfit(const struct mq_ials_side *side, int32_t row, const float *x)
{
    int32_t f = side->factors;
    int64_t first = side->offset[row], end = side->offset[row + 1];
    double lambda = (double)mq_ials_row_regularization(side, end - first);
    double wrong = 0, size = 0;
    for (int32_t j = 0; j < f; j++) {
        double left = lambda * (double)x[j], right = 0;
        for (int32_t k = 0; k < f; k++)
            left += (double)side->gram[j * f + k] * (double)x[k];
        for (int64_t i = first; i < end; i++) {
            const float *y = side->table + (size_t)side->index[i] * (size_t)f;
            double c = side->confidence != NULL ? (double)side->confidence[i] : 1, score = 0;
            double w = side->form == MQ_IALS_INSTEAD ? c - (double)side->unobserved_weight : c;
            for (int32_t k = 0; k < f; k++)
                score += (double)y[k] * (double)x[k];
            left += w * score * (double)y[j];
            right += c * (double)y[j];
        }
        wrong += (left - right) * (left - right);
        size += right * right;
    }
    return size > 0 ? sqrt(wrong / size) : sqrt(wrong);
}

static void
one_side(struct mq_rng *rng, struct mq_pool *pool)
{
    struct mq_error err = {0};
    static float table[ITEMS * 100], confidence[SMALL_RATINGS_MAX];
    static float exact[USERS * 100], steps[USERS * 100], again[USERS * 100], gram[100 * 100];
    int32_t f = 1 + (int32_t)mq_rng_below(rng, 100);
    struct mq_rating_matrix *matrix =
        small_ratings(USERS, ITEMS, 1 + (int32_t)mq_rng_below(rng, 3900), mq_rng_next(rng));
    fill(rng, table, (size_t)(ITEMS * f), 0.3);
    fill(rng, steps, (size_t)(USERS * f), 0.3);
    memcpy(again, steps, sizeof(again));
    for (int i = 0; i < SMALL_RATINGS_MAX; i++)
        confidence[i] = (float)(0.5 + 3 * mq_rng_uniform(rng));
    struct mq_ials_side side = {
        .row_count = USERS,
        .table_count = ITEMS,
        .factors = f,
        .offset = matrix->user_offset,
        .index = matrix->user_item,
        .confidence = mq_rng_below(rng, 2) ? confidence : NULL,
        .table = table,
        .gram = gram,
        .unobserved_weight = (float)(0.02 + 0.4 * mq_rng_uniform(rng)),
        .regularization = (float)(0.01 + 0.1 * mq_rng_uniform(rng)),
        .regularization_exponent = (float)mq_rng_uniform(rng),
        .form = mq_rng_below(rng, 2) ? MQ_IALS_INSTEAD : MQ_IALS_BESIDE,
    };
    check_ok(mq_ials_gram(table, ITEMS, f, side.unobserved_weight, pool, gram, &err));
    check_ok(mq_ials_solve_exactly(&side, exact, pool, &err));
    check_ok(mq_ials_solve_steps(&side, 60, steps, pool, &err));
    for (int32_t u = 0; u < USERS; u++) {
        /* float32 of systems whose condition is some thousands */
        if (!(misfit(&side, u, exact + u * f) < 1e-4))
            fail_msg("Cholesky misses row %d by %g", u, misfit(&side, u, exact + u * f));
        if (!(misfit(&side, u, steps + u * f) < 1e-4))
            fail_msg("steps miss row %d by %g", u, misfit(&side, u, steps + u * f));
        for (int32_t j = 0; j < f; j++)
            assert_true(fabs((double)exact[u * f + j] - (double)steps[u * f + j]) < 2e-3);
    }
    check_ok(mq_ials_solve_steps(&side, 60, again, NULL, &err));
    assert_memory_equal(again, steps, sizeof(float) * (size_t)(USERS * f));
    check_ok(mq_ials_solve_exactly(&side, again, NULL, &err));
    assert_memory_equal(again, exact, sizeof(float) * (size_t)(USERS * f));
    mq_rating_matrix_free(matrix);
}

static void
steps_end_where_cholesky_does(void **state)
{
    struct mq_error err = {0};
    struct mq_pool *pool = NULL;
    struct mq_rng rng;
    (void)state;
    mq_rng_init(&rng, 11, 0);
    check_ok(mq_pool_new(3, &pool, &err));
    for (int round = 0; round < ROUNDS; round++)
        one_side(&rng, pool);
    mq_pool_free(pool);
}

static void
training_on_any_number_of_threads(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(USERS, ITEMS, 3000, 5);
    struct mq_pool *pool = NULL;
    (void)state;
    check_ok(mq_pool_new(3, &pool, &err));
    for (int solver = MQ_IALS_CONJUGATE_GRADIENT; solver <= MQ_IALS_CHOLESKY; solver++) {
        struct mq_ials_options options = mq_ials_options_default();
        struct mq_ials *alone = NULL, *together = NULL;
        struct mq_ials_report a, b;
        options.factors = 40;
        options.iterations = 3;
        options.solver = (enum mq_ials_solver)solver;
        check_ok(mq_ials_train(matrix, NULL, &options, 9, NULL, &alone, &a, &err));
        check_ok(mq_ials_train(matrix, NULL, &options, 9, pool, &together, &b, &err));
        assert_memory_equal(alone->user, together->user, sizeof(float) * USERS * 40);
        assert_memory_equal(alone->item, together->item, sizeof(float) * ITEMS * 40);
        assert_true(a.final_objective == b.final_objective);
        mq_ials_free(alone);
        mq_ials_free(together);
    }
    mq_pool_free(pool);
    mq_rating_matrix_free(matrix);
}

/* The k-th best by the rule, one after the other. */
static void
plain_list(const float *vector, const float *items, int32_t f,
           const struct mq_rating_matrix *matrix, int32_t user, int32_t k, int32_t *ret_items)
{
    bool taken[ITEMS] = {false};
    double scores[ITEMS];
    for (int32_t i = 0; i < ITEMS; i++) {
        float s = 0;
        for (int32_t j = 0; j < f; j++)
            s += vector[j] * items[i * f + j];
        scores[i] = (double)s;
        taken[i] = matrix != NULL && mq_rating_matrix_find(matrix, user, i) >= 0;
    }
    for (int32_t n = 0; n < k; n++) {
        ret_items[n] = -1;
        for (int32_t i = 0; i < ITEMS; i++)
            if (!taken[i] && (ret_items[n] < 0 || scores[i] > scores[ret_items[n]]))
                ret_items[n] = i;
        if (ret_items[n] >= 0)
            taken[ret_items[n]] = true;
    }
}

static void
lists_are_those_of_a_plain_search(void **state)
{
    struct mq_error err = {0};
    struct mq_pool *pool = NULL;
    struct mq_rng rng;
    static float users[USERS * 40], items[ITEMS * 40], scores[USERS * 200];
    static int32_t got[USERS * 200], one[200], want[200];
    (void)state;
    mq_rng_init(&rng, 12, 0);
    check_ok(mq_pool_new(3, &pool, &err));
    for (int round = 0; round < ROUNDS; round++) {
        int32_t f = 1 + (int32_t)mq_rng_below(&rng, 40), k = 1 + (int32_t)mq_rng_below(&rng, 200);
        struct mq_rating_matrix *matrix = small_ratings(USERS, ITEMS, 3000, mq_rng_next(&rng));
        struct mq_factor_panels panels;
        /* Small whole numbers: sums are exact in any order, and many scores are equal. */
        for (int i = 0; i < USERS * f; i++)
            users[i] = (float)((int)mq_rng_below(&rng, 5) - 2);
        for (int i = 0; i < ITEMS * f; i++)
            items[i] = (float)((int)mq_rng_below(&rng, 5) - 2);
        bool seen = mq_rng_below(&rng, 4) != 0;
        struct mq_factor_queries queries = {.count = USERS,
                                            .vector = users,
                                            .offset = seen ? matrix->user_offset : NULL,
                                            .item = matrix->user_item};
        check_ok(mq_factor_panels_build(items, ITEMS, f, pool, &panels, &err));
        check_ok(mq_factor_lists(&panels, &queries, k, pool, got, scores, &err));
        for (int32_t u = 0; u < USERS; u++) {
            plain_list(users + u * f, items, f, seen ? matrix : NULL, u, k, want);
            assert_memory_equal(got + u * k, want, sizeof(int32_t) * (size_t)k);
            for (int32_t n = 0; n < k; n++)
                assert_int_equal(isinf((double)scores[u * k + n]) != 0, want[n] < 0);
        }
        /* Alone, a user gets the same. */
        const int64_t *at = matrix->user_offset + 7;
        struct mq_factor_queries alone = {.count = 1,
                                          .vector = users + 7 * f,
                                          .offset = seen ? at : NULL,
                                          .item = matrix->user_item};
        check_ok(mq_factor_lists(&panels, &alone, k, NULL, one, NULL, &err));
        assert_memory_equal(one, got + 7 * k, sizeof(int32_t) * (size_t)k);
        mq_factor_panels_release(&panels);
        mq_rating_matrix_free(matrix);
    }
    mq_pool_free(pool);
}

int
main(void)
{
    mq_progress_enable(false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_end_where_cholesky_does),
        cmocka_unit_test(training_on_any_number_of_threads),
        cmocka_unit_test(lists_are_those_of_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
