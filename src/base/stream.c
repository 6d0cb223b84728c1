#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"

#define WINDOW_BYTES ((size_t)64 << 10)

/* ---- reading ---------------------------------------------------------------------------- */

static enum mq_status
fill_window(struct mq_reader *reader, struct mq_error *err)
{
    if (reader->window == NULL) {
        reader->window = malloc(WINDOW_BYTES);
        if (reader->window == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a read buffer for '%s'", reader->name);
    }
    size_t got;
    enum mq_status st = reader->read(reader, reader->window, WINDOW_BYTES, &got, err);
    if (st == MQ_OK) {
        reader->window_begin = 0;
        reader->window_end = got;
    }
    return st;
}

enum mq_status
mq_reader_some(struct mq_reader *reader, void *bytes, size_t size, size_t *ret_size,
               struct mq_error *err)
{
    unsigned char *out = bytes;
    size_t taken = 0;
    while (taken < size) {
        size_t ready = reader->window_end - reader->window_begin;
        if (ready > 0) {
            size_t n = MQ_MIN(ready, size - taken);
            memcpy(out + taken, reader->window + reader->window_begin, n);
            reader->window_begin += n;
            taken += n;
            continue;
        }
        size_t got;
        enum mq_status st;
        if (size - taken >= WINDOW_BYTES) {
            st = reader->read(reader, out + taken, size - taken, &got, err);
            if (st != MQ_OK)
                return st;
            taken += got;
        } else {
            if ((st = fill_window(reader, err)) != MQ_OK)
                return st;
            got = reader->window_end;
        }
        if (got == 0)
            break;
    }
    reader->offset += (int64_t)taken;
    *ret_size = taken;
    return MQ_OK;
}

enum mq_status
mq_reader_exact(struct mq_reader *reader, void *bytes, size_t size, struct mq_error *err)
{
    size_t ready = reader->window_end - reader->window_begin;
    if (size <= ready) {
        memcpy(bytes, reader->window + reader->window_begin, size);
        reader->window_begin += size;
        reader->offset += (int64_t)size;
        return MQ_OK;
    }
    size_t got;
    enum mq_status st = mq_reader_some(reader, bytes, size, &got, err);
    if (st == MQ_OK && got < size)
        return mq_fail(err, MQ_E_FORMAT,
                       "'%s' is truncated: it ends at byte %lld where %zu more are due",
                       reader->name, (long long)reader->offset, size - got);
    return st;
}

enum mq_status
mq_reader_peek(struct mq_reader *reader, int *ret_byte, struct mq_error *err)
{
    if (reader->window_begin == reader->window_end) {
        enum mq_status st = fill_window(reader, err);
        if (st != MQ_OK)
            return st;
    }
    *ret_byte =
        reader->window_begin < reader->window_end ? reader->window[reader->window_begin] : -1;
    return MQ_OK;
}

enum mq_status
mq_reader_all(struct mq_reader *reader, size_t limit_bytes, struct mq_buffer *buffer,
              struct mq_error *err)
{
    size_t total = 0;
    for (;;) {
        enum mq_status st = mq_buffer_reserve(buffer, WINDOW_BYTES, err);
        if (st != MQ_OK)
            return st;
        size_t got;
        st = mq_reader_some(reader, buffer->data + buffer->size, WINDOW_BYTES, &got, err);
        if (st != MQ_OK)
            return st;
        buffer->size += got;
        buffer->data[buffer->size] = '\0';
        total += got;
        if (total > limit_bytes)
            return mq_fail(err, MQ_E_RANGE, "'%s' is larger than the allowed %zu bytes",
                           reader->name, limit_bytes);
        if (got < WINDOW_BYTES)
            return MQ_OK;
    }
}

void
mq_reader_close(struct mq_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->window);
    reader->close(reader);
}

/* ---- writing ---------------------------------------------------------------------------- */

