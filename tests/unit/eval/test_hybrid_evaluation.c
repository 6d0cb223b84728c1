#include "list_places.h"

#include <math.h>

#include "base/log.h"
#include "eval/hybrid_evaluation.h"
#include "eval/rating_splits.h"
#include "format/json.h"
#include "rec/hybrid_ranking.h"
#include "rec/predicted_ratings.h"

/* The hybrid evaluated, against lists that are made and measured one by one. */

enum { SEED = 5 };

struct world {
    struct mq_pool *pool;
    struct mq_catalogue *catalogue;
    struct mq_rating_matrix *ratings;
    uint8_t *marks;
    struct mq_hybrid_eval_options options;
    struct mq_hybrid_eval_task task;
    /* The model that the evaluation trains, made here again. */
    struct mq_hybrid *hybrid;
    struct mq_hybrid_view *view;
    struct mq_hybrid_ranker *ranker;
    struct mq_arena arena;
};

static enum mq_status
give_live(void *context, const struct mq_hybrid **ret_live, struct mq_error *err)
{
    (void)err;
    *ret_live = context;
    return MQ_OK;
}

static struct mq_hybrid_eval_options
options_of(const char *methods, const char *blended)
{
    struct mq_error err = {0};
    struct mq_hybrid_eval_options options;
    struct mq_config *config;
    const char *const settings[][2] = {
        {"hybrid.methods", methods},
        {"hybrid.blended", blended},
        {"hybrid.neighbours", "5"},
        {"hybrid.content_neighbours", "4"},
        {"hybrid.factors", "8"},
        {"hybrid.candidates", "10"},
        {"hybrid.quality_weight", "0.3"},
        {"eval.resamples", "50"},
        {"eval.bands", "2"},
        {"gate.cases_min", "5"},
        {"run.seed", "5"},
    };
    check_ok(mq_config_new(&config, &err));
    for (size_t i = 0; i < MQ_COUNT(settings); i++)
        check_ok(mq_config_set(config, settings[i][0], settings[i][1], MQ_FROM_FLAG, "test", &err));
    check_ok(mq_hybrid_eval_options_read(config, &options, &err));
    mq_config_free(config);
    assert_int_equal(options.seed, SEED);
    assert_int_equal(options.candidates, 10);
    assert_int_equal(options.live_cases_min, 5);
    assert_true(options.rank && options.predict);
    options.cut_count = CUTS;
    options.main_cut = 1;
    memcpy(options.cuts, cuts, sizeof(cuts));
    return options;
}

#define SOME "item-based|user-based|content|mf|ease|popular"

/* A model of some ratings, ready to rank. */
static void
open_model(struct mq_rating_matrix *ratings, const struct mq_catalogue *catalogue,
           const struct mq_hybrid_fit_options *fit, struct mq_pool *pool,
           struct mq_hybrid **ret_hybrid, struct mq_hybrid_view **ret_view,
           struct mq_hybrid_ranker **ret_ranker)
{
    struct mq_error err = {0};
    check_ok(mq_hybrid_fit(ratings, catalogue, fit, NOW, SEED, pool, ret_hybrid, NULL, &err));
    check_ok(mq_hybrid_view_new(*ret_hybrid, NULL, ret_view, &err));
    check_ok(mq_hybrid_ranker_new(*ret_view, ret_ranker, &err));
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct mq_error err = {0};
    struct mq_rating_matrix *train;
    check_ok(mq_pool_new(2, &w->pool, &err));
    w->catalogue = fixture_catalogue(films, ITEMS);
    w->ratings = make_ratings(4);
    w->options = options_of(SOME, SOME);
    check_ok(mq_alloc_array((size_t)w->ratings->count, 1, &w->marks, &err));
    check_ok(mq_split_leave_newest(w->ratings, false, w->marks, &err));
    check_ok(mq_split_part(w->ratings, w->marks, MQ_SPLIT_TRAIN, &train, &err));
    open_model(train, w->catalogue, &w->options.fit, w->pool, &w->hybrid, &w->view, &w->ranker);
    w->task = (struct mq_hybrid_eval_task){.matrix = w->ratings,
                                           .marks = w->marks,
                                           .catalogue = w->catalogue,
                                           .data = "by chance",
                                           .protocol = "newest"};
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    mq_hybrid_ranker_free(w->ranker);
    mq_hybrid_view_free(w->view);
    mq_hybrid_free(w->hybrid);
    mq_arena_release(&w->arena);
    mq_free(w->marks);
    mq_rating_matrix_free(w->ratings);
    mq_catalogue_free(w->catalogue);
    mq_pool_free(w->pool);
    free(w);
    return 0;
}

