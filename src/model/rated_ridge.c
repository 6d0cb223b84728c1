#include "model/rated_ridge.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"

/* Rows of one parallel range, and of one partial sum. */
#define RANGE 256

void
mq_rated_ridge_fit_row(const float *y, int32_t dim, const int32_t *columns, int64_t count,
                       float *ret_fitted)
{
    mq_kernels()->gather_sum(y, (size_t)dim, columns, (size_t)count, ret_fitted);
    if (count > 0)
        mq_kernels()->scale(1.0f / sqrtf((float)count), ret_fitted, (size_t)dim);
}

struct fit_work {
    const struct mq_rated_ridge *ridge;
    const float *y;
    float *fitted;
};

static enum mq_status
fit_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct fit_work *work = context;
    const struct mq_rated_ridge *ridge = work->ridge;
    (void)worker;
    (void)err;
    for (int64_t r = begin; r < end; r++) {
        int64_t first = ridge->row_offset[r];
        mq_rated_ridge_fit_row(work->y, ridge->dim, ridge->row_column + first,
                               ridge->row_offset[r + 1] - first, work->fitted + r * ridge->dim);
    }
    return MQ_OK;
}

enum mq_status
mq_rated_ridge_fit(const struct mq_rated_ridge *ridge, const float *y, struct mq_pool *pool,
                   float *ret_fitted, struct mq_error *err)
{
    struct fit_work work = {.ridge = ridge, .y = y, .fitted = ret_fitted};
    return mq_pool_for(pool, ridge->row_count, RANGE, fit_rows, &work, err);
}

/* State of conjugate gradient, a vector a column of the table. */
struct solver {
    const struct mq_rated_ridge *ridge;
    struct mq_pool *pool;
    float *y, *residual, *direction, *image; /* [column_count,dim] */
    float *diagonal;                         /* [column_count] */
    float *fitted;                           /* [row_count,dim] */
    const float *x;                          /* [row_count,dim], or NULL: 0 */
    float *ratio;                            /* [dim] */
};

/* fitted = (x - fit) / √n, so that a column's sum over its rows is its part of Nᵀ(x - N y). */
static enum mq_status
subtract_fit(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct solver *s = context;
    int64_t dim = s->ridge->dim;
    (void)worker;
    (void)err;
    for (int64_t r = begin; r < end; r++) {
        int64_t count = s->ridge->row_offset[r + 1] - s->ridge->row_offset[r];
        float scale = count > 0 ? 1.0f / sqrtf((float)count) : 0.0f, *fit = s->fitted + r * dim;
        for (int64_t j = 0; j < dim; j++)
            fit[j] = ((s->x != NULL ? s->x[r * dim + j] : 0.0f) - fit[j]) * scale;
    }
    return MQ_OK;
}

static enum mq_status
sum_columns(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct solver *s = context;
    const struct mq_rated_ridge *ridge = s->ridge;
    size_t dim = (size_t)ridge->dim;
    (void)worker;
    (void)err;
    for (int64_t c = begin; c < end; c++) {
        int64_t first = ridge->column_offset[c];
        float *out = s->image + (size_t)c * dim;
        mq_kernels()->gather_sum(s->fitted, dim, ridge->column_row + first,
                                 (size_t)(ridge->column_offset[c + 1] - first), out);
        mq_kernels()->axpy(-ridge->regularization, s->direction + (size_t)c * dim, out, dim);
    }
    return MQ_OK;
}

/* image = Nᵀ(x - N direction) - λ direction */
static enum mq_status
apply(struct solver *s, struct mq_error *err)
{
    enum mq_status st = mq_rated_ridge_fit(s->ridge, s->direction, s->pool, s->fitted, err);
    if (st == MQ_OK)
        st = mq_pool_for(s->pool, s->ridge->row_count, RANGE, subtract_fit, s, err);
    return st == MQ_OK ? mq_pool_for(s->pool, s->ridge->column_count, RANGE, sum_columns, s, err)
                       : st;
}

