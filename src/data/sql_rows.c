#include "data/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/sql_engine.h"

/* Columns of a table that rows are appended to by chunks. */
#define APPENDER_COLUMNS_MAX 32

struct mq_sql_result {
    duckdb_result result;
    duckdb_data_chunk chunk; /* the rows at hand; fetching flattens every kind of vector */
    int column_count;
    char *name; /* of the SQL, for messages */
    const struct mq_sql *sql;
};

static char
plain_letter(duckdb_type type)
{
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        return 'b';
    case DUCKDB_TYPE_SMALLINT:
        return 'h';
    case DUCKDB_TYPE_INTEGER:
        return 'i';
    case DUCKDB_TYPE_BIGINT:
        return 'l';
    case DUCKDB_TYPE_FLOAT:
        return 'f';
    case DUCKDB_TYPE_DOUBLE:
        return 'd';
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
        return 't';
    default:
        return '?';
    }
}

/* ---- adding rows ------------------------------------------------------------------------ */

/* Rows are collected by columns in a chunk and handed over when it is full: some ten times as fast
 * as the engine's calls by value. That takes columns of the types that the append functions give;
 * others go value by value, and the engine converts them. */
struct mq_sql_appender {
    duckdb_appender appender;
    duckdb_data_chunk chunk;          /* NULL: value by value */
    int column_count, column;         /* column: of the next value */
    char types[APPENDER_COLUMNS_MAX]; /* letters */
    idx_t rows, capacity;
    void *data[APPENDER_COLUMNS_MAX];
    bool failed;
    char *table;
};

/* A new chunk's columns. */
static void
look_at_chunk(struct mq_sql_appender *appender)
{
    appender->rows = 0;
    for (int c = 0; c < appender->column_count; c++)
        appender->data[c] =
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(appender->chunk, (idx_t)c));
}

/* Leaves the chunk NULL where a column is of another type, or there are too many. */
static void
make_chunk(struct mq_sql_appender *appender)
{
    idx_t count = duckdb_appender_column_count(appender->appender);
    duckdb_logical_type types[APPENDER_COLUMNS_MAX];
    if (count > APPENDER_COLUMNS_MAX)
        return;
    appender->column_count = (int)count;
    bool plain = true;
    for (idx_t c = 0; c < count; c++) {
        types[c] = duckdb_appender_column_type(appender->appender, c);
        appender->types[c] = plain_letter(duckdb_get_type_id(types[c]));
        plain = plain && strchr("ldt", appender->types[c]) != NULL;
    }
    if (plain) {
        appender->chunk = duckdb_create_data_chunk(types, count);
        appender->capacity = duckdb_vector_size();
        look_at_chunk(appender);
    }
    for (idx_t c = 0; c < count; c++)
        duckdb_destroy_logical_type(&types[c]);
}

enum mq_status
mq_sql_appender_new(struct mq_sql *sql, const char *table, struct mq_sql_appender **ret_appender,
                    struct mq_error *err)
{
    struct mq_sql_appender *appender = calloc(1, sizeof(*appender));
    if (appender == NULL || (appender->table = mq_strdup(table)) == NULL) {
        free(appender);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an appender");
    }
    if (duckdb_appender_create(sql->connection, NULL, table, &appender->appender) !=
        DuckDBSuccess) {
        enum mq_status st = mq_sql_fail(NULL, err, table, DUCKDB_ERROR_INTERNAL,
                                        duckdb_appender_error(appender->appender));
        duckdb_appender_destroy(&appender->appender);
        free(appender->table);
        free(appender);
        return st;
    }
    make_chunk(appender);
    *ret_appender = appender;
    return MQ_OK;
}

/* The next column of the chunk, if it takes such a value. */
static bool
take_column(struct mq_sql_appender *appender, char type, int *ret_column)
{
    *ret_column = appender->column++;
    bool fits = *ret_column < appender->column_count &&
                (type == '\0' || appender->types[*ret_column] == type);
    appender->failed |= !fits;
    return fits;
}

void
mq_sql_append_int(struct mq_sql_appender *appender, int64_t value)
{
    int c;
    if (appender->chunk == NULL)
        appender->failed |= duckdb_append_int64(appender->appender, value) != DuckDBSuccess;
    else if (take_column(appender, 'l', &c))
        ((int64_t *)appender->data[c])[appender->rows] = value;
}

void
mq_sql_append_real(struct mq_sql_appender *appender, double value)
{
    int c;
    if (appender->chunk == NULL)
        appender->failed |= duckdb_append_double(appender->appender, value) != DuckDBSuccess;
    else if (take_column(appender, 'd', &c))
        ((double *)appender->data[c])[appender->rows] = value;
}

