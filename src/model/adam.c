#include "model/adam.h"

#include <math.h>

/* Bias corrections folded into two constants:
 *   rate·(m/c1)/(sqrt(v/c2)+ε) = (rate·sqrt(c2)/c1) · m / (sqrt(v) + ε·sqrt(c2)) */
struct corrected {
    float rate, epsilon;
};

static struct corrected
correct(const struct mq_adam *adam, int64_t step)
{
    double c1 = 1.0 - pow(adam->beta1, (double)step);
    double c2 = 1.0 - pow(adam->beta2, (double)step);
    return (struct corrected){.rate = (float)(adam->rate * sqrt(c2) / c1),
                              .epsilon = (float)(adam->epsilon * sqrt(c2))};
}

static void
update(const struct mq_adam *adam, struct corrected c, size_t n, const float *restrict gradient,
       float *restrict value, float *restrict m, float *restrict v)
{
    float b1 = adam->beta1, b2 = adam->beta2, l2 = adam->l2;
    for (size_t i = 0; i < n; i++) {
        float g = gradient[i] + l2 * value[i];
        m[i] = b1 * m[i] + (1.0f - b1) * g;
        v[i] = b2 * v[i] + (1.0f - b2) * (g * g);
        value[i] -= c.rate * m[i] / (sqrtf(v[i]) + c.epsilon);
    }
}

void
mq_adam_dense(const struct mq_adam *adam, int64_t step, size_t n, const float *gradient,
              float *value, float *m, float *v)
{
    update(adam, correct(adam, step), n, gradient, value, m, v);
}

void
mq_adam_rows(const struct mq_adam *adam, int64_t step, size_t row_count, const int32_t *rows,
             size_t dim, const float *gradient, float *value, float *m, float *v)
{
    struct corrected c = correct(adam, step);
    for (size_t i = 0; i < row_count; i++) {
        size_t at = (size_t)rows[i] * dim;
        update(adam, c, dim, gradient + i * dim, value + at, m + at, v + at);
    }
}
