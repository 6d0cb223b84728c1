/**
 * The engine of ranking evaluation: cases (eval/ranking_cases.h) in, a system's list for each, out
 * come the figures of every case at every cut, so that means, intervals, bands of users and
 * differences between systems can be had from them.
 *
 * A system either ranks (gives its list, as the product would) or scores (gives a score for each
 * item, of which the engine takes the best). Where cases have candidates, only scoring will do.
 */
#ifndef MQ_EVAL_RANKING_EVALUATION_H
#define MQ_EVAL_RANKING_EVALUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/progress.h"
#include "data/rating_matrix.h"
#include "eval/bootstrap.h"
#include "eval/item_genres.h"
#include "eval/ranking_cases.h"
#include "eval/ranking_metrics.h"

#define MQ_EVAL_CUTS_MAX 8
#define MQ_EVAL_CUT_MAX 1000

/** Figures of a list at a cut; what each is: eval/ranking_metrics.h, eval/item_genres.h. */
enum mq_list_figure {
    MQ_FIGURE_HIT_RATE = 0,
    MQ_FIGURE_RECALL,
    MQ_FIGURE_PRECISION,
    MQ_FIGURE_NDCG,
    MQ_FIGURE_MAP,
    MQ_FIGURE_MRR,
    MQ_FIGURE_NOVELTY,        /**< bits an entry; needs plays */
    MQ_FIGURE_POPULAR_SHARE,  /**< of entries; needs plays */
    MQ_FIGURE_DIVERSITY,      /**< needs a similarity or genres; undefined below two entries */
    MQ_FIGURE_MISCALIBRATION, /**< needs genres and a history; undefined without either mix */
    MQ_FIGURE_LENGTH,         /**< entries of the list, within the cut */
    MQ_LIST_FIGURE_COUNT
};

struct mq_list_figure_info {
    const char *key;   /**< "ndcg", as in "ndcg_10" */
    const char *title; /**< "NDCG", as in "NDCG@10" */
    int better;        /**< 1: more is better; -1: less is; 0: neither */
    int decimals;      /**< worth showing */
};

extern const struct mq_list_figure_info mq_list_figures[MQ_LIST_FIGURE_COUNT];

/** What is asked of every system. All borrowed. */
struct mq_ranking_task {
    const struct mq_ranking_cases *cases;
    int32_t item_count;
    int cut_count;                          /**< 1 … MQ_EVAL_CUTS_MAX */
    const int32_t *cuts;                    /**< [cut_count] ascending, 1 … MQ_EVAL_CUT_MAX */
    const struct mq_rating_matrix *history; /**< of the cases' users, what lists are made from: left
                                               out where all items are scored; NULL: none */
    const uint8_t *offered; /**< [item_count] may be shown; NULL: all. Not for candidates */
    const int64_t *plays;   /**< [item_count]; NULL: not measured */
    int32_t head;           /**< so many most played items are the popular ones */
    const struct mq_item_genres *genres; /**< NULL: not measured */
    mq_item_similarity_fn similarity;    /**< of diversity; NULL: by genres */
    const void *similarity_context;
    unsigned figures; /**< 1u << MQ_FIGURE_…, others are not measured; 0: all that can be */
};

/**
 * A list for a case.
 * @param worker    index of scratch, below the pool's threads
 * @param index     the case  @param user the case's user
 * @param k         entries wanted
 * @param ret_items int32 [k], best first, each once  @param ret_count at most k
 */
typedef enum mq_status (*mq_rank_fn)(void *context, int worker, int64_t index, int32_t user,
                                     int32_t k, int32_t *ret_items, int32_t *ret_count,
                                     struct mq_error *err);

/**
 * Scores for a case.
 * @param items      int32 [count]; NULL: all, 0 … count-1
 * @param ret_scores float32 [count]; NaN: never listed
 */
typedef enum mq_status (*mq_score_fn)(void *context, int worker, int64_t index, int32_t user,
                                      const int32_t *items, int32_t count, float *ret_scores,
                                      struct mq_error *err);

/** A system; either function may be NULL. Both are called from the pool's threads. */
struct mq_ranking_system {
    const char *name; /**< for messages */
    mq_rank_fn rank;  /**< taken where all items are ranked, if there is one */
    mq_score_fn score;
    void *context;
};

/** Zero-initialise; then mq_ranking_result_release. */
struct mq_ranking_result {
    int64_t count; /**< cases */
    int cut_count;
    int32_t cuts[MQ_EVAL_CUTS_MAX];
    double *figure[MQ_LIST_FIGURE_COUNT]; /**< [cut_count, count]; NULL: not measured. Of novelty
                                             and popular share the sum over the list's entries */
    double *length;                       /**< [cut_count, count] entries: the weight of those */
    double coverage[MQ_EVAL_CUTS_MAX];    /**< of what may be shown, by all lists together */
};

/**
 * Evaluate one system.
 * @param progress counted up by cases; may be NULL
 * @return MQ_OK (also without a case) | MQ_E_RANGE (cuts; a list with an item out of range or
 *         twice) | MQ_E_USAGE (a system that cannot do what the cases ask) | MQ_E_NOMEM |
 *         MQ_E_CANCELLED | the failure of a system
 * Threads: uses the pool (NULL: none); the result does not depend on it.
 * Cost: one call a case; 8 bytes a case, cut and figure.
 */
enum mq_status mq_ranking_evaluate(const struct mq_ranking_task *task,
                                   const struct mq_ranking_system *system, struct mq_pool *pool,
                                   struct mq_progress *progress,
                                   struct mq_ranking_result *ret_result, struct mq_error *err);

/** A figure at a cut (by its place in cuts) as a ratio over cases; borrowed from the result.
 * Not measured: sum NULL. */
struct mq_bootstrap_column mq_ranking_column(const struct mq_ranking_result *result,
                                             enum mq_list_figure figure, int cut);

/** Its value over all cases; NaN where undefined or not measured. */
double mq_ranking_figure(const struct mq_ranking_result *result, enum mq_list_figure figure,
                         int cut);

void mq_ranking_result_release(struct mq_ranking_result *result);

#endif
