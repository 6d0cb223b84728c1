/* Rows of xlsx.h: <row r="2"><c r="B2" s="1" t="s"><v>17</v></c>…</row>, one at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "format/number_text.h"
#include "format/xlsx_package.h"

/* "AB12" to column 27 (from 0) and row 12; false for anything else. */
static bool
parse_place(const char *text, size_t *ret_column, int64_t *ret_row)
{
    size_t column = 0;
    const char *p = text;
    for (; *p >= 'A' && *p <= 'Z'; p++) {
        column = column * 26 + (size_t)(*p - 'A') + 1;
        if (column > MQ_XLSX_COLUMNS_MAX)
            return false;
    }
    int64_t row;
    if (p == text || !mq_text_to_int(p, strlen(p), &row) || row < 1 || row > MQ_XLSX_ROWS_MAX)
        return false;
    *ret_column = column - 1;
    *ret_row = row;
    return true;
}

static enum mq_status
make_room(struct mq_xlsx_row_state *s, size_t cells, struct mq_error *err)
{
    enum mq_status st = mq_grow(&s->cells, &s->cells_capacity, cells, sizeof(*s->cells), err);
    return st != MQ_OK ? st
                       : mq_grow(&s->places, &s->places_capacity, cells, sizeof(*s->places), err);
}

static enum mq_status
start_row(struct mq_xlsx *xlsx, const char *const *attributes, struct mq_error *err)
{
    struct mq_xlsx_row_state *s = &xlsx->rows;
    int64_t row = s->row + 1;
    const char *text = mq_xml_attribute(attributes, "r");
    if (text != NULL && !mq_text_to_int(text, strlen(text), &row))
        row = 0;
    if (row <= s->row || row > MQ_XLSX_ROWS_MAX)
        return mq_fail(err, MQ_E_FORMAT,
                       "workbook '%s': row '%s' after row %lld (allowed: rising, "
                       "to %d)",
                       xlsx->name, text != NULL ? text : "", (long long)s->row, MQ_XLSX_ROWS_MAX);
    s->row = row;
    s->in_row = true;
    s->count = 0;
    s->column = SIZE_MAX; /* the next is 0 */
    mq_buffer_reset(&s->texts);
    return make_room(s, 1, err); /* a row without cells is told from the end by its pointer */
}

static enum mq_status
start_cell(struct mq_xlsx *xlsx, const char *const *attributes, struct mq_error *err)
{
    struct mq_xlsx_row_state *s = &xlsx->rows;
    const char *place = mq_xml_attribute(attributes, "r");
    const char *style = mq_xml_attribute(attributes, "s");
    const char *type = mq_xml_attribute(attributes, "t");
    int64_t row = s->row, number = 0;
    s->column++;
    if ((place != NULL && (!parse_place(place, &s->column, &row) || row != s->row)) ||
        s->column >= MQ_XLSX_COLUMNS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "workbook '%s': no cell '%.20s' in row %lld", xlsx->name,
                       place != NULL ? place : "", (long long)s->row);
    static const char *const types[] = {"n", "s", "inlineStr", "str", "b", "e", "d"};
    static const char letters[] = "nsitbed";
    s->type = type == NULL ? 'n' : '\0';
    for (size_t i = 0; type != NULL && i < MQ_COUNT(types); i++) {
        if (strcmp(type, types[i]) == 0)
            s->type = letters[i];
    }
    if (s->type == '\0')
        return mq_fail(err, MQ_E_FORMAT, "workbook '%s': cell in row %lld has type '%.20s'",
                       xlsx->name, (long long)s->row, type);
    s->style = style != NULL && mq_text_to_int(style, strlen(style), &number) && number >= 0
                   ? (size_t)number
                   : 0;
    if (s->column >= s->count) {
        enum mq_status st = make_room(s, s->column + 1, err);
        if (st != MQ_OK)
            return st;
        memset(s->cells + s->count, 0, (s->column + 1 - s->count) * sizeof(*s->cells));
        memset(s->places + s->count, 0, (s->column + 1 - s->count) * sizeof(*s->places));
        s->count = s->column + 1;
    }
    s->in_cell = true;
    s->phonetic = 0;
    s->text_begin = s->texts.size;
    return MQ_OK;
}

