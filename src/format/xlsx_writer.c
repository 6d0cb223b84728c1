/*
 * Writing of xlsx.h. Texts are inline strings, so that a row can be streamed as it comes; the
 * sheet is the last part of the package and its length need not be known.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/number_text.h"
#include "format/utf8.h"
#include "format/xlsx_package.h"

#define TEXT_UNITS_MAX 32767
/* 1900-03-01 and 10000-01-01: outside, the serial numbers mean other days to other programs. */
#define EPOCH_MS_FIRST INT64_C(-2203891200000)
#define EPOCH_MS_LAST INT64_C(253402300800000)
#define DAY_MS 86400000
/* "XFD1048576", with room for any int64. */
#define PLACE_SIZE 32

/* Cell formats, by their place in cellXfs. */
enum { STYLE_PLAIN = 0, STYLE_DAY = 1, STYLE_TIME = 2 };

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define OOXML "http://schemas.openxmlformats.org/"
#define RELATIONS XML_HEAD "<Relationships xmlns=\"" OOXML "package/2006/relationships\">"
#define RELATION(id, kind, target)                                                                 \
    "<Relationship Id=\"" id "\" Type=\"" OOXML "officeDocument/2006/relationships/" kind          \
    "\" Target=\"" target "\"/>"
#define SHEET_TYPE "application/vnd.openxmlformats-officedocument.spreadsheetml."

static const char content_types[] = XML_HEAD
    "<Types xmlns=\"" OOXML "package/2006/content-types\">"
    "<Default Extension=\"rels\" "
    "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
    "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
    "<Override PartName=\"/xl/workbook.xml\" ContentType=\"" SHEET_TYPE "sheet.main+xml\"/>"
    "<Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"" SHEET_TYPE "worksheet+xml\"/>"
    "<Override PartName=\"/xl/styles.xml\" ContentType=\"" SHEET_TYPE "styles+xml\"/>"
    "</Types>";

static const char package_relations[] =
    RELATIONS RELATION("rId1", "officeDocument", "xl/workbook.xml") "</Relationships>";

static const char workbook_relations[] =
    RELATIONS RELATION("rId1", "worksheet", "worksheets/sheet1.xml")
        RELATION("rId2", "styles", "styles.xml") "</Relationships>";

static const char styles[] = XML_HEAD
    "<styleSheet xmlns=\"" OOXML "spreadsheetml/2006/main\">"
    "<numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\"/>"
    "<numFmt numFmtId=\"165\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts>"
    "<fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>"
    "<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>"
    "<fill><patternFill patternType=\"gray125\"/></fill></fills>"
    "<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
    "<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/>"
    "</cellStyleXfs><cellXfs count=\"3\">"
    "<xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>"
    "<xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" "
    "applyNumberFormat=\"1\"/>"
    "<xf numFmtId=\"165\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" "
    "applyNumberFormat=\"1\"/>"
    "</cellXfs><cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/>"
    "</cellStyles></styleSheet>";

struct mq_xlsx_writer {
    struct mq_archive_writer *archive;
    struct mq_writer *sheet;
    int64_t row;
    bool finished;
};

/* ---- texts ------------------------------------------------------------------------------ */

/* Whether a literal "_xHHHH_" stands here, which a reader would take for an escape. */
static bool
looks_escaped(const char *p, const char *end)
{
    if (end - p < 7 || p[0] != '_' || p[1] != 'x' || p[6] != '_')
        return false;
    for (int i = 2; i < 6; i++) {
        if (strchr("0123456789abcdefABCDEF", p[i]) == NULL || p[i] == '\0')
            return false;
    }
    return true;
}

/* XML cannot hold most control characters, nor these two code points. */
static bool
xml_cannot_hold(const char *p, size_t length)
{
    unsigned char c = (unsigned char)*p;
    return (c < 32 && c != '\t' && c != '\n') ||
           (length == 3 &&
            (memcmp(p, "\xef\xbf\xbe", 3) == 0 || memcmp(p, "\xef\xbf\xbf", 3) == 0));
}

