/* Parquet files and objects as views, and which of them is the damaged one when a query fails. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "data/sql_engine.h"

/* ---- paths ------------------------------------------------------------------------------ */

enum mq_status
mq_sql_object_path(struct mq_sql *sql, struct mq_object_store *store, const char *key,
                   char **ret_path, struct mq_error *err)
{
    char local[MQ_PATH_MAX];
    if (mq_object_store_local_path(store, key, local, sizeof(local))) {
        struct mq_object_info info;
        enum mq_status st = mq_object_stat(store, key, &info, err);
        if (st != MQ_OK)
            return st;
        char *path = mq_strdup(local);
        if (path == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
        *ret_path = path;
        return MQ_OK;
    }
    const char *slash = strrchr(key, '/');
    char *path = mq_strfmt("%s/spool/%" PRId64 "/%s", sql->scratch, sql->spooled++,
                           slash != NULL ? slash + 1 : key);
    if (path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    struct mq_reader *reader = NULL;
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_object_reader(store, key, &reader, err);
    if (st == MQ_OK)
        st = mq_writer_to_file(path, &writer, err);
    if (st == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_reader_close(reader);
    if (st == MQ_OK)
        *ret_path = path;
    else
        free(path);
    return st;
}

/* ---- is it Parquet? --------------------------------------------------------------------- */

/* A file's magic bytes: what is cut short or no Parquet at all shows here, and the engine, which
 * would tell it in words of its own, is not asked. */
static enum mq_status
check_ends(const char *path, const char *name, struct mq_error *err)
{
    char ends[8] = "";
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return mq_fail_errno(err, errno, "cannot open Parquet '%.600s'", name);
    bool whole = fread(ends, 1, 4, file) == 4 && fseek(file, -4, SEEK_END) == 0 &&
                 ftell(file) >= 8 && fread(ends + 4, 1, 4, file) == 4 &&
                 memcmp(ends, "PAR1PAR1", 8) == 0;
    int why = ferror(file) ? errno : 0;
    fclose(file);
    if (why != 0)
        return mq_fail_errno(err, why, "cannot read Parquet '%.600s'", name);
    return whole ? MQ_OK
                 : mq_fail(err, MQ_E_FORMAT,
                           "cannot read Parquet '%.600s': it is truncated, or no Parquet", name);
}

enum mq_status
mq_sql_check_parquet(struct mq_sql *sql, const char *path, const char *name, struct mq_error *err)
{
    struct mq_buffer text = {0};
    char what[700];
    snprintf(what, sizeof(what), "cannot read Parquet '%.600s'", name);
    enum mq_status st = check_ends(path, name, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, "describe select * from read_parquet(", err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, path, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, ')', err);
    if (st != MQ_OK) {
        mq_buffer_release(&text);
        return st;
    }
    duckdb_result result;
    if (duckdb_query(sql->connection, text.data, &result) != DuckDBSuccess) {
        duckdb_error_type type = duckdb_result_error_type(&result);
        const char *message = duckdb_result_error(&result);
        bool at_fault = type != DUCKDB_ERROR_OUT_OF_MEMORY && type != DUCKDB_ERROR_IO &&
                        type != DUCKDB_ERROR_PERMISSION;
        st = mq_sql_fail_of(err, what, at_fault ? DUCKDB_ERROR_INVALID_INPUT : type, message);
    }
    duckdb_destroy_result(&result);
    mq_buffer_release(&text);
    return st;
}

/* ---- which one is damaged? -------------------------------------------------------------- */

void
mq_sql_forget_parquet(struct mq_sql *sql)
{
    for (int32_t i = 0; i < sql->viewed.count; i++)
        free(sql->viewed_names[i]);
    free(sql->viewed_names);
    mq_strmap_release(&sql->viewed);
}

/* Names serve messages alone. */
static enum mq_status
note_viewed(struct mq_sql *sql, const char *path, const char *name, struct mq_error *err)
{
    int32_t code, known = sql->viewed.count;
    enum mq_status st = mq_grow(&sql->viewed_names, &sql->viewed_capacity, (size_t)known + 1,
                                sizeof(*sql->viewed_names), err);
    if (st != MQ_OK)
        return st;
    char *copy = mq_strdup(name);
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
    st = mq_strmap_add_text(&sql->viewed, path, &code, err);
    if (st == MQ_OK && code == known)
        sql->viewed_names[code] = copy;
    else
        free(copy);
    return st;
}

/* Read all of a file by itself. */
static bool
is_damaged(duckdb_connection connection, const char *path)
{
    struct mq_buffer text = {0};
    bool damaged = false;
    enum mq_status st =
        mq_buffer_append_text(&text, "select bit_xor(hash(t)) from read_parquet(", NULL);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, path, NULL);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, ") as t", NULL);
    if (st == MQ_OK) {
        duckdb_result result;
        damaged = duckdb_query(connection, text.data, &result) != DuckDBSuccess &&
                  duckdb_result_error_type(&result) != DUCKDB_ERROR_OUT_OF_MEMORY;
        duckdb_destroy_result(&result);
    }
    mq_buffer_release(&text);
    return damaged;
}

/* The viewed file that cannot be read by itself, or -1; reads up to all of them. */
static int32_t
search_damaged(const struct mq_sql *sql)
{
    duckdb_connection connection;
    int32_t found = -1;
    if (sql->viewed.count == 0 || duckdb_connect(sql->database, &connection) != DuckDBSuccess)
        return -1;
    for (int32_t i = 0; found < 0 && i < sql->viewed.count && !mq_cancel_requested(); i++)
        if (is_damaged(connection, sql->viewed.keys[i]))
            found = i;
    duckdb_disconnect(&connection);
    return found;
}

bool
mq_sql_fail_of_parquet(const struct mq_sql *sql, struct mq_error *err, bool is_format,
                       const char *message)
{
    /* Of damage to the frame of a page the engine says no file, and what only a reader of its
     * source would know. */
    static const char nameless[] = "Invalid Error: ";
    const char *why = message, *at;
    int32_t file = -1;
    for (int32_t i = 0; is_format && file < 0 && i < sql->viewed.count; i++)
        if ((at = strstr(message, sql->viewed.keys[i])) != NULL) {
            const char *behind = at + sql->viewed.sizes[i];
            file = i;
            if (strncmp(behind, "\": ", 3) == 0) /* 'Failed to read file "<path>": why' */
                why = behind + 3;
        }
    if (file < 0 && strncmp(message, nameless, sizeof(nameless) - 1) == 0) {
        file = search_damaged(sql);
        why = "a page of it is damaged";
    }
    if (file < 0)
        return false;
    mq_fail(err, MQ_E_FORMAT, "cannot read Parquet '%.600s': %.*s", sql->viewed_names[file],
            (int)MQ_MIN(strcspn(why, "\r\n"), (size_t)MQ_SQL_QUOTED_MAX), why);
    return true;
}

/* ---- views ------------------------------------------------------------------------------ */

enum mq_status
mq_sql_view_of_folder(struct mq_sql *sql, const char *view, const char *folder,
                      struct mq_error *err)
{
    struct mq_buffer text = {0};
    mq_autofree char *pattern = mq_strfmt("%s/**/*.parquet", folder);
    if (pattern == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_buffer_printf(
        &text, err, "create or replace temp view %s as select * from read_parquet(", view);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, pattern, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, ", hive_partitioning = false)", err);
    if (st == MQ_OK)
        st = mq_sql_run(sql, view, text.data, NULL, err);
    mq_buffer_release(&text);
    return st;
}

/* Asking the engine takes half a millisecond a file; of very many, only both ends are looked at,
 * and what is between shows when it is read. */
#define ASKED_MAX 16

enum mq_status
mq_sql_view_of_parquet(struct mq_sql *sql, const char *view, struct mq_object_store *store,
                       const char *const *keys, int64_t key_count, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_printf(
        &text, err, "create or replace temp view %s as select * from read_parquet([", view);
    for (int64_t i = 0; i < key_count && st == MQ_OK; i++) {
        mq_autofree char *path = NULL;
        st = mq_sql_object_path(sql, store, keys[i], &path, err);
        if (st == MQ_OK) {
            char name[MQ_OBJECT_KEY_MAX + 256];
            snprintf(name, sizeof(name), "%s/%s", mq_object_store_uri(store), keys[i]);
            st = key_count > ASKED_MAX ? check_ends(path, name, err)
                                       : mq_sql_check_parquet(sql, path, name, err);
            if (st == MQ_OK)
                st = note_viewed(sql, path, name, err);
        }
        if (st == MQ_OK && i > 0)
            st = mq_buffer_append_char(&text, ',', err);
        if (st == MQ_OK)
            st = mq_sql_append_literal(&text, path, err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, "])", err);
    if (st == MQ_OK)
        st = mq_sql_run(sql, view, text.data, NULL, err);
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_sql_view_of_artifact(struct mq_sql *sql, const char *view, struct mq_object_store *store,
                        const char *region, enum mq_artifact artifact, struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_find(store, region, artifact, MQ_PROGRAM_MOVIE, key, NULL, err);
    const char *const keys[] = {key};
    if (st == MQ_OK)
        st = mq_sql_view_of_parquet(sql, view, store, keys, 1, err);
    return mq_artifact_damaged(artifact, st, err);
}
