/*
 * Two counting sorts: by item, then, stably, by user, which leaves each user's items ascending and
 * a repeated item's ratings in the order they came. The item side follows from the user side by one
 * more counting sort, which leaves users ascending.
 */
#include "data/rating_matrix.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/rating_matrix_parts.h"

static enum mq_status
check_list(const struct mq_rating_list *list, int32_t user_count, int32_t item_count,
           struct mq_error *err)
{
    if (list->count < 0 || list->count > MQ_RATINGS_MAX || user_count < 0 || item_count < 0)
        return mq_fail(err, MQ_E_RANGE, "a matrix of %" PRId64 " ratings (0 to %" PRId64 ")",
                       list->count, MQ_RATINGS_MAX);
    for (int64_t i = 0; i < list->count; i++) {
        if (list->user[i] < 0 || list->user[i] >= user_count)
            return mq_fail(err, MQ_E_RANGE, "rating %" PRId64 ": user %d (0 to %d)", i,
                           list->user[i], user_count - 1);
        if (list->item[i] < 0 || list->item[i] >= item_count)
            return mq_fail(err, MQ_E_RANGE, "rating %" PRId64 ": item %d (0 to %d)", i,
                           list->item[i], item_count - 1);
        if (list->rating != NULL && !isfinite(list->rating[i]))
            return mq_fail(err, MQ_E_RANGE, "rating %" PRId64 " is not finite", i);
    }
    return MQ_OK;
}

/* Counts to beginnings: offset[k] becomes where k's begin, offset[n] the sum. */
static void
sum_up(int64_t *offset, int64_t n)
{
    int64_t sum = 0;
    for (int64_t k = 0; k <= n; k++) {
        int64_t count = offset[k];
        offset[k] = sum;
        sum += count;
    }
}

/* Positions of the list by (user, item), equal ones as they came. @param order int64 [count] */
static enum mq_status
sort_list(const struct mq_rating_list *list, int32_t user_count, int32_t item_count, int64_t *order,
          struct mq_error *err)
{
    mq_autofree int64_t *by_item = NULL;
    mq_autofree int64_t *next = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)list->count, sizeof(*by_item), &by_item, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)MQ_MAX(user_count, item_count) + 1, sizeof(*next), &next, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < list->count; i++)
        next[list->item[i]]++;
    sum_up(next, item_count);
    for (int64_t i = 0; i < list->count; i++)
        by_item[next[list->item[i]]++] = i;
    for (int64_t k = 0; k <= MQ_MAX(user_count, item_count); k++)
        next[k] = 0;
    for (int64_t i = 0; i < list->count; i++)
        next[list->user[i]]++;
    sum_up(next, user_count);
    for (int64_t i = 0; i < list->count; i++)
        order[next[list->user[by_item[i]]]++] = by_item[i];
    return MQ_OK;
}

enum mq_status
mq_rating_matrix_allocate(struct mq_rating_matrix *m, int64_t count, struct mq_error *err)
{
    enum mq_status st =
        mq_alloc_array((size_t)m->user_count + 1, sizeof(*m->user_offset), &m->user_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*m->user_item), &m->user_item, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*m->user_rating), &m->user_rating, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*m->user_time), &m->user_time, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*m->user_sequence), &m->user_sequence, err);
    return st;
}

enum mq_status
mq_rating_matrix_transpose(struct mq_rating_matrix *m, struct mq_error *err)
{
    mq_autofree int64_t *next = NULL;
    enum mq_status st =
        mq_alloc_array((size_t)m->item_count + 1, sizeof(*m->item_offset), &m->item_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)m->count, sizeof(*m->item_user), &m->item_user, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)m->count, sizeof(*m->item_rating), &m->item_rating, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)m->item_count + 1, sizeof(*next), &next, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < m->count; i++)
        m->item_offset[m->user_item[i]]++;
    sum_up(m->item_offset, m->item_count);
    for (int32_t k = 0; k < m->item_count; k++)
        next[k] = m->item_offset[k];
    for (int32_t user = 0; user < m->user_count; user++)
        for (int64_t i = m->user_offset[user]; i < m->user_offset[user + 1]; i++) {
            int64_t place = next[m->user_item[i]]++;
            m->item_user[place] = user;
            m->item_rating[place] = m->user_rating[i];
        }
    return MQ_OK;
}

