/*
 * All rows' lists: rows in groups, each group past one dense tile of columns after the other, then
 * each row past the columns that stand in lists. What a row found so far is a reservoir, so nothing
 * of rows by columns is ever kept.
 */
#include "model/neighbours.h"

#include <math.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "base/progress.h"
#include "model/neighbour_tiles.h"

/* Groups a thread: tiles are filled once a group. */
#define GROUPS_PER_THREAD 4
/* Most rows of a group, most of their entries, and memory of what they found so far. */
#define GROUP_ROWS_MAX 4096
#define GROUP_ENTRIES_MAX (INT64_C(1) << 22)
#define GROUP_BEST_BYTES (INT64_C(16) << 20)

#define SHRINK_MAX 1e6f
#define RECENCY_MAX 8.0f

struct mq_neighbour_options
mq_neighbour_options_cosine(enum mq_neighbour_side side)
{
    return (struct mq_neighbour_options){
        .side = side,
        .binary = true,
        .shared_min = 1,
        .k = 100,
        .candidates_max = side == MQ_NEIGHBOUR_USERS ? 1 << 16 : MQ_NEIGHBOUR_CANDIDATES_MAX};
}

struct mq_neighbour_options
mq_neighbour_options_literal(enum mq_neighbour_side side)
{
    struct mq_neighbour_options options = mq_neighbour_options_cosine(side);
    options.binary = false;
    options.length = MQ_LENGTH_COMMON;
    return options;
}

struct mq_neighbour_options
mq_neighbour_options_rating(enum mq_neighbour_side side)
{
    struct mq_neighbour_options options = mq_neighbour_options_cosine(side);
    options.binary = false;
    options.centre = MQ_CENTRE_BASELINE;
    options.shrink = 20;
    options.k = 1000;
    return options;
}

struct mq_neighbour_options
mq_neighbour_options_ranking(enum mq_neighbour_side side)
{
    struct mq_neighbour_options options = mq_neighbour_options_cosine(side);
    options.recency = side == MQ_NEIGHBOUR_USERS ? 1.0f : 0.0f;
    options.k = 50;
    return options;
}

static enum mq_status
out_of_range(struct mq_error *err, const char *what, double value, const char *allowed)
{
    return mq_fail(err, MQ_E_RANGE, "neighbours: %s %g (allowed: %s)", what, value, allowed);
}

enum mq_status
mq_neighbour_options_check(const struct mq_neighbour_options *o, struct mq_error *err)
{
    if (o->side != MQ_NEIGHBOUR_ITEMS && o->side != MQ_NEIGHBOUR_USERS)
        return out_of_range(err, "side", o->side, "items or users");
    if (o->centre < MQ_CENTRE_NONE || o->centre > MQ_CENTRE_BASELINE)
        return out_of_range(err, "centre", o->centre, "0 to 3");
    if (o->length != MQ_LENGTH_ALL && o->length != MQ_LENGTH_COMMON)
        return out_of_range(err, "length", o->length, "all or common");
    if (o->binary && o->centre != MQ_CENTRE_NONE)
        return out_of_range(err, "centre", o->centre, "none where ratings count as choices");
    if (!(o->recency >= 0 && o->recency <= RECENCY_MAX))
        return out_of_range(err, "recency", (double)o->recency, "0 to 8");
    if (o->recency > 0 && o->side != MQ_NEIGHBOUR_USERS)
        return out_of_range(err, "recency", (double)o->recency, "0 for items");
    if (!(o->shrink >= 0 && o->shrink <= SHRINK_MAX))
        return out_of_range(err, "shrinkage", (double)o->shrink, "0 to 1e6");
    if (o->shared_min < 1)
        return out_of_range(err, "least in common", o->shared_min, "1 and more");
    if (!(o->threshold >= -1 && o->threshold <= 1))
        return out_of_range(err, "threshold", (double)o->threshold, "-1 to 1");
    if (o->k < 1 || o->k > MQ_NEIGHBOUR_K_MAX)
        return out_of_range(err, "length of a list", o->k, "1 to 1048576");
    if (o->candidates_max < 1 || o->candidates_max > MQ_NEIGHBOUR_CANDIDATES_MAX)
        return out_of_range(err, "candidates", o->candidates_max, "1 to 1048576");
    return MQ_OK;
}

void
mq_neighbours_release(struct mq_neighbours *n)
{
    if (n == NULL)
        return;
    mq_free(n->ids);
    mq_free(n->scores);
    mq_free(n->shared);
    *n = (struct mq_neighbours){0};
}

