/**
 * Neighbours in time: which items are chosen shortly after an item, by how many and how soon.
 *
 *   s(a→b) = Σ_u w(|p_u(b) - p_u(a)|) · (1 if b came after a, else backward) / √(n_a · n_b),
 *   w(d) = e^(-(d-1)/decay) for 1 ≤ d ≤ window, else 0,
 *
 * p_u the place in the user's choices from the oldest to the newest, n how many chose an item. It
 * is the cosine of choices where only what was chosen close together counts, with a direction; with
 * a list of the user's newest items (mq_rank_by_items, mq_recency_weight) it says what comes
 * next. A Markov chain that looks several steps back (cf. Shani et al. 2005; Rendle et al. 2010),
 * and far better here than the cosine of whole histories: docs/decisions/neighbours.md.
 *
 * Linear in ratings: 2 · window additions each. Threads: see the function.
 */
#ifndef MQ_MODEL_SEQUENCE_NEIGHBOURS_H
#define MQ_MODEL_SEQUENCE_NEIGHBOURS_H

#include "model/neighbours.h"

/** Widest window. */
#define MQ_SEQUENCE_WINDOW_MAX 1024

struct mq_sequence_options {
    int32_t window;     /**< 1…MQ_SEQUENCE_WINDOW_MAX */
    float decay;        /**< > 0 */
    float backward;     /**< 0…1: what came before counts so much of what came after */
    int32_t shared_min; /**< fewer users who chose both within a window: no neighbour; at least 1 */
    int32_t k;          /**< 1…MQ_NEIGHBOUR_K_MAX */
};

/** Best found (docs/decisions/neighbours.md). */
struct mq_sequence_options mq_sequence_options_default(void);

/**
 * Lists of all items. `shared` is how many users chose both within a window, in either order (with
 * backward 0: b after a).
 * @param matrix its order in time counts, not its ratings
 * @param ret_neighbours overwritten, to be released; untouched on failure
 * @return MQ_OK | MQ_E_RANGE (options) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Threads: uses the pool (NULL: this thread alone); the result does not depend on it.
 * Cost: O(ratings · window + items · items / 16). Memory: 12 bytes a rating, 12 an item and thread,
 * and the lists.
 */
enum mq_status mq_sequence_neighbours(const struct mq_rating_matrix *matrix,
                                      const struct mq_sequence_options *options,
                                      struct mq_pool *pool, struct mq_neighbours *ret_neighbours,
                                      struct mq_error *err);

#endif
