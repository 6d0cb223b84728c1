/*
 * model-update-ub: learn YoutubeDNN from the plays; publish the user tower, the item vectors and
 * their index, all of the same training: row i is the item of code i in all three.
 *
 * A user's sequence is the first play of each item, oldest first; items with fewer plays than
 * youtubednn.min_item_plays, unknown users and items without a code are left out and counted.
 * Items that nobody played get the mean vector of their categories (model/untrained_items.h).
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "data/actions.h"
#include "data/catalogue.h"
#include "format/npy.h"
#include "index/vector_index.h"
#include "model/untrained_items.h"
#include "model/youtubednn_train.h"
#include "step/step.h"

/* The training data of a run; all owned. */
struct sequences {
    int64_t *offset;  /* [user_count+1] */
    int32_t *item;    /* distinct within a user, oldest first */
    float *weight;    /* NULL: no watch ratio is known */
    uint8_t *trained; /* [item_count] */
    int64_t rare, repeated, uncoded;
};

static void
sequences_release(struct sequences *s)
{
    mq_free(s->offset);
    mq_free(s->item);
    mq_free(s->weight);
    mq_free(s->trained);
}

/* A play left at once still says a little; one watched to its end, or of unknown length, weighs 1.
 */
static float
watch_weight(float ratio, float floor)
{
    if (!(ratio >= 0.0f))
        return 1.0f;
    return MQ_MIN(MQ_MAX(ratio, floor), 1.0f);
}

static bool
any_watch_ratio(const struct mq_actions *actions)
{
    for (int64_t i = 0; actions->watch_ratio != NULL && i < actions->count; i++)
        if (actions->watch_ratio[i] >= 0.0f)
            return true;
    return false;
}

static enum mq_status
count_plays(const struct mq_actions *actions, int32_t item_count, int32_t **ret_plays,
            struct mq_error *err)
{
    int32_t *plays = NULL;
    enum mq_status st = mq_alloc_array((size_t)item_count, sizeof(int32_t), &plays, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < actions->offset[actions->coded_users]; i++)
        if (actions->item[i] < item_count && plays[actions->item[i]] < INT32_MAX)
            plays[actions->item[i]]++;
    *ret_plays = plays;
    return MQ_OK;
}

static enum mq_status
make_sequences(const struct mq_actions *actions, int32_t item_count, const struct mq_config *config,
               struct sequences *s, struct mq_error *err)
{
    int32_t users = actions->coded_users;
    size_t most = (size_t)actions->offset[users];
    int64_t least = mq_config_int(config, "youtubednn.min_item_plays");
    float floor = (float)mq_config_real(config, "youtubednn.watch_floor");
    mq_autofree int32_t *plays = NULL, *seen = NULL;
    enum mq_status st = count_plays(actions, item_count, &plays, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, sizeof(int32_t), &seen, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)users + 1, sizeof(int64_t), &s->offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(most, sizeof(int32_t), &s->item, err);
    if (st == MQ_OK && any_watch_ratio(actions))
        st = mq_alloc_array_raw(most, sizeof(float), &s->weight, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, 1, &s->trained, err);
    if (st != MQ_OK)
        return st;
    int64_t at = 0;
    for (int32_t u = 0; u < users; u++) {
        s->offset[u] = at;
        for (int64_t i = actions->offset[u]; i < actions->offset[u + 1]; i++) {
            int32_t item = actions->item[i];
            if (item >= item_count)
                s->uncoded++;
            else if (plays[item] < least)
                s->rare++;
            else if (seen[item] == u + 1)
                s->repeated++;
            else {
                seen[item] = u + 1;
                s->trained[item] = 1;
                if (s->weight != NULL)
                    s->weight[at] = watch_weight(actions->watch_ratio[i], floor);
                s->item[at++] = item;
            }
        }
    }
    s->offset[users] = at;
    return MQ_OK;
}

static void
report_training(struct mq_step_context *context, const struct mq_youtubednn_report *report,
                const struct sequences *s, int32_t users, int32_t items)
{
    int64_t trained = 0;
    for (int32_t i = 0; i < items; i++)
        trained += s->trained[i];
    mq_step_count(context, "users", users);
    mq_step_count(context, "items", items);
    mq_step_count(context, "items_trained", trained);
    mq_step_count(context, "plays", s->offset[users]);
    mq_step_count(context, "plays_repeated", s->repeated);
    mq_step_count(context, "plays_of_rare_items", s->rare);
    mq_step_count(context, "plays_of_items_without_code", s->uncoded);
    mq_step_count(context, "samples", report->samples);
    mq_step_count(context, "epochs", report->epochs);
    mq_step_count(context, "best_epoch", report->best_epoch);
    mq_step_figure(context, "loss", report->loss);
    mq_step_figure(context, "training_seconds", report->seconds);
    if (report->samples == 0)
        mq_step_note(context, "no user has two plays: the vectors are untrained");
    if (report->held_out.count == 0)
        return;
    const struct mq_hit_rates *rates = &report->held_out;
    mq_step_count(context, "held_out_users", rates->count);
    mq_step_figure(context, "hit_rate_50", rates->hit_50[0]);
    mq_step_figure(context, "hit_rate_50_seen_left_out", rates->hit_50[1]);
    mq_step_figure(context, "hit_rate_10", rates->hit_10[0]);
    mq_step_figure(context, "hit_rate_10_seen_left_out", rates->hit_10[1]);
    mq_step_figure(context, "ndcg_10", rates->ndcg_10[0]);
    mq_step_figure(context, "ndcg_10_seen_left_out", rates->ndcg_10[1]);
    mq_step_note(context,
                 "YoutubeDNN: %lld samples, %d epochs; held-out hit rate @50 %.3f with seen films "
                 "left out, %.3f among all",
                 (long long)report->samples, report->epochs, rates->hit_50[1], rates->hit_50[0]);
}

