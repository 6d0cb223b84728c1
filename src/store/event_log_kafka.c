/*
 * Events in Kafka, by librdkafka.
 *
 * Writing: one idempotent producer; a produce call hands its events over with a pointer to its own
 * place, and waits until a delivery report came for each, or the time is over. Events that are late
 * stay with librdkafka (their fate is unknown), so the call's record outlives the call: it is
 * counted and freed by whoever finishes last.
 *
 * Reading: one librdkafka consumer a member, commits by hand, partitions revoked and assigned in
 * its rebalance callback, from within poll.
 *
 * librdkafka traps: callbacks run inside poll calls only (a thread polls the producer); a message
 * must be destroyed; configuration objects are owned by the handle only after it was made.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/event_log_backend.h"

#define REASON_SIZE 512
#define ADMIN_TIMEOUT_MS 15000
#define FLUSH_TIMEOUT_MS 10000
#define TOPIC_READY_TRIES 100
/* Bytes librdkafka may hold for writing, and a consumer may read ahead. */
#define WRITE_QUEUE_KB "131072"
#define READ_AHEAD_KB "65536"

#ifdef __clang__ /* librdkafka's type-checking macros are GNU statement expressions */
#pragma clang diagnostic ignored "-Wgnu-statement-expression"
#endif

/* Defaults of the original design, stronger where that costs nothing; the URI overrides them. */
static const char *const producer_defaults[][2] = {
    {"acks", "all"},
    {"retries", "3"},
    {"linger.ms", "20"},
    {"enable.idempotence", "true"},
    {"queue.buffering.max.kbytes", WRITE_QUEUE_KB},
    {"queue.buffering.max.messages", "1000000"},
};
static const char *const consumer_defaults[][2] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"queued.max.messages.kbytes", READ_AHEAD_KB},
    {"fetch.wait.max.ms", "50"},
};

struct property {
    char *name, *value;
};

struct kafka_log {
    struct mq_event_log base;
    char *servers;
    struct property *properties;
    size_t property_count;
    pthread_mutex_t lock; /* guards making the producer and waiting calls */
    pthread_cond_t delivered;
    rd_kafka_t *producer; /* NULL until the first use */
    pthread_t poller;
    _Atomic bool stopping;
};

static struct kafka_log *
log_of(struct mq_event_log *base)
{
    return (struct kafka_log *)base;
}

static enum mq_status
status_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return MQ_OK;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return MQ_E_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return MQ_E_TIMEOUT;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return MQ_E_DENIED;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return MQ_E_RANGE;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return MQ_E_CONFLICT;
    default:
        return MQ_E_UNREACHABLE;
    }
}

static enum mq_status
fail_kafka(const struct kafka_log *log, rd_kafka_resp_err_t code, const char *what,
           const char *detail, struct mq_error *err)
{
    enum mq_status st = status_of(code);
    mq_fail(err, st, "cannot %s at 'kafka:%s': %s%s%s", what, log->servers, rd_kafka_err2str(code),
            detail != NULL && *detail != '\0' ? ": " : "", detail != NULL ? detail : "");
    if (err != NULL)
        err->retriable = st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE;
    if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "make the topic with: marquee stores create");
    else if (st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE)
        mq_error_hint(err, "is a broker running at %s?", log->servers);
    return st;
}

/* ---- opening ---------------------------------------------------------------------------- */

