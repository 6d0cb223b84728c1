/**
 * Solving with a Cholesky factor that mq_kernels()->cholesky left: a = uᵀu, u upper triangular,
 * float32 row-major [n,stride]; what stands below the diagonal is not read.
 *
 * For systems of tens to some hundreds of unknowns, one after the other; math/spd_inverse.h inverts
 * large matrices. Threads: reentrant.
 */
#ifndef MQ_MATH_CHOLESKY_H
#define MQ_MATH_CHOLESKY_H

#include <stddef.h>

#include "base/pool.h"
#include "marquee/status.h"

/** a x = b in place of b [n]. Cost: O(n²). */
void mq_cholesky_solve(const float *u, size_t n, size_t stride, float *b);

/**
 * a⁻¹, both halves, columns spread over a pool (NULL: this thread alone). Cost: O(n³).
 * @param ret_inverse [n,stride], not u
 * @return MQ_OK | MQ_E_CANCELLED
 */
enum mq_status mq_cholesky_inverse(const float *u, size_t n, size_t stride, struct mq_pool *pool,
                                   float *ret_inverse, struct mq_error *err);

#endif
