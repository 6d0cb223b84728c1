/**
 * Recall channels, in one table: where candidates come from. A channel is named "method" in the
 * recall configuration, results and traces.
 */
#ifndef MQ_REC_CHANNEL_H
#define MQ_REC_CHANNEL_H

#include <stddef.h>

#include "data/catalogue.h"

enum mq_channel {
    MQ_CHANNEL_CATEGORY =
        0, /**< items that share a value with a played item; as enum mq_property */
    MQ_CHANNEL_DIRECTOR,
    MQ_CHANNEL_ACTOR,
    MQ_CHANNEL_LANGUAGE,
    MQ_CHANNEL_LEVEL,
    MQ_CHANNEL_YEAR,
    MQ_CHANNEL_PORTRAIT_CATEGORY, /**< items of the portrait's recent values */
    MQ_CHANNEL_PORTRAIT_DIRECTOR,
    MQ_CHANNEL_PORTRAIT_ACTOR,
    MQ_CHANNEL_PORTRAIT_LANGUAGE,
    MQ_CHANNEL_PORTRAIT_UB, /**< items nearest to the user's vector */
    MQ_CHANNEL_HEAT,        /**< hottest items of all */
    MQ_CHANNEL_NEW,         /**< new arrivals */
    MQ_CHANNEL_COUNT
};

/** "category", …, "portrait_category", …, "portrait_ub", "heat", "new". */
const char *mq_channel_name(enum mq_channel channel);

/** Channel of a name, or -1. */
int mq_channel_find(const char *name, size_t size);

/** Whether the channel reads the property lists of played items. */
static inline bool
mq_channel_is_property(enum mq_channel channel)
{
    return channel <= MQ_CHANNEL_YEAR;
}

/** Whether the channel reads the portrait's recent values. */
static inline bool
mq_channel_is_portrait(enum mq_channel channel)
{
    return channel >= MQ_CHANNEL_PORTRAIT_CATEGORY && channel <= MQ_CHANNEL_PORTRAIT_LANGUAGE;
}

/** Property that a property or portrait channel reads. */
static inline enum mq_property
mq_channel_property(enum mq_channel channel)
{
    return (enum mq_property)(channel <= MQ_CHANNEL_YEAR ? channel
                                                         : channel - MQ_CHANNEL_PORTRAIT_CATEGORY);
}

#endif
