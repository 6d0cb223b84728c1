#include "data/feature_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "format/json.h"
#include "store/feature_store.h"
#include "store/json_object.h"

#define SCHEMA 1
#define STATE_BYTES_MAX ((size_t)64 << 10)

/* How far the table has come. */
struct state {
    bool exists, is_done;
    char *store, *table, *until; /* owned; until: the last key that was written */
    char date[MQ_DATE_SIZE];
    char target[MQ_SHA256_HEX_SIZE]; /* of the digests that it is being brought to, or was */
};

struct sync {
    const struct mq_feature_sync_options *options;
    struct mq_sql *sql;
    struct state state;
    char target[MQ_SHA256_HEX_SIZE];
    char *digests; /* local file of the new digests */
    struct mq_feature_sync_figures figures;
};

static const struct kind {
    const char *name, *columns_file;
    const char *(*types)(void);
    enum mq_status (*update)(struct mq_feature_batch *batch, const struct mq_sql_result *rows,
                             int64_t r, struct mq_error *err);
} kinds[MQ_FEATURE_KINDS] = {
    {"user_features", "user_feature_columns.sql", mq_user_feature_types, mq_update_user_feature},
    {"movie_features", "movie_feature_columns.sql", mq_movie_feature_types,
     mq_update_movie_feature},
};

const char *
mq_feature_kind_name(enum mq_feature_kind kind)
{
    return kinds[kind].name;
}

/* ---- objects ---------------------------------------------------------------------------- */

static enum mq_status
key_of(const struct sync *sync, const char *suffix, char ret_key[MQ_OBJECT_KEY_MAX],
       struct mq_error *err)
{
    char folder[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(sync->options->region, MQ_ARTIFACT_FEATURE_WRITES,
                                        MQ_PROGRAM_MOVIE, folder, err);
    if (st != MQ_OK)
        return st;
    int n = snprintf(ret_key, MQ_OBJECT_KEY_MAX, "%s%s%s", folder, kinds[sync->options->kind].name,
                     suffix);
    return n < MQ_OBJECT_KEY_MAX
               ? MQ_OK
               : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", sync->options->region);
}

static enum mq_status
put_file(const struct sync *sync, const char *suffix, const char *path, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = key_of(sync, suffix, key, err);
    return st == MQ_OK ? mq_object_put_file(sync->options->objects, key, path, err) : st;
}

static enum mq_status
drop(const struct sync *sync, const char *suffix, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    const char *keys[] = {key};
    enum mq_status st = key_of(sync, suffix, key, err);
    return st == MQ_OK ? mq_object_delete(sync->options->objects, keys, 1, err) : st;
}

/* A table of digests from an object; an empty one where there is none. */
static enum mq_status
load_digests(const struct sync *sync, const char *suffix, const char *table, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    struct mq_error own = {0};
    const char *const keys[] = {key};
    enum mq_status st = key_of(sync, suffix, key, err);
    if (st != MQ_OK)
        return st;
    st = mq_object_stat(sync->options->objects, key, &info, &own);
    if (st == MQ_E_NOT_FOUND)
        return mq_sql_statementf(
            sync->sql, err, "create or replace temp table %s (key varchar, digest varchar)", table);
    if (st != MQ_OK) {
        if (err != NULL)
            *err = own;
        return st;
    }
    st = mq_sql_view_of_parquet(sync->sql, "digest_file", sync->options->objects, keys, 1, err);
    if (st == MQ_OK)
        st = mq_sql_statementf(
            sync->sql, err,
            "create or replace temp table %s as select key, digest from digest_file", table);
    if (st == MQ_E_FORMAT)
        mq_error_hint(err, "delete it: the features are then written anew, all of them");
    return st;
}

/* ---- the state -------------------------------------------------------------------------- */

static void
release_state(struct state *state)
{
    free(state->store);
    free(state->table);
    free(state->until);
    *state = (struct state){0};
}

static enum mq_status
parse_state(const json_t *root, struct state *state, struct mq_error *err)
{
    int64_t schema;
    const char *store, *table, *until, *date, *target;
    enum mq_status st = mq_json_need_int(root, "schema", &schema, err);
    if (st == MQ_OK && schema > SCHEMA)
        return mq_fail(err, MQ_E_UNSUPPORTED, "it has schema %lld (known: %d)", (long long)schema,
                       SCHEMA);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "store", &store, err);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "table", &table, err);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "until", &until, err);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "date", &date, err);
    if (st == MQ_OK)
        st = mq_json_need_text(root, "target", &target, err);
    if (st == MQ_OK &&
        (strlen(date) != MQ_DATE_SIZE - 1 || strlen(target) != MQ_SHA256_HEX_SIZE - 1))
        st = mq_fail(err, MQ_E_FORMAT, "it is malformed");
    if (st != MQ_OK)
        return st;
    state->exists = true;
    state->is_done = json_is_true(json_object_get(root, "done"));
    memcpy(state->date, date, MQ_DATE_SIZE);
    memcpy(state->target, target, MQ_SHA256_HEX_SIZE);
    state->store = mq_strdup(store);
    state->table = mq_strdup(table);
    state->until = mq_strdup(until);
    return state->store != NULL && state->table != NULL && state->until != NULL
               ? MQ_OK
               : mq_fail(err, MQ_E_NOMEM, "cannot allocate the state of a table");
}

