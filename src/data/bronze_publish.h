/**
 * A batch of events into the bronze layer: record, objects, rejected topic, projected logs. Each
 * part may fail and be tried again; what is done stays done.
 *
 * The order is what makes it exactly once (docs/decisions/exactly-once.md):
 *   1. the record, by put-if-absent: it fixes bounds and verdicts;
 *   2. the objects it names, each replaced by the same bytes if it was there;
 *   3. then the caller commits the group's offset.
 *
 * Threads: one publication, one thread at a time; several publications of one layer run at once.
 */
#ifndef MQ_DATA_BRONZE_PUBLISH_H
#define MQ_DATA_BRONZE_PUBLISH_H

#include "base/pool.h"
#include "data/bronze_batch.h"

/** Where to and how; shared by all publications, immutable. All borrowed. */
struct mq_bronze_layer {
    struct mq_object_store *store;
    const char *region;
    struct mq_event_log *log;    /**< for rejected_topic; may be NULL when that is */
    const char *rejected_topic;  /**< NULL: rejected events go to objects alone */
    struct mq_event_rules rules; /**< now_ms is set for each batch */
    int level;                   /**< of compression, 1…12 */
    bool project_actions;        /**< write exposure and play logs too */
    /** For batches of many days, which are many small objects. On a directory, objects are made
     * durable together by way of `scratch`, a folder; elsewhere the pool puts them side by side.
     * NULL, NULL: one by one. */
    const char *scratch;
    struct mq_pool *pool;
};

/** Time for one write to the rejected topic. */
#define MQ_BRONZE_REJECTED_TIMEOUT_MS 10000

struct mq_bronze_publication;

/**
 * @param batch   borrowed; complete, and unchanged until the publication is freed
 * @param adopted the record that is there already for these bounds (borrowed), or NULL
 */
enum mq_status mq_bronze_publication_new(const struct mq_bronze_layer *layer,
                                         const struct mq_bronze_batch *batch,
                                         const struct mq_bronze_record *adopted,
                                         struct mq_bronze_publication **ret_publication,
                                         struct mq_error *err);
/** NULL allowed. */
void mq_bronze_publication_free(struct mq_bronze_publication *publication);

/**
 * Do what is left.
 * @return MQ_OK: all is durable | MQ_E_EXISTS: another record with other bounds begins at this
 *         offset; read it, take its bounds, and publish anew | MQ_E_CONFLICT: the record is of
 * other events (the topic was made anew) | errors of the store or log: call again
 */
enum mq_status mq_bronze_publication_run(struct mq_bronze_publication *publication,
                                         struct mq_error *err);

/** What it wrote; after MQ_OK. */
struct mq_bronze_published {
    int64_t good, rejected, objects, bytes_packed;
    int64_t faults[MQ_EVENT_FAULTS];
    bool was_there; /**< the record was there already */
};
void mq_bronze_publication_figures(const struct mq_bronze_publication *publication,
                                   struct mq_bronze_published *ret_figures);

#endif
