#include "step/feature_tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/catalogue.h"

#define USUAL_SHARE_ROWS INT64_C(2000000)
/* The mean of all, which means are shrunk to, is rounded to this: it moves a little every day, and
 * every record would change with it. */
#define PRIOR_STEP 0.05
#define DAY_MS (INT64_C(1000) * MQ_DAY_SECONDS)

struct making {
    struct mq_step_context *context;
    struct mq_sql *sql;
    const char *date;
    int64_t until_ms;
    int shares;
    struct mq_feature_tables tables;
    struct mq_arena names;
};

/* ---- properties of films ---------------------------------------------------------------- */

/* Codes of a film's values of a property. */
static const int32_t *
values_of(const struct mq_catalogue *catalogue, enum mq_property property, int32_t row,
          int32_t *ret_count)
{
    const int64_t *offset = catalogue->offset[property] + row;
    *ret_count = (int32_t)(offset[1] - offset[0]);
    return catalogue->value[property] + offset[0];
}

/* Roles of a film's values. */
static const enum mq_property roles[] = {MQ_PROPERTY_DIRECTOR, MQ_PROPERTY_ACTOR,
                                         MQ_PROPERTY_CATEGORY};

static void
append_roles(const struct mq_catalogue *catalogue, struct mq_sql_appender *appender, int actors)
{
    for (int32_t row = 0; row < catalogue->count; row++)
        for (size_t p = 0; p < MQ_COUNT(roles); p++) {
            int32_t count;
            const int32_t *values = values_of(catalogue, roles[p], row, &count);
            int32_t most = roles[p] == MQ_PROPERTY_ACTOR ? MQ_MIN(count, actors) : count;
            for (int32_t i = 0; i < most; i++) {
                mq_sql_append_text(appender, catalogue->ids.keys[row], catalogue->ids.sizes[row]);
                mq_sql_append_int(appender, (int64_t)p);
                mq_sql_append_int(appender, values[i]);
                mq_sql_append_end(appender);
            }
        }
}

static void
append_names(const struct mq_catalogue *catalogue, struct mq_sql_appender *appender)
{
    for (size_t p = 0; p < MQ_COUNT(roles); p++) {
        const struct mq_strmap *names = &catalogue->names[roles[p]];
        const char **spelling = catalogue->spelling[roles[p]];
        for (int32_t v = 0; v < names->count; v++) {
            const char *name = spelling != NULL ? spelling[v] : names->keys[v];
            mq_sql_append_int(appender, (int64_t)p);
            mq_sql_append_int(appender, v);
            mq_sql_append_text(appender, names->keys[v], names->sizes[v]);
            mq_sql_append_text(appender, name, strlen(name));
            mq_sql_append_end(appender);
        }
    }
}

static void
append_ids(const struct mq_catalogue *catalogue, struct mq_sql_appender *appender)
{
    for (int32_t row = 0; row < catalogue->count; row++)
        if (catalogue->present[row]) {
            mq_sql_append_text(appender, catalogue->ids.keys[row], catalogue->ids.sizes[row]);
            mq_sql_append_end(appender);
        }
}

/* known_item, film_role, role_name: the catalogue as tables. */
static enum mq_status
append_catalogue(struct making *m, const struct mq_catalogue *catalogue, struct mq_error *err)
{
    static const char *const tables[] = {"known_item", "film_role", "role_name"};
    int actors = (int)mq_config_int(m->context->config, "features.actors");
    enum mq_status st = mq_sql_statement(
        m->sql,
        "create or replace temp table known_item (id varchar);"
        "create or replace temp table film_role (movie_id varchar, role bigint, value bigint);"
        "create or replace temp table role_name (role bigint, value bigint, folded varchar, "
        "name varchar)",
        err);
    for (size_t t = 0; st == MQ_OK && t < MQ_COUNT(tables); t++) {
        struct mq_sql_appender *appender;
        st = mq_sql_appender_new(m->sql, tables[t], &appender, err);
        if (st != MQ_OK)
            break;
        if (t == 0)
            append_ids(catalogue, appender);
        else if (t == 1)
            append_roles(catalogue, appender, actors);
        else
            append_names(catalogue, appender);
        st = mq_sql_appender_free(appender, err);
    }
    return st;
}

/* Tables of the genres' numbers and names, then of the people's: one number a person, who may
 * direct and act. */
