#include "store/event_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/redact.h"
#include "store/event_log_backend.h"

#define SESSION_TIMEOUT_MS 10000

static const struct mq_event_log_ops *const backends[] = {
    &mq_event_log_lmdb_ops,
    &mq_event_log_kafka_ops,
};

enum mq_status
mq_event_log_open(const char *uri, struct mq_event_log **ret_log, struct mq_error *err)
{
    return mq_event_log_open_with(uri, NULL, ret_log, err);
}

enum mq_status
mq_event_log_open_with(const char *uri, const char *properties, struct mq_event_log **ret_log,
                       struct mq_error *err)
{
    mq_autofree char *shown = mq_redacted_uri(uri);
    if (shown == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event log");
    const char *colon = strchr(uri, ':');
    size_t scheme_size = colon != NULL ? (size_t)(colon - uri) : 0;
    for (size_t i = 0; colon != NULL && i < MQ_COUNT(backends); i++) {
        const struct mq_event_log_ops *ops = backends[i];
        if (strlen(ops->scheme) != scheme_size || memcmp(ops->scheme, uri, scheme_size) != 0)
            continue;
        struct mq_event_log *log;
        enum mq_status st = ops->open(colon + 1, properties, &log, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "cannot open event log '%s'", shown);
        log->ops = ops;
        log->uri = shown;
        shown = NULL;
        *ret_log = log;
        return MQ_OK;
    }
    mq_fail(err, MQ_E_CONFIG, "cannot open event log '%s': unknown kind", shown);
    mq_error_hint(err, "use lmdb:FOLDER or kafka:HOST:PORT");
    return MQ_E_CONFIG;
}

void
mq_event_log_free(struct mq_event_log *log)
{
    if (log == NULL)
        return;
    char *uri = log->uri;
    log->ops->free(log);
    free(uri);
}

const char *
mq_event_log_uri(const struct mq_event_log *log)
{
    return log->uri;
}

static enum mq_status
check_name(const char *what, const char *name, struct mq_error *err)
{
    if (!mq_name_fits(MQ_NAME_TOPIC, name))
        return mq_fail(err, MQ_E_RANGE, "'%.64s' is no %s name (allowed: %s)", name, what,
                       mq_name_form_text(MQ_NAME_TOPIC));
    return MQ_OK;
}

enum mq_status
mq_event_log_create_topic(struct mq_event_log *log, const char *topic, int partitions,
                          struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    if (st == MQ_OK && (partitions < 1 || partitions > MQ_PARTITIONS_MAX))
        st = mq_fail(err, MQ_E_RANGE, "topic '%s' cannot have %d partitions (allowed: 1 to %d)",
                     topic, partitions, MQ_PARTITIONS_MAX);
    return st != MQ_OK ? st : log->ops->create_topic(log, topic, partitions, err);
}

enum mq_status
mq_event_log_partitions(struct mq_event_log *log, const char *topic, int *ret_partitions,
                        struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    return st != MQ_OK ? st : log->ops->partitions(log, topic, ret_partitions, err);
}

enum mq_status
mq_event_log_ensure_topic(struct mq_event_log *log, const char *topic, int partitions,
                          bool *ret_made, struct mq_error *err)
{
    int there;
    struct mq_error own = {0};
    enum mq_status st = mq_event_log_partitions(log, topic, &there, &own);
    const bool is_missing = st == MQ_E_NOT_FOUND;
    if (is_missing)
        st = mq_event_log_create_topic(log, topic, partitions, err);
    else if (st != MQ_OK && err != NULL)
        *err = own;
    if (st == MQ_OK && ret_made != NULL)
        *ret_made = is_missing;
    return st;
}

enum mq_status
mq_event_log_produce(struct mq_event_log *log, const char *topic, const struct mq_new_event *events,
                     size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
                     struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    if (st == MQ_OK && count > MQ_EVENTS_BATCH_MAX)
        st = mq_fail(err, MQ_E_RANGE, "cannot write %zu events at once (at most %d)", count,
                     MQ_EVENTS_BATCH_MAX);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        if (events[i].key_size > MQ_EVENT_KEY_MAX ||
            events[i].value_size > MQ_EVENT_BYTES_MAX - events[i].key_size)
            st = mq_fail(err, MQ_E_RANGE,
                         "event %zu has a key of %zu and a value of %zu bytes (at most %d and %zu)",
                         i, events[i].key_size, events[i].value_size, MQ_EVENT_KEY_MAX,
                         MQ_EVENT_BYTES_MAX);
    }
    for (size_t i = 0; i < count; i++)
        ret_produced[i] = (struct mq_produced){st == MQ_OK ? MQ_E_TIMEOUT : st, -1, -1};
    if (st != MQ_OK || count == 0)
        return st;
    return log->ops->produce(log, topic, events, count, timeout_ms, ret_produced, err);
}

enum mq_status
mq_event_log_check(struct mq_event_log *log, const char *topic, int64_t timeout_ms,
                   struct mq_error *err)
{
    int partitions;
    enum mq_status st = check_name("topic", topic, err);
    if (st == MQ_OK)
        st = log->ops->check != NULL ? log->ops->check(log, topic, timeout_ms, err)
                                     : log->ops->partitions(log, topic, &partitions, err);
    return st;
}

enum mq_status
mq_event_log_bounds(struct mq_event_log *log, const char *topic, int32_t partition,
                    int64_t *ret_first, int64_t *ret_end, struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    return st != MQ_OK ? st : log->ops->bounds(log, topic, partition, ret_first, ret_end, err);
}

