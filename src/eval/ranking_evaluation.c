#include "eval/ranking_evaluation.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/topk.h"

/* Cases of a range. */
#define RANGE_CASES 4

const struct mq_list_figure_info mq_list_figures[MQ_LIST_FIGURE_COUNT] = {
    [MQ_FIGURE_HIT_RATE] = {"hit_rate", "HR", 1, 4},
    [MQ_FIGURE_RECALL] = {"recall", "recall", 1, 4},
    [MQ_FIGURE_PRECISION] = {"precision", "precision", 1, 4},
    [MQ_FIGURE_NDCG] = {"ndcg", "NDCG", 1, 4},
    [MQ_FIGURE_MAP] = {"map", "MAP", 1, 4},
    [MQ_FIGURE_MRR] = {"mrr", "MRR", 1, 4},
    [MQ_FIGURE_NOVELTY] = {"novelty", "novelty", 0, 2},
    [MQ_FIGURE_POPULAR_SHARE] = {"popular_share", "popular share", 0, 3},
    [MQ_FIGURE_DIVERSITY] = {"diversity", "diversity", 1, 3},
    [MQ_FIGURE_MISCALIBRATION] = {"miscalibration", "miscalibration", -1, 3},
    [MQ_FIGURE_LENGTH] = {"length", "length", 0, 1},
};

/* What a thread works with. */
struct worker {
    int32_t *items; /* [deepest cut] */
    float *scores;  /* [most scored at once] */
    struct mq_scored *best;
    uint32_t *met;   /* [items] number of the last case whose list held it, from 1 */
    int64_t *shown;  /* [cuts, items] */
    double *history; /* [genres] */
    double *list;    /* [genres] */
};

struct evaluation {
    const struct mq_ranking_task *task;
    const struct mq_ranking_system *system;
    struct mq_progress *progress;
    struct mq_ranking_result *result;
    struct worker *workers;
    int32_t deepest;  /* the last cut */
    double *bits;     /* [items] self-information */
    uint8_t *is_head; /* [items] */
};

/* ---- a list for a case -------------------------------------------------------------------- */

static enum mq_status
best_of_all(struct evaluation *e, struct worker *worker, int number, int64_t index,
            int32_t *ret_count, struct mq_error *err)
{
    const struct mq_ranking_task *task = e->task;
    const struct mq_rating_matrix *history = task->history;
    int32_t user = task->cases->user[index], n = task->item_count;
    size_t found = 0;
    enum mq_status st =
        e->system->score(e->system->context, number, index, user, NULL, n, worker->scores, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; task->offered != NULL && i < n; i++)
        if (task->offered[i] == 0)
            worker->scores[i] = NAN;
    int64_t begin = history != NULL ? history->user_offset[user] : 0;
    int64_t end = history != NULL ? history->user_offset[user + 1] : 0;
    st = mq_topk_row(worker->scores, (size_t)n, (size_t)MQ_MIN(e->deepest, n),
                     history != NULL ? history->user_item + begin : NULL, (size_t)(end - begin),
                     worker->best, &found, err);
    for (size_t i = 0; i < found && st == MQ_OK; i++)
        worker->items[i] = worker->best[i].id;
    *ret_count = (int32_t)found;
    return st;
}

static enum mq_status
best_of_candidates(struct evaluation *e, struct worker *worker, int number, int64_t index,
                   int32_t *ret_count, struct mq_error *err)
{
    const struct mq_ranking_cases *cases = e->task->cases;
    const int32_t *items = cases->candidate + cases->candidate_offset[index];
    int32_t n = (int32_t)(cases->candidate_offset[index + 1] - cases->candidate_offset[index]);
    enum mq_status st = e->system->score(e->system->context, number, index, cases->user[index],
                                         items, n, worker->scores, err);
    if (st != MQ_OK)
        return st;
    struct mq_topk topk;
    mq_topk_init(&topk, worker->best, (size_t)e->deepest);
    for (int32_t i = 0; i < n; i++)
        mq_topk_push(&topk, worker->scores[i], i);
    *ret_count = (int32_t)mq_topk_finish(&topk);
    for (int32_t i = 0; i < *ret_count; i++)
        worker->items[i] = items[worker->best[i].id];
    return MQ_OK;
}

static enum mq_status
list_of(struct evaluation *e, struct worker *worker, int number, int64_t index, int32_t *ret_count,
        struct mq_error *err)
{
    const struct mq_ranking_system *system = e->system;
    if (e->task->cases->candidate_offset != NULL)
        return best_of_candidates(e, worker, number, index, ret_count, err);
    if (system->rank == NULL)
        return best_of_all(e, worker, number, index, ret_count, err);
    return system->rank(system->context, number, index, e->task->cases->user[index], e->deepest,
                        worker->items, ret_count, err);
}

