/* train-hybrid and evaluate: from events to a model, its outcome and its report. */
#include "events_fixture.h"

#include <math.h>
#include <unistd.h>

#include "base/progress.h"
#include "data/rating_load.h"
#include "format/json.h"
#include "model/hybrid_registry.h"
#include "step/hybrid_input.h"

#define D1 "2020-12-18"
#define D2 "2020-12-19"
#define D3 "2020-12-20"

enum { VIEWERS = 24, FILMS = 12 };

static int
setup(void **state)
{
    if (fixture_setup(state) != 0)
        return 1;
    struct step_fixture *f = *state;
    mq_autofree char *uri = mq_strfmt("lmdb:%s/features", f->folder);
    static const char *const settings[][2] = {
        {"hybrid.methods", "item-based|user-based|content|mf|ease|popular"},
        {"hybrid.neighbours", "5"},
        {"hybrid.factors", "8"},
        {"eval.resamples", "50"},
        {"gate.cases_min", "5"},
        {"validate.min_events", "0"}};
    fixture_option(f, "features.store", uri);
    for (size_t i = 0; i < MQ_COUNT(settings); i++)
        fixture_option(f, settings[i][0], settings[i][1]);
    f->context.run_id = "run1";
    return 0;
}

/* Films "1" to "12", of two kinds; the last nobody rates. */
static void
put_catalogue(struct step_fixture *f)
{
    struct mq_buffer text = {0};
    struct mq_error err = {0};
    check_ok(mq_buffer_append_text(&text,
                                   "program_id,program_type,program_name,release_year,"
                                   "category_property,is_new\n",
                                   &err));
    for (int i = 1; i <= FILMS; i++)
        check_ok(mq_buffer_printf(&text, &err, "%d,movie,Film %d,%d,%s,0\n", i, i, 1980 + i,
                                  i % 2 != 0 ? "Drama" : "Comedy"));
    char *films = mq_buffer_take(&text);
    fixture_put(f, "system/item-data/basic/1.csv", films);
    free(films);
    check_ok(mq_buffer_append_text(&text, "user_id,sex\n", &err));
    for (int u = 0; u < VIEWERS; u++)
        check_ok(mq_buffer_printf(&text, &err, "u%d,F\n", u));
    char *users = mq_buffer_take(&text);
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv", users);
    free(users);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
}

/* Each of some users rates `each` films on a day: even users those of odd numbers, odd ones those
 * of even. */
static void
put_day(struct step_fixture *f, const char *date, int64_t first, int users, int each, int from)
{
    struct mq_buffer text = {0};
    for (int u = 0; u < users; u++)
        for (int k = 0; k < each; k++) {
            char user[16], film[16];
            snprintf(user, sizeof(user), "u%d", u);
            snprintf(film, sizeof(film), "%d", 1 + u % 2 + (from + u / 2 + k) % 5 * 2);
            fixture_rate(&text, date, user, film, 1 + (u * 7 + k * 3) % 5, 60 * u + k);
        }
    fixture_bronze(f, MQ_BRONZE_EVENTS, date, first, text.data);
    mq_buffer_release(&text);
}

static void
make_silver(struct step_fixture *f)
{
    fixture_ok(f, mq_step_validate_data);
    fixture_ok(f, mq_step_extract_features);
}

/* An object as JSON; owned. */
static json_t *
get_json(struct step_fixture *f, const char *path)
{
    struct mq_error err = {0};
    json_t *json = NULL;
    char *text = fixture_get(f, path);
    if (text == NULL)
        fail_msg("%s is missing", path);
    check_ok(mq_json_parse(text, strlen(text), path, &json, &err));
    free(text);
    return json;
}

static const char *
text_at(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "-";
}

/* Version of the last candidate. */
static void
candidate(struct step_fixture *f, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    json_t *json = get_json(f, "model/hybrid/candidate.json");
    snprintf(ret_version, MQ_HYBRID_VERSION_SIZE, "%s", text_at(json, "version"));
    json_decref(json);
}

static void
deploy(struct step_fixture *f, const char *version)
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    check_ok(mq_hybrid_pointer_read(f->store, "1", &pointer, &err));
    check_ok(mq_hybrid_pointer_move(
        f->store, "1", &pointer,
        &(struct mq_hybrid_move){.version = version, .by = "deploy", .at_s = FIXTURE_NOW}, &err));
    mq_hybrid_pointer_release(&pointer);
}

