/*
 * Any bytes as a workbook: whole where they begin as a zip file, otherwise as its parts. Then a NUL
 * separates sheet, shared strings, styles and workbook, which are packed into a sound package: the
 * fuzzer would not find its way through a zip file's checksums.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/xlsx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char relations[] = "<r><Relationship Id='a' Type='/worksheet' Target='s.xml'/>"
                                "<Relationship Id='b' Type='/sharedStrings' Target='t.xml'/>"
                                "<Relationship Id='c' Type='/styles' Target='u.xml'/></r>";
static const char plain_workbook[] = "<w><sheet name='x' id='a'/></w>";

static void
put_number(struct mq_buffer *buffer, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        (void)!mq_buffer_append_char(buffer, (char)(number >> (8 * i)), NULL);
}

/* Local header, or directory entry, of a stored file; by hand because it is much faster so. */
static void
put_entry(struct mq_buffer *buffer, const char *name, const void *data, size_t size, bool directory,
          size_t offset)
{
    put_number(buffer, directory ? 0x02014b50 : 0x04034b50, 4);
    put_number(buffer, 20, directory ? 4 : 2);
    put_number(buffer, 0, 8); /* flags, method, time */
    put_number(buffer, (uint32_t)crc32(0, data, (uInt)size), 4);
    put_number(buffer, (uint32_t)size, 4);
    put_number(buffer, (uint32_t)size, 4);
    put_number(buffer, (uint32_t)strlen(name), 4);
    if (directory) {
        put_number(buffer, 0, 8);
        put_number(buffer, 0, 2);
        put_number(buffer, (uint32_t)offset, 4);
    }
    (void)!mq_buffer_append_text(buffer, name, NULL);
    if (!directory)
        (void)!mq_buffer_append(buffer, data, size, NULL);
}

static void
pack(const uint8_t *data, size_t size, struct mq_buffer *buffer)
{
    enum { PARTS = 5 };
    static const char *const names[PARTS] = {"xl/s.xml", "xl/t.xml", "xl/u.xml", "xl/workbook.xml",
                                             "xl/_rels/workbook.xml.rels"};
    const void *parts[PARTS];
    size_t sizes[PARTS], offsets[PARTS];
    for (int i = 0; i < 4; i++) {
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        bool given = size > 0 || i < 3;
        parts[i] = given ? (const void *)data : plain_workbook;
        sizes[i] = given ? (end != NULL ? (size_t)(end - data) : size) : sizeof(plain_workbook) - 1;
        size_t taken = given ? sizes[i] + (end != NULL) : 0;
        data += taken;
        size -= taken;
    }
    parts[4] = relations;
    sizes[4] = sizeof(relations) - 1;
    for (int i = 0; i < PARTS; i++) {
        offsets[i] = buffer->size;
        put_entry(buffer, names[i], parts[i], sizes[i], false, 0);
    }
    size_t directory = buffer->size;
    for (int i = 0; i < PARTS; i++)
        put_entry(buffer, names[i], parts[i], sizes[i], true, offsets[i]);
    size_t end = buffer->size;
    put_number(buffer, 0x06054b50, 4);
    put_number(buffer, 0, 4);
    put_number(buffer, PARTS, 2);
    put_number(buffer, PARTS, 2);
    put_number(buffer, (uint32_t)(end - directory), 4);
    put_number(buffer, (uint32_t)directory, 4);
    put_number(buffer, 0, 2);
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