enum mq_status
mq_event_log_offset_at(struct mq_event_log *log, const char *topic, int32_t partition,
                       int64_t time_ms, int64_t *ret_offset, struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    return st != MQ_OK ? st : log->ops->offset_at(log, topic, partition, time_ms, ret_offset, err);
}

enum mq_status
mq_event_log_committed(struct mq_event_log *log, const char *topic, const char *group,
                       int partitions, int64_t *ret_offsets, struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    if (st == MQ_OK)
        st = check_name("group", group, err);
    return st != MQ_OK ? st
                       : log->ops->group_committed(log, topic, group, partitions, ret_offsets, err);
}

void
mq_event_log_set_retention(struct mq_event_log *log, struct mq_log_retention retention)
{
    if (log->ops->set_retention != NULL)
        log->ops->set_retention(log, retention);
}

enum mq_status
mq_event_log_holdings(struct mq_event_log *log, const char *topic,
                      struct mq_log_holdings *ret_holdings, struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    if (st == MQ_OK && log->ops->holdings != NULL)
        return log->ops->holdings(log, topic, ret_holdings, err);
    struct mq_log_holdings holdings = {0, -1, -1};
    int partitions = 0;
    if (st == MQ_OK)
        st = log->ops->partitions(log, topic, &partitions, err);
    for (int32_t p = 0; st == MQ_OK && p < partitions; p++) {
        int64_t first, end;
        st = log->ops->bounds(log, topic, p, &first, &end, err);
        if (st == MQ_OK)
            holdings.events += end - first;
    }
    if (st == MQ_OK)
        *ret_holdings = holdings;
    return st;
}

enum mq_status
mq_event_log_trim(struct mq_event_log *log, const char *topic, int64_t time_ms,
                  int64_t *ret_removed, struct mq_error *err)
{
    enum mq_status st = check_name("topic", topic, err);
    int64_t removed = 0;
    if (st == MQ_OK)
        st = log->ops->trim(log, topic, time_ms, &removed, err);
    if (st == MQ_OK && ret_removed != NULL)
        *ret_removed = removed;
    return st;
}

enum mq_status
mq_consumer_new(struct mq_event_log *log, const struct mq_consumer_options *options,
                struct mq_consumer **ret_consumer, struct mq_error *err)
{
    enum mq_status st = check_name("topic", options->topic, err);
    if (st == MQ_OK && options->group != NULL)
        st = check_name("group", options->group, err);
    if (st != MQ_OK)
        return st;
    struct mq_consumer_options copy = *options;
    copy.topic = mq_strdup(options->topic);
    copy.group = options->group != NULL ? mq_strdup(options->group) : NULL;
    if (copy.session_timeout_ms <= 0)
        copy.session_timeout_ms = SESSION_TIMEOUT_MS;
    struct mq_consumer *consumer = NULL;
    if (copy.topic == NULL || (options->group != NULL && copy.group == NULL))
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a consumer");
    else
        st = log->ops->consumer_new(log, &copy, &consumer, err);
    if (st != MQ_OK) {
        free((char *)copy.topic);
        free((char *)copy.group);
        return st;
    }
    *ret_consumer = consumer;
    return MQ_OK;
}

enum mq_status
mq_consumer_poll(struct mq_consumer *consumer, size_t max_events, int64_t timeout_ms,
                 const struct mq_event **ret_events, size_t *ret_count, struct mq_error *err)
{
    max_events = MQ_MIN(max_events, (size_t)MQ_EVENTS_BATCH_MAX);
    return consumer->log->ops->poll(consumer, max_events, timeout_ms, ret_events, ret_count, err);
}

enum mq_status
mq_consumer_commit(struct mq_consumer *consumer, const struct mq_position *positions, size_t count,
                   struct mq_error *err)
{
    if (consumer->options.group == NULL)
        return mq_fail(err, MQ_E_USAGE, "a consumer without a group has nothing to commit");
    return count == 0 ? MQ_OK : consumer->log->ops->commit(consumer, positions, count, err);
}

enum mq_status
mq_consumer_committed(struct mq_consumer *consumer, int32_t partition, int64_t *ret_offset,
                      struct mq_error *err)
{
    if (consumer->options.group == NULL)
        return mq_fail(err, MQ_E_USAGE, "a consumer without a group has committed nothing");
    return consumer->log->ops->committed(consumer, partition, ret_offset, err);
}

enum mq_status
mq_consumer_seek(struct mq_consumer *consumer, struct mq_position position, struct mq_error *err)
{
    return consumer->log->ops->seek(consumer, position, err);
}

int64_t
mq_consumer_position(struct mq_consumer *consumer, int32_t partition)
{
    return consumer->log->ops->position(consumer, partition);
}

enum mq_status
mq_consumer_bounds(struct mq_consumer *consumer, struct mq_bounds *bounds, size_t count,
                   struct mq_error *err)
{
    struct mq_event_log *log = consumer->log;
    if (log->ops->consumer_bounds != NULL)
        return log->ops->consumer_bounds(consumer, bounds, count, err);
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = log->ops->bounds(log, consumer->options.topic, bounds[i].partition, &bounds[i].first,
                              &bounds[i].end, err);
    return st;
}

void
mq_consumer_close(struct mq_consumer *consumer)
{
    if (consumer == NULL)
        return;
    char *topic = (char *)consumer->options.topic, *group = (char *)consumer->options.group;
    consumer->log->ops->consumer_close(consumer);
    free(topic);
    free(group);
}
