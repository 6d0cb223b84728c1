/*
 * librdkafka properties from the URI and the settings. Nearly all may be set; the table below has
 * those that Marquee's promises stand on, and what to use instead.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/event_log_kafka.h"

#define ITSELF "leave it away: Marquee commits an offset when its events are durable"

static const struct {
    const char *name, *instead;
} refused[] = {
    {"enable.auto.commit", ITSELF},
    {"auto.commit.enable", ITSELF},
    {"auto.commit.interval.ms", ITSELF},
    {"enable.auto.offset.store", ITSELF},
    {"offset.store.method", ITSELF},
    {"group.id", "use events.group (--group)"},
    {"bootstrap.servers", "name the brokers in events.log (kafka:HOST:PORT,HOST:PORT)"},
    {"metadata.broker.list", "name the brokers in events.log (kafka:HOST:PORT,HOST:PORT)"},
    {"enable.partition.eof", "leave it away: the end of a partition is told by it"},
    {"delivery.report.only.error", "leave it away: acknowledgements are told by it"},
    {"transactional.id", "leave it away: sent again, an event with an event_id counts once"},
};

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

static enum mq_status
check_allowed(const char *name, struct mq_error *err)
{
    for (size_t i = 0; i < MQ_COUNT(refused); i++) {
        if (strcmp(refused[i].name, name) != 0)
            continue;
        mq_fail(err, MQ_E_CONFIG, "Kafka property '%s' cannot be set here", name);
        mq_error_hint(err, "%s", refused[i].instead);
        return MQ_E_CONFIG;
    }
    return MQ_OK;
}

/* "a=1<separator>b=2": appended to the log's properties; later ones win. */
static enum mq_status
parse(struct mq_kafka_log *log, char *text, const char *separator, bool encoded,
      struct mq_error *err)
{
    char *saved = NULL;
    int number = 0;
    for (char *item = strtok_r(text, separator, &saved); item != NULL;
         item = strtok_r(NULL, separator, &saved)) {
        while (isspace((unsigned char)*item))
            item++;
        if (*item == '\0')
            continue;
        number++;
        char *equals = strchr(item, '=');
        if (equals == NULL) { /* its text is not shown: it may be the end of a password */
            mq_fail(err, MQ_E_CONFIG, "Kafka property %d has no value", number);
            mq_error_hint(err, "write name=value; a value that holds ';' goes into marquee.yaml, "
                               "one that holds '&' is written %%26 in a URI");
            return MQ_E_CONFIG;
        }
        *equals = '\0';
        if (encoded)
            decode_percent(equals + 1);
        enum mq_status st = check_allowed(item, err);
        if (st == MQ_OK)
            st = mq_grow(&log->properties, &log->property_capacity, log->property_count + 1,
                         sizeof(*log->properties), err);
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
mq_kafka_read_properties(struct mq_kafka_log *log, char *query, const char *settings,
                         struct mq_error *err)
{
    mq_autofree char *text = mq_strdup(settings != NULL ? settings : "");
    if (text == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    enum mq_status st = parse(log, text, strchr(text, '\n') != NULL ? "\n" : ";", false, err);
    return st == MQ_OK && query != NULL ? parse(log, query, "&", true, err) : st;
}

void
mq_kafka_free_properties(struct mq_kafka_log *log)
{
    for (size_t i = 0; i < log->property_count; i++) {
        free(log->properties[i].name);
        free(log->properties[i].value);
    }
    free(log->properties);
}

const char *
mq_kafka_property(const struct mq_kafka_log *log, const char *name)
{
    for (size_t i = log->property_count; i > 0; i--)
        if (strcmp(log->properties[i - 1].name, name) == 0)
            return log->properties[i - 1].value;
    return NULL;
}

enum mq_status
mq_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct mq_error *err)
{
    char reason[MQ_KAFKA_REASON_SIZE];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        return mq_fail(err, MQ_E_CONFIG, "cannot set Kafka property '%s': %s", name, reason);
    return MQ_OK;
}

/* The client's own lines, which say more than users want; on its threads. */
static void
on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    (void)level;
    mq_log_debug("kafka: %s: %s", facility, text);
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
    if (st == MQ_OK) /* and new partitions of a topic within ten */
        st = mq_kafka_set(conf, "topic.metadata.refresh.interval.ms", "10000", err);
    for (size_t i = 0; st == MQ_OK && i < default_count; i++)
        st = mq_kafka_set(conf, defaults[i][0], defaults[i][1], err);
    for (size_t i = 0; st == MQ_OK && i < log->property_count; i++)
        st = mq_kafka_set(conf, log->properties[i].name, log->properties[i].value, err);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (st != MQ_OK) {
        rd_kafka_conf_destroy(conf);
        return st;
    }
    *ret_conf = conf;
    return MQ_OK;
}
