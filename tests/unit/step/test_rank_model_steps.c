/* item-feature-update-batch and model-update-deepfm, and that what they write ranks as trained. */
#include "step_fixture.h"

#include <math.h>

#include "data/catalogue.h"
#include "format/npy.h"
#include "format/pickle_reader.h"
#include "model/deepfm.h"
#include "model/rank_features.h"
#include "model/youtubednn.h"

#define BASIC "system/item-data/basic/1.csv"
#define PLAY "system/user-data/action/2020-12-17/play/playlog.csv"
#define EXPOSURE "system/user-data/action/2020-12-17/exposure/exposurelog.csv"

enum { FILMS = 12, USERS = 30 };

static void
put_items(struct step_fixture *f, int films)
{
    char items[4096];
    int at = snprintf(items, sizeof(items),
                      "program_id,program_name,category_property,director,release_year\n");
    for (int i = 0; i < films; i++)
        at += snprintf(items + at, sizeof(items) - (size_t)at, "%d,Film %d,%s,%s,%d\n", 100 + i, i,
                       i % 2 ? "Comedy|Romance" : "Drama",
                       i == 3  ? ""
                       : i < 6 ? "Ann"
                               : "Bo",
                       1990 + i % 3);
    fixture_put(f, BASIC, items);
}

/* Even users play dramas, odd ones comedies; all are shown some of the others too. */
static void
put_actions(struct step_fixture *f, bool exposures)
{
    static char plays[65536], shown[65536];
    int at = snprintf(plays, sizeof(plays), "user_id,item_id,timestamp\n");
    int seen = snprintf(shown, sizeof(shown), "user_id,item_id,timestamp\n");
    for (int u = 0; u < USERS; u++)
        for (int i = 0; i < 5; i++) {
            int film = (2 * ((u / 2 + i) % 6) + u % 2), other = (film + 1) % FILMS;
            at += snprintf(plays + at, sizeof(plays) - (size_t)at, "u%d,%d,%d\n", u, 100 + film,
                           1608200000 + 60 * i + u);
            seen += snprintf(shown + seen, sizeof(shown) - (size_t)seen, "u%d,%d,%d\n", u,
                             100 + film, 1608200000 + 60 * i + u - 1);
            if (exposures)
                seen += snprintf(shown + seen, sizeof(shown) - (size_t)seen, "u%d,%d,%d\n", u,
                                 100 + other, 1608200000 + 60 * i + u - 1);
        }
    fixture_put(f, PLAY, plays);
    fixture_put(f, EXPOSURE, shown);
}

static void
run_until_features(struct step_fixture *f)
{
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    fixture_ok(f, mq_step_add_item_user_batch);
    fixture_option(f, "youtubednn.epochs", "2");
    fixture_option(f, "youtubednn.validation_users", "0");
    fixture_ok(f, mq_step_model_update_ub);
    fixture_ok(f, mq_step_item_feature_update_batch);
}

static struct mq_catalogue *
load_catalogue(struct step_fixture *f)
{
    struct mq_error err = {0};
    struct mq_catalogue *catalogue = NULL;
    check_ok(mq_catalogue_load(f->store, "1", &catalogue, &err));
    return catalogue;
}

static struct mq_deepfm *
load_model(struct step_fixture *f)
{
    struct mq_error err = {0};
    struct mq_reader *reader = NULL;
    struct mq_deepfm *model = NULL;
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_DEEPFM_MODEL, MQ_PROGRAM_MOVIE, &reader,
                                &err));
    check_ok(mq_deepfm_read(reader, &model, &err));
    mq_reader_close(reader);
    return model;
}

