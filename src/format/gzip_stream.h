/**
 * gzip as a filter between streams: several members one after the other read as one text.
 * Written files hold no name and no time, so the same bytes give the same file.
 * Threads: one stream, one thread at a time.
 */
#ifndef MQ_FORMAT_GZIP_STREAM_H
#define MQ_FORMAT_GZIP_STREAM_H

#include "base/stream.h"

/**
 * Expand a stream. Expanded bytes are not limited here; the consumer reads what it wants.
 * @param source taken: closed with the new reader, also on failure
 * @return MQ_OK | MQ_E_NOMEM; reading gives MQ_E_FORMAT for damaged or truncated data
 */
enum mq_status mq_gzip_reader(struct mq_reader *source, struct mq_reader **ret_reader,
                              struct mq_error *err);

/**
 * Compress into a stream; commit ends the member and commits the sink.
 * @param sink  taken: closed with the new writer, also on failure
 * @param level 1 fast … 9 small
 */
enum mq_status mq_gzip_writer(struct mq_writer *sink, int level, struct mq_writer **ret_writer,
                              struct mq_error *err);

#endif
