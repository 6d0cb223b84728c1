/*
 * recall-batch: every user's candidates, for films and series in one pass.
 *
 * Portraits stream in by blocks (a thread decodes ahead), the pool recalls a block while the block
 * before is being written: memory is the plays, and a few blocks whatever the number of users.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "data/actions.h"
#include "rec/background.h"
#include "rec/recall.h"
#include "step/user_results.h"

/* Users whose vectors are multiplied with all item vectors at once. */
#define VECTOR_USERS 16
/* Floats of scores that a worker may hold. */
#define VECTOR_SCORES_MAX ((int64_t)4 << 20)

/* One block's results; two take turns. */
struct block {
    const struct mq_snapshot *snapshot;
    struct mq_user_output *outputs; /* [types] */
    const struct mq_user_block *users;
    struct mq_candidate *candidates[MQ_PROGRAM_TYPE_COUNT]; /* [MQ_USER_BLOCK, merge_cnt] */
    int32_t count[MQ_PROGRAM_TYPE_COUNT][MQ_USER_BLOCK];
};

struct worker {
    struct mq_recall_scratch *scratch;
    float *scores[MQ_PROGRAM_TYPE_COUNT]; /* [range users, vector_count]; NULL: by the graph */
    float vectors[VECTOR_USERS * MQ_PORTRAIT_DIM];
};

struct recalling {
    const struct mq_snapshot *snapshot;
    const struct mq_actions *actions;
    struct worker *workers;
    int32_t range; /* users of a range */
    struct block *block;
};

static enum mq_status
recall_users(void *argument, int64_t begin, int64_t end, int worker_index, struct mq_error *err)
{
    struct recalling *recalling = argument;
    struct worker *worker = &recalling->workers[worker_index];
    const struct mq_snapshot *snapshot = recalling->snapshot;
    const struct mq_actions *actions = recalling->actions;
    struct block *block = recalling->block;
    for (int64_t u = begin; u < end; u++)
        memcpy(worker->vectors + (u - begin) * MQ_PORTRAIT_DIM, block->users->portraits[u].vector,
               sizeof(float) * MQ_PORTRAIT_DIM);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
        if (worker->scores[type] != NULL)
            mq_recall_vector_scores(&snapshot->offer[type], end - begin, worker->vectors,
                                    worker->scores[type]);
    for (int64_t u = begin; u < end; u++) {
        int32_t row = mq_strmap_find_text(&actions->users, block->users->ids[u]);
        struct mq_user_state user = {
            .id = block->users->ids[u],
            .code = row < actions->coded_users ? row : -1,
            .play_count = row >= 0 ? actions->offset[row + 1] - actions->offset[row] : 0,
            .items = row >= 0 ? actions->item + actions->offset[row] : NULL,
            .times = row >= 0 ? actions->time_s + actions->offset[row] : NULL,
            .portrait = &block->users->portraits[u],
        };
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
            const struct mq_offer *offer = &snapshot->offer[type];
            block->count[type][u] = 0;
            if (offer->count == 0)
                continue;
            enum mq_status st =
                mq_recall(snapshot, (enum mq_program_type)type, &user,
                          worker->scores[type] == NULL
                              ? NULL
                              : worker->scores[type] + (u - begin) * offer->vector_count,
                          worker->scratch, block->candidates[type] + u * snapshot->recall.merge_cnt,
                          &block->count[type][u], err);
            if (st != MQ_OK)
                return st;
        }
    }
    return MQ_OK;
}

static enum mq_status
write_block(void *argument, struct mq_error *err)
{
    struct block *block = argument;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        if (block->snapshot->offer[type].count == 0)
            continue; /* nothing of the kind in the catalogue: an empty dict */
        for (int32_t u = 0; u < block->users->count; u++) {
            const char *id = block->users->ids[u];
            mq_pickle_put_text(block->outputs[type].pickle, id, strlen(id));
            mq_recall_put(block->outputs[type].pickle, block->snapshot->catalogue,
                          block->candidates[type] + (int64_t)u * block->snapshot->recall.merge_cnt,
                          block->count[type][u]);
        }
    }
    return MQ_OK;
}

