/*
 * A record is found in two passes over the buffered line: the first marks where fields begin and
 * end and may meet a bad line, whose text must still be whole for the report; the second
 * unescapes in place and puts the terminating NULs over separators and quotes.
 */
#include "format/csv_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "format/number_text.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define NO_PLACE SIZE_MAX

/* Places are offsets into the buffer, which may move while a quoted field is extended. */
struct span {
    size_t begin, end;
    bool quoted;
};

struct mq_csv_reader {
    struct mq_reader *source;
    char separator[MQ_CSV_SEPARATOR_MAX + 1];
    size_t separator_size;
    struct mq_csv_format format;

    char *buffer;
    size_t capacity;
    size_t begin, end; /* unread bytes */
    bool at_end;       /* the source has no more */
    bool started;

    int64_t line; /* number of the line at `begin` */
    int64_t rows, bad_lines;

    struct span *spans;
    struct mq_csv_field *fields;
    size_t spans_capacity, fields_capacity;
    size_t field_count;
};

enum mq_status
mq_csv_reader_new(struct mq_reader *reader, const struct mq_csv_format *format,
                  struct mq_csv_reader **ret_csv, struct mq_error *err)
{
    static const struct mq_csv_format defaults = {0};
    if (format == NULL)
        format = &defaults;
    const char *separator = format->separator != NULL ? format->separator : ",";
    size_t size = strlen(separator);
    if (size == 0 || size > MQ_CSV_SEPARATOR_MAX || strpbrk(separator, "\"\r\n") != NULL)
        return mq_fail(err, MQ_E_RANGE,
                       "separator '%s' must have 1 to %d bytes, without quotes and line ends",
                       separator, MQ_CSV_SEPARATOR_MAX);
    size_t limit = format->line_limit != 0 ? format->line_limit : MQ_CSV_LINE_DEFAULT;
    if (limit > MQ_CSV_LINE_MAX)
        return mq_fail(err, MQ_E_RANGE, "line limit %zu is above the allowed %zu", limit,
                       MQ_CSV_LINE_MAX);
    struct mq_csv_reader *csv = calloc(1, sizeof(*csv));
    if (csv == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a CSV reader");
    csv->source = reader;
    csv->format = *format;
    csv->format.separator = NULL;
    csv->format.line_limit = limit;
    memcpy(csv->separator, separator, size);
    csv->separator_size = size;
    csv->line = 1;
    *ret_csv = csv;
    return MQ_OK;
}

void
mq_csv_reader_free(struct mq_csv_reader *csv)
{
    if (csv == NULL)
        return;
    free(csv->buffer);
    free(csv->spans);
    free(csv->fields);
    free(csv);
}

/* Append more of the source; *ret_shift is what all offsets moved down by. */
static enum mq_status
refill(struct mq_csv_reader *csv, size_t *ret_shift, struct mq_error *err)
{
    *ret_shift = csv->begin;
    size_t kept = csv->end - csv->begin;
    if (csv->begin > 0 && kept > 0)
        memmove(csv->buffer, csv->buffer + csv->begin, kept);
    csv->begin = 0;
    csv->end = kept;
    enum mq_status st = mq_grow(&csv->buffer, &csv->capacity, kept + CHUNK_BYTES + 1, 1, err);
    if (st != MQ_OK)
        return st;
    size_t got;
    st = mq_reader_some(csv->source, csv->buffer + kept, CHUNK_BYTES, &got, err);
    if (st != MQ_OK)
        return st;
    csv->end += got;
    csv->at_end = got < CHUNK_BYTES;
    return MQ_OK;
}

/*
 * Place of the first line end at or after `from`, `end` where the text ends without one, or
 * NO_PLACE where the record would pass the limit. Offsets stay valid relative to csv->begin: the
 * caller passes and receives them so.
 */
static enum mq_status
find_line_end(struct mq_csv_reader *csv, size_t from, size_t *ret_end, struct mq_error *err)
{
    for (;;) {
        size_t ready = csv->end - csv->begin;
        const char *start = csv->buffer != NULL ? csv->buffer + csv->begin : NULL;
        const char *hit = from < ready ? memchr(start + from, '\n', ready - from) : NULL;
        size_t end = hit != NULL ? (size_t)(hit - start) : ready;
        if (end > csv->format.line_limit) {
            *ret_end = NO_PLACE;
            return MQ_OK;
        }
        if (hit != NULL || csv->at_end) {
            *ret_end = end;
            return MQ_OK;
        }
        from = ready;
        size_t shift;
        enum mq_status st = refill(csv, &shift, err);
        if (st != MQ_OK)
            return st;
    }
}

/* Pass over the line at `begin` whose end is unknown or at `end` (relative), with its LF. */
static void
consume(struct mq_csv_reader *csv, size_t end)
{
    const char *start = csv->buffer + csv->begin;
    size_t ready = csv->end - csv->begin;
    if (end < ready)
        end++;
    for (const char *p = start; (p = memchr(p, '\n', (size_t)(start + end - p))) != NULL; p++)
        csv->line++;
    csv->begin += end;
}

/* Drop bytes up to and with the next line end, however far it is. */
static enum mq_status
discard_line(struct mq_csv_reader *csv, struct mq_error *err)
{
    for (;;) {
        size_t ready = csv->end - csv->begin;
        const char *start = csv->buffer + csv->begin;
        const char *hit = ready > 0 ? memchr(start, '\n', ready) : NULL;
        if (hit != NULL) {
            csv->begin += (size_t)(hit - start) + 1;
            csv->line++;
            return MQ_OK;
        }
        csv->begin = csv->end;
        if (csv->at_end)
            return MQ_OK;
        size_t shift;
        enum mq_status st = refill(csv, &shift, err);
        if (st != MQ_OK)
            return st;
    }
}

static size_t
find_separator(const struct mq_csv_reader *csv, const char *text, size_t from, size_t end)
{
    if (csv->separator_size == 1) {
        const char *hit = memchr(text + from, csv->separator[0], end - from);
        return hit != NULL ? (size_t)(hit - text) : end;
    }
    const char *hit = memmem(text + from, end - from, csv->separator, csv->separator_size);
    return hit != NULL ? (size_t)(hit - text) : end;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Place of the quote that closes a field, or NO_PLACE with *from where to go on once the text is
 * longer. */
static size_t
find_closing_quote(const struct mq_csv_reader *csv, const char *text, size_t *from, size_t end)
{
    size_t i = *from;
    for (; i < end; i++) {
        if (csv->format.backslash && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            if (i + 1 < end && text[i + 1] == '"')
                i++;
            else
                return i;
        }
    }
    *from = i;
    return NO_PLACE;
}

static enum mq_status
add_span(struct mq_csv_reader *csv, size_t begin, size_t end, bool quoted, struct mq_error *err)
{
    enum mq_status st =
        mq_grow(&csv->spans, &csv->spans_capacity, csv->field_count + 1, sizeof(*csv->spans), err);
    if (st == MQ_OK)
        csv->spans[csv->field_count++] = (struct span){begin, end, quoted};
    return st;
}

/* Take the CR off a line that ends in CRLF (or in a lone CR at the end of the text). */
static size_t
without_cr(const char *text, size_t begin, size_t end)
{
    return end > begin && text[end - 1] == '\r' ? end - 1 : end;
}

/*
 * Try to read the field whose opening quote is at `open`. *end is the end of the record as known so
 * far; it moves on when the field holds line ends. *ret_next is the place after the field, or
 * NO_PLACE with *ret_reason when it is not well quoted.
 */
static enum mq_status
mark_quoted(struct mq_csv_reader *csv, size_t open, size_t *end, size_t *ret_next,
            const char **ret_reason, struct mq_error *err)
{
    size_t from = open + 1, limit = *end, close;
    enum mq_status st;
    while ((close = find_closing_quote(csv, csv->buffer + csv->begin, &from, limit)) == NO_PLACE) {
        size_t more = NO_PLACE;
        /* A stray quote must not swallow lines: lenient fields stay within theirs. */
        if (csv->format.quotes == MQ_CSV_QUOTES_STRICT &&
            (limit < csv->end - csv->begin || !csv->at_end) &&
            (st = find_line_end(csv, limit + 1, &more, err)) != MQ_OK)
            return st;
        if (more == NO_PLACE || more <= limit) {
            *ret_reason = "a quoted field is not closed";
            return MQ_OK;
        }
        limit = more;
    }
    const char *text = csv->buffer + csv->begin;
    size_t after = close + 1;
    if (csv->format.trim)
        while (after < limit && is_blank(text[after]))
            after++;
    size_t stop = without_cr(text, after, limit);
    if (after < stop && (stop - after < csv->separator_size ||
                         memcmp(text + after, csv->separator, csv->separator_size) != 0)) {
        *ret_reason = "text follows a closing quote";
        return MQ_OK;
    }
    if ((st = add_span(csv, open + 1, close, true, err)) != MQ_OK)
        return st;
    *end = limit;
    *ret_next = after;
    return MQ_OK;
}

/* Mark the field at `at` as it stands. */
static enum mq_status
mark_plain(struct mq_csv_reader *csv, size_t at, size_t line_end, size_t *ret_next,
           struct mq_error *err)
{
    const char *text = csv->buffer + csv->begin;
    size_t next = find_separator(csv, text, at, line_end);
    size_t begin = at, stop = next;
    if (csv->format.trim) {
        while (begin < stop && is_blank(text[begin]))
            begin++;
        while (stop > begin && is_blank(text[stop - 1]))
            stop--;
    }
    *ret_next = next;
    return add_span(csv, begin, stop, false, err);
}

/*
 * Mark the fields of the record at csv->begin whose first line ends at *end, which moves on when
 * quoted fields hold line ends. All places are relative to csv->begin.
 * *ret_reason is set when the record is bad.
 */
static enum mq_status
mark_fields(struct mq_csv_reader *csv, size_t *end, const char **ret_reason, struct mq_error *err)
{
    csv->field_count = 0;
    for (size_t at = 0;;) {
        if (csv->field_count == MQ_CSV_FIELDS_MAX) {
            *ret_reason = "more than 4096 fields";
            return MQ_OK;
        }
        const char *text = csv->buffer + csv->begin;
        size_t line_end = without_cr(text, at, *end);
        size_t open = at, next = NO_PLACE;
        if (csv->format.trim)
            while (open < line_end && is_blank(text[open]))
                open++;
        enum mq_status st = MQ_OK;
        if (csv->format.quotes != MQ_CSV_QUOTES_NONE && open < line_end && text[open] == '"') {
            const char *reason = NULL;
            st = mark_quoted(csv, open, end, &next, &reason, err);
            if (st == MQ_OK && reason != NULL && csv->format.quotes == MQ_CSV_QUOTES_STRICT) {
                *ret_reason = reason;
                return MQ_OK;
            }
        }
        if (st == MQ_OK && next == NO_PLACE)
            st = mark_plain(csv, at, line_end, &next, err);
        if (st != MQ_OK)
            return st;
        text = csv->buffer + csv->begin;
        if (next >= without_cr(text, MQ_MIN(next, *end), *end))
            return MQ_OK;
        at = next + csv->separator_size;
    }
}

/* Unescape a quoted field in place. */
static size_t
unescape(const struct mq_csv_reader *csv, char *text, size_t size)
{
    if (memchr(text, '"', size) == NULL &&
        (!csv->format.backslash || memchr(text, '\\', size) == NULL))
        return size;
    size_t out = 0;
    for (size_t i = 0; i < size; i++) {
        if (i + 1 < size && ((text[i] == '"' && text[i + 1] == '"') ||
                             (csv->format.backslash && text[i] == '\\' &&
                              (text[i + 1] == '"' || text[i + 1] == '\\'))))
            i++;
        text[out++] = text[i];
    }
    return out;
}

static enum mq_status
hand_out(struct mq_csv_reader *csv, struct mq_csv_row *ret_row, struct mq_error *err)
{
    enum mq_status st =
        mq_grow(&csv->fields, &csv->fields_capacity, csv->field_count, sizeof(*csv->fields), err);
    if (st != MQ_OK)
        return st;
    char *text = csv->buffer + csv->begin;
    for (size_t i = 0; i < csv->field_count; i++) {
        const struct span *span = &csv->spans[i];
        size_t size = span->end - span->begin;
        char *field = text + span->begin;
        if (span->quoted)
            size = unescape(csv, field, size);
        /* Over a quote, separator, blank or line end, or the spare byte after the text. */
        field[size] = '\0';
        csv->fields[i] = (struct mq_csv_field){field, size, span->quoted};
    }
    *ret_row = (struct mq_csv_row){csv->fields, csv->field_count, csv->line};
    return MQ_OK;
}

static enum mq_status
report_bad(struct mq_csv_reader *csv, const char *reason, size_t size, struct mq_error *err)
{
    csv->bad_lines++;
    if (csv->format.bad == MQ_CSV_BAD_FAIL)
        return mq_fail(err, MQ_E_FORMAT, "cannot read '%s': line %lld: %s", csv->source->name,
                       (long long)csv->line, reason);
    if (csv->format.on_bad != NULL)
        csv->format.on_bad(csv->format.on_bad_context, csv->line, reason, csv->buffer + csv->begin,
                           size);
    return MQ_OK;
}

static void
skip_byte_order_mark(struct mq_csv_reader *csv)
{
    csv->started = true;
    if (csv->end - csv->begin >= 3 && memcmp(csv->buffer + csv->begin, "\xef\xbb\xbf", 3) == 0)
        csv->begin += 3;
}

/* Why a record with the marked fields is bad, or NULL. @param room for a composed reason */
static const char *
judge(const struct mq_csv_reader *csv, size_t end, char *room, size_t room_size)
{
    if (memchr(csv->buffer + csv->begin, '\0', end) != NULL)
        return "holds a NUL byte";
    size_t fewest = csv->format.min_fields, most = csv->format.max_fields;
    bool few = fewest > 0 && csv->field_count < fewest;
    if (!few && (most == 0 || csv->field_count <= most))
        return NULL;
    snprintf(room, room_size, "expected %s%zu fields, found %zu",
             fewest == most ? "" : (few ? "at least " : "at most "), few ? fewest : most,
             csv->field_count);
    return room;
}

/* Go past a record that was handed out. Line ends within it can only be in quoted fields. */
static void
pass_record(struct mq_csv_reader *csv, size_t end)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        const struct mq_csv_field *field = &csv->fields[i];
        const char *stop = field->text + field->size;
        for (const char *p = field->text;
             field->quoted && (p = memchr(p, '\n', (size_t)(stop - p))) != NULL; p++)
            csv->line++;
    }
    if (end < csv->end - csv->begin) {
        csv->begin += end + 1;
        csv->line++;
    } else {
        csv->begin = csv->end;
    }
}