static enum mq_status
rows_start(void *context, const char *name, const char *const *attributes, struct mq_error *err)
{
    struct mq_xlsx *xlsx = context;
    struct mq_xlsx_row_state *s = &xlsx->rows;
    if (strcmp(name, "sheetData") == 0)
        s->in_data = true;
    else if (strcmp(name, "row") == 0 && s->in_data && !s->in_row)
        return start_row(xlsx, attributes, err);
    else if (strcmp(name, "c") == 0 && s->in_row && !s->in_cell)
        return start_cell(xlsx, attributes, err);
    else if (strcmp(name, "rPh") == 0 && s->in_cell)
        s->phonetic++;
    else if (strcmp(name, "v") == 0)
        s->in_value = s->in_cell && s->type != 'i';
    else if (strcmp(name, "t") == 0)
        s->in_value = s->in_cell && s->type == 'i' && s->phonetic == 0;
    return MQ_OK;
}

static enum mq_status
rows_text(void *context, const char *text, size_t size, struct mq_error *err)
{
    struct mq_xlsx *xlsx = context;
    struct mq_xlsx_row_state *s = &xlsx->rows;
    if (!s->in_value)
        return MQ_OK;
    if (s->texts.size + size - s->text_begin > MQ_XLSX_CELL_MAX ||
        s->texts.size + size > MQ_XLSX_ROW_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "workbook '%s': row %lld: a cell is longer than %zu bytes, or the row than "
                       "%zu",
                       xlsx->name, (long long)s->row, MQ_XLSX_CELL_MAX, MQ_XLSX_ROW_MAX);
    return mq_buffer_append(&s->texts, text, size, err);
}

/* Text of the open cell without blanks around it. */
static const char *
trimmed(const struct mq_xlsx_row_state *s, size_t *ret_size)
{
    const char *p = s->texts.data != NULL ? s->texts.data + s->text_begin : "";
    size_t size = s->texts.size - s->text_begin;
    while (size > 0 && strchr(" \t\r\n", p[size - 1]) != NULL)
        size--;
    while (size > 0 && strchr(" \t\r\n", *p) != NULL) {
        p++;
        size--;
    }
    *ret_size = size;
    return p;
}

static enum mq_status
bad_value(struct mq_xlsx *xlsx, const char *text, size_t size, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT,
                   "workbook '%s': row %lld, column %zu: '%.*s' is no value of "
                   "its type",
                   xlsx->name, (long long)xlsx->rows.row, xlsx->rows.column + 1,
                   (int)MQ_MIN(size, 40), text);
}

/* What a cell is whose value is a number: itself, a date, a shared string, or true or false. */
static enum mq_status
numeric_cell(struct mq_xlsx *xlsx, struct mq_xlsx_cell *cell, struct mq_error *err)
{
    struct mq_xlsx_row_state *s = &xlsx->rows;
    size_t size;
    const char *text = trimmed(s, &size);
    int64_t index;
    if (s->type == 's') {
        if (!mq_text_to_int(text, size, &index) || index < 0 ||
            (uint64_t)index >= xlsx->string_count)
            return bad_value(xlsx, text, size, err);
        cell->kind = MQ_XLSX_TEXT;
        cell->text_size = xlsx->string_begin[index + 1] - xlsx->string_begin[index] - 1;
        cell->text = xlsx->strings.data + xlsx->string_begin[index];
        return MQ_OK;
    }
    if (s->type == 'b') {
        if (size != 1 || (*text != '0' && *text != '1'))
            return bad_value(xlsx, text, size, err);
        cell->kind = MQ_XLSX_BOOL;
        cell->number = *text - '0';
        return MQ_OK;
    }
    if (!mq_text_to_real(text, size, &cell->number))
        return bad_value(xlsx, text, size, err);
    cell->kind = MQ_XLSX_NUMBER;
    if (s->style < xlsx->style_count && xlsx->style_is_date[s->style] &&
        mq_xlsx_serial_to_epoch(cell->number, xlsx->date_1904, &cell->epoch_ms))
        cell->kind = MQ_XLSX_DATE;
    return MQ_OK;
}

