/*
 * Gradients of a shard against finite differences of the double-precision oracle, at random
 * parameters, for random sequences: short and long histories, runs of every length, repeated users,
 * negatives that are targets too.
 */
#include "check.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/rng.h"
#include "youtubednn_oracle.h"

enum { USERS = 6, ITEMS = 40, NEGATIVES = 12, RUN_MAX = 16, RUNS = 7, PLAYS = 400, PROBES = 12 };

struct world {
    struct mq_user_tower *tower;
    struct mq_tower_position position;
    struct mq_tower_batch batch;
    struct mq_tower_run runs[RUNS];
    int32_t item[PLAYS], negative[NEGATIVES];
    float weight[PLAYS], log_expected[ITEMS], vector[NEGATIVES * 32], correction[NEGATIVES + 1];
    float *toeplitz;
};

static void
fill(struct mq_rng *rng, float *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(mq_rng_normal(rng) * deviation);
}

static void
make_world(struct world *w, uint64_t seed, int heads, bool position, bool weighted)
{
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 1);
    memset(w, 0, sizeof(*w));
    check_ok(mq_user_tower_new(USERS, ITEMS, heads, &w->tower, &err));
    fill(&rng, w->tower->user, (USERS + 1) * 16, 0.5);
    fill(&rng, w->tower->item, ITEMS * 32, 0.5);
    for (int i = 0; i < 3; i++) {
        struct mq_tower_layer *layer = &w->tower->layer[i];
        fill(&rng, layer->kernel, (size_t)layer->inputs * (size_t)layer->outputs, 0.15);
        fill(&rng, layer->bias, (size_t)layer->outputs, 0.1);
    }
    if (position) {
        check_ok(mq_alloc_array((size_t)heads * 50, sizeof(float), &w->position.weight, &err));
        check_ok(mq_alloc_array((size_t)heads * 51, sizeof(float), &w->position.scale, &err));
        fill(&rng, w->position.weight, (size_t)heads * 50, 0.5);
        fill(&rng, w->position.scale, (size_t)heads * 51, 0.3);
        check_ok(mq_alloc_array((size_t)RUN_MAX * (size_t)heads * (RUN_MAX + 49), sizeof(float),
                                &w->toeplitz, &err));
        mq_tower_toeplitz(&w->position, heads, RUN_MAX, w->toeplitz);
    }
    for (int i = 0; i < PLAYS; i++) {
        w->item[i] = (int32_t)mq_rng_below(&rng, ITEMS);
        w->weight[i] = i % 5 == 0 ? 0.0f : (float)mq_rng_uniform(&rng);
    }
    for (int i = 0; i < ITEMS; i++)
        w->log_expected[i] = (float)mq_rng_normal(&rng);
    int32_t order[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        order[i] = i;
    mq_rng_shuffle(&rng, order, ITEMS);
    for (int i = 0; i < NEGATIVES; i++) {
        w->negative[i] = order[i];
        memcpy(w->vector + i * 32, w->tower->item + order[i] * 32, sizeof(float) * 32);
    }
    fill(&rng, w->correction, NEGATIVES, 1.0);
    /* Before: one play, some, just 50, more than 50. */
    static const int32_t before[RUNS] = {1, 2, 30, 49, 50, 51, 200};
    for (int r = 0; r < RUNS; r++) {
        int32_t count = 1 + (int32_t)mq_rng_below(&rng, RUN_MAX);
        w->runs[r] = (struct mq_tower_run){.first = before[r] + mq_rng_below(&rng, 100),
                                           .user = (int32_t)mq_rng_below(&rng, USERS + 1),
                                           .before = before[r],
                                           .count = r == 4 ? RUN_MAX : count};
    }
    w->batch = (struct mq_tower_batch){.tower = w->tower,
                                       .position = position ? &w->position : NULL,
                                       .toeplitz = w->toeplitz,
                                       .run_max = RUN_MAX,
                                       .item = w->item,
                                       .weight = weighted ? w->weight : NULL,
                                       .weight_factor = 0.05f,
                                       .log_expected = w->log_expected,
                                       .negative_count = NEGATIVES,
                                       .negative = w->negative,
                                       .negative_vector = w->vector,
                                       .negative_correction = w->correction};
}

static void
free_world(struct world *w)
{
    mq_user_tower_free(w->tower);
    mq_free(w->position.weight);
    mq_free(w->position.scale);
    mq_free(w->toeplitz);
}

/* The oracle's slope at parameter i against `gradient`, which may be NULL for "untouched: 0". */
static void
probe(struct world *w, struct oracle *o, const char *what, uint64_t seed, double *parameters,
      size_t i, float gradient)
{
    const double step = 1e-7; /* small: a step must not carry a ReLU over its kink */
    double kept = parameters[i];
    parameters[i] = kept + step;
    double above = oracle_loss(o, &w->batch, w->runs, RUNS);
    parameters[i] = kept - step;
    double below = oracle_loss(o, &w->batch, w->runs, RUNS);
    parameters[i] = kept;
    double slope = (above - below) / (2 * step);
    if (fabs(slope - (double)gradient) > 2e-4 * fabs(slope) + 2e-5)
        fail_msg("seed %llu: d loss / d %s[%zu] is %g, finite differences say %g",
                 (unsigned long long)seed, what, i, (double)gradient, slope);
}

static void
probe_dense(struct world *w, struct oracle *o, struct mq_rng *rng, const char *what, uint64_t seed,
            double *parameters, size_t n, const float *gradient)
{
    for (int p = 0; p < PROBES; p++) {
        size_t i = mq_rng_below(rng, (uint32_t)n);
        probe(w, o, what, seed, parameters, i, gradient[i]);
    }
}

