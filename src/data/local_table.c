#include "data/local_table.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/csv_reader.h"
#include "format/json.h"

/* Lines of a JSON file that are looked at for names. */
#define JSON_LINES_LOOKED_AT 1000
#define WANTED_MAX 32

enum file_kind { KIND_TEXT, KIND_JSON, KIND_PARQUET };

/* A file and the columns it has. */
struct source {
    const char *path;
    enum file_kind kind;
    struct mq_table_header header; /* names of the file's columns */
    bool has_header_line;
    struct mq_arena arena;
};

static bool
ends_with(const char *text, size_t size, const char *end)
{
    size_t m = strlen(end);
    return size >= m && strncasecmp(text + size - m, end, m) == 0;
}

static enum file_kind
kind_of(const char *path)
{
    size_t n = strlen(path);
    if (ends_with(path, n, ".gz"))
        n -= 3;
    if (ends_with(path, n, ".parquet"))
        return KIND_PARQUET;
    return ends_with(path, n, ".jsonl") || ends_with(path, n, ".ndjson") ||
                   ends_with(path, n, ".json")
               ? KIND_JSON
               : KIND_TEXT;
}

static enum mq_status
add_name(struct source *source, const char *name, size_t size, struct mq_error *err)
{
    struct mq_table_header *header = &source->header;
    for (int i = 0; i < header->column_count; i++)
        if (strlen(header->names[i]) == size && memcmp(header->names[i], name, size) == 0)
            return MQ_OK;
    if (header->column_count == MQ_HEADER_COLUMNS_MAX)
        return mq_fail(err, MQ_E_RANGE, "'%s' has more than %d columns", source->path,
                       MQ_HEADER_COLUMNS_MAX);
    if (header->names == NULL)
        header->names =
            mq_arena_array(&source->arena, MQ_HEADER_COLUMNS_MAX, sizeof(*header->names));
    const char *copy = mq_arena_copy(&source->arena, name, size);
    if (header->names == NULL || copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate column names");
    header->names[header->column_count++] = copy;
    return MQ_OK;
}

/* Names of the members of the first lines' objects. */
static enum mq_status
read_json_names(struct source *source, struct mq_reader *reader, struct mq_error *err)
{
    const struct mq_csv_format lines = {
        .separator = "\x1e\x1f", .quotes = MQ_CSV_QUOTES_NONE, .line_limit = (size_t)16 << 20};
    struct mq_csv_reader *csv;
    struct mq_csv_row row;
    enum mq_status st = mq_csv_reader_new(reader, &lines, &csv, err);
    if (st != MQ_OK)
        return st;
    for (int i = 0; i < JSON_LINES_LOOKED_AT && st == MQ_OK; i++) {
        st = mq_csv_next(csv, &row, err);
        if (st != MQ_OK || row.count == 0)
            break;
        mq_autojson json_t *object = NULL;
        st = mq_json_parse(row.fields[0].text, row.fields[0].size, source->path, &object, err);
        if (st == MQ_OK && !json_is_object(object))
            st = mq_fail(err, MQ_E_FORMAT, "'%s' line %lld is no JSON object", source->path,
                         (long long)row.line);
        const char *name;
        json_t *value;
        json_object_foreach(object, name, value)
        {
            if (st == MQ_OK)
                st = add_name(source, name, strlen(name), err);
        }
    }
    mq_csv_reader_free(csv);
    return st;
}

static enum mq_status
read_parquet_names(struct source *source, struct mq_sql *sql, struct mq_error *err)
{
    struct mq_buffer text = {0};
    struct mq_sql_result *result = NULL;
    int64_t rows;
    enum mq_status st = mq_sql_check_parquet(sql, source->path, source->path, err);
    if (st == MQ_E_FORMAT)
        mq_error_hint(err, "fetch or write the file again: its end is written last");
    if (st == MQ_OK)
        st = mq_buffer_append_text(
            &text, "select column_name from (describe select * from read_parquet(", err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, source->path, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, "))", err);
    if (st == MQ_OK)
        st = mq_sql_query_text(sql, text.data, "t", &result, err);
    while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *names = mq_sql_column(result, 0);
        for (int64_t r = 0; r < rows && st == MQ_OK; r++)
            st = add_name(source, mq_sql_string_bytes(&names[r]), names[r].size, err);
    }
    mq_sql_close(result);
    mq_buffer_release(&text);
    return st;
}