static enum mq_status
read_state(struct sync *sync, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_error own = {0};
    struct mq_buffer text = {0};
    mq_autojson json_t *root = NULL;
    enum mq_status st = key_of(sync, ".json", key, err);
    if (st != MQ_OK)
        return st;
    text.limit_bytes = STATE_BYTES_MAX;
    st = mq_object_get(sync->options->objects, key, &text, &own);
    bool is_missing = st == MQ_E_NOT_FOUND;
    if (st == MQ_OK)
        st = mq_json_parse(text.data, text.size, key, &root, &own);
    if (st == MQ_OK) {
        st = parse_state(root, &sync->state, &own);
        if (st != MQ_OK)
            mq_fail_context(&own, st, "cannot read '%s/%s'",
                            mq_object_store_uri(sync->options->objects), key);
    }
    mq_buffer_release(&text);
    if (is_missing)
        return MQ_OK;
    if (st == MQ_E_FORMAT)
        mq_error_hint(&own, "delete it: the features are then written anew, all of them");
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static enum mq_status
write_state(const struct sync *sync, const char *until, bool is_done, struct mq_error *err)
{
    const struct mq_feature_sync_options *options = sync->options;
    char key[MQ_OBJECT_KEY_MAX];
    mq_autojson json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:b}", "schema", SCHEMA, "store",
                  mq_feature_store_uri(options->features), "table", options->table, "date",
                  options->date, "target", sync->target, "until", until, "done", (int)is_done);
    enum mq_status st = key_of(sync, ".json", key, err);
    return st == MQ_OK ? mq_object_put_json(options->objects, key, root, MQ_JSON_INDENTED, 0,
                                            MQ_PUT_ALWAYS, NULL, NULL, err)
                       : st;
}

/* ---- steps of it ------------------------------------------------------------------------ */

