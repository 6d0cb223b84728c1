#include "model/adam.h"

void
mq_adam_rows(const struct mq_adam *adam, size_t row_count, const int32_t *rows, size_t dim,
             const float *gradient, float *value, float *m, float *v)
{
    const struct mq_kernels *kernels = mq_kernels();
    for (size_t i = 0; i < row_count; i++) {
        size_t at = (size_t)rows[i] * dim;
        kernels->adam(adam, value + at, m + at, v + at, gradient + i * dim, dim);
    }
}
