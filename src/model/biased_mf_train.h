/** Inside of model/biased_mf.h. */
#ifndef MQ_MODEL_BIASED_MF_TRAIN_H
#define MQ_MODEL_BIASED_MF_TRAIN_H

#include "model/biased_mf.h"

/** A model with its arrays, all zeros. */
enum mq_status mq_biased_mf_new(int32_t user_count, int32_t item_count, int32_t factors,
                                struct mq_biased_mf **ret_model, struct mq_error *err);

#endif
