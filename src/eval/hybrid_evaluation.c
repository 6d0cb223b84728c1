#include "eval/hybrid_evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "eval/item_genres.h"
#include "rec/hybrid_ranking.h"
#include "rec/predicted_ratings.h"

/* Share of the most rated films that novelty calls popular. */
#define HEAD_SHARE 0.1
#define RATINGS_OF_A_RANGE 512
#define SYSTEMS_MAX (MQ_METHOD_COUNT + 2)

/* Of one thread. */
struct scratch {
    struct mq_hybrid_ranker *ranker;
    struct mq_predictor *predictor;
    struct mq_arena arena;
    struct mq_hybrid_candidate *candidates; /* [candidates wanted] */
    size_t candidate_capacity;
    int32_t *items; /* [count of a given list] the live model's codes */
    size_t item_capacity;
};

/* One model, and how its codes stand to the task's. */
struct model {
    struct mq_hybrid_view *view;
    const struct mq_rating_matrix *train; /* of the task's codes: histories */
    int32_t *item_of;                     /* [task items] the model's, -1: none; NULL: the same */
    int32_t *task_item_of;                /* [model items] the task's, -1; NULL: the same */
    const struct mq_strmap *users;        /* ids of the task's users; NULL: codes are the same */
    struct scratch *scratch;              /* [threads] */
    int threads;
};

/* A system: a model by one of its methods. */
struct asked {
    const struct model *model;
    enum mq_method method;
    float quality_weight;
    int32_t candidates; /* at least so many; more where a list is longer */
};

struct evaluation {
    const struct mq_hybrid_eval_task *task;
    const struct mq_hybrid_eval_options *options;
    struct mq_pool *pool;
    int64_t made_s;
    struct mq_hybrid *rebuilt; /* the candidate's */
    struct model candidate, live;
    struct mq_ranking_cases cases;
    struct mq_ranking_task ranking;
    struct mq_item_genres genres;
    int64_t *genre_offset; /* owned, behind genres */
    int32_t *genre;
    int64_t *plays;
    /* test ratings */
    int64_t test_count;
    int32_t *test_user, *test_item;
    float *given;
    float *parts; /* [test_count, MQ_PREDICTOR_COUNT + 1], the last the blend */
    float *predicted[MQ_PREDICTOR_COUNT + 1];
    /* the report's input */
    struct asked asked[SYSTEMS_MAX];
    struct mq_ranking_result results[SYSTEMS_MAX];
    struct mq_eval_entry entries[SYSTEMS_MAX];
    int entry_count;
};

/* ---- models ------------------------------------------------------------------------------- */

static enum mq_status
open_scratch(struct model *m, struct mq_pool *pool, struct mq_error *err)
{
    m->threads = mq_pool_threads(pool);
    enum mq_status st = mq_alloc_array((size_t)m->threads, sizeof(*m->scratch), &m->scratch, err);
    for (int t = 0; st == MQ_OK && t < m->threads; t++) {
        st = mq_hybrid_ranker_new(m->view, &m->scratch[t].ranker, err);
        if (st == MQ_OK)
            st = mq_predictor_new(m->view->hybrid, &m->scratch[t].predictor, err);
    }
    return st;
}

static void
close_model(struct model *m)
{
    for (int t = 0; m->scratch != NULL && t < m->threads; t++) {
        struct scratch *s = &m->scratch[t];
        mq_hybrid_ranker_free(s->ranker);
        mq_predictor_free(s->predictor);
        mq_arena_release(&s->arena);
        free(s->candidates);
        free(s->items);
    }
    mq_free(m->scratch);
    mq_free(m->item_of);
    mq_free(m->task_item_of);
    mq_hybrid_view_free(m->view);
}

/* Films of two axes by their ids. */
static enum mq_status
map_items(struct model *m, const struct mq_strmap *task_items, int32_t task_count,
          struct mq_error *err)
{
    const struct mq_strmap *own = &m->view->hybrid->ratings->items;
    int32_t count = m->view->hybrid->ratings->item_count;
    enum mq_status st =
        mq_alloc_array_raw((size_t)task_count, sizeof(*m->item_of), &m->item_of, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)count, sizeof(*m->task_item_of), &m->task_item_of, err);
    for (int32_t i = 0; st == MQ_OK && i < count; i++)
        m->task_item_of[i] = -1;
    for (int32_t i = 0; st == MQ_OK && i < task_count; i++) {
        m->item_of[i] = mq_strmap_find(own, task_items->keys[i], task_items->sizes[i]);
        if (m->item_of[i] >= 0)
            m->task_item_of[m->item_of[i]] = i;
    }
    return st;
}

