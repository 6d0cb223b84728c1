/**
 * Scores of all items for one user, by neighbours: which item comes next, not how it will be rated.
 *
 *   by items:  score[j] = Σ_h weight[h] · s(h,j)^power, h over the user's items, j over their lists
 *   by users:  score[j] = Σ_v s(u,v)^power, v over the user's neighbours that chose j
 *
 * (Deshpande & Karypis 2004; Sarwar et al. 2000.) Of each list the first `neighbours_max` count:
 * longer lists serve explanations, and predictions of ratings. Items that no list names score 0;
 * items of the user are scored like all others, leaving them out is the caller's. Lists hold no
 * negative scores.
 *
 * Threads: reentrant.
 */
#ifndef MQ_MODEL_NEIGHBOUR_RANKING_H
#define MQ_MODEL_NEIGHBOUR_RANKING_H

#include "model/neighbours.h"

/** How lists become scores. */
struct mq_rank_options {
    int32_t neighbours_max; /**< of a list, at least 1 */
    float recency; /**< of the user's own choices (mq_recency_weight). By items: here; by users:
                        in the likeness already, by options.recency or a query's weights */
    float power;   /**< 0…16 */
};

/** Best found (docs/decisions/neighbours.md), with lists by mq_neighbour_options_ranking, or for
 * items by mq_sequence_neighbours (in_time). */
struct mq_rank_options mq_rank_options_default(enum mq_neighbour_side side, bool in_time);

/**
 * @param items   lists of the items (neighbours.h or sequence_neighbours.h)
 * @param history the user's items from the oldest to the newest, in [0, items->count), [count]
 * @param weights [count] >= 0; NULL: by options->recency
 * @param ret_scores float32 [items->count]
 * Cost: O(count · neighbours_max + items).
 */
void mq_rank_by_items(const struct mq_neighbours *items, const int32_t *history,
                      const float *weights, int32_t count, const struct mq_rank_options *options,
                      float *ret_scores);

/**
 * @param list  the user's neighbours, in [0, user_count)
 * @param ret_scores float32 [matrix->item_count]
 * Cost: O(ratings of the neighbours + items).
 */
void mq_rank_by_users(const struct mq_rating_matrix *matrix, const struct mq_neighbour_list *list,
                      const struct mq_rank_options *options, float *ret_scores);

#endif