static void
free_log(struct kafka_log *log)
{
    for (size_t i = 0; i < log->property_count; i++) {
        free(log->properties[i].name);
        free(log->properties[i].value);
    }
    free(log->properties);
    free(log->servers);
    pthread_cond_destroy(&log->delivered);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static enum mq_status
parse_properties(struct kafka_log *log, char *query, struct mq_error *err)
{
    char *saved = NULL;
    size_t capacity = 0;
    for (char *item = strtok_r(query, "&", &saved); item != NULL;
         item = strtok_r(NULL, "&", &saved)) {
        char *equals = strchr(item, '=');
        if (equals == NULL)
            return mq_fail(err, MQ_E_CONFIG, "property '%s' has no value", item);
        *equals = '\0';
        enum mq_status st = mq_grow(&log->properties, &capacity, log->property_count + 1,
                                    sizeof(*log->properties), err);
        if (st != MQ_OK)
            return st;
        struct property *p = &log->properties[log->property_count++];
        p->name = mq_strdup(item);
        p->value = mq_strdup(equals + 1);
        if (p->name == NULL || p->value == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    }
    return MQ_OK;
}

static enum mq_status
set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct mq_error *err)
{
    char reason[REASON_SIZE];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        return mq_fail(err, MQ_E_CONFIG, "Kafka property %s=%s: %s", name, value, reason);
    return MQ_OK;
}

static enum mq_status
make_conf(const struct kafka_log *log, const char *const (*defaults)[2], size_t default_count,
          rd_kafka_conf_t **ret_conf, struct mq_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum mq_status st = set_property(conf, "bootstrap.servers", log->servers, err);
    if (st == MQ_OK)
        st = set_property(conf, "client.id", "marquee", err);
    for (size_t i = 0; st == MQ_OK && i < default_count; i++)
        st = set_property(conf, defaults[i][0], defaults[i][1], err);
    for (size_t i = 0; st == MQ_OK && i < log->property_count; i++)
        st = set_property(conf, log->properties[i].name, log->properties[i].value, err);
    rd_kafka_conf_set_log_cb(conf, NULL);
    if (st != MQ_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    *ret_conf = conf;
    return MQ_OK;
}

static enum mq_status
kafka_open(const char *rest, struct mq_event_log **ret_log, struct mq_error *err)
{
    while (*rest == '/')
        rest++;
    struct kafka_log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->delivered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    log->servers = mq_strdup(rest);
    enum mq_status st =
        log->servers == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log") : MQ_OK;
    char *query = st == MQ_OK ? strchr(log->servers, '?') : NULL;
    if (query != NULL) {
        *query = '\0';
        st = parse_properties(log, query + 1, err);
    }
    if (st == MQ_OK && *log->servers == '\0')
        st = mq_fail(err, MQ_E_CONFIG, "expected kafka:HOST:PORT[,HOST:PORT…][?property=value&…]");
    /* A wrong property is found here, not at the first event. */
    rd_kafka_conf_t *conf;
    if (st == MQ_OK && (st = make_conf(log, NULL, 0, &conf, err)) == MQ_OK)
        rd_kafka_conf_destroy(conf);
    if (st != MQ_OK) {
        free_log(log);
        return st;
    }
    *ret_log = &log->base;
    return MQ_OK;
}

static void
kafka_free(struct mq_event_log *base)
{
    struct kafka_log *log = log_of(base);
    if (log->producer != NULL) {
        rd_kafka_flush(log->producer, FLUSH_TIMEOUT_MS);
        atomic_store(&log->stopping, true);
        pthread_join(log->poller, NULL);
        rd_kafka_purge(log->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(log->producer, 1000); /* reports of what was purged free their calls */
        rd_kafka_destroy(log->producer);
    }
    free_log(log);
}

/* ---- writing ---------------------------------------------------------------------------- */

struct write_call {
    struct kafka_log *log;
    int references; /* the caller, and each event under way; guarded by log->lock */
    size_t waiting; /* events without a report */
    bool abandoned; /* the caller has gone */
    struct event_place {
        struct write_call *call;
        struct mq_produced produced;
    } places[];
};

static void
drop_reference(struct write_call *call)
{
    if (--call->references == 0)
        free(call);
}

static void
on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    struct kafka_log *log = opaque;
    struct event_place *place = message->_private;
    pthread_mutex_lock(&log->lock);
    place->produced.status = status_of(message->err);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        place->produced.partition = message->partition;
        place->produced.offset = message->offset;
    }
    struct write_call *call = place->call;
    if (--call->waiting == 0 && !call->abandoned)
        pthread_cond_broadcast(&log->delivered);
    drop_reference(call);
    pthread_mutex_unlock(&log->lock);
}

static void *
poll_producer(void *argument)
{
    struct kafka_log *log = argument;
    while (!atomic_load(&log->stopping))
        rd_kafka_poll(log->producer, 100);
    return NULL;
}

/* The producer, made at the first use. */
static enum mq_status
need_producer(struct kafka_log *log, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&log->lock);
    if (log->producer == NULL) {
        rd_kafka_conf_t *conf = NULL;
        st = make_conf(log, producer_defaults, MQ_COUNT(producer_defaults), &conf, err);
        if (st == MQ_OK) {
            char reason[REASON_SIZE];
            rd_kafka_conf_set_opaque(conf, log);
            rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
            log->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
            if (log->producer == NULL) {
                rd_kafka_conf_destroy(conf);
                st = mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka producer: %s", reason);
            }
        }
        if (st == MQ_OK) {
            int e = pthread_create(&log->poller, NULL, poll_producer, log);
            if (e != 0) {
                rd_kafka_destroy(log->producer);
                log->producer = NULL;
                st = mq_fail_errno(err, e, "cannot start the Kafka delivery thread");
            }
        }
    }
    pthread_mutex_unlock(&log->lock);
    return st;
}