static enum mq_status
check_list(const struct evaluation *e, struct worker *worker, int64_t index, int32_t count,
           struct mq_error *err)
{
    uint32_t stamp = (uint32_t)index + 1;
    if (count < 0 || count > e->deepest)
        return mq_fail(err, MQ_E_RANGE, "%s: case %" PRId64 ": a list of %d entries (0 to %d)",
                       e->system->name, index, count, e->deepest);
    for (int32_t i = 0; i < count; i++) {
        int32_t item = worker->items[i];
        if (item < 0 || item >= e->task->item_count)
            return mq_fail(err, MQ_E_RANGE, "%s: case %" PRId64 ": item %d (0 to %d)",
                           e->system->name, index, item, e->task->item_count - 1);
        if (worker->met[item] == stamp)
            return mq_fail(err, MQ_E_RANGE, "%s: case %" PRId64 ": item %d is listed twice",
                           e->system->name, index, item);
        worker->met[item] = stamp;
    }
    return MQ_OK;
}

/* ---- its figures -------------------------------------------------------------------------- */

static void
put(const struct mq_ranking_result *result, enum mq_list_figure figure, int cut, int64_t index,
    double value)
{
    if (result->figure[figure] != NULL)
        result->figure[figure][(int64_t)cut * result->count + index] = value;
}

static double
sum_over_list(const struct worker *worker, int32_t count, const double *of_item)
{
    double sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += of_item[worker->items[i]];
    return sum;
}

static int32_t
popular_in_list(const struct worker *worker, int32_t count, const uint8_t *is_head)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += is_head[worker->items[i]];
    return sum;
}

static bool
has(const struct evaluation *e, enum mq_list_figure figure)
{
    return e->result->figure[figure] != NULL;
}

static void
judge_by_genres(struct evaluation *e, struct worker *worker, int64_t index, int cut, int32_t count,
                bool has_history)
{
    const struct mq_ranking_task *task = e->task;
    mq_item_similarity_fn similarity =
        task->similarity != NULL ? task->similarity : mq_genre_similarity;
    const void *context = task->similarity != NULL ? task->similarity_context : task->genres;
    if (has(e, MQ_FIGURE_DIVERSITY))
        put(e->result, MQ_FIGURE_DIVERSITY, cut, index,
            mq_intra_list_diversity(worker->items, count, count, similarity, context));
    if (!has(e, MQ_FIGURE_MISCALIBRATION))
        return;
    double value = NAN;
    if (has_history && mq_genre_mix(task->genres, worker->items, count, worker->list) > 0)
        value = mq_miscalibration(worker->history, worker->list, task->genres->genre_count);
    put(e->result, MQ_FIGURE_MISCALIBRATION, cut, index, value);
}

static bool
mix_history(const struct evaluation *e, struct worker *worker, int64_t index)
{
    const struct mq_rating_matrix *history = e->task->history;
    if (!has(e, MQ_FIGURE_MISCALIBRATION))
        return false;
    int32_t user = e->task->cases->user[index];
    int64_t begin = history->user_offset[user];
    return mq_genre_mix(e->task->genres, history->user_item + begin,
                        history->user_offset[user + 1] - begin, worker->history) > 0;
}

static void
judge(struct evaluation *e, struct worker *worker, int64_t index, int32_t count)
{
    const struct mq_ranking_cases *cases = e->task->cases;
    struct mq_ranking_result *result = e->result;
    int64_t begin = cases->relevant_offset[index];
    struct mq_judged_list list = {worker->items, count, cases->relevant + begin,
                                  (int32_t)(cases->relevant_offset[index + 1] - begin)};
    bool has_history = mix_history(e, worker, index);
    for (int c = 0; c < result->cut_count; c++) {
        int32_t k = result->cuts[c], n = MQ_MIN(k, count);
        put(result, MQ_FIGURE_HIT_RATE, c, index, mq_hit_at(&list, k));
        put(result, MQ_FIGURE_RECALL, c, index, mq_recall_at(&list, k));
        put(result, MQ_FIGURE_PRECISION, c, index, mq_precision_at(&list, k));
        put(result, MQ_FIGURE_NDCG, c, index, mq_ndcg_at(&list, k));
        put(result, MQ_FIGURE_MAP, c, index, mq_average_precision_at(&list, k));
        put(result, MQ_FIGURE_MRR, c, index, mq_reciprocal_rank_at(&list, k));
        put(result, MQ_FIGURE_LENGTH, c, index, n);
        if (has(e, MQ_FIGURE_NOVELTY))
            put(result, MQ_FIGURE_NOVELTY, c, index, sum_over_list(worker, n, e->bits));
        if (has(e, MQ_FIGURE_POPULAR_SHARE))
            put(result, MQ_FIGURE_POPULAR_SHARE, c, index, popular_in_list(worker, n, e->is_head));
        judge_by_genres(e, worker, index, c, n, has_history);
        result->length[(int64_t)c * result->count + index] = n;
        for (int32_t i = 0; i < n; i++)
            worker->shown[(int64_t)c * e->task->item_count + worker->items[i]]++;
    }
}

