#include "data/interactions_csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "data/import_check.h"
#include "data/local_table.h"

static const struct mq_table_column interaction_columns[] = {
    {"user_id", "user|userid|uid|viewer|customer_id|member_id", true},
    {"item_id", "item|itemid|program_id|programid|movie_id|movieid|content_id|video_id", true},
    {"timestamp", "time|ts|event_time|datetime|date|unix_timestamp", true},
    {"rating", "stars|score", false},
    {"watch_seconds", "watched|watch_s|play_seconds|watch_time", false},
    {"duration_seconds", "duration|length|length_seconds|duration_s", false},
    {"position", "pos|rank|slot", false},
    {"source", "click_source|channel|list", false},
    {"trace", "recommend_trace", false},
    {"event", "action|event_type|action_value|kind", false},
};

static const struct mq_table_column item_columns[] = {
    {"program_id", "programid|item_id|itemid|item|movie_id|movieid|content_id|video_id|id", true},
    {"program_type", "type|item_type", false},
    {"program_name", "title|name|movie_name|movie_title", false},
    {"release_year", "year", false},
    {"director", "directors", false},
    {"actor", "actors|cast", false},
    {"category_property", "category|categories|genre|genres", false},
    {"language", "languages|country|countries", false},
    {"ticket_num", "tickets", false},
    {"popularity", "", false},
    {"score", "rating", false},
    {"level", "maturity|certificate", false},
    {"is_new", "new|new_series", false},
    {"description", "desc|summary|synopsis|plot|overview", false},
    {"available_from", "licence_from|license_from", false},
    {"available_until", "licence_until|license_until", false},
    {"territories", "territory", false},
    {"duration_s", "duration|length|length_seconds|duration_seconds", false},
    {"poster", "poster_url|image|image_url", false},
};

static const struct mq_table_column user_columns[] = {
    {"user_id", "userid|user|uid|id", true},
    {"sex", "gender", false},
    {"age", "", false},
    {"registered", "timestamp|created|registered_at", false},
    {"name", "user_name|username|nickname", false},
    {"occupation", "job", false},
    {"zip", "zip_code|postcode|postal_code", false},
};

/* Read all files of one kind into a table. @param file the SELECT of one file; NULL: all columns,
 * the first of which is an id */
static enum mq_status
load_files(struct mq_sql *sql, const char *table, const char *const *paths, int path_count,
           const struct mq_table_column *columns, int count, const char *names, const char *file,
           struct mq_error *err)
{
    struct mq_buffer empty = {0};
    enum mq_status st = MQ_OK;
    if (path_count == 0) {
        st = mq_buffer_printf(&empty, err,
                              "create or replace temp table %s (file bigint, seq bigint", table);
        for (int i = 0; i < count && st == MQ_OK; i++)
            st = mq_buffer_printf(&empty, err, ", \"%s\" varchar", columns[i].name);
        if (st == MQ_OK)
            st = mq_buffer_append_char(&empty, ')', err);
        if (st == MQ_OK)
            st = mq_sql_statement(sql, empty.data, err);
        mq_buffer_release(&empty);
    }
    for (int i = 0; i < path_count && st == MQ_OK; i++) {
        st = mq_local_table_view(sql, "interaction_file", paths[i], columns, count, names, NULL,
                                 err);
        if (st == MQ_OK && file != NULL)
            st = mq_sql_table(sql, "one_file", file, mq_sql_params(mq_sql_int("file", i)), err);
        else if (st == MQ_OK)
            st = mq_sql_statementf(sql, err,
                                   "create or replace temp table one_file as select cast(%d as "
                                   "bigint) as file, * replace (mq_id(\"%s\") as \"%s\") from "
                                   "interaction_file",
                                   i, columns[0].name, columns[0].name);
        if (st == MQ_OK)
            st = mq_sql_statementf(sql, err,
                                   i == 0 ? "create or replace temp table %s as from one_file"
                                          : "insert into %s from one_file",
                                   table);
        if (st != MQ_OK && err != NULL && strstr(err->message, paths[i]) != NULL)
            return st; /* named already */
        if (st != MQ_OK)
            return mq_fail_context(err, st, "cannot import '%s'", paths[i]);
    }
    return st == MQ_OK ? mq_sql_statement(sql, "drop table if exists one_file", err) : st;
}

