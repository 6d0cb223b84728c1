/**
 * Recall: a user's candidates, merged from all channels.
 *
 * Each list that a channel reads (the items of one value, of one user vector, of the heat) gives
 * its first `topn` items that may be offered and that the user has not played. Place `pos` of `len`
 * scores (len-1-pos)·w + b, or the inner product where the channel has no pos_weights. `hits`
 * counts the lists that name an item: a value counts once, however many plays share it and however
 * often they were repeated. An item's score is the greatest mt_weight·(score + hits) of its places,
 * the first of equals; candidates are those with the `merge_cnt` greatest scores, best first, of
 * equals the one met first (channels in the configuration's order, newest plays first).
 *
 * Threads: reentrant, one scratch a thread. Golden: tests/golden/recall_golden.py
 */
#ifndef MQ_REC_RECALL_H
#define MQ_REC_RECALL_H

#include <stdint.h>

#include "rec/snapshot.h"
#include "rec/user_state.h"

struct mq_candidate {
    int32_t item;     /**< catalogue row */
    int32_t channel;  /**< enum mq_channel that gave the score */
    int32_t position; /**< place in that channel's list, from 0 */
    int32_t hits;     /**< lists that name the item */
    int32_t value;    /**< property value whose list it was, -1 where the channel has none */
    double score;
};

/** Work space, by catalogue row; kept from user to user. */
struct mq_recall_scratch;

enum mq_status mq_recall_scratch_new(const struct mq_snapshot *snapshot,
                                     struct mq_recall_scratch **ret_scratch, struct mq_error *err);
/** NULL allowed. */
void mq_recall_scratch_free(struct mq_recall_scratch *scratch);

/**
 * Inner products of user vectors with the items of an offer, for a block of users at once: the
 * same bits that a user alone gets, so that no list depends on who else is in the block, the shard
 * or the request.
 * @param users float32 [n, 32]; @param ret_scores float32 [n, offer->vector_count]
 */
void mq_recall_vector_scores(const struct mq_offer *offer, int64_t n, const float *users,
                             float *ret_scores);

/**
 * Candidates of one user.
 * @param vector_scores this user's row of mq_recall_vector_scores, used up; NULL: the snapshot's
 *                      graph is searched; where it has none, or the graph's answers were mostly
 *                      played or barred, every vector is looked at
 * @param ret_candidates [merge_cnt], best first; @param ret_count how many
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O(plays + lists·topn); the vector channel O(32·items).
 */
enum mq_status mq_recall(const struct mq_snapshot *snapshot, enum mq_program_type type,
                         const struct mq_user_state *user, float *vector_scores,
                         struct mq_recall_scratch *scratch, struct mq_candidate *ret_candidates,
                         int32_t *ret_count, struct mq_error *err);

/** Whether the user of the last mq_recall (or mq_recall_mark) with this scratch played a row. */
bool mq_recall_was_played(const struct mq_recall_scratch *scratch, int32_t row);

/**
 * Merged score and hits of an item that a list of the last mq_recall named, whether it was kept or
 * cut. False where no list did.
 */
bool mq_recall_merged(const struct mq_recall_scratch *scratch, int32_t row, double *ret_score,
                      int32_t *ret_hits);

/** Note what a user played, as mq_recall does first: for filter and explain alone. */
void mq_recall_mark(struct mq_recall_scratch *scratch, const struct mq_user_state *user);

#endif
