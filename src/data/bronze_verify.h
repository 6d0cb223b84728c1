/**
 * The proof of a bronze layer: every offset is accounted for once.
 *
 *  - The batches of a partition make a chain without gap or overlap, and each one's counts add up.
 *  - The chain begins where the topic begins and reaches as far as the group has committed, where
 *    the log can be asked (data/bronze_ends.h); what it could not be asked is said.
 *  - Each object that a batch names is there, alone or merged, and holds the lines that the batch
 *    promises, by SHA-256. A merged object is compared with the promises of its parts' batches: the
 *    index of merges is not believed.
 *  - There is no object that no batch names.
 *
 * Where there was nothing to prove, that is a finding, too.
 *
 * Threads: one at a time; objects are read on the pool. Cost: every object of what is asked for is
 * read once.
 */
#ifndef MQ_DATA_BRONZE_VERIFY_H
#define MQ_DATA_BRONZE_VERIFY_H

#include "data/bronze_ends.h"
#include "data/bronze_findings.h"
#include "data/bronze_history.h"

/** What was found; zero-initialise, then mq_bronze_report_release. */
struct mq_bronze_report {
    int64_t partitions, batches, offsets; /**< offsets: the lengths of all chains */
    int64_t events, rejected; /**< events in user-events and in rejected, of what was asked for */
    int64_t skipped; /**< lines of the topic of rejected events that are elsewhere in the layer, or
                        none of Marquee's */
    int64_t empty;   /**< offsets that stand for no event in the log */
    int64_t lost;    /**< offsets that retention took before they were read */
    int64_t objects, merged, bytes;      /**< objects read; merged ones among them; of text */
    struct mq_bronze_findings findings;  /**< what is wrong: "gap: …" */
    struct mq_bronze_findings unchecked; /**< what could not be told, and why */
    char **strays; /**< [stray_count] keys of objects that no batch names, of a scope; owned */
    size_t stray_count, stray_capacity;
};

void mq_bronze_report_release(struct mq_bronze_report *report);

/** What is to be proved. All borrowed. */
struct mq_bronze_question {
    const char
        *date; /**< NULL: all objects; else those of this day ("YYYY-MM-DD"), and all chains */
    const struct mq_bronze_scope *scope; /**< NULL: all; else these stretches, which batches must
                                            hold from end to end */
    const struct mq_bronze_ends *ends;   /**< NULL where there is a scope */
    const struct mq_bronze_ends *refusals_ends; /**< the same of the topic of rejected events; may
                                                   be NULL */
};

/** What the log says of a partition, or NULL. */
const struct mq_bronze_end *mq_bronze_question_end(const struct mq_bronze_question *question,
                                                   const char *topic, int32_t partition);

/**
 * @param history    of all (or of question->scope), loaded after question->ends were asked
 * @param ret_report filled; after a failure it is zero
 */
enum mq_status mq_bronze_verify(struct mq_object_store *store, const char *region,
                                const struct mq_bronze_question *question,
                                const struct mq_bronze_history *history, struct mq_pool *pool,
                                struct mq_bronze_report *ret_report, struct mq_error *err);

#endif