static struct mq_text
text_at(const struct mq_sql_result *result, int column, int64_t row)
{
    const struct mq_sql_string *string =
        (const struct mq_sql_string *)mq_sql_column(result, column) + row;
    if (!mq_sql_is_valid(mq_sql_valid(result, column), row))
        return (struct mq_text){NULL, 0};
    return (struct mq_text){mq_sql_string_bytes(string), string->size};
}

static double
real_at(const struct mq_sql_result *result, int column, int64_t row, double otherwise)
{
    return mq_sql_is_valid(mq_sql_valid(result, column), row)
               ? ((const double *)mq_sql_column(result, column))[row]
               : otherwise;
}

static int64_t
time_at(const struct mq_sql_result *result, int column, int64_t row, int64_t otherwise)
{
    return mq_sql_is_valid(mq_sql_valid(result, column), row)
               ? ((const int64_t *)mq_sql_column(result, column))[row]
               : otherwise;
}

static enum mq_status
stage_items(struct mq_sql *sql, bool only_listed, struct mq_input_stage *stage,
            struct mq_error *err)
{
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st = mq_sql_query(sql, "interaction_items.sql",
                                     mq_sql_params(mq_sql_int("only_listed", only_listed)),
                                     "titittttt"
                                     "dddb"
                                     "tlltit",
                                     &result, err);
    if (st != MQ_OK)
        return st;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        for (int64_t r = 0; r < rows && st == MQ_OK; r++) {
            const struct mq_input_item item = {
                .id = text_at(result, 0, r),
                .type = ((const int32_t *)mq_sql_column(result, 1))[r] != 0 ? MQ_PROGRAM_TV
                                                                            : MQ_PROGRAM_MOVIE,
                .title = text_at(result, 2, r),
                .year = ((const int32_t *)mq_sql_column(result, 3))[r],
                .director = text_at(result, 4, r),
                .actor = text_at(result, 5, r),
                .category = text_at(result, 6, r),
                .language = text_at(result, 7, r),
                .level = text_at(result, 8, r),
                .ticket_num = real_at(result, 9, r, NAN),
                .popularity = real_at(result, 10, r, NAN),
                .score = real_at(result, 11, r, NAN),
                .is_new = ((const bool *)mq_sql_column(result, 12))[r],
                .description = text_at(result, 13, r),
                .available_from = time_at(result, 14, r, MQ_TIME_MIN),
                .available_until = time_at(result, 15, r, MQ_TIME_MAX),
                .territories = text_at(result, 16, r),
                .duration_s = ((const int32_t *)mq_sql_column(result, 17))[r],
                .poster = text_at(result, 18, r),
            };
            st = mq_input_add_item(stage, &item, err);
        }
        if (st != MQ_OK)
            break;
    }
    mq_sql_close(result);
    return st;
}

static enum mq_status
stage_users(struct mq_sql *sql, struct mq_input_stage *stage, struct mq_error *err)
{
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st = mq_sql_query_text(
        sql,
        "select user_id, sex, mq_to_double(age), mq_epoch_s(registered), name, occupation, zip "
        "from listed_user where user_id <> '' order by file, seq",
        "ttdlttt", &result, err);
    if (st != MQ_OK)
        return st;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        for (int64_t r = 0; r < rows && st == MQ_OK; r++) {
            double age = real_at(result, 2, r, 0);
            const struct mq_input_user user = {
                .id = text_at(result, 0, r),
                .sex = text_at(result, 1, r),
                .age = age >= 1 && age <= 150 ? (int32_t)age : 0,
                .registered_s = time_at(result, 3, r, -1),
                .name = text_at(result, 4, r),
                .occupation = text_at(result, 5, r),
                .zip = text_at(result, 6, r),
            };
            st = mq_input_add_user(stage, &user, err);
        }
        if (st != MQ_OK)
            break;
    }
    mq_sql_close(result);
    return st;
}

