/*
 * add-item-user-batch: codes for items and users that have none yet. Codes are append-only: those
 * that exist are kept, new items follow in the order of the catalogue, new users in the order of
 * user.csv and then of action.parquet.
 */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "data/id_map.h"
#include "data/sql.h"
#include "data/user_profiles.h"
#include "step/step.h"

/* Add every id of a one-column query. */
static enum mq_status
add_ids(struct mq_sql_result *result, struct mq_strmap *ids, struct mq_error *err)
{
    int64_t rows;
    enum mq_status st;
    while ((st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *texts = mq_sql_column(result, 0);
        int32_t last = -1;
        for (int64_t r = 0; r < rows && st == MQ_OK; r++) {
            const char *bytes = mq_sql_string_bytes(&texts[r]);
            if (last >= 0 && ids->sizes[last] == texts[r].size &&
                memcmp(ids->keys[last], bytes, texts[r].size) == 0)
                continue;
            st = mq_strmap_add(ids, bytes, texts[r].size, &last, err);
        }
        if (st != MQ_OK)
            return st;
    }
    return st;
}

static enum mq_status
add_query(struct mq_sql *sql, const char *text, struct mq_strmap *ids, struct mq_error *err)
{
    struct mq_sql_result *result;
    enum mq_status st = mq_sql_query_text(sql, text, "t", &result, err);
    if (st != MQ_OK)
        return st;
    st = add_ids(result, ids, err);
    mq_sql_close(result);
    return st;
}

static enum mq_status
add_items(struct mq_step_context *context, struct mq_sql *sql, struct mq_strmap *ids,
          struct mq_error *err)
{
    enum mq_status st = mq_sql_view_of_artifact(sql, "item", context->store, context->region,
                                                MQ_ARTIFACT_ITEM_PARQUET, err);
    return st == MQ_OK ? add_query(sql, "select item_id from item", ids, err) : st;
}

static enum mq_status
add_users(struct mq_step_context *context, struct mq_sql *sql, struct mq_strmap *ids,
          struct mq_error *err)
{
    struct mq_user_profiles *profiles = NULL;
    struct mq_sql_result *result = NULL;
    bool has_actions = false;
    enum mq_status st = mq_user_profiles_load(context->store, context->region, &profiles, err);
    for (int32_t u = 0; st == MQ_OK && u < profiles->count; u++) {
        int32_t code;
        st = mq_strmap_add(ids, profiles->ids.keys[u], profiles->ids.sizes[u], &code, err);
    }
    mq_user_profiles_free(profiles);
    if (st == MQ_OK)
        st = mq_artifact_exists(context->store, context->region, MQ_ARTIFACT_ACTION_PARQUET,
                                MQ_PROGRAM_MOVIE, &has_actions, err);
    if (st != MQ_OK || !has_actions)
        return st;
    st = mq_sql_view_of_artifact(sql, "action", context->store, context->region,
                                 MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_query(sql, "action_users.sql", mq_sql_no_params, "t", &result, err);
    if (st == MQ_OK)
        st = add_ids(result, ids, err);
    mq_sql_close(result);
    return st;
}

static enum mq_status
extend(struct mq_step_context *context, struct mq_sql *sql, enum mq_id_kind kind,
       struct mq_error *err)
{
    struct mq_strmap ids = {0};
    enum mq_status st = mq_id_map_load_any(context->store, context->region, kind, &ids, err);
    int32_t before = ids.count;
    if (st == MQ_OK)
        st = (kind == MQ_ID_ITEM ? add_items : add_users)(context, sql, &ids, err);
    if (st == MQ_OK)
        st = mq_id_map_save(context->store, context->region, kind, &ids, err);
    if (st == MQ_OK) {
        mq_step_count(context, kind == MQ_ID_ITEM ? "items" : "users", ids.count);
        mq_step_count(context, kind == MQ_ID_ITEM ? "new_items" : "new_users", ids.count - before);
    }
    mq_strmap_release(&ids);
    return st;
}

enum mq_status
mq_step_add_item_user_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct mq_sql *sql;
    enum mq_status st = mq_sql_open(&options, &sql, err);
    if (st != MQ_OK)
        return st;
    st = extend(context, sql, MQ_ID_ITEM, err);
    if (st == MQ_OK)
        st = extend(context, sql, MQ_ID_USER, err);
    mq_sql_free(sql);
    return st;
}