static enum mq_status
evaluate_range(void *argument, int64_t begin, int64_t end, int number, struct mq_error *err)
{
    struct evaluation *e = argument;
    struct worker *worker = &e->workers[number];
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; i < end && st == MQ_OK; i++) {
        int32_t count = 0;
        st = list_of(e, worker, number, i, &count, err);
        if (st == MQ_OK)
            st = check_list(e, worker, i, count, err);
        if (st == MQ_OK)
            judge(e, worker, i, count);
    }
    mq_progress_add(e->progress, end - begin);
    return st;
}

/* ---- setting up --------------------------------------------------------------------------- */

static enum mq_status
check_task(const struct mq_ranking_task *task, const struct mq_ranking_system *system,
           struct mq_error *err)
{
    if (task->cut_count < 1 || task->cut_count > MQ_EVAL_CUTS_MAX)
        return mq_fail(err, MQ_E_RANGE, "an evaluation at %d cuts (1 to %d)", task->cut_count,
                       MQ_EVAL_CUTS_MAX);
    for (int c = 0; c < task->cut_count; c++)
        if (task->cuts[c] < 1 || task->cuts[c] > MQ_EVAL_CUT_MAX ||
            (c > 0 && task->cuts[c] <= task->cuts[c - 1]))
            return mq_fail(err, MQ_E_RANGE, "an evaluation at cut %d (1 to %d, ascending)",
                           task->cuts[c], MQ_EVAL_CUT_MAX);
    bool candidates = task->cases->candidate_offset != NULL;
    if (system->score == NULL && (candidates || system->rank == NULL))
        return mq_fail(err, MQ_E_USAGE, "%s cannot %s", system->name,
                       candidates ? "score given candidates" : "rank");
    return task->genres != NULL ? mq_item_genres_check(task->genres, err) : MQ_OK;
}

static bool
is_measured(const struct mq_ranking_task *task, enum mq_list_figure figure)
{
    if (task->figures != 0 && (task->figures & 1u << figure) == 0)
        return false;
    switch (figure) {
    case MQ_FIGURE_NOVELTY:
    case MQ_FIGURE_POPULAR_SHARE:
        return task->plays != NULL;
    case MQ_FIGURE_DIVERSITY:
        return task->similarity != NULL || task->genres != NULL;
    case MQ_FIGURE_MISCALIBRATION:
        return task->genres != NULL && task->history != NULL;
    default:
        return true;
    }
}

static enum mq_status
start_result(const struct mq_ranking_task *task, struct mq_ranking_result *result,
             struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    size_t room = (size_t)task->cases->count * (size_t)task->cut_count;
    result->count = task->cases->count;
    result->cut_count = task->cut_count;
    memcpy(result->cuts, task->cuts, (size_t)task->cut_count * sizeof(*task->cuts));
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT && st == MQ_OK; f++)
        if (is_measured(task, (enum mq_list_figure)f))
            st = mq_alloc_array_raw(room, sizeof(double), &result->figure[f], err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(room, sizeof(double), &result->length, err);
    return st;
}

/* What novelty and popular share need to know of each item. */
static enum mq_status
weigh_items(struct evaluation *e, struct mq_error *err)
{
    const int64_t *plays = e->task->plays;
    int32_t n = e->task->item_count;
    if (plays == NULL)
        return MQ_OK;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(*e->bits), &e->bits, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)n, sizeof(*e->is_head), &e->is_head, err);
    if (st != MQ_OK)
        return st;
    mq_self_information(plays, n, e->bits);
    return mq_short_head(plays, n, e->task->head, e->is_head, err);
}

