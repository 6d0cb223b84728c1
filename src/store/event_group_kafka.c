/*
 * Consumers of Kafka: one librdkafka consumer a member, commits by hand, partitions revoked and
 * assigned in its rebalance callback, from within poll.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/event_log_kafka.h"

/* A lag that the client does not know by itself is asked for, but not for long. */
#define LAG_ASK_MS 200
#define COMMITTED_ASK_MS 5000

/*
 * What is read ahead is bounded: librdkafka keeps some 400 bytes beside each event, so small events
 * are bounded by number, large ones by bytes.
 */
#define HEARTBEAT_MOST_MS INT64_C(3000)
/* A broker is woken after so long without a message, by a question that may take so long. */
#define POKE_AFTER_S 0.02
#define POKE_MS 200
/* Longest wait for a message before looking at that. */
#define SLICE_MS INT64_C(10)

static const char *const defaults[][2] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"queued.min.messages", "50000"},
    {"queued.max.messages.kbytes", "8192"},
    {"fetch.message.max.bytes", "2097152"},
    {"fetch.max.bytes", "4194304"},
    {"fetch.wait.max.ms", "100"},
    {"enable.partition.eof", "true"}, /* says where a partition ends, whatever lies there */
};

struct kafka_consumer {
    struct mq_consumer base;
    struct mq_kafka_log *log;
    rd_kafka_t *handle;
    rd_kafka_message_t **messages; /* [message_count] of the last poll */
    struct mq_event *events;
    size_t message_count;
    size_t held;              /* messages at the front that came while paused: not given out yet */
    bool paused;              /* fetching rests (poll of no events) */
    struct mq_position *next; /* [next_count] what poll gives out next, by partition; -1 unknown */
    bool *at_end;             /* [next_count] nothing lay behind it when last heard of */
    int next_count;
    int poked;               /* the partition whose broker was woken last */
    double empty_s, poked_s; /* since when no message came, and the last poke; 0: none */
};

static void
move_partitions(rd_kafka_t *handle, bool assigning, rd_kafka_topic_partition_list_t *list)
{
    const char *protocol = rd_kafka_rebalance_protocol(handle);
    rd_kafka_error_t *failure = NULL;
    if (protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0)
        failure = assigning ? rd_kafka_incremental_assign(handle, list)
                            : rd_kafka_incremental_unassign(handle, list);
    else
        rd_kafka_assign(handle, assigning ? list : NULL);
    if (failure != NULL)
        rd_kafka_error_destroy(failure); /* it shows as an error of the next poll */
}

static void
on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
             void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    const struct mq_consumer_options *options = &consumer->base.options;
    bool assigning = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (assigning) /* so that on_assigned can say where; without it librdkafka asks by itself */
        rd_kafka_committed(handle, list, COMMITTED_ASK_MS);
    struct mq_position positions[MQ_PARTITIONS_MAX];
    int32_t partitions[MQ_PARTITIONS_MAX];
    size_t count = MQ_MIN((size_t)list->cnt, (size_t)MQ_PARTITIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = list->elems[i].partition;
        positions[i] =
            (struct mq_position){partitions[i], MQ_MAX(list->elems[i].offset, (int64_t)-1)};
    }
    if (!assigning && count > 0 && options->on_revoked != NULL)
        options->on_revoked(options->context, partitions, count);
    for (size_t i = 0; i < count; i++)
        if (partitions[i] < consumer->next_count)
            consumer->next[partitions[i]].offset = -1;
    move_partitions(handle, assigning, list);
    if (assigning && count > 0 && options->on_assigned != NULL)
        options->on_assigned(options->context, positions, count);
}

static void
on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)handle;
    (void)opaque;
    mq_log_warn("events: %s: %s", rd_kafka_err2str((rd_kafka_resp_err_t)code), reason);
}

