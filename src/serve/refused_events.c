#include "serve/refused_events.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/rejected_line.h"
#include "serve/event_intake.h"

#define ACK_MS 10000

static const struct mq_intake_names names = {
    "marquee_refused_written_total",    "marquee_refused_failed_total",
    "marquee_refused_queue_full_total", "marquee_refused_batch_events",
    "marquee_refused_write_seconds",    "marquee_refused_queued"};

struct mq_refused_events {
    struct mq_intake *intake;
};

/* A line with its place in the queue. */
struct line {
    struct mq_intake_job job;
    struct mq_new_event event;
    struct mq_produced produced;
    struct mq_buffer text;
};

enum mq_status
mq_refused_events_new(struct mq_event_log *log, const char *topic, struct mq_metrics *metrics,
                      struct mq_refused_events **ret_refused, struct mq_error *err)
{
    const struct mq_intake_options options = {.log = log,
                                              .topic = topic,
                                              .writers = 1,
                                              .queue_events = MQ_REFUSED_QUEUE_EVENTS,
                                              .queue_bytes = MQ_REFUSED_QUEUE_BYTES,
                                              .ack_ms = ACK_MS,
                                              .metrics = metrics,
                                              .names = &names};
    enum mq_status st = mq_event_log_ensure_topic(log, topic, MQ_REJECTED_PARTITIONS, NULL, err);
    if (st != MQ_OK)
        return st;
    struct mq_refused_events *refused = calloc(1, sizeof(*refused));
    if (refused == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the queue of refused events");
    st = mq_intake_new(&options, &refused->intake, err);
    if (st != MQ_OK) {
        free(refused);
        return st;
    }
    *ret_refused = refused;
    return MQ_OK;
}

void
mq_refused_events_free(struct mq_refused_events *refused)
{
    if (refused == NULL)
        return;
    mq_intake_free(refused->intake);
    free(refused);
}

static void
free_line(struct line *line)
{
    mq_buffer_release(&line->text);
    free(line);
}

static void
written(struct mq_intake_job *job, enum mq_status status, const struct mq_error *error)
{
    (void)status; /* counted by the intake */
    (void)error;
    free_line(job->context);
}

void
mq_refused_events_add(struct mq_refused_events *refused, const char *request_id, int64_t now_ms,
                      const struct mq_event_refusal *refusal, const char *bytes, size_t size)
{
    struct line *line = refused != NULL ? calloc(1, sizeof(*line)) : NULL;
    if (line == NULL)
        return;
    mq_buffer_init(&line->text, MQ_EVENT_BYTES_MAX);
    enum mq_status st = mq_buffer_printf(
        &line->text, NULL, MQ_REJECTED_BY_API "\"request_id\":\"%s\",\"time_ms\":%" PRId64,
        request_id, now_ms);
    if (st == MQ_OK)
        st = mq_rejected_line_end(refusal, bytes, MQ_MIN(size, (size_t)MQ_USER_EVENT_BYTES_MAX),
                                  &line->text, NULL);
    if (st == MQ_OK) {
        line->event = (struct mq_new_event){.value = line->text.data,
                                            .value_size = line->text.size - 1}; /* no line end */
        line->job.events = &line->event;
        line->job.count = 1;
        line->job.produced = &line->produced;
        line->job.done = written;
        line->job.context = line;
    }
    if (st != MQ_OK || !mq_intake_put(refused->intake, &line->job))
        free_line(line);
}
