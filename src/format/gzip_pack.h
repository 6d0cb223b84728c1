/**
 * A whole text as one gzip member, by libdeflate: three times as fast as zlib for what lies in
 * memory. The member holds no name and no time, so the same text, level and library give the same
 * bytes. Read it back with format/gzip_stream.h.
 * Threads: reentrant.
 */
#ifndef MQ_FORMAT_GZIP_PACK_H
#define MQ_FORMAT_GZIP_PACK_H

#include <stddef.h>

#include "base/buffer.h"
#include "marquee/status.h"

/** Append the member. @param level 1 fast … 12 small @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_gzip_pack(const void *bytes, size_t size, int level, struct mq_buffer *buffer,
                            struct mq_error *err);

#endif