int
mq_rating_compare_ages(const void *a, const void *b)
{
    const struct mq_aged_rating *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return (x->came > y->came) - (x->came < y->came);
}

/* Order each user's ratings by age. @param came int64 [count] places in the list, by user */
static enum mq_status
fill_sequences(struct mq_rating_matrix *m, const int64_t *came, struct mq_error *err)
{
    struct mq_aged_rating *aged = NULL;
    int64_t most = 0;
    for (int32_t user = 0; user < m->user_count; user++)
        most = MQ_MAX(most, m->user_offset[user + 1] - m->user_offset[user]);
    enum mq_status st = mq_alloc_array_raw((size_t)most, sizeof(*aged), &aged, err);
    for (int32_t user = 0; st == MQ_OK && user < m->user_count; user++) {
        int64_t first = m->user_offset[user], n = m->user_offset[user + 1] - first;
        for (int64_t k = 0; k < n; k++)
            aged[k] = (struct mq_aged_rating){m->user_time[first + k], (int32_t)k, came[first + k]};
        qsort(aged, (size_t)n, sizeof(*aged), mq_rating_compare_ages);
        for (int64_t k = 0; k < n; k++)
            m->user_sequence[first + k] = aged[k].position;
    }
    mq_free(aged);
    return st;
}

/* The user side, of each user and item the latest rating. @param order becomes the places in the
 * list of what was kept */
static void
fill_users(struct mq_rating_matrix *m, const struct mq_rating_list *list, int64_t *order)
{
    int64_t before = -1; /* place in the list of the rating looked at before */
    int64_t kept = 0;
    for (int64_t i = 0; i < list->count; i++) {
        int64_t at = order[i];
        int32_t user = list->user[at], item = list->item[at];
        uint32_t time_s = list->time_s != NULL ? list->time_s[at] : 0;
        bool again = before >= 0 && list->user[before] == user && list->item[before] == item;
        before = at;
        if (again && m->user_time[kept - 1] > time_s)
            continue;
        if (!again) {
            m->user_offset[user + 1]++;
            kept++;
        }
        m->user_item[kept - 1] = item;
        m->user_rating[kept - 1] = list->rating != NULL ? list->rating[at] : 1.0f;
        m->user_time[kept - 1] = time_s;
        order[kept - 1] = at;
    }
    for (int32_t user = 0; user < m->user_count; user++)
        m->user_offset[user + 1] += m->user_offset[user];
    m->count = kept;
}

void
mq_rating_matrix_take_ids(struct mq_rating_matrix *m, struct mq_strmap *users,
                          struct mq_strmap *items)
{
    if (users != NULL) {
        m->users = *users;
        *users = (struct mq_strmap){0};
    }
    if (items != NULL) {
        m->items = *items;
        *items = (struct mq_strmap){0};
    }
}

enum mq_status
mq_rating_matrix_build(const struct mq_rating_list *list, int32_t user_count, int32_t item_count,
                       struct mq_strmap *users, struct mq_strmap *items,
                       struct mq_rating_matrix **ret_matrix, struct mq_error *err)
{
    mq_autofree int64_t *order = NULL;
    enum mq_status st = check_list(list, user_count, item_count, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)list->count, sizeof(*order), &order, err);
    if (st == MQ_OK)
        st = sort_list(list, user_count, item_count, order, err);
    if (st != MQ_OK)
        return st;
    struct mq_rating_matrix *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a rating matrix");
    m->user_count = user_count;
    m->item_count = item_count;
    st = mq_rating_matrix_allocate(m, list->count, err);
    if (st == MQ_OK) {
        fill_users(m, list, order);
        st = fill_sequences(m, order, err);
    }
    if (st == MQ_OK)
        st = mq_rating_matrix_transpose(m, err);
    if (st != MQ_OK) {
        mq_rating_matrix_free(m);
        return st;
    }
    mq_rating_matrix_take_ids(m, users, items);
    *ret_matrix = m;
    return MQ_OK;
}

