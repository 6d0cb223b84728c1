#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "model/binary_metrics.h"
#include "model/deepfm.h"

enum { ROWS = 3000, USERS = 20, FILMS = 30 };

/* A made-up taste: two dense numbers a user, a film id, and the film's two genres. */
struct taste {
    float dense[USERS * 2];
    int32_t user[ROWS], film[ROWS], bag[ROWS];
    const int32_t *ids[2];
    int64_t offset[FILMS + 1];
    int32_t genre[FILMS * 2];
    const int64_t *offsets[1];
    const int32_t *genres[1];
    int64_t bags[1];
    float label[ROWS];
    struct mq_deepfm_field fields[4];
    struct mq_deepfm_rows rows;
};

static void
make_taste(struct taste *t, uint64_t seed)
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    *t = (struct taste){
        .fields = {{.name = "u0", .kind = MQ_DEEPFM_DENSE, .size = 1, .mean = 0.1f, .scale = 2},
                   {.name = "u1", .kind = MQ_DEEPFM_DENSE, .size = 1, .scale = 1},
                   {.name = "film", .kind = MQ_DEEPFM_CATEGORY, .size = FILMS + 1, .scale = 1},
                   {.name = "genres", .kind = MQ_DEEPFM_BAG, .size = 6, .scale = 1}}};
    for (int i = 0; i < USERS * 2; i++)
        t->dense[i] = (float)mq_rng_normal(&rng);
    for (int f = 0; f < FILMS; f++) {
        t->offset[f + 1] = 2 * (f + 1);
        t->genre[2 * f] = 1 + f % 5;
        t->genre[2 * f + 1] = 1 + (f + 2) % 5;
    }
    for (int i = 0; i < ROWS; i++) {
        t->user[i] = (int32_t)mq_rng_below(&rng, USERS);
        t->bag[i] = (int32_t)mq_rng_below(&rng, FILMS);
        t->film[i] = t->bag[i] + 1;
        double likes = 2.0 * (double)t->dense[2 * t->user[i]] * (t->bag[i] % 2 ? 1 : -1) +
                       (double)t->dense[2 * t->user[i] + 1];
        t->label[i] = mq_rng_uniform(&rng) < 1 / (1 + exp(-likes)) ? 1 : 0;
    }
    t->ids[0] = t->film;
    t->ids[1] = t->bag;
    t->offsets[0] = t->offset;
    t->genres[0] = t->genre;
    t->bags[0] = FILMS;
    t->rows = (struct mq_deepfm_rows){.count = ROWS,
                                      .dense = t->dense,
                                      .dense_row = t->user,
                                      .dense_rows = USERS,
                                      .ids = t->ids,
                                      .bag_offset = t->offsets,
                                      .bag_ids = t->genres,
                                      .bag_count = t->bags,
                                      .label = t->label};
}

static struct mq_deepfm_options
small_options(void)
{
    struct mq_deepfm_options options;
    mq_deepfm_options_default(&options);
    options.dim = 8;
    options.width[0] = 16;
    options.width[1] = 8;
    options.batch = 128;
    options.epochs = 12;
    options.learning_rate = 5e-3f;
    return options;
}

static void
training_learns_a_taste(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct taste *t = calloc(2, sizeof(*t));
    make_taste(&t[0], 1);
    make_taste(&t[1], 1);
    struct mq_deepfm_rows train = t->rows, held = t->rows;
    train.count = 2400;
    const int32_t *held_ids[2] = {t->film + 2400, t->bag + 2400};
    held.count = 600;
    held.dense_row = t->user + 2400;
    held.ids = held_ids;
    held.label = t->label + 2400;
    struct mq_deepfm_options options = small_options();
    options.patience = 3;
    struct mq_deepfm *model = NULL;
    struct mq_deepfm_history history;
    check_ok(mq_deepfm_train(t->fields, 4, &train, &held, &options, NULL, &model, &history, &err));
    assert_true(history.valid_auc > 0.85);
    assert_true(history.best_epoch >= 1 && history.best_epoch <= history.epochs);
    /* what is kept is the best epoch */
    float prob[600];
    struct mq_binary_metrics metrics;
    check_ok(mq_deepfm_predict(model, &held, NULL, prob, &err));
    check_ok(mq_binary_metrics(prob, held.label, 600, &metrics, &err));
    assert_true(metrics.log_loss == history.valid_loss);
    assert_true(metrics.calibration > 0.85 && metrics.calibration < 1.15);
    mq_deepfm_free(model);
    free(t);
}

static void
same_seed_gives_the_same_bytes_on_any_threads(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct taste *t = calloc(1, sizeof(*t));
    make_taste(t, 2);
    struct mq_deepfm_options options = small_options();
    options.epochs = 2;
    options.dropout = 0.3f;
    options.batch = 1100; /* three slices a batch */
    struct mq_deepfm *model[4] = {0};
    for (int i = 0; i < 4; i++) {
        struct mq_pool *pool = NULL;
        check_ok(mq_pool_new(i == 0 ? 1 : i == 1 ? 3 : 2, &pool, &err));
        options.seed = i < 3 ? 9 : 10;
        check_ok(
            mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, pool, &model[i], NULL, &err));
        mq_pool_free(pool);
    }
    size_t bytes = model[0]->parameter_count * sizeof(float);
    assert_memory_equal(model[0]->parameters, model[1]->parameters, bytes);
    assert_memory_equal(model[0]->parameters, model[2]->parameters, bytes);
    assert_memory_not_equal(model[0]->parameters, model[3]->parameters, bytes);
    for (int i = 0; i < 4; i++)
        mq_deepfm_free(model[i]);
    free(t);
}

