#include "snapshot_fixture.h"

#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "rec/channel_weights.h"

static const struct mq_channel_weight_options options = {
    .window_s = 3600, .min_expected = 20, .lower = 0.2, .upper = 5, .max_step = 10};

static void
test_trace_channel(void **state)
{
    assert_int_equal(mq_trace_channel("batch_portrait_ub_3|9.50|batch_deepfm_1|0.90"),
                     MQ_CHANNEL_PORTRAIT_UB);
    assert_int_equal(mq_trace_channel("online_year_0|1.00"), MQ_CHANNEL_YEAR);
    assert_int_equal(mq_trace_channel("batch_heat_12"), MQ_CHANNEL_HEAT);
    assert_int_equal(mq_trace_channel("batch_diversity_7|drama"), -1);
    assert_int_equal(mq_trace_channel("batch_photo_1|2"), -1);
    assert_int_equal(mq_trace_channel(""), -1);
    assert_int_equal(mq_trace_channel("batch_year"), -1);
    assert_int_equal(mq_trace_channel("_1"), -1);
}

/*
 * Exposures with known truth: a play has probability theta(place)·quality(channel). The better
 * channels stand at the top, as in a real list, so that raw rates mislead.
 */
static void
simulate(struct mq_channel_tally *tally, int64_t n, const double *quality)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int64_t i = 0; i < n; i++) {
        int place = (int)mq_rng_below(&rng, 20);
        int channel = (int)mq_rng_below(&rng, 4);
        /* Channel 3, the best, is mostly shown at the bottom; channel 0, the worst, at the top. */
        if (mq_rng_uniform(&rng) < 0.7)
            channel = place < 5 ? 0 : place < 10 ? 1 : place < 15 ? 2 : 3;
        double theta = 0.3 / (1 + place);
        tally->shown[channel][place]++;
        tally->played[channel][place] += mq_rng_uniform(&rng) < theta * quality[channel];
    }
}

static void
test_order_of_known_quality(void **state)
{
    static const double quality[4] = {0.6, 0.9, 1.2, 1.8};
    struct mq_channel_tally *tally = calloc(1, sizeof(*tally));
    struct mq_channel_evidence evidence[MQ_CHANNEL_COUNT];
    struct mq_recall_config config;
    double prior;
    simulate(tally, 400000, quality);
    mq_recall_config_default(&config);
    mq_channel_weights_update(tally, &options, &config, evidence, &prior);
    double raw[4];
    for (int c = 0; c < 4; c++)
        raw[c] = (double)evidence[c].played / (double)evidence[c].shown;
    assert_true(raw[0] > raw[3]); /* without the places' share the worst channel would lead */
    for (int c = 0; c < 3; c++)
        assert_true(evidence[c].after < evidence[c + 1].after);
    for (int c = 0; c < 4; c++)
        assert_true(fabs(evidence[c].rate / evidence[0].rate - quality[c] / quality[0]) <
                    0.15 * quality[c] / quality[0]);
    assert_true(mq_recall_config_method(&config, MQ_CHANNEL_LANGUAGE)->weight == evidence[3].after);
    assert_true(prior >= 1);
    free(tally);
}

/* Channels that do not differ are drawn to 1: the data chooses a strong prior. */
static void
test_no_difference(void **state)
{
    static const double quality[4] = {1, 1, 1, 1};
    struct mq_channel_tally *tally = calloc(1, sizeof(*tally));
    struct mq_channel_evidence evidence[MQ_CHANNEL_COUNT];
    struct mq_recall_config config;
    simulate(tally, 100000, quality);
    mq_recall_config_default(&config);
    mq_channel_weights_update(tally, &options, &config, evidence, NULL);
    for (int c = 0; c < 4; c++)
        assert_true(fabs(evidence[c].after - 1) < 0.05);
    free(tally);
}

