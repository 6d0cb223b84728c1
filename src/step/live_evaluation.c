#include "step/live_evaluation.h"

#include <stdio.h>
#include <string.h>

#include "model/hybrid_files.h"
#include "step/hybrid_document.h"

void
mq_live_evaluation_release(struct mq_live_evaluation *live)
{
    json_decref(live->document);
    *live = (struct mq_live_evaluation){0};
}

json_t *
mq_evaluation_method(const struct mq_config *config)
{
    const char *split = mq_config_text(config, "eval.split");
    json_t *method = json_pack(
        "{s:s, s:s, s:I, s:f, s:s}", "split", split, "among", mq_config_text(config, "eval.among"),
        "negatives", (json_int_t)mq_config_int(config, "eval.negatives"), "relevant",
        mq_config_real(config, "eval.relevant"), "events", mq_config_text(config, "hybrid.events"));
    if (method != NULL && strcmp(split, "newest") != 0)
        json_object_set_new(method, "share", json_real(mq_config_real(config, "eval.share")));
    return method;
}

/* The candidate's figures of a report; NULL: it has none. */
static const json_t *
candidate_figures(const json_t *report)
{
    size_t i;
    json_t *system;
    json_array_foreach(json_object_get(report, "systems"), i, system)
    {
        const char *role = json_string_value(json_object_get(system, "role"));
        const json_t *figures = json_object_get(system, "figures");
        if (role != NULL && strcmp(role, "candidate") == 0)
            return json_object_size(figures) > 0 ? figures : NULL;
    }
    return NULL;
}

static bool
measured_alike(const json_t *document, const json_t *method, const char *protocol)
{
    const json_t *own = json_object_get(document, "method");
    const char *sentence =
        json_string_value(json_object_get(json_object_get(document, "report"), "protocol"));
    if (own != NULL)
        return json_equal(own, method);
    return sentence != NULL && strcmp(sentence, protocol) == 0;
}

/* What the document says, or why it says nothing. */
static void
look(struct mq_live_evaluation *live, const char *version, const json_t *method,
     const char *protocol)
{
    const json_t *report = json_object_get(live->document, "report");
    const char *of = json_string_value(json_object_get(live->document, "version"));
    const char *data = json_string_value(json_object_get(report, "data"));
    const json_t *figures = candidate_figures(report);
    if (of == NULL || strcmp(of, version) != 0 || data == NULL || figures == NULL) {
        snprintf(live->nothing, sizeof(live->nothing), "the evaluation of live model %s is empty",
                 version);
    } else if (!measured_alike(live->document, method, protocol)) {
        snprintf(live->nothing, sizeof(live->nothing),
                 "live model %s was evaluated in another way (eval.*, hybrid.events)", version);
    } else {
        live->figures = figures;
        live->data = data;
    }
}

enum mq_status
mq_live_evaluation_read(struct mq_step_context *context, const char *version, const json_t *method,
                        const char *protocol, struct mq_live_evaluation *ret_live,
                        struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_live_evaluation live = {0};
    struct mq_error own = {0};
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_HYBRID_DOCUMENT_MAX_BYTES);
    enum mq_status st = mq_hybrid_key(context->region, version, MQ_HYBRID_EVALUATION, key, &own);
    if (st == MQ_OK)
        st = mq_object_get(context->store, key, &text, &own);
    if (st == MQ_OK)
        st = mq_json_parse(text.data, text.size, key, &live.document, &own);
    mq_buffer_release(&text);
    if (st == MQ_OK)
        look(&live, version, method, protocol);
    else if (st == MQ_E_NOT_FOUND)
        snprintf(live.nothing, sizeof(live.nothing), "live model %s was not evaluated", version);
    else if (st == MQ_E_FORMAT)
        snprintf(live.nothing, sizeof(live.nothing),
                 "the evaluation of live model %s cannot be read", version);
    if (live.nothing[0] != '\0' && st == MQ_E_FORMAT)
        mq_step_note(context, "%s: %s", live.nothing, own.message);
    if (st == MQ_OK || live.nothing[0] != '\0') {
        *ret_live = live;
        return MQ_OK;
    }
    if (err != NULL)
        *err = own;
    return st;
}
