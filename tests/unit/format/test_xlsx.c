#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/archive.h"
#include "format/xlsx.h"

static enum mq_status
open_bytes(const void *bytes, size_t size, const char *sheet, struct mq_xlsx **xlsx,
           struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_memory(bytes, size, "book", &reader, err);
    assert_int_equal(st, MQ_OK);
    st = mq_xlsx_open(reader, sheet, xlsx, err);
    mq_reader_close(reader);
    return st;
}

/* A package by hand: the sheet's rows, and whatever else it needs. */
static void
make_package(struct mq_buffer *buffer, const char *rows, const char *strings, const char *styles,
             const char *workbook)
{
    static const char relations[] =
        "<Relationships>"
        "<Relationship Id='rId9' Type='x/worksheet' Target='/xl/sheets/one.xml'/>"
        "<Relationship Id='rId8' Type='x/worksheet' Target='../xl/sheets/two.xml'/>"
        "<Relationship Id='rId7' Type='x/chartsheet' Target='sheets/chart.xml'/>"
        "<Relationship Id='rId1' Type='x/sharedStrings' Target='strings.xml'/>"
        "<Relationship Id='rId2' Type='x/styles' Target='styles.xml'/>"
        "<Relationship Id='rId3' Type='x/worksheet' Target='http://x' TargetMode='External'/>"
        "</Relationships>";
    if (workbook == NULL)
        workbook = "<w:workbook xmlns:w='w' xmlns:r='r'><w:sheets>"
                   "<w:sheet name='Chart' r:id='rId7'/><w:sheet name='One' r:id='rId9'/>"
                   "<w:sheet name='Two' r:id='rId8'/></w:sheets></w:workbook>";
    struct mq_error err = {0};
    struct mq_writer *writer;
    struct mq_archive_writer *ar;
    mq_buffer_reset(buffer);
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_archive_writer_new(writer, MQ_ARCHIVE_ZIP, &ar, &err));
    check_ok(mq_archive_put(ar, "xl/workbook.xml", workbook, strlen(workbook), &err));
    check_ok(mq_archive_put(ar, "xl/_rels/workbook.xml.rels", relations, strlen(relations), &err));
    struct mq_buffer sheet = {0};
    check_ok(
        mq_buffer_printf(&sheet, &err, "<worksheet><sheetData>%s</sheetData></worksheet>", rows));
    check_ok(mq_archive_put(ar, "xl/sheets/one.xml", sheet.data, sheet.size, &err));
    mq_buffer_release(&sheet);
    static const char two[] = "<worksheet><sheetData><row><c t='str'><v>two</v></c></row>"
                              "</sheetData></worksheet>";
    check_ok(mq_archive_put(ar, "xl/sheets/two.xml", two, sizeof(two) - 1, &err));
    if (strings != NULL)
        check_ok(mq_archive_put(ar, "xl/strings.xml", strings, strlen(strings), &err));
    if (styles != NULL)
        check_ok(mq_archive_put(ar, "xl/styles.xml", styles, strlen(styles), &err));
    check_ok(mq_archive_writer_finish(ar, &err));
    mq_archive_writer_free(ar);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

/* Open and read all rows; the status of the first failure. */
static enum mq_status
read_through(const void *bytes, size_t size, struct mq_error *err)
{
    struct mq_xlsx *xlsx;
    enum mq_status st = open_bytes(bytes, size, NULL, &xlsx, err);
    if (st != MQ_OK)
        return st;
    const struct mq_xlsx_cell *cells;
    size_t count;
    int64_t row;
    do
        st = mq_xlsx_next_row(xlsx, &cells, &count, &row, err);
    while (st == MQ_OK && cells != NULL);
    mq_xlsx_close(xlsx);
    return st;
}

