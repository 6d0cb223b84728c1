/* DeepFM's algebra against its formula: random shapes, fields, bags, unknown ids. The seed is
 * printed; MARQUEE_TEST_SEED repeats a run. */
#include "check.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/deepfm.h"
#include "model/deepfm_batch.h"
#include "deepfm_oracle.h"

#define ROWS_MAX 1400
#define COLUMNS_MAX 6

struct sample {
    struct mq_deepfm *model;
    struct mq_deepfm_rows rows;
    float *dense, label[ROWS_MAX];
    int32_t dense_row[ROWS_MAX];
    int32_t column[COLUMNS_MAX][ROWS_MAX];
    const int32_t *ids[COLUMNS_MAX];
    int64_t bag_table[2][8];
    int32_t member_table[2][64];
    const int64_t *bag_offset[2];
    const int32_t *bag_ids[2];
    int64_t bag_count[2];
};

static uint64_t seed;

static uint32_t
pick(struct mq_rng *rng, uint32_t low, uint32_t high)
{
    return low + mq_rng_below(rng, high - low + 1);
}

static void
make_sample(struct sample *s, struct mq_rng *rng, int64_t rows)
{
    struct mq_error err = {0};
    memset(s, 0, sizeof(*s));
    struct mq_deepfm_field fields[16] = {0};
    int32_t dense = (int32_t)pick(rng, 0, 5), categories = (int32_t)pick(rng, 0, 4);
    int32_t bags = (int32_t)pick(rng, dense + categories == 0, 2);
    int32_t n = 0;
    for (int32_t i = 0; i < dense + categories + bags; i++, n++) {
        snprintf(fields[n].name, sizeof(fields[n].name), "f%d", n);
        fields[n].kind = i < dense                ? MQ_DEEPFM_DENSE
                         : i < dense + categories ? MQ_DEEPFM_CATEGORY
                                                  : MQ_DEEPFM_BAG;
        fields[n].size = i < dense ? 1 : (int32_t)pick(rng, 1, 40);
        fields[n].mean = (float)mq_rng_normal(rng);
        fields[n].scale = (float)(0.5 + mq_rng_uniform(rng));
    }
    int32_t width[3] = {(int32_t)pick(rng, 1, 20), (int32_t)pick(rng, 1, 12),
                        (int32_t)pick(rng, 1, 9)};
    check_ok(mq_deepfm_new(fields, n, (int32_t)pick(rng, 1, 9), (int32_t)pick(rng, 0, 3), width,
                           &s->model, &err));
    for (size_t i = 0; i < s->model->parameter_count; i++)
        s->model->parameters[i] = (float)(0.4 * mq_rng_normal(rng));
    int64_t dense_rows = 7;
    s->dense = calloc((size_t)(dense_rows * (dense + 1)), sizeof(float));
    for (int64_t i = 0; i < dense_rows * dense; i++)
        s->dense[i] = (float)mq_rng_normal(rng);
    for (int64_t i = 0; i < rows; i++) {
        s->dense_row[i] = (int32_t)mq_rng_below(rng, (uint32_t)dense_rows);
        s->label[i] = mq_rng_uniform(rng) < 0.4 ? 1 : 0;
    }
    for (int32_t b = 0; b < bags; b++) {
        int64_t at = 0;
        s->bag_count[b] = 6;
        for (int bag = 0; bag < 6; bag++) {
            for (uint32_t size = pick(rng, 0, 4); size > 0; size--)
                s->member_table[b][at++] = (int32_t)pick(rng, 0, 45) - 2;
            s->bag_table[b][bag + 1] = at;
        }
        s->bag_offset[b] = s->bag_table[b];
        s->bag_ids[b] = s->member_table[b];
    }
    for (int32_t k = 0; k < categories + bags; k++) {
        s->ids[k] = s->column[k];
        for (int64_t i = 0; i < rows; i++)
            s->column[k][i] =
                k < categories ? (int32_t)pick(rng, 0, 44) - 2 : (int32_t)mq_rng_below(rng, 6);
    }
    s->rows = (struct mq_deepfm_rows){.count = rows,
                                      .dense = s->dense,
                                      .dense_row = s->dense_row,
                                      .dense_rows = dense_rows,
                                      .ids = s->ids,
                                      .bag_offset = s->bag_offset,
                                      .bag_ids = s->bag_ids,
                                      .bag_count = s->bag_count,
                                      .label = s->label};
}

static void
release_sample(struct sample *s)
{
    mq_deepfm_free(s->model);
    free(s->dense);
}