/* The user with the history of the training part. */
static enum mq_status
make_user(const struct model *m, int32_t user, struct scratch *s, struct mq_rated_user *ret_user,
          struct mq_error *err)
{
    mq_arena_reset(&s->arena);
    if (m->users == NULL)
        return mq_rated_user_stored(m->view->hybrid, user, &s->arena, ret_user, err);
    int64_t first = m->train->user_offset[user], n = m->train->user_offset[user + 1] - first;
    struct mq_rated_item *since = mq_arena_array(&s->arena, (size_t)n + 1, sizeof(*since));
    int32_t count = 0;
    if (since == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a history of %lld films", (long long)n);
    for (int64_t k = 0; k < n; k++) {
        int64_t at = first + m->train->user_sequence[first + k];
        int32_t item = m->item_of[m->train->user_item[at]];
        if (item >= 0)
            since[count++] =
                (struct mq_rated_item){item, m->train->user_rating[at], m->train->user_time[at]};
    }
    return mq_rated_user_make(m->view->hybrid, m->users->keys[user], since, count, &s->arena,
                              ret_user, err);
}

/* ---- lists -------------------------------------------------------------------------------- */

static enum mq_status
rank(void *context, int worker, int64_t index, int32_t user, int32_t k, int32_t *ret_items,
     int32_t *ret_count, struct mq_error *err)
{
    const struct asked *asked = context;
    const struct model *m = asked->model;
    struct scratch *s = &m->scratch[worker];
    int32_t most = MQ_MAX(asked->candidates, k), found = 0, count = 0;
    struct mq_rated_user rated;
    bool known;
    (void)index;
    enum mq_status st =
        mq_grow(&s->candidates, &s->candidate_capacity, (size_t)most, sizeof(*s->candidates), err);
    if (st == MQ_OK)
        st = make_user(m, user, s, &rated, err);
    const struct mq_hybrid_query query = {.user = &rated,
                                          .method = asked->method,
                                          .candidates = most,
                                          .quality_weight = asked->quality_weight};
    if (st == MQ_OK)
        st = mq_hybrid_rank(s->ranker, &query, s->candidates, &found, &known, err);
    for (int32_t i = 0; st == MQ_OK && i < found && count < k; i++) {
        int32_t item = s->candidates[i].item;
        if (m->task_item_of != NULL)
            item = m->task_item_of[item];
        if (item >= 0)
            ret_items[count++] = item;
    }
    *ret_count = count;
    return st;
}

static enum mq_status
score(void *context, int worker, int64_t index, int32_t user, const int32_t *items, int32_t count,
      float *ret_scores, struct mq_error *err)
{
    const struct asked *asked = context;
    const struct model *m = asked->model;
    struct scratch *s = &m->scratch[worker];
    struct mq_rated_user rated;
    int32_t known_count = 0;
    bool known;
    (void)index;
    enum mq_status st =
        mq_grow(&s->items, &s->item_capacity, (size_t)count, sizeof(*s->items), err);
    for (int32_t i = 0; st == MQ_OK && i < count; i++) {
        int32_t item = items != NULL ? items[i] : i;
        item = m->item_of != NULL ? m->item_of[item] : item;
        if (item >= 0)
            s->items[known_count++] = item;
    }
    if (st == MQ_OK)
        st = make_user(m, user, s, &rated, err);
    if (st == MQ_OK)
        st = mq_hybrid_rank_given(s->ranker, &rated, asked->method, asked->quality_weight, s->items,
                                  known_count, ret_scores, &known, err);
    /* Films the model does not know come last: spread what was scored, from the back. */
    for (int32_t i = count - 1; st == MQ_OK && m->item_of != NULL && i >= 0; i--) {
        int32_t item = items != NULL ? items[i] : i;
        ret_scores[i] = m->item_of[item] >= 0 ? ret_scores[--known_count] : -INFINITY;
    }
    return st;
}

/* ---- what is asked ------------------------------------------------------------------------ */

/* Whether the live model saw any of a case's right films. */
static bool
live_saw(const struct evaluation *e, int64_t index)
{
    const struct mq_rating_matrix *live = e->live.view->hybrid->ratings;
    int32_t code =
        mq_strmap_find_text(&live->users, e->task->matrix->users.keys[e->cases.user[index]]);
    for (int64_t k = e->cases.relevant_offset[index];
         code >= 0 && k < e->cases.relevant_offset[index + 1]; k++) {
        int32_t item = e->live.item_of[e->cases.relevant[k]];
        if (item >= 0 && mq_rating_matrix_find(live, code, item) >= 0)
            return true;
    }
    return false;
}

/* Keep the cases that the live model has not seen, where they are enough; else leave it out. */
static int64_t
keep_unseen(struct evaluation *e)
{
    struct mq_ranking_cases *c = &e->cases;
    int64_t unseen = 0, kept = 0, relevant = 0;
    for (int64_t i = 0; i < c->count; i++)
        unseen += !live_saw(e, i);
    if (unseen < MQ_MAX(e->options->live_cases_min, (int64_t)1))
        return 0;
    for (int64_t i = 0; i < c->count; i++) {
        if (live_saw(e, i))
            continue;
        int64_t first = c->relevant_offset[i], end = c->relevant_offset[i + 1];
        memmove(c->relevant + relevant, c->relevant + first,
                (size_t)(end - first) * sizeof(*c->relevant));
        c->user[kept] = c->user[i];
        c->relevant_offset[kept++] = relevant;
        relevant += end - first;
    }
    c->relevant_offset[kept] = relevant;
    c->count = kept;
    return kept;
}

/* Candidates are the films that a test rating names. */
static enum mq_status
rank_held_out(struct evaluation *e, struct mq_error *err)
{
    const struct mq_rating_matrix *m = e->task->matrix;
    mq_autofree uint8_t *among = NULL;
    enum mq_status st = mq_alloc_array((size_t)m->item_count, 1, &among, err);
    for (int64_t i = 0; st == MQ_OK && i < m->count; i++)
        if ((e->task->marks[i] & MQ_SPLIT_TEST) != 0)
            among[m->user_item[i]] = 1;
    return st == MQ_OK ? mq_ranking_cases_among(&e->cases, m, among, e->options->seed, err) : st;
}

static enum mq_status
make_cases(struct evaluation *e, int64_t *ret_live_cases, struct mq_error *err)
{
    const struct mq_hybrid_eval_task *t = e->task;
    const struct mq_hybrid_eval_options *o = e->options;
    const struct mq_ranking_cases_options options = {
        .relevant_at_least = o->relevant_at_least, .cases_max = o->cases_max, .seed = o->seed};
    enum mq_status st =
        t->lists != NULL
            ? mq_ranking_cases_from_lists(t->matrix, t->marks, t->lists, &options, &e->cases, err)
            : mq_ranking_cases_from_split(t->matrix, t->marks, MQ_SPLIT_TEST, &options, &e->cases,
                                          err);
    *ret_live_cases = 0;
    if (st == MQ_OK && t->lists == NULL && e->live.view != NULL)
        *ret_live_cases = keep_unseen(e);
    if (st == MQ_OK && t->lists == NULL && o->among_held_out)
        st = rank_held_out(e, err);
    else if (st == MQ_OK && t->lists == NULL && o->negatives > 0)
        st = mq_ranking_cases_sample(&e->cases, t->matrix, o->negatives, o->seed, err);
    if (st == MQ_OK && e->cases.count == 0)
        return mq_fail(err, MQ_E_INPUT, "nothing to evaluate: no user has a held-out film");
    return st;
}

static enum mq_status
make_ranking(struct evaluation *e, int64_t *ret_live_cases, struct mq_error *err)
{
    const struct mq_rating_matrix *train = e->candidate.train;
    enum mq_status st = make_cases(e, ret_live_cases, err);
    if (st == MQ_OK && e->task->catalogue != NULL)
        st = mq_item_genres_of_catalogue(e->task->catalogue, train->item_count, &e->genres,
                                         &e->genre_offset, &e->genre, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)train->item_count, sizeof(*e->plays), &e->plays, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < train->item_count; i++)
        e->plays[i] = train->item_offset[i + 1] - train->item_offset[i];
    e->ranking = (struct mq_ranking_task){
        .cases = &e->cases,
        .item_count = train->item_count,
        .cut_count = e->options->cut_count,
        .cuts = e->options->cuts,
        .history = train,
        .plays = e->plays,
        .head = MQ_MAX((int32_t)(HEAD_SHARE * train->item_count), 1),
        .genres = e->genres.genre_count > 0 ? &e->genres : NULL,
    };
    return MQ_OK;
}

