/*
 * evaluate: how good the trained candidate is, before anybody is served by it.
 *
 * The model is rebuilt from the training part of a split with the same settings, and asked for the
 * held-out part, beside popularity, its methods and the model that serves
 * (eval/hybrid_evaluation.h). A live model that has seen too much of that part goes by its own
 * evaluation, as recorded (step/live_evaluation.h). The quality gate's rules are judged here;
 * deploy obeys them. The report is written for programs and for people below runs/<run id>/, and
 * the outcome for deploy as model/hybrid/evaluation.json.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "eval/hybrid_evaluation.h"
#include "eval/quality_gate.h"
#include "eval/recorded_figures.h"
#include "eval/split_choice.h"
#include "format/json.h"
#include "model/hybrid_registry.h"
#include "step/hybrid_document.h"
#include "step/hybrid_input.h"
#include "step/live_evaluation.h"
#include "step/step.h"

struct work {
    struct mq_step_context *context;
    struct mq_hybrid_input input;
    json_t *candidate;
    const char *version;                       /* of the candidate, borrowed from it */
    char live_version[MQ_HYBRID_VERSION_SIZE]; /* "": none, it cannot be read, or it is the
                                                  candidate */
    struct mq_hybrid *live;                    /* of that version, once it is read */
    char not_judged[160];                      /* why there is no `live`, where a model serves */
    json_t *method;                            /* how it is measured */
    struct mq_live_evaluation recorded;        /* of the live model */
    char protocol[MQ_PROTOCOL_SIZE];
    struct mq_eval_report *report;
    struct mq_gate_result gate;
    int64_t live_cases;
    struct mq_error nothing; /* why nothing could be held out, where `report` is NULL */
};

/* Which model serves. */
static enum mq_status
find_live(struct work *w, struct mq_error *err)
{
    struct mq_step_context *c = w->context;
    struct mq_hybrid_pointer pointer = {0};
    enum mq_status st = mq_hybrid_pointer_read(c->store, c->region, &pointer, err);
    if (st == MQ_OK && strcmp(pointer.version, w->version) == 0)
        snprintf(w->not_judged, sizeof(w->not_judged), "the candidate is the model that serves");
    else if (st == MQ_OK)
        snprintf(w->live_version, sizeof(w->live_version), "%s", pointer.version);
    mq_hybrid_pointer_release(&pointer);
    return st;
}

