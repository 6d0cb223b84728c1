/*
 * Vectors, loss, gradients and one step of Adam against NumPy (tests/golden/youtubednn_golden.py,
 * in float64). Both sides make the parameters by the same formula. Tolerances: float32 sums of up
 * to a hundred terms of size one, so 2e-5 relative to the largest value of each array.
 */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/npy.h"
#include "model/adam.h"
#include "model/youtubednn_shard.h"

enum { HEADS = 2, USERS = 5, ITEMS = 12, NEGATIVES = 5, SAMPLES = 15, STRIDE = 13, PLAYS = 100 };

static const int32_t negatives[NEGATIVES] = {3, 7, 1, 9, 4};
static const struct mq_tower_run runs[3] = {{.first = 1, .user = 0, .before = 1, .count = 4},
                                            {.first = 40, .user = USERS, .before = 30, .count = 6},
                                            {.first = 80, .user = 2, .before = 60, .count = 5}};

static double
value(int t, int64_t k)
{
    return (double)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0;
}

static void
fill(float *values, size_t n, int t, double factor)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(value(t, (int64_t)i) * factor);
}

struct world {
    struct mq_user_tower *tower;
    struct mq_tower_position position;
    float weights[HEADS * 50], scale[51 * HEADS];
    float toeplitz[16 * HEADS * 65];
    int32_t item[PLAYS];
    float weight[PLAYS], log_expected[ITEMS], correction[NEGATIVES + 1], vector[NEGATIVES * 32];
    struct mq_tower_batch batch;
};

static void
make_world(struct world *w)
{
    struct mq_error err = {0};
    memset(w, 0, sizeof(*w));
    check_ok(mq_user_tower_new(USERS, ITEMS, HEADS, &w->tower, &err));
    fill(w->tower->user, (USERS + 1) * 16, 0, 1.0);
    fill(w->tower->item, ITEMS * 32, 1, 1.0);
    w->position = (struct mq_tower_position){.weight = w->weights, .scale = w->scale};
    fill(w->weights, HEADS * 50, 2, 0.2);
    for (int i = 0; i < 3; i++) {
        struct mq_tower_layer *layer = &w->tower->layer[i];
        fill(layer->kernel, (size_t)(layer->inputs * layer->outputs), 3 + 2 * i,
             i == 0 ? 0.5 : 0.25);
        fill(layer->bias, (size_t)layer->outputs, 4 + 2 * i, 1.0);
    }
    for (int i = 0; i < 51 * HEADS; i++)
        w->scale[i] = (float)(value(22, i) + 0.75);
    fill(w->correction, NEGATIVES, 20, 1.0);
    fill(w->log_expected, ITEMS, 21, 1.0);
    double total = 0;
    for (int i = 0; i < PLAYS; i++) {
        w->item[i] = (i * 5 + i / 7) % ITEMS;
        w->weight[i] = (float)(i % 4 + 1) / 4.0f;
    }
    for (int r = 0; r < 3; r++)
        for (int j = 0; j < runs[r].count; j++)
            total += (double)w->weight[runs[r].first + j];
    for (int i = 0; i < NEGATIVES; i++)
        memcpy(w->vector + i * 32, w->tower->item + negatives[i] * 32, sizeof(float) * 32);
    mq_tower_toeplitz(&w->position, HEADS, 16, w->toeplitz);
    w->batch = (struct mq_tower_batch){.tower = w->tower,
                                       .position = &w->position,
                                       .toeplitz = w->toeplitz,
                                       .run_max = 16,
                                       .item = w->item,
                                       .weight = w->weight,
                                       .weight_factor = (float)(1.0 / total),
                                       .log_expected = w->log_expected,
                                       .negative_count = NEGATIVES,
                                       .negative = negatives,
                                       .negative_vector = w->vector,
                                       .negative_correction = w->correction};
}

/* The expected values, taken one after the other. */
struct golden {
    float *values;
    int64_t count, at;
};

static void
load_golden(struct golden *g)
{
    struct mq_error err = {0};
    const char *source = getenv("MARQUEE_SOURCE");
    mq_autofree char *path =
        mq_strfmt("%s/tests/golden/data/youtubednn-step.npy", source != NULL ? source : ".");
    struct mq_reader *reader = NULL;
    int64_t columns;
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_npy_read_floats(reader, 0, &g->values, &g->count, &columns, &err));
    mq_reader_close(reader);
    assert_int_equal(columns, 1);
    g->at = 0;
}

/* The worst difference of every STRIDE-th value, relative to the largest expected one. */
static double
difference(struct golden *g, const float *got, int64_t n, int64_t stride)
{
    double worst = 0, largest = 1e-12;
    for (int64_t i = 0; i < n; i += stride) {
        assert_true(g->at < g->count);
        double expected = (double)g->values[g->at++];
        worst = fmax(worst, fabs(expected - (double)got[i]));
        largest = fmax(largest, fabs(expected));
    }
    return worst / largest;
}

