#include "math/cholesky.h"

#include <string.h>

#include "math/kernels.h"

/* As mq_cholesky_solve where b starts with `first` zeros. */
static void
solve_from(const float *u, size_t n, size_t stride, size_t first, float *b)
{
    const struct mq_kernels *kernels = mq_kernels();
    for (size_t i = first; i < n; i++) { /* uᵀ z = b */
        const float *row = u + i * stride;
        b[i] /= row[i];
        kernels->axpy(-b[i], row + i + 1, b + i + 1, n - i - 1);
    }
    for (size_t i = n; i-- > 0;) { /* u x = z */
        const float *row = u + i * stride;
        b[i] = (b[i] - kernels->dot(row + i + 1, b + i + 1, n - i - 1)) / row[i];
    }
}

void
mq_cholesky_solve(const float *u, size_t n, size_t stride, float *b)
{
    solve_from(u, n, stride, 0, b);
}

struct inverse_work {
    const float *u;
    size_t n, stride;
    float *inverse;
};

/* Columns of the inverse, written as rows: it is symmetric. */
static enum mq_status
solve_columns(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct inverse_work *work = context;
    (void)worker;
    (void)err;
    for (size_t i = (size_t)begin; i < (size_t)end; i++) {
        float *row = work->inverse + i * work->stride;
        memset(row, 0, work->n * sizeof(float));
        row[i] = 1.0f;
        solve_from(work->u, work->n, work->stride, i, row);
    }
    return MQ_OK;
}

enum mq_status
mq_cholesky_inverse(const float *u, size_t n, size_t stride, struct mq_pool *pool,
                    float *ret_inverse, struct mq_error *err)
{
    struct inverse_work work = {.u = u, .n = n, .stride = stride, .inverse = ret_inverse};
    enum mq_status st = mq_pool_for(pool, (int64_t)n, 8, solve_columns, &work, err);
    /* Rounding differs by column: one half counts. */
    for (size_t i = 0; st == MQ_OK && i < n; i++)
        for (size_t j = 0; j < i; j++)
            ret_inverse[i * stride + j] = ret_inverse[j * stride + i];
    return st;
}