static void
hand_over(struct kafka_log *log, const char *topic, const struct mq_new_event *event,
          struct event_place *place, struct write_call *call)
{
    pthread_mutex_lock(&log->lock);
    call->references++;
    call->waiting++;
    pthread_mutex_unlock(&log->lock);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        log->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(event->key, event->key_size),
        RD_KAFKA_V_VALUE((void *)event->value, event->value_size), RD_KAFKA_V_OPAQUE(place),
        RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    pthread_mutex_lock(&log->lock);
    place->produced.status =
        code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? MQ_E_UNREACHABLE : status_of(code);
    call->references--;
    call->waiting--;
    pthread_mutex_unlock(&log->lock);
}

static enum mq_status
kafka_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
              size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
              struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    enum mq_status st = need_producer(log, err);
    if (st != MQ_OK)
        return st;
    struct write_call *call = calloc(1, sizeof(*call) + count * sizeof(call->places[0]));
    if (call == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu events", count);
    call->log = log;
    call->references = 1;
    for (size_t i = 0; i < count; i++)
        call->places[i] = (struct event_place){call, {MQ_E_TIMEOUT, -1, -1}};
    for (size_t i = 0; i < count; i++)
        hand_over(log, topic, &events[i], &call->places[i], call);
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += timeout_ms % 1000 * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&log->lock);
    while (call->waiting > 0 &&
           pthread_cond_timedwait(&log->delivered, &log->lock, &deadline) != ETIMEDOUT) {
    }
    for (size_t i = 0; i < count; i++) {
        ret_produced[i] = call->places[i].produced;
        if (st == MQ_OK)
            st = ret_produced[i].status;
    }
    call->abandoned = true;
    drop_reference(call);
    pthread_mutex_unlock(&log->lock);
    if (st == MQ_OK)
        return MQ_OK;
    mq_fail(err, st, "cannot write to topic '%s' at 'kafka:%s': %s", topic, log->servers,
            st == MQ_E_TIMEOUT ? "no acknowledgement in time" : mq_status_name(st));
    if (err != NULL)
        err->retriable = st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE;
    mq_error_hint(err, st == MQ_E_NOT_FOUND ? "make the topic with: marquee stores create"
                                            : "try again; events with an event_id are not doubled");
    return st;
}

/* ---- topics ----------------------------------------------------------------------------- */

static enum mq_status
kafka_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
                 struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    enum mq_status st = need_producer(log, err);
    if (st != MQ_OK)
        return st;
    char what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "find topic '%s'", topic);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(log->producer, topic, NULL);
    rd_kafka_resp_err_t code =
        handle == NULL ? rd_kafka_last_error()
                       : rd_kafka_metadata(log->producer, 0, handle, &metadata, ADMIN_TIMEOUT_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        int partitions = 0;
        if (metadata->topic_cnt == 1) {
            code = metadata->topics[0].err;
            partitions = metadata->topics[0].partition_cnt;
        }
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && partitions == 0)
            code = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            *ret_partitions = partitions;
        rd_kafka_metadata_destroy(metadata);
    }
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? MQ_OK : fail_kafka(log, code, what, NULL, err);
}

