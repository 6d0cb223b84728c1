/*
 * filter-batch: every user's final list with traces: availability and seen rules, order by filter
 * score, diversity picks. Recall and rank results stream in side by side, one type at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "data/actions.h"
#include "rec/background.h"
#include "rec/filter.h"
#include "step/user_results.h"

/* One block's results; two take turns. */
struct block {
    const struct mq_catalogue *catalogue;
    struct mq_user_output *output;
    const struct mq_user_block *users;
    int64_t *begin; /* [MQ_USER_BLOCK] first place of a user in entries */
    int32_t *count; /* [MQ_USER_BLOCK] */
    struct mq_list_entry *entries;
    char (*traces)[MQ_TRACE_MAX];
    size_t entries_capacity, traces_capacity;
};

struct worker {
    struct mq_recall_scratch *played;
    struct mq_filter_scratch *filter;
    uint32_t stamp;
    uint32_t *ranked; /* [catalogue count] stamp where the user's rank result has the row */
    int32_t *place;   /* [catalogue count] entry of the rank result */
    struct mq_ranked_candidate *candidates;
    size_t candidates_capacity;
    struct mq_filter_counts counts;
    int64_t unranked; /* candidates that rank did not know */
};

struct filtering {
    struct mq_step_context *context;
    const struct mq_snapshot *snapshot;
    const struct mq_actions *actions; /* NULL: seen items are not left out */
    enum mq_program_type type;
    struct worker *workers;
    const struct mq_user_block *ranks;
    struct block *block;
};

/* The user's candidates with what rank said of them. */
static enum mq_status
join_ranks(const struct filtering *filtering, int64_t u, struct worker *w, struct mq_error *err)
{
    const struct mq_user_block *users = filtering->block->users, *ranks = filtering->ranks;
    int64_t first = users->offset[u], n = users->offset[u + 1] - first;
    int64_t rank_first = ranks->offset[u], rank_n = ranks->offset[u + 1] - rank_first;
    enum mq_status st = mq_grow(&w->candidates, &w->candidates_capacity, (size_t)n + 1,
                                sizeof(*w->candidates), err);
    if (st != MQ_OK)
        return st;
    if (++w->stamp == 0) {
        memset(w->ranked, 0, sizeof(*w->ranked) * (size_t)filtering->snapshot->catalogue->count);
        w->stamp = 1;
    }
    for (int64_t i = rank_first; i < rank_first + rank_n; i++) {
        w->ranked[ranks->entries.items[i].item] = w->stamp;
        w->place[ranks->entries.items[i].item] = (int32_t)i;
    }
    for (int64_t i = 0; i < n; i++) {
        struct mq_ranked_candidate *c = &w->candidates[i];
        *c = users->entries.items[first + i];
        if (w->ranked[c->item] == w->stamp) {
            c->prob = ranks->entries.items[w->place[c->item]].prob;
            c->rank_position = ranks->entries.items[w->place[c->item]].rank_position;
        } else {
            c->prob = 0;
            c->rank_position = (int32_t)rank_n;
            w->unranked++;
        }
    }
    return MQ_OK;
}

static enum mq_status
filter_users(void *argument, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct filtering *filtering = argument;
    struct worker *w = &filtering->workers[worker];
    struct block *block = filtering->block;
    const struct mq_actions *actions = filtering->actions;
    for (int64_t u = begin; u < end; u++) {
        enum mq_status st = join_ranks(filtering, u, w, err);
        if (st != MQ_OK)
            return st;
        struct mq_user_state user = {.id = block->users->ids[u], .code = -1};
        int32_t row = actions != NULL ? mq_strmap_find_text(&actions->users, user.id) : -1;
        if (row >= 0) {
            user.play_count = actions->offset[row + 1] - actions->offset[row];
            user.items = actions->item + actions->offset[row];
        }
        mq_recall_mark(w->played, &user);
        int64_t first = block->users->offset[u];
        int32_t n = (int32_t)(block->users->offset[u + 1] - first);
        struct mq_list_entry *entries = block->entries + block->begin[u];
        st = mq_filter(filtering->snapshot, filtering->type, &user, w->candidates, n, w->played,
                       w->filter, entries, &block->count[u], &w->counts, err);
        if (st != MQ_OK)
            return st;
        for (int32_t i = 0; i < block->count[u]; i++)
            mq_trace_format(filtering->snapshot, &entries[i], "batch",
                            block->traces[block->begin[u] + i]);
    }
    return MQ_OK;
}

