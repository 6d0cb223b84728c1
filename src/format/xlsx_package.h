/**
 * The inside of an open workbook: its parts, sheets, strings and styles. Internal to xlsx.
 */
#ifndef MQ_FORMAT_XLSX_PACKAGE_H
#define MQ_FORMAT_XLSX_PACKAGE_H

#include "base/arena.h"
#include "format/archive.h"
#include "format/xlsx.h"
#include "format/xml_events.h"

/** A part of the package that is being parsed. */
struct mq_xlsx_part {
    struct mq_archive_reader *archive;
    struct mq_reader *reader;
    struct mq_xml *xml;
};

struct mq_xlsx_sheet {
    const char *name, *relation;
};

/** What the rows of one sheet are read with. */
struct mq_xlsx_row_state {
    struct mq_xlsx_part part;
    struct mq_xlsx_cell *cells; /* [count] */
    size_t *places; /* [count] where a cell's text begins in texts, plus 1; 0: not there */
    size_t cells_capacity, places_capacity, count;
    struct mq_buffer texts; /* of the row; every text ends with NUL */
    int64_t row;
    size_t column;     /* of the cell that is open */
    size_t style;      /* of the cell that is open */
    char type;         /* of the cell: n s i(nlineStr) t(str) b e d */
    size_t text_begin; /* of the cell, in texts */
    int phonetic;      /* depth inside rPh */
    bool in_data, in_row, in_cell, in_value, ended;
};

struct mq_xlsx {
    char *name;
    struct mq_buffer bytes; /* the package as it is, compressed */
    struct mq_arena arena;
    struct mq_xlsx_sheet *sheets;
    size_t sheet_count, sheets_capacity;
    struct mq_buffer strings; /* all shared strings, each with a NUL */
    uint64_t *string_begin;   /* [string_count+1] */
    size_t string_count, string_capacity;
    uint8_t *style_is_date; /* [style_count] */
    size_t style_count, style_capacity;
    bool date_1904;
    struct mq_xlsx_row_state rows;
};

/** Open a part of the package for parsing. MQ_E_NOT_FOUND where there is none. */
enum mq_status mq_xlsx_part_open(struct mq_xlsx *xlsx, const char *path,
                                 const struct mq_xml_handlers *handlers, void *context,
                                 struct mq_xlsx_part *ret_part, struct mq_error *err);
void mq_xlsx_part_close(struct mq_xlsx_part *part);

/** Open the sheet's part; rows are read with mq_xlsx_next_row. */
enum mq_status mq_xlsx_rows_open(struct mq_xlsx *xlsx, const char *path, struct mq_error *err);
void mq_xlsx_rows_release(struct mq_xlsx *xlsx);

/** Undo _xHHHH_ in place (offset `begin` to the end of a text buffer without its NUL). */
void mq_xlsx_unescape(struct mq_buffer *text, size_t begin);

/** Whether a number format shows a date or a time of day (not a length of time). */
bool mq_xlsx_format_is_date(const char *format);
bool mq_xlsx_builtin_is_date(int64_t number_format);

/** Instant of a serial day number; false outside the years 1900…9999. */
bool mq_xlsx_serial_to_epoch(double serial, bool date_1904, int64_t *ret_epoch_ms);
/** Serial day number of an instant in the 1900 system. */
double mq_xlsx_epoch_to_serial(int64_t epoch_ms);

#endif
