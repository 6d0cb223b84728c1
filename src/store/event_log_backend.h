/**
 * What an event-log back end implements; only src/store includes this. Arguments have been checked.
 * The contract is event_log.h, held by tests/unit/store/event_log_contract.h.
 */
#ifndef MQ_STORE_EVENT_LOG_BACKEND_H
#define MQ_STORE_EVENT_LOG_BACKEND_H

#include "store/event_log.h"

struct mq_event_log_ops {
    const char *scheme;
    /** @param properties "name=value" parted by ';' or line ends; NULL: none */
    enum mq_status (*open)(const char *rest, const char *properties, struct mq_event_log **ret_log,
                           struct mq_error *err);
    void (*free)(struct mq_event_log *log);
    enum mq_status (*create_topic)(struct mq_event_log *log, const char *topic, int partitions,
                                   struct mq_error *err);
    enum mq_status (*partitions)(struct mq_event_log *log, const char *topic, int *ret_partitions,
                                 struct mq_error *err);
    enum mq_status (*produce)(struct mq_event_log *log, const char *topic,
                              const struct mq_new_event *events, size_t count, int64_t timeout_ms,
                              struct mq_produced *ret_produced, struct mq_error *err);
    /** NULL: a topic that is there can be written */
    enum mq_status (*check)(struct mq_event_log *log, const char *topic, int64_t timeout_ms,
                            struct mq_error *err);
    enum mq_status (*bounds)(struct mq_event_log *log, const char *topic, int32_t partition,
                             int64_t *ret_first, int64_t *ret_end, struct mq_error *err);
    enum mq_status (*offset_at)(struct mq_event_log *log, const char *topic, int32_t partition,
                                int64_t time_ms, int64_t *ret_offset, struct mq_error *err);
    enum mq_status (*group_committed)(struct mq_event_log *log, const char *topic,
                                      const char *group, int partitions, int64_t *ret_offsets,
                                      struct mq_error *err);
    /** May be NULL: the log has settings of its own. */
    void (*set_retention)(struct mq_event_log *log, struct mq_log_retention retention);
    /** May be NULL: bounds tell all that is known. */
    enum mq_status (*holdings)(struct mq_event_log *log, const char *topic,
                               struct mq_log_holdings *ret_holdings, struct mq_error *err);
    enum mq_status (*trim)(struct mq_event_log *log, const char *topic, int64_t time_ms,
                           int64_t *ret_removed, struct mq_error *err);
    enum mq_status (*consumer_new)(struct mq_event_log *log,
                                   const struct mq_consumer_options *options,
                                   struct mq_consumer **ret_consumer, struct mq_error *err);
    enum mq_status (*poll)(struct mq_consumer *consumer, size_t max_events, int64_t timeout_ms,
                           const struct mq_event **ret_events, size_t *ret_count,
                           struct mq_error *err);
    enum mq_status (*commit)(struct mq_consumer *consumer, const struct mq_position *positions,
                             size_t count, struct mq_error *err);
    enum mq_status (*committed)(struct mq_consumer *consumer, int32_t partition,
                                int64_t *ret_offset, struct mq_error *err);
    enum mq_status (*seek)(struct mq_consumer *consumer, struct mq_position position,
                           struct mq_error *err);
    int64_t (*position)(struct mq_consumer *consumer, int32_t partition);
    /** NULL: the log's bounds are quick enough */
    enum mq_status (*consumer_bounds)(struct mq_consumer *consumer, struct mq_bounds *bounds,
                                      size_t count, struct mq_error *err);
    void (*consumer_close)(struct mq_consumer *consumer);
};

struct mq_event_log {
    const struct mq_event_log_ops *ops;
    char *uri;
};

struct mq_consumer {
    struct mq_event_log *log;
    struct mq_consumer_options options; /**< topic and group owned by the dispatcher */
};

/** Topics of one LMDB environment (event_log_lmdb.c, event_group_lmdb.c, event_reading_lmdb.c). */
extern const struct mq_event_log_ops mq_event_log_lmdb_ops;

/** Topics of a Kafka cluster (event_log_kafka.c). */
extern const struct mq_event_log_ops mq_event_log_kafka_ops;

#endif
