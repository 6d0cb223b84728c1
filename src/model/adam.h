/**
 * Adam for embedding tables, lazily: only the rows that a step touched.
 *
 * The arithmetic and the constants of a step (`struct mq_adam`, mq_adam_at) are those of
 * math/kernels.h, whose `adam` serves dense arrays. Here a row's moments and its L2 move only in
 * steps that touch the row, with the global step in the bias correction (as "LazyAdam" does), so a
 * batch costs its own rows and not the table.
 *
 * Source: Kingma & Ba 2015, algorithm 1. Golden: tests/golden/youtubednn_golden.py
 */
#ifndef MQ_MODEL_ADAM_H
#define MQ_MODEL_ADAM_H

#include <stddef.h>
#include <stdint.h>

#include "math/kernels.h"

/**
 * One lazy step on some rows of a table.
 *
 * @param rows      int32 [row_count], distinct, each a row of value, m, v
 * @param gradient  float32 [row_count, dim] row-major: gradient of rows[i] at row i
 * @param value,m,v float32 [any, dim] row-major, updated; m and v start at zero
 * Threads: reentrant; two calls may run at once on disjoint rows.  Cost: O(row_count * dim).
 */
void mq_adam_rows(const struct mq_adam *adam, size_t row_count, const int32_t *rows, size_t dim,
                  const float *gradient, float *value, float *m, float *v);

#endif