/* The batch's gradient as one block shaped as the parameters. */
static double *
gradient_block(const struct mq_deepfm *model, const struct mq_deepfm_batch *batch)
{
    double *block = calloc(model->parameter_count, sizeof(*block));
    size_t dim = (size_t)model->dim, w = (size_t)(model->w - model->parameters),
           v = (size_t)(model->v - model->parameters);
    uint8_t *seen = calloc((size_t)model->feature_count, 1);
    for (int32_t s = 0; s < mq_deepfm_batch_segments(batch); s++) {
        struct mq_deepfm_feature_gradient g = mq_deepfm_batch_segment(batch, s);
        for (int32_t i = 0; i < g.count; i++) {
            assert_int_equal(seen[g.feature[i]]++, 0);
            block[w + (size_t)g.feature[i]] = (double)g.w[i];
            for (size_t k = 0; k < dim; k++)
                block[v + (size_t)g.feature[i] * dim + k] = (double)g.v[(size_t)i * dim + k];
        }
    }
    free(seen);
    size_t from, count;
    const float *layers = mq_deepfm_batch_layers(batch, &from, &count);
    for (size_t i = 0; i < count; i++)
        block[from + i] = (double)layers[i];
    return block;
}

static void
oracle_gradient_equals_finite_differences(void **state)
{
    (void)state;
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 1);
    for (int round = 0; round < 4; round++) {
        struct sample *s = calloc(1, sizeof(*s));
        make_sample(s, &rng, 9);
        int32_t order[9] = {4, 1, 8, 0, 2, 3, 7, 6, 5};
        double *p = oracle_parameters(s->model);
        double *gradient = calloc(s->model->parameter_count, sizeof(*gradient));
        (void)oracle_loss(s->model, p, &s->rows, order, 9, gradient);
        double worst = 0;
        size_t strides = s->model->parameter_count / 150 + 1;
        for (size_t i = (size_t)round % strides; i < s->model->parameter_count; i += strides) {
            /* A ReLU's kink may lie within a large step; rounding spoils a small one. */
            double off = INFINITY, kept = p[i];
            for (double step = 1e-5; step > 1e-8; step /= 10) {
                p[i] = kept + step;
                double up = oracle_loss(s->model, p, &s->rows, order, 9, NULL);
                p[i] = kept - step;
                double down = oracle_loss(s->model, p, &s->rows, order, 9, NULL);
                off = fmin(off, fabs((up - down) / (2 * step) - gradient[i]));
            }
            p[i] = kept;
            worst = off > worst ? off : worst;
        }
        assert_true(worst < 1e-7);
        free(p);
        free(gradient);
        release_sample(s);
        free(s);
    }
}

static void
check_block(const double *got, const double *want, size_t count, double tolerance)
{
    double scale = 1e-3;
    for (size_t i = 0; i < count; i++)
        scale = fabs(want[i]) > scale ? fabs(want[i]) : scale;
    for (size_t i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * scale))
            fail_msg("parameter %zu: gradient %.9g, by the formula %.9g (seed %llu)", i, got[i],
                     want[i], (unsigned long long)seed);
}

static void
batch_gradient_equals_oracle(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 2);
    struct mq_pool *pool = NULL;
    check_ok(mq_pool_new(2, &pool, &err));
    for (int round = 0; round < 12; round++) {
        struct sample *s = calloc(1, sizeof(*s));
        int32_t rows = round < 10 ? (int32_t)pick(&rng, 1, 60) : ROWS_MAX; /* several slices */
        make_sample(s, &rng, rows);
        int32_t *order = calloc((size_t)rows, sizeof(*order));
        for (int32_t i = 0; i < rows; i++)
            order[i] = (int32_t)mq_rng_below(&rng, (uint32_t)rows); /* repeats allowed */
        struct mq_deepfm_batch *batch = NULL;
        check_ok(mq_deepfm_rows_check(s->model, &s->rows, &err));
        check_ok(mq_deepfm_batch_new(s->model, &s->rows, rows, true, pool, &batch, &err));
        double *p = oracle_parameters(s->model);
        for (int again = 0; again < 2; again++) { /* the workspace is reused */
            double *want = calloc(s->model->parameter_count, sizeof(*want));
            int32_t n = again == 0 ? rows : (rows + 1) / 2;
            double loss = 0, expected = oracle_loss(s->model, p, &s->rows, order, n, want);
            check_ok(mq_deepfm_batch_gradient(batch, order, n, 0, 1, &loss, &err));
            assert_true(fabs(loss - expected) < 1e-5 * (1 + expected));
            double *got = gradient_block(s->model, batch);
            check_block(got, want, s->model->parameter_count, 2e-5);
            free(got);
            free(want);
        }
        mq_deepfm_batch_free(batch);
        free(p);
        free(order);
        release_sample(s);
        free(s);
    }
    mq_pool_free(pool);
}