static enum mq_status
flush_window(struct mq_writer *writer, struct mq_error *err)
{
    if (writer->window_used == 0)
        return MQ_OK;
    size_t used = writer->window_used;
    writer->window_used = 0;
    return writer->write(writer, writer->window, used, err);
}

enum mq_status
mq_writer_put(struct mq_writer *writer, const void *bytes, size_t size, struct mq_error *err)
{
    if (writer->window == NULL) {
        writer->window = malloc(WINDOW_BYTES);
        if (writer->window == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a write buffer for '%s'",
                           writer->name);
    }
    writer->offset += (int64_t)size;
    if (size <= WINDOW_BYTES - writer->window_used) {
        if (size > 0)
            memcpy(writer->window + writer->window_used, bytes, size);
        writer->window_used += size;
        return MQ_OK;
    }
    enum mq_status st = flush_window(writer, err);
    if (st != MQ_OK)
        return st;
    if (size >= WINDOW_BYTES)
        return writer->write(writer, bytes, size, err);
    memcpy(writer->window, bytes, size);
    writer->window_used = size;
    return MQ_OK;
}

enum mq_status
mq_writer_printf(struct mq_writer *writer, struct mq_error *err, const char *format, ...)
{
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    enum mq_status st;
    if (n < 0) {
        st = mq_fail(err, MQ_E_INTERNAL, "bad format string '%s'", format);
    } else if ((size_t)n < sizeof(small)) {
        st = mq_writer_put(writer, small, (size_t)n, err);
    } else {
        mq_autofree char *text = NULL;
        st = vasprintf(&text, format, again) < 0 ? mq_fail(err, MQ_E_NOMEM, "cannot allocate text")
                                                 : mq_writer_put(writer, text, (size_t)n, err);
    }
    va_end(again);
    return st;
}

enum mq_status
mq_writer_commit(struct mq_writer *writer, struct mq_error *err)
{
    enum mq_status st = flush_window(writer, err);
    return st != MQ_OK ? st : writer->commit(writer, err);
}

void
mq_writer_close(struct mq_writer *writer)
{
    if (writer == NULL)
        return;
    free(writer->window);
    writer->close(writer);
}

enum mq_status
mq_stream_copy(struct mq_reader *reader, struct mq_writer *writer, struct mq_error *err)
{
    mq_autofree unsigned char *bytes = malloc(WINDOW_BYTES);
    if (bytes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a copy buffer");
    for (;;) {
        size_t got;
        enum mq_status st = mq_reader_some(reader, bytes, WINDOW_BYTES, &got, err);
        if (st != MQ_OK || got == 0)
            return st;
        if ((st = mq_writer_put(writer, bytes, got, err)) != MQ_OK)
            return st;
    }
}

/* ---- memory ----------------------------------------------------------------------------- */

struct memory_reader {
    struct mq_reader base;
    const unsigned char *bytes;
    size_t size, taken;
    char name[];
};

static enum mq_status
memory_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size,
            struct mq_error *err)
{
    (void)err;
    struct memory_reader *reader = (struct memory_reader *)base;
    size_t n = MQ_MIN(size, reader->size - reader->taken);
    if (n > 0)
        memcpy(bytes, reader->bytes + reader->taken, n);
    reader->taken += n;
    *ret_size = n;
    return MQ_OK;
}

static void
free_reader(struct mq_reader *base)
{
    free(base);
}

enum mq_status
mq_reader_from_memory(const void *bytes, size_t size, const char *name,
                      struct mq_reader **ret_reader, struct mq_error *err)
{
    size_t length = strlen(name) + 1;
    struct memory_reader *reader = calloc(1, sizeof(*reader) + length);
    if (reader == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader");
    memcpy(reader->name, name, length);
    reader->base = (struct mq_reader){.read = memory_read,
                                      .close = free_reader,
                                      .name = reader->name,
                                      .size_bytes = (int64_t)size};
    reader->bytes = bytes;
    reader->size = size;
    *ret_reader = &reader->base;
    return MQ_OK;
}

struct buffer_writer {
    struct mq_writer base;
    struct mq_buffer *buffer;
};

static enum mq_status
buffer_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    return mq_buffer_append(((struct buffer_writer *)base)->buffer, bytes, size, err);
}

