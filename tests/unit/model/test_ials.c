#include "check.h"

#include <math.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/ials.h"
#include "small_ratings.h"

static struct mq_ials_options
few_factors(void)
{
    struct mq_ials_options options = mq_ials_options_default();
    options.factors = 8;
    options.iterations = 6;
    return options;
}

static struct mq_ials *
train(const struct mq_rating_matrix *matrix, const struct mq_ials_options *options)
{
    struct mq_error err = {0};
    struct mq_ials *model = NULL;
    check_ok(mq_ials_train(matrix, NULL, options, 1, NULL, &model, NULL, &err));
    return model;
}

/* L pair by pair, from its definition. */
static double
plain_objective(const struct mq_ials *m, const struct mq_rating_matrix *r, const float *confidence)
{
    double total = 0;
    for (int32_t u = 0; u < r->user_count; u++)
        for (int32_t i = 0; i < r->item_count; i++) {
            double s = 0;
            for (int32_t j = 0; j < m->factors; j++)
                s += (double)m->user[u * m->factors + j] * (double)m->item[i * m->factors + j];
            int64_t at = mq_rating_matrix_find(r, u, i);
            double c = at >= 0 && confidence != NULL ? (double)confidence[at] : 1;
            if (at >= 0)
                total += c * (s - 1) * (s - 1);
            if (at < 0 || m->form == MQ_IALS_BESIDE)
                total += (double)m->unobserved_weight * s * s;
        }
    for (int32_t side = 0; side < 2; side++) {
        int32_t rows = side == 0 ? r->user_count : r->item_count;
        const int64_t *offset = side == 0 ? r->user_offset : r->item_offset;
        const float *vector = side == 0 ? m->user : m->item;
        double others = side == 0 ? r->item_count : r->user_count;
        for (int32_t row = 0; row < rows; row++) {
            double frequency =
                (double)(offset[row + 1] - offset[row]) + (double)m->unobserved_weight * others;
            double lambda =
                (double)m->regularization * pow(frequency, (double)m->regularization_exponent);
            for (int32_t j = 0; j < m->factors; j++)
                total += lambda * pow((double)vector[row * m->factors + j], 2);
        }
    }
    return total;
}

static void
objective_is_the_papers(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(30, 20, 200, 1);
    float confidence[SMALL_RATINGS_MAX];
    (void)state;
    for (int i = 0; i < SMALL_RATINGS_MAX; i++)
        confidence[i] = 0.5f + (float)(i % 7);
    for (int form = 0; form < 2; form++)
        for (int weighted = 0; weighted < 2; weighted++) {
            struct mq_ials_options options = few_factors();
            struct mq_ials *model = NULL;
            struct mq_ials_report report;
            const float *c = weighted ? confidence : NULL;
            options.form = form == 0 ? MQ_IALS_BESIDE : MQ_IALS_INSTEAD;
            options.regularization_exponent = 0.8f;
            options.objectives = true;
            check_ok(mq_ials_train(matrix, c, &options, 3, NULL, &model, &report, &err));
            double want = plain_objective(model, matrix, c), got = 0;
            check_ok(mq_ials_objective(model, matrix, c, NULL, &got, &err));
            assert_true(fabs(got - want) < 1e-5 * want);
            assert_true(got == report.final_objective);
            /* Each half of an iteration solves exactly, so it never goes up, but for rounding. */
            assert_int_equal(report.solver, MQ_IALS_CHOLESKY);
            for (int i = 1; i < report.iterations; i++)
                assert_true(report.objective[i] <= report.objective[i - 1] * (1 + 1e-6));
            assert_true(got <= report.objective[report.iterations - 1] * (1 + 1e-6));
            assert_true(report.objective[report.iterations - 1] < report.objective[0]);
            mq_free(report.objective);
            mq_ials_free(model);
        }
    mq_rating_matrix_free(matrix);
}

static void
folding_in_gives_the_training_rows(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(40, 25, 300, 2);
    float confidence[SMALL_RATINGS_MAX], all[40 * 70], vector[70];
    (void)state;
    for (int i = 0; i < SMALL_RATINGS_MAX; i++)
        confidence[i] = 1 + (float)(i % 5);
    for (int form = 0; form < 2; form++)
        for (int weighted = 0; weighted < 2; weighted++) {
            struct mq_ials_options options = few_factors();
            struct mq_ials *model = NULL;
            const float *c = weighted ? confidence : NULL;
            options.factors = 70;
            options.form = form == 0 ? MQ_IALS_BESIDE : MQ_IALS_INSTEAD;
            options.solver = MQ_IALS_CONJUGATE_GRADIENT;
            check_ok(mq_ials_train(matrix, c, &options, 3, NULL, &model, NULL, &err));
            for (int32_t u = 0; u < matrix->user_count; u++) {
                int64_t first = matrix->user_offset[u];
                check_ok(mq_ials_fold_in(model, matrix->user_item + first,
                                         c != NULL ? c + first : NULL,
                                         matrix->user_offset[u + 1] - first, vector, &err));
                assert_memory_equal(vector, model->user + u * 70, sizeof(vector));
            }
            check_ok(mq_ials_fold_in_all(model, matrix, c, NULL, all, &err));
            assert_memory_equal(all, model->user, sizeof(all));
            mq_ials_free(model);
        }
    mq_rating_matrix_free(matrix);
}

