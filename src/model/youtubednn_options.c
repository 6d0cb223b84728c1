#include <string.h>

#include "model/youtubednn_train.h"

void
mq_youtubednn_options_read(const struct mq_config *config,
                           struct mq_youtubednn_options *ret_options)
{
    static const char *const sources[] = {"uniform", "popularity", "in-batch", "all"};
    const char *source = mq_config_text(config, "youtubednn.negative_source");
    struct mq_youtubednn_options o = {
        .pooling = strcmp(mq_config_text(config, "youtubednn.pooling"), "mean") == 0
                       ? MQ_POOLING_MEAN
                       : MQ_POOLING_POSITION,
        .heads = (int32_t)mq_config_int(config, "youtubednn.heads"),
        .negatives = (int32_t)mq_config_int(config, "youtubednn.negatives"),
        .batch = (int32_t)mq_config_int(config, "youtubednn.batch"),
        .run = (int32_t)mq_config_int(config, "youtubednn.run"),
        .epochs = (int32_t)mq_config_int(config, "youtubednn.epochs"),
        .samples_max = mq_config_int(config, "youtubednn.samples_max"),
        .patience = (int32_t)mq_config_int(config, "youtubednn.patience"),
        .validation_users = (int32_t)mq_config_int(config, "youtubednn.validation_users"),
        .rate = (float)mq_config_real(config, "youtubednn.rate"),
        .rate_end = (float)mq_config_real(config, "youtubednn.rate_end"),
        .l2 = (float)mq_config_real(config, "youtubednn.l2"),
        .user_dropout = (float)mq_config_real(config, "youtubednn.user_dropout"),
        .user_deviation = (float)mq_config_real(config, "youtubednn.user_deviation"),
        .item_deviation = (float)mq_config_real(config, "youtubednn.item_deviation"),
    };
    for (int i = 0; i < 4; i++)
        if (strcmp(source, sources[i]) == 0)
            o.negative_source = (enum mq_negative_source)i;
    *ret_options = o;
}
