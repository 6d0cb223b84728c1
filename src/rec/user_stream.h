/**
 * Streams of per-user results, in blocks of users: a thread decodes the next blocks while the
 * caller works on this one, so that a million users pass through a few megabytes.
 *
 * The per-user pickles of a run hold the same users in the same order, so that streams opened with
 * the same block size and shard give the same users in each block; mq_user_block_same checks it.
 *
 * Threads: a stream belongs to one thread.
 */
#ifndef MQ_REC_USER_STREAM_H
#define MQ_REC_USER_STREAM_H

#include "data/artifact.h"
#include "rec/result_codec.h"

/** What a stream reads. */
enum mq_user_stream_kind {
    MQ_USERS_PORTRAIT = 0,
    MQ_USERS_PORTRAIT_VECTOR, /**< of the portrait the vector only */
    MQ_USERS_RECALL,
    MQ_USERS_RANK,
    MQ_USERS_FILTER,
    MQ_USERS_RAW, /**< values as they are */
    MQ_USERS_IDS, /**< nothing but the ids */
};

/** Users of one block. */
struct mq_user_block {
    int32_t count;
    const char **ids;              /**< [count] NUL-terminated */
    struct mq_portrait *portraits; /**< [count] for the portrait kinds, else NULL */
    int64_t *offset;               /**< [count+1]: user u has entries offset[u] … offset[u+1]-1 */
    struct mq_candidate_array entries;     /**< for the other kinds */
    const struct mq_pickle_value **values; /**< [count] for MQ_USERS_RAW, else NULL */
    struct mq_arena text;
};

struct mq_user_stream;

/**
 * @param reader      taken, on failure too
 * @param catalogue   borrowed
 * @param block_users users of a block, at least 1
 * @param shard_index,shard_count users of other shards are passed over (0, 1: none)
 */
enum mq_status mq_user_stream_open(struct mq_reader *reader, enum mq_user_stream_kind kind,
                                   const struct mq_catalogue *catalogue, int32_t block_users,
                                   int shard_index, int shard_count,
                                   struct mq_user_stream **ret_stream, struct mq_error *err);

/** Say what artifact it reads, so that a failure names the step that makes it. */
void mq_user_stream_of(struct mq_user_stream *stream, enum mq_artifact artifact);

/**
 * The next block; NULL at the end. Valid until the next-but-one call, so that the block before may
 * still be written while this one is worked on.
 */
enum mq_status mq_user_stream_next(struct mq_user_stream *stream, struct mq_user_block **ret_block,
                                   struct mq_error *err);

/** Stop the thread and free. NULL allowed. */
void mq_user_stream_close(struct mq_user_stream *stream);

/**
 * Check that two blocks hold the same users.
 * @param a_name,b_name "portrait", "recall result" for the message
 * @return MQ_OK | MQ_E_INPUT (hint: run again from the step that makes the first)
 */
enum mq_status mq_user_block_same(const struct mq_user_block *a, const char *a_name,
                                  const struct mq_user_block *b, const char *b_name,
                                  struct mq_error *err);

#endif
