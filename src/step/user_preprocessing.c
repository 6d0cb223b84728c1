/*
 * user-preprocessing: ProfileMap.csv to user.csv, one row a user, five columns. A store without a
 * ProfileMap has users known by their actions alone: user.csv is empty then.
 */
#include "base/memory.h"
#include "data/table_source.h"
#include "data/input_stage.h"
#include "format/csv_writer.h"
#include "step/bad_share.h"
#include "step/step.h"

static const struct mq_table_column profile_columns[] = {
    {"user_id", "userid|user|uid|id", true},
    {"sex", "gender", false},
    {"age", "", false},
    {"registered", "timestamp|created|registered_at", false},
    {"name", "user_name|username|nickname", false},
};

static const char *const headerless_profile[] = {"user_id",    "sex",  "age",
                                                 "registered", "name", NULL};

static enum mq_status
write_csv(struct mq_step_context *context, struct mq_sql *sql, int64_t *ret_rows,
          struct mq_error *err)
{
    struct mq_sql_result *result = NULL;
    struct mq_writer *out = NULL;
    struct mq_csv_writer csv = {0};
    enum mq_status st =
        mq_sql_query(sql, "user_clean.sql", mq_sql_no_params, "ttttt", &result, err);
    if (st == MQ_OK)
        st = mq_artifact_writer(context->store, context->region, MQ_ARTIFACT_USER_CSV,
                                MQ_PROGRAM_MOVIE, &out, err);
    if (st == MQ_OK)
        st = mq_csv_writer_init(&csv, out, "_!_", MQ_CSV_WRITE_QUOTED, err);
    for (int64_t rows = 1; st == MQ_OK && rows > 0;) {
        st = mq_sql_next(result, &rows, err);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++) {
            for (int c = 0; c < 5; c++) {
                const struct mq_sql_string *text =
                    (const struct mq_sql_string *)mq_sql_column(result, c) + r;
                mq_csv_put(&csv, mq_sql_string_bytes(text), text->size);
            }
            mq_csv_end_row(&csv);
        }
    }
    if (st == MQ_OK)
        st = mq_csv_finish(&csv, err);
    if (st == MQ_OK)
        st = mq_writer_commit(out, err);
    if (st == MQ_OK)
        *ret_rows = csv.rows;
    mq_writer_close(out);
    mq_sql_close(result);
    return st;
}

static enum mq_status
clean(struct mq_step_context *context, struct mq_sql *sql, struct mq_error *err)
{
    struct mq_table_counts counts = {0};
    char key[MQ_OBJECT_KEY_MAX];
    bool exists;
    int64_t seq = 0, without_id = 0, users = 0;
    enum mq_status st =
        mq_table_create(sql, "profile", profile_columns, MQ_COUNT(profile_columns), err);
    if (st == MQ_OK)
        st = mq_artifact_key(context->region, MQ_ARTIFACT_PROFILE_MAP, MQ_PROGRAM_MOVIE, key, err);
    if (st == MQ_OK)
        st = mq_artifact_exists(context->store, context->region, MQ_ARTIFACT_PROFILE_MAP,
                                MQ_PROGRAM_MOVIE, &exists, err);
    if (st == MQ_OK && exists)
        st = mq_table_load(sql, "profile", context->store, key, profile_columns,
                           MQ_COUNT(profile_columns), headerless_profile, &seq, &counts, err);
    else if (st == MQ_OK)
        mq_step_note(context, "no ProfileMap.csv: users are known by their actions alone");
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, "select count(*) from profile where user_id is null", &without_id,
                           err);
    if (st == MQ_OK)
        st = mq_step_check_share(context, "user lines", "data.max_bad_share",
                                 counts.bad_lines + without_id, counts.rows + counts.bad_lines,
                                 counts.example[0] != '\0' ? counts.example : "a line has no id",
                                 err);
    if (st == MQ_OK)
        st = write_csv(context, sql, &users, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "lines", counts.rows + counts.bad_lines);
    mq_step_count(context, "rejected.bad_line", counts.bad_lines);
    mq_step_count(context, "rejected.no_id", without_id);
    mq_step_count(context, "duplicates", counts.rows - without_id - users);
    mq_step_count(context, "users", users);
    return MQ_OK;
}

enum mq_status
mq_step_user_preprocessing(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct mq_sql *sql;
    enum mq_status st = mq_input_check(context->store, context->region, err);
    if (st == MQ_OK)
        st = mq_sql_open(&options, &sql, err);
    if (st != MQ_OK)
        return st;
    st = clean(context, sql, err);
    mq_sql_free(sql);
    return st;
}
