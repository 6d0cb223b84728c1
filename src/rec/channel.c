#include "rec/channel.h"

#include <string.h>

static const char *const names[MQ_CHANNEL_COUNT] = {
    [MQ_CHANNEL_CATEGORY] = "category",
    [MQ_CHANNEL_DIRECTOR] = "director",
    [MQ_CHANNEL_ACTOR] = "actor",
    [MQ_CHANNEL_LANGUAGE] = "language",
    [MQ_CHANNEL_LEVEL] = "level",
    [MQ_CHANNEL_YEAR] = "year",
    [MQ_CHANNEL_PORTRAIT_CATEGORY] = "portrait_category",
    [MQ_CHANNEL_PORTRAIT_DIRECTOR] = "portrait_director",
    [MQ_CHANNEL_PORTRAIT_ACTOR] = "portrait_actor",
    [MQ_CHANNEL_PORTRAIT_LANGUAGE] = "portrait_language",
    [MQ_CHANNEL_PORTRAIT_UB] = "portrait_ub",
    [MQ_CHANNEL_HEAT] = "heat",
    [MQ_CHANNEL_NEW] = "new",
};

const char *
mq_channel_name(enum mq_channel channel)
{
    return names[channel];
}

int
mq_channel_find(const char *name, size_t size)
{
    for (int channel = 0; channel < MQ_CHANNEL_COUNT; channel++)
        if (strlen(names[channel]) == size && memcmp(names[channel], name, size) == 0)
            return channel;
    return -1;
}