/* What a row without an event becomes: an exposure, and a play where its rating suffices. */
static enum mq_status
stage_row(const struct mq_input_action *action, int32_t event, double play_at_least,
          struct mq_input_stage *stage, struct mq_error *err)
{
    if (event != 2)
        return mq_input_add_action(stage, event == 1 ? MQ_ACTION_PLAY : MQ_ACTION_EXPOSURE, action,
                                   err);
    enum mq_status st = mq_input_add_action(stage, MQ_ACTION_EXPOSURE, action, err);
    bool is_play = play_at_least <= 0 || action->rating < 0 || action->rating >= play_at_least;
    return st == MQ_OK && is_play ? mq_input_add_action(stage, MQ_ACTION_PLAY, action, err) : st;
}

/* Columns 0 to 8 of interaction_rows.sql. */
static struct mq_input_action
action_at(const struct mq_sql_result *result, int64_t r)
{
    return (struct mq_input_action){
        .user = text_at(result, 0, r),
        .item = text_at(result, 1, r),
        .time_s = ((const int64_t *)mq_sql_column(result, 2))[r],
        .watch_s = real_at(result, 3, r, -1),
        .length_s = real_at(result, 4, r, -1),
        .rating = real_at(result, 5, r, -1),
        .position = ((const int32_t *)mq_sql_column(result, 6))[r],
        .source = text_at(result, 7, r),
        .trace = text_at(result, 8, r),
    };
}

/* What is done with one row of the chunk at hand. */
typedef enum mq_status (*row_fn)(const void *context, const struct mq_sql_result *result, int64_t r,
                                 struct mq_error *err);

static enum mq_status
walk_rows(struct mq_sql *sql, bool as_events, row_fn fn, const void *context, struct mq_error *err)
{
    struct mq_sql_result *result;
    struct mq_progress progress;
    int64_t rows;
    enum mq_status st =
        mq_sql_query(sql, "interaction_rows.sql", mq_sql_params(mq_sql_int("events", as_events)),
                     "ttldddit"
                     "tit",
                     &result, err);
    if (st != MQ_OK)
        return st;
    mq_progress_begin(&progress, "interactions", "rows", 0);
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        for (int64_t r = 0; r < rows && st == MQ_OK; r++)
            st = fn(context, result, r, err);
        if (st != MQ_OK)
            break;
        mq_progress_add(&progress, rows);
    }
    mq_progress_end(&progress);
    mq_sql_close(result);
    return st;
}

struct staging {
    struct mq_input_stage *stage;
    double play_at_least;
};

static enum mq_status
stage_one(const void *context, const struct mq_sql_result *result, int64_t r, struct mq_error *err)
{
    const struct staging *staging = context;
    const struct mq_input_action action = action_at(result, r);
    return stage_row(&action, ((const int32_t *)mq_sql_column(result, 9))[r],
                     staging->play_at_least, staging->stage, err);
}

/* ---- as events -------------------------------------------------------------------------- */

struct sending {
    const struct mq_interactions_options *options;
    struct mq_sql *sql;
};

/* All that decides the events and their order: the files' bytes, and which column is which. */
static enum mq_status
digest_files(const struct mq_interactions_options *options, char ret_hex[MQ_SHA256_HEX_SIZE],
             struct mq_error *err)
{
    struct mq_sha256 *digest = NULL;
    const char *columns = options->columns != NULL ? options->columns : "";
    enum mq_status st = mq_sha256_new(&digest, err);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, columns, strlen(columns) + 1, err);
    for (int i = 0; st == MQ_OK && i < options->path_count; i++) {
        struct mq_reader *reader = NULL;
        char hex[MQ_SHA256_HEX_SIZE];
        st = mq_reader_from_file(options->paths[i], &reader, err);
        if (st == MQ_OK)
            st = mq_sha256_of_reader(reader, hex, NULL, err);
        mq_reader_close(reader);
        if (st == MQ_OK)
            st = mq_sha256_add(digest, hex, sizeof(hex), err);
    }
    if (st == MQ_OK)
        st = mq_sha256_hex(digest, ret_hex, err);
    mq_sha256_free(digest);
    return st;
}

