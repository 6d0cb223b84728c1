/*
 * rank-batch: DeepFM's probability of every user's candidates, best first.
 *
 * Portraits (their vectors), and the recall results of films and series, stream in side by side:
 * they hold the same users in the same order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "rec/background.h"
#include "rec/item_keys.h"
#include "rec/rank.h"
#include "step/user_results.h"

/* One block's results; two take turns. */
struct block {
    const struct mq_catalogue *catalogue;
    struct mq_user_output *outputs; /* [types] */
    bool as_int;
    const struct mq_user_block *users[MQ_PROGRAM_TYPE_COUNT]; /* NULL: none of this type */
    int32_t *rows[MQ_PROGRAM_TYPE_COUNT];                     /* by entry, each user's best first */
    float *prob[MQ_PROGRAM_TYPE_COUNT];
    size_t rows_capacity[MQ_PROGRAM_TYPE_COUNT], prob_capacity[MQ_PROGRAM_TYPE_COUNT];
};

struct worker {
    struct mq_rank_scratch *scratch;
    int32_t *rows, *order;
    float *prob;
    size_t rows_capacity, order_capacity, prob_capacity;
};

struct ranking {
    const struct mq_snapshot *snapshot;
    struct worker *workers;
    const struct mq_user_block *portraits;
    struct block *block;
};

static enum mq_status
rank_user(const struct ranking *ranking, int type, int64_t u, struct worker *w,
          struct mq_error *err)
{
    struct block *block = ranking->block;
    const struct mq_user_block *users = block->users[type];
    const struct mq_portrait *portrait = &ranking->portraits->portraits[u];
    int64_t first = users->offset[u], n = users->offset[u + 1] - first;
    size_t need = (size_t)n;
    enum mq_status st = mq_grow(&w->rows, &w->rows_capacity, need, sizeof(*w->rows), err);
    if (st == MQ_OK)
        st = mq_grow(&w->order, &w->order_capacity, need, sizeof(*w->order), err);
    if (st == MQ_OK)
        st = mq_grow(&w->prob, &w->prob_capacity, need, sizeof(*w->prob), err);
    for (int64_t i = 0; i < n && st == MQ_OK; i++)
        w->rows[i] = users->entries.items[first + i].item;
    if (st == MQ_OK)
        st = mq_rank_score(ranking->snapshot, portrait->has_vector ? portrait->vector : NULL, n,
                           w->rows, w->scratch, w->prob, err);
    if (st == MQ_OK)
        st = mq_rank_order(n, w->prob, w->order, err);
    for (int64_t i = 0; i < n && st == MQ_OK; i++) {
        block->rows[type][first + i] = w->rows[w->order[i]];
        block->prob[type][first + i] = w->prob[w->order[i]];
    }
    return st;
}

static enum mq_status
rank_users(void *argument, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct ranking *ranking = argument;
    enum mq_status st = MQ_OK;
    for (int64_t u = begin; u < end && st == MQ_OK; u++)
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++)
            if (ranking->block->users[type] != NULL)
                st = rank_user(ranking, type, u, &ranking->workers[worker], err);
    return st;
}

static enum mq_status
write_block(void *argument, struct mq_error *err)
{
    struct block *block = argument;
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        const struct mq_user_block *users = block->users[type];
        struct mq_pickle_writer *pickle = block->outputs[type].pickle;
        for (int32_t u = 0; users != NULL && u < users->count; u++) {
            int64_t first = users->offset[u];
            mq_pickle_put_text(pickle, users->ids[u], strlen(users->ids[u]));
            mq_rank_put(pickle, block->catalogue, block->as_int, block->rows[type] + first,
                        block->prob[type] + first, (int32_t)(users->offset[u + 1] - first));
        }
    }
    return MQ_OK;
}

/* The blocks of all streams for the next users; *ret_portraits NULL at the end. */
static enum mq_status
next_blocks(struct mq_user_stream *portraits, struct mq_user_stream *const *recalls, bool *empty,
            struct block *block, struct mq_user_block **ret_portraits, struct mq_error *err)
{
    enum mq_status st = mq_user_stream_next(portraits, ret_portraits, err);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++) {
        struct mq_user_block *users = NULL;
        block->users[type] = NULL;
        if (empty[type])
            continue;
        st = mq_user_stream_next(recalls[type], &users, err);
        if (st == MQ_OK && users == NULL && *ret_portraits != NULL && block->rows[type] == NULL &&
            block->rows_capacity[type] == 0) {
            empty[type] = true; /* an empty dict: no programme of this type */
            continue;
        }
        if (st == MQ_OK)
            st = mq_user_block_same(*ret_portraits, "portraits", users, "recall result", err);
        size_t need = users != NULL ? (size_t)users->offset[users->count] + 1 : 0;
        if (st == MQ_OK)
            st = mq_grow(&block->rows[type], &block->rows_capacity[type], need,
                         sizeof(**block->rows), err);
        if (st == MQ_OK)
            st = mq_grow(&block->prob[type], &block->prob_capacity[type], need,
                         sizeof(**block->prob), err);
        block->users[type] = users;
    }
    return st;
}