static enum mq_status
make_properties(struct making *m, struct mq_error *err)
{
    struct mq_catalogue *catalogue = NULL;
    enum mq_status st = mq_catalogue_load(m->context->store, m->context->region, &catalogue, err);
    if (st == MQ_OK)
        st = append_catalogue(m, catalogue, err);
    mq_catalogue_free(catalogue);
    for (int genres = 1; st == MQ_OK && genres >= 0; genres--) {
        const char *of = genres == 1 ? "genre" : "person";
        st = mq_sql_table(m->sql, "value_name", "value_names.sql",
                          mq_sql_params(mq_sql_int("genres", genres)), err);
        if (st == MQ_OK)
            st = mq_sql_table(m->sql, "film_value", "film_values.sql",
                              mq_sql_params(mq_sql_int("genres", genres)), err);
        if (st == MQ_OK)
            st = mq_sql_statementf(m->sql, err,
                                   "alter table value_name rename to %s_name;"
                                   "alter table film_value rename to film_%s",
                                   of, of);
    }
    return st;
}

/* ---- shares of the users ---------------------------------------------------------------- */

static const char *
share_path(struct making *m, int share)
{
    return mq_arena_format(&m->names, "%s/current/share-%05d.parquet", m->context->scratch, share);
}

/* What counts of each share's ratings, a local file a share. */
static enum mq_status
make_shares(struct making *m, int64_t rows, int64_t share_rows, struct mq_error *err)
{
    mq_autofree char *by_user = mq_strfmt("%s/by-user", m->context->scratch);
    mq_autofree char *current = mq_strfmt("%s/current", m->context->scratch);
    m->shares = (int)MQ_MAX(INT64_C(1), (rows + share_rows - 1) / share_rows);
    enum mq_status st = by_user != NULL && current != NULL
                            ? mq_fs_make_folders(current, err)
                            : mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK && m->shares > 1) {
        st = mq_sql_statementf(m->sql, err,
                               "create or replace temp view shared_out as select *, "
                               "mq_bucket(user_id, %d) as share from rating",
                               m->shares);
        if (st == MQ_OK)
            st = mq_sql_partition(m->sql, "shared_out", "share", by_user, err);
    }
    for (int s = 0; st == MQ_OK && s < m->shares; s++) {
        const char *path = share_path(m, s);
        if (m->shares > 1) {
            mq_autofree char *folder = mq_strfmt("%s/share=%d", by_user, s);
            if (folder == NULL)
                return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
            if (!mq_fs_is_folder(folder))
                continue; /* no user falls in it */
            st = mq_sql_view_of_folder(m->sql, "rating", folder, err);
        }
        if (st == MQ_OK && path == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
        if (st == MQ_OK)
            st = mq_sql_copy_to_file(m->sql, "current_ratings.sql", mq_sql_no_params, path,
                                     MQ_SQL_PARQUET, NULL, err);
        if (st == MQ_OK)
            st = mq_cancel_check(err);
    }
    if (st == MQ_OK && m->shares > 1)
        st = mq_fs_remove(by_user, err);
    return st == MQ_OK ? mq_sql_view_of_folder(m->sql, "current_rating", current, err) : st;
}

/* The mean of all ratings, that means of few are shrunk to. */
static enum mq_status
find_prior(struct making *m, struct mq_error *err)
{
    struct mq_sql_result *result;
    int64_t rows;
    enum mq_status st =
        mq_sql_query(m->sql, "rating_prior.sql", mq_sql_no_params, "ll", &result, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0) {
        int64_t count = *(const int64_t *)mq_sql_column(result, 0);
        double total = (double)*(const int64_t *)mq_sql_column(result, 1) / 1000;
        m->tables.ratings = count;
        m->tables.prior_mean =
            count > 0 ? round(total / (double)count / PRIOR_STEP) * PRIOR_STEP : 0;
    }
    mq_sql_close(result);
    return st;
}

/* ---- the tables ------------------------------------------------------------------------- */