/* Would the rules refuse them? Said before anything is written. */
static enum mq_status
screen_events(struct mq_sql *sql, const struct mq_interactions_options *options,
              struct mq_error *err)
{
    const struct mq_event_rules *rules = mq_event_sink_rules(options->events);
    struct mq_event_screen screen = {0};
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st = mq_sql_query(
        sql, "interaction_screen.sql",
        mq_sql_params(mq_sql_int("time_min", (rules->now_ms - rules->age_max_ms) / 1000),
                      mq_sql_int("time_max", (rules->now_ms + rules->ahead_max_ms) / 1000),
                      mq_sql_real("rating_min", rules->rating_min),
                      mq_sql_real("rating_max", rules->rating_max)),
        "lllllllldd", &result, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0) {
        int64_t *const counts[] = {&screen.total,     &screen.too_old,  &screen.in_future,
                                   &screen.off_scale, &screen.long_ids, &screen.unrated,
                                   &screen.oldest_s,  &screen.newest_s};
        for (size_t i = 0; i < MQ_COUNT(counts); i++)
            *counts[i] = *(const int64_t *)mq_sql_column(result, (int)i);
        screen.lowest = *(const double *)mq_sql_column(result, MQ_COUNT(counts));
        screen.highest = *(const double *)mq_sql_column(result, MQ_COUNT(counts) + 1);
    }
    mq_sql_close(result);
    return st == MQ_OK
               ? mq_event_screen_judge(&screen, rules, options->max_bad_share, "interactions", err)
               : st;
}

/* A day's events are no new catalogue: what nobody gives stays as it is. */
static enum mq_status
find_kept(const struct mq_interactions_options *options, struct mq_object_store *store,
          const char *region, unsigned *ret_keep, struct mq_error *err)
{
    bool has_items = false;
    enum mq_status st = mq_artifact_exists(store, region, MQ_ARTIFACT_ITEM_BASIC, MQ_PROGRAM_MOVIE,
                                           &has_items, err);
    *ret_keep = MQ_INPUT_LOGS;
    if (options->item_path_count == 0 && has_items)
        *ret_keep |= MQ_INPUT_ITEMS;
    if (options->user_path_count == 0)
        *ret_keep |= MQ_INPUT_USERS;
    return st;
}

static enum mq_event_kind
kind_named(struct mq_text name)
{
    for (int kind = 0; kind < MQ_EVENT_KINDS; kind++) {
        const char *known = mq_event_kind_name((enum mq_event_kind)kind);
        if (strlen(known) == name.size && memcmp(known, name.bytes, name.size) == 0)
            return (enum mq_event_kind)kind;
    }
    return MQ_EVENT_RATING;
}

static enum mq_status
send_one(const void *context, const struct mq_sql_result *result, int64_t r, struct mq_error *err)
{
    const struct sending *sending = context;
    const struct mq_input_action action = action_at(result, r);
    return mq_event_sink_add(sending->options->events, kind_named(text_at(result, 10, r)), &action,
                             err);
}

static enum mq_status
send_events(void *context, struct mq_error *err)
{
    const struct sending *sending = context;
    char digest[MQ_SHA256_HEX_SIZE];
    enum mq_status st = digest_files(sending->options, digest, err);
    const char *path = sending->options->paths[0];
    const char *slash = strrchr(path, '/');
    if (st == MQ_OK)
        st = mq_event_sink_begin(sending->options->events, slash != NULL ? slash + 1 : path, digest,
                                 err);
    if (st == MQ_OK)
        st = walk_rows(sending->sql, true, send_one, sending, err);
    return st == MQ_OK ? mq_event_sink_finish(sending->options->events, err) : st;
}

/* ---- the whole -------------------------------------------------------------------------- */

