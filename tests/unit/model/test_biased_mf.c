#include "check.h"

#include <math.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/biased_mf.h"
#include "model/rated_ridge.h"
#include "small_ratings.h"

enum { FACTORS = 5, D = FACTORS + 1 };

static struct mq_biased_mf_options
few_factors(void)
{
    struct mq_biased_mf_options options = mq_biased_mf_options_default();
    options.factors = FACTORS;
    options.iterations = 15;
    return options;
}

static struct mq_biased_mf *
train(const struct mq_rating_matrix *matrix, const struct mq_biased_mf_options *options,
      struct mq_pool *pool, struct mq_biased_mf_report *report)
{
    struct mq_error err = {0};
    struct mq_biased_mf *model = NULL;
    check_ok(mq_biased_mf_train(matrix, options, 1, pool, &model, report, &err));
    return model;
}

static double
taste(int32_t u, int32_t i)
{
    return 3 + 0.4 * sin(u) + 0.5 * cos(3 * i) + 0.9 * sin(2 * u) * cos(i) +
           0.7 * cos(u) * sin(5 * i);
}

/* Ratings of a known law with noise of 0.3: what was held out is foretold nearly that well. */
static void
foretells_what_was_held_out(void **state)
{
    enum { USERS = 150, ITEMS = 80 };
    static int32_t user[2][USERS * ITEMS], item[2][USERS * ITEMS];
    static float rating[2][USERS * ITEMS], predicted[USERS * ITEMS];
    int32_t count[2] = {0};
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    struct mq_rng rng;
    (void)state;
    mq_rng_init(&rng, 8, 0);
    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = 0; i < ITEMS; i++) {
            uint32_t dice = mq_rng_below(&rng, 10);
            if (dice > 4)
                continue;
            int held = dice == 0;
            user[held][count[held]] = u;
            item[held][count[held]] = i;
            rating[held][count[held]++] = (float)(taste(u, i) + 0.3 * mq_rng_normal(&rng));
        }
    check_ok(mq_rating_matrix_build(
        &(struct mq_rating_list){count[0], user[0], item[0], rating[0], NULL}, USERS, ITEMS, NULL,
        NULL, &matrix, &err));
    for (int implicit = 0; implicit < 2; implicit++) {
        struct mq_biased_mf_options options = few_factors();
        struct mq_biased_mf_report report;
        options.implicit = implicit;
        struct mq_biased_mf *model = train(matrix, &options, NULL, &report);
        check_ok(mq_biased_mf_predict(model, user[1], item[1], count[1], predicted, &err));
        double squares = 0;
        for (int32_t k = 0; k < count[1]; k++)
            squares += pow((double)predicted[k] - (double)rating[1][k], 2);
        double rmse = sqrt(squares / count[1]);
        if (!(rmse < 0.36))
            fail_msg("implicit %d: held-out error %g", implicit, rmse);
        assert_true(report.noise > 0.27 && report.noise < 0.33);
        mq_biased_mf_free(model);
    }
    mq_rating_matrix_free(matrix);
}

static void
folding_in_gives_the_training_rows(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(40, 25, 300, 2);
    struct mq_pool *pool = NULL;
    struct mq_biased_mf_options options = few_factors();
    (void)state;
    check_ok(mq_pool_new(3, &pool, &err));
    struct mq_biased_mf *model = train(matrix, &options, NULL, NULL), *kept = NULL;
    struct mq_biased_mf *together = train(matrix, &options, pool, NULL);
    assert_memory_equal(model->user, together->user, sizeof(float) * 40 * D);
    assert_memory_equal(model->item, together->item, sizeof(float) * 25 * D);
    check_ok(mq_biased_mf_from_arrays(model, &kept, &err));
    for (int32_t u = 0; u < 40; u++) {
        int64_t first = matrix->user_offset[u];
        float row[D];
        check_ok(mq_biased_mf_fold_in(kept, matrix->user_item + first, matrix->user_rating + first,
                                      matrix->user_offset[u + 1] - first, row, &err));
        assert_memory_equal(row, model->user + u * D, sizeof(row));
        float rating = mq_biased_mf_rate(model, row, 3), predicted;
        check_ok(mq_biased_mf_predict(model, &u, (int32_t[]){3}, 1, &predicted, &err));
        assert_true(rating == predicted && rating >= 1 && rating <= 5);
    }
    mq_biased_mf_free(kept);
    mq_biased_mf_free(together);
    mq_biased_mf_free(model);
    mq_pool_free(pool);
    mq_rating_matrix_free(matrix);
}

