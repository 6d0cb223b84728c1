/**
 * Inside of a DeepFM batch: its memory, and the phases that one call takes it through, each a loop
 * over the pool whose pieces write to their own places (docs/decisions/deepfm-algebra.md):
 *   1 number   by field: distinct ids become entries; rows are grouped by entry
 *   2 project  by chunk of entries: vectors, hidden halves, scalars
 *   3 rows     by slice of rows: gather, layers, loss, deltas; sums over the slice
 *   4 entries  by chunk of entries: sums of deltas, gradients of vectors, part of W1's
 *   5 fields   by field: W1's parts added up; bags handed down to their members
 * Of deepfm_batch*.c alone.
 */
#ifndef MQ_MODEL_DEEPFM_BATCH_PARTS_H
#define MQ_MODEL_DEEPFM_BATCH_PARTS_H

#include "math/kernels.h"
#include "model/deepfm_batch.h"

/* A chunk ends at so many entries, or so many rows of them. */
#define CHUNK_ENTRIES 256
#define CHUNK_ROWS 1024
/* Rows of a batch lie anywhere in the columns: they are fetched so many rows ahead. */
#define AHEAD 16

/* A category or bag field. */
struct column {
    const struct mq_deepfm_field *field;
    int32_t number;   /* of the field in the model */
    int32_t bag;      /* of the bag field, -1 for a category */
    int32_t bound;    /* ids, or bags */
    int32_t base;     /* its first entry */
    int32_t entries;  /* in this batch */
    int32_t *slot;    /* [bound] entry within the column, -1 none; all -1 between batches */
    int32_t *grouped; /* [capacity] places in the batch, by entry */
    /* members of this batch's bags */
    int32_t members;
    int32_t *member_slot;    /* [size], -1 none */
    int32_t *member_feature; /* [size] feature ids */
    float *member_v, *member_w;
};

struct chunk {
    int32_t column, begin, end; /* entries */
};

/* Scratch of one worker. */
struct lane {
    float *x;                           /* [SLICE, dense] standardised */
    float *term;                        /* [SLICE, dense] */
    float *sum;                         /* [SLICE, dim] Σ e */
    float *logit;                       /* [SLICE] */
    float *z[MQ_DEEPFM_LAYERS_MAX];     /* [SLICE, width] */
    float *delta[MQ_DEEPFM_LAYERS_MAX]; /* [SLICE, width], from layer 1 on */
};

struct mq_deepfm_batch {
    const struct mq_deepfm *model;
    const struct mq_deepfm_rows *rows;
    struct mq_pool *pool;
    const struct mq_kernels *kernels;
    int32_t capacity;
    bool backward;
    int32_t column_count, width0;
    struct column *columns;
    struct mq_arena memory;

    /* by entry, columns one after the other */
    int32_t *entry_id; /* id or bag */
    int32_t *start;    /* [entries + 1 per column] first of its group in `grouped` */
    float *vector, *hidden, *scalar;
    float *entry_v, *entry_w; /* gradients */
    int32_t *entry_feature;   /* feature ids of category entries */
    struct chunk *chunks;
    int32_t chunk_count;

    /* by row of the batch */
    int32_t *local;               /* [capacity, columns] entries */
    float *delta0, *pull, *slope; /* [capacity, width0], [capacity, dim] g·sum, [capacity] g */

    float *dense_hidden; /* [dense, width0] */
    float *dense_square; /* [dense] |v|² */
    float *mean, *scale; /* [dense] */

    /* sums by slice: M [dense,width0] | V [dense,dim] | w [dense] | x² [dense] | tail */
    float *partial;
    size_t partial_stride, tail_from, tail_count;
    double *slice_loss;
    float *chunk_kernel; /* [chunks, dim, width0] */
    int32_t *dense_feature;
    float *dense_v, *dense_w;
    float *layers; /* gradient parallel to parameters from layers_from on */
    size_t layers_from, layers_count;

    struct lane *lanes;

    /* the call at hand */
    const int32_t *order;
    int64_t begin;
    int32_t n;
    bool with_gradient;
    float dropout;
    uint64_t seed;
    float *ret_prob, *ret_hidden, *ret_vector, *ret_scalar;
};

/** The row of `rows` that is row i of the batch. */
static inline int64_t
row_at(const struct mq_deepfm_batch *b, int32_t i)
{
    return b->order != NULL ? b->order[i] : b->begin + i;
}

/** Feature id of member m of a bag; what is out of range is the reserved one. */
static inline int32_t
member_at(const struct mq_deepfm_batch *b, const struct column *c, int64_t m)
{
    int32_t id = b->rows->bag_ids[c->bag][m];
    return c->field->first + ((uint32_t)id < (uint32_t)c->field->size ? id : 0);
}

static inline void
bag_range(const struct mq_deepfm_batch *b, const struct column *c, int32_t bag, int64_t *ret_begin,
          int64_t *ret_end)
{
    *ret_begin = b->rows->bag_offset[c->bag][bag];
    *ret_end = b->rows->bag_offset[c->bag][bag + 1];
}

/** Dense values of a row of the batch. */
static inline const float *
dense_at(const struct mq_deepfm_batch *b, int32_t i)
{
    int64_t row = row_at(b, i);
    int64_t at = b->rows->dense_row != NULL ? b->rows->dense_row[row] : row;
    return b->rows->dense + (size_t)at * (size_t)b->model->dense_count;
}

/** Place in a slice's tail of a parameter array. */
static inline float *
tail_at(const struct mq_deepfm_batch *b, float *tail, const float *parameter)
{
    return tail + ((size_t)(parameter - b->model->parameters) - b->tail_from);
}

/* Phases, as mq_pool_fn with the batch as context. */

/** 1, over columns. Then mq_deepfm_cut_chunks makes the chunks of phases 2 and 4. */
enum mq_status mq_deepfm_number_columns(void *context, int64_t begin, int64_t end, int worker,
                                        struct mq_error *err);
void mq_deepfm_cut_chunks(struct mq_deepfm_batch *b);
/** 2, over chunks, and one piece more for the dense fields. */
enum mq_status mq_deepfm_project_entries(void *context, int64_t begin, int64_t end, int worker,
                                         struct mq_error *err);
/** 3, over slices. */
enum mq_status mq_deepfm_pass_rows(void *context, int64_t begin, int64_t end, int worker,
                                   struct mq_error *err);
/** 4, over chunks, and two pieces more for the dense fields and the layers. */
enum mq_status mq_deepfm_pass_entries(void *context, int64_t begin, int64_t end, int worker,
                                      struct mq_error *err);
/** 5, over columns. */
enum mq_status mq_deepfm_pass_fields(void *context, int64_t begin, int64_t end, int worker,
                                     struct mq_error *err);

#endif