static void
frame_is_a_dict_of_columns(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    put_items(f, FILMS);
    put_actions(f, true);
    run_until_features(f);
    check_count(f, "rows", FILMS);
    check_count(f, "items_with_vector", FILMS);
    check_count(f, "values_category", 2);
    check_count(f, "values_director", 2);
    struct mq_reader *reader = NULL;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *frame = NULL;
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_ITEM_FEATURES, MQ_PROGRAM_MOVIE, &reader,
                                &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &frame, &err));
    mq_reader_close(reader);
    assert_int_equal(mq_pickle_count(frame), 1 + 6 + 32 + 1 + 1);
    const char *text;
    size_t size;
    assert_true(
        mq_pickle_as_text(mq_pickle_item(mq_pickle_get(frame, "programId"), 3), &text, &size));
    assert_string_equal(text, "103");
    const struct mq_pickle_value *c1 = mq_pickle_get(frame, "C1"), *c2 = mq_pickle_get(frame, "C2");
    assert_int_equal(c1->array->count, FILMS);
    assert_true(mq_pickle_array_real(c1->array, 0) == 2); /* comedy|romance, then drama */
    assert_true(mq_pickle_array_real(c1->array, 1) == 1);
    assert_true(mq_pickle_array_real(c2->array, 3) == 0); /* no director */
    assert_true(mq_pickle_as_text(
        mq_pickle_item(mq_pickle_get(mq_pickle_get(frame, "values"), "C1"), 1), &text, &size));
    assert_string_equal(text, "comedy|romance");
    for (int d = 32; d < 64; d++) {
        char key[8];
        snprintf(key, sizeof(key), "I%d", d);
        const struct mq_pickle_value *column = mq_pickle_get(frame, key);
        double low = 9, high = -9;
        for (int64_t i = 0; i < FILMS; i++) {
            low = fmin(low, mq_pickle_array_real(column->array, i));
            high = fmax(high, mq_pickle_array_real(column->array, i));
        }
        assert_true(low == 0 && (high == 1 || high == 0));
    }
    mq_arena_release(&arena);
}

/* Columns I32…I63 of row i are the vector of code i, scaled by column, whatever the order of the
 * catalogue's files: here they are turned round after the training, with a new film at the top. */
static void
row_of_the_frame_is_the_vector_of_its_code(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    put_items(f, FILMS);
    put_actions(f, true);
    run_until_features(f);
    char items[4096];
    int at = snprintf(items, sizeof(items), "program_id,program_name\n500,New\n");
    for (int i = FILMS - 1; i >= 0; i--)
        at += snprintf(items + at, sizeof(items) - (size_t)at, "%d,Film %d again\n", 100 + i, i);
    fixture_put(f, BASIC, items);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_add_item_user_batch);
    fixture_ok(f, mq_step_item_feature_update_batch);
    struct mq_catalogue *catalogue = load_catalogue(f);
    struct mq_item_features *features = NULL;
    struct mq_reader *reader = NULL;
    float *vectors = NULL;
    int64_t rows = 0, columns = 0;
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_ITEM_EMBEDDINGS, MQ_PROGRAM_MOVIE,
                                &reader, &err));
    check_ok(mq_npy_read_floats(reader, 0, &vectors, &rows, &columns, &err));
    mq_reader_close(reader);
    assert_int_equal(rows, FILMS);
    assert_int_equal(columns, MQ_RANK_DIM);
    reader = NULL;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *frame = NULL;
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_ITEM_FEATURES, MQ_PROGRAM_MOVIE, &reader,
                                &err));
    check_ok(mq_pickle_read(reader, NULL, &arena, &frame, &err));
    mq_reader_close(reader);
    check_ok(mq_item_features_load(f->store, "1", catalogue, &features, &err));
    assert_int_equal(features->count, FILMS + 1);
    int differing = 0;
    for (int d = 0; d < MQ_RANK_DIM; d++) {
        char key[8];
        snprintf(key, sizeof(key), "I%d", 32 + d);
        const struct mq_pickle_value *column = mq_pickle_get(frame, key);
        double low = 0, high = 0; /* the new film has no vector yet: zeros stand for it */
        for (int64_t i = 0; i < FILMS; i++) {
            low = fmin(low, (double)vectors[i * columns + d]);
            high = fmax(high, (double)vectors[i * columns + d]);
        }
        for (int64_t i = 0; i < FILMS; i++) {
            double want = high > low ? ((double)vectors[i * columns + d] - low) / (high - low) : 0;
            assert_true(fabs(mq_pickle_array_real(column->array, i) - want) < 1e-6);
            assert_true(fabs((double)features->vector[i * MQ_RANK_DIM + d] - want) < 1e-6);
            differing += i > 0 && fabs(mq_pickle_array_real(column->array, i) -
                                       mq_pickle_array_real(column->array, i - 1)) > 1e-3;
        }
    }
    assert_true(differing > MQ_RANK_DIM); /* else any order would pass */
    for (int i = 0; i < FILMS; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%d", 100 + i);
        int32_t code = mq_catalogue_find(catalogue, id);
        assert_int_equal(code, i);
        assert_string_equal(features->ids[code], id);
    }
    assert_int_equal(mq_catalogue_find(catalogue, "500"), FILMS);
    mq_arena_release(&arena);
    mq_item_features_free(features);
    mq_catalogue_free(catalogue);
    mq_free(vectors);
}

