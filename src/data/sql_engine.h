/** The SQL engine from inside: what sql.c (running) and sql_rows.c (rows in and out) share. */
#ifndef MQ_DATA_SQL_ENGINE_H
#define MQ_DATA_SQL_ENGINE_H

#include <duckdb.h>

#include "data/sql.h"

struct mq_sql {
    duckdb_database database;
    duckdb_connection connection;
    char *scratch; /* own folder below options.scratch */
    int threads;   /* 0: the engine's default */
    char *parquet; /* the objects viewed, for messages: "a' or 'b" */
    int64_t spooled;
};

/**
 * Record what failed of a named file or statement, as mq_fail says it.
 * @param sql may be NULL  @param message the engine's; may be NULL
 */
enum mq_status mq_sql_fail(const struct mq_sql *sql, struct mq_error *err, const char *name,
                           duckdb_error_type type, const char *message);

/** Append an embedded file with its parameters filled in. */
enum mq_status mq_sql_append_file(struct mq_buffer *buffer, const char *name,
                                  const struct mq_sql_param *params, int param_count,
                                  struct mq_error *err);

#endif
