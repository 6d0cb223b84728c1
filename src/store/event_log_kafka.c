#include "store/event_log_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

#define TOPIC_READY_TRIES 100
/* A question is asked again after so long, and then twice as long, and so on: between them is
 * looked whether waiting is vain. */
#define FIRST_TRY_MS INT64_C(250)

/* ---- opening ---------------------------------------------------------------------------- */

static void
free_log(struct mq_kafka_log *log)
{
    mq_kafka_free_properties(log);
    free(log->servers);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static enum mq_status
kafka_open(const char *rest, const char *properties, struct mq_event_log **ret_log,
           struct mq_error *err)
{
    while (*rest == '/')
        rest++;
    struct mq_kafka_log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    pthread_mutex_init(&log->lock, NULL);
    log->servers = mq_strdup(rest);
    enum mq_status st =
        log->servers == NULL ? mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log") : MQ_OK;
    char *query = st == MQ_OK ? strchr(log->servers, '?') : NULL;
    if (query != NULL)
        *query++ = '\0';
    if (st == MQ_OK && strchr(log->servers, '@') != NULL) { /* not shown: it may be a password */
        st = mq_fail(err, MQ_E_CONFIG, "expected kafka:HOST:PORT, found something before an '@'");
        mq_error_hint(err, "give user and password as sasl.username and sasl.password "
                           "(docs/howto/stores.md, Kafka)");
    }
    if (st == MQ_OK)
        st = mq_kafka_read_properties(log, query, properties, err);
    if (st == MQ_OK && *log->servers == '\0')
        st = mq_fail(err, MQ_E_CONFIG, "expected kafka:HOST:PORT[,HOST:PORT…][?property=value&…]");
    /* A wrong property is found here, not at the first event. */
    rd_kafka_conf_t *conf;
    if (st == MQ_OK && (st = mq_kafka_conf(log, NULL, 0, &conf, err)) == MQ_OK)
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
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    mq_kafka_end_producer(log);
    free_log(log);
}

/* ---- topics ----------------------------------------------------------------------------- */

/* The topic's metadata, asked for until the time is over or waiting is known to be vain. */
static rd_kafka_resp_err_t
ask_metadata(struct mq_kafka_log *log, rd_kafka_t *handle, rd_kafka_topic_t *topic,
             int64_t timeout_ms, const struct rd_kafka_metadata **ret_metadata)
{
    double begun = mq_clock_monotonic_s();
    int64_t try_ms = FIRST_TRY_MS;
    for (;;) {
        int64_t left = timeout_ms - (int64_t)((mq_clock_monotonic_s() - begun) * 1000);
        if (left < try_ms + FIRST_TRY_MS)
            try_ms = MQ_MAX(left, (int64_t)1);
        rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, topic, ret_metadata, (int)try_ms);
        enum mq_status st = mq_kafka_status(code);
        if (st != MQ_E_TIMEOUT && st != MQ_E_UNREACHABLE)
            return code;
        rd_kafka_resp_err_t vain = mq_kafka_vain(log, begun);
        if (vain != RD_KAFKA_RESP_ERR_NO_ERROR || left <= try_ms)
            return vain != RD_KAFKA_RESP_ERR_NO_ERROR ? vain : code;
        try_ms *= 2;
    }
}

enum mq_status
mq_kafka_count_partitions(struct mq_kafka_log *log, rd_kafka_t *handle, const char *topic,
                          int64_t timeout_ms, int *ret_partitions, struct mq_error *err)
{
    char what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "find topic '%s'", topic);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic_handle = rd_kafka_topic_new(handle, topic, NULL);
    rd_kafka_resp_err_t code = topic_handle == NULL
                                   ? rd_kafka_last_error()
                                   : ask_metadata(log, handle, topic_handle, timeout_ms, &metadata);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        mq_kafka_answers(log);
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
    if (topic_handle != NULL)
        rd_kafka_topic_destroy(topic_handle);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return MQ_OK;
    enum mq_status st = mq_kafka_fail(log, code, what, NULL, err);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        mq_error_hint(err, "allow Describe on topic '%s' (docs/howto/stores.md, Kafka)", topic);
    return st;
}

static enum mq_status
kafka_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
                 struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    struct mq_kafka_producer *producer;
    int partitions = 0;
    enum mq_status st = mq_kafka_use(log, false, &producer, err);
    if (st != MQ_OK)
        return st;
    st = mq_kafka_count_partitions(log, producer->handle, topic, MQ_KAFKA_ASK_MS, &partitions, err);
    mq_kafka_leave(producer);
    if (st == MQ_OK && partitions > MQ_PARTITIONS_MAX)
        return mq_fail(err, MQ_E_RANGE, "topic '%s' has %d partitions (at most %d)", topic,
                       partitions, MQ_PARTITIONS_MAX);
    if (st == MQ_OK)
        *ret_partitions = partitions;
    return st;
}

