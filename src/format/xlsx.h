/**
 * Excel workbooks (.xlsx, ECMA-376): one sheet read as a stream of rows, or written as one.
 *
 * Reading: shared and inline strings (rich text is joined, phonetic hints left out), numbers,
 * booleans, formula results, errors; a number whose style is a date format becomes a date, in the
 * 1900 or 1904 system. The package is held in memory compressed, shared strings expanded; rows are
 * parsed one at a time. Document type declarations are refused, so no entity can expand.
 *
 * Limits: file MQ_XLSX_BYTES_MAX, expanded parts 4 GiB, shared strings MQ_XLSX_STRINGS_MAX bytes,
 * 16,384 columns and 1,048,576 rows (the format's own), a cell MQ_XLSX_CELL_MAX bytes, a row
 * MQ_XLSX_ROW_MAX bytes of text, nesting 64.
 *
 * Threads: one workbook, one thread at a time. Golden: tests/golden/xlsx_golden.py
 */
#ifndef MQ_FORMAT_XLSX_H
#define MQ_FORMAT_XLSX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"
#include "marquee/status.h"

#define MQ_XLSX_BYTES_MAX ((size_t)256 << 20)
#define MQ_XLSX_STRINGS_MAX ((size_t)512 << 20)
#define MQ_XLSX_COLUMNS_MAX 16384
#define MQ_XLSX_ROWS_MAX 1048576
#define MQ_XLSX_CELL_MAX ((size_t)1 << 20)
#define MQ_XLSX_ROW_MAX ((size_t)64 << 20)

enum mq_xlsx_kind {
    MQ_XLSX_EMPTY = 0,
    MQ_XLSX_TEXT,   /**< text */
    MQ_XLSX_NUMBER, /**< number; text is it as the file spells it */
    MQ_XLSX_BOOL,   /**< number is 0 or 1 */
    MQ_XLSX_DATE,   /**< epoch_ms (no time zone in the file: taken as UTC); number is the serial */
    MQ_XLSX_ERROR   /**< text is "#DIV/0!" and the like */
};

struct mq_xlsx_cell {
    enum mq_xlsx_kind kind;
    const char *text; /**< UTF-8, NUL-terminated, never NULL ("" where there is none) */
    size_t text_size;
    double number;
    int64_t epoch_ms;
};

/* ---- reading ---------------------------------------------------------------------------- */

struct mq_xlsx;

/**
 * Open a workbook and one of its sheets.
 * @param sheet name, or NULL for the first
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_NOT_FOUND (no such sheet; the message lists them)
 *         | MQ_E_RANGE (a limit) | MQ_E_UNSUPPORTED (encrypted, or the older .xls) | MQ_E_NOMEM
 */
enum mq_status mq_xlsx_open(struct mq_reader *reader, const char *sheet, struct mq_xlsx **ret_xlsx,
                            struct mq_error *err);
/** NULL allowed. */
void mq_xlsx_close(struct mq_xlsx *xlsx);

size_t mq_xlsx_sheet_count(const struct mq_xlsx *xlsx);
/** Names in the workbook's order. */
const char *mq_xlsx_sheet_name(const struct mq_xlsx *xlsx, size_t i);

/**
 * The next row that the file holds (rows without cells may be missing in it).
 * @param ret_cells [*ret_count] by column from A, gaps filled with MQ_XLSX_EMPTY; valid until the
 *                  next call; NULL at the end
 * @param ret_row   row number from 1, rising
 */
enum mq_status mq_xlsx_next_row(struct mq_xlsx *xlsx, const struct mq_xlsx_cell **ret_cells,
                                size_t *ret_count, int64_t *ret_row, struct mq_error *err);

/* ---- writing ---------------------------------------------------------------------------- */

struct mq_xlsx_writer;

/**
 * Start a workbook of one sheet on a stream, borrowed until mq_xlsx_writer_free.
 * @param sheet name, 1…31 characters without []:*?/\ , copied
 */
enum mq_status mq_xlsx_writer_new(struct mq_writer *writer, const char *sheet,
                                  struct mq_xlsx_writer **ret_xlsx, struct mq_error *err);
/** Without mq_xlsx_writer_finish before, the file is cut short. NULL allowed. */
void mq_xlsx_writer_free(struct mq_xlsx_writer *xlsx);

/**
 * Add a row. Texts must be UTF-8 of at most 32,767 UTF-16 units (Excel's limit); control
 * characters that XML cannot hold are written as _xHHHH_, as Excel does. Dates lie in
 * 1900-03-01…9999-12-31 and are stored to the millisecond. Numbers must be finite.
 * @return MQ_OK | MQ_E_RANGE (names the cell: "B7") | an error of the sink
 */
enum mq_status mq_xlsx_write_row(struct mq_xlsx_writer *xlsx, const struct mq_xlsx_cell *cells,
                                 size_t count, struct mq_error *err);

/** End the workbook. Does not commit the stream. */
enum mq_status mq_xlsx_writer_finish(struct mq_xlsx_writer *xlsx, struct mq_error *err);

static inline struct mq_xlsx_cell
mq_xlsx_text(const char *text, size_t size)
{
    return (struct mq_xlsx_cell){.kind = MQ_XLSX_TEXT, .text = text, .text_size = size};
}

static inline struct mq_xlsx_cell
mq_xlsx_number(double number)
{
    return (struct mq_xlsx_cell){.kind = MQ_XLSX_NUMBER, .text = "", .number = number};
}

static inline struct mq_xlsx_cell
mq_xlsx_date(int64_t epoch_ms)
{
    return (struct mq_xlsx_cell){.kind = MQ_XLSX_DATE, .text = "", .epoch_ms = epoch_ms};
}

#endif
