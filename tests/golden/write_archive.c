/*
 * write_archive OUT DATA: archives for archive_golden.py to open with Python, and a listing of each
 * of Python's archives in DATA, as OUT/<name>.txt: name, size and sum of bytes a line.
 */
#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/archive.h"

static unsigned char
content(int64_t i)
{
    return (unsigned char)((i * 31 + i / 251) % 253);
}

static enum mq_status
add_entries(struct mq_archive_writer *ar, bool is_zip, struct mq_error *err)
{
    enum mq_status st = mq_archive_put(ar, "model.json", "{\"version\":1}\n", 14, err);
    if (st == MQ_OK)
        st = mq_archive_put(ar, "empty", "", 0, err);
    struct mq_writer *entry;
    if (st == MQ_OK)
        st = mq_archive_entry_writer(ar, "serve/1/weights.bin", is_zip ? -1 : 300000, &entry, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < 300000 && st == MQ_OK; i++) {
        unsigned char byte = content(i);
        st = mq_writer_put(entry, &byte, 1, err);
    }
    if (st == MQ_OK)
        st = mq_writer_commit(entry, err);
    mq_writer_close(entry);
    return st;
}

static enum mq_status
write_archive(const char *out, const char *name, enum mq_archive_format format,
              struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", out, name);
    struct mq_writer *writer;
    struct mq_archive_writer *ar = NULL;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st != MQ_OK)
        return st;
    if ((st = mq_archive_writer_new(writer, format, &ar, err)) == MQ_OK &&
        (st = add_entries(ar, format == MQ_ARCHIVE_ZIP, err)) == MQ_OK &&
        (st = mq_archive_writer_finish(ar, err)) == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_archive_writer_free(ar);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
list_entry(struct mq_archive_reader *ar, const struct mq_archive_entry *entry, FILE *out,
           struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_archive_entry_reader(ar, &reader, err);
    if (st != MQ_OK)
        return st;
    unsigned char bytes[1000];
    size_t got;
    long long size = 0, sum = 0;
    do {
        if ((st = mq_reader_some(reader, bytes, sizeof(bytes), &got, err)) != MQ_OK)
            break;
        for (size_t i = 0; i < got; i++)
            sum += bytes[i];
        size += (long long)got;
    } while (got > 0);
    mq_reader_close(reader);
    fprintf(out, "%s %lld %lld\n", entry->name, size, sum);
    return st;
}

static enum mq_status
list_archive(const char *out, const char *data, const char *name, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", data, name);
    struct mq_archive_reader *ar;
    enum mq_status st = mq_archive_open_file(path, NULL, &ar, err);
    if (st != MQ_OK)
        return st;
    snprintf(path, sizeof(path), "%s/%s.txt", out, name);
    FILE *text = fopen(path, "w");
    if (text == NULL)
        st = mq_fail(err, MQ_E_IO, "cannot write '%s'", path);
    while (st == MQ_OK) {
        struct mq_archive_entry entry;
        bool found;
        if ((st = mq_archive_next(ar, &entry, &found, err)) != MQ_OK || !found)
            break;
        st = list_entry(ar, &entry, text, err);
    }
    if (text != NULL)
        fclose(text);
    mq_archive_close(ar);
    return st;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    struct mq_error err = {0};
    enum mq_status st = write_archive(argv[1], "marquee.tar.gz", MQ_ARCHIVE_TAR_GZ, &err);
    if (st == MQ_OK)
        st = write_archive(argv[1], "marquee.tar", MQ_ARCHIVE_TAR, &err);
    if (st == MQ_OK)
        st = write_archive(argv[1], "marquee.zip", MQ_ARCHIVE_ZIP, &err);
    static const char *const theirs[] = {"python-gnu.tar.gz", "python-pax.tar", "python.zip"};
    for (size_t i = 0; i < MQ_COUNT(theirs) && st == MQ_OK; i++)
        st = list_archive(argv[1], argv[2], theirs[i], &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_archive: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