static struct mq_eval_report *
evaluate(struct world *w, int64_t *ret_live_cases)
{
    struct mq_error err = {0};
    struct mq_eval_report *report = NULL;
    check_ok(
        mq_hybrid_evaluate(&w->task, &w->options, NOW, w->pool, &report, ret_live_cases, &err));
    return report;
}

static const struct mq_eval_system *
system_named(const struct mq_eval_report *report, const char *name)
{
    for (int s = 0; s < report->system_count; s++)
        if (strcmp(report->systems[s].name, name) == 0)
            return &report->systems[s];
    return NULL;
}

/* A user's only held-out film; -1: none. */
static int32_t
held_out(const struct world *w, int32_t user)
{
    for (int64_t i = w->ratings->user_offset[user]; i < w->ratings->user_offset[user + 1]; i++)
        if ((w->marks[i] & MQ_SPLIT_TEST) != 0)
            return w->ratings->user_item[i];
    return -1;
}

static struct mq_rated_user
user_of(struct world *w, int32_t code)
{
    struct mq_error err = {0};
    struct mq_rated_user user;
    check_ok(mq_rated_user_stored(w->view->hybrid, code, &w->arena, &user, &err));
    return user;
}

/* The list of a method by its scores alone: all that the user has not rated, selected one by one.
 */
static int32_t
list_by_scores(struct world *w, const struct mq_rated_user *user, enum mq_method method,
               int32_t *ret_items)
{
    struct mq_error err = {0};
    struct mq_blended_scorer *scorer;
    float scores[ITEMS];
    bool known, gone[ITEMS] = {false};
    int32_t count = 0;
    check_ok(mq_blended_scorer_new(w->view->hybrid, &scorer, &err));
    check_ok(mq_blended_scores(scorer, user, method, scores, &known, &err));
    mq_blended_scorer_free(scorer);
    for (int32_t k = 0; k < user->count; k++)
        gone[user->items[k]] = true;
    for (; known;) {
        int32_t best = -1;
        for (int32_t i = 0; i < ITEMS; i++)
            if (!gone[i] && (best < 0 || scores[i] > scores[best]))
                best = i;
        if (best < 0)
            return count;
        gone[best] = true;
        ret_items[count++] = best;
    }
    return count;
}

static int32_t
list_of_hybrid(const struct mq_hybrid_eval_options *o, struct mq_hybrid_ranker *ranker,
               const struct mq_rated_user *user, int32_t *ret_items)
{
    struct mq_error err = {0};
    struct mq_hybrid_candidate list[ITEMS + 1];
    int32_t count;
    bool known;
    const struct mq_hybrid_query query = {.user = user,
                                          .method = MQ_METHOD_HYBRID,
                                          .candidates = o->candidates,
                                          .quality_weight = o->quality_weight};
    check_ok(mq_hybrid_rank(ranker, &query, list, &count, &known, &err));
    for (int32_t i = 0; i < count; i++)
        ret_items[i] = list[i].item;
    return count;
}