static void
odd_matrices(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    struct mq_biased_mf_options options = few_factors();
    const int32_t zero[] = {0}, users[] = {0, 0, 1, 2}, items[] = {0, 1, 1, 2};
    const float four[] = {4, 4, 4, 4};
    const struct mq_rating_list none = {0, zero, zero, NULL, NULL};
    float row[D], rating;
    (void)state;
    /* Nothing at all. */
    check_ok(mq_rating_matrix_build(&none, 0, 0, NULL, NULL, &matrix, &err));
    struct mq_biased_mf *model = train(matrix, &options, NULL, NULL);
    check_ok(mq_biased_mf_fold_in(model, NULL, NULL, 0, row, &err));
    for (int j = 0; j < D; j++)
        assert_true(row[j] == 0);
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
    /* No ratings: the mean of none, 0. */
    check_ok(mq_rating_matrix_build(&none, 2, 2, NULL, NULL, &matrix, &err));
    model = train(matrix, &options, NULL, NULL);
    check_ok(mq_biased_mf_predict(model, zero, zero, 1, &rating, &err));
    assert_true(rating == 0);
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
    /* All ratings equal; a user and an item without any. */
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){4, users, items, four, NULL}, 4, 4,
                                    NULL, NULL, &matrix, &err));
    model = train(matrix, &options, NULL, NULL);
    for (int32_t u = 0; u < 4; u++)
        for (int32_t i = 0; i < 4; i++) {
            check_ok(mq_biased_mf_predict(model, &u, &i, 1, &rating, &err));
            assert_true(rating == 4);
        }
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
    /* One rating. */
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){1, zero, zero, four, NULL}, 1, 1, NULL,
                                    NULL, &matrix, &err));
    model = train(matrix, &options, NULL, NULL);
    check_ok(mq_biased_mf_predict(model, zero, zero, 1, &rating, &err));
    assert_true(rating == 4);
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
    /* Biases alone. */
    matrix = small_ratings(20, 10, 100, 3);
    options.factors = 0;
    model = train(matrix, &options, NULL, NULL);
    check_ok(mq_biased_mf_fold_in(model, matrix->user_item, matrix->user_rating,
                                  matrix->user_offset[1], row, &err));
    assert_true(row[0] == model->user[0]);
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
}

/* The same ratings on another scale are foretold on that scale. */
static void
any_scale(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *small = small_ratings(30, 20, 300, 6), *large;
    struct mq_biased_mf_options options = few_factors();
    int32_t user[300];
    float rating[300];
    (void)state;
    for (int32_t u = 0; u < 30; u++)
        for (int64_t i = small->user_offset[u]; i < small->user_offset[u + 1]; i++)
            user[i] = u;
    for (int64_t i = 0; i < small->count; i++)
        rating[i] = 20 * small->user_rating[i];
    check_ok(mq_rating_matrix_build(
        &(struct mq_rating_list){small->count, user, small->user_item, rating, NULL}, 30, 20, NULL,
        NULL, &large, &err));
    struct mq_biased_mf *a = train(small, &options, NULL, NULL);
    struct mq_biased_mf *b = train(large, &options, NULL, NULL);
    for (int64_t i = 0; i < small->count; i++) {
        float x, y;
        check_ok(mq_biased_mf_predict(a, user + i, small->user_item + i, 1, &x, &err));
        check_ok(mq_biased_mf_predict(b, user + i, small->user_item + i, 1, &y, &err));
        assert_true(fabs(20 * (double)x - (double)y) < 0.05);
    }
    mq_biased_mf_free(a);
    mq_biased_mf_free(b);
    mq_rating_matrix_free(small);
    mq_rating_matrix_free(large);
}

static void
bad_input(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(5, 5, 10, 1);
    struct mq_biased_mf_options options = few_factors();
    struct mq_biased_mf *model = NULL, *kept = NULL;
    float row[D], rating;
    (void)state;
    options.factors = 257;
    check_fails(MQ_E_RANGE, mq_biased_mf_train(matrix, &options, 1, NULL, &model, NULL, &err));
    check_contains(err.message, "257 factors (0 to 256)");
    options = few_factors();
    options.iterations = -1;
    check_fails(MQ_E_RANGE, mq_biased_mf_train(matrix, &options, 1, NULL, &model, NULL, &err));
    options = few_factors();
    options.implicit_regularization = 0;
    check_fails(MQ_E_RANGE, mq_biased_mf_train(matrix, &options, 1, NULL, &model, NULL, &err));
    options = few_factors();
    mq_cancel_request();
    check_fails(MQ_E_CANCELLED, mq_biased_mf_train(matrix, &options, 1, NULL, &model, NULL, &err));
    mq_cancel_reset();
    model = train(matrix, &options, NULL, NULL);
    check_fails(MQ_E_RANGE,
                mq_biased_mf_fold_in(model, (int32_t[]){5}, (float[]){1}, 1, row, &err));
    check_contains(err.message, "item 5 (0 to 4)");
    check_fails(MQ_E_RANGE,
                mq_biased_mf_fold_in(model, (int32_t[]){1}, (float[]){NAN}, 1, row, &err));
    check_fails(MQ_E_RANGE,
                mq_biased_mf_predict(model, (int32_t[]){5}, (int32_t[]){0}, 1, &rating, &err));
    check_contains(err.message, "pair 0 is user 5 (0 to 4)");
    model->precision[2] = 0;
    check_fails(MQ_E_RANGE, mq_biased_mf_from_arrays(model, &kept, &err));
    check_contains(err.message, "precision[2] is 0");
    model->precision[2] = 1;
    model->moments[3] = NAN;
    check_fails(MQ_E_RANGE, mq_biased_mf_from_arrays(model, &kept, &err));
    check_contains(err.message, "moments[0,3] is not finite");
    model->noise = 0;
    check_fails(MQ_E_RANGE, mq_biased_mf_from_arrays(model, &kept, &err));
    mq_biased_mf_free(model);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    mq_progress_enable(false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foretells_what_was_held_out),
        cmocka_unit_test(folding_in_gives_the_training_rows),
        cmocka_unit_test(odd_matrices),
        cmocka_unit_test(any_scale),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