/* Columns that some row has a value for. */
static enum mq_status
used_columns(struct mq_sql *sql, unsigned *ret_columns, struct mq_error *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } optional[] = {{"watch_s", MQ_LOG_WATCH},
                    {"rating", MQ_LOG_RATING},
                    {"place", MQ_LOG_POSITION},
                    {"source", MQ_LOG_SOURCE},
                    {"trace", MQ_LOG_TRACE}};
    *ret_columns = 0;
    for (size_t i = 0; i < MQ_COUNT(optional); i++) {
        char query[96];
        int64_t count;
        snprintf(query, sizeof(query), "select count(%s) from interaction", optional[i].name);
        enum mq_status st = mq_sql_scalar(sql, query, &count, err);
        if (st != MQ_OK)
            return st;
        if (count > 0)
            *ret_columns |= optional[i].flag;
    }
    return MQ_OK;
}

enum mq_status
mq_interactions_import(const struct mq_interactions_options *options, struct mq_sql *sql,
                       struct mq_object_store *store, const char *region, struct mq_pool *pool,
                       struct mq_input_summary *ret_summary, int64_t *ret_bad_rows,
                       struct mq_error *err)
{
    struct mq_input_stage *stage = NULL;
    struct sending sending = {options, sql};
    const bool as_events = options->events != NULL;
    struct mq_input_options input = {.source = "csv",
                                     .gzip_level = options->gzip_level,
                                     .replace = options->replace,
                                     .meanwhile = as_events ? send_events : NULL,
                                     .context = &sending};
    const struct mq_import_table tables[] = {
        {"interaction", "rows",
         as_events ? "user_id is not null and item_id is not null and "
                     "time_s between 0 and 4294967295 and has_good_rating and kind is not null"
                   : "user_id is not null and item_id is not null and "
                     "time_s between 0 and 4294967295 and has_good_rating and "
                     "(event is not null or not has_event)",
         options->paths, options->path_count, false, interaction_columns,
         MQ_COUNT(interaction_columns), options->columns},
        {"listed_item", "item lines", "program_id is not null", options->item_paths,
         options->item_path_count, true, item_columns, MQ_COUNT(item_columns), NULL},
        {"listed_user", "user lines", "user_id is not null", options->user_paths,
         options->user_path_count, true, user_columns, MQ_COUNT(user_columns), NULL}};
    int64_t bad = 0, scans = 0;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; i < MQ_COUNT(tables) && st == MQ_OK; i++) {
        const struct mq_import_table *t = &tables[i];
        st = load_files(sql, t->table, t->paths, t->path_count, t->columns, t->count, t->names,
                        i == 0 ? "interaction_stage.sql" : NULL, err);
        if (st == MQ_OK)
            st = mq_import_check(sql, t, options->max_bad_share, &scans, &bad, err);
    }
    if (st == MQ_OK && as_events)
        st = screen_events(sql, options, err);
    if (st == MQ_OK && as_events)
        st = find_kept(options, store, region, &input.keep, err);
    if (st == MQ_OK)
        st = used_columns(sql, &input.play_columns, err);
    if (st == MQ_OK) {
        input.exposure_columns = input.play_columns & ~MQ_LOG_WATCH;
        st = mq_input_begin(store, region, &input, &stage, err);
    }
    if (st == MQ_OK)
        st = (input.keep & MQ_INPUT_ITEMS) != 0
                 ? MQ_OK
                 : stage_items(sql, options->item_path_count > 0, stage, err);
    if (st == MQ_OK && (input.keep & MQ_INPUT_USERS) == 0)
        st = stage_users(sql, stage, err);
    if (st == MQ_OK && !as_events)
        st =
            walk_rows(sql, false, stage_one, &(struct staging){stage, options->play_at_least}, err);
    if (st == MQ_OK)
        st = mq_input_publish(stage, pool, ret_summary, err);
    if (st == MQ_OK && ret_bad_rows != NULL)
        *ret_bad_rows = bad;
    mq_input_free(stage);
    return st;
}
