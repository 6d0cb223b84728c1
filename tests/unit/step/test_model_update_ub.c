#include "step_fixture.h"

#include <math.h>

#include "base/progress.h"
#include "format/npy.h"
#include "index/vector_index.h"
#include "model/youtubednn.h"

#define BASIC "system/item-data/basic/1.csv"
#define PLAY "system/user-data/action/2020-12-17/play/playlog.csv"

/* Films 0 to 7 with plays: drama, but for 6 and 7 comedy; 8 is a new drama, 9 a new kind, 10 is
 * played once alone. */
static void
put_inputs(struct step_fixture *f)
{
    char items[2048], plays[8192];
    int at = snprintf(items, sizeof(items), "program_id,program_name,category_property\n");
    for (int i = 0; i <= 10; i++)
        at += snprintf(items + at, sizeof(items) - (size_t)at, "%d,Film %d,%s\n", 100 + i, i,
                       i == 9             ? "Noir"
                       : i == 6 || i == 7 ? "Comedy"
                                          : "Drama");
    at = snprintf(plays, sizeof(plays),
                  "user_id,item_id,timestamp,watch_seconds,duration_seconds\n");
    for (int u = 0; u < 12; u++)
        for (int i = 0; i < 6; i++)
            at += snprintf(plays + at, sizeof(plays) - (size_t)at, "u%d,%d,%d,%d,100\n", u,
                           100 + (u + i) % 8, 1608200000 + i, 20 * i);
    /* One play again later, one film that is played once, one user with a single play. */
    snprintf(plays + at, sizeof(plays) - (size_t)at,
             "u0,100,1608200900,,\nu1,110,1608200901,,\nlone,100,1608200000,,\n");
    fixture_put(f, BASIC, items);
    fixture_put(f, PLAY, plays);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    fixture_ok(f, mq_step_add_item_user_batch);
}

static struct mq_reader *
open_artifact(struct step_fixture *f, enum mq_artifact artifact)
{
    struct mq_error err = {0};
    struct mq_reader *reader = NULL;
    check_ok(mq_artifact_reader(f->store, "1", artifact, MQ_PROGRAM_MOVIE, &reader, &err));
    return reader;
}

static void
three_outputs_of_one_training(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    put_inputs(f);
    fixture_option(f, "youtubednn.epochs", "2");
    fixture_option(f, "youtubednn.validation_users", "5");
    fixture_ok(f, mq_step_model_update_ub);
    check_count(f, "items", 11);
    check_count(f, "items_trained", 8);
    check_count(f, "plays", 12 * 6 + 1);
    check_count(f, "plays_repeated", 1);
    check_count(f, "plays_of_rare_items", 1);
    check_count(f, "samples", 12 * 5 - 5);
    check_count(f, "held_out_users", 5);

    struct mq_reader *reader = open_artifact(f, MQ_ARTIFACT_USER_TOWER);
    struct mq_user_tower *tower = NULL;
    check_ok(mq_user_tower_read(reader, &tower, &err));
    mq_reader_close(reader);
    assert_int_equal(tower->item_count, 11);
    assert_int_equal(tower->user_count, 13);

    reader = open_artifact(f, MQ_ARTIFACT_ITEM_EMBEDDINGS);
    float *vectors = NULL;
    int64_t rows, columns;
    check_ok(mq_npy_read_floats(reader, 0, &vectors, &rows, &columns, &err));
    mq_reader_close(reader);
    assert_int_equal(rows, 11);
    assert_int_equal(columns, MQ_TOWER_DIM);
    assert_memory_equal(vectors, tower->item, sizeof(float) * 11 * MQ_TOWER_DIM);

    reader = open_artifact(f, MQ_ARTIFACT_ITEM_INDEX);
    struct mq_vector_index *index = NULL;
    check_ok(mq_vector_index_read(reader, &index, &err));
    mq_reader_close(reader);
    assert_int_equal(mq_vector_index_count(index), 11);
    assert_memory_equal(mq_vector_index_vectors(index), vectors, sizeof(float) * 11 * MQ_TOWER_DIM);

    /* Codes are given in the order of the item file. 8 is like the mean drama (0 to 5), 9 and 10
     * (a drama too) as well: 9 has a kind of its own and gets the mean of all. */
    for (int d = 0; d < MQ_TOWER_DIM; d++) {
        double drama = 0, all = 0;
        for (int i = 0; i < 8; i++) {
            double value = (double)vectors[i * MQ_TOWER_DIM + d];
            drama += i < 6 ? value / 6 : 0;
            all += value / 8;
        }
        assert_true(fabs(drama - (double)vectors[8 * MQ_TOWER_DIM + d]) < 1e-6);
        assert_true(fabs(drama - (double)vectors[10 * MQ_TOWER_DIM + d]) < 1e-6);
        assert_true(fabs(all - (double)vectors[9 * MQ_TOWER_DIM + d]) < 1e-6);
    }
    mq_vector_index_free(index);
    mq_free(vectors);
    mq_user_tower_free(tower);
}

static void
nothing_to_learn_from(void **state)
{
    struct step_fixture *f = *state;
    assert_int_equal(fixture_run(f, mq_step_model_update_ub), MQ_E_NOT_FOUND);
    fixture_put(f, BASIC, "program_id\nonly\n");
    fixture_put(f, PLAY, "user_id,item_id,timestamp\nu,only,1608200000\n");
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    /* Before codes were given. */
    assert_int_not_equal(fixture_run(f, mq_step_model_update_ub), MQ_OK);
    fixture_ok(f, mq_step_add_item_user_batch);
    fixture_ok(f, mq_step_model_update_ub);
    check_count(f, "samples", 0);
    check_count(f, "items_trained", 0);
}

int
main(void)
{
    mq_progress_enable(false);
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(three_outputs_of_one_training),
        STEP_TEST(nothing_to_learn_from),
    };
    return cmocka_run_group_tests_name("model_update_ub", tests, NULL, NULL);
}