/* Look at a file through a store of the whole machine: the readers of tables work on stores. */
static enum mq_status
read_names(struct source *source, struct mq_sql *sql, struct mq_error *err)
{
    if (source->kind == KIND_PARQUET)
        return read_parquet_names(source, sql, err);
    struct mq_object_store *machine = NULL;
    struct mq_reader *reader = NULL;
    const char *key = source->path + 1;
    enum mq_status st = mq_object_store_open("file:/", &machine, err);
    if (st == MQ_OK && source->kind == KIND_JSON) {
        st = mq_table_reader(machine, key, &reader, err);
        if (st == MQ_OK)
            st = read_json_names(source, reader, err);
        mq_reader_close(reader);
    } else if (st == MQ_OK) {
        st = mq_table_header_read(machine, key, &source->arena, &source->header, err);
        source->has_header_line = true;
        if (st == MQ_OK && source->header.is_empty)
            st = mq_fail(err, MQ_E_INPUT, "'%s' is empty", source->path);
    }
    mq_object_store_free(machine);
    return st;
}

/* ---- which column is which -------------------------------------------------------------- */

static int
find_wanted(const struct mq_table_column *columns, int count, const char *name, size_t size)
{
    char text[128];
    if (size >= sizeof(text))
        return -1;
    memcpy(text, name, size);
    text[size] = '\0';
    const char *only[] = {text};
    const struct mq_table_header one = {.column_count = 1, .names = only};
    for (int i = 0; i < count; i++)
        if (mq_table_header_find(&one, &columns[i]) == 0)
            return i;
    return -1;
}

static enum mq_status
fail_name(const struct mq_table_column *columns, int count, const char *name, size_t size,
          struct mq_error *err)
{
    char known[400] = "";
    for (int i = 0; i < count; i++)
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i > 0 ? ", " : "",
                 columns[i].name);
    enum mq_status st = mq_fail(err, MQ_E_USAGE, "'%.*s' is no column that is wanted",
                                (int)MQ_MIN(size, 64u), name);
    mq_error_hint(err, "known are %s; '-' passes a column over", known);
    return st;
}

