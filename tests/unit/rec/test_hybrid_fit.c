#include "../model/hybrid_fixture.h"

#include <math.h>

#include "base/filesystem.h"
#include "base/log.h"
#include "model/hybrid_files.h"
#include "rec/hybrid_fit.h"
#include "rec/hybrid_ranking.h"
#include "rec/predicted_ratings.h"

/* A hybrid model with its blends, from ratings of every kind of odd shape. */

#define METHODS "item-based|user-based|content|mf|ease|sequence|deep|popular"

static struct mq_hybrid_fit_options
options_of(const char *blended, const char *blend_users)
{
    struct mq_error err = {0};
    struct mq_hybrid_fit_options options;
    struct mq_config *config;
    const char *const settings[][2] = {
        {"hybrid.methods", METHODS}, {"hybrid.blended", blended},
        {"hybrid.neighbours", "5"},  {"hybrid.content_neighbours", "4"},
        {"hybrid.factors", "8"},     {"hybrid.blend_users", blend_users},
        {"youtubednn.epochs", "1"},  {"youtubednn.negatives", "8"},
        {"youtubednn.heads", "1"},
    };
    check_ok(mq_config_new(&config, &err));
    for (size_t i = 0; i < MQ_COUNT(settings); i++)
        check_ok(mq_config_set(config, settings[i][0], settings[i][1], MQ_FROM_FLAG, "test", &err));
    check_ok(mq_hybrid_fit_options_read(config, &options, &err));
    mq_config_free(config);
    return options;
}

static struct mq_hybrid *
fit(struct mq_rating_matrix *ratings, const struct mq_catalogue *catalogue,
    const struct mq_hybrid_fit_options *options, int threads, struct mq_hybrid_fit_report *report)
{
    struct mq_error err = {0};
    struct mq_hybrid *hybrid = NULL;
    struct mq_pool *pool;
    check_ok(mq_pool_new(threads, &pool, &err));
    check_ok(mq_hybrid_fit(ratings, catalogue, options, NOW, 7, pool, &hybrid, report, &err));
    mq_pool_free(pool);
    return hybrid;
}

/* Held out of each user: another rating than the newest. */
static void
any_rating_is_a_choice(void **state)
{
    (void)state;
    struct mq_hybrid_fit_options options = options_of("item-based|sequence|popular", "20");
    struct mq_hybrid_fit_report newest, any;
    mq_hybrid_free(fit(make_ratings(2), NULL, &options, 2, &newest));
    options.blend_newest = false;
    mq_hybrid_free(fit(make_ratings(2), NULL, &options, 2, &any));
    assert_int_equal(newest.blend.cases, 20);
    assert_int_equal(any.blend.cases, 20);
    assert_true(fabs(newest.blend.loss - any.blend.loss) > 1e-6);
}

static void
blends_are_learned(void **state)
{
    (void)state;
    struct mq_catalogue *catalogue = fixture_catalogue(films, ITEMS);
    struct mq_hybrid_fit_options options = options_of(METHODS, "20");
    struct mq_hybrid_fit_report report;
    struct mq_rating_matrix *ratings = make_ratings(2);
    int64_t count = ratings->count;
    float sum = 0, weights = 0;
    struct mq_hybrid *h = fit(ratings, catalogue, &options, 2, &report);
    assert_int_equal(h->ratings->count, count); /* nothing stays held out */
    assert_int_equal(mq_strmap_find_text(&h->ratings->users, "u7"), 7);
    assert_int_equal(report.blend.cases, 20);
    assert_true(report.blend.loss <= report.blend.loss_uniform + 1e-9);
    assert_in_range(report.rating_cases, 1, count / 20);
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        assert_true(isfinite(h->blend[m]) && h->blend[m] >= 0);
        sum += h->blend[m];
    }
    assert_true(sum > 0);
    for (int p = 0; p < MQ_PREDICTOR_COUNT; p++)
        weights += h->rating_weight[p];
    assert_float_equal(weights, 1, 1e-5);
    assert_memory_equal(h->rating_weight, report.rating_blend.weight, sizeof(h->rating_weight));
    mq_hybrid_free(h);
    mq_catalogue_free(catalogue);
}

