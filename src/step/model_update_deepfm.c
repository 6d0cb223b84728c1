/*
 * model-update-deepfm: train DeepFM on the plays and exposures, each seen with the history strictly
 * before it; measure it on the newest rows; publish model.tar.gz.
 *
 * The number of passes is chosen on the held-out rows; then, with deepfm.refit, a model is trained
 * on all rows for as many passes, so that the newest films have a say too. The figures in the
 * manifest are those of the held-out rows, from before.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/actions.h"
#include "data/catalogue.h"
#include "model/binary_metrics.h"
#include "model/deepfm.h"
#include "model/rank_examples.h"
#include "model/rank_features.h"
#include "step/step.h"

struct material {
    struct mq_catalogue *catalogue;
    struct mq_item_features *features;
    struct mq_user_tower *tower;
    struct mq_actions *actions;
    struct mq_rank_examples *examples;
    struct mq_arena arena; /* lists of values */
    struct mq_deepfm_field fields[MQ_RANK_FIELDS_MAX];
    int32_t field_count;
    int32_t **ids;                            /* by category field: id of each item */
    int32_t *columns[MQ_RANK_CATEGORIES + 1]; /* … and of each row */
};

static void
material_release(struct material *m)
{
    for (size_t k = 0; k < MQ_COUNT(m->columns); k++)
        mq_free(m->columns[k]);
    mq_rank_ids_free(m->ids, m->field_count - MQ_RANK_DIM);
    mq_arena_release(&m->arena);
    mq_rank_examples_free(m->examples);
    mq_actions_free(m->actions);
    mq_user_tower_free(m->tower);
    mq_item_features_free(m->features);
    mq_catalogue_free(m->catalogue);
}

static enum mq_status
read_tower(struct mq_step_context *context, struct mq_user_tower **ret_tower, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    enum mq_status st = mq_artifact_reader(context->store, context->region, MQ_ARTIFACT_USER_TOWER,
                                           MQ_PROGRAM_MOVIE, &reader, err);
    if (st == MQ_OK)
        st = mq_user_tower_read(reader, ret_tower, err);
    mq_reader_close(reader);
    return mq_artifact_damaged(MQ_ARTIFACT_USER_TOWER, st, err);
}

static enum mq_status
read_options(const struct mq_step_context *context, struct mq_deepfm_options *o,
             struct mq_error *err)
{
    const struct mq_config *config = context->config;
    mq_deepfm_options_default(o);
    o->dim = (int32_t)mq_config_int(config, "deepfm.dim");
    o->dropout = (float)mq_config_real(config, "deepfm.dropout");
    o->learning_rate = (float)mq_config_real(config, "deepfm.learning_rate");
    o->l2_features = (float)mq_config_real(config, "deepfm.l2_features");
    o->l2_layers = (float)mq_config_real(config, "deepfm.l2_layers");
    o->batch = (int32_t)mq_config_int(config, "deepfm.batch");
    o->epochs = (int32_t)mq_config_int(config, "deepfm.epochs");
    o->patience = (int32_t)mq_config_int(config, "deepfm.patience");
    o->seed = context->seed;
    const char *text = mq_config_text(config, "deepfm.layers");
    o->layer_count = 0;
    for (const char *at = text; *at != '\0';) {
        char *end;
        long units = strtol(at, &end, 10);
        if (end == at || units < 1 || units > MQ_DEEPFM_WIDTH_MAX ||
            (*end != '-' && *end != '\0') || (*end == '-' && end[1] == '\0') ||
            o->layer_count == MQ_DEEPFM_LAYERS_MAX)
            return mq_fail(err, MQ_E_CONFIG,
                           "deepfm.layers is '%s' (expected: up to %d numbers of 1 to %d joined by "
                           "'-', as 128-64)",
                           text, MQ_DEEPFM_LAYERS_MAX, MQ_DEEPFM_WIDTH_MAX);
        o->width[o->layer_count++] = (int32_t)units;
        at = *end == '-' ? end + 1 : end;
    }
    return MQ_OK;
}

static enum mq_status
load_material(struct mq_step_context *context, struct material *m, struct mq_error *err)
{
    const struct mq_config *config = context->config;
    bool by_rating = strcmp(mq_config_text(config, "deepfm.label"), "rating") == 0;
    struct mq_rank_example_options options = {
        .label = by_rating ? MQ_RANK_LABEL_RATING : MQ_RANK_LABEL_PLAY,
        .liked = 4,
        .disliked = 3,
        .exposure_share = mq_config_real(config, "deepfm.exposure_share"),
        .negatives = (int32_t)mq_config_int(config, "deepfm.negatives"),
        .negative_power = mq_config_real(config, "deepfm.negative_power"),
        .max_rows = mq_config_int(config, "deepfm.max_rows"),
        .holdout = mq_config_real(config, "deepfm.holdout"),
        .seed = context->seed};
    int64_t skipped = 0;
    enum mq_status st = mq_catalogue_load(context->store, context->region, &m->catalogue, err);
    if (st == MQ_OK)
        st =
            mq_item_features_load(context->store, context->region, m->catalogue, &m->features, err);
    if (st == MQ_OK)
        st = read_tower(context, &m->tower, err);
    if (st == MQ_OK)
        st = mq_actions_load(context->store, context->region, m->catalogue,
                             by_rating ? MQ_ACTIONS_RATING : MQ_ACTIONS_EXPOSURES, 0, 1,
                             &m->actions, &skipped, err);
    if (st == MQ_OK)
        st = mq_rank_examples_make(m->actions, m->catalogue->count, m->tower, &options,
                                   context->pool, &m->examples, err);
    if (st == MQ_OK)
        mq_step_count(context, "actions_of_unknown_items", skipped);
    return st;
}

