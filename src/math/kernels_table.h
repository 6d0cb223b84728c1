/** Inside of math/kernels.h: the tables of the instruction sets and how each file fills its own. */
#ifndef MQ_MATH_KERNELS_TABLE_H
#define MQ_MATH_KERNELS_TABLE_H

#include "math/kernels.h"

extern const struct mq_kernels mq_kernels_generic;
extern const struct mq_kernels mq_kernels_avx2;
extern const struct mq_kernels mq_kernels_avx512;
extern const struct mq_kernels mq_kernels_neon;

/** Initialiser of a table from a file's static functions, which bear the members' names. */
#define MQ_KERNEL_TABLE(set)                                                                       \
    .kind = (set), .dot = dot, .square_distance = square_distance, .sum = sum, .axpy = axpy,       \
    .scale = scale, .add = add, .multiply = multiply, .min_max = min_max,                          \
    .gather_sum = gather_sum, .gather_weighted_sum = gather_weighted_sum,                          \
    .scatter_add = scatter_add, .scatter_add_rows = scatter_add_rows, .bias_add = bias_add,        \
    .bias_relu = bias_relu, .column_sum = column_sum, .relu = relu,                                \
    .relu_backward = relu_backward, .exp = exponential, .logsumexp = logsumexp,                    \
    .softmax_rows = softmax_rows, .sigmoid = sigmoid, .log_loss = log_loss, .adam = adam,          \
    .dot_rows = dot_rows, .dot_rows4 = dot_rows4, .dot_indexed = dot_indexed,                      \
    .square_distance_rows = square_distance_rows,                                                  \
    .square_distance_indexed = square_distance_indexed, .select_above = select_above,              \
    .scan_panels = scan_panels, .scan_panels4 = scan_panels4, .gather_residual = gather_residual,  \
    .gather_outer = gather_outer, .cholesky = cholesky, .dot_panel = dot_panel,                    \
    .add_byte_rows = add_byte_rows, .count_common = count_common, .sort_few = sort_few

#endif
