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

/* Bounds that the client does not know by itself are asked for, but not for long. */
#define BOUNDS_ASK_MS 200
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
/* A member that takes no events leaves what was read ahead where it is for so long, and pauses only
 * then: pausing throws it away. */
#define PAUSE_AFTER_S 1.0

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
    size_t held;      /* messages at the front that came while paused: not given out yet */
    bool paused;      /* fetching rests (poll of no events) */
    double resting_s; /* since when no events were wanted; 0: they are */
    bool from_latest; /* where a group without commits begins */
    int64_t next[MQ_PARTITIONS_MAX];  /* what comes next, by partition; -1: unknown */
    bool at_end[MQ_PARTITIONS_MAX];   /* nothing lay behind it when last heard of */
    int64_t first[MQ_PARTITIONS_MAX]; /* that the log held when it was asked; -1: not yet */
    int partitions;                   /* of the topic, as far as heard of */
    int poked;                        /* the one whose broker was woken last */
    double empty_s, poked_s;          /* since when no message came, and the last poke; 0: none */
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

/* Messages kept for later that must not be given out any more. */
static void
drop_held(struct kafka_consumer *consumer, int32_t partition)
{
    size_t kept = 0;
    for (size_t i = 0; i < consumer->held; i++) {
        if (consumer->messages[i]->partition == partition) {
            rd_kafka_message_destroy(consumer->messages[i]);
            continue;
        }
        consumer->messages[kept] = consumer->messages[i];
        consumer->events[kept++] = consumer->events[i];
    }
    if (consumer->held == consumer->message_count)
        consumer->message_count = kept;
    consumer->held = kept;
}

static void
set_next(struct kafka_consumer *consumer, int32_t partition, int64_t offset, bool at_end)
{
    if (partition < 0 || partition >= MQ_PARTITIONS_MAX)
        return;
    consumer->next[partition] = offset;
    consumer->at_end[partition] = at_end;
    consumer->partitions = MQ_MAX(consumer->partitions, partition + 1);
}

static void
on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
             void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    const struct mq_consumer_options *options = &consumer->base.options;
    bool assigning = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    /* So that on_assigned can say where; without it librdkafka asks by itself. */
    bool known = assigning &&
                 rd_kafka_committed(handle, list, COMMITTED_ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
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
    for (size_t i = 0; i < count; i++) {
        drop_held(consumer, partitions[i]);
        if (partitions[i] >= 0 && partitions[i] < MQ_PARTITIONS_MAX)
            consumer->first[partitions[i]] = -1;
        set_next(consumer, partitions[i], assigning ? positions[i].offset : -1, false);
    }
    for (int i = 0; known && consumer->from_latest && i < list->cnt; i++)
        if (list->elems[i].offset < 0)
            list->elems[i].offset = RD_KAFKA_OFFSET_END;
    /* They would be paused still when they come back. Not then: a partition that is resumed while
     * its offset is asked for may never be fetched. */
    if (!assigning && consumer->paused)
        rd_kafka_resume_partitions(handle, list);
    move_partitions(handle, assigning, list);
    if (assigning && count > 0 && options->on_assigned != NULL)
        options->on_assigned(options->context, positions, count);
}

static void
on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)handle;
    struct kafka_consumer *consumer = opaque;
    mq_kafka_note(consumer->log, (rd_kafka_resp_err_t)code, reason, true);
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
        for (int p = 0; p < consumer->partitions; p++)
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
    free(consumer);
}

/* Where a group without commits begins: what the user said, else what the caller asks for. */
static bool
begins_at_latest(const struct mq_kafka_log *log, const struct mq_consumer_options *options)
{
    const char *given = mq_kafka_property(log, "auto.offset.reset");
    return given != NULL ? strcmp(given, "latest") == 0 || strcmp(given, "largest") == 0 ||
                               strcmp(given, "end") == 0
                         : options->from_latest;
}

static bool
says_error(const struct mq_kafka_log *log)
{
    const char *given = mq_kafka_property(log, "auto.offset.reset");
    return given != NULL && strcmp(given, "error") == 0;
}

