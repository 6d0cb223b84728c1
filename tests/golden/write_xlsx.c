/*
 * write_xlsx OUT DATA: a workbook for xlsx_golden.py to open with openpyxl and pandas, and the rows
 * of each workbook in DATA as OUT/<name>.txt: row number, then kind=value a cell.
 */
#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/xlsx.h"

static struct mq_xlsx_cell
text(const char *s)
{
    return mq_xlsx_text(s, strlen(s));
}

static enum mq_status
write_rows(struct mq_xlsx_writer *xlsx, struct mq_error *err)
{
    const struct mq_xlsx_cell none = {.kind = MQ_XLSX_EMPTY};
    const struct mq_xlsx_cell yes = {.kind = MQ_XLSX_BOOL, .number = 1};
    const struct mq_xlsx_cell rows[][6] = {
        {text("program_id"), text("title"), text("rating"), text("from"), text("seen"), text("on")},
        {mq_xlsx_number(1), text("Am\xc3\xa9lie & <friends> \"x\""), mq_xlsx_number(8.3),
         mq_xlsx_date(INT64_C(988329600000)), yes, mq_xlsx_date(INT64_C(988329600000) + 45296000)},
        {mq_xlsx_number(1e6), text("  spaces\tand\nlines "), mq_xlsx_number(-0.1), none, none,
         mq_xlsx_date(INT64_C(-2203891200000))},
        {mq_xlsx_number(3), text("\xe5\x8d\x83\xe3\x81\xa8\xf0\x9f\x8e\xac"), none, none, none,
         mq_xlsx_date(INT64_C(253402214400000))},
    };
    for (size_t i = 0; i < MQ_COUNT(rows); i++) {
        enum mq_status st = mq_xlsx_write_row(xlsx, rows[i], 6, err);
        if (st != MQ_OK)
            return st;
    }
    for (int i = 4; i < 2000; i++) {
        const struct mq_xlsx_cell row[] = {mq_xlsx_number(i), text("filler"),
                                           mq_xlsx_number(i / 7.0)};
        enum mq_status st = mq_xlsx_write_row(xlsx, row, 3, err);
        if (st != MQ_OK)
            return st;
    }
    return mq_xlsx_writer_finish(xlsx, err);
}

static enum mq_status
write_workbook(const char *out, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/marquee.xlsx", out);
    struct mq_writer *writer;
    struct mq_xlsx_writer *xlsx = NULL;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st != MQ_OK)
        return st;
    if ((st = mq_xlsx_writer_new(writer, "Catalogue & more", &xlsx, err)) == MQ_OK &&
        (st = write_rows(xlsx, err)) == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_xlsx_writer_free(xlsx);
    mq_writer_close(writer);
    return st;
}

static void
print_cell(FILE *out, const struct mq_xlsx_cell *cell)
{
    switch (cell->kind) {
    case MQ_XLSX_EMPTY:
        fprintf(out, " -");
        break;
    case MQ_XLSX_TEXT:
        fprintf(out, " text=");
        for (size_t i = 0; i < cell->text_size; i++)
            fprintf(out, "%02x", (unsigned char)cell->text[i]);
        break;
    case MQ_XLSX_NUMBER:
        fprintf(out, " number=%.12g", cell->number);
        break;
    case MQ_XLSX_BOOL:
        fprintf(out, " bool=%d", (int)cell->number);
        break;
    case MQ_XLSX_DATE:
        fprintf(out, " date=%lld", (long long)cell->epoch_ms);
        break;
    case MQ_XLSX_ERROR:
        fprintf(out, " error=%s", cell->text);
        break;
    }
}

static enum mq_status
list_workbook(const char *out, const char *data, const char *name, const char *sheet,
              struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", data, name);
    struct mq_reader *reader;
    struct mq_xlsx *xlsx;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_xlsx_open(reader, sheet, &xlsx, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    snprintf(path, sizeof(path), "%s/%s.txt", out, name);
    FILE *list = fopen(path, "w");
    if (list == NULL)
        st = mq_fail(err, MQ_E_IO, "cannot write '%s'", path);
    while (st == MQ_OK) {
        const struct mq_xlsx_cell *cells;
        size_t count;
        int64_t row;
        if ((st = mq_xlsx_next_row(xlsx, &cells, &count, &row, err)) != MQ_OK || cells == NULL)
            break;
        fprintf(list, "%lld", (long long)row);
        for (size_t i = 0; i < count; i++)
            print_cell(list, &cells[i]);
        fprintf(list, "\n");
    }
    if (list != NULL)
        fclose(list);
    mq_xlsx_close(xlsx);
    return st;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    struct mq_error err = {0};
    enum mq_status st = write_workbook(argv[1], &err);
    if (st == MQ_OK)
        st = list_workbook(argv[1], argv[2], "openpyxl.xlsx", "second sheet", &err);
    if (st == MQ_OK)
        st = list_workbook(argv[1], argv[2], "openpyxl-1904.xlsx", NULL, &err);
    if (st == MQ_OK)
        st = list_workbook(argv[1], argv[1], "marquee.xlsx", NULL, &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_xlsx: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
