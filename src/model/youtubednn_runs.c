#include "model/youtubednn_runs.h"

#include "base/memory.h"

/* Targets of a user: plays 1 … last. */
static int64_t
target_count(const struct mq_tower_runs *runs, int32_t user)
{
    int64_t plays = runs->data->offset[user + 1] - runs->data->offset[user];
    plays -= runs->held[user];
    return plays > 1 ? plays - 1 : 0;
}

enum mq_status
mq_tower_runs_init(struct mq_tower_runs *runs, const struct mq_youtubednn_data *data,
                   const uint8_t *held, const struct mq_youtubednn_options *options,
                   struct mq_error *err)
{
    struct mq_tower_runs made = {.data = data,
                                 .held = held,
                                 .run = options->run,
                                 .batch = options->batch,
                                 .user_dropout = options->user_dropout};
    for (int32_t u = 0; u < data->user_count; u++) {
        int64_t targets = target_count(&made, u);
        made.samples += targets;
        /* Cut anywhere, n targets fall into at most 1 + ceil((n-1)/run) runs. */
        made.capacity += targets > 0 ? 1 + (targets - 1 + made.run - 1) / made.run : 0;
    }
    size_t shards = ((size_t)made.batch + MQ_TOWER_SHARD - 1) / MQ_TOWER_SHARD;
    enum mq_status st =
        mq_alloc_array_raw((size_t)made.capacity, sizeof(*made.stretch), &made.stretch, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)made.capacity, 1, &made.length, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)made.batch, sizeof(*made.batch_runs), &made.batch_runs, err);
    if (st == MQ_OK)
        st = mq_alloc_array(shards, sizeof(*made.parts), &made.parts, err);
    if (st != MQ_OK) {
        mq_tower_runs_release(&made);
        return st;
    }
    *runs = made;
    return MQ_OK;
}

void
mq_tower_runs_release(struct mq_tower_runs *runs)
{
    if (runs == NULL)
        return;
    mq_free(runs->stretch);
    mq_free(runs->length);
    mq_free(runs->batch_runs);
    mq_free(runs->parts);
    *runs = (struct mq_tower_runs){0};
}

enum mq_status
mq_tower_runs_shuffle(struct mq_tower_runs *runs, struct mq_rng *rng, struct mq_error *err)
{
    int64_t n = 0;
    for (int32_t u = 0; u < runs->data->user_count; u++) {
        int64_t targets = target_count(runs, u);
        if (targets > INT32_MAX)
            return mq_fail(err, MQ_E_RANGE, "user %d has %lld plays (allowed: below 2^31)", u,
                           (long long)targets);
        if (targets == 0)
            continue;
        int64_t length = 1 + (int64_t)mq_rng_below(rng, (uint32_t)runs->run);
        for (int64_t start = 1; start <= targets; start += length, length = runs->run) {
            length = MQ_MIN(length, targets - start + 1);
            bool unknown = runs->user_dropout > 0.0f && mq_rng_uniform(rng) < runs->user_dropout;
            runs->stretch[n] = (struct mq_tower_stretch){
                .user = unknown ? runs->data->user_count : u, .owner = u, .start = (int32_t)start};
            runs->length[n++] = (uint8_t)length;
        }
    }
    runs->count = n;
    for (int64_t i = n; i > 1; i--) {
        int64_t j = (int64_t)(mq_rng_uniform(rng) * (double)i);
        struct mq_tower_stretch stretch = runs->stretch[i - 1];
        uint8_t length = runs->length[i - 1];
        runs->stretch[i - 1] = runs->stretch[j];
        runs->length[i - 1] = runs->length[j];
        runs->stretch[j] = stretch;
        runs->length[j] = length;
    }
    runs->next = 0;
    runs->taken = 0;
    return MQ_OK;
}

int32_t
mq_tower_runs_next(struct mq_tower_runs *runs, const struct mq_tower_shard_runs **ret_parts,
                   int32_t *ret_samples)
{
    int32_t shards = 0, run_count = 0, samples = 0;
    while (samples < runs->batch && runs->next < runs->count) {
        int32_t room = MQ_MIN(MQ_TOWER_SHARD, runs->batch - samples), begin = run_count;
        while (room > 0 && runs->next < runs->count) {
            const struct mq_tower_stretch *stretch = &runs->stretch[runs->next];
            int32_t left = runs->length[runs->next] - runs->taken, count = MQ_MIN(left, room);
            int32_t start = stretch->start + runs->taken;
            runs->batch_runs[run_count++] =
                (struct mq_tower_run){.first = runs->data->offset[stretch->owner] + start,
                                      .user = stretch->user,
                                      .before = start,
                                      .count = count};
            room -= count;
            samples += count;
            runs->taken += count;
            if (count == left) {
                runs->next++;
                runs->taken = 0;
            }
        }
        runs->parts[shards++] = (struct mq_tower_shard_runs){.runs = runs->batch_runs + begin,
                                                             .run_count = run_count - begin};
    }
    *ret_parts = runs->parts;
    *ret_samples = samples;
    return shards;
}
