/**
 * What users did since the model was made: ratings and plays read from the event log as they come,
 * by user, so that the next answer knows them. Every server of a log reads all of it, whoever took
 * the event in; none joins a group.
 *
 * At the start the log is read again from `since_ms` on. The model's own ratings are older or the
 * same: mq_live_ratings_forget drops those that models hold which may still serve.
 *
 * Memory: bounded by memory_bytes; when it is full, the users whose newest event is oldest are
 * forgotten, a quarter of them at a time.
 *
 * A topic that gains partitions is read whole: the new ones within seconds, from since_ms on.
 *
 * Threads: all functions are reentrant, but free; one thread of its own reads the log.
 */
#ifndef MQ_SERVE_LIVE_RATINGS_H
#define MQ_SERVE_LIVE_RATINGS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/metrics.h"
#include "data/event.h"
#include "store/event_log.h"

/** Most events kept of a user: the newest. */
#define MQ_LIVE_RATINGS_OF_USER_MAX 1000

/** One user's rating or play of a film; the newest for that film. */
struct mq_live_rating {
    const char *item; /**< id, NUL-terminated */
    float rating;     /**< MQ_UNKNOWN (negative) for a play without one */
    int64_t time_ms;  /**< the event's own */
};

struct mq_live_options {
    struct mq_event_log *log; /**< borrowed */
    const char *topic;        /**< borrowed */
    struct mq_event_rules rules;
    int64_t since_ms;    /**< read again what the log took from then on */
    size_t memory_bytes; /**< at least 1 MiB */
    struct mq_metrics *metrics;
};

struct mq_live_ratings;

/** Start to read. @param options copied */
enum mq_status mq_live_ratings_start(const struct mq_live_options *options,
                                     struct mq_live_ratings **ret_live, struct mq_error *err);
/** NULL allowed. */
void mq_live_ratings_free(struct mq_live_ratings *live);

/** Whether everything was read that the log held at the start. */
bool mq_live_ratings_caught_up(struct mq_live_ratings *live);

/**
 * A user's events, oldest first.
 * @param ret_ratings in the arena  @param ret_count 0 for a user of whom nothing came
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_live_ratings_of(struct mq_live_ratings *live, const char *user, size_t user_size,
                                  struct mq_arena *arena, const struct mq_live_rating **ret_ratings,
                                  size_t *ret_count, struct mq_error *err);

/**
 * Forget what `is_known` says that somebody else knows now (a newer model).
 * @return entries forgotten
 */
typedef bool (*mq_live_known_fn)(void *context, const char *user, size_t user_size,
                                 const char *item, size_t item_size, int64_t time_ms);
size_t mq_live_ratings_forget(struct mq_live_ratings *live, mq_live_known_fn is_known,
                              void *context);

#endif