static void
arrays_make_the_same_model(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(15, 12, 60, 4);
    struct mq_ials_options options = few_factors();
    struct mq_ials *model = train(matrix, &options), *kept = NULL;
    float a[8], b[8];
    const int32_t items[] = {1, 5, 11};
    (void)state;
    check_ok(mq_ials_from_arrays(model->user, 15, model->item, 12, &options, NULL, &kept, &err));
    check_ok(mq_ials_fold_in(model, items, NULL, 3, a, &err));
    check_ok(mq_ials_fold_in(kept, items, NULL, 3, b, &err));
    assert_memory_equal(a, b, sizeof(a));
    mq_ials_free(kept);
    model->item[9] = NAN;
    check_fails(MQ_E_RANGE,
                mq_ials_from_arrays(model->user, 15, model->item, 12, &options, NULL, &kept, &err));
    check_contains(err.message, "item 1: factor 1 is not finite");
    mq_ials_free(model);
    mq_rating_matrix_free(matrix);
}

static void
learns_two_tastes(void **state)
{
    /* Even users choose even items. What a user has not seen of his kind scores above the rest. */
    enum { USERS = 60, ITEMS = 30 };
    int32_t user[USERS * ITEMS], item[USERS * ITEMS], count = 0;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    (void)state;
    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = u % 2; i < ITEMS; i += 2)
            if ((u / 2 + i / 2) % 4 != 0)
                user[count] = u, item[count++] = i;
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, NULL, NULL}, USERS,
                                    ITEMS, NULL, NULL, &matrix, &err));
    for (int solver = MQ_IALS_CONJUGATE_GRADIENT; solver <= MQ_IALS_CHOLESKY; solver++) {
        struct mq_ials_options options = few_factors();
        options.solver = (enum mq_ials_solver)solver;
        options.unobserved_weight = 0.1f;
        struct mq_ials *model = train(matrix, &options);
        for (int32_t u = 0; u < USERS; u++) {
            double score[2] = {INFINITY, -INFINITY}; /* least of his kind, most of the other */
            for (int32_t i = 0; i < ITEMS; i++) {
                double s = 0;
                for (int32_t j = 0; j < 8; j++)
                    s += (double)model->user[u * 8 + j] * (double)model->item[i * 8 + j];
                if (i % 2 == u % 2)
                    score[0] = fmin(score[0], s);
                else
                    score[1] = fmax(score[1], s);
            }
            assert_true(score[0] > score[1] + 0.05);
        }
        mq_ials_free(model);
    }
    mq_rating_matrix_free(matrix);
}

static void
odd_matrices(void **state)
{
    struct mq_error err = {0};
    struct mq_ials_options options = few_factors();
    const int32_t zero[] = {0};
    const struct mq_rating_list none = {0, zero, zero, NULL, NULL},
                                one = {1, zero, zero, NULL, NULL};
    (void)state;
    for (int solver = MQ_IALS_CONJUGATE_GRADIENT; solver <= MQ_IALS_CHOLESKY; solver++) {
        struct mq_rating_matrix *matrix = NULL;
        struct mq_ials *model = NULL;
        struct mq_ials_report report;
        float vector[8];
        options.solver = (enum mq_ials_solver)solver;
        /* No users, no items. */
        check_ok(mq_rating_matrix_build(&none, 0, 0, NULL, NULL, &matrix, &err));
        check_ok(mq_ials_train(matrix, NULL, &options, 1, NULL, &model, &report, &err));
        assert_true(report.final_objective == 0);
        check_ok(mq_ials_fold_in(model, NULL, NULL, 0, vector, &err));
        assert_true(vector[0] == 0 && vector[7] == 0);
        check_fails(MQ_E_RANGE, mq_ials_fold_in(model, zero, NULL, 1, vector, &err));
        mq_ials_free(model);
        mq_rating_matrix_free(matrix);
        /* Users and items, and no rating: all vectors are zero. */
        check_ok(mq_rating_matrix_build(&none, 3, 2, NULL, NULL, &matrix, &err));
        model = train(matrix, &options);
        for (int i = 0; i < 24; i++)
            assert_true(model->user[i] == 0 && (i >= 16 || model->item[i] == 0));
        mq_ials_free(model);
        mq_rating_matrix_free(matrix);
        /* One user, one item; others without ratings. */
        check_ok(mq_rating_matrix_build(&one, 2, 3, NULL, NULL, &matrix, &err));
        model = train(matrix, &options);
        double s = 0;
        for (int j = 0; j < 8; j++) {
            s += (double)model->user[j] * (double)model->item[j];
            assert_true(model->user[8 + j] == 0 && model->item[8 + j] == 0);
        }
        assert_true(s > 0.5 && s < 1);
        mq_ials_free(model);
        mq_rating_matrix_free(matrix);
    }
}