/* ---- input ------------------------------------------------------------------------------- */

static enum mq_status
load_input(struct step_fixture *f, struct mq_hybrid_input *ret_input, struct mq_error *err)
{
    return mq_hybrid_input_load(f->store, "1", f->config, f->folder, f->context.date, ret_input,
                                err);
}

static void
films_of_the_catalogue_first(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_hybrid_input input = {0};
    struct mq_buffer text = {0};
    put_catalogue(f);
    /* A film that is not in the catalogue is rated before all others, film 7 next. */
    fixture_rate(&text, D1, "u1", "left", 2, 10);
    fixture_rate(&text, D1, "u1", "7", 4, 20);
    fixture_rate(&text, D1, "u2", "3", 5, 30);
    fixture_play(&text, D1, "u2", "5", 18000);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0, text.data);
    mq_buffer_reset(&text);
    fixture_rate(&text, D2, "u2", "left", 1, 10);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 10, text.data);
    mq_buffer_release(&text);
    fixture_option(f, "validate.max_unknown_films", "1");
    make_silver(f);

    check_ok(load_input(f, &input, &err));
    const struct mq_rating_matrix *m = input.ratings;
    assert_int_equal(input.catalogue->count, FILMS);
    assert_int_equal(m->item_count, FILMS + 1);
    for (int32_t i = 0; i < FILMS; i++) {
        assert_string_equal(m->items.keys[i], input.catalogue->ids.keys[i]);
        int64_t rated = m->item_offset[i + 1] - m->item_offset[i];
        assert_int_equal(rated, i == 2 || i == 6);
    }
    assert_string_equal(m->items.keys[FILMS], "left");
    assert_int_equal(m->item_offset[FILMS + 1] - m->item_offset[FILMS], 2);
    assert_int_equal(m->count, 4);
    assert_string_equal(input.figures.last_day, D2);
    mq_hybrid_input_release(&input);

    /* Plays too, up to a day. */
    f->context.date = D1;
    fixture_option(f, "hybrid.events", "play|rating");
    fixture_option(f, "hybrid.choice_rating", "2.5");
    check_ok(load_input(f, &input, &err));
    m = input.ratings;
    assert_int_equal(m->count, 4);
    int64_t at = mq_rating_matrix_find(m, mq_strmap_find_text(&m->users, "u2"), 4);
    assert_true(at >= 0);
    assert_float_equal(m->user_rating[at], 2.5, 0);
    assert_string_equal(input.figures.last_day, D1);
    mq_hybrid_input_release(&input);
    f->context.date = NULL;

    fixture_option(f, "hybrid.events", "rating|purchase");
    check_fails(MQ_E_CONFIG, load_input(f, &input, &err));
    check_contains(err.message, "hybrid.events names 'purchase'");
    assert_null(input.ratings);
    fixture_option(f, "hybrid.events", "");
    check_fails(MQ_E_CONFIG, load_input(f, &input, &err));
    check_contains(err.message, "hybrid.events is empty");
}

/* ---- train-hybrid ------------------------------------------------------------------------- */

