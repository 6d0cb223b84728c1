/* Events in Kafka, by librdkafka: opening, topics, bounds. Traps: event_log_kafka.h. */
#include "store/event_log_kafka.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

#define TOPIC_READY_TRIES 100

enum mq_status
mq_kafka_status(rd_kafka_resp_err_t code)
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
    case RD_KAFKA_RESP_ERR__STATE: /* a commit after the partition was taken away */
        return MQ_E_CONFLICT;
    case RD_KAFKA_RESP_ERR__FATAL:
        return MQ_E_INTERNAL;
    default:
        return MQ_E_UNREACHABLE;
    }
}

enum mq_status
mq_kafka_fail(const struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *what,
              const char *detail, struct mq_error *err)
{
    enum mq_status st = mq_kafka_status(code);
    mq_fail(err, st, "cannot %s at 'kafka:%s': %s%s%s", what, log->servers, rd_kafka_err2str(code),
            detail != NULL && *detail != '\0' ? ": " : "", detail != NULL ? detail : "");
    if (err != NULL)
        err->retriable = st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE;
    if (st == MQ_E_NOT_FOUND)
        mq_error_hint(err, "make the topic with `marquee stores create`");
    else if (st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE)
        mq_error_hint(err, "is a broker running at %s?", log->servers);
    return st;
}

/* ---- opening ---------------------------------------------------------------------------- */

static void
free_log(struct mq_kafka_log *log)
{
    for (size_t i = 0; i < log->property_count; i++) {
        free(log->properties[i].name);
        free(log->properties[i].value);
    }
    free(log->properties);
    free(log->servers);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static int
hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10;
}

