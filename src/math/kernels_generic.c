/* The oracle: each kernel as plainly as C can say it. */
#include <math.h>
#include <string.h>

#include "math/kernels_table.h"

static float
dot(const float *a, const float *b, size_t n)
{
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float
square_distance(const float *a, const float *b, size_t n)
{
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static float
sum(const float *x, size_t n)
{
    float total = 0.0f;
    for (size_t i = 0; i < n; i++)
        total += x[i];
    return total;
}

static void
axpy(float alpha, const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += alpha * x[i];
}

static void
scale(float alpha, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= alpha;
}

static void
add(const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void
multiply(const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= x[i];
}

static void
min_max(const float *x, size_t n, float *ret_min, float *ret_max)
{
    float low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *ret_min = low;
    *ret_max = high;
}

static void
gather_sum(const float *table, size_t width, const int32_t *rows, size_t count, float *ret_sum)
{
    memset(ret_sum, 0, width * sizeof(*ret_sum));
    for (size_t i = 0; i < count; i++)
        add(table + (size_t)rows[i] * width, ret_sum, width);
}

static void
gather_weighted_sum(const float *table, size_t width, const int32_t *rows, const float *weights,
                    size_t count, float *ret_sum)
{
    memset(ret_sum, 0, width * sizeof(*ret_sum));
    for (size_t i = 0; i < count; i++)
        axpy(weights[i], table + (size_t)rows[i] * width, ret_sum, width);
}

static void
scatter_add(float *table, size_t width, const int32_t *rows, size_t count, float alpha,
            const float *x)
{
    for (size_t i = 0; i < count; i++)
        axpy(alpha, x, table + (size_t)rows[i] * width, width);
}

static void
scatter_add_rows(float *table, size_t width, const int32_t *rows, size_t count, const float *x)
{
    for (size_t i = 0; i < count; i++)
        add(x + i * width, table + (size_t)rows[i] * width, width);
}

static void
bias_add(float *x, size_t rows, size_t width, const float *bias)
{
    for (size_t r = 0; r < rows; r++)
        add(bias, x + r * width, width);
}

static void
relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static void
bias_relu(float *x, size_t rows, size_t width, const float *bias)
{
    bias_add(x, rows, width, bias);
    relu(x, rows * width);
}

static void
column_sum(const float *x, size_t rows, size_t width, float *total)
{
    for (size_t r = 0; r < rows; r++)
        add(x + r * width, total, width);
}

static void
relu_backward(const float *y, float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

static void
exponential(const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = expf(x[i]);
}

static float
logsumexp(const float *x, size_t n)
{
    float low, high, total = 0.0f;
    min_max(x, n, &low, &high);
    for (size_t i = 0; i < n; i++)
        total += expf(x[i] - high);
    return high + logf(total);
}

static void
softmax_rows(float *x, size_t rows, size_t width, size_t stride, float *ret_logsumexp)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * stride, low, high, total = 0.0f;
        min_max(row, width, &low, &high);
        for (size_t i = 0; i < width; i++)
            total += row[i] = expf(row[i] - high);
        for (size_t i = 0; i < width; i++)
            row[i] /= total;
        if (ret_logsumexp != NULL)
            ret_logsumexp[r] = high + logf(total);
    }
}

static float
sigmoid_of(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static void
sigmoid(const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = sigmoid_of(x[i]);
}

static double
log_loss(const float *x, const float *labels, size_t n, float *gradient)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        float logit = x[i], positive = logit > 0.0f ? logit : 0.0f;
        total += (double)positive - (double)logit * labels[i] + log1pf(expf(-fabsf(logit)));
        if (gradient != NULL)
            gradient[i] = sigmoid_of(logit) - labels[i];
    }
    return total;
}

static void
adam(const struct mq_adam *c, float *p, float *m, float *v, const float *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * c->gradient_scale + c->l2 * p[i];
        m[i] = c->beta1 * m[i] + (1.0f - c->beta1) * gradient;
        v[i] = c->beta2 * v[i] + (1.0f - c->beta2) * gradient * gradient;
        p[i] -= c->rate * (m[i] * c->correction1) / (sqrtf(v[i] * c->correction2) + c->epsilon);
    }
}

static void
dot_rows(const float *query, const float *rows, size_t count, size_t width, float *ret_scores)
{
    for (size_t i = 0; i < count; i++)
        ret_scores[i] = dot(query, rows + i * width, width);
}

static void
dot_rows4(const float *queries, const float *rows, size_t count, size_t width, float *ret_scores)
{
    for (size_t q = 0; q < 4; q++)
        dot_rows(queries + q * width, rows, count, width, ret_scores + q * count);
}

static void
dot_indexed(const float *query, const float *table, size_t width, const int32_t *ids, size_t count,
            float *ret_scores)
{
    for (size_t i = 0; i < count; i++)
        ret_scores[i] = dot(query, table + (size_t)ids[i] * width, width);
}

