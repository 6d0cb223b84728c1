/*
 * train-hybrid: the hybrid model of all ratings up to the run's day, its blends learned on held-out
 * ones (rec/hybrid_fit.h), written whole under model/hybrid/<version>/. It serves nobody yet:
 * candidate.json names it, evaluate judges it, deploy moves the pointer.
 */
#include <stdio.h>

#include "format/json.h"
#include "model/hybrid_files.h"
#include "rec/hybrid_fit.h"
#include "step/hybrid_input.h"
#include "step/step.h"

/* How it was made, for model.json. */
static json_t *
facts_of(const struct mq_step_context *context, const struct mq_hybrid_input *input,
         const struct mq_hybrid_fit_options *options, const struct mq_hybrid_fit_report *report)
{
    json_t *left_out = json_array(), *rmse = json_object();
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        if (report->parts.left_out[m])
            json_array_append_new(left_out, json_string(mq_method_name((enum mq_method)m)));
    for (int p = 0; p < MQ_PREDICTOR_COUNT && report->rating_cases > 0; p++)
        json_object_set_new(rmse, mq_predictor_name((enum mq_rating_predictor)p),
                            json_real(report->rating_blend.rmse[p]));
    if (report->rating_cases > 0)
        json_object_set_new(rmse, "blend", json_real(report->rating_blend.rmse_blend));
    return json_pack("{s:s, s:s, s:I, s:{s:i, s:i, s:i, s:f, s:s, s:s}, s:{s:I, s:f, s:f, s:b}, "
                     "s:{s:I, s:o}, s:o}",
                     "run", context->run_id != NULL ? context->run_id : "", "last_day",
                     input->figures.last_day, "seed", (json_int_t)context->seed, "settings",
                     "neighbours", options->model.neighbours, "content_neighbours",
                     options->model.content_neighbours, "factors", options->model.ials.factors,
                     "half_life_days", options->model.half_life_days, "methods",
                     mq_config_text(context->config, "hybrid.methods"), "events",
                     mq_config_text(context->config, "hybrid.events"), "blend_learned_on",
                     "choices", (json_int_t)report->blend.cases, "loss", report->blend.loss,
                     "loss_uniform", report->blend.loss_uniform, "by_order",
                     (int)report->blend.by_order, "rating_weights_learned_on", "ratings",
                     (json_int_t)report->rating_cases, "rmse", rmse, "left_out", left_out);
}

static enum mq_status
write_candidate(struct mq_step_context *context, const struct mq_hybrid *h, struct mq_error *err)
{
    mq_autojson json_t *candidate =
        json_pack("{s:s, s:s, s:I}", "version", h->version, "run",
                  context->run_id != NULL ? context->run_id : "", "made", (json_int_t)h->made_s);
    return mq_artifact_put_json(context->store, context->region, MQ_ARTIFACT_HYBRID_CANDIDATE,
                                candidate, err);
}

static void
count(struct mq_step_context *context, const struct mq_hybrid *h,
      const struct mq_hybrid_fit_report *report)
{
    mq_step_count(context, "users", h->ratings->user_count);
    mq_step_count(context, "films", h->ratings->item_count);
    mq_step_count(context, "ratings", h->ratings->count);
    mq_step_count(context, "blend_choices", report->blend.cases);
    if (report->blend.cases > 0) {
        mq_step_figure(context, "blend_loss", report->blend.loss);
        mq_step_figure(context, "blend_loss_uniform", report->blend.loss_uniform);
    }
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        const char *name = mq_method_name((enum mq_method)m);
        char key[64];
        if (report->parts.left_out[m])
            mq_step_note(context, "%s was left out: the catalogue is above hybrid.items_max", name);
        if (!mq_hybrid_has(h, (enum mq_method)m))
            continue;
        snprintf(key, sizeof(key), "blend_%s", name);
        mq_step_figure(context, key, (double)h->blend[m]);
        snprintf(key, sizeof(key), "seconds_%s", name);
        mq_step_figure(context, key, report->parts.method_s[m]);
    }
    if (report->rating_cases > 0)
        mq_step_figure(context, "held_out_rmse", report->rating_blend.rmse_blend);
    mq_step_note(context, "model %s: not deployed yet", h->version);
}

enum mq_status
mq_step_train_hybrid(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_hybrid_input input = {0};
    struct mq_hybrid_fit_options options;
    struct mq_hybrid_fit_report report = {0};
    struct mq_hybrid *h = NULL;
    enum mq_status st = mq_hybrid_fit_options_read(context->config, &options, err);
    if (st == MQ_OK)
        st = mq_hybrid_input_load(context->store, context->region, context->config,
                                  context->scratch, context->date, &input, err);
    if (st == MQ_OK)
        st = mq_hybrid_fit(input.ratings, input.catalogue, &options, context->now_s, context->seed,
                           context->pool, &h, &report, err);
    if (st == MQ_OK) {
        input.ratings = NULL; /* the model's now */
        mq_autojson json_t *facts = facts_of(context, &input, &options, &report);
        st = facts != NULL ? mq_hybrid_save(context->store, context->region, h, facts, err)
                           : mq_fail(err, MQ_E_NOMEM, "no memory for what the model is");
    }
    if (st == MQ_OK)
        st = write_candidate(context, h, err);
    if (st == MQ_OK)
        count(context, h, &report);
    mq_hybrid_free(h);
    mq_hybrid_input_release(&input);
    return st;
}
