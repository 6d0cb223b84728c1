#include "check.h"

#include "eval/ranking_cases.h"

/* user 0: 0(5) 1(2) 2(4)   user 1: 3(1)   user 2: 0(3) 3(5); test: 0's 1 and 2, 1's 3, 2's 3 */
static const int32_t user[] = {0, 0, 0, 1, 2, 2};
static const int32_t item[] = {0, 1, 2, 3, 0, 3};
static const float rating[] = {5, 2, 4, 1, 3, 5};
static const uint8_t marks[] = {MQ_SPLIT_TRAIN, MQ_SPLIT_TEST,  MQ_SPLIT_TEST,
                                MQ_SPLIT_TEST,  MQ_SPLIT_TRAIN, MQ_SPLIT_TEST};
enum { ITEMS = 8 };

static struct mq_rating_matrix *
small(void)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix;
    const struct mq_rating_list list = {.count = 6, .user = user, .item = item, .rating = rating};
    check_ok(mq_rating_matrix_build(&list, 3, ITEMS, NULL, NULL, &matrix, &err));
    return matrix;
}

static void
users_with_relevant_test_ratings(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    struct mq_ranking_cases cases = {0};
    struct mq_ranking_cases_options options = {0};
    check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
    const int32_t all[] = {1, 2, 3, 3};
    const int64_t offsets[] = {0, 2, 3, 4};
    assert_int_equal(cases.count, 3);
    assert_memory_equal(cases.relevant, all, sizeof(all));
    assert_memory_equal(cases.relevant_offset, offsets, sizeof(offsets));
    assert_null(cases.candidate_offset);
    mq_ranking_cases_release(&cases);
    options.relevant_at_least = 4; /* user 1's only test rating is a bad one */
    check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
    assert_int_equal(cases.count, 2);
    assert_int_equal(cases.user[0], 0);
    assert_int_equal(cases.relevant[0], 2);
    assert_int_equal(cases.user[1], 2);
    mq_ranking_cases_release(&cases);
    check_ok(
        mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_VALIDATION, &options, &cases, &err));
    assert_int_equal(cases.count, 0);
    mq_ranking_cases_release(&cases);
    mq_rating_matrix_free(matrix);
}

static void
sample_of_cases(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    int taken[3] = {0};
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct mq_ranking_cases cases = {0};
        const struct mq_ranking_cases_options options = {.cases_max = 2, .seed = seed};
        check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        assert_int_equal(cases.count, 2);
        assert_int_equal(cases.eligible, 3);
        assert_true(cases.user[0] < cases.user[1]);
        for (int i = 0; i < 2; i++) {
            int64_t begin = cases.relevant_offset[i];
            assert_int_equal(cases.relevant_offset[i + 1] - begin, cases.user[i] == 0 ? 2 : 1);
            assert_int_equal(cases.relevant[begin], cases.user[i] == 0 ? 1 : 3);
            taken[cases.user[i]]++;
        }
        mq_ranking_cases_release(&cases);
    }
    for (int u = 0; u < 3; u++) /* expected 200 of 300, standard deviation 8.2 */
        assert_in_range(taken[u], 160, 240);
    mq_rating_matrix_free(matrix);
}

static void
negatives_are_unrated_distinct_and_even(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    const struct mq_ranking_cases_options options = {0};
    int drawn[ITEMS] = {0}, first[ITEMS] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct mq_ranking_cases cases = {0}, again = {0};
        check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &again, &err));
        check_ok(mq_ranking_cases_sample(&cases, matrix, 2, seed, &err));
        check_ok(mq_ranking_cases_sample(&again, matrix, 2, seed, &err));
        const int64_t offsets[] = {0, 4, 7, 10};
        assert_memory_equal(cases.candidate_offset, offsets, sizeof(offsets));
        assert_memory_equal(cases.candidate, again.candidate, 10 * sizeof(*cases.candidate));
        /* user 0 of items 3 … 7, beside the relevant 1 and 2 */
        int met[ITEMS] = {0};
        for (int i = 0; i < 4; i++)
            met[cases.candidate[i]]++;
        assert_int_equal(met[0], 0);
        assert_int_equal(met[1], 1);
        assert_int_equal(met[2], 1);
        for (int i = 3; i < ITEMS; i++) {
            assert_in_range(met[i], 0, 1);
            drawn[i] += met[i];
        }
        first[cases.candidate[0]]++;
        mq_ranking_cases_release(&cases);
        mq_ranking_cases_release(&again);
    }
    /* each of five in two draws of five: 800 of 2000, standard deviation 22 */
    for (int i = 3; i < ITEMS; i++)
        assert_in_range(drawn[i], 690, 910);
    /* the relevant ones come first no more often than chance has it: 500, standard deviation 19 */
    assert_in_range(first[1], 400, 600);
    assert_in_range(first[2], 400, 600);
    mq_rating_matrix_free(matrix);
}

