/**
 * eval --ratings and eval --train: the hybrid model rebuilt on a part of the ratings and held
 * against the rest. Threads: main.
 */
#ifndef MQ_CLI_EVAL_HYBRID_H
#define MQ_CLI_EVAL_HYBRID_H

#include "cli/command.h"

/** Ratings of silver, split as eval.split says. */
enum mq_status mq_cli_eval_ratings(struct mq_cli *cli, struct mq_error *err);
/** A split that was made elsewhere: --train, --validation, --test, --negatives. */
enum mq_status mq_cli_eval_files(struct mq_cli *cli, struct mq_error *err);

#endif