static void
pause_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static enum mq_status
kafka_create_topic(struct mq_event_log *base, const char *topic, int partitions,
                   struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    enum mq_status st = need_producer(log, err);
    if (st != MQ_OK)
        return st;
    char reason[REASON_SIZE] = "", what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "make topic '%s'", topic);
    rd_kafka_NewTopic_t *fresh =
        rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof(reason));
    if (fresh == NULL)
        return mq_fail(err, MQ_E_CONFIG, "cannot %s: %s", what, reason);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(log->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, reason, sizeof(reason));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->producer);
    rd_kafka_CreateTopics(log->producer, &fresh, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS + 1000);
    rd_kafka_resp_err_t code =
        event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (event != NULL && code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t count = 0;
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        const rd_kafka_topic_result_t **topics =
            rd_kafka_CreateTopics_result_topics(result, &count);
        if (count == 1) {
            code = rd_kafka_topic_result_error(topics[0]);
            const char *text = rd_kafka_topic_result_error_string(topics[0]);
            snprintf(reason, sizeof(reason), "%s", text != NULL ? text : "");
        }
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(fresh);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return fail_kafka(log, code, what, reason, err);
    /* The broker answers before the topic can be used. */
    int found;
    for (int i = 0; i < TOPIC_READY_TRIES; i++) {
        st = kafka_partitions(base, topic, &found, err);
        if (st != MQ_E_NOT_FOUND)
            break;
        pause_ms(50);
    }
    return st;
}

