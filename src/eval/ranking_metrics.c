#include "eval/ranking_metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

static bool
is_relevant(const struct mq_judged_list *list, int32_t place)
{
    for (int32_t i = 0; i < list->relevant_count; i++)
        if (list->relevant[i] == list->items[place])
            return true;
    return false;
}

static int32_t
found_at(const struct mq_judged_list *list, int32_t k)
{
    int32_t found = 0;
    for (int32_t i = 0; i < MQ_MIN(k, list->count); i++)
        found += is_relevant(list, i);
    return found;
}

double
mq_hit_at(const struct mq_judged_list *list, int32_t k)
{
    return found_at(list, k) > 0 ? 1 : 0;
}

double
mq_recall_at(const struct mq_judged_list *list, int32_t k)
{
    return list->relevant_count > 0 ? (double)found_at(list, k) / list->relevant_count : 0;
}

double
mq_precision_at(const struct mq_judged_list *list, int32_t k)
{
    return k > 0 ? (double)found_at(list, k) / k : 0;
}

double
mq_ndcg_at(const struct mq_judged_list *list, int32_t k)
{
    double gain = 0, best = 0;
    for (int32_t i = 0; i < MQ_MIN(k, list->count); i++)
        if (is_relevant(list, i))
            gain += 1.0 / log2(i + 2.0);
    for (int32_t i = 0; i < MQ_MIN(k, list->relevant_count); i++)
        best += 1.0 / log2(i + 2.0);
    return best > 0 ? gain / best : 0;
}

double
mq_reciprocal_rank_at(const struct mq_judged_list *list, int32_t k)
{
    for (int32_t i = 0; i < MQ_MIN(k, list->count); i++)
        if (is_relevant(list, i))
            return 1.0 / (i + 1.0);
    return 0;
}

double
mq_average_precision_at(const struct mq_judged_list *list, int32_t k)
{
    double sum = 0;
    int32_t found = 0, most = MQ_MIN(k, list->relevant_count);
    for (int32_t i = 0; i < MQ_MIN(k, list->count); i++)
        if (is_relevant(list, i))
            sum += ++found / (i + 1.0);
    return most > 0 ? sum / most : 0;
}

double
mq_intra_list_diversity(const int32_t *items, int32_t count, int32_t k,
                        mq_item_similarity_fn similarity, const void *context)
{
    int32_t n = MQ_MIN(k, count);
    double sum = 0;
    for (int32_t i = 1; i < n; i++)
        for (int32_t j = 0; j < i; j++)
            sum += 1 - similarity(context, items[i], items[j]);
    return n > 1 ? sum / ((double)n * (n - 1) / 2) : (double)NAN;
}

double
mq_catalogue_coverage(const int64_t *shown, const uint8_t *offered, int32_t n)
{
    int64_t covered = 0, total = 0;
    for (int32_t i = 0; i < n; i++) {
        total += offered[i] != 0;
        covered += offered[i] != 0 && shown[i] > 0;
    }
    return total > 0 ? (double)covered / (double)total : 0;
}

void
mq_self_information(const int64_t *plays, int32_t n, double *ret_bits)
{
    double all = n;
    for (int32_t i = 0; i < n; i++)
        all += (double)plays[i];
    for (int32_t i = 0; i < n; i++)
        ret_bits[i] = log2(all / ((double)plays[i] + 1));
}

static int
compare_plays(const void *left, const void *right, void *argument)
{
    const int64_t *plays = argument;
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    if (plays[a] != plays[b])
        return plays[a] > plays[b] ? -1 : 1;
    return (a > b) - (a < b);
}

void
mq_order_by_plays(const int64_t *plays, int32_t n, int32_t *ret_order)
{
    for (int32_t i = 0; i < n; i++)
        ret_order[i] = i;
    qsort_r(ret_order, (size_t)n, sizeof(*ret_order), compare_plays, (void *)(uintptr_t)plays);
}

enum mq_status
mq_short_head(const int64_t *plays, int32_t n, int32_t head, uint8_t *ret_is_head,
              struct mq_error *err)
{
    mq_autofree int32_t *order = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(*order), &order, err);
    if (st != MQ_OK)
        return st;
    mq_order_by_plays(plays, n, order);
    for (int32_t i = 0; i < n; i++)
        ret_is_head[order[i]] = i < head;
    return MQ_OK;
}
