/**
 * The whole path for one user: recall, rank, filter, with reasons on request. What the command
 * `recommend` and the server call; the nightly batch runs the same stages.
 *
 * Threads: reentrant, one session a thread.
 */
#ifndef MQ_REC_RECOMMEND_H
#define MQ_REC_RECOMMEND_H

#include "rec/filter.h"
#include "rec/rank.h"

/** Work space of one thread over one snapshot. */
struct mq_session;

/** @param snapshot borrowed, must outlive the session */
enum mq_status mq_session_new(const struct mq_snapshot *snapshot, struct mq_session **ret_session,
                              struct mq_error *err);
/** NULL allowed. */
void mq_session_free(struct mq_session *session);

/** A user's list and what led to it; borrowed from the session until its next use. */
struct mq_recommendation_list {
    int32_t candidate_count;
    const struct mq_candidate *candidates; /**< recall's, best first */
    const float *prob;                     /**< [candidate_count] */
    const int32_t *rank_position;          /**< [candidate_count] */
    int32_t count;
    const struct mq_list_entry *entries; /**< the final list */
};

/**
 * A list for a user. A user of whom nothing is known gets heat and new arrivals.
 */
enum mq_status mq_recommend(struct mq_session *session, enum mq_program_type type,
                            const struct mq_user_state *user,
                            struct mq_recommendation_list *ret_list, struct mq_error *err);

/**
 * Build a user's portrait, vector included, from the history, when none is stored. Plays must be
 * oldest first.
 * @param portrait zeroed or reset by the caller
 */
enum mq_status mq_recommend_portrait(const struct mq_snapshot *snapshot,
                                     const struct mq_user_state *user, struct mq_portrait *portrait,
                                     struct mq_error *err);

#endif
