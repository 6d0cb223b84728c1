/**
 * Made-up words: titles, people, sentences. The same generator state gives the same text.
 * Threads: reentrant.
 */
#ifndef MQ_DATA_SIMULATED_NAMES_H
#define MQ_DATA_SIMULATED_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

/** Room for any text made here. */
#define MQ_SIMULATED_TEXT_SIZE 256

/** A title; in Chinese characters where `chinese`. */
void mq_simulated_title(struct mq_rng *rng, bool chinese, char ret_text[MQ_SIMULATED_TEXT_SIZE]);

/** The name of person number n: the same number always has the same name under one seed. */
void mq_simulated_person(uint64_t seed, uint32_t n, char ret_text[MQ_SIMULATED_TEXT_SIZE]);

/** One sentence about a programme of a genre. */
void mq_simulated_description(struct mq_rng *rng, const char *genre, const char *person,
                              char ret_text[MQ_SIMULATED_TEXT_SIZE]);

#endif