/* The predictors' blend by some users' ratings, the methods' and the model by all. */
static void
blends_of_a_sample(void **state)
{
    (void)state;
    struct mq_catalogue *catalogue = fixture_catalogue(films, ITEMS);
    struct mq_hybrid_fit_options options = options_of(METHODS, "20");
    struct mq_hybrid_fit_report whole, report;
    struct mq_hybrid *all = fit(make_ratings(2), catalogue, &options, 2, &whole);
    assert_int_equal(options.blend_ratings, 10000000);
    assert_int_equal(whole.blend_ratings, all->ratings->count);

    options.blend_ratings = all->ratings->count / 3;
    struct mq_hybrid *h = fit(make_ratings(2), catalogue, &options, 2, &report);
    assert_int_equal(h->ratings->count, all->ratings->count);
    assert_in_range(report.blend_ratings, options.blend_ratings / 2, options.blend_ratings * 2);
    assert_int_equal(report.blend.cases, whole.blend.cases);
    assert_memory_equal(h->blend, all->blend, sizeof(h->blend));
    assert_int_equal(report.rating_cases, report.blend_ratings / 20);
    assert_memory_equal(h->items.scores, all->items.scores,
                        (size_t)h->items.count * (size_t)h->items.k * sizeof(*h->items.scores));
    assert_memory_equal(h->rating_weight, report.rating_blend.weight, sizeof(h->rating_weight));
    mq_hybrid_free(h);

    options.blend_ratings = all->ratings->count; /* no more than that: all */
    h = fit(make_ratings(2), catalogue, &options, 2, &report);
    assert_int_equal(report.blend_ratings, whole.blend_ratings);
    assert_memory_equal(h->rating_weight, all->rating_weight, sizeof(h->rating_weight));
    mq_hybrid_free(h);

    options.blend_ratings = 1; /* one user, of whom nothing can be held out */
    h = fit(make_ratings(2), catalogue, &options, 2, &report);
    assert_in_range(report.blend_ratings, 1, 6);
    assert_int_equal(report.rating_cases, 0);
    mq_hybrid_free(h);
    mq_hybrid_free(all);
    mq_catalogue_free(catalogue);
}

/* Lists of very many users are shorter, but never without end. */
static void
list_lengths(void **state)
{
    (void)state;
    assert_int_equal(mq_hybrid_list_length(200, 6040), 200);
    assert_int_equal(mq_hybrid_list_length(200, 335544), 200);
    assert_int_equal(mq_hybrid_list_length(200, 1000000), 67);
    assert_int_equal(mq_hybrid_list_length(200, 16000000), MQ_HYBRID_LIST_LENGTH_MIN);
    assert_int_equal(mq_hybrid_list_length(5, 16000000), 5);
    assert_int_equal(mq_hybrid_list_length(200, 12), 11);
    assert_int_equal(mq_hybrid_list_length(200, 1), 1);
    assert_int_equal(mq_hybrid_list_length(200, 0), 1);
}

/* The literal form ranks by neighbours by ratings: they are there where blends are learned, too. */
static void
literal_form_is_blended(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_hybrid_fit_options options = options_of("item-based|user-based|popular", "30");
    struct mq_hybrid *h;
    options.model.literal = true;
    options.model.predict = false;
    check_ok(mq_hybrid_train(make_ratings(2), NULL, &options.model, NOW, 7, NULL, &h, NULL, &err));
    assert_true(mq_hybrid_has(h, MQ_METHOD_ITEM_BASED) && mq_hybrid_has(h, MQ_METHOD_USER_BASED));
    assert_null(h->factors);
    mq_hybrid_free(h);
    /* Choices that no method explains: all that were candidates weigh the same. */
    options.model.predict = true;
    options.blended = 1u << MQ_METHOD_ITEM_BASED | 1u << MQ_METHOD_USER_BASED;
    options.model.methods = options.blended | 1u << MQ_METHOD_POPULAR;
    h = fit(make_ratings(2), NULL, &options, 1, NULL);
    assert_true(h->blend[MQ_METHOD_ITEM_BASED] > 0 || h->blend[MQ_METHOD_USER_BASED] > 0);
    mq_hybrid_free(h);
}

