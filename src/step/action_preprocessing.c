/*
 * action-preprocessing: exposure and play logs to action.csv and action.parquet.
 *
 * 1. Stage: each group of log files is read once as text, typed and judged, and written to a
 *    Parquet file in scratch; a row's place in it is its sequence number, so the order of files and
 *    lines can still decide between actions of the same second.
 * 2. Duplicates: rows whose hash of (user, item, kind, time) occurs twice are few; only those are
 *    compared exactly.
 * 3. Sort by user, time, sequence number into action.parquet; out of core when memory is short.
 * 4. action.csv and rejects.csv from what is there now.
 * Nothing is published before the shares of refused lines are known to be allowed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/action_logs.h"
#include "data/input_stage.h"
#include "data/sql.h"
#include "format/csv_writer.h"
#include "step/bad_share.h"
#include "step/known_ids.h"
#include "step/step.h"

/* Longest id in characters: its UTF-8 stays below MQ_STRMAP_KEY_MAX bytes. */
#define ID_CHARACTERS_MAX 16000

struct work {
    struct mq_step_context *context;
    struct mq_sql *sql;
    struct mq_action_logs logs;
    int64_t staged, bad_lines, duplicates;
};

/* Read every group into scratch and make the view "stage" over them. */
static enum mq_status
stage(struct work *work, bool check_users, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    int64_t tolerance = mq_config_int(context->config, "data.clock_tolerance_s");
    /* Swapping the sides of a join would lose the order of the files. */
    enum mq_status st = mq_sql_statement(
        work->sql, "set disabled_optimizers = 'join_order,build_side_probe_side'", err);
    struct mq_buffer view = {0};
    if (st == MQ_OK)
        st = mq_buffer_append_text(&view, "create or replace temp view stage as ", err);
    for (int g = 0; g < work->logs.group_count && st == MQ_OK; g++) {
        int64_t rows;
        mq_autofree char *path = mq_strfmt("%s/stage-%d.parquet", context->scratch, g);
        if (path == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
        if (st == MQ_OK)
            st = mq_action_logs_view(&work->logs, g, work->sql, err);
        if (st == MQ_OK)
            st = mq_sql_copy_to_file(
                work->sql, "action_stage.sql",
                mq_sql_params(
                    mq_sql_int("kind", mq_action_logs_kind(&work->logs, g)),
                    mq_sql_int("check_users", check_users), mq_sql_int("id_max", ID_CHARACTERS_MAX),
                    mq_sql_int("time_min", mq_config_int(context->config, "data.earliest_s")),
                    mq_sql_int("time_max", context->now_s + tolerance)),
                path, MQ_SQL_PARQUET, &rows, err);
        if (st != MQ_OK)
            break;
        work->staged += rows;
        st = mq_buffer_printf(&view, err,
                              "%sselect *, %d * 1099511627776 + file_row_number as seq from "
                              "read_parquet(",
                              g > 0 ? " union all " : "", g);
        if (st == MQ_OK)
            st = mq_sql_append_literal(&view, path, err);
        if (st == MQ_OK)
            st = mq_buffer_append_text(&view, ", file_row_number = true)", err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    if (st == MQ_OK)
        st = mq_sql_statement(work->sql, view.data, err);
    if (st == MQ_OK)
        st = mq_sql_statement(work->sql, "set disabled_optimizers = ''", err);
    if (st == MQ_OK)
        st = mq_sql_table(work->sql, "bad_line", "action_bad_line.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(work->sql, "select count(*) from bad_line", &work->bad_lines, err);
    mq_buffer_release(&view);
    return st;
}

static enum mq_status
find_duplicates(struct work *work, struct mq_error *err)
{
    int64_t hashes;
    enum mq_status st = mq_sql_table(work->sql, "duplicate_hash", "action_duplicate_hash.sql",
                                     mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(work->sql, "select count(*) from duplicate_hash", &hashes, err);
    if (st != MQ_OK)
        return st;
    if (hashes == 0)
        return mq_sql_statement(work->sql, "create temp table duplicate (seq bigint)", err);
    st = mq_sql_table(work->sql, "duplicate", "action_duplicate.sql", mq_sql_no_params, err);
    return st == MQ_OK
               ? mq_sql_scalar(work->sql, "select count(*) from duplicate", &work->duplicates, err)
               : st;
}

/* The first refused line of some reasons, for people. */
static enum mq_status
find_example(struct work *work, const char *reasons, char *ret_text, size_t size,
             struct mq_error *err)
{
    struct mq_buffer query = {0};
    struct mq_sql_result *result = NULL;
    int64_t rows = 0;
    ret_text[0] = '\0';
    enum mq_status st = mq_buffer_printf(
        &query, err,
        "select reason, coalesce(key, ''), line from (select 'bad_line' as reason, path, "
        "concat('line ', cast(line_number as varchar), ': ', message, ': ', line) as line, -1 as "
        "seq "
        "from bad_line union all select reason, path, line, seq from stage where reason is not "
        "null) as r left join log_file as f on f.path = r.path where reason in (%s) order by seq, "
        "key, line limit 1",
        reasons);
    if (st == MQ_OK)
        st = mq_sql_query_text(work->sql, query.data, "ttt", &result, err);
    if (st == MQ_OK)
        st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0) {
        const struct mq_sql_string *text[3];
        for (int i = 0; i < 3; i++)
            text[i] = mq_sql_column(result, i);
        snprintf(ret_text, size, "'%.*s': %.*s: %.*s", (int)MQ_MIN(text[1]->size, 160u),
                 mq_sql_string_bytes(text[1]), (int)MQ_MIN(text[0]->size, 32u),
                 mq_sql_string_bytes(text[0]), (int)MQ_MIN(text[2]->size, 240u),
                 mq_sql_string_bytes(text[2]));
        for (char *p = ret_text; *p != '\0'; p++)
            if (*p == '\n' || *p == '\r')
                *p = ' ';
    }
    mq_sql_close(result);
    mq_buffer_release(&query);
    return st;
}

#define UNKNOWN_REASONS "'unknown_item', 'unknown_user'"
#define BAD_REASONS                                                                                \
    "'bad_line', 'no_user', 'no_item', 'id_too_long', 'bad_time', 'time_too_early', "              \
    "'time_in_future'"

/* Count refused lines by reason, and stop where there are too many. */
static enum mq_status
judge(struct work *work, int64_t *ret_accepted, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    struct mq_sql_result *result;
    int64_t rows, accepted = 0, bad = work->bad_lines, unknown = 0;
    enum mq_status st = mq_sql_query_text(
        work->sql,
        "select coalesce(reason, ''), count(*) from stage group by reason order by reason", "tl",
        &result, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "rejected.bad_line", work->bad_lines);
    mq_step_count(context, "rejected.duplicate", work->duplicates);
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *reasons = mq_sql_column(result, 0);
        const int64_t *counts = mq_sql_column(result, 1);
        for (int64_t r = 0; r < rows; r++) {
            char name[64];
            snprintf(name, sizeof(name), "rejected.%.*s", (int)reasons[r].size,
                     mq_sql_string_bytes(&reasons[r]));
            if (reasons[r].size == 0) {
                accepted = counts[r];
                continue;
            }
            mq_step_count(context, name, counts[r]);
            if (strstr(name, "unknown") != NULL)
                unknown += counts[r];
            else
                bad += counts[r];
        }
    }
    mq_sql_close(result);
    int64_t total = work->staged + work->bad_lines;
    mq_step_count(context, "lines", total);
    char example[512] = "";
    if (st == MQ_OK && bad > 0)
        st = find_example(work, BAD_REASONS, example, sizeof(example), err);
    if (st == MQ_OK)
        st = mq_step_check_share(context, "action lines", "data.max_bad_share", bad, total, example,
                                 err);
    if (st == MQ_OK && unknown > 0)
        st = find_example(work, UNKNOWN_REASONS, example, sizeof(example), err);
    if (st == MQ_OK)
        st = mq_step_check_share(context, "action lines of unknown items or users",
                                 "data.max_unknown_share", unknown, total, example, err);
    if (st == MQ_OK)
        st = mq_step_check_share(context, "action lines, being duplicates,",
                                 "data.max_duplicate_share", work->duplicates, total,
                                 "see rejects.csv of an allowed run", err);
    if (st == MQ_OK && accepted == 0) {
        st = mq_fail(err, MQ_E_INPUT,
                     "no usable action: %" PRId64 " lines in %" PRId64 " files below '%s'", total,
                     work->logs.file_count, mq_artifact_info(MQ_ARTIFACT_ACTION_LOGS)->path);
        mq_error_hint(err, "put exposure and play logs there, or run `marquee import` or "
                           "`marquee simulate`");
    }
    if (st == MQ_OK)
        *ret_accepted = accepted - work->duplicates;
    return st;
}

/* What is seen while action.csv is written. */
struct census {
    int64_t plays, exposures, users, first_s, last_s;
};

static enum mq_status
write_csv_rows(struct mq_sql_result *result, struct mq_csv_writer *csv, int64_t total,
               struct census *census, struct mq_error *err)
{
    struct mq_progress progress;
    struct mq_buffer last_user = {0};
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "action.csv", "rows", total);
    for (int64_t rows = 1; st == MQ_OK && rows > 0;) {
        st = mq_sql_next(result, &rows, err);
        if (st != MQ_OK || rows == 0)
            break;
        const struct mq_sql_string *users = mq_sql_column(result, 0);
        const struct mq_sql_string *items = mq_sql_column(result, 1);
        const int32_t *values = mq_sql_column(result, 2);
        const int64_t *times = mq_sql_column(result, 3);
        for (int64_t r = 0; r < rows; r++) {
            const char *user = mq_sql_string_bytes(&users[r]);
            mq_csv_put(csv, user, users[r].size);
            mq_csv_put(csv, mq_sql_string_bytes(&items[r]), items[r].size);
            mq_csv_put(csv, "1", 1);
            mq_csv_put(csv, values[r] != 0 ? "1" : "0", 1);
            mq_csv_put_int(csv, times[r]);
            mq_csv_end_row(csv);
            census->plays += values[r] != 0;
            census->exposures += values[r] == 0;
            census->first_s = MQ_MIN(census->first_s, times[r]);
            census->last_s = MQ_MAX(census->last_s, times[r]);
            if (last_user.data == NULL || last_user.size != users[r].size ||
                memcmp(last_user.data, user, users[r].size) != 0) {
                census->users++;
                mq_buffer_reset(&last_user);
                st = mq_buffer_append(&last_user, user, users[r].size, err);
                if (st != MQ_OK)
                    break;
            }
        }
        mq_progress_add(&progress, rows);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    mq_progress_end(&progress);
    mq_buffer_release(&last_user);
    return st;
}

/* action.csv: the original system's five columns, in the order of action.parquet. */
static enum mq_status
write_csv(struct work *work, int64_t total, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    struct census census = {.first_s = INT64_MAX, .last_s = INT64_MIN};
    struct mq_sql_result *result = NULL;
    struct mq_writer *out = NULL;
    struct mq_csv_writer csv = {0};
    enum mq_status st = mq_sql_view_of_artifact(work->sql, "action", context->store,
                                                context->region, MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_query(work->sql, "action_csv.sql", mq_sql_no_params, "ttil", &result, err);
    if (st == MQ_OK)
        st = mq_artifact_writer(context->store, context->region, MQ_ARTIFACT_ACTION_CSV,
                                MQ_PROGRAM_MOVIE, &out, err);
    if (st == MQ_OK)
        st = mq_csv_writer_init(&csv, out, "_!_", MQ_CSV_WRITE_QUOTED, err);
    if (st == MQ_OK)
        st = write_csv_rows(result, &csv, total, &census, err);
    if (st == MQ_OK)
        st = mq_csv_finish(&csv, err);
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    mq_writer_close(out);
    mq_sql_close(result);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "plays", census.plays);
    mq_step_count(context, "exposures", census.exposures);
    mq_step_count(context, "users", census.users);
    mq_step_count(context, "first_time_s", census.first_s);
    mq_step_count(context, "last_time_s", census.last_s);
    return MQ_OK;
}

static enum mq_status
write_rejects(struct work *work, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    int64_t rejected = work->bad_lines + work->duplicates, staged = 0, kept = 0;
    char key[MQ_OBJECT_KEY_MAX];
    int64_t limit = mq_config_int(context->config, "data.rejects_kept");
    enum mq_status st = mq_sql_scalar(
        work->sql, "select count(*) from stage where reason is not null", &staged, err);
    rejected += staged;
    if (st == MQ_OK)
        st = mq_artifact_key(context->region, MQ_ARTIFACT_ACTION_REJECTS, MQ_PROGRAM_MOVIE, key,
                             err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_copy_to_object(work->sql, "action_rejects.sql",
                               mq_sql_params(mq_sql_int("limit", limit)), context->store, key,
                               MQ_SQL_CSV, &kept, err);
    if (st == MQ_OK && rejected > 0)
        mq_step_note(context, "%" PRId64 " lines were refused; %" PRId64 " are kept in rejects.csv",
                     rejected, kept);
    return st;
}

static enum mq_status
clean(struct work *work, struct mq_error *err)
{
    struct mq_step_context *context = work->context;
    bool check_users = strcmp(mq_config_text(context->config, "data.unknown_users"), "reject") == 0;
    char key[MQ_OBJECT_KEY_MAX];
    int64_t accepted, rows;
    enum mq_status st = mq_step_known_ids(context, work->sql, check_users, NULL, err);
    if (st == MQ_OK)
        st = mq_action_logs_open(context->store, context->region, work->sql, &work->logs, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "files", work->logs.file_count);
    if (work->logs.ignored_count > 0)
        mq_step_note(context,
                     "%" PRId64 " objects among the logs are no exposure/*.csv or "
                     "play/*.csv and were passed over",
                     work->logs.ignored_count);
    if (work->logs.group_count == 0)
        return mq_fail(err, MQ_E_INPUT, "all %" PRId64 " log files below '%s' are empty",
                       work->logs.file_count, mq_artifact_info(MQ_ARTIFACT_ACTION_LOGS)->path);
    mq_log_info("action-preprocessing: reading %" PRId64 " files in %d groups",
                work->logs.file_count, work->logs.group_count);
    if ((st = stage(work, check_users, err)) != MQ_OK ||
        (st = find_duplicates(work, err)) != MQ_OK || (st = judge(work, &accepted, err)) != MQ_OK ||
        (st = mq_artifact_key(context->region, MQ_ARTIFACT_ACTION_PARQUET, MQ_PROGRAM_MOVIE, key,
                              err)) != MQ_OK)
        return st;
    mq_log_info("action-preprocessing: sorting %" PRId64 " actions", accepted);
    st = mq_sql_copy_to_object(work->sql, "action_clean.sql", mq_sql_no_params, context->store, key,
                               MQ_SQL_PARQUET, &rows, err);
    if (st == MQ_OK && rows != accepted)
        st = mq_fail(err, MQ_E_INTERNAL,
                     "%" PRId64 " actions were accepted but %" PRId64 " written", accepted, rows);
    if (st == MQ_OK)
        st = write_rejects(work, err);
    return st == MQ_OK ? write_csv(work, rows, err) : st;
}

enum mq_status
mq_step_action_preprocessing(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct work work = {.context = context};
    enum mq_status st = mq_input_check(context->store, context->region, err);
    if (st == MQ_OK)
        st = mq_sql_open(&options, &work.sql, err);
    if (st != MQ_OK)
        return st;
    st = clean(&work, err);
    mq_action_logs_release(&work.logs);
    mq_sql_free(work.sql);
    return st;
}