static void
prediction_and_scorer_equal_oracle(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 3);
    for (int round = 0; round < 12; round++) {
        struct sample *s = calloc(1, sizeof(*s));
        int32_t rows = (int32_t)pick(&rng, 1, 600);
        make_sample(s, &rng, rows);
        double *p = oracle_parameters(s->model);
        float *prob = calloc((size_t)rows, sizeof(*prob)), *scored = calloc((size_t)rows, 4);
        s->rows.label = NULL;
        check_ok(mq_deepfm_predict(s->model, &s->rows, NULL, prob, &err));
        for (int32_t i = 0; i < rows; i++)
            assert_true(fabs((double)prob[i] - oracle_prob(s->model, p, &s->rows, i)) < 2e-5);
        /* one user against all rows as items */
        struct mq_deepfm_scorer *scorer = NULL;
        check_ok(mq_deepfm_scorer_new(s->model, &s->rows, NULL, &scorer, &err));
        assert_int_equal(mq_deepfm_scorer_count(scorer), rows);
        void *scratch = NULL;
        check_ok(mq_alloc_array_raw(mq_deepfm_scratch_bytes(scorer), 1, &scratch, &err));
        int32_t *reverse = calloc((size_t)rows, sizeof(*reverse));
        int32_t user = 3;
        for (int32_t i = 0; i < rows; i++) {
            reverse[i] = rows - 1 - i;
            s->dense_row[i] = user;
        }
        const float *values = s->dense + user * s->model->dense_count;
        check_ok(mq_deepfm_score(scorer, values, rows, reverse, scored, scratch, &err));
        for (int32_t i = 0; i < rows; i++)
            assert_true(fabs((double)scored[i] - oracle_prob(s->model, p, &s->rows, rows - 1 - i)) <
                        2e-5);
        memset(s->dense, 0, (size_t)(7 * s->model->dense_count) * sizeof(float));
        check_ok(mq_deepfm_score(scorer, NULL, rows, NULL, scored, scratch, &err));
        for (int32_t i = 0; i < rows; i++)
            assert_true(fabs((double)scored[i] - oracle_prob(s->model, p, &s->rows, i)) < 2e-5);
        mq_free(scratch);
        mq_deepfm_scorer_free(scorer);
        free(reverse);
        free(prob);
        free(scored);
        free(p);
        release_sample(s);
        free(s);
    }
}

/* Dropout scales what it keeps: over many masks the mean of the first layer's gradient sum, and the
 * share of zeros, are those of no dropout. */
static void
dropout_keeps_the_mean_loss_near(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_deepfm_field fields[1] = {
        {.name = "c", .kind = MQ_DEEPFM_CATEGORY, .size = 4, .scale = 1}};
    int32_t width[1] = {64};
    struct mq_deepfm *model = NULL;
    check_ok(mq_deepfm_new(fields, 1, 4, 1, width, &model, &err));
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 4);
    for (size_t i = 0; i < model->parameter_count; i++)
        model->parameters[i] = (float)(0.3 * mq_rng_uniform(&rng));
    int32_t column[64], order[64];
    float label[64];
    for (int i = 0; i < 64; i++) {
        column[i] = i % 4;
        order[i] = i;
        label[i] = (float)(i % 2);
    }
    const int32_t *ids[1] = {column};
    struct mq_deepfm_rows rows = {.count = 64, .ids = ids, .label = label};
    struct mq_deepfm_batch *batch = NULL;
    check_ok(mq_deepfm_batch_new(model, &rows, 64, true, NULL, &batch, &err));
    size_t from, count, at = (size_t)(model->offset[0] - model->parameters);
    double closed = 0, kernel = 0, plain = 0;
    const float *layers;
    size_t out = (size_t)(model->kernel[1] - model->parameters);
    double loss;
    check_ok(mq_deepfm_batch_gradient(batch, order, 64, 0, 1, &loss, &err));
    layers = mq_deepfm_batch_layers(batch, &from, &count);
    for (size_t j = 0; j < 64; j++)
        plain += fabs((double)layers[at - from + j]);
    assert_true(plain > 0);
    struct mq_deepfm_rows one = {.count = 1, .ids = ids, .label = label};
    mq_deepfm_batch_free(batch);
    check_ok(mq_deepfm_batch_new(model, &one, 1, true, NULL, &batch, &err));
    for (uint64_t mask = 0; mask < 200; mask++) {
        check_ok(mq_deepfm_batch_gradient(batch, order, 1, 0.25f, mask, &loss, &err));
        layers = mq_deepfm_batch_layers(batch, &from, &count);
        for (size_t j = 0; j < 64; j++) {
            closed += layers[at - from + j] == 0;
            kernel += layers[out - from + j] == 0;
        }
    }
    closed /= 200 * 64;
    assert_true(fabs(closed - 0.25) < 0.02);
    assert_true(fabs(kernel / (200 * 64) - closed) < 1e-9); /* the same units both ways */
    mq_deepfm_batch_free(batch);
    mq_deepfm_free(model);
}

int
main(void)
{
    const char *text = getenv("MARQUEE_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle_gradient_equals_finite_differences),
        cmocka_unit_test(batch_gradient_equals_oracle),
        cmocka_unit_test(prediction_and_scorer_equal_oracle),
        cmocka_unit_test(dropout_keeps_the_mean_loss_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
