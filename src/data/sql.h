/**
 * The SQL engine: DuckDB in the process, wrapped once.
 *
 * Data work (cleaning, joining, counting) is one SELECT a file under src/step/sql, built into the
 * binary and run here by name. Such a file
 *  - holds exactly one SELECT (with CTEs), no other statement: what it reads are views and tables
 *    that C code registered (mq_sql_view_of_…, mq_sql_table), what it makes goes where C code says
 *    (mq_sql_table, mq_sql_copy_to_object, or a result to walk);
 *  - keeps to what Spark SQL runs too: no list comprehension, no struct punning, no DuckDB file
 *    functions. What Spark names otherwise goes through macros, which a cluster defines as its own
 *    functions; they are listed below as MQ_SQL_MACROS;
 *  - takes parameters as $name, replaced by a literal (never by an identifier or SQL).
 *
 * Traps of the library, dealt with here: CSV sniffing is never used (it samples, so a file's
 * meaning would depend on its size); extensions are neither installed nor loaded from the network;
 * a memory limit without a temporary folder makes big sorts fail; `COPY … DELIMITER` writes the
 * first byte of a longer delimiter only; the library's header is older than the library, so only
 * calls of the stable C API are used.
 *
 * Threads: one struct mq_sql and its results belong to one thread; the engine itself runs its own
 * workers. Text values in results must be valid UTF-8 by the engine's own rule.
 */
#ifndef MQ_DATA_SQL_H
#define MQ_DATA_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "data/artifact.h"
#include "marquee/status.h"
#include "store/object_store.h"

/*
 * MQ_SQL_MACROS
 *   mq_to_double(text)      NULL where the text is no number (try_cast)
 *   mq_to_int(text)         NULL where the text is no whole number; exact up to 2^53
 *   mq_epoch_s(text)        epoch seconds of "978300760", of "978300760.5" (rounded), of
 *                           "978300760000" (1e11 and more are milliseconds), or of an ISO 8601
 *                           instant, UTC where it says nothing else; NULL for anything else
 *   mq_hash(a, b, c, d)     a 64-bit hash of four values
 *   mq_bucket(text, n)      a number from 0 to n - 1 that depends on the text alone
 *   mq_list_by(value, place) the group's values as a list, by place (an aggregate)
 *   mq_row_digest(alias)    MD5 of all columns of a table's row
 *   mq_id(text)             an id: blanks at both ends taken off; NULL where nothing is left, or
 *                           one of mq_csv_missing_words ("nan", "NULL", …)
 */

struct mq_sql;
struct mq_sql_result;
struct mq_sql_appender;

struct mq_sql_options {
    int threads;          /**< 0: one a processor */
    int64_t memory_bytes; /**< the engine spills to scratch beyond it; 0: a quarter of the
                             machine's; at least 64 MiB */
    const char *scratch;  /**< copied; an existing folder for spilling and spooled objects */
};

/** From run.threads and run.memory_mb. @param scratch borrowed */
struct mq_sql_options mq_sql_options_from(const struct mq_config *config, const char *scratch);

/** Start an engine with an empty in-memory database; the time zone is UTC. */
enum mq_status mq_sql_open(const struct mq_sql_options *options, struct mq_sql **ret_sql,
                           struct mq_error *err);
/** Results must be closed before; removes what it put into scratch. NULL allowed. */
void mq_sql_free(struct mq_sql *sql);

/* ---- parameters ------------------------------------------------------------------------- */

enum mq_sql_param_type { MQ_SQL_PARAM_INT, MQ_SQL_PARAM_REAL, MQ_SQL_PARAM_TEXT };

struct mq_sql_param {
    const char *name; /**< without the '$' */
    enum mq_sql_param_type type;
    int64_t integer;
    double real;
    const char *text; /**< UTF-8 */
};

#define mq_sql_int(n, v)                                                                           \
    ((struct mq_sql_param){.name = (n), .type = MQ_SQL_PARAM_INT, .integer = (v)})
#define mq_sql_real(n, v)                                                                          \
    ((struct mq_sql_param){.name = (n), .type = MQ_SQL_PARAM_REAL, .real = (v)})
#define mq_sql_text(n, v)                                                                          \
    ((struct mq_sql_param){.name = (n), .type = MQ_SQL_PARAM_TEXT, .text = (v)})

