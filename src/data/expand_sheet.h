/**
 * The catalogue's expand files: licence window, territories, description, length, poster of each
 * programme, as .xlsx sheets (first sheet, header in its first row) or CSV.
 * Threads: one call, one thread.
 */
#ifndef MQ_DATA_EXPAND_SHEET_H
#define MQ_DATA_EXPAND_SHEET_H

#include "data/sql.h"
#include "store/object_store.h"

/** Make the empty table of mq_expand_sheet_load: seq, program_id, description, available_from,
 * available_until, territories, duration_s, poster; all but seq VARCHAR. */
enum mq_status mq_expand_sheet_create(struct mq_sql *sql, const char *table, struct mq_error *err);

/**
 * Append a file's rows. Dates become epoch seconds as text. Rows without a program_id are kept
 * with NULL there.
 * @param seq number of the first row, raised by the rows read
 * @return MQ_OK | MQ_E_INPUT (no program_id column) | MQ_E_FORMAT | an error of the store
 */
enum mq_status mq_expand_sheet_load(struct mq_sql *sql, const char *table,
                                    struct mq_object_store *store, const char *key, int64_t *seq,
                                    struct mq_error *err);

#endif
