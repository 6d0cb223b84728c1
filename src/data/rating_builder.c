/*
 * A rating matrix built in place: ratings go to their user's part of the matrix's own arrays in the
 * order they come; then each user's are sorted by item, repeated ones become one, and gaps are
 * closed. Scratch: a user's ratings.
 */
#include "data/rating_matrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/rating_matrix_parts.h"

/* A user's rating while it is sorted. */
struct entry {
    int32_t item, came; /* came: place among the user's as they came */
    float rating;
    uint32_t time_s;
};

struct mq_rating_builder {
    struct mq_rating_matrix *m; /* user_offset as counted; NULL: finished */
    int64_t *next;              /* [user_count] */
    int64_t most;               /* ratings of one user */
};

void
mq_rating_builder_free(struct mq_rating_builder *builder)
{
    if (builder == NULL)
        return;
    mq_rating_matrix_free(builder->m);
    mq_free(builder->next);
    free(builder);
}

static enum mq_status
begin(struct mq_rating_builder *b, const int64_t *by_user, struct mq_error *err)
{
    struct mq_rating_matrix *m = b->m;
    int64_t count = 0;
    for (int32_t u = 0; u < m->user_count; u++) {
        if (by_user[u] < 0 || by_user[u] > INT32_MAX || count > MQ_RATINGS_MAX - by_user[u])
            return mq_fail(err, MQ_E_RANGE, "a matrix with %" PRId64 " ratings of user %d",
                           by_user[u], u);
        count += by_user[u];
        b->most = MQ_MAX(b->most, by_user[u]);
    }
    enum mq_status st = mq_rating_matrix_allocate(m, count, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)m->user_count, sizeof(*b->next), &b->next, err);
    for (int32_t u = 0; st == MQ_OK && u < m->user_count; u++) {
        b->next[u] = m->user_offset[u];
        m->user_offset[u + 1] = m->user_offset[u] + by_user[u];
    }
    return st;
}

enum mq_status
mq_rating_builder_new(int32_t user_count, int32_t item_count, const int64_t *by_user,
                      struct mq_rating_builder **ret_builder, struct mq_error *err)
{
    struct mq_rating_builder *b = calloc(1, sizeof(*b));
    if (b == NULL || (b->m = calloc(1, sizeof(*b->m))) == NULL) {
        free(b);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a rating matrix");
    }
    b->m->user_count = user_count;
    b->m->item_count = item_count;
    enum mq_status st = begin(b, by_user, err);
    if (st != MQ_OK) {
        mq_rating_builder_free(b);
        return st;
    }
    *ret_builder = b;
    return MQ_OK;
}

enum mq_status
mq_rating_builder_add(struct mq_rating_builder *b, int32_t user, int32_t item, float rating,
                      uint32_t time_s, struct mq_error *err)
{
    struct mq_rating_matrix *m = b->m;
    if (user < 0 || user >= m->user_count || item < 0 || item >= m->item_count || isinf(rating))
        return mq_fail(err, MQ_E_RANGE,
                       "rating %g of item %d (0 to %d) by user %d (0 to %d) is none",
                       (double)rating, item, m->item_count - 1, user, m->user_count - 1);
    int64_t place = b->next[user];
    if (place >= m->user_offset[user + 1])
        return mq_fail(err, MQ_E_RANGE, "user %d has more ratings than were counted", user);
    b->next[user]++;
    m->user_item[place] = item;
    m->user_rating[place] = rating;
    m->user_time[place] = time_s;
    return MQ_OK;
}

/* ---- finishing -------------------------------------------------------------------------- */

static int
compare_items(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->came > y->came) - (x->came < y->came);
}

/* Of entries of one item, in the order they came, the one that counts: a rating rather than a
 * choice, then the latest, then the last. */
static bool
wins(const struct entry *entry, const struct entry *best)
{
    bool is_choice = isnan(entry->rating), was_choice = isnan(best->rating);
    return is_choice != was_choice ? was_choice : entry->time_s >= best->time_s;
}