/* The new digests as a table, as a local file, and as one digest of that file. */
static enum mq_status
make_digests(struct sync *sync, struct mq_error *err)
{
    const struct kind *kind = &kinds[sync->options->kind];
    struct mq_reader *reader = NULL;
    sync->digests = mq_strfmt("%s/%s.digests.parquet", sync->options->scratch, kind->name);
    if (sync->digests == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st =
        mq_sql_view(sync->sql, "feature_column", kind->columns_file, mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_table(sync->sql, "new_digest", "feature_digest.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_copy_to_file(sync->sql, "feature_digests.sql", mq_sql_no_params, sync->digests,
                                 MQ_SQL_PARQUET_ZSTD, &sync->figures.records, err);
    if (st == MQ_OK)
        st = mq_reader_from_file(sync->digests, &reader, err);
    if (st == MQ_OK)
        st = mq_sha256_of_reader(reader, sync->target, NULL, err);
    mq_reader_close(reader);
    return st;
}

/* A copy: the file is needed twice. */
static enum mq_status
put_digests(const struct sync *sync, const char *suffix, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_reader *reader = NULL;
    struct mq_writer *writer = NULL;
    enum mq_status st = key_of(sync, suffix, key, err);
    if (st == MQ_OK)
        st = mq_reader_from_file(sync->digests, &reader, err);
    if (st == MQ_OK)
        st = mq_object_writer(sync->options->objects, key, &writer, err);
    if (st == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_reader_close(reader);
    return st;
}

/* Another write died on its way: every record may be as it was, or as it was to become. */
static enum mq_status
join_pending(struct sync *sync, struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s.both", sync->digests);
    enum mq_status st = path != NULL ? load_digests(sync, ".parquet", "held_digest", err)
                                     : mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK)
        st = load_digests(sync, ".pending.parquet", "pending_digest", err);
    if (st == MQ_OK)
        st = mq_sql_copy_to_file(sync->sql, "feature_digests_both.sql", mq_sql_no_params, path,
                                 MQ_SQL_PARQUET_ZSTD, NULL, err);
    return st == MQ_OK ? put_file(sync, ".parquet", path, err) : st;
}

static enum mq_status
forget(struct sync *sync, struct mq_error *err)
{
    enum mq_status st = drop(sync, ".parquet", err);
    if (st == MQ_OK)
        st = drop(sync, ".pending.parquet", err);
    release_state(&sync->state);
    return st;
}

static enum mq_status
write_changed(struct sync *sync, const char *after, struct mq_error *err)
{
    const struct mq_feature_sync_options *options = sync->options;
    const struct kind *kind = &kinds[options->kind];
    struct mq_feature_batch batch = {.store = options->features, .table = options->table};
    struct mq_progress progress;
    struct mq_sql_result *result;
    int64_t rows, changed;
    memcpy(batch.date, options->date, MQ_DATE_SIZE);
    enum mq_status st = mq_sql_scalar(
        sync->sql, "select count(*) from changed_key where not is_gone", &changed, err);
    if (st == MQ_OK)
        st = mq_sql_query(sync->sql, "feature_rows.sql", mq_sql_params(mq_sql_text("after", after)),
                          kind->types(), &result, err);
    if (st != MQ_OK)
        return st;
    mq_progress_begin(&progress, kind->name, "records", changed);
    for (rows = 1; st == MQ_OK && rows > 0;) {
        st = mq_sql_next(result, &rows, err);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++) {
            st = kind->update(&batch, result, r, err);
            if (st != MQ_OK || (int64_t)batch.count < options->batch)
                continue;
            mq_autofree char *last = mq_strdup(mq_feature_batch_last(&batch));
            size_t count = batch.count;
            st = last != NULL ? mq_feature_batch_write(&batch, err)
                              : mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
            if (st == MQ_OK)
                st = write_state(sync, last, false, err);
            sync->figures.written += st == MQ_OK ? (int64_t)count : 0;
            mq_progress_add(&progress, (int64_t)count);
            if (st == MQ_OK)
                st = mq_cancel_check(err);
        }
    }
    size_t count = batch.count;
    if (st == MQ_OK)
        st = mq_feature_batch_write(&batch, err);
    sync->figures.written += st == MQ_OK ? (int64_t)count : 0;
    mq_progress_end(&progress);
    mq_sql_close(result);
    mq_feature_batch_release(&batch);
    return st;
}

static enum mq_status
delete_gone(struct sync *sync, struct mq_error *err)
{
    struct mq_sql_result *result;
    struct mq_arena arena = {0};
    int64_t rows;
    enum mq_status st = mq_sql_query_text(
        sync->sql, "select key from changed_key where is_gone order by key", "t", &result, err);
    if (st != MQ_OK)
        return st;
    while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *strings = mq_sql_column(result, 0);
        const char **keys = mq_arena_array(&arena, (size_t)rows, sizeof(*keys));
        bool complete = keys != NULL;
        for (int64_t r = 0; complete && r < rows; r++) {
            keys[r] = mq_arena_copy(&arena, mq_sql_string_bytes(&strings[r]), strings[r].size);
            complete = keys[r] != NULL;
        }
        st = complete ? mq_feature_delete(sync->options->features, sync->options->table, keys,
                                          (size_t)rows, err)
                      : mq_fail(err, MQ_E_NOMEM, "cannot allocate keys");
        sync->figures.deleted += st == MQ_OK ? rows : 0;
        mq_arena_reset(&arena);
    }
    mq_sql_close(result);
    mq_arena_release(&arena);
    return st;
}