static enum mq_status
subscribe(struct kafka_consumer *consumer, struct mq_error *err)
{
    const char *topic = consumer->base.options.topic;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;
    if (consumer->base.options.group != NULL) {
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
               : mq_kafka_fail(consumer->log, code, "subscribe", topic, err);
}

static void
forget_messages(struct kafka_consumer *consumer)
{
    for (size_t i = consumer->held; i < consumer->message_count; i++)
        rd_kafka_message_destroy(consumer->messages[i]);
    consumer->message_count = consumer->held;
}

static void
free_consumer(struct kafka_consumer *consumer)
{
    consumer->held = 0;
    forget_messages(consumer);
    if (consumer->handle != NULL)
        rd_kafka_destroy(consumer->handle);
    free(consumer->messages);
    free(consumer->events);
    mq_free(consumer->next);
    mq_free(consumer->at_end);
    free(consumer);
}

static enum mq_status
make_handle(struct kafka_consumer *consumer, struct mq_error *err)
{
    const struct mq_consumer_options *options = &consumer->base.options;
    char session[24], heartbeat[24], group[64], reason[MQ_KAFKA_REASON_SIZE];
    snprintf(session, sizeof(session), "%lld", (long long)options->session_timeout_ms);
    /* Three a session: with librdkafka's own 3 s a short session would be over before the first. */
    snprintf(heartbeat, sizeof(heartbeat), "%lld",
             (long long)MQ_MAX(MQ_MIN(options->session_timeout_ms / 3, HEARTBEAT_MOST_MS), 1));
    snprintf(group, sizeof(group), "marquee-reader-%p", (void *)consumer); /* commits nothing */
    const char *const own[][2] = {
        {"session.timeout.ms", session},
        {"heartbeat.interval.ms", heartbeat},
        {"group.id", options->group != NULL ? options->group : group},
        {"auto.offset.reset", options->from_latest ? "latest" : "earliest"}};
    rd_kafka_conf_t *conf;
    enum mq_status st = mq_kafka_conf(consumer->log, defaults, MQ_COUNT(defaults), &conf, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(own); i++)
        st = mq_kafka_set(conf, own[i][0], own[i][1], err);
    if (st == MQ_OK) {
        rd_kafka_conf_set_opaque(conf, consumer);
        rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
        rd_kafka_conf_set_error_cb(conf, on_error);
        consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
        if (consumer->handle == NULL)
            st = mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka consumer: %s", reason);
    }
    if (st != MQ_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    rd_kafka_poll_set_consumer(consumer->handle);
    return MQ_OK;
}

enum mq_status
mq_kafka_consumer_new(struct mq_event_log *base, const struct mq_consumer_options *options,
                      struct mq_consumer **ret_consumer, struct mq_error *err)
{
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer");
    consumer->base = (struct mq_consumer){base, *options};
    consumer->log = mq_kafka_log_of(base);
    consumer->messages = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->messages));
    consumer->events = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->events));
    enum mq_status st =
        consumer->messages == NULL || consumer->events == NULL
            ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer")
            : base->ops->partitions(base, options->topic, &consumer->next_count, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)consumer->next_count, sizeof(*consumer->next), &consumer->next,
                            err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)consumer->next_count, sizeof(*consumer->at_end),
                            &consumer->at_end, err);
    for (int p = 0; st == MQ_OK && p < consumer->next_count; p++)
        consumer->next[p] = (struct mq_position){p, -1};
    if (st == MQ_OK)
        st = make_handle(consumer, err);
    if (st == MQ_OK)
        st = subscribe(consumer, err);
    if (st != MQ_OK) {
        free_consumer(consumer);
        return st;
    }
    *ret_consumer = &consumer->base;
    return MQ_OK;
}

void
mq_kafka_consumer_close(struct mq_consumer *base)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_consumer_close(consumer->handle); /* calls on_rebalance */
    free_consumer(consumer);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void
rest(struct kafka_consumer *consumer, bool pause)
{
    rd_kafka_topic_partition_list_t *list;
    if (rd_kafka_assignment(consumer->handle, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (pause)
        rd_kafka_pause_partitions(consumer->handle, list);
    else
        rd_kafka_resume_partitions(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    consumer->paused = pause;
}

/* Whether librdkafka goes on by itself after this: brokers that are away come back. */
static bool
is_passing(rd_kafka_resp_err_t code)
{
    enum mq_status st = mq_kafka_status(code);
    return code == RD_KAFKA_RESP_ERR__PARTITION_EOF || st == MQ_E_UNREACHABLE ||
           st == MQ_E_TIMEOUT || st == MQ_E_CONFLICT;
}

/* The next message, or NULL when the time is over or only news came. */
static enum mq_status
take_message(struct kafka_consumer *consumer, int64_t timeout_ms, rd_kafka_message_t **ret_message,
             struct mq_error *err)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, (int)timeout_ms);
    enum mq_status st = MQ_OK;
    if (message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF &&
            message->partition < consumer->next_count) {
            consumer->next[message->partition].offset = message->offset;
            consumer->at_end[message->partition] = true;
        }
        if (!is_passing(message->err))
            st = mq_kafka_fail(consumer->log, message->err, "read",
                               rd_kafka_message_errstr(message), err);
        rd_kafka_message_destroy(message);
        message = NULL;
    }
    if (st == MQ_OK)
        *ret_message = message;
    return st;
}

