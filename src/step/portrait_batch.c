/*
 * portrait-batch: every user's portrait, rebuilt from the plays, with the user tower's vector.
 *
 * Blocks of users pass through: the pool folds plays and runs the tower for one block while the
 * block before is being written. Memory is the plays (8 bytes each) and two blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "data/actions.h"
#include "model/youtubednn.h"
#include "rec/background.h"
#include "step/user_results.h"

/* Plays of one block that go through the tower at most; a longer block is cut. */
#define BLOCK_PLAYS_MAX ((int64_t)4 << 20)

struct block {
    const struct mq_catalogue *catalogue;
    const struct mq_actions *actions;
    struct mq_pickle_writer *pickle;
    int32_t begin, end;            /* user rows */
    struct mq_portrait *portraits; /* [MQ_USER_BLOCK] */
};

struct build {
    struct mq_step_context *context;
    const struct mq_catalogue *catalogue;
    const struct mq_actions *actions;
    const struct mq_user_tower *tower; /* NULL: none */
    struct mq_portrait_options options;
    struct block *block; /* at hand */
    int32_t **seen;      /* [threads] of [catalogue count]: scratch of mq_history_distinct */
    int32_t *round;      /* [threads] */
    int32_t *history;    /* plays of the block, distinct; -1 where one was left out */
    size_t history_capacity;
    int64_t offset[MQ_USER_BLOCK + 1];
    int32_t codes[MQ_USER_BLOCK];
    float *vectors; /* [MQ_USER_BLOCK, 32] */
};

static enum mq_status
fold_users(void *argument, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct build *build = argument;
    const struct mq_actions *actions = build->actions;
    for (int64_t u = begin; u < end; u++) {
        int32_t user = build->block->begin + (int32_t)u;
        int64_t first = actions->offset[user], n = actions->offset[user + 1] - first;
        struct mq_portrait *portrait = &build->block->portraits[u];
        mq_portrait_reset(portrait);
        enum mq_status st =
            mq_portrait_fold(portrait, build->catalogue, actions->item + first,
                             actions->time_s + first, n, false, &build->options, err);
        if (st != MQ_OK)
            return st;
        int32_t *history = build->history + build->offset[u];
        memcpy(history, actions->item + first, sizeof(*history) * (size_t)n);
        if (++build->round[worker] == INT32_MAX) {
            memset(build->seen[worker], 0, sizeof(**build->seen) * (size_t)build->catalogue->count);
            build->round[worker] = 1;
        }
        int64_t distinct =
            mq_history_distinct(history, n, build->seen[worker], build->round[worker]);
        for (int64_t i = distinct; i < n; i++)
            history[i] = -1;
    }
    return MQ_OK;
}

static enum mq_status
write_block(void *argument, struct mq_error *err)
{
    struct block *block = argument;
    for (int32_t user = block->begin; user < block->end; user++) {
        mq_pickle_put_text(block->pickle, block->actions->users.keys[user],
                           block->actions->users.sizes[user]);
        mq_portrait_put(block->pickle, block->catalogue, &block->portraits[user - block->begin]);
    }
    return MQ_OK;
}

static enum mq_status
build_block(struct build *build, struct mq_error *err)
{
    struct block *block = build->block;
    const struct mq_actions *actions = build->actions;
    int32_t users = block->end - block->begin;
    int64_t base = actions->offset[block->begin];
    for (int32_t u = 0; u <= users; u++)
        build->offset[u] = actions->offset[block->begin + u] - base;
    for (int32_t u = 0; u < users; u++)
        build->codes[u] = block->begin + u < actions->coded_users ? block->begin + u : -1;
    enum mq_status st = mq_grow(&build->history, &build->history_capacity,
                                (size_t)build->offset[users] + 1, sizeof(*build->history), err);
    if (st == MQ_OK)
        st = mq_pool_for(build->context->pool, users, 16, fold_users, build, err);
    if (st == MQ_OK && build->tower != NULL)
        st = mq_user_tower_forward(build->tower, users, build->codes, build->offset, build->history,
                                   build->vectors, build->context->pool, err);
    for (int32_t u = 0; u < users && st == MQ_OK && build->tower != NULL; u++) {
        if (build->offset[u + 1] == build->offset[u])
            continue;
        memcpy(block->portraits[u].vector, build->vectors + (size_t)u * MQ_PORTRAIT_DIM,
               sizeof(block->portraits[u].vector));
        block->portraits[u].has_vector = true;
    }
    return st;
}

