/*
 * Produces events with unique ids from several threads and writes down which were acknowledged, for
 * the tests of faults. One line a thread and batch, "<id> <id> …", is appended to OUT once all
 * events of the batch are acknowledged; a batch that failed is sent again under new ids ("retry"
 * keeps count), as its fate is unknown: it may be in the log, and then is in bronze, unlisted.
 *
 *   produce_events URI TOPIC PARTITIONS EVENTS THREADS BATCH OUT [EVENTS_PER_SECOND]
 * Prints {"acknowledged": N, "failed": N, "seconds": S}.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/event_log.h"

#define BATCH_MAX 1000
#define EVENT_SIZE 224

static struct {
    struct mq_event_log *log;
    const char *topic;
    int64_t events; /* of each thread */
    int batch, threads;
    double rate; /* of each thread; 0: as fast as it goes */
    FILE *out;
    pthread_mutex_t lock;
    _Atomic int64_t acknowledged, failed;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* An event of its own id; users and films vary, days are the last three. */
static int
make_event(char *text, int thread, int64_t serial)
{
    static const char *const kinds[] = {"rating", "play", "exposure", "click"};
    int64_t time_s = mq_clock_now_s() - serial % 3 * MQ_DAY_SECONDS;
    return snprintf(text, EVENT_SIZE,
                    "{\"event_id\": \"%d-%lld\", \"user_id\": \"%lld\", \"movie_id\": \"%lld\", "
                    "\"rating\": %d.5, \"timestamp\": %lld, \"event_type\": \"%s\"}",
                    thread, (long long)serial, (long long)(serial * 7919 % 6040 + 1),
                    (long long)(serial * 104729 % 3883 + 1), (int)(serial % 5), (long long)time_s,
                    kinds[serial % 4]);
}

static void
pause_s(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void
list_ids(int thread, int64_t first, int count)
{
    pthread_mutex_lock(&work.lock);
    for (int i = 0; i < count; i++)
        fprintf(work.out, "%d-%lld\n", thread, (long long)(first + i));
    fflush(work.out);
    pthread_mutex_unlock(&work.lock);
}

static void *
produce(void *argument)
{
    int thread = *(int *)argument;
    static _Thread_local char texts[BATCH_MAX][EVENT_SIZE];
    static _Thread_local char keys[BATCH_MAX][24]; /* the user: one user's events stay in order */
    struct mq_new_event events[BATCH_MAX];
    struct mq_produced produced[BATCH_MAX];
    double begun = mq_clock_monotonic_s();
    int64_t serial = 0, done = 0;
    while (done < work.events) {
        int count = (int)(work.events - done < work.batch ? work.events - done : work.batch);
        for (int i = 0; i < count; i++) {
            int n = make_event(texts[i], thread, serial + i);
            events[i] = (struct mq_new_event){NULL, 0, texts[i], (size_t)n};
            snprintf(keys[i], sizeof(keys[i]), "%lld", (long long)((serial + i) * 7919 % 6040 + 1));
            events[i].key = keys[i];
            events[i].key_size = strlen(keys[i]);
        }
        struct mq_error err = {0};
        if (mq_event_log_produce(work.log, work.topic, events, (size_t)count, 5000, produced,
                                 &err) == MQ_OK) {
            list_ids(thread, serial, count);
            atomic_fetch_add(&work.acknowledged, count);
            done += count;
        } else {
            atomic_fetch_add(&work.failed, count);
            if (!err.retriable && err.code != MQ_E_IO)
                fprintf(stderr, "produce_events: %s\n", err.message);
            pause_s(0.1);
        }
        serial += count;
        if (work.rate > 0) {
            double ahead = (double)done / work.rate - (mq_clock_monotonic_s() - begun);
            if (ahead > 0)
                pause_s(ahead);
        }
    }
    return NULL;
}

int
main(int count, char **arguments)
{
    if (count < 8) {
        fprintf(stderr, "produce_events URI TOPIC PARTITIONS EVENTS THREADS BATCH OUT [RATE]\n");
        return 2;
    }
    struct mq_error err = {0};
    work.topic = arguments[2];
    work.threads = atoi(arguments[5]);
    work.events = atoll(arguments[4]) / work.threads;
    work.batch = atoi(arguments[6]) < BATCH_MAX ? atoi(arguments[6]) : BATCH_MAX;
    work.rate = count > 8 ? atof(arguments[8]) / work.threads : 0;
    work.out = fopen(arguments[7], "a");
    if (work.out == NULL || mq_event_log_open(arguments[1], &work.log, &err) != MQ_OK ||
        mq_event_log_create_topic(work.log, work.topic, atoi(arguments[3]), &err) != MQ_OK) {
        fprintf(stderr, "produce_events: %s\n", err.message);
        return 1;
    }
    double begun = mq_clock_monotonic_s();
    pthread_t threads[64];
    int numbers[64];
    for (int i = 0; i < work.threads && i < 64; i++) {
        numbers[i] = i + (int)(getpid() % 100000) * 100;
        pthread_create(&threads[i], NULL, produce, &numbers[i]);
    }
    for (int i = 0; i < work.threads && i < 64; i++)
        pthread_join(threads[i], NULL);
    mq_event_log_free(work.log);
    fclose(work.out);
    printf("{\"acknowledged\": %lld, \"failed\": %lld, \"seconds\": %.3f}\n",
           (long long)work.acknowledged, (long long)work.failed, mq_clock_monotonic_s() - begun);
    return 0;
}