void
mq_sql_append_text(struct mq_sql_appender *appender, const char *text, size_t size)
{
    int c;
    if (appender->chunk == NULL)
        appender->failed |=
            duckdb_append_varchar_length(appender->appender, text, size) != DuckDBSuccess;
    else if (take_column(appender, 't', &c))
        duckdb_vector_assign_string_element_len(
            duckdb_data_chunk_get_vector(appender->chunk, (idx_t)c), appender->rows, text, size);
}

void
mq_sql_append_null(struct mq_sql_appender *appender)
{
    int c;
    if (appender->chunk == NULL) {
        appender->failed |= duckdb_append_null(appender->appender) != DuckDBSuccess;
    } else if (take_column(appender, '\0', &c)) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(appender->chunk, (idx_t)c);
        duckdb_vector_ensure_validity_writable(vector);
        duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), appender->rows);
    }
}

static void
hand_over(struct mq_sql_appender *appender)
{
    duckdb_data_chunk_set_size(appender->chunk, appender->rows);
    appender->failed |=
        duckdb_append_data_chunk(appender->appender, appender->chunk) != DuckDBSuccess;
    duckdb_data_chunk_reset(appender->chunk);
    look_at_chunk(appender);
}

void
mq_sql_append_end(struct mq_sql_appender *appender)
{
    if (appender->chunk == NULL) {
        appender->failed |= duckdb_appender_end_row(appender->appender) != DuckDBSuccess;
        return;
    }
    appender->failed |= appender->column != appender->column_count;
    appender->column = 0;
    if (++appender->rows == appender->capacity)
        hand_over(appender);
}

enum mq_status
mq_sql_appender_free(struct mq_sql_appender *appender, struct mq_error *err)
{
    if (appender == NULL)
        return MQ_OK;
    enum mq_status st = MQ_OK;
    if (appender->chunk != NULL && appender->rows > 0 && !appender->failed)
        hand_over(appender);
    if (appender->failed || duckdb_appender_close(appender->appender) != DuckDBSuccess) {
        const char *message = duckdb_appender_error(appender->appender);
        st = mq_sql_fail(NULL, err, appender->table, DUCKDB_ERROR_INTERNAL,
                         message != NULL ? message : "values do not fit the table's columns");
    }
    if (appender->chunk != NULL)
        duckdb_destroy_data_chunk(&appender->chunk);
    duckdb_appender_destroy(&appender->appender);
    free(appender->table);
    free(appender);
    return st;
}

bool
mq_sql_text_is_valid(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    while (p < end) {
        if (*p < 0x80) {
            if (*p++ == 0)
                return false;
            continue;
        }
        size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
        if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < n)
            return false;
        unsigned char low = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
        unsigned char high = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
        if (p[1] < low || p[1] > high)
            return false;
        for (size_t i = 2; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += n;
    }
    return true;
}

/* ---- results ---------------------------------------------------------------------------- */

/* Preparing tells its kind of error by the message's beginning alone. */
static duckdb_error_type
type_by_message(const char *message)
{
    static const struct {
        const char *begin;
        duckdb_error_type type;
    } kinds[] = {{"Invalid Input Error", DUCKDB_ERROR_INVALID_INPUT},
                 {"Conversion Error", DUCKDB_ERROR_CONVERSION},
                 {"IO Error", DUCKDB_ERROR_IO},
                 {"Permission Error", DUCKDB_ERROR_PERMISSION},
                 {"Out of Memory Error", DUCKDB_ERROR_OUT_OF_MEMORY}};
    for (size_t i = 0; message != NULL && i < MQ_COUNT(kinds); i++)
        if (strncmp(message, kinds[i].begin, strlen(kinds[i].begin)) == 0)
            return kinds[i].type;
    return DUCKDB_ERROR_PARSER;
}

static char
type_letter(duckdb_result *result, idx_t column)
{
    duckdb_type type = duckdb_column_type(result, column);
    if (type != DUCKDB_TYPE_LIST)
        return plain_letter(type);
    duckdb_logical_type list = duckdb_column_logical_type(result, column);
    duckdb_logical_type element = duckdb_list_type_child_type(list);
    char letter = plain_letter(duckdb_get_type_id(element));
    duckdb_destroy_logical_type(&element);
    duckdb_destroy_logical_type(&list);
    return letter == 'd' ? 'D' : letter == 'l' ? 'L' : letter == 't' ? 'T' : '?';
}

