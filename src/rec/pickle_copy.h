/**
 * Pickle values taken from one file and put into another as they are: for results of shards that
 * become one. Threads: reentrant.
 */
#ifndef MQ_REC_PICKLE_COPY_H
#define MQ_REC_PICKLE_COPY_H

#include "base/arena.h"
#include "format/pickle_value.h"
#include "format/pickle_writer.h"

/**
 * A deep copy in an arena. Kinds: None, bool, int, float, str, list, tuple, dict, array.
 * @return MQ_OK | MQ_E_UNSUPPORTED (another kind) | MQ_E_NOMEM
 */
enum mq_status mq_pickle_value_copy(const struct mq_pickle_value *value, struct mq_arena *arena,
                                    const struct mq_pickle_value **ret_copy, struct mq_error *err);

/** Write a value of these kinds; the same calls as whoever wrote it first, so the same bytes. */
enum mq_status mq_pickle_value_put(struct mq_pickle_writer *pickle,
                                   const struct mq_pickle_value *value, struct mq_error *err);

#endif