/* ---- ratings ------------------------------------------------------------------------------ */

static enum mq_status
predict(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct evaluation *e = context;
    struct scratch *s = &e->candidate.scratch[worker];
    int32_t taken = -1;
    for (int64_t i = begin; i < end; i++) {
        float *parts = e->parts + i * (MQ_PREDICTOR_COUNT + 1);
        struct mq_rated_user user;
        if (e->test_user[i] != taken) {
            taken = e->test_user[i];
            enum mq_status st = make_user(&e->candidate, taken, s, &user, err);
            if (st == MQ_OK)
                st = mq_predictor_take(s->predictor, &user, err);
            if (st != MQ_OK)
                return st;
        }
        parts[MQ_PREDICTOR_COUNT] = mq_predict_rating(s->predictor, e->test_item[i], parts);
    }
    return MQ_OK;
}

static enum mq_status
make_ratings(struct evaluation *e, struct mq_error *err)
{
    const struct mq_rating_matrix *m = e->task->matrix;
    size_t n = 0;
    for (int64_t i = 0; i < m->count; i++)
        n += (e->task->marks[i] & MQ_SPLIT_TEST) != 0;
    enum mq_status st = mq_alloc_array(n, sizeof(*e->test_user), &e->test_user, err);
    if (st == MQ_OK)
        st = mq_alloc_array(n, sizeof(*e->test_item), &e->test_item, err);
    if (st == MQ_OK)
        st = mq_alloc_array(n, sizeof(*e->given), &e->given, err);
    if (st == MQ_OK)
        st = mq_alloc_array(n * (MQ_PREDICTOR_COUNT + 1), sizeof(*e->parts), &e->parts, err);
    for (int k = 0; st == MQ_OK && k <= MQ_PREDICTOR_COUNT; k++)
        st = mq_alloc_array(n, sizeof(float), &e->predicted[k], err);
    if (st != MQ_OK)
        return st;
    for (int32_t u = 0; u < m->user_count; u++)
        for (int64_t i = m->user_offset[u]; i < m->user_offset[u + 1]; i++) {
            if ((e->task->marks[i] & MQ_SPLIT_TEST) == 0)
                continue;
            e->test_user[e->test_count] = u;
            e->test_item[e->test_count] = m->user_item[i];
            e->given[e->test_count++] = m->user_rating[i];
        }
    st = mq_pool_for(e->pool, e->test_count, RATINGS_OF_A_RANGE, predict, e, err);
    for (int64_t i = 0; st == MQ_OK && i < e->test_count; i++)
        for (int k = 0; k <= MQ_PREDICTOR_COUNT; k++)
            e->predicted[k][i] = e->parts[i * (MQ_PREDICTOR_COUNT + 1) + k];
    return st;
}

