/* Conditional logit: known weights are found again, bounds hold, nothing depends on threads. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/choice_model.h"

enum { SETS = 4000, SIZE = 7, DIMS = 3 };

static struct {
    int64_t offset[SETS + 1];
    float feature[SETS * SIZE * DIMS];
    int32_t chosen[SETS];
} made;

/* Choices drawn by the model itself. */
static struct mq_choices
make(const double *weights, uint64_t seed)
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int s = 0; s < SETS; s++) {
        double p[SIZE], total = 0;
        made.offset[s + 1] = made.offset[s] + SIZE;
        for (int a = 0; a < SIZE; a++) {
            double utility = 0;
            for (int k = 0; k < DIMS; k++) {
                float x = (float)mq_rng_normal(&rng);
                made.feature[(s * SIZE + a) * DIMS + k] = x;
                utility += weights[k] * (double)x;
            }
            total += p[a] = exp(utility);
        }
        double draw = mq_rng_uniform(&rng) * total;
        made.chosen[s] = 0;
        while (made.chosen[s] < SIZE - 1 && (draw -= p[made.chosen[s]]) > 0)
            made.chosen[s]++;
    }
    return (struct mq_choices){SETS, DIMS, made.offset, made.feature, made.chosen};
}

static void
finds_the_weights(void **state)
{
    (void)state;
    const double truth[DIMS] = {1.5, -0.5, 0};
    struct mq_choices choices = make(truth, 1);
    const struct mq_choice_options options = {.ridge = 1e-3};
    double weights[DIMS], again[DIMS], loss;
    struct mq_pool *pool;
    struct mq_error err = {0};
    check_ok(mq_pool_new(3, &pool, &err));
    check_ok(mq_choice_fit(&choices, &options, NULL, weights, &loss, &err));
    for (int k = 0; k < DIMS; k++)
        assert_true(fabs(weights[k] - truth[k]) < 0.08);
    assert_true(loss > 0 && loss < log(SIZE));
    check_ok(mq_choice_fit(&choices, &options, pool, again, NULL, &err));
    assert_memory_equal(weights, again, sizeof(weights));
    mq_pool_free(pool);
}

static void
bounds_hold(void **state)
{
    (void)state;
    const double truth[DIMS] = {1, -0.7, 0.4};
    struct mq_choices choices = make(truth, 2);
    const struct mq_choice_options options = {.ridge = 1e-3, .at_least_zero = true};
    double weights[DIMS];
    struct mq_error err = {0};
    check_ok(mq_choice_fit(&choices, &options, NULL, weights, NULL, &err));
    assert_true(weights[1] == 0);
    assert_true(weights[0] > 0.7 && weights[2] > 0.2);
}

/* One feature, two alternatives: the answer is known. Of n choices m take x = 1 over x = 0:
 * e^w / (e^w + 1) = m / n. */
static void
by_hand(void **state)
{
    (void)state;
    static const int64_t offset[] = {0, 2, 4, 6, 8};
    static const float feature[] = {1, 0, 1, 0, 1, 0, 1, 0};
    static const int32_t chosen[] = {0, 0, 0, 1};
    const struct mq_choices choices = {4, 1, offset, feature, chosen};
    double weight, loss;
    struct mq_error err = {0};
    check_ok(mq_choice_fit(&choices, &(struct mq_choice_options){.ridge = 1e-9}, NULL, &weight,
                           &loss, &err));
    assert_true(fabs(weight - log(3)) < 1e-6);
    assert_true(fabs(loss - (0.75 * log(4.0 / 3) + 0.25 * log(4))) < 1e-6);
}

/* What separates perfectly is held back by the ridge; sets of one say nothing. */
static void
degenerate(void **state)
{
    (void)state;
    static const int64_t offset[] = {0, 2, 3};
    static const float feature[] = {1, 0, 5};
    static const int32_t chosen[] = {0, 0};
    struct mq_choices choices = {2, 1, offset, feature, chosen};
    double weight;
    struct mq_error err = {0};
    check_ok(mq_choice_fit(&choices, &(struct mq_choice_options){.ridge = 0.1}, NULL, &weight, NULL,
                           &err));
    assert_true(weight > 0.5 && weight < 10);
    choices.count = 0;
    check_ok(mq_choice_fit(&choices, &(struct mq_choice_options){.ridge = 0.1}, NULL, &weight, NULL,
                           &err));
    assert_true(weight == 0);
    choices.count = 2;
    choices.chosen = (const int32_t[]){0, 1};
    check_fails(MQ_E_RANGE, mq_choice_fit(&choices, &(struct mq_choice_options){.ridge = 0.1}, NULL,
                                          &weight, NULL, &err));
    check_contains(err.message, "choice 1 takes alternative 1 of 1");
    choices.features = 17;
    check_fails(MQ_E_RANGE, mq_choice_fit(&choices, &(struct mq_choice_options){.ridge = 0.1}, NULL,
                                          &weight, NULL, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_weights),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
