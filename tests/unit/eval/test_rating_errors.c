#include "check.h"

#include <math.h>

#include "eval/activity_bands.h"
#include "eval/item_genres.h"
#include "eval/rating_errors.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static const int32_t user[] = {1, 1, 4, 4, 4, 7};
static const float given[] = {5, 3, 1, 2, 4, 4};
static const float predicted[] = {4, 3.5f, 1, 4, 3.5f, 4};
static const struct mq_rating_task task = {.count = 6, .user = user, .given = given};

static void
errors_by_hand(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_errors errors;
    /* differences -1 .5 0 2 -.5 0 */
    check_ok(mq_rating_errors_measure(&task, predicted, &errors, &err));
    NEAR(errors.rmse, sqrt(5.5 / 6));
    NEAR(errors.mae, 4.0 / 6);
    NEAR(errors.bias, 1.0 / 6);
    assert_int_equal(errors.count, 6);
    assert_int_equal(mq_rating_task_users(&task), 3);
    struct mq_user_errors users[3];
    mq_rating_errors_by_user(&task, predicted, users);
    NEAR(users[0].squares, 1.25);
    NEAR(users[1].absolutes, 2.5);
    NEAR(users[1].differences, 1.5);
    NEAR(users[1].count, 3);
    NEAR(users[2].squares, 0);
    NEAR(users[2].count, 1);
    const float broken[] = {4, 3, NAN, 4, 3, 4};
    check_fails(MQ_E_RANGE, mq_rating_errors_measure(&task, broken, &errors, &err));
    check_contains(err.message, "test rating 2");
    const struct mq_rating_task none = {0};
    check_ok(mq_rating_errors_measure(&none, NULL, &errors, &err));
    NEAR(errors.rmse, 0);
    assert_int_equal(mq_rating_task_users(&none), 0);
}

static void
bins_of_predictions(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_bin bins[6];
    int count;
    /* sorted predictions 1 3.5 3.5 4 4 4 with given 1 3 4 5 2 4; a bin ends behind its equals */
    check_ok(mq_rating_calibration(&task, predicted, 3, bins, &count, &err));
    assert_int_equal(count, 2);
    NEAR(bins[0].predicted, 8.0 / 3);
    NEAR(bins[0].given, 8.0 / 3);
    assert_int_equal(bins[0].count, 3);
    NEAR(bins[1].predicted, 4);
    NEAR(bins[1].given, 11.0 / 3);
    /* variance of 5 2 4: 7/3 */
    NEAR(bins[1].high - bins[1].given, 1.959963984540054 * sqrt(7.0 / 3 / 3));
    check_ok(mq_rating_calibration(&task, predicted, 6, bins, &count, &err));
    assert_int_equal(count, 3);
    assert_true(isnan(bins[0].low)); /* one rating */
    check_ok(mq_rating_calibration(&task, predicted, 1, bins, &count, &err));
    assert_int_equal(count, 1);
    assert_int_equal(bins[0].count, 6);
    const struct mq_rating_task none = {0};
    check_ok(mq_rating_calibration(&none, NULL, 3, bins, &count, &err));
    assert_int_equal(count, 0);
    check_fails(MQ_E_RANGE, mq_rating_calibration(&task, predicted, 0, bins, &count, &err));
    check_fails(MQ_E_RANGE, mq_rating_calibration(&task, predicted, MQ_RATING_BINS_MAX + 1, bins,
                                                  &count, &err));
}