static void
test_little_evidence_and_bounds(void **state)
{
    struct mq_channel_tally *tally = calloc(1, sizeof(*tally));
    struct mq_channel_evidence evidence[MQ_CHANNEL_COUNT];
    struct mq_recall_config config;
    mq_recall_config_default(&config);
    mq_channel_weights_update(tally, &options, &config, evidence, NULL);
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++)
        assert_true(evidence[c].after == 1.0);
    tally->shown[MQ_CHANNEL_YEAR][0] = 40; /* 10 plays at a rate of a quarter: too few */
    tally->played[MQ_CHANNEL_YEAR][0] = 20;
    tally->shown[MQ_CHANNEL_ACTOR][0] = 4000;
    tally->played[MQ_CHANNEL_ACTOR][0] = 900;
    tally->shown[MQ_CHANNEL_HEAT][0] = 4000;
    tally->played[MQ_CHANNEL_HEAT][0] = 10;
    mq_channel_weights_update(tally, &options, &config, evidence, NULL);
    assert_true(evidence[MQ_CHANNEL_YEAR].after == 1.0);
    assert_true(evidence[MQ_CHANNEL_HEAT].after == options.lower);
    assert_true(evidence[MQ_CHANNEL_ACTOR].after > 1.2);
    /* One run moves a weight by a quarter at most. */
    struct mq_channel_weight_options careful = options;
    careful.max_step = 0.25;
    mq_recall_config_default(&config);
    mq_channel_weights_update(tally, &careful, &config, evidence, NULL);
    assert_true(fabs(evidence[MQ_CHANNEL_HEAT].after - 0.8) < 1e-12);
    assert_true(evidence[MQ_CHANNEL_ACTOR].after <= 1.25);
    mq_channel_weights_update(tally, &careful, &config, evidence, NULL);
    assert_true(fabs(evidence[MQ_CHANNEL_HEAT].after - 0.64) < 1e-12);
    free(tally);
}

/* A play answers the latest exposure before it, once, and only within the window. */
static void
test_attribution(void **state)
{
    struct mq_error err = {0};
    int64_t offset[] = {0, 7, 9};
    int32_t item[] = {1, 1, 1, 2, 2, 3, 3, 1, 1};
    uint32_t time[] = {100, 200, 300, 400, 400, 500, 9000, 100, 150};
    uint8_t kind[] = {0, 0, 1, 1, 0, 0, 1, 1, 0};
    int16_t position[] = {0, 1, -1, -1, 2, 3, -1, -1, -1};
    int32_t trace[] = {0, 1, -1, -1, 1, 0, -1, -1, 1};
    struct mq_actions actions = {.user_count = 2,
                                 .count = 9,
                                 .offset = offset,
                                 .item = item,
                                 .time_s = time,
                                 .kind = kind,
                                 .position = position,
                                 .trace = trace};
    int32_t code;
    check_ok(mq_strmap_add_text(&actions.traces, "batch_year_0|1.00", &code, &err));
    check_ok(mq_strmap_add_text(&actions.traces, "batch_heat_4|1.00", &code, &err));
    struct mq_channel_tally *tally = calloc(1, sizeof(*tally));
    check_ok(mq_channel_tally_add(tally, &actions, 4, 0, 2, &options, &err));
    assert_int_equal(tally->shown[MQ_CHANNEL_YEAR][0], 1);
    assert_int_equal(tally->played[MQ_CHANNEL_YEAR][0], 0); /* shown again at 200 */
    assert_int_equal(tally->played[MQ_CHANNEL_HEAT][1], 1);
    assert_int_equal(tally->played[MQ_CHANNEL_HEAT][2], 1); /* the same second */
    assert_int_equal(tally->shown[MQ_CHANNEL_YEAR][3], 1);
    assert_int_equal(tally->played[MQ_CHANNEL_YEAR][3], 0); /* hours later */
    /* The other user's play came before the exposure; its place is not known. */
    assert_int_equal(tally->shown[MQ_CHANNEL_HEAT][MQ_WEIGHT_PLACES - 1], 1);
    assert_int_equal(tally->played[MQ_CHANNEL_HEAT][MQ_WEIGHT_PLACES - 1], 0);
    mq_strmap_release(&actions.traces);
    free(tally);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_channel), cmocka_unit_test(test_order_of_known_quality),
        cmocka_unit_test(test_no_difference), cmocka_unit_test(test_little_evidence_and_bounds),
        cmocka_unit_test(test_attribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