/* One that is damaged or gone is no reason not to deploy a good one. */
static enum mq_status
read_live(void *context, const struct mq_hybrid **ret_live, struct mq_error *err)
{
    struct work *w = context;
    struct mq_step_context *c = w->context;
    struct mq_error own = {0};
    if (w->live_version[0] == '\0')
        return MQ_OK;
    enum mq_status st =
        mq_hybrid_load(c->store, c->region, w->live_version, c->pool, &w->live, &own);
    *ret_live = w->live;
    if (mq_hybrid_is_unreadable(st)) {
        mq_step_note(c, "the live model %s cannot be read and is not compared: %s", w->live_version,
                     own.message);
        snprintf(w->not_judged, sizeof(w->not_judged), "live model %s cannot be read",
                 w->live_version);
        w->live_version[0] = '\0';
        return MQ_OK;
    }
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static enum mq_status
read_settings(const struct mq_config *config, struct mq_hybrid_eval_options *ret_options,
              struct mq_gate_options *ret_gate, struct mq_error *err)
{
    enum mq_status st = mq_hybrid_eval_options_read(config, ret_options, err);
    if (st == MQ_OK)
        st = mq_gate_options_parse(mq_config_text(config, "gate.bounds"),
                                   mq_config_text(config, "gate.no_worse"),
                                   mq_config_int(config, "gate.cases_min"), ret_gate, err);
    return st == MQ_OK ? mq_gate_options_check(ret_gate, ret_options->cuts, ret_options->cut_count,
                                               ret_options->predict, err)
                       : st;
}

enum mq_status
mq_step_evaluate_settings(const struct mq_config *config, struct mq_error *err)
{
    struct mq_hybrid_eval_options options;
    struct mq_gate_options gate;
    return read_settings(config, &options, &gate, err);
}

/* What stands for the live model where the report does not hold it. */
static enum mq_status
recall_live(struct work *w, struct mq_gate_live *ret_live, struct mq_error *err)
{
    struct mq_live_evaluation *r = &w->recorded;
    *ret_live = (struct mq_gate_live){.why = w->not_judged};
    if (w->live == NULL)
        return MQ_OK;
    enum mq_status st =
        mq_live_evaluation_read(w->context, w->live->version, w->method, w->protocol, r, err);
    *ret_live =
        (struct mq_gate_live){.figures = r->figures,
                              .data = r->data,
                              .why = r->figures == NULL  ? r->nothing
                                     : w->live_cases > 0 ? "it was not measured on these cases"
                                                         : "it has seen the held-out choices"};
    return st;
}

static enum mq_status
judge(struct work *w, struct mq_error *err)
{
    struct mq_step_context *c = w->context;
    struct mq_hybrid_eval_options options;
    struct mq_gate_options gate;
    struct mq_gate_live live;
    mq_autofree uint8_t *marks = NULL;
    enum mq_status st = read_settings(c->config, &options, &gate, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)w->input.ratings->count, 1, &marks, err);
    if (st == MQ_OK)
        st = mq_split_chosen(w->input.ratings, c->config, c->seed, marks, w->protocol, err);
    if (st != MQ_OK)
        return st;
    options.seed = c->seed;
    char data[64];
    snprintf(data, sizeof(data), "silver/ratings up to %s", w->input.figures.last_day);
    const struct mq_hybrid_eval_task task = {.matrix = w->input.ratings,
                                             .marks = marks,
                                             .catalogue = w->input.catalogue,
                                             .read_live = read_live,
                                             .live_context = w,
                                             .data = data,
                                             .protocol = w->protocol};
    st = mq_hybrid_evaluate(&task, &options, c->now_s, c->pool, &w->report, &w->live_cases, err);
    if (st == MQ_OK)
        st = recall_live(w, &live, err);
    if (st == MQ_OK)
        st = mq_quality_gate(w->report, &gate, *live.why != '\0' ? &live : NULL, &w->gate, err);
    if (st == MQ_OK && w->recorded.figures != NULL && w->live_cases == 0)
        st = mq_eval_report_add_recorded(w->report, "live", MQ_SYSTEM_LIVE, w->recorded.figures,
                                         w->recorded.data, err);
    return st;
}

/* Too little data to hold anything out fails no run: the gate says so. */
static enum mq_status
judge_or_say_why(struct work *w, struct mq_error *err)
{
    enum mq_status st = judge(w, &w->nothing);
    if (st != MQ_OK && st != MQ_E_INPUT)
        *err = w->nothing;
    return st == MQ_E_INPUT ? MQ_OK : st;
}

/* ---- what is written ---------------------------------------------------------------------- */

static enum mq_status
write_report(const struct work *w, const char *suffix,
             enum mq_status (*write)(const struct mq_eval_report *report,
                                     const struct mq_gate_result *gate, struct mq_writer *out,
                                     struct mq_error *err),
             struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_writer *out = NULL;
    enum mq_status st = mq_step_report_key(w->context, "report", suffix, key, err);
    if (st == MQ_OK)
        st = mq_object_writer(w->context->store, key, &out, err);
    if (st == MQ_OK)
        st = write(w->report, &w->gate, out, err);
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_writer_close(out);
    return st;
}

/* A report without a case: the gate does not let pass what cannot be judged. */
static enum mq_status
nothing_json(const struct work *w, json_t **ret_report, struct mq_error *err)
{
    *ret_report = json_pack(
        "{s:i, s:{s:b, s:[{s:s, s:b, s:{s:f}, s:f, s:s}]}}", "cases", 0, "gate", "passed", 0,
        "rules", "rule", "cases", "passed", 0, "figure", "value", 0.0, "limit",
        (double)mq_config_int(w->context->config, "gate.cases_min"), "note", w->nothing.message);
    return *ret_report != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "no memory for the outcome");
}

