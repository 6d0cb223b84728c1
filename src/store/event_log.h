/**
 * User events, in order: topics of numbered partitions, each an append-only sequence of events at
 * offsets 0, 1, 2 …; consumer groups share a topic's partitions and remember how far they came.
 *
 * A URI picks the back end: `lmdb:PATH` (embedded, several processes of one machine) or
 * `kafka:HOST:PORT[,HOST:PORT…][?property=value&…]` (any librdkafka property).
 *
 * Guarantees, for every back end:
 *  - an event whose produce call returned MQ_OK is durable, and is delivered to each group at
 *    least once, in the order of offsets within its partition;
 *  - a produce that failed may have been written (a time-out tells nothing): events that must not
 *    double carry an id of their own;
 *  - a committed offset survives; a group that comes back continues there;
 *  - a partition belongs to one member of a group at a time; before it passes to another, the
 *    owner's on_revoked is called (unless it died), and what it commits then counts.
 *
 * Events with the same key go to the same partition. Times are when the log took the event.
 *
 * Threads: a log may be used from many threads; a consumer from one at a time.
 * Errors: MQ_E_NOT_FOUND (topic), MQ_E_TIMEOUT, MQ_E_UNREACHABLE, MQ_E_DENIED, MQ_E_CONFLICT (a
 * commit of a partition that passed to another member), MQ_E_RANGE, MQ_E_IO, MQ_E_NOMEM.
 */
#ifndef MQ_STORE_EVENT_LOG_H
#define MQ_STORE_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name_form.h"
#include "marquee/status.h"

/** Largest event with its key, in bytes. */
#define MQ_EVENT_BYTES_MAX ((size_t)1 << 20)
#define MQ_EVENT_KEY_MAX 1024
/** Most events of one produce call, and of one poll. */
#define MQ_EVENTS_BATCH_MAX 10000
#define MQ_PARTITIONS_MAX 256

struct mq_event_log;
struct mq_consumer;

/** An event to be written. All borrowed until the call returns. */
struct mq_new_event {
    const void *key; /**< NULL: partitions take turns */
    size_t key_size;
    const void *value;
    size_t value_size;
};

/** Where a written event is, or why it was not written. */
struct mq_produced {
    enum mq_status status;
    int32_t partition;
    int64_t offset;
};

/** An event that was read. Lives until the next call on its consumer. */
struct mq_event {
    int32_t partition;
    int64_t offset;
    int64_t time_ms; /**< epoch milliseconds when the log took it */
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
};

/** The next offset to read in a partition. */
struct mq_position {
    int32_t partition;
    int64_t offset;
};

/** @param uri copied */
enum mq_status mq_event_log_open(const char *uri, struct mq_event_log **ret_log,
                                 struct mq_error *err);
/**
 * Open with librdkafka properties beside those of the URI, which win. lmdb: ignores them.
 * @param properties "name=value" parted by ';', or by line ends where there are any; NULL: none
 */
enum mq_status mq_event_log_open_with(const char *uri, const char *properties,
                                      struct mq_event_log **ret_log, struct mq_error *err);
/** Waits for events that are being written. NULL allowed; consumers must be closed before. */
void mq_event_log_free(struct mq_event_log *log);
/** The URI for messages, without secrets (base/redact.h). */
const char *mq_event_log_uri(const struct mq_event_log *log);

/** Make a topic; an existing one is fine, whatever its partitions. */
enum mq_status mq_event_log_create_topic(struct mq_event_log *log, const char *topic,
                                         int partitions, struct mq_error *err);

/**
 * Make a topic where there is none; an existing one stays as it is.
 * @param partitions of one that is made  @param ret_made whether it was; may be NULL
 */
enum mq_status mq_event_log_ensure_topic(struct mq_event_log *log, const char *topic,
                                         int partitions, bool *ret_made, struct mq_error *err);

/**
 * Number of partitions, 1…MQ_PARTITIONS_MAX: arrays of that many hold a topic's partitions.
 * @return … MQ_E_RANGE (a topic of Kafka with more)
 */
enum mq_status mq_event_log_partitions(struct mq_event_log *log, const char *topic,
                                       int *ret_partitions, struct mq_error *err);

/**
 * Write events; returns when each is durable or refused. Concurrent calls are written together.
 *
 * @param timeout_ms at least 1: longest wait. A time-out of Kafka tells nothing of an event's fate;
 *             the embedded log gives up only what it has not begun to write, so that nothing of it
 *             is written, and a write under way is waited for as long as the disk takes
 * @param ret_produced [count], written also on failure
 * @return MQ_OK when all are durable, else the status of the first that is not
 */
enum mq_status mq_event_log_produce(struct mq_event_log *log, const char *topic,
                                    const struct mq_new_event *events, size_t count,
                                    int64_t timeout_ms, struct mq_produced *ret_produced,
                                    struct mq_error *err);

/**
 * Whether events can be written to a topic now, as far as can be known without writing: the log
 * answers, the topic is there, and nothing is known that refuses writes (a missing permission).
 * @param timeout_ms longest wait, a second aside
 */
enum mq_status mq_event_log_check(struct mq_event_log *log, const char *topic, int64_t timeout_ms,
                                  struct mq_error *err);

/** First offset held and the offset the next event will get. */
enum mq_status mq_event_log_bounds(struct mq_event_log *log, const char *topic, int32_t partition,
                                   int64_t *ret_first, int64_t *ret_end, struct mq_error *err);

