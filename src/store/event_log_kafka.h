/**
 * Parts of the Kafka event log that its three files share: event_log_kafka.c (opening, topics,
 * bounds), event_producer_kafka.c (writing), event_group_kafka.c (consumers). Only these include
 * it.
 *
 * librdkafka traps, restated: callbacks run inside poll calls only (a thread polls the producer); a
 * message must be destroyed; a configuration belongs to the handle once that was made; commits of
 * a broker that is away come back after about ten seconds; a seek works only in a partition that is
 * being fetched; pausing drops what was read ahead; a full queue stops fetching for a second,
 * however fast it is emptied (event_group_kafka.c wakes it).
 */
#ifndef MQ_STORE_EVENT_LOG_KAFKA_H
#define MQ_STORE_EVENT_LOG_KAFKA_H

#include <pthread.h>
#include <stdatomic.h>

#include <librdkafka/rdkafka.h>

#include "store/event_log_backend.h"

#ifdef __clang__ /* librdkafka's type-checking macros are GNU statement expressions */
#pragma clang diagnostic ignored "-Wgnu-statement-expression"
#endif

/** Longest reason librdkafka gives. */
#define MQ_KAFKA_REASON_SIZE 512
/** How long questions to the cluster (topics, bounds, seeks) may take. */
#define MQ_KAFKA_ASK_MS 15000

struct mq_kafka_property {
    char *name, *value;
};

struct mq_kafka_topic; /* event_producer_kafka.c */

struct mq_kafka_log {
    struct mq_event_log base;
    char *servers;
    struct mq_kafka_property *properties;
    size_t property_count, property_capacity;
    pthread_mutex_t lock;                  /* guards making the producer, and the list of topics */
    struct rd_kafka_s *_Atomic producer;   /* NULL until the first use */
    struct mq_kafka_topic *_Atomic topics; /* that were written to */
    pthread_t poller;
    _Atomic bool stopping;
};

static inline struct mq_kafka_log *
mq_kafka_log_of(struct mq_event_log *base)
{
    return (struct mq_kafka_log *)base;
}

enum mq_status mq_kafka_status(rd_kafka_resp_err_t code);

/** Record what librdkafka said. @param what "seek"  @param detail may be NULL */
enum mq_status mq_kafka_fail(const struct mq_kafka_log *log, rd_kafka_resp_err_t code,
                             const char *what, const char *detail, struct mq_error *err);

enum mq_status mq_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                            struct mq_error *err);

/** A configuration: servers, these defaults, then what URI and settings say. @param ret_conf owned
 */
enum mq_status mq_kafka_conf(const struct mq_kafka_log *log, const char *const (*defaults)[2],
                             size_t default_count, rd_kafka_conf_t **ret_conf,
                             struct mq_error *err);

/** The producer, made at the first use; questions to the cluster go through it too. */
enum mq_status mq_kafka_need_producer(struct mq_kafka_log *log, struct mq_error *err);

/** Partitions of a topic, asked from the cluster. */
enum mq_status mq_kafka_count_partitions(struct mq_kafka_log *log, const char *topic,
                                         int64_t timeout_ms, int *ret_partitions,
                                         struct mq_error *err);

/* event_producer_kafka.c */
enum mq_status mq_kafka_produce(struct mq_event_log *log, const char *topic,
                                const struct mq_new_event *events, size_t count, int64_t timeout_ms,
                                struct mq_produced *ret_produced, struct mq_error *err);
/** Wait for events under way, then end the producer. */
void mq_kafka_free_producer(struct mq_kafka_log *log);

/* event_group_kafka.c */
enum mq_status mq_kafka_consumer_new(struct mq_event_log *log,
                                     const struct mq_consumer_options *options,
                                     struct mq_consumer **ret_consumer, struct mq_error *err);
enum mq_status mq_kafka_consumer_poll(struct mq_consumer *consumer, size_t max_events,
                                      int64_t timeout_ms, const struct mq_event **ret_events,
                                      size_t *ret_count, struct mq_error *err);
enum mq_status mq_kafka_consumer_commit(struct mq_consumer *consumer,
                                        const struct mq_position *positions, size_t count,
                                        struct mq_error *err);
enum mq_status mq_kafka_consumer_committed(struct mq_consumer *consumer, int32_t partition,
                                           int64_t *ret_offset, struct mq_error *err);
enum mq_status mq_kafka_group_committed(struct mq_event_log *log, const char *topic,
                                        const char *group, int partitions, int64_t *ret_offsets,
                                        struct mq_error *err);
enum mq_status mq_kafka_consumer_seek(struct mq_consumer *consumer, struct mq_position position,
                                      struct mq_error *err);
enum mq_status mq_kafka_consumer_lag(struct mq_consumer *consumer, int64_t *ret_lag,
                                     struct mq_error *err);
void mq_kafka_consumer_close(struct mq_consumer *consumer);

#endif
