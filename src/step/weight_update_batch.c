/* weight-update-batch: weights of the recall channels, from traced exposures and the plays after.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/sql.h"
#include "rec/channel_weights.h"
#include "step/step.h"

/* Users of one range: each range has a tally and an array by item. */
#define RANGE_USERS 65536

struct tallying {
    const struct mq_actions *actions;
    int32_t item_count;
    struct mq_channel_weight_options options;
    struct mq_channel_tally *tallies; /* by range */
};

static enum mq_status
tally_users(void *argument, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct tallying *tallying = argument;
    return mq_channel_tally_add(&tallying->tallies[begin / RANGE_USERS], tallying->actions,
                                tallying->item_count, begin, end, &tallying->options, err);
}

/* Whether there is anything to learn from, before everything is loaded. */
static enum mq_status
count_traced(struct mq_step_context *context, int64_t *ret_count, struct mq_error *err)
{
    struct mq_sql_options options = mq_sql_options_from(context->config, context->scratch);
    struct mq_sql *sql;
    struct mq_sql_result *result = NULL;
    int64_t rows = 0, count = 0;
    enum mq_status st = mq_sql_open(&options, &sql, err);
    if (st != MQ_OK)
        return st;
    st = mq_sql_view_of_artifact(sql, "action", context->store, context->region,
                                 MQ_ARTIFACT_ACTION_PARQUET, err);
    if (st == MQ_OK)
        st = mq_sql_query(sql, "traced_exposures.sql", mq_sql_no_params, "l", &result, err);
    if (st == MQ_OK)
        st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows > 0)
        count = *(const int64_t *)mq_sql_column(result, 0);
    mq_sql_close(result);
    mq_sql_free(sql);
    if (st == MQ_OK)
        *ret_count = count;
    return st;
}

static enum mq_status
tally_all(struct mq_step_context *context, const struct mq_channel_weight_options *options,
          struct mq_channel_tally *tally, struct mq_error *err)
{
    struct mq_catalogue *catalogue = NULL;
    struct mq_actions *actions = NULL;
    struct tallying tallying = {.options = *options};
    enum mq_status st = mq_catalogue_load(context->store, context->region, &catalogue, err);
    if (st == MQ_OK)
        st = mq_actions_load(context->store, context->region, catalogue,
                             MQ_ACTIONS_EXPOSURES | MQ_ACTIONS_TRACE, 0, 1, &actions, NULL, err);
    if (st == MQ_OK) {
        size_t ranges = (size_t)actions->user_count / RANGE_USERS + 1;
        tallying.actions = actions;
        tallying.item_count = catalogue->count;
        st = mq_alloc_array(ranges, sizeof(*tallying.tallies), &tallying.tallies, err);
        if (st == MQ_OK)
            st = mq_pool_for(context->pool, actions->user_count, RANGE_USERS, tally_users,
                             &tallying, err);
        for (size_t r = 0; r < ranges && st == MQ_OK; r++)
            mq_channel_tally_merge(tally, &tallying.tallies[r]);
    }
    mq_free(tallying.tallies);
    mq_actions_free(actions);
    mq_catalogue_free(catalogue);
    return st;
}

static enum mq_status
read_config(struct mq_step_context *context, struct mq_recall_config *config, struct mq_error *err)
{
    struct mq_error own = {0};
    struct mq_reader *reader = NULL;
    enum mq_status st =
        mq_artifact_reader(context->store, context->region, MQ_ARTIFACT_RECALL_CONFIG,
                           MQ_PROGRAM_MOVIE, &reader, &own);
    if (st == MQ_E_NOT_FOUND) {
        mq_recall_config_default(config);
        mq_step_note(context, "no recall configuration yet: the defaults were written");
        return MQ_OK;
    }
    if (st == MQ_OK)
        st = mq_recall_config_read(reader, config, &own);
    mq_reader_close(reader);
    mq_artifact_damaged(MQ_ARTIFACT_RECALL_CONFIG, st, &own);
    if (st != MQ_OK && err != NULL)
        *err = own;
    return st;
}

static void
report(struct mq_step_context *context, const struct mq_channel_evidence *evidence)
{
    for (int c = 0; c < MQ_CHANNEL_COUNT; c++) {
        const struct mq_channel_evidence *e = &evidence[c];
        if (e->shown == 0)
            continue;
        const char *name = mq_channel_name((enum mq_channel)c);
        char figure[64];
        snprintf(figure, sizeof(figure), "%s weight before", name);
        mq_step_figure(context, figure, e->before);
        snprintf(figure, sizeof(figure), "%s weight after", name);
        mq_step_figure(context, figure, e->after);
        mq_step_note(context,
                     "%s: shown %lld, played %lld, expected %.1f, rate %.3f, drawn to %.3f: weight "
                     "%.3f to %.3f",
                     name, (long long)e->shown, (long long)e->played, e->expected, e->rate,
                     e->shrunk, e->before, e->after);
    }
}

enum mq_status
mq_step_weight_update_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_recall_config config;
    struct mq_channel_weight_options options;
    struct mq_channel_evidence evidence[MQ_CHANNEL_COUNT];
    struct mq_channel_tally *tally = calloc(1, sizeof(*tally));
    int64_t traced = 0;
    if (tally == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory to count exposures");
    mq_channel_weight_options_read(context->config, &options);
    enum mq_status st = read_config(context, &config, err);
    if (st == MQ_OK)
        st = count_traced(context, &traced, err);
    if (st == MQ_OK && traced > 0)
        st = tally_all(context, &options, tally, err);
    if (st == MQ_OK && traced > 0) {
        double prior;
        mq_channel_weights_update(tally, &options, &config, evidence, &prior);
        mq_step_figure(context, "prior strength", prior);
        report(context, evidence);
    } else if (st == MQ_OK) {
        mq_step_note(context, "no exposure says which channel it came from: weights left alone");
    }
    mq_step_count(context, "traced exposures", traced);
    free(tally);
    struct mq_writer *writer = NULL;
    if (st == MQ_OK)
        st = mq_artifact_writer(context->store, context->region, MQ_ARTIFACT_RECALL_CONFIG,
                                MQ_PROGRAM_MOVIE, &writer, err);
    if (st == MQ_OK)
        st = mq_recall_config_write(&config, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}
