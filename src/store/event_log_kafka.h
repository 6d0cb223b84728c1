/**
 * Parts of the Kafka event log that its files share: event_log_kafka.c (opening, topics, bounds),
 * event_properties_kafka.c (what URI and settings say), event_errors_kafka.c (what went wrong),
 * event_producer_kafka.c (writing), event_group_kafka.c (consumers). Only these include it.
 *
 * librdkafka traps, restated: callbacks run inside poll calls only (a thread polls the producer); a
 * message must be destroyed; a configuration belongs to the handle once that was made; commits of
 * a broker that is away come back after about ten seconds; a seek works only in a partition that is
 * being fetched; pausing drops what was read ahead; a full queue stops fetching for a second,
 * however fast it is emptied (event_group_kafka.c wakes it); why a broker cannot be reached is told
 * to the error callback alone, and a question that waits for it ends with "transport failure"; a
 * producer with a fatal error answers questions, but never writes again: it has to be made anew.
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

/** One producer; a log has one at a time, and makes another when it has a fatal error. */
struct mq_kafka_producer {
    struct mq_kafka_log *log;
    rd_kafka_t *handle;
    struct mq_kafka_topic *_Atomic topics; /* that were written to */
    pthread_t poller;
    _Atomic bool stopping;
    _Atomic bool is_fatal; /* it will never write again */
    _Atomic bool has_written;
    double made_s;
    int users; /* guarded by the log's lock; the log is one while it is the current one */
};

/** Why the cluster cannot be reached, as librdkafka last told it. */
struct mq_kafka_trouble {
    rd_kafka_resp_err_t code; /* NO_ERROR: nothing is known */
    double at_s;
    char reason[MQ_KAFKA_REASON_SIZE];
};

struct mq_kafka_log {
    struct mq_event_log base;
    char *servers;
    struct mq_kafka_property *properties;
    size_t property_count, property_capacity;
    pthread_mutex_t lock;               /* guards all that follows */
    struct mq_kafka_producer *producer; /* NULL until the first use */
    double again_s, pause_s;            /* a fatal producer is not replaced before; the last wait */
    struct mq_kafka_trouble fatal;      /* of the producer that had it last */
    struct mq_kafka_trouble trouble;
    double told_s;
};

static inline struct mq_kafka_log *
mq_kafka_log_of(struct mq_event_log *base)
{
    return (struct mq_kafka_log *)base;
}

/* ---- event_properties_kafka.c ----------------------------------------------------------- */

/**
 * Read what URI and settings say; those of the URI win. What Marquee itself stands on may not be
 * set, and the message says what to use.
 * @param query of the URI, cut up in place; may be NULL  @param settings as in event_log_backend.h
 */
enum mq_status mq_kafka_read_properties(struct mq_kafka_log *log, char *query, const char *settings,
                                        struct mq_error *err);
void mq_kafka_free_properties(struct mq_kafka_log *log);

/** What the user said of a property; NULL: nothing. */
const char *mq_kafka_property(const struct mq_kafka_log *log, const char *name);

enum mq_status mq_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                            struct mq_error *err);

/** A configuration: servers, these defaults, then what URI and settings say. @param ret_conf owned
 */
enum mq_status mq_kafka_conf(const struct mq_kafka_log *log, const char *const (*defaults)[2],
                             size_t default_count, rd_kafka_conf_t **ret_conf,
                             struct mq_error *err);

/* ---- event_errors_kafka.c --------------------------------------------------------------- */

enum mq_status mq_kafka_status(rd_kafka_resp_err_t code);

/** Whether librdkafka goes on by itself after this: brokers that are away come back. */
bool mq_kafka_passes(rd_kafka_resp_err_t code);

/** An error callback's news. @param tell in the log too, once in a while */
void mq_kafka_note(struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *reason,
                   bool tell);
/** The cluster answers: what was noted is over. */
void mq_kafka_answers(struct mq_kafka_log *log);
/** What makes waiting vain (wrong password, TLS against a plain port, an unknown host) and came up
 * since a time; NO_ERROR: nothing. */
rd_kafka_resp_err_t mq_kafka_vain(struct mq_kafka_log *log, double since_s);

/** Record what librdkafka said. @param what "seek"  @param detail may be NULL */
enum mq_status mq_kafka_fail(struct mq_kafka_log *log, rd_kafka_resp_err_t code, const char *what,
                             const char *detail, struct mq_error *err);

/* ---- event_producer_kafka.c ------------------------------------------------------------- */

/**
 * The producer, made at the first use; questions to the cluster go through it too.
 * @param to_write one with a fatal error is replaced first, when its time has come
 * @param ret_producer to be given back by mq_kafka_leave
 */
enum mq_status mq_kafka_use(struct mq_kafka_log *log, bool to_write,
                            struct mq_kafka_producer **ret_producer, struct mq_error *err);
void mq_kafka_leave(struct mq_kafka_producer *producer);

enum mq_status mq_kafka_produce(struct mq_event_log *log, const char *topic,
                                const struct mq_new_event *events, size_t count, int64_t timeout_ms,
                                struct mq_produced *ret_produced, struct mq_error *err);
enum mq_status mq_kafka_check(struct mq_event_log *log, const char *topic, int64_t timeout_ms,
                              struct mq_error *err);
/** Wait for events under way, then end the producer. */
void mq_kafka_end_producer(struct mq_kafka_log *log);

/* ---- event_log_kafka.c ------------------------------------------------------------------ */

/** Partitions of a topic, asked from the cluster through a handle. */
enum mq_status mq_kafka_count_partitions(struct mq_kafka_log *log, rd_kafka_t *handle,
                                         const char *topic, int64_t timeout_ms, int *ret_partitions,
                                         struct mq_error *err);

/* ---- event_group_kafka.c ---------------------------------------------------------------- */

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
enum mq_status mq_kafka_consumer_seek(struct mq_consumer *consumer, struct mq_position position,
                                      struct mq_error *err);
int64_t mq_kafka_consumer_position(struct mq_consumer *consumer, int32_t partition);
enum mq_status mq_kafka_consumer_bounds(struct mq_consumer *consumer, struct mq_bounds *bounds,
                                        size_t count, struct mq_error *err);
void mq_kafka_consumer_close(struct mq_consumer *consumer);

#endif
