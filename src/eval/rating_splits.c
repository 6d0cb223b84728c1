#include "eval/rating_splits.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

/* Streams of the seed, so that two splits of one seed are independent. */
#define STREAM_RANDOM UINT64_C(0x7370726e64) /* "sprnd" */
#define STREAM_ITEMS UINT64_C(0x7370697465)  /* "spite" */
#define STREAM_USERS (UINT64_C(1) << 40)

static enum mq_status
check_shares(const struct mq_split_shares *shares, struct mq_error *err)
{
    if (shares->validation >= 0 && shares->test >= 0 && shares->validation + shares->test < 1)
        return MQ_OK;
    return mq_fail(err, MQ_E_RANGE,
                   "cannot split: shares %g for validation and %g for the test (each at least 0, "
                   "together below 1)",
                   shares->validation, shares->test);
}

/* Mark `n` ratings at random in exact numbers (Knuth, TAOCP 2, 3.4.2, algorithm S, with two kinds
 * of hits). */
static void
mark_random(struct mq_rng *rng, int64_t n, int64_t validation, int64_t test, uint8_t *marks)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t draw = (int64_t)mq_rng_below64(rng, (uint64_t)(n - i));
        if (draw < test) {
            marks[i] = MQ_SPLIT_TEST;
            test--;
        } else if (draw < test + validation) {
            marks[i] = MQ_SPLIT_VALIDATION;
            validation--;
        } else {
            marks[i] = MQ_SPLIT_TRAIN;
        }
    }
}

/* Ratings held out of n; at least one is left. */
static void
sizes_of(const struct mq_split_shares *shares, int64_t n, int64_t *ret_validation,
         int64_t *ret_test)
{
    int64_t room = MQ_MAX(n - 1, 0);
    *ret_test = MQ_MIN((int64_t)((double)n * shares->test + 0.5), room);
    *ret_validation = MQ_MIN((int64_t)((double)n * shares->validation + 0.5), room - *ret_test);
}

/* Place of a user's rating, the newest first. @param age 0 … ratings-1 */
static int64_t
by_age(const struct mq_rating_matrix *matrix, int32_t user, int64_t age)
{
    int64_t begin = matrix->user_offset[user], end = matrix->user_offset[user + 1];
    return begin + matrix->user_sequence[end - 1 - age];
}

enum mq_status
mq_split_leave_newest(const struct mq_rating_matrix *matrix, bool validation, uint8_t *ret_marks,
                      struct mq_error *err)
{
    (void)err;
    memset(ret_marks, MQ_SPLIT_TRAIN, (size_t)matrix->count);
    for (int32_t user = 0; user < matrix->user_count; user++) {
        int64_t n = matrix->user_offset[user + 1] - matrix->user_offset[user];
        if (n < (validation ? 3 : 2))
            continue;
        ret_marks[by_age(matrix, user, 0)] = MQ_SPLIT_TEST;
        if (validation)
            ret_marks[by_age(matrix, user, 1)] = MQ_SPLIT_VALIDATION;
    }
    return MQ_OK;
}

enum mq_status
mq_split_random(const struct mq_rating_matrix *matrix, const struct mq_split_shares *shares,
                uint64_t seed, uint8_t *ret_marks, struct mq_error *err)
{
    enum mq_status st = check_shares(shares, err);
    if (st != MQ_OK)
        return st;
    struct mq_rng rng;
    int64_t validation, test;
    mq_rng_init(&rng, seed, STREAM_RANDOM);
    sizes_of(shares, matrix->count, &validation, &test);
    mark_random(&rng, matrix->count, validation, test, ret_marks);
    return MQ_OK;
}

enum mq_status
mq_split_random_per_user(const struct mq_rating_matrix *matrix,
                         const struct mq_split_shares *shares, uint64_t seed, uint8_t *ret_marks,
                         struct mq_error *err)
{
    enum mq_status st = check_shares(shares, err);
    if (st != MQ_OK)
        return st;
    for (int32_t user = 0; user < matrix->user_count; user++) {
        int64_t begin = matrix->user_offset[user], n = matrix->user_offset[user + 1] - begin;
        struct mq_rng rng;
        int64_t validation, test;
        mq_rng_init(&rng, seed, STREAM_USERS + (uint64_t)user);
        sizes_of(shares, n, &validation, &test);
        mark_random(&rng, n, validation, test, ret_marks + begin);
    }
    return MQ_OK;
}

enum mq_status
mq_split_items(const struct mq_rating_matrix *matrix, const struct mq_split_shares *shares,
               uint64_t seed, uint8_t *ret_marks, struct mq_error *err)
{
    mq_autofree uint8_t *drawn = NULL; /* [rated] */
    mq_autofree uint8_t *mark = NULL;  /* [items] */
    struct mq_rng rng;
    int64_t rated = 0, validation, test;
    enum mq_status st = check_shares(shares, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)matrix->item_count, 1, &drawn, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->item_count, 1, &mark, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < matrix->item_count; i++)
        rated += matrix->item_offset[i + 1] > matrix->item_offset[i];
    mq_rng_init(&rng, seed, STREAM_ITEMS);
    sizes_of(shares, rated, &validation, &test);
    mark_random(&rng, rated, validation, test, drawn);
    rated = 0;
    for (int32_t i = 0; i < matrix->item_count; i++)
        if (matrix->item_offset[i + 1] > matrix->item_offset[i])
            mark[i] = drawn[rated++];
    for (int64_t i = 0; i < matrix->count; i++)
        ret_marks[i] = mark[matrix->user_item[i]];
    return MQ_OK;
}

