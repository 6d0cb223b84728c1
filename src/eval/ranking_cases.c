#include "eval/ranking_cases.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"

/* Streams of the seed. */
#define STREAM_CASES UINT64_C(0x6361736573) /* "cases" */
#define STREAM_NEGATIVES (UINT64_C(2) << 40)
#define STREAM_ORDER (UINT64_C(3) << 40)

void
mq_ranking_cases_release(struct mq_ranking_cases *cases)
{
    mq_free(cases->user);
    mq_free(cases->relevant_offset);
    mq_free(cases->relevant);
    mq_free(cases->candidate_offset);
    mq_free(cases->candidate);
    *cases = (struct mq_ranking_cases){0};
}

void
mq_candidate_lists_release(struct mq_candidate_lists *lists)
{
    mq_free(lists->user);
    mq_free(lists->target);
    mq_free(lists->offset);
    mq_free(lists->item);
    *lists = (struct mq_candidate_lists){0};
}

/* ---- relevant items ----------------------------------------------------------------------- */

static bool
is_relevant(const struct mq_rating_matrix *matrix, const uint8_t *marks, unsigned part,
            float at_least, int64_t at)
{
    return (marks[at] & part) != 0 && (at_least == 0 || matrix->user_rating[at] >= at_least);
}

/* A user's relevant items in a part. @param ret_items may be NULL @return how many */
static int64_t
relevant_of(const struct mq_rating_matrix *matrix, const uint8_t *marks, unsigned part,
            float at_least, int32_t user, int32_t *ret_items)
{
    int64_t count = 0;
    for (int64_t i = matrix->user_offset[user]; i < matrix->user_offset[user + 1]; i++) {
        if (!is_relevant(matrix, marks, part, at_least, i))
            continue;
        if (ret_items != NULL)
            ret_items[count] = matrix->user_item[i];
        count++;
    }
    return count;
}

/* Which of `eligible` cases are taken: all, or a sample in their order (algorithm S). */
struct sampler {
    struct mq_rng rng;
    int64_t left, wanted;
};

static void
sampler_init(struct sampler *sampler, int64_t eligible,
             const struct mq_ranking_cases_options *options)
{
    mq_rng_init(&sampler->rng, options->seed, STREAM_CASES);
    sampler->left = eligible;
    sampler->wanted = options->cases_max > 0 ? MQ_MIN(options->cases_max, eligible) : eligible;
}

static bool
sampler_takes(struct sampler *sampler)
{
    bool taken = (int64_t)mq_rng_below64(&sampler->rng, (uint64_t)sampler->left) < sampler->wanted;
    sampler->left--;
    sampler->wanted -= taken;
    return taken;
}

static enum mq_status
allocate_cases(struct mq_ranking_cases *cases, int64_t count, int64_t relevant,
               struct mq_error *err)
{
    enum mq_status st = mq_alloc_array((size_t)count, sizeof(*cases->user), &cases->user, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)count + 1, sizeof(*cases->relevant_offset),
                            &cases->relevant_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)relevant, sizeof(*cases->relevant), &cases->relevant, err);
    return st;
}

enum mq_status
mq_ranking_cases_from_split(const struct mq_rating_matrix *matrix, const uint8_t *marks,
                            unsigned part, const struct mq_ranking_cases_options *options,
                            struct mq_ranking_cases *ret_cases, struct mq_error *err)
{
    struct mq_ranking_cases cases = {0};
    struct sampler sampler;
    float at_least = options->relevant_at_least;
    int64_t relevant = 0;
    for (int32_t user = 0; user < matrix->user_count; user++) {
        int64_t count = relevant_of(matrix, marks, part, at_least, user, NULL);
        relevant += count;
        cases.eligible += count > 0;
    }
    sampler_init(&sampler, cases.eligible, options);
    enum mq_status st = allocate_cases(&cases, sampler.wanted, relevant, err);
    for (int32_t user = 0; st == MQ_OK && user < matrix->user_count; user++) {
        int64_t at = cases.relevant_offset[cases.count];
        int64_t count = relevant_of(matrix, marks, part, at_least, user, cases.relevant + at);
        if (count == 0 || !sampler_takes(&sampler))
            continue;
        cases.user[cases.count++] = user;
        cases.relevant_offset[cases.count] = at + count;
    }
    if (st != MQ_OK) {
        mq_ranking_cases_release(&cases);
        return st;
    }
    *ret_cases = cases;
    return MQ_OK;
}

/* ---- candidates --------------------------------------------------------------------------- */

static void
shuffle_candidates(const struct mq_ranking_cases *cases, int64_t index, uint64_t seed)
{
    struct mq_rng rng;
    int64_t begin = cases->candidate_offset[index];
    mq_rng_init(&rng, seed, STREAM_ORDER + (uint64_t)index);
    mq_rng_shuffle(&rng, cases->candidate + begin,
                   (uint32_t)(cases->candidate_offset[index + 1] - begin));
}

