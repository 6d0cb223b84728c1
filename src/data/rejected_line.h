/**
 * What is kept of an event that was refused: a line of JSON with the reason, as in bronze/rejected/
 * and in the topic of rejected events (docs/formats/bronze.md). Whoever refused it begins the
 * object with where it was ("{…"), without a comma at its end.
 * Threads: reentrant.
 */
#ifndef MQ_DATA_REJECTED_LINE_H
#define MQ_DATA_REJECTED_LINE_H

#include "base/buffer.h"
#include "data/event.h"

/** Partitions of the topic of rejected events, where whoever writes to it has to make it. */
#define MQ_REJECTED_PARTITIONS 1

/** How a line of the API begins, with a comma at its end; others name where the event was. */
#define MQ_REJECTED_BY_API "{\"source\":\"api\","

/** Append `,"reason":…,"place":…,"field":…,"message":…` and the event, and end the line. */
enum mq_status mq_rejected_line_end(const struct mq_event_refusal *refusal, const char *bytes,
                                    size_t size, struct mq_buffer *line, struct mq_error *err);

/** Append `,"event":"…"` (`,"event_base64":"…"` of bytes that are no UTF-8), and end the line. */
enum mq_status mq_event_line_end(const char *bytes, size_t size, struct mq_buffer *line,
                                 struct mq_error *err);

#endif