/* What the consumer asks for, where the user said nothing else. */
static enum mq_status
set_own(const struct kafka_consumer *consumer, rd_kafka_conf_t *conf, struct mq_error *err)
{
    const struct mq_consumer_options *options = &consumer->base.options;
    const struct mq_kafka_log *log = consumer->log;
    char session[24], heartbeat[24], group[64];
    const char *given = mq_kafka_property(log, "session.timeout.ms");
    long long session_ms = given != NULL ? atoll(given) : (long long)options->session_timeout_ms;
    snprintf(session, sizeof(session), "%lld", session_ms);
    /* Three a session: with librdkafka's own 3 s a short session would be over before the first. */
    snprintf(heartbeat, sizeof(heartbeat), "%lld",
             MQ_MAX(MQ_MIN(session_ms / 3, HEARTBEAT_MOST_MS), 1));
    snprintf(group, sizeof(group), "marquee-reader-%p", (void *)consumer); /* commits nothing */
    const char *const own[][2] = {{"session.timeout.ms", session},
                                  {"heartbeat.interval.ms", heartbeat}};
    enum mq_status st =
        mq_kafka_set(conf, "group.id", options->group != NULL ? options->group : group, err);
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(own); i++)
        if (mq_kafka_property(log, own[i][0]) == NULL)
            st = mq_kafka_set(conf, own[i][0], own[i][1], err);
    /* "latest" is for groups that begin; one that retention passed by must not leap to the end. */
    if (st == MQ_OK && !says_error(log))
        st = mq_kafka_set(conf, "auto.offset.reset", "earliest", err);
    return st;
}

static enum mq_status
make_handle(struct kafka_consumer *consumer, struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE];
    rd_kafka_conf_t *conf;
    enum mq_status st = mq_kafka_conf(consumer->log, defaults, MQ_COUNT(defaults), &conf, err);
    if (st != MQ_OK)
        return st;
    st = set_own(consumer, conf, err);
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
    consumer->from_latest = begins_at_latest(consumer->log, options);
    consumer->messages = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->messages));
    consumer->events = calloc(MQ_EVENTS_BATCH_MAX, sizeof(*consumer->events));
    enum mq_status st =
        consumer->messages == NULL || consumer->events == NULL
            ? mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer")
            : base->ops->partitions(base, options->topic, &consumer->partitions, err);
    for (int p = 0; p < MQ_PARTITIONS_MAX; p++)
        consumer->next[p] = consumer->first[p] = -1;
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

static enum mq_status
fail_read(const struct kafka_consumer *consumer, const rd_kafka_message_t *message,
          struct mq_error *err)
{
    const struct mq_consumer_options *options = &consumer->base.options;
    char what[MQ_TOPIC_NAME_MAX + 32], reason[MQ_KAFKA_REASON_SIZE];
    rd_kafka_resp_err_t code = message->err;
    const char *detail = rd_kafka_message_errstr(message);
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = rd_kafka_fatal_error(consumer->handle, reason, sizeof(reason));
        detail = reason;
    }
    snprintf(what, sizeof(what), "read topic '%s'", options->topic);
    enum mq_status st = mq_kafka_fail(consumer->log, code, what, detail, err);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        mq_error_hint(err, "allow Read on topic '%s' (docs/howto/stores.md, Kafka)",
                      options->topic);
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED && options->group != NULL)
        mq_error_hint(err, "allow Read on group '%s' (docs/howto/stores.md, Kafka)",
                      options->group);
    return st;
}

