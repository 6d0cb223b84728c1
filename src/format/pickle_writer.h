/**
 * Pickle writer: protocol 3, streamed, loadable by every Python from 3.0 on and NumPy 1.x and 2.x.
 *
 * Calls nest as the values do:
 *
 *     mq_pickle_begin_dict(w);
 *     mq_pickle_put_text(w, user, user_size);             // key
 *     mq_pickle_begin_list(w);                            // its value
 *     mq_pickle_put_int(w, 3);
 *     mq_pickle_end(w);
 *     mq_pickle_end(w);
 *     st = mq_pickle_finish(w, err);
 *
 * The put functions return nothing: the first failure is kept, later calls do nothing, and
 * mq_pickle_finish reports it (mq_pickle_failed tells earlier, to stop long loops).
 *
 * Repeated strings are written once and referred to afterwards, as Python does with interned ones,
 * through a table of fixed size (strings of up to 64 bytes), so memory stays bounded (4 MiB, and at
 * most 9 MiB of interned text) for any output. A dict or
 * list is written in batches of at most 1,000 entries and about 64 KiB, so that
 * mq_pickle_stream reads it back in bounded memory too. The same calls give the same bytes.
 *
 * Threads: one writer, one thread at a time. Cost: about 20 ns a value.
 */
#ifndef MQ_FORMAT_PICKLE_WRITER_H
#define MQ_FORMAT_PICKLE_WRITER_H

#include <stdbool.h>

#include "base/stream.h"

struct mq_pickle_writer;

/** Element types of mq_pickle_put_array. */
enum mq_pickle_dtype {
    MQ_PICKLE_F4 = 0,
    MQ_PICKLE_F8,
    MQ_PICKLE_I4,
    MQ_PICKLE_I8,
    MQ_PICKLE_U1,
    MQ_PICKLE_DTYPE_COUNT
};

/** Deepest nesting that may be written. */
#define MQ_PICKLE_WRITE_DEPTH_MAX 64

/**
 * Start a pickle.
 * @param out borrowed until mq_pickle_writer_free; the caller commits it after mq_pickle_finish
 */
enum mq_status mq_pickle_writer_new(struct mq_writer *out, struct mq_pickle_writer **ret_writer,
                                    struct mq_error *err);

/** NULL allowed. */
void mq_pickle_writer_free(struct mq_pickle_writer *writer);

void mq_pickle_begin_dict(struct mq_pickle_writer *writer);
void mq_pickle_begin_list(struct mq_pickle_writer *writer);
void mq_pickle_begin_tuple(struct mq_pickle_writer *writer);
/** Close the innermost open container. */
void mq_pickle_end(struct mq_pickle_writer *writer);

/** str. @param text UTF-8; other bytes fail with MQ_E_FORMAT */
void mq_pickle_put_text(struct mq_pickle_writer *writer, const char *text, size_t size);
/** mq_pickle_put_text of a NUL-terminated string. */
void mq_pickle_put_string(struct mq_pickle_writer *writer, const char *text);
void mq_pickle_put_int(struct mq_pickle_writer *writer, int64_t value);
void mq_pickle_put_real(struct mq_pickle_writer *writer, double value);
void mq_pickle_put_bool(struct mq_pickle_writer *writer, bool value);
void mq_pickle_put_none(struct mq_pickle_writer *writer);
void mq_pickle_put_bytes(struct mq_pickle_writer *writer, const void *bytes, size_t size);

/**
 * numpy.ndarray, C order.
 * @param dims  1…8  @param shape int64 [dims]  @param data native byte order, product(shape)
 *        elements, fewer than 4 GiB
 */
void mq_pickle_put_array(struct mq_pickle_writer *writer, enum mq_pickle_dtype dtype, int dims,
                         const int64_t *shape, const void *data);

/** Whether something failed already; mq_pickle_finish will tell what. */
bool mq_pickle_failed(const struct mq_pickle_writer *writer);

/**
 * End the pickle: exactly one value must have been written and every container closed. All bytes
 * are in `out` afterwards (not committed).
 * @return MQ_OK | the first failure: an error of the sink | MQ_E_INTERNAL (calls did not nest) |
 *         MQ_E_FORMAT (text is not UTF-8) | MQ_E_RANGE
 */
enum mq_status mq_pickle_finish(struct mq_pickle_writer *writer, struct mq_error *err);

#endif