/* Write a part: nothing is put where the same bytes are there already. */
static enum mq_status
write_part(struct making *m, enum mq_artifact table, int part, const char *file,
           const struct mq_sql_param *params, int param_count, int64_t *ret_rows,
           struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX], now[MQ_SHA256_HEX_SIZE], before[MQ_SHA256_HEX_SIZE] = "";
    mq_autofree char *path =
        mq_strfmt("%s/%s-%05d.parquet", m->context->scratch, mq_artifact_info(table)->name, part);
    struct mq_reader *reader = NULL;
    struct mq_object_info info;
    int64_t size = 0;
    enum mq_status st = path != NULL
                            ? mq_silver_key(m->context->region, table, m->date, part, key, err)
                            : mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK)
        st = mq_sql_copy_to_file(m->sql, file, params, param_count, path, MQ_SQL_PARQUET_ZSTD,
                                 ret_rows, err);
    if (st == MQ_OK)
        st = mq_reader_from_file(path, &reader, err);
    if (st == MQ_OK)
        st = mq_sha256_of_reader(reader, now, &size, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    if (mq_object_stat(m->context->store, key, &info, NULL) == MQ_OK && info.size_bytes == size &&
        mq_object_reader(m->context->store, key, &reader, NULL) == MQ_OK) {
        if (mq_sha256_of_reader(reader, before, NULL, NULL) != MQ_OK)
            before[0] = '\0';
        mq_reader_close(reader);
    }
    if (strcmp(now, before) != 0)
        st = mq_object_put_file(m->context->store, key, path, err);
    unlink(path);
    return st;
}

