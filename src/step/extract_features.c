/*
 * extract-features: bronze to silver to features.
 *
 * 1. Days that validate-data found good, and that were not taken as they are now, become
 *    silver/ratings (step/silver_take.h).
 * 2. All ratings up to the run's day (--date, else the newest day there is) become the features of
 *    users and films as of its end (step/feature_tables.h).
 * 3. What changed of these goes to the feature store (data/feature_sync.h), unless it has features
 *    of a later day.
 * Each part goes on where a run that died left it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/feature_sync.h"
#include "step/feature_tables.h"
#include "step/silver_take.h"
#include "store/feature_store.h"

/* input_stage.h names a text as feature_store.h does. */
enum mq_status mq_input_check(struct mq_object_store *store, const char *region,
                              struct mq_error *err);

static enum mq_status
take_days(struct mq_step_context *context, struct mq_sql *sql, struct mq_silver_days *silver,
          struct mq_error *err)
{
    struct mq_silver_taken taken;
    enum mq_status st = mq_silver_days_read(context->store, context->region, silver, err);
    if (st == MQ_OK)
        st = mq_silver_take(context, sql, silver, &taken, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "days", taken.days);
    mq_step_count(context, "events", taken.events);
    mq_step_count(context, "lines_refused", taken.refused);
    mq_step_count(context, "silver_rows", taken.rows);
    mq_step_count(context, "days_as_before", taken.unchanged);
    if (taken.waiting > 0)
        mq_step_note(context,
                     "%" PRId64 " days were left out: their events are not those that "
                     "validate-data found good; the next run looks at them",
                     taken.waiting);
    return MQ_OK;
}

/* ---- the feature store ------------------------------------------------------------------ */

/* The names in features.tables: first the users', then the films'. */
static enum mq_status
table_names(const struct mq_config *config, char ret_names[2][MQ_TABLE_NAME_MAX + 1],
            struct mq_error *err)
{
    const char *text = mq_config_text(config, "features.tables");
    for (int t = 0; t < 2; t++) {
        size_t n = strcspn(text, "|");
        if (n == 0 || n > MQ_TABLE_NAME_MAX)
            return mq_fail(
                err, MQ_E_CONFIG,
                "features.tables is '%s' (needed: the users' table and the films', as in "
                "user-features|movie-features)",
                mq_config_text(config, "features.tables"));
        memcpy(ret_names[t], text, n);
        ret_names[t][n] = '\0';
        text += n + (text[n] == '|');
    }
    return MQ_OK;
}

static enum mq_status
need_table(struct mq_feature_store *features, const char *table, struct mq_error *err)
{
    struct mq_error own = {0};
    enum mq_status st = mq_feature_table_check(features, table, &own);
    if (st == MQ_E_NOT_FOUND)
        return mq_feature_table_create(features, table, err);
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static enum mq_status
sync_tables(struct mq_step_context *context, struct mq_sql *sql, struct mq_feature_store *features,
            const char *date, struct mq_error *err)
{
    static const char *const views[MQ_FEATURE_KINDS] = {"user_feature", "movie_feature"};
    static const enum mq_artifact tables[MQ_FEATURE_KINDS] = {MQ_ARTIFACT_USER_FEATURES,
                                                              MQ_ARTIFACT_MOVIE_FEATURES};
    char names[2][MQ_TABLE_NAME_MAX + 1];
    enum mq_status st = table_names(context->config, names, err);
    for (int k = 0; st == MQ_OK && k < MQ_FEATURE_KINDS; k++) {
        const struct mq_feature_sync_options options = {
            .kind = (enum mq_feature_kind)k,
            .objects = context->store,
            .region = context->region,
            .features = features,
            .table = names[k],
            .date = date,
            .batch = mq_config_int(context->config, "features.batch"),
            .scratch = context->scratch};
        struct mq_feature_sync_figures figures;
        char name[64];
        st = need_table(features, names[k], err);
        if (st == MQ_OK)
            st = mq_feature_tables_view(context, sql, views[k], tables[k], date, err);
        if (st == MQ_OK)
            st = mq_feature_sync(&options, sql, &figures, err);
        if (st != MQ_OK)
            break;
        snprintf(name, sizeof(name), "%s_written", mq_feature_kind_name(options.kind));
        mq_step_count(context, name, figures.written);
        snprintf(name, sizeof(name), "%s_deleted", mq_feature_kind_name(options.kind));
        mq_step_count(context, name, figures.deleted);
        if (figures.resumed)
            mq_step_note(context, "table '%s': a write that did not end was gone on with",
                         names[k]);
        if (figures.is_old)
            mq_step_note(context,
                         "table '%s' has features of a later day than %s, and was left as it is",
                         names[k], date);
    }
    return st;
}

static enum mq_status
write_features(struct mq_step_context *context, struct mq_sql *sql, const char *date,
               struct mq_error *err)
{
    struct mq_feature_store *features = NULL;
    if (!mq_config_flag(context->config, "features.write"))
        return MQ_OK;
    enum mq_status st =
        mq_feature_store_open(mq_config_text(context->config, "features.store"), &features, err);
    if (st == MQ_OK)
        st = sync_tables(context, sql, features, date, err);
    mq_feature_store_free(features);
    return st;
}

/* ---- the step --------------------------------------------------------------------------- */

static enum mq_status
extract(struct mq_step_context *context, struct mq_sql *sql, struct mq_silver_days *silver,
        struct mq_error *err)
{
    struct mq_feature_tables tables;
    enum mq_status st = take_days(context, sql, silver, err);
    if (st != MQ_OK)
        return st;
    const struct mq_silver_day *newest = mq_silver_days_newest(silver, context->date);
    if (newest == NULL) {
        mq_fail(err, MQ_E_INPUT, "no rating and no choice %s%s in the events that were taken",
                context->date != NULL ? "up to " : "at all",
                context->date != NULL ? context->date : "");
        mq_error_hint(err, "see the days with: marquee bronze list");
        return MQ_E_INPUT;
    }
    char date[MQ_DATE_SIZE];
    snprintf(date, sizeof(date), "%.10s", context->date != NULL ? context->date : newest->date);
    mq_log_info("extract-features: features as of %s", date);
    st = mq_feature_tables_make(context, sql, silver, date, &tables, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "users", tables.users);
    mq_step_count(context, "movies", tables.movies);
    mq_step_count(context, "ratings", tables.ratings);
    mq_step_figure(context, "prior_mean", tables.prior_mean);
    return write_features(context, sql, date, err);
}

enum mq_status
mq_step_extract_features(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct mq_sql *sql = NULL;
    struct mq_silver_days silver = {0};
    enum mq_status st = mq_input_check(context->store, context->region, err);
    if (st == MQ_OK)
        st = mq_sql_open(&options, &sql, err);
    if (st == MQ_OK)
        st = extract(context, sql, &silver, err);
    mq_silver_days_release(&silver);
    mq_sql_free(sql);
    return st;
}
