/**
 * Unfinished files of processes that were killed: removed before a run works on a store.
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_LEFTOVERS_H
#define MQ_FLOW_LEFTOVERS_H

#include "store/object_store.h"

/** Files that somebody wrote to more recently are left alone. */
#define MQ_LEFTOVER_AGE_S 3600

/**
 * Remove "<file>.<pid>-<n>.partial" below the region's folder, where no process of that number runs
 * on this machine and the file has not changed for MQ_LEFTOVER_AGE_S (a writer may be on another
 * machine). Where the store is no directory nothing is left over, and this does nothing.
 * @param ret_count removed; may be NULL
 */
enum mq_status mq_leftovers_sweep(struct mq_object_store *store, const char *region, int *ret_count,
                                  struct mq_error *err);

#endif
