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
mq_catalogue_coverage(const int64_t *shown, const uint8_t *offered, int32_t n)
{
    int64_t covered = 0, total = 0;
    for (int32_t i = 0; i < n; i++) {
        total += offered[i] != 0;
        covered += offered[i] != 0 && shown[i] > 0;
    }
    return total > 0 ? (double)covered / (double)total : 0;
}

double
mq_novelty(const int64_t *shown, const int64_t *plays, int32_t n)
{
    double all = n, sum = 0, entries = 0;
    for (int32_t i = 0; i < n; i++)
        all += (double)plays[i];
    for (int32_t i = 0; i < n; i++) {
        if (shown[i] == 0)
            continue;
        sum += (double)shown[i] * log2(all / ((double)plays[i] + 1));
        entries += (double)shown[i];
    }
    return entries > 0 ? sum / entries : 0;
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
mq_popularity_share(const int64_t *shown, const int64_t *plays, int32_t n, int32_t head,
                    double *ret_share, struct mq_error *err)
{
    mq_autofree int32_t *order = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(*order), &order, err);
    if (st != MQ_OK)
        return st;
    mq_order_by_plays(plays, n, order);
    int64_t popular = 0, entries = 0;
    for (int32_t i = 0; i < n; i++) {
        entries += shown[order[i]];
        popular += i < head ? shown[order[i]] : 0;
    }
    *ret_share = entries > 0 ? (double)popular / (double)entries : 0;
    return MQ_OK;
}
