#include "data/sql.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/sql_engine.h"
#include "data/sql_files.h"
#include "format/csv_reader.h"

static const char macros[] =
    "create macro mq_finite(d) as case when isfinite(d) then d end;"
    "create macro mq_to_double(t) as mq_finite(try_cast(t as double));"
    "create macro mq_whole(d) as case when d = floor(d) then try_cast(d as bigint) end;"
    "create macro mq_to_int(t) as mq_whole(try_cast(t as double));"
    "create macro mq_epoch_integer(n) as case when n >= 100000000000 or n <= -100000000000"
    "  then n // 1000 else n end;"
    "create macro mq_epoch_s(t) as coalesce(mq_epoch_integer(try_cast(t as bigint)),"
    "  cast(floor(epoch(try_cast(t as timestamptz))) as bigint));"
    "create macro mq_hash(a, b, c, d) as hash(a, b, c, d);"
    "create macro mq_bucket(t, n) as cast(hash(t) % cast(n as ubigint) as bigint);"
    "create macro mq_list_by(v, p) as list(v order by p);"
    "create macro mq_row_digest(r) as md5(cast(r as varchar));";

struct mq_sql_options
mq_sql_options_from(const struct mq_config *config, const char *scratch)
{
    return (struct mq_sql_options){.threads = (int)mq_config_int(config, "run.threads"),
                                   .memory_bytes = mq_config_int(config, "run.memory_mb") << 20,
                                   .scratch = scratch};
}

/* ---- errors ----------------------------------------------------------------------------- */

static enum mq_status
status_of(duckdb_error_type type)
{
    switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
        return MQ_E_NOMEM;
    case DUCKDB_ERROR_IO:
    case DUCKDB_ERROR_PERMISSION:
        return MQ_E_IO;
    case DUCKDB_ERROR_CONVERSION:
    case DUCKDB_ERROR_INVALID_INPUT:
    case DUCKDB_ERROR_OUT_OF_RANGE:
    case DUCKDB_ERROR_INVALID:
        return MQ_E_FORMAT;
    default:
        return MQ_E_INTERNAL;
    }
}

/* The engine's first line: what follows it quotes SQL. */
enum mq_status
mq_sql_fail_of(struct mq_error *err, const char *what, duckdb_error_type type, const char *message)
{
    enum mq_status code = status_of(type);
    if (message == NULL)
        message = "no reason given";
    if (strstr(message, "No space left") != NULL)
        code = MQ_E_IO;
    /* Damage between a Parquet file's ends shows only when its rows are walked. */
    static const char damaged[] = "Failed to read file \"";
    const char *path = strstr(message, damaged), *end = NULL;
    if (path != NULL)
        end = strstr(path += sizeof(damaged) - 1, "\": ");
    if (code == MQ_E_FORMAT && end != NULL)
        mq_fail(err, code, "cannot read Parquet '%.*s': %.*s", (int)(end - path), path,
                (int)MQ_MIN(strcspn(end + 3, "\r\n"), (size_t)MQ_SQL_QUOTED_MAX), end + 3);
    else
        mq_fail(err, code, "%s: %.*s", what,
                (int)MQ_MIN(strcspn(message, "\r\n"), (size_t)MQ_SQL_QUOTED_MAX), message);
    if (code == MQ_E_NOMEM)
        mq_error_hint(err, "give the engine more memory with run.memory_mb");
    else if (code == MQ_E_IO)
        mq_error_hint(err, "check free space and rights of the store and of $TMPDIR");
    return code;
}

enum mq_status
mq_sql_fail(const struct mq_sql *sql, struct mq_error *err, const char *name,
            duckdb_error_type type, const char *message)
{
    char what[160];
    if (sql != NULL && message != NULL &&
        mq_sql_fail_of_parquet(sql, err, status_of(type) == MQ_E_FORMAT, message))
        return MQ_E_FORMAT;
    snprintf(what, sizeof(what), "SQL %.150s", name);
    return mq_sql_fail_of(err, what, type, message);
}

enum mq_status
mq_sql_run(struct mq_sql *sql, const char *name, const char *text, int64_t *ret_changed,
           struct mq_error *err)
{
    duckdb_result result;
    enum mq_status st = MQ_OK;
    if (duckdb_query(sql->connection, text, &result) != DuckDBSuccess)
        st = mq_sql_fail(sql, err, name, duckdb_result_error_type(&result),
                         duckdb_result_error(&result));
    else if (ret_changed != NULL)
        *ret_changed = (int64_t)duckdb_rows_changed(&result);
    duckdb_destroy_result(&result);
    return st;
}

