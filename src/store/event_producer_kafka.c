/*
 * Writing to Kafka: one idempotent producer a log.
 *
 * A produce call hands its events over with a pointer to its own place for each, and waits until a
 * delivery report came for all, or the time is over. Events that are late stay with librdkafka
 * (their fate is unknown), so the call's record outlives the call: whoever finishes last frees it.
 *
 * A producer that may not write, or that lost track of its sequence, has a fatal error: librdkafka
 * lets it write no more, also when the permission is given later. So another is made, at once when
 * the last one had written, else after a pause that grows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/event_log_kafka.h"

#define FLUSH_TIMEOUT_MS 10000
#define POLL_MS 100
/* Pauses before a producer with a fatal error is replaced. */
#define PAUSE_FIRST_S 1.0
#define PAUSE_LAST_S 8.0
/* A new producer hears within so long whether it may write at all. */
#define PROVE_S 0.7
/* A topic that refused a write is taken for refusing the next for so long. */
#define DENIED_S 10.0

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
    _Atomic double denied_until_s; /* a write was refused for want of permission; 0: none */
    char name[];
};

struct write_call {
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t settled;
    size_t references; /* the caller, and each event under way */
    size_t waiting;    /* events without a report */
    struct mq_kafka_topic *topic;
    rd_kafka_resp_err_t code; /* of the first that failed */
    char reason[MQ_KAFKA_REASON_SIZE];
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

/* An event's failure, with the call's lock held. What a fatal error took along has its reason. */
static void
note_failure(struct mq_kafka_producer *producer, struct event_place *place,
             rd_kafka_resp_err_t code)
{
    struct write_call *call = place->call;
    char reason[MQ_KAFKA_REASON_SIZE] = "";
    if (code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE) {
        rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer->handle, reason, sizeof(reason));
        code = fatal != RD_KAFKA_RESP_ERR_NO_ERROR ? fatal : code;
    }
    place->produced.status = mq_kafka_status(code);
    if (call->code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    call->code = code;
    memcpy(call->reason, reason, sizeof(reason));
}

static void
on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    (void)handle;
    struct mq_kafka_producer *producer = opaque;
    struct event_place *place = message->_private;
    struct write_call *call = place->call;
    pthread_mutex_lock(&call->lock);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        place->produced = (struct mq_produced){MQ_OK, message->partition, message->offset};
        atomic_store_explicit(&producer->has_written, true, memory_order_relaxed);
        atomic_store_explicit(&call->topic->denied_until_s, 0, memory_order_relaxed);
    } else {
        note_failure(producer, place, message->err);
        if (place->produced.status == MQ_E_DENIED)
            atomic_store(&call->topic->denied_until_s, mq_clock_monotonic_s() + DENIED_S);
    }
    if (--call->waiting == 0)
        pthread_cond_signal(&call->settled);
    drop_references(call, 1);
}

/* ---- the producer ----------------------------------------------------------------------- */

static void
on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct mq_kafka_producer *producer = opaque;
    struct mq_kafka_log *log = producer->log;
    if (code != RD_KAFKA_RESP_ERR__FATAL) {
        mq_kafka_note(log, (rd_kafka_resp_err_t)code, reason, false);
        return;
    }
    pthread_mutex_lock(&log->lock);
    log->fatal.code = rd_kafka_fatal_error(handle, log->fatal.reason, sizeof(log->fatal.reason));
    pthread_mutex_unlock(&log->lock);
    atomic_store(&producer->is_fatal, true);
}

static void *
poll_producer(void *argument)
{
    struct mq_kafka_producer *producer = argument;
    while (!atomic_load(&producer->stopping))
        rd_kafka_poll(producer->handle, POLL_MS);
    return NULL;
}

