#include "data/expand_sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "data/table_source.h"
#include "format/csv_reader.h"
#include "format/xlsx.h"

static const struct mq_table_column columns[] = {
    {"program_id", "programid|item_id|itemid|movie_id|movieid|id", true},
    {"description", "desc|summary|synopsis|plot", false},
    {"available_from", "from|licence_from|license_from|start", false},
    {"available_until", "until|licence_until|license_until|end", false},
    {"territories", "territory|countries_allowed", false},
    {"duration_s", "duration|length|length_seconds|duration_seconds", false},
    {"poster", "poster_url|image|image_url", false},
};
#define COLUMN_COUNT ((int)MQ_COUNT(columns))

enum mq_status
mq_expand_sheet_create(struct mq_sql *sql, const char *table, struct mq_error *err)
{
    return mq_table_create(sql, table, columns, COLUMN_COUNT, err);
}

/* Which wanted column each sheet column is. */
static enum mq_status
match_header(const struct mq_xlsx_cell *cells, size_t count, const char *key,
             struct mq_arena *arena, int ret_positions[COLUMN_COUNT], struct mq_error *err)
{
    struct mq_table_header header = {.column_count =
                                         (int)MQ_MIN(count, (size_t)MQ_HEADER_COLUMNS_MAX)};
    header.names = mq_arena_array(arena, (size_t)header.column_count + 1, sizeof(*header.names));
    for (int i = 0; i < header.column_count && header.names != NULL; i++) {
        header.names[i] = mq_arena_copy(arena, cells[i].text, cells[i].text_size);
        if (header.names[i] == NULL)
            header.names = NULL;
    }
    if (header.names == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate column names");
    return mq_table_header_match(&header, key, columns, COLUMN_COUNT, ret_positions, err);
}

static void
append_cell(struct mq_sql_appender *appender, const struct mq_xlsx_cell *cell)
{
    char text[64];
    switch (cell->kind) {
    case MQ_XLSX_TEXT:
        if (!mq_csv_is_missing(cell->text, cell->text_size) &&
            mq_sql_text_is_valid(cell->text, cell->text_size)) {
            mq_sql_append_text(appender, cell->text, cell->text_size);
            return;
        }
        break;
    case MQ_XLSX_NUMBER:
        /* Ids and years are numbers to a spreadsheet: whole ones are spelled without a point. */
        if (cell->number >= -1e15 && cell->number <= 1e15 &&
            cell->number == (double)(int64_t)cell->number) {
            int n = snprintf(text, sizeof(text), "%" PRId64, (int64_t)cell->number);
            mq_sql_append_text(appender, text, (size_t)n);
        } else {
            mq_sql_append_text(appender, cell->text, cell->text_size);
        }
        return;
    case MQ_XLSX_BOOL:
        mq_sql_append_text(appender, cell->number != 0 ? "1" : "0", 1);
        return;
    case MQ_XLSX_DATE: {
        int n = snprintf(text, sizeof(text), "%" PRId64, cell->epoch_ms / 1000);
        mq_sql_append_text(appender, text, (size_t)n);
        return;
    }
    default:
        break;
    }
    mq_sql_append_null(appender);
}

static enum mq_status
load_sheet(struct mq_sql *sql, const char *table, struct mq_object_store *store, const char *key,
           int64_t *seq, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(store, key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_xlsx *xlsx = NULL;
    struct mq_sql_appender *appender = NULL;
    struct mq_arena arena = {0};
    const struct mq_xlsx_cell *cells = NULL;
    size_t count;
    int64_t number;
    int positions[COLUMN_COUNT];
    st = mq_xlsx_open(reader, NULL, &xlsx, err);
    if (st == MQ_OK)
        st = mq_xlsx_next_row(xlsx, &cells, &count, &number, err);
    if (st == MQ_OK && cells != NULL) {
        st = match_header(cells, count, key, &arena, positions, err);
        if (st == MQ_OK)
            st = mq_sql_appender_new(sql, table, &appender, err);
        while (st == MQ_OK &&
               (st = mq_xlsx_next_row(xlsx, &cells, &count, &number, err)) == MQ_OK &&
               cells != NULL) {
            mq_sql_append_int(appender, (*seq)++);
            for (int i = 0; i < COLUMN_COUNT; i++) {
                if (positions[i] >= 0 && (size_t)positions[i] < count)
                    append_cell(appender, &cells[positions[i]]);
                else
                    mq_sql_append_null(appender);
            }
            mq_sql_append_end(appender);
        }
    }
    enum mq_status ended = mq_sql_appender_free(appender, st == MQ_OK ? err : NULL);
    mq_arena_release(&arena);
    mq_xlsx_close(xlsx);
    mq_reader_close(reader);
    return st != MQ_OK ? mq_fail_context(err, st, "cannot read sheet '%s'", key) : ended;
}

enum mq_status
mq_expand_sheet_load(struct mq_sql *sql, const char *table, struct mq_object_store *store,
                     const char *key, int64_t *seq, struct mq_error *err)
{
    size_t n = strlen(key);
    if (n >= 5 && strcasecmp(key + n - 5, ".xlsx") == 0)
        return load_sheet(sql, table, store, key, seq, err);
    struct mq_table_counts counts = {0};
    return mq_table_load(sql, table, store, key, columns, COLUMN_COUNT, NULL, seq, &counts, err);
}