enum mq_status
mq_csv_next(struct mq_csv_reader *csv, struct mq_csv_row *ret_row, struct mq_error *err)
{
    enum mq_status st;
    if (!csv->started) {
        size_t shift;
        if ((st = refill(csv, &shift, err)) != MQ_OK)
            return st;
        skip_byte_order_mark(csv);
    }
    for (;;) {
        size_t end;
        if ((st = find_line_end(csv, 0, &end, err)) != MQ_OK)
            return st;
        char reason[96];
        if (end == NO_PLACE) {
            snprintf(reason, sizeof(reason), "longer than %zu bytes", csv->format.line_limit);
            size_t shown = MQ_MIN(csv->end - csv->begin, csv->format.line_limit);
            if ((st = report_bad(csv, reason, shown, err)) != MQ_OK ||
                (st = discard_line(csv, err)) != MQ_OK)
                return st;
            continue;
        }
        if (end == 0 && csv->begin == csv->end) {
            *ret_row = (struct mq_csv_row){NULL, 0, csv->line};
            return MQ_OK;
        }
        const char *text = csv->buffer + csv->begin;
        if (without_cr(text, 0, end) == 0) {
            consume(csv, end);
            continue;
        }
        size_t first_end = end;
        const char *why = NULL;
        if ((st = mark_fields(csv, &end, &why, err)) != MQ_OK)
            return st;
        text = csv->buffer + csv->begin;
        if (why == NULL)
            why = judge(csv, end, reason, sizeof(reason));
        if (why != NULL) {
            /* Only its first line is given up: what follows may be sound again. */
            if ((st = report_bad(csv, why, without_cr(text, 0, first_end), err)) != MQ_OK)
                return st;
            consume(csv, first_end);
            continue;
        }
        if ((st = hand_out(csv, ret_row, err)) != MQ_OK)
            return st;
        pass_record(csv, end);
        csv->rows++;
        return MQ_OK;
    }
}

