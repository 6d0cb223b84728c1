#include "check.h"

#include <math.h>

#include "model/sampled_softmax.h"

enum { ITEMS = 12, ROWS = 3 };

static const int64_t plays[ITEMS] = {0, 1, 16, 0, 81, 256, 1, 1, 1, 1, 1, 0};

static void
uniform_draws_are_distinct_and_active(void **state)
{
    struct mq_error err = {0};
    struct mq_negative_sampler sampler;
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    check_ok(mq_negative_sampler_init(&sampler, MQ_NEGATIVES_UNIFORM, ITEMS, plays, 3, 100, &err));
    assert_int_equal(sampler.active_count, 9);
    int drawn[ITEMS] = {0};
    enum { ROUNDS = 30000 };
    for (int r = 0; r < ROUNDS; r++) {
        int32_t item[3];
        float correction[3];
        assert_int_equal(mq_negative_sampler_draw(&sampler, &rng, NULL, 0, item, correction), 3);
        for (int i = 0; i < 3; i++) {
            drawn[item[i]]++;
            assert_true(fabs((double)correction[i] + log(3.0 / 9.0)) < 1e-6);
        }
        assert_true(item[0] != item[1] && item[1] != item[2] && item[0] != item[2]);
    }
    for (int i = 0; i < ITEMS; i++) {
        double share = (double)drawn[i] / ROUNDS;
        assert_true(plays[i] == 0 ? drawn[i] == 0 : fabs(share - 1.0 / 3) < 0.015);
    }
    mq_negative_sampler_release(&sampler);
}

static void
popularity_draws_follow_their_expectation(void **state)
{
    struct mq_error err = {0};
    struct mq_negative_sampler sampler;
    struct mq_rng rng;
    mq_rng_init(&rng, 2, 0);
    enum { DRAWS = 5, ROUNDS = 20000 };
    check_ok(
        mq_negative_sampler_init(&sampler, MQ_NEGATIVES_POPULARITY, ITEMS, plays, DRAWS, 1, &err));
    double drawn[ITEMS] = {0}, sum = 6 * 1 + 8 + 27 + 64; /* plays^0.75 */
    for (int r = 0; r < ROUNDS; r++) {
        int32_t item[DRAWS];
        float correction[DRAWS];
        int32_t n = mq_negative_sampler_draw(&sampler, &rng, NULL, 0, item, correction);
        double times = 0;
        for (int32_t i = 0; i < n; i++) {
            double c = exp((double)correction[i] + (double)sampler.log_expected[item[i]]);
            drawn[item[i]] += c;
            times += c;
        }
        assert_true(fabs(times - DRAWS) < 1e-3); /* repeats are merged, not lost */
    }
    for (int i = 0; i < ITEMS; i++) {
        double expected = plays[i] == 0 ? 0 : DRAWS * pow((double)plays[i], 0.75) / sum;
        assert_true(fabs(drawn[i] / ROUNDS - expected) < 0.03);
        if (plays[i] > 0)
            assert_true(fabs((double)sampler.log_expected[i] - log(expected)) < 1e-5);
    }
    mq_negative_sampler_release(&sampler);
}

static void
too_few_items_become_the_whole_softmax(void **state)
{
    struct mq_error err = {0};
    struct mq_negative_sampler sampler;
    struct mq_rng rng;
    mq_rng_init(&rng, 3, 0);
    check_ok(mq_negative_sampler_init(&sampler, MQ_NEGATIVES_UNIFORM, ITEMS, plays, 9, 1, &err));
    int32_t item[9];
    float correction[9];
    assert_int_equal(mq_negative_sampler_most(&sampler), 9);
    assert_int_equal(mq_negative_sampler_draw(&sampler, &rng, NULL, 0, item, correction), 9);
    for (int i = 0; i < 9; i++) {
        assert_true(plays[item[i]] > 0);
        assert_true(correction[i] == 0.0f && sampler.log_expected[item[i]] == 0.0f);
    }
    mq_negative_sampler_release(&sampler);
    static const int64_t none[ITEMS];
    check_ok(mq_negative_sampler_init(&sampler, MQ_NEGATIVES_UNIFORM, ITEMS, none, 9, 1, &err));
    assert_int_equal(mq_negative_sampler_draw(&sampler, &rng, NULL, 0, item, correction), 0);
    mq_negative_sampler_release(&sampler);
}

static void
a_batch_serves_as_negatives_once_each(void **state)
{
    struct mq_error err = {0};
    struct mq_negative_sampler sampler;
    struct mq_rng rng;
    mq_rng_init(&rng, 4, 0);
    check_ok(mq_negative_sampler_init(&sampler, MQ_NEGATIVES_IN_BATCH, ITEMS, plays, 9, 4, &err));
    const int32_t target[] = {5, 4, 5, 5};
    int32_t item[4];
    float correction[4];
    assert_int_equal(mq_negative_sampler_draw(&sampler, &rng, target, 4, item, correction), 2);
    assert_int_equal(item[0], 5);
    assert_int_equal(item[1], 4);
    double total = 1 + 16 + 81 + 256 + 5;
    assert_true(fabs((double)correction[0] - log(3.0 / (4 * 256 / total))) < 1e-5);
    assert_true(fabs((double)correction[1] - log(1.0 / (4 * 81 / total))) < 1e-5);
    mq_negative_sampler_release(&sampler);
}

/* Against the formula: masked column, corrections, weights, scores far apart. */
static void
loss_and_gradient_follow_the_formula(void **state)
{
    enum { COLUMNS = 11 };
    float scores[ROWS][COLUMNS + 1], correction[COLUMNS + 1] = {0};
    double raw[ROWS][COLUMNS + 1];
    const int32_t own[ROWS] = {-1, 4, 0};
    const float weight[ROWS] = {0.5f, 0.0f, 2.0f};
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int j = 0; j < COLUMNS; j++)
        correction[j] = (float)mq_rng_normal(&rng);
    for (int b = 0; b < ROWS; b++)
        for (int j = 0; j <= COLUMNS; j++) {
            scores[b][j] = (float)(mq_rng_normal(&rng) * (b == 2 ? 30 : 2));
            raw[b][j] = (double)scores[b][j];
        }
    double loss = mq_sampled_softmax(ROWS, COLUMNS, scores[0], correction, own, weight);
    double expected = 0;
    for (int b = 0; b < ROWS; b++) {
        double top = raw[b][COLUMNS], sum = 0, term[COLUMNS + 1];
        for (int j = 0; j < COLUMNS; j++)
            top = fmax(top, raw[b][j] + (double)correction[j]);
        for (int j = 0; j <= COLUMNS; j++) {
            term[j] = j == own[b] ? 0 : exp(raw[b][j] + (double)correction[j] - top);
            sum += term[j];
        }
        expected += (double)weight[b] * (log(sum) + top - raw[b][COLUMNS]);
        for (int j = 0; j <= COLUMNS; j++) {
            double gradient = (double)weight[b] * (term[j] / sum - (j == COLUMNS));
            assert_true(fabs(gradient - (double)scores[b][j]) < 2e-6);
        }
    }
    assert_true(fabs(loss - expected) < 1e-4 * fabs(expected));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_draws_are_distinct_and_active),
        cmocka_unit_test(popularity_draws_follow_their_expectation),
        cmocka_unit_test(too_few_items_become_the_whole_softmax),
        cmocka_unit_test(a_batch_serves_as_negatives_once_each),
        cmocka_unit_test(loss_and_gradient_follow_the_formula),
    };
    return cmocka_run_group_tests_name("sampled_softmax", tests, NULL, NULL);
}
