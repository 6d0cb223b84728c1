/**
 * Rank: DeepFM's probability that the user plays each candidate, and their order.
 * Threads: reentrant, one scratch a thread.
 */
#ifndef MQ_REC_RANK_H
#define MQ_REC_RANK_H

#include <stdint.h>

#include "rec/snapshot.h"
#include "rec/user_state.h"

/** Work space of one thread; NULL snapshot->scorer is fine. */
struct mq_rank_scratch;
enum mq_status mq_rank_scratch_new(const struct mq_snapshot *snapshot,
                                   struct mq_rank_scratch **ret_scratch, struct mq_error *err);
/** NULL allowed. */
void mq_rank_scratch_free(struct mq_rank_scratch *scratch);

/**
 * Probabilities of n items for a user.
 * @param vector   the portrait's vector, float32 [32]; NULL or not finite: a user without history
 * @param rows     int32 [n] catalogue rows
 * @param ret_prob float32 [n] in [0, 1]; 0 where there is no model
 */
enum mq_status mq_rank_score(const struct mq_snapshot *snapshot, const float *vector, int64_t n,
                             const int32_t *rows, struct mq_rank_scratch *scratch, float *ret_prob,
                             struct mq_error *err);

/**
 * Order by descending probability; of equals the one that stands earlier.
 * @param ret_order int32 [n]: positions of the input, best first
 */
enum mq_status mq_rank_order(int64_t n, const float *prob, int32_t *ret_order,
                             struct mq_error *err);

#endif