static void
report_examples(struct mq_step_context *context, const struct mq_rank_examples *e)
{
    mq_step_count(context, "rows", e->count);
    mq_step_count(context, "rows_train", e->train_count);
    mq_step_count(context, "rows_held_out", e->count - e->train_count);
    mq_step_count(context, "rows_positive", e->positives);
    mq_step_count(context, "rows_without_history", e->without_history);
    mq_step_count(context, "rows_too_old", e->older);
    mq_step_count(context, "exposures_played", e->exposures_played);
    mq_step_count(context, "plays_repeated", e->plays_repeated);
    mq_step_count(context, "plays_without_verdict", e->unrated);
    mq_step_count(context, "user_vectors", e->vector_count);
    if (e->drawn)
        mq_step_note(
            context,
            "DeepFM: (almost) nothing was shown without being played: unplayed programmes, "
            "drawn by popularity, stand in for it (%lld for %lld plays); probabilities "
            "are relative to them",
            (long long)(e->count - e->positives), (long long)e->positives);
}

/* Fields, and the columns of ids of the rows. */
static enum mq_status
make_columns(struct mq_step_context *context, struct material *m, struct mq_error *err)
{
    const struct mq_rank_examples *e = m->examples;
    mq_autofree int64_t *item_rows = NULL;
    enum mq_status st =
        mq_alloc_array((size_t)m->features->count, sizeof(*item_rows), &item_rows, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < e->count; i++)
        item_rows[e->item[i]] += e->label[i] > 0.5f;
    st = mq_rank_fields(m->features, mq_config_flag(context->config, "deepfm.item_field"),
                        item_rows, mq_config_int(context->config, "deepfm.min_rows"), &m->arena,
                        m->fields, &m->field_count, err);
    if (st == MQ_OK)
        st = mq_rank_ids(m->fields, m->field_count, m->features, &m->ids, err);
    for (int32_t k = 0; st == MQ_OK && k < m->field_count - MQ_RANK_DIM; k++) {
        st = mq_alloc_array_raw((size_t)e->count, sizeof(int32_t), &m->columns[k], err);
        for (int64_t i = 0; st == MQ_OK && i < e->count; i++)
            m->columns[k][i] = m->ids[k][e->item[i]];
    }
    if (st == MQ_OK)
        mq_rank_examples_standardise(e, m->fields);
    return st;
}

/* Rows [begin, end) of the examples; the column pointers live in `pointers`. */
static struct mq_deepfm_rows
rows_between(const struct material *m, int64_t begin, int64_t end,
             const int32_t *pointers[MQ_RANK_CATEGORIES + 1])
{
    const struct mq_rank_examples *e = m->examples;
    for (int32_t k = 0; k < m->field_count - MQ_RANK_DIM; k++)
        pointers[k] = m->columns[k] + begin;
    return (struct mq_deepfm_rows){.count = end - begin,
                                   .dense = e->vectors,
                                   .dense_row = e->vector_row + begin,
                                   .dense_rows = e->vector_count,
                                   .ids = pointers,
                                   .label = e->label + begin};
}

static enum mq_status
report_held_out(struct mq_step_context *context, const struct mq_deepfm *model,
                const struct mq_deepfm_rows *held, struct mq_error *err)
{
    if (held->count == 0) {
        mq_step_note(context, "DeepFM: no rows are held out: it was not measured");
        return MQ_OK;
    }
    struct mq_binary_metrics metrics;
    mq_autofree float *prob = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)held->count, sizeof(float), &prob, err);
    if (st == MQ_OK)
        st = mq_deepfm_predict(model, held, context->pool, prob, err);
    if (st == MQ_OK)
        st = mq_binary_metrics(prob, held->label, held->count, &metrics, err);
    if (st != MQ_OK)
        return st;
    if (!isnan(metrics.auc))
        mq_step_figure(context, "auc", metrics.auc);
    mq_step_figure(context, "log_loss", metrics.log_loss);
    if (!isnan(metrics.calibration))
        mq_step_figure(context, "calibration", metrics.calibration);
    mq_step_figure(context, "calibration_error", metrics.calibration_error);
    for (int b = 0; b < MQ_CALIBRATION_BINS; b++) {
        char name[64];
        if (metrics.bin_rows[b] == 0)
            continue;
        snprintf(name, sizeof(name), "calibration_bin_%d_predicted", b);
        mq_step_figure(context, name, metrics.bin_prediction[b]);
        snprintf(name, sizeof(name), "calibration_bin_%d_positive", b);
        mq_step_figure(context, name, metrics.bin_positives[b]);
    }
    mq_step_note(context,
                 "DeepFM: on the newest %lld rows AUC %.4f, log-loss %.4f, %.3f predicted for each "
                 "positive",
                 (long long)metrics.rows, metrics.auc, metrics.log_loss, metrics.calibration);
    return MQ_OK;
}

