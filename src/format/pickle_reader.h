/**
 * Pickle reader: protocols 0 to 5, as Python 3.6 to 3.13 and NumPy 1.x and 2.x write plain values.
 *
 * Nothing is ever called or imported. The few class names that stand for plain values (set,
 * OrderedDict, defaultdict, datetime, date, timedelta, timezone, ndarray, dtype, NumPy scalars,
 * bytearray, bytes of the old protocols) are recognised by name and built here; any other is
 * refused with MQ_E_UNSUPPORTED, its name and its byte offset. Bytes after the final STOP are
 * ignored, as Python does.
 *
 * Two ways to read: the whole tree into an arena, or a large outer dict entry by entry in bounded
 * memory. Hostile files meet the limits below, each with MQ_E_RANGE or MQ_E_NOMEM; malformed ones
 * MQ_E_FORMAT with the byte offset. A container that is changed after it was placed inside another
 * (the only way to make a cycle) is refused. Threads: one read, one thread.
 *
 * Layout and limits: docs/formats/pickle.md. Golden: tests/golden/pickle_golden.py.
 */
#ifndef MQ_FORMAT_PICKLE_READER_H
#define MQ_FORMAT_PICKLE_READER_H

#include "base/arena.h"
#include "base/stream.h"
#include "format/pickle_value.h"

/** Levels of containers within containers. */
#define MQ_PICKLE_DEPTH_MAX 100
/** Bytes of an integer's two's complement; decimal digits of the old protocols: 2.5 times that. */
#define MQ_PICKLE_INT_BYTES_MAX 1024
/** Elements of one container. */
#define MQ_PICKLE_ITEMS_MAX ((size_t)1 << 31)
/** Memo numbers are below this. */
#define MQ_PICKLE_MEMO_MAX ((uint32_t)1 << 30)
/** Bytes of a module or class name. */
#define MQ_PICKLE_NAME_MAX 256

/** What a read may use. Zero fields stand for the defaults. */
struct mq_pickle_limits {
    size_t memory_bytes; /**< values, stack and memo together; default 4 GiB */
    size_t text_bytes;   /**< one string, bytes or array; default 1 GiB */
    uint64_t nodes;      /**< nodes met in a walk, shared ones each time; default 2^32 */
};

/**
 * Read one pickle as a whole.
 *
 * @param reader   borrowed; left just after STOP
 * @param limits   NULL for the defaults
 * @param arena    receives the values; on failure it may hold remains
 * @param ret_value borrowed from the arena
 * @return MQ_OK | MQ_E_FORMAT (malformed, truncated) | MQ_E_UNSUPPORTED (a class) | MQ_E_RANGE |
 *         MQ_E_NOMEM | an error of the source
 * Cost: about 60 bytes of arena a small value.
 */
enum mq_status mq_pickle_read(struct mq_reader *reader, const struct mq_pickle_limits *limits,
                              struct mq_arena *arena, const struct mq_pickle_value **ret_value,
                              struct mq_error *err);

/** mq_pickle_read of a local file. */
enum mq_status mq_pickle_read_file(const char *path, const struct mq_pickle_limits *limits,
                                   struct mq_arena *arena, const struct mq_pickle_value **ret_value,
                                   struct mq_error *err);

/**
 * One entry of the outer container.
 * @param key   NULL when the outer container is a list
 * @param value borrowed, valid during the call only
 * @return not MQ_OK stops the read, which returns it
 */
typedef enum mq_status (*mq_pickle_entry_fn)(void *context, const struct mq_pickle_value *key,
                                             const struct mq_pickle_value *value,
                                             struct mq_error *err);

/**
 * Read a pickle whose outermost value is a dict or list, entry by entry, in file order.
 *
 * Memory: one batch of entries (files of mq_pickle_writer: about 64 KiB of pickle; of Python:
 * 1,000 entries) and the memo: 4 bytes a memoised value, each distinct memoised string once. A
 * reference back to a *container* of an earlier batch is refused with MQ_E_UNSUPPORTED (read it
 * whole instead). A key that the file sets twice is reported twice.
 *
 * @param limits NULL for the defaults
 * @param ret_count entries reported; may be NULL
 * @return as mq_pickle_read | MQ_E_FORMAT (the outermost value is neither dict nor list)
 */
enum mq_status mq_pickle_stream(struct mq_reader *reader, const struct mq_pickle_limits *limits,
                                mq_pickle_entry_fn fn, void *context, int64_t *ret_count,
                                struct mq_error *err);

#endif
