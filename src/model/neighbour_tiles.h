/**
 * Inside of model/neighbours.h: sums of a group of rows with the dense columns.
 *
 * A tile is MQ_BYTE_COLUMNS columns by all codes of the other side, a block of codes at a time,
 * filled from the columns' ratings just before use, so that it lies in the second-level cache while
 * all rows of the group pass over it; nothing dense is ever kept. An entry of a row is then one
 * addition of a whole line of the tile: 128 bytes where x are levels (entries of the same level
 * together, the sum times the level), else a multiplication by 64 floats, twice.
 *
 * Threads: a group belongs to one thread at a time.
 */
#ifndef MQ_MODEL_NEIGHBOUR_TILES_H
#define MQ_MODEL_NEIGHBOUR_TILES_H

#include "model/neighbour_parts.h"

/** Zero-initialise; then mq_row_group_release. */
struct mq_row_group {
    const struct mq_neighbour_index *index;
    int32_t first, count; /* rows */
    struct mq_row_run *runs;
    int64_t *row_run; /* [count+1] in runs */
    int32_t *codes;   /* of the rows' entries, within their block, run after run */
    float *squares;   /* real, where a pass wants it: x² of the entries */
    float *ones;      /* real, likewise: as many 1 as the longest row has entries */
    float *sums;      /* [count or 1][slot_count][MQ_BYTE_COLUMNS] */
    bool keeps_sums;  /* of all rows, until a tile's last pass */
    void *tile;       /* bytes, or floats of half the columns */
    int64_t column_next[MQ_BYTE_COLUMNS]; /* entries of the columns beyond the block */
    int64_t *run_next, *entry_next;       /* [count] where each row's next block begins */
};

/** Lay out rows [first, first + count). @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_row_group_init(const struct mq_neighbour_index *index, int32_t first,
                                 int32_t count, struct mq_row_group *group, struct mq_error *err);

void mq_row_group_release(struct mq_row_group *group);

/** Takes the sums [slot_count][MQ_BYTE_COLUMNS] of a row with the columns of a tile. */
typedef void (*mq_row_sums_fn)(void *context, int32_t row, int32_t first_column, int32_t columns,
                               const float *sums);

/** Sums with the columns from `first_column` on, at most MQ_BYTE_COLUMNS and below the head. */
void mq_row_group_tile(struct mq_row_group *group, int32_t first_column, mq_row_sums_fn take,
                       void *context);

#endif
