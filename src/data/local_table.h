/**
 * A local file of any of the usual table formats as a view of named text columns.
 * Threads: as struct mq_sql.
 */
#ifndef MQ_DATA_LOCAL_TABLE_H
#define MQ_DATA_LOCAL_TABLE_H

#include "data/sql.h"
#include "data/table_source.h"

/**
 * Make a view with the wanted columns (VARCHAR, NULL where the file has none) and seq, the row's
 * number. The format goes by the name: .parquet; .jsonl, .ndjson, .json (an object a line); else
 * separated text, whose broken lines the engine keeps in reject_errors.
 *
 * @param names "a,b,-" by position, "a=x,b=y" by the file's names, or NULL; a name stands for the
 *              wanted column of that name or synonym
 * @param ret_lines_before lines of the file before that of row 1 (rows of text are lines, but for
 *              line breaks in quotes); -1 for Parquet; may be NULL
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_INPUT (a required column is absent) | MQ_E_USAGE (names) |
 *         MQ_E_FORMAT
 */
enum mq_status mq_local_table_view(struct mq_sql *sql, const char *view, const char *path,
                                   const struct mq_table_column *columns, int count,
                                   const char *names, int *ret_lines_before, struct mq_error *err);

#endif
