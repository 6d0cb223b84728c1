/**
 * Ridge regression of rows' vectors on which columns they have ratings of:
 *   min_Y Σ_r |x_r - Σ_{c rated by r} Y_c / √n_r|² + λ Σ_c |Y_c|²
 * by conjugate gradient from where Y stands, each dimension for itself, preconditioned by the
 * diagonal. What model/biased_mf.h calls the implicit term.
 *
 * Threads: one call at a time per pool. The bytes do not depend on the number of threads.
 */
#ifndef MQ_MODEL_RATED_RIDGE_H
#define MQ_MODEL_RATED_RIDGE_H

#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

/** Which columns a row has, and which rows a column. All borrowed; dim 1…1024. */
struct mq_rated_ridge {
    int32_t row_count, column_count, dim;
    const int64_t *row_offset;    /* [row_count+1] */
    const int32_t *row_column;    /* [row_offset[row_count]] */
    const int64_t *column_offset; /* [column_count+1] */
    const int32_t *column_row;
    float regularization; /* > 0 */
};

/** ret_fitted [row_count,dim]: Σ Y_c / √n_r; zeros for rows without columns. */
enum mq_status mq_rated_ridge_fit(const struct mq_rated_ridge *ridge, const float *y,
                                  struct mq_pool *pool, float *ret_fitted, struct mq_error *err);

/** One row's fit: the same bytes. @param ret_fitted [dim] */
void mq_rated_ridge_fit_row(const float *y, int32_t dim, const int32_t *columns, int64_t count,
                            float *ret_fitted);

/**
 * @param x [row_count,dim]
 * @param y [column_count,dim], in: where to begin; out: after `steps` steps
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(steps * ratings * dim).  Memory: 4 times y, and x once.
 */
enum mq_status mq_rated_ridge_solve(const struct mq_rated_ridge *ridge, const float *x,
                                    int32_t steps, float *y, struct mq_pool *pool,
                                    struct mq_error *err);

#endif