static void
each_method_by_hand(void **state)
{
    struct world *w = *state;
    int64_t live_cases = 9;
    struct mq_eval_report *report = evaluate(w, &live_cases);
    assert_int_equal(live_cases, 0);
    assert_int_equal(report->cases, USERS);
    assert_null(system_named(report, "live"));
    assert_null(system_named(report, "sequence"));
    assert_null(system_named(report, "deep"));
    assert_string_equal(report->systems[0].name, "popular");
    assert_int_equal(report->systems[0].role, MQ_SYSTEM_BASELINE);
    assert_string_equal(report->systems[report->candidate].name, "hybrid");
    assert_int_equal(report->system_count, 7);
    for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
        if (!mq_hybrid_has(w->view->hybrid, m))
            continue;
        struct places places = {0};
        for (int32_t u = 0; u < USERS; u++) {
            struct mq_rated_user user = user_of(w, u);
            int32_t list[ITEMS];
            int32_t count = m == MQ_METHOD_HYBRID
                                ? list_of_hybrid(&w->options, w->ranker, &user, list)
                                : list_by_scores(w, &user, m, list);
            add_list(&places, list, count, held_out(w, u));
        }
        check_figures(system_named(report, mq_method_name(m)), &places);
    }
    mq_eval_report_free(report);
}