/* Users who stand for more have no better neighbours than among so many. */
static void
bounds_of_a_sample(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_hybrid_options options = options_of("user-based", "0").model;
    struct mq_hybrid *h;
    options.methods = 1u << MQ_METHOD_USER_BASED | 1u << MQ_METHOD_ITEM_BASED;
    options.neighbours = 25;
    for (int scaled = 0; scaled < 2; scaled++) {
        options.scale_users = scaled ? 16000000 : 0;
        check_ok(mq_hybrid_train(make_ratings(2), NULL, &options, NOW, 7, NULL, &h, NULL, &err));
        assert_int_equal(h->users.k, scaled ? MQ_HYBRID_LIST_LENGTH_MIN : 25);
        assert_int_equal(h->rating_users.k, h->users.k);
        assert_int_equal(h->items.k, ITEMS - 1);
        assert_int_equal(mq_hybrid_choice_options(h, MQ_NEIGHBOUR_USERS).candidates_max,
                         scaled ? 8192 : 65536);
        assert_int_equal(mq_hybrid_rating_options(h, MQ_NEIGHBOUR_USERS).candidates_max,
                         scaled ? 8192 : 65536);
        mq_hybrid_free(h);
    }
}

/* Without users to learn from all that may be blended weigh the same; what may not is trained. */
static void
what_may_be_blended(void **state)
{
    (void)state;
    struct mq_catalogue *catalogue = fixture_catalogue(films, ITEMS);
    struct mq_hybrid_fit_options options = options_of("mf|content", "0");
    struct mq_hybrid_fit_report report;
    struct mq_hybrid *h = fit(make_ratings(2), catalogue, &options, 1, &report);
    assert_int_equal(report.blend.cases, 0);
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        bool blended = m == MQ_METHOD_MF || m == MQ_METHOD_CONTENT || m == MQ_METHOD_POPULAR;
        assert_float_equal(h->blend[m], blended, 0);
        assert_true(mq_hybrid_has(h, m));
    }
    mq_hybrid_free(h);
    options = options_of("mf|content", "30");
    h = fit(make_ratings(2), catalogue, &options, 1, &report);
    assert_int_equal(report.blend.cases, 30);
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        bool blended = m == MQ_METHOD_MF || m == MQ_METHOD_CONTENT || m == MQ_METHOD_POPULAR;
        assert_true(blended || h->blend[m] == 0);
        assert_true(mq_hybrid_has(h, m));
    }
    mq_hybrid_free(h);
    mq_catalogue_free(catalogue);
}

/* ---- same bytes --------------------------------------------------------------------------- */

struct files {
    struct mq_object_store *store;
    struct mq_buffer text; /* names and bytes */
};

static enum mq_status
take_file(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct files *files = context;
    (void)info;
    enum mq_status st = mq_buffer_append_text(&files->text, key, err);
    return st == MQ_OK ? mq_object_get(files->store, key, &files->text, err) : st;
}

