/**
 * Events on their way into the log: a bounded queue of jobs, and a few threads that write what has
 * queued up in one call.
 *
 * While one write is under way (a sync of the disk, or a round trip to the broker), the next batch
 * gathers by itself; so a thousand clients with one event each cost about as many writes as one.
 * A job is answered within about ack_ms of its arrival: if the log did not acknowledge by then, the
 * job fails with MQ_E_TIMEOUT, and its events may or may not be written.
 *
 * Threads: all functions are reentrant, but free.
 */
#ifndef MQ_SERVE_EVENT_INTAKE_H
#define MQ_SERVE_EVENT_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "store/event_log.h"

struct mq_intake;

/** Events of one request. Owned by the caller, who keeps it until `done` is called. */
struct mq_intake_job {
    struct mq_intake_job *next; /* of the queue */
    const struct mq_new_event *events;
    size_t count;                 /**< 1…MQ_EVENTS_BATCH_MAX */
    size_t bytes;                 /* of keys and values */
    struct mq_produced *produced; /**< [count], filled before `done` */
    double arrived_s;
    /** On a writing thread: every event's outcome is in `produced`. @param error of the first
     * failure
     */
    void (*done)(struct mq_intake_job *job, enum mq_status status, const struct mq_error *error);
    void *context;
};

/** Names of a queue's metrics: each queue has its own, so that none sums up two of them. */
struct mq_intake_names {
    const char *written, *failed, *full, *batch, *seconds, *queued; /**< static */
};

struct mq_intake_options {
    struct mq_event_log *log; /**< borrowed */
    const char *topic;        /**< borrowed */
    int writers;
    size_t queue_events, queue_bytes;
    int64_t ack_ms;
    struct mq_metrics *metrics;
    const struct mq_intake_names *names; /**< NULL: marquee_events_… */
};

/** Start the threads. @param options copied */
enum mq_status mq_intake_new(const struct mq_intake_options *options, struct mq_intake **ret_intake,
                             struct mq_error *err);

/** Write and answer everything that is queued, then stop. NULL allowed. */
void mq_intake_free(struct mq_intake *intake);

/** Queue a job. @return false: the queue is full, `done` will not be called */
bool mq_intake_put(struct mq_intake *intake, struct mq_intake_job *job);

/**
 * Whether the log answers, the topic is there, and nothing is known that refuses writes: asked in
 * the background every 2 s and when a write fails. A log that falls silent is noticed within some
 * 5 s.
 * @param ret_reason why not, at most `size` bytes
 */
bool mq_intake_is_ready(struct mq_intake *intake, char *ret_reason, size_t size);

#endif