static int
compare_items(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/* Distinct ranks in [0, n), ascending (Floyd's sampling: Bentley, "Programming pearls: a sample of
 * brilliance", CACM 1987). @param met uint32 [n] stamps, none of them `stamp` yet */
static void
draw_ranks(struct mq_rng *rng, int32_t n, int32_t wanted, uint32_t *met, uint32_t stamp,
           int32_t *ret_ranks)
{
    int32_t count = 0;
    for (int32_t top = n - wanted; top < n; top++) {
        int32_t rank = (int32_t)mq_rng_below(rng, (uint32_t)top + 1);
        if (met[rank] == stamp)
            rank = top;
        met[rank] = stamp;
        ret_ranks[count++] = rank;
    }
    qsort(ret_ranks, (size_t)count, sizeof(*ret_ranks), compare_items);
}

/* Ranks among the items that a user has not rated to items, in place. Both ascend. */
static void
ranks_to_items(const int32_t *rated, int64_t rated_count, int32_t *ranks, int32_t count)
{
    int64_t passed = 0; /* rated items at or before the item looked for */
    for (int32_t i = 0; i < count; i++) {
        while (passed < rated_count && rated[passed] <= ranks[i] + passed)
            passed++;
        ranks[i] += (int32_t)passed;
    }
}

/* Room for each case's relevant items and `others` more; what was there goes. */
static enum mq_status
allocate_candidates(struct mq_ranking_cases *cases, int32_t others, struct mq_error *err)
{
    int64_t *offset = NULL;
    int32_t *candidate = NULL;
    size_t room = (size_t)cases->count * (size_t)others;
    if (cases->count > 0)
        room += (size_t)cases->relevant_offset[cases->count];
    enum mq_status st = mq_alloc_array((size_t)cases->count + 1, sizeof(*offset), &offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(room, sizeof(*candidate), &candidate, err);
    if (st != MQ_OK) {
        mq_free(offset);
        return st;
    }
    mq_free(cases->candidate_offset);
    mq_free(cases->candidate);
    cases->candidate_offset = offset;
    cases->candidate = candidate;
    return MQ_OK;
}

/* @return where its other candidates go */
static int32_t *
take_relevant(struct mq_ranking_cases *cases, int64_t index)
{
    int32_t *place = cases->candidate + cases->candidate_offset[index];
    for (int64_t i = cases->relevant_offset[index]; i < cases->relevant_offset[index + 1]; i++)
        *place++ = cases->relevant[i];
    return place;
}

static void
sample_case(struct mq_ranking_cases *cases, const struct mq_rating_matrix *matrix, int64_t index,
            int32_t negatives, uint64_t seed, uint32_t *met)
{
    int32_t user = cases->user[index];
    int64_t rated_begin = matrix->user_offset[user];
    int64_t rated_count = matrix->user_offset[user + 1] - rated_begin;
    int32_t unrated = matrix->item_count - (int32_t)rated_count;
    int32_t wanted = MQ_MIN(negatives, unrated);
    int32_t *place = take_relevant(cases, index);
    struct mq_rng rng;
    mq_rng_init(&rng, seed, STREAM_NEGATIVES + (uint64_t)user);
    draw_ranks(&rng, unrated, wanted, met, (uint32_t)index + 1, place);
    ranks_to_items(matrix->user_item + rated_begin, rated_count, place, wanted);
    cases->candidate_offset[index + 1] = place + wanted - cases->candidate;
    shuffle_candidates(cases, index, seed);
}

enum mq_status
mq_ranking_cases_sample(struct mq_ranking_cases *cases, const struct mq_rating_matrix *matrix,
                        int32_t negatives, uint64_t seed, struct mq_error *err)
{
    if (negatives < 1 || negatives > MQ_NEGATIVES_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot draw %d candidates a case (1 to %d)", negatives,
                       MQ_NEGATIVES_MAX);
    mq_autofree uint32_t *met = NULL;
    enum mq_status st = mq_alloc_array((size_t)matrix->item_count, sizeof(*met), &met, err);
    if (st == MQ_OK)
        st = allocate_candidates(cases, MQ_MIN(negatives, matrix->item_count), err);
    for (int64_t i = 0; st == MQ_OK && i < cases->count; i++)
        sample_case(cases, matrix, i, negatives, seed, met);
    return st;
}

enum mq_status
mq_ranking_cases_among(struct mq_ranking_cases *cases, const struct mq_rating_matrix *matrix,
                       const uint8_t *among, uint64_t seed, struct mq_error *err)
{
    mq_autofree int32_t *item = NULL;
    int32_t count = 0;
    enum mq_status st = mq_alloc_array_raw((size_t)matrix->item_count, sizeof(*item), &item, err);
    for (int32_t i = 0; st == MQ_OK && i < matrix->item_count; i++)
        if (among[i] != 0)
            item[count++] = i;
    if (st == MQ_OK)
        st = allocate_candidates(cases, count, err);
    for (int64_t c = 0; st == MQ_OK && c < cases->count; c++) {
        int32_t *place = take_relevant(cases, c);
        for (int32_t i = 0; i < count; i++)
            if (mq_rating_matrix_find(matrix, cases->user[c], item[i]) < 0)
                *place++ = item[i];
        cases->candidate_offset[c + 1] = place - cases->candidate;
        shuffle_candidates(cases, c, seed);
    }
    return st;
}

/* ---- lists made elsewhere ----------------------------------------------------------------- */

static int64_t
relevant_of_list(const struct mq_rating_matrix *matrix, const uint8_t *marks,
                 const struct mq_candidate_lists *lists, float at_least, int64_t list,
                 int32_t *ret_items)
{
    if (lists->target[list] < 0)
        return relevant_of(matrix, marks, MQ_SPLIT_TEST, at_least, lists->user[list], ret_items);
    if (ret_items != NULL)
        ret_items[0] = lists->target[list];
    return 1;
}

static enum mq_status
check_lists(const struct mq_rating_matrix *matrix, const struct mq_candidate_lists *lists,
            struct mq_error *err)
{
    for (int64_t i = 0; i < lists->count; i++)
        if (lists->user[i] < 0 || lists->user[i] >= matrix->user_count || lists->target[i] < -1 ||
            lists->target[i] >= matrix->item_count)
            return mq_fail(err, MQ_E_RANGE,
                           "candidate list %" PRId64 ": user %d (0 to %d), item %d (-1 to %d)", i,
                           lists->user[i], matrix->user_count - 1, lists->target[i],
                           matrix->item_count - 1);
    for (int64_t i = 0; lists->count > 0 && i < lists->offset[lists->count]; i++)
        if (lists->item[i] < 0 || lists->item[i] >= matrix->item_count)
            return mq_fail(err, MQ_E_RANGE, "candidate %" PRId64 ": item %d (0 to %d)", i,
                           lists->item[i], matrix->item_count - 1);
    return MQ_OK;
}

/* The case's relevant items and the list's, each once. */
static void
take_candidates(struct mq_ranking_cases *cases, const struct mq_candidate_lists *lists,
                int64_t list, uint32_t *met)
{
    int64_t index = cases->count - 1;
    uint32_t stamp = (uint32_t)cases->count;
    int32_t *place = cases->candidate + cases->candidate_offset[index];
    for (int64_t i = cases->relevant_offset[index]; i < cases->relevant_offset[index + 1]; i++) {
        met[cases->relevant[i]] = stamp;
        *place++ = cases->relevant[i];
    }
    for (int64_t i = lists->offset[list]; i < lists->offset[list + 1]; i++) {
        if (met[lists->item[i]] == stamp)
            continue;
        met[lists->item[i]] = stamp;
        *place++ = lists->item[i];
    }
    cases->candidate_offset[index + 1] = place - cases->candidate;
}

enum mq_status
mq_ranking_cases_from_lists(const struct mq_rating_matrix *matrix, const uint8_t *marks,
                            const struct mq_candidate_lists *lists,
                            const struct mq_ranking_cases_options *options,
                            struct mq_ranking_cases *ret_cases, struct mq_error *err)
{
    struct mq_ranking_cases cases = {0};
    struct sampler sampler = {0};
    mq_autofree uint32_t *met = NULL;
    float at_least = options->relevant_at_least;
    int64_t relevant = 0;
    enum mq_status st = check_lists(matrix, lists, err);
    for (int64_t i = 0; st == MQ_OK && i < lists->count; i++) {
        int64_t count = relevant_of_list(matrix, marks, lists, at_least, i, NULL);
        relevant += count;
        cases.eligible += count > 0;
    }
    sampler_init(&sampler, cases.eligible, options);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)matrix->item_count, sizeof(*met), &met, err);
    if (st == MQ_OK)
        st = allocate_cases(&cases, sampler.wanted, relevant, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)sampler.wanted + 1, sizeof(*cases.candidate_offset),
                            &cases.candidate_offset, err);
    if (st == MQ_OK) {
        int64_t listed = lists->count > 0 ? lists->offset[lists->count] : 0;
        st = mq_alloc_array((size_t)(listed + relevant), sizeof(*cases.candidate), &cases.candidate,
                            err);
    }
    for (int64_t i = 0; st == MQ_OK && i < lists->count; i++) {
        int64_t at = cases.relevant_offset[cases.count];
        int64_t count = relevant_of_list(matrix, marks, lists, at_least, i, cases.relevant + at);
        if (count == 0 || !sampler_takes(&sampler))
            continue;
        cases.user[cases.count++] = lists->user[i];
        cases.relevant_offset[cases.count] = at + count;
        take_candidates(&cases, lists, i, met);
        shuffle_candidates(&cases, cases.count - 1, options->seed);
    }
    if (st != MQ_OK) {
        mq_ranking_cases_release(&cases);
        return st;
    }
    *ret_cases = cases;
    return MQ_OK;
}
