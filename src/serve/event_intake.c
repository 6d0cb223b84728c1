#include "serve/event_intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define WRITERS_MAX 16
#define ASK_EVERY_S 2
/* Longest wait for its answer: a log that hangs is known for it within two of these and a bit. */
#define ASK_MS 2000
/* A call to the log is given at least this long, however old its jobs are. */
#define LEAST_MS 50

struct mq_intake {
    struct mq_intake_options options;
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* a job, or the end */
    pthread_cond_t asked;   /* must_ask, or the end, for the thread that asks */
    struct mq_intake_job *first, *last;
    size_t events, bytes;
    bool stopping;
    bool ready, must_ask; /* must_ask: now, not when it is time */
    char reason[MQ_ERROR_MESSAGE_MAX];
    pthread_t asker;
    struct writer {
        struct mq_intake *intake;
        struct batch *batch;
        pthread_t thread;
    } writers[WRITERS_MAX];
    int writer_count;
    bool has_asker;
    struct mq_counter *written, *failed, *full;
    struct mq_gauge *queued;
    struct mq_histogram *batch, *seconds;
};

/* Most jobs of one call. */
#define BATCH_JOBS 4096

/* What a writing thread works with, kept between batches. */
struct batch {
    struct mq_new_event events[MQ_EVENTS_BATCH_MAX];
    struct mq_produced produced[MQ_EVENTS_BATCH_MAX];
    struct mq_intake_job *jobs[BATCH_JOBS];
    size_t event_count, job_count;
};

bool
mq_intake_put(struct mq_intake *intake, struct mq_intake_job *job)
{
    job->next = NULL;
    job->bytes = 0;
    for (size_t i = 0; i < job->count; i++)
        job->bytes += job->events[i].key_size + job->events[i].value_size;
    job->arrived_s = mq_clock_monotonic_s();
    pthread_mutex_lock(&intake->lock);
    bool room = !intake->stopping && intake->events + job->count <= intake->options.queue_events &&
                intake->bytes + job->bytes <= intake->options.queue_bytes;
    if (room) {
        if (intake->last != NULL)
            intake->last->next = job;
        else
            intake->first = job;
        intake->last = job;
        intake->events += job->count;
        intake->bytes += job->bytes;
        mq_gauge_set(intake->queued, (double)intake->events);
        pthread_cond_signal(&intake->arrived);
    }
    pthread_mutex_unlock(&intake->lock);
    if (!room)
        mq_counter_add(intake->full, 1);
    return room;
}

/* Wait for jobs and take as many as one call holds. @return false: the end */
static bool
take_jobs(struct mq_intake *intake, struct batch *batch)
{
    batch->event_count = batch->job_count = 0;
    pthread_mutex_lock(&intake->lock);
    while (intake->first == NULL && !intake->stopping)
        pthread_cond_wait(&intake->arrived, &intake->lock);
    while (intake->first != NULL && batch->job_count < BATCH_JOBS &&
           batch->event_count + intake->first->count <= MQ_EVENTS_BATCH_MAX) {
        struct mq_intake_job *job = intake->first;
        intake->first = job->next;
        if (intake->first == NULL)
            intake->last = NULL;
        intake->events -= job->count;
        intake->bytes -= job->bytes;
        batch->jobs[batch->job_count++] = job;
        batch->event_count += job->count;
    }
    mq_gauge_set(intake->queued, (double)intake->events);
    pthread_mutex_unlock(&intake->lock);
    return batch->job_count > 0;
}

/* A job's outcome from its events'. */
static void
finish_job(struct mq_intake *intake, struct mq_intake_job *job, const struct mq_error *error)
{
    enum mq_status st = MQ_OK;
    size_t good = 0;
    for (size_t i = 0; i < job->count; i++) {
        if (job->produced[i].status == MQ_OK)
            good++;
        else if (st == MQ_OK)
            st = job->produced[i].status;
    }
    mq_counter_add(intake->written, good);
    mq_counter_add(intake->failed, job->count - good);
    job->done(job, st, error);
}

/* A write failed: is the log ready still? */
static void
ask_now(struct mq_intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    intake->must_ask = intake->ready;
    pthread_cond_signal(&intake->asked);
    pthread_mutex_unlock(&intake->lock);
}

static void
write_batch(struct mq_intake *intake, struct batch *batch)
{
    struct mq_error error = {0};
    double now_s = mq_clock_monotonic_s();
    int64_t age_ms = (int64_t)((now_s - batch->jobs[0]->arrived_s) * 1000);
    size_t n = 0;
    for (size_t i = 0; i < batch->job_count; i++) {
        const struct mq_intake_job *job = batch->jobs[i];
        memcpy(&batch->events[n], job->events, job->count * sizeof(*job->events));
        n += job->count;
    }
    enum mq_status st = mq_event_log_produce(
        intake->options.log, intake->options.topic, batch->events, n,
        MQ_MAX(intake->options.ack_ms - age_ms, LEAST_MS), batch->produced, &error);
    if (st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT || st == MQ_E_DENIED)
        ask_now(intake);
    mq_histogram_observe(intake->seconds, mq_clock_monotonic_s() - now_s);
    mq_histogram_observe(intake->batch, (double)n);
    n = 0;
    for (size_t i = 0; i < batch->job_count; i++) {
        struct mq_intake_job *job = batch->jobs[i];
        memcpy(job->produced, &batch->produced[n], job->count * sizeof(*job->produced));
        n += job->count;
        finish_job(intake, job, &error);
    }
}