/* Mean probability of the even films (dramas) and of the odd ones for a user vector. */
static void
score_kinds(struct step_fixture *f, const struct mq_deepfm *model, const char *user,
            double ret_mean[2])
{
    struct mq_error err = {0};
    struct mq_catalogue *catalogue = load_catalogue(f);
    struct mq_item_features *features = NULL;
    struct mq_deepfm_scorer *scorer = NULL;
    check_ok(mq_item_features_load(f->store, "1", catalogue, &features, &err));
    check_ok(mq_rank_scorer_new(model, features, NULL, &scorer, &err));
    void *scratch = NULL;
    float prob[64], vector[32];
    check_ok(mq_alloc_array_raw(mq_deepfm_scratch_bytes(scorer), 1, &scratch, &err));
    struct mq_reader *reader = NULL;
    struct mq_user_tower *tower = NULL;
    check_ok(
        mq_artifact_reader(f->store, "1", MQ_ARTIFACT_USER_TOWER, MQ_PROGRAM_MOVIE, &reader, &err));
    check_ok(mq_user_tower_read(reader, &tower, &err));
    mq_reader_close(reader);
    bool odd = (user[1] - '0') % 2;
    int32_t history[3] = {odd, odd + 2, odd + 4}, code = -1;
    int64_t offset[2] = {0, 3};
    check_ok(mq_user_tower_forward(tower, 1, &code, offset, history, vector, NULL, &err));
    check_ok(mq_deepfm_score(scorer, vector, catalogue->count, NULL, prob, scratch, &err));
    ret_mean[0] = ret_mean[1] = 0;
    for (int i = 0; i < FILMS; i++)
        ret_mean[i % 2] += (double)prob[i] / (FILMS / 2);
    mq_user_tower_free(tower);
    mq_free(scratch);
    mq_deepfm_scorer_free(scorer);
    mq_item_features_free(features);
    mq_catalogue_free(catalogue);
}

static void
model_learns_from_exposures_without_a_play(void **state)
{
    struct step_fixture *f = *state;
    put_items(f, FILMS);
    put_actions(f, true);
    run_until_features(f);
    fixture_option(f, "deepfm.batch", "64");
    fixture_option(f, "deepfm.epochs", "30");
    fixture_option(f, "deepfm.patience", "0");
    fixture_option(f, "deepfm.learning_rate", "0.02");
    fixture_ok(f, mq_step_model_update_deepfm);
    check_count(f, "rows", 2 * 5 * USERS);
    check_count(f, "rows_positive", 5 * USERS);
    check_count(f, "exposures_played", 5 * USERS);
    assert_true(fixture_count(f, "rows_held_out") >= 20);
    assert_true(fixture_count(f, "auc") > 0.9);
    assert_true(fixture_count(f, "log_loss") < 0.6);
    assert_true(fixture_count(f, "calibration") > 0.5 && fixture_count(f, "calibration") < 2);
    struct mq_deepfm *model = load_model(f);
    assert_int_equal(model->field_count, 39);
    double mean[2];
    score_kinds(f, model, "u0", mean);
    assert_true(mean[0] > mean[1] + 0.2);
    score_kinds(f, model, "u1", mean);
    assert_true(mean[1] > mean[0] + 0.2);
    /* the same run gives the same bytes */
    char *first = fixture_get(f, "model/rank/action/deepfm/latest/model.tar.gz");
    fixture_ok(f, mq_step_model_update_deepfm);
    char *second = fixture_get(f, "model/rank/action/deepfm/latest/model.tar.gz");
    assert_memory_equal(first, second, 2000);
    free(first);
    free(second);
    mq_deepfm_free(model);
}