static void
unknown_ids_score_as_the_reserved_one(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct taste *t = calloc(1, sizeof(*t));
    make_taste(t, 3);
    struct mq_deepfm_options options = small_options();
    options.epochs = 1;
    struct mq_deepfm *model = NULL;
    check_ok(mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    for (int i = 0; i < 4; i++) {
        t->user[i] = 0;
        t->bag[i] = 0;
    }
    t->film[0] = 0;
    t->film[1] = -5;
    t->film[2] = FILMS + 1;
    t->film[3] = INT32_MAX;
    t->rows.count = 4;
    float prob[4];
    check_ok(mq_deepfm_predict(model, &t->rows, NULL, prob, &err));
    for (int i = 1; i < 4; i++)
        assert_true(prob[i] == prob[0]);
    mq_deepfm_free(model);
    free(t);
}

static void
bad_rows_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct taste *t = calloc(1, sizeof(*t));
    make_taste(t, 4);
    struct mq_deepfm_options options = small_options();
    struct mq_deepfm *model = NULL;
    struct mq_deepfm_rows rows = t->rows;
    rows.count = 0;
    check_fails(MQ_E_INPUT,
                mq_deepfm_train(t->fields, 4, &rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "no rows");
    rows.count = ROWS;
    static float ones[ROWS];
    for (int i = 0; i < ROWS; i++)
        ones[i] = 1;
    rows.label = ones;
    check_fails(MQ_E_INPUT,
                mq_deepfm_train(t->fields, 4, &rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "label 1");
    ones[17] = 0.5f;
    check_fails(MQ_E_RANGE,
                mq_deepfm_train(t->fields, 4, &rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "row 17");
    float kept = t->dense[5];
    t->dense[5] = NAN;
    check_fails(MQ_E_RANGE,
                mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "'u1'");
    t->dense[5] = kept;
    t->bag[9] = FILMS;
    check_fails(MQ_E_RANGE,
                mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "bag 30");
    t->bag[9] = 0;
    options.dropout = 1;
    check_fails(MQ_E_RANGE,
                mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    options.dropout = 0;
    struct mq_deepfm_field swapped = t->fields[0];
    t->fields[0] = t->fields[3];
    t->fields[3] = swapped;
    check_fails(MQ_E_RANGE,
                mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    check_contains(err.message, "out of place");
    assert_null(model);
    free(t);
}

static void
scorer_refuses_bad_users_and_items(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct taste *t = calloc(1, sizeof(*t));
    make_taste(t, 5);
    struct mq_deepfm_options options = small_options();
    options.epochs = 1;
    struct mq_deepfm *model = NULL;
    check_ok(mq_deepfm_train(t->fields, 4, &t->rows, NULL, &options, NULL, &model, NULL, &err));
    struct mq_deepfm_rows items = t->rows;
    items.count = FILMS;
    items.dense = NULL; /* the user's half */
    items.dense_row = NULL;
    struct mq_deepfm_scorer *scorer = NULL;
    check_ok(mq_deepfm_scorer_new(model, &items, NULL, &scorer, &err));
    void *scratch = NULL;
    check_ok(mq_alloc_array(mq_deepfm_scratch_bytes(scorer), 1, &scratch, &err));
    float prob[2] = {7, 7};
    int32_t rows[2] = {0, FILMS};
    float user[2] = {0, INFINITY};
    check_fails(MQ_E_RANGE, mq_deepfm_score(scorer, t->dense, 2, rows, prob, scratch, &err));
    check_contains(err.message, "item row 30");
    rows[1] = 1;
    check_fails(MQ_E_RANGE, mq_deepfm_score(scorer, user, 2, rows, prob, scratch, &err));
    assert_true(prob[0] == 7 && prob[1] == 7);
    check_ok(mq_deepfm_score(scorer, t->dense, 0, rows, prob, scratch, &err));
    check_ok(mq_deepfm_score(scorer, t->dense, 2, rows, prob, scratch, &err));
    assert_true(prob[0] > 0 && prob[0] < 1);
    mq_deepfm_scorer_free(scorer);
    items.count = 0;
    check_ok(mq_deepfm_scorer_new(model, &items, NULL, &scorer, &err));
    mq_deepfm_scorer_free(scorer);
    mq_free(scratch);
    mq_deepfm_free(model);
    free(t);
}

int
main(void)
{
    mq_log_configure(MQ_LOG_WARN, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_learns_a_taste),
        cmocka_unit_test(same_seed_gives_the_same_bytes_on_any_threads),
        cmocka_unit_test(unknown_ids_score_as_the_reserved_one),
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(scorer_refuses_bad_users_and_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