struct mq_neighbour_list
mq_neighbours_of(const struct mq_neighbours *n, int32_t row)
{
    size_t first = (size_t)row * (size_t)n->k;
    int32_t low = 0, high = n->k;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (n->ids[first + (size_t)middle] >= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct mq_neighbour_list){low, n->ids + first, n->scores + first, n->shared + first};
}

struct all_rows {
    const struct mq_neighbour_index *index;
    const int32_t *group_first; /* [groups+1] */
    struct mq_neighbours *result;
    struct mq_progress *progress; /* rows */
};

/* One group at work. */
struct working {
    const struct mq_neighbour_index *index;
    int32_t first;
    struct mq_neighbour_best *best; /* [rows] */
    uint64_t *keys;
    float *tail_sums; /* [slot_count][columns beyond the head] */
    float *x;         /* of the longest row, where levels must become floats */
    uint64_t *bits;   /* of the row at hand */
};

static void
offer_sums(struct working *w, int32_t row, int32_t first_column, int32_t columns, const float *sums,
           size_t stride)
{
    float scores[MQ_BYTE_COLUMNS], passed[MQ_BYTE_COLUMNS];
    int32_t positions[MQ_BYTE_COLUMNS], self = w->index->column_of[row] - first_column;
    mq_neighbour_scores(w->index, w->index->row_scale[row], sums, stride, first_column, columns,
                        scores);
    if (self >= 0 && self < columns)
        scores[self] = NAN;
    mq_neighbour_offer(w->index, &w->best[row - w->first], scores, first_column, columns, positions,
                       passed);
}

static void
take_tile(void *context, int32_t row, int32_t first_column, int32_t columns, const float *sums)
{
    offer_sums(context, row, first_column, columns, sums, MQ_BYTE_COLUMNS);
}

static const float *
row_values(const struct working *w, int32_t row)
{
    const struct mq_neighbour_index *x = w->index;
    int64_t first = x->offset[row], n = x->offset[row + 1] - first;
    if (!x->whole)
        return x->weighted + first;
    for (int64_t i = 0; i < n; i++)
        w->x[i] = x->level != NULL ? (float)x->level[first + i] : 1.0f;
    return w->x;
}

/* Columns beyond the head. */
static void
take_tail(struct working *w, int32_t row)
{
    const struct mq_neighbour_index *x = w->index;
    size_t tail = (size_t)(x->column_count - x->head);
    int64_t first = x->offset[row], n = x->offset[row + 1] - first;
    if (tail == 0 || n == 0)
        return;
    const float *values = row_values(w, row);
    memset(w->tail_sums, 0, tail * (size_t)x->slot_count * sizeof(*w->tail_sums));
    for (int p = 0; p < x->pass_count; p++)
        mq_neighbour_add_lists(x, &x->pass[p], x->other + first, values, n, true,
                               w->tail_sums + (size_t)x->pass[p].slot * tail);
    for (int32_t column = x->head; column < x->column_count; column += MQ_BYTE_COLUMNS)
        offer_sums(w, row, column, MQ_MIN(MQ_BYTE_COLUMNS, x->column_count - column),
                   w->tail_sums + (column - x->head), tail);
}

static void
deliver(const struct all_rows *all, struct working *w, int32_t row)
{
    const struct mq_neighbour_index *x = w->index;
    struct mq_neighbours *result = all->result;
    struct mq_reservoir *held = &w->best[row - w->first].held;
    size_t found = mq_reservoir_finish(held), k = (size_t)result->k;
    const int32_t *codes = x->other + x->offset[row];
    int64_t n = x->offset[row + 1] - x->offset[row];
    struct mq_neighbour_found row_found = {codes, n, w->bits, x->row_scale[row],
                                           x->options.recency == 0};
    mq_neighbour_mark(codes, n, w->bits);
    for (size_t i = 0; i < k; i++) {
        size_t at = (size_t)row * k + i;
        int32_t id = i < found ? mq_reservoir_id(held->keys[i]) : -1;
        result->ids[at] = id;
        result->scores[at] = id >= 0 ? mq_reservoir_score(held->keys[i]) : 0.0f;
        result->shared[at] =
            id >= 0 ? mq_neighbour_shared(x, &row_found, id, result->scores[at]) : 0;
    }
    mq_neighbour_unmark(codes, n, w->bits);
}

