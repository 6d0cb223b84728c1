/** DeepFM by its formula, in double, one row at a time: what the fast code is tested against.
 * Parameters lie in a block shaped as model->parameters. */
#ifndef MQ_TESTS_DEEPFM_ORACLE_H
#define MQ_TESTS_DEEPFM_ORACLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/deepfm.h"

/* Features of a field in a row, and their weights: v's share in the field's vector. */
struct oracle_field {
    int count;
    int32_t feature[64];
    double x[64];
};

static inline void
oracle_row(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows, int64_t row, int32_t f,
           struct oracle_field *ret)
{
    const struct mq_deepfm_field *field = &model->fields[f];
    if (field->kind == MQ_DEEPFM_DENSE) {
        int64_t at = rows->dense_row != NULL ? rows->dense_row[row] : row;
        ret->count = 1;
        ret->feature[0] = field->first;
        ret->x[0] = ((double)rows->dense[at * model->dense_count + f] - (double)field->mean) *
                    (double)field->scale;
        return;
    }
    int32_t id = rows->ids[f - model->dense_count][row];
    if (field->kind == MQ_DEEPFM_CATEGORY) {
        ret->count = 1;
        ret->feature[0] = field->first + (id >= 0 && id < field->size ? id : 0);
        ret->x[0] = 1;
        return;
    }
    int32_t bag = f - model->dense_count - model->category_count;
    int64_t begin = rows->bag_offset[bag][id], end = rows->bag_offset[bag][id + 1];
    ret->count = 0;
    for (int64_t m = begin; m < end; m++) {
        int32_t member = rows->bag_ids[bag][m];
        ret->feature[ret->count] =
            field->first + (member >= 0 && member < field->size ? member : 0);
        ret->x[ret->count++] = 1.0 / (double)(end - begin);
    }
    if (begin == end) {
        ret->count = 1;
        ret->feature[0] = field->first;
        ret->x[0] = 1;
    }
}

/* Logit of one row; with `slope` also adds slope · dlogit/dparameter to `gradient`. */
static inline double
oracle_logit(const struct mq_deepfm *model, const double *p, const struct mq_deepfm_rows *rows,
             int64_t row, double slope, double *gradient)
{
    const float *block = model->parameters;
#define AT(base, pointer) ((base) + ((pointer)-block))
    int F = model->field_count, dim = model->dim, input = F * dim;
    struct oracle_field *fields = calloc((size_t)F, sizeof(*fields));
    double *e = calloc((size_t)input, sizeof(*e)), *de = calloc((size_t)input, sizeof(*de));
    double *sum = calloc((size_t)dim, sizeof(*sum));
    double y = *AT(p, model->bias);
    for (int f = 0; f < F; f++) {
        oracle_row(model, rows, row, f, &fields[f]);
        for (int m = 0; m < fields[f].count; m++) {
            y += AT(p, model->w)[fields[f].feature[m]] * fields[f].x[m];
            for (int k = 0; k < dim; k++)
                e[f * dim + k] +=
                    AT(p, model->v)[(size_t)fields[f].feature[m] * (size_t)dim + (size_t)k] *
                    fields[f].x[m];
        }
        for (int k = 0; k < dim; k++) {
            sum[k] += e[f * dim + k];
            y -= 0.5 * e[f * dim + k] * e[f * dim + k];
        }
    }
    for (int k = 0; k < dim; k++)
        y += 0.5 * sum[k] * sum[k];
    double *z[MQ_DEEPFM_LAYERS_MAX + 1];
    z[0] = e;
    int L = model->layer_count, width = input;
    for (int l = 0; l < L; l++) {
        int out = model->width[l];
        z[l + 1] = calloc((size_t)out, sizeof(double));
        for (int o = 0; o < out; o++) {
            double a = AT(p, model->offset[l])[o];
            for (int i = 0; i < width; i++)
                a += z[l][i] * AT(p, model->kernel[l])[i * out + o];
            z[l + 1][o] = a > 0 ? a : 0;
        }
        width = out;
    }
    for (int i = 0; L > 0 && i < width; i++)
        y += z[L][i] * AT(p, model->kernel[L])[i];
    if (L > 0)
        y += AT(p, model->offset[L])[0];
    if (gradient != NULL) {
        *AT(gradient, model->bias) += slope;
        double *delta = calloc(MQ_DEEPFM_WIDTH_MAX, sizeof(*delta)), *below = NULL;
        for (int i = 0; L > 0 && i < width; i++) {
            AT(gradient, model->kernel[L])[i] += slope * z[L][i];
            delta[i] = slope * AT(p, model->kernel[L])[i];
        }
        if (L > 0)
            AT(gradient, model->offset[L])[0] += slope;
        for (int l = L - 1; l >= 0; l--) {
            int out = model->width[l], in = l > 0 ? model->width[l - 1] : input;
            below = calloc((size_t)(in > MQ_DEEPFM_WIDTH_MAX ? in : MQ_DEEPFM_WIDTH_MAX),
                           sizeof(*below));
            for (int o = 0; o < out; o++) {
                if (z[l + 1][o] <= 0)
                    continue;
                AT(gradient, model->offset[l])[o] += delta[o];
                for (int i = 0; i < in; i++) {
                    AT(gradient, model->kernel[l])[i * out + o] += delta[o] * z[l][i];
                    below[i] += delta[o] * AT(p, model->kernel[l])[i * out + o];
                }
            }
            free(delta);
            delta = below;
        }
        for (int i = 0; i < input; i++)
            de[i] = (L > 0 ? delta[i] : 0) + slope * (sum[i % dim] - e[i]);
        free(delta);
        for (int f = 0; f < F; f++)
            for (int m = 0; m < fields[f].count; m++) {
                AT(gradient, model->w)[fields[f].feature[m]] += slope * fields[f].x[m];
                for (int k = 0; k < dim; k++)
                    AT(gradient, model->v)
                [(size_t)fields[f].feature[m] * (size_t)dim + (size_t) k] +=
                    de[f * dim + k] * fields[f].x[m];
            }
    }
#undef AT
    for (int l = 1; l <= L; l++)
        free(z[l]);
    free(fields);
    free(e);
    free(de);
    free(sum);
    return y;
}

static inline double
oracle_prob(const struct mq_deepfm *model, const double *p, const struct mq_deepfm_rows *rows,
            int64_t row)
{
    return 1 / (1 + exp(-oracle_logit(model, p, rows, row, 0, NULL)));
}

/* Mean log-loss of the rows order[0…n); adds its gradient where asked. */
static inline double
oracle_loss(const struct mq_deepfm *model, const double *p, const struct mq_deepfm_rows *rows,
            const int32_t *order, int32_t n, double *gradient)
{
    double loss = 0;
    for (int32_t i = 0; i < n; i++) {
        double label = (double)rows->label[order[i]];
        double y = oracle_logit(model, p, rows, order[i], 0, NULL);
        loss += (y > 0 ? y : 0) - y * label + log1p(exp(-fabs(y)));
        if (gradient != NULL)
            (void)oracle_logit(model, p, rows, order[i], (1 / (1 + exp(-y)) - label) / n, gradient);
    }
    return loss / n;
}

static inline double *
oracle_parameters(const struct mq_deepfm *model)
{
    double *p = calloc(model->parameter_count, sizeof(*p));
    for (size_t i = 0; i < model->parameter_count; i++)
        p[i] = (double)model->parameters[i];
    return p;
}

#endif
