#include "data/input_stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/artifact.h"
#include "data/input_stage_files.h"
#include "format/json.h"
#include "store/json_object.h"

#define RECORD_PATH "system/import.json"
#define STAGE_PREFIX "import-"
#define STAGE_SUFFIX ".partial"

/* ---- begin and end ---------------------------------------------------------------------- */

static enum mq_status
region_key(const char *region, const char *path, char ret_key[MQ_OBJECT_KEY_MAX],
           struct mq_error *err)
{
    if (snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s/%s", region, path) >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region name is too long");
    return MQ_OK;
}

/* Places of the store that an import may own, as the record names them. */
static const struct place {
    const char *name;
    unsigned bit;
    enum mq_artifact artifact;
} places[] = {{"users", MQ_INPUT_USERS, MQ_ARTIFACT_PROFILE_MAP},
              {"items", MQ_INPUT_ITEMS, MQ_ARTIFACT_ITEM_BASIC},
              {"items", MQ_INPUT_ITEMS, MQ_ARTIFACT_ITEM_EXPAND},
              {"logs", MQ_INPUT_LOGS, MQ_ARTIFACT_ACTION_LOGS}};
#define ALL_PLACES (MQ_INPUT_USERS | MQ_INPUT_ITEMS | MQ_INPUT_LOGS)

/* The import record's state, "" where there is none, and what is an import's. */
static enum mq_status
read_state(struct mq_object_store *store, const char *region, char ret_state[32],
           unsigned *ret_owned, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error local;
    struct mq_reader *reader;
    enum mq_status st = region_key(region, RECORD_PATH, key, err);
    if (st != MQ_OK)
        return st;
    ret_state[0] = '\0';
    *ret_owned = 0;
    st = mq_object_reader(store, key, &reader, &local);
    if (st == MQ_E_NOT_FOUND)
        return MQ_OK;
    mq_autojson json_t *record = NULL;
    if (st == MQ_OK) {
        st = mq_json_read(reader, 1 << 20, &record, &local);
        mq_reader_close(reader);
    }
    const char *state;
    if (st == MQ_OK)
        st = mq_json_need_text(record, "state", &state, &local);
    if (st != MQ_OK) {
        if (err != NULL)
            *err = local;
        return st;
    }
    snprintf(ret_state, 32, "%s", state);
    /* Records without the member are of imports that owned everything. */
    const json_t *owns = json_object_get(record, "owns"), *name;
    size_t i;
    *ret_owned = owns == NULL ? ALL_PLACES : 0;
    json_array_foreach(owns, i, name)
    {
        for (size_t p = 0; p < MQ_COUNT(places); p++)
            if (json_is_string(name) && strcmp(json_string_value(name), places[p].name) == 0)
                *ret_owned |= places[p].bit;
    }
    return MQ_OK;
}

enum mq_status
mq_input_check(struct mq_object_store *store, const char *region, struct mq_error *err)
{
    char state[32];
    unsigned owned;
    enum mq_status st = read_state(store, region, state, &owned, err);
    if (st == MQ_OK && strcmp(state, "writing") == 0) {
        st = mq_fail(err, MQ_E_INPUT,
                     "the input of region %s in '%s' is incomplete: an import was interrupted",
                     region, mq_object_store_uri(store));
        mq_error_hint(err, "run the import again");
    }
    return st;
}

static enum mq_status
write_record(struct mq_input_stage *stage, const char *state, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], now[MQ_INSTANT_SIZE];
    const struct mq_input_summary *s = &stage->summary;
    mq_instant_format(mq_clock_now_s(), now);
    json_t *owns = json_array();
    for (size_t p = 0; owns != NULL && p < MQ_COUNT(places); p++)
        if ((stage->owned & places[p].bit) != 0 && (p == 0 || places[p].bit != places[p - 1].bit))
            json_array_append_new(owns, json_string(places[p].name));
    mq_autojson json_t *record =
        json_pack("{s:i, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "schema", 1, "state", state,
                  "source", stage->source, "at", now, "owns", owns, "items", (json_int_t)s->items,
                  "users", (json_int_t)s->users, "plays", (json_int_t)s->plays, "exposures",
                  (json_int_t)s->exposures, "days", (json_int_t)s->days);
    enum mq_status st = region_key(stage->region, RECORD_PATH, key, err);
    return st == MQ_OK ? mq_object_put_json(stage->store, key, record, MQ_JSON_INDENTED, 0,
                                            MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}