static enum mq_status
kafka_bounds(struct mq_event_log *base, const char *topic, int32_t partition, int64_t *ret_first,
             int64_t *ret_end, struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    int partitions;
    enum mq_status st = kafka_partitions(base, topic, &partitions, err);
    if (st == MQ_OK && (partition < 0 || partition >= partitions))
        st = mq_fail(err, MQ_E_RANGE, "topic '%s' has no partition %d (0 to %d)", topic, partition,
                     partitions - 1);
    if (st != MQ_OK)
        return st;
    int64_t first, end;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(log->producer, topic, partition,
                                                                &first, &end, ADMIN_TIMEOUT_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(log, code, "ask for offsets", topic, err);
    *ret_first = first;
    *ret_end = end;
    return MQ_OK;
}

static enum mq_status
kafka_offset_at(struct mq_event_log *base, const char *topic, int32_t partition, int64_t time_ms,
                int64_t *ret_offset, struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    int64_t first = 0, end = 0;
    enum mq_status st = kafka_bounds(base, topic, partition, &first, &end, err);
    if (st != MQ_OK)
        return st;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = MQ_MAX(time_ms, (int64_t)0);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(log->producer, list, ADMIN_TIMEOUT_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(log, code, "ask for an offset by time", topic, err);
    *ret_offset = offset < 0 ? end : offset; /* RD_KAFKA_OFFSET_END: nothing so late */
    return MQ_OK;
}

static enum mq_status
kafka_trim(struct mq_event_log *base, const char *topic, int64_t time_ms, int64_t *ret_removed,
           struct mq_error *err)
{
    (void)time_ms;
    (void)ret_removed;
    int ignored;
    return kafka_partitions(base, topic, &ignored, err); /* retention.ms is the topic's own */
}

/* ---- consumers -------------------------------------------------------------------------- */

struct kafka_consumer {
    struct mq_consumer base;
    struct kafka_log *log;
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t **messages; /* of the last poll */
    struct mq_event *events;
    size_t message_count;
    struct mq_position *next; /* [next_count] what poll gives out next, by partition; -1 unknown */
    int next_count;
};

static void
on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
             void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    const struct mq_consumer_options *options = &consumer->base.options;
    bool assigning = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    struct mq_position positions[MQ_PARTITIONS_MAX];
    int32_t partitions[MQ_PARTITIONS_MAX];
    size_t count = MQ_MIN((size_t)list->cnt, (size_t)MQ_PARTITIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = list->elems[i].partition;
        positions[i] = (struct mq_position){partitions[i], list->elems[i].offset};
    }
    if (!assigning && count > 0 && options->on_revoked != NULL)
        options->on_revoked(options->context, partitions, count);
    for (size_t i = 0; i < count; i++)
        if (partitions[i] < consumer->next_count)
            consumer->next[partitions[i]].offset = -1;
    rd_kafka_assign(handle, assigning ? list : NULL);
    if (assigning && count > 0 && options->on_assigned != NULL)
        options->on_assigned(options->context, positions, count);
}

static enum mq_status
subscribe(struct kafka_consumer *consumer, struct mq_error *err)
{
    const char *topic = consumer->base.options.topic;
    bool grouped = consumer->base.options.group != NULL;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;
    if (grouped) {
        rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
        code = rd_kafka_subscribe(consumer->handle, list);
    } else {
        for (int p = 0; p < consumer->next_count; p++)
            rd_kafka_topic_partition_list_add(list, topic, p)->offset =
                consumer->base.options.from_latest ? RD_KAFKA_OFFSET_END
                                                   : RD_KAFKA_OFFSET_BEGINNING;
        code = rd_kafka_assign(consumer->handle, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? MQ_OK
               : fail_kafka(consumer->log, code, "subscribe", topic, err);
}

static void
free_consumer(struct kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->message_count; i++)
        rd_kafka_message_destroy(consumer->messages[i]);
    if (consumer->queue != NULL)
        rd_kafka_queue_destroy(consumer->queue);
    if (consumer->handle != NULL)
        rd_kafka_destroy(consumer->handle);
    free(consumer->messages);
    free(consumer->events);
    mq_free(consumer->next);
    free(consumer);
}

static enum mq_status
kafka_consumer_new(struct mq_event_log *base, const struct mq_consumer_options *options,
                   struct mq_consumer **ret_consumer, struct mq_error *err)
{
    struct kafka_log *log = log_of(base);
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer");
    consumer->base = (struct mq_consumer){base, *options};
    consumer->log = log;
    consumer->messages = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->messages));
    consumer->events = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->events));
    rd_kafka_conf_t *conf = NULL;
    enum mq_status st = consumer->messages == NULL || consumer->events == NULL
                            ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer")
                            : kafka_partitions(base, options->topic, &consumer->next_count, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)consumer->next_count, sizeof(*consumer->next), &consumer->next,
                            err);
    for (int p = 0; st == MQ_OK && p < consumer->next_count; p++)
        consumer->next[p] = (struct mq_position){p, -1};
    if (st == MQ_OK)
        st = make_conf(log, consumer_defaults, MQ_COUNT(consumer_defaults), &conf, err);
    char session[24], group[64];
    snprintf(session, sizeof(session), "%lld",
             (long long)MQ_MAX(options->session_timeout_ms, (int64_t)6000));
    snprintf(group, sizeof(group), "marquee-reader-%p", (void *)consumer);
    if (st == MQ_OK)
        st = set_property(conf, "session.timeout.ms", session, err);
    if (st == MQ_OK)
        st = set_property(conf, "group.id", options->group != NULL ? options->group : group, err);
    if (st == MQ_OK)
        st = set_property(conf, "auto.offset.reset", options->from_latest ? "latest" : "earliest",
                          err);
    if (st == MQ_OK) {
        char reason[REASON_SIZE];
        rd_kafka_conf_set_opaque(conf, consumer);
        rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
        consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
        if (consumer->handle == NULL)
            st = mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka consumer: %s", reason);
        else
            conf = NULL;
    }
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
    if (st == MQ_OK) {
        rd_kafka_poll_set_consumer(consumer->handle);
        consumer->queue = rd_kafka_queue_get_consumer(consumer->handle);
        st = subscribe(consumer, err);
    }
    if (st != MQ_OK) {
        free_consumer(consumer);
        return st;
    }
    *ret_consumer = &consumer->base;
    return MQ_OK;
}

static void
kafka_consumer_close(struct mq_consumer *base)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_consumer_close(consumer->handle); /* calls on_rebalance */
    free_consumer(consumer);
}

static void
forget_messages(struct kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->message_count; i++)
        rd_kafka_message_destroy(consumer->messages[i]);
    consumer->message_count = 0;
}