static void
cells_of_every_kind_are_read(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    make_package(
        &buffer,
        "<row r='2'><c r='B2' t='s'><v>1</v></c><c r='C2' t='s'><v> 0 </v></c>"
        "<c t='inlineStr'><is><t>in</t><rPh><t>no</t></rPh><r><t>line</t></r></is></c>"
        "<c r='E2' t='b'><v>1</v></c><c r='F2' t='e'><v>#N/A</v></c></row>"
        "<row/>"
        "<row r='7'><c s='1'><v>2.5</v></c><c s='2'><v>44000.5</v></c><c s='3'><v>44000.5</v></c>"
        "<c s='99'><v>1e3</v></c><c s='1'/><c t='d'><v>2020-06-18T12:00:00</v></c>"
        "<c t='str'><f>A1&amp;B1</f><v>_x0041_b_x00zz_</v></c><c s='2'><v>-3</v></c></row>",
        "<sst><si><t>zero</t></si><si><r><t xml:space='preserve'>on</t></r><r><t>e </t></r>"
        "<rPh sb='0'><t>WAN</t></rPh></si></sst>",
        "<styleSheet><numFmts><numFmt numFmtId='170' formatCode='0.0\"days\"'/>"
        "<numFmt numFmtId='171' formatCode='[$-409]d/m/yy;@'/></numFmts>"
        "<cellStyleXfs><xf numFmtId='14'/></cellStyleXfs><cellXfs><xf numFmtId='0'/>"
        "<xf numFmtId='170'/><xf numFmtId='171'/><xf numFmtId='22'/></cellXfs></styleSheet>",
        NULL);
    struct mq_xlsx *xlsx;
    const struct mq_xlsx_cell *c;
    size_t count;
    int64_t row;
    check_ok(open_bytes(buffer.data, buffer.size, NULL, &xlsx, &err));
    assert_int_equal(mq_xlsx_sheet_count(xlsx), 3);
    assert_string_equal(mq_xlsx_sheet_name(xlsx, 2), "Two");
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_int_equal(row, 2);
    assert_int_equal(count, 6);
    assert_int_equal(c[0].kind, MQ_XLSX_EMPTY);
    assert_string_equal(c[0].text, "");
    assert_int_equal(c[1].kind, MQ_XLSX_TEXT);
    assert_string_equal(c[1].text, "one ");
    assert_int_equal(c[1].text_size, 4);
    assert_string_equal(c[2].text, "zero");
    assert_string_equal(c[3].text, "inline");
    assert_int_equal(c[4].kind, MQ_XLSX_BOOL);
    assert_true(c[4].number == 1);
    assert_int_equal(c[5].kind, MQ_XLSX_ERROR);
    assert_string_equal(c[5].text, "#N/A");
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_int_equal(row, 3);
    assert_int_equal(count, 0);
    assert_non_null(c);
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_int_equal(row, 7);
    assert_int_equal(count, 8);
    assert_int_equal(c[0].kind, MQ_XLSX_NUMBER);
    assert_string_equal(c[0].text, "2.5");
    assert_int_equal(c[1].kind, MQ_XLSX_DATE);
    assert_int_equal(c[1].epoch_ms, INT64_C(1592481600000)); /* 2020-06-18 12:00 */
    assert_int_equal(c[2].kind, MQ_XLSX_DATE);
    assert_int_equal(c[3].kind, MQ_XLSX_NUMBER);
    assert_int_equal(c[4].kind, MQ_XLSX_EMPTY);
    assert_int_equal(c[5].kind, MQ_XLSX_DATE);
    assert_int_equal(c[5].epoch_ms, INT64_C(1592481600000));
    assert_string_equal(c[6].text, "Ab_x00zz_");
    assert_int_equal(c[7].kind, MQ_XLSX_NUMBER); /* before the first day */
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_null(c);
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_null(c);
    mq_xlsx_close(xlsx);
    /* The other sheet, and one that is not there. */
    check_ok(open_bytes(buffer.data, buffer.size, "Two", &xlsx, &err));
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_string_equal(c[0].text, "two");
    mq_xlsx_close(xlsx);
    check_fails(MQ_E_NOT_FOUND, open_bytes(buffer.data, buffer.size, "Three", &xlsx, &err));
    check_contains(err.message, "'Three'");
    check_contains(err.hint, "'One', 'Two'");
    mq_buffer_release(&buffer);
}