int64_t
mq_csv_rows(const struct mq_csv_reader *csv)
{
    return csv->rows;
}

int64_t
mq_csv_bad_lines(const struct mq_csv_reader *csv)
{
    return csv->bad_lines;
}

/* ---- fields ----------------------------------------------------------------------------- */

int
mq_csv_column(const struct mq_csv_row *header, const char *name)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcasecmp(header->fields[i].text, name) == 0)
            return (int)i;
    return -1;
}

const char *const mq_csv_missing_words[] = {"nan",  "NaN",  "NA",   "N/A", "null",
                                            "NULL", "#N/A", "\"\"", "''",  NULL};

bool
mq_csv_is_missing(const char *text, size_t size)
{
    while (size > 0 && (is_blank(text[0]) || text[0] == '\r' || text[0] == '\n')) {
        text++;
        size--;
    }
    while (size > 0 &&
           (is_blank(text[size - 1]) || text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    if (size == 0)
        return true;
    if (size > 4)
        return false;
    for (const char *const *word = mq_csv_missing_words; *word != NULL; word++)
        if (strlen(*word) == size && memcmp(*word, text, size) == 0)
            return true;
    return false;
}

bool
mq_csv_parse_int(const char *text, size_t size, int64_t *ret_int)
{
    return mq_text_to_int(text, size, ret_int);
}

bool
mq_csv_parse_real(const char *text, size_t size, double *ret_real)
{
    return mq_text_to_real(text, size, ret_real);
}