/** First offset whose event was taken at time_ms or later; the end when there is none. */
enum mq_status mq_event_log_offset_at(struct mq_event_log *log, const char *topic,
                                      int32_t partition, int64_t time_ms, int64_t *ret_offset,
                                      struct mq_error *err);

/**
 * How far a group has committed in each partition, without joining it; -1: nothing.
 * @param partitions as mq_event_log_partitions says  @param ret_offsets [partitions]
 */
enum mq_status mq_event_log_committed(struct mq_event_log *log, const char *topic,
                                      const char *group, int partitions, int64_t *ret_offsets,
                                      struct mq_error *err);

/** How long events are kept, as retention.ms and retention.bytes of Kafka's topics. 0: no limit. */
struct mq_log_retention {
    int64_t age_ms;          /**< since the log took it */
    int64_t partition_bytes; /**< of the disk, with what the log needs around the events */
};

/**
 * Let produce calls through this handle forget what is too old or too much, whether a group has
 * read it or not. A write forgets, of the partitions that it writes to, the oldest events: at most
 * twice as many as it writes and 64, and none of its own; so no write takes long, and what a new
 * limit makes too much goes bit by bit. The disk's space is used again, not given back.
 *
 * Kafka does this by the topic's own settings: there a no-op. Call before the log is used.
 */
void mq_event_log_set_retention(struct mq_event_log *log, struct mq_log_retention retention);

/** What a topic holds. */
struct mq_log_holdings {
    int64_t events;
    int64_t bytes;     /**< of the disk; -1: not known (Kafka) */
    int64_t oldest_ms; /**< when the oldest was taken; -1: none is held, or not known (Kafka) */
};

enum mq_status mq_event_log_holdings(struct mq_event_log *log, const char *topic,
                                     struct mq_log_holdings *ret_holdings, struct mq_error *err);

/**
 * Forget events taken before time_ms. Kafka does this by itself (retention.ms): there a no-op.
 * @param ret_removed may be NULL
 */
enum mq_status mq_event_log_trim(struct mq_event_log *log, const char *topic, int64_t time_ms,
                                 int64_t *ret_removed, struct mq_error *err);

struct mq_consumer_options {
    const char *topic;
    const char *group;          /**< NULL: no group; all partitions, nothing is committed */
    bool from_latest;           /**< where a group without commits begins; default: the earliest */
    int64_t session_timeout_ms; /**< a member silent for so long is dead; 0: 10,000 */
    /** Partitions were given to this member. Offsets are where it goes on; -1: the group has
     * committed nothing, or the log did not say. Where the log has forgotten that offset, reading
     * goes on at the first one held, and a warning in the log tells how many are gone. May be NULL.
     */
    void (*on_assigned)(void *context, const struct mq_position *positions, size_t count);
    /** They are about to pass to another: finish and commit. Called within poll or close. */
    void (*on_revoked)(void *context, const int32_t *partitions, size_t count);
    void *context;
};

/** Join. @param options text copied */
enum mq_status mq_consumer_new(struct mq_event_log *log, const struct mq_consumer_options *options,
                               struct mq_consumer **ret_consumer, struct mq_error *err);

/**
 * Next events, at least one unless the time is over; of one partition in order.
 * Must be called at least once a session_timeout, or the member loses its partitions. With
 * max_events 0 it takes no event and only keeps the membership (callbacks included), for a member
 * that has to wait; events of earlier calls are given back by it too, and it may return at once.
 *
 * @param ret_events borrowed until the next call  @param ret_count 0 when the time was over
 */
enum mq_status mq_consumer_poll(struct mq_consumer *consumer, size_t max_events, int64_t timeout_ms,
                                const struct mq_event **ret_events, size_t *ret_count,
                                struct mq_error *err);

/** Remember positions for the group, durably. */
enum mq_status mq_consumer_commit(struct mq_consumer *consumer, const struct mq_position *positions,
                                  size_t count, struct mq_error *err);

/** What the group has committed in a partition, own or not; -1: nothing. */
enum mq_status mq_consumer_committed(struct mq_consumer *consumer, int32_t partition,
                                     int64_t *ret_offset, struct mq_error *err);

/** Continue elsewhere in an own partition. */
enum mq_status mq_consumer_seek(struct mq_consumer *consumer, struct mq_position position,
                                struct mq_error *err);

/**
 * How far an own partition was read: all events below were given out (and were not sought back
 * behind). Behind the last event it is the partition's end, whatever lies there: offsets may stand
 * for no event (Kafka's transaction markers). -1: not known yet, or not an own one.
 */
int64_t mq_consumer_position(struct mq_consumer *consumer, int32_t partition);

/** Offsets that a partition holds: the first, and the one its next event will get. */
struct mq_bounds {
    int32_t partition;
    int64_t first, end;
};

/**
 * Bounds of own partitions as last heard of: quick enough to be asked for every second.
 * @param bounds [count] partition set, the rest filled on success
 */
enum mq_status mq_consumer_bounds(struct mq_consumer *consumer, struct mq_bounds *bounds,
                                  size_t count, struct mq_error *err);

/** Leave the group; on_revoked is called first. NULL allowed. */
void mq_consumer_close(struct mq_consumer *consumer);

#endif
