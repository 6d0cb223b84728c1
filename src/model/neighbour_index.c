/*
 * Laying out a matrix for comparing rows (neighbour_parts.h says what becomes of it): what x is,
 * which rows are candidates and in what order, lists of columns by code, bit sets.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/neighbour_parts.h"
#include "model/recency.h"

/* Cost of a tile in steps through a list: for an entry of a row, and for a row in a block of codes.
 * Measured, and not critical. */
#define ENTRY_COST_WHOLE 2
#define ENTRY_COST_REAL 8
#define ROW_COST_WHOLE 60
#define ROW_COST_REAL 150
/* Most memory of the columns' bit sets; beyond it common codes are counted by walking. */
#define BITS_BYTES_MAX (INT64_C(64) << 20)
/* Rows, or codes, of a parallel range. */
#define GRAIN 256

static enum mq_status
check_data(const struct mq_rating_matrix *matrix, const struct mq_rating_baseline *baseline,
           const struct mq_neighbour_options *options, struct mq_error *err)
{
    enum mq_status st = mq_neighbour_options_check(options, err);
    if (st != MQ_OK)
        return st;
    if (matrix->user_count > MQ_NEIGHBOUR_ROWS_MAX || matrix->item_count > MQ_NEIGHBOUR_ROWS_MAX)
        return mq_fail(err, MQ_E_RANGE, "neighbours of %d users and %d items (allowed: up to %d)",
                       matrix->user_count, matrix->item_count, MQ_NEIGHBOUR_ROWS_MAX);
    if (options->centre != MQ_CENTRE_BASELINE)
        return MQ_OK;
    if (baseline == NULL || baseline->user_count != matrix->user_count ||
        baseline->item_count != matrix->item_count)
        return mq_fail(err, MQ_E_USAGE,
                       "neighbours of a matrix of %d users and %d items need its baseline",
                       matrix->user_count, matrix->item_count);
    return MQ_OK;
}

static void
take_sides(struct mq_neighbour_index *x, const struct mq_rating_matrix *m)
{
    bool items = x->options.side == MQ_NEIGHBOUR_ITEMS;
    x->count = m->count;
    x->row_count = items ? m->item_count : m->user_count;
    x->offset = items ? m->item_offset : m->user_offset;
    x->other = items ? m->item_user : m->user_item;
    x->rating = items ? m->item_rating : m->user_rating;
    x->other_count = items ? m->user_count : m->item_count;
    x->o_offset = items ? m->user_offset : m->item_offset;
    x->o_row = items ? m->user_item : m->item_user;
    x->o_rating = items ? m->user_rating : m->item_rating;
}

/* ---- what x is ---------------------------------------------------------------------------- */

/* Steps in a rating of 1, such that every rating is 1…15 steps; 0 where there is no such. */
static int32_t
find_steps(const float *rating, int64_t count, int32_t *ret_most)
{
    static const int32_t tried[] = {1, 2, 4, 10, 20};
    for (size_t t = 0; t < MQ_COUNT(tried); t++) {
        float scale = (float)tried[t], most = 0;
        int64_t i = 0;
        for (; i < count; i++) {
            float x = rating[i] * scale, level = rintf(x);
            if (!(level >= 1 && level <= MQ_NEIGHBOUR_LEVELS && fabsf(x - level) <= 1e-5f * x))
                break;
            most = fmaxf(most, level);
        }
        if (i == count) {
            *ret_most = (int32_t)most;
            return tried[t];
        }
    }
    return 0;
}

static void
choose_form(struct mq_neighbour_index *x)
{
    x->scale = 1;
    x->level_max = 1;
    if (x->options.centre != MQ_CENTRE_NONE || x->options.recency > 0)
        return;
    x->whole = true;
    if (x->options.binary || x->count == 0)
        return;
    int32_t steps = find_steps(x->rating, x->count, &x->level_max);
    x->whole = steps > 0;
    x->scale = steps > 0 ? (float)steps : 1.0f;
}