static enum mq_status
make_producer(struct mq_kafka_log *log, struct mq_kafka_producer **ret_producer,
              struct mq_error *err)
{
    rd_kafka_conf_t *conf = NULL;
    enum mq_status st = mq_kafka_conf(log, defaults, MQ_COUNT(defaults), &conf, err);
    if (st != MQ_OK)
        return st;
    char reason[MQ_KAFKA_REASON_SIZE];
    struct mq_kafka_producer *producer = calloc(1, sizeof(*producer));
    if (producer == NULL) {
        rd_kafka_conf_destroy(conf);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a Kafka producer");
    }
    *producer =
        (struct mq_kafka_producer){.log = log, .made_s = mq_clock_monotonic_s(), .users = 1};
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    producer->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (producer->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        free(producer);
        return mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka producer: %s", reason);
    }
    int e = pthread_create(&producer->poller, NULL, poll_producer, producer);
    if (e != 0) {
        rd_kafka_destroy(producer->handle);
        free(producer);
        return mq_fail_errno(err, e, "cannot start the Kafka delivery thread");
    }
    *ret_producer = producer;
    return MQ_OK;
}

static void
free_producer(struct mq_kafka_producer *producer)
{
    if (!atomic_load(&producer->is_fatal))
        rd_kafka_flush(producer->handle, FLUSH_TIMEOUT_MS);
    atomic_store(&producer->stopping, true);
    pthread_join(producer->poller, NULL);
    rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer->handle, 1000); /* reports of what was purged free their calls */
    struct mq_kafka_topic *topic = producer->topics;
    for (; topic != NULL; topic = topic->next)
        rd_kafka_topic_destroy(topic->handle);
    topic = producer->topics;
    rd_kafka_destroy(producer->handle);
    while (topic != NULL) { /* callbacks may look at them until now */
        struct mq_kafka_topic *next = topic->next;
        free(topic);
        topic = next;
    }
    free(producer);
}

/* Take the log's producer from it, with the lock held. @return it, if nobody uses it any more */
static struct mq_kafka_producer *
retire(struct mq_kafka_log *log)
{
    struct mq_kafka_producer *producer = log->producer;
    log->producer = NULL;
    return producer != NULL && --producer->users == 0 ? producer : NULL;
}

/* Whether the producer is to be replaced now, with the lock held; then the next pause begins. */
static bool
is_due(struct mq_kafka_log *log)
{
    double now = mq_clock_monotonic_s();
    if (log->producer == NULL || !atomic_load(&log->producer->is_fatal))
        return false;
    if (atomic_load(&log->producer->has_written))
        log->again_s = log->pause_s = 0;
    if (now < log->again_s)
        return false;
    log->pause_s = MQ_MIN(MQ_MAX(log->pause_s * 2, PAUSE_FIRST_S), PAUSE_LAST_S);
    log->again_s = now + log->pause_s;
    mq_log_debug("events: kafka:%s: producer made anew after: %s", log->servers, log->fatal.reason);
    return true;
}

enum mq_status
mq_kafka_use(struct mq_kafka_log *log, bool to_write, struct mq_kafka_producer **ret_producer,
             struct mq_error *err)
{
    struct mq_kafka_producer *old = NULL;
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&log->lock);
    if (to_write && is_due(log))
        old = retire(log);
    if (log->producer == NULL)
        st = make_producer(log, &log->producer, err);
    if (st == MQ_OK) {
        log->producer->users++;
        *ret_producer = log->producer;
    }
    pthread_mutex_unlock(&log->lock);
    if (old != NULL)
        free_producer(old);
    return st;
}

void
mq_kafka_leave(struct mq_kafka_producer *producer)
{
    pthread_mutex_t *lock = &producer->log->lock;
    pthread_mutex_lock(lock);
    bool last = --producer->users == 0;
    pthread_mutex_unlock(lock);
    if (last)
        free_producer(producer);
}

void
mq_kafka_end_producer(struct mq_kafka_log *log)
{
    pthread_mutex_lock(&log->lock);
    struct mq_kafka_producer *last = retire(log);
    pthread_mutex_unlock(&log->lock);
    if (last != NULL)
        free_producer(last);
}

