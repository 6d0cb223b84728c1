#include "data/bronze_span.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

enum mq_status
mq_bronze_spans_of_time(struct mq_event_log *log, const char *topic, int64_t from_ms, int64_t to_ms,
                        struct mq_bronze_span *ret_spans, int *ret_count, struct mq_error *err)
{
    struct mq_bronze_span spans[MQ_PARTITIONS_MAX];
    int partitions;
    enum mq_status st = mq_event_log_partitions(log, topic, &partitions, err);
    for (int p = 0; st == MQ_OK && p < partitions; p++) {
        int64_t first, end;
        st = mq_event_log_bounds(log, topic, p, &first, &end, err);
        if (st == MQ_OK && to_ms < mq_clock_now_ms())
            st = mq_event_log_offset_at(log, topic, p, to_ms, &end, err);
        if (st == MQ_OK)
            st = mq_event_log_offset_at(log, topic, p, from_ms, &first, err);
        spans[p] = (struct mq_bronze_span){MQ_MIN(first, end), end};
    }
    if (st != MQ_OK)
        return st;
    for (int p = 0; p < partitions; p++)
        ret_spans[p] = spans[p];
    *ret_count = partitions;
    return MQ_OK;
}

enum mq_status
mq_bronze_spans_held(struct mq_event_log *log, const char *topic,
                     const struct mq_bronze_span *spans, int count, struct mq_bronze_span *ret_held,
                     struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (int p = 0; st == MQ_OK && p < count; p++) {
        int64_t first, end;
        st = mq_event_log_bounds(log, topic, p, &first, &end, err);
        if (st == MQ_OK)
            ret_held[p] =
                (struct mq_bronze_span){MQ_MAX(spans[p].first, first), MQ_MIN(spans[p].end, end)};
    }
    return st;
}

/* Digits as a number below INT64_MAX; the text goes on behind them. */
static bool
take_number(const char **text, int64_t *ret_number)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    long long number = strtoll(*text, &end, 10);
    *text = end;
    *ret_number = number;
    return errno == 0 && number < INT64_MAX;
}

enum mq_status
mq_bronze_span_parse(const char *text, int32_t *ret_partition, struct mq_bronze_span *ret_span,
                     struct mq_error *err)
{
    const char *p = text;
    int64_t partition, first, last;
    bool ok = take_number(&p, &partition) && *p++ == ':' && take_number(&p, &first);
    last = ok ? first : 0;
    if (ok && *p == '-') {
        p++;
        ok = take_number(&p, &last);
    }
    if (!ok || *p != '\0' || partition >= MQ_PARTITIONS_MAX || last < first)
        return mq_fail(
            err, MQ_E_RANGE,
            "'%.64s' is no stretch of offsets (allowed: PARTITION:FIRST-LAST, as 0:120-250)", text);
    *ret_partition = (int32_t)partition;
    *ret_span = (struct mq_bronze_span){first, last + 1};
    return MQ_OK;
}