static void
square_distance_rows(const float *query, const float *rows, size_t count, size_t width,
                     float *ret_distances)
{
    for (size_t i = 0; i < count; i++)
        ret_distances[i] = square_distance(query, rows + i * width, width);
}

static void
square_distance_indexed(const float *query, const float *table, size_t width, const int32_t *ids,
                        size_t count, float *ret_distances)
{
    for (size_t i = 0; i < count; i++)
        ret_distances[i] = square_distance(query, table + (size_t)ids[i] * width, width);
}

static size_t
select_above(const float *scores, size_t n, float threshold, int32_t *ret_positions,
             float *ret_scores)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (scores[i] > threshold) {
            ret_positions[count] = (int32_t)i;
            ret_scores[count++] = scores[i];
        }
    return count;
}

static void
scan_panels(const uint8_t *panels, size_t panel_count, size_t pairs, const int32_t *weights,
            const int16_t *start, const int16_t *above, uint32_t *ret_hits)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        const uint8_t *values = panels + panel * pairs * MQ_PANEL_ROWS * 2;
        ret_hits[panel] = 0;
        for (size_t r = 0; r < MQ_PANEL_ROWS; r++) {
            int32_t acc = *start;
            for (size_t p = 0; p < pairs; p++) {
                const uint8_t *pair = values + (p * MQ_PANEL_ROWS + r) * 2;
                acc += pair[0] * (int8_t)(weights[p] & 0xff);
                acc += pair[1] * (int8_t)((weights[p] >> 8) & 0xff);
            }
            if ((int16_t)(uint16_t)acc > *above)
                ret_hits[panel] |= UINT32_C(1) << r;
        }
    }
}

static void
scan_panels4(const uint8_t *panels, size_t panel_count, size_t pairs, const int32_t *weights,
             const int16_t *start, const int16_t *above, uint32_t *ret_hits)
{
    for (size_t q = 0; q < 4; q++)
        scan_panels(panels, panel_count, pairs, weights + q * pairs, start + q, above + q,
                    ret_hits + q * panel_count);
}

static void
gather_residual(const float *table, size_t width, const int32_t *rows, const float *shift,
                const float *weights, size_t count, const float *x, float *sum)
{
    for (size_t i = 0; i < count; i++) {
        const float *row = table + (size_t)rows[i] * width;
        float weight = weights != NULL ? weights[i] : 1.0f;
        axpy((shift != NULL ? shift[i] : 0.0f) - weight * dot(row, x, width), row, sum, width);
    }
}

static void
gather_outer(const float *table, size_t width, const int32_t *rows, const float *weights,
             size_t count, float *matrix)
{
    for (size_t r = 0; r < count; r++) {
        const float *row = table + (size_t)rows[r] * width;
        for (size_t i = 0; i < width; i++)
            axpy((weights != NULL ? weights[r] : 1.0f) * row[i], row + i, matrix + i * width + i,
                 width - i);
    }
}

static bool
cholesky(float *a, size_t n, size_t stride)
{
    for (size_t k = 0; k < n; k++) {
        float *row = a + k * stride;
        if (!(row[k] > 0.0f) || !(row[k] < INFINITY))
            return false;
        scale(1.0f / sqrtf(row[k]), row + k, n - k);
        for (size_t i = k + 1; i < n; i++)
            axpy(-row[i], row + i, a + i * stride + i, n - i);
    }
    return true;
}

static void
dot_panel(const float *queries, size_t count, size_t width, const float *panel, const float *above,
          float *ret_scores, uint32_t *ret_hits)
{
    for (size_t q = 0; q < count; q++) {
        float *scores = ret_scores + q * MQ_DOT_PANEL;
        ret_hits[q] = 0;
        memset(scores, 0, MQ_DOT_PANEL * sizeof(float));
        for (size_t j = 0; j < width; j++)
            axpy(queries[q * width + j], panel + j * MQ_DOT_PANEL, scores, MQ_DOT_PANEL);
        for (size_t r = 0; r < MQ_DOT_PANEL; r++)
            if (scores[r] > above[q])
                ret_hits[q] |= UINT32_C(1) << r;
    }
}

static void
add_byte_rows(const uint8_t *table, const int32_t *rows, size_t count, int32_t most, int32_t weight,
              int32_t *sums)
{
    (void)most;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = table + (size_t)rows[i] * MQ_BYTE_COLUMNS;
        for (size_t j = 0; j < MQ_BYTE_COLUMNS; j++)
            sums[j] += weight * row[mq_byte_column(j)];
    }
}

static int64_t
count_common(const uint64_t *a, const uint64_t *b, size_t words)
{
    int64_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += __builtin_popcountll(a[i] & b[i]);
    return count;
}

static void
sort_few(uint64_t *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        size_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

const struct mq_kernels mq_kernels_generic = {MQ_KERNEL_TABLE(MQ_KERNEL_GENERIC)};
