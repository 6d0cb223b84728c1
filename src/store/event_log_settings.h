/**
 * The event log that the settings name: events.log, with kafka.properties.
 * Threads: reentrant.
 */
#ifndef MQ_STORE_EVENT_LOG_SETTINGS_H
#define MQ_STORE_EVENT_LOG_SETTINGS_H

#include "config/options.h"
#include "store/event_log.h"

/** events.retention_hours and events.retention_mb; the embedded log's alone. */
struct mq_log_retention mq_event_log_retention_of(const struct mq_config *config);

/** Open it, with its retention. @param ret_log owned */
enum mq_status mq_event_log_open_configured(const struct mq_config *config,
                                            struct mq_event_log **ret_log, struct mq_error *err);

/** Make the topic events.topic where there is none, with events.partitions. */
enum mq_status mq_event_log_need_topic(const struct mq_config *config, struct mq_event_log *log,
                                       struct mq_error *err);

#endif
