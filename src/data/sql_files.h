/** The SQL files of src/step/sql as text, generated at build time by tools/embed-text. */
#ifndef MQ_DATA_SQL_FILES_H
#define MQ_DATA_SQL_FILES_H

struct mq_sql_file {
    const char *name; /**< "action_clean.sql" */
    const char *text;
};

/** Ends with a row of NULLs. */
extern const struct mq_sql_file mq_sql_files[];

#endif