static void
check_array(struct golden *g, const char *what, const float *got, int64_t n, int64_t stride)
{
    double found = difference(g, got, n, stride);
    if (!(found < 2e-5))
        fail_msg("%s differs from NumPy by %g of its largest value", what, found);
}

/* Gradients as NumPy has them: every row of the table. */
static void
spread(const struct mq_row_gradient *from, float *to)
{
    memset(to, 0, sizeof(float) * (size_t)(from->table_rows * from->dim));
    for (int32_t i = 0; i < from->count; i++)
        memcpy(to + from->rows[i] * from->dim, from->value + i * from->dim,
               sizeof(float) * (size_t)from->dim);
}

static void
check_dense(struct golden *g, const char *what, int t, float *parameter, const float *gradient,
            int64_t n)
{
    struct mq_error err = {0};
    mq_autofree float *m = NULL, *v = NULL;
    struct mq_adam adam = mq_adam_defaults(0.01f);
    check_ok(mq_alloc_array((size_t)n, sizeof(float), &m, &err));
    check_ok(mq_alloc_array((size_t)n, sizeof(float), &v, &err));
    for (int64_t i = 0; i < n; i++) {
        m[i] = (float)(value(30 + t, i) * 0.01);
        v[i] = (float)((value(40 + t, i) * value(40 + t, i) + 0.05) * 0.001);
    }
    check_array(g, what, gradient, n, STRIDE);
    mq_adam_dense(&adam, 3, (size_t)n, gradient, parameter, m, v);
    check_array(g, what, parameter, n, STRIDE);
}

static void
check_table(struct golden *g, const char *what, int t, float *table,
            const struct mq_row_gradient *gradient)
{
    struct mq_error err = {0};
    mq_autofree float *m = NULL, *v = NULL, *all = NULL;
    struct mq_adam adam = mq_adam_defaults(0.01f);
    int64_t n = (int64_t)gradient->table_rows * gradient->dim;
    check_ok(mq_alloc_array((size_t)n, sizeof(float), &all, &err));
    check_ok(mq_alloc_array((size_t)n, sizeof(float), &m, &err));
    check_ok(mq_alloc_array((size_t)n, sizeof(float), &v, &err));
    for (int64_t i = 0; i < n; i++) {
        m[i] = (float)(value(30 + t, i) * 0.01);
        v[i] = (float)((value(40 + t, i) * value(40 + t, i) + 0.05) * 0.001);
    }
    adam.l2 = 1e-3f;
    spread(gradient, all);
    check_array(g, what, all, n, STRIDE);
    mq_adam_rows(&adam, 3, (size_t)gradient->count, gradient->rows, (size_t)gradient->dim,
                 gradient->value, table, m, v);
    check_array(g, what, table, n, STRIDE);
}

static void
one_step(void **state)
{
    struct mq_error err = {0};
    static struct world w;
    struct mq_tower_shard shard;
    struct golden g;
    make_world(&w);
    load_golden(&g);
    check_ok(mq_tower_shard_init(&shard, w.tower, true, 16, NEGATIVES, &err));
    mq_tower_shard_run(&shard, &w.batch, runs, 3);
    check_array(&g, "vectors", shard.vector, SAMPLES * 32, 1);
    float loss = (float)shard.loss;
    check_array(&g, "loss", &loss, 1, 1);
    check_table(&g, "user embeddings", 0, w.tower->user, &shard.user);
    check_table(&g, "item embeddings", 1, w.tower->item, &shard.item);
    check_dense(&g, "position weights", 2, w.weights, shard.position, HEADS * 50);
    static const char *const names[3] = {"layer 1", "layer 2", "layer 3"};
    for (int i = 0; i < 3; i++) {
        struct mq_tower_layer *layer = &w.tower->layer[i];
        check_dense(&g, names[i], 3 + 2 * i, layer->kernel, shard.kernel[i],
                    (int64_t)layer->inputs * layer->outputs);
        check_dense(&g, names[i], 4 + 2 * i, layer->bias, shard.bias[i], layer->outputs);
    }
    assert_int_equal(g.at, g.count);
    mq_free(g.values);
    mq_tower_shard_release(&shard);
    mq_user_tower_free(w.tower);
}

/* The comparison fails where it must: one expected value moved by a thousandth. */
static void
planted_error_is_found(void **state)
{
    struct mq_error err = {0};
    static struct world w;
    struct mq_tower_shard shard;
    struct golden g;
    make_world(&w);
    load_golden(&g);
    check_ok(mq_tower_shard_init(&shard, w.tower, true, 16, NEGATIVES, &err));
    mq_tower_shard_run(&shard, &w.batch, runs, 3);
    g.values[200] += 1e-3f;
    assert_true(difference(&g, shard.vector, SAMPLES * 32, 1) > 2e-5);
    mq_free(g.values);
    mq_tower_shard_release(&shard);
    mq_user_tower_free(w.tower);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step),
        cmocka_unit_test(planted_error_is_found),
    };
    return cmocka_run_group_tests_name("youtubednn_golden", tests, NULL, NULL);
}
