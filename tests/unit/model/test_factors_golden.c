/*
 * iALS, EASE and biased matrix factorisation against NumPy (tests/golden/factors_golden.py, in
 * float64): objective, exact rows, weights, posteriors and the ridge regression, on a small matrix
 * that both sides make by the same formula. Tolerance: float32 systems of nine unknowns whose
 * condition is some hundreds, so 5e-5 relative to the largest value of each array.
 */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/npy.h"
#include "model/biased_mf.h"
#include "model/biased_mf_row.h"
#include "model/ease.h"
#include "model/ials_solve.h"
#include "model/rated_ridge.h"

enum { USERS = 7, ITEMS = 9, FACTORS = 6, D = FACTORS + 1, RATINGS_MAX = USERS * ITEMS };

struct golden {
    float *values;
    int64_t count, at;
};

static double
value(int t, int64_t k)
{
    return (double)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0;
}

static void
fill(float *values, int64_t n, int t, double factor)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(value(t, i) * factor);
}

static struct mq_rating_matrix *
make_matrix(float *confidence)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    int32_t user[RATINGS_MAX], item[RATINGS_MAX], count = 0;
    float rating[RATINGS_MAX];
    for (int32_t u = 0; u < USERS - 1; u++)
        for (int32_t i = 0; i < ITEMS - 1; i++)
            if ((u * 5 + i * 3 + u * i) % 4 != 0) {
                confidence[count] = 1 + (float)(count % 3) / 2;
                user[count] = u;
                item[count] = i;
                rating[count++] = (float)(1 + u % 3 + i % 3);
            }
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, NULL},
                                    USERS, ITEMS, NULL, NULL, &matrix, &err));
    return matrix;
}

static void
load(struct golden *g, const char *name)
{
    struct mq_error err = {0};
    const char *source = getenv("MARQUEE_SOURCE");
    mq_autofree char *path =
        mq_strfmt("%s/tests/golden/data/%s.npy", source != NULL ? source : ".", name);
    struct mq_reader *reader = NULL;
    int64_t rows, columns;
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_npy_read_floats(reader, 0, &g->values, &rows, &columns, &err));
    mq_reader_close(reader);
    g->count = rows * columns;
    g->at = 0;
}

static double
difference(const struct golden *g, const float *got, int64_t n)
{
    double worst = 0, largest = 1e-12;
    assert_true(g->at + n <= g->count);
    for (int64_t i = 0; i < n; i++) {
        double expected = (double)g->values[g->at + i];
        worst = fmax(worst, fabs(expected - (double)got[i]));
        largest = fmax(largest, fabs(expected));
    }
    return worst / largest;
}

static void
check_array(struct golden *g, const char *what, const float *got, int64_t n)
{
    double found = difference(g, got, n);
    if (!(found < 5e-5))
        fail_msg("%s differs from NumPy by %g of its largest value", what, found);
    g->at += n;
}

static void
check_end(struct golden *g)
{
    assert_int_equal(g->at, g->count);
    free(g->values);
}

static void
ials_step(void **state)
{
    struct mq_error err = {0};
    struct golden g;
    float confidence[RATINGS_MAX], item_confidence[RATINGS_MAX];
    float user[USERS * FACTORS], item[ITEMS * FACTORS], solved[ITEMS * FACTORS];
    float gram[FACTORS * FACTORS];
    struct mq_rating_matrix *matrix = make_matrix(confidence);
    (void)state;
    load(&g, "ials-step");
    fill(user, USERS * FACTORS, 0, 0.5);
    fill(item, ITEMS * FACTORS, 1, 0.5);
    for (int32_t i = 0, at = 0; i < ITEMS; i++)
        for (int64_t p = matrix->item_offset[i]; p < matrix->item_offset[i + 1]; p++)
            item_confidence[at++] =
                confidence[mq_rating_matrix_find(matrix, matrix->item_user[p], i)];
    for (int form = 0; form < 2; form++) {
        struct mq_ials_options options = mq_ials_options_default();
        struct mq_ials *model = NULL;
        double objective = 0;
        options.factors = FACTORS;
        options.regularization = 0.05f;
        options.regularization_exponent = 0.7f;
        options.form = form == 0 ? MQ_IALS_BESIDE : MQ_IALS_INSTEAD;
        check_ok(mq_ials_from_arrays(user, USERS, item, ITEMS, &options, NULL, &model, &err));
        check_ok(mq_ials_objective(model, matrix, confidence, NULL, &objective, &err));
        float single = (float)objective;
        check_array(&g, "L", &single, 1);
        check_ok(mq_ials_fold_in_all(model, matrix, confidence, NULL, solved, &err));
        check_array(&g, "users", solved, USERS * FACTORS);
        check_ok(mq_ials_gram(user, USERS, FACTORS, 0.3f, NULL, gram, &err));
        struct mq_ials_side side = {.row_count = ITEMS,
                                    .table_count = USERS,
                                    .factors = FACTORS,
                                    .offset = matrix->item_offset,
                                    .index = matrix->item_user,
                                    .confidence = item_confidence,
                                    .table = user,
                                    .gram = gram,
                                    .unobserved_weight = 0.3f,
                                    .regularization = 0.05f,
                                    .regularization_exponent = 0.7f,
                                    .form = options.form};
        check_ok(mq_ials_solve_exactly(&side, solved, NULL, &err));
        check_array(&g, "items", solved, ITEMS * FACTORS);
        mq_ials_free(model);
    }
    check_end(&g);
    mq_rating_matrix_free(matrix);
}

