/** Small matrices and lists for the tests of neighbours. Include after check.h. */
#ifndef MQ_TESTS_NEIGHBOURS_FIXTURE_H
#define MQ_TESTS_NEIGHBOURS_FIXTURE_H

#include "model/neighbours.h"

struct rated {
    int32_t user, item;
    float rating;
};

/* Of ratings in order of time. */
static struct mq_rating_matrix *
matrix_of(const struct rated *rated, int64_t count, int32_t users, int32_t items)
{
    static int32_t user[4096], item[4096];
    static float rating[4096];
    static uint32_t time[4096];
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix;
    assert_true(count <= 4096);
    for (int64_t i = 0; i < count; i++) {
        user[i] = rated[i].user;
        item[i] = rated[i].item;
        rating[i] = rated[i].rating;
        time[i] = (uint32_t)i;
    }
    struct mq_rating_list list = {count, user, item, rating, time};
    check_ok(mq_rating_matrix_build(&list, users, items, NULL, NULL, &matrix, &err));
    return matrix;
}

static struct mq_rating_baseline
baseline_of(const struct mq_rating_matrix *matrix)
{
    struct mq_error err = {0};
    struct mq_rating_baseline baseline;
    struct mq_rating_baseline_options options = mq_rating_baseline_options_default();
    check_ok(mq_rating_baseline_fit(matrix, &options, NULL, &baseline, &err));
    return baseline;
}

static struct mq_neighbours
lists_of(const struct mq_rating_matrix *matrix, const struct mq_rating_baseline *baseline,
         const struct mq_neighbour_options *options)
{
    struct mq_error err = {0};
    struct mq_neighbour_index *index;
    struct mq_neighbours lists;
    check_ok(mq_neighbour_index_new(matrix, baseline, options, NULL, &index, &err));
    check_ok(mq_neighbours_of_all(index, NULL, &lists, &err));
    mq_neighbour_index_free(index);
    return lists;
}

static inline void
check_near(double got, double want)
{
    if (!(got - want < 1e-6 && want - got < 1e-6))
        fail_msg("%.9g, expected %.9g", got, want);
}

#endif