enum mq_status
mq_split_newest_per_user(const struct mq_rating_matrix *matrix,
                         const struct mq_split_shares *shares, uint8_t *ret_marks,
                         struct mq_error *err)
{
    enum mq_status st = check_shares(shares, err);
    if (st != MQ_OK)
        return st;
    for (int32_t user = 0; user < matrix->user_count; user++) {
        int64_t n = matrix->user_offset[user + 1] - matrix->user_offset[user];
        int64_t validation, test;
        sizes_of(shares, n, &validation, &test);
        for (int64_t age = 0; age < n; age++)
            ret_marks[by_age(matrix, user, age)] = age < test                ? MQ_SPLIT_TEST
                                                   : age < test + validation ? MQ_SPLIT_VALIDATION
                                                                             : MQ_SPLIT_TRAIN;
    }
    return MQ_OK;
}

enum mq_status
mq_split_at_times(const struct mq_rating_matrix *matrix, int64_t validation_from_s,
                  int64_t test_from_s, uint8_t *ret_marks, struct mq_error *err)
{
    if (validation_from_s > test_from_s)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot split: validation from %" PRId64 " begins after the test from "
                       "%" PRId64,
                       validation_from_s, test_from_s);
    for (int64_t i = 0; i < matrix->count; i++) {
        int64_t time_s = matrix->user_time[i];
        ret_marks[i] = time_s >= test_from_s         ? MQ_SPLIT_TEST
                       : time_s >= validation_from_s ? MQ_SPLIT_VALIDATION
                                                     : MQ_SPLIT_TRAIN;
    }
    return MQ_OK;
}

#define HALF_VALUES 65536

/* Highest of the 65,536 counts, from above, whose addition to *at_or_after would pass `wanted`; -1
 * where all have room. Adds those above it. */
static int64_t
walk_down(const int64_t *counts, int64_t wanted, int64_t *at_or_after)
{
    int64_t value = HALF_VALUES - 1;
    while (value >= 0 && *at_or_after + counts[value] <= wanted)
        *at_or_after += counts[value--];
    return value;
}

enum mq_status
mq_split_time_of_share(const struct mq_rating_matrix *matrix, double share, int64_t *ret_time_s,
                       struct mq_error *err)
{
    if (!(share >= 0 && share <= 1))
        return mq_fail(err, MQ_E_RANGE, "cannot split by time: a share of %g (0 to 1)", share);
    mq_autofree int64_t *counts = NULL;
    enum mq_status st = mq_alloc_array(HALF_VALUES, sizeof(*counts), &counts, err);
    if (st != MQ_OK)
        return st;
    /* By the upper 16 bits of the time, then within the one that holds the limit by the lower. */
    int64_t wanted = (int64_t)((double)matrix->count * share), at_or_after = 0;
    for (int64_t i = 0; i < matrix->count; i++)
        counts[matrix->user_time[i] >> 16]++;
    int64_t upper = walk_down(counts, wanted, &at_or_after);
    if (upper < 0) {
        *ret_time_s = 0;
        return MQ_OK;
    }
    memset(counts, 0, HALF_VALUES * sizeof(*counts));
    for (int64_t i = 0; i < matrix->count; i++)
        if (matrix->user_time[i] >> 16 == (uint32_t)upper)
            counts[matrix->user_time[i] & 0xffff]++;
    *ret_time_s = (upper << 16) + walk_down(counts, wanted, &at_or_after) + 1;
    return MQ_OK;
}

void
mq_split_count(const struct mq_rating_matrix *matrix, const uint8_t *marks,
               struct mq_split_counts *ret_counts)
{
    *ret_counts = (struct mq_split_counts){0};
    for (int32_t user = 0; user < matrix->user_count; user++) {
        int64_t before = ret_counts->test;
        for (int64_t i = matrix->user_offset[user]; i < matrix->user_offset[user + 1]; i++) {
            ret_counts->train += marks[i] == MQ_SPLIT_TRAIN;
            ret_counts->validation += marks[i] == MQ_SPLIT_VALIDATION;
            ret_counts->test += marks[i] == MQ_SPLIT_TEST;
        }
        ret_counts->test_users += ret_counts->test > before;
    }
}

enum mq_status
mq_split_part(const struct mq_rating_matrix *matrix, const uint8_t *marks, unsigned parts,
              struct mq_rating_matrix **ret_part, struct mq_error *err)
{
    mq_autofree uint8_t *keep = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)matrix->count, sizeof(*keep), &keep, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < matrix->count; i++)
        keep[i] = (marks[i] & parts) != 0;
    return mq_rating_matrix_part(matrix, keep, ret_part, err);
}