static void
dates_follow_the_workbooks_calendar(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    const char *styles = "<s><cellXfs><xf numFmtId='14'/></cellXfs></s>";
    const char *rows = "<row><c><v>1</v></c><c><v>59</v></c><c><v>61</v></c><c><v>25569</v></c>"
                       "<c><v>2958465.999</v></c><c><v>2958466</v></c></row>";
    struct {
        const char *properties;
        int64_t days[4];
    } calendars[] = {{"", {-25567, -25509, -25508, 0}},
                     {"<workbookPr date1904='1'/>", {-24106, -24048, -24046, 1462}}};
    for (int i = 0; i < 2; i++) {
        char workbook[200];
        snprintf(workbook, sizeof(workbook),
                 "<workbook>%s<sheets><sheet name='a' id='rId9'/></sheets></workbook>",
                 calendars[i].properties);
        make_package(&buffer, rows, NULL, styles, workbook);
        struct mq_xlsx *xlsx;
        const struct mq_xlsx_cell *c;
        size_t count;
        int64_t row;
        check_ok(open_bytes(buffer.data, buffer.size, NULL, &xlsx, &err));
        check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
        for (int k = 0; k < 4; k++) {
            assert_int_equal(c[k].kind, MQ_XLSX_DATE);
            assert_int_equal(c[k].epoch_ms, calendars[i].days[k] * 86400000);
        }
        assert_int_equal(c[4].kind, i == 0 ? MQ_XLSX_DATE : MQ_XLSX_NUMBER); /* year 10000 */
        assert_int_equal(c[5].kind, MQ_XLSX_NUMBER);
        mq_xlsx_close(xlsx);
    }
    mq_buffer_release(&buffer);
}

static void
hostile_sheets_are_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct {
        const char *rows, *message;
    } cases[] = {
        {"<row r='2'/><row r='2'/>", "row '2' after row 2"},
        {"<row r='0'/>", "row '0'"},
        {"<row r='1048577'/>", "row '1048577'"},
        {"<row r='x'/>", "row 'x'"},
        {"<row><c r='XFE1'/></row>", "no cell 'XFE1'"},
        {"<row><c r='AAAAAAAAAAAAAAAAAAAA1'/></row>", "no cell"},
        {"<row><c r='A2'/></row>", "no cell 'A2' in row 1"},
        {"<row><c r='12'/></row>", "no cell '12'"},
        {"<row><c r='XFD1'/><c/></row>", "no cell ''"},
        {"<row><c t='s'><v>1</v></c></row>", "'1' is no value"},
        {"<row><c t='s'><v>-1</v></c></row>", "'-1' is no value"},
        {"<row><c t='s'><v>x</v></c></row>", "'x' is no value"},
        {"<row><c t='b'><v>2</v></c></row>", "'2' is no value"},
        {"<row><c><v>nan</v></c></row>", "'nan' is no value"},
        {"<row><c t='d'><v>yesterday</v></c></row>", "'yesterday' is no value"},
        {"<row><c t='what'/></row>", "type 'what'"},
        {"<row><c></row>", "mismatched tag"},
        {"<row>\xff</row>", "not well-formed"},
        {"&bomb;", "undefined entity"},
    };
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        make_package(&buffer, cases[i].rows, "<sst><si><t>only</t></si></sst>", NULL, NULL);
        check_fails(MQ_E_FORMAT, read_through(buffer.data, buffer.size, &err));
        check_contains(err.message, "book");
        check_contains(err.message, cases[i].message);
    }
    /* Entities that expand, or name files. */
    make_package(&buffer, "", "<!DOCTYPE sst [<!ENTITY a 'aaaa'>]><sst><si><t>&a;</t></si></sst>",
                 NULL, NULL);
    check_fails(MQ_E_FORMAT, read_through(buffer.data, buffer.size, &err));
    check_contains(err.message, "document type");
    /* Nesting without end. */
    struct mq_buffer deep = {0};
    for (int i = 0; i < 1000; i++)
        check_ok(mq_buffer_append_text(&deep, "<a>", &err));
    make_package(&buffer, deep.data, NULL, NULL, NULL);
    check_fails(MQ_E_FORMAT, read_through(buffer.data, buffer.size, &err));
    check_contains(err.message, "nest deeper");
    /* A tag without end, a cell too long, a shared string too long. */
    mq_buffer_reset(&deep);
    check_ok(mq_buffer_append_text(&deep, "<row r='", &err));
    for (int i = 0; i < 300000; i++)
        check_ok(mq_buffer_append_text(&deep, "00000000", &err));
    make_package(&buffer, deep.data, NULL, NULL, NULL);
    check_fails(MQ_E_FORMAT, read_through(buffer.data, buffer.size, &err));
    check_contains(err.message, "one tag is longer");
    memcpy(deep.data, "<row><c>", 8);
    char *with = mq_strfmt("<row><c t='str'><v>%s</v></c></row>", deep.data + 8);
    make_package(&buffer, with, NULL, NULL, NULL);
    check_fails(MQ_E_RANGE, read_through(buffer.data, buffer.size, &err));
    free(with);
    with = mq_strfmt("<sst><si><t>%s</t></si></sst>", deep.data + 8);
    make_package(&buffer, "", with, NULL, NULL);
    check_fails(MQ_E_RANGE, read_through(buffer.data, buffer.size, &err));
    free(with);
    mq_buffer_release(&deep);
    mq_buffer_release(&buffer);
}

