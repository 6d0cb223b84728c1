#include "math/blas.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>

#include "base/memory.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
pin_threads(void)
{
    openblas_set_num_threads(1);
}

static void
scale_rows(int64_t m, int64_t n, float beta, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
}

void
mq_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
         const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
         int64_t ldc)
{
    pthread_once(&once, pin_threads);
    if (m <= 0 || n <= 0)
        return;
    if (k <= 0) {
        scale_rows(m, n, beta, c, ldc);
        return;
    }
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    assert(lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
    assert(lda >= (transpose_a ? m : k) && ldb >= (transpose_b ? k : n) && ldc >= n);
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)lda,
                b, (int)ldb, beta, c, (int)ldc);
}

struct product {
    bool transpose_a, transpose_b;
    int64_t n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *a, *b;
    float *c;
};

static enum mq_status
multiply_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct product *p = context;
    (void)worker;
    (void)err;
    mq_sgemm(p->transpose_a, p->transpose_b, end - begin, p->n, p->k, p->alpha,
             p->a + (p->transpose_a ? begin : begin * p->lda), p->lda, p->b, p->ldb, p->beta,
             p->c + begin * p->ldc, p->ldc);
    return MQ_OK;
}

void
mq_sgemm_parallel(struct mq_pool *pool, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                  int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                  float beta, float *c, int64_t ldc)
{
    struct product product = {.transpose_a = transpose_a,
                              .transpose_b = transpose_b,
                              .n = n,
                              .k = k,
                              .lda = lda,
                              .ldb = ldb,
                              .ldc = ldc,
                              .alpha = alpha,
                              .beta = beta,
                              .a = a,
                              .b = b,
                              .c = c};
    enum mq_status st = mq_pool_for(pool, m, MQ_SGEMM_ROWS, multiply_rows, &product, NULL);
    assert(st == MQ_OK);
    (void)st;
}

void
mq_sgemv(bool transpose_a, int64_t rows, int64_t cols, float alpha, const float *a, int64_t lda,
         const float *x, float beta, float *y)
{
    pthread_once(&once, pin_threads);
    int64_t length = transpose_a ? cols : rows;
    if (length <= 0)
        return;
    if (rows <= 0 || cols <= 0) {
        scale_rows(1, length, beta, y, length);
        return;
    }
    assert(rows <= INT_MAX && cols <= INT_MAX && lda >= cols && lda <= INT_MAX);
    cblas_sgemv(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, (int)rows, (int)cols, alpha,
                a, (int)lda, x, 1, beta, y, 1);
}

const char *
mq_blas_description(void)
{
    return openblas_get_config();
}
