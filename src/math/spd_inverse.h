/**
 * The inverse of a large symmetric positive definite matrix, in place, on the pool.
 *
 * Block by block the matrix is swept (Goodnight 1979): a block of columns K takes
 *   A_KK <- -A_KK⁻¹,  A_iK <- A_iK A_KK⁻¹,  A_ij <- A_ij - A_iK A_KK⁻¹ A_Kj,
 * and when all are swept there stands -A⁻¹. That is n³ operations, as Cholesky and its inverse
 * take, but all in one shape of product, which spreads over threads; LAPACK's would run on one, for
 * OpenBLAS's own threads are pinned (math/blas.h). For positive definite matrices no pivoting is
 * needed (Higham 2002, section 14.4): errors are some n*eps*condition.
 *
 * Threads: reentrant. The bytes do not depend on the number of threads.
 */
#ifndef MQ_MATH_SPD_INVERSE_H
#define MQ_MATH_SPD_INVERSE_H

#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

/**
 * @param a float32 [n,n] row-major; on and below the diagonal it is read, all of it written
 * @return MQ_OK | MQ_E_RANGE (not positive definite, or not finite; a is lost) | MQ_E_NOMEM |
 *         MQ_E_CANCELLED (a is lost)
 * Memory: 2 * 256 * n floats beside a.  Cost: O(n³): 0.5 s for 3,706 on two cores.
 */
enum mq_status mq_spd_inverse(float *a, int64_t n, struct mq_pool *pool, struct mq_error *err);

#endif
