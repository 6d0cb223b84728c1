/* inverted-list: heat from the actions, then the six lists and the property dictionary. */
#include <stdio.h>

#include "base/memory.h"
#include "data/sql.h"
#include "rec/heat.h"
#include "rec/inverted_list_codec.h"
#include "step/step.h"

/* Decayed counts by catalogue row. */
static enum mq_status
count_actions(struct mq_step_context *context, const struct mq_catalogue *catalogue,
              double half_life_s, double *plays, double *exposures, struct mq_error *err)
{
    bool there = false;
    enum mq_status st = mq_artifact_exists(
        context->store, context->region, MQ_ARTIFACT_ACTION_PARQUET, MQ_PROGRAM_MOVIE, &there, err);
    if (st != MQ_OK || !there)
        return st;
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct mq_sql *sql;
    struct mq_sql_result *result = NULL;
    st = mq_sql_open(&options, &sql, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_view_of_artifact(sql, "action", context->store, context->region,
                                 MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_query(sql, "item_heat.sql",
                          mq_sql_params(mq_sql_real("half_life_s", half_life_s)), "tdd", &result,
                          err);
    int64_t rows = 1;
    while (st == MQ_OK && (st = mq_sql_next(result, &rows, err)) == MQ_OK && rows > 0) {
        const struct mq_sql_string *id = mq_sql_column(result, 0);
        const double *p = mq_sql_column(result, 1), *e = mq_sql_column(result, 2);
        for (int64_t i = 0; i < rows; i++) {
            int32_t row = mq_strmap_find(&catalogue->ids, mq_sql_string_bytes(&id[i]), id[i].size);
            if (row >= 0) {
                plays[row] = p[i];
                exposures[row] = e[i];
            }
        }
    }
    mq_sql_close(result);
    mq_sql_free(sql);
    return st;
}

/* Write one artifact by a function of (catalogue, …). */
static enum mq_status
publish(struct mq_step_context *context, enum mq_artifact artifact,
        const struct mq_catalogue *catalogue, const struct mq_inverted_lists *lists, int property,
        const double *heat, struct mq_error *err)
{
    struct mq_writer *writer;
    enum mq_status st = mq_artifact_writer(context->store, context->region, artifact,
                                           MQ_PROGRAM_MOVIE, &writer, err);
    if (st != MQ_OK)
        return st;
    if (artifact == MQ_ARTIFACT_PROPERTY_DICT)
        st = mq_property_dict_write(catalogue, writer, err);
    else if (artifact == MQ_ARTIFACT_ITEM_HEAT)
        st = mq_heat_write(catalogue, heat, writer, err);
    else
        st = mq_inverted_list_write(catalogue, &lists->list[property], (enum mq_property)property,
                                    writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
build(struct mq_step_context *context, const struct mq_catalogue *catalogue, struct mq_error *err)
{
    size_t count = (size_t)catalogue->count;
    mq_autofree double *plays = NULL;
    mq_autofree double *exposures = NULL;
    mq_autofree double *heat = NULL;
    mq_autofree double *score = NULL;
    struct mq_inverted_lists *lists = NULL;
    double half_life_s = mq_config_real(context->config, "heat.half_life_days") * 86400.0;
    enum mq_status st = mq_alloc_array(count, sizeof(*plays), &plays, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*exposures), &exposures, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*heat), &heat, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(*score), &score, err);
    if (st == MQ_OK)
        st = count_actions(context, catalogue, half_life_s, plays, exposures, err);
    if (st != MQ_OK)
        return st;
    mq_heat_compute(catalogue->count, plays, exposures,
                    mq_config_real(context->config, "heat.prior_exposures"), heat);
    st = mq_order_scores(catalogue, heat, mq_config_real(context->config, "heat.new_bonus"), score,
                         err);
    if (st == MQ_OK)
        st = mq_inverted_lists_build(catalogue, score, &lists, err);
    if (st == MQ_OK)
        st = publish(context, MQ_ARTIFACT_PROPERTY_DICT, catalogue, lists, 0, heat, err);
    if (st == MQ_OK)
        st = publish(context, MQ_ARTIFACT_ITEM_HEAT, catalogue, lists, 0, heat, err);
    for (int p = 0; p < MQ_PROPERTY_COUNT && st == MQ_OK; p++) {
        st = publish(context, mq_inverted_list_artifact((enum mq_property)p), catalogue, lists, p,
                     heat, err);
        if (st == MQ_OK) {
            char name[64];
            snprintf(name, sizeof(name), "%s values", mq_property_name((enum mq_property)p));
            mq_step_count(context, name, catalogue->names[p].count);
        }
    }
    int64_t present = 0, hot = 0, fresh = 0;
    for (int32_t i = 0; i < catalogue->count; i++) {
        present += catalogue->present[i];
        hot += catalogue->present[i] && heat[i] > 0;
        fresh += catalogue->present[i] && catalogue->is_new[i];
    }
    mq_step_count(context, "items", present);
    mq_step_count(context, "items with heat", hot);
    mq_step_count(context, "new arrivals", fresh);
    mq_inverted_lists_free(lists);
    return st;
}

enum mq_status
mq_step_inverted_list(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_catalogue *catalogue;
    enum mq_status st = mq_catalogue_load(context->store, context->region, &catalogue, err);
    if (st != MQ_OK)
        return st;
    st = build(context, catalogue, err);
    mq_catalogue_free(catalogue);
    return st;
}