static enum mq_status
run_blocks(struct build *build, struct mq_user_output *output, struct mq_error *err)
{
    const struct mq_actions *actions = build->actions;
    struct block blocks[2] = {{0}};
    struct mq_background writing = {0};
    struct mq_progress progress;
    enum mq_status st = MQ_OK;
    for (int b = 0; b < 2 && st == MQ_OK; b++) {
        blocks[b] = (struct block){
            .catalogue = build->catalogue, .actions = actions, .pickle = output->pickle};
        st = mq_alloc_array(MQ_USER_BLOCK, sizeof(*blocks[b].portraits), &blocks[b].portraits, err);
    }
    mq_progress_begin(&progress, "portraits", "users", actions->user_count);
    int32_t user = 0;
    for (int64_t number = 0; user < actions->user_count && st == MQ_OK; number++) {
        build->block = &blocks[number % 2];
        build->block->begin = user;
        int64_t most = actions->offset[user] + BLOCK_PLAYS_MAX;
        do {
            user++;
        } while (user < actions->user_count && user - build->block->begin < MQ_USER_BLOCK &&
                 actions->offset[user + 1] <= most);
        build->block->end = user;
        st = build_block(build, err);
        if (st == MQ_OK)
            st = mq_background_start(&writing, write_block, build->block, err);
        if (mq_pickle_failed(output->pickle))
            break; /* finishing tells what */
        mq_progress_add(&progress, build->block->end - build->block->begin);
    }
    enum mq_status last = mq_background_wait(&writing, st == MQ_OK ? err : NULL);
    mq_progress_end(&progress);
    for (int b = 0; b < 2; b++) {
        for (int i = 0; blocks[b].portraits != NULL && i < MQ_USER_BLOCK; i++)
            mq_portrait_release(&blocks[b].portraits[i]);
        mq_free(blocks[b].portraits);
    }
    return st != MQ_OK ? st : last;
}

static enum mq_status
run(struct mq_step_context *context, const struct mq_catalogue *catalogue,
    const struct mq_actions *actions, const struct mq_user_tower *tower, struct mq_error *err)
{
    int threads = mq_pool_threads(context->pool);
    struct build *build = calloc(1, sizeof(*build));
    struct mq_user_output output = {0};
    if (build == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for portraits");
    build->context = context;
    build->catalogue = catalogue;
    build->actions = actions;
    build->tower = tower;
    mq_portrait_options_read(context->config, &build->options);
    enum mq_status st = mq_alloc_array((size_t)threads, sizeof(*build->seen), &build->seen, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)threads, sizeof(*build->round), &build->round, err);
    for (int t = 0; t < threads && st == MQ_OK; t++)
        st = mq_alloc_array((size_t)catalogue->count, sizeof(**build->seen), &build->seen[t], err);
    if (st == MQ_OK)
        st = mq_alloc_array(MQ_USER_BLOCK * MQ_PORTRAIT_DIM, sizeof(*build->vectors),
                            &build->vectors, err);
    if (st == MQ_OK)
        st = mq_user_output_open(context, MQ_ARTIFACT_PORTRAIT, MQ_PROGRAM_MOVIE, &output, err);
    if (st == MQ_OK)
        st = run_blocks(build, &output, err);
    if (st == MQ_OK)
        st = mq_user_output_finish(&output, err);
    mq_user_output_close(&output);
    for (int t = 0; build->seen != NULL && t < threads; t++)
        mq_free(build->seen[t]);
    mq_free(build->seen);
    mq_free(build->round);
    free(build->history);
    mq_free(build->vectors);
    free(build);
    return st;
}

enum mq_status
mq_step_portrait_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_catalogue *catalogue = NULL;
    struct mq_actions *actions = NULL;
    struct mq_user_tower *tower = NULL;
    struct mq_reader *reader = NULL;
    int64_t skipped = 0;
    enum mq_status st = mq_catalogue_load(context->store, context->region, &catalogue, err);
    if (st == MQ_OK)
        st = mq_actions_load(context->store, context->region, catalogue, 0, 0, 1, &actions,
                             &skipped, err);
    if (st == MQ_OK)
        st = mq_artifact_reader(context->store, context->region, MQ_ARTIFACT_USER_TOWER,
                                MQ_PROGRAM_MOVIE, &reader, err);
    if (st == MQ_OK)
        st = mq_artifact_damaged(MQ_ARTIFACT_USER_TOWER, mq_user_tower_read(reader, &tower, err),
                                 err);
    mq_reader_close(reader);
    if (st == MQ_OK)
        st = run(context, catalogue, actions, tower, err);
    if (st == MQ_OK) {
        mq_step_count(context, "users", actions->user_count);
        mq_step_count(context, "plays", actions->count);
        mq_step_count(context, "plays of unknown items", skipped);
    }
    mq_user_tower_free(tower);
    mq_actions_free(actions);
    mq_catalogue_free(catalogue);
    return st;
}