static void
stand_ins_are_told_of(void **state)
{
    struct step_fixture *f = *state;
    put_items(f, FILMS);
    put_actions(f, false);
    run_until_features(f);
    fixture_option(f, "deepfm.item_field", "false");
    fixture_ok(f, mq_step_model_update_deepfm);
    check_contains(f->report.notes.data, "stand in");
    assert_true(fixture_count(f, "rows") > 3 * 5 * USERS);
    struct mq_deepfm *model = load_model(f);
    assert_int_equal(model->field_count, 38);
    mq_deepfm_free(model);
}

static void
new_films_rank_by_what_is_known(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    put_items(f, FILMS);
    put_actions(f, true);
    run_until_features(f);
    fixture_ok(f, mq_step_model_update_deepfm);
    /* Two films arrive; the frame does not know them yet, the model never will have. */
    put_items(f, FILMS + 2);
    fixture_ok(f, mq_step_item_preprocessing);
    struct mq_catalogue *catalogue = load_catalogue(f);
    struct mq_item_features *features = NULL;
    assert_int_equal(catalogue->count, FILMS + 2);
    check_ok(mq_item_features_load(f->store, "1", catalogue, &features, &err));
    assert_int_equal(features->count, FILMS + 2);
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++)
        assert_int_equal(features->category[c][FILMS], 0);
    mq_item_features_free(features);
    fixture_ok(f, mq_step_add_item_user_batch);
    fixture_ok(f, mq_step_item_feature_update_batch);
    mq_catalogue_free(catalogue);
    catalogue = load_catalogue(f);
    check_ok(mq_item_features_load(f->store, "1", catalogue, &features, &err));
    struct mq_deepfm *model = load_model(f);
    int32_t **ids = NULL;
    check_ok(mq_rank_ids(model->fields, model->field_count, features, &ids, &err));
    int32_t item = mq_deepfm_field_find(model, "item") - model->dense_count;
    int32_t category = mq_deepfm_field_find(model, "category") - model->dense_count;
    assert_int_equal(ids[item][FILMS], 0);
    assert_true(ids[category][FILMS] > 0 && ids[category][FILMS] == ids[category][0]);
    assert_true(ids[item][0] > 0);
    mq_rank_ids_free(ids, model->field_count - model->dense_count);
    struct mq_deepfm_scorer *scorer = NULL;
    check_ok(mq_rank_scorer_new(model, features, NULL, &scorer, &err));
    assert_int_equal(mq_deepfm_scorer_count(scorer), FILMS + 2);
    mq_deepfm_scorer_free(scorer);
    mq_deepfm_free(model);
    mq_item_features_free(features);
    mq_catalogue_free(catalogue);
}

static void
too_little_to_learn_from_is_no_failure(void **state)
{
    struct step_fixture *f = *state;
    put_items(f, 1);
    fixture_put(f, PLAY, "user_id,item_id,timestamp\nu0,100,1608200000\nu1,100,1608200000\n");
    run_until_features(f);
    fixture_ok(f, mq_step_model_update_deepfm);
    check_contains(f->report.notes.data, "too little");
    struct mq_deepfm *model = load_model(f);
    mq_deepfm_free(model);
    fixture_option(f, "deepfm.layers", "128-");
    assert_int_equal(fixture_run(f, mq_step_model_update_deepfm), MQ_E_CONFIG);
    check_contains(f->err.message, "'128-'");
}

static void
missing_artifacts_name_their_step(void **state)
{
    struct step_fixture *f = *state;
    assert_int_equal(fixture_run(f, mq_step_item_feature_update_batch), MQ_E_NOT_FOUND);
    put_items(f, 3);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_item_feature_update_batch); /* without vectors: zeros */
    check_contains(f->report.notes.data, "no item vectors");
    assert_int_equal(fixture_run(f, mq_step_model_update_deepfm), MQ_E_NOT_FOUND);
    check_contains(f->err.message, "user_embeddings.h5");
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(frame_is_a_dict_of_columns),
        CASE(row_of_the_frame_is_the_vector_of_its_code),
        CASE(model_learns_from_exposures_without_a_play),
        CASE(stand_ins_are_told_of),
        CASE(new_films_rank_by_what_is_known),
        CASE(too_little_to_learn_from_is_no_failure),
        CASE(missing_artifacts_name_their_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
