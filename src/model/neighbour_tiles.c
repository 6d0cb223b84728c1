#include "model/neighbour_tiles.h"

#include <string.h>

#include "base/memory.h"

/* Columns of a tile of floats: four vectors of 16, or twice four of 8. */
#define REAL_COLUMNS (MQ_BYTE_COLUMNS / 2)

/* Entries of a row within a block, of one level (1 where x are real). */
struct mq_row_run {
    int32_t block, level, count;
};

/* A row's entries within a block, level by level, each level's codes ascending. Real ones stay in
 * the matrix's order, so that their x are where they are there. */
static int64_t
add_runs(struct mq_row_group *g, int32_t block, int64_t begin, int64_t end, int64_t run)
{
    const struct mq_neighbour_index *x = g->index;
    int64_t base = x->offset[g->first], next[MQ_NEIGHBOUR_LEVELS + 1];
    int32_t count[MQ_NEIGHBOUR_LEVELS + 1] = {0};
    for (int64_t i = begin; i < end; i++)
        count[x->level != NULL ? x->level[i] : 1]++;
    int64_t place = begin - base;
    for (int32_t level = 0; level <= MQ_NEIGHBOUR_LEVELS; level++) {
        next[level] = place;
        place += count[level];
        if (count[level] > 0)
            g->runs[run++] = (struct mq_row_run){block, level, count[level]};
    }
    for (int64_t i = begin; i < end; i++)
        g->codes[next[x->level != NULL ? x->level[i] : 1]++] =
            x->other[i] - block * mq_neighbour_block_size(x);
    return run;
}

static void
lay_out(struct mq_row_group *g)
{
    const struct mq_neighbour_index *x = g->index;
    int64_t run = 0;
    for (int32_t k = 0; k < g->count; k++) {
        int64_t begin = x->offset[g->first + k], end = x->offset[g->first + k + 1];
        g->row_run[k] = run;
        while (begin < end) {
            int32_t block = x->other[begin] / mq_neighbour_block_size(x);
            int64_t limit = (int64_t)(block + 1) * mq_neighbour_block_size(x), stop = begin;
            while (stop < end && x->other[stop] < limit)
                stop++;
            run = add_runs(g, block, begin, stop, run);
            begin = stop;
        }
    }
    g->row_run[g->count] = run;
}

/* Most runs that the rows can have. */
static int64_t
runs_most(const struct mq_row_group *g)
{
    const struct mq_neighbour_index *x = g->index;
    int64_t levels = x->level != NULL ? x->level_max : 1, most = 0;
    for (int32_t k = 0; k < g->count; k++) {
        int64_t n = x->offset[g->first + k + 1] - x->offset[g->first + k];
        most += MQ_MIN(n, levels * mq_neighbour_block_count(x));
    }
    return most;
}

static bool
wants(const struct mq_neighbour_index *x, enum mq_neighbour_power weight)
{
    for (int p = 0; p < x->pass_count; p++)
        if (x->pass[p].weight == weight && x->pass[p].slot != MQ_SLOT_COUNT)
            return !x->whole;
    return false;
}

static enum mq_status
allocate_weights(struct mq_row_group *g, struct mq_error *err)
{
    const struct mq_neighbour_index *x = g->index;
    int64_t begin = x->offset[g->first], entries = x->offset[g->first + g->count] - begin;
    int64_t longest = 0;
    enum mq_status st = MQ_OK;
    if (wants(x, MQ_POWER_SQUARE)) {
        st = mq_alloc_array_raw((size_t)entries, sizeof(*g->squares), &g->squares, err);
        for (int64_t i = 0; st == MQ_OK && i < entries; i++)
            g->squares[i] = x->weighted[begin + i] * x->weighted[begin + i];
    }
    if (st != MQ_OK || !wants(x, MQ_POWER_ONE))
        return st;
    for (int32_t k = 0; k < g->count; k++)
        longest = MQ_MAX(longest, x->offset[g->first + k + 1] - x->offset[g->first + k]);
    st = mq_alloc_array_raw((size_t)longest, sizeof(*g->ones), &g->ones, err);
    for (int64_t i = 0; st == MQ_OK && i < longest; i++)
        g->ones[i] = 1.0f;
    return st;
}

