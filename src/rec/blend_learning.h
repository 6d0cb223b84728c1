/**
 * Learning how methods are blended: from choices that were held out when they were trained.
 *
 * Of each case the user's standardised scores (rec/blended_scores.h) are made by every method. The
 * alternatives are the held-out film, the best films by each method that the user had not rated,
 * which the blend will have to order, and some others by chance: without those a method that ranks
 * all films well, but lets others have the top, counts for too little (docs/decisions/
 * hybrid-blend.md). Weights are those of a conditional logit
 * (model/choice_model.h) of which alternative was chosen, none below 0: so the blend is fitted to
 * the order at the top of the lists, not guessed. Then the method of least weight is left out, as
 * long as the choices are explained about as well without it: what says nothing new is not asked
 * again at each request. Last, other weights are taken where they put the choices clearly higher
 * (rec/blend_selection.h).
 *
 * Threads: one call at a time per pool. The weights do not depend on the number of threads.
 */
#ifndef MQ_REC_BLEND_LEARNING_H
#define MQ_REC_BLEND_LEARNING_H

#include "base/pool.h"
#include "model/hybrid.h"

/** Best films of each method that are alternatives. */
#define MQ_BLEND_ALTERNATIVES 100

/** Most cases: their scores are kept, 4 bytes a method and alternative. */
#define MQ_BLEND_CASES_MAX 10000

#define MQ_BLEND_OTHERS_MAX 10000

/** Most memory of the cases' scores; a fit takes as much again. */
#define MQ_BLEND_BYTES_MAX ((size_t)1 << 30)

/** Choices that the model does not know. All borrowed. */
struct mq_blend_cases {
    int64_t count;       /**< 0…MQ_BLEND_CASES_MAX */
    const int32_t *user; /**< [count] codes of the model */
    const int32_t *item; /**< [count] the film chosen next, unrated by the user in the model */
};

struct mq_blend_options {
    int32_t others; /**< films drawn for each case, 0…MQ_BLEND_OTHERS_MAX; those the user rated or
                         that are alternatives already are passed over */
    uint64_t seed;  /**< of these */
    double worth;   /**< nats of mean loss that a method must be worth, at least 0 */
};

struct mq_blend_report {
    int64_t cases, alternatives;
    double loss;         /**< mean of -log P(chosen), in nats */
    double loss_uniform; /**< of a blend that knows nothing */
    bool by_order;       /**< other weights put the choices higher, and `loss` is not theirs */
};

/**
 * @param hybrid trained without the cases; its blend is not looked at
 * @param ret_blend float32 [MQ_METHOD_COUNT], at least 0; without a case, or where no method
 *                  explains the choices nor puts them clearly higher than chance would, all
 *                  that the model has weigh the same
 * @param ret_report may be NULL
 * @return MQ_OK | MQ_E_RANGE (more cases or others than allowed, or together more than
 *         MQ_BLEND_BYTES_MAX: names the settings) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: every method's scores for every case; then up to 8 fits, and mq_blend_select.
 */
enum mq_status mq_blend_learn(const struct mq_hybrid *hybrid, const struct mq_blend_cases *cases,
                              const struct mq_blend_options *options, struct mq_pool *pool,
                              float *ret_blend, struct mq_blend_report *ret_report,
                              struct mq_error *err);

#endif