/* Rows of one label, or none at all, teach nothing: a model that gives every programme the same
 * probability lets the rest of the workflow go on. */
static enum mq_status
constant_model(struct mq_step_context *context, const struct material *m,
               const struct mq_deepfm_options *options, struct mq_deepfm **ret_model,
               struct mq_error *err)
{
    const struct mq_rank_examples *e = m->examples;
    double share = ((double)e->positives + 1) / ((double)e->count + 2);
    enum mq_status st = mq_deepfm_new(m->fields, m->field_count, options->dim, options->layer_count,
                                      options->width, ret_model, err);
    if (st != MQ_OK)
        return st;
    (*ret_model)->bias[0] = (float)log(share / (1 - share));
    mq_step_note(context,
                 "DeepFM: %lld training rows, %lld of them plays: too little to learn from, every "
                 "programme gets probability %.2f",
                 (long long)e->count, (long long)e->positives, share);
    return MQ_OK;
}

/* Whether the training rows hold both labels. */
static bool
both_labels(const struct mq_rank_examples *e)
{
    int64_t ones = 0;
    for (int64_t i = 0; i < e->train_count; i++)
        ones += e->label[i] > 0.5f;
    return ones > 0 && ones < e->train_count;
}

static enum mq_status
train(struct mq_step_context *context, struct material *m, struct mq_deepfm **ret_model,
      struct mq_error *err)
{
    const struct mq_rank_examples *e = m->examples;
    const int32_t *train_columns[MQ_RANK_CATEGORIES + 1], *held_columns[MQ_RANK_CATEGORIES + 1];
    struct mq_deepfm_rows rows = rows_between(m, 0, e->train_count, train_columns);
    struct mq_deepfm_rows held = rows_between(m, e->train_count, e->count, held_columns);
    struct mq_deepfm_options options;
    struct mq_deepfm_history history;
    struct mq_deepfm *model = NULL;
    enum mq_status st = read_options(context, &options, err);
    if (st == MQ_OK && !both_labels(e))
        return constant_model(context, m, &options, ret_model, err);
    if (st == MQ_OK)
        st = mq_deepfm_train(m->fields, m->field_count, &rows, held.count > 0 ? &held : NULL,
                             &options, context->pool, &model, &history, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "epochs", history.epochs);
    mq_step_count(context, "best_epoch", history.best_epoch);
    mq_step_figure(context, "train_log_loss", history.train_loss);
    mq_step_figure(context, "train_rows_per_s", history.rows_per_s);
    mq_step_count(context, "features", model->feature_count);
    st = report_held_out(context, model, &held, err);
    if (st == MQ_OK && held.count > 0 && mq_config_flag(context->config, "deepfm.refit")) {
        mq_deepfm_free(model);
        model = NULL;
        rows = rows_between(m, 0, e->count, train_columns);
        options.epochs = history.best_epoch;
        st = mq_deepfm_train(m->fields, m->field_count, &rows, NULL, &options, context->pool,
                             &model, &history, err);
    }
    if (st != MQ_OK) {
        mq_deepfm_free(model);
        return st;
    }
    *ret_model = model;
    return MQ_OK;
}

static enum mq_status
publish(struct mq_step_context *context, const struct mq_deepfm *model, struct mq_error *err)
{
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_artifact_writer(
        context->store, context->region, MQ_ARTIFACT_DEEPFM_MODEL, MQ_PROGRAM_MOVIE, &writer, err);
    if (st == MQ_OK)
        st = mq_deepfm_write(model, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

enum mq_status
mq_step_model_update_deepfm(struct mq_step_context *context, struct mq_error *err)
{
    struct material m = {0};
    struct mq_deepfm *model = NULL;
    enum mq_status st = load_material(context, &m, err);
    if (st == MQ_OK) {
        report_examples(context, m.examples);
        st = make_columns(context, &m, err);
    }
    if (st == MQ_OK)
        st = train(context, &m, &model, err);
    if (st == MQ_OK)
        st = publish(context, model, err);
    mq_deepfm_free(model);
    material_release(&m);
    return st;
}
