/**
 * Tables from outside, whatever their exact form: which columns a file has, under which of the
 * usual names, with which separator; and small files (catalogue, users) read into the SQL engine.
 *
 * A file is CSV with a header (separator ',', tab, ';' or '|', found in the header), or the
 * original system's header-less form with "_!_" between the fields, told apart by the first line.
 * Names ending in ".gz" are gzip. Threads: one call, one thread.
 */
#ifndef MQ_DATA_TABLE_SOURCE_H
#define MQ_DATA_TABLE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "data/sql.h"
#include "store/object_store.h"

/** Most columns of a header that are looked at; more are MQ_E_RANGE. */
#define MQ_HEADER_COLUMNS_MAX 1024
/** A first line must end within so many bytes. */
#define MQ_HEADER_BYTES_MAX ((size_t)256 << 10)

/** A column that is wanted. */
struct mq_table_column {
    const char *name;     /**< its name in the SQL table */
    const char *synonyms; /**< other names in headers, "a|b|c", any case; "" for none */
    bool required; /**< an id, or else what no row can do without: a header without it is refused;
                      its values lose blanks at their ends, and words for a missing value
                      (mq_csv_is_missing) are NULL even in quotes */
};

/** The first line of a file. */
struct mq_table_header {
    bool is_empty;      /**< the file holds no byte */
    bool is_headerless; /**< the "_!_" form: the first line is data */
    char separator[8];  /**< "," … or "_!_" */
    int column_count;   /**< fields of the first line */
    const char **names; /**< [column_count] as in the file, in the arena */
};

/** Open an object for reading, expanded when its name ends in ".gz". */
enum mq_status mq_table_reader(struct mq_object_store *store, const char *key,
                               struct mq_reader **ret_reader, struct mq_error *err);

/** Read the first line of an object. @param arena receives the names */
enum mq_status mq_table_header_read(struct mq_object_store *store, const char *key,
                                    struct mq_arena *arena, struct mq_table_header *ret_header,
                                    struct mq_error *err);

/** Position in the header of a wanted column, by name or synonym; -1 where absent. */
int mq_table_header_find(const struct mq_table_header *header,
                         const struct mq_table_column *column);

/**
 * Positions of all wanted columns.
 * @param ret_positions int [count], -1 where absent
 * @return MQ_OK | MQ_E_INPUT (a required one is absent: names it, the file, and what was found)
 */
enum mq_status mq_table_header_match(const struct mq_table_header *header, const char *key,
                                     const struct mq_table_column *columns, int count,
                                     int *ret_positions, struct mq_error *err);

/** What a load met; add up over files. */
struct mq_table_counts {
    int64_t files, rows, bad_lines;
    char example[512]; /**< the first bad line, or row without a required value: file, line, reason,
                          text; "" for none */
};

/**
 * Append a file's rows to a table (seq BIGINT, then the columns as VARCHAR, NULL where missing),
 * which must exist: mq_table_create. Bad lines (wrong number of fields, broken quotes, text that is
 * not UTF-8) are counted, not loaded.
 *
 * @param seq       number of the first row, raised by the rows read: later files come later
 * @param headerless_columns names of the columns of the "_!_" form in order, ended by NULL; NULL:
 *                  that form is refused. Fewer or more fields make a line bad.
 */
enum mq_status mq_table_load(struct mq_sql *sql, const char *table, struct mq_object_store *store,
                             const char *key, const struct mq_table_column *columns, int count,
                             const char *const *headerless_columns, int64_t *seq,
                             struct mq_table_counts *counts, struct mq_error *err);

/** Make the empty temporary table of mq_table_load. */
enum mq_status mq_table_create(struct mq_sql *sql, const char *table,
                               const struct mq_table_column *columns, int count,
                               struct mq_error *err);

#endif