static void
a_model_and_its_candidate(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    char version[MQ_HYBRID_VERSION_SIZE], again[MQ_HYBRID_VERSION_SIZE], path[128];
    struct mq_hybrid *h = NULL;
    assert_int_equal(fixture_run(f, mq_step_train_hybrid), MQ_E_NOT_FOUND);
    put_catalogue(f);
    assert_int_equal(fixture_run(f, mq_step_train_hybrid), MQ_E_NOT_FOUND);
    put_day(f, D1, 0, VIEWERS, 3, 0);
    put_day(f, D2, 1000, VIEWERS, 1, 3);
    make_silver(f);

    fixture_ok(f, mq_step_train_hybrid);
    check_count(f, "users", VIEWERS);
    check_count(f, "films", FILMS);
    check_count(f, "ratings", VIEWERS * 4);
    check_count(f, "blend_choices", VIEWERS);
    assert_true(fixture_count(f, "held_out_rmse") > 0);
    check_contains(f->report.notes.data, "not deployed yet");
    candidate(f, version);
    check_ok(mq_hybrid_load(f->store, "1", version, f->pool, &h, &err));
    assert_int_equal(h->ratings->count, VIEWERS * 4);
    assert_int_equal(h->made_s, FIXTURE_NOW);
    assert_float_equal(fixture_count(f, "blend_ease"), h->blend[MQ_METHOD_EASE], 1e-9);
    mq_hybrid_free(h);
    assert_null(fixture_get(f, "model/hybrid/current.json"));

    snprintf(path, sizeof(path), "model/hybrid/%s/model.json", version);
    json_t *model = get_json(f, path);
    assert_string_equal(text_at(model, "run"), "run1");
    assert_string_equal(text_at(model, "last_day"), D2);
    assert_int_equal(json_integer_value(json_object_get(model, "seed")), 1);
    const json_t *settings = json_object_get(model, "settings");
    assert_int_equal(json_integer_value(json_object_get(settings, "neighbours")), 5);
    assert_string_equal(text_at(settings, "events"), "rating");
    assert_non_null(json_object_get(json_object_get(model, "blend_learned_on"), "loss"));
    assert_true(
        json_is_boolean(json_object_get(json_object_get(model, "blend_learned_on"), "by_order")));
    assert_non_null(json_object_get(
        json_object_get(json_object_get(model, "rating_weights_learned_on"), "rmse"), "blend"));
    json_decref(model);

    /* The same day again gives the same model; an earlier day alone another. */
    fixture_ok(f, mq_step_train_hybrid);
    candidate(f, again);
    assert_string_equal(version, again);
    f->context.date = D1;
    fixture_ok(f, mq_step_train_hybrid);
    check_count(f, "ratings", VIEWERS * 3);
    candidate(f, again);
    assert_string_not_equal(version, again);
    f->context.date = NULL;

    fixture_option(f, "hybrid.items_max", "4");
    fixture_ok(f, mq_step_train_hybrid);
    check_contains(f->report.notes.data, "ease was left out");
}

/* ---- evaluate ----------------------------------------------------------------------------- */

static void
an_outcome_and_a_report(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE];
    put_catalogue(f);
    put_day(f, D1, 0, VIEWERS, 3, 0);
    put_day(f, D2, 1000, VIEWERS, 1, 3);
    make_silver(f);
    fixture_option(f, "gate.bounds", "hit_rate_10 >= 0.2, rmse <= 4");
    assert_int_equal(fixture_run(f, mq_step_evaluate), MQ_E_NOT_FOUND);
    fixture_ok(f, mq_step_train_hybrid);
    candidate(f, version);
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "cases", VIEWERS);
    check_count(f, "live_cases", 0);
    /* Ten of twelve films, of which three are known: the right one is among them. */
    check_count(f, "hit_rate_10", 1);
    assert_true(fixture_count(f, "rmse") > 0);
    check_contains(f->report.notes.data, "passes the quality gate");

    json_t *outcome = get_json(f, "model/hybrid/evaluation.json");
    assert_string_equal(text_at(outcome, "version"), version);
    assert_string_equal(text_at(outcome, "run"), "run1");
    assert_true(json_is_null(json_object_get(outcome, "live")));
    const json_t *report = json_object_get(outcome, "report");
    assert_true(json_is_true(json_object_get(json_object_get(report, "gate"), "passed")));
    json_t *written = get_json(f, "runs/run1/report.json");
    assert_true(json_equal(report, written));
    check_contains(text_at(written, "protocol"), "each user's newest rating held out");
    check_contains(text_at(written, "data"), "silver/ratings up to " D2);
    json_decref(written);
    json_decref(outcome);
    char *page = fixture_get(f, "runs/run1/report.html");
    assert_non_null(page);
    check_contains(page, "<svg");
    check_contains(page, "</html>");
    free(page);

    /* A bound that it misses. */
    fixture_option(f, "gate.bounds", "rmse <= 0.001");
    fixture_ok(f, mq_step_evaluate);
    check_contains(f->report.notes.data, "does not pass the quality gate");
    check_contains(f->report.notes.data, "gate: rmse");
    outcome = get_json(f, "model/hybrid/evaluation.json");
    report = json_object_get(outcome, "report");
    assert_true(json_is_false(json_object_get(json_object_get(report, "gate"), "passed")));
    json_decref(outcome);
    fixture_option(f, "gate.bounds", "rmse <");
    assert_int_equal(fixture_run(f, mq_step_evaluate), MQ_E_CONFIG);
}

