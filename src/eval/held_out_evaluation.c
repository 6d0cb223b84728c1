#include "eval/held_out_evaluation.h"

#include "base/memory.h"
#include "eval/ranking_evaluation.h"
#include "rec/recommend.h"

struct worker {
    struct mq_session *session;
    struct mq_portrait portrait;
    int32_t *seen; /* [items] number of the last user who played it, from 1 */
    int64_t candidate_hits, barred;
    struct mq_channel_hits channel[MQ_CHANNEL_COUNT + 1];
};

struct evaluation {
    const struct mq_snapshot *snapshot;
    const struct mq_actions *actions;
    const struct mq_split *split;
    const int32_t *order; /* [items] most played first */
    struct worker *workers;
};

/* What is known of a user before the held-out play. */
static struct mq_user_state
state_of(const struct evaluation *e, int64_t index)
{
    const struct mq_actions *actions = e->actions;
    int32_t row = e->split->user[index];
    return (struct mq_user_state){
        .id = actions->users.keys[row],
        .code = row < actions->coded_users ? row : -1,
        .play_count = e->split->held[index] - actions->offset[row],
        .items = actions->item + actions->offset[row],
        .times = actions->time_s + actions->offset[row],
    };
}

/* The list of the most played, the user's own left out. */
static enum mq_status
list_popular(void *context, int number, int64_t index, int32_t row, int32_t k, int32_t *ret_items,
             int32_t *ret_count, struct mq_error *err)
{
    (void)err;
    const struct evaluation *e = context;
    const struct mq_catalogue *catalogue = e->snapshot->catalogue;
    int32_t *seen = e->workers[number].seen, stamp = row + 1, count = 0;
    struct mq_user_state user = state_of(e, index);
    int32_t target = e->actions->item[e->split->held[index]];
    for (int64_t i = 0; i < user.play_count; i++)
        seen[user.items[i]] = stamp;
    for (int32_t i = 0; i < catalogue->count && count < k; i++) {
        int32_t item = e->order[i];
        if (e->snapshot->bar[item] == MQ_BAR_NONE && seen[item] != stamp &&
            catalogue->type[item] == catalogue->type[target])
            ret_items[count++] = item;
    }
    *ret_count = count;
    return MQ_OK;
}

/* Which channels brought the entries and the target. */
static void
credit_channels(struct worker *worker, const struct mq_recommendation_list *list, int32_t target)
{
    for (int32_t i = 0; i < MQ_MIN(list->count, MQ_EVAL_SCROLL); i++) {
        const struct mq_list_entry *entry = &list->entries[i];
        struct mq_channel_hits *channel =
            &worker->channel[entry->channel >= 0 ? entry->channel : MQ_EVAL_DIVERSITY];
        channel->entries_50++;
        channel->hits_50 += entry->item == target;
        channel->hits_10 += entry->item == target && i < MQ_EVAL_PAGE;
    }
    for (int32_t i = 0; i < list->candidate_count; i++)
        if (list->candidates[i].item == target) {
            worker->channel[list->candidates[i].channel].candidate_hits++;
            worker->candidate_hits++;
        }
}

/* The list that `recommend` makes. */
static enum mq_status
list_path(void *context, int number, int64_t index, int32_t row, int32_t k, int32_t *ret_items,
          int32_t *ret_count, struct mq_error *err)
{
    (void)row;
    const struct evaluation *e = context;
    const struct mq_snapshot *snapshot = e->snapshot;
    struct worker *worker = &e->workers[number];
    int32_t target = e->actions->item[e->split->held[index]];
    enum mq_program_type type = (enum mq_program_type)snapshot->catalogue->type[target];
    struct mq_user_state user = state_of(e, index);
    struct mq_recommendation_list list = {0};
    enum mq_status st = MQ_OK;
    mq_portrait_reset(&worker->portrait);
    if (snapshot->offer[type].count > 0) {
        st = mq_recommend_portrait(snapshot, &user, &worker->portrait, err);
        user.portrait = &worker->portrait;
        if (st == MQ_OK)
            st = mq_recommend(worker->session, type, &user, &list, err);
    }
    if (st != MQ_OK)
        return st;
    worker->barred += snapshot->bar[target] != MQ_BAR_NONE;
    credit_channels(worker, &list, target);
    *ret_count = MQ_MIN(list.count, k);
    for (int32_t i = 0; i < *ret_count; i++)
        ret_items[i] = list.entries[i].item;
    return MQ_OK;
}

