/**
 * Leave-one-out split by time: of each user the newest play of a programme not played before is
 * held out; the plays before it are the history that a list is made from.
 *
 * Where no programme is played twice this is the newest play. A newest play that repeats an older
 * one says nothing of a recommender that leaves out the seen, so it and what follows the held-out
 * play are dropped: a history is always older than what it must predict.
 *
 * Threads: reentrant.
 */
#ifndef MQ_EVAL_SPLITS_H
#define MQ_EVAL_SPLITS_H

#include <stdint.h>

#include "data/actions.h"

/** Zero-initialise; then mq_split_release. Users ascend. */
struct mq_split {
    int64_t count;
    int32_t *user; /**< [count] row of actions->users */
    int64_t *held; /**< [count] row of the held-out play; the history is offset[user] … held-1 */
    int64_t eligible; /**< users that could be held out, before sampling */
    int64_t others;   /**< users with plays of fewer than two programmes, or none */
};

/**
 * Split actions, of all users or of a sample drawn without replacement.
 *
 * @param actions    plays only (actions->kind == NULL), items in [0, item_count)
 * @param users_max  at most so many users; 0: all
 * @param seed       of the sample: the same seed and actions give the same users
 * @return MQ_OK (also with count 0) | MQ_E_USAGE (exposures among the actions) | MQ_E_NOMEM
 * Cost: O(plays + users).
 */
enum mq_status mq_split_newest(const struct mq_actions *actions, int32_t item_count,
                               int64_t users_max, uint64_t seed, struct mq_split *ret_split,
                               struct mq_error *err);

void mq_split_release(struct mq_split *split);

#endif
