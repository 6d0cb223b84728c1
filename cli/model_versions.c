#include "cli/model_versions.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "data/artifact.h"

#define EVALUATION_MAX_BYTES ((size_t)16 << 20)
/** Versions that a message names. */
#define NAMED_MAX 5

/* A document of the store; NULL: there is none, or it cannot be read, which is warned of. */
static json_t *
read_document(struct mq_object_store *store, const char *key)
{
    struct mq_error error = {0};
    struct mq_buffer text;
    json_t *document = NULL;
    mq_buffer_init(&text, EVALUATION_MAX_BYTES);
    enum mq_status st = mq_object_get(store, key, &text, &error);
    if (st == MQ_OK)
        st = mq_json_parse(text.data, text.size, key, &document, &error);
    if (st != MQ_OK && st != MQ_E_NOT_FOUND)
        mq_log_warn("passed over: %s", error.message);
    mq_buffer_release(&text);
    return document;
}

enum mq_status
mq_models_load(struct mq_models *models, struct mq_cli *cli, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error error = {0};
    models->region = mq_cli_region(cli);
    enum mq_status st = mq_cli_store(cli, &models->store, err);
    if (st == MQ_OK)
        st = mq_hybrid_list_read(models->store, models->region, &models->list, err);
    if (st == MQ_OK)
        st = mq_artifact_key(models->region, MQ_ARTIFACT_HYBRID_EVALUATION, MQ_PROGRAM_MOVIE, key,
                             err);
    if (st != MQ_OK)
        return st;
    models->last = read_document(models->store, key);
    st = mq_hybrid_pointer_read(models->store, models->region, &models->pointer, &error);
    if (st == MQ_E_FORMAT) {
        mq_log_warn("which model serves is not known: %s", error.message);
        return mq_hybrid_pointer_renew(models->store, models->region, &models->pointer, err);
    }
    if (st != MQ_OK && err != NULL)
        *err = error;
    if (st == MQ_OK)
        mq_hybrid_pointer_previous(&models->pointer, models->previous);
    return st;
}

void
mq_models_release(struct mq_models *models)
{
    mq_hybrid_list_release(&models->list);
    mq_hybrid_pointer_release(&models->pointer);
    json_decref(models->last);
    *models = (struct mq_models){0};
}

/* Those that begin with a text, but one: their number; the first ones by name.
 * @param usable leave out those of a newer form */
static size_t
name_models(const struct mq_models *models, const char *beginning, const char *but, bool usable,
            char *ret_text, size_t size)
{
    size_t found = 0, used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < models->list.count; i++) {
        const char *version = models->list.entries[i].version;
        if (strncmp(version, beginning, strlen(beginning)) != 0 ||
            (usable && models->list.entries[i].form > MQ_HYBRID_FORM) ||
            (but != NULL && strcmp(version, but) == 0))
            continue;
        if (found++ < NAMED_MAX && used < size)
            used += (size_t)snprintf(ret_text + used, size - used, "%s'%s'", used > 0 ? ", " : "",
                                     version);
    }
    if (found > NAMED_MAX && used < size)
        snprintf(ret_text + used, size - used, " and %zu more", found - NAMED_MAX);
    return found;
}

void
mq_models_others(const struct mq_models *models, const char *but, char *ret_text, size_t size)
{
    if (name_models(models, "", but, true, ret_text, size) == 0)
        snprintf(ret_text, size, "none");
}

/* One of a newer form is there, and is of no use. */
static enum mq_status
take_entry(const struct mq_hybrid_entry *entry, const struct mq_hybrid_entry **ret_entry,
           struct mq_error *err)
{
    if (entry->form > MQ_HYBRID_FORM)
        return mq_hybrid_newer(entry->version, entry->form, err);
    *ret_entry = entry;
    return MQ_OK;
}

/* Whether there is a model of that version whose model.json cannot be read, so that no list has it.
 */
static bool
is_damaged(const struct mq_models *models, const char *version, struct mq_error *err)
{
    struct mq_error error = {0};
    json_t *model = NULL;
    enum mq_status st = mq_hybrid_describe(models->store, models->region, version, &model, &error);
    json_decref(model);
    if (st == MQ_E_FORMAT && err != NULL)
        *err = error;
    return st == MQ_E_FORMAT;
}

enum mq_status
mq_models_find(const struct mq_models *models, const char *text,
               const struct mq_hybrid_entry **ret_entry, struct mq_error *err)
{
    char names[256];
    const struct mq_hybrid_entry *first = NULL;
    for (size_t i = 0; i < models->list.count; i++) {
        const struct mq_hybrid_entry *entry = &models->list.entries[i];
        if (strcmp(entry->version, text) == 0)
            return take_entry(entry, ret_entry, err);
        if (first == NULL && strncmp(entry->version, text, strlen(text)) == 0)
            first = entry;
    }
    size_t count = name_models(models, text, NULL, false, names, sizeof(names));
    if (count == 1)
        return take_entry(first, ret_entry, err);
    if (count > 1) {
        mq_fail(err, MQ_E_USAGE, "%zu models begin with '%s': %s", count, text, names);
        mq_error_hint(err, "give more of the version");
        return MQ_E_USAGE;
    }
    if (is_damaged(models, text, err))
        return MQ_E_FORMAT;
    mq_models_others(models, NULL, names, sizeof(names));
    mq_fail(err, MQ_E_NOT_FOUND, "no model '%.64s' in '%s/%s'; there are: %s", text,
            mq_object_store_uri(models->store), models->region, names);
    mq_error_hint(err, models->list.count > 0
                           ? "list them with `marquee models`; a pruned one is gone"
                           : "`marquee run --change-type RATING` trains one");
    return MQ_E_NOT_FOUND;
}

json_t *
mq_models_evaluation(const struct mq_models *models, const char *version)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *last = json_string_value(json_object_get(models->last, "version"));
    if (mq_hybrid_key(models->region, version, MQ_HYBRID_EVALUATION, key, NULL) != MQ_OK)
        return NULL;
    json_t *evaluation = read_document(models->store, key);
    if (evaluation == NULL && last != NULL && strcmp(last, version) == 0)
        evaluation = json_incref(models->last);
    return evaluation;
}

const json_t *
mq_models_candidate(const json_t *evaluation)
{
    size_t i;
    json_t *system;
    json_array_foreach(json_object_get(json_object_get(evaluation, "report"), "systems"), i, system)
    {
        const char *role = json_string_value(json_object_get(system, "role"));
        if (role != NULL && strcmp(role, "candidate") == 0)
            return system;
    }
    return NULL;
}

const json_t *
mq_models_figures(const json_t *evaluation)
{
    const json_t *figures = json_object_get(mq_models_candidate(evaluation), "figures");
    return json_is_object(figures) ? figures : NULL;
}

bool
mq_models_refused(const json_t *evaluation)
{
    const json_t *gate = json_object_get(json_object_get(evaluation, "report"), "gate");
    return json_is_false(json_object_get(gate, "passed"));
}

const char *
mq_models_state(const struct mq_models *models, const char *version, const json_t *evaluation)
{
    if (strcmp(version, models->pointer.version) == 0)
        return "serves";
    if (strcmp(version, models->previous) == 0)
        return "before";
    return mq_models_refused(evaluation) ? "refused" : "";
}

json_t *
mq_models_methods(const json_t *model)
{
    json_t *names = json_array(), *weight;
    const char *name;
    json_object_foreach((json_t *)json_object_get(model, "blend"), name, weight)
    {
        if (json_number_value(weight) != 0)
            json_array_append_new(names, json_string(name));
    }
    return names;
}
