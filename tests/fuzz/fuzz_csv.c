/*
 * Any bytes as separated text. The first byte picks separator, quoting and policy. Every row that
 * is read is written, read again and must come back field for field.
 */
#include <stdlib.h>
#include <string.h>

#include "format/csv_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare_written(const struct mq_csv_row *row, const char *separator, bool backslash)
{
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_csv_writer writer;
    if (mq_writer_to_buffer(&buffer, &out, NULL) != MQ_OK ||
        mq_csv_writer_init(&writer, out, separator,
                           backslash ? MQ_CSV_WRITE_BACKSLASH : MQ_CSV_WRITE_QUOTED, NULL) != MQ_OK)
        abort();
    for (size_t i = 0; i < row->count; i++)
        mq_csv_put(&writer, row->fields[i].text, row->fields[i].size);
    mq_csv_end_row(&writer);
    if (mq_csv_finish(&writer, NULL) != MQ_OK || mq_writer_commit(out, NULL) != MQ_OK)
        abort();
    mq_writer_close(out);

    struct mq_reader *in;
    struct mq_csv_reader *csv;
    struct mq_csv_row again;
    if (mq_reader_from_memory(buffer.data, buffer.size, "again", &in, NULL) != MQ_OK ||
        mq_csv_reader_new(in,
                          &(struct mq_csv_format){.separator = separator,
                                                  .backslash = backslash,
                                                  .line_limit = MQ_CSV_LINE_MAX},
                          &csv, NULL) != MQ_OK ||
        mq_csv_next(csv, &again, NULL) != MQ_OK || again.count != row->count)
        abort();
    for (size_t i = 0; i < row->count; i++)
        if (again.fields[i].size != row->fields[i].size ||
            memcmp(again.fields[i].text, row->fields[i].text, row->fields[i].size) != 0)
            abort();
    mq_csv_reader_free(csv);
    mq_reader_close(in);
    mq_buffer_release(&buffer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const separators[] = {",", "\t", "::", "_!_"};
    if (size == 0)
        return 0;
    const char *separator = separators[data[0] & 3];
    struct mq_csv_format format = {.separator = separator,
                                   .quotes = (enum mq_csv_quotes)((data[0] >> 2) % 3),
                                   .backslash = data[0] & 16,
                                   .trim = data[0] & 32,
                                   .max_fields = data[0] & 64 ? 3 : 0,
                                   .line_limit = data[0] & 128 ? 64 : 0,
                                   .bad = MQ_CSV_BAD_SKIP};
    struct mq_reader *in;
    struct mq_csv_reader *csv;
    struct mq_csv_row row;
    if (mq_reader_from_memory(data + 1, size - 1, "fuzz", &in, NULL) != MQ_OK ||
        mq_csv_reader_new(in, &format, &csv, NULL) != MQ_OK)
        abort();
    for (;;) {
        if (mq_csv_next(csv, &row, NULL) != MQ_OK)
            abort(); /* under SKIP only the source can fail */
        if (row.count == 0)
            break;
        for (size_t i = 0; i < row.count; i++)
            if (row.fields[i].text[row.fields[i].size] != '\0')
                abort();
        compare_written(&row, separator, format.backslash);
    }
    mq_csv_reader_free(csv);
    mq_reader_close(in);
    return 0;
}
