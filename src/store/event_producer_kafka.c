/*
 * Writing to Kafka: one idempotent producer a log.
 *
 * A produce call hands its events over with a pointer to its own place for each, and waits until a
 * delivery report came for all, or the time is over. Events that are late stay with librdkafka
 * (their fate is unknown), so the call's record outlives the call: whoever finishes last frees it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "store/event_log_kafka.h"

#define FLUSH_TIMEOUT_MS 10000
#define POLL_MS 100

/*
 * The original design's settings, stronger where that costs nothing; URI and settings win.
 * murmur2 puts a key where Java's and kafka-python's producers put it. An event that found no
 * broker for message.timeout.ms is given up; until then it takes its place in the queue's bounded
 * bytes.
 */
static const char *const defaults[][2] = {
    {"acks", "all"},
    {"retries", "3"},
    {"linger.ms", "20"},
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"message.timeout.ms", "30000"},
    {"queue.buffering.max.kbytes", "131072"},
    {"queue.buffering.max.messages", "1000000"},
};

struct mq_kafka_topic {
    struct mq_kafka_topic *next;
    rd_kafka_topic_t *handle;
    char name[];
};

struct write_call {
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t settled;
    size_t references; /* the caller, and each event under way */
    size_t waiting;    /* events without a report */
    struct event_place {
        struct write_call *call;
        struct mq_produced produced;
    } places[];
};

/* Give back `count` references, with the lock held; the lock is released. */
static void
drop_references(struct write_call *call, size_t count)
{
    call->references -= count;
    bool last = call->references == 0;
    pthread_mutex_unlock(&call->lock);
    if (last) {
        pthread_cond_destroy(&call->settled);
        pthread_mutex_destroy(&call->lock);
        free(call);
    }
}

static void
on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    (void)opaque;
    struct event_place *place = message->_private;
    struct write_call *call = place->call;
    pthread_mutex_lock(&call->lock);
    place->produced.status = mq_kafka_status(message->err);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        place->produced.partition = message->partition;
        place->produced.offset = message->offset;
    }
    if (--call->waiting == 0)
        pthread_cond_signal(&call->settled);
    drop_references(call, 1);
}

static void *
poll_producer(void *argument)
{
    struct mq_kafka_log *log = argument;
    while (!atomic_load(&log->stopping))
        rd_kafka_poll(log->producer, POLL_MS);
    return NULL;
}

static enum mq_status
make_producer(struct mq_kafka_log *log, struct mq_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    enum mq_status st = mq_kafka_conf(log, defaults, MQ_COUNT(defaults), &conf, err);
    if (st != MQ_OK)
        return st;
    char reason[MQ_KAFKA_REASON_SIZE];
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (producer == NULL) {
        rd_kafka_conf_destroy(conf);
        return mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka producer: %s", reason);
    }
    log->producer = producer;
    int e = pthread_create(&log->poller, NULL, poll_producer, log);
    if (e != 0) {
        log->producer = NULL;
        rd_kafka_destroy(producer);
        return mq_fail_errno(err, e, "cannot start the Kafka delivery thread");
    }
    return MQ_OK;
}

enum mq_status
mq_kafka_need_producer(struct mq_kafka_log *log, struct mq_error *err)
{
    if (log->producer != NULL)
        return MQ_OK;
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&log->lock);
    if (log->producer == NULL)
        st = make_producer(log, err);
    pthread_mutex_unlock(&log->lock);
    return st;
}