static enum mq_status
write_block(void *argument, struct mq_error *err)
{
    struct block *block = argument;
    struct mq_pickle_writer *pickle = block->output->pickle;
    for (int32_t u = 0; u < block->users->count; u++) {
        mq_pickle_put_text(pickle, block->users->ids[u], strlen(block->users->ids[u]));
        mq_filter_put(pickle, block->catalogue, block->entries + block->begin[u],
                      (const char(*)[MQ_TRACE_MAX])(block->traces + block->begin[u]),
                      block->count[u]);
    }
    return MQ_OK;
}

/* Room for every user's candidates and picks. */
static enum mq_status
lay_out(struct block *block, int32_t picks, struct mq_error *err)
{
    int64_t total = 0;
    for (int32_t u = 0; u < block->users->count; u++) {
        block->begin[u] = total;
        total += block->users->offset[u + 1] - block->users->offset[u] + picks;
    }
    enum mq_status st = mq_grow(&block->entries, &block->entries_capacity, (size_t)total + 1,
                                sizeof(*block->entries), err);
    return st == MQ_OK ? mq_grow(&block->traces, &block->traces_capacity, (size_t)total + 1,
                                 sizeof(*block->traces), err)
                       : st;
}

static enum mq_status
run_blocks(struct filtering *filtering, struct mq_user_stream *recalls,
           struct mq_user_stream *ranks, struct block *blocks, struct mq_error *err)
{
    struct mq_step_context *context = filtering->context;
    const char *type = mq_program_type_name(filtering->type);
    struct mq_background writing = {0};
    struct mq_progress progress;
    int64_t user_count = 0, listed = 0;
    enum mq_status st = MQ_OK;
    mq_progress_begin(&progress, "filter", "users", 0);
    for (int64_t number = 0;; number++) {
        struct block *block = filtering->block = &blocks[number % 2];
        struct mq_user_block *users = NULL, *rank_users = NULL;
        st = mq_user_stream_next(recalls, &users, err);
        if (st == MQ_OK)
            st = mq_user_stream_next(ranks, &rank_users, err);
        if (st == MQ_OK)
            st = mq_user_block_same(users, "recall result", rank_users, "rank result", err);
        if (st != MQ_OK || users == NULL)
            break;
        block->users = users;
        filtering->ranks = rank_users;
        st = lay_out(block, filtering->snapshot->filter.category_diversity_count, err);
        if (st == MQ_OK)
            st = mq_pool_for(context->pool, users->count, 16, filter_users, filtering, err);
        if (st == MQ_OK)
            st = mq_background_start(&writing, write_block, block, err);
        if (st != MQ_OK)
            break;
        for (int32_t u = 0; u < users->count; u++)
            listed += block->count[u];
        user_count += users->count;
        mq_progress_add(&progress, users->count);
    }
    enum mq_status last = mq_background_wait(&writing, st == MQ_OK ? err : NULL);
    mq_progress_end(&progress);
    char name[64];
    snprintf(name, sizeof(name), "%s users", type);
    mq_step_count(context, name, user_count);
    snprintf(name, sizeof(name), "%s entries", type);
    mq_step_count(context, name, listed);
    return st != MQ_OK ? st : last;
}

static enum mq_status
filter_type(struct filtering *filtering, struct mq_error *err)
{
    struct mq_step_context *context = filtering->context;
    struct mq_user_stream *recalls = NULL, *ranks = NULL;
    struct mq_user_output output = {0};
    struct block blocks[2] = {{0}};
    enum mq_status st = MQ_OK;
    for (int b = 0; b < 2 && st == MQ_OK; b++) {
        blocks[b].catalogue = filtering->snapshot->catalogue;
        blocks[b].output = &output;
        st = mq_alloc_array(MQ_USER_BLOCK, sizeof(*blocks[b].begin), &blocks[b].begin, err);
        if (st == MQ_OK)
            st = mq_alloc_array(MQ_USER_BLOCK, sizeof(*blocks[b].count), &blocks[b].count, err);
    }
    if (st == MQ_OK)
        st = mq_user_output_open(context, MQ_ARTIFACT_FILTER_RESULT, filtering->type, &output, err);
    if (st == MQ_OK)
        st = mq_user_input_open(context, MQ_ARTIFACT_RECALL_RESULT, filtering->type,
                                MQ_USERS_RECALL, filtering->snapshot->catalogue, &recalls, err);
    if (st == MQ_OK)
        st = mq_user_input_open(context, MQ_ARTIFACT_RANK_RESULT, filtering->type, MQ_USERS_RANK,
                                filtering->snapshot->catalogue, &ranks, err);
    if (st == MQ_OK)
        st = run_blocks(filtering, recalls, ranks, blocks, err);
    mq_user_stream_close(recalls);
    mq_user_stream_close(ranks);
    if (st == MQ_OK)
        st = mq_user_output_finish(&output, err);
    mq_user_output_close(&output);
    for (int b = 0; b < 2; b++) {
        mq_free(blocks[b].begin);
        mq_free(blocks[b].count);
        free(blocks[b].entries);
        free(blocks[b].traces);
    }
    return st == MQ_OK ? mq_user_parts_merge(context, MQ_ARTIFACT_FILTER_RESULT, filtering->type,
                                             MQ_ARTIFACT_RECALL_RESULT, err)
                       : st;
}

