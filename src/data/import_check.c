#include "data/import_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/local_table.h"
#include "format/csv_reader.h"

/* Longest piece of a line that is quoted. */
#define QUOTED_MAX 120

/* ---- lines that are no rows: the engine keeps them in reject_errors --------------------- */

static enum mq_status
count_broken(struct mq_sql *sql, int64_t scans_before, int64_t *ret_broken, int64_t *ret_scans,
             struct mq_error *err)
{
    int64_t known, broken = 0, scans = scans_before;
    char query[256];
    enum mq_status st = mq_sql_scalar(
        sql, "select count(*) from duckdb_tables() where table_name = 'reject_errors'", &known,
        err);
    if (st == MQ_OK && known > 0) {
        snprintf(query, sizeof(query),
                 "select count(*) from (select distinct scan_id, file_id, line from reject_errors "
                 "where scan_id > %" PRId64 ")",
                 scans_before);
        st = mq_sql_scalar(sql, query, &broken, err);
        snprintf(query, sizeof(query),
                 "select cast(coalesce(max(scan_id), %" PRId64 ") as bigint) from reject_errors",
                 scans_before);
        if (st == MQ_OK)
            st = mq_sql_scalar(sql, query, &scans, err);
    }
    if (st != MQ_OK)
        return st;
    *ret_broken = broken;
    *ret_scans = scans;
    return MQ_OK;
}

static void
copy_text(const struct mq_sql_result *result, int column, char *text, size_t size)
{
    const struct mq_sql_string *string = mq_sql_column(result, column);
    size_t n = MQ_MIN((size_t)string->size, size - 1);
    memcpy(text, mq_sql_string_bytes(string), n);
    text[n] = '\0';
}

static enum mq_status
describe_broken(struct mq_sql *sql, int64_t scans_before, char *text, size_t size,
                struct mq_error *err)
{
    char query[512];
    struct mq_sql_result *result;
    int64_t rows;
    snprintf(query, sizeof(query),
             "select s.file_path, cast(e.line as bigint), lower(cast(e.error_type as varchar)), "
             "coalesce(e.csv_line, '') from reject_errors e join reject_scans s on s.scan_id = "
             "e.scan_id and s.file_id = e.file_id where e.scan_id > %" PRId64
             " order by e.scan_id, e.file_id, e.line limit 1",
             scans_before);
    enum mq_status st = mq_sql_query_text(sql, query, "tltt", &result, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0) {
        char path[300], kind[64], line[QUOTED_MAX + 1];
        copy_text(result, 0, path, sizeof(path));
        copy_text(result, 2, kind, sizeof(kind));
        copy_text(result, 3, line, sizeof(line));
        line[strcspn(line, "\r\n")] = '\0';
        snprintf(text, size, "'%s' line %" PRId64 ": %s: '%s'", path,
                 *(const int64_t *)mq_sql_column(result, 1), kind, line);
    }
    mq_sql_close(result);
    return st;
}

/* ---- rows that lack what is needed ------------------------------------------------------ */

/* The line of a row, from the rows before it and the lines of its file that are no rows. */
static enum mq_status
line_of_row(struct mq_sql *sql, const char *path, int64_t line, int64_t *ret_line,
            struct mq_error *err)
{
    mq_autofree char *whole = realpath(path, NULL);
    struct mq_buffer query = {0};
    struct mq_sql_result *result = NULL;
    int64_t known, rows;
    enum mq_status st = mq_sql_scalar(
        sql, "select count(*) from duckdb_tables() where table_name = 'reject_errors'", &known,
        err);
    if (st == MQ_OK && known > 0 && whole != NULL) {
        st = mq_buffer_append_text(&query,
                                   "select distinct cast(e.line as bigint) as n from reject_errors "
                                   "e join reject_scans s on s.scan_id = e.scan_id and s.file_id = "
                                   "e.file_id where s.file_path = ",
                                   err);
        if (st == MQ_OK)
            st = mq_sql_append_literal(&query, whole, err);
        if (st == MQ_OK)
            st = mq_buffer_append_text(&query, " order by n", err);
        if (st == MQ_OK)
            st = mq_sql_query_text(sql, query.data, "l", &result, err);
        while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0)
            for (int64_t r = 0; r < rows; r++)
                line += ((const int64_t *)mq_sql_column(result, 0))[r] <= line;
        mq_sql_close(result);
        mq_buffer_release(&query);
    }
    if (st == MQ_OK)
        *ret_line = line;
    return st;
}