static enum mq_status
start_workers(struct evaluation *e, int threads, struct mq_error *err)
{
    const struct mq_ranking_task *task = e->task;
    const struct mq_ranking_cases *cases = task->cases;
    size_t items = (size_t)task->item_count, deepest = (size_t)e->deepest, scored = items;
    size_t genres = task->genres != NULL ? (size_t)task->genres->genre_count : 0;
    for (int64_t i = 0; cases->candidate_offset != NULL && i < cases->count; i++)
        scored =
            MQ_MAX(scored, (size_t)(cases->candidate_offset[i + 1] - cases->candidate_offset[i]));
    enum mq_status st = mq_alloc_array((size_t)threads, sizeof(*e->workers), &e->workers, err);
    for (int t = 0; t < threads && st == MQ_OK; t++) {
        struct worker *w = &e->workers[t];
        st = mq_alloc_array(deepest, sizeof(*w->items), &w->items, err);
        if (st == MQ_OK && e->system->score != NULL)
            st = mq_alloc_array(scored, sizeof(*w->scores), &w->scores, err);
        if (st == MQ_OK)
            st = mq_alloc_array(deepest, sizeof(*w->best), &w->best, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(*w->met), &w->met, err);
        if (st == MQ_OK)
            st = mq_alloc_array((size_t)task->cut_count * items, sizeof(*w->shown), &w->shown, err);
        if (st == MQ_OK)
            st = mq_alloc_array(genres, sizeof(*w->history), &w->history, err);
        if (st == MQ_OK)
            st = mq_alloc_array(genres, sizeof(*w->list), &w->list, err);
    }
    return st;
}

static void
release(struct evaluation *e, int threads)
{
    for (int t = 0; e->workers != NULL && t < threads; t++) {
        mq_free(e->workers[t].items);
        mq_free(e->workers[t].scores);
        mq_free(e->workers[t].best);
        mq_free(e->workers[t].met);
        mq_free(e->workers[t].shown);
        mq_free(e->workers[t].history);
        mq_free(e->workers[t].list);
    }
    mq_free(e->workers);
    mq_free(e->bits);
    mq_free(e->is_head);
}

/* Coverage, from what all workers have shown. */
static enum mq_status
cover(const struct evaluation *e, int threads, struct mq_error *err)
{
    const struct mq_ranking_task *task = e->task;
    int64_t n = task->item_count, *shown = e->workers[0].shown;
    mq_autofree uint8_t *all = NULL;
    enum mq_status st = mq_alloc_array((size_t)n, sizeof(*all), &all, err);
    if (st != MQ_OK)
        return st;
    memset(all, 1, (size_t)n);
    for (int t = 1; t < threads; t++)
        for (int64_t i = 0; i < n * task->cut_count; i++)
            shown[i] += e->workers[t].shown[i];
    for (int c = 0; c < task->cut_count; c++)
        e->result->coverage[c] = mq_catalogue_coverage(
            shown + c * n, task->offered != NULL ? task->offered : all, task->item_count);
    return MQ_OK;
}

enum mq_status
mq_ranking_evaluate(const struct mq_ranking_task *task, const struct mq_ranking_system *system,
                    struct mq_pool *pool, struct mq_progress *progress,
                    struct mq_ranking_result *ret_result, struct mq_error *err)
{
    struct mq_ranking_result result = {0};
    struct evaluation e = {.task = task, .system = system, .progress = progress, .result = &result};
    int threads = mq_pool_threads(pool);
    enum mq_status st = check_task(task, system, err);
    if (st == MQ_OK) {
        e.deepest = task->cuts[task->cut_count - 1];
        st = start_result(task, &result, err);
    }
    if (st == MQ_OK)
        st = weigh_items(&e, err);
    if (st == MQ_OK)
        st = start_workers(&e, threads, err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, result.count, RANGE_CASES, evaluate_range, &e, err);
    if (st == MQ_OK)
        st = cover(&e, threads, err);
    release(&e, threads);
    if (st != MQ_OK) {
        mq_ranking_result_release(&result);
        return st;
    }
    *ret_result = result;
    return MQ_OK;
}

/* ---- results ------------------------------------------------------------------------------ */

struct mq_bootstrap_column
mq_ranking_column(const struct mq_ranking_result *result, enum mq_list_figure figure, int cut)
{
    int64_t begin = (int64_t)cut * result->count;
    bool by_entry = figure == MQ_FIGURE_NOVELTY || figure == MQ_FIGURE_POPULAR_SHARE;
    if (result->figure[figure] == NULL)
        return (struct mq_bootstrap_column){0};
    return (struct mq_bootstrap_column){.sum = result->figure[figure] + begin,
                                        .weight = by_entry ? result->length + begin : NULL};
}

double
mq_ranking_figure(const struct mq_ranking_result *result, enum mq_list_figure figure, int cut)
{
    struct mq_bootstrap_column column = mq_ranking_column(result, figure, cut);
    double sum = 0, weight = 0;
    for (int64_t i = 0; column.sum != NULL && i < result->count; i++) {
        if (isnan(column.sum[i]))
            continue;
        sum += column.sum[i];
        weight += column.weight != NULL ? column.weight[i] : 1;
    }
    return weight > 0 ? sum / weight : (double)NAN;
}

void
mq_ranking_result_release(struct mq_ranking_result *result)
{
    for (int f = 0; f < MQ_LIST_FIGURE_COUNT; f++)
        mq_free(result->figure[f]);
    mq_free(result->length);
    *result = (struct mq_ranking_result){0};
}
