/**
 * How well the whole path (recall, rank, filter) finds each user's held-out play, beside a baseline
 * that offers everybody what is played most.
 *
 * Of each user of a split the state (history, portrait, user vector) is rebuilt from the plays
 * before the held-out one, and the list of the held-out programme's type is made as `recommend`
 * makes it. What the snapshot holds is taken as it is: models, heat and channel weights that were
 * made from all plays have seen the held-out ones, and flatter the result.
 */
#ifndef MQ_EVAL_HELD_OUT_EVALUATION_H
#define MQ_EVAL_HELD_OUT_EVALUATION_H

#include <stdint.h>

#include "base/pool.h"
#include "base/progress.h"
#include "eval/splits.h"
#include "rec/channel.h"
#include "rec/snapshot.h"

/** The two cuts: what a page shows, and what a person may scroll to. */
#define MQ_EVAL_PAGE 10
#define MQ_EVAL_SCROLL 50

/** Means over users, and of all lists together; see eval/ranking_metrics.h. */
struct mq_list_quality {
    double hit_10, hit_50, ndcg_10;
    double mrr_50;
    double coverage_10;   /**< of the programmes that may be offered */
    double novelty_10;    /**< bits */
    double popular_10;    /**< share of entries among the most played tenth of the catalogue */
    double mean_count_50; /**< entries a list, within 50 */
};

/** What a channel brought. */
struct mq_channel_hits {
    int64_t entries_50;     /**< of final lists, within 50 */
    int64_t hits_10;        /**< held-out programmes in final lists, within 10 */
    int64_t hits_50;        /**< within 50 */
    int64_t candidate_hits; /**< among recall's candidates, before rank and filter */
};

/** Row of the diversity picks, which no channel brought. */
#define MQ_EVAL_DIVERSITY MQ_CHANNEL_COUNT

struct mq_held_out_report {
    int64_t users;
    int64_t barred; /**< held-out programmes that may not be offered now: misses for both */
    struct mq_list_quality path, popularity;
    double candidate_hit_rate; /**< users whose held-out programme is among the candidates */
    struct mq_channel_hits channel[MQ_CHANNEL_COUNT + 1];
};

/**
 * Evaluate.
 *
 * The baseline orders what may be offered by plays, those of the held-out users counted up to the
 * held-out play, and leaves out what the user has played.
 *
 * @param actions  plays of the snapshot's catalogue
 * @param split    of these actions; at least one user
 * @param progress counted up by users; may be NULL
 * @return MQ_OK | MQ_E_INPUT (no user) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Threads: uses the pool; the report does not depend on the number of threads.
 * Cost: one mq_recommend a user; 96 bytes a user.
 */
enum mq_status mq_held_out_evaluate(const struct mq_snapshot *snapshot,
                                    const struct mq_actions *actions, const struct mq_split *split,
                                    struct mq_pool *pool, struct mq_progress *progress,
                                    struct mq_held_out_report *ret_report, struct mq_error *err);

#endif