static enum mq_status
run_blocks(struct mq_step_context *context, struct recalling *recalling,
           struct mq_user_stream *portraits, struct block *blocks, struct mq_error *err)
{
    struct mq_background writing = {0};
    struct mq_progress progress;
    struct mq_user_block *users;
    int64_t user_count = 0, candidates = 0, empty = 0;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "recall", "users", recalling->actions->user_count);
    for (int64_t number = 0;
         (st = mq_user_stream_next(portraits, &users, err)) == MQ_OK && users != NULL; number++) {
        struct block *block = recalling->block = &blocks[number % 2];
        block->users = users;
        st = mq_pool_for(context->pool, users->count, recalling->range, recall_users, recalling,
                         err);
        for (int32_t u = 0; u < users->count && st == MQ_OK; u++) {
            int32_t sum = 0;
            for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
                sum += block->count[type][u];
            candidates += sum;
            empty += sum == 0;
        }
        if (st == MQ_OK)
            st = mq_background_start(&writing, write_block, block, err);
        if (st != MQ_OK)
            break;
        user_count += users->count;
        mq_progress_add(&progress, users->count);
    }
    enum mq_status last = mq_background_wait(&writing, st == MQ_OK ? err : NULL);
    mq_progress_end(&progress);
    mq_step_count(context, "users", user_count);
    mq_step_count(context, "users without candidates", empty);
    mq_step_count(context, "candidates", candidates);
    return st != MQ_OK ? st : last;
}

static enum mq_status
recall_all(struct mq_step_context *context, const struct mq_snapshot *snapshot,
           const struct mq_actions *actions, struct mq_error *err)
{
    int threads = mq_pool_threads(context->pool);
    struct recalling recalling = {.snapshot = snapshot, .actions = actions, .range = VECTOR_USERS};
    struct block *blocks = calloc(2, sizeof(*blocks));
    struct mq_user_output outputs[MQ_PROGRAM_TYPE_COUNT] = {{0}};
    struct mq_user_stream *portraits = NULL;
    if (blocks == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for candidates");
    enum mq_status st =
        mq_alloc_array((size_t)threads, sizeof(*recalling.workers), &recalling.workers, err);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
        while (recalling.range > 1 &&
               recalling.range * (int64_t)snapshot->offer[type].vector_count > VECTOR_SCORES_MAX)
            recalling.range /= 2;
    for (int t = 0; t < threads && st == MQ_OK; t++) {
        st = mq_recall_scratch_new(snapshot, &recalling.workers[t].scratch, err);
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK && snapshot->graph == NULL;
             type++)
            st = mq_alloc_array_raw((size_t)recalling.range *
                                        (size_t)snapshot->offer[type].vector_count,
                                    sizeof(float), &recalling.workers[t].scores[type], err);
    }
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++) {
        st = mq_user_output_open(context, MQ_ARTIFACT_RECALL_RESULT, (enum mq_program_type)type,
                                 &outputs[type], err);
        for (int b = 0; b < 2 && st == MQ_OK && snapshot->offer[type].count > 0; b++)
            st = mq_alloc_array((size_t)MQ_USER_BLOCK * (size_t)snapshot->recall.merge_cnt,
                                sizeof(struct mq_candidate), &blocks[b].candidates[type], err);
    }
    for (int b = 0; b < 2; b++) {
        blocks[b].snapshot = snapshot;
        blocks[b].outputs = outputs;
    }
    if (st == MQ_OK)
        st = mq_user_input_open(context, MQ_ARTIFACT_PORTRAIT, MQ_PROGRAM_MOVIE, MQ_USERS_PORTRAIT,
                                snapshot->catalogue, &portraits, err);
    if (st == MQ_OK)
        st = run_blocks(context, &recalling, portraits, blocks, err);
    mq_user_stream_close(portraits);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        if (st == MQ_OK)
            st = mq_user_output_finish(&outputs[type], err);
        mq_user_output_close(&outputs[type]);
    }
    for (int t = 0; recalling.workers != NULL && t < threads; t++) {
        mq_recall_scratch_free(recalling.workers[t].scratch);
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
            mq_free(recalling.workers[t].scores[type]);
    }
    mq_free(recalling.workers);
    for (int b = 0; b < 2; b++)
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
            mq_free(blocks[b].candidates[type]);
    free(blocks);
    return st;
}

enum mq_status
mq_step_recall_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_snapshot *snapshot = NULL;
    struct mq_actions *actions = NULL;
    enum mq_status st =
        mq_snapshot_load(context->store, context->region,
                         MQ_SNAPSHOT_LISTS | MQ_SNAPSHOT_VECTORS | MQ_SNAPSHOT_CONFIG,
                         context->config, context->now_s, context->pool, &snapshot, err);
    if (st == MQ_OK)
        st = mq_actions_load(context->store, context->region, snapshot->catalogue, 0,
                             context->shard_index, context->shard_count, &actions, NULL, err);
    if (st == MQ_OK)
        st = recall_all(context, snapshot, actions, err);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++)
        st = mq_user_parts_merge(context, MQ_ARTIFACT_RECALL_RESULT, (enum mq_program_type)type,
                                 MQ_ARTIFACT_PORTRAIT, err);
    mq_actions_free(actions);
    mq_snapshot_free(snapshot);
    return st;
}