/* Plays of all users, of the held-out ones only those before. */
static void
count_plays(const struct mq_actions *actions, const struct mq_split *split, int64_t *plays)
{
    for (int64_t row = 0; row < actions->count; row++)
        plays[actions->item[row]]++;
    for (int64_t i = 0; i < split->count; i++)
        for (int64_t row = split->held[i]; row < actions->offset[split->user[i] + 1]; row++)
            plays[actions->item[row]]--;
}

/* All workers' counts. */
static void
gather(const struct worker *workers, int threads, struct mq_held_out_report *report)
{
    int64_t candidate_hits = 0;
    for (int t = 0; t < threads; t++) {
        const struct worker *worker = &workers[t];
        candidate_hits += worker->candidate_hits;
        report->barred += worker->barred;
        for (int c = 0; c <= MQ_CHANNEL_COUNT; c++) {
            report->channel[c].entries_50 += worker->channel[c].entries_50;
            report->channel[c].hits_10 += worker->channel[c].hits_10;
            report->channel[c].hits_50 += worker->channel[c].hits_50;
            report->channel[c].candidate_hits += worker->channel[c].candidate_hits;
        }
    }
    report->candidate_hit_rate = (double)candidate_hits / (double)report->users;
}

/* The held-out plays as cases. */
static enum mq_status
make_cases(const struct mq_actions *actions, const struct mq_split *split,
           struct mq_ranking_cases *cases, struct mq_error *err)
{
    size_t count = (size_t)split->count;
    enum mq_status st = mq_alloc_array(count, sizeof(*cases->user), &cases->user, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count + 1, sizeof(*cases->relevant_offset), &cases->relevant_offset,
                            err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*cases->relevant), &cases->relevant, err);
    for (int64_t i = 0; st == MQ_OK && i < split->count; i++) {
        cases->user[i] = split->user[i];
        cases->relevant[i] = actions->item[split->held[i]];
        cases->relevant_offset[i + 1] = i + 1;
    }
    cases->count = cases->eligible = split->count;
    return st;
}

static enum mq_status
judge(const struct mq_ranking_task *task, const struct mq_ranking_system *system,
      struct mq_pool *pool, struct mq_progress *progress, struct mq_list_quality *ret_quality,
      struct mq_error *err)
{
    struct mq_ranking_result result = {0};
    enum mq_status st = mq_ranking_evaluate(task, system, pool, progress, &result, err);
    if (st != MQ_OK)
        return st;
    enum { PAGE = 0, SCROLL };
    *ret_quality = (struct mq_list_quality){
        .hit_10 = mq_ranking_figure(&result, MQ_FIGURE_HIT_RATE, PAGE),
        .hit_50 = mq_ranking_figure(&result, MQ_FIGURE_HIT_RATE, SCROLL),
        .ndcg_10 = mq_ranking_figure(&result, MQ_FIGURE_NDCG, PAGE),
        .mrr_50 = mq_ranking_figure(&result, MQ_FIGURE_MRR, SCROLL),
        .coverage_10 = result.coverage[PAGE],
        .mean_count_50 = mq_ranking_figure(&result, MQ_FIGURE_LENGTH, SCROLL),
    };
    if (ret_quality->mean_count_50 > 0) { /* of no entry nothing can be said */
        ret_quality->novelty_10 = mq_ranking_figure(&result, MQ_FIGURE_NOVELTY, PAGE);
        ret_quality->popular_10 = mq_ranking_figure(&result, MQ_FIGURE_POPULAR_SHARE, PAGE);
    }
    mq_ranking_result_release(&result);
    return MQ_OK;
}