/* @param where for the message: "B7" or "sheet name" */
static enum mq_status
put_text(struct mq_writer *out, const char *text, size_t size, const char *where,
         struct mq_error *err)
{
    int64_t units = 0;
    const char *p = text, *end = text + size, *plain = text;
    while (p < end) {
        size_t length = mq_utf8_character(p, (size_t)(end - p));
        if (length == 0)
            return mq_fail(err, MQ_E_RANGE, "%s: the text is not UTF-8 at byte %td", where,
                           p - text);
        units += length == 4 ? 2 : 1;
        if (units > TEXT_UNITS_MAX)
            return mq_fail(err, MQ_E_RANGE, "%s: the text is longer than %d characters", where,
                           TEXT_UNITS_MAX);
        char escape[16] = "";
        if (*p == '&')
            strcpy(escape, "&amp;");
        else if (*p == '<')
            strcpy(escape, "&lt;");
        else if (*p == '>')
            strcpy(escape, "&gt;");
        else if (*p == '"')
            strcpy(escape, "&quot;");
        else if (looks_escaped(p, end))
            strcpy(escape, "_x005F_");
        else if (xml_cannot_hold(p, length))
            snprintf(escape, sizeof(escape), "_x%04X_",
                     length == 3 ? 0xff00u | (unsigned)(0xfe + (p[2] == '\xbf'))
                                 : (unsigned)(unsigned char)*p);
        if (escape[0] != '\0') {
            enum mq_status st = mq_writer_put(out, plain, (size_t)(p - plain), err);
            if (st == MQ_OK)
                st = mq_writer_put(out, escape, strlen(escape), err);
            if (st != MQ_OK)
                return st;
            plain = p + length;
        }
        p += length;
    }
    return mq_writer_put(out, plain, (size_t)(end - plain), err);
}

/* ---- parts ------------------------------------------------------------------------------ */

static enum mq_status
put_workbook(struct mq_archive_writer *archive, const char *sheet, struct mq_error *err)
{
    struct mq_buffer xml = {0};
    struct mq_writer *out = NULL;
    enum mq_status st = mq_writer_to_buffer(&xml, &out, err);
    if (st == MQ_OK)
        st = mq_writer_printf(out, err, "%s",
                              XML_HEAD "<workbook xmlns=\"" OOXML "spreadsheetml/2006/main\" "
                                       "xmlns:r=\"" OOXML "officeDocument/2006/relationships\">"
                                       "<sheets><sheet name=\"");
    if (st == MQ_OK)
        st = put_text(out, sheet, strlen(sheet), "sheet name", err);
    if (st == MQ_OK)
        st = mq_writer_printf(out, err, "%s",
                              "\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>");
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_writer_close(out);
    if (st == MQ_OK)
        st = mq_archive_put(archive, "xl/workbook.xml", xml.data, xml.size, err);
    mq_buffer_release(&xml);
    return st;
}

static enum mq_status
put_parts(struct mq_xlsx_writer *xlsx, const char *sheet, struct mq_error *err)
{
    struct mq_archive_writer *a = xlsx->archive;
    enum mq_status st;
    if ((st = mq_archive_put(a, "[Content_Types].xml", content_types, sizeof(content_types) - 1,
                             err)) != MQ_OK ||
        (st = mq_archive_put(a, "_rels/.rels", package_relations, sizeof(package_relations) - 1,
                             err)) != MQ_OK ||
        (st = put_workbook(a, sheet, err)) != MQ_OK ||
        (st = mq_archive_put(a, "xl/_rels/workbook.xml.rels", workbook_relations,
                             sizeof(workbook_relations) - 1, err)) != MQ_OK ||
        (st = mq_archive_put(a, "xl/styles.xml", styles, sizeof(styles) - 1, err)) != MQ_OK ||
        (st = mq_archive_entry_writer(a, "xl/worksheets/sheet1.xml", -1, &xlsx->sheet, err)) !=
            MQ_OK)
        return st;
    return mq_writer_printf(xlsx->sheet, err, "%s",
                            XML_HEAD "<worksheet xmlns=\"" OOXML
                                     "spreadsheetml/2006/main\"><sheetData>");
}

