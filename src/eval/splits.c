#include "eval/splits.h"

#include "base/memory.h"
#include "base/rng.h"

/* Keep `wanted` entries, in order, each subset equally likely (Knuth, TAOCP 2, 3.4.2, algorithm S).
 */
static void
sample(struct mq_split *split, int64_t wanted, uint64_t seed)
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0x73706c6974 /* "split" */);
    int64_t kept = 0;
    for (int64_t i = 0; i < split->count && kept < wanted; i++) {
        uint32_t left = (uint32_t)(split->count - i); /* users are int32 rows */
        if (mq_rng_below(&rng, left) >= (uint32_t)(wanted - kept))
            continue;
        split->user[kept] = split->user[i];
        split->held[kept++] = split->held[i];
    }
    split->count = kept;
}

enum mq_status
mq_split_newest(const struct mq_actions *actions, int32_t item_count, int64_t users_max,
                uint64_t seed, struct mq_split *ret_split, struct mq_error *err)
{
    if (actions->kind != NULL)
        return mq_fail(err, MQ_E_USAGE, "cannot split actions that hold exposures: load plays");
    struct mq_split split = {0};
    mq_autofree int32_t *seen = NULL;
    enum mq_status st = mq_alloc_array((size_t)item_count, sizeof(*seen), &seen, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)actions->user_count, sizeof(*split.user), &split.user, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)actions->user_count, sizeof(*split.held), &split.held, err);
    if (st != MQ_OK) {
        mq_split_release(&split);
        return st;
    }
    for (int32_t u = 0; u < actions->user_count; u++) {
        int64_t newest_first = -1; /* row of the newest first play */
        for (int64_t row = actions->offset[u]; row < actions->offset[u + 1]; row++) {
            if (seen[actions->item[row]] == u + 1)
                continue;
            seen[actions->item[row]] = u + 1;
            newest_first = row;
        }
        if (newest_first <= actions->offset[u]) {
            split.others++;
            continue;
        }
        split.user[split.count] = u;
        split.held[split.count++] = newest_first;
    }
    split.eligible = split.count;
    if (users_max > 0 && users_max < split.count)
        sample(&split, users_max, seed);
    *ret_split = split;
    return MQ_OK;
}

void
mq_split_release(struct mq_split *split)
{
    mq_free(split->user);
    mq_free(split->held);
    *split = (struct mq_split){0};
}
