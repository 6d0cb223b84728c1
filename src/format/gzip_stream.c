#include "format/gzip_stream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"

#define CHUNK_BYTES ((size_t)64 << 10)
/* zlib's window bits with the gzip wrapper alone. */
#define GZIP_BITS (15 + 16)

struct gzip_reader {
    struct mq_reader base;
    struct mq_reader *source;
    z_stream stream;
    bool in_member, at_end;
    unsigned char input[CHUNK_BYTES];
};

static enum mq_status
gzip_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size, struct mq_error *err)
{
    struct gzip_reader *reader = (struct gzip_reader *)base;
    z_stream *z = &reader->stream;
    size = MQ_MIN(size, (size_t)1 << 30);
    z->next_out = bytes;
    z->avail_out = (uInt)size;
    while (z->avail_out == size && !reader->at_end) {
        if (z->avail_in == 0) {
            size_t got;
            enum mq_status st =
                mq_reader_some(reader->source, reader->input, CHUNK_BYTES, &got, err);
            if (st != MQ_OK)
                return st;
            if (got == 0) {
                if (reader->in_member)
                    return mq_fail(err, MQ_E_FORMAT, "'%s' is truncated: its gzip data breaks off",
                                   base->name);
                reader->at_end = true;
                break;
            }
            z->next_in = reader->input;
            z->avail_in = (uInt)got;
        }
        reader->in_member = true;
        int result = inflate(z, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            reader->in_member = false;
            inflateReset(z);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %s", base->name,
                           z->msg != NULL ? z->msg : "not gzip data");
        }
    }
    *ret_size = size - z->avail_out;
    return MQ_OK;
}

static void
gzip_reader_close(struct mq_reader *base)
{
    struct gzip_reader *reader = (struct gzip_reader *)base;
    inflateEnd(&reader->stream);
    mq_reader_close(reader->source);
    free(reader);
}

enum mq_status
mq_gzip_reader(struct mq_reader *source, struct mq_reader **ret_reader, struct mq_error *err)
{
    struct gzip_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL || inflateInit2(&reader->stream, GZIP_BITS) != Z_OK) {
        free(reader);
        mq_reader_close(source);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a decompressor");
    }
    reader->source = source;
    reader->base = (struct mq_reader){
        .read = gzip_read, .close = gzip_reader_close, .name = source->name, .size_bytes = -1};
    *ret_reader = &reader->base;
    return MQ_OK;
}

struct gzip_writer {
    struct mq_writer base;
    struct mq_writer *sink;
    z_stream stream;
    unsigned char output[CHUNK_BYTES];
};

static enum mq_status
deflate_all(struct gzip_writer *writer, const void *bytes, size_t size, int flush,
            struct mq_error *err)
{
    z_stream *z = &writer->stream;
    const unsigned char *p = bytes;
    for (;;) {
        size_t part = MQ_MIN(size, (size_t)1 << 30);
        z->next_in = (unsigned char *)(uintptr_t)p;
        z->avail_in = (uInt)part;
        p += part;
        size -= part;
        int mode = size > 0 ? Z_NO_FLUSH : flush;
        int result;
        do {
            z->next_out = writer->output;
            z->avail_out = CHUNK_BYTES;
            result = deflate(z, mode);
            enum mq_status st =
                mq_writer_put(writer->sink, writer->output, CHUNK_BYTES - z->avail_out, err);
            if (st != MQ_OK)
                return st;
        } while (z->avail_out == 0 || (mode == Z_FINISH && result != Z_STREAM_END));
        if (size == 0)
            return MQ_OK;
    }
}

static enum mq_status
gzip_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    return deflate_all((struct gzip_writer *)base, bytes, size, Z_NO_FLUSH, err);
}

static enum mq_status
gzip_commit(struct mq_writer *base, struct mq_error *err)
{
    struct gzip_writer *writer = (struct gzip_writer *)base;
    enum mq_status st = deflate_all(writer, "", 0, Z_FINISH, err);
    return st != MQ_OK ? st : mq_writer_commit(writer->sink, err);
}

static void
gzip_writer_close(struct mq_writer *base)
{
    struct gzip_writer *writer = (struct gzip_writer *)base;
    deflateEnd(&writer->stream);
    mq_writer_close(writer->sink);
    free(writer);
}

enum mq_status
mq_gzip_writer(struct mq_writer *sink, int level, struct mq_writer **ret_writer,
               struct mq_error *err)
{
    struct gzip_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL || deflateInit2(&writer->stream, level, Z_DEFLATED, GZIP_BITS, 9,
                                       Z_DEFAULT_STRATEGY) != Z_OK) {
        free(writer);
        mq_writer_close(sink);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a compressor");
    }
    writer->sink = sink;
    writer->base = (struct mq_writer){
        .write = gzip_write, .commit = gzip_commit, .close = gzip_writer_close, .name = sink->name};
    *ret_writer = &writer->base;
    return MQ_OK;
}
