/**
 * The check of what `marquee import csv` read: too many rows that cannot be used refuse the import,
 * and the message names the first of them by file, line and value.
 *
 * Threads: as the engine's: one.
 */
#ifndef MQ_DATA_IMPORT_CHECK_H
#define MQ_DATA_IMPORT_CHECK_H

#include "data/sql.h"
#include "data/table_source.h"

/** Files of one kind as they were loaded: interactions, items or users. */
struct mq_import_table {
    const char
        *table;       /**< in the engine: file (index into paths), seq, and what usable speaks of */
    const char *what; /**< "rows", "item lines", "user lines" */
    const char *usable;       /**< SQL condition of a row that can be used */
    const char *const *paths; /**< [path_count] local files */
    int path_count;
    bool may_be_empty;                     /**< files without a row are no failure */
    const struct mq_table_column *columns; /**< [count] as mq_local_table_view took them */
    int count;
    const char *names; /**< the same; may be NULL */
};

/**
 * Count rows that cannot be used, and lines that are no rows at all, and refuse too many of them.
 *
 * @param scans  in: 0 at first; out: what has been counted; the same variable for all tables of an
 *               import, checked in the order of loading
 * @param ret_bad added to: rows and lines left out
 * @return MQ_OK | MQ_E_INPUT (too many; or none is left, where there are files)
 */
enum mq_status mq_import_check(struct mq_sql *sql, const struct mq_import_table *table,
                               double max_bad_share, int64_t *scans, int64_t *ret_bad,
                               struct mq_error *err);

#endif
