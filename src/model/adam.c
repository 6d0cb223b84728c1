#include "model/adam.h"

static struct mq_adam
at_step(const struct mq_adam *adam, int64_t step)
{
    struct mq_adam now =
        mq_adam_at(adam->rate, adam->beta1, adam->beta2, adam->epsilon, adam->l2, step);
    now.gradient_scale = adam->gradient_scale;
    return now;
}

void
mq_adam_dense(const struct mq_adam *adam, int64_t step, size_t n, const float *gradient,
              float *value, float *m, float *v)
{
    struct mq_adam now = at_step(adam, step);
    mq_kernels()->adam(&now, value, m, v, gradient, n);
}

void
mq_adam_rows(const struct mq_adam *adam, int64_t step, size_t row_count, const int32_t *rows,
             size_t dim, const float *gradient, float *value, float *m, float *v)
{
    struct mq_adam now = at_step(adam, step);
    const struct mq_kernels *kernels = mq_kernels();
    for (size_t i = 0; i < row_count; i++) {
        size_t at = (size_t)rows[i] * dim;
        kernels->adam(&now, value + at, m + at, v + at, gradient + i * dim, dim);
    }
}