/* Mean rating of each list of a side. */
static enum mq_status
means(const int64_t *offset, const float *rating, int32_t count, float **ret_means,
      struct mq_error *err)
{
    enum mq_status st = mq_alloc_array((size_t)count, sizeof(**ret_means), ret_means, err);
    for (int32_t k = 0; st == MQ_OK && k < count; k++) {
        double sum = 0;
        for (int64_t i = offset[k]; i < offset[k + 1]; i++)
            sum += (double)rating[i];
        int64_t n = offset[k + 1] - offset[k];
        (*ret_means)[k] = n > 0 ? (float)(sum / (double)n) : 0.0f;
    }
    return st;
}

static enum mq_status
find_shifts(struct mq_neighbour_index *x, struct mq_error *err)
{
    switch (x->options.centre) {
    case MQ_CENTRE_OWN_MEAN:
        return means(x->offset, x->rating, x->row_count, &x->row_shift, err);
    case MQ_CENTRE_OTHER_MEAN:
        return means(x->o_offset, x->o_rating, x->other_count, &x->other_shift, err);
    case MQ_CENTRE_BASELINE:
        break;
    default:
        return MQ_OK;
    }
    bool items = x->options.side == MQ_NEIGHBOUR_ITEMS;
    const float *row_part = items ? x->baseline->item : x->baseline->user;
    const float *other_part = items ? x->baseline->user : x->baseline->item;
    enum mq_status st =
        mq_alloc_array_raw((size_t)x->row_count, sizeof(*x->row_shift), &x->row_shift, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)x->other_count, sizeof(*x->other_shift), &x->other_shift,
                                err);
    for (int32_t k = 0; st == MQ_OK && k < x->row_count; k++)
        x->row_shift[k] = (float)x->baseline->mean + row_part[k];
    for (int32_t k = 0; st == MQ_OK && k < x->other_count; k++)
        x->other_shift[k] = other_part[k];
    return st;
}

static float
x_of(const struct mq_neighbour_index *x, float rating, int32_t row, int32_t code)
{
    if (x->options.binary)
        return 1.0f;
    if (x->options.centre == MQ_CENTRE_NONE)
        return rating * x->scale;
    return mq_neighbour_centred(rating, x->row_shift != NULL ? x->row_shift[row] : 0.0f,
                                x->other_shift != NULL ? x->other_shift[code] : 0.0f);
}

struct filling {
    struct mq_neighbour_index *x;
    const int32_t *sequence; /* mq_rating_matrix: users only, NULL without recency */
};

static float
inverse_root(double square)
{
    return square > 0 ? (float)(1 / sqrt(square)) : NAN;
}

/* x of some rows, and their lengths. Lengths of candidates without recency go to column_scale,
 * which is by row until the columns are chosen. */
static enum mq_status
fill_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct filling *f = context;
    struct mq_neighbour_index *x = f->x;
    (void)worker;
    (void)err;
    for (int64_t row = begin; row < end; row++) {
        int64_t first = x->offset[row], n = x->offset[row + 1] - first;
        double square = 0, weighted_square = 0;
        if (x->weighted != x->value)
            for (int64_t k = 0; k < n; k++)
                x->weighted[first + f->sequence[first + k]] =
                    mq_recency_weight((int32_t)(n - 1 - k), x->options.recency);
        for (int64_t i = first; i < first + n; i++) {
            float value = x_of(x, x->rating[i], (int32_t)row, x->other[i]);
            if (x->level != NULL)
                x->level[i] = (uint8_t)lrintf(value);
            if (x->level != NULL)
                value = (float)x->level[i];
            if (x->weighted != x->value) {
                x->weighted[i] *= value;
                weighted_square += (double)x->weighted[i] * (double)x->weighted[i];
            }
            if (x->value != NULL)
                x->value[i] = value;
            square += (double)value * (double)value;
        }
        bool all = x->options.length == MQ_LENGTH_ALL;
        x->column_scale[row] = all ? inverse_root(square) : 1.0f;
        x->row_scale[row] = x->weighted == x->value ? x->column_scale[row]
                            : all                   ? inverse_root(weighted_square)
                                                    : 1.0f;
    }
    return MQ_OK;
}