/* ---- the whole -------------------------------------------------------------------------- */

/* Make what the table holds known, and say where to go on. */
static enum mq_status
begin(struct sync *sync, const char **ret_after, struct mq_error *err)
{
    struct state *state = &sync->state;
    enum mq_status st = MQ_OK;
    bool goes_on = state->exists && !state->is_done && strcmp(state->target, sync->target) == 0;
    *ret_after = "";
    if (goes_on) {
        *ret_after = state->until;
        sync->figures.resumed = true;
    } else if (state->exists && !state->is_done) {
        st = join_pending(sync, err);
    }
    if (st == MQ_OK)
        st = load_digests(sync, ".parquet", "held_digest", err);
    if (st == MQ_OK)
        st = mq_sql_table(sync->sql, "changed_key", "feature_changes.sql", mq_sql_no_params, err);
    if (st != MQ_OK || goes_on)
        return st;
    st = put_digests(sync, ".pending.parquet", err);
    return st == MQ_OK ? write_state(sync, "", false, err) : st;
}

static enum mq_status
run(struct sync *sync, struct mq_error *err)
{
    const struct mq_feature_sync_options *options = sync->options;
    struct state *state = &sync->state;
    const char *after;
    enum mq_status st = read_state(sync, err);
    if (st == MQ_OK && state->exists &&
        (strcmp(state->store, mq_feature_store_uri(options->features)) != 0 ||
         strcmp(state->table, options->table) != 0))
        st = forget(sync, err);
    if (st == MQ_OK && state->exists && strcmp(state->date, options->date) > 0) {
        sync->figures.is_old = true;
        return MQ_OK;
    }
    if (st == MQ_OK)
        st = make_digests(sync, err);
    if (st == MQ_OK && state->exists && state->is_done &&
        strcmp(state->target, sync->target) == 0 && strcmp(state->date, options->date) == 0)
        return MQ_OK; /* nothing changed since */
    if (st == MQ_OK)
        st = begin(sync, &after, err);
    if (st == MQ_OK)
        st = write_changed(sync, after, err);
    if (st == MQ_OK)
        st = delete_gone(sync, err);
    if (st == MQ_OK)
        st = put_digests(sync, ".parquet", err);
    if (st == MQ_OK)
        st = write_state(sync, "", true, err);
    return st == MQ_OK ? drop(sync, ".pending.parquet", err) : st;
}

enum mq_status
mq_feature_sync(const struct mq_feature_sync_options *options, struct mq_sql *sql,
                struct mq_feature_sync_figures *ret_figures, struct mq_error *err)
{
    struct sync sync = {.options = options, .sql = sql};
    enum mq_status st = run(&sync, err);
    if (st == MQ_OK)
        *ret_figures = sync.figures;
    release_state(&sync.state);
    free(sync.digests);
    return st;
}