static enum mq_status
filter_all(struct filtering *filtering, struct mq_error *err)
{
    struct mq_step_context *context = filtering->context;
    const struct mq_snapshot *snapshot = filtering->snapshot;
    size_t items = (size_t)snapshot->catalogue->count;
    int threads = mq_pool_threads(context->pool);
    struct mq_filter_counts counts = {0};
    int64_t unranked = 0;
    enum mq_status st =
        mq_alloc_array((size_t)threads, sizeof(*filtering->workers), &filtering->workers, err);
    for (int t = 0; t < threads && st == MQ_OK; t++) {
        struct worker *w = &filtering->workers[t];
        st = mq_recall_scratch_new(snapshot, &w->played, err);
        if (st == MQ_OK)
            st = mq_filter_scratch_new(snapshot, &w->filter, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(*w->ranked), &w->ranked, err);
        if (st == MQ_OK)
            st = mq_alloc_array(items, sizeof(*w->place), &w->place, err);
    }
    for (int type = 0; type < MQ_PROGRAM_TYPE_COUNT && st == MQ_OK; type++) {
        filtering->type = (enum mq_program_type)type;
        st = filter_type(filtering, err);
    }
    for (int t = 0; filtering->workers != NULL && t < threads; t++) {
        struct worker *w = &filtering->workers[t];
        for (int bar = 0; bar < MQ_BAR_COUNT; bar++)
            counts.barred[bar] += w->counts.barred[bar];
        counts.picks_missing += w->counts.picks_missing;
        unranked += w->unranked;
        mq_recall_scratch_free(w->played);
        mq_filter_scratch_free(w->filter);
        mq_free(w->ranked);
        mq_free(w->place);
        free(w->candidates);
    }
    mq_free(filtering->workers);
    for (int bar = MQ_BAR_NONE + 1; bar < MQ_BAR_COUNT; bar++) {
        char name[64];
        snprintf(name, sizeof(name), "left out: %s", mq_bar_name((enum mq_bar)bar));
        mq_step_count(context, name, counts.barred[bar]);
    }
    mq_step_count(context, "candidates without rank", unranked);
    mq_step_count(context, "diversity picks not found", counts.picks_missing);
    return st;
}

/* The configuration is put there on the first run, for people to edit. */
static enum mq_status
keep_config(struct mq_step_context *context, const struct mq_snapshot *snapshot,
            struct mq_error *err)
{
    bool there = false;
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_artifact_exists(
        context->store, context->region, MQ_ARTIFACT_FILTER_CONFIG, MQ_PROGRAM_MOVIE, &there, err);
    if (st != MQ_OK || there)
        return st;
    st = mq_artifact_writer(context->store, context->region, MQ_ARTIFACT_FILTER_CONFIG,
                            MQ_PROGRAM_MOVIE, &writer, err);
    if (st == MQ_OK)
        st = mq_filter_config_write(&snapshot->filter, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    if (st == MQ_OK)
        mq_step_note(context, "no filter configuration yet: the defaults were written");
    return st;
}

enum mq_status
mq_step_filter_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct filtering filtering = {.context = context};
    struct mq_snapshot *snapshot = NULL;
    struct mq_actions *actions = NULL;
    enum mq_status st =
        mq_snapshot_load(context->store, context->region, MQ_SNAPSHOT_LISTS | MQ_SNAPSHOT_CONFIG,
                         context->config, context->now_s, context->pool, &snapshot, err);
    if (st == MQ_OK)
        st = keep_config(context, snapshot, err);
    if (st == MQ_OK && snapshot->filter_seen)
        st = mq_actions_load(context->store, context->region, snapshot->catalogue, 0,
                             context->shard_index, context->shard_count, &actions, NULL, err);
    filtering.snapshot = snapshot;
    filtering.actions = actions;
    if (st == MQ_OK)
        st = filter_all(&filtering, err);
    mq_actions_free(actions);
    mq_snapshot_free(snapshot);
    return st;
}
