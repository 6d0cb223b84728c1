/**
 * Inside of model/neighbours.h: the layout of an index, and the sums that both ways of comparing
 * rows make.
 *
 * Columns are the candidates, in order of the work they would cause where they stand in lists (how
 * many ratings the raters of a column have together), most first. The first `head` of them are
 * worked on dense, in tiles of MQ_BYTE_COLUMNS (neighbour_tiles.c); the others, and all columns in
 * a query, by walking for each entry of a row the list of columns that have its code
 * (neighbour_lists.c).
 *
 * A measure is one to four passes over entries in common, each Σ weight(x of the row) · plane(x of
 * the column) into a slot; mq_neighbour_scores makes scores of the slots. `Whole`: x are levels,
 * small whole numbers. `Real`: x are any float32.
 */
#ifndef MQ_MODEL_NEIGHBOUR_PARTS_H
#define MQ_MODEL_NEIGHBOUR_PARTS_H

#include <math.h>

#include "math/kernels.h"
#include "math/reservoir.h"
#include "model/neighbours.h"

/** Highest level; its square is still a byte. */
#define MQ_NEIGHBOUR_LEVELS 15

/** What of x a pass takes. */
enum mq_neighbour_power { MQ_POWER_ONE = 0, MQ_POWER_VALUE, MQ_POWER_SQUARE };

/** Sums of a row and a column. */
enum mq_neighbour_slot {
    MQ_SLOT_DOT = 0, /**< Σ x·y */
    MQ_SLOT_COUNT,   /**< Σ 1 */
    MQ_SLOT_OWN,     /**< Σ x² */
    MQ_SLOT_OTHER,   /**< Σ y² */
    MQ_SLOT_MAX
};

struct mq_neighbour_pass {
    enum mq_neighbour_power weight; /**< of the row's x */
    enum mq_neighbour_power plane;  /**< of the column's */
    enum mq_neighbour_slot slot;
};

struct mq_neighbour_index {
    struct mq_neighbour_options options;
    const struct mq_rating_baseline *baseline;
    int32_t row_count, other_count;

    /* The matrix, rows first; borrowed. */
    int64_t count;
    const int64_t *offset;   /* [row_count+1] */
    const int32_t *other;    /* [count] ascending within a row */
    const float *rating;     /* [count] */
    const int64_t *o_offset; /* [other_count+1]: the same by the other side */
    const int32_t *o_row;
    const float *o_rating;

    /* x of an entry: rating · scale, or centred. */
    float *row_shift;   /* [row_count] or NULL: 0 */
    float *other_shift; /* [other_count] or NULL: 0 */
    float scale;        /* steps in a rating of 1 */
    bool whole;
    int32_t level_max; /* whole */
    uint8_t *level;    /* [count] whole, NULL where binary: 1 */
    float *value;      /* [count] real */
    float *weighted;   /* [count] real: value · recency; `value` itself without recency */
    float *row_scale;  /* [row_count] 1/|x|, NaN for |x| = 0; 1 where lengths are in common */

    int32_t column_count, head;
    int32_t *column_row;   /* [column_count] */
    int32_t *column_of;    /* [row_count], -1 for a row that is no candidate */
    float *column_scale;   /* [column_count], as row_scale without recency */
    int64_t *list_offset;  /* [other_count+1]: columns that have a code, the head first */
    int64_t *list_tail;    /* [other_count] where those beyond the head begin */
    int32_t *list_column;  /* [ratings of columns] */
    uint8_t *list_level;   /* whole, NULL where binary */
    float *list_value;     /* real */
    size_t words;          /* of a bit set of codes */
    uint64_t *column_bits; /* [column_count][words], NULL where too large */

    struct mq_neighbour_pass pass[MQ_SLOT_MAX];
    int pass_count, slot_count;
};

/** mq_neighbour_index_new with the number of tiles of the head fixed; -1: by cost. For tests. */
enum mq_status mq_neighbour_index_new_tiled(const struct mq_rating_matrix *matrix,
                                            const struct mq_rating_baseline *baseline,
                                            const struct mq_neighbour_options *options,
                                            int32_t head_tiles, struct mq_pool *pool,
                                            struct mq_neighbour_index **ret_index,
                                            struct mq_error *err);

