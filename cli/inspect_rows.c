#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "cli/inspect.h"
#include "data/sql.h"
#include "format/csv_reader.h"
#include "format/json.h"

/* Columns of a Parquet file that are shown. */
#define COLUMNS_MAX 256

/* Rows of text columns, NULL as null. */
static enum mq_status
fetch_rows(struct mq_sql *sql, const char *query, const char *types, const json_t *names,
           json_t *rows, struct mq_error *err)
{
    struct mq_sql_result *result = NULL;
    enum mq_status st = mq_sql_query_text(sql, query, types, &result, err);
    int64_t count = 1;
    while (st == MQ_OK && count > 0) {
        st = mq_sql_next(result, &count, err);
        for (int64_t r = 0; st == MQ_OK && r < count; r++) {
            json_t *row = json_object();
            for (size_t c = 0; c < strlen(types); c++) {
                const struct mq_sql_string *strings = mq_sql_column(result, (int)c);
                bool valid = mq_sql_is_valid(mq_sql_valid(result, (int)c), r);
                json_object_set_new(
                    row, json_string_value(json_array_get(names, c)),
                    valid ? mq_inspect_text(mq_sql_string_bytes(&strings[r]), strings[r].size)
                          : json_null());
            }
            json_array_append_new(rows, row);
        }
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
append_identifier(struct mq_buffer *buffer, const char *name, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_char(buffer, '"', err);
    for (const char *p = name; st == MQ_OK && *p != '\0'; p++) {
        if (*p == '"')
            st = mq_buffer_append_char(buffer, '"', err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(buffer, *p, err);
    }
    return st == MQ_OK ? mq_buffer_append_char(buffer, '"', err) : st;
}

static enum mq_status
describe_view(const struct mq_inspection *inspection, struct mq_sql *sql, json_t *object,
              struct mq_error *err)
{
    json_t *labels = json_pack("[s, s]", "column", "type");
    json_t *columns = json_array(), *names = json_array(), *rows = json_array();
    int64_t count = 0;
    enum mq_status st = mq_sql_scalar(sql, "SELECT count(*) FROM inspected", &count, err);
    if (st == MQ_OK)
        st = fetch_rows(sql,
                        "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM inspected)",
                        "tt", labels, columns, err);
    struct mq_buffer query = {0};
    char types[COLUMNS_MAX + 1] = "";
    size_t n = MQ_MIN(json_array_size(columns), COLUMNS_MAX);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&query, "SELECT ", err);
    for (size_t c = 0; st == MQ_OK && c < n; c++) {
        const char *name = json_string_value(json_object_get(json_array_get(columns, c), "column"));
        types[c] = 't';
        types[c + 1] = '\0';
        json_array_append_new(names, json_string(name));
        st = mq_buffer_append_text(&query, c > 0 ? ", CAST(" : "CAST(", err);
        if (st == MQ_OK)
            st = append_identifier(&query, name, err);
        if (st == MQ_OK)
            st = mq_buffer_append_text(&query, " AS VARCHAR)", err);
    }
    if (st == MQ_OK)
        st = mq_buffer_printf(&query, err, " FROM inspected LIMIT %d", inspection->samples);
    if (st == MQ_OK && n > 0 && inspection->samples > 0)
        st = fetch_rows(sql, query.data, types, names, rows, err);
    if (st == MQ_OK) {
        json_object_set_new(object, "rows", json_integer(count));
        json_object_set(object, "columns", columns);
        json_object_set(object, "first rows", rows);
    }
    mq_buffer_release(&query);
    json_decref(labels);
    json_decref(columns);
    json_decref(names);
    json_decref(rows);
    return st;
}

enum mq_status
mq_inspect_parquet(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    char *scratch = NULL;
    enum mq_status st = mq_fs_scratch(&scratch, err);
    if (st != MQ_OK)
        return st;
    struct mq_sql *sql = NULL;
    struct mq_sql_options options = mq_sql_options_from(inspection->config, scratch);
    st = mq_sql_open(&options, &sql, err);
    const char *keys[] = {inspection->key};
    if (st == MQ_OK)
        st = mq_sql_view_of_parquet(sql, "inspected", inspection->store, keys, 1, err);
    if (st == MQ_OK)
        st = describe_view(inspection, sql, object, err);
    mq_sql_free(sql);
    (void)!mq_fs_remove(scratch, NULL);
    free(scratch);
    return st;
}

/* The separator of the first line: the longest known one that is in it. */
static enum mq_status
guess_separator(const struct mq_inspection *inspection, const char **ret_separator,
                struct mq_error *err)
{
    static const char *const known[] = {"_!_", "::", "\t", ";", ","};
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    char head[4096];
    size_t n = 0;
    st = mq_reader_some(reader, head, sizeof(head) - 1, &n, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    head[n] = '\0';
    head[strcspn(head, "\n")] = '\0';
    *ret_separator = ",";
    for (size_t i = 0; i < MQ_COUNT(known); i++) {
        if (strstr(head, known[i]) != NULL) {
            *ret_separator = known[i];
            break;
        }
    }
    return MQ_OK;
}

enum mq_status
mq_inspect_csv(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    const char *separator;
    struct mq_reader *reader;
    enum mq_status st = guess_separator(inspection, &separator, err);
    if (st == MQ_OK)
        st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_csv_format format = {
        .separator = separator, .quotes = MQ_CSV_QUOTES_LENIENT, .bad = MQ_CSV_BAD_SKIP};
    struct mq_csv_reader *csv = NULL;
    st = mq_csv_reader_new(reader, &format, &csv, err);
    json_t *rows = json_array();
    size_t least = SIZE_MAX, most = 0;
    while (st == MQ_OK) {
        struct mq_csv_row row;
        st = mq_csv_next(csv, &row, err);
        if (st != MQ_OK || row.count == 0)
            break;
        least = MQ_MIN(least, row.count);
        most = MQ_MAX(most, row.count);
        if (mq_csv_rows(csv) > inspection->samples + 1)
            continue;
        json_t *fields = json_array();
        for (size_t i = 0; i < row.count; i++)
            json_array_append_new(fields, mq_inspect_text(row.fields[i].text, row.fields[i].size));
        json_array_append_new(rows, fields);
    }
    if (st == MQ_OK) {
        json_object_set_new(object, "separator",
                            json_string(strcmp(separator, "\t") == 0 ? "tab" : separator));
        json_object_set_new(object, "rows", json_integer(mq_csv_rows(csv)));
        json_object_set_new(object, "bad lines", json_integer(mq_csv_bad_lines(csv)));
        json_object_set_new(object, "columns",
                            json_pack("{s:I, s:I}", "least",
                                      (json_int_t)(least == SIZE_MAX ? 0 : least), "most",
                                      (json_int_t)most));
        json_object_set(object, "first rows", rows);
    }
    json_decref(rows);
    mq_csv_reader_free(csv);
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_inspect_json(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    json_t *content = NULL;
    st = mq_json_read(reader, 0, &content, err);
    mq_reader_close(reader);
    if (st == MQ_OK)
        json_object_set_new(object, "content", content);
    return st;
}