static void
beside_the_live_model(void **state)
{
    struct step_fixture *f = *state;
    char first[MQ_HYBRID_VERSION_SIZE], second[MQ_HYBRID_VERSION_SIZE];
    put_catalogue(f);
    put_day(f, D1, 0, VIEWERS, 3, 0);
    make_silver(f);
    fixture_option(f, "gate.bounds", "hit_rate_10 >= 0.2");
    fixture_ok(f, mq_step_train_hybrid);
    candidate(f, first);
    deploy(f, first);
    /* The candidate serves already: it is not held against itself. */
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "live_cases", 0);

    /* Ten users go on; of the others the live model knows all. */
    put_day(f, D2, 1000, 10, 1, 3);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    candidate(f, second);
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "live_cases", 10);
    check_count(f, "cases", 10);
    json_t *outcome = get_json(f, "model/hybrid/evaluation.json");
    assert_string_equal(text_at(outcome, "live"), first);
    assert_int_equal(json_integer_value(json_object_get(outcome, "live_cases")), 10);
    json_decref(outcome);

    fixture_option(f, "gate.cases_min", "11");
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "live_cases", 0);
    check_count(f, "cases", VIEWERS);
    check_contains(f->report.notes.data, "has seen too many of the held-out choices");
    check_contains(f->report.notes.data, "not judged, live model");
    fixture_option(f, "gate.cases_min", "5");

    /* Live models that cannot be read are no reason to fail: of a newer form, damaged, gone. */
    char path[128];
    snprintf(path, sizeof(path), "model/hybrid/%s/model.json", first);
    char *whole = fixture_get(f, path);
    json_t *model = get_json(f, path);
    json_object_set_new(model, "form", json_integer(MQ_HYBRID_FORM + 1));
    char *newer = json_dumps(model, 0);
    fixture_put(f, path, newer);
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "live_cases", 0);
    check_contains(f->report.notes.data, "cannot be read and is not compared");
    check_contains(f->report.notes.data, "a newer Marquee made it");
    fixture_put(f, path, whole);
    snprintf(path, sizeof(path), "model/hybrid/%s/users.json", first);
    fixture_put(f, path, "[\"u0\"]");
    fixture_ok(f, mq_step_evaluate);
    check_contains(f->report.notes.data, "cannot be read and is not compared");
    check_contains(f->report.notes.data, "users.json");
    /* A store that fails is no model that cannot be read: not comparing would be a guess. */
    char file[4096];
    snprintf(file, sizeof(file), "%s/store/1/%s", f->folder, path);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink(file, file), 0);
    assert_int_equal(fixture_run(f, mq_step_evaluate), MQ_E_IO);
    assert_int_equal(unlink(file), 0);
    struct mq_error err = {0};
    check_ok(mq_hybrid_delete(f->store, "1", first, &err));
    fixture_ok(f, mq_step_evaluate);
    check_contains(f->report.notes.data, "cannot be read and is not compared");
    check_count(f, "cases", VIEWERS);
    outcome = get_json(f, "model/hybrid/evaluation.json");
    assert_true(json_is_null(json_object_get(outcome, "live")));
    json_decref(outcome);
    free(whole);
    free(newer);
    json_decref(model);

    /* A pointer that is none is another matter. */
    fixture_put(f, "model/hybrid/current.json", "{\"version\": ");
    assert_int_equal(fixture_run(f, mq_step_evaluate), MQ_E_FORMAT);
}

/* The outcome's rule of that name; borrowed. */
static const json_t *
rule_named(const json_t *outcome, const char *name)
{
    const json_t *rules =
        json_object_get(json_object_get(json_object_get(outcome, "report"), "gate"), "rules");
    size_t i;
    json_t *rule;
    json_array_foreach((json_t *)rules, i, rule)
    {
        if (strcmp(text_at(rule, "rule"), name) == 0)
            return rule;
    }
    fail_msg("no rule %s", name);
    return NULL;
}

/* The last evaluation's note of a rule holds a text. */
static void
check_note(struct step_fixture *f, const char *rule, const char *text)
{
    json_t *outcome = get_json(f, "model/hybrid/evaluation.json");
    check_contains(text_at(rule_named(outcome, rule), "note"), text);
    json_decref(outcome);
}

static void
train_and_judge(struct step_fixture *f, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    fixture_ok(f, mq_step_train_hybrid);
    candidate(f, ret_version);
    fixture_ok(f, mq_step_evaluate);
}

/* Unchanged data, other settings: the live model has seen all that is held out, and the candidate
 * is far worse than it was when it was evaluated itself. */
