#include "index/byte_panels.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"

#define CODE_MAX 63
#define CODE_ZERO 64
/* Rows of one parallel range; a multiple of MQ_PANEL_ROWS, so that no panel is shared. */
#define BUILD_ROWS 4096
/* Largest |sum| allowed, with room for the rounding of the norms. */
#define SUM_MAX 32700.0

struct build {
    struct mq_byte_panels *panels;
    const float *vectors;
    float *halves;                     /* [n] |x|²/2, squared distance only */
    double *code, *residual, *vector_; /* [ranges] greatest squared norms */
};

static enum mq_status
square_norms(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct build *b = context;
    size_t dim = (size_t)b->panels->dim;
    double greatest = 0;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        const float *x = b->vectors + (size_t)i * dim;
        double square = 0;
        for (size_t j = 0; j < dim; j++)
            square += (double)x[j] * x[j];
        greatest = MQ_MAX(greatest, square);
        if (b->halves != NULL)
            b->halves[i] = (float)(square / 2);
    }
    b->vector_[begin / BUILD_ROWS] = greatest;
    return MQ_OK;
}

static float
value_of(const struct build *b, int64_t i, size_t j)
{
    size_t dim = (size_t)b->panels->dim;
    return j < dim ? b->vectors[(size_t)i * dim + j] : b->halves[i];
}

static enum mq_status
code_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct build *b = context;
    struct mq_byte_panels *p = b->panels;
    double code_max = 0, residual_max = 0;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        double code = 0, residual = 0;
        for (size_t j = 0; j < p->width; j++) {
            double steps = ((double)value_of(b, i, j) - p->middle[j]) / p->step[j];
            double c = rint(MQ_MAX(-CODE_MAX, MQ_MIN(CODE_MAX, steps)));
            code += c * c;
            residual += (steps - c) * (steps - c);
            p->codes[(((size_t)i / MQ_PANEL_ROWS * p->pairs + j / 2) * MQ_PANEL_ROWS +
                      (size_t)i % MQ_PANEL_ROWS) *
                         2 +
                     j % 2] = (uint8_t)((int)c + CODE_ZERO);
        }
        code_max = MQ_MAX(code_max, code);
        residual_max = MQ_MAX(residual_max, residual);
    }
    b->code[begin / BUILD_ROWS] = code_max;
    b->residual[begin / BUILD_ROWS] = residual_max;
    return MQ_OK;
}

static void
choose_steps(const struct build *b)
{
    struct mq_byte_panels *p = b->panels;
    for (size_t j = 0; j < p->width; j++) {
        float low = p->n > 0 ? value_of(b, 0, j) : 0, high = low;
        for (int64_t i = 1; i < p->n; i++) {
            float x = value_of(b, i, j);
            low = MQ_MIN(low, x);
            high = MQ_MAX(high, x);
        }
        p->middle[j] = (float)(((double)low + high) / 2);
        p->step[j] = (float)(((double)high - low) / 2 / CODE_MAX);
        if (!(p->step[j] > 1e-30f)) /* a constant column: all codes 0 */
            p->step[j] = 1e-30f;
    }
}

static double
greatest_root(const double *squares, int64_t count)
{
    double greatest = 0;
    for (int64_t i = 0; i < count; i++)
        greatest = MQ_MAX(greatest, squares[i]);
    return sqrt(greatest);
}

