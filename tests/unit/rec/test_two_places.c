#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "rec/two_places.h"

static void
check_value(double x)
{
    char expected[MQ_TWO_PLACES_MAX], text[MQ_TWO_PLACES_MAX];
    snprintf(expected, sizeof(expected), "%.2f", x);
    size_t size = mq_two_places_format(x, text);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(text, expected);
    if (fabs(x) < 1e12)
        assert_true(mq_two_places(x) == strtod(expected, NULL));
}

static void
test_halves_and_edges(void **state)
{
    /* 2.675 and 1.005 lie below the half they look like; 0.125 and 0.375 are exact halves. */
    static const double values[] = {0,      -0.0,        0.125,  0.375, 2.675,  1.005, 0.005,
                                    0.015,  0.045,       -0.005, -1e-9, 99.995, 0.995, 1e11 + 0.005,
                                    5e-324, 1e13 + 0.37, 1e15,   1e300, 0.29,   0.57,  0.58};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        check_value(values[i]);
    assert_true(mq_two_places(0.125) == 0.12);
    assert_true(mq_two_places(2.675) == 2.67);
    assert_true(isnan(mq_two_places(NAN)));
}

static void
test_many(void **state)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 11, 0);
    for (int i = 0; i < 200000; i++) {
        check_value(mq_rng_uniform(&rng) * 100 - 30);
        check_value((double)mq_rng_below(&rng, 100000) / 1000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves_and_edges),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
