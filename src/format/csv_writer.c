#include "format/csv_writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/number_text.h"

enum mq_status
mq_csv_writer_init(struct mq_csv_writer *csv, struct mq_writer *out, const char *separator,
                   enum mq_csv_quoting quoting, struct mq_error *err)
{
    size_t size = strlen(separator);
    if (size == 0 || size > MQ_CSV_SEPARATOR_MAX || strpbrk(separator, "\"\r\n") != NULL)
        return mq_fail(err, MQ_E_RANGE,
                       "separator '%s' must have 1 to %d bytes, without quotes and line ends",
                       separator, MQ_CSV_SEPARATOR_MAX);
    *csv = (struct mq_csv_writer){.out = out, .separator_size = size, .quoting = quoting};
    memcpy(csv->separator, separator, size);
    return MQ_OK;
}

static void
write_bytes(struct mq_csv_writer *csv, const void *bytes, size_t size)
{
    if (csv->failure == MQ_OK)
        csv->failure = mq_writer_put(csv->out, bytes, size, &csv->error);
}

/*
 * Whether a reader that looks for the first separator would cut the field short. A separator of
 * several bytes may also arise across the field's end: "a_!" before "_!_" reads "a", "!_…".
 */
static bool
hides_separator(const struct mq_csv_writer *csv, const char *text, size_t size)
{
    size_t n = csv->separator_size;
    if (n == 1)
        return memchr(text, csv->separator[0], size) != NULL;
    if (memmem(text, size, csv->separator, n) != NULL)
        return true;
    for (size_t tail = 1; tail < n && tail <= size; tail++) {
        /* The last `tail` bytes of the field followed by the start of the separator. */
        if (memcmp(text + size - tail, csv->separator, tail) == 0 &&
            memcmp(csv->separator, csv->separator + tail, n - tail) == 0)
            return true;
    }
    return false;
}

static bool
holds_line_end(const char *text, size_t size)
{
    return memchr(text, '\n', size) != NULL || memchr(text, '\r', size) != NULL;
}

static bool
needs_quotes(const struct mq_csv_writer *csv, const char *text, size_t size)
{
    if (size == 0)
        return false;
    char first = text[0], last = text[size - 1];
    bool mark =
        csv->rows == 0 && csv->fields == 0 && size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    bool quote = csv->separator_size == 1 ? memchr(text, '"', size) != NULL : first == '"';
    return quote || mark || first == ' ' || first == '\t' || last == ' ' || last == '\t' ||
           holds_line_end(text, size) || hides_separator(csv, text, size);
}

static void
write_quoted(struct mq_csv_writer *csv, const char *text, size_t size)
{
    bool backslash = csv->quoting == MQ_CSV_WRITE_BACKSLASH;
    write_bytes(csv, "\"", 1);
    size_t begin = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' || (backslash && text[i] == '\\')) {
            write_bytes(csv, text + begin, i - begin);
            write_bytes(csv, backslash ? "\\" : "\"", 1);
            begin = i;
        }
    }
    write_bytes(csv, text + begin, size - begin);
    write_bytes(csv, "\"", 1);
}

static void
refuse(struct mq_csv_writer *csv, const char *text, size_t size, const char *why)
{
    if (csv->failure == MQ_OK)
        csv->failure =
            mq_fail(&csv->error, MQ_E_RANGE, "cannot write '%s': row %lld, field %zu '%.*s' %s",
                    csv->out->name, (long long)csv->rows + 1, csv->fields + 1,
                    (int)(size < 100 ? size : 100), text, why);
}

void
mq_csv_put(struct mq_csv_writer *csv, const char *text, size_t size)
{
    if (csv->fields > 0)
        write_bytes(csv, csv->separator, csv->separator_size);
    if (size > 0 && memchr(text, '\0', size) != NULL)
        refuse(csv, "", 0, "holds a NUL byte");
    else if (csv->quoting == MQ_CSV_WRITE_PLAIN && size > 0 &&
             (hides_separator(csv, text, size) || holds_line_end(text, size)))
        refuse(csv, text, size, "holds the separator or a line end, and quotes are not allowed");
    else if (csv->quoting != MQ_CSV_WRITE_PLAIN && needs_quotes(csv, text, size))
        write_quoted(csv, text, size);
    else
        write_bytes(csv, text, size);
    /* A row of one empty field would be an empty line, which readers skip: see end_row. */
    csv->row_bytes += size;
    csv->fields++;
}

void
mq_csv_put_text(struct mq_csv_writer *csv, const char *text)
{
    mq_csv_put(csv, text, strlen(text));
}

void
mq_csv_put_int(struct mq_csv_writer *csv, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)value);
    mq_csv_put(csv, text, (size_t)n);
}

void
mq_csv_put_real(struct mq_csv_writer *csv, double value)
{
    char text[MQ_REAL_TEXT_SIZE];
    size_t n = isnan(value) ? 0 : mq_real_text(value, text);
    mq_csv_put(csv, text, n);
}

void
mq_csv_end_row(struct mq_csv_writer *csv)
{
    if (csv->fields == 1 && csv->row_bytes == 0) {
        if (csv->quoting == MQ_CSV_WRITE_PLAIN) {
            csv->fields = 0;
            refuse(csv, "", 0, "is the only one and empty, and quotes are not allowed");
        }
        write_bytes(csv, "\"\"", 2);
    }
    write_bytes(csv, "\n", 1);
    csv->rows++;
    csv->fields = 0;
    csv->row_bytes = 0;
}

enum mq_status
mq_csv_finish(struct mq_csv_writer *csv, struct mq_error *err)
{
    if (csv->failure != MQ_OK && err != NULL)
        *err = csv->error;
    return csv->failure;
}
