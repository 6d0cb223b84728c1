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
#include "data/input_stage.h"
#include "step/feature_tables.h"
#include "step/feature_writes.h"
#include "step/silver_take.h"

static enum mq_status
take_days(struct mq_step_context *context, struct mq_sql *sql, struct mq_silver_days *silver,
          struct mq_error *err)
{
    struct mq_silver_taken taken;
    enum mq_status st = mq_silver_days_read(context->store, context->region, silver, err);
    if (st == MQ_OK)
        st = mq_silver_take(context, sql, silver, NULL, &taken, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "days", taken.days);
    mq_step_count(context, "events", taken.events);
    mq_step_count(context, "lines_refused", taken.refused);
    mq_step_count(context, "events_repeated", taken.repeated);
    mq_step_count(context, "silver_rows", taken.rows);
    mq_step_count(context, "days_as_before", taken.unchanged);
    if (taken.waiting > 0)
        mq_step_note(context,
                     "%" PRId64 " days were left out: their events are not those that "
                     "validate-data found good; the next run looks at them",
                     taken.waiting);
    return MQ_OK;
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
    st = mq_feature_tables_make(context, sql, silver, date, 0, &tables, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "users", tables.users);
    mq_step_count(context, "movies", tables.movies);
    mq_step_count(context, "ratings", tables.ratings);
    mq_step_figure(context, "prior_mean", tables.prior_mean);
    return mq_feature_writes_do(context, sql, date, err);
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
