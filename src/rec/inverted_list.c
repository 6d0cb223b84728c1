/*
 * All rows are sorted once by order score; dealing them out to their values in that order leaves
 * every list sorted, so building costs one sort and one pass over the property values.
 */
#include "rec/inverted_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static double
finite_or_zero(double x)
{
    return isfinite(x) && x > 0 ? x : 0.0;
}

/* Add 10·(x − min)/(max − min) over present items to the score. */
static void
add_column(const struct mq_catalogue *catalogue, const double *column, double *score)
{
    double low = INFINITY, high = -INFINITY;
    for (int32_t i = 0; i < catalogue->count; i++) {
        if (catalogue->present[i]) {
            low = fmin(low, column[i]);
            high = fmax(high, column[i]);
        }
    }
    if (!(high > low))
        return;
    for (int32_t i = 0; i < catalogue->count; i++)
        if (catalogue->present[i])
            score[i] += 10.0 * (column[i] - low) / (high - low);
}

enum mq_status
mq_order_scores(const struct mq_catalogue *catalogue, const double *heat, double new_bonus,
                double *ret_score, struct mq_error *err)
{
    mq_autofree double *column = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)catalogue->count, sizeof(*column), &column, err);
    if (st != MQ_OK)
        return st;
    memset(ret_score, 0, sizeof(*ret_score) * (size_t)catalogue->count);
    if (heat != NULL) {
        for (int32_t i = 0; i < catalogue->count; i++)
            column[i] = log1p(finite_or_zero(heat[i]));
        add_column(catalogue, column, ret_score);
    }
    for (int32_t i = 0; i < catalogue->count; i++)
        column[i] = log1p(finite_or_zero(catalogue->popularity[i]));
    add_column(catalogue, column, ret_score);
    for (int32_t i = 0; i < catalogue->count; i++)
        column[i] = log1p(finite_or_zero(catalogue->ticket_num[i]));
    add_column(catalogue, column, ret_score);
    for (int32_t i = 0; i < catalogue->count; i++)
        column[i] = finite_or_zero(catalogue->score[i]);
    add_column(catalogue, column, ret_score);
    for (int32_t i = 0; i < catalogue->count; i++)
        if (catalogue->present[i] && catalogue->is_new[i])
            ret_score[i] += new_bonus;
    return MQ_OK;
}

struct order_context {
    const struct mq_catalogue *catalogue;
    const double *score;
};

static int
compare_ids(const struct mq_catalogue *catalogue, int32_t a, int32_t b)
{
    size_t size_a = catalogue->ids.sizes[a], size_b = catalogue->ids.sizes[b];
    if (catalogue->ids_numeric && size_a != size_b)
        return size_a < size_b ? -1 : 1;
    int order = memcmp(catalogue->ids.keys[a], catalogue->ids.keys[b], MQ_MIN(size_a, size_b));
    if (order != 0)
        return order;
    return (size_a > size_b) - (size_a < size_b);
}

static int
compare_rows(const void *left, const void *right, void *argument)
{
    const struct order_context *context = argument;
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    if (context->score[a] != context->score[b])
        return context->score[a] > context->score[b] ? -1 : 1;
    return compare_ids(context->catalogue, a, b);
}

enum mq_status
mq_order_rows(const struct mq_catalogue *catalogue, const double *score, int32_t *ret_rows,
              int32_t *ret_count, struct mq_error *err)
{
    int32_t count = 0;
    for (int32_t i = 0; i < catalogue->count; i++) {
        if (!catalogue->present[i])
            continue;
        if (!isfinite(score[i]))
            return mq_fail(err, MQ_E_INTERNAL, "order score of item '%.64s' is not finite",
                           catalogue->ids.keys[i]);
        ret_rows[count++] = i;
    }
    struct order_context context = {catalogue, score};
    qsort_r(ret_rows, (size_t)count, sizeof(*ret_rows), compare_rows, &context);
    *ret_count = count;
    return MQ_OK;
}

static enum mq_status
build_one(const struct mq_catalogue *catalogue, enum mq_property p, const int32_t *rows,
          int32_t row_count, struct mq_inverted_list *list, struct mq_error *err)
{
    int32_t values = catalogue->names[p].count;
    enum mq_status st =
        mq_alloc_array((size_t)values + 1, sizeof(*list->offset), &list->offset, err);
    if (st != MQ_OK)
        return st;
    const int64_t *from = catalogue->offset[p];
    for (int32_t i = 0; i < row_count; i++)
        for (int64_t k = from[rows[i]]; k < from[rows[i] + 1]; k++)
            list->offset[catalogue->value[p][k] + 1]++;
    for (int32_t v = 0; v < values; v++)
        list->offset[v + 1] += list->offset[v];
    mq_autofree int64_t *next = NULL;
    if ((st = mq_alloc_array((size_t)list->offset[values], sizeof(*list->rows), &list->rows,
                             err)) != MQ_OK ||
        (st = mq_alloc_array((size_t)values + 1, sizeof(*next), &next, err)) != MQ_OK)
        return st;
    memcpy(next, list->offset, sizeof(*next) * (size_t)values);
    for (int32_t i = 0; i < row_count; i++)
        for (int64_t k = from[rows[i]]; k < from[rows[i] + 1]; k++) {
            int32_t v = catalogue->value[p][k];
            /* An item that names a value twice stands in its list once. */
            if (next[v] > list->offset[v] && list->rows[next[v] - 1] == rows[i])
                continue;
            list->rows[next[v]++] = rows[i];
        }
    /* Close the gaps that such items left. */
    int64_t end = 0;
    for (int32_t v = 0; v < values; v++) {
        int64_t begin = list->offset[v], length = next[v] - begin;
        memmove(list->rows + end, list->rows + begin, sizeof(*list->rows) * (size_t)length);
        list->offset[v] = end;
        end += length;
    }
    list->offset[values] = end;
    list->value_count = values;
    return MQ_OK;
}

enum mq_status
mq_inverted_lists_build(const struct mq_catalogue *catalogue, const double *score,
                        struct mq_inverted_lists **ret_lists, struct mq_error *err)
{
    struct mq_inverted_lists *lists = NULL;
    mq_autofree int32_t *rows = NULL;
    int32_t count;
    enum mq_status st = mq_alloc_array(1, sizeof(*lists), &lists, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)catalogue->count, sizeof(*rows), &rows, err);
    if (st == MQ_OK)
        st = mq_order_rows(catalogue, score, rows, &count, err);
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++)
        st = build_one(catalogue, (enum mq_property)p, rows, count, &lists->list[p], err);
    if (st != MQ_OK) {
        mq_inverted_lists_free(lists);
        return st;
    }
    *ret_lists = lists;
    return MQ_OK;
}

void
mq_inverted_lists_free(struct mq_inverted_lists *lists)
{
    if (lists == NULL)
        return;
    for (int p = 0; p < MQ_PROPERTY_COUNT; p++) {
        mq_free(lists->list[p].offset);
        mq_free(lists->list[p].rows);
    }
    mq_free(lists);
}
