#include "serve/consume_writers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"

/* A failure that lasts is told once in so many seconds. */
#define TELL_SECONDS 10.0
#define SHORTER_TRIES 3

struct mq_consume_writers {
    const struct mq_bronze_layer *layer;
    struct mq_event_log *log;
    int64_t give_up_ms;
    struct mq_counter *failures;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, news;
    struct mq_write_job *first, *last;
    uint64_t finished; /* jobs so far, for waiting */
    bool stopping;
    double told_s;
    int thread_count;
    pthread_t threads[MQ_CONSUME_WRITERS_MAX];
};

struct mq_write_job *
mq_write_job_new(enum mq_write_kind kind, const char *topic, int32_t partition)
{
    struct mq_write_job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->kind = kind;
        job->topic = topic;
        job->partition = partition;
        job->limit = INT64_MAX;
        job->skip_to = -1;
    }
    return job;
}

void
mq_write_job_free(struct mq_write_job *job)
{
    if (job == NULL)
        return;
    mq_bronze_batch_release(&job->batch);
    mq_bronze_record_release(&job->adopted);
    mq_bronze_record_release(&job->found);
    free(job);
}

/* ---- the work --------------------------------------------------------------------------- */

enum mq_status
mq_consume_fail_shorter(const char *topic, int32_t partition, int64_t end, int64_t known,
                        struct mq_error *err)
{
    mq_fail(err, MQ_E_CONFLICT,
            "partition %d of topic '%s' ends at offset %" PRId64 ", though offsets up to %" PRId64
            " were read from it: the log was begun anew",
            partition, topic, end, known);
    mq_error_hint(err, "give the topic another name (events.topic), or use a store or region of "
                       "its own; the old log, put back, is gone on with");
    return MQ_E_CONFLICT;
}

/* The log ends before what is written down of it. It is asked a few times: a broker that has just
 * come up may not know its end yet. */
static enum mq_status
meet_shorter(struct mq_write_job *job, int64_t end, int64_t known, struct mq_error *err)
{
    enum mq_status st = mq_consume_fail_shorter(job->topic, job->partition, end, known, err);
    if (++job->tries < SHORTER_TRIES && err != NULL)
        err->retriable = true;
    return st;
}

/* The batch that the offset lies in (or at the beginning of): is it done again?
 * @param ret_redo false: the log holds its first events no more; go on behind it */
static enum mq_status
can_redo(struct mq_write_job *job, const struct mq_bronze_record *batch, int64_t first, int64_t end,
         bool *ret_redo, struct mq_error *err)
{
    if (end < batch->end)
        return meet_shorter(job, end, batch->end, err);
    *ret_redo = first <= batch->first;
    if (!*ret_redo)
        mq_log_warn("consume: offsets %" PRId64 " to %" PRId64
                    " of partition %d of '%s' were begun "
                    "to be written, and the log holds them no more: see marquee bronze verify",
                    batch->first, batch->end, job->partition, job->topic);
    return MQ_OK;
}

/* The chain ends before the offset. Did retention take what is between, then the next batch will
 * say what was lost; else the lane finds out whether there are events. */
static void
go_between(struct mq_write_job *job, int64_t chain_end, int64_t first)
{
    job->skip_to = first > chain_end ? -1 : job->begin;
    job->begin = chain_end;
}