/* What this import is to replace must be an import's. @param ret_owned what is one's now */
static enum mq_status
check_owner(struct mq_object_store *store, const char *region,
            const struct mq_input_options *options, unsigned *ret_owned, struct mq_error *err)
{
    char state[32];
    enum mq_status st = read_state(store, region, state, ret_owned, err);
    for (size_t p = 0; st == MQ_OK && !options->replace && p < MQ_COUNT(places); p++) {
        bool exists;
        if (((options->keep | *ret_owned) & places[p].bit) != 0)
            continue;
        st = mq_artifact_exists(store, region, places[p].artifact, MQ_PROGRAM_MOVIE, &exists, err);
        if (st == MQ_OK && exists) {
            st = mq_fail(err, MQ_E_CONFLICT,
                         "region %s of '%s' has input that no import put there ('%s')", region,
                         mq_object_store_uri(store), mq_artifact_info(places[p].artifact)->path);
            mq_error_hint(err, "give --replace to remove it, or import into another --region");
        }
    }
    return st;
}

/* Remove staging folders of imports that died. */
static enum mq_status
remove_stale(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
             struct mq_error *err)
{
    (void)context;
    (void)size_bytes;
    long process;
    char tail[16];
    if (is_folder && sscanf(name, STAGE_PREFIX "%ld%15s", &process, tail) == 2 &&
        strcmp(tail, STAGE_SUFFIX) == 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH)
        return mq_fs_remove(path, err);
    return MQ_OK;
}

static enum mq_status
make_folder(struct mq_input_stage *stage, struct mq_error *err)
{
    char region[MQ_PATH_MAX];
    if (!mq_object_store_local_path(stage->store, stage->region, region, sizeof(region)))
        return mq_fs_scratch(&stage->folder, err);
    /* In the store's own file system, so that publishing is renaming. */
    if (mq_fs_is_folder(region)) {
        enum mq_status st = mq_fs_list(region, remove_stale, NULL, err);
        if (st != MQ_OK)
            return st;
    }
    stage->folder = mq_strfmt("%s/" STAGE_PREFIX "%ld" STAGE_SUFFIX, region, (long)getpid());
    if (stage->folder == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_fs_remove(stage->folder, err);
    return st == MQ_OK ? mq_fs_make_folders(stage->folder, err) : st;
}

enum mq_status
mq_input_begin(struct mq_object_store *store, const char *region,
               const struct mq_input_options *options, struct mq_input_stage **ret_stage,
               struct mq_error *err)
{
    unsigned owned;
    enum mq_status st = check_owner(store, region, options, &owned, err);
    if (st != MQ_OK)
        return st;
    struct mq_input_stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an import");
    stage->store = store;
    stage->options = *options;
    stage->options.source = NULL;
    stage->owned = (owned & options->keep) | (ALL_PLACES & ~options->keep);
    stage->region = mq_strdup(region);
    stage->source = mq_strdup(options->source);
    stage->day = INT64_MIN;
    stage->summary.first_s = INT64_MAX;
    stage->summary.last_s = INT64_MIN;
    st = stage->region == NULL || stage->source == NULL
             ? mq_fail(err, MQ_E_NOMEM, "cannot allocate an import")
             : make_folder(stage, err);
    if (st != MQ_OK) {
        mq_input_free(stage);
        return st;
    }
    *ret_stage = stage;
    return MQ_OK;
}

void
mq_input_free(struct mq_input_stage *stage)
{
    if (stage == NULL)
        return;
    mq_xlsx_writer_free(stage->sheet);
    struct mq_input_file *const files[] = {&stage->logs[0], &stage->logs[1], &stage->basic,
                                           &stage->users, &stage->expand};
    for (size_t i = 0; i < MQ_COUNT(files); i++)
        mq_writer_close(files[i]->out);
    if (stage->folder != NULL)
        (void)!mq_fs_remove(stage->folder, NULL);
    mq_buffer_release(&stage->line);
    mq_arena_release(&stage->names);
    free(stage->files);
    free(stage->folder);
    free(stage->region);
    free(stage->source);
    free(stage);
}

void
mq_input_staged(const struct mq_input_stage *stage, struct mq_input_summary *ret_summary)
{
    *ret_summary = stage->summary;
}

/* ---- publishing ------------------------------------------------------------------------- */

struct publishing {
    struct mq_input_stage *stage;
    struct mq_progress progress;
    /* What lies in the input's places and is not staged, to be removed. */
    struct mq_arena names;
    const char **old;
    size_t old_count, old_capacity;
};

static enum mq_status
publish_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    (void)worker;
    struct publishing *publishing = context;
    struct mq_input_stage *stage = publishing->stage;
    for (int64_t i = begin; i < end; i++) {
        char key[MQ_OBJECT_KEY_MAX], path[MQ_PATH_MAX];
        enum mq_status st = region_key(stage->region, stage->files[i].path, key, err);
        snprintf(path, sizeof(path), "%s/%zu", stage->folder, stage->files[i].number);
        if (st == MQ_OK)
            st = mq_object_put_file(stage->store, key, path, err);
        if (st != MQ_OK)
            return st;
        mq_progress_add(&publishing->progress, 1);
    }
    return MQ_OK;
}