enum mq_status
mq_row_group_init(const struct mq_neighbour_index *index, int32_t first, int32_t count,
                  struct mq_row_group *g, struct mq_error *err)
{
    *g = (struct mq_row_group){.index = index, .first = first, .count = count};
    if (index->head == 0)
        return MQ_OK;
    g->keeps_sums = index->pass_count > 1 || mq_neighbour_block_count(index) > 1 || !index->whole;
    size_t rows = (size_t)count, slots = (size_t)index->slot_count;
    int64_t entries = index->offset[first + count] - index->offset[first];
    size_t line =
        (size_t)MQ_MIN(index->other_count, mq_neighbour_block_size(index)) * MQ_BYTE_COLUMNS;
    enum mq_status st = mq_alloc_array_raw((size_t)runs_most(g), sizeof(*g->runs), &g->runs, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows + 1, sizeof(*g->row_run), &g->row_run, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)entries, sizeof(*g->codes), &g->codes, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*g->run_next), &g->run_next, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(rows, sizeof(*g->entry_next), &g->entry_next, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((g->keeps_sums ? rows : 1) * slots,
                                MQ_BYTE_COLUMNS * sizeof(*g->sums), &g->sums, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(line, index->whole ? 1 : sizeof(float) / 2, &g->tile, err);
    if (st == MQ_OK)
        st = allocate_weights(g, err);
    if (st == MQ_OK)
        lay_out(g);
    else
        mq_row_group_release(g);
    return st;
}

void
mq_row_group_release(struct mq_row_group *g)
{
    mq_free(g->runs);
    mq_free(g->row_run);
    mq_free(g->codes);
    mq_free(g->squares);
    mq_free(g->ones);
    mq_free(g->sums);
    mq_free(g->tile);
    mq_free(g->run_next);
    mq_free(g->entry_next);
    *g = (struct mq_row_group){0};
}

/* ---- a tile ------------------------------------------------------------------------------- */

/* One pass over one tile, or half a tile of floats. */
struct tile_pass {
    struct mq_row_group *group;
    const struct mq_neighbour_pass *pass;
    int32_t first_column, columns; /* of the tile or half */
    int32_t lane;                  /* of the first column within the tile's sums */
    bool bytes;
};

static void
fill(const struct tile_pass *t, int32_t block)
{
    struct mq_row_group *g = t->group;
    const struct mq_neighbour_index *x = g->index;
    int32_t begin = block * mq_neighbour_block_size(x);
    int32_t size = MQ_MIN(mq_neighbour_block_size(x), x->other_count - begin);
    int64_t limit = (int64_t)begin + size;
    uint8_t *bytes = g->tile;
    float *floats = g->tile;
    memset(g->tile, 0, (size_t)size * MQ_BYTE_COLUMNS * (t->bytes ? 1 : sizeof(float) / 2));
    for (int32_t j = 0; j < t->columns; j++) {
        int32_t row = x->column_row[t->first_column + j];
        int64_t at = g->column_next[j], end = x->offset[row + 1];
        size_t place = mq_byte_column((size_t)j);
        enum mq_neighbour_power plane = t->pass->plane;
        for (; at < end && x->other[at] < limit; at++) {
            size_t line = (size_t)(x->other[at] - begin);
            if (!t->bytes)
                floats[line * REAL_COLUMNS + (size_t)j] = mq_neighbour_powered(plane, x->value[at]);
            else if (plane == MQ_POWER_ONE || x->level == NULL)
                bytes[line * MQ_BYTE_COLUMNS + place] = 1;
            else
                bytes[line * MQ_BYTE_COLUMNS + place] =
                    (uint8_t)(plane == MQ_POWER_VALUE ? x->level[at] : x->level[at] * x->level[at]);
        }
        g->column_next[j] = at;
    }
}

/* Entries of a row's run, as bytes: a line is added up whatever its x, then comes the weight. */
static void
add_bytes(const struct tile_pass *t, const struct mq_row_run *run, const int32_t *codes,
          int32_t *sums)
{
    enum mq_neighbour_power plane = t->pass->plane, weight = t->pass->weight;
    int32_t most = t->group->index->level_max, level = run->level;
    most = plane == MQ_POWER_ONE ? 1 : plane == MQ_POWER_VALUE ? most : most * most;
    level = weight == MQ_POWER_ONE ? 1 : weight == MQ_POWER_VALUE ? level : level * level;
    mq_kernels()->add_byte_rows(t->group->tile, codes, (size_t)run->count, most, level, sums);
}

static void
add_floats(const struct tile_pass *t, const struct mq_row_run *run, int64_t entry, float *sums)
{
    struct mq_row_group *g = t->group;
    const struct mq_neighbour_index *x = g->index;
    const float *weights = t->pass->weight == MQ_POWER_ONE ? g->ones
                           : t->pass->weight == MQ_POWER_VALUE
                               ? x->weighted + x->offset[g->first] + entry
                               : g->squares + entry;
    float part[REAL_COLUMNS];
    mq_kernels()->gather_weighted_sum(g->tile, REAL_COLUMNS, g->codes + entry, weights,
                                      (size_t)run->count, part);
    mq_kernels()->add(part, sums, REAL_COLUMNS);
}

/* A row's entries within the block at hand, added to its sums. */
static void
add_row(const struct tile_pass *t, int32_t k, int32_t block, float *sums)
{
    struct mq_row_group *g = t->group;
    int32_t whole[MQ_BYTE_COLUMNS] = {0};
    int64_t run = g->run_next[k], entry = g->entry_next[k];
    for (; run < g->row_run[k + 1] && g->runs[run].block == block; run++) {
        if (t->bytes)
            add_bytes(t, &g->runs[run], g->codes + entry, whole);
        else
            add_floats(t, &g->runs[run], entry, sums);
        entry += g->runs[run].count;
    }
    if (t->bytes)
        for (size_t j = 0; j < MQ_BYTE_COLUMNS; j++)
            sums[j] += (float)whole[j];
    g->run_next[k] = run;
    g->entry_next[k] = entry;
}

static void
run_pass(const struct tile_pass *t, mq_row_sums_fn take, void *context)
{
    struct mq_row_group *g = t->group;
    const struct mq_neighbour_index *x = g->index;
    size_t slots = (size_t)x->slot_count * MQ_BYTE_COLUMNS;
    for (int32_t j = 0; j < t->columns; j++)
        g->column_next[j] = x->offset[x->column_row[t->first_column + j]];
    for (int32_t k = 0; k < g->count; k++) {
        g->run_next[k] = g->row_run[k];
        g->entry_next[k] = x->offset[g->first + k] - x->offset[g->first];
    }
    for (int32_t block = 0; block < mq_neighbour_block_count(x); block++) {
        fill(t, block);
        for (int32_t k = 0; k < g->count; k++) {
            float *sums = g->sums + (g->keeps_sums ? (size_t)k * slots : 0);
            if (!g->keeps_sums)
                memset(sums, 0, slots * sizeof(*sums));
            add_row(t, k, block, sums + (size_t)t->pass->slot * MQ_BYTE_COLUMNS + t->lane);
            if (!g->keeps_sums)
                take(context, g->first + k, t->first_column, t->columns, sums);
        }
    }
}

void
mq_row_group_tile(struct mq_row_group *g, int32_t first_column, mq_row_sums_fn take, void *context)
{
    const struct mq_neighbour_index *x = g->index;
    size_t slots = (size_t)x->slot_count * MQ_BYTE_COLUMNS;
    int32_t columns = MQ_MIN(MQ_BYTE_COLUMNS, x->head - first_column);
    if (g->keeps_sums)
        memset(g->sums, 0, (size_t)g->count * slots * sizeof(*g->sums));
    for (int p = 0; p < x->pass_count; p++) {
        struct tile_pass t = {
            .group = g, .pass = &x->pass[p], .bytes = x->whole || x->pass[p].slot == MQ_SLOT_COUNT};
        int32_t width = t.bytes ? MQ_BYTE_COLUMNS : REAL_COLUMNS;
        for (t.lane = 0; t.lane < columns; t.lane += width) {
            t.first_column = first_column + t.lane;
            t.columns = MQ_MIN(width, columns - t.lane);
            run_pass(&t, take, context);
        }
    }
    for (int32_t k = 0; g->keeps_sums && k < g->count; k++)
        take(context, g->first + k, first_column, columns, g->sums + (size_t)k * slots);
}