static void
ease_weights(void **state)
{
    struct mq_error err = {0};
    struct golden g;
    float confidence[RATINGS_MAX], fifth[RATINGS_MAX];
    struct mq_rating_matrix *matrix = make_matrix(confidence);
    struct mq_ease_options options = mq_ease_options_default();
    (void)state;
    load(&g, "ease-weights");
    options.regularization = 0.7f;
    options.dropout = 0.4f;
    for (int64_t i = 0; i < matrix->count; i++)
        fifth[i] = matrix->user_rating[i] / 5;
    for (int weighted = 0; weighted < 2; weighted++) {
        struct mq_ease *model = NULL;
        check_ok(mq_ease_train(matrix, weighted ? fifth : NULL, &options, NULL, &model, &err));
        if (weighted) { /* A planted error must be seen. */
            model->weight[10] += 1e-3f;
            assert_true(difference(&g, model->weight, ITEMS * ITEMS) > 5e-5);
            model->weight[10] -= 1e-3f;
        }
        check_array(&g, weighted ? "B of ratings" : "B", model->weight, ITEMS * ITEMS);
        mq_ease_free(model);
    }
    check_end(&g);
    mq_rating_matrix_free(matrix);
}

/* 0.3 m mᵀ + 0.1 I, as NumPy makes it before rounding. */
static void
fill_covariance(float *covariance, int t)
{
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            double sum = 0;
            for (int k = 0; k < D; k++)
                sum += 0.3 * value(t, i * D + k) * value(t, j * D + k);
            covariance[i * D + j] = (float)(sum + (i == j ? 0.1 : 0));
        }
}

static void
biased_mf_step(void **state)
{
    struct mq_error err = {0};
    struct golden g;
    enum { SIZE = MQ_BIASED_MF_MOMENTS(FACTORS) };
    float confidence[RATINGS_MAX], rows[ITEMS * D], covariance[D * D], moments[ITEMS * SIZE];
    float precision[D], prior[D], row[D], x[USERS * D], y[ITEMS * D] = {0};
    struct mq_rating_matrix *matrix = make_matrix(confidence);
    mq_autofree float *scratch = NULL;
    (void)state;
    load(&g, "biased-mf-step");
    fill(rows, ITEMS * D, 2, 1);
    fill(prior, D, 4, 0.3);
    fill(x, USERS * D, 5, 1);
    for (int j = 0; j < D; j++)
        precision[j] = (float)(2 + 3 * (value(3, j) + 0.5));
    for (int i = 0; i < ITEMS; i++) {
        fill_covariance(covariance, 10 + i);
        mq_biased_mf_row_moments(rows + i * D, covariance, FACTORS, moments + i * SIZE);
    }
    check_ok(mq_alloc_array(mq_biased_mf_row_scratch(FACTORS), sizeof(float), &scratch, &err));
    struct mq_biased_mf_side side = {.factors = FACTORS,
                                     .mean = 3.1f,
                                     .scale = 1.2f,
                                     .noise = 0.4f,
                                     .moments = moments,
                                     .precision = precision};
    for (int32_t u = 0; u < USERS - 1; u++) {
        int64_t first = matrix->user_offset[u];
        double squares = 0;
        check_ok(mq_biased_mf_row(&side, matrix->user_item + first, matrix->user_rating + first,
                                  matrix->user_offset[u + 1] - first, prior, scratch, row,
                                  covariance, &squares, &err));
        float single = (float)squares;
        check_array(&g, "mean", row, D);
        check_array(&g, "covariance", covariance, D * D);
        check_array(&g, "squares", &single, 1);
    }
    struct mq_rated_ridge ridge = {.row_count = USERS,
                                   .column_count = ITEMS,
                                   .dim = D,
                                   .row_offset = matrix->user_offset,
                                   .row_column = matrix->user_item,
                                   .column_offset = matrix->item_offset,
                                   .column_row = matrix->item_user,
                                   .regularization = 0.6f};
    check_ok(mq_rated_ridge_solve(&ridge, x, 40, y, NULL, &err));
    check_array(&g, "ridge", y, ITEMS * D);
    check_end(&g);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ials_step),
        cmocka_unit_test(ease_weights),
        cmocka_unit_test(biased_mf_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