static void
decode_percent(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; out++) {
        if (*in == '%' && isxdigit((unsigned char)in[1]) && isxdigit((unsigned char)in[2])) {
            *out = (char)(hex_digit(in[1]) << 4 | hex_digit(in[2]));
            in += 3;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
}

/* "a=1<separator>b=2": appended to the log's properties; later ones win. */
static enum mq_status
parse_properties(struct mq_kafka_log *log, char *text, const char *separator, bool encoded,
                 struct mq_error *err)
{
    char *saved = NULL;
    for (char *item = strtok_r(text, separator, &saved); item != NULL;
         item = strtok_r(NULL, separator, &saved)) {
        while (isspace((unsigned char)*item))
            item++;
        if (*item == '\0')
            continue;
        char *equals = strchr(item, '=');
        if (equals == NULL)
            return mq_fail(err, MQ_E_CONFIG, "Kafka property '%s' has no value", item);
        *equals = '\0';
        if (encoded)
            decode_percent(equals + 1);
        enum mq_status st = mq_grow(&log->properties, &log->property_capacity,
                                    log->property_count + 1, sizeof(*log->properties), err);
        if (st != MQ_OK)
            return st;
        struct mq_kafka_property *p = &log->properties[log->property_count++];
        p->name = mq_strdup(item);
        p->value = mq_strdup(equals + 1);
        if (p->name == NULL || p->value == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    }
    return MQ_OK;
}

enum mq_status
mq_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        return mq_fail(err, MQ_E_CONFIG, "cannot set Kafka property '%s': %s", name, reason);
    return MQ_OK;
}

enum mq_status
mq_kafka_conf(const struct mq_kafka_log *log, const char *const (*defaults)[2],
              size_t default_count, rd_kafka_conf_t **ret_conf, struct mq_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    enum mq_status st = mq_kafka_set(conf, "bootstrap.servers", log->servers, err);
    if (st == MQ_OK)
        st = mq_kafka_set(conf, "client.id", "marquee", err);
    if (st == MQ_OK) /* a broker that comes back is found within a second */
        st = mq_kafka_set(conf, "reconnect.backoff.max.ms", "1000", err);
    for (size_t i = 0; st == MQ_OK && i < default_count; i++)
        st = mq_kafka_set(conf, defaults[i][0], defaults[i][1], err);
    for (size_t i = 0; st == MQ_OK && i < log->property_count; i++)
        st = mq_kafka_set(conf, log->properties[i].name, log->properties[i].value, err);
    rd_kafka_conf_set_log_cb(conf, NULL);
    if (st != MQ_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    *ret_conf = conf;
    return MQ_OK;
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
    mq_autofree char *settings = mq_strdup(properties != NULL ? properties : "");
    enum mq_status st = log->servers == NULL || settings == NULL
                            ? mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log")
                            : MQ_OK;
    if (st == MQ_OK)
        st = parse_properties(log, settings, strchr(settings, '\n') != NULL ? "\n" : ";", false,
                              err);
    char *query = st == MQ_OK ? strchr(log->servers, '?') : NULL;
    if (query != NULL) {
        *query = '\0';
        st = parse_properties(log, query + 1, "&", true, err);
    }
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
    mq_kafka_free_producer(log);
    free_log(log);
}

/* ---- topics ----------------------------------------------------------------------------- */

enum mq_status
mq_kafka_count_partitions(struct mq_kafka_log *log, const char *topic, int64_t timeout_ms,
                          int *ret_partitions, struct mq_error *err)
{
    enum mq_status st = mq_kafka_need_producer(log, err);
    if (st != MQ_OK)
        return st;
    char what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "find topic '%s'", topic);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(log->producer, topic, NULL);
    rd_kafka_resp_err_t code =
        handle == NULL ? rd_kafka_last_error()
                       : rd_kafka_metadata(log->producer, 0, handle, &metadata, (int)timeout_ms);
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
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? MQ_OK : mq_kafka_fail(log, code, what, NULL, err);
}

static enum mq_status
kafka_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
                 struct mq_error *err)
{
    int partitions;
    enum mq_status st =
        mq_kafka_count_partitions(mq_kafka_log_of(base), topic, MQ_KAFKA_ASK_MS, &partitions, err);
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
kafka_create_topic(struct mq_event_log *base, const char *topic, int partitions,
                   struct mq_error *err)
{
    struct mq_kafka_log *log = mq_kafka_log_of(base);
    enum mq_status st = mq_kafka_need_producer(log, err);
    if (st != MQ_OK)
        return st;
    char reason[MQ_KAFKA_REASON_SIZE] = "", what[MQ_TOPIC_NAME_MAX + 32];
    snprintf(what, sizeof(what), "make topic '%s'", topic);
    rd_kafka_NewTopic_t *fresh =
        rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof(reason));
    if (fresh == NULL)
        return mq_fail(err, MQ_E_CONFIG, "cannot %s: %s", what, reason);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(log->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, MQ_KAFKA_ASK_MS, reason, sizeof(reason));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->producer);
    rd_kafka_CreateTopics(log->producer, &fresh, 1, options, queue);
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
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return mq_kafka_fail(log, code, what, reason, err);
    /* A new topic needs a moment to be known. */
    int found;
    for (int i = 0; i < TOPIC_READY_TRIES; i++) {
        st = mq_kafka_count_partitions(log, topic, MQ_KAFKA_ASK_MS, &found, err);
        if (st != MQ_E_NOT_FOUND)
            break;
        pause_ms(50);
    }
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
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(log->producer, topic, partition,
                                                                &first, &end, MQ_KAFKA_ASK_MS);
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
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = MQ_MAX(time_ms, (int64_t)0);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(log->producer, list, MQ_KAFKA_ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return mq_kafka_fail(log, code, "ask for an offset by time", topic, err);
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

const struct mq_event_log_ops mq_event_log_kafka_ops = {
    .scheme = "kafka",
    .open = kafka_open,
    .free = kafka_free,
    .create_topic = kafka_create_topic,
    .partitions = kafka_partitions,
    .produce = mq_kafka_produce,
    .bounds = kafka_bounds,
    .offset_at = kafka_offset_at,
    .trim = kafka_trim,
    .consumer_new = mq_kafka_consumer_new,
    .poll = mq_kafka_consumer_poll,
    .commit = mq_kafka_consumer_commit,
    .committed = mq_kafka_consumer_committed,
    .group_committed = mq_kafka_group_committed,
    .seek = mq_kafka_consumer_seek,
    .lag = mq_kafka_consumer_lag,
    .consumer_close = mq_kafka_consumer_close,
};