static void
pause_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static enum mq_status
create(struct mq_kafka_log *log, rd_kafka_t *handle, const char *topic, int partitions,
       struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE] = "", what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "make topic '%s'", topic);
    rd_kafka_NewTopic_t *fresh =
        rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof(reason));
    if (fresh == NULL)
        return mq_fail(err, MQ_E_CONFIG, "cannot %s: %s", what, reason);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, MQ_KAFKA_ASK_MS, reason, sizeof(reason));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_CreateTopics(handle, &fresh, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, MQ_KAFKA_ASK_MS + 1000);
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
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return MQ_OK;
    enum mq_status st = mq_kafka_fail(log, code, what, reason, err);
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        mq_error_hint(err,
                      "allow Create on topic '%s' (docs/howto/stores.md, Kafka), or let "
                      "somebody else make it",
                      topic);
    return st;
}

static enum mq_status
kafka_create_topic(struct mq_event_log *base, const char *topic, int partitions,
                   struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    struct mq_kafka_producer *producer;
    enum mq_status st = mq_kafka_use(log, false, &producer, err);
    if (st != MQ_OK)
        return st;
    st = create(log, producer->handle, topic, partitions, err);
    /* A new topic needs a moment to be known. */
    for (int i = 0, found; st == MQ_OK && i < TOPIC_READY_TRIES; i++) {
        st = mq_kafka_count_partitions(log, producer->handle, topic, MQ_KAFKA_ASK_MS, &found, err);
        if (st != MQ_E_NOT_FOUND || i + 1 == TOPIC_READY_TRIES)
            break;
        st = MQ_OK;
        pause_ms(50);
    }
    mq_kafka_leave(producer);
    return st;
}

/* ---- bounds ----------------------------------------------------------------------------- */

static enum mq_status
kafka_bounds(struct mq_event_log *base, const char *topic, int32_t partition, int64_t *ret_first,
             int64_t *ret_end, struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    int partitions = 0;
    enum mq_status st = kafka_partitions(base, topic, &partitions, err);
    if (st == MQ_OK && (partition < 0 || partition >= partitions))
        st = mq_fail(err, MQ_E_RANGE, "topic '%s' has no partition %d (0 to %d)", topic, partition,
                     partitions - 1);
    if (st != MQ_OK)
        return st;
    int64_t first, end;
    struct mq_kafka_producer *producer;
    if ((st = mq_kafka_use(log, false, &producer, err)) != MQ_OK)
        return st;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(producer->handle, topic, partition,
                                                                &first, &end, MQ_KAFKA_ASK_MS);
    mq_kafka_leave(producer);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(log, code, "ask for offsets", topic, err);
    *ret_first = first;
    *ret_end = end;
    return MQ_OK;
}

static enum mq_status
kafka_offset_at(struct mq_event_log *base, const char *topic, int32_t partition, int64_t time_ms,
                int64_t *ret_offset, struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    int64_t first = 0, end = 0;
    enum mq_status st = kafka_bounds(base, topic, partition, &first, &end, err);
    if (st != MQ_OK)
        return st;
    struct mq_kafka_producer *producer;
    if ((st = mq_kafka_use(log, false, &producer, err)) != MQ_OK)
        return st;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = MQ_MAX(time_ms, (int64_t)0);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(producer->handle, list, MQ_KAFKA_ASK_MS);
    mq_kafka_leave(producer);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(log, code, "ask for an offset by time", topic, err);
    *ret_offset = offset < 0 ? end : offset; /* RD_KAFKA_OFFSET_END: nothing so late */
    return MQ_OK;
}

/* A handle that subscribes to nothing can ask for a group's offsets, and is no member of it. */
static enum mq_status
make_asker(struct mq_kafka_log *log, const char *group, rd_kafka_t **ret_handle,
           struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE];
    rd_kafka_conf_t *conf;
    enum mq_status st = mq_kafka_conf(log, NULL, 0, &conf, err);
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

static enum mq_status
kafka_group_committed(struct mq_event_log *base, const char *topic, const char *group,
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

static enum mq_status
kafka_trim(struct mq_event_log *base, const char *topic, int64_t time_ms, int64_t *ret_removed,
           struct mq_error *err)
{
    (void)time_ms;
    (void)ret_removed;
    int ignored;
    return kafka_partitions(base, topic, &ignored, err); /* retention.ms is the topic's own */
}

const struct mq_event_log_ops mq_event_log_kafka_ops = {
    .scheme = "kafka",
    .open = kafka_open,
    .free = kafka_free,
    .create_topic = kafka_create_topic,
    .partitions = kafka_partitions,
    .produce = mq_kafka_produce,
    .check = mq_kafka_check,
    .bounds = kafka_bounds,
    .offset_at = kafka_offset_at,
    .trim = kafka_trim,
    .consumer_new = mq_kafka_consumer_new,
    .poll = mq_kafka_consumer_poll,
    .commit = mq_kafka_consumer_commit,
    .committed = mq_kafka_consumer_committed,
    .group_committed = kafka_group_committed,
    .seek = mq_kafka_consumer_seek,
    .position = mq_kafka_consumer_position,
    .consumer_bounds = mq_kafka_consumer_bounds,
    .consumer_close = mq_kafka_consumer_close,
};
