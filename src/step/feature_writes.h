/**
 * What changed of a day's features, to the feature store that the settings name: features.store,
 * features.tables (users' table, then films'), features.batch. Tables that are not there are made.
 * With features.write false nothing is done. Threads: one.
 */
#ifndef MQ_STEP_FEATURE_WRITES_H
#define MQ_STEP_FEATURE_WRITES_H

#include "data/sql.h"
#include "step/step.h"

/**
 * @param date of the features, which lie in silver
 * @return MQ_OK | MQ_E_CONFIG (features.tables) | errors of both stores; the next call goes on
 */
enum mq_status mq_feature_writes_do(struct mq_step_context *context, struct mq_sql *sql,
                                    const char *date, struct mq_error *err);

#endif
