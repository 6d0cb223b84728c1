/*
 * Any bytes as an archive, once as a stream and once from memory, with small limits. Names that
 * come out must be sound, and no more bytes than the limits allow.
 */
#include <stdlib.h>
#include <string.h>

#include "format/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRY_MAX = 1 << 18, TOTAL_MAX = 1 << 20 };

static void
walk(struct mq_archive_reader *archive)
{
    struct mq_archive_entry entry;
    struct mq_error err;
    bool found;
    size_t total = 0, entries = 0;
    while (mq_archive_next(archive, &entry, &found, &err) == MQ_OK && found) {
        if (mq_archive_name_check(entry.name, &err) != MQ_OK || ++entries > 100)
            abort();
        if (entries % 4 == 3)
            continue; /* pass over some */
        struct mq_reader *reader;
        struct mq_buffer buffer = {0};
        if (mq_archive_entry_reader(archive, &reader, &err) != MQ_OK)
            abort();
        enum mq_status st = mq_reader_all(reader, 1 << 22, &buffer, &err);
        total += buffer.size;
        if (st == MQ_OK && (buffer.size > ENTRY_MAX || total > TOTAL_MAX ||
                            (entry.size_bytes >= 0 && buffer.size != (size_t)entry.size_bytes)))
            abort();
        mq_reader_close(reader);
        mq_buffer_release(&buffer);
    }
    mq_archive_close(archive);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mq_archive_limits limits = {
        .entries_max = 100, .entry_bytes_max = ENTRY_MAX, .total_bytes_max = TOTAL_MAX};
    struct mq_archive_reader *archive;
    struct mq_reader *reader;
    struct mq_error err;
    if (mq_reader_from_memory(data, size, "fuzz", &reader, NULL) != MQ_OK)
        abort();
    if (mq_archive_open(reader, &limits, &archive, &err) == MQ_OK)
        walk(archive);
    mq_reader_close(reader);
    if (mq_archive_open_memory(data, size, "fuzz", &limits, &archive, &err) == MQ_OK)
        walk(archive);
    return 0;
}
