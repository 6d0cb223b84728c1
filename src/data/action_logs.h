/**
 * The exposure and play logs of a store, made readable to the SQL engine.
 *
 * Every object below system/user-data/action/ whose folder is "exposure" or "play" and whose name
 * ends in .csv or .csv.gz is a log: CSV with a header that names its columns (format:
 * docs/formats/action-logs.md). Files of equal header and separator are read together, so a store
 * of thousands of small files costs a handful of scans. Everything is read as text; sense is made
 * of it in SQL (action_stage.sql). Lines that cannot be split into the header's columns go to the
 * engine's own reject tables.
 *
 * Threads: one set, one thread.
 */
#ifndef MQ_DATA_ACTION_LOGS_H
#define MQ_DATA_ACTION_LOGS_H

#include <stdint.h>

#include "data/actions.h"
#include "data/sql.h"
#include "store/object_store.h"

/** Longest line; longer ones are bad. */
#define MQ_LOG_LINE_MAX ((size_t)1 << 20)

/** Files of one kind with the same columns. */
struct mq_log_group;

struct mq_action_logs {
    struct mq_arena arena;
    int64_t file_count;    /**< logs found */
    int64_t ignored_count; /**< objects that are no logs by their place or name */
    int64_t empty_count;   /**< logs without a byte */
    int group_count;
    struct mq_log_group *groups;
};

/**
 * Find the logs, read their headers, and make the table log_file (path, key).
 * Groups come exposures first, then in order of their first file; files in order of their keys.
 * @return MQ_OK | MQ_E_NOT_FOUND (no logs) | MQ_E_INPUT (a header without user_id, item_id or
 *         timestamp) | MQ_E_FORMAT | an error of the store
 */
enum mq_status mq_action_logs_open(struct mq_object_store *store, const char *region,
                                   struct mq_sql *sql, struct mq_action_logs *ret_logs,
                                   struct mq_error *err);
void mq_action_logs_release(struct mq_action_logs *logs);

/** What the actions of a group are. */
enum mq_action_kind mq_action_logs_kind(const struct mq_action_logs *logs, int group);

/**
 * Make the view log_line of a group: user_id, item_id, time_text, watch_text, length_text,
 * rating_text, position_text, source, trace (VARCHAR, trimmed by nobody, NULL where empty), path.
 * Bad lines are kept in the engine's table reject_errors when the view is read.
 */
enum mq_status mq_action_logs_view(const struct mq_action_logs *logs, int group, struct mq_sql *sql,
                                   struct mq_error *err);

#endif