void
mq_kafka_free_producer(struct mq_kafka_log *log)
{
    if (log->producer == NULL)
        return;
    rd_kafka_flush(log->producer, FLUSH_TIMEOUT_MS);
    atomic_store(&log->stopping, true);
    pthread_join(log->poller, NULL);
    rd_kafka_purge(log->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(log->producer, 1000); /* reports of what was purged free their calls */
    struct mq_kafka_topic *topic = log->topics;
    while (topic != NULL) {
        struct mq_kafka_topic *next = topic->next;
        rd_kafka_topic_destroy(topic->handle);
        free(topic);
        topic = next;
    }
    rd_kafka_destroy(log->producer);
}

static rd_kafka_topic_t *
known_topic(struct mq_kafka_log *log, const char *name)
{
    for (struct mq_kafka_topic *topic = log->topics; topic != NULL; topic = topic->next)
        if (strcmp(topic->name, name) == 0)
            return topic->handle;
    return NULL;
}

/* Handle of a topic. At its first use the cluster is asked whether there is one: librdkafka would
 * wait for a topic that nobody makes. */
static enum mq_status
need_topic(struct mq_kafka_log *log, const char *name, int64_t timeout_ms,
           rd_kafka_topic_t **ret_handle, struct mq_error *err)
{
    rd_kafka_topic_t *handle = known_topic(log, name);
    if (handle != NULL) {
        *ret_handle = handle;
        return MQ_OK;
    }
    int ignored;
    enum mq_status st = mq_kafka_count_partitions(log, name, timeout_ms, &ignored, err);
    if (st != MQ_OK)
        return st;
    pthread_mutex_lock(&log->lock);
    handle = known_topic(log, name);
    if (handle == NULL) {
        struct mq_kafka_topic *topic = calloc(1, sizeof(*topic) + strlen(name) + 1);
        if (topic != NULL)
            handle = rd_kafka_topic_new(log->producer, name, NULL);
        if (handle != NULL) {
            memcpy(topic->name, name, strlen(name) + 1);
            topic->handle = handle;
            topic->next = log->topics;
            log->topics = topic;
        } else {
            free(topic);
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate topic '%s'", name);
        }
    }
    pthread_mutex_unlock(&log->lock);
    if (st == MQ_OK)
        *ret_handle = handle;
    return st;
}

static struct write_call *
new_call(size_t count)
{
    struct write_call *call = calloc(1, sizeof(*call) + count * sizeof(call->places[0]));
    if (call == NULL)
        return NULL;
    pthread_mutex_init(&call->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&call->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    call->references = count + 1;
    call->waiting = count;
    for (size_t i = 0; i < count; i++)
        call->places[i] = (struct event_place){call, {MQ_E_TIMEOUT, -1, -1}};
    return call;
}

static enum mq_status
hand_over(rd_kafka_topic_t *topic, struct write_call *call, const struct mq_new_event *events,
          size_t count, struct mq_error *err)
{
    mq_autofree rd_kafka_message_t *messages = calloc(count, sizeof(*messages));
    if (messages == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu events", count);
    for (size_t i = 0; i < count; i++)
        messages[i] = (rd_kafka_message_t){.payload = (void *)events[i].value,
                                           .len = events[i].value_size,
                                           .key = (void *)events[i].key,
                                           .key_len = events[i].key_size,
                                           ._private = &call->places[i]};
    int taken = rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, messages,
                                       (int)count);
    if (taken == (int)count)
        return MQ_OK;
    size_t refused = 0;
    pthread_mutex_lock(&call->lock);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = messages[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        refused++;
        call->places[i].produced.status =
            code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? MQ_E_UNREACHABLE : mq_kafka_status(code);
    }
    call->waiting -= refused;
    drop_references(call, refused);
    return MQ_OK;
}

static struct timespec
in_ms(int64_t ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += ms % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static enum mq_status
fail_write(struct mq_kafka_log *log, enum mq_status st, const char *topic, struct mq_error *err)
{
    mq_fail(err, st, "cannot write to topic '%s' at 'kafka:%s': %s", topic, log->servers,
            st == MQ_E_TIMEOUT ? "no acknowledgement in time" : mq_status_name(st));
    if (err != NULL)
        err->retriable = st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE;
    mq_error_hint(err, st == MQ_E_NOT_FOUND ? "make the topic with `marquee stores create`"
                                            : "try again; of events with the same event_id one counts");
    return st;
}

enum mq_status
mq_kafka_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
                 size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
                 struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    struct timespec deadline = in_ms(timeout_ms);
    rd_kafka_topic_t *handle = NULL;
    enum mq_status st = mq_kafka_need_producer(log, err);
    if (st == MQ_OK)
        st = need_topic(log, topic, timeout_ms, &handle, err);
    struct write_call *call = st == MQ_OK ? new_call(count) : NULL;
    if (st == MQ_OK && call == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu events", count);
    if (st == MQ_OK && (st = hand_over(handle, call, events, count, err)) != MQ_OK) {
        pthread_mutex_lock(&call->lock);
        drop_references(call, count + 1);
    }
    if (st != MQ_OK) {
        for (size_t i = 0; i < count; i++)
            ret_produced[i].status = st;
        return st;
    }
    pthread_mutex_lock(&call->lock);
    while (call->waiting > 0 &&
           pthread_cond_timedwait(&call->settled, &call->lock, &deadline) != ETIMEDOUT) {
    }
    for (size_t i = 0; i < count; i++) {
        ret_produced[i] = call->places[i].produced;
        if (st == MQ_OK)
            st = ret_produced[i].status;
    }
    drop_references(call, 1);
    return st == MQ_OK ? MQ_OK : fail_write(log, st, topic, err);
}
