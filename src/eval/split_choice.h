/**
 * The split that the settings eval.split and eval.share ask for, and the sentence that says so.
 * Threads: reentrant.
 */
#ifndef MQ_EVAL_SPLIT_CHOICE_H
#define MQ_EVAL_SPLIT_CHOICE_H

#include "config/options.h"
#include "eval/rating_splits.h"

/** Longest sentence, NUL included. */
#define MQ_PROTOCOL_SIZE 320

/**
 * @param seed     of what is drawn
 * @param ret_marks uint8 [matrix->count]
 * @param ret_protocol [MQ_PROTOCOL_SIZE] what is held out, and among what it is looked for
 * @return as mq_split_… | MQ_E_INPUT (nothing is held out: users with one rating only)
 */
enum mq_status mq_split_chosen(const struct mq_rating_matrix *matrix,
                               const struct mq_config *config, uint64_t seed, uint8_t *ret_marks,
                               char *ret_protocol, struct mq_error *err);

#endif