static void
an_item_that_all_chose(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    int32_t user[40], item[40];
    struct mq_ials_options options = few_factors();
    (void)state;
    for (int i = 0; i < 40; i++)
        user[i] = i % 20, item[i] = i < 20 ? 0 : 1 + i % 4;
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){40, user, item, NULL, NULL}, 20, 5,
                                    NULL, NULL, &matrix, &err));
    struct mq_ials *model = train(matrix, &options);
    for (int i = 0; i < 20 * 8; i++)
        assert_true(isfinite(model->user[i]));
    mq_ials_free(model);
    mq_rating_matrix_free(matrix);
}

static void
bad_input(void **state)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small_ratings(5, 5, 10, 1);
    struct mq_ials *model = NULL;
    float confidence[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, vector[8];
    (void)state;
#define REFUSED(member, value, text)                                                               \
    do {                                                                                           \
        struct mq_ials_options options = few_factors();                                            \
        options.member = value;                                                                    \
        check_fails(MQ_E_RANGE,                                                                    \
                    mq_ials_train(matrix, NULL, &options, 1, NULL, &model, NULL, &err));           \
        check_contains(err.message, text);                                                         \
    } while (0)
    REFUSED(factors, 0, "0 factors (1 to 1024)");
    REFUSED(factors, 1025, "1025 factors");
    REFUSED(iterations, -1, "-1 iterations");
    REFUSED(steps, 0, "0 steps");
    REFUSED(unobserved_weight, 0, "unobserved weight 0");
    REFUSED(unobserved_weight, NAN, "unobserved weight nan");
    REFUSED(regularization, 0, "regularisation 0");
    REFUSED(regularization, INFINITY, "regularisation inf");
    REFUSED(regularization_exponent, 1.5f, "exponent 1.5");
    REFUSED(deviation, 0, "deviation 0");
    struct mq_ials_options options = few_factors();
    confidence[1] = 0;
    check_fails(MQ_E_RANGE,
                mq_ials_train(matrix, confidence, &options, 1, NULL, &model, NULL, &err));
    check_contains(err.message, "confidence 0 of rating 1 (above 0");
    confidence[1] = 0.1f;
    options.form = MQ_IALS_INSTEAD;
    check_fails(MQ_E_RANGE,
                mq_ials_train(matrix, confidence, &options, 1, NULL, &model, NULL, &err));
    check_contains(err.message, "at least 0.3");
    options.unobserved_weight = 2;
    check_fails(MQ_E_RANGE, mq_ials_train(matrix, NULL, &options, 1, NULL, &model, NULL, &err));
    options = few_factors();
    model = train(matrix, &options);
    check_fails(MQ_E_RANGE, mq_ials_fold_in(model, (int32_t[]){5}, NULL, 1, vector, &err));
    check_contains(err.message, "item 5 (0 to 4)");
    check_fails(MQ_E_RANGE, mq_ials_fold_in(model, (int32_t[]){-1}, NULL, 1, vector, &err));
    check_fails(MQ_E_RANGE,
                mq_ials_fold_in(model, (int32_t[]){1}, (float[]){INFINITY}, 1, vector, &err));
    mq_cancel_request();
    check_fails(MQ_E_CANCELLED, mq_ials_train(matrix, NULL, &options, 1, NULL, &model, NULL, &err));
    mq_cancel_reset();
    mq_ials_free(model);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    mq_progress_enable(false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objective_is_the_papers),
        cmocka_unit_test(folding_in_gives_the_training_rows),
        cmocka_unit_test(arrays_make_the_same_model),
        cmocka_unit_test(learns_two_tastes),
        cmocka_unit_test(odd_matrices),
        cmocka_unit_test(an_item_that_all_chose),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
