/**
 * What the event log says of a topic's two ends: which offsets it holds, and how far a group came.
 * Records prove the chain between its own first and last batch; that none is missing before and
 * behind, only the log can tell. Ask before the records are read: then a consumer that runs
 * meanwhile does no harm. Threads: reentrant.
 */
#ifndef MQ_DATA_BRONZE_ENDS_H
#define MQ_DATA_BRONZE_ENDS_H

#include <stdbool.h>

#include "store/event_log.h"

/** Of one partition. */
struct mq_bronze_end {
    int64_t held;      /**< first offset that the log holds */
    int64_t end;       /**< offset the next event will get */
    int64_t committed; /**< by the group; -1: nothing */
};

struct mq_bronze_ends {
    char topic[MQ_TOPIC_NAME_MAX + 1], group[MQ_TOPIC_NAME_MAX + 1];
    bool is_known;
    char why_not[512]; /**< the log could not be asked: why */
    int count;
    struct mq_bronze_end ends[MQ_PARTITIONS_MAX]; /**< [count] by partition; is_known */
};

/**
 * Ask. A log that does not answer, or has no such topic, is no failure: ret_ends says why.
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (no name of a topic or group)
 */
enum mq_status mq_bronze_ends_ask(struct mq_event_log *log, const char *topic, const char *group,
                                  struct mq_bronze_ends *ret_ends, struct mq_error *err);

/** That nobody was asked. @param why as "there is no event log at …" */
void mq_bronze_ends_unknown(const char *topic, const char *group, const char *why,
                            struct mq_bronze_ends *ret_ends);

#endif