/* Predictions that go beside a method's lists; -1: none. */
static int
predictor_of(const struct mq_hybrid *h, enum mq_method method)
{
    switch (method) {
    case MQ_METHOD_POPULAR:
        return MQ_PREDICTOR_BASELINE;
    case MQ_METHOD_ITEM_BASED:
        return h->rating_items.ids != NULL ? MQ_PREDICTOR_ITEM_BASED : -1;
    case MQ_METHOD_USER_BASED:
        return h->rating_users.ids != NULL ? MQ_PREDICTOR_USER_BASED : -1;
    case MQ_METHOD_MF:
        return h->factors != NULL ? MQ_PREDICTOR_FACTORS : -1;
    case MQ_METHOD_HYBRID:
        return MQ_PREDICTOR_COUNT;
    default:
        return -1;
    }
}

/* ---- systems ------------------------------------------------------------------------------ */

static enum mq_status
run_system(struct evaluation *e, const struct model *model, enum mq_method method, const char *name,
           enum mq_system_role role, struct mq_error *err)
{
    const struct mq_hybrid *h = model->view->hybrid;
    bool hybrid = method == MQ_METHOD_HYBRID;
    int at = e->entry_count++;
    struct asked *asked = &e->asked[at];
    *asked = (struct asked){model, method, hybrid ? e->options->quality_weight : 0,
                            hybrid ? e->options->candidates : 0};
    const struct mq_ranking_system system = {
        .name = name, .rank = rank, .score = score, .context = asked};
    int predictor = model == &e->candidate ? predictor_of(h, method) : -1;
    /* One that the model lacks is here for its predictions alone. */
    bool ranks = e->options->rank && mq_hybrid_has(h, method);
    enum mq_status st = MQ_OK;
    if (ranks) {
        struct mq_progress progress;
        char what[40];
        snprintf(what, sizeof(what), "lists by %s", name);
        mq_progress_begin(&progress, what, "users", e->cases.count);
        st = mq_ranking_evaluate(&e->ranking, &system, e->pool, &progress, &e->results[at], err);
        mq_progress_end(&progress);
    }
    e->entries[at] = (struct mq_eval_entry){
        .name = name,
        .role = role,
        .ranking = ranks ? &e->results[at] : NULL,
        .predicted = e->options->predict && predictor >= 0 ? e->predicted[predictor] : NULL,
    };
    return st;
}