enum { OUTPUTS = 3 };

static enum mq_status
write_output(struct mq_step_context *context, int which, const struct mq_user_tower *tower,
             struct mq_writer *writer, struct mq_error *err)
{
    if (which == 0)
        return mq_user_tower_write(tower, writer, err);
    if (which == 1)
        return mq_npy_write(writer, MQ_NPY_F4, 2,
                            (const int64_t[]){tower->item_count, MQ_TOWER_DIM}, tower->item, err);
    struct mq_vector_index_options options = mq_vector_index_options_from(context->config);
    struct mq_vector_index *index = NULL;
    enum mq_status st = mq_vector_index_build(tower->item, tower->item_count, MQ_TOWER_DIM,
                                              &options, context->pool, context->seed, &index, err);
    if (st == MQ_OK)
        st = mq_vector_index_write(index, writer, err);
    mq_vector_index_free(index);
    return st;
}

/* All three are written before the first is published. */
static enum mq_status
publish(struct mq_step_context *context, const struct mq_user_tower *tower, struct mq_error *err)
{
    static const enum mq_artifact outputs[OUTPUTS] = {
        MQ_ARTIFACT_USER_TOWER, MQ_ARTIFACT_ITEM_EMBEDDINGS, MQ_ARTIFACT_ITEM_INDEX};
    struct mq_writer *writers[OUTPUTS] = {NULL};
    enum mq_status st = MQ_OK;
    for (int i = 0; i < OUTPUTS && st == MQ_OK; i++) {
        st = mq_artifact_writer(context->store, context->region, outputs[i], MQ_PROGRAM_MOVIE,
                                &writers[i], err);
        if (st == MQ_OK)
            st = write_output(context, i, tower, writers[i], err);
    }
    for (int i = 0; i < OUTPUTS && st == MQ_OK; i++)
        st = mq_writer_commit(writers[i], err);
    for (int i = 0; i < OUTPUTS; i++)
        mq_writer_close(writers[i]);
    return st;
}

static enum mq_status
train_and_publish(struct mq_step_context *context, const struct mq_catalogue *catalogue,
                  const struct mq_actions *actions, struct mq_error *err)
{
    int32_t items = catalogue->coded_count, users = actions->coded_users;
    if (items == 0) {
        mq_fail(err, MQ_E_INPUT, "cannot train YoutubeDNN: no item has a code");
        mq_error_hint(err, "put a catalogue in place and run add-item-user-batch");
        return MQ_E_INPUT;
    }
    struct sequences s = {0};
    struct mq_user_tower *tower = NULL;
    struct mq_youtubednn_report report;
    struct mq_youtubednn_options options;
    mq_youtubednn_options_read(context->config, &options);
    enum mq_status st = make_sequences(actions, items, context->config, &s, err);
    if (st == MQ_OK) {
        const struct mq_youtubednn_data data = {.user_count = users,
                                                .item_count = items,
                                                .offset = s.offset,
                                                .item = s.item,
                                                .weight = s.weight};
        st = mq_youtubednn_train(&data, &options, context->seed, context->pool, &tower, &report,
                                 err);
    }
    if (st == MQ_OK)
        st = mq_untrained_items_fill(items, MQ_TOWER_DIM, s.trained,
                                     catalogue->names[MQ_PROPERTY_CATEGORY].count,
                                     catalogue->offset[MQ_PROPERTY_CATEGORY],
                                     catalogue->value[MQ_PROPERTY_CATEGORY], tower->item, err);
    if (st == MQ_OK) {
        report_training(context, &report, &s, users, items);
        st = publish(context, tower, err);
    }
    mq_user_tower_free(tower);
    sequences_release(&s);
    return st;
}

enum mq_status
mq_step_model_update_ub(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_catalogue *catalogue = NULL;
    struct mq_actions *actions = NULL;
    int64_t skipped = 0;
    enum mq_status st = mq_catalogue_load(context->store, context->region, &catalogue, err);
    if (st == MQ_OK)
        st = mq_actions_load(context->store, context->region, catalogue, MQ_ACTIONS_WATCH, 0, 1,
                             &actions, &skipped, err);
    if (st == MQ_OK) {
        mq_step_count(context, "plays_of_unknown_items", skipped);
        st = train_and_publish(context, catalogue, actions, err);
    }
    mq_actions_free(actions);
    mq_catalogue_free(catalogue);
    return st;
}