static enum mq_status
find_values(struct mq_neighbour_index *x, const int32_t *sequence, struct mq_pool *pool,
            struct mq_error *err)
{
    enum mq_status st = find_shifts(x, err);
    size_t rows = (size_t)x->row_count, count = (size_t)x->count;
    if (st == MQ_OK && x->whole && !x->options.binary)
        st = mq_alloc_array_raw(count, sizeof(*x->level), &x->level, err);
    if (st == MQ_OK && !x->whole)
        st = mq_alloc_array_raw(count, sizeof(*x->value), &x->value, err);
    x->weighted = x->value;
    if (st == MQ_OK && x->options.recency > 0)
        st = mq_alloc_array_raw(count, sizeof(*x->weighted), &x->weighted, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*x->row_scale), &x->row_scale, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*x->column_scale), &x->column_scale, err);
    struct filling filling = {x, sequence};
    return st == MQ_OK ? mq_pool_for(pool, x->row_count, GRAIN, fill_rows, &filling, err) : st;
}

/* ---- columns ------------------------------------------------------------------------------ */

struct ranked {
    int64_t weight;
    int32_t row;
};

static int
compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* The order in which rows are drawn as candidates where not all can be: as good as random, so that
 * they are of all kinds. The busiest would be of one kind, and make worse neighbours. */
static int64_t
drawn(int32_t row)
{
    uint64_t state = (uint64_t)row;
    return (int64_t)(mq_splitmix64(&state) >> 1);
}

static int64_t
raters_work(const struct mq_neighbour_index *x, int32_t row)
{
    int64_t work = 0;
    for (int64_t i = x->offset[row]; i < x->offset[row + 1]; i++)
        work += x->o_offset[x->other[i] + 1] - x->o_offset[x->other[i]];
    return work;
}

static int32_t
head_by_cost(const struct mq_neighbour_index *x, const struct ranked *ranked)
{
    int64_t rows = (int64_t)x->row_count * mq_neighbour_block_count(x);
    int64_t tile_cost = x->whole ? ENTRY_COST_WHOLE * x->count + ROW_COST_WHOLE * rows
                                 : ENTRY_COST_REAL * x->count + ROW_COST_REAL * rows;
    int32_t head = 0;
    while (head < x->column_count) {
        int32_t end = MQ_MIN(head + MQ_BYTE_COLUMNS, x->column_count);
        int64_t work = 0;
        for (int32_t at = head; at < end; at++)
            work += ranked[at].weight;
        if (work <= tile_cost)
            break;
        head = end;
    }
    return head;
}

static enum mq_status
choose_columns(struct mq_neighbour_index *x, int32_t head_tiles, struct mq_error *err)
{
    size_t rows = (size_t)x->row_count;
    mq_autofree struct ranked *ranked = NULL;
    enum mq_status st = mq_alloc_array_raw(rows, sizeof(*ranked), &ranked, err);
    x->column_count = MQ_MIN(x->row_count, x->options.candidates_max);
    size_t columns = (size_t)x->column_count;
    if (st == MQ_OK)
        st = mq_alloc_array_raw(columns, sizeof(*x->column_row), &x->column_row, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*x->column_of), &x->column_of, err);
    if (st != MQ_OK)
        return st;
    for (int32_t row = 0; row < x->row_count; row++)
        ranked[row] = (struct ranked){x->offset[row + 1] > x->offset[row] ? drawn(row) : -1, row};
    if (x->column_count < x->row_count)
        qsort(ranked, rows, sizeof(*ranked), compare_ranked);
    for (int32_t at = 0; at < x->column_count; at++)
        ranked[at].weight = raters_work(x, ranked[at].row);
    if (columns > 1)
        qsort(ranked, columns, sizeof(*ranked), compare_ranked);
    for (int32_t row = 0; row < x->row_count; row++)
        x->column_of[row] = -1;
    for (int32_t at = 0; at < x->column_count; at++) {
        x->column_row[at] = ranked[at].row;
        x->column_of[ranked[at].row] = at;
    }
    x->head = head_tiles < 0 ? head_by_cost(x, ranked)
                             : (int32_t)MQ_MIN((int64_t)head_tiles * MQ_BYTE_COLUMNS,
                                               (int64_t)x->column_count);
    /* Scales were by row. */
    float *scale;
    st = mq_alloc_array_raw(columns, sizeof(*scale), &scale, err);
    if (st != MQ_OK)
        return st;
    for (int32_t at = 0; at < x->column_count; at++)
        scale[at] = x->column_scale[x->column_row[at]];
    mq_free(x->column_scale);
    x->column_scale = scale;
    return MQ_OK;
}

