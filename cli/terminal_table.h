/**
 * Aligned tables for people. Widths are counted in terminal columns (wide East Asian characters
 * take two, combining marks none). Threads: one table, one thread.
 */
#ifndef MQ_CLI_TERMINAL_TABLE_H
#define MQ_CLI_TERMINAL_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "marquee/status.h"

#define MQ_TABLE_COLUMNS_MAX 16

/** Zero-initialise; then mq_table_release. */
struct mq_table {
    const char *titles[MQ_TABLE_COLUMNS_MAX];
    bool right[MQ_TABLE_COLUMNS_MAX]; /**< numbers stand to the right */
    int columns;
    const char **cells; /* row-major, in the arena */
    size_t cell_count, cell_capacity;
    struct mq_arena text;
    bool failed; /* out of memory: mq_table_print says so */
};

/** Add a column. @param title borrowed, static; "" for none */
void mq_table_column(struct mq_table *table, const char *title, bool right);

/** Add the next cell, row by row. Control characters are shown as "?". */
void mq_table_cell(struct mq_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Cells as people read them: 1,234,567 / 1.2 GB / 3.4 s or 2:05:03. */
void mq_table_count(struct mq_table *table, int64_t count);
void mq_table_bytes(struct mq_table *table, int64_t size_bytes);
void mq_table_seconds(struct mq_table *table, double seconds);

/** Print with a line of titles (unless all are ""). @param bold titles in bold */
enum mq_status mq_table_print(const struct mq_table *table, FILE *out, bool bold,
                              struct mq_error *err);

void mq_table_release(struct mq_table *table);

/** The same forms for running text. Static forms: each needs MQ_FORM_SIZE bytes. */
#define MQ_FORM_SIZE 48
void mq_form_count(int64_t count, char ret_text[MQ_FORM_SIZE]);
void mq_form_bytes(int64_t size_bytes, char ret_text[MQ_FORM_SIZE]);
void mq_form_seconds(double seconds, char ret_text[MQ_FORM_SIZE]);

#endif
