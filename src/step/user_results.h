/**
 * Per-user results of a step: one pickle {user: …} read and written in blocks, and shared out by
 * --shard i/n.
 *
 * A shard writes its users to "<artifact>.part-<i>-of-<n>", then merges: the artifact is written
 * anew with the users of every part that is there, and of the shards that have none as they stood
 * in the artifact before, in the order of the artifact that the step reads its users from. So the
 * artifact always holds every user of whom something is known, each shard brings its own up to
 * date, and the bytes in the end are those of an unsharded run. When all n parts went in they are
 * deleted. Shards may run at the same time: whoever publishes looks again for parts that came
 * meanwhile.
 *
 * Threads: one thread.
 */
#ifndef MQ_STEP_USER_RESULTS_H
#define MQ_STEP_USER_RESULTS_H

#include "rec/user_stream.h"
#include "step/step.h"

/** Users of a block. */
#define MQ_USER_BLOCK 1024

/** Users of this shard of an artifact as a stream. */
enum mq_status mq_user_input_open(struct mq_step_context *context, enum mq_artifact artifact,
                                  enum mq_program_type type, enum mq_user_stream_kind kind,
                                  const struct mq_catalogue *catalogue,
                                  struct mq_user_stream **ret_stream, struct mq_error *err);

/** A result being written. Zero-initialise; then mq_user_output_close. */
struct mq_user_output {
    struct mq_writer *writer;
    struct mq_pickle_writer *pickle; /**< inside the outer dict: put user id, then value */
};

enum mq_status mq_user_output_open(struct mq_step_context *context, enum mq_artifact artifact,
                                   enum mq_program_type type, struct mq_user_output *output,
                                   struct mq_error *err);

/** End the pickle and publish it (a shard: its part). */
enum mq_status mq_user_output_finish(struct mq_user_output *output, struct mq_error *err);
void mq_user_output_close(struct mq_user_output *output);

/**
 * After a shard's part was published: merge, as above. Does nothing without --shard.
 * @param source artifact whose users, in its order, the step went through
 */
enum mq_status mq_user_parts_merge(struct mq_step_context *context, enum mq_artifact artifact,
                                   enum mq_program_type type, enum mq_artifact source,
                                   struct mq_error *err);

#endif