static void
bands_of_activity(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const int64_t length[] = {5, 1, 3, 3, 9, 3, 2, 100};
    struct mq_activity_band bands[8];
    int32_t band[8];
    int count;
    /* sorted 1 2 | 3 3 3 | 5 9 | 100: the second quarter ends behind its equals */
    check_ok(mq_activity_bands(length, 8, 4, bands, &count, band, &err));
    assert_int_equal(count, 4);
    const struct mq_activity_band expected[] = {{1, 2, 2}, {3, 3, 3}, {5, 5, 1}, {9, 100, 2}};
    assert_memory_equal(bands, expected, sizeof(expected));
    const int32_t places[] = {2, 0, 1, 1, 3, 1, 0, 3};
    assert_memory_equal(band, places, sizeof(places));
    const int64_t equal[] = {4, 4, 4};
    check_ok(mq_activity_bands(equal, 3, 4, bands, &count, band, &err));
    assert_int_equal(count, 1);
    assert_int_equal(bands[0].count, 3);
    check_ok(mq_activity_bands(equal, 0, 4, bands, &count, band, &err));
    assert_int_equal(count, 0);
    check_fails(MQ_E_RANGE, mq_activity_bands(length, 8, 0, bands, &count, band, &err));
}

/* genres of items: {0 1} {1} {} {0 1 2 3} {2} */
static const int64_t offset[] = {0, 2, 3, 3, 7, 8};
static const int32_t genre[] = {0, 1, 1, 0, 1, 2, 3, 2};
static const struct mq_item_genres genres = {
    .item_count = 5, .genre_count = 4, .offset = offset, .genre = genre};

static void
likeness_of_genres(void **state)
{
    (void)state;
    NEAR(mq_genre_similarity(&genres, 0, 0), 1);
    NEAR(mq_genre_similarity(&genres, 0, 1), 1 / sqrt(2));
    NEAR(mq_genre_similarity(&genres, 1, 0), 1 / sqrt(2));
    NEAR(mq_genre_similarity(&genres, 0, 3), 2 / sqrt(8));
    NEAR(mq_genre_similarity(&genres, 1, 4), 0);
    NEAR(mq_genre_similarity(&genres, 2, 2), 0); /* nothing is known of it */
}

static void
miscalibration_by_hand(void **state)
{
    (void)state;
    double history[4], list[4];
    const int32_t liked[] = {0, 1, 2}, shown[] = {1, 4};
    assert_int_equal(mq_genre_mix(&genres, liked, 3, history), 2);
    const double expected[] = {0.25, 0.75, 0, 0};
    for (int g = 0; g < 4; g++)
        NEAR(history[g], expected[g]);
    assert_int_equal(mq_genre_mix(&genres, shown, 2, list), 2);
    NEAR(list[1], 0.5);
    NEAR(list[2], 0.5);
    NEAR(mq_miscalibration(history, history, 4), 0);
    NEAR(mq_miscalibration(history, list, 4),
         0.25 * log(0.25 / 0.0025) + 0.75 * log(0.75 / (0.99 * 0.5 + 0.01 * 0.75)));
    const int32_t foreign[] = {4};
    mq_genre_mix(&genres, foreign, 1, list);
    NEAR(mq_miscalibration(history, list, 4), log(100));
    assert_int_equal(mq_genre_mix(&genres, shown + 2, 0, list), 0);
}

static void
bad_genres_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    check_ok(mq_item_genres_check(&genres, &err));
    struct mq_item_genres bad = genres;
    bad.genre_count = 3;
    check_fails(MQ_E_RANGE, mq_item_genres_check(&bad, &err));
    check_contains(err.message, "genres of item 3: genre 3 (0 to 2");
    const int32_t twice[] = {0, 0, 1, 0, 1, 2, 3, 2};
    bad = genres;
    bad.genre = twice;
    check_fails(MQ_E_RANGE, mq_item_genres_check(&bad, &err));
    const int64_t falling[] = {0, 2, 1, 3, 7, 8};
    bad = genres;
    bad.offset = falling;
    check_fails(MQ_E_RANGE, mq_item_genres_check(&bad, &err));
    check_contains(err.message, "item 1: offsets descend");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_by_hand),         cmocka_unit_test(bins_of_predictions),
        cmocka_unit_test(bands_of_activity),      cmocka_unit_test(likeness_of_genres),
        cmocka_unit_test(miscalibration_by_hand), cmocka_unit_test(bad_genres_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