static enum mq_status
run_systems(struct evaluation *e, bool with_live, struct mq_error *err)
{
    const struct mq_hybrid *h = e->candidate.view->hybrid;
    enum mq_status st = run_system(e, &e->candidate, MQ_METHOD_POPULAR,
                                   mq_method_name(MQ_METHOD_POPULAR), MQ_SYSTEM_BASELINE, err);
    for (int m = 0; st == MQ_OK && m < MQ_METHOD_POPULAR; m++) {
        bool worth = mq_hybrid_has(h, (enum mq_method)m) ||
                     (e->options->predict && predictor_of(h, (enum mq_method)m) >= 0);
        if (worth)
            st = run_system(e, &e->candidate, (enum mq_method)m, mq_method_name((enum mq_method)m),
                            MQ_SYSTEM_CHANNEL, err);
    }
    if (st == MQ_OK && with_live)
        st = run_system(e, &e->live, MQ_METHOD_HYBRID, "live", MQ_SYSTEM_LIVE, err);
    return st == MQ_OK ? run_system(e, &e->candidate, MQ_METHOD_HYBRID,
                                    mq_method_name(MQ_METHOD_HYBRID), MQ_SYSTEM_CANDIDATE, err)
                       : st;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static enum mq_status
open_candidate(struct evaluation *e, struct mq_error *err)
{
    struct mq_rating_matrix *train = NULL;
    struct mq_hybrid *h = NULL;
    struct mq_hybrid_fit_options fit = e->options->fit;
    fit.model.methods &= fit.blended;
    fit.model.predict = fit.model.predict && e->options->predict;
    enum mq_status st = mq_split_part(e->task->matrix, e->task->marks, MQ_SPLIT_TRAIN, &train, err);
    if (st == MQ_OK)
        st = mq_hybrid_fit(train, e->task->catalogue, &fit, e->made_s, e->options->seed, e->pool,
                           &h, NULL, err);
    if (st != MQ_OK) {
        mq_rating_matrix_free(train);
        return st;
    }
    e->rebuilt = h;
    e->candidate.train = h->ratings;
    st = mq_hybrid_view_new(h, NULL, &e->candidate.view, err);
    return st == MQ_OK ? open_scratch(&e->candidate, e->pool, err) : st;
}

static enum mq_status
open_live(struct evaluation *e, struct mq_error *err)
{
    const struct mq_hybrid *live = NULL;
    enum mq_status st = MQ_OK;
    if (e->task->read_live != NULL)
        st = e->task->read_live(e->task->live_context, &live, err);
    if (st == MQ_OK && live != NULL)
        st = mq_hybrid_view_new(live, NULL, &e->live.view, err);
    if (st != MQ_OK || live == NULL)
        return st;
    e->live.train = e->candidate.train;
    e->live.users = &e->task->matrix->users;
    st = map_items(&e->live, &e->task->matrix->items, e->task->matrix->item_count, err);
    return st == MQ_OK ? open_scratch(&e->live, e->pool, err) : st;
}

static void
close_all(struct evaluation *e)
{
    close_model(&e->live);
    close_model(&e->candidate);
    mq_hybrid_free(e->rebuilt);
    mq_ranking_cases_release(&e->cases);
    mq_free(e->genre_offset);
    mq_free(e->genre);
    mq_free(e->plays);
    mq_free(e->test_user);
    mq_free(e->test_item);
    mq_free(e->given);
    mq_free(e->parts);
    for (int k = 0; k <= MQ_PREDICTOR_COUNT; k++)
        mq_free(e->predicted[k]);
    for (int i = 0; i < e->entry_count; i++)
        mq_ranking_result_release(&e->results[i]);
}

static enum mq_status
report(struct evaluation *e, struct mq_eval_report **ret_report, struct mq_error *err)
{
    const struct mq_hybrid_eval_options *o = e->options;
    const struct mq_rating_task ratings = {
        .count = e->test_count, .user = e->test_user, .given = e->given};
    const struct mq_eval_input input = {
        .data = e->task->data,
        .protocol = e->task->protocol,
        .task = o->rank ? &e->ranking : NULL,
        .ratings = o->predict ? &ratings : NULL,
        .entries = e->entries,
        .entry_count = e->entry_count,
        .reference = o->reference,
        .main_cut = o->main_cut,
        .bands = o->rank ? o->bands : 0,
        .bins = o->predict ? o->bins : 0,
        .resamples = o->resamples,
        .level = o->level,
        .seed = o->seed,
    };
    return mq_eval_report_make(&input, e->pool, ret_report, err);
}

enum mq_status
mq_hybrid_evaluate(const struct mq_hybrid_eval_task *task,
                   const struct mq_hybrid_eval_options *options, int64_t made_s,
                   struct mq_pool *pool, struct mq_eval_report **ret_report,
                   int64_t *ret_live_cases, struct mq_error *err)
{
    struct evaluation e = {.task = task, .options = options, .pool = pool, .made_s = made_s};
    int64_t live_cases = 0;
    enum mq_status st = open_candidate(&e, err);
    if (st == MQ_OK)
        st = open_live(&e, err);
    if (st == MQ_OK && options->rank)
        st = make_ranking(&e, &live_cases, err);
    if (st == MQ_OK && options->predict)
        st = make_ratings(&e, err);
    if (st == MQ_OK)
        st = run_systems(&e, live_cases > 0, err);
    if (st == MQ_OK)
        st = report(&e, ret_report, err);
    close_all(&e);
    if (st == MQ_OK && ret_live_cases != NULL)
        *ret_live_cases = live_cases;
    return st;
}

enum mq_status
mq_hybrid_eval_options_read(const struct mq_config *config,
                            struct mq_hybrid_eval_options *ret_options, struct mq_error *err)
{
    *ret_options = (struct mq_hybrid_eval_options){
        .cut_count = 3,
        .main_cut = 0,
        .cuts = {10, 20, 50},
        .negatives = (int32_t)mq_config_int(config, "eval.negatives"),
        .among_held_out = strcmp(mq_config_text(config, "eval.among"), "held-out") == 0,
        .cases_max = mq_config_int(config, "eval.users"),
        .live_cases_min = mq_config_int(config, "gate.cases_min"),
        .relevant_at_least = (float)mq_config_real(config, "eval.relevant"),
        .quality_weight = (float)mq_config_real(config, "hybrid.quality_weight"),
        .candidates = (int32_t)mq_config_int(config, "hybrid.candidates"),
        .bands = (int)mq_config_int(config, "eval.bands"),
        .bins = 10,
        .resamples = (int)mq_config_int(config, "eval.resamples"),
        .level = mq_config_real(config, "eval.level"),
        .rank = true,
        .predict = mq_config_flag(config, "hybrid.predict"),
        .seed = (uint64_t)mq_config_int(config, "run.seed"),
    };
    return mq_hybrid_fit_options_read(config, &ret_options->fit, err);
}