/** Whether options are in range. */
enum mq_status mq_neighbour_options_check(const struct mq_neighbour_options *options,
                                          struct mq_error *err);

/** Codes of a block of a tile: with its columns, a megabyte. */
static inline int32_t
mq_neighbour_block_size(const struct mq_neighbour_index *index)
{
    return index->whole ? 8192 : 4096;
}

/** Blocks that there are; at least 1. */
static inline int32_t
mq_neighbour_block_count(const struct mq_neighbour_index *index)
{
    int32_t size = mq_neighbour_block_size(index), blocks = (index->other_count + size - 1) / size;
    return blocks > 0 ? blocks : 1;
}

/** x of a rating less its shifts. What is left of a rating by rounding alone is nothing: else
 * ratings that are all alike would have a length, and likeness to anybody. */
static inline float
mq_neighbour_centred(float rating, float row_shift, float other_shift)
{
    float left = rating - row_shift - other_shift;
    return fabsf(left) <= 1e-6f * fabsf(rating) ? 0.0f : left;
}

/** A power of x. */
static inline float
mq_neighbour_powered(enum mq_neighbour_power power, float x)
{
    return power == MQ_POWER_ONE ? 1.0f : power == MQ_POWER_VALUE ? x : x * x;
}

/**
 * Sums over the lists of a row's codes, added to one slot.
 * @param x         float32 [count] the row's
 * @param tail_only only columns beyond the head, which then count from 0
 * @param sums      float32 [columns]
 */
void mq_neighbour_add_lists(const struct mq_neighbour_index *index,
                            const struct mq_neighbour_pass *pass, const int32_t *codes,
                            const float *x, int64_t count, bool tail_only, float *sums);

/**
 * Scores of `n` columns from `first` on.
 * @param sums float32 [slot_count][stride], of these columns
 * @param ret_scores float32 [n]; NaN where there is no likeness
 */
void mq_neighbour_scores(const struct mq_neighbour_index *index, float row_scale, const float *sums,
                         size_t stride, int32_t first, int32_t n, float *ret_scores);

/** What a row found so far. */
struct mq_neighbour_best {
    struct mq_reservoir held;
    float above; /* only scores above it matter */
};

/** Length of the longest list that an index can give. */
static inline size_t
mq_neighbour_k(const struct mq_neighbour_index *index)
{
    int32_t k = index->options.k < index->column_count ? index->options.k : index->column_count;
    return k > 0 ? (size_t)k : 1;
}

/** @param keys [mq_reservoir_room(mq_neighbour_k(index))], borrowed */
void mq_neighbour_best_init(const struct mq_neighbour_index *index, uint64_t *keys,
                            struct mq_neighbour_best *ret_best);

/**
 * Offer columns from `first` on.
 * @param positions,passed scratch, [n]
 */
void mq_neighbour_offer(const struct mq_neighbour_index *index, struct mq_neighbour_best *best,
                        const float *scores, int32_t first, int32_t n, int32_t *positions,
                        float *passed);

/** Codes of a row as a bit set. @param bits [words], zero on entry */
void mq_neighbour_mark(const int32_t *codes, int64_t count, uint64_t *bits);

/** Undo mq_neighbour_mark. */
void mq_neighbour_unmark(const int32_t *codes, int64_t count, uint64_t *bits);

/** A row whose neighbours were found. */
struct mq_neighbour_found {
    const int32_t *codes; /**< ascending, [count] */
    int64_t count;
    const uint64_t *bits; /**< the codes as a bit set, by mq_neighbour_mark */
    float scale;          /**< 1/|x| */
    bool choices;         /**< all x are 1 */
};

/** How many codes it has in common with a neighbour. */
int32_t mq_neighbour_shared(const struct mq_neighbour_index *index,
                            const struct mq_neighbour_found *found, int32_t neighbour, float score);

#endif