/* mq_id: one rule with the readers of tables (mq_csv_is_missing). mq_is_rating: none given, or a
 * number from 0 on; "not a number" is a rating that failed, not one that is missing. */
static enum mq_status
make_id_macro(struct mq_sql *sql, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_append_text(
        &text, "create macro mq_id(t) as case when trim(t, e' \\t\\r\\n') in (''", err);
    for (const char *const *word = mq_csv_missing_words; *word != NULL && st == MQ_OK; word++) {
        st = mq_buffer_append_char(&text, ',', err);
        if (st == MQ_OK)
            st = mq_sql_append_literal(&text, *word, err);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text,
                                   ") then null else trim(t, e' \\t\\r\\n') end;"
                                   "create macro mq_is_rating(t) as (mq_id(t) is null and "
                                   "lower(trim(coalesce(t, ''))) <> 'nan') or "
                                   "coalesce(mq_to_double(t) >= 0, false)",
                                   err);
    if (st == MQ_OK)
        st = mq_sql_run(sql, "macros", text.data, NULL, err);
    mq_buffer_release(&text);
    return st;
}

/* ---- open and close --------------------------------------------------------------------- */

static enum mq_status
set_config(duckdb_config config, const char *name, const char *value, struct mq_error *err)
{
    if (duckdb_set_config(config, name, value) != DuckDBSuccess)
        return mq_fail(err, MQ_E_INTERNAL, "the SQL engine refuses the setting %s = '%s'", name,
                       value);
    return MQ_OK;
}

static enum mq_status
open_database(struct mq_sql *sql, const struct mq_sql_options *options, struct mq_error *err)
{
    int64_t memory =
        options->memory_bytes > 0 ? options->memory_bytes : (int64_t)(mq_memory_total_bytes() / 4);
    memory = MQ_MAX(memory, (int64_t)64 << 20);
    char memory_text[32], threads_text[16];
    snprintf(memory_text, sizeof(memory_text), "%" PRId64 "KiB", memory >> 10);
    int threads = options->threads > 0 ? options->threads : 0;
    snprintf(threads_text, sizeof(threads_text), "%d", threads);
    duckdb_config config;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return mq_fail(err, MQ_E_NOMEM, "cannot start the SQL engine");
    enum mq_status st = set_config(config, "memory_limit", memory_text, err);
    if (st == MQ_OK && threads > 0)
        st = set_config(config, "threads", threads_text, err);
    if (st == MQ_OK)
        st = set_config(config, "temp_directory", sql->scratch, err);
    if (st == MQ_OK)
        st = set_config(config, "autoinstall_known_extensions", "false", err);
    if (st == MQ_OK)
        st = set_config(config, "autoload_known_extensions", "false", err);
    char *message = NULL;
    if (st == MQ_OK && duckdb_open_ext(NULL, &sql->database, config, &message) != DuckDBSuccess) {
        st = mq_fail(err, MQ_E_INTERNAL, "cannot start the SQL engine: %.*s", MQ_SQL_QUOTED_MAX,
                     message != NULL ? message : "no reason given");
        duckdb_free(message);
    }
    duckdb_destroy_config(&config);
    if (st == MQ_OK && duckdb_connect(sql->database, &sql->connection) != DuckDBSuccess)
        st = mq_fail(err, MQ_E_INTERNAL, "cannot connect to the SQL engine");
    if (st == MQ_OK)
        st = mq_sql_run(sql, "setup",
                        "set timezone = 'UTC'; set preserve_insertion_order = true;"
                        "set enable_progress_bar = false;"
                        /* The cache tells a file by its size and second: an object that was
                         * replaced within it would be read as it was. */
                        "set enable_external_file_cache = false;",
                        NULL, err);
    if (st == MQ_OK)
        st = mq_sql_run(sql, "macros", macros, NULL, err);
    return st == MQ_OK ? make_id_macro(sql, err) : st;
}