static void
keep_message(struct kafka_consumer *consumer, rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    size_t place = consumer->message_count++;
    consumer->messages[place] = message;
    consumer->events[place] =
        (struct mq_event){.partition = message->partition,
                          .offset = message->offset,
                          .time_ms = rd_kafka_message_timestamp(message, &type),
                          .key = message->key,
                          .key_size = message->key_len,
                          .value = message->payload,
                          .value_size = message->len};
    if (message->partition < consumer->next_count) {
        consumer->next[message->partition].offset = message->offset + 1;
        consumer->at_end[message->partition] = false;
    }
}

/*
 * librdkafka stops fetching when its queue is full, and looks at the queue again only a second
 * later, or when there is something else to do. So where nothing comes though more must be there, a
 * broker is asked something.
 */
static void
poke_broker(struct kafka_consumer *consumer)
{
    double now = mq_clock_monotonic_s();
    if (consumer->empty_s <= 0)
        consumer->empty_s = now;
    if (now - consumer->empty_s < POKE_AFTER_S || now - consumer->poked_s < POKE_AFTER_S)
        return;
    for (int i = 1; i <= consumer->next_count; i++) {
        int p = (consumer->poked + i) % consumer->next_count;
        if (consumer->next[p].offset < 0 || consumer->at_end[p])
            continue;
        int64_t low, high;
        rd_kafka_query_watermark_offsets(consumer->handle, consumer->base.options.topic, p, &low,
                                         &high, POKE_MS);
        consumer->poked = p;
        consumer->poked_s = mq_clock_monotonic_s();
        return;
    }
}

/* Keep the membership alive without taking events: fetching is paused. What slips through, as from
 * partitions that were assigned just now, is kept for the next real poll. */
static enum mq_status
poll_nothing(struct kafka_consumer *consumer, int64_t timeout_ms, struct mq_error *err)
{
    if (!consumer->paused)
        rest(consumer, true);
    rd_kafka_message_t *message;
    enum mq_status st = take_message(consumer, timeout_ms, &message, err);
    if (st != MQ_OK || message == NULL)
        return st;
    rest(consumer, true);
    if (consumer->message_count == MQ_EVENTS_BATCH_MAX) { /* cannot be: nothing is fetched */
        rd_kafka_message_destroy(message);
        return mq_fail(err, MQ_E_INTERNAL, "a paused consumer was given events");
    }
    keep_message(consumer, message);
    consumer->held = consumer->message_count;
    return MQ_OK;
}

enum mq_status
mq_kafka_consumer_poll(struct mq_consumer *base, size_t max_events, int64_t timeout_ms,
                       const struct mq_event **ret_events, size_t *ret_count, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    forget_messages(consumer);
    if (max_events == 0) {
        enum mq_status st = poll_nothing(consumer, timeout_ms, err);
        if (st == MQ_OK)
            *ret_count = 0;
        return st;
    }
    if (consumer->paused)
        rest(consumer, false);
    consumer->held = 0; /* given out now */
    double deadline = mq_clock_monotonic_s() + (double)timeout_ms / 1000.0;
    while (consumer->message_count < max_events) {
        /* With something in hand, take only what is there already. */
        int64_t wait = 0;
        if (consumer->message_count == 0)
            wait = MQ_MAX((int64_t)((deadline - mq_clock_monotonic_s()) * 1000.0), (int64_t)0);
        rd_kafka_message_t *message;
        enum mq_status st = take_message(consumer, MQ_MIN(wait, SLICE_MS), &message, err);
        if (st != MQ_OK)
            return st;
        if (message != NULL)
            keep_message(consumer, message);
        else if (consumer->message_count > 0)
            break;
        else if (mq_clock_monotonic_s() >= deadline)
            break;
        else
            poke_broker(consumer);
    }
    if (consumer->message_count > 0)
        consumer->empty_s = 0;
    *ret_events = consumer->events;
    *ret_count = consumer->message_count;
    return MQ_OK;
}

enum mq_status
mq_kafka_consumer_commit(struct mq_consumer *base, const struct mq_position *positions,
                         size_t count, struct mq_error *err)
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
               : mq_kafka_fail(consumer->log, code, "commit offsets", base->options.topic, err);
}