static void
few_unrated_are_all_taken(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    struct mq_ranking_cases cases = {0};
    const struct mq_ranking_cases_options options = {0};
    check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
    check_ok(mq_ranking_cases_sample(&cases, matrix, 99, 1, &err));
    const int64_t offsets[] = {0, 7, 15, 22}; /* all but what is trained on */
    assert_memory_equal(cases.candidate_offset, offsets, sizeof(offsets));
    check_fails(MQ_E_RANGE, mq_ranking_cases_sample(&cases, matrix, 0, 1, &err));
    check_fails(MQ_E_RANGE, mq_ranking_cases_sample(&cases, matrix, MQ_NEGATIVES_MAX + 1, 1, &err));
    mq_ranking_cases_release(&cases);
    mq_rating_matrix_free(matrix);
}

static void
candidates_among_some_items(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    struct mq_ranking_cases cases = {0};
    const struct mq_ranking_cases_options options = {0};
    const uint8_t among[ITEMS] = {1, 0, 0, 1, 0, 1, 0, 0}; /* 0, 3 and 5 */
    check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
    check_ok(mq_ranking_cases_among(&cases, matrix, among, 1, &err));
    /* 1 2 (relevant) 3 5, 3 (relevant) 0 5, and 3 (relevant) 5: user 2 has rated 0 */
    const int64_t offsets[] = {0, 4, 7, 9};
    const int32_t sums[] = {11, 8, 8};
    assert_memory_equal(cases.candidate_offset, offsets, sizeof(offsets));
    for (int c = 0; c < 3; c++) {
        int32_t sum = 0;
        for (int64_t i = offsets[c]; i < offsets[c + 1]; i++)
            sum += cases.candidate[i];
        assert_int_equal(sum, sums[c]);
    }
    mq_ranking_cases_release(&cases);
    /* where the relevant one stands is drawn */
    int first = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        check_ok(mq_ranking_cases_from_split(matrix, marks, MQ_SPLIT_TEST, &options, &cases, &err));
        check_ok(mq_ranking_cases_among(&cases, matrix, among, seed, &err));
        first += cases.candidate[offsets[2]] == 3;
        mq_ranking_cases_release(&cases);
    }
    assert_in_range(first, 420, 580); /* 500, standard deviation 16 */
    mq_rating_matrix_free(matrix);
}

static void
lists_made_elsewhere(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = small();
    struct mq_ranking_cases cases = {0};
    /* one with a target, one without, one of a user with nothing relevant at 4 and above */
    int32_t users[] = {0, 2, 1}, targets[] = {2, -1, -1}, items[] = {5, 6, 5, 2, 4, 3, 7, 4};
    int64_t offsets[] = {0, 4, 6, 8};
    struct mq_candidate_lists lists = {
        .count = 3, .user = users, .target = targets, .offset = offsets, .item = items};
    const struct mq_ranking_cases_options options = {.relevant_at_least = 4};
    check_ok(mq_ranking_cases_from_lists(matrix, marks, &lists, &options, &cases, &err));
    assert_int_equal(cases.count, 2);
    assert_int_equal(cases.relevant[0], 2);
    assert_int_equal(cases.relevant[1], 3);
    /* 2 5 6, and 3 4, in any order: repeats count once, the target is there already or added */
    const int64_t expected[] = {0, 3, 5};
    assert_memory_equal(cases.candidate_offset, expected, sizeof(expected));
    assert_int_equal(cases.candidate[0] + cases.candidate[1] + cases.candidate[2], 13);
    assert_int_equal(cases.candidate[3] + cases.candidate[4], 7);
    mq_ranking_cases_release(&cases);
    items[3] = ITEMS;
    check_fails(MQ_E_RANGE,
                mq_ranking_cases_from_lists(matrix, marks, &lists, &options, &cases, &err));
    users[1] = 3;
    check_fails(MQ_E_RANGE,
                mq_ranking_cases_from_lists(matrix, marks, &lists, &options, &cases, &err));
    check_contains(err.message, "candidate list 1: user 3 (0 to 2)");
    struct mq_candidate_lists none = {0};
    check_ok(mq_ranking_cases_from_lists(matrix, marks, &none, &options, &cases, &err));
    assert_int_equal(cases.count, 0);
    mq_ranking_cases_release(&cases);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_with_relevant_test_ratings),
        cmocka_unit_test(sample_of_cases),
        cmocka_unit_test(negatives_are_unrated_distinct_and_even),
        cmocka_unit_test(few_unrated_are_all_taken),
        cmocka_unit_test(candidates_among_some_items),
        cmocka_unit_test(lists_made_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
