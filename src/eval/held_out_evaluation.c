#include "eval/held_out_evaluation.h"

#include "base/memory.h"
#include "eval/ranking_metrics.h"
#include "rec/recommend.h"

/* Users of a range. */
#define RANGE_USERS 2

enum { PATH = 0, POPULARITY, SIDES };

/* One user's measures of one list. */
struct scores {
    double hit_10, hit_50, ndcg_10, mrr_50;
};

struct worker {
    struct mq_session *session;
    struct mq_portrait portrait;
    int32_t *seen; /* [items] number of the last user who played it, from 1 */
    int64_t *shown[SIDES];
    int64_t entries_50[SIDES];
    int64_t candidate_hits, barred;
    struct mq_channel_hits channel[MQ_CHANNEL_COUNT + 1];
};

struct evaluation {
    const struct mq_snapshot *snapshot;
    const struct mq_actions *actions;
    const struct mq_split *split;
    struct mq_progress *progress;
    const int32_t *order; /* [items] most played first */
    struct worker *workers;
    struct scores *scores[SIDES]; /* [users] */
};

static void
judge(struct evaluation *e, struct worker *worker, int side, int64_t index, const int32_t *items,
      int32_t count, int32_t target)
{
    struct mq_judged_list list = {items, count, &target, 1};
    e->scores[side][index] = (struct scores){
        .hit_10 = mq_hit_at(&list, MQ_EVAL_PAGE),
        .hit_50 = mq_hit_at(&list, MQ_EVAL_SCROLL),
        .ndcg_10 = mq_ndcg_at(&list, MQ_EVAL_PAGE),
        .mrr_50 = mq_reciprocal_rank_at(&list, MQ_EVAL_SCROLL),
    };
    for (int32_t i = 0; i < MQ_MIN(count, MQ_EVAL_PAGE); i++)
        worker->shown[side][items[i]]++;
    worker->entries_50[side] += count;
}

/* The list of the most played, the user's own left out. */
static void
judge_popularity(struct evaluation *e, struct worker *worker, int64_t index,
                 const struct mq_user_state *user, int32_t target)
{
    const struct mq_catalogue *catalogue = e->snapshot->catalogue;
    int32_t items[MQ_EVAL_SCROLL], count = 0;
    int32_t number = e->split->user[index] + 1;
    for (int64_t i = 0; i < user->play_count; i++)
        worker->seen[user->items[i]] = number;
    for (int32_t i = 0; i < catalogue->count && count < MQ_EVAL_SCROLL; i++) {
        int32_t row = e->order[i];
        if (e->snapshot->bar[row] == MQ_BAR_NONE && worker->seen[row] != number &&
            catalogue->type[row] == catalogue->type[target])
            items[count++] = row;
    }
    judge(e, worker, POPULARITY, index, items, count, target);
}

static void
judge_path(struct evaluation *e, struct worker *worker, int64_t index,
           const struct mq_recommendation_list *list, int32_t target)
{
    int32_t items[MQ_EVAL_SCROLL], count = MQ_MIN(list->count, MQ_EVAL_SCROLL);
    for (int32_t i = 0; i < count; i++) {
        const struct mq_list_entry *entry = &list->entries[i];
        struct mq_channel_hits *channel =
            &worker->channel[entry->channel >= 0 ? entry->channel : MQ_EVAL_DIVERSITY];
        items[i] = entry->item;
        channel->entries_50++;
        channel->hits_50 += entry->item == target;
        channel->hits_10 += entry->item == target && i < MQ_EVAL_PAGE;
    }
    for (int32_t i = 0; i < list->candidate_count; i++)
        if (list->candidates[i].item == target) {
            worker->channel[list->candidates[i].channel].candidate_hits++;
            worker->candidate_hits++;
        }
    judge(e, worker, PATH, index, items, count, target);
}

static enum mq_status
evaluate_user(struct evaluation *e, struct worker *worker, int64_t index, struct mq_error *err)
{
    const struct mq_snapshot *snapshot = e->snapshot;
    const struct mq_actions *actions = e->actions;
    int32_t row = e->split->user[index], target = actions->item[e->split->held[index]];
    enum mq_program_type type = (enum mq_program_type)snapshot->catalogue->type[target];
    struct mq_user_state user = {
        .id = actions->users.keys[row],
        .code = row < actions->coded_users ? row : -1,
        .play_count = e->split->held[index] - actions->offset[row],
        .items = actions->item + actions->offset[row],
        .times = actions->time_s + actions->offset[row],
    };
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
    judge_path(e, worker, index, &list, target);
    judge_popularity(e, worker, index, &user, target);
    return MQ_OK;
}