/* ---- lists of columns by code ------------------------------------------------------------- */

static enum mq_status
count_lists(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_neighbour_index *x = context;
    (void)worker;
    (void)err;
    for (int64_t code = begin; code < end; code++)
        for (int64_t i = x->o_offset[code]; i < x->o_offset[code + 1]; i++)
            x->list_offset[code + 1] += x->column_of[x->o_row[i]] >= 0;
    return MQ_OK;
}

static void
put_in_list(struct mq_neighbour_index *x, int64_t at, int32_t column, int64_t i, int64_t code)
{
    x->list_column[at] = column;
    if (x->list_level == NULL && x->list_value == NULL)
        return;
    float value = x_of(x, x->o_rating[i], x->o_row[i], (int32_t)code);
    if (x->whole)
        x->list_level[at] = (uint8_t)lrintf(value);
    else
        x->list_value[at] = value;
}

static enum mq_status
fill_lists(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_neighbour_index *x = context;
    (void)worker;
    (void)err;
    for (int64_t code = begin; code < end; code++) {
        int64_t front = x->list_offset[code], back = x->list_offset[code + 1];
        for (int64_t i = x->o_offset[code]; i < x->o_offset[code + 1]; i++) {
            int32_t column = x->column_of[x->o_row[i]];
            if (column >= x->head)
                put_in_list(x, --back, column, i, code);
            else if (column >= 0)
                put_in_list(x, front++, column, i, code);
        }
        x->list_tail[code] = front;
    }
    return MQ_OK;
}

