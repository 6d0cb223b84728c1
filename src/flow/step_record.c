#include "flow/step_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "flow/run_document.h"

/* Key of a step's record or mark. */
static enum mq_status
record_key(const char *region, const char *name, const char *suffix, char key[MQ_OBJECT_KEY_MAX],
           struct mq_error *err)
{
    int n = snprintf(key, MQ_OBJECT_KEY_MAX, "%s/runs/steps/%s%s.json", region, name, suffix);
    if (n < 0 || n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "key of the record of step '%s' is too long", name);
    return MQ_OK;
}

/* Key of the copy of one of the step's own artifacts. */
static enum mq_status
copy_key(const char *region, const char *run_id, const char *name, enum mq_artifact artifact,
         char key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    int n = snprintf(key, MQ_OBJECT_KEY_MAX, "%s/runs/steps/before/%s/%s/%s", region, name, run_id,
                     mq_artifact_info(artifact)->name);
    if (n < 0 || n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "key of a copy for step '%s' is too long", name);
    return MQ_OK;
}

void
mq_step_record_name(const struct mq_step_row *row, int shard_index, int shard_count,
                    char ret_name[MQ_RECORD_NAME_MAX])
{
    if (shard_count > 1 && (row->flags & MQ_STEP_SHARDS) != 0)
        snprintf(ret_name, MQ_RECORD_NAME_MAX, "%s.shard-%d-of-%d", row->name, shard_index + 1,
                 shard_count);
    else
        snprintf(ret_name, MQ_RECORD_NAME_MAX, "%s", row->name);
}

void
mq_step_record_release(struct mq_step_record *record)
{
    json_decref(record->options);
    record->options = NULL;
}

bool
mq_option_is_day(const char *name)
{
    return strcmp(name, MQ_OPTION_DAY) == 0 || strcmp(name, MQ_OPTION_DATE) == 0;
}

json_t *
mq_step_options(const struct mq_step_row *row, const struct mq_config *config, int64_t now_s,
                const char *date)
{
    json_t *options = json_object();
    if (options != NULL && (row->flags & MQ_STEP_DAILY) != 0) {
        char day[MQ_DATE_SIZE];
        mq_date_format(now_s, day);
        json_object_set_new(options, MQ_OPTION_DAY, json_string(day));
    }
    if (options != NULL && (row->flags & MQ_STEP_DATED) != 0)
        json_object_set_new(options, MQ_OPTION_DATE, json_string(date != NULL ? date : "all"));
    size_t count;
    const struct mq_option *table = mq_option_table(&count);
    for (size_t i = 0; options != NULL && i < count; i++) {
        if (!mq_step_has_option(row, table[i].name))
            continue;
        char value[1024];
        enum mq_option_source source;
        const char *place;
        mq_config_describe(config, table[i].name, value, sizeof(value), &source, &place);
        if (json_object_set_new(options, table[i].name, json_string(value)) != 0) {
            json_decref(options);
            return NULL;
        }
    }
    return options;
}

#define REMOVE_HINT "remove it: the step then runs again"

/* A record that cannot be read is worth no more than none. */
static enum mq_status
read_document(struct mq_object_store *store, const char *key, json_t **ret_document,
              struct mq_error *err)
{
    enum mq_status st = mq_run_document_read(store, key, ret_document, err);
    if (st == MQ_E_FORMAT && err != NULL && err->hint[0] == '\0')
        mq_error_hint(err, REMOVE_HINT);
    return st;
}

enum mq_status
mq_step_record_read(struct mq_object_store *store, const char *region, const char *name,
                    struct mq_step_record *ret_record, struct mq_error *err)
{
    memset(ret_record, 0, sizeof(*ret_record));
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = record_key(region, name, "", key, err);
    if (st != MQ_OK)
        return st;
    json_t *document = NULL;
    st = read_document(store, key, &document, err);
    if (st != MQ_OK || document == NULL)
        return st;
    struct mq_step_record record = {.exists = true};
    const char *run_id;
    json_t *options, *inputs, *outputs;
    if (json_unpack(document, "{s:s, s:i, s:o, s:o, s:o}", "run", &run_id, "version",
                    &record.version, "options", &options, "inputs", &inputs, "outputs",
                    &outputs) != 0)
        st = mq_fail(err, MQ_E_FORMAT, "record '%s/%s' is malformed", mq_object_store_uri(store),
                     key);
    if (st == MQ_OK)
        st = mq_artifact_states_from_json(inputs, &record.inputs, err);
    if (st == MQ_OK)
        st = mq_artifact_states_from_json(outputs, &record.outputs, err);
    if (st == MQ_OK) {
        snprintf(record.run_id, sizeof(record.run_id), "%s", run_id);
        record.options = json_incref(options);
        *ret_record = record;
    } else {
        mq_error_hint(err, REMOVE_HINT);
    }
    json_decref(document);
    return st;
}

