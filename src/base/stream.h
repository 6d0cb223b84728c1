/**
 * Byte streams: what codecs read from and write to, whatever is behind (memory, a file, an object
 * in a store, a compressor). A codec never knows.
 *
 * Both types buffer; codecs may take small steps. Threads: one stream, one thread at a time.
 * An implementation fills the function pointers and embeds the struct as its first member.
 */
#ifndef MQ_BASE_STREAM_H
#define MQ_BASE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "marquee/status.h"

/** Source of bytes. */
struct mq_reader {
    /** Read 1…size bytes; *ret_size 0 means the end. Blocks. */
    enum mq_status (*read)(struct mq_reader *reader, void *bytes, size_t size, size_t *ret_size,
                           struct mq_error *err);
    /** Free everything, the struct included. */
    void (*close)(struct mq_reader *reader);
    const char *name;      /**< borrowed or owned by the implementation; for messages */
    int64_t size_bytes;    /**< total when known, else -1 */
    int64_t offset;        /**< bytes taken so far; kept by the mq_reader_ functions */
    unsigned char *window; /* read-ahead */
    size_t window_begin, window_end;
};

/** Sink of bytes. Nothing is published before mq_writer_commit. */
struct mq_writer {
    enum mq_status (*write)(struct mq_writer *writer, const void *bytes, size_t size,
                            struct mq_error *err);
    /** Make the bytes durable and visible under their name. At most once. */
    enum mq_status (*commit)(struct mq_writer *writer, struct mq_error *err);
    /** Free everything, the struct included; without a commit before, the bytes are discarded. */
    void (*close)(struct mq_writer *writer);
    const char *name;
    int64_t offset; /**< bytes given so far; kept by the mq_writer_ functions */
    unsigned char *window;
    size_t window_used;
};

/** Up to `size` bytes; fewer only at the end. */
enum mq_status mq_reader_some(struct mq_reader *reader, void *bytes, size_t size, size_t *ret_size,
                              struct mq_error *err);

/** Exactly `size` bytes. @return MQ_OK | MQ_E_FORMAT "truncated at byte N" | an error of the source
 */
enum mq_status mq_reader_exact(struct mq_reader *reader, void *bytes, size_t size,
                               struct mq_error *err);

/** The next byte without taking it, or -1 at the end. */
enum mq_status mq_reader_peek(struct mq_reader *reader, int *ret_byte, struct mq_error *err);

/** Everything that is left, refused above `limit_bytes` with MQ_E_RANGE. Appends. */
enum mq_status mq_reader_all(struct mq_reader *reader, size_t limit_bytes, struct mq_buffer *buffer,
                             struct mq_error *err);

/** Close and free; NULL allowed. */
void mq_reader_close(struct mq_reader *reader);

enum mq_status mq_writer_put(struct mq_writer *writer, const void *bytes, size_t size,
                             struct mq_error *err);
enum mq_status mq_writer_printf(struct mq_writer *writer, struct mq_error *err, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

/** Flush, then publish. */
enum mq_status mq_writer_commit(struct mq_writer *writer, struct mq_error *err);

/** Close and free; discards what was not committed. NULL allowed. */
void mq_writer_close(struct mq_writer *writer);

/** Reader over borrowed memory, which must outlive it. @param name copied */
enum mq_status mq_reader_from_memory(const void *bytes, size_t size, const char *name,
                                     struct mq_reader **ret_reader, struct mq_error *err);

/** Reader over a local file. */
enum mq_status mq_reader_from_file(const char *path, struct mq_reader **ret_reader,
                                   struct mq_error *err);

/** Writer that appends to a caller-owned buffer. */
enum mq_status mq_writer_to_buffer(struct mq_buffer *buffer, struct mq_writer **ret_writer,
                                   struct mq_error *err);

/**
 * Writer to a local file: written aside as "<path>.<pid>-<n>.partial", renamed with fsync on
 * commit. A link stays, what it leads to is replaced.
 * @return MQ_OK | MQ_E_IO, MQ_E_NOT_FOUND, MQ_E_RANGE (no name for a file, or its folder cannot be
 *         made) | MQ_E_NOMEM
 */
enum mq_status mq_writer_to_file(const char *path, struct mq_writer **ret_writer,
                                 struct mq_error *err);

/** Copy all of reader to writer. */
enum mq_status mq_stream_copy(struct mq_reader *reader, struct mq_writer *writer,
                              struct mq_error *err);

#endif