static enum mq_status
query(struct mq_sql *sql, const char *name, const char *text, const char *types,
      struct mq_sql_result **ret_result, struct mq_error *err)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_pending_result pending = NULL;
    struct mq_sql_result *result = calloc(1, sizeof(*result));
    char *copy = mq_strdup(name);
    enum mq_status st = MQ_OK;
    bool has_result = false;
    if (result == NULL || copy == NULL) {
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a result");
    } else if (duckdb_prepare(sql->connection, text, &statement) != DuckDBSuccess) {
        const char *message = duckdb_prepare_error(statement);
        st = mq_sql_fail(sql, err, name, type_by_message(message), message);
    } else if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess) {
        st = mq_sql_fail(sql, err, name, DUCKDB_ERROR_INTERNAL, duckdb_pending_error(pending));
    } else {
        has_result = true;
        if (duckdb_execute_pending(pending, &result->result) != DuckDBSuccess)
            st = mq_sql_fail(sql, err, name, duckdb_result_error_type(&result->result),
                             duckdb_result_error(&result->result));
    }
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    if (st == MQ_OK) {
        result->name = copy;
        result->sql = sql;
        result->column_count = (int)duckdb_column_count(&result->result);
        bool same = (int)strlen(types) == result->column_count;
        for (int i = 0; same && i < result->column_count; i++)
            same = type_letter(&result->result, (idx_t)i) == types[i];
        if (!same) {
            char found[64] = "";
            for (int i = 0; i < result->column_count && i < (int)sizeof(found) - 1; i++)
                found[i] = type_letter(&result->result, (idx_t)i);
            st = mq_fail(err, MQ_E_INTERNAL, "SQL %s: columns are of types '%s', expected '%s'",
                         name, found, types);
        }
    }
    if (st == MQ_OK) {
        *ret_result = result;
        return MQ_OK;
    }
    if (has_result)
        duckdb_destroy_result(&result->result);
    free(copy);
    free(result);
    return st;
}

enum mq_status
mq_sql_query(struct mq_sql *sql, const char *file, const struct mq_sql_param *params,
             int param_count, const char *types, struct mq_sql_result **ret_result,
             struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_sql_append_file(&text, file, params, param_count, err);
    if (st == MQ_OK)
        st = query(sql, file, text.data, types, ret_result, err);
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_sql_query_text(struct mq_sql *sql, const char *text, const char *types,
                  struct mq_sql_result **ret_result, struct mq_error *err)
{
    return query(sql, "query", text, types, ret_result, err);
}

enum mq_status
mq_sql_scalar(struct mq_sql *sql, const char *text, int64_t *ret_value, struct mq_error *err)
{
    struct mq_sql_result *result;
    enum mq_status st = mq_sql_query_text(sql, text, "l", &result, err);
    if (st != MQ_OK)
        return st;
    int64_t rows;
    st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && (rows < 1 || !mq_sql_is_valid(mq_sql_valid(result, 0), 0)))
        st = mq_fail(err, MQ_E_INTERNAL, "SQL query gave no value");
    if (st == MQ_OK)
        *ret_value = *(const int64_t *)mq_sql_column(result, 0);
    mq_sql_close(result);
    return st;
}

enum mq_status
mq_sql_next(struct mq_sql_result *result, int64_t *ret_rows, struct mq_error *err)
{
    for (;;) {
        if (result->chunk != NULL)
            duckdb_destroy_data_chunk(&result->chunk);
        result->chunk = duckdb_fetch_chunk(result->result);
        if (result->chunk == NULL) {
            const char *message = duckdb_result_error(&result->result);
            if (message != NULL && *message != '\0')
                return mq_sql_fail(result->sql, err, result->name,
                                   duckdb_result_error_type(&result->result), message);
            *ret_rows = 0;
            return MQ_OK;
        }
        idx_t rows = duckdb_data_chunk_get_size(result->chunk);
        if (rows > 0) {
            *ret_rows = (int64_t)rows;
            return MQ_OK;
        }
    }
}

void
mq_sql_close(struct mq_sql_result *result)
{
    if (result == NULL)
        return;
    if (result->chunk != NULL)
        duckdb_destroy_data_chunk(&result->chunk);
    duckdb_destroy_result(&result->result);
    free(result->name);
    free(result);
}

const void *
mq_sql_column(const struct mq_sql_result *result, int column)
{
    return duckdb_vector_get_data(duckdb_data_chunk_get_vector(result->chunk, (idx_t)column));
}

const void *
mq_sql_elements(const struct mq_sql_result *result, int column)
{
    return duckdb_vector_get_data(
        duckdb_list_vector_get_child(duckdb_data_chunk_get_vector(result->chunk, (idx_t)column)));
}

const uint64_t *
mq_sql_valid(const struct mq_sql_result *result, int column)
{
    return duckdb_vector_get_validity(duckdb_data_chunk_get_vector(result->chunk, (idx_t)column));
}
