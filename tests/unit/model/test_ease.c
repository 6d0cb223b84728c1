#include "check.h"

#include <math.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "model/ease.h"
#include "model/recency.h"
#include "small_ratings.h"

static struct mq_ease_options
few_ratings(void)
{
    struct mq_ease_options options = mq_ease_options_default();
    options.regularization = 2;
    options.dropout = 0.5f;
    return options;
}

static struct mq_ease *
train(const struct mq_rating_matrix *matrix, struct mq_pool *pool)
{
    struct mq_error err = {0};
    struct mq_ease_options options = few_ratings();
    struct mq_ease *model = NULL;
    check_ok(mq_ease_train(matrix, NULL, &options, pool, &model, &err));
    return model;
}

/* B is the least of |X - X B|² + Σ_i Λ_i B_i² with a zero diagonal: off it, the gradient vanishes.
 */
static void
weights_are_optimal(void **state)
{
    enum { USERS = 60, ITEMS = 20 };
    struct mq_rating_matrix *matrix = small_ratings(USERS, ITEMS, 400, 1);
    struct mq_ease *model = train(matrix, NULL);
    double x[USERS][ITEMS] = {{0}};
    (void)state;
    for (int32_t u = 0; u < USERS; u++)
        for (int64_t i = matrix->user_offset[u]; i < matrix->user_offset[u + 1]; i++)
            x[u][matrix->user_item[i]] = 1;
    for (int i = 0; i < ITEMS; i++)
        for (int j = 0; j < ITEMS; j++) {
            double b = (double)model->weight[i * ITEMS + j], own = 0, gradient = 0;
            for (int u = 0; u < USERS; u++) {
                double residual = -x[u][j];
                for (int k = 0; k < ITEMS; k++)
                    residual += x[u][k] * (double)model->weight[k * ITEMS + j];
                gradient += x[u][i] * residual;
                own += x[u][i];
            }
            gradient += (2 + 0.5 * own) * b;
            assert_true(i == j ? b == 0 : fabs(gradient) < 1e-3);
        }
    mq_ease_free(model);
    mq_rating_matrix_free(matrix);
}

static void
scores_and_lists(void **state)
{
    enum { USERS = 70, ITEMS = 150, K = 30 };
    struct mq_error err = {0};
    struct mq_pool *pool = NULL;
    struct mq_rating_matrix *matrix = small_ratings(USERS, ITEMS, 1500, 2);
    static float weight[1500], scores[ITEMS], some[ITEMS], list_scores[USERS * K];
    static int32_t lists[USERS * K], candidates[ITEMS];
    (void)state;
    check_ok(mq_pool_new(3, &pool, &err));
    struct mq_ease *model = train(matrix, pool), *alone = train(matrix, NULL);
    assert_memory_equal(model->weight, alone->weight, sizeof(float) * ITEMS * ITEMS);
    check_ok(mq_recency_weights_all(matrix, MQ_RECENCY_EXPONENT, weight, &err));
    for (int32_t i = 0; i < ITEMS; i++)
        candidates[i] = (i * 7) % ITEMS;
    for (int weighted = 0; weighted < 2; weighted++) {
        const float *value = weighted ? weight : NULL;
        check_ok(mq_ease_lists(model, matrix, value, K, pool, lists, list_scores, &err));
        for (int32_t u = 0; u < USERS; u++) {
            int64_t first = matrix->user_offset[u], count = matrix->user_offset[u + 1] - first;
            const int32_t *items = matrix->user_item + first;
            const float *own = weighted ? weight + first : NULL;
            check_ok(mq_ease_scores(model, items, own, count, scores, &err));
            check_ok(mq_ease_score_items(model, items, own, count, candidates, ITEMS, some, &err));
            for (int32_t i = 0; i < ITEMS; i++)
                assert_true(fabs((double)some[i] - (double)scores[candidates[i]]) < 1e-5);
            for (int32_t n = 0; n < K; n++) {
                int32_t item = lists[u * K + n];
                assert_int_equal(mq_rating_matrix_find(matrix, u, item), -1);
                assert_true(list_scores[u * K + n] == scores[item]);
                assert_true(n == 0 || list_scores[u * K + n] <= list_scores[u * K + n - 1]);
            }
            /* Nothing outside the list is better than its last. */
            for (int32_t i = 0; i < ITEMS; i++) {
                bool listed = mq_rating_matrix_find(matrix, u, i) >= 0;
                for (int32_t n = 0; n < K && !listed; n++)
                    listed = lists[u * K + n] == i;
                assert_true(listed || scores[i] <= list_scores[u * K + K - 1]);
            }
        }
    }
    mq_ease_free(alone);
    mq_ease_free(model);
    mq_pool_free(pool);
    mq_rating_matrix_free(matrix);
}