static void
far_worse_on_unchanged_data(void **state)
{
    struct step_fixture *f = *state;
    static const char rule[] = "ndcg_10 no worse than live";
    char first[MQ_HYBRID_VERSION_SIZE], other[MQ_HYBRID_VERSION_SIZE], path[128];
    put_catalogue(f);
    put_day(f, D1, 0, VIEWERS, 3, 0);
    put_day(f, D2, 1000, VIEWERS, 1, 3);
    make_silver(f);
    fixture_option(f, "gate.no_worse", "ndcg_10");
    fixture_option(f, "gate.bounds", "hit_rate_10 >= 0.2");
    train_and_judge(f, first);
    check_note(f, rule, "no live model");
    fixture_ok(f, mq_step_deploy);

    /* The same again is the model that serves. */
    fixture_ok(f, mq_step_evaluate);
    check_note(f, rule, "not judged: the candidate is the model that serves");

    fixture_option(f, "hybrid.methods", "popular");
    train_and_judge(f, other);
    assert_string_not_equal(first, other);
    check_count(f, "live_cases", 0);
    check_contains(f->report.notes.data, "held against its own evaluation, silver/ratings up to ");
    check_contains(f->report.notes.data, "does not pass the quality gate");
    json_t *outcome = get_json(f, "model/hybrid/evaluation.json");
    const json_t *judged = rule_named(outcome, rule);
    assert_true(json_is_false(json_object_get(judged, "passed")));
    assert_true(json_is_number(json_object_get(json_object_get(judged, "live"), "value")));
    check_contains(text_at(judged, "note"),
                   "the live model's own evaluation, silver/ratings up to " D2 ": 1 (1 to 1)");
    check_contains(text_at(judged, "note"), "it has seen the held-out choices");
    const json_t *systems = json_object_get(json_object_get(outcome, "report"), "systems");
    const json_t *last = json_array_get(systems, json_array_size(systems) - 1);
    assert_string_equal(text_at(last, "name"), "live");
    assert_string_equal(text_at(last, "role"), "live");
    assert_string_equal(text_at(last, "recorded"), "silver/ratings up to " D2);
    assert_true(json_real_value(json_object_get(
                    json_object_get(json_object_get(last, "figures"), "ndcg_10"), "value")) == 1);
    assert_null(json_object_get(last, "bands"));
    assert_null(json_object_get(last, "difference_from_reference"));
    json_decref(outcome);
    char *page = fixture_get(f, "runs/run1/report.html");
    check_contains(page, "compared with the live model");
    check_contains(page, "live (live, then on silver/ratings up to " D2 ")");
    free(page);
    assert_int_equal(fixture_run(f, mq_step_deploy), MQ_E_INPUT);
    check_contains(f->err.message, "the live model's own evaluation");
    json_t *pointer = get_json(f, "model/hybrid/current.json");
    assert_string_equal(text_at(pointer, "version"), first);
    json_decref(pointer);

    /* Better, or as good, passes, and the history says what it was compared with. */
    fixture_option(f, "hybrid.methods", "item-based|user-based|content|mf|ease|popular");
    fixture_option(f, "hybrid.factors", "9");
    train_and_judge(f, other);
    fixture_ok(f, mq_step_deploy);
    pointer = get_json(f, "model/hybrid/current.json");
    const json_t *entry = json_array_get(json_object_get(pointer, "history"), 0);
    assert_string_not_equal(text_at(entry, "version"), first);
    check_contains(text_at(entry, "reason"), "compared with the live model's own evaluation");
    snprintf(path, sizeof(path), "model/hybrid/%s/evaluation.json", text_at(entry, "version"));
    json_decref(pointer);

    /* Measured in another way, not at all, or damaged: not judged, and said so. */
    fixture_option(f, "hybrid.factors", "10");
    fixture_option(f, "eval.negatives", "5");
    train_and_judge(f, other);
    check_note(f, rule, "not judged: live model");
    check_note(f, rule, "was evaluated in another way");
    fixture_option(f, "eval.negatives", "0");
    /* A record that is older than "method" goes by the sentence that says the same. */
    json_t *older = get_json(f, path);
    json_object_del(older, "method");
    char *text = json_dumps(older, 0);
    json_decref(older);
    fixture_put(f, path, text);
    free(text);
    fixture_ok(f, mq_step_evaluate);
    check_contains(f->report.notes.data, "held against its own evaluation");
    static const struct {
        const char *text, *note;
    } others[] = {{"{\"version\": ", "cannot be read"}, {"{}", "is empty"}};
    for (size_t i = 0; i < MQ_COUNT(others); i++) {
        fixture_put(f, path, others[i].text);
        fixture_ok(f, mq_step_evaluate);
        check_note(f, rule, "not judged: ");
        check_note(f, rule, others[i].note);
    }
    fixture_ok(f, mq_step_deploy);
    pointer = get_json(f, "model/hybrid/current.json");
    entry = json_array_get(json_object_get(pointer, "history"), 0);
    check_contains(text_at(entry, "reason"), "not judged against the live model");
    json_decref(pointer);
}