enum mq_status
mq_byte_panels_build(const float *vectors, int64_t n, int32_t dim, bool squared_distance,
                     struct mq_pool *pool, struct mq_byte_panels *ret_panels, struct mq_error *err)
{
    struct mq_byte_panels p = {.n = n, .dim = dim, .squared_distance = squared_distance};
    p.width = (size_t)dim + (squared_distance ? 1 : 0);
    p.pairs = (p.width + 1) / 2;
    p.panel_count = ((size_t)n + MQ_PANEL_ROWS - 1) / MQ_PANEL_ROWS;
    int64_t ranges = n / BUILD_ROWS + 1;
    size_t panel_bytes = p.pairs * MQ_PANEL_ROWS * 2;
    mq_autofree double *code = NULL, *residual = NULL, *vector = NULL;
    mq_autofree float *halves = NULL;
    enum mq_status st;
    if ((st = mq_alloc_array_raw(p.panel_count, panel_bytes, &p.codes, err)) != MQ_OK ||
        (st = mq_alloc_array(p.width, sizeof(float), &p.step, err)) != MQ_OK ||
        (st = mq_alloc_array(p.width, sizeof(float), &p.middle, err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)ranges, sizeof(double), &code, err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)ranges, sizeof(double), &residual, err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)ranges, sizeof(double), &vector, err)) != MQ_OK ||
        (squared_distance &&
         (st = mq_alloc_array((size_t)n, sizeof(float), &halves, err)) != MQ_OK)) {
        mq_byte_panels_release(&p);
        return st;
    }
    memset(p.codes, CODE_ZERO, p.panel_count * panel_bytes);
    struct build b = {.panels = &p,
                      .vectors = vectors,
                      .halves = halves,
                      .code = code,
                      .residual = residual,
                      .vector_ = vector};
    st = mq_pool_for(pool, n, BUILD_ROWS, square_norms, &b, err);
    if (st == MQ_OK) {
        choose_steps(&b);
        st = mq_pool_for(pool, n, BUILD_ROWS, code_rows, &b, err);
    }
    if (st != MQ_OK) {
        mq_byte_panels_release(&p);
        return st;
    }
    p.code_norm_max = greatest_root(code, ranges);
    p.residual_norm_max = greatest_root(residual, ranges);
    p.vector_norm_max = greatest_root(vector, ranges);
    *ret_panels = p;
    return MQ_OK;
}

void
mq_byte_panels_release(struct mq_byte_panels *panels)
{
    if (panels == NULL)
        return;
    mq_free(panels->codes);
    mq_free(panels->step);
    mq_free(panels->middle);
    *panels = (struct mq_byte_panels){0};
}

/* What the query puts on one step of dimension j. */
static double
weight_of(const struct mq_byte_panels *p, const float *query, size_t j)
{
    return (double)p->step[j] * (j < (size_t)p->dim ? (double)query[j] : -1.0);
}

void
mq_byte_query_prepare(const struct mq_byte_panels *p, const float *query, int32_t *ret_weights,
                      struct mq_byte_query *ret_query)
{
    double greatest = 0, squares = 0, constant = 0, norm = 0;
    for (size_t j = 0; j < p->width; j++) {
        double weight = weight_of(p, query, j);
        greatest = MQ_MAX(greatest, fabs(weight));
        squares += weight * weight;
        constant += weight / p->step[j] * p->middle[j];
        if (j < (size_t)p->dim)
            norm += (double)query[j] * query[j];
    }
    norm = sqrt(norm);
    double scale = MQ_MAX(greatest / 127, sqrt(squares) * p->code_norm_max / SUM_MAX);
    if (!(scale > 0))
        scale = 1;
    /* Rounding may lengthen the weights a little: then a coarser scale is tried. */
    for (;; scale *= 1.03) {
        double length = 0;
        for (size_t j = 0; j < p->width; j++) {
            double w = rint(weight_of(p, query, j) / scale);
            length += w * w;
        }
        if (sqrt(length) * p->code_norm_max <= SUM_MAX)
            break;
    }
    double left_over = 0;
    int32_t sum = 0;
    for (size_t j = 0; j < 2 * p->pairs; j += 2) {
        int8_t w[2] = {0, 0};
        for (size_t half = 0; half < 2 && j + half < p->width; half++) {
            double weight = weight_of(p, query, j + half);
            w[half] = (int8_t)rint(weight / scale);
            left_over += (weight - scale * w[half]) * (weight - scale * w[half]);
            sum += w[half];
        }
        ret_weights[j / 2] = mq_panel_weight(w[0], w[1]);
    }
    /* The score itself is a float32 sum; its own rounding belongs to the error. */
    double rounding = norm * p->vector_norm_max;
    if (p->squared_distance)
        rounding = (norm + p->vector_norm_max) * (norm + p->vector_norm_max);
    ret_query->start = (int16_t)(uint16_t)(-CODE_ZERO * sum);
    ret_query->scale = scale;
    ret_query->constant = constant;
    ret_query->error = sqrt(left_over) * p->code_norm_max + sqrt(squares) * p->residual_norm_max +
                       ((double)p->dim + 8) * 0x1p-23 * rounding;
}

int16_t
mq_byte_query_above(const struct mq_byte_query *query, double score)
{
    double bound = floor((score - query->constant - query->error) / query->scale) - 1;
    return (int16_t)(bound <= INT16_MIN ? INT16_MIN : bound >= INT16_MAX ? INT16_MAX : bound);
}