static void
probe_rows(struct world *w, struct oracle *o, struct mq_rng *rng, const char *what, uint64_t seed,
           double *parameters, const struct mq_row_gradient *gradient)
{
    size_t dim = (size_t)gradient->dim;
    for (int p = 0; p < 3 * PROBES; p++) {
        size_t i = mq_rng_below(rng, (uint32_t)((size_t)gradient->table_rows * dim));
        int32_t place = gradient->slot[i / dim];
        probe(w, o, what, seed, parameters, i,
              place < 0 ? 0.0f : gradient->value[(size_t)place * dim + i % dim]);
    }
}

static void
check_world(uint64_t seed, int heads, bool position, bool weighted)
{
    struct mq_error err = {0};
    struct world w;
    struct oracle o;
    struct mq_tower_shard shard;
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 2);
    make_world(&w, seed, heads, position, weighted);
    oracle_init(&o, w.tower, position ? &w.position : NULL);
    check_ok(mq_tower_shard_init(&shard, w.tower, position, RUN_MAX, NEGATIVES, &err));
    /* Twice: nothing of an earlier batch may be left. */
    mq_tower_shard_run(&shard, &w.batch, w.runs + 2, 3);
    mq_tower_shard_run(&shard, &w.batch, w.runs, RUNS);
    double loss = oracle_loss(&o, &w.batch, w.runs, RUNS);
    if (fabs(loss - shard.loss) > 1e-4 * fabs(loss))
        fail_msg("seed %llu: loss is %g, the oracle says %g", (unsigned long long)seed, shard.loss,
                 loss);
    for (int i = 0; i < 3; i++) {
        const struct mq_tower_layer *layer = &w.tower->layer[i];
        probe_dense(&w, &o, &rng, "kernel", seed, o.kernel[i],
                    (size_t)layer->inputs * (size_t)layer->outputs, shard.kernel[i]);
        probe_dense(&w, &o, &rng, "bias", seed, o.bias[i], (size_t)layer->outputs, shard.bias[i]);
    }
    if (position)
        probe_dense(&w, &o, &rng, "position", seed, o.position, (size_t)heads * 50, shard.position);
    probe_rows(&w, &o, &rng, "user", seed, o.user, &shard.user);
    probe_rows(&w, &o, &rng, "item", seed, o.item, &shard.item);
    mq_tower_shard_release(&shard);
    oracle_release(&o);
    free_world(&w);
}

static void
mean_gradient(void **state)
{
    check_world(11, 1, false, false);
    check_world(12, 1, false, true);
}

static void
position_gradient(void **state)
{
    check_world(21, 3, true, true);
    check_world(22, 1, true, false);
}

/* The forward pass of serving against the oracle, for histories of every length. */
static void
serving_agrees(void **state)
{
    struct mq_error err = {0};
    struct world w;
    struct oracle o;
    make_world(&w, 31, 3, true, false);
    for (int length = 1; length <= 50; length++)
        for (int h = 0; h < 3; h++)
            for (int k = 0; k < length; k++)
                w.tower->pooling[(length * 3 + h) * 50 + k] =
                    w.position.weight[h * 50 + k] * w.position.scale[length * 3 + h];
    oracle_init(&o, w.tower, &w.position);
    enum { N = 80 };
    int32_t users[N];
    int64_t offset[N + 1] = {0};
    float vectors[N * 32];
    for (int i = 0; i < N; i++) {
        users[i] = i % (USERS + 1);
        offset[i + 1] = offset[i] + i % 60; /* histories overlap nowhere; 60 > 50 */
    }
    int32_t *items = NULL;
    check_ok(mq_alloc_array((size_t)offset[N], sizeof(int32_t), &items, &err));
    for (int64_t i = 0; i < offset[N]; i++)
        items[i] = (int32_t)((i * 7 + i / 11) % ITEMS);
    check_ok(mq_user_tower_forward(w.tower, N, users, offset, items, vectors, NULL, &err));
    for (int i = 0; i < N; i++) {
        double expected[32];
        oracle_vector(&o, users[i], items + offset[i], offset[i + 1] - offset[i], expected);
        for (int d = 0; d < 32; d++)
            if (fabs(expected[d] - (double)vectors[i * 32 + d]) > 1e-5 * (1 + fabs(expected[d])))
                fail_msg("user %d, value %d: %g, the oracle says %g", i, d,
                         (double)vectors[i * 32 + d], expected[d]);
    }
    mq_free(items);
    oracle_release(&o);
    free_world(&w);
}

/* The checker must be able to fail: a gradient that is wrong by 1 % is found. */
static void
planted_error_is_found(void **state)
{
    struct world w;
    struct oracle o;
    struct mq_error err = {0};
    struct mq_tower_shard shard;
    make_world(&w, 41, 1, false, false);
    oracle_init(&o, w.tower, NULL);
    check_ok(mq_tower_shard_init(&shard, w.tower, false, RUN_MAX, NEGATIVES, &err));
    mq_tower_shard_run(&shard, &w.batch, w.runs, RUNS);
    double kept = oracle_loss(&o, &w.batch, w.runs, RUNS);
    o.bias[2][3] += 1e-7;
    double slope = (oracle_loss(&o, &w.batch, w.runs, RUNS) - kept) / 1e-7;
    double planted = (double)shard.bias[2][3] * 1.01;
    assert_true(fabs(slope - planted) > 2e-4 * fabs(slope) + 2e-5);
    mq_tower_shard_release(&shard);
    oracle_release(&o);
    free_world(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_gradient),
        cmocka_unit_test(position_gradient),
        cmocka_unit_test(serving_agrees),
        cmocka_unit_test(planted_error_is_found),
    };
    return cmocka_run_group_tests_name("youtubednn_gradient", tests, NULL, NULL);
}
