#include "rec/blend_selection.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "model/hybrid.h"

/* Standard errors that a difference must have, and the weights that are tried for a method. */
#define CLEARLY 2.0
static const double steps[] = {0.125, 0.25, 0.5, 1, 2};

static double
sum_of(const float *row, const double *weight, int32_t count)
{
    double sum = 0;
    for (int32_t m = 0; m < count; m++)
        sum += weight[m] * (double)row[m];
    return sum;
}

double
mq_blend_reciprocal_ranks(const struct mq_blend_table *t, const double *weight, double *ret_ranks)
{
    double total = 0;
    for (int64_t i = 0; i < t->case_count; i++) {
        const float *row = t->feature + (size_t)i * t->room * (size_t)t->method_count;
        double chosen = sum_of(row, weight, t->method_count);
        int32_t above = 0, equal = 0;
        for (int32_t a = 1; a < t->alternatives[i]; a++) {
            row += t->method_count;
            double other = sum_of(row, weight, t->method_count);
            above += other > chosen;
            equal += other == chosen;
        }
        double rank = 1 / (1 + above + 0.5 * equal);
        if (ret_ranks != NULL)
            ret_ranks[i] = rank;
        total += rank;
    }
    return t->case_count > 0 ? total / (double)t->case_count : 0;
}

static bool
clearly_better(const double *ranks, const double *than, int64_t count)
{
    double sum = 0, squares = 0, n = (double)count;
    for (int64_t i = 0; i < count; i++) {
        double d = ranks[i] - than[i];
        sum += d;
        squares += d * d;
    }
    double variance = fmax(squares / n - (sum / n) * (sum / n), 0);
    return sum / n > CLEARLY * sqrt(variance / n);
}

struct selection {
    const struct mq_blend_table *table;
    double *ranks;   /* [cases] by the weights as they are */
    double *tried;   /* [cases] by others */
    double *weights; /* [methods] those others */
};

/* Take `weights` over into `weight`, if they are clearly better. */
static bool
take_over(const struct selection *s, double *weight)
{
    const struct mq_blend_table *t = s->table;
    mq_blend_reciprocal_ranks(t, s->weights, s->tried);
    if (!clearly_better(s->tried, s->ranks, t->case_count))
        return false;
    memcpy(weight, s->weights, sizeof(*weight) * (size_t)t->method_count);
    memcpy(s->ranks, s->tried, sizeof(*s->ranks) * (size_t)t->case_count);
    return true;
}

static bool
take_best_alone(const struct selection *s, double *weight)
{
    double best = -1;
    int32_t method = 0;
    for (int32_t m = 0; m < s->table->method_count; m++) {
        memset(s->weights, 0, sizeof(*s->weights) * MQ_METHOD_COUNT);
        s->weights[m] = 1;
        double mean = mq_blend_reciprocal_ranks(s->table, s->weights, NULL);
        if (mean > best) {
            best = mean;
            method = m;
        }
    }
    memset(s->weights, 0, sizeof(*s->weights) * MQ_METHOD_COUNT);
    s->weights[method] = 1;
    return take_over(s, weight);
}

/* Add the method, at the weight, that raises the mean most. */
static bool
add_best(const struct selection *s, double *weight)
{
    double best = -1, step_taken = 0, unit = 0;
    int32_t taken = -1;
    for (int32_t m = 0; m < s->table->method_count; m++)
        unit = fmax(unit, weight[m]);
    for (int32_t m = 0; m < s->table->method_count; m++) {
        memcpy(s->weights, weight, sizeof(*weight) * (size_t)s->table->method_count);
        for (size_t k = 0; weight[m] == 0 && k < MQ_COUNT(steps); k++) {
            s->weights[m] = steps[k] * unit;
            double mean = mq_blend_reciprocal_ranks(s->table, s->weights, NULL);
            if (mean > best) {
                best = mean;
                taken = m;
                step_taken = steps[k] * unit;
            }
        }
    }
    if (taken < 0)
        return false;
    memcpy(s->weights, weight, sizeof(*weight) * (size_t)s->table->method_count);
    s->weights[taken] = step_taken;
    return take_over(s, weight);
}

enum mq_status
mq_blend_select(const struct mq_blend_table *table, double *weight, bool *ret_changed,
                struct mq_error *err)
{
    double weights[MQ_METHOD_COUNT] = {0};
    mq_autofree double *ranks = NULL;
    mq_autofree double *tried = NULL;
    size_t cases = (size_t)table->case_count;
    enum mq_status st = mq_alloc_array_raw(cases, sizeof(*ranks), &ranks, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(cases, sizeof(*tried), &tried, err);
    if (st != MQ_OK)
        return st;
    const struct selection s = {table, ranks, tried, weights};
    mq_blend_reciprocal_ranks(table, weight, ranks);
    *ret_changed = cases > 0 && take_best_alone(&s, weight);
    while (cases > 0 && add_best(&s, weight))
        *ret_changed = true;
    return MQ_OK;
}
