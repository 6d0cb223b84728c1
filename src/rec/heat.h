/**
 * Heat of an item: how much it is played now, and how well it does where it is shown.
 *
 *   P_i = Σ over plays 2^(-age/half-life)          E_i = the same over exposures, at least P_i
 *   r_i = (P_i + m·r) / (E_i + m)                  r = Σ P / Σ E, m = prior in exposures
 *   heat_i = P_i · r_i / r
 *
 * The prior draws the play rate of a little-shown item to the mean, so one click is no hit; where
 * nothing but plays is known, every rate is 1 and heat is the decayed number of plays. Ages count
 * from the newest action of the log, not from the wall clock: an old log keeps its shape, and the
 * same log gives the same heat.
 *
 * Threads: reentrant.
 */
#ifndef MQ_REC_HEAT_H
#define MQ_REC_HEAT_H

#include <stdint.h>

#include "base/stream.h"
#include "data/catalogue.h"
#include "marquee/status.h"

/**
 * @param plays,exposures decayed counts P and E, double [count]; negative or not finite count as 0
 * @param prior m, at least 0
 * @param ret_heat double [count], each finite and at least 0
 */
void mq_heat_compute(int64_t count, const double *plays, const double *exposures, double prior,
                     double *ret_heat);

/** 2^(-age/half-life); 1 for an age below 0. @param half_life_s above 0 */
double mq_heat_decay(double age_s, double half_life_s);

/** Write {str id: float heat} of present items. Does not commit the writer. */
enum mq_status mq_heat_write(const struct mq_catalogue *catalogue, const double *heat,
                             struct mq_writer *writer, struct mq_error *err);

/**
 * Read it back by catalogue row; items that it lacks get 0, ids that are not known are passed over.
 * @param ret_heat double [catalogue->count]
 * @return MQ_OK | MQ_E_FORMAT
 */
enum mq_status mq_heat_read(const struct mq_catalogue *catalogue, struct mq_reader *reader,
                            double *ret_heat, struct mq_error *err);

#endif