/* ret_sum[dim] = Σ_c a b / divisor, in the order of columns. */
static void
products(const struct solver *s, const float *a, const float *b, const float *divisor,
         double *ret_sum)
{
    int64_t dim = s->ridge->dim;
    for (int64_t j = 0; j < dim; j++)
        ret_sum[j] = 0;
    for (int64_t c = 0; c < s->ridge->column_count; c++)
        for (int64_t j = 0; j < dim; j++)
            ret_sum[j] += (double)a[c * dim + j] * (double)b[c * dim + j] /
                          (divisor != NULL ? (double)divisor[c] : 1);
}

static void
take_steps(struct solver *s, double *square, double *next)
{
    int64_t dim = s->ridge->dim;
    /* image = -A direction */
    products(s, s->direction, s->image, NULL, next);
    for (int64_t j = 0; j < dim; j++)
        s->ratio[j] = next[j] < 0 ? (float)(square[j] / -next[j]) : 0.0f;
    for (int64_t c = 0; c < s->ridge->column_count; c++)
        for (int64_t j = 0; j < dim; j++) {
            s->y[c * dim + j] += s->ratio[j] * s->direction[c * dim + j];
            s->residual[c * dim + j] += s->ratio[j] * s->image[c * dim + j];
        }
    products(s, s->residual, s->residual, s->diagonal, next);
    for (int64_t j = 0; j < dim; j++)
        s->ratio[j] = square[j] > 0 ? (float)(next[j] / square[j]) : 0.0f;
    for (int64_t c = 0; c < s->ridge->column_count; c++)
        for (int64_t j = 0; j < dim; j++)
            s->direction[c * dim + j] =
                s->residual[c * dim + j] / s->diagonal[c] + s->ratio[j] * s->direction[c * dim + j];
    memcpy(square, next, (size_t)dim * sizeof(double));
}

static void
fill_diagonal(struct solver *s)
{
    const struct mq_rated_ridge *ridge = s->ridge;
    for (int32_t c = 0; c < ridge->column_count; c++) {
        double sum = (double)ridge->regularization;
        for (int64_t i = ridge->column_offset[c]; i < ridge->column_offset[c + 1]; i++) {
            int32_t r = ridge->column_row[i];
            sum += 1.0 / (double)(ridge->row_offset[r + 1] - ridge->row_offset[r]);
        }
        s->diagonal[c] = (float)sum;
    }
}

enum mq_status
mq_rated_ridge_solve(const struct mq_rated_ridge *ridge, const float *x, int32_t steps, float *y,
                     struct mq_pool *pool, struct mq_error *err)
{
    size_t dim = (size_t)ridge->dim, size = (size_t)ridge->column_count * dim;
    mq_autofree float *tables = NULL;
    mq_autofree float *fitted = NULL;
    mq_autofree float *diagonal = NULL;
    double square[1024], next[1024];
    float ratio[1024];
    if (dim < 1 || dim > 1024)
        return mq_fail(err, MQ_E_RANGE, "ridge regression of %d dimensions (1 to 1024)",
                       ridge->dim);
    enum mq_status st = mq_alloc_array(3 * size, sizeof(float), &tables, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ridge->row_count * dim, sizeof(float), &fitted, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ridge->column_count, sizeof(float), &diagonal, err);
    if (st != MQ_OK)
        return st;
    struct solver s = {.ridge = ridge,
                       .pool = pool,
                       .y = y,
                       .residual = tables,
                       .direction = tables + size,
                       .image = tables + 2 * size,
                       .diagonal = diagonal,
                       .fitted = fitted,
                       .x = x,
                       .ratio = ratio};
    fill_diagonal(&s);
    memcpy(s.direction, y, size * sizeof(float));
    st = apply(&s, err);
    memcpy(s.residual, s.image, size * sizeof(float));
    for (size_t c = 0; c < (size_t)ridge->column_count; c++)
        for (size_t j = 0; j < dim; j++)
            s.direction[c * dim + j] = s.residual[c * dim + j] / diagonal[c];
    products(&s, s.residual, s.residual, diagonal, square);
    s.x = NULL;
    for (int32_t step = 0; step < steps && st == MQ_OK; step++) {
        st = apply(&s, err);
        if (st == MQ_OK)
            take_steps(&s, square, next);
    }
    return st;
}
