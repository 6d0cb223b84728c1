#include "check.h"

#include "base/memory.h"
#include "eval/split_choice.h"

/* What the settings eval.split and eval.share hold out, and the sentence about it. */

enum { RATED_BY = 5, EACH = 10, COUNT = RATED_BY * EACH, DAY = 86400 };

/* Each user rates ten films, one a day, films in another order for each. */
static struct mq_rating_matrix *
make_matrix(int32_t each)
{
    int32_t user[COUNT], item[COUNT];
    uint32_t time_s[COUNT];
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = NULL;
    for (int32_t u = 0; u < RATED_BY; u++)
        for (int32_t k = 0; k < each; k++) {
            user[u * each + k] = u;
            item[u * each + k] = (3 * k + u) % EACH;
            time_s[u * each + k] = (uint32_t)(k * DAY + u);
        }
    check_ok(mq_rating_matrix_build(
        &(struct mq_rating_list){(int64_t)RATED_BY * each, user, item, NULL, time_s}, RATED_BY,
        EACH, NULL, NULL, &matrix, &err));
    return matrix;
}

static enum mq_status
choose(const struct mq_rating_matrix *matrix, const char *split, const char *share,
       const char *negatives, uint64_t seed, uint8_t *ret_marks, char *ret_protocol,
       struct mq_error *err)
{
    struct mq_config *config;
    enum mq_status st = mq_config_new(&config, err);
    const char *const settings[][2] = {
        {"eval.split", split}, {"eval.share", share}, {"eval.negatives", negatives}};
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(settings); i++)
        st = mq_config_set(config, settings[i][0], settings[i][1], MQ_FROM_FLAG, "test", err);
    if (st == MQ_OK)
        st = mq_split_chosen(matrix, config, seed, ret_marks, ret_protocol, err);
    mq_config_free(config);
    return st;
}

static int
held_out(const uint8_t *marks, int begin, int end)
{
    int count = 0;
    for (int i = begin; i < end; i++) {
        assert_true(marks[i] == MQ_SPLIT_TRAIN || marks[i] == MQ_SPLIT_TEST);
        count += marks[i] == MQ_SPLIT_TEST;
    }
    return count;
}

static void
each_kind(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *m = make_matrix(EACH);
    uint8_t marks[COUNT], again[COUNT];
    char protocol[MQ_PROTOCOL_SIZE];

    check_ok(choose(m, "newest", "0.1", "0", 1, marks, protocol, &err));
    assert_string_equal(protocol, "each user's newest rating held out; ranked among all films, "
                                  "those rated before left out; everything else is trained on");
    for (int u = 0; u < RATED_BY; u++) {
        assert_int_equal(held_out(marks, u * EACH, (u + 1) * EACH), 1);
        int64_t newest = (int64_t)u * EACH + m->user_sequence[u * EACH + EACH - 1];
        assert_int_equal(marks[newest], MQ_SPLIT_TEST);
    }

    check_ok(choose(m, "random", "0.2", "99", 1, marks, protocol, &err));
    assert_string_equal(protocol, "20 % of all ratings held out at random; ranked among 99 films "
                                  "the user has not rated; everything else is trained on");
    assert_int_equal(held_out(marks, 0, COUNT), 10);
    check_ok(choose(m, "random", "0.2", "99", 1, again, protocol, &err));
    assert_memory_equal(marks, again, COUNT);
    check_ok(choose(m, "random", "0.2", "99", 2, again, protocol, &err));
    assert_memory_not_equal(marks, again, COUNT);

    check_ok(choose(m, "random-per-user", "0.3", "0", 1, marks, protocol, &err));
    check_contains(protocol, "30 % of each user's ratings held out at random; ");
    for (int u = 0; u < RATED_BY; u++)
        assert_int_equal(held_out(marks, u * EACH, (u + 1) * EACH), 3);

    check_ok(choose(m, "cold-items", "0.2", "0", 1, marks, protocol, &err));
    check_contains(protocol, "all ratings of 20 % of the films held out; ranked among all films");
    assert_int_equal(held_out(marks, 0, COUNT), 2 * RATED_BY);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < COUNT; k++)
            assert_true(m->user_item[i] != m->user_item[k] || marks[i] == marks[k]);

    check_ok(choose(m, "time", "0.2", "0", 1, marks, protocol, &err));
    check_contains(protocol,
                   "ratings from 1970-01-08T00:00:05Z on held out, at most 20 % of all; ");
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(marks[i] == MQ_SPLIT_TEST, m->user_time[i] >= 7 * DAY + 5);
    mq_rating_matrix_free(m);
}

static void
nothing_can_be_held_out(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *m = make_matrix(1);
    uint8_t marks[COUNT];
    char protocol[MQ_PROTOCOL_SIZE];
    static const char *const kinds[] = {"newest", "random-per-user"};
    for (size_t k = 0; k < MQ_COUNT(kinds); k++) {
        check_fails(MQ_E_INPUT, choose(m, kinds[k], "0.1", "0", 1, marks, protocol, &err));
        check_contains(err.message, "of 5 ratings by 5 users none can be held out");
        check_contains(err.hint, "two ratings");
    }
    mq_rating_matrix_free(m);
    m = make_matrix(EACH);
    /* Less than one rating's share. */
    check_fails(MQ_E_INPUT, choose(m, "time", "0.001", "0", 1, marks, protocol, &err));
    mq_rating_matrix_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),
        cmocka_unit_test(nothing_can_be_held_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