static void
what_is_no_workbook_is_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    check_fails(MQ_E_FORMAT, read_through("id,title\n1,x\n", 13, &err));
    check_contains(err.message, "no zip file");
    check_fails(MQ_E_FORMAT, read_through("", 0, &err));
    check_fails(MQ_E_UNSUPPORTED, read_through("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8, &err));
    check_contains(err.hint, "without a password");
    make_package(&buffer, "<row><c><v>1</v></c></row>", NULL, NULL, NULL);
    int refused = 0, tried = 0;
    for (size_t size = 4; size < buffer.size; size += 13, tried++)
        refused += read_through(buffer.data, size, &err) != MQ_OK;
    assert_int_equal(refused, tried);
    make_package(&buffer, "", NULL, NULL, "<workbook><sheets/></workbook>");
    check_fails(MQ_E_NOT_FOUND, read_through(buffer.data, buffer.size, &err));
    mq_buffer_release(&buffer);
}

static void
write_rows_of(struct mq_buffer *buffer, const struct mq_xlsx_cell *cells, size_t count, int rows)
{
    struct mq_error err = {0};
    struct mq_writer *writer;
    struct mq_xlsx_writer *xlsx;
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_xlsx_writer_new(writer, "Filme & mehr", &xlsx, &err));
    for (int i = 0; i < rows; i++)
        check_ok(mq_xlsx_write_row(xlsx, cells, count, &err));
    check_ok(mq_xlsx_writer_finish(xlsx, &err));
    mq_xlsx_writer_free(xlsx);
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static void
what_is_written_is_read(void **state)
{
    struct mq_error err = {0};
    const char odd[] = "a<b>&\"c\" _x0041_ \x01\r\n\t \xf0\x9f\x8e\xac\xef\xbf\xbf end ";
    const struct mq_xlsx_cell cells[] = {
        mq_xlsx_text(odd, sizeof(odd) - 1),
        {.kind = MQ_XLSX_EMPTY},
        mq_xlsx_number(0.1),
        mq_xlsx_number(-123456789012.0),
        mq_xlsx_number(5e-324),
        mq_xlsx_date(INT64_C(1592481600123)),
        mq_xlsx_date(INT64_C(-2203891200000)),
        {.kind = MQ_XLSX_BOOL, .number = 1},
        mq_xlsx_text("", 0),
        {.kind = MQ_XLSX_ERROR, .text = "#REF!", .text_size = 5},
    };
    enum { COUNT = MQ_COUNT(cells), ROWS = 300 };
    struct mq_buffer buffer = {0}, again = {0};
    write_rows_of(&buffer, cells, COUNT, ROWS);
    write_rows_of(&again, cells, COUNT, ROWS);
    assert_int_equal(buffer.size, again.size);
    assert_memory_equal(buffer.data, again.data, again.size);
    struct mq_xlsx *xlsx;
    const struct mq_xlsx_cell *c;
    size_t count;
    int64_t row;
    check_ok(open_bytes(buffer.data, buffer.size, "Filme & mehr", &xlsx, &err));
    for (int i = 0; i < ROWS; i++) {
        check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
        assert_int_equal(row, i + 1);
        assert_int_equal(count, COUNT);
        for (size_t k = 0; k < COUNT; k++) {
            assert_int_equal(c[k].kind, cells[k].kind);
            if (c[k].kind == MQ_XLSX_TEXT || c[k].kind == MQ_XLSX_ERROR) {
                assert_int_equal(c[k].text_size, cells[k].text_size);
                assert_memory_equal(c[k].text, cells[k].text, cells[k].text_size + 1);
            } else if (c[k].kind == MQ_XLSX_DATE) {
                assert_int_equal(c[k].epoch_ms, cells[k].epoch_ms);
            } else {
                assert_true(c[k].number == cells[k].number);
            }
        }
    }
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_null(c);
    mq_xlsx_close(xlsx);
    mq_buffer_release(&buffer);
    mq_buffer_release(&again);
}

static void
what_a_workbook_cannot_hold_is_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *writer;
    struct mq_xlsx_writer *xlsx;
    check_ok(mq_writer_to_buffer(&buffer, &writer, &err));
    check_fails(MQ_E_RANGE, mq_xlsx_writer_new(writer, "", &xlsx, &err));
    check_fails(MQ_E_RANGE, mq_xlsx_writer_new(writer, "a/b", &xlsx, &err));
    check_fails(MQ_E_RANGE,
                mq_xlsx_writer_new(writer, "12345678901234567890123456789012", &xlsx, &err));
    char *large = calloc(1, 32769);
    assert_non_null(large);
    memset(large, 'x', 32768);
    struct mq_xlsx_cell bad[] = {
        mq_xlsx_text(large, 32768),
        mq_xlsx_text("\xff", 1),
        mq_xlsx_number(NAN),
        mq_xlsx_number(INFINITY),
        mq_xlsx_date(INT64_C(-2203891200001)),
        mq_xlsx_date(INT64_C(253402300800000)),
    };
    for (size_t i = 0; i < MQ_COUNT(bad); i++) {
        check_ok(mq_xlsx_writer_new(writer, "s", &xlsx, &err));
        struct mq_xlsx_cell row[2] = {mq_xlsx_number(1), bad[i]};
        check_fails(MQ_E_RANGE, mq_xlsx_write_row(xlsx, row, 2, &err));
        check_contains(err.message, "B1: ");
        mq_xlsx_writer_free(xlsx);
    }
    check_ok(mq_xlsx_writer_new(writer, "s", &xlsx, &err));
    struct mq_xlsx_cell row[1] = {mq_xlsx_text(large, 32767)};
    check_ok(mq_xlsx_write_row(xlsx, row, 1, &err));
    check_fails(MQ_E_RANGE, mq_xlsx_write_row(xlsx, row, MQ_XLSX_COLUMNS_MAX + 1, &err));
    check_ok(mq_xlsx_writer_finish(xlsx, &err));
    check_fails(MQ_E_USAGE, mq_xlsx_writer_finish(xlsx, &err));
    mq_xlsx_writer_free(xlsx);
    mq_writer_close(writer);
    mq_buffer_release(&buffer);
    free(large);
}