static void
threads_change_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_catalogue *catalogue = fixture_catalogue(films, ITEMS);
    struct mq_hybrid_fit_options options = options_of(METHODS, "20");
    struct files made[3] = {{0}};
    for (int threads = 1; threads <= 3; threads++) {
        struct files *files = &made[threads - 1];
        char *folder;
        struct mq_hybrid *h = fit(make_ratings(2), catalogue, &options, threads, NULL);
        check_ok(mq_fs_scratch(&folder, &err));
        check_ok(mq_object_store_open(folder, &files->store, &err));
        check_ok(mq_hybrid_save(files->store, "1", h, NULL, &err));
        check_ok(mq_object_list(files->store, "1/model/hybrid/", take_file, files, &err));
        mq_hybrid_free(h);
        mq_object_store_free(files->store);
        check_ok(mq_fs_remove(folder, &err));
        free(folder);
        assert_true(files->text.size > 1000);
        assert_int_equal(files->text.size, made[0].text.size);
        assert_memory_equal(files->text.data, made[0].text.data, made[0].text.size);
    }
    for (int t = 0; t < 3; t++)
        mq_buffer_release(&made[t].text);
    mq_catalogue_free(catalogue);
}

/* ---- odd shapes --------------------------------------------------------------------------- */

struct given {
    int32_t user, item;
    float rating;
};

/* Ids "u0"… and those of the fixture's films; a minute apart. */
static struct mq_rating_matrix *
matrix_of(const struct given *given, int count, int32_t user_count, int32_t item_count)
{
    struct mq_error err = {0};
    struct mq_strmap users = {0}, items = {0};
    struct mq_rating_matrix *matrix = NULL;
    int32_t user[64], item[64], code;
    float rating[64];
    uint32_t time_s[64];
    for (int i = 0; i < count; i++) {
        user[i] = given[i].user;
        item[i] = given[i].item;
        rating[i] = given[i].rating;
        time_s[i] = (uint32_t)(NOW + 60 * i);
    }
    for (int32_t u = 0; u < user_count; u++) {
        char id[16];
        snprintf(id, sizeof(id), "u%d", (int)u);
        check_ok(mq_strmap_add_text(&users, id, &code, &err));
    }
    for (int32_t i = 0; i < item_count; i++)
        check_ok(mq_strmap_add_text(&items, films[i].id, &code, &err));
    check_ok(mq_rating_matrix_build(&(struct mq_rating_list){count, user, item, rating, time_s},
                                    user_count, item_count, &users, &items, &matrix, &err));
    return matrix;
}

