/**
 * Vectors for items that training never saw: a new film has no plays, yet recall and rank look its
 * vector up.
 *
 * Such an item gets the mean of the trained vectors of its groups (its categories), each weighed
 * evenly; without a trained item in any group, the mean of all trained vectors; without any trained
 * item at all, zeros. A mean is shorter than most vectors, so that an unknown film scores like an
 * average of its kind and does not crowd out films that are known to be liked.
 */
#ifndef MQ_MODEL_UNTRAINED_ITEMS_H
#define MQ_MODEL_UNTRAINED_ITEMS_H

#include <stdint.h>

#include "marquee/status.h"

/**
 * Overwrite the rows of untrained items.
 *
 * @param trained      uint8 [item_count]: 1 where training saw the item
 * @param group_count  groups are 0…group_count-1
 * @param group_offset int64 [item_count+1]; @param group int32: groups of each item
 * @param vectors      float32 [item_count, dim] row-major, updated
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O((items + entries)·dim).
 */
enum mq_status mq_untrained_items_fill(int32_t item_count, int32_t dim, const uint8_t *trained,
                                       int32_t group_count, const int64_t *group_offset,
                                       const int32_t *group, float *vectors, struct mq_error *err);

#endif