/* Where the chain stands around the offset that the group would go on with. */
static enum mq_status
look(struct mq_consume_writers *w, struct mq_write_job *job, struct mq_error *err)
{
    const struct mq_bronze_layer *layer = w->layer;
    int64_t first, end;
    bool again = true;
    enum mq_status st = mq_event_log_bounds(w->log, job->topic, job->partition, &first, &end, err);
    if (st != MQ_OK)
        return st;
    if (end < job->offset)
        return meet_shorter(job, end, job->offset, err);
    job->begin = job->offset;
    job->skip_to = -1;
    while (st == MQ_OK && again) {
        struct mq_bronze_record before = {0};
        bool redo = false;
        again = false;
        st = mq_bronze_record_before(layer->store, layer->region, job->topic, job->partition,
                                     job->begin, &before, err);
        if (st == MQ_OK && before.end > job->begin) {
            st = can_redo(job, &before, first, end, &redo, err);
            if (st == MQ_OK && redo) {
                job->begin = before.first;
                mq_bronze_record_release(&job->found);
                job->found = before;
                job->has_found = true;
                return MQ_OK;
            }
            job->begin = before.end;
            again = true;
        } else if (st == MQ_OK && before.end < job->begin) {
            go_between(job, before.end, first);
        }
        mq_bronze_record_release(&before);
    }
    if (st == MQ_E_NOT_FOUND && job->begin > first)
        go_between(job, first, first); /* the chain begins where the log does */
    if (st == MQ_OK || st == MQ_E_NOT_FOUND)
        st = mq_bronze_record_after(layer->store, layer->region, job->topic, job->partition,
                                    job->begin, &job->limit, err);
    return st;
}

static enum mq_status
look_ahead(struct mq_consume_writers *w, struct mq_write_job *job, struct mq_error *err)
{
    const struct mq_bronze_layer *layer = w->layer;
    mq_bronze_record_release(&job->found);
    enum mq_status st =
        mq_bronze_record_read(layer->store, layer->region, job->topic, job->partition,
                              job->batch.end, &job->found, NULL, err);
    job->has_found = st == MQ_OK;
    return st == MQ_E_NOT_FOUND
               ? mq_bronze_record_after(layer->store, layer->region, job->topic, job->partition,
                                        job->batch.end, &job->limit, err)
               : st;
}

/* One try. @param publication made at the first one, kept for the next */
static enum mq_status
try_job(struct mq_consume_writers *w, struct mq_write_job *job,
        struct mq_bronze_publication **publication, struct mq_error *err)
{
    if (job->kind == MQ_WRITE_LOOK)
        return look(w, job, err);
    enum mq_status st = MQ_OK;
    if (*publication == NULL)
        st = mq_bronze_publication_new(w->layer, &job->batch, job->adopting ? &job->adopted : NULL,
                                       publication, err);
    if (st == MQ_OK)
        st = mq_bronze_publication_run(*publication, err);
    if (st == MQ_OK && job->look_ahead)
        st = look_ahead(w, job, err);
    if (st == MQ_E_EXISTS) {
        mq_bronze_record_release(&job->found);
        enum mq_status read =
            mq_bronze_record_read(w->layer->store, w->layer->region, job->topic, job->partition,
                                  job->batch.first, &job->found, NULL, err);
        job->has_found = read == MQ_OK;
        return read == MQ_OK ? MQ_E_EXISTS : read;
    }
    if (st == MQ_OK)
        mq_bronze_publication_figures(*publication, &job->figures);
    return st;
}

/* ---- threads ---------------------------------------------------------------------------- */

static struct timespec
in_ms(int64_t ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t nanoseconds = time.tv_nsec + ms % 1000 * 1000000;
    time.tv_sec += ms / 1000 + nanoseconds / 1000000000;
    time.tv_nsec = nanoseconds % 1000000000;
    return time;
}

