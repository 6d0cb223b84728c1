#include "step/known_ids.h"

#include "data/user_profiles.h"

enum mq_status
mq_step_known_ids(const struct mq_step_context *context, struct mq_sql *sql, bool users,
                  int64_t *ret_users, struct mq_error *err)
{
    enum mq_status st = mq_sql_view_of_artifact(sql, "item", context->store, context->region,
                                                MQ_ARTIFACT_ITEM_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_statement(sql,
                              "create temp table known_item as select item_id as id from item;"
                              "create temp table known_user (id varchar)",
                              err);
    if (st == MQ_OK && ret_users != NULL)
        *ret_users = 0;
    if (st != MQ_OK || !users)
        return st;
    struct mq_user_profiles *profiles = NULL;
    struct mq_sql_appender *appender = NULL;
    st = mq_user_profiles_load(context->store, context->region, &profiles, err);
    if (st == MQ_OK)
        st = mq_sql_appender_new(sql, "known_user", &appender, err);
    for (int32_t u = 0; st == MQ_OK && u < profiles->count; u++) {
        mq_sql_append_text(appender, profiles->ids.keys[u], profiles->ids.sizes[u]);
        mq_sql_append_end(appender);
    }
    enum mq_status ended = mq_sql_appender_free(appender, st == MQ_OK ? err : NULL);
    if (st == MQ_OK && ret_users != NULL)
        *ret_users = profiles->count;
    mq_user_profiles_free(profiles);
    return st != MQ_OK ? st : ended;
}
