#include "base/memory.h"
#include "cli/inspect.h"
#include "format/xlsx.h"

static json_t *
cell_json(const struct mq_xlsx_cell *cell)
{
    switch (cell->kind) {
    case MQ_XLSX_NUMBER:
        return json_real(cell->number);
    case MQ_XLSX_BOOL:
        return json_boolean(cell->number != 0);
    case MQ_XLSX_EMPTY:
        return json_null();
    default:
        return mq_inspect_text(cell->text, cell->text_size);
    }
}

enum mq_status
mq_inspect_xlsx(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_xlsx *xlsx = NULL;
    st = mq_xlsx_open(reader, NULL, &xlsx, err);
    json_t *sheets = json_array(), *rows = json_array();
    for (size_t i = 0; st == MQ_OK && i < mq_xlsx_sheet_count(xlsx); i++)
        json_array_append_new(sheets, json_string(mq_xlsx_sheet_name(xlsx, i)));
    int64_t count = 0;
    size_t widest = 0;
    while (st == MQ_OK) {
        const struct mq_xlsx_cell *cells;
        size_t cell_count;
        int64_t number;
        st = mq_xlsx_next_row(xlsx, &cells, &cell_count, &number, err);
        if (st != MQ_OK || cells == NULL)
            break;
        widest = MQ_MAX(widest, cell_count);
        if (count <= inspection->samples) { /* the header too */
            json_t *row = json_array();
            for (size_t c = 0; c < cell_count; c++)
                json_array_append_new(row, cell_json(&cells[c]));
            json_array_append_new(rows, row);
        }
        count++;
    }
    if (st == MQ_OK) {
        json_object_set(object, "sheets", sheets);
        json_object_set_new(object, "rows", json_integer(count));
        json_object_set_new(object, "columns", json_integer((json_int_t)widest));
        json_object_set(object, "first rows", rows);
    }
    json_decref(sheets);
    json_decref(rows);
    mq_xlsx_close(xlsx);
    mq_reader_close(reader);
    return st;
}
