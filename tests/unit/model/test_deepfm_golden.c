/*
 * Probabilities, loss, gradients and one step of Adam against NumPy (tests/golden/deepfm_golden.py,
 * in float64). Both sides make the parameters by the same formula. Tolerance: float32 sums of a few
 * dozen terms of size one, so 2e-6; the first step of Adam divides a gradient by its own size,
 * which lifts an error of a tiny gradient: 2e-5 of the learning rate's hundredfold.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/npy.h"
#include "model/deepfm_batch.h"
#include "model/deepfm_train.h"

enum { DIM = 4, ROWS = 9, FIELDS = 5, FEATURES = 18 };

static double
value(int t, int64_t k)
{
    return (double)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0;
}

struct world {
    struct mq_deepfm *model;
    float dense[ROWS * 2], label[ROWS];
    int32_t column[3][ROWS];
    const int32_t *ids[3];
    int64_t bag_table[5];
    int32_t members[6];
    const int64_t *offsets[1];
    const int32_t *bag_ids[1];
    int64_t bags[1];
    struct mq_deepfm_rows rows;
};

/* Parameter arrays in the order of the golden file. */
struct array {
    float *data;
    size_t count;
};

static void
list_arrays(const struct mq_deepfm *m, struct array ret_arrays[9])
{
    const struct array all[9] = {
        {m->w, FEATURES},  {m->v, FEATURES * DIM}, {m->kernel[0], FIELDS * DIM * 5},
        {m->offset[0], 5}, {m->kernel[1], 15},     {m->offset[1], 3},
        {m->kernel[2], 3}, {m->offset[2], 1},      {m->bias, 1}};
    memcpy(ret_arrays, all, sizeof(all));
}

static void
make_world(struct world *w)
{
    struct mq_error err = {0};
    struct mq_deepfm_field fields[FIELDS] = {
        {.name = "d0", .kind = MQ_DEEPFM_DENSE, .size = 1, .mean = 0.25f, .scale = 1.5f},
        {.name = "d1", .kind = MQ_DEEPFM_DENSE, .size = 1, .mean = -0.5f, .scale = 2.0f},
        {.name = "c0", .kind = MQ_DEEPFM_CATEGORY, .size = 5},
        {.name = "c1", .kind = MQ_DEEPFM_CATEGORY, .size = 4},
        {.name = "b", .kind = MQ_DEEPFM_BAG, .size = 7}};
    int32_t width[] = {5, 3};
    *w = (struct world){.bag_table = {0, 2, 2, 5, 6}, .members = {1, 2, 5, 3, 3, 4}, .bags = {4}};
    check_ok(mq_deepfm_new(fields, FIELDS, DIM, 2, width, &w->model, &err));
    struct array arrays[9];
    list_arrays(w->model, arrays);
    for (int t = 0; t < 9; t++)
        for (size_t k = 0; k < arrays[t].count; k++)
            arrays[t].data[k] = (float)value(t + 1, (int64_t)k);
    for (int i = 0; i < ROWS; i++) {
        w->dense[2 * i] = (float)value(20, 2 * i);
        w->dense[2 * i + 1] = (float)value(20, 2 * i + 1);
        w->column[0][i] = i * 2 % 7; /* 5 and 6 are unknown */
        w->column[1][i] = i % 4;
        w->column[2][i] = i % 4;
        w->label[i] = i % 3 == 0 ? 1 : 0;
    }
    for (int k = 0; k < 3; k++)
        w->ids[k] = w->column[k];
    w->offsets[0] = w->bag_table;
    w->bag_ids[0] = w->members;
    w->rows = (struct mq_deepfm_rows){.count = ROWS,
                                      .dense = w->dense,
                                      .ids = w->ids,
                                      .bag_offset = w->offsets,
                                      .bag_ids = w->bag_ids,
                                      .bag_count = w->bags,
                                      .label = w->label};
    check_ok(mq_deepfm_rows_check(w->model, &w->rows, &err));
}