enum mq_status
mq_kafka_consumer_committed(struct mq_consumer *base, int32_t partition, int64_t *ret_offset,
                            struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, base->options.topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, one, COMMITTED_ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = one->elems[0].err;
    int64_t offset = one->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(one);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(consumer->log, code, "ask for committed offsets", base->options.topic,
                             err);
    *ret_offset = MQ_MAX(offset, (int64_t)-1);
    return MQ_OK;
}

/* A handle that subscribes to nothing can ask for a group's offsets, and is no member of it. */
static enum mq_status
make_asker(struct mq_kafka_log *log, const char *group, rd_kafka_t **ret_handle,
           struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE];
    rd_kafka_conf_t *conf;
    enum mq_status st = mq_kafka_conf(log, defaults, MQ_COUNT(defaults), &conf, err);
    if (st != MQ_OK)
        return st;
    st = mq_kafka_set(conf, "group.id", group, err);
    rd_kafka_t *handle =
        st == MQ_OK ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason)) : NULL;
    if (st == MQ_OK && handle == NULL)
        st = mq_fail(err, MQ_E_CONFIG, "cannot make a Kafka consumer: %s", reason);
    if (st != MQ_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    *ret_handle = handle;
    return MQ_OK;
}

enum mq_status
mq_kafka_group_committed(struct mq_event_log *base, const char *topic, const char *group,
                         int partitions, int64_t *ret_offsets, struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    rd_kafka_t *handle;
    enum mq_status st = make_asker(log, group, &handle, err);
    if (st != MQ_OK)
        return st;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p);
    rd_kafka_resp_err_t code = rd_kafka_committed(handle, list, MQ_KAFKA_ASK_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        st = mq_kafka_fail(log, code, "ask for committed offsets", topic, err);
    for (int i = 0; st == MQ_OK && i < list->cnt; i++)
        if (list->elems[i].partition >= 0 && list->elems[i].partition < partitions)
            ret_offsets[list->elems[i].partition] = MQ_MAX(list->elems[i].offset, (int64_t)-1);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(handle);
    return st;
}

enum mq_status
mq_kafka_consumer_seek(struct mq_consumer *base, struct mq_position position, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, base->options.topic, position.partition)->offset =
        position.offset;
    rd_kafka_error_t *failure = rd_kafka_seek_partitions(consumer->handle, list, MQ_KAFKA_ASK_MS);
    rd_kafka_resp_err_t code = failure != NULL ? rd_kafka_error_code(failure) : list->elems[0].err;
    if (failure != NULL)
        rd_kafka_error_destroy(failure);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(consumer->log, code, "seek", base->options.topic, err);
    if (position.partition >= 0 && position.partition < consumer->next_count)
        consumer->next[position.partition].offset = position.offset;
    return MQ_OK;
}

/* ---- lag -------------------------------------------------------------------------------- */

/* Offset this member reads next: known from what it was given, else committed, else the first. */
static rd_kafka_resp_err_t
next_offset(struct kafka_consumer *consumer, rd_kafka_topic_partition_t *place, int64_t first,
            int64_t *ret_next)
{
    if (place->partition < consumer->next_count && consumer->next[place->partition].offset >= 0) {
        *ret_next = consumer->next[place->partition].offset;
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(one, place->topic, place->partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, one, LAG_ASK_MS);
    *ret_next = one->elems[0].offset >= 0 ? one->elems[0].offset : first;
    rd_kafka_topic_partition_list_destroy(one);
    return code;
}

enum mq_status
mq_kafka_consumer_lag(struct mq_consumer *base, int64_t *ret_lag, struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t code = rd_kafka_assignment(consumer->handle, &list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(consumer->log, code, "ask for the lag", base->options.topic, err);
    int64_t lag = 0;
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        int64_t first = -1, end = -1, next = 0;
        int32_t p = list->elems[i].partition;
        /* Known from the last fetch; before that the broker has to be asked. */
        code =
            rd_kafka_get_watermark_offsets(consumer->handle, base->options.topic, p, &first, &end);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR || end < 0)
            code = rd_kafka_query_watermark_offsets(consumer->handle, base->options.topic, p,
                                                    &first, &end, LAG_ASK_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = next_offset(consumer, &list->elems[i], first, &next);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && end > next)
            lag += end - next;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(consumer->log, code, "ask for the lag", base->options.topic, err);
    *ret_lag = lag;
    return MQ_OK;
}
