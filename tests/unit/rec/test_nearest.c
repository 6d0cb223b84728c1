#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "rec/nearest.h"

static int
compare(const void *left, const void *right)
{
    const struct mq_score_key *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Rows of every length and kind (ties, NaN, sorted either way) against a plain sort. */
static void
test_against_sorting(void **state)
{
    enum { MOST = 5000 };
    struct mq_error err = {0};
    struct mq_nearest_scratch scratch;
    struct mq_rng rng;
    float *scores = malloc(MOST * sizeof(*scores));
    struct mq_score_key *sorted = malloc(MOST * sizeof(*sorted));
    check_ok(mq_nearest_scratch_init(&scratch, MOST, &err));
    mq_rng_init(&rng, 3, 0);
    for (int round = 0; round < 400; round++) {
        size_t n = round < 40 ? (size_t)round : 1 + mq_rng_below(&rng, MOST);
        size_t k = 1 + mq_rng_below(&rng, round % 3 ? 120 : MOST);
        size_t count = 0, found;
        for (size_t i = 0; i < n; i++) {
            double x = mq_rng_normal(&rng);
            switch (round % 5) {
            case 0: /* many ties */
                x = (double)mq_rng_below(&rng, 4);
                break;
            case 1:
                x = -(double)i;
                break;
            case 2: /* the best are where the sample does not look */
                x = i % 8 == 0 ? -5 : x;
                break;
            case 3: /* many were played */
                x = mq_rng_below(&rng, 2) ? NAN : x;
                break;
            default:
                break;
            }
            scores[i] = (float)x;
            if (!isnan(scores[i]))
                sorted[count++] = (struct mq_score_key){scores[i], (int64_t)i};
        }
        qsort(sorted, count, sizeof(*sorted), compare);
        const struct mq_score_key *best = mq_nearest_choose(&scratch, scores, n, k, &found);
        assert_int_equal(found, count < k ? count : k);
        for (size_t i = 0; i < found; i++) {
            assert_true(best[i].score == sorted[i].score);
            assert_int_equal(best[i].order, sorted[i].order);
        }
    }
    mq_nearest_scratch_release(&scratch);
    free(scores);
    free(sorted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
