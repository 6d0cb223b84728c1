/**
 * Adam for dense arrays and, lazily, for rows of embedding tables.
 *
 *   g' = g + l2·p;  m = β1·m + (1-β1)·g';  v = β2·v + (1-β2)·g'²
 *   p -= rate · (m / (1-β1^t)) / (sqrt(v / (1-β2^t)) + ε)
 *
 * Settings are `struct mq_adam` of math/kernels.h, whose kernel does the arithmetic; its bias
 * corrections are filled here from the step. Lazy rows: a row's moments and its L2 move only in
 * steps that touch the row, with the global t in the correction (as "LazyAdam" does); a batch then
 * costs its own rows, not the table.
 *
 * Source: Kingma & Ba 2015, algorithm 1. Golden: tests/golden/youtubednn_golden.py
 * Threads: reentrant; two calls may run at once on disjoint elements or rows.
 */
#ifndef MQ_MODEL_ADAM_H
#define MQ_MODEL_ADAM_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernels.h"

/** The usual settings (0.9, 0.999, 1e-8) with a given rate, no L2, gradients unscaled. */
static inline struct mq_adam
mq_adam_defaults(float rate)
{
    return (struct mq_adam){
        .rate = rate, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .gradient_scale = 1.0f};
}

/**
 * One step on a dense array.
 *
 * @param step     t, from 1
 * @param gradient float32 [n], borrowed
 * @param value,m,v float32 [n], updated; m and v start at zero
 * Cost: O(n).
 */
void mq_adam_dense(const struct mq_adam *adam, int64_t step, size_t n, const float *gradient,
                   float *value, float *m, float *v);

/**
 * One lazy step on some rows of a table.
 *
 * @param rows     int32 [row_count], distinct, each a row of value, m, v
 * @param gradient float32 [row_count, dim] row-major: gradient of rows[i] at row i
 * @param value,m,v float32 [any, dim] row-major
 * Cost: O(row_count * dim).
 */
void mq_adam_rows(const struct mq_adam *adam, int64_t step, size_t row_count, const int32_t *rows,
                  size_t dim, const float *gradient, float *value, float *m, float *v);

#endif