static void
check_finite(const float *values, int32_t count, const char *what)
{
    for (int32_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            fail_msg("%s %d is %g", what, (int)i, (double)values[i]);
}

/* All lists and predictions of one user are numbers, and name no film twice. */
static void
check_user(struct mq_hybrid_ranker *ranker, struct mq_predictor *predictor,
           const struct mq_hybrid *h, const struct mq_rated_user *user)
{
    struct mq_error err = {0};
    struct mq_hybrid_candidate list[ITEMS];
    int32_t count;
    bool known;
    check_ok(mq_predictor_take(predictor, user, &err));
    for (int32_t i = 0; i < h->ratings->item_count; i++) {
        float rating = mq_predict_rating(predictor, i, NULL);
        assert_true(rating >= h->rating_low && rating <= h->rating_high);
    }
    for (int m = 0; m <= MQ_METHOD_COUNT; m++) {
        struct mq_hybrid_query query = {
            .user = user, .method = m, .seen = true, .candidates = ITEMS, .quality_weight = 0.1F};
        check_ok(mq_hybrid_rank(ranker, &query, list, &count, &known, &err));
        if (known)
            assert_int_equal(count, h->ratings->item_count);
        else
            assert_int_equal(count, 0);
        if (m == MQ_METHOD_HYBRID)
            assert_int_equal(known, user->count > 0);
        unsigned seen = 0;
        for (int32_t i = 0; i < count; i++) {
            assert_true(isfinite(list[i].raw) && list[i].score >= 0 && list[i].score <= 1.0001F);
            assert_false(seen >> list[i].item & 1);
            seen |= 1u << list[i].item;
        }
    }
}

static void
check_model(struct mq_hybrid *h)
{
    struct mq_error err = {0};
    struct mq_hybrid_view *view;
    struct mq_hybrid_ranker *ranker;
    struct mq_predictor *predictor;
    struct mq_arena arena = {0};
    struct mq_rated_user user;
    check_finite(h->blend, MQ_METHOD_COUNT, "blend");
    check_finite(h->rating_weight, MQ_PREDICTOR_COUNT, "rating weight");
    check_finite(h->popularity, h->ratings->item_count, "popularity");
    check_finite(h->average, h->ratings->item_count, "average");
    check_ok(mq_hybrid_view_new(h, NULL, &view, &err));
    check_ok(mq_hybrid_ranker_new(view, &ranker, &err));
    check_ok(mq_predictor_new(h, &predictor, &err));
    for (int32_t u = 0; u < h->ratings->user_count; u++) {
        check_ok(mq_rated_user_stored(h, u, &arena, &user, &err));
        check_user(ranker, predictor, h, &user);
        user.changed = true;
        check_user(ranker, predictor, h, &user);
    }
    const struct mq_rated_item first = {h->ratings->item_count - 1, 4, NOW};
    check_ok(mq_rated_user_make(h, "new", &first, 1, &arena, &user, &err));
    check_user(ranker, predictor, h, &user);
    check_ok(mq_rated_user_make(h, "", NULL, 0, &arena, &user, &err));
    check_user(ranker, predictor, h, &user);
    mq_arena_release(&arena);
    mq_predictor_free(predictor);
    mq_hybrid_ranker_free(ranker);
    view->hybrid = NULL;
    mq_hybrid_view_free(view);
}

/* Trained, asked, written, read, asked again. */
static void
check_shape(const struct given *given, int count, int32_t user_count, int32_t item_count)
{
    struct mq_error err = {0};
    struct mq_hybrid_fit_options options = options_of(METHODS, "100");
    struct mq_object_store *store;
    struct mq_hybrid *read = NULL;
    char *folder;
    check_ok(mq_fs_scratch(&folder, &err));
    check_ok(mq_object_store_open(folder, &store, &err));
    for (int with_catalogue = 0; with_catalogue < 2; with_catalogue++) {
        struct mq_catalogue *catalogue =
            with_catalogue != 0 ? fixture_catalogue(films, item_count) : NULL;
        struct mq_hybrid *h =
            fit(matrix_of(given, count, user_count, item_count), catalogue, &options, 2, NULL);
        mq_catalogue_free(catalogue);
        check_model(h);
        check_ok(mq_hybrid_save(store, "1", h, NULL, &err));
        check_ok(mq_hybrid_load(store, "1", h->version, NULL, &read, &err));
        check_model(read);
        mq_hybrid_free(read);
        mq_hybrid_free(h);
    }
    mq_object_store_free(store);
    check_ok(mq_fs_remove(folder, &err));
    free(folder);
}

static void
one_rating(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, 4}};
    check_shape(given, 1, 1, 1);
    check_shape(given, 1, 1, 3);
}

static void
one_user(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, 4}, {0, 1, 2}, {0, 3, 5}, {0, 4, 1}};
    check_shape(given, MQ_COUNT(given), 1, 6);
}

static void
one_film(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, 4}, {1, 0, 2}, {2, 0, 5}, {3, 0, 1}};
    check_shape(given, MQ_COUNT(given), 4, 1);
}

static void
equal_ratings(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, 3}, {0, 1, 3}, {1, 1, 3}, {1, 2, 3},
                                         {2, 0, 3}, {2, 2, 3}, {2, 3, 3}, {3, 1, 3}};
    check_shape(given, MQ_COUNT(given), 4, 5);
}

static void
a_film_that_all_rated(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 2, 5}, {0, 1, 3}, {1, 2, 4}, {1, 3, 2},
                                         {2, 2, 5}, {2, 0, 1}, {3, 2, 3}};
    check_shape(given, MQ_COUNT(given), 4, 5);
    /* And all films by all. */
    struct given all[24];
    for (int i = 0; i < 24; i++)
        all[i] = (struct given){i / 4, i % 4, (float)(1 + i * 7 % 5)};
    check_shape(all, 24, 6, 4);
}

