/** Tables of the ids that catalogue and user file list, for joins. */
#ifndef MQ_STEP_KNOWN_IDS_H
#define MQ_STEP_KNOWN_IDS_H

#include "data/sql.h"
#include "step/step.h"

/**
 * Make the tables known_item and known_user, both (id varchar).
 * @param users     false: known_user stays empty
 * @param ret_users ids in known_user; may be NULL
 */
enum mq_status mq_step_known_ids(const struct mq_step_context *context, struct mq_sql *sql,
                                 bool users, int64_t *ret_users, struct mq_error *err);

#endif