static void
odd_matrices(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    const int32_t zero[] = {0}, users[] = {0, 1, 2}, items[] = {0, 0, 0};
    int32_t list[6];
    float scores[3];
    (void)state;
    /* No items. */
    const struct mq_rating_list none = {0, zero, zero, NULL, NULL};
    check_ok(mq_rating_matrix_build(&none, 0, 0, NULL, NULL, &matrix, &err));
    struct mq_ease *model = train(matrix, NULL);
    check_fails(MQ_E_RANGE, mq_ease_lists(model, matrix, NULL, 1, NULL, list, NULL, &err));
    mq_ease_free(model);
    mq_rating_matrix_free(matrix);
    /* No ratings: no item says anything of another. */
    check_ok(mq_rating_matrix_build(&none, 2, 3, NULL, NULL, &matrix, &err));
    struct mq_ease_options options = few_ratings();
    check_ok(mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    for (int i = 0; i < 9; i++)
        assert_true(model->weight[i] == 0);
    check_ok(mq_ease_scores(model, NULL, NULL, 0, scores, &err));
    assert_true(scores[0] == 0 && scores[2] == 0);
    check_ok(mq_ease_lists(model, matrix, NULL, 3, NULL, list, NULL, &err));
    assert_memory_equal(list, ((int32_t[]){0, 1, 2, 0, 1, 2}), sizeof(list));
    mq_ease_free(model);
    mq_rating_matrix_free(matrix);
    /* One item that all chose: nothing is left to list. */
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){3, users, items, NULL, NULL}, 3, 1,
                                    NULL, NULL, &matrix, &err));
    model = train(matrix, NULL);
    assert_true(model->weight[0] == 0);
    check_ok(mq_ease_lists(model, matrix, NULL, 1, NULL, list, scores, &err));
    assert_true(list[0] == -1 && isinf(scores[0]));
    mq_ease_free(model);
    mq_rating_matrix_free(matrix);
}

static void
bad_input(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(5, 5, 10, 1);
    struct mq_ease_options options = few_ratings();
    struct mq_ease *model = NULL, *copy = NULL;
    float value[10] = {0, 0, NAN}, scores[5];
    int32_t list[5];
    (void)state;
    options.items_max = 4;
    check_fails(MQ_E_RANGE, mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    check_contains(err.message, "EASE of 5 items");
    check_contains(err.message, "limit: 4 items");
    check_contains(err.hint, "iALS");
    options.items_max = MQ_EASE_ITEMS_MAX + 1;
    check_fails(MQ_E_RANGE, mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    options = few_ratings();
    options.regularization = 0;
    check_fails(MQ_E_RANGE, mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    options = few_ratings();
    options.dropout = -1;
    check_fails(MQ_E_RANGE, mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    options = few_ratings();
    check_fails(MQ_E_RANGE, mq_ease_train(matrix, value, &options, NULL, &model, &err));
    check_contains(err.message, "rating 2 is not finite");
    mq_cancel_request();
    check_fails(MQ_E_CANCELLED, mq_ease_train(matrix, NULL, &options, NULL, &model, &err));
    mq_cancel_reset();

    model = train(matrix, NULL);
    check_fails(MQ_E_RANGE, mq_ease_scores(model, (int32_t[]){5}, NULL, 1, scores, &err));
    check_contains(err.message, "rating 0 is item 5 (0 to 4)");
    check_fails(MQ_E_RANGE, mq_ease_score_items(model, (int32_t[]){1}, NULL, 1, (int32_t[]){-1}, 1,
                                                scores, &err));
    check_contains(err.message, "candidate 0 is item -1");
    check_fails(MQ_E_RANGE, mq_ease_lists(model, matrix, NULL, 6, NULL, list, NULL, &err));
    check_ok(mq_ease_from_array(model->weight, 5, &copy, &err));
    assert_memory_equal(copy->weight, model->weight, 25 * sizeof(float));
    mq_ease_free(copy);
    model->weight[7] = INFINITY;
    check_fails(MQ_E_RANGE, mq_ease_from_array(model->weight, 5, &copy, &err));
    check_contains(err.message, "weight 1,2 is not finite");
    mq_ease_free(model);
    mq_rating_matrix_free(matrix);
}

static void
newer_items_weigh_more(void **state)
{
    struct mq_error err = {0};
    const uint32_t time_s[] = {50, 90, 50, 10};
    float weight[4], all[10];
    (void)state;
    check_ok(mq_recency_weights(time_s, 4, 1, weight, &err));
    assert_true(weight[1] == 1); /* the newest */
    assert_true(fabs((double)weight[0] - 1 / 2.5) < 1e-6 && weight[2] == weight[0]);
    assert_true(weight[3] == 0.25f);
    check_ok(mq_recency_weights(time_s, 4, 0, weight, &err));
    assert_true(weight[0] == 1 && weight[3] == 1);
    check_ok(mq_recency_weights(time_s, 0, 1, weight, &err));
    check_fails(MQ_E_RANGE, mq_recency_weights(time_s, 4, -1, weight, &err));
    check_fails(MQ_E_RANGE, mq_recency_weights(time_s, 4, NAN, weight, &err));
    struct mq_rating_matrix *matrix = small_ratings(3, 5, 10, 1);
    check_ok(mq_recency_weights_all(matrix, 0.7, all, &err));
    for (int32_t u = 0; u < 3; u++) {
        int64_t first = matrix->user_offset[u], count = matrix->user_offset[u + 1] - first;
        check_ok(mq_recency_weights(matrix->user_time + first, count, 0.7, weight, &err));
        assert_memory_equal(all + first, weight, (size_t)count * sizeof(float));
    }
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_optimal),    cmocka_unit_test(scores_and_lists),
        cmocka_unit_test(odd_matrices),           cmocka_unit_test(bad_input),
        cmocka_unit_test(newer_items_weigh_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