/* ---- writing ---------------------------------------------------------------------------- */

static struct mq_kafka_topic *
known_topic(struct mq_kafka_producer *producer, const char *name)
{
    for (struct mq_kafka_topic *topic = producer->topics; topic != NULL; topic = topic->next)
        if (strcmp(topic->name, name) == 0)
            return topic;
    return NULL;
}

/* Handle of a topic. At its first use the cluster is asked whether there is one: librdkafka would
 * wait for a topic that nobody makes. */
static enum mq_status
add_topic(struct mq_kafka_producer *producer, const char *name, struct mq_kafka_topic **ret_topic,
          struct mq_error *err)
{
    struct mq_kafka_topic *topic = calloc(1, sizeof(*topic) + strlen(name) + 1);
    if (topic != NULL)
        topic->handle = rd_kafka_topic_new(producer->handle, name, NULL);
    if (topic == NULL || topic->handle == NULL) {
        free(topic);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate topic '%s'", name);
    }
    memcpy(topic->name, name, strlen(name) + 1);
    topic->next = producer->topics;
    producer->topics = topic;
    *ret_topic = topic;
    return MQ_OK;
}

/* Handle of a topic. At its first use the cluster is asked whether there is one: librdkafka would
 * wait for a topic that nobody makes. */
static enum mq_status
need_topic(struct mq_kafka_producer *producer, const char *name, int64_t timeout_ms,
           struct mq_kafka_topic **ret_topic, struct mq_error *err)
{
    struct mq_kafka_topic *topic = known_topic(producer, name);
    if (topic != NULL) {
        *ret_topic = topic;
        return MQ_OK;
    }
    int ignored;
    struct mq_kafka_log *log = producer->log;
    enum mq_status st =
        mq_kafka_count_partitions(log, producer->handle, name, timeout_ms, &ignored, err);
    if (st != MQ_OK)
        return st;
    pthread_mutex_lock(&log->lock);
    topic = known_topic(producer, name);
    if (topic == NULL)
        st = add_topic(producer, name, &topic, err);
    pthread_mutex_unlock(&log->lock);
    if (st == MQ_OK)
        *ret_topic = topic;
    return st;
}

static struct write_call *
new_call(struct mq_kafka_topic *topic, size_t count)
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
    call->topic = topic;
    for (size_t i = 0; i < count; i++)
        call->places[i] = (struct event_place){call, {MQ_E_TIMEOUT, -1, -1}};
    return call;
}

static enum mq_status
hand_over(struct mq_kafka_producer *producer, const struct mq_kafka_topic *topic,
          struct write_call *call, const struct mq_new_event *events, size_t count,
          struct mq_error *err)
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
    int taken = rd_kafka_produce_batch(topic->handle, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                       messages, (int)count);
    if (taken == (int)count)
        return MQ_OK;
    size_t refused = 0;
    pthread_mutex_lock(&call->lock);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = messages[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        refused++;
        note_failure(producer, &call->places[i], code);
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

/* Why events were not written. @param code NO_ERROR: no report came in time */
static enum mq_status
fail_write(struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *reason,
           const char *topic, struct mq_error *err)
{
    char what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "write to topic '%s'", topic);
    bool silent = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    enum mq_status st = mq_kafka_fail(log, silent ? RD_KAFKA_RESP_ERR__TIMED_OUT : code, what,
                                      silent ? "no acknowledgement in time" : reason, err);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        mq_error_hint(err, "allow Write on topic '%s'%s (docs/howto/stores.md, Kafka)", topic,
                      code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
                          ? ", and before Kafka 2.8 IdempotentWrite on the cluster"
                          : "");
    return st;
}

static enum mq_status
fail_fatal(struct mq_kafka_log *log, const char *topic, struct mq_error *err)
{
    pthread_mutex_lock(&log->lock);
    struct mq_kafka_trouble fatal = log->fatal;
    pthread_mutex_unlock(&log->lock);
    return fail_write(log, fatal.code, fatal.reason, topic, err);
}

