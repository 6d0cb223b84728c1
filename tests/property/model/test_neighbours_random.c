/* Neighbours against brute force, for random matrices and every measure; dense tiles against lists;
 * a row asked as a query; any number of threads. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/neighbour_parts.h"
#include "model/recency.h"

static struct mq_rng rng;
static struct mq_error err;

/* ---- brute force ------------------------------------------------------------------------ */

struct oracle {
    const struct mq_rating_matrix *matrix;
    struct mq_neighbour_options options;
    int32_t rows, codes;
    double *x;    /* [rows, codes] centred */
    double *own;  /* [rows, codes] the same with recency */
    uint8_t *has; /* [rows, codes] */
    double *score;
    int32_t *shared;
};

static void
fill_oracle(struct oracle *o, const struct mq_rating_baseline *baseline)
{
    const struct mq_rating_matrix *m = o->matrix;
    bool items = o->options.side == MQ_NEIGHBOUR_ITEMS;
    double *user_mean = calloc((size_t)m->user_count, sizeof(double));
    double *item_mean = calloc((size_t)m->item_count, sizeof(double));
    for (int32_t u = 0; u < m->user_count; u++)
        for (int64_t i = m->user_offset[u]; i < m->user_offset[u + 1]; i++) {
            double n = (double)(m->user_offset[u + 1] - m->user_offset[u]);
            int32_t item = m->user_item[i];
            double n_item = (double)(m->item_offset[item + 1] - m->item_offset[item]);
            user_mean[u] += (double)m->user_rating[i] / n;
            item_mean[item] += (double)m->user_rating[i] / n_item;
        }
    for (int32_t u = 0; u < m->user_count; u++) {
        int64_t first = m->user_offset[u], n = m->user_offset[u + 1] - first;
        for (int64_t k = 0; k < n; k++) {
            int64_t i = first + m->user_sequence[first + k];
            int32_t item = m->user_item[i];
            double r = (double)m->user_rating[i], x = r;
            if (o->options.centre == MQ_CENTRE_OWN_MEAN)
                x = r - (items ? item_mean[item] : user_mean[u]);
            else if (o->options.centre == MQ_CENTRE_OTHER_MEAN)
                x = r - (items ? user_mean[u] : item_mean[item]);
            else if (o->options.centre == MQ_CENTRE_BASELINE)
                x = r - baseline->mean - (double)baseline->user[u] - (double)baseline->item[item];
            if (o->options.binary)
                x = 1;
            size_t at = items ? (size_t)item * (size_t)o->codes + (size_t)u
                              : (size_t)u * (size_t)o->codes + (size_t)item;
            o->x[at] = x;
            o->own[at] = x * pow((double)(n - k), -(double)o->options.recency);
            o->has[at] = 1;
        }
    }
    free(user_mean);
    free(item_mean);
}

static void
compare_rows(struct oracle *o, int32_t a, int32_t b)
{
    double dot = 0, own = 0, other = 0, own_all = 0, other_all = 0;
    int32_t shared = 0;
    for (int32_t c = 0; c < o->codes; c++) {
        size_t i = (size_t)a * (size_t)o->codes + (size_t)c;
        size_t j = (size_t)b * (size_t)o->codes + (size_t)c;
        bool both = o->has[i] && o->has[j];
        dot += both ? o->own[i] * o->x[j] : 0;
        own += both ? o->own[i] * o->own[i] : 0;
        other += both ? o->x[j] * o->x[j] : 0;
        own_all += o->own[i] * o->own[i];
        other_all += o->x[j] * o->x[j];
        shared += both;
    }
    double length =
        o->options.length == MQ_LENGTH_ALL ? sqrt(own_all * other_all) : sqrt(own * other);
    size_t at = (size_t)a * (size_t)o->rows + (size_t)b;
    o->shared[at] = shared;
    o->score[at] = a == b || shared < o->options.shared_min || !(length > 1e-9)
                       ? NAN
                       : dot / length * shared / (shared + (double)o->options.shrink);
}

