#include "data/table_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "format/csv_reader.h"
#include "format/gzip_stream.h"

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

enum mq_status
mq_table_reader(struct mq_object_store *store, const char *key, struct mq_reader **ret_reader,
                struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(store, key, &reader, err);
    if (st == MQ_OK && ends_with(key, ".gz"))
        return mq_gzip_reader(reader, ret_reader, err);
    if (st == MQ_OK)
        *ret_reader = reader;
    return st;
}

/* The separator of a header line: the one of the usual four that it holds most of. */
static void
find_separator(const char *line, size_t size, char ret_separator[8])
{
    static const char candidates[] = {',', '\t', ';', '|'};
    size_t best = 0;
    strcpy(ret_separator, ",");
    for (size_t c = 0; c < sizeof(candidates); c++) {
        size_t count = 0;
        for (size_t i = 0; i < size; i++)
            count += line[i] == candidates[c];
        if (count > best) {
            best = count;
            ret_separator[0] = candidates[c];
        }
    }
}

static enum mq_status
split_header(const char *line, size_t size, const char *key, struct mq_arena *arena,
             struct mq_table_header *header, struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    struct mq_csv_reader *csv = NULL;
    const struct mq_csv_format format = {.separator = header->separator,
                                         .quotes = MQ_CSV_QUOTES_LENIENT,
                                         .trim = true,
                                         .max_fields = MQ_HEADER_COLUMNS_MAX,
                                         .backslash = header->is_headerless};
    enum mq_status st = mq_reader_from_memory(line, size, key, &reader, err);
    if (st == MQ_OK)
        st = mq_csv_reader_new(reader, &format, &csv, err);
    struct mq_csv_row row = {0};
    if (st == MQ_OK)
        st = mq_csv_next(csv, &row, err);
    if (st == MQ_OK) {
        header->column_count = (int)row.count;
        header->names = mq_arena_array(arena, row.count + 1, sizeof(*header->names));
        for (size_t i = 0; i < row.count && header->names != NULL; i++) {
            header->names[i] = mq_arena_copy(arena, row.fields[i].text, row.fields[i].size);
            if (header->names[i] == NULL)
                header->names = NULL;
        }
        if (header->names == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate column names");
    }
    mq_csv_reader_free(csv);
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_table_header_read(struct mq_object_store *store, const char *key, struct mq_arena *arena,
                     struct mq_table_header *ret_header, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_table_reader(store, key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_buffer text = {0};
    const char *end = NULL;
    size_t got = 1;
    while (st == MQ_OK && end == NULL && got > 0 && text.size < MQ_HEADER_BYTES_MAX) {
        const size_t step = 4096;
        st = mq_buffer_reserve(&text, step, err);
        if (st == MQ_OK)
            st = mq_reader_some(reader, text.data + text.size, step, &got, err);
        if (st == MQ_OK) {
            text.size += got;
            text.data[text.size] = '\0';
            end = memchr(text.data, '\n', text.size);
        }
    }
    struct mq_table_header header = {0};
    if (st == MQ_OK && end == NULL && got > 0)
        st = mq_fail(err, MQ_E_FORMAT, "'%s': its first line has more than %zu bytes", reader->name,
                     MQ_HEADER_BYTES_MAX);
    if (st == MQ_OK && text.size == 0) {
        header.is_empty = true;
    } else if (st == MQ_OK) {
        size_t size = end != NULL ? (size_t)(end - text.data) + 1 : text.size;
        header.is_headerless = memmem(text.data, size, "_!_", 3) != NULL;
        if (header.is_headerless)
            strcpy(header.separator, "_!_");
        else
            find_separator(text.data, size, header.separator);
        st = split_header(text.data, size, reader->name, arena, &header, err);
    }
    if (st == MQ_OK)
        *ret_header = header;
    mq_buffer_release(&text);
    mq_reader_close(reader);
    return st;
}

static bool
same_name(const char *name, const char *wanted, size_t size)
{
    return strlen(name) == size && strncasecmp(name, wanted, size) == 0;
}

int
mq_table_header_find(const struct mq_table_header *header, const struct mq_table_column *column)
{
    for (int i = 0; i < header->column_count; i++)
        if (same_name(header->names[i], column->name, strlen(column->name)))
            return i;
    for (const char *p = column->synonyms; *p != '\0';) {
        size_t n = strcspn(p, "|");
        for (int i = 0; i < header->column_count; i++)
            if (same_name(header->names[i], p, n))
                return i;
        p += n + (p[n] == '|');
    }
    return -1;
}

enum mq_status
mq_table_header_match(const struct mq_table_header *header, const char *key,
                      const struct mq_table_column *columns, int count, int *ret_positions,
                      struct mq_error *err)
{
    for (int i = 0; i < count; i++) {
        ret_positions[i] = mq_table_header_find(header, &columns[i]);
        if (ret_positions[i] >= 0 || !columns[i].required)
            continue;
        char found[400] = "";
        for (int c = 0; c < header->column_count && strlen(found) < sizeof(found) - 80; c++)
            snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s'%.60s'",
                     c > 0 ? ", " : "", header->names[c]);
        enum mq_status st = mq_fail(err, MQ_E_INPUT, "'%s' has no column %s; its header names %s",
                                    key, columns[i].name, found);
        if (columns[i].synonyms[0] != '\0')
            mq_error_hint(err, "the first line must name the columns; %s may also be called %s",
                          columns[i].name, columns[i].synonyms);
        else
            mq_error_hint(err, "the first line must name the columns; write '%s' as it does",
                          columns[i].name);
        return st;
    }
    return MQ_OK;
}

enum mq_status
mq_table_create(struct mq_sql *sql, const char *table, const struct mq_table_column *columns,
                int count, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st =
        mq_buffer_printf(&text, err, "create or replace temp table %s (seq bigint", table);
    for (int i = 0; i < count && st == MQ_OK; i++)
        st = mq_buffer_printf(&text, err, ", \"%s\" varchar", columns[i].name);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, ')', err);
    if (st == MQ_OK)
        st = mq_sql_statement(sql, text.data, err);
    mq_buffer_release(&text);
    return st;
}

/* Notes the first bad line. */
struct bad_lines {
    const char *key;
    struct mq_table_counts *counts;
};

static void
note_bad_line(void *context, int64_t line, const char *reason, const char *text, size_t size)
{
    struct bad_lines *bad = context;
    bad->counts->bad_lines++;
    if (bad->counts->example[0] == '\0')
        snprintf(bad->counts->example, sizeof(bad->counts->example), "'%.200s' line %lld: %s: %.*s",
                 bad->key, (long long)line, reason, (int)MQ_MIN(size, (size_t)160), text);
}

/* A row without its id is loaded all the same: the step counts it. */
static void
note_missing(struct bad_lines *bad, int64_t line, const struct mq_table_column *column,
             const struct mq_csv_field *field)
{
    if (bad->counts->example[0] == '\0')
        snprintf(bad->counts->example, sizeof(bad->counts->example),
                 "'%.200s' line %lld: no %s: '%.*s'", bad->key, (long long)line, column->name,
                 field != NULL ? (int)MQ_MIN(field->size, (size_t)160) : 0,
                 field != NULL ? field->text : "");
}

static void
append_trimmed(struct mq_sql_appender *appender, const struct mq_csv_field *field)
{
    const char *text = field->text;
    size_t size = field->size;
    for (; size > 0 && strchr(" \t\r\n", *text) != NULL; size--)
        text++;
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        size--;
    mq_sql_append_text(appender, text, size);
}

static enum mq_status
load_rows(struct mq_sql *sql, const char *table, struct mq_csv_reader *csv,
          const struct mq_table_column *columns, const int *positions, int count, bool skip_first,
          int64_t *seq, struct bad_lines *bad, struct mq_error *err)
{
    struct mq_sql_appender *appender;
    enum mq_status st = mq_sql_appender_new(sql, table, &appender, err);
    if (st != MQ_OK)
        return st;
    struct mq_csv_row row;
    if (skip_first)
        st = mq_csv_next(csv, &row, err);
    while (st == MQ_OK && (st = mq_csv_next(csv, &row, err)) == MQ_OK && row.count > 0) {
        bool valid = true;
        for (size_t i = 0; i < row.count && valid; i++)
            valid = mq_sql_text_is_valid(row.fields[i].text, row.fields[i].size);
        if (!valid) {
            note_bad_line(bad, row.line, "text is not UTF-8", "", 0);
            continue;
        }
        mq_sql_append_int(appender, (*seq)++);
        for (int i = 0; i < count; i++) {
            const struct mq_csv_field *field = positions[i] >= 0 ? &row.fields[positions[i]] : NULL;
            bool missing = field == NULL || mq_csv_is_missing(field->text, field->size);
            if (missing && columns[i].required)
                note_missing(bad, row.line, &columns[i], field);
            /* Quotes make a word of a missing value a text, but never an id. */
            if (field == NULL || (missing && (columns[i].required || !field->quoted)))
                mq_sql_append_null(appender);
            else if (columns[i].required)
                append_trimmed(appender, field);
            else
                mq_sql_append_text(appender, field->text, field->size);
        }
        mq_sql_append_end(appender);
        bad->counts->rows++;
    }
    enum mq_status ended = mq_sql_appender_free(appender, st == MQ_OK ? err : NULL);
    return st != MQ_OK ? st : ended;
}

enum mq_status
mq_table_load(struct mq_sql *sql, const char *table, struct mq_object_store *store, const char *key,
              const struct mq_table_column *columns, int count,
              const char *const *headerless_columns, int64_t *seq, struct mq_table_counts *counts,
              struct mq_error *err)
{
    struct mq_arena arena = {0};
    struct mq_table_header header;
    mq_autofree int *positions = NULL;
    enum mq_status st = mq_table_header_read(store, key, &arena, &header, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)count, sizeof(*positions), &positions, err);
    counts->files++;
    if (st != MQ_OK || header.is_empty) {
        mq_arena_release(&arena);
        return st;
    }
    if (header.is_headerless && headerless_columns != NULL) {
        int n = 0;
        while (headerless_columns[n] != NULL)
            n++;
        header.names = (const char **)(uintptr_t)headerless_columns;
        header.column_count = n;
    }
    st = mq_table_header_match(&header, key, columns, count, positions, err);
    struct mq_reader *reader = NULL;
    struct mq_csv_reader *csv = NULL;
    struct bad_lines bad = {.key = key, .counts = counts};
    const struct mq_csv_format format = {.separator = header.separator,
                                         .quotes = header.is_headerless ? MQ_CSV_QUOTES_LENIENT
                                                                        : MQ_CSV_QUOTES_STRICT,
                                         .backslash = header.is_headerless,
                                         .trim = true,
                                         .min_fields = (size_t)header.column_count,
                                         .max_fields = (size_t)header.column_count,
                                         .bad = MQ_CSV_BAD_SKIP,
                                         .on_bad = note_bad_line,
                                         .on_bad_context = &bad};
    if (st == MQ_OK)
        st = mq_table_reader(store, key, &reader, err);
    if (st == MQ_OK)
        st = mq_csv_reader_new(reader, &format, &csv, err);
    if (st == MQ_OK)
        st = load_rows(sql, table, csv, columns, positions, count, !header.is_headerless, seq, &bad,
                       err);
    mq_csv_reader_free(csv);
    mq_reader_close(reader);
    mq_arena_release(&arena);
    return st;
}