static enum mq_status
evaluate_range(void *argument, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct evaluation *e = argument;
    enum mq_status st = MQ_OK;
    for (int64_t i = begin; i < end && st == MQ_OK; i++)
        st = evaluate_user(e, &e->workers[worker], i, err);
    mq_progress_add(e->progress, end - begin);
    return st;
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

/* All workers' counts into the first one's. */
static void
gather(struct worker *workers, int threads, int32_t items)
{
    struct worker *sum = &workers[0];
    for (int t = 1; t < threads; t++) {
        const struct worker *worker = &workers[t];
        for (int side = 0; side < SIDES; side++) {
            for (int32_t i = 0; i < items; i++)
                sum->shown[side][i] += worker->shown[side][i];
            sum->entries_50[side] += worker->entries_50[side];
        }
        sum->candidate_hits += worker->candidate_hits;
        sum->barred += worker->barred;
        for (int c = 0; c <= MQ_CHANNEL_COUNT; c++) {
            sum->channel[c].entries_50 += worker->channel[c].entries_50;
            sum->channel[c].hits_10 += worker->channel[c].hits_10;
            sum->channel[c].hits_50 += worker->channel[c].hits_50;
            sum->channel[c].candidate_hits += worker->channel[c].candidate_hits;
        }
    }
}

static enum mq_status
sum_up(const struct evaluation *e, int side, const int64_t *plays, struct mq_list_quality *quality,
       struct mq_error *err)
{
    const struct mq_snapshot *snapshot = e->snapshot;
    int32_t items = snapshot->catalogue->count, offered_count = 0;
    const int64_t *shown = e->workers[0].shown[side];
    double n = (double)e->split->count;
    mq_autofree uint8_t *offered = NULL;
    enum mq_status st = mq_alloc_array((size_t)items, sizeof(*offered), &offered, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < items; i++) {
        offered[i] = snapshot->bar[i] == MQ_BAR_NONE;
        offered_count += offered[i];
    }
    struct mq_list_quality q = {0};
    for (int64_t u = 0; u < e->split->count; u++) {
        q.hit_10 += e->scores[side][u].hit_10;
        q.hit_50 += e->scores[side][u].hit_50;
        q.ndcg_10 += e->scores[side][u].ndcg_10;
        q.mrr_50 += e->scores[side][u].mrr_50;
    }
    q.hit_10 /= n;
    q.hit_50 /= n;
    q.ndcg_10 /= n;
    q.mrr_50 /= n;
    q.mean_count_50 = (double)e->workers[0].entries_50[side] / n;
    q.coverage_10 = mq_catalogue_coverage(shown, offered, items);
    q.novelty_10 = mq_novelty(shown, plays, items);
    st = mq_popularity_share(shown, plays, items, (offered_count + 9) / 10, &q.popular_10, err);
    if (st == MQ_OK)
        *quality = q;
    return st;
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
        for (int side = 0; side < SIDES && st == MQ_OK; side++)
            st = mq_alloc_array(items, sizeof(*worker->shown[side]), &worker->shown[side], err);
    }
    for (int side = 0; side < SIDES && st == MQ_OK; side++)
        st = mq_alloc_array((size_t)e->split->count, sizeof(*e->scores[side]), &e->scores[side],
                            err);
    return st;
}

static void
release(struct evaluation *e, int threads)
{
    for (int t = 0; e->workers != NULL && t < threads; t++) {
        mq_session_free(e->workers[t].session);
        mq_portrait_release(&e->workers[t].portrait);
        mq_free(e->workers[t].seen);
        for (int side = 0; side < SIDES; side++)
            mq_free(e->workers[t].shown[side]);
    }
    mq_free(e->workers);
    for (int side = 0; side < SIDES; side++)
        mq_free(e->scores[side]);
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
    struct evaluation e = {
        .snapshot = snapshot, .actions = actions, .split = split, .progress = progress};
    mq_autofree int64_t *plays = NULL;
    mq_autofree int32_t *order = NULL;
    enum mq_status st = mq_alloc_array(items, sizeof(*plays), &plays, err);
    if (st == MQ_OK)
        st = mq_alloc_array(items, sizeof(*order), &order, err);
    if (st == MQ_OK)
        st = start_workers(&e, threads, err);
    if (st == MQ_OK) {
        count_plays(actions, split, plays);
        mq_order_by_plays(plays, (int32_t)items, order);
        e.order = order;
        st = mq_pool_for(pool, split->count, RANGE_USERS, evaluate_range, &e, err);
    }
    struct mq_held_out_report report = {.users = split->count};
    if (st == MQ_OK) {
        gather(e.workers, threads, (int32_t)items);
        st = sum_up(&e, PATH, plays, &report.path, err);
    }
    if (st == MQ_OK)
        st = sum_up(&e, POPULARITY, plays, &report.popularity, err);
    if (st == MQ_OK) {
        report.barred = e.workers[0].barred;
        report.candidate_hit_rate = (double)e.workers[0].candidate_hits / (double)report.users;
        for (int c = 0; c <= MQ_CHANNEL_COUNT; c++)
            report.channel[c] = e.workers[0].channel[c];
        *ret_report = report;
    }
    release(&e, threads);
    return st;
}
