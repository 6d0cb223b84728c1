/*
 * deploy: the candidate serves from now on, if its evaluation's quality gate passed.
 *
 * The pointer is moved by a conditional write, and only from the model that the candidate was
 * judged against: of two who deploy at once one wins, and nobody's rollback is undone by a verdict
 * that knew nothing of it. A candidate that served before and was taken back (`marquee models
 * rollback`) is not deployed again. A refusal changes nothing and fails the step, so that the run
 * shows it; the model and its evaluation stay.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/hybrid_registry.h"
#include "step/gate_verdict.h"
#include "step/hybrid_document.h"
#include "step/step.h"
#include "store/json_object.h"

struct deployment {
    struct mq_step_context *context;
    json_t *candidate, *evaluation;
    const char *version; /* borrowed from the candidate */
    const char *live;    /* that it was judged against, borrowed; "": none */
    struct mq_hybrid_pointer pointer;
};

/* ---- what earlier steps wrote ------------------------------------------------------------ */

static enum mq_status
evaluation_damaged(const struct deployment *d, enum mq_status st, struct mq_error *err)
{
    st = mq_fail_context(err, st, "'%s/%s/%s'", mq_object_store_uri(d->context->store),
                         d->context->region, mq_artifact_info(MQ_ARTIFACT_HYBRID_EVALUATION)->path);
    return mq_artifact_damaged(MQ_ARTIFACT_HYBRID_EVALUATION, st, err);
}

static enum mq_status
read_documents(struct deployment *d, struct mq_gate_verdict *ret_verdict, struct mq_error *err)
{
    const char *judged = NULL;
    enum mq_status st = mq_hybrid_document_read(d->context, MQ_ARTIFACT_HYBRID_CANDIDATE,
                                                &d->candidate, &d->version, err);
    if (st == MQ_OK)
        st = mq_hybrid_document_read(d->context, MQ_ARTIFACT_HYBRID_EVALUATION, &d->evaluation,
                                     &judged, err);
    if (st != MQ_OK)
        return st;
    if (strcmp(judged, d->version) != 0) {
        mq_fail(err, MQ_E_INPUT, "the candidate is model '%s', but it is '%s' that was evaluated",
                d->version, judged);
        mq_error_hint(err, "evaluate the candidate: `marquee step evaluate --force`");
        return MQ_E_INPUT;
    }
    const json_t *live = json_object_get(d->evaluation, "live");
    if (!json_is_string(live) && !json_is_null(live))
        return evaluation_damaged(
            d, mq_fail(err, MQ_E_FORMAT, "it does not say which model was live"), err);
    d->live = json_is_string(live) ? json_string_value(live) : "";
    st = mq_gate_verdict_read(json_object_get(d->evaluation, "report"), ret_verdict, err);
    return st == MQ_OK ? MQ_OK : evaluation_damaged(d, st, err);
}

/* The evaluation beside the model, for `marquee models`: of later candidates too, each has its own.
 */