/** A list of parameters inline: mq_sql_params(mq_sql_int("now", now), …). */
#define mq_sql_params(...)                                                                         \
    (const struct mq_sql_param[]){__VA_ARGS__},                                                    \
        (int)(sizeof((struct mq_sql_param[]){__VA_ARGS__}) / sizeof(struct mq_sql_param))
#define mq_sql_no_params NULL, 0

/* ---- running ---------------------------------------------------------------------------- */

/* Errors of all calls: MQ_E_INTERNAL (the SQL itself is wrong, or a parameter is missing),
 * MQ_E_NOMEM (memory limit), MQ_E_IO (disk), MQ_E_FORMAT (a file or value cannot be read). Messages
 * name the .sql file, in one line. */

/** Run a statement of the C side. */
enum mq_status mq_sql_statement(struct mq_sql *sql, const char *text, struct mq_error *err);
enum mq_status mq_sql_statementf(struct mq_sql *sql, struct mq_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Make (or replace) a temporary table from an embedded file; spills like everything else. */
enum mq_status mq_sql_table(struct mq_sql *sql, const char *table, const char *file,
                            const struct mq_sql_param *params, int param_count,
                            struct mq_error *err);

/** Make (or replace) a view from an embedded file: runs when read. */
enum mq_status mq_sql_view(struct mq_sql *sql, const char *view, const char *file,
                           const struct mq_sql_param *params, int param_count,
                           struct mq_error *err);

enum mq_sql_format {
    MQ_SQL_PARQUET,      /**< Snappy, row groups of 122,880 rows */
    MQ_SQL_CSV,          /**< header, comma, quotes where needed */
    MQ_SQL_PARQUET_ZSTD, /**< zstd, row groups of 122,880 rows: what is kept for long */
};

/**
 * Write an embedded file's rows to an object, whole or not at all, in the order of the SELECT.
 * @param ret_rows may be NULL
 */
enum mq_status mq_sql_copy_to_object(struct mq_sql *sql, const char *file,
                                     const struct mq_sql_param *params, int param_count,
                                     struct mq_object_store *store, const char *key,
                                     enum mq_sql_format format, int64_t *ret_rows,
                                     struct mq_error *err);

/** The same to a local file, directly (not atomic). */
enum mq_status mq_sql_copy_to_file(struct mq_sql *sql, const char *file,
                                   const struct mq_sql_param *params, int param_count,
                                   const char *path, enum mq_sql_format format, int64_t *ret_rows,
                                   struct mq_error *err);

/**
 * Share a table's or view's rows out: those with the same value of an integer column go to Parquet
 * files below "<folder>/<column>=<value>/" (Snappy, in no defined order), without the column.
 */
enum mq_status mq_sql_partition(struct mq_sql *sql, const char *relation, const char *column,
                                const char *folder, struct mq_error *err);

/**
 * Write an embedded file's rows to local Parquet files (zstd), one for each value of an integer
 * column, "<folder>/<column>=<value>/data_0.parquet", in the order of the SELECT and without the
 * column. For many small files: they cost a third of as many calls of mq_sql_copy_to_file. The
 * bytes of a file depend on its rows alone. One thread; all rows are in memory, or spilled.
 */
enum mq_status mq_sql_copy_by_value(struct mq_sql *sql, const char *file,
                                    const struct mq_sql_param *params, int param_count,
                                    const char *column, const char *folder, struct mq_error *err);

/** All Parquet files below a local folder as a view; MQ_E_IO where there are none. */
enum mq_status mq_sql_view_of_folder(struct mq_sql *sql, const char *view, const char *folder,
                                     struct mq_error *err);

/**
 * Whether a local file begins and ends as Parquet does.
 * @param name for messages
 * @return MQ_OK | MQ_E_FORMAT "cannot read Parquet '<name>': why" | MQ_E_IO | MQ_E_NOMEM
 */
enum mq_status mq_sql_check_parquet(struct mq_sql *sql, const char *path, const char *name,
                                    struct mq_error *err);

/** Parquet objects as a view of all their rows (objects of another machine are spooled first). */
enum mq_status mq_sql_view_of_parquet(struct mq_sql *sql, const char *view,
                                      struct mq_object_store *store, const char *const *keys,
                                      int64_t key_count, struct mq_error *err);

/** A Parquet artifact as a view. @return also MQ_E_NOT_FOUND */
enum mq_status mq_sql_view_of_artifact(struct mq_sql *sql, const char *view,
                                       struct mq_object_store *store, const char *region,
                                       enum mq_artifact artifact, struct mq_error *err);

/**
 * A path at which the engine can read an object: the object itself where the store is a directory,
 * else a copy in scratch, which lives as long as `sql`.
 * @param ret_path owned (free)
 */
enum mq_status mq_sql_object_path(struct mq_sql *sql, struct mq_object_store *store,
                                  const char *key, char **ret_path, struct mq_error *err);

/** 'text' as a SQL literal, quotes doubled, appended to a buffer. */
enum mq_status mq_sql_append_literal(struct mq_buffer *buffer, const char *text,
                                     struct mq_error *err);

/* ---- adding rows ------------------------------------------------------------------------ */

/**
 * Append rows to a table: per row its values in column order, then mq_sql_append_end. The append
 * functions keep the first failure, mq_sql_appender_free reports it. Values are of the column's
 * type (BIGINT, DOUBLE, VARCHAR): then some 50 million a second; a table with columns of other
 * types takes a tenth of that.
 */
enum mq_status mq_sql_appender_new(struct mq_sql *sql, const char *table,
                                   struct mq_sql_appender **ret_appender, struct mq_error *err);
void mq_sql_append_int(struct mq_sql_appender *appender, int64_t value);
void mq_sql_append_real(struct mq_sql_appender *appender, double value);
/** @param text valid by mq_sql_text_is_valid */
void mq_sql_append_text(struct mq_sql_appender *appender, const char *text, size_t size);
void mq_sql_append_null(struct mq_sql_appender *appender);
void mq_sql_append_end(struct mq_sql_appender *appender);
/** Flush and free. NULL allowed. */
enum mq_status mq_sql_appender_free(struct mq_sql_appender *appender, struct mq_error *err);

/** Whether the engine takes these bytes as text: UTF-8 without NUL. */
bool mq_sql_text_is_valid(const char *text, size_t size);

/* ---- results ---------------------------------------------------------------------------- */

/**
 * Run an embedded file and walk its rows by chunks of columns, in the order of the SELECT, without
 * copying values. Memory is bounded: rows are made as they are taken.
 *
 * @param types expected column types, one letter each: b bool, h int16, i int32, l int64, f float,
 *              d double, t text (VARCHAR or BLOB), D list of doubles, L of int64, T of texts;
 * another type is MQ_E_INTERNAL
 */
enum mq_status mq_sql_query(struct mq_sql *sql, const char *file, const struct mq_sql_param *params,
                            int param_count, const char *types, struct mq_sql_result **ret_result,
                            struct mq_error *err);

/** The same for SQL text of the C side. */
enum mq_status mq_sql_query_text(struct mq_sql *sql, const char *text, const char *types,
                                 struct mq_sql_result **ret_result, struct mq_error *err);

/** One row, one int64 column. */
enum mq_status mq_sql_scalar(struct mq_sql *sql, const char *text, int64_t *ret_value,
                             struct mq_error *err);

/** Fetch the next chunk; *ret_rows 0 means the end. Invalidates the last chunk. */
enum mq_status mq_sql_next(struct mq_sql_result *result, int64_t *ret_rows, struct mq_error *err);

/** NULL allowed. */
void mq_sql_close(struct mq_sql_result *result);

/** A text value in place: up to 12 bytes live in the struct itself, from `prefix` on. */
struct mq_sql_string {
    uint32_t size;
    char prefix[4];
    union {
        char rest[8];
        const char *far;
    } value;
};

static inline const char *
mq_sql_string_bytes(const struct mq_sql_string *string)
{
    return string->size <= 12 ? (const char *)string + offsetof(struct mq_sql_string, prefix)
                              : string->value.far;
}

/** A list value: its elements are [begin, begin + count) of mq_sql_elements. */
struct mq_sql_list {
    uint64_t begin, count;
};

/** Elements of all lists of a column of the current chunk: double, int64_t or struct
 * mq_sql_string; none of them is NULL. */
const void *mq_sql_elements(const struct mq_sql_result *result, int column);

/** Columns of the current chunk, borrowed until the next mq_sql_next; entries of NULLs are
 * undefined. The caller picks the function of the declared type. */
const void *mq_sql_column(const struct mq_sql_result *result, int column);

/** Validity of a column: bit r of word r/64 is set where row r is not NULL; NULL: all valid. */
const uint64_t *mq_sql_valid(const struct mq_sql_result *result, int column);

static inline bool
mq_sql_is_valid(const uint64_t *valid, int64_t row)
{
    return valid == NULL || (valid[row / 64] >> (row % 64) & 1) != 0;
}

#endif
