#include "rec/blend_selection.h"

#include <math.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "model/hybrid.h"

/* Standard errors that a difference must have: many weights are tried on the same cases. */
#define CLEARLY 2.5

/* Fewer cases say nothing. */
#define CASES_MIN 30

/* Weights that are tried for a method, in units of the greatest. */
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
    double variance = fmax(squares - sum * sum / n, 0) / (n - 1);
    return sum / n > CLEARLY * sqrt(variance / n);
}

struct selection {
    const struct mq_blend_table *table;
    double *ranks;   /* [cases] by the weights as they are */
    double *tried;   /* [cases] by others */
    double *weights; /* [methods] those others */
};

static void
copy_weights(const struct selection *s, const double *from, double *to)
{
    memcpy(to, from, sizeof(*to) * (size_t)s->table->method_count);
}

/* The best method alone, if it is clearly better. */
static bool
take_best_alone(const struct selection *s, double *weight)
{
    double best = 0;
    int32_t method = -1;
    for (int32_t m = 0; m < s->table->method_count; m++) {
        memset(s->weights, 0, sizeof(*s->weights) * MQ_METHOD_COUNT);
        s->weights[m] = 1;
        double mean = mq_blend_reciprocal_ranks(s->table, s->weights, s->tried);
        if (mean > best && clearly_better(s->tried, s->ranks, s->table->case_count)) {
            best = mean;
            method = m;
        }
    }
    if (method < 0)
        return false;
    memset(s->weights, 0, sizeof(*s->weights) * MQ_METHOD_COUNT);
    s->weights[method] = 1;
    copy_weights(s, s->weights, weight);
    mq_blend_reciprocal_ranks(s->table, weight, s->ranks);
    return true;
}

/* Add, of the methods and weights that are clearly better, the best. */
static bool
add_best(const struct selection *s, double *weight)
{
    double best = 0, best_weight = 0, unit = 0;
    int32_t method = -1;
    for (int32_t m = 0; m < s->table->method_count; m++)
        unit = fmax(unit, weight[m]);
    for (int32_t m = 0; m < s->table->method_count; m++) {
        copy_weights(s, weight, s->weights);
        for (size_t k = 0; weight[m] == 0 && k < MQ_COUNT(steps); k++) {
            s->weights[m] = steps[k] * unit;
            double mean = mq_blend_reciprocal_ranks(s->table, s->weights, s->tried);
            if (mean > best && clearly_better(s->tried, s->ranks, s->table->case_count)) {
                best = mean;
                method = m;
                best_weight = s->weights[m];
            }
        }
    }
    if (method < 0)
        return false;
    weight[method] = best_weight;
    mq_blend_reciprocal_ranks(s->table, weight, s->ranks);
    return true;
}

enum mq_status
mq_blend_select(const struct mq_blend_table *table, double *weight, bool *ret_changed,
                struct mq_error *err)
{
    double weights[MQ_METHOD_COUNT] = {0};
    mq_autofree double *ranks = NULL;
    mq_autofree double *tried = NULL;
    size_t cases = (size_t)table->case_count;
    *ret_changed = false;
    if (cases < CASES_MIN)
        return MQ_OK;
    enum mq_status st = mq_alloc_array_raw(cases, sizeof(*ranks), &ranks, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(cases, sizeof(*tried), &tried, err);
    if (st != MQ_OK)
        return st;
    const struct selection s = {table, ranks, tried, weights};
    mq_blend_reciprocal_ranks(table, weight, ranks);
    *ret_changed = take_best_alone(&s, weight);
    st = mq_cancel_check(err);
    while (st == MQ_OK && add_best(&s, weight)) {
        *ret_changed = true;
        st = mq_cancel_check(err);
    }
    return st;
}
