/*
 * The nightly batch without its files: every user's recall, rank and filter, traces written out as
 * text, from a store that `marquee run` filled.
 *
 * bench_batch STORE [THREADS] [RUNS]. Snapshot, plays and portraits are loaded outside the clock,
 * as bench/peers/batch_python.py does. Prints one JSON line.
 */
#include <string.h>

#include "base/log.h"
#include "data/actions.h"
#include "emit.h"
#include "rec/recommend.h"

struct batch {
    const struct mq_snapshot *snapshot;
    const struct mq_actions *actions;
    struct mq_portrait *portraits; /* [users] */
    struct mq_session **sessions;  /* [threads] */
    int64_t *entries;              /* [threads] */
};

static void
require(enum mq_status st, const struct mq_error *err)
{
    if (st == MQ_OK)
        return;
    fprintf(stderr, "bench_batch: %s\n", err->message);
    exit(1);
}

static struct mq_user_state
user_of(const struct batch *batch, int64_t user)
{
    const struct mq_actions *a = batch->actions;
    return (struct mq_user_state){.id = a->users.keys[user],
                                  .code = (int32_t)user,
                                  .play_count = a->offset[user + 1] - a->offset[user],
                                  .items = a->item + a->offset[user],
                                  .times = a->time_s + a->offset[user],
                                  .portrait = &batch->portraits[user]};
}

static enum mq_status
make_portraits(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct batch *batch = context;
    enum mq_status st = MQ_OK;
    for (int64_t u = begin; u < end && st == MQ_OK; u++) {
        struct mq_user_state user = user_of(batch, u);
        st = mq_recommend_portrait(batch->snapshot, &user, &batch->portraits[u], err);
    }
    return st;
}

static enum mq_status
make_lists(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct batch *batch = context;
    char trace[MQ_TRACE_MAX];
    for (int64_t u = begin; u < end; u++) {
        struct mq_user_state user = user_of(batch, u);
        struct mq_recommendation_list list;
        enum mq_status st =
            mq_recommend(batch->sessions[worker], MQ_PROGRAM_MOVIE, &user, &list, err);
        if (st != MQ_OK)
            return st;
        for (int32_t i = 0; i < list.count; i++)
            mq_trace_format(batch->snapshot, &list.entries[i], "batch", trace);
        batch->entries[worker] += list.count;
    }
    return MQ_OK;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "use: bench_batch STORE [THREADS] [RUNS]\n");
        return 2;
    }
    int threads = argc > 2 ? atoi(argv[2]) : 2, runs = argc > 3 ? atoi(argv[3]) : 5;
    struct mq_error err = {0};
    struct mq_config *config;
    struct mq_object_store *store;
    struct mq_snapshot *snapshot;
    struct mq_actions *actions;
    struct mq_pool *pool;
    mq_log_configure(MQ_LOG_WARN, false);
    require(mq_config_new(&config, &err), &err);
    require(mq_object_store_open(argv[1], &store, &err), &err);
    require(mq_pool_new(threads, &pool, &err), &err);
    require(mq_snapshot_load(store, "1", MQ_SNAPSHOT_ALL, config, mq_clock_now_s(), pool, &snapshot,
                             &err),
            &err);
    require(mq_actions_load(store, "1", snapshot->catalogue, 0, 0, 1, &actions, NULL, &err), &err);
    struct batch batch = {.snapshot = snapshot, .actions = actions};
    int64_t users = actions->user_count, entries = 0;
    batch.portraits = calloc((size_t)users, sizeof(*batch.portraits));
    batch.sessions = calloc((size_t)threads, sizeof(struct mq_session *));
    batch.entries = calloc((size_t)threads, sizeof(*batch.entries));
    for (int t = 0; t < threads; t++)
        require(mq_session_new(snapshot, &batch.sessions[t], &err), &err);
    require(mq_pool_for(pool, users, 16, make_portraits, &batch, &err), &err);

    struct bench_times times = {.count = 0};
    for (int run = 0; run < runs; run++) {
        memset(batch.entries, 0, (size_t)threads * sizeof(*batch.entries));
        double begin = mq_clock_monotonic_s();
        require(mq_pool_for(pool, users, 16, make_lists, &batch, &err), &err);
        bench_time_add(&times, mq_clock_monotonic_s() - begin);
    }
    for (int t = 0; t < threads; t++)
        entries += batch.entries[t];
    char quality[128];
    snprintf(quality, sizeof(quality), "{\"users\": %lld, \"entries\": %lld}", (long long)users,
             (long long)entries);
    bench_emit("recall+rank+filter", threads, &times, (double)users, "users", quality);

    for (int t = 0; t < threads; t++)
        mq_session_free(batch.sessions[t]);
    for (int64_t u = 0; u < users; u++)
        mq_portrait_release(&batch.portraits[u]);
    free(batch.portraits);
    free(batch.sessions);
    free(batch.entries);
    mq_actions_free(actions);
    mq_snapshot_free(snapshot);
    mq_pool_free(pool);
    mq_object_store_free(store);
    mq_config_free(config);
    return 0;
}