static enum mq_status
make_lists(struct mq_neighbour_index *x, struct mq_pool *pool, struct mq_error *err)
{
    size_t codes = (size_t)x->other_count;
    enum mq_status st = mq_alloc_array(codes + 1, sizeof(*x->list_offset), &x->list_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(codes, sizeof(*x->list_tail), &x->list_tail, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, x->other_count, GRAIN, count_lists, x, err);
    if (st != MQ_OK)
        return st;
    for (int32_t code = 0; code < x->other_count; code++)
        x->list_offset[code + 1] += x->list_offset[code];
    size_t entries = (size_t)x->list_offset[codes];
    st = mq_alloc_array_raw(entries, sizeof(*x->list_column), &x->list_column, err);
    if (st == MQ_OK && x->whole && !x->options.binary)
        st = mq_alloc_array_raw(entries, sizeof(*x->list_level), &x->list_level, err);
    if (st == MQ_OK && !x->whole)
        st = mq_alloc_array_raw(entries, sizeof(*x->list_value), &x->list_value, err);
    return st == MQ_OK ? mq_pool_for(pool, x->other_count, GRAIN, fill_lists, x, err) : st;
}

static enum mq_status
mark_columns(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_neighbour_index *x = context;
    (void)worker;
    (void)err;
    for (int64_t column = begin; column < end; column++) {
        int64_t first = x->offset[x->column_row[column]];
        mq_neighbour_mark(x->other + first, x->offset[x->column_row[column] + 1] - first,
                          x->column_bits + (size_t)column * x->words);
    }
    return MQ_OK;
}

static enum mq_status
make_bits(struct mq_neighbour_index *x, struct mq_pool *pool, struct mq_error *err)
{
    x->words = ((size_t)x->other_count + 63) / 64;
    if ((int64_t)x->words * 8 * x->column_count > BITS_BYTES_MAX)
        return MQ_OK;
    enum mq_status st = mq_alloc_array((size_t)x->column_count * x->words, sizeof(*x->column_bits),
                                       &x->column_bits, err);
    return st == MQ_OK ? mq_pool_for(pool, x->column_count, GRAIN, mark_columns, x, err) : st;
}

/* ---- passes ------------------------------------------------------------------------------- */

static void
add_pass(struct mq_neighbour_index *x, enum mq_neighbour_power weight,
         enum mq_neighbour_power plane, enum mq_neighbour_slot slot)
{
    x->pass[x->pass_count++] = (struct mq_neighbour_pass){weight, plane, slot};
}

/* Where all x are above 0, or only scores above 0 count, no score passes without a common code. */
static void
choose_passes(struct mq_neighbour_index *x)
{
    const struct mq_neighbour_options *o = &x->options;
    bool common = o->length == MQ_LENGTH_COMMON;
    add_pass(x, MQ_POWER_VALUE, MQ_POWER_VALUE, MQ_SLOT_DOT);
    if (common || o->shrink > 0 || o->shared_min > 1 || o->threshold < 0)
        add_pass(x, MQ_POWER_ONE, MQ_POWER_ONE, MQ_SLOT_COUNT);
    if (common) {
        add_pass(x, MQ_POWER_SQUARE, MQ_POWER_ONE, MQ_SLOT_OWN);
        add_pass(x, MQ_POWER_ONE, MQ_POWER_SQUARE, MQ_SLOT_OTHER);
    }
    x->slot_count = x->pass_count;
}

enum mq_status
mq_neighbour_index_new_tiled(const struct mq_rating_matrix *matrix,
                             const struct mq_rating_baseline *baseline,
                             const struct mq_neighbour_options *options, int32_t head_tiles,
                             struct mq_pool *pool, struct mq_neighbour_index **ret_index,
                             struct mq_error *err)
{
    enum mq_status st = check_data(matrix, baseline, options, err);
    if (st != MQ_OK)
        return st;
    struct mq_neighbour_index *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an index of neighbours");
    x->options = *options;
    x->baseline = baseline;
    take_sides(x, matrix);
    choose_form(x);
    choose_passes(x);
    st = find_values(x, matrix->user_sequence, pool, err);
    if (st == MQ_OK)
        st = choose_columns(x, head_tiles, err);
    if (st == MQ_OK)
        st = make_lists(x, pool, err);
    if (st == MQ_OK)
        st = make_bits(x, pool, err);
    if (st != MQ_OK) {
        mq_neighbour_index_free(x);
        return st;
    }
    *ret_index = x;
    return MQ_OK;
}

enum mq_status
mq_neighbour_index_new(const struct mq_rating_matrix *matrix,
                       const struct mq_rating_baseline *baseline,
                       const struct mq_neighbour_options *options, struct mq_pool *pool,
                       struct mq_neighbour_index **ret_index, struct mq_error *err)
{
    return mq_neighbour_index_new_tiled(matrix, baseline, options, -1, pool, ret_index, err);
}

void
mq_neighbour_index_free(struct mq_neighbour_index *x)
{
    if (x == NULL)
        return;
    mq_free(x->row_shift);
    mq_free(x->other_shift);
    mq_free(x->level);
    if (x->weighted != x->value)
        mq_free(x->weighted);
    mq_free(x->value);
    mq_free(x->row_scale);
    mq_free(x->column_scale);
    mq_free(x->column_row);
    mq_free(x->column_of);
    mq_free(x->list_offset);
    mq_free(x->list_tail);
    mq_free(x->list_column);
    mq_free(x->list_level);
    mq_free(x->list_value);
    mq_free(x->column_bits);
    free(x);
}