static void
ratings_by_hand(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    static const char *const names[MQ_PREDICTOR_COUNT + 1] = {"popular", "item-based", "user-based",
                                                              "mf", "hybrid"};
    struct mq_eval_report *report = evaluate(w, NULL);
    struct mq_predictor *predictor;
    double squares[MQ_PREDICTOR_COUNT + 1] = {0}, sizes[MQ_PREDICTOR_COUNT + 1] = {0};
    check_ok(mq_predictor_new(w->view->hybrid, &predictor, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = user_of(w, u);
        int32_t item = held_out(w, u);
        float parts[MQ_PREDICTOR_COUNT + 1];
        double given = (double)w->ratings->user_rating[mq_rating_matrix_find(w->ratings, u, item)];
        check_ok(mq_predictor_take(predictor, &user, &err));
        parts[MQ_PREDICTOR_COUNT] = mq_predict_rating(predictor, item, parts);
        for (int k = 0; k <= MQ_PREDICTOR_COUNT; k++) {
            squares[k] += ((double)parts[k] - given) * ((double)parts[k] - given);
            sizes[k] += fabs((double)parts[k] - given);
        }
    }
    for (int k = 0; k <= MQ_PREDICTOR_COUNT; k++) {
        const struct mq_eval_system *system = system_named(report, names[k]);
        assert_true(system->has_ratings);
        assert_float_equal(system->rmse.value.value, sqrt(squares[k] / USERS), 1e-6);
        assert_float_equal(system->mae.value.value, sizes[k] / USERS, 1e-6);
    }
    assert_int_equal(report->rating_count, USERS);
    assert_false(system_named(report, "ease")->has_ratings);
    mq_predictor_free(predictor);
    mq_eval_report_free(report);
}

/* ---- candidates --------------------------------------------------------------------------- */

/* Lists of candidates, best first; of equal scores as they stand in the case. */
static void
check_candidates(struct world *w, const struct mq_ranking_cases *cases,
                 const struct mq_eval_report *report, enum mq_method method)
{
    struct mq_error err = {0};
    struct places places = {0};
    float weight = method == MQ_METHOD_HYBRID ? w->options.quality_weight : 0;
    for (int64_t c = 0; c < cases->count; c++) {
        struct mq_rated_user user = user_of(w, cases->user[c]);
        const int32_t *candidates = cases->candidate + cases->candidate_offset[c];
        int32_t n = (int32_t)(cases->candidate_offset[c + 1] - cases->candidate_offset[c]);
        int32_t list[ITEMS];
        float scores[ITEMS];
        bool known, taken[ITEMS] = {false};
        check_ok(mq_hybrid_rank_given(w->ranker, &user, method, weight, candidates, n, scores,
                                      &known, &err));
        for (int32_t k = 0; k < n; k++) {
            int32_t best = -1;
            for (int32_t i = 0; i < n; i++)
                if (!taken[i] && (best < 0 || scores[i] > scores[best]))
                    best = i;
            taken[best] = true;
            list[k] = candidates[best];
        }
        add_list(&places, list, n, cases->relevant[cases->relevant_offset[c]]);
    }
    check_figures(system_named(report, mq_method_name(method)), &places);
}

static void
sampled_negatives(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    struct mq_ranking_cases cases = {0};
    const struct mq_ranking_cases_options options = {.seed = SEED};
    w->options.negatives = 4;
    struct mq_eval_report *report = evaluate(w, NULL);
    check_ok(
        mq_ranking_cases_from_split(w->ratings, w->marks, MQ_SPLIT_TEST, &options, &cases, &err));
    check_ok(mq_ranking_cases_sample(&cases, w->ratings, 4, SEED, &err));
    for (int m = 0; m <= MQ_METHOD_COUNT; m++)
        if (mq_hybrid_has(w->view->hybrid, m))
            check_candidates(w, &cases, report, m);
    mq_ranking_cases_release(&cases);
    mq_eval_report_free(report);
}

static bool
best_is_relevant(struct world *w, const struct mq_ranking_cases *cases, int64_t index,
                 enum mq_method method)
{
    struct mq_error err = {0};
    struct mq_rated_user user = user_of(w, cases->user[index]);
    const int32_t *candidates = cases->candidate + cases->candidate_offset[index];
    int32_t n = (int32_t)(cases->candidate_offset[index + 1] - cases->candidate_offset[index]);
    int32_t best = 0;
    float scores[ITEMS];
    bool known;
    check_ok(
        mq_hybrid_rank_given(w->ranker, &user, method, 0, candidates, n, scores, &known, &err));
    for (int32_t k = 1; k < n; k++)
        if (scores[k] > scores[best])
            best = k;
    for (int64_t i = cases->relevant_offset[index]; i < cases->relevant_offset[index + 1]; i++)
        if (cases->relevant[i] == candidates[best])
            return true;
    return false;
}

/* Films nobody had rated, among themselves: only content can tell them apart. */
static void
new_films_among_new_films(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    const struct mq_split_shares shares = {.test = 0.3};
    struct mq_rating_matrix *train;
    struct mq_ranking_cases cases = {0};
    const struct mq_ranking_cases_options options = {.seed = SEED};
    uint8_t among[ITEMS] = {0};
    mq_hybrid_ranker_free(w->ranker);
    mq_hybrid_view_free(w->view);
    mq_hybrid_free(w->hybrid);
    check_ok(mq_split_items(w->ratings, &shares, SEED, w->marks, &err));
    check_ok(mq_split_part(w->ratings, w->marks, MQ_SPLIT_TRAIN, &train, &err));
    open_model(train, w->catalogue, &w->options.fit, w->pool, &w->hybrid, &w->view, &w->ranker);
    w->options.among_held_out = true;
    struct mq_eval_report *report = evaluate(w, NULL);
    for (int64_t i = 0; i < w->ratings->count; i++)
        if (w->marks[i] == MQ_SPLIT_TEST)
            among[w->ratings->user_item[i]] = 1;
    check_ok(
        mq_ranking_cases_from_split(w->ratings, w->marks, MQ_SPLIT_TEST, &options, &cases, &err));
    check_ok(mq_ranking_cases_among(&cases, w->ratings, among, SEED, &err));
    assert_int_equal(report->cases, cases.count);
    int hits = 0;
    for (int64_t c = 0; c < cases.count; c++)
        hits += best_is_relevant(w, &cases, c, MQ_METHOD_CONTENT);
    assert_float_equal(system_named(report, "content")->figure[0][MQ_FIGURE_HIT_RATE].value.value,
                       (double)hits / (double)cases.count, 1e-9);
    mq_ranking_cases_release(&cases);
    mq_eval_report_free(report);
}

/* Candidates made elsewhere; a live model is not asked then. */
static void
given_candidates(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    struct mq_hybrid *live = make_hybrid(w->pool, 9);
    enum { LISTED = 12, WIDTH = 5 };
    int32_t user[LISTED], target[LISTED], item[LISTED * WIDTH];
    int64_t offset[LISTED + 1] = {0};
    for (int i = 0; i < LISTED; i++) {
        user[i] = 2 * i;
        target[i] = held_out(w, user[i]);
        for (int k = 0; k < WIDTH; k++)
            item[i * WIDTH + k] = k == 2 ? target[i] : (target[i] + 1 + k) % ITEMS;
        offset[i + 1] = (int64_t)(i + 1) * WIDTH;
    }
    const struct mq_candidate_lists lists = {LISTED, user, target, offset, item};
    const struct mq_ranking_cases_options options = {.seed = SEED};
    struct mq_ranking_cases cases = {0};
    int64_t live_cases = 9;
    w->task.lists = &lists;
    w->task.read_live = give_live;
    w->task.live_context = live;
    w->options.live_cases_min = 1;
    struct mq_eval_report *report = evaluate(w, &live_cases);
    assert_int_equal(live_cases, 0);
    assert_int_equal(report->cases, LISTED);
    check_ok(mq_ranking_cases_from_lists(w->ratings, w->marks, &lists, &options, &cases, &err));
    for (int m = 0; m <= MQ_METHOD_COUNT; m++)
        if (mq_hybrid_has(w->view->hybrid, m))
            check_candidates(w, &cases, report, m);
    mq_ranking_cases_release(&cases);
    mq_eval_report_free(report);
    mq_hybrid_free(live);
}

/* ---- the live model ----------------------------------------------------------------------- */

enum { SEEN = 12 };

/* A model of an earlier day: it knows all ratings of the first users and the training part of the
 * others; the last user and film 3 it does not know; its films stand the other way round, before
 * them one that has left. */
static struct mq_hybrid *
make_live(struct world *w)
{
    struct mq_error err = {0};
    struct mq_strmap users = {0}, items = {0};
    struct mq_rating_matrix *m = NULL;
    struct mq_hybrid *live = NULL;
    const struct mq_rating_matrix *from = w->ratings;
    int32_t user[USERS * 6], item[USERS * 6], code;
    float rating[USERS * 6];
    uint32_t time_s[USERS * 6];
    int64_t count = 0;
    check_ok(mq_strmap_add_text(&items, "gone", &code, &err));
    for (int32_t i = ITEMS - 1; i >= 0; i--)
        if (i != 3)
            check_ok(mq_strmap_add_text(&items, films[i].id, &code, &err));
    for (int32_t u = 0; u < USERS - 1; u++) {
        check_ok(mq_strmap_add_text(&users, from->users.keys[u], &code, &err));
        for (int64_t i = from->user_offset[u]; i < from->user_offset[u + 1]; i++) {
            if (from->user_item[i] == 3 || (u >= SEEN && w->marks[i] != MQ_SPLIT_TRAIN))
                continue;
            user[count] = u;
            item[count] = mq_strmap_find_text(&items, films[from->user_item[i]].id);
            rating[count] = from->user_rating[i];
            time_s[count++] = from->user_time[i];
        }
    }
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, time_s},
                                    USERS - 1, ITEMS, &users, &items, &m, &err));
    check_ok(mq_hybrid_fit(m, NULL, &w->options.fit, NOW, 1, w->pool, &live, NULL, &err));
    return live;
}

