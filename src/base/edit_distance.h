/**
 * Edit distance of two short names, for "did you mean". Threads: reentrant.
 */
#ifndef MQ_BASE_EDIT_DISTANCE_H
#define MQ_BASE_EDIT_DISTANCE_H

#include <stddef.h>

/** Longest second name that is compared; a longer one is at distance SIZE_MAX. */
#define MQ_EDIT_DISTANCE_MAX 127

/**
 * Least number of inserted, dropped or replaced bytes between a and b (Levenshtein 1966).
 * Cost: O(|a|·|b|).
 */
size_t mq_edit_distance(const char *a, const char *b);

#endif