static enum mq_status
buffer_commit(struct mq_writer *base, struct mq_error *err)
{
    (void)base;
    (void)err;
    return MQ_OK;
}

static void
free_writer(struct mq_writer *base)
{
    free(base);
}

enum mq_status
mq_writer_to_buffer(struct mq_buffer *buffer, struct mq_writer **ret_writer, struct mq_error *err)
{
    struct buffer_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer");
    writer->base = (struct mq_writer){
        .write = buffer_write, .commit = buffer_commit, .close = free_writer, .name = "memory"};
    writer->buffer = buffer;
    *ret_writer = &writer->base;
    return MQ_OK;
}

/* ---- files ------------------------------------------------------------------------------ */

struct file_reader {
    struct mq_reader base;
    int fd;
    char path[];
};

static enum mq_status
file_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size, struct mq_error *err)
{
    struct file_reader *reader = (struct file_reader *)base;
    ssize_t n;
    do
        n = read(reader->fd, bytes, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return mq_fail_errno(err, errno, "cannot read '%s'", reader->path);
    *ret_size = (size_t)n;
    return MQ_OK;
}

static void
file_reader_close(struct mq_reader *base)
{
    close(((struct file_reader *)base)->fd);
    free(base);
}

enum mq_status
mq_reader_from_file(const char *path, struct mq_reader **ret_reader, struct mq_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot open '%s'", path);
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        close(fd);
        return mq_fail_errno(err, EISDIR, "cannot read '%s'", path);
    }
    size_t length = strlen(path) + 1;
    struct file_reader *reader = calloc(1, sizeof(*reader) + length);
    if (reader == NULL) {
        close(fd);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader");
    }
    memcpy(reader->path, path, length);
    reader->fd = fd;
    reader->base =
        (struct mq_reader){.read = file_read,
                           .close = file_reader_close,
                           .name = reader->path,
                           .size_bytes = S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1};
    *ret_reader = &reader->base;
    return MQ_OK;
}

struct file_writer {
    struct mq_writer base;
    int fd;
    bool committed;
    char *partial;
    char path[];
};

static enum mq_status
file_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    const struct file_writer *writer = (const struct file_writer *)base;
    return mq_fs_write(writer->fd, bytes, size, writer->path, err);
}

static enum mq_status
file_commit(struct mq_writer *base, struct mq_error *err)
{
    struct file_writer *writer = (struct file_writer *)base;
    enum mq_status st = mq_fs_publish(writer->fd, writer->partial, writer->path, err);
    if (st == MQ_OK)
        writer->committed = true;
    return st;
}

static void
file_writer_close(struct mq_writer *base)
{
    struct file_writer *writer = (struct file_writer *)base;
    close(writer->fd);
    if (!writer->committed)
        unlink(writer->partial);
    free(writer->partial);
    free(writer);
}

enum mq_status
mq_writer_to_file(const char *path, struct mq_writer **ret_writer, struct mq_error *err)
{
    mq_autofree char *target = NULL;
    char *partial;
    int fd;
    enum mq_status st = mq_fs_file_name(path, &target, err);
    if (st == MQ_OK)
        st = mq_fs_create_partial(target, &fd, &partial, err);
    if (st != MQ_OK)
        return st;
    size_t length = strlen(target) + 1;
    struct file_writer *writer = calloc(1, sizeof(*writer) + length);
    if (writer == NULL) {
        close(fd);
        unlink(partial);
        free(partial);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer");
    }
    memcpy(writer->path, target, length);
    writer->fd = fd;
    writer->partial = partial;
    writer->base = (struct mq_writer){.write = file_write,
                                      .commit = file_commit,
                                      .close = file_writer_close,
                                      .name = writer->path};
    *ret_writer = &writer->base;
    return MQ_OK;
}
