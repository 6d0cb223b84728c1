/** Inside of model/ials.h: one half of an iteration, and the exact solution of one row. */
#ifndef MQ_MODEL_IALS_SOLVE_H
#define MQ_MODEL_IALS_SOLVE_H

#include "model/ials.h"

/** Rows to be solved while the other side, `table`, stays. All borrowed. */
struct mq_ials_side {
    int32_t row_count, table_count, factors;
    const int64_t *offset;   /* [row_count+1] */
    const int32_t *index;    /* rows of the table */
    const float *confidence; /* as index; NULL: all 1 */
    const float *table;      /* [table_count,factors] */
    const float *gram;       /* [factors,factors] α0 * tableᵀ*table */
    float unobserved_weight, regularization, regularization_exponent;
    enum mq_ials_form form;
};

/** λ of a row with so many ratings. */
float mq_ials_row_regularization(const struct mq_ials_side *side, int64_t count);

/** ret_gram [factors,factors] = α0 * tableᵀ*table, both halves. */
enum mq_status mq_ials_gram(const float *table, int32_t count, int32_t factors,
                            float unobserved_weight, struct mq_pool *pool, float *ret_gram,
                            struct mq_error *err);

/** Floats of scratch for mq_ials_solve_row. */
size_t mq_ials_row_scratch(int32_t factors, int64_t count);

/**
 * The exact solution of a row of `count` ratings.
 * @param scratch [mq_ials_row_scratch]  @param ret_vector [factors]
 * @return MQ_OK | MQ_E_RANGE (not finite)
 */
enum mq_status mq_ials_solve_row(const struct mq_ials_side *side, const int32_t *index,
                                 const float *confidence, int64_t count, float *scratch,
                                 float *ret_vector, struct mq_error *err);

/** All rows, exactly. @param solution [row_count,factors] */
enum mq_status mq_ials_solve_exactly(const struct mq_ials_side *side, float *solution,
                                     struct mq_pool *pool, struct mq_error *err);

/** All rows, by so many steps of conjugate gradient from where they stand. */
enum mq_status mq_ials_solve_steps(const struct mq_ials_side *side, int32_t steps, float *solution,
                                   struct mq_pool *pool, struct mq_error *err);

#endif
