/**
 * What has to be done around a replay so that what was lost or damaged comes back, all of it.
 *
 * A replay writes the batches of a stretch of offsets again (serve/consume.h). By itself that would
 * leave out two things. So before the events are read,
 *  - a batch record that cannot be read is deleted: the replay makes it anew, with the bounds that
 *    its neighbours leave it;
 *  - a merged object that is lost, damaged, or holds other lines than its batches promise has its
 *    merge opened again (data/bronze_merges.h), and the stretch grows to all of its parts. Where
 * the log forgot some of these and the object is there, it is left as it is: it may be the only
 * copy. And afterwards
 *  - merges that are open are finished: the same merged object, from the parts just written;
 *  - objects that were left over from batches that were lost and cut otherwise are deleted, once
 *    nothing else is wrong in the stretch;
 *  - the stretch is verified (data/bronze_verify.h).
 * Whoever dies in between leaves a layer that verify finds unfinished, and that the same replay
 * finishes: an open merge counts by its parts, and no object goes before what replaces it is there.
 *
 * Threads: one repair, one thread. Cost beside the replay: reads merged objects of the stretch, and
 * at the end all of its objects, once.
 */
#ifndef MQ_DATA_BRONZE_REPAIR_H
#define MQ_DATA_BRONZE_REPAIR_H

#include "data/bronze_verify.h"

struct mq_bronze_repair;

/** All borrowed for the life of the repair. */
struct mq_bronze_repair_options {
    struct mq_object_store *store;
    const char *region;
    struct mq_event_log *log;  /**< that will be read again */
    const char *topic, *group; /**< group: tells where a last batch ended */
    int64_t from_ms;           /**< spans were asked for by time, from this one on: what the log
                                  forgot since is verified too. INT64_MAX: by offset */
    struct mq_pool *pool;      /**< may be NULL */
};

/**
 * Make ready for a replay of spans.
 * @param spans [count] by partition; grow where more has to be written again or verified. They may
 *              begin before what the log holds: mq_bronze_spans_held tells what can be read
 * @return MQ_OK | MQ_E_UNSUPPORTED (a record of a newer Marquee) | MQ_E_CONFLICT (a compaction
 * runs) | errors of store and log
 */
enum mq_status mq_bronze_repair_new(const struct mq_bronze_repair_options *options,
                                    struct mq_bronze_span *spans, int count,
                                    struct mq_bronze_repair **ret_repair, struct mq_error *err);
/** NULL allowed. */
void mq_bronze_repair_free(struct mq_bronze_repair *repair);

struct mq_bronze_repair_figures {
    int64_t records;   /**< that could not be read, and were made anew */
    int64_t merges;    /**< merged objects that were made anew */
    int64_t leftovers; /**< objects that no batch named any more */
};

/**
 * Finish, once the replay of these spans is done.
 * @param ret_report what is still wrong in the spans; zero-initialised, released by the caller
 */
enum mq_status mq_bronze_repair_finish(struct mq_bronze_repair *repair,
                                       const struct mq_bronze_span *spans, int count,
                                       struct mq_bronze_repair_figures *ret_figures,
                                       struct mq_bronze_report *ret_report, struct mq_error *err);

#endif
