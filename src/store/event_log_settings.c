#include "store/event_log_settings.h"

#define HOUR_MS 3600000

struct mq_log_retention
mq_event_log_retention_of(const struct mq_config *config)
{
    return (struct mq_log_retention){
        .age_ms = (int64_t)(mq_config_real(config, "events.retention_hours") * HOUR_MS),
        .partition_bytes = mq_config_int(config, "events.retention_mb") << 20};
}

enum mq_status
mq_event_log_open_configured(const struct mq_config *config, struct mq_event_log **ret_log,
                             struct mq_error *err)
{
    const struct mq_log_retention retention = mq_event_log_retention_of(config);
    enum mq_status st =
        mq_event_log_open_with(mq_config_text(config, "events.log"),
                               mq_config_text(config, "kafka.properties"), ret_log, err);
    if (st == MQ_OK)
        mq_event_log_set_retention(*ret_log, retention);
    return st;
}

enum mq_status
mq_event_log_need_topic(const struct mq_config *config, struct mq_event_log *log,
                        struct mq_error *err)
{
    return mq_event_log_ensure_topic(log, mq_config_text(config, "events.topic"),
                                     (int)mq_config_int(config, "events.partitions"), NULL, err);
}