static enum mq_status
start_workers(struct evaluation *e, int threads, struct mq_error *err)
{
    size_t items = (size_t)e->snapshot->catalogue->count;
    enum mq_status st = mq_alloc_array((size_t)threads, sizeof(*e->workers), &e->workers, err);
    for (int t = 0; t < threads && st == MQ_OK; t++) {
        struct worker *worker = &e->workers[t];
        st = mq_session_new(e->snapshot, &worker->session, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(*worker->seen), &worker->seen, err);
    }
    return st;
}

static void
release_workers(struct evaluation *e, int threads)
{
    for (int t = 0; e->workers != NULL && t < threads; t++) {
        mq_session_free(e->workers[t].session);
        mq_portrait_release(&e->workers[t].portrait);
        mq_free(e->workers[t].seen);
    }
    mq_free(e->workers);
}

/* The task of both sides: what may be offered, how often it was played. */
static void
set_task(const struct mq_snapshot *snapshot, const int64_t *plays, uint8_t *offered,
         struct mq_ranking_task *task)
{
    static const int32_t cuts[] = {MQ_EVAL_PAGE, MQ_EVAL_SCROLL};
    int32_t offered_count = 0;
    for (int32_t i = 0; i < snapshot->catalogue->count; i++) {
        offered[i] = snapshot->bar[i] == MQ_BAR_NONE;
        offered_count += offered[i];
    }
    task->item_count = snapshot->catalogue->count;
    task->cut_count = 2;
    task->cuts = cuts;
    task->offered = offered;
    task->plays = plays;
    task->head = (offered_count + 9) / 10;
    task->figures = 1u << MQ_FIGURE_HIT_RATE | 1u << MQ_FIGURE_NDCG | 1u << MQ_FIGURE_MRR |
                    1u << MQ_FIGURE_NOVELTY | 1u << MQ_FIGURE_POPULAR_SHARE |
                    1u << MQ_FIGURE_LENGTH;
}

enum mq_status
mq_held_out_evaluate(const struct mq_snapshot *snapshot, const struct mq_actions *actions,
                     const struct mq_split *split, struct mq_pool *pool,
                     struct mq_progress *progress, struct mq_held_out_report *ret_report,
                     struct mq_error *err)
{
    if (split->count == 0) {
        mq_fail(err, MQ_E_INPUT, "cannot evaluate: no user has played two programmes");
        mq_error_hint(err, "evaluation holds out one play of each user and needs one before it");
        return MQ_E_INPUT;
    }
    int threads = mq_pool_threads(pool);
    size_t items = (size_t)snapshot->catalogue->count;
    struct evaluation e = {.snapshot = snapshot, .actions = actions, .split = split};
    struct mq_ranking_cases cases = {0};
    struct mq_ranking_task task = {.cases = &cases};
    const struct mq_ranking_system path = {.name = "marquee", .rank = list_path, .context = &e};
    const struct mq_ranking_system popularity = {
        .name = "popularity", .rank = list_popular, .context = &e};
    struct mq_held_out_report report = {.users = split->count};
    mq_autofree int64_t *plays = NULL;
    mq_autofree int32_t *order = NULL;
    mq_autofree uint8_t *offered = NULL;
    enum mq_status st = mq_alloc_array(items, sizeof(*plays), &plays, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*order), &order, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*offered), &offered, err);
    if (st == MQ_OK)
        st = make_cases(actions, split, &cases, err);
    if (st == MQ_OK)
        st = start_workers(&e, threads, err);
    if (st == MQ_OK) {
        count_plays(actions, split, plays);
        mq_order_by_plays(plays, (int32_t)items, order);
        e.order = order;
        set_task(snapshot, plays, offered, &task);
        st = judge(&task, &path, pool, progress, &report.path, err);
    }
    if (st == MQ_OK)
        st = judge(&task, &popularity, pool, NULL, &report.popularity, err);
    if (st == MQ_OK) {
        gather(e.workers, threads, &report);
        *ret_report = report;
    }
    release_workers(&e, threads);
    mq_ranking_cases_release(&cases);
    return st;
}