enum mq_status
mq_sql_open(const struct mq_sql_options *options, struct mq_sql **ret_sql, struct mq_error *err)
{
    static _Atomic unsigned serial;
    struct mq_sql *sql = calloc(1, sizeof(*sql));
    if (sql == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot start the SQL engine");
    sql->threads = options->threads;
    sql->scratch =
        mq_strfmt("%s/sql-%ld-%u", options->scratch, (long)getpid(), atomic_fetch_add(&serial, 1));
    enum mq_status st = sql->scratch == NULL
                            ? mq_fail(err, MQ_E_NOMEM, "cannot start the SQL engine")
                            : mq_fs_make_folders(sql->scratch, err);
    if (st == MQ_OK)
        st = open_database(sql, options, err);
    if (st != MQ_OK) {
        mq_sql_free(sql);
        return st;
    }
    *ret_sql = sql;
    return MQ_OK;
}

void
mq_sql_free(struct mq_sql *sql)
{
    if (sql == NULL)
        return;
    if (sql->connection != NULL)
        duckdb_disconnect(&sql->connection);
    if (sql->database != NULL)
        duckdb_close(&sql->database);
    if (sql->scratch != NULL)
        (void)!mq_fs_remove(sql->scratch, NULL);
    free(sql->scratch);
    mq_sql_forget_parquet(sql);
    free(sql);
}

/* ---- text ------------------------------------------------------------------------------- */

enum mq_status
mq_sql_append_literal(struct mq_buffer *buffer, const char *text, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_char(buffer, '\'', err);
    for (const char *p = text; st == MQ_OK && *p != '\0'; p++) {
        if (*p == '\'')
            st = mq_buffer_append_char(buffer, '\'', err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(buffer, *p, err);
    }
    return st == MQ_OK ? mq_buffer_append_char(buffer, '\'', err) : st;
}

static const char *
find_file(const char *name)
{
    for (const struct mq_sql_file *file = mq_sql_files; file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return file->text;
    return NULL;
}

static enum mq_status
append_param(struct mq_buffer *buffer, const struct mq_sql_param *param, struct mq_error *err)
{
    switch (param->type) {
    case MQ_SQL_PARAM_INT:
        return mq_buffer_printf(buffer, err, "cast('%" PRId64 "' as bigint)", param->integer);
    case MQ_SQL_PARAM_REAL:
        if (!isfinite(param->real))
            return mq_fail(err, MQ_E_RANGE, "parameter $%s is not finite", param->name);
        return mq_buffer_printf(buffer, err, "cast('%.17g' as double)", param->real);
    default:
        return mq_sql_append_literal(buffer, param->text, err);
    }
}

/* Length of the quoted text or comment that begins at p, 0 where none does. */
static size_t
skipped(const char *p)
{
    const char *end;
    if (*p == '\'' || *p == '"') {
        end = strchr(p + 1, *p);
        return end != NULL ? (size_t)(end - p) + 1 : strlen(p);
    }
    if (p[0] == '-' && p[1] == '-') {
        end = strchr(p, '\n');
        return end != NULL ? (size_t)(end - p) : strlen(p);
    }
    return 0;
}

/* Append an embedded file with its parameters filled in, without comments' `;` tricks: the file is
 * ours. */
enum mq_status
mq_sql_append_file(struct mq_buffer *buffer, const char *name, const struct mq_sql_param *params,
                   int param_count, struct mq_error *err)
{
    const char *text = find_file(name);
    if (text == NULL)
        return mq_fail(err, MQ_E_INTERNAL, "no SQL file '%s' is built in", name);
    enum mq_status st = MQ_OK;
    for (const char *p = text; st == MQ_OK && *p != '\0';) {
        size_t n = skipped(p);
        if (n > 0) {
            st = mq_buffer_append(buffer, p, n, err);
            p += n;
        } else if (*p == '$' && (isalpha((unsigned char)p[1]) || p[1] == '_')) {
            for (n = 1; isalnum((unsigned char)p[n]) || p[n] == '_'; n++)
                ;
            int i = 0;
            while (i < param_count &&
                   (strlen(params[i].name) != n - 1 || memcmp(params[i].name, p + 1, n - 1) != 0))
                i++;
            st = i < param_count ? append_param(buffer, &params[i], err)
                                 : mq_fail(err, MQ_E_INTERNAL,
                                           "SQL %s: no value for parameter %.*s", name, (int)n, p);
            p += n;
        } else {
            st = mq_buffer_append_char(buffer, *p++, err);
        }
    }
    return st;
}

/* Run "<before> <file> <after>". */
static enum mq_status
run_around(struct mq_sql *sql, const char *before, const char *file,
           const struct mq_sql_param *params, int param_count, const char *after,
           int64_t *ret_changed, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_append_text(&text, before, err);
    if (st == MQ_OK)
        st = mq_sql_append_file(&text, file, params, param_count, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, after, err);
    if (st == MQ_OK)
        st = mq_sql_run(sql, file, text.data, ret_changed, err);
    mq_buffer_release(&text);
    return st;
}

/* ---- running ---------------------------------------------------------------------------- */

enum mq_status
mq_sql_statement(struct mq_sql *sql, const char *text, struct mq_error *err)
{
    return mq_sql_run(sql, "statement", text, NULL, err);
}

enum mq_status
mq_sql_statementf(struct mq_sql *sql, struct mq_error *err, const char *format, ...)
{
    mq_autofree char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        text = NULL;
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a statement");
    }
    return mq_sql_statement(sql, text, err);
}

enum mq_status
mq_sql_table(struct mq_sql *sql, const char *table, const char *file,
             const struct mq_sql_param *params, int param_count, struct mq_error *err)
{
    char before[128];
    snprintf(before, sizeof(before), "create or replace temp table %s as\n", table);
    return run_around(sql, before, file, params, param_count, "", NULL, err);
}

enum mq_status
mq_sql_view(struct mq_sql *sql, const char *view, const char *file,
            const struct mq_sql_param *params, int param_count, struct mq_error *err)
{
    char before[128];
    snprintf(before, sizeof(before), "create or replace temp view %s as\n", view);
    return run_around(sql, before, file, params, param_count, "", NULL, err);
}

static const char *const forms[] = {
    [MQ_SQL_PARQUET] = " (format parquet, compression snappy)",
    [MQ_SQL_CSV] = " (format csv, header true, delimiter ',', quote '\"', escape '\"')",
    [MQ_SQL_PARQUET_ZSTD] = " (format parquet, compression zstd)",
};

enum mq_status
mq_sql_copy_to_file(struct mq_sql *sql, const char *file, const struct mq_sql_param *params,
                    int param_count, const char *path, enum mq_sql_format format, int64_t *ret_rows,
                    struct mq_error *err)
{
    struct mq_buffer after = {0};
    enum mq_status st = mq_buffer_append_text(&after, "\n) to ", err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&after, path, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&after, forms[format], err);
    if (st == MQ_OK)
        st = run_around(sql, "copy (\n", file, params, param_count, after.data, ret_rows, err);
    mq_buffer_release(&after);
    return st;
}

enum mq_status
mq_sql_copy_to_object(struct mq_sql *sql, const char *file, const struct mq_sql_param *params,
                      int param_count, struct mq_object_store *store, const char *key,
                      enum mq_sql_format format, int64_t *ret_rows, struct mq_error *err)
{
    /* Written beside the object where that is a file, so that publishing is a rename. */
    char target[MQ_PATH_MAX];
    mq_autofree char *path = NULL;
    enum mq_status st = MQ_OK;
    if (mq_object_store_local_path(store, key, target, sizeof(target))) {
        path = mq_strfmt("%s.%ld-sql.partial", target, (long)getpid());
        st = mq_fs_make_parents(target, err);
    } else {
        path = mq_strfmt("%s/put-%" PRId64, sql->scratch, sql->spooled++);
    }
    if (st == MQ_OK && path == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st != MQ_OK)
        return st;
    int64_t rows = 0;
    st = mq_sql_copy_to_file(sql, file, params, param_count, path, format, &rows, err);
    if (st == MQ_OK)
        st = mq_object_put_file(store, key, path, err);
    unlink(path);
    if (st == MQ_OK && ret_rows != NULL)
        *ret_rows = rows;
    return st;
}

enum mq_status
mq_sql_partition(struct mq_sql *sql, const char *relation, const char *column, const char *folder,
                 struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_printf(&text, err, "copy (from %s) to ", relation);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, folder, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(&text, err,
                              " (format parquet, compression snappy, partition_by (%s))", column);
    if (st == MQ_OK)
        st = mq_sql_run(sql, relation, text.data, NULL, err);
    mq_buffer_release(&text);
    return st;
}

/* Rows go to partitions in their order only while one thread sends them, and to one file a
 * partition only while nothing is flushed on the way. */
enum mq_status
mq_sql_copy_by_value(struct mq_sql *sql, const char *file, const struct mq_sql_param *params,
                     int param_count, const char *column, const char *folder, struct mq_error *err)
{
    struct mq_buffer after = {0};
    enum mq_status st = mq_buffer_append_text(&after, "\n) to ", err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&after, folder, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(&after, err, " (format parquet, compression zstd, partition_by (%s))",
                              column);
    if (st == MQ_OK)
        st = mq_sql_run(sql, file,
                        "set threads = 1; set partitioned_write_flush_threshold = 1000000000000",
                        NULL, err);
    if (st != MQ_OK) {
        mq_buffer_release(&after);
        return st;
    }
    st = run_around(sql, "copy (\n", file, params, param_count, after.data, NULL, err);
    mq_buffer_release(&after);
    char reset[64] = "reset threads";
    if (sql->threads > 0)
        snprintf(reset, sizeof(reset), "set threads = %d", sql->threads);
    enum mq_status ended = mq_sql_run(sql, file, reset, NULL, st == MQ_OK ? err : NULL);
    if (st == MQ_OK)
        st = ended;
    return st == MQ_OK ? mq_sql_run(sql, file, "reset partitioned_write_flush_threshold", NULL, err)
                       : st;
}
