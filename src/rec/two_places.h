/**
 * Numbers with two decimal places, exactly as Python's round(x, 2) and '%.2f' give them (rounding
 * the binary value, halves of it to even), without the cost of printf for each.
 */
#ifndef MQ_REC_TWO_PLACES_H
#define MQ_REC_TWO_PLACES_H

#include <stddef.h>

/** x rounded to 2 places; x itself where it is not finite or beyond 1e12. */
double mq_two_places(double x);

/** Largest text of mq_two_places_format, NUL included. */
#define MQ_TWO_PLACES_MAX 336

/** '%.2f' of x. @return bytes written without the NUL */
size_t mq_two_places_format(double x, char *ret_text);

#endif
