#include "data/bronze_ends.h"

#include <stdio.h>

#include "base/memory.h"

void
mq_bronze_ends_unknown(const char *topic, const char *group, const char *why,
                       struct mq_bronze_ends *ret_ends)
{
    *ret_ends = (struct mq_bronze_ends){.count = 0};
    snprintf(ret_ends->topic, sizeof(ret_ends->topic), "%s", topic);
    snprintf(ret_ends->group, sizeof(ret_ends->group), "%s", group);
    snprintf(ret_ends->why_not, sizeof(ret_ends->why_not), "%s", why);
}

enum mq_status
mq_bronze_ends_ask(struct mq_event_log *log, const char *topic, const char *group,
                   struct mq_bronze_ends *ret_ends, struct mq_error *err)
{
    struct mq_error own = {0};
    int64_t committed[MQ_PARTITIONS_MAX];
    mq_autofree struct mq_bronze_ends *ends = malloc(sizeof(*ends));
    if (ends == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the ends of a topic");
    mq_bronze_ends_unknown(topic, group, "", ends);
    enum mq_status st = mq_event_log_partitions(log, topic, &ends->count, &own);
    /* How far the group came first: the log holds all of that. */
    if (st == MQ_OK)
        st = mq_event_log_committed(log, topic, group, ends->count, committed, &own);
    for (int p = 0; st == MQ_OK && p < ends->count; p++) {
        ends->ends[p].committed = committed[p];
        st = mq_event_log_bounds(log, topic, p, &ends->ends[p].held, &ends->ends[p].end, &own);
    }
    if (st == MQ_E_NOMEM || st == MQ_E_RANGE) {
        if (err != NULL)
            *err = own;
        return st;
    }
    ends->is_known = st == MQ_OK;
    if (st != MQ_OK)
        snprintf(ends->why_not, sizeof(ends->why_not), "%.500s", own.message);
    *ret_ends = *ends;
    return MQ_OK;
}
