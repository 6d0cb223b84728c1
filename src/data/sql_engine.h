/** The SQL engine from inside: what sql.c (running), sql_rows.c (rows in and out) and
 * sql_parquet.c (views of Parquet) share. */
#ifndef MQ_DATA_SQL_ENGINE_H
#define MQ_DATA_SQL_ENGINE_H

#include <duckdb.h>

#include "base/strmap.h"
#include "data/sql.h"

/** Longest message of the engine that is quoted. */
#define MQ_SQL_QUOTED_MAX 600

struct mq_sql {
    duckdb_database database;
    duckdb_connection connection;
    char *scratch; /* own folder below options.scratch */
    int threads;   /* 0: the engine's default */
    int64_t spooled;
    struct mq_strmap viewed; /* paths of the Parquet files that views read */
    char **viewed_names;     /* [viewed.count] as messages say them; owned */
    size_t viewed_capacity;
};

/**
 * Record what failed of a named file or statement, as mq_fail says it.
 * @param sql may be NULL  @param message the engine's; may be NULL
 */
enum mq_status mq_sql_fail(const struct mq_sql *sql, struct mq_error *err, const char *name,
                           duckdb_error_type type, const char *message);

/** As mq_sql_fail, of anything: "<what>: <message>". */
enum mq_status mq_sql_fail_of(struct mq_error *err, const char *what, duckdb_error_type type,
                              const char *message);

/**
 * Record a failure that one of the viewed Parquet files explains: "cannot read Parquet '<name>':
 * why". A message that names none has them read one by one, up to the damaged one.
 * @param is_format the engine says that the failure is one of what was read
 * @return false: none explains it, err is as it was
 */
bool mq_sql_fail_of_parquet(const struct mq_sql *sql, struct mq_error *err, bool is_format,
                            const char *message);

/** Release the list of viewed files. */
void mq_sql_forget_parquet(struct mq_sql *sql);

/** Run SQL text. @param name of it, for messages  @param ret_changed rows; may be NULL */
enum mq_status mq_sql_run(struct mq_sql *sql, const char *name, const char *text,
                          int64_t *ret_changed, struct mq_error *err);

/** Append an embedded file with its parameters filled in. */
enum mq_status mq_sql_append_file(struct mq_buffer *buffer, const char *name,
                                  const struct mq_sql_param *params, int param_count,
                                  struct mq_error *err);

#endif
