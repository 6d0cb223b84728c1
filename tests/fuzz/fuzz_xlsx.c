/*
 * Any bytes as a workbook: whole where they begin as a zip file, otherwise as its parts. Then a NUL
 * separates sheet, shared strings, styles and workbook, which are packed into a sound package: the
 * fuzzer would not find its way through a zip file's checksums.
 */
#include <stdlib.h>
#include <string.h>

#include "format/archive.h"
#include "format/xlsx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char relations[] = "<r><Relationship Id='a' Type='/worksheet' Target='s.xml'/>"
                                "<Relationship Id='b' Type='/sharedStrings' Target='t.xml'/>"
                                "<Relationship Id='c' Type='/styles' Target='u.xml'/></r>";
static const char plain_workbook[] = "<w><sheet name='x' id='a'/></w>";

static void
pack(const uint8_t *data, size_t size, struct mq_buffer *buffer)
{
    static const char *const names[] = {"xl/s.xml", "xl/t.xml", "xl/u.xml", "xl/workbook.xml"};
    struct mq_writer *writer;
    struct mq_archive_writer *archive;
    if (mq_writer_to_buffer(buffer, &writer, NULL) != MQ_OK ||
        mq_archive_writer_new(writer, MQ_ARCHIVE_ZIP, &archive, NULL) != MQ_OK ||
        mq_archive_put(archive, "xl/_rels/workbook.xml.rels", relations, sizeof(relations) - 1,
                       NULL) != MQ_OK)
        abort();
    for (int part = 0; part < 4; part++) {
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        size_t length = end != NULL ? (size_t)(end - data) : size;
        bool given = size > 0 || part < 3;
        if (mq_archive_put(archive, names[part], given ? (const void *)data : plain_workbook,
                           given ? length : sizeof(plain_workbook) - 1, NULL) != MQ_OK)
            abort();
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    if (mq_archive_writer_finish(archive, NULL) != MQ_OK || mq_writer_commit(writer, NULL) != MQ_OK)
        abort();
    mq_archive_writer_free(archive);
    mq_writer_close(writer);
}

static void
read_workbook(const void *bytes, size_t size)
{
    struct mq_reader *reader;
    struct mq_xlsx *xlsx;
    struct mq_error err;
    if (mq_reader_from_memory(bytes, size, "fuzz", &reader, NULL) != MQ_OK)
        abort();
    enum mq_status st = mq_xlsx_open(reader, NULL, &xlsx, &err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return;
    const struct mq_xlsx_cell *cells;
    size_t count;
    int64_t row, before = 0;
    while (mq_xlsx_next_row(xlsx, &cells, &count, &row, &err) == MQ_OK && cells != NULL) {
        if (row <= before || count > MQ_XLSX_COLUMNS_MAX)
            abort();
        before = row;
        for (size_t i = 0; i < count; i++) {
            if (cells[i].text == NULL || cells[i].text[cells[i].text_size] != '\0')
                abort();
        }
    }
    mq_xlsx_close(xlsx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && memcmp(data, "PK", 2) == 0) {
        read_workbook(data, size);
        return 0;
    }
    struct mq_buffer buffer = {0};
    pack(data, size, &buffer);
    read_workbook(buffer.data, buffer.size);
    mq_buffer_release(&buffer);
    return 0;
}