/* All at once, where the store is a directory. */
static enum mq_status
publish_together(struct mq_input_stage *stage, struct mq_error *err)
{
    struct mq_arena names = {0};
    size_t n = stage->file_count;
    const char **keys = mq_arena_array(&names, n + 1, sizeof(*keys));
    const char **paths = mq_arena_array(&names, n + 1, sizeof(*paths));
    bool complete = keys != NULL && paths != NULL;
    for (size_t i = 0; i < n && complete; i++) {
        keys[i] = mq_arena_format(&names, "%s/%s", stage->region, stage->files[i].path);
        paths[i] = mq_arena_format(&names, "%s/%zu", stage->folder, stage->files[i].number);
        complete = keys[i] != NULL && paths[i] != NULL;
    }
    enum mq_status st = complete ? mq_object_put_files(stage->store, keys, paths, n, err)
                                 : mq_fail(err, MQ_E_NOMEM, "cannot allocate names");
    mq_arena_release(&names);
    return st;
}

static int
compare_staged(const void *a, const void *b)
{
    return strcmp(((const struct mq_staged_file *)a)->path,
                  ((const struct mq_staged_file *)b)->path);
}

static enum mq_status
note_old(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct publishing *publishing = context;
    struct mq_input_stage *stage = publishing->stage;
    const struct mq_staged_file wanted = {.path = key + strlen(stage->region) + 1};
    if (stage->file_count > 0 && bsearch(&wanted, stage->files, stage->file_count,
                                         sizeof(*stage->files), compare_staged) != NULL)
        return MQ_OK;
    enum mq_status st = mq_grow(&publishing->old, &publishing->old_capacity,
                                publishing->old_count + 1, sizeof(*publishing->old), err);
    const char *copy = mq_arena_copy(&publishing->names, key, strlen(key));
    if (st == MQ_OK && copy == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
    if (st == MQ_OK)
        publishing->old[publishing->old_count++] = copy;
    return st;
}

static enum mq_status
remove_old(struct publishing *publishing, struct mq_error *err)
{
    struct mq_input_stage *stage = publishing->stage;
    enum mq_status st = MQ_OK;
    for (size_t p = 0; p < MQ_COUNT(places) && st == MQ_OK; p++) {
        char key[MQ_OBJECT_KEY_MAX];
        if ((stage->options.keep & places[p].bit) != 0)
            continue;
        st = mq_artifact_key(stage->region, places[p].artifact, MQ_PROGRAM_MOVIE, key, err);
        if (st == MQ_OK)
            st = mq_object_list(stage->store, key, note_old, publishing, err);
    }
    return st == MQ_OK ? mq_object_delete(stage->store, publishing->old, publishing->old_count, err)
                       : st;
}

enum mq_status
mq_input_publish(struct mq_input_stage *stage, struct mq_pool *pool,
                 struct mq_input_summary *ret_summary, struct mq_error *err)
{
    enum mq_status st = mq_input_end_sheet(stage, err);
    struct mq_input_file *const files[] = {&stage->logs[0], &stage->logs[1], &stage->basic,
                                           &stage->users};
    for (size_t i = 0; i < MQ_COUNT(files) && st == MQ_OK; i++)
        st = mq_input_close_file(stage, files[i], err);
    if (st == MQ_OK)
        st = mq_cancel_check(err);
    if (st == MQ_OK)
        st = write_record(stage, "writing", err);
    if (st != MQ_OK)
        return st;
    struct publishing publishing = {.stage = stage};
    if (stage->file_count > 0)
        qsort(stage->files, stage->file_count, sizeof(*stage->files), compare_staged);
    char local[MQ_PATH_MAX];
    if (mq_object_store_local_path(stage->store, stage->region, local, sizeof(local))) {
        st = publish_together(stage, err);
    } else {
        mq_progress_begin(&publishing.progress, "publishing", "files", (int64_t)stage->file_count);
        st = mq_pool_for(pool, (int64_t)stage->file_count, 8, publish_range, &publishing, err);
        mq_progress_end(&publishing.progress);
    }
    if (st == MQ_OK)
        st = remove_old(&publishing, err);
    mq_arena_release(&publishing.names);
    free(publishing.old);
    if (st == MQ_OK && stage->options.meanwhile != NULL)
        st = stage->options.meanwhile(stage->options.context, err);
    if (st == MQ_OK)
        st = write_record(stage, "complete", err);
    if (st == MQ_OK && ret_summary != NULL)
        *ret_summary = stage->summary;
    return st;
}