/* After a failed try: tell it, rest. @return false: the job is to end */
static bool
rest_after(struct mq_consume_writers *w, struct mq_write_job *job, const struct mq_error *err,
           int64_t pause_ms)
{
    struct timespec until = in_ms(pause_ms);
    mq_counter_add(w->failures, 1);
    pthread_mutex_lock(&w->lock);
    double now = mq_clock_monotonic_s();
    bool tell = now - w->told_s >= TELL_SECONDS;
    if (tell)
        w->told_s = now;
    pthread_mutex_unlock(&w->lock);
    if (tell)
        mq_log_warn("consume: will be tried again: %s", err->message);
    pthread_mutex_lock(&w->lock);
    while (!job->abandoned && !w->stopping &&
           pthread_cond_timedwait(&w->work, &w->lock, &until) == 0) {
    }
    bool go_on = !job->abandoned && !w->stopping;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void
run_job(struct mq_consume_writers *w, struct mq_write_job *job)
{
    struct mq_bronze_publication *publication = NULL;
    struct mq_error error = {0};
    double begun = mq_clock_monotonic_s();
    int64_t pause_ms = MQ_CONSUME_RETRY_FIRST_MS;
    enum mq_status st;
    for (;;) {
        error.retriable = false;
        st = try_job(w, job, &publication, &error);
        if (st == MQ_OK || st == MQ_E_EXISTS || !mq_consume_passes(st, &error))
            break;
        bool over =
            w->give_up_ms > 0 && (mq_clock_monotonic_s() - begun) * 1000 > (double)w->give_up_ms;
        if (over || !rest_after(w, job, &error, pause_ms))
            break;
        pause_ms = MQ_MIN(pause_ms * 2, (int64_t)MQ_CONSUME_RETRY_LAST_MS);
    }
    mq_bronze_publication_free(publication);
    job->status = st;
    job->error = error;
    job->seconds = mq_clock_monotonic_s() - begun;
}

static void *
write_jobs(void *argument)
{
    struct mq_consume_writers *w = argument;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->first == NULL && !w->stopping)
            pthread_cond_wait(&w->work, &w->lock);
        struct mq_write_job *job = w->first;
        if (job == NULL)
            break;
        w->first = job->next;
        if (w->first == NULL)
            w->last = NULL;
        bool skip = job->abandoned || w->stopping;
        pthread_mutex_unlock(&w->lock);
        if (skip)
            job->status = MQ_E_CANCELLED;
        else
            run_job(w, job);
        pthread_mutex_lock(&w->lock);
        if (job->abandoned)
            mq_write_job_free(job);
        else
            job->done = true;
        w->finished++;
        pthread_cond_broadcast(&w->news);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum mq_status
mq_consume_writers_new(int threads, const struct mq_bronze_layer *layer, struct mq_event_log *log,
                       int64_t give_up_ms, struct mq_counter *failures,
                       struct mq_consume_writers **ret_writers, struct mq_error *err)
{
    struct mq_consume_writers *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the consumer's writers");
    w->layer = layer;
    w->log = log;
    w->give_up_ms = give_up_ms;
    w->failures = failures;
    w->told_s = -TELL_SECONDS;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &monotonic);
    pthread_cond_init(&w->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (int i = 0; i < MQ_MIN(threads, MQ_CONSUME_WRITERS_MAX); i++) {
        int e = pthread_create(&w->threads[i], NULL, write_jobs, w);
        if (e != 0) {
            mq_consume_writers_free(w);
            return mq_fail_errno(err, e, "cannot start the consumer's writers");
        }
        w->thread_count++;
    }
    *ret_writers = w;
    return MQ_OK;
}

void
mq_consume_writers_free(struct mq_consume_writers *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->thread_count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->news);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void
mq_consume_writers_submit(struct mq_consume_writers *w, struct mq_write_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->last != NULL)
        w->last->next = job;
    else
        w->first = job;
    w->last = job;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
}

void
mq_consume_writers_wait(struct mq_consume_writers *w, int64_t timeout_ms)
{
    struct timespec until = in_ms(timeout_ms);
    pthread_mutex_lock(&w->lock);
    uint64_t before = w->finished;
    while (w->finished == before && pthread_cond_timedwait(&w->news, &w->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&w->lock);
}

void
mq_consume_writers_abandon(struct mq_consume_writers *w, struct mq_write_job *job)
{
    pthread_mutex_lock(&w->lock);
    bool done = job->done;
    job->abandoned = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    if (done)
        mq_write_job_free(job);
}
