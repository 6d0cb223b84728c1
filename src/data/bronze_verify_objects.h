/**
 * The part of data/bronze_verify.h that looks at objects: those that batches name against those
 * that are there, merged ones included. Only bronze_verify.c includes this.
 */
#ifndef MQ_DATA_BRONZE_VERIFY_OBJECTS_H
#define MQ_DATA_BRONZE_VERIFY_OBJECTS_H

#include "data/bronze_verify.h"

/** What writes offsets again, for messages; or that nothing does, where the log forgot them. */
void mq_bronze_question_mending(const struct mq_bronze_question *question, const char *topic,
                                int32_t partition, struct mq_bronze_span span,
                                char ret_text[MQ_BRONZE_MENDING_MAX]);

/**
 * Compare, and add to the report.
 * @param ret_any whether there was anything to look at: an object, a promise of one, or a merge
 */
enum mq_status mq_bronze_verify_objects(struct mq_object_store *store, const char *region,
                                        const struct mq_bronze_question *question,
                                        const struct mq_bronze_history *history,
                                        struct mq_pool *pool, struct mq_bronze_report *report,
                                        bool *ret_any, struct mq_error *err);

#endif
