#include "math/spd_inverse.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include "math/kernels.h"

/* Columns swept together, and rows of one range. */
#define BLOCK 256
#define RANGE 128

struct sweep {
    float *a, *panel, *scaled; /* [n,n], [n,size] twice */
    int64_t n, first, size;    /* the block */
    const float *inverse;      /* [size,size] of the block */
};

/* panel = A_*K from the lower half, zero in the block's own rows; scaled = panel A_KK⁻¹ */
static enum mq_status
take_panel(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct sweep *s = context;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        float *row = s->panel + i * s->size;
        if (i >= s->first + s->size)
            memcpy(row, s->a + i * s->n + s->first, (size_t)s->size * sizeof(float));
        else if (i >= s->first)
            memset(row, 0, (size_t)s->size * sizeof(float));
        else
            for (int64_t j = 0; j < s->size; j++)
                row[j] = s->a[(s->first + j) * s->n + i];
    }
    mq_sgemm_nn(end - begin, s->size, s->size, s->panel + begin * s->size, s->inverse, 0,
                s->scaled + begin * s->size);
    return MQ_OK;
}

/* The lower half of rows begin…end. */
static enum mq_status
update_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct sweep *s = context;
    (void)worker;
    (void)err;
    mq_sgemm(false, true, end - begin, end, s->size, -1, s->scaled + begin * s->size, s->size,
             s->panel, s->size, 1, s->a + begin * s->n, s->n);
    for (int64_t i = MQ_MAX(begin, s->first + s->size); i < end; i++)
        memcpy(s->a + i * s->n + s->first, s->scaled + i * s->size,
               (size_t)s->size * sizeof(float));
    return MQ_OK;
}

/* What stands in the block's rows left of it, and in the block. */
static enum mq_status
put_block_row(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct sweep *s = context;
    (void)worker;
    (void)err;
    for (int64_t j = begin; j < end; j++) {
        float *row = s->a + (s->first + j) * s->n;
        for (int64_t i = 0; i < s->first; i++)
            row[i] = s->scaled[i * s->size + j];
        for (int64_t k = 0; k < s->size; k++)
            row[s->first + k] = -s->inverse[j * s->size + k];
    }
    return MQ_OK;
}

/* The inverse of the block on the diagonal. @param factor scratch [size,size] */
static enum mq_status
invert_block(const struct sweep *s, float *factor, float *inverse, struct mq_pool *pool,
             struct mq_error *err)
{
    size_t size = (size_t)s->size;
    for (int64_t j = 0; j < s->size; j++)
        for (int64_t k = j; k < s->size; k++)
            factor[j * s->size + k] = s->a[(s->first + k) * s->n + s->first + j];
    if (!mq_kernels()->cholesky(factor, size, size))
        return mq_fail(err, MQ_E_RANGE,
                       "a matrix of %" PRId64 " rows is not positive definite, or not finite",
                       s->n);
    return mq_cholesky_inverse(factor, size, size, pool, inverse, err);
}

struct mirror {
    float *a;
    int64_t n;
};

/* Negate the lower half, tile by tile, and copy it to the upper one. */
static enum mq_status
mirror_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct mirror *m = context;
    (void)worker;
    (void)err;
    for (int64_t left = 0; left < end; left += 32)
        for (int64_t i = begin; i < end; i++)
            for (int64_t j = left; j <= MQ_MIN(i, left + 31); j++) {
                float value = -m->a[i * m->n + j];
                m->a[i * m->n + j] = value;
                m->a[j * m->n + i] = value;
            }
    return MQ_OK;
}

enum mq_status
mq_spd_inverse(float *a, int64_t n, struct mq_pool *pool, struct mq_error *err)
{
    mq_autofree float *panel = NULL;
    mq_autofree float *scaled = NULL;
    mq_autofree float *block = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)n * BLOCK, sizeof(float), &panel, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)n * BLOCK, sizeof(float), &scaled, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(2 * BLOCK * BLOCK, sizeof(float), &block, err);
    struct sweep s = {.a = a, .panel = panel, .scaled = scaled, .n = n, .inverse = block};
    for (; s.first < n && st == MQ_OK; s.first += s.size) {
        s.size = MQ_MIN((int64_t)BLOCK, n - s.first);
        st = invert_block(&s, block + BLOCK * BLOCK, block, pool, err);
        if (st == MQ_OK)
            st = mq_pool_for(pool, n, RANGE, take_panel, &s, err);
        if (st == MQ_OK)
            st = mq_pool_for(pool, n, RANGE, update_rows, &s, err);
        if (st == MQ_OK)
            st = mq_pool_for(pool, s.size, RANGE / 8, put_block_row, &s, err);
    }
    struct mirror m = {.a = a, .n = n};
    return st == MQ_OK ? mq_pool_for(pool, n, 64, mirror_rows, &m, err) : st;
}
