/*
 * item-preprocessing: the catalogue's files (basic/, expand/) to one clean table: item.csv with the
 * original system's 13 columns and item.parquet with all that is known.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/expand_sheet.h"
#include "data/input_stage.h"
#include "data/table_source.h"
#include "format/csv_writer.h"
#include "step/bad_share.h"
#include "step/step.h"

static const struct mq_table_column basic_columns[] = {
    {"program_id", "programid|item_id|itemid|movie_id|movieid|id", true},
    {"program_type", "type|item_type", false},
    {"program_name", "title|name|movie_name", false},
    {"release_year", "year|release_date", false},
    {"director", "directors", false},
    {"actor", "actors|cast", false},
    {"category_property", "category|categories|genre|genres", false},
    {"language", "languages|country|countries", false},
    {"ticket_num", "tickets", false},
    {"popularity", "", false},
    {"score", "rating", false},
    {"level", "maturity|certificate", false},
    {"is_new", "new|new_series", false},
};

static const char *const headerless_basic[] = {"program_id",
                                               "program_type",
                                               "program_name",
                                               "release_year",
                                               "director",
                                               "actor",
                                               "category_property",
                                               "language",
                                               "ticket_num",
                                               "popularity",
                                               "score",
                                               "level",
                                               "is_new",
                                               NULL};

struct keys {
    struct mq_arena arena;
    const char **keys;
    size_t count, capacity;
};

static enum mq_status
collect_key(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct keys *keys = context;
    enum mq_status st =
        mq_grow(&keys->keys, &keys->capacity, keys->count + 1, sizeof(*keys->keys), err);
    if (st != MQ_OK)
        return st;
    const char *copy = mq_arena_copy(&keys->arena, key, strlen(key));
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
    keys->keys[keys->count++] = copy;
    return MQ_OK;
}

static enum mq_status
list_folder(struct mq_step_context *context, enum mq_artifact folder, struct keys *keys,
            struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_artifact_key(context->region, folder, MQ_PROGRAM_MOVIE, prefix, err);
    return st != MQ_OK ? st : mq_object_list(context->store, prefix, collect_key, keys, err);
}

static void
keys_release(struct keys *keys)
{
    free(keys->keys);
    mq_arena_release(&keys->arena);
}

static enum mq_status
load_basic(struct mq_step_context *context, struct mq_sql *sql, struct mq_table_counts *counts,
           struct mq_error *err)
{
    struct keys keys = {0};
    int64_t seq = 0;
    enum mq_status st = list_folder(context, MQ_ARTIFACT_ITEM_BASIC, &keys, err);
    if (st == MQ_OK)
        st = mq_table_create(sql, "basic", basic_columns, MQ_COUNT(basic_columns), err);
    if (st == MQ_OK && keys.count == 0)
        st = mq_artifact_missing(context->store, context->region, MQ_ARTIFACT_ITEM_BASIC,
                                 MQ_PROGRAM_MOVIE, err);
    for (size_t i = 0; i < keys.count && st == MQ_OK; i++)
        st = mq_table_load(sql, "basic", context->store, keys.keys[i], basic_columns,
                           MQ_COUNT(basic_columns), headerless_basic, &seq, counts, err);
    keys_release(&keys);
    return st;
}

static enum mq_status
load_expand(struct mq_step_context *context, struct mq_sql *sql, struct mq_error *err)
{
    struct keys keys = {0};
    int64_t seq = 0;
    enum mq_status st = list_folder(context, MQ_ARTIFACT_ITEM_EXPAND, &keys, err);
    if (st == MQ_OK)
        st = mq_expand_sheet_create(sql, "expand", err);
    for (size_t i = 0; i < keys.count && st == MQ_OK; i++)
        st = mq_expand_sheet_load(sql, "expand", context->store, keys.keys[i], &seq, err);
    mq_step_count(context, "expand_rows", seq);
    keys_release(&keys);
    return st;
}

static enum mq_status
write_csv(struct mq_step_context *context, struct mq_sql *sql, struct mq_error *err)
{
    struct mq_sql_result *result = NULL;
    struct mq_writer *out = NULL;
    struct mq_csv_writer csv;
    enum mq_status st =
        mq_sql_query(sql, "item_csv.sql", mq_sql_no_params, "ttttttttttttt", &result, err);
    if (st == MQ_OK)
        st = mq_artifact_writer(context->store, context->region, MQ_ARTIFACT_ITEM_CSV,
                                MQ_PROGRAM_MOVIE, &out, err);
    if (st == MQ_OK)
        st = mq_csv_writer_init(&csv, out, "_!_", MQ_CSV_WRITE_QUOTED, err);
    for (int64_t rows = 1; st == MQ_OK && rows > 0;) {
        st = mq_sql_next(result, &rows, err);
        for (int64_t r = 0; st == MQ_OK && r < rows; r++) {
            for (int c = 0; c < 13; c++) {
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
    mq_writer_close(out);
    mq_sql_close(result);
    return st;
}

static enum mq_status
clean(struct mq_step_context *context, struct mq_sql *sql, struct mq_error *err)
{
    struct mq_table_counts counts = {0};
    enum mq_status st = load_basic(context, sql, &counts, err);
    if (st == MQ_OK)
        st = load_expand(context, sql, err);
    int64_t without_id = 0, rows = 0, movies = 0, fresh = 0, licensed = 0;
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, "select count(*) from basic where program_id is null", &without_id,
                           err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "files", counts.files);
    mq_step_count(context, "lines", counts.rows + counts.bad_lines);
    mq_step_count(context, "rejected.bad_line", counts.bad_lines);
    mq_step_count(context, "rejected.no_id", without_id);
    st = mq_step_check_share(context, "item lines", "data.max_bad_share",
                             counts.bad_lines + without_id, counts.rows + counts.bad_lines,
                             counts.example[0] != '\0' ? counts.example : "a line has no id", err);
    if (st == MQ_OK && counts.rows == without_id)
        st = mq_fail(err, MQ_E_INPUT,
                     "the catalogue is empty: %" PRId64 " files below '%s' hold no "
                     "programme",
                     counts.files, mq_artifact_info(MQ_ARTIFACT_ITEM_BASIC)->path);
    if (st == MQ_OK)
        st = mq_sql_table(sql, "clean_item", "item_clean.sql", mq_sql_no_params, err);
    char key[MQ_OBJECT_KEY_MAX];
    if (st == MQ_OK)
        st = mq_artifact_key(context->region, MQ_ARTIFACT_ITEM_PARQUET, MQ_PROGRAM_MOVIE, key, err);
    if (st == MQ_OK)
        st = mq_sql_copy_to_object(sql, "item_parquet.sql", mq_sql_no_params, context->store, key,
                                   MQ_SQL_PARQUET, &rows, err);
    if (st == MQ_OK)
        st = write_csv(context, sql, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, "select count(*) from clean_item where type = 'movie'", &movies,
                           err);
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, "select count(*) from clean_item where is_new", &fresh, err);
    if (st == MQ_OK)
        st = mq_sql_scalar(sql,
                           "select count(*) from clean_item where available_from is not null or "
                           "available_until is not null or territories is not null",
                           &licensed, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "programmes", rows);
    mq_step_count(context, "movies", movies);
    mq_step_count(context, "series", rows - movies);
    mq_step_count(context, "new", fresh);
    mq_step_count(context, "licensed", licensed);
    mq_step_count(context, "duplicates", counts.rows - without_id - rows);
    return MQ_OK;
}

enum mq_status
mq_step_item_preprocessing(struct mq_step_context *context, struct mq_error *err)
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