/* The next message, or NULL when the time is over or only news came. */
static enum mq_status
take_message(struct kafka_consumer *consumer, int64_t timeout_ms, rd_kafka_message_t **ret_message,
             struct mq_error *err)
{
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, (int)timeout_ms);
    enum mq_status st = MQ_OK;
    if (message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            set_next(consumer, message->partition, message->offset, true);
        else if (mq_kafka_passes(message->err))
            mq_kafka_note(consumer->log, message->err, rd_kafka_message_errstr(message), true);
        else
            st = fail_read(consumer, message, err);
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
    set_next(consumer, message->partition, message->offset + 1, false);
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
    for (int i = 1; i <= consumer->partitions; i++) {
        int p = (consumer->poked + i) % consumer->partitions;
        if (consumer->next[p] < 0 || consumer->at_end[p])
            continue;
        int64_t low, high;
        rd_kafka_query_watermark_offsets(consumer->handle, consumer->base.options.topic, p, &low,
                                         &high, POKE_MS);
        consumer->poked = p;
        consumer->poked_s = mq_clock_monotonic_s();
        return;
    }
}

/* Keep the membership alive without taking events: heartbeats go on by themselves, and behind a
 * while fetching is paused, so that the queue has only news of the group. What slips through, as
 * from partitions that were assigned just now, is kept for the next real poll. */
static enum mq_status
poll_nothing(struct kafka_consumer *consumer, int64_t timeout_ms, struct mq_error *err)
{
    double now = mq_clock_monotonic_s();
    if (consumer->resting_s <= 0)
        consumer->resting_s = now;
    if (!consumer->paused && now - consumer->resting_s < PAUSE_AFTER_S)
        return MQ_OK;
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
    consumer->resting_s = 0;
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
    drop_held(consumer, position.partition);
    set_next(consumer, position.partition, position.offset, false);
    return MQ_OK;
}

int64_t
mq_kafka_consumer_position(struct mq_consumer *base, int32_t partition)
{
    const struct kafka_consumer *consumer = (const struct kafka_consumer *)base;
    for (size_t i = 0; i < consumer->held; i++) /* came, and was not given out yet */
        if (consumer->messages[i]->partition == partition)
            return consumer->messages[i]->offset;
    return partition >= 0 && partition < MQ_PARTITIONS_MAX ? consumer->next[partition] : -1;
}

/* ---- bounds ----------------------------------------------------------------------------- */

/* Ends of all partitions in one question: while fetching rests the client hears of none. */
static rd_kafka_resp_err_t
ask_ends(struct kafka_consumer *consumer, struct mq_bounds *bounds, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->base.options.topic, bounds[i].partition)
            ->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(consumer->handle, list, BOUNDS_ASK_MS);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        for (size_t k = 0; k < count; k++)
            if (bounds[k].partition == list->elems[i].partition)
                bounds[k].end = MQ_MAX(bounds[k].end, list->elems[i].offset);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* The end is known from the last fetch. The first offset is asked for once: a question waits behind
 * whole fetches, and holds up who polls. */
static rd_kafka_resp_err_t
find_bounds(struct kafka_consumer *consumer, int32_t partition, int64_t *ret_first,
            int64_t *ret_end)
{
    const char *topic = consumer->base.options.topic;
    int64_t *known =
        partition >= 0 && partition < MQ_PARTITIONS_MAX ? &consumer->first[partition] : NULL;
    int64_t low;
    if (known != NULL && *known >= 0 &&
        rd_kafka_get_watermark_offsets(consumer->handle, topic, partition, &low, ret_end) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        *ret_end >= 0) {
        *ret_first = MQ_MAX(*known, low);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(consumer->handle, topic, partition,
                                                                ret_first, ret_end, BOUNDS_ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && known != NULL)
        *known = *ret_first;
    return code;
}

enum mq_status
mq_kafka_consumer_bounds(struct mq_consumer *base, struct mq_bounds *bounds, size_t count,
                         struct mq_error *err)
{
    struct kafka_consumer *consumer = (struct kafka_consumer *)base;
    const char *topic = base->options.topic;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++) {
        int64_t first = -1, end = -1;
        code = find_bounds(consumer, bounds[i].partition, &first, &end);
        bounds[i].first = first;
        bounds[i].end = end;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && consumer->paused && count > 0)
        code = ask_ends(consumer, bounds, count);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? MQ_OK
               : mq_kafka_fail(consumer->log, code, "ask for offsets", topic, err);
}