static enum mq_status
write_outcome(const struct work *w, struct mq_error *err)
{
    struct mq_step_context *c = w->context;
    mq_autojson json_t *outcome = NULL;
    json_t *report = NULL;
    enum mq_status st = w->report != NULL ? mq_eval_report_json(w->report, &w->gate, &report, err)
                                          : nothing_json(w, &report, err);
    if (st == MQ_OK)
        outcome = json_pack("{s:s, s:s, s:s?, s:I, s:O, s:o}", "version", w->version, "run",
                            c->run_id != NULL ? c->run_id : "", "live",
                            w->live != NULL ? w->live->version : NULL, "live_cases",
                            (json_int_t)w->live_cases, "method", w->method, "report", report);
    return st == MQ_OK ? mq_artifact_put_json(c->store, c->region, MQ_ARTIFACT_HYBRID_EVALUATION,
                                              outcome, err)
                       : st;
}

static void
tell(const struct work *w)
{
    struct mq_step_context *c = w->context;
    if (w->report == NULL) {
        mq_step_note(c, "model %s cannot be judged, and does not pass the quality gate: %s",
                     w->version, w->nothing.message);
        return;
    }
    static const char *const keys[] = {"hit_rate_10", "hit_rate_50", "ndcg_10", "rmse"};
    mq_step_count(c, "cases", w->report->cases);
    mq_step_count(c, "live_cases", w->live_cases);
    for (size_t k = 0; k < MQ_COUNT(keys); k++) {
        const struct mq_eval_figure *figure =
            mq_eval_report_find(w->report, w->report->candidate, keys[k], NULL);
        if (figure != NULL && figure->value.value == figure->value.value)
            mq_step_figure(c, keys[k], figure->value.value);
    }
    for (int i = 0; i < w->gate.count; i++)
        if (!w->gate.outcomes[i].passed)
            mq_step_note(c, "gate: %s fails (%.4g)", w->gate.outcomes[i].rule,
                         w->gate.outcomes[i].figure);
    mq_step_note(c, "model %s %s", w->version,
                 w->gate.passed ? "passes the quality gate" : "does not pass the quality gate");
    if (w->live != NULL && w->live_cases == 0)
        mq_step_note(c,
                     "the live model %s has seen too many of the held-out choices "
                     "(gate.cases_min): %s%s",
                     w->live->version,
                     w->recorded.figures != NULL ? "held against its own evaluation, "
                                                 : "not judged, ",
                     w->recorded.figures != NULL ? w->recorded.data : w->recorded.nothing);
}

enum mq_status
mq_step_evaluate(struct mq_step_context *context, struct mq_error *err)
{
    struct work w = {.context = context, .method = mq_evaluation_method(context->config)};
    enum mq_status st = w.method != NULL ? mq_step_evaluate_settings(context->config, err)
                                         : mq_fail(err, MQ_E_NOMEM, "no memory for an evaluation");
    if (st == MQ_OK)
        st = mq_hybrid_document_read(context, MQ_ARTIFACT_HYBRID_CANDIDATE, &w.candidate,
                                     &w.version, err);
    if (st == MQ_OK)
        st = mq_hybrid_input_load(context->store, context->region, context->config,
                                  context->scratch, context->date, &w.input, err);
    if (st == MQ_OK)
        st = find_live(&w, err);
    if (st == MQ_OK)
        st = judge_or_say_why(&w, err);
    if (st == MQ_OK && w.report != NULL)
        st = write_report(&w, "json", mq_eval_report_write_json, err);
    if (st == MQ_OK && w.report != NULL)
        st = write_report(&w, "html", mq_eval_report_write_html, err);
    if (st == MQ_OK)
        st = write_outcome(&w, err);
    if (st == MQ_OK)
        tell(&w);
    mq_eval_report_free(w.report);
    json_decref(w.candidate);
    json_decref(w.method);
    mq_live_evaluation_release(&w.recorded);
    mq_hybrid_free(w.live);
    mq_hybrid_input_release(&w.input);
    return st;
}
