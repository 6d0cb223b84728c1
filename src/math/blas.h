/**
 * OpenBLAS, wrapped once: dense products of row-major float32 matrices.
 *
 * Traps of the library, settled here so that nobody meets them again:
 * - Its own threads fight with ours: the count is pinned to 1 on the first call, and work is spread
 *   by mq_sgemm_parallel over mq_pool instead. Never call cblas_* elsewhere.
 * - Its integers are 32 bits: sizes and leading dimensions must be below 2^31 (asserted).
 * - Packing costs more than the product for small matrices (under about 8×8×8): use the dot and
 * axpy of math/kernels.h there.
 * - Bytes depend on the processor it picked its kernels for: the same machine, shapes and inputs
 * give the same bytes, another machine may differ in the last bits. mq_sgemm_parallel cuts rows in
 *   ranges that do not depend on the thread count, so neither do its bytes.
 * - With beta 0, C is not read: it may hold anything, NaN included.
 *
 * Threads: reentrant; any number of threads may multiply at the same time.
 */
#ifndef MQ_MATH_BLAS_H
#define MQ_MATH_BLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"

/** Rows of C in one range of mq_sgemm_parallel. */
#define MQ_SGEMM_ROWS 256

/**
 * C = alpha * op(A) * op(B) + beta * C, with op(X) = X or its transpose.
 *
 * @param m,n,k op(A) is [m,k], op(B) [k,n], C [m,n]; each at least 0
 * @param lda,ldb,ldc elements from one stored row to the next (at least the row's length)
 * Cost: O(m*n*k).
 */
void mq_sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
              const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
              int64_t ldc);

/** mq_sgemm with the rows of C spread over a pool (NULL: the caller's thread alone). */
void mq_sgemm_parallel(struct mq_pool *pool, bool transpose_a, bool transpose_b, int64_t m,
                       int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                       const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/** C[m,n] = A[m,k] * B[k,n] + beta * C; all dense, rows one after the other. */
static inline void
mq_sgemm_nn(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float beta, float *c)
{
    mq_sgemm(false, false, m, n, k, 1.0f, a, k, b, n, beta, c, n);
}

/** C[m,n] = A[m,k] * B[n,k]ᵀ + beta * C; dense. Scores of m queries against n rows. */
static inline void
mq_sgemm_nt(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float beta, float *c)
{
    mq_sgemm(false, true, m, n, k, 1.0f, a, k, b, k, beta, c, n);
}

/** C[m,n] = A[k,m]ᵀ * B[k,n] + beta * C; dense. Weight gradients: A activations, B deltas. */
static inline void
mq_sgemm_tn(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float beta, float *c)
{
    mq_sgemm(true, false, m, n, k, 1.0f, a, m, b, n, beta, c, n);
}

/**
 * y = alpha * op(A) * x + beta * y, A stored [rows,cols].
 * @param x [cols], or [rows] when transposed  @param y [rows], or [cols] when transposed
 */
void mq_sgemv(bool transpose_a, int64_t rows, int64_t cols, float alpha, const float *a,
              int64_t lda, const float *x, float beta, float *y);

/** Name of the OpenBLAS build and the kernel it chose, for `marquee doctor`. Static text. */
const char *mq_blas_description(void);

#endif
