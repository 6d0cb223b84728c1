/**
 * Separated text: a streaming reader for CSV, TSV and separators of several characters ("::",
 * "_!_").
 *
 * Grammar: RFC 4180 where quotes are read, with LF, CRLF or CR-less last line, a UTF-8 byte-order
 * mark skipped, quoted fields that may hold separators and line ends. Empty lines are skipped.
 * Bytes are not decoded; a NUL byte makes a line bad. Memory: one line, at most `line_limit`.
 * Speed: several hundred MB/s. Threads: one reader, one thread at a time.
 *
 * See docs/formats/csv.md.
 */
#ifndef MQ_FORMAT_CSV_READER_H
#define MQ_FORMAT_CSV_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"

/** Longest separator in bytes. */
#define MQ_CSV_SEPARATOR_MAX 8
/** Default and largest bytes of one record. */
#define MQ_CSV_LINE_DEFAULT ((size_t)1 << 20)
#define MQ_CSV_LINE_MAX ((size_t)64 << 20)
/** Fields of one record. */
#define MQ_CSV_FIELDS_MAX 4096

/** How quotes are read. */
enum mq_csv_quotes {
    MQ_CSV_QUOTES_STRICT = 0, /**< a field that starts with a quote must be well quoted */
    MQ_CSV_QUOTES_LENIENT, /**< one that is not well quoted is taken literally, within its line */
    MQ_CSV_QUOTES_NONE     /**< a quote is a character like others */
};

/** What to do with a line that cannot be read. */
enum mq_csv_bad {
    MQ_CSV_BAD_FAIL = 0, /**< mq_csv_next fails, naming the line */
    MQ_CSV_BAD_SKIP      /**< count it, tell on_bad, go on */
};

/** A line that could not be read. @param text the line, borrowed, without its end */
typedef void (*mq_csv_bad_fn)(void *context, int64_t line, const char *reason, const char *text,
                              size_t size);

/** Zero fields stand for the defaults. Borrowed until mq_csv_reader_new returns. */
struct mq_csv_format {
    const char *separator; /**< 1…8 bytes; default "," */
    enum mq_csv_quotes quotes;
    bool backslash;    /**< inside quotes \" is a quote, \\ a backslash (Spark) */
    bool trim;         /**< take ASCII blanks off unquoted fields */
    size_t min_fields; /**< fewer make a line bad; 0: no bound */
    size_t max_fields; /**< more make it bad; 0: no bound */
    size_t line_limit; /**< default MQ_CSV_LINE_DEFAULT */
    enum mq_csv_bad bad;
    mq_csv_bad_fn on_bad; /**< may be NULL */
    void *on_bad_context;
};

struct mq_csv_field {
    const char *text; /**< NUL-terminated, unescaped */
    size_t size;
    bool quoted;
};

/** One record; everything is borrowed until the next call. */
struct mq_csv_row {
    const struct mq_csv_field *fields;
    size_t count;
    int64_t line; /**< number of its first line, from 1 */
};

struct mq_csv_reader;

/** @param reader borrowed until mq_csv_reader_free
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (separator empty, too long or holding quote or newline)
 */
enum mq_status mq_csv_reader_new(struct mq_reader *reader, const struct mq_csv_format *format,
                                 struct mq_csv_reader **ret_csv, struct mq_error *err);

/** NULL allowed. */
void mq_csv_reader_free(struct mq_csv_reader *csv);

/**
 * The next record.
 * @param ret_row count 0 and fields NULL at the end
 * @return MQ_OK | MQ_E_FORMAT (bad line under MQ_CSV_BAD_FAIL) | an error of the source
 */
enum mq_status mq_csv_next(struct mq_csv_reader *csv, struct mq_csv_row *ret_row,
                           struct mq_error *err);

/** Records given and bad lines met so far. */
int64_t mq_csv_rows(const struct mq_csv_reader *csv);
int64_t mq_csv_bad_lines(const struct mq_csv_reader *csv);

/** Number of a named column in a header row, ASCII case ignored; -1 when absent. */
int mq_csv_column(const struct mq_csv_row *header, const char *name);

/** Texts that stand for a missing value, besides the empty one; ends with NULL. */
extern const char *const mq_csv_missing_words[];

/** Whether a text stands for a missing value once trimmed: empty, nan, NaN, NA, N/A, null, NULL,
 * #N/A, "" or ''. */
bool mq_csv_is_missing(const char *text, size_t size);

/** Whole field as a number; false when empty, trailed by other text or out of range. */
bool mq_csv_parse_int(const char *text, size_t size, int64_t *ret_int);
/** As above; accepts no "nan", "inf" or hexadecimal. The decimal point is '.' in every locale. */
bool mq_csv_parse_real(const char *text, size_t size, double *ret_real);

#endif