enum mq_status
mq_step_record_write(struct mq_object_store *store, const char *region, const char *name,
                     const struct mq_step_record *record, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = record_key(region, name, "", key, err);
    if (st != MQ_OK)
        return st;
    json_t *document =
        json_pack("{s:i, s:s, s:s, s:i, s:O, s:o, s:o}", "schema", MQ_RUN_SCHEMA, "step", name,
                  "run", record->run_id, "version", record->version, "options", record->options,
                  "inputs", mq_artifact_states_to_json(&record->inputs), "outputs",
                  mq_artifact_states_to_json(&record->outputs));
    return mq_run_document_write(store, key, document, err);
}

/* The dead run's id in `run_id`, or "" when there is no stale mark. */
static enum mq_status
read_mark(struct mq_object_store *store, const char *region, const char *name,
          const struct mq_step_record *record, char run_id[MQ_RUN_ID_MAX], json_t **ret_mark,
          struct mq_error *err)
{
    run_id[0] = '\0';
    *ret_mark = NULL;
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = record_key(region, name, ".started", key, err);
    if (st != MQ_OK)
        return st;
    json_t *mark = NULL;
    st = read_document(store, key, &mark, err);
    if (st != MQ_OK || mark == NULL)
        return st;
    const char *id = json_string_value(json_object_get(mark, "run"));
    bool finished = id != NULL && record->exists && strcmp(record->run_id, id) == 0;
    if (id == NULL || strlen(id) >= MQ_RUN_ID_MAX || finished) {
        json_decref(mark);
        return MQ_OK;
    }
    snprintf(run_id, MQ_RUN_ID_MAX, "%s", id);
    *ret_mark = mark;
    return MQ_OK;
}

enum mq_status
mq_step_mark_stale(struct mq_object_store *store, const char *region, const char *name,
                   const struct mq_step_record *record, bool *ret_stale, struct mq_error *err)
{
    char run_id[MQ_RUN_ID_MAX];
    json_t *mark;
    enum mq_status st = read_mark(store, region, name, record, run_id, &mark, err);
    if (st != MQ_OK)
        return st;
    *ret_stale = mark != NULL;
    json_decref(mark);
    return MQ_OK;
}

static enum mq_status
object_exists(struct mq_object_store *store, const char *key, bool *ret_exists,
              struct mq_error *err)
{
    struct mq_object_info info;
    struct mq_error error = {0};
    enum mq_status st = mq_object_stat(store, key, &info, &error);
    if (st != MQ_OK && st != MQ_E_NOT_FOUND) {
        if (err != NULL)
            *err = error;
        return st;
    }
    *ret_exists = st == MQ_OK;
    return MQ_OK;
}

/* Put the dead run's copies back; what was absent before is removed. */
static enum mq_status
restore(struct mq_object_store *store, const char *region, const struct mq_step_row *row,
        const char *name, const char *dead_run, const json_t *mark, struct mq_error *err)
{
    const json_t *kept = json_object_get(mark, "kept");
    for (int i = 0; i < row->input_count; i++) {
        if ((row->inputs[i].flags & MQ_OWN_STATE) == 0)
            continue;
        enum mq_artifact artifact = row->inputs[i].artifact;
        const json_t *was_there = json_object_get(kept, mq_artifact_info(artifact)->name);
        if (!json_is_boolean(was_there))
            continue; /* the mark of a version that did not keep it */
        char key[MQ_OBJECT_KEY_MAX], copy[MQ_OBJECT_KEY_MAX];
        enum mq_status st = mq_artifact_key(region, artifact, MQ_PROGRAM_MOVIE, key, err);
        if (st == MQ_OK)
            st = copy_key(region, dead_run, name, artifact, copy, err);
        if (st != MQ_OK)
            return st;
        const char *keys[] = {key};
        st = json_is_true(was_there) ? mq_object_copy(store, copy, key, err)
                                     : mq_object_delete(store, keys, 1, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "cannot put back the state of the dead run %s",
                                   dead_run);
    }
    return MQ_OK;
}

