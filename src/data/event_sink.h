/**
 * Events of an import on their way out: straight to the bronze layer, or through the event log.
 *
 * Straight: the events of one source are a topic of their own, "import-<name>-<12 hexadecimal
 * digits>", with one partition, whose offsets count the events. The digits come from the source's
 * content, so the same source, imported again, meets its own batch records (data/bronze_record.h),
 * follows them and changes nothing; an import that died is finished by running it again. Days,
 * proofs and compaction are those of any bronze.
 *
 * Through the log: the events go to a topic of the log, keyed by user, and `marquee consume` writes
 * bronze. Importing again sends them again.
 *
 * Events should come by time: a batch becomes one object for each of its days.
 *
 * Memory: a batch (some 20 MiB). Threads: one sink, one thread.
 */
#ifndef MQ_DATA_EVENT_SINK_H
#define MQ_DATA_EVENT_SINK_H

#include "data/bronze_publish.h"
#include "data/input_stage.h"

/** Events' bytes of a batch of an import. */
#define MQ_EVENT_SINK_BATCH ((size_t)8 << 20)
/** Longest time that one write to the event log may take. */
#define MQ_EVENT_SINK_TIMEOUT_MS 60000

struct mq_event_sink_options {
    struct mq_object_store *store; /**< straight: of the bronze layer. All borrowed */
    const char *region;
    struct mq_event_rules rules; /**< that events are judged by; now_ms: now */
    int level;                   /**< of compression, 1…12 */
    struct mq_pool *pool;        /**< puts objects; may be NULL */
    struct mq_event_log *log;    /**< NULL: straight to bronze */
    const char *topic;           /**< of the log; must be there */
};

/** What became of the events. */
struct mq_event_sink_figures {
    char topic[MQ_TOPIC_NAME_MAX + 1];
    bool through_log;
    int64_t events;                   /**< given */
    int64_t first_s, last_s;          /**< their times; first > last when there are none */
    int64_t rejected;                 /**< of them in bronze/rejected */
    int64_t faults[MQ_EVENT_FAULTS];  /**< rejected ones by reason */
    int64_t batches, objects, packed; /**< written; packed: bytes of the objects */
    int64_t adopted;                  /**< batches that were there already */
};

struct mq_event_sink;

enum mq_status mq_event_sink_new(const struct mq_event_sink_options *options,
                                 struct mq_event_sink **ret_sink, struct mq_error *err);
/** Events that were not finished are lost. NULL allowed. */
void mq_event_sink_free(struct mq_event_sink *sink);

/** The rules events are judged by. Borrowed. */
const struct mq_event_rules *mq_event_sink_rules(const struct mq_event_sink *sink);

/**
 * Say what comes, before the first event.
 * @param name   of the source ("ml-1m"); what a topic's name may not hold becomes '-'
 * @param digest SHA-256 in hexadecimal digits of whatever decides the events and their order
 */
enum mq_status mq_event_sink_begin(struct mq_event_sink *sink, const char *name, const char *digest,
                                   struct mq_error *err);

/**
 * Add an event. A rating or watch time that is unknown is left out.
 * @return MQ_OK | MQ_E_CONFLICT (the topic's batches hold other events) | store's or log's errors
 */
enum mq_status mq_event_sink_add(struct mq_event_sink *sink, enum mq_event_kind kind,
                                 const struct mq_input_action *action, struct mq_error *err);

/** Write what is left; all events are durable then. */
enum mq_status mq_event_sink_finish(struct mq_event_sink *sink, struct mq_error *err);

/** Complete once it is finished. Borrowed. */
const struct mq_event_sink_figures *mq_event_sink_figures(const struct mq_event_sink *sink);

/* ---- before anything is written --------------------------------------------------------- */

/** Counts of events that the rules would refuse. Zero-initialise. */
struct mq_event_screen {
    int64_t total;
    int64_t too_old, in_future, off_scale, long_ids, unrated; /**< unrated: ratings without one */
    int64_t oldest_s, newest_s;                               /**< of those too old, in future */
    double lowest, highest;                                   /**< of those off the scale */
};

/** Count an event. */
void mq_event_screen_take(struct mq_event_screen *screen, const struct mq_event_rules *rules,
                          enum mq_event_kind kind, const struct mq_input_action *action);

/**
 * Refuse an import of which too many events would be refused.
 * @param what plural: "ratings"
 * @return MQ_OK | MQ_E_INPUT (how many, why, and which setting lets them in)
 */
enum mq_status mq_event_screen_judge(const struct mq_event_screen *screen,
                                     const struct mq_event_rules *rules, double max_bad_share,
                                     const char *what, struct mq_error *err);

#endif