static void
users_without_overlap(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, 5}, {0, 1, 3}, {1, 2, 4},
                                         {1, 3, 2}, {2, 4, 5}, {2, 5, 1}};
    check_shape(given, MQ_COUNT(given), 3, 7);
    static const struct given alone[] = {{0, 0, 5}, {1, 1, 3}, {2, 2, 4}};
    check_shape(alone, MQ_COUNT(alone), 3, 3);
}

/* The scale is 0.5 to 5 where nothing else is configured; the workflow lets none of these pass. */
static void
ratings_off_the_scale(void **state)
{
    (void)state;
    static const struct given given[] = {{0, 0, -40}, {0, 1, 3}, {1, 0, 1e6F}, {1, 2, 0},
                                         {2, 1, 5},   {2, 2, 9}, {3, 0, 2},    {3, 3, -1e6F}};
    check_shape(given, MQ_COUNT(given), 4, 5);
}

/* Every one rating among twenty may be held out, but nobody's only one. */
static void
many_with_one_rating_each(void **state)
{
    (void)state;
    struct given given[60];
    for (int i = 0; i < 60; i++)
        given[i] = (struct given){i, i % 11, (float)(1 + i % 5)};
    check_shape(given, 60, 60, 12);
}

static void
nothing_to_train_on(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_hybrid_fit_options options = options_of(METHODS, "100");
    struct mq_hybrid *h = NULL;
    struct mq_pool *pool;
    struct mq_rating_matrix *none = matrix_of(NULL, 0, 2, 3);
    check_ok(mq_pool_new(1, &pool, &err));
    check_fails(MQ_E_INPUT, mq_hybrid_fit(none, NULL, &options, NOW, 7, pool, &h, NULL, &err));
    check_contains(err.message, "there is no rating");
    assert_null(h);
    mq_rating_matrix_free(none); /* still the caller's */
    mq_pool_free(pool);
}

static void
options_are_read(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_config *config;
    struct mq_hybrid_fit_options options;
    check_ok(mq_config_new(&config, &err));
    check_ok(mq_hybrid_fit_options_read(config, &options, &err));
    assert_int_equal(options.blend_users, 2000);
    assert_int_equal(options.blend_others, 200);
    assert_true(options.blend_newest);
    assert_int_equal(options.blended & 1u << MQ_METHOD_DEEP, 0);
    assert_int_not_equal(options.model.methods & 1u << MQ_METHOD_DEEP, 0);
    check_ok(mq_config_set(config, "hybrid.blended", "mf|cosine", MQ_FROM_FLAG, "test", &err));
    check_fails(MQ_E_CONFIG, mq_hybrid_fit_options_read(config, &options, &err));
    check_contains(err.message, "hybrid.blended names 'cosine'");
    mq_config_free(config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_rating_is_a_choice),
        cmocka_unit_test(blends_are_learned),
        cmocka_unit_test(blends_of_a_sample),
        cmocka_unit_test(list_lengths),
        cmocka_unit_test(bounds_of_a_sample),
        cmocka_unit_test(literal_form_is_blended),
        cmocka_unit_test(what_may_be_blended),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(one_rating),
        cmocka_unit_test(one_user),
        cmocka_unit_test(one_film),
        cmocka_unit_test(equal_ratings),
        cmocka_unit_test(a_film_that_all_rated),
        cmocka_unit_test(users_without_overlap),
        cmocka_unit_test(ratings_off_the_scale),
        cmocka_unit_test(many_with_one_rating_each),
        cmocka_unit_test(nothing_to_train_on),
        cmocka_unit_test(options_are_read),
    };
    mq_log_configure(MQ_LOG_ERROR, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