static enum mq_status
run_blocks(struct mq_step_context *context, struct ranking *ranking,
           struct mq_user_stream *portraits, struct mq_user_stream *const *recalls,
           struct block *blocks, struct mq_error *err)
{
    struct mq_background writing = {0};
    struct mq_progress progress;
    struct mq_user_block *users;
    bool empty[MQ_PROGRAM_TYPE_COUNT] = {false};
    int64_t user_count = 0, pairs = 0;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "rank", "users", 0);
    for (int64_t number = 0;; number++) {
        struct block *block = ranking->block = &blocks[number % 2];
        st = next_blocks(portraits, recalls, empty, block, &users, err);
        if (st != MQ_OK || users == NULL)
            break;
        ranking->portraits = users;
        st = mq_pool_for(context->pool, users->count, 16, rank_users, ranking, err);
        if (st == MQ_OK)
            st = mq_background_start(&writing, write_block, block, err);
        if (st != MQ_OK)
            break;
        for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++)
            if (block->users[type] != NULL)
                pairs += block->users[type]->offset[users->count];
        user_count += users->count;
        mq_progress_add(&progress, users->count);
    }
    enum mq_status last = mq_background_wait(&writing, st == MQ_OK ? err : NULL);
    mq_progress_end(&progress);
    mq_step_count(context, "users", user_count);
    mq_step_count(context, "pairs", pairs);
    return st != MQ_OK ? st : last;
}

static enum mq_status
rank_all(struct mq_step_context *context, const struct mq_snapshot *snapshot, struct mq_error *err)
{
    int threads = mq_pool_threads(context->pool);
    struct ranking ranking = {.snapshot = snapshot};
    struct block blocks[2] = {{0}};
    struct mq_user_output outputs[MQ_PROGRAM_TYPE_COUNT] = {{0}};
    struct mq_user_stream *portraits = NULL, *recalls[MQ_PROGRAM_TYPE_COUNT] = {NULL};
    enum mq_status st =
        mq_alloc_array((size_t)threads, sizeof(*ranking.workers), &ranking.workers, err);
    for (int t = 0; t < threads && st == MQ_OK; t++)
        st = mq_rank_scratch_new(snapshot, &ranking.workers[t].scratch, err);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++) {
        st = mq_user_output_open(context, MQ_ARTIFACT_RANK_RESULT, (enum mq_program_type)type,
                                 &outputs[type], err);
        if (st == MQ_OK)
            st = mq_user_input_open(context, MQ_ARTIFACT_RECALL_RESULT, (enum mq_program_type)type,
                                    MQ_USERS_RECALL, snapshot->catalogue, &recalls[type], err);
    }
    for (int b = 0; b < 2; b++) {
        blocks[b].catalogue = snapshot->catalogue;
        blocks[b].outputs = outputs;
        blocks[b].as_int = mq_item_keys_are_ints(snapshot->catalogue);
    }
    if (st == MQ_OK)
        st = mq_user_input_open(context, MQ_ARTIFACT_PORTRAIT, MQ_PROGRAM_MOVIE,
                                MQ_USERS_PORTRAIT_VECTOR, snapshot->catalogue, &portraits, err);
    if (st == MQ_OK)
        st = run_blocks(context, &ranking, portraits, recalls, blocks, err);
    mq_user_stream_close(portraits);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT; type++) {
        mq_user_stream_close(recalls[type]);
        if (st == MQ_OK)
            st = mq_user_output_finish(&outputs[type], err);
        mq_user_output_close(&outputs[type]);
        for (int b = 0; b < 2; b++) {
            free(blocks[b].rows[type]);
            free(blocks[b].prob[type]);
        }
    }
    for (int t = 0; ranking.workers != NULL && t < threads; t++) {
        mq_rank_scratch_free(ranking.workers[t].scratch);
        free(ranking.workers[t].rows);
        free(ranking.workers[t].order);
        free(ranking.workers[t].prob);
    }
    mq_free(ranking.workers);
    return st;
}

enum mq_status
mq_step_rank_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_snapshot *snapshot = NULL;
    enum mq_status st =
        mq_snapshot_load(context->store, context->region, MQ_SNAPSHOT_RANK, context->config,
                         context->now_s, context->pool, &snapshot, err);
    if (st == MQ_OK)
        st = rank_all(context, snapshot, err);
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++)
        st = mq_user_parts_merge(context, MQ_ARTIFACT_RANK_RESULT, (enum mq_program_type)type,
                                 MQ_ARTIFACT_RECALL_RESULT, err);
    mq_snapshot_free(snapshot);
    return st;
}