/* Jobs that have waited too long already are not written at all: that is sure, and said so. */
static void
drop_late(struct mq_intake *intake, struct batch *batch)
{
    double limit_s = mq_clock_monotonic_s() - (double)intake->options.ack_ms / 1000;
    size_t kept = 0, events = 0;
    for (size_t i = 0; i < batch->job_count; i++) {
        struct mq_intake_job *job = batch->jobs[i];
        if (job->arrived_s >= limit_s) {
            batch->jobs[kept++] = job;
            events += job->count;
            continue;
        }
        struct mq_error error = {0};
        mq_fail(&error, MQ_E_TIMEOUT, "waited %lld ms to be written",
                (long long)intake->options.ack_ms);
        for (size_t k = 0; k < job->count; k++)
            job->produced[k] = (struct mq_produced){MQ_E_TIMEOUT, -1, -1};
        finish_job(intake, job, &error);
    }
    batch->job_count = kept;
    batch->event_count = events;
}

static void *
write_jobs(void *context)
{
    const struct writer *writer = context;
    while (take_jobs(writer->intake, writer->batch)) {
        drop_late(writer->intake, writer->batch);
        if (writer->batch->job_count > 0)
            write_batch(writer->intake, writer->batch);
    }
    return NULL;
}

/* Asking may take as long as the log likes, so it has a thread of its own. */
static void *
ask_log(void *context)
{
    struct mq_intake *intake = context;
    pthread_mutex_lock(&intake->lock);
    while (!intake->stopping) {
        /* A write that fails meanwhile, after others went well, asks anew. */
        intake->must_ask = false;
        pthread_mutex_unlock(&intake->lock);
        struct mq_error error = {0};
        bool ready =
            mq_event_log_check(intake->options.log, intake->options.topic, ASK_MS, &error) == MQ_OK;
        pthread_mutex_lock(&intake->lock);
        if (ready != intake->ready)
            mq_log(ready ? MQ_LOG_INFO : MQ_LOG_ERROR, "event log: %s",
                   ready ? "ready" : error.message);
        intake->ready = ready;
        memcpy(intake->reason, error.message, sizeof(intake->reason));
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += ASK_EVERY_S;
        while (!intake->stopping && !intake->must_ask &&
               pthread_cond_timedwait(&intake->asked, &intake->lock, &until) == 0) {
        }
    }
    pthread_mutex_unlock(&intake->lock);
    return NULL;
}

static const struct mq_intake_names usual_names = {
    "marquee_events_written_total",    "marquee_events_failed_total",
    "marquee_events_queue_full_total", "marquee_events_batch_events",
    "marquee_events_write_seconds",    "marquee_events_queued"};

static void
make_metrics(struct mq_intake *intake)
{
    static const double sizes[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
    struct mq_metrics *metrics = intake->options.metrics;
    const struct mq_intake_names *names =
        intake->options.names != NULL ? intake->options.names : &usual_names;
    intake->written =
        mq_metrics_counter(metrics, names->written, "Events that the log has acknowledged.", NULL);
    intake->failed = mq_metrics_counter(metrics, names->failed,
                                        "Events that the log did not acknowledge.", NULL);
    intake->full = mq_metrics_counter(metrics, names->full,
                                      "Requests refused because the queue was full.", NULL);
    intake->batch = mq_metrics_histogram(metrics, names->batch, "Events of one write.", NULL, sizes,
                                         MQ_COUNT(sizes));
    intake->seconds =
        mq_metrics_histogram(metrics, names->seconds, "Time of one write.", NULL, NULL, 0);
    intake->queued =
        mq_metrics_gauge(metrics, names->queued, "Events that wait to be written.", NULL);
}

enum mq_status
mq_intake_new(const struct mq_intake_options *options, struct mq_intake **ret_intake,
              struct mq_error *err)
{
    struct mq_intake *intake = calloc(1, sizeof(*intake));
    if (intake == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the queue of events");
    intake->options = *options;
    intake->ready = true; /* the caller has just used the log */
    pthread_mutex_init(&intake->lock, NULL);
    pthread_cond_init(&intake->arrived, NULL);
    pthread_cond_init(&intake->asked, NULL);
    make_metrics(intake);
    int code = 0;
    for (int i = 0; code == 0 && i < MQ_MIN(options->writers, WRITERS_MAX); i++) {
        struct writer *writer = &intake->writers[i];
        writer->intake = intake;
        writer->batch = calloc(1, sizeof(*writer->batch));
        code = writer->batch != NULL ? pthread_create(&writer->thread, NULL, write_jobs, writer)
                                     : ENOMEM;
        intake->writer_count += code == 0;
    }
    if (code == 0)
        code = pthread_create(&intake->asker, NULL, ask_log, intake);
    intake->has_asker = code == 0;
    if (code != 0) {
        mq_intake_free(intake);
        return mq_fail_errno(err, code, "cannot start a thread");
    }
    *ret_intake = intake;
    return MQ_OK;
}

void
mq_intake_free(struct mq_intake *intake)
{
    if (intake == NULL)
        return;
    pthread_mutex_lock(&intake->lock);
    intake->stopping = true;
    pthread_cond_broadcast(&intake->arrived);
    pthread_cond_broadcast(&intake->asked);
    pthread_mutex_unlock(&intake->lock);
    for (int i = 0; i < intake->writer_count; i++)
        pthread_join(intake->writers[i].thread, NULL);
    for (int i = 0; i < WRITERS_MAX; i++)
        free(intake->writers[i].batch);
    if (intake->has_asker)
        pthread_join(intake->asker, NULL);
    pthread_cond_destroy(&intake->asked);
    pthread_cond_destroy(&intake->arrived);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}

bool
mq_intake_is_ready(struct mq_intake *intake, char *ret_reason, size_t size)
{
    pthread_mutex_lock(&intake->lock);
    bool ready = intake->ready;
    snprintf(ret_reason, size, "%s", intake->reason);
    pthread_mutex_unlock(&intake->lock);
    return ready;
}