static enum mq_status
kafka_poll(struct mq_consumer *base, size_t max_events, int64_t timeout_ms,
           const struct mq_event **ret_events, size_t *ret_count, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    forget_messages(consumer);
    double deadline = mq_clock_monotonic_s() + (double)timeout_ms / 1000.0;
    size_t count = 0;
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && count < max_events) {
        int64_t left = (int64_t)((deadline - mq_clock_monotonic_s()) * 1000.0);
        /* With something in hand, take only what is there already. */
        rd_kafka_message_t *message =
            rd_kafka_consumer_poll(consumer->handle, count > 0 ? 0 : (int)MQ_MAX(left, (int64_t)0));
        if (message == NULL) {
            if (count > 0 || left <= 0)
                break;
            continue;
        }
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            /* Brokers that are away come back; librdkafka goes on by itself. */
            bool passing = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
                           status_of(message->err) == MQ_E_UNREACHABLE ||
                           status_of(message->err) == MQ_E_TIMEOUT ||
                           status_of(message->err) == MQ_E_CONFLICT;
            if (!passing)
                st = fail_kafka(consumer->log, message->err, "read",
                                rd_kafka_message_errstr(message), err);
            rd_kafka_message_destroy(message);
            continue;
        }
        rd_kafka_timestamp_type_t type;
        consumer->messages[count] = message;
        consumer->events[count++] =
            (struct mq_event){.partition = message->partition,
                              .offset = message->offset,
                              .time_ms = rd_kafka_message_timestamp(message, &type),
                              .key = message->key,
                              .key_size = message->key_len,
                              .value = message->payload,
                              .value_size = message->len};
        if (message->partition < consumer->next_count)
            consumer->next[message->partition].offset = message->offset + 1;
        consumer->message_count = count;
    }
    if (st != MQ_OK)
        return st;
    *ret_events = consumer->events;
    *ret_count = count;
    return MQ_OK;
}

static enum mq_status
kafka_commit(struct mq_consumer *base, const struct mq_position *positions, size_t count,
             struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, base->options.topic, positions[i].partition)
            ->offset = positions[i].offset;
    rd_kafka_resp_err_t code = rd_kafka_commit(consumer->handle, list, 0);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? MQ_OK
               : fail_kafka(consumer->log, code, "commit offsets", base->options.topic, err);
}

static enum mq_status
kafka_seek(struct mq_consumer *base, struct mq_position position, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, base->options.topic, position.partition)->offset =
        position.offset;
    rd_kafka_error_t *failure = rd_kafka_seek_partitions(consumer->handle, list, ADMIN_TIMEOUT_MS);
    rd_kafka_resp_err_t code = failure != NULL ? rd_kafka_error_code(failure) : list->elems[0].err;
    if (failure != NULL)
        rd_kafka_error_destroy(failure);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(consumer->log, code, "seek", base->options.topic, err);
    if (position.partition >= 0 && position.partition < consumer->next_count)
        consumer->next[position.partition].offset = position.offset;
    return MQ_OK;
}

static enum mq_status
kafka_lag(struct mq_consumer *base, int64_t *ret_lag, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code = rd_kafka_assignment(consumer->handle, &list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(consumer->log, code, "ask for the lag", base->options.topic, err);
    code = rd_kafka_committed(consumer->handle, list, ADMIN_TIMEOUT_MS);
    int64_t lag = 0;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        int64_t first = 0, end = 0;
        int32_t p = list->elems[i].partition;
        code = rd_kafka_query_watermark_offsets(consumer->handle, base->options.topic, p, &first,
                                                &end, ADMIN_TIMEOUT_MS);
        int64_t next = p < consumer->next_count ? consumer->next[p].offset : -1;
        if (next < 0)
            next = list->elems[i].offset >= 0 ? list->elems[i].offset : first;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && end > next)
            lag += end - next;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail_kafka(consumer->log, code, "ask for the lag", base->options.topic, err);
    *ret_lag = lag;
    return MQ_OK;
}

const struct mq_event_log_ops mq_event_log_kafka_ops = {
    .scheme = "kafka",
    .open = kafka_open,
    .free = kafka_free,
    .create_topic = kafka_create_topic,
    .partitions = kafka_partitions,
    .produce = kafka_produce,
    .bounds = kafka_bounds,
    .offset_at = kafka_offset_at,
    .trim = kafka_trim,
    .consumer_new = kafka_consumer_new,
    .poll = kafka_poll,
    .commit = kafka_commit,
    .seek = kafka_seek,
    .lag = kafka_lag,
    .consumer_close = kafka_consumer_close,
};