static enum mq_status
keep_evaluation(struct deployment *d, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_step_context *context = d->context;
    enum mq_status st = mq_hybrid_key(context->region, d->version, MQ_HYBRID_EVALUATION, key, err);
    return st == MQ_OK ? mq_object_put_json(context->store, key, d->evaluation, MQ_JSON_INDENTED, 0,
                                            MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}

/* ---- what is not deployed ---------------------------------------------------------------- */

/* How and when the candidate was moved to last, where it has served before. NULL: it has not. */
static const json_t *
served_before(const struct deployment *d)
{
    size_t i;
    json_t *entry;
    json_array_foreach(d->pointer.history, i, entry)
    {
        const char *version = json_string_value(json_object_get(entry, "version"));
        if (version != NULL && strcmp(version, d->version) == 0)
            return entry;
    }
    return NULL;
}

static enum mq_status
refuse(const struct deployment *d, const struct mq_gate_verdict *verdict, struct mq_error *err)
{
    char rules[640], live[MQ_HYBRID_VERSION_SIZE + 32];
    mq_gate_failures_text(json_object_get(d->evaluation, "report"), rules, sizeof(rules));
    if (d->pointer.version[0] != '\0')
        snprintf(live, sizeof(live), "'%s' goes on serving", d->pointer.version);
    else
        snprintf(live, sizeof(live), "no model serves yet");
    mq_fail(err, MQ_E_INPUT, "model '%s' is refused, %d of %d rules of the gate failed: %s; %s",
            d->version, verdict->failed, verdict->count, rules, live);
    mq_error_hint(err,
                  "look at it with `marquee models show %s`; to let it serve all the same: "
                  "`marquee models promote %s`",
                  d->version, d->version);
    return MQ_E_INPUT;
}

static enum mq_status
judged_against_another(const struct deployment *d, struct mq_error *err)
{
    const char *now = d->pointer.version;
    mq_fail(err, MQ_E_CONFLICT,
            "model '%s' is not deployed: it was judged against %s%s%s, but %s%s%s serves now",
            d->version, d->live[0] != '\0' ? "'" : "", d->live[0] != '\0' ? d->live : "no model",
            d->live[0] != '\0' ? "'" : "", now[0] != '\0' ? "'" : "",
            now[0] != '\0' ? now : "no model", now[0] != '\0' ? "'" : "");
    mq_error_hint(err,
                  "judge it anew: `marquee run --change-type RATING --from evaluate --force`; or "
                  "let it serve as it is: `marquee models promote %s`",
                  d->version);
    return MQ_E_CONFLICT;
}

/* A model that serves and cannot be read is judged against as little as none at all, and is no
 * reason to keep a good one back. */
static enum mq_status
cannot_be_read(const struct deployment *d, bool *ret_unread, struct mq_error *err)
{
    struct mq_step_context *context = d->context;
    struct mq_hybrid *live = NULL;
    struct mq_error error = {0};
    enum mq_status st = mq_hybrid_load(context->store, context->region, d->pointer.version,
                                       context->pool, &live, &error);
    mq_hybrid_free(live);
    *ret_unread = mq_hybrid_is_unreadable(st);
    if (*ret_unread)
        mq_step_note(context, "the model that serves, '%s', cannot be read: %s", d->pointer.version,
                     error.message);
    if (st == MQ_OK || *ret_unread)
        return MQ_OK;
    if (err != NULL)
        *err = error;
    return st;
}

/* ---- the step ---------------------------------------------------------------------------- */

static void
note_current(const struct deployment *d)
{
    mq_step_note(d->context, "model '%s' serves already: nothing to do", d->version);
}

static enum mq_status
move(struct deployment *d, const struct mq_gate_verdict *verdict, struct mq_error *err)
{
    struct mq_step_context *context = d->context;
    char reason[192], before[MQ_HYBRID_VERSION_SIZE];
    memcpy(before, d->pointer.version, sizeof(before));
    snprintf(reason, sizeof(reason), "the gate passed, %d rules%s%s", verdict->count,
             verdict->by_record > 0 ? "; compared with the live model's own evaluation" : "",
             verdict->not_judged > 0 ? "; not judged against the live model" : "");
    const struct mq_hybrid_move to = {.version = d->version,
                                      .by = "deploy",
                                      .run = context->run_id,
                                      .reason = reason,
                                      .at_s = context->now_s};
    struct mq_error error = {0};
    enum mq_status st =
        mq_hybrid_pointer_move(context->store, context->region, &d->pointer, &to, &error);
    if (st == MQ_OK) {
        mq_step_count(context, "deployed", 1);
        mq_step_note(context, "model '%s' serves from now on; before: %s", d->version,
                     before[0] != '\0' ? before : "none");
        return MQ_OK;
    }
    if (st == MQ_E_CONFLICT) { /* perhaps by another deploy of the same candidate */
        mq_hybrid_pointer_release(&d->pointer);
        if (mq_hybrid_pointer_read(context->store, context->region, &d->pointer, NULL) == MQ_OK &&
            strcmp(d->pointer.version, d->version) == 0) {
            note_current(d);
            return MQ_OK;
        }
    }
    if (err != NULL)
        *err = error;
    return st;
}

static enum mq_status
decide(struct deployment *d, const struct mq_gate_verdict *verdict, struct mq_error *err)
{
    if (strcmp(d->pointer.version, d->version) == 0) {
        note_current(d);
        return MQ_OK;
    }
    const json_t *served = served_before(d);
    if (served != NULL) {
        const char *at = json_string_value(json_object_get(served, "at"));
        mq_step_note(d->context,
                     "model '%s' served from %s on and was taken back: '%s' goes on serving, until "
                     "another candidate comes or `marquee models promote %s`",
                     d->version, at != NULL ? at : "?", d->pointer.version, d->version);
        return MQ_OK;
    }
    if (!verdict->passed)
        return refuse(d, verdict, err);
    if (strcmp(d->pointer.version, d->live) != 0) {
        bool unread = false;
        enum mq_status st = d->live[0] == '\0' ? cannot_be_read(d, &unread, err) : MQ_OK;
        if (st != MQ_OK)
            return st;
        if (!unread)
            return judged_against_another(d, err);
    }
    return move(d, verdict, err);
}

static enum mq_status
deploy(struct deployment *d, struct mq_error *err)
{
    struct mq_step_context *context = d->context;
    struct mq_gate_verdict verdict;
    json_t *model = NULL;
    enum mq_status st = read_documents(d, &verdict, err);
    if (st != MQ_OK)
        return st;
    st = mq_hybrid_describe(context->store, context->region, d->version, &model, err);
    json_decref(model);
    if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "the candidate was removed; train one: `marquee step train-hybrid "
                           "--force`");
    if (st == MQ_OK)
        st = keep_evaluation(d, err);
    if (st == MQ_OK)
        st = mq_hybrid_pointer_read(context->store, context->region, &d->pointer, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "rules", verdict.count);
    mq_step_count(context, "rules_failed", verdict.failed);
    return decide(d, &verdict, err);
}

enum mq_status
mq_step_deploy(struct mq_step_context *context, struct mq_error *err)
{
    struct deployment d = {.context = context};
    enum mq_status st = deploy(&d, err);
    json_decref(d.candidate);
    json_decref(d.evaluation);
    mq_hybrid_pointer_release(&d.pointer);
    return st;
}