void
mq_rating_matrix_free(struct mq_rating_matrix *m)
{
    if (m == NULL)
        return;
    mq_strmap_release(&m->users);
    mq_strmap_release(&m->items);
    mq_free(m->user_offset);
    mq_free(m->user_item);
    mq_free(m->user_rating);
    mq_free(m->user_time);
    mq_free(m->user_sequence);
    mq_free(m->item_offset);
    mq_free(m->item_user);
    mq_free(m->item_rating);
    free(m);
}

/* A part whose user side is filled, unless `st` says otherwise. */
static enum mq_status
end_part(struct mq_rating_matrix *m, enum mq_status st, struct mq_rating_matrix **ret_part,
         struct mq_error *err)
{
    if (st == MQ_OK)
        st = mq_rating_matrix_transpose(m, err);
    if (st != MQ_OK) {
        mq_rating_matrix_free(m);
        return st;
    }
    *ret_part = m;
    return MQ_OK;
}

enum mq_status
mq_rating_matrix_part(const struct mq_rating_matrix *matrix, const uint8_t *keep,
                      struct mq_rating_matrix **ret_part, struct mq_error *err)
{
    struct mq_rating_matrix *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a rating matrix");
    m->user_count = matrix->user_count;
    m->item_count = matrix->item_count;
    int64_t kept = 0;
    for (int64_t i = 0; i < matrix->count; i++)
        kept += keep[i] != 0;
    enum mq_status st = mq_rating_matrix_allocate(m, kept, err);
    mq_autofree int32_t *place = NULL; /* of each rating among those kept of its user */
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)matrix->count, sizeof(*place), &place, err);
    for (int32_t user = 0; st == MQ_OK && user < m->user_count; user++) {
        int64_t first = matrix->user_offset[user], end = matrix->user_offset[user + 1];
        int64_t kept_first = m->count, next = m->count;
        for (int64_t i = first; i < end; i++) {
            if (keep[i] == 0)
                continue;
            place[i] = (int32_t)(m->count - kept_first);
            m->user_item[m->count] = matrix->user_item[i];
            m->user_rating[m->count] = matrix->user_rating[i];
            m->user_time[m->count++] = matrix->user_time[i];
        }
        for (int64_t i = first; i < end; i++) {
            int64_t at = first + matrix->user_sequence[i];
            if (keep[at] != 0)
                m->user_sequence[next++] = place[at];
        }
        m->user_offset[user + 1] = m->count;
    }
    return end_part(m, st, ret_part, err);
}

enum mq_status
mq_rating_matrix_of_users(const struct mq_rating_matrix *matrix, const int32_t *users,
                          int32_t count, struct mq_rating_matrix **ret_part, struct mq_error *err)
{
    struct mq_rating_matrix *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a rating matrix");
    m->user_count = count;
    m->item_count = matrix->item_count;
    int64_t ratings = 0;
    for (int32_t k = 0; k < count; k++)
        ratings += matrix->user_offset[users[k] + 1] - matrix->user_offset[users[k]];
    enum mq_status st = mq_rating_matrix_allocate(m, ratings, err);
    for (int32_t k = 0; st == MQ_OK && k < count; k++) {
        int64_t first = matrix->user_offset[users[k]], to = m->count;
        size_t n = (size_t)(matrix->user_offset[users[k] + 1] - first);
        memcpy(m->user_item + to, matrix->user_item + first, n * sizeof(*m->user_item));
        memcpy(m->user_rating + to, matrix->user_rating + first, n * sizeof(*m->user_rating));
        memcpy(m->user_time + to, matrix->user_time + first, n * sizeof(*m->user_time));
        memcpy(m->user_sequence + to, matrix->user_sequence + first, n * sizeof(*m->user_sequence));
        m->count += (int64_t)n;
        m->user_offset[k + 1] = m->count;
    }
    return end_part(m, st, ret_part, err);
}

int64_t
mq_rating_matrix_find(const struct mq_rating_matrix *matrix, int32_t user, int32_t item)
{
    int64_t low = matrix->user_offset[user], high = matrix->user_offset[user + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (matrix->user_item[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < matrix->user_offset[user + 1] && matrix->user_item[low] == item ? low : -1;
}

double
mq_rating_matrix_mean(const struct mq_rating_matrix *matrix)
{
    double sum = 0;
    for (int64_t i = 0; i < matrix->count; i++)
        sum += (double)matrix->user_rating[i];
    return matrix->count > 0 ? sum / (double)matrix->count : 0;
}
