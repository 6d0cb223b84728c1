/**
 * Weights of methods, corrected by where they put the choices that were held out: what others add
 * is taken in, one by one (ensemble selection, Caruana et al. 2004).
 *
 * A conditional logit (rec/blend_learning.h) says how probable a choice was. Where a catalogue is
 * large and most choices surprise every method, it learns to expect nothing, though some methods
 * order films far better than others (docs/decisions/hybrid-blend.md). This goes by the order
 * alone.
 *
 * Threads: reentrant.
 */
#ifndef MQ_REC_BLEND_SELECTION_H
#define MQ_REC_BLEND_SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** Cases with their alternatives, the chosen film first. All borrowed. */
struct mq_blend_table {
    int64_t case_count;
    int32_t method_count;        /**< 1…MQ_METHOD_COUNT */
    size_t room;                 /**< rows that a case takes in `feature` */
    const int32_t *alternatives; /**< int32 [case_count] rows in use, at least 1 */
    const float *feature;        /**< float32 [case_count,room,method_count] scores */
};

/**
 * Of each case one over the chosen film's place by the weighted sum of scores; equal sums share
 * their places.
 * @param weight    double [method_count]
 * @param ret_ranks double [case_count], in (0, 1]; NULL: the mean alone
 * @return the mean; 0 without a case
 * Cost: a pass over the table.
 */
double mq_blend_reciprocal_ranks(const struct mq_blend_table *table, const double *weight,
                                 double *ret_ranks);

/**
 * Better weights, where there are clearly better ones: those of the best method alone; then those
 * of others, added one by one at an eighth to twice the greatest weight. Clearly: of 30 cases or
 * more, the mean rises by more than two and a half standard errors of the difference, case by case.
 * @param weight      double [method_count], in and out; at least 0
 * @param ret_changed whether they changed
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: at most 6 · method_count² passes, on this thread.
 */
enum mq_status mq_blend_select(const struct mq_blend_table *table, double *weight,
                               bool *ret_changed, struct mq_error *err);

#endif
