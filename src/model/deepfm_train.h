/**
 * Training DeepFM step by step: what mq_deepfm_train does in a loop, open for its tests.
 * Threads: one trainer, one thread at a time (it spreads its own work over the pool).
 */
#ifndef MQ_MODEL_DEEPFM_TRAIN_H
#define MQ_MODEL_DEEPFM_TRAIN_H

#include "model/deepfm.h"

struct mq_deepfm_trainer;

/**
 * Fill a model's parameters: w and offsets 0; v normal with deviation 0.01; kernels uniform within
 * ±sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010); bias the log-odds of the label.
 */
void mq_deepfm_initialise(struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                          uint64_t seed);

/** @param model,rows borrowed, checked by mq_deepfm_rows_check; labels there */
enum mq_status mq_deepfm_trainer_new(struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                                     const struct mq_deepfm_options *options, struct mq_pool *pool,
                                     struct mq_deepfm_trainer **ret_trainer, struct mq_error *err);
/** NULL allowed. */
void mq_deepfm_trainer_free(struct mq_deepfm_trainer *trainer);

/**
 * One step of Adam on the rows order[0…n), n <= options->batch.
 * @param ret_loss their mean log-loss before the step, without L2; may be NULL
 */
enum mq_status mq_deepfm_trainer_step(struct mq_deepfm_trainer *trainer, const int32_t *order,
                                      int32_t n, double *ret_loss, struct mq_error *err);

#endif