/* Does the row of interaction_file fulfil the condition? */
static enum mq_status
check_row(struct mq_sql *sql, const char *condition, int64_t seq, bool *ret_good,
          struct mq_error *err)
{
    char query[300];
    int64_t good;
    snprintf(query, sizeof(query),
             "select cast(coalesce(max(case when %s then 1 else 0 end), 0) as bigint) from "
             "interaction_file where seq = %" PRId64,
             condition, seq);
    enum mq_status st = mq_sql_scalar(sql, query, &good, err);
    if (st == MQ_OK)
        *ret_good = good != 0;
    return st;
}

/* Columns that a sentence may be about. */
#define TOLD_MAX 5

static bool
is_told(const struct mq_table_column *column)
{
    return column->required || strcmp(column->name, "event") == 0 ||
           strcmp(column->name, "rating") == 0;
}

/* Why a row cannot be used: its first column that is needed and not there, or else unreadable. */
static enum mq_status
describe_values(struct mq_sql *sql, const struct mq_import_table *table, int64_t seq, char *text,
                size_t size, struct mq_error *err)
{
    char query[512], values[TOLD_MAX][QUOTED_MAX + 1] = {""};
    const struct mq_table_column *told[TOLD_MAX];
    int used = 0, time = -1, rating = -1, event = -1;
    int at = snprintf(query, sizeof(query), "select '' as none");
    for (int i = 0; i < table->count && used < TOLD_MAX; i++) {
        const struct mq_table_column *column = &table->columns[i];
        if (!is_told(column))
            continue;
        time = strcmp(column->name, "timestamp") == 0 ? used : time;
        rating = strcmp(column->name, "rating") == 0 ? used : rating;
        event = strcmp(column->name, "event") == 0 ? used : event;
        told[used++] = column;
        at += snprintf(query + at, sizeof(query) - (size_t)at, ", coalesce(\"%s\", '')",
                       column->name);
    }
    snprintf(query + at, sizeof(query) - (size_t)at, " from interaction_file where seq = %" PRId64,
             seq);
    char types[TOLD_MAX + 2] = "tttttt";
    types[used + 1] = '\0';
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st = mq_sql_query_text(sql, query, types, &result, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_next(result, &rows, err);
    for (int i = 0; st == MQ_OK && rows > 0 && i < used; i++)
        copy_text(result, i + 1, values[i], sizeof(values[i]));
    mq_sql_close(result);
    if (st != MQ_OK || used == 0)
        return st;
    for (int i = 0; i < used; i++) {
        if (told[i]->required && mq_csv_is_missing(values[i], strlen(values[i]))) {
            snprintf(text, size, "no %s: '%s'", told[i]->name, values[i]);
            return MQ_OK;
        }
    }
    /* All are there: one is none of its kind. */
    bool time_is_good = true, rating_is_good = true;
    if (time >= 0)
        st = check_row(sql, "mq_epoch_s(\"timestamp\") between 0 and 4294967295", seq,
                       &time_is_good, err);
    if (st == MQ_OK && rating >= 0)
        st = check_row(sql, "mq_is_rating(rating)", seq, &rating_is_good, err);
    if (st == MQ_OK && !time_is_good)
        snprintf(text, size, "timestamp '%s' cannot be read", values[time]);
    else if (st == MQ_OK && !rating_is_good)
        snprintf(text, size, "rating '%s' (a number from 0 on is due, or nothing)", values[rating]);
    else if (st == MQ_OK && event >= 0)
        snprintf(text, size, "event '%s' is neither a play nor an exposure", values[event]);
    return st;
}

static enum mq_status
describe_unusable(struct mq_sql *sql, const struct mq_import_table *table, char *text, size_t size,
                  struct mq_error *err)
{
    char query[600], why[2 * QUOTED_MAX] = "cannot be used";
    struct mq_sql_result *result;
    int64_t rows, file = -1, seq = 0, line = 0;
    snprintf(query, sizeof(query),
             "select file, seq from %s where not coalesce(%s, false) order by file, seq limit 1",
             table->table, table->usable);
    enum mq_status st = mq_sql_query_text(sql, query, "ll", &result, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0) {
        file = *(const int64_t *)mq_sql_column(result, 0);
        seq = *(const int64_t *)mq_sql_column(result, 1);
    }
    mq_sql_close(result);
    if (st != MQ_OK || file < 0 || file >= table->path_count)
        return st;
    int lines_before;
    const char *path = table->paths[file];
    st = mq_local_table_view(sql, "interaction_file", path, table->columns, table->count,
                             table->names, &lines_before, err);
    if (st == MQ_OK)
        st = describe_values(sql, table, seq, why, sizeof(why), err);
    if (st == MQ_OK && lines_before >= 0)
        st = line_of_row(sql, path, lines_before + seq, &line, err);
    if (st == MQ_OK && lines_before >= 0)
        snprintf(text, size, "'%.300s' line %" PRId64 ": %s", path, line, why);
    else if (st == MQ_OK)
        snprintf(text, size, "'%.300s' row %" PRId64 ": %s", path, seq, why);
    return st;
}

/* ---- the check -------------------------------------------------------------------------- */

enum mq_status
mq_import_check(struct mq_sql *sql, const struct mq_import_table *table, double max_bad_share,
                int64_t *scans, int64_t *ret_bad, struct mq_error *err)
{
    int64_t rows, unusable, broken, scans_before = *scans;
    char query[600], first[700] = "";
    if (table->path_count == 0)
        return MQ_OK;
    snprintf(query, sizeof(query), "select count(*) from %s", table->table);
    enum mq_status st = mq_sql_scalar(sql, query, &rows, err);
    snprintf(query, sizeof(query), "select count(*) from %s where not coalesce(%s, false)",
             table->table, table->usable);
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, query, &unusable, err);
    if (st == MQ_OK)
        st = count_broken(sql, scans_before, &broken, scans, err);
    if (st != MQ_OK)
        return st;
    int64_t bad = unusable + broken, total = rows + broken;
    bool none = total - bad <= 0 && (total > 0 || !table->may_be_empty);
    if (!none && (double)bad <= max_bad_share * (double)total) {
        *ret_bad += bad;
        return MQ_OK;
    }
    if (broken > 0)
        st = describe_broken(sql, scans_before, first, sizeof(first), err);
    else if (unusable > 0)
        st = describe_unusable(sql, table, first, sizeof(first), err);
    if (st != MQ_OK)
        return st;
    const char *lead = first[0] != '\0' ? "; the first: " : "";
    if (none) {
        st = mq_fail(err, MQ_E_INPUT,
                     "nothing to import: %" PRId64 " %s, none of which can be used%s%s", total,
                     table->what, lead, first);
        if (!table->may_be_empty)
            mq_error_hint(err, "times are epoch seconds, milliseconds or ISO 8601; name the "
                               "columns with --columns");
        return st;
    }
    st = mq_fail(err, MQ_E_INPUT,
                 "%" PRId64 " of %" PRId64 " %s cannot be used (%.2f %%, allowed are %.2f %%)%s%s",
                 bad, total, table->what, 100.0 * (double)bad / (double)total,
                 100.0 * max_bad_share, lead, first);
    mq_error_hint(err, "mend the file, or allow more with data.max_bad_share");
    return st;
}