/* Positions from "a,b,-" or "a=x,b=y". */
static enum mq_status
apply_names(struct source *source, const struct mq_table_column *columns, int count,
            const char *names, int *positions, struct mq_error *err)
{
    for (int i = 0; i < count; i++)
        positions[i] = -1;
    bool spelled = false;
    int place = 0;
    for (const char *p = names;; place++) {
        size_t n = strcspn(p, ","), m = strcspn(p, ",=");
        int wanted = n == 1 && *p == '-' ? -2 : find_wanted(columns, count, p, m);
        if (wanted == -1)
            return fail_name(columns, count, p, m, err);
        if (m < n) {
            char own[256];
            snprintf(own, sizeof(own), "%.*s", (int)MQ_MIN(n - m - 1, sizeof(own) - 1), p + m + 1);
            const struct mq_table_column column = {own, "", true};
            enum mq_status st = mq_table_header_match(&source->header, source->path, &column, 1,
                                                      &positions[wanted], err);
            if (st != MQ_OK)
                return st;
            spelled = true;
        } else if (wanted >= 0) {
            if (place >= source->header.column_count)
                return mq_fail(err, MQ_E_INPUT, "'%s' has %d columns, but column %d is to be %.*s",
                               source->path, source->header.column_count, place + 1, (int)m, p);
            positions[wanted] = place;
        }
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
    /* Named by position, the first line is data, unless one of its fields spells a known name. */
    if (source->kind == KIND_TEXT && !spelled) {
        bool is_header = false;
        for (int i = 0; i < source->header.column_count; i++) {
            const char *field = source->header.names[i];
            is_header |= *field != '\0' && find_wanted(columns, count, field, strlen(field)) >= 0;
        }
        source->has_header_line = is_header;
    }
    for (int i = 0; i < count; i++)
        if (columns[i].required && positions[i] < 0)
            return mq_fail(err, MQ_E_USAGE, "the columns '%.200s' name no %s", names,
                           columns[i].name);
    return MQ_OK;
}

/* ---- the view --------------------------------------------------------------------------- */

static enum mq_status
append_identifier(struct mq_buffer *text, const char *name, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_char(text, '"', err);
    for (; st == MQ_OK && *name != '\0'; name++) {
        if (*name == '"')
            st = mq_buffer_append_char(text, '"', err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(text, *name, err);
    }
    return st == MQ_OK ? mq_buffer_append_char(text, '"', err) : st;
}

static enum mq_status
append_source(const struct source *source, struct mq_buffer *text, struct mq_error *err)
{
    static const char *const functions[] = {"read_csv(", "read_json(", "read_parquet("};
    enum mq_status st = mq_buffer_append_text(text, functions[source->kind], err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(text, source->path, err);
    if (st != MQ_OK || source->kind == KIND_PARQUET)
        return st == MQ_OK ? mq_buffer_append_char(text, ')', err) : st;
    st = mq_buffer_append_text(text, ", columns = {", err);
    for (int i = 0; i < source->header.column_count && st == MQ_OK; i++) {
        char place[16];
        snprintf(place, sizeof(place), "c%d", i);
        if (i > 0)
            st = mq_buffer_append_char(text, ',', err);
        if (st == MQ_OK)
            st = append_identifier(
                text, source->kind == KIND_TEXT ? place : source->header.names[i], err);
        if (st == MQ_OK)
            st = mq_buffer_append_text(text, ": 'VARCHAR'", err);
    }
    if (st == MQ_OK && source->kind == KIND_JSON)
        return mq_buffer_append_text(text, "}, format = 'newline_delimited')", err);
    if (st == MQ_OK)
        st = mq_buffer_printf(text, err,
                              "}, auto_detect = false, header = %s, quote = '\"', escape = '\"', "
                              "store_rejects = true, rejects_limit = 0, delim = ",
                              source->has_header_line ? "true" : "false");
    if (st == MQ_OK)
        st = mq_sql_append_literal(text, source->header.separator, err);
    return st == MQ_OK ? mq_buffer_append_char(text, ')', err) : st;
}

static enum mq_status
make_view(struct mq_sql *sql, const char *view, const struct source *source,
          const struct mq_table_column *columns, int count, const int *positions,
          struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_printf(
        &text, err, "create or replace temp view %s as select row_number() over () as seq", view);
    for (int i = 0; i < count && st == MQ_OK; i++) {
        char place[16];
        snprintf(place, sizeof(place), "c%d", positions[i]);
        st = mq_buffer_append_text(&text, ", cast(", err);
        if (st == MQ_OK && positions[i] < 0)
            st = mq_buffer_append_text(&text, "null", err);
        else if (st == MQ_OK)
            st = append_identifier(
                &text, source->kind == KIND_TEXT ? place : source->header.names[positions[i]], err);
        if (st == MQ_OK)
            st = mq_buffer_printf(&text, err, " as varchar) as \"%s\"", columns[i].name);
    }
    if (st == MQ_OK)
        st = mq_buffer_append_text(&text, " from ", err);
    if (st == MQ_OK)
        st = append_source(source, &text, err);
    if (st == MQ_OK)
        st = mq_sql_statement(sql, text.data, err);
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_local_table_view(struct mq_sql *sql, const char *view, const char *path,
                    const struct mq_table_column *columns, int count, const char *names,
                    int *ret_lines_before, struct mq_error *err)
{
    int positions[WANTED_MAX];
    if (count > WANTED_MAX)
        return mq_fail(err, MQ_E_INTERNAL, "%d columns are too many", count);
    mq_autofree char *whole = realpath(path, NULL);
    if (whole == NULL || mq_fs_is_folder(whole))
        return mq_fail(err, MQ_E_NOT_FOUND, "cannot read '%s': there is no such file", path);
    struct source source = {.path = whole, .kind = kind_of(whole)};
    enum mq_status st = read_names(&source, sql, err);
    if (st == MQ_OK)
        st = names != NULL
                 ? apply_names(&source, columns, count, names, positions, err)
                 : mq_table_header_match(&source.header, path, columns, count, positions, err);
    if (st == MQ_OK)
        st = make_view(sql, view, &source, columns, count, positions, err);
    if (st == MQ_OK && ret_lines_before != NULL)
        *ret_lines_before = source.kind == KIND_PARQUET ? -1
                            : source.kind == KIND_TEXT  ? source.has_header_line
                                                        : 0;
    mq_arena_release(&source.arena);
    return st;
}
