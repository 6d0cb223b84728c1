/**
 * Separated text: a writer whose output mq_csv_reader reads back field for field.
 *
 * Fields that need it are quoted (a separator, quote, line end or blank edge within); others are
 * written as they are, so the original system's readers, which never unquote, read them too.
 * The put functions keep the first failure, mq_csv_finish reports it. Lines end in LF.
 * Threads: one writer, one thread at a time.
 */
#ifndef MQ_FORMAT_CSV_WRITER_H
#define MQ_FORMAT_CSV_WRITER_H

#include "base/stream.h"
#include "format/csv_reader.h"

/** How fields with special characters are written. */
enum mq_csv_quoting {
    MQ_CSV_WRITE_QUOTED = 0, /**< RFC 4180: quotes around, quotes within doubled */
    MQ_CSV_WRITE_BACKSLASH,  /**< as Spark: quotes around, \" and \\ within */
    MQ_CSV_WRITE_PLAIN       /**< never quoted; a field that cannot be told apart is refused */
};

struct mq_csv_writer {
    struct mq_writer *out; /**< borrowed */
    char separator[MQ_CSV_SEPARATOR_MAX + 1];
    size_t separator_size;
    enum mq_csv_quoting quoting;
    int64_t rows;     /**< finished rows */
    size_t fields;    /**< fields of the row at hand */
    size_t row_bytes; /* their bytes */
    enum mq_status failure;
    struct mq_error error;
};

/** @param separator copied, 1…8 bytes
 * @return MQ_OK | MQ_E_RANGE (separator empty, too long or holding quote or newline) */
enum mq_status mq_csv_writer_init(struct mq_csv_writer *csv, struct mq_writer *out,
                                  const char *separator, enum mq_csv_quoting quoting,
                                  struct mq_error *err);

void mq_csv_put(struct mq_csv_writer *csv, const char *text, size_t size);
/** mq_csv_put of a NUL-terminated text. */
void mq_csv_put_text(struct mq_csv_writer *csv, const char *text);
void mq_csv_put_int(struct mq_csv_writer *csv, int64_t value);
/** Shortest text that reads back as the same double; "" for NaN. */
void mq_csv_put_real(struct mq_csv_writer *csv, double value);
void mq_csv_end_row(struct mq_csv_writer *csv);

/** Report the first failure. Does not commit `out`.
 * @return MQ_OK | an error of the sink | MQ_E_RANGE (a field that PLAIN cannot write) */
enum mq_status mq_csv_finish(struct mq_csv_writer *csv, struct mq_error *err);

#endif
