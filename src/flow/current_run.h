/**
 * The run that is going on, noted in the store (`<region>/runs/current.json`, one a shard) so that
 * the next one notices when it died. Called under the run lock. Threads: one run at a time.
 */
#ifndef MQ_FLOW_CURRENT_RUN_H
#define MQ_FLOW_CURRENT_RUN_H

#include "flow/manifest.h"

/** A dead run's instant is taken over for this long. */
#define MQ_RESUME_SECONDS_MAX (24 * 3600)

/**
 * Note the run. If a run of the same kind is noted already, it died or was stopped: its manifest is
 * marked so, and run->now_s and run->resumed take over its instant, unless that is more than
 * MQ_RESUME_SECONDS_MAX ago.
 */
enum mq_status mq_current_run_begin(struct mq_object_store *store, const char *region,
                                    struct mq_run *run, struct mq_error *err);

/** Remove the note. */
enum mq_status mq_current_run_end(struct mq_object_store *store, const char *region,
                                  const struct mq_run *run, struct mq_error *err);

#endif
