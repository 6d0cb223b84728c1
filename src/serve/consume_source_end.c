/* Whether a source has come to its end: by its own lanes, and by what other members have written.
 */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/memory.h"
#include "serve/consume_source.h"

/* until_end: how often others' partitions are looked at. */
#define OTHERS_SECONDS 0.5
/* A stretch of others' that may hold no event is read for so long at most, and so often. */
#define PROBE_SECONDS 5.0
#define PROBE_PAUSE_SECONDS 2.0
#define PROBE_POLL_MS 50

/* Whether the log holds an event of a partition in [from, end): offsets may stand for none. Where
 * it does not say in time, yes. */
static bool
holds_events(struct mq_source *s, int32_t partition, int64_t from, int64_t end)
{
    const struct mq_consumer_options options = {.topic = s->topic};
    struct mq_consumer *reader;
    double until = mq_clock_monotonic_s() + PROBE_SECONDS;
    bool holds = true, known = false;
    if (mq_consumer_new(s->work->options->log, &options, &reader, NULL) != MQ_OK)
        return true;
    enum mq_status st = mq_consumer_seek(reader, (struct mq_position){partition, from}, NULL);
    while (st == MQ_OK && !known && mq_clock_monotonic_s() < until && !mq_cancel_requested()) {
        const struct mq_event *events;
        size_t count;
        st = mq_consumer_poll(reader, MQ_EVENTS_BATCH_MAX, PROBE_POLL_MS, &events, &count, NULL);
        for (size_t i = 0; st == MQ_OK && !known && i < count; i++)
            known = events[i].partition == partition && events[i].offset >= from;
        if (known || st != MQ_OK)
            break;
        known = mq_consumer_position(reader, partition) >= end;
        holds = !known;
    }
    mq_consumer_close(reader);
    return holds;
}

/* Where another's partition is committed short of its end, and nothing is said to lie between. */
static bool
ends_in_markers(struct mq_source *s, int32_t partition, int64_t committed)
{
    double now = mq_clock_monotonic_s();
    int64_t first, end;
    if (now - s->probed_s < PROBE_PAUSE_SECONDS ||
        mq_event_log_bounds(s->work->options->log, s->topic, partition, &first, &end, NULL) !=
            MQ_OK)
        return false;
    s->probed_s = now;
    first = MQ_MAX(first, committed);
    return first >= s->ends[partition] || !holds_events(s, partition, first, s->ends[partition]);
}

/* Whether the partitions of others are committed up to the end; a member that died without a word
 * holds its own for a while, and then they come to us. */
static bool
others_are_done(struct mq_source *s)
{
    double now = mq_clock_monotonic_s();
    if (now - s->others_s < OTHERS_SECONDS)
        return false;
    s->others_s = now;
    for (int p = 0; p < s->lane_count; p++) {
        int64_t committed = -1;
        if (s->lanes[p].owned || s->ends[p] == 0)
            continue;
        if (mq_consumer_committed(s->consumer, p, &committed, NULL) != MQ_OK)
            return false;
        if (committed >= s->ends[p])
            continue;
        if (!ends_in_markers(s, p, committed))
            return false;
        s->ends[p] = MQ_MAX(committed, (int64_t)0); /* the rest is no event */
    }
    return true;
}

bool
mq_source_at_end(struct mq_source *s)
{
    bool all = true;
    for (int p = 0; p < s->lane_count; p++) {
        const struct mq_lane *lane = &s->lanes[p];
        int64_t next = lane->known ? lane->expected : MQ_MAX(lane->position, (int64_t)0);
        bool half = lane->adopting && lane->batch.count > 0 && !lane->complete;
        next = MQ_MAX(next, lane->reached);
        if (lane->owned && (next < s->ends[p] || half || lane->job != NULL || lane->seek_to >= 0))
            return false;
        all = all && (lane->owned || s->ends[p] == 0);
    }
    return all || s->work->options->replay || others_are_done(s);
}

void
mq_source_replayed(const struct mq_source *s, int64_t *ret_ends, int count)
{
    for (int p = 0; p < MQ_MIN(count, s->lane_count); p++) {
        const struct mq_lane *lane = &s->lanes[p];
        bool all = s->ends[p] > 0 && lane->reached >= s->ends[p];
        ret_ends[p] =
            all ? MQ_MIN(lane->known ? lane->expected : lane->position, s->ends[p]) : s->ends[p];
    }
}
