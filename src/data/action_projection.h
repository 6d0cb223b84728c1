/**
 * The exposure and play logs of the nightly job, from user events as they pass: for each day of a
 * batch one CSV file a kind, system/user-data/action/YYYY-MM-DD/{exposure,play}/<batch>.csv, in the
 * form of docs/formats/action-logs.md. Named by the batch, so writing one again changes nothing.
 *
 * An exposure becomes an exposure; a play, and a rating (who rates a film has seen it), a play.
 * Clicks, searches and lists say nothing that these logs can hold. Threads: one projection, one
 * thread at a time.
 */
#ifndef MQ_DATA_ACTION_PROJECTION_H
#define MQ_DATA_ACTION_PROJECTION_H

#include "data/bronze_batch.h"

struct mq_projected_log {
    bool is_play;
    char date[MQ_DATE_SIZE];
    struct mq_buffer text; /**< header and lines */
};

/** Zero-initialise; then mq_action_projection_release. */
struct mq_action_projection {
    struct mq_projected_log *logs; /**< [count] */
    size_t count, capacity, last;
};

void mq_action_projection_release(struct mq_action_projection *projection);

/** Take an event; a mq_bronze_seen_fn with a struct mq_action_projection as context. */
enum mq_status mq_action_projection_take(void *projection, const struct mq_user_event *event,
                                         struct mq_error *err);

/** Key of a log of the batch that begins at an offset. */
enum mq_status mq_projected_log_key(const char *region, const struct mq_projected_log *log,
                                    const char *topic, int32_t partition, int64_t first,
                                    char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err);

#endif