static struct oracle
make_oracle(const struct mq_rating_matrix *matrix, const struct mq_rating_baseline *baseline,
            const struct mq_neighbour_options *options)
{
    bool items = options->side == MQ_NEIGHBOUR_ITEMS;
    struct oracle o = {.matrix = matrix,
                       .options = *options,
                       .rows = items ? matrix->item_count : matrix->user_count,
                       .codes = items ? matrix->user_count : matrix->item_count};
    size_t rows = (size_t)o.rows, cells = rows * (size_t)o.codes;
    o.x = calloc(cells, sizeof(*o.x));
    o.own = calloc(cells, sizeof(*o.own));
    o.has = calloc(cells, 1);
    o.score = calloc(rows * rows, sizeof(*o.score));
    o.shared = calloc(rows * rows, sizeof(*o.shared));
    fill_oracle(&o, baseline);
    for (int32_t a = 0; a < o.rows; a++)
        for (int32_t b = 0; b < o.rows; b++)
            compare_rows(&o, a, b);
    return o;
}

static void
free_oracle(struct oracle *o)
{
    free(o->x);
    free(o->own);
    free(o->has);
    free(o->score);
    free(o->shared);
}

/* A list holds what brute force would choose, but for scores too near to tell apart. */
static void
check_list(const struct oracle *o, int32_t row, const struct mq_neighbour_list *list)
{
    const double near = 2e-5;
    const double *scores = o->score + (size_t)row * (size_t)o->rows;
    double threshold = (double)o->options.threshold, last = INFINITY;
    int32_t surely = 0;
    uint8_t *listed = calloc((size_t)o->rows, 1);
    for (int32_t i = 0; i < list->count; i++) {
        int32_t id = list->ids[i];
        assert_in_range(id, 0, o->rows - 1);
        assert_false(listed[id]);
        listed[id] = 1;
        if (!(fabs(scores[id] - (double)list->scores[i]) < near))
            fail_msg("row %d, neighbour %d: %.8g, brute force %.8g", row, id,
                     (double)list->scores[i], scores[id]);
        assert_int_equal(list->shared[i], o->shared[(size_t)row * (size_t)o->rows + (size_t)id]);
        assert_true((double)list->scores[i] > threshold && (double)list->scores[i] <= last);
        if (i > 0 && list->scores[i] == list->scores[i - 1])
            assert_true(id > list->ids[i - 1]);
        last = (double)list->scores[i];
    }
    for (int32_t b = 0; b < o->rows; b++) {
        surely += scores[b] > threshold + near;
        if (!listed[b] && scores[b] > threshold + near)
            assert_true(list->count == o->options.k && scores[b] < last + near);
    }
    assert_true(list->count >= MQ_MIN(surely, o->options.k));
    free(listed);
}

/* ---- random cases ----------------------------------------------------------------------- */

/* Popularity and activity fall off, so that tiles are full at one end and empty at the other. */
static struct mq_rating_matrix *
random_matrix(int32_t users, int32_t items, int levels)
{
    int32_t count = (int32_t)mq_rng_below(&rng, (uint32_t)(users * items) / 2 + 1);
    int32_t *user = calloc((size_t)count + 1, sizeof(*user));
    int32_t *item = calloc((size_t)count + 1, sizeof(*item));
    float *rating = calloc((size_t)count + 1, sizeof(*rating));
    uint32_t *time = calloc((size_t)count + 1, sizeof(*time));
    for (int32_t i = 0; i < count; i++) {
        double a = mq_rng_uniform(&rng), b = mq_rng_uniform(&rng);
        user[i] = (int32_t)(a * a * users);
        item[i] = (int32_t)(b * b * b * items);
        rating[i] = levels == 0 ? (float)mq_rng_normal(&rng)
                                : (1 + (float)mq_rng_below(&rng, (uint32_t)levels)) *
                                      (levels > 5 ? 0.5f : 1.0f);
        time[i] = (uint32_t)mq_rng_below(&rng, 50);
    }
    struct mq_rating_list list = {count, user, item, rating, time};
    struct mq_rating_matrix *matrix;
    check_ok(mq_rating_matrix_build(&list, users, items, NULL, NULL, &matrix, &err));
    free(user);
    free(item);
    free(rating);
    free(time);
    return matrix;
}