static void
workbooks_of_openpyxl_are_read(void **state)
{
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/tests/golden/data/openpyxl.xlsx", getenv("MARQUEE_SOURCE"));
    struct mq_reader *reader;
    struct mq_xlsx *xlsx;
    const struct mq_xlsx_cell *c;
    size_t count;
    int64_t row;
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_xlsx_open(reader, "second sheet", &xlsx, &err));
    mq_reader_close(reader);
    int64_t rows[] = {1, 2, 3, 5, 6, 7, 8};
    for (size_t i = 0; i < MQ_COUNT(rows); i++) {
        check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
        assert_int_equal(row, rows[i]);
        if (row == 2)
            assert_string_equal(c[1].text, "caf\xc3\xa9 & <tea>");
        if (row == 5) {
            assert_int_equal(c[2].kind, MQ_XLSX_DATE);
            assert_int_equal(c[2].epoch_ms, INT64_C(1614834367000)); /* 2021-03-04 05:06:07 */
            assert_int_equal(c[4].kind, MQ_XLSX_NUMBER);
        }
        if (row == 6)
            assert_string_equal(c[0].text, "plain bold end");
    }
    check_ok(mq_xlsx_next_row(xlsx, &c, &count, &row, &err));
    assert_null(c);
    mq_xlsx_close(xlsx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_of_every_kind_are_read),
        cmocka_unit_test(dates_follow_the_workbooks_calendar),
        cmocka_unit_test(hostile_sheets_are_refused),
        cmocka_unit_test(what_is_no_workbook_is_refused),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_a_workbook_cannot_hold_is_refused),
        cmocka_unit_test(workbooks_of_openpyxl_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