static enum mq_status
allocate_working(struct working *w, int32_t rows, struct mq_error *err)
{
    const struct mq_neighbour_index *x = w->index;
    size_t room = mq_reservoir_room(mq_neighbour_k(x));
    size_t tail = (size_t)(x->column_count - x->head), longest = 0;
    for (int32_t row = w->first; row < w->first + rows; row++)
        longest = MQ_MAX(longest, (size_t)(x->offset[row + 1] - x->offset[row]));
    enum mq_status st = mq_alloc_array_raw((size_t)rows, sizeof(*w->best), &w->best, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)rows * room, sizeof(*w->keys), &w->keys, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(tail * (size_t)x->slot_count, sizeof(*w->tail_sums), &w->tail_sums,
                                err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(longest, sizeof(*w->x), &w->x, err);
    if (st == MQ_OK)
        st = mq_alloc_array(x->words, sizeof(*w->bits), &w->bits, err);
    for (int32_t k = 0; st == MQ_OK && k < rows; k++)
        mq_neighbour_best_init(x, w->keys + (size_t)k * room, &w->best[k]);
    return st;
}

static void
release_working(struct working *w)
{
    mq_free(w->best);
    mq_free(w->keys);
    mq_free(w->tail_sums);
    mq_free(w->x);
    mq_free(w->bits);
}

static enum mq_status
work_group(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct all_rows *all = context;
    const struct mq_neighbour_index *x = all->index;
    struct working w = {.index = x, .first = all->group_first[begin]};
    int32_t rows = all->group_first[end] - w.first;
    struct mq_row_group group = {0};
    (void)worker;
    enum mq_status st = allocate_working(&w, rows, err);
    if (st == MQ_OK)
        st = mq_row_group_init(x, w.first, rows, &group, err);
    for (int32_t tile = 0; st == MQ_OK && tile < x->head; tile += MQ_BYTE_COLUMNS) {
        mq_row_group_tile(&group, tile, take_tile, &w);
        st = mq_cancel_check(err);
    }
    for (int32_t row = w.first; st == MQ_OK && row < w.first + rows; row++) {
        take_tail(&w, row);
        deliver(all, &w, row);
    }
    mq_row_group_release(&group);
    release_working(&w);
    mq_progress_add(all->progress, rows);
    return st;
}

/* Ranges of rows with about the same number of ratings. @return how many */
static int32_t
cut_groups(const struct mq_neighbour_index *x, int threads, int32_t *ret_first)
{
    int64_t best_bytes = (int64_t)(mq_reservoir_room(mq_neighbour_k(x)) * sizeof(uint64_t));
    int64_t rows_max = MQ_MAX(1, MQ_MIN(GROUP_ROWS_MAX, GROUP_BEST_BYTES / best_bytes));
    int64_t share = (x->count + x->row_count) / (GROUPS_PER_THREAD * (int64_t)threads) + 1;
    share = MQ_MIN(share, GROUP_ENTRIES_MAX);
    int32_t groups = 0, first = 0;
    while (first < x->row_count) {
        int32_t end = first;
        while (end < x->row_count && end - first < rows_max &&
               x->offset[end] - x->offset[first] + (end - first) < share)
            end++;
        ret_first[groups++] = first;
        first = end;
    }
    ret_first[groups] = x->row_count;
    return groups;
}

enum mq_status
mq_neighbours_of_all(const struct mq_neighbour_index *x, struct mq_pool *pool,
                     struct mq_neighbours *ret_neighbours, struct mq_error *err)
{
    struct mq_neighbours result = {.count = x->row_count, .k = x->options.k};
    size_t places = (size_t)x->row_count * (size_t)result.k;
    mq_autofree int32_t *first = NULL;
    enum mq_status st = mq_alloc_array_raw(places, sizeof(*result.ids), &result.ids, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*result.scores), &result.scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(places, sizeof(*result.shared), &result.shared, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)x->row_count + 1, sizeof(*first), &first, err);
    if (st == MQ_OK) {
        int32_t groups = cut_groups(x, mq_pool_threads(pool), first);
        struct mq_progress progress;
        struct all_rows all = {x, first, &result, &progress};
        bool items = x->options.side == MQ_NEIGHBOUR_ITEMS;
        mq_progress_begin(&progress, items ? "neighbours of films" : "neighbours of users",
                          items ? "films" : "users", x->row_count);
        st = mq_pool_for(pool, groups, 1, work_group, &all, err);
        mq_progress_end(&progress);
    }
    if (st != MQ_OK) {
        mq_neighbours_release(&result);
        return st;
    }
    *ret_neighbours = result;
    return MQ_OK;
}