static struct mq_neighbour_options
random_options(void)
{
    static const int32_t lengths[] = {1, 3, 20, 1000};
    struct mq_neighbour_options o =
        mq_neighbour_options_cosine((enum mq_neighbour_side)mq_rng_below(&rng, 2));
    o.centre =
        mq_rng_below(&rng, 2) ? (enum mq_neighbour_centre)mq_rng_below(&rng, 4) : MQ_CENTRE_NONE;
    o.length = (enum mq_neighbour_length)mq_rng_below(&rng, 2);
    o.binary = o.centre == MQ_CENTRE_NONE && mq_rng_below(&rng, 3) == 0;
    o.recency = o.side == MQ_NEIGHBOUR_USERS && mq_rng_below(&rng, 3) == 0 ? 0.7f : 0.0f;
    o.shrink = mq_rng_below(&rng, 2) ? 0.0f : 3.5f;
    o.shared_min = mq_rng_below(&rng, 2) ? 1 : 3;
    o.threshold = mq_rng_below(&rng, 3) ? 0.0f : mq_rng_below(&rng, 2) ? -1.0f : 0.3f;
    o.k = lengths[mq_rng_below(&rng, MQ_COUNT(lengths))];
    return o;
}

static void
check_same(const struct mq_neighbours *a, const struct mq_neighbours *b)
{
    size_t places = (size_t)a->count * (size_t)a->k;
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->ids, b->ids, places * sizeof(*a->ids));
    assert_memory_equal(a->scores, b->scores, places * sizeof(*a->scores));
    assert_memory_equal(a->shared, b->shared, places * sizeof(*a->shared));
}

static void
check_query(const struct oracle *o, const struct mq_neighbour_index *index)
{
    struct mq_neighbour_scratch *scratch;
    check_ok(mq_neighbour_scratch_new(index, &scratch, &err));
    for (int32_t row = 0; row < o->rows; row++) {
        int64_t first = index->offset[row], n = index->offset[row + 1] - first;
        int32_t codes[512];
        float ratings[512], weights[512];
        /* Backwards: the order given does not matter. */
        for (int64_t i = 0; i < n; i++) {
            codes[n - 1 - i] = index->other[first + i];
            ratings[n - 1 - i] = index->rating[first + i];
        }
        for (int64_t k = 0; k < n && o->options.recency > 0; k++)
            weights[n - 1 - o->matrix->user_sequence[first + k]] =
                mq_recency_weight((int32_t)(n - 1 - k), o->options.recency);
        struct mq_neighbour_row given = {.count = (int32_t)n,
                                         .code = codes,
                                         .rating = ratings,
                                         .weight = o->options.recency > 0 ? weights : NULL,
                                         .self = row};
        struct mq_neighbour_list list;
        check_ok(mq_neighbour_query(index, &given, scratch, &list, &err));
        /* An item's part of a baseline is found before the users' last. */
        if (o->options.centre != MQ_CENTRE_BASELINE || o->options.side == MQ_NEIGHBOUR_USERS)
            check_list(o, row, &list);
    }
    mq_neighbour_scratch_free(scratch);
}