enum mq_status
mq_xlsx_writer_new(struct mq_writer *writer, const char *sheet, struct mq_xlsx_writer **ret_xlsx,
                   struct mq_error *err)
{
    size_t characters = 0;
    for (const char *p = sheet; *p != '\0'; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    if (characters < 1 || characters > 31 || strpbrk(sheet, "[]:*?/\\") != NULL ||
        !mq_utf8_valid(sheet, strlen(sheet)))
        return mq_fail(err, MQ_E_RANGE,
                       "sheet name '%s' (allowed: 1 to 31 characters without []:*?/\\)", sheet);
    struct mq_xlsx_writer *xlsx = calloc(1, sizeof(*xlsx));
    if (xlsx == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer of '%s'", writer->name);
    enum mq_status st = mq_archive_writer_new(writer, MQ_ARCHIVE_ZIP, &xlsx->archive, err);
    if (st == MQ_OK)
        st = put_parts(xlsx, sheet, err);
    if (st != MQ_OK) {
        mq_xlsx_writer_free(xlsx);
        return st;
    }
    *ret_xlsx = xlsx;
    return MQ_OK;
}

void
mq_xlsx_writer_free(struct mq_xlsx_writer *xlsx)
{
    if (xlsx == NULL)
        return;
    mq_writer_close(xlsx->sheet);
    mq_archive_writer_free(xlsx->archive);
    free(xlsx);
}

/* ---- rows ------------------------------------------------------------------------------- */

static void
cell_place(size_t column, int64_t row, char ret_place[PLACE_SIZE])
{
    char letters[4];
    int n = 0;
    for (size_t c = column + 1; c > 0 && n < 3; c = (c - 1) / 26)
        letters[n++] = (char)('A' + (c - 1) % 26);
    for (int i = 0; i < n; i++)
        ret_place[i] = letters[n - 1 - i];
    snprintf(ret_place + n, (size_t)(PLACE_SIZE - n), "%lld", (long long)row);
}

static void
number_text(double number, char ret_text[MQ_REAL_TEXT_SIZE])
{
    if (number == trunc(number) && fabs(number) < 1e15)
        snprintf(ret_text, MQ_REAL_TEXT_SIZE, "%.0f", number == 0 ? 0.0 : number);
    else
        mq_real_text(number, ret_text);
}

static enum mq_status
put_cell(struct mq_writer *out, const struct mq_xlsx_cell *cell, const char *place,
         struct mq_error *err)
{
    char number[MQ_REAL_TEXT_SIZE];
    enum mq_status st = MQ_OK;
    switch (cell->kind) {
    case MQ_XLSX_EMPTY:
        return MQ_OK;
    case MQ_XLSX_TEXT:
        st = mq_writer_printf(out, err,
                              "<c r=\"%s\" t=\"inlineStr\"><is><t xml:space=\"preserve\">", place);
        if (st == MQ_OK)
            st = put_text(out, cell->text, cell->text_size, place, err);
        return st == MQ_OK ? mq_writer_printf(out, err, "</t></is></c>") : st;
    case MQ_XLSX_NUMBER:
        if (!isfinite(cell->number))
            return mq_fail(err, MQ_E_RANGE, "%s: %g is no number that a workbook can hold", place,
                           cell->number);
        number_text(cell->number, number);
        return mq_writer_printf(out, err, "<c r=\"%s\"><v>%s</v></c>", place, number);
    case MQ_XLSX_BOOL:
        return mq_writer_printf(out, err, "<c r=\"%s\" t=\"b\"><v>%d</v></c>", place,
                                cell->number != 0);
    case MQ_XLSX_DATE:
        if (cell->epoch_ms < EPOCH_MS_FIRST || cell->epoch_ms >= EPOCH_MS_LAST)
            return mq_fail(err, MQ_E_RANGE,
                           "%s: the date %lld ms lies outside 1900-03-01 to 9999-12-31", place,
                           (long long)cell->epoch_ms);
        number_text(mq_xlsx_epoch_to_serial(cell->epoch_ms), number);
        return mq_writer_printf(out, err, "<c r=\"%s\" s=\"%d\"><v>%s</v></c>", place,
                                cell->epoch_ms % DAY_MS == 0 ? STYLE_DAY : STYLE_TIME, number);
    case MQ_XLSX_ERROR:
        st = mq_writer_printf(out, err, "<c r=\"%s\" t=\"e\"><v>", place);
        if (st == MQ_OK)
            st = put_text(out, cell->text, cell->text_size, place, err);
        return st == MQ_OK ? mq_writer_printf(out, err, "</v></c>") : st;
    }
    return mq_fail(err, MQ_E_RANGE, "%s: a cell of kind %d", place, (int)cell->kind);
}

enum mq_status
mq_xlsx_write_row(struct mq_xlsx_writer *xlsx, const struct mq_xlsx_cell *cells, size_t count,
                  struct mq_error *err)
{
    if (xlsx->finished || xlsx->row == MQ_XLSX_ROWS_MAX || count > MQ_XLSX_COLUMNS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot add a row of %zu cells after row %lld (allowed: %d cells, %d rows)",
                       count, (long long)xlsx->row, MQ_XLSX_COLUMNS_MAX, MQ_XLSX_ROWS_MAX);
    int64_t row = ++xlsx->row;
    enum mq_status st = mq_writer_printf(xlsx->sheet, err, "<row r=\"%lld\">", (long long)row);
    for (size_t i = 0; i < count && st == MQ_OK; i++) {
        char place[PLACE_SIZE];
        cell_place(i, row, place);
        st = put_cell(xlsx->sheet, &cells[i], place, err);
    }
    return st == MQ_OK ? mq_writer_printf(xlsx->sheet, err, "</row>") : st;
}

enum mq_status
mq_xlsx_writer_finish(struct mq_xlsx_writer *xlsx, struct mq_error *err)
{
    if (xlsx->finished)
        return mq_fail(err, MQ_E_USAGE, "the workbook is finished already");
    enum mq_status st = mq_writer_printf(xlsx->sheet, err, "</sheetData></worksheet>");
    if (st == MQ_OK)
        st = mq_writer_commit(xlsx->sheet, err);
    mq_writer_close(xlsx->sheet);
    xlsx->sheet = NULL;
    xlsx->finished = true;
    return st == MQ_OK ? mq_archive_writer_finish(xlsx->archive, err) : st;
}