/* The live model's list for a user of ours. */
static int32_t
list_of_live(struct world *w, struct mq_hybrid_ranker *ranker, const struct mq_hybrid *live,
             int32_t code, int32_t *ret_items)
{
    struct mq_error err = {0};
    struct mq_rated_user ours = user_of(w, code), theirs;
    struct mq_rated_item since[ITEMS];
    int32_t list[ITEMS], count = 0, n = 0;
    for (int32_t k = 0; k < ours.count; k++) {
        int32_t item = mq_strmap_find_text(&live->ratings->items, films[ours.items[k]].id);
        if (item >= 0)
            since[n++] = (struct mq_rated_item){item, ours.ratings[k], ours.times[k]};
    }
    check_ok(
        mq_rated_user_make(live, w->ratings->users.keys[code], since, n, &w->arena, &theirs, &err));
    n = list_of_hybrid(&w->options, ranker, &theirs, list);
    for (int32_t k = 0; k < n; k++) {
        int32_t item = mq_strmap_find_text(&w->ratings->items, live->ratings->items.keys[list[k]]);
        if (item >= 0)
            ret_items[count++] = item;
    }
    return count;
}

static void
live_on_what_it_has_not_seen(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    struct mq_hybrid *live = make_live(w);
    struct mq_hybrid_view *view;
    struct mq_hybrid_ranker *ranker;
    int64_t live_cases = 0;
    w->task.read_live = give_live;
    w->task.live_context = live;
    struct mq_eval_report *report = evaluate(w, &live_cases);
    struct places ours = {0}, theirs = {0};
    check_ok(mq_hybrid_view_new(live, NULL, &view, &err));
    check_ok(mq_hybrid_ranker_new(view, &ranker, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = user_of(w, u);
        int32_t list[ITEMS], right = held_out(w, u);
        if (u < SEEN && right != 3)
            continue;
        add_list(&ours, list, list_of_hybrid(&w->options, w->ranker, &user, list), right);
        add_list(&theirs, list, list_of_live(w, ranker, live, u, list), right);
    }
    assert_int_equal(live_cases, ours.count);
    assert_int_equal(report->cases, ours.count);
    check_figures(system_named(report, "live"), &theirs);
    check_figures(system_named(report, "hybrid"), &ours);
    assert_string_equal(report->systems[report->reference].name, "live");
    assert_int_equal(system_named(report, "live")->role, MQ_SYSTEM_LIVE);
    assert_false(system_named(report, "live")->has_ratings);
    /* Ratings are predicted for all. */
    assert_int_equal(report->rating_count, USERS);
    mq_eval_report_free(report);

    /* Also among sampled films, of which it does not know all: those come last. */
    w->options.negatives = 4;
    report = evaluate(w, &live_cases);
    assert_int_equal(live_cases, ours.count);
    const struct mq_eval_system *system = system_named(report, "live");
    assert_float_equal(system->figure[2][MQ_FIGURE_HIT_RATE].value.value, 1, 1e-9);
    mq_eval_report_free(report);

    /* One case fewer than wanted: left out, and no case is lost. */
    w->options.negatives = 0;
    w->options.live_cases_min = ours.count + 1;
    report = evaluate(w, &live_cases);
    assert_int_equal(live_cases, 0);
    assert_int_equal(report->cases, USERS);
    assert_null(system_named(report, "live"));
    assert_string_equal(report->systems[report->reference].name, "popular");
    mq_eval_report_free(report);
    mq_hybrid_ranker_free(ranker);
    mq_hybrid_view_free(view);
    mq_hybrid_free(live);
}

/* ---- what is asked ------------------------------------------------------------------------ */

static void
lists_or_ratings_alone(void **state)
{
    struct world *w = *state;
    w->options.predict = false;
    struct mq_eval_report *report = evaluate(w, NULL);
    assert_int_equal(report->rating_count, 0);
    for (int s = 0; s < report->system_count; s++)
        assert_true(report->systems[s].has_ranking && !report->systems[s].has_ratings);
    mq_eval_report_free(report);
    w->options.predict = true;
    w->options.rank = false;
    report = evaluate(w, NULL);
    assert_int_equal(report->cases, 0);
    assert_int_equal(report->rating_count, USERS);
    for (int s = 0; s < report->system_count; s++)
        assert_false(report->systems[s].has_ranking);
    mq_eval_report_free(report);
}

/* What the hybrid is not blended of has no lists here; its predicted ratings are measured. */
static void
methods_that_are_not_blended(void **state)
{
    struct world *w = *state;
    w->options = options_of(SOME, "ease|user-based");
    struct mq_eval_report *report = evaluate(w, NULL);
    assert_null(system_named(report, "content"));
    assert_true(system_named(report, "ease")->has_ranking);
    assert_true(system_named(report, "user-based")->has_ranking);
    assert_true(system_named(report, "user-based")->has_ratings);
    assert_false(system_named(report, "item-based")->has_ranking);
    assert_true(system_named(report, "item-based")->has_ratings);
    mq_eval_report_free(report);
}

static void
relevant_at_least(void **state)
{
    struct world *w = *state;
    int expected = 0;
    for (int64_t i = 0; i < w->ratings->count; i++)
        expected += (w->marks[i] & MQ_SPLIT_TEST) != 0 && w->ratings->user_rating[i] >= 4;
    w->options.relevant_at_least = 4;
    struct mq_eval_report *report = evaluate(w, NULL);
    assert_int_equal(report->cases, expected);
    assert_int_equal(report->rating_count, USERS);
    mq_eval_report_free(report);
    w->options.cases_max = 3;
    report = evaluate(w, NULL);
    assert_int_equal(report->cases, 3);
    assert_int_equal(report->eligible, expected);
    mq_eval_report_free(report);
}

static void
threads_change_nothing(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    struct mq_hybrid *live = make_live(w);
    char *text[3];
    w->task.read_live = give_live;
    w->task.live_context = live;
    for (int threads = 1; threads <= 3; threads++) {
        struct mq_eval_report *report;
        struct mq_pool *pool;
        json_t *json;
        check_ok(mq_pool_new(threads, &pool, &err));
        check_ok(mq_hybrid_evaluate(&w->task, &w->options, NOW, pool, &report, NULL, &err));
        check_ok(mq_eval_report_json(report, NULL, &json, &err));
        text[threads - 1] = json_dumps(json, 0);
        assert_string_equal(text[0], text[threads - 1]);
        json_decref(json);
        mq_eval_report_free(report);
        mq_pool_free(pool);
    }
    for (int t = 0; t < 3; t++)
        free(text[t]);
    mq_hybrid_free(live);
}

static void
nothing_to_evaluate(void **state)
{
    struct world *w = *state;
    struct mq_error err = {0};
    struct mq_eval_report *report = NULL;
    memset(w->marks, MQ_SPLIT_TRAIN, (size_t)w->ratings->count);
    check_fails(MQ_E_INPUT,
                mq_hybrid_evaluate(&w->task, &w->options, NOW, w->pool, &report, NULL, &err));
    check_contains(err.message, "no user has a held-out film");
    memset(w->marks, MQ_SPLIT_TEST, (size_t)w->ratings->count);
    check_fails(MQ_E_INPUT,
                mq_hybrid_evaluate(&w->task, &w->options, NOW, w->pool, &report, NULL, &err));
    check_contains(err.message, "there is no rating");
    assert_null(report);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_method_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(ratings_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(sampled_negatives, setup, teardown),
        cmocka_unit_test_setup_teardown(new_films_among_new_films, setup, teardown),
        cmocka_unit_test_setup_teardown(given_candidates, setup, teardown),
        cmocka_unit_test_setup_teardown(live_on_what_it_has_not_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_or_ratings_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(methods_that_are_not_blended, setup, teardown),
        cmocka_unit_test_setup_teardown(relevant_at_least, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_evaluate, setup, teardown),
    };
    mq_log_configure(MQ_LOG_ERROR, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