static void
too_few_ratings(void **state)
{
    struct step_fixture *f = *state;
    put_catalogue(f);
    put_day(f, D1, 0, 4, 1, 0);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    check_count(f, "blend_choices", 0);
    fixture_ok(f, mq_step_evaluate);
    check_contains(f->report.notes.data, "cannot be judged, and does not pass the quality gate");
    assert_null(fixture_get(f, "runs/run1/report.json"));
    json_t *outcome = get_json(f, "model/hybrid/evaluation.json");
    const json_t *gate = json_object_get(json_object_get(outcome, "report"), "gate");
    assert_true(json_is_false(json_object_get(gate, "passed")));
    const json_t *rule = json_array_get(json_object_get(gate, "rules"), 0);
    assert_string_equal(text_at(rule, "rule"), "cases");
    check_contains(text_at(rule, "note"), "none can be held out");
    json_decref(outcome);
    /* Few cases are judged, and do not pass. */
    put_day(f, D2, 1000, 3, 1, 2);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "cases", 3);
    check_contains(f->report.notes.data, "does not pass the quality gate");
}

static void
candidates_that_are_none(void **state)
{
    struct step_fixture *f = *state;
    static const struct {
        const char *text, *part;
    } damaged[] = {{"{\"version\": ", "JSON"},
                   {"{\"run\": \"run1\"}", "version"},
                   {"{\"version\": \"../x\"}", "'../x' is no version of a model"},
                   {"[]", "'version' is missing"}};
    put_catalogue(f);
    put_day(f, D1, 0, VIEWERS, 3, 0);
    make_silver(f);
    for (size_t i = 0; i < MQ_COUNT(damaged); i++) {
        fixture_put(f, "model/hybrid/candidate.json", damaged[i].text);
        assert_int_equal(fixture_run(f, mq_step_evaluate), MQ_E_FORMAT);
        check_contains(f->err.message, "candidate.json");
        check_contains(f->err.message, damaged[i].part);
        check_contains(f->err.hint, "train-hybrid");
    }
}

/* All ratings alike, on one film, of one user: trained and judged, or not, without a failure. */
static void
odd_days(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    put_catalogue(f);
    fixture_rate(&text, D1, "u1", "1", 3, 10);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0, text.data);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    fixture_ok(f, mq_step_evaluate);
    mq_buffer_reset(&text);
    for (int u = 2; u < 9; u++) {
        char user[16];
        snprintf(user, sizeof(user), "u%d", u);
        fixture_rate(&text, D2, user, "1", 3, 10 + u);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 10, text.data);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    fixture_ok(f, mq_step_evaluate);
    mq_buffer_reset(&text);
    for (int k = 2; k < FILMS; k++) {
        char film[16];
        snprintf(film, sizeof(film), "%d", k);
        fixture_rate(&text, D3, "u1", film, 3, 10 + k);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, D3, 20, text.data);
    make_silver(f);
    fixture_ok(f, mq_step_train_hybrid);
    check_count(f, "blend_choices", 1);
    fixture_ok(f, mq_step_evaluate);
    check_count(f, "cases", 1);
    mq_buffer_release(&text);
}

int
main(void)
{
    mq_progress_enable(false);
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(films_of_the_catalogue_first), STEP_TEST(a_model_and_its_candidate),
        STEP_TEST(an_outcome_and_a_report),      STEP_TEST(beside_the_live_model),
        STEP_TEST(far_worse_on_unchanged_data),  STEP_TEST(too_few_ratings),
        STEP_TEST(candidates_that_are_none),     STEP_TEST(odd_days),
    };
    return cmocka_run_group_tests_name("hybrid_steps", tests, NULL, NULL);
}