/* Wait for reports; the call is given back. */
static enum mq_status
await_reports(struct mq_kafka_log *log, struct write_call *call, const char *topic, size_t count,
              const struct timespec *deadline, struct mq_produced *ret_produced,
              struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    char reason[MQ_KAFKA_REASON_SIZE];
    pthread_mutex_lock(&call->lock);
    while (call->waiting > 0 &&
           pthread_cond_timedwait(&call->settled, &call->lock, deadline) != ETIMEDOUT) {
    }
    for (size_t i = 0; i < count; i++) {
        ret_produced[i] = call->places[i].produced;
        if (st == MQ_OK)
            st = ret_produced[i].status;
    }
    rd_kafka_resp_err_t code = call->code;
    memcpy(reason, call->reason, sizeof(reason));
    drop_references(call, 1);
    return st == MQ_OK ? MQ_OK : fail_write(log, code, reason, topic, err);
}

static enum mq_status
write_events(struct mq_kafka_producer *producer, const char *topic,
             const struct mq_new_event *events, size_t count, int64_t timeout_ms,
             struct mq_produced *ret_produced, struct mq_error *err)
{
    struct timespec deadline = in_ms(timeout_ms);
    struct mq_kafka_topic *handle = NULL;
    enum mq_status st =
        atomic_load(&producer->is_fatal) ? fail_fatal(producer->log, topic, err) : MQ_OK;
    if (st == MQ_OK)
        st = need_topic(producer, topic, timeout_ms, &handle, err);
    struct write_call *call = st == MQ_OK ? new_call(handle, count) : NULL;
    if (st == MQ_OK && call == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu events", count);
    if (st == MQ_OK && (st = hand_over(producer, handle, call, events, count, err)) != MQ_OK) {
        pthread_mutex_lock(&call->lock);
        drop_references(call, count + 1);
    }
    if (st != MQ_OK) {
        for (size_t i = 0; i < count; i++)
            ret_produced[i].status = st;
        return st;
    }
    return await_reports(producer->log, call, topic, count, &deadline, ret_produced, err);
}

enum mq_status
mq_kafka_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
                 size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
                 struct mq_error *err)
{
    struct mq_kafka_producer *producer;
    enum mq_status st = mq_kafka_use(mq_kafka_log_of(base), true, &producer, err);
    if (st != MQ_OK) {
        for (size_t i = 0; i < count; i++)
            ret_produced[i].status = st;
        return st;
    }
    st = write_events(producer, topic, events, count, timeout_ms, ret_produced, err);
    mq_kafka_leave(producer);
    return st;
}

/* ---- checking --------------------------------------------------------------------------- */

/* A new producer that says nothing may only not have been answered yet. */
static void
hear_out(const struct mq_kafka_producer *producer)
{
    const struct timespec moment = {0, 10000000};
    while (!atomic_load(&producer->is_fatal) && !atomic_load(&producer->has_written) &&
           mq_clock_monotonic_s() < producer->made_s + PROVE_S)
        nanosleep(&moment, NULL);
}

enum mq_status
mq_kafka_check(struct mq_event_log *base, const char *topic, int64_t timeout_ms,
               struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    struct mq_kafka_producer *producer;
    int ignored;
    enum mq_status st = mq_kafka_use(log, true, &producer, err);
    if (st != MQ_OK)
        return st;
    st = mq_kafka_count_partitions(log, producer->handle, topic, timeout_ms, &ignored, err);
    if (st == MQ_OK)
        hear_out(producer);
    const struct mq_kafka_topic *known = st == MQ_OK ? known_topic(producer, topic) : NULL;
    if (st == MQ_OK && atomic_load(&producer->is_fatal))
        st = fail_fatal(log, topic, err);
    else if (known != NULL && atomic_load(&known->denied_until_s) > mq_clock_monotonic_s())
        st = fail_write(log, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NULL, topic, err);
    mq_kafka_leave(producer);
    return st;
}