static enum mq_status
delete_visited(void *context, const char *key, const struct mq_object_info *info,
               struct mq_error *err)
{
    const char *keys[] = {key};
    return mq_object_delete(context, keys, 1, err);
}

/* Remove all copies of a step, those of dead runs included. */
static enum mq_status
remove_copies(struct mq_object_store *store, const char *region, const char *name,
              struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    int n = snprintf(prefix, sizeof(prefix), "%s/runs/steps/before/%s/", region, name);
    if (n < 0 || (size_t)n >= sizeof(prefix))
        return mq_fail(err, MQ_E_RANGE, "key of a copy for step '%s' is too long", name);
    return mq_object_list(store, prefix, delete_visited, store, err);
}

/* Copy the step's own state aside; `kept` says what was there. */
static enum mq_status
keep_state(struct mq_object_store *store, const char *region, const struct mq_step_row *row,
           const char *name, const char *run_id, json_t *kept, struct mq_error *err)
{
    for (int i = 0; i < row->input_count; i++) {
        if ((row->inputs[i].flags & MQ_OWN_STATE) == 0)
            continue;
        enum mq_artifact artifact = row->inputs[i].artifact;
        char key[MQ_OBJECT_KEY_MAX], copy[MQ_OBJECT_KEY_MAX];
        bool exists = false;
        enum mq_status st = mq_artifact_key(region, artifact, MQ_PROGRAM_MOVIE, key, err);
        if (st == MQ_OK)
            st = copy_key(region, run_id, name, artifact, copy, err);
        if (st == MQ_OK)
            st = object_exists(store, key, &exists, err);
        if (st == MQ_OK && exists)
            st = mq_object_copy(store, key, copy, err);
        if (st != MQ_OK)
            return st;
        if (json_object_set_new(kept, mq_artifact_info(artifact)->name, json_boolean(exists)) != 0)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the mark of step '%s'", name);
    }
    return MQ_OK;
}

enum mq_status
mq_step_mark_begin(struct mq_object_store *store, const char *region, const struct mq_step_row *row,
                   const char *name, const char *run_id, const struct mq_step_record *record,
                   bool *ret_recovered, struct mq_error *err)
{
    char dead_run[MQ_RUN_ID_MAX], key[MQ_OBJECT_KEY_MAX];
    json_t *stale = NULL;
    enum mq_status st = record_key(region, name, ".started", key, err);
    if (st == MQ_OK)
        st = read_mark(store, region, name, record, dead_run, &stale, err);
    if (st != MQ_OK)
        return st;
    if (stale != NULL)
        st = restore(store, region, row, name, dead_run, stale, err);
    json_t *kept = json_object();
    if (st == MQ_OK && kept == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the mark of step '%s'", name);
    if (st == MQ_OK)
        st = keep_state(store, region, row, name, run_id, kept, err);
    if (st == MQ_OK)
        st = mq_run_document_write(store, key,
                                   json_pack("{s:i, s:s, s:s, s:O}", "schema", MQ_RUN_SCHEMA,
                                             "step", name, "run", run_id, "kept", kept),
                                   err);
    if (st == MQ_OK && ret_recovered != NULL)
        *ret_recovered = stale != NULL;
    json_decref(kept);
    json_decref(stale);
    return st;
}

enum mq_status
mq_step_mark_end(struct mq_object_store *store, const char *region, const char *name,
                 struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = record_key(region, name, ".started", key, err);
    const char *keys[] = {key};
    if (st == MQ_OK)
        st = mq_object_delete(store, keys, 1, err);
    return st == MQ_OK ? remove_copies(store, region, name, err) : st;
}