static enum mq_status
end_cell(struct mq_xlsx *xlsx, struct mq_error *err)
{
    struct mq_xlsx_row_state *s = &xlsx->rows;
    struct mq_xlsx_cell *cell = &s->cells[s->column];
    *cell = (struct mq_xlsx_cell){0};
    s->places[s->column] = 0;
    s->in_cell = s->in_value = false;
    size_t size;
    const char *text = trimmed(s, &size);
    bool is_text = s->type == 'i' || s->type == 't';
    if (size == 0 && !is_text) {
        s->texts.size = s->text_begin;
        return MQ_OK; /* a style without a value */
    }
    enum mq_status st = MQ_OK;
    if (is_text || s->type == 'e') {
        mq_xlsx_unescape(&s->texts, s->text_begin);
        cell->kind = is_text ? MQ_XLSX_TEXT : MQ_XLSX_ERROR;
    } else if (s->type == 'd') {
        int64_t epoch_s;
        if (mq_instant_parse(text, size, &epoch_s, NULL) != MQ_OK)
            return bad_value(xlsx, text, size, err);
        cell->kind = MQ_XLSX_DATE;
        cell->epoch_ms = epoch_s * 1000;
        cell->number = mq_xlsx_epoch_to_serial(cell->epoch_ms);
    } else if ((st = numeric_cell(xlsx, cell, err)) != MQ_OK) {
        return st;
    }
    if (cell->text != NULL) { /* a shared string stays where it is */
        s->texts.size = s->text_begin;
        return MQ_OK;
    }
    /* The buffer may still move: the pointer is made when the row is whole. */
    cell->text_size = s->texts.size - s->text_begin;
    s->places[s->column] = s->text_begin + 1;
    return mq_buffer_append_char(&s->texts, '\0', err);
}

static enum mq_status
rows_end(void *context, const char *name, struct mq_error *err)
{
    struct mq_xlsx *xlsx = context;
    struct mq_xlsx_row_state *s = &xlsx->rows;
    if (strcmp(name, "v") == 0 || strcmp(name, "t") == 0) {
        s->in_value = false;
    } else if (strcmp(name, "rPh") == 0) {
        s->phonetic -= s->phonetic > 0;
    } else if (strcmp(name, "c") == 0 && s->in_cell) {
        return end_cell(xlsx, err);
    } else if (strcmp(name, "row") == 0 && s->in_row) {
        s->in_row = false;
        mq_xml_pause(s->part.xml);
    } else if (strcmp(name, "sheetData") == 0) {
        s->in_data = false;
    }
    return MQ_OK;
}

enum mq_status
mq_xlsx_rows_open(struct mq_xlsx *xlsx, const char *path, struct mq_error *err)
{
    static const struct mq_xml_handlers handlers = {rows_start, rows_end, rows_text};
    return mq_xlsx_part_open(xlsx, path, &handlers, xlsx, &xlsx->rows.part, err);
}

void
mq_xlsx_rows_release(struct mq_xlsx *xlsx)
{
    mq_xlsx_part_close(&xlsx->rows.part);
    mq_buffer_release(&xlsx->rows.texts);
    free(xlsx->rows.cells);
    free(xlsx->rows.places);
}

enum mq_status
mq_xlsx_next_row(struct mq_xlsx *xlsx, const struct mq_xlsx_cell **ret_cells, size_t *ret_count,
                 int64_t *ret_row, struct mq_error *err)
{
    struct mq_xlsx_row_state *s = &xlsx->rows;
    if (!s->ended) {
        enum mq_status st = mq_xml_run(s->part.xml, &s->ended, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "cannot read workbook");
    }
    if (s->ended) {
        *ret_cells = NULL;
        *ret_count = 0;
        return MQ_OK;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->places[i] > 0)
            s->cells[i].text = s->texts.data + s->places[i] - 1;
        else if (s->cells[i].text == NULL)
            s->cells[i].text = "";
    }
    *ret_cells = s->cells;
    *ret_count = s->count;
    *ret_row = s->row;
    return MQ_OK;
}
