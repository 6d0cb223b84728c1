/**
 * What the API refuses, into the topic of rejected events: for whoever has to find out why a client
 * sends what cannot be used. The client has its answer already; so this is done aside, with a small
 * queue, and what does not fit is only counted (marquee_events_queue_full_total{queue="refused"}).
 *
 * A line of the topic: {"source":"api","request_id":…,"time_ms":…, and as in data/rejected_line.h.
 * Threads: adding is reentrant.
 */
#ifndef MQ_SERVE_REFUSED_EVENTS_H
#define MQ_SERVE_REFUSED_EVENTS_H

#include "base/metrics.h"
#include "data/event.h"
#include "store/event_log.h"

/** Bytes and events that wait to be written, at most. */
#define MQ_REFUSED_QUEUE_BYTES ((size_t)8 << 20)
#define MQ_REFUSED_QUEUE_EVENTS 10000

struct mq_refused_events;

/** Start; makes the topic where there is none. @param log,topic borrowed */
enum mq_status mq_refused_events_new(struct mq_event_log *log, const char *topic,
                                     struct mq_metrics *metrics,
                                     struct mq_refused_events **ret_refused, struct mq_error *err);

/** Write what is queued, then stop. NULL allowed. */
void mq_refused_events_free(struct mq_refused_events *refused);

/**
 * Queue one. Bytes beyond MQ_USER_EVENT_BYTES_MAX are left away. NULL: nothing happens.
 * @param refusal,bytes copied
 */
void mq_refused_events_add(struct mq_refused_events *refused, const char *request_id,
                           int64_t now_ms, const struct mq_event_refusal *refusal,
                           const char *bytes, size_t size);

#endif