static void
check_case(struct mq_pool *pool)
{
    static const int levels[] = {0, 1, 5, 10, 15};
    int32_t users = 1 + (int32_t)mq_rng_below(&rng, 300);
    int32_t items = 1 + (int32_t)mq_rng_below(&rng, 300);
    struct mq_rating_matrix *matrix =
        random_matrix(users, items, levels[mq_rng_below(&rng, MQ_COUNT(levels))]);
    struct mq_neighbour_options options = random_options();
    struct mq_rating_baseline_options fit = mq_rating_baseline_options_default();
    struct mq_rating_baseline baseline = {0};
    check_ok(mq_rating_baseline_fit(matrix, &fit, pool, &baseline, &err));
    struct oracle o = make_oracle(matrix, &baseline, &options);
    struct mq_neighbours lists[3];
    static const int32_t tiles[] = {0, 1, 1000};
    for (int t = 0; t < 3; t++) {
        struct mq_neighbour_index *index;
        struct mq_neighbours alone;
        check_ok(mq_neighbour_index_new_tiled(matrix, &baseline, &options, tiles[t], pool, &index,
                                              &err));
        check_ok(mq_neighbours_of_all(index, pool, &lists[t], &err));
        check_ok(mq_neighbours_of_all(index, NULL, &alone, &err));
        check_same(&lists[t], &alone);
        for (int32_t row = 0; row < o.rows; row++) {
            struct mq_neighbour_list list = mq_neighbours_of(&lists[t], row);
            check_list(&o, row, &list);
        }
        /* Sums of whole numbers are exact, whatever the way. */
        if (index->whole && t > 0)
            check_same(&lists[0], &lists[t]);
        if (t == 1)
            check_query(&o, index);
        mq_neighbours_release(&alone);
        mq_neighbour_index_free(index);
    }
    for (int t = 0; t < 3; t++)
        mq_neighbours_release(&lists[t]);
    free_oracle(&o);
    mq_rating_baseline_release(&baseline);
    mq_rating_matrix_free(matrix);
}

static void
test_brute_force(void **state)
{
    (void)state;
    const char *seed_text = getenv("MARQUEE_TEST_SEED"), *cases = getenv("MARQUEE_TEST_CASES");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    struct mq_pool *pool;
    printf("seed %llu\n", (unsigned long long)seed);
    check_ok(mq_pool_new(3, &pool, &err));
    for (int i = 0; i < (cases != NULL ? atoi(cases) : 40); i++) {
        mq_rng_init(&rng, seed, (uint64_t)i);
        check_case(pool);
    }
    mq_pool_free(pool);
}

/* More codes than a block, so that sums are made of parts. */
static void
test_blocks(void **state)
{
    (void)state;
    enum { CODES = 20000, ROWS = 140, COUNT = 60000 };
    static int32_t user[COUNT], item[COUNT];
    static float rating[COUNT];
    mq_rng_init(&rng, 5, 0);
    for (int whole = 0; whole < 2; whole++) {
        for (int i = 0; i < COUNT; i++) {
            user[i] = (int32_t)mq_rng_below(&rng, CODES);
            item[i] = (int32_t)mq_rng_below(&rng, ROWS);
            rating[i] = whole ? 1 + (float)mq_rng_below(&rng, 9) : (float)mq_rng_normal(&rng);
        }
        struct mq_rating_list list = {COUNT, user, item, rating, NULL};
        struct mq_rating_matrix *matrix;
        check_ok(mq_rating_matrix_build(&list, CODES, ROWS, NULL, NULL, &matrix, &err));
        for (int length = 0; length < 2; length++) {
            struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS);
            options.binary = false;
            options.length = (enum mq_neighbour_length)length;
            options.threshold = -1;
            options.shrink = 1;
            struct oracle o = make_oracle(matrix, NULL, &options);
            for (int32_t tiles = 0; tiles < 3; tiles++) {
                struct mq_neighbour_index *index;
                struct mq_neighbours lists;
                check_ok(mq_neighbour_index_new_tiled(matrix, NULL, &options, tiles, NULL, &index,
                                                      &err));
                assert_int_equal(index->whole, whole);
                check_ok(mq_neighbours_of_all(index, NULL, &lists, &err));
                for (int32_t row = 0; row < ROWS; row++) {
                    struct mq_neighbour_list one = mq_neighbours_of(&lists, row);
                    check_list(&o, row, &one);
                }
                mq_neighbours_release(&lists);
                mq_neighbour_index_free(index);
            }
            free_oracle(&o);
        }
        mq_rating_matrix_free(matrix);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_brute_force),
                                       cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
