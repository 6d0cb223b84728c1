#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/binary_metrics.h"

static void
auc_counts_ties_half(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_binary_metrics m;
    float prob[] = {0.1f, 0.4f, 0.4f, 0.8f};
    float label[] = {0, 0, 1, 1};
    check_ok(mq_binary_metrics(prob, label, 4, &m, &err));
    /* pairs: (.4,.1) right, (.4,.4) half, (.8,.1) and (.8,.4) right */
    assert_true(fabs(m.auc - 3.5 / 4) < 1e-12);
    double loss = -(log(0.9) + log(0.6) + log(0.4) + log(0.8)) / 4;
    assert_true(fabs(m.log_loss - loss) < 1e-6);
    assert_true(fabs(m.calibration - 1.7 / 2) < 1e-6);
    assert_int_equal(m.positives, 2);
}

static void
auc_equals_all_pairs(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rng rng;
    mq_rng_init(&rng, 7, 0);
    enum { N = 500 };
    float prob[N], label[N];
    for (int i = 0; i < N; i++) {
        prob[i] = (float)mq_rng_below(&rng, 50) / 49.0f;
        label[i] = mq_rng_uniform(&rng) < (double)prob[i] ? 1 : 0;
    }
    double wins = 0, pairs = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (label[i] > label[j]) {
                pairs++;
                wins += prob[i] > prob[j] ? 1 : prob[i] == prob[j] ? 0.5 : 0;
            }
    struct mq_binary_metrics m;
    check_ok(mq_binary_metrics(prob, label, N, &m, &err));
    assert_true(fabs(m.auc - wins / pairs) < 1e-12);
    assert_true(m.calibration_error < 0.15);
}

static void
one_class_has_no_auc_and_bad_rows_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_binary_metrics m;
    float prob[] = {0.0f, 1.0f};
    float label[] = {1, 1};
    check_ok(mq_binary_metrics(prob, label, 2, &m, &err));
    assert_true(isnan(m.auc));
    assert_true(isfinite(m.log_loss));
    check_fails(MQ_E_RANGE, mq_binary_metrics(prob, label, 0, &m, &err));
    prob[0] = NAN;
    check_fails(MQ_E_RANGE, mq_binary_metrics(prob, label, 2, &m, &err));
    check_contains(err.message, "row 0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auc_counts_ties_half),
        cmocka_unit_test(auc_equals_all_pairs),
        cmocka_unit_test(one_class_has_no_auc_and_bad_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