/* Golden values come as float32 from the reader: keep the tolerance above their rounding. */
static void
check_values(const char *what, const float *got, const float *want, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s[%zu] is %.9g, NumPy has %.9g", what, i, (double)got[i], (double)want[i]);
}

static float *
gradient_block(const struct mq_deepfm *model, const struct mq_deepfm_batch *batch)
{
    float *block = calloc(model->parameter_count, sizeof(*block));
    size_t from, count, w = (size_t)(model->w - model->parameters),
                        v = (size_t)(model->v - model->parameters);
    const float *layers = mq_deepfm_batch_layers(batch, &from, &count);
    memcpy(block + from, layers, count * sizeof(*block));
    for (int32_t s = 0; s < mq_deepfm_batch_segments(batch); s++) {
        struct mq_deepfm_feature_gradient g = mq_deepfm_batch_segment(batch, s);
        for (int32_t i = 0; i < g.count; i++) {
            block[w + (size_t)g.feature[i]] = g.w[i];
            memcpy(block + v + (size_t)g.feature[i] * DIM, g.v + (size_t)i * DIM,
                   DIM * sizeof(float));
        }
    }
    return block;
}

static void
step_equals_numpy(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct world *w = calloc(1, sizeof(*w));
    make_world(w);
    struct mq_reader *reader = NULL;
    float *golden = NULL;
    int64_t golden_rows, golden_columns;
    mq_autofree char *path =
        mq_strfmt("%s/tests/golden/data/deepfm-step.npy", getenv("MARQUEE_SOURCE"));
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_npy_read_floats(reader, 0, &golden, &golden_rows, &golden_columns, &err));
    mq_reader_close(reader);
    struct array arrays[9];
    list_arrays(w->model, arrays);
    size_t expected = ROWS + 1;
    for (int t = 0; t < 9; t++)
        expected += 2 * arrays[t].count;
    assert_int_equal(golden_rows * golden_columns, expected);

    float prob[ROWS];
    check_ok(mq_deepfm_predict(w->model, &w->rows, NULL, prob, &err));
    check_values("prob", prob, golden, ROWS, 1e-6);

    int32_t order[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
        order[i] = i;
    struct mq_deepfm_batch *batch = NULL;
    double loss = 0;
    check_ok(mq_deepfm_batch_new(w->model, &w->rows, ROWS, true, NULL, &batch, &err));
    check_ok(mq_deepfm_batch_gradient(batch, order, ROWS, 0, 1, &loss, &err));
    assert_true(fabs(loss - (double)golden[ROWS]) < 1e-6);
    float *gradient = gradient_block(w->model, batch);
    mq_deepfm_batch_free(batch);

    struct mq_deepfm_options options;
    mq_deepfm_options_default(&options);
    options.learning_rate = 0.01f;
    options.l2_features = 1e-3f;
    struct mq_deepfm_trainer *trainer = NULL;
    check_ok(mq_deepfm_trainer_new(w->model, &w->rows, &options, NULL, &trainer, &err));
    check_ok(mq_deepfm_trainer_step(trainer, order, ROWS, &loss, &err));
    mq_deepfm_trainer_free(trainer);
    const float *at = golden + ROWS + 1;
    for (int t = 0; t < 9; t++) {
        char name[32];
        snprintf(name, sizeof(name), "gradient %d", t);
        check_values(name, gradient + (arrays[t].data - w->model->parameters), at, arrays[t].count,
                     2e-6);
        snprintf(name, sizeof(name), "parameter %d", t);
        check_values(name, arrays[t].data, at + arrays[t].count, arrays[t].count, 2e-5);
        at += 2 * arrays[t].count;
    }
    /* A planted error must be seen: another rate moves what Adam moves. */
    double moved = fabs((double)w->model->bias[0] - value(9, 0));
    assert_true(moved > 0.0099 && moved < 0.0101);
    free(gradient);
    mq_free(golden);
    mq_deepfm_free(w->model);
    free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(step_equals_numpy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