/* Sort a user's entries by item and keep one of each. @return how many stay */
static int64_t
keep_one_each(struct entry *entries, int64_t n)
{
    int64_t kept = 0;
    if (n > 1)
        qsort(entries, (size_t)n, sizeof(*entries), compare_items);
    for (int64_t k = 0; k < n; k++) {
        if (kept == 0 || entries[kept - 1].item != entries[k].item)
            entries[kept++] = entries[k];
        else if (wins(&entries[k], &entries[kept - 1]))
            entries[kept - 1] = entries[k];
    }
    return kept;
}

/* Ratings come by time, as a rule: then their order is the sequence. @param place int32 [most],
 * scratch: position of the rating that came k-th, -1: it was not kept  @param aged [most] scratch
 */
static void
fill_sequence(struct mq_rating_matrix *m, int64_t first, const struct entry *entries, int64_t kept,
              int64_t n, int32_t *place, struct mq_aged_rating *aged)
{
    for (int64_t k = 0; k < n; k++)
        place[k] = -1;
    for (int64_t k = 0; k < kept; k++)
        place[entries[k].came] = (int32_t)k;
    int64_t at = first;
    for (int64_t k = 0; k < n; k++)
        if (place[k] >= 0)
            m->user_sequence[at++] = place[k];
    const int32_t *sequence = m->user_sequence + first;
    bool is_sorted = true;
    for (int64_t k = 1; k < kept && is_sorted; k++)
        is_sorted = entries[sequence[k - 1]].time_s <= entries[sequence[k]].time_s;
    if (is_sorted)
        return;
    for (int64_t k = 0; k < kept; k++)
        aged[k] = (struct mq_aged_rating){entries[k].time_s, (int32_t)k, entries[k].came};
    qsort(aged, (size_t)kept, sizeof(*aged), mq_rating_compare_ages);
    for (int64_t k = 0; k < kept; k++)
        m->user_sequence[first + k] = aged[k].position;
}

static enum mq_status
sort_users(struct mq_rating_builder *b, float choice_rating, struct mq_error *err)
{
    struct mq_rating_matrix *m = b->m;
    mq_autofree struct entry *entries = NULL;
    mq_autofree int32_t *place = NULL;
    mq_autofree struct mq_aged_rating *aged = NULL;
    int64_t count = 0, begin = 0;
    enum mq_status st = mq_alloc_array_raw((size_t)b->most, sizeof(*entries), &entries, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)b->most, sizeof(*place), &place, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)b->most, sizeof(*aged), &aged, err);
    for (int32_t user = 0; st == MQ_OK && user < m->user_count; user++) {
        int64_t end = m->user_offset[user + 1], n = end - begin;
        if (b->next[user] != end)
            return mq_fail(err, MQ_E_RANGE, "user %d has fewer ratings than were counted", user);
        for (int64_t k = 0; k < n; k++)
            entries[k] = (struct entry){m->user_item[begin + k], (int32_t)k,
                                        m->user_rating[begin + k], m->user_time[begin + k]};
        int64_t kept = keep_one_each(entries, n);
        fill_sequence(m, count, entries, kept, n, place, aged);
        for (int64_t k = 0; k < kept; k++) {
            m->user_item[count + k] = entries[k].item;
            m->user_rating[count + k] =
                isnan(entries[k].rating) ? choice_rating : entries[k].rating;
            m->user_time[count + k] = entries[k].time_s;
        }
        count += kept;
        begin = end;
        m->user_offset[user + 1] = count;
    }
    m->count = count;
    return st;
}

enum mq_status
mq_rating_builder_finish(struct mq_rating_builder *b, float choice_rating, struct mq_strmap *users,
                         struct mq_strmap *items, struct mq_rating_matrix **ret_matrix,
                         struct mq_error *err)
{
    struct mq_rating_matrix *m = b->m;
    enum mq_status st = sort_users(b, choice_rating, err);
    if (st == MQ_OK)
        st = mq_rating_matrix_transpose(m, err);
    b->m = NULL;
    if (st != MQ_OK) {
        mq_rating_matrix_free(m);
        return st;
    }
    mq_rating_matrix_take_ids(m, users, items);
    *ret_matrix = m;
    return MQ_OK;
}