/* Everything of the share at hand that its part is made from. */
static enum mq_status
make_user_tables(struct making *m, const struct mq_sql_param *params, int count,
                 struct mq_error *err)
{
    static const char *const views = "create or replace temp view film_value as from film_%s;"
                                     "create or replace temp view value_name as from %s_name";
    enum mq_status st =
        mq_sql_view(m->sql, "clock_event", "clock_of_users.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_table(m->sql, "activity", "activity.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_table(m->sql, "user_mean", "user_means.sql", params, count, err);
    for (int genres = 1; st == MQ_OK && genres >= 0; genres--) {
        const char *of = genres == 1 ? "genre" : "person";
        st = mq_cancel_check(err);
        if (st == MQ_OK)
            st = mq_sql_statementf(m->sql, err, views, of, of);
        if (st == MQ_OK)
            st = mq_sql_table(m->sql, genres == 1 ? "user_genre" : "user_people", "affinities.sql",
                              params, count, err);
    }
    return st;
}

static enum mq_status
view_share(struct making *m, const char *path, struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = mq_buffer_append_text(
        &text, "create or replace temp view current_rating as select * from read_parquet(", err);
    if (st == MQ_OK)
        st = mq_sql_append_literal(&text, path, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, ')', err);
    if (st == MQ_OK)
        st = mq_sql_statement(m->sql, text.data, err);
    mq_buffer_release(&text);
    return st;
}

static enum mq_status
write_users(struct making *m, const struct mq_sql_param *params, int count, struct mq_error *err)
{
    struct mq_progress progress;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "user features", "shares", m->shares);
    for (int s = 0; st == MQ_OK && s < m->shares; s++) {
        const char *path = share_path(m, s);
        int64_t rows = 0;
        if (path == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
        if (st != MQ_OK || !mq_fs_exists(path))
            continue;
        st = view_share(m, path, err);
        if (st == MQ_OK)
            st = make_user_tables(m, params, count, err);
        if (st == MQ_OK)
            st = write_part(m, MQ_ARTIFACT_USER_FEATURES, m->tables.parts, "user_features.sql",
                            params, count, &rows, err);
        m->tables.parts++;
        m->tables.users += rows;
        mq_progress_add(&progress, 1);
    }
    mq_progress_end(&progress);
    return st;
}

/* Over all shares. */
static enum mq_status
write_movies(struct making *m, const struct mq_sql_param *params, int count, struct mq_error *err)
{
    enum mq_status st =
        mq_sql_view(m->sql, "clock_event", "clock_of_movies.sql", mq_sql_no_params, err);
    if (st == MQ_OK)
        st = mq_sql_table(m->sql, "activity", "activity.sql", mq_sql_no_params, err);
    return st == MQ_OK ? write_part(m, MQ_ARTIFACT_MOVIE_FEATURES, 0, "movie_features.sql", params,
                                    count, &m->tables.movies, err)
                       : st;
}

static enum mq_status
write_tables(struct making *m, struct mq_error *err)
{
    const struct mq_config *config = m->context->config;
    const struct mq_sql_param params[] = {
        mq_sql_int("until_ms", m->until_ms),
        mq_sql_int("day_ms", DAY_MS),
        mq_sql_real("prior_mean", m->tables.prior_mean),
        mq_sql_real("prior_ratings", mq_config_real(config, "features.prior_ratings")),
        mq_sql_real("prior_affinity", mq_config_real(config, "features.prior_affinity")),
        mq_sql_int("affinities", mq_config_int(config, "features.affinities"))};
    enum mq_status st = write_movies(m, params, MQ_COUNT(params), err);
    return st == MQ_OK ? write_users(m, params, MQ_COUNT(params), err) : st;
}

/* ---- parts of a day --------------------------------------------------------------------- */

struct listing {
    struct mq_arena names;
    const char **keys;
    size_t count, capacity;
};

static enum mq_status
note(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct listing *listing = context;
    enum mq_status st = mq_grow(&listing->keys, &listing->capacity, listing->count + 1,
                                sizeof(*listing->keys), err);
    const char *copy = st == MQ_OK ? mq_arena_copy(&listing->names, key, strlen(key)) : NULL;
    if (st == MQ_OK && copy == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a key");
    if (st == MQ_OK)
        listing->keys[listing->count++] = copy;
    return st;
}

/* Keys of a day's parts, in order. */
static enum mq_status
list_parts(const struct mq_step_context *context, enum mq_artifact table, const char *date,
           struct listing *listing, struct mq_error *err)
{
    char prefix[MQ_OBJECT_KEY_MAX];
    enum mq_status st = mq_silver_key(context->region, table, date, -1, prefix, err);
    return st == MQ_OK ? mq_object_list(context->store, prefix, note, listing, err) : st;
}

/* Parts of an earlier making with more of them. */
static enum mq_status
drop_others(struct making *m, enum mq_artifact table, int parts, struct mq_error *err)
{
    struct listing listing = {0};
    char last[MQ_OBJECT_KEY_MAX];
    enum mq_status st = list_parts(m->context, table, m->date, &listing, err);
    if (st == MQ_OK)
        st = mq_silver_key(m->context->region, table, m->date, parts - 1, last, err);
    size_t kept = 0;
    while (st == MQ_OK && kept < listing.count && strcmp(listing.keys[kept], last) <= 0)
        kept++;
    if (st == MQ_OK && kept < listing.count)
        st = mq_object_delete(m->context->store, listing.keys + kept, listing.count - kept, err);
    free(listing.keys);
    mq_arena_release(&listing.names);
    return st;
}

enum mq_status
mq_feature_tables_view(struct mq_step_context *context, struct mq_sql *sql, const char *view,
                       enum mq_artifact table, const char *date, struct mq_error *err)
{
    struct listing listing = {0};
    enum mq_status st = list_parts(context, table, date, &listing, err);
    if (st == MQ_OK && listing.count == 0)
        st = mq_artifact_missing(context->store, context->region, table, MQ_PROGRAM_MOVIE, err);
    if (st == MQ_OK)
        st = mq_sql_view_of_parquet(sql, view, context->store, listing.keys, (int64_t)listing.count,
                                    err);
    free(listing.keys);
    mq_arena_release(&listing.names);
    return mq_artifact_damaged(table, st, err);
}

/* ---- the whole -------------------------------------------------------------------------- */

enum mq_status
mq_feature_tables_make(struct mq_step_context *context, struct mq_sql *sql,
                       const struct mq_silver_days *silver, const char *date, int64_t share_rows,
                       struct mq_feature_tables *ret_tables, struct mq_error *err)
{
    struct making m = {.context = context, .sql = sql, .date = date};
    int64_t rows, day_s = 0;
    enum mq_status st = mq_instant_parse(date, strlen(date), &day_s, err);
    m.until_ms = day_s * 1000 + DAY_MS;
    if (st == MQ_OK)
        st = make_properties(&m, err);
    if (st == MQ_OK)
        st = mq_silver_ratings_view(sql, "rating", context->store, context->region, silver, date,
                                    &rows, err);
    if (st == MQ_OK)
        st = make_shares(&m, rows, share_rows > 0 ? share_rows : USUAL_SHARE_ROWS, err);
    if (st == MQ_OK)
        st = find_prior(&m, err);
    if (st == MQ_OK)
        st = write_tables(&m, err);
    if (st == MQ_OK)
        st = drop_others(&m, MQ_ARTIFACT_USER_FEATURES, m.tables.parts, err);
    if (st == MQ_OK)
        st = drop_others(&m, MQ_ARTIFACT_MOVIE_FEATURES, 1, err);
    if (st == MQ_OK)
        *ret_tables = m.tables;
    mq_arena_release(&m.names);
    return st;
}
