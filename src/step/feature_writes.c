#include "step/feature_writes.h"

#include <stdio.h>
#include <string.h>

#include "data/feature_sync.h"
#include "step/feature_tables.h"
#include "store/feature_store.h"

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

enum mq_status
mq_feature_writes_do(struct mq_step_context *context, struct mq_sql *sql, const char *date,
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
