#include "serve/consume_lane.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void
mq_lane_init(struct mq_lane *lane, const char *topic, int32_t partition)
{
    *lane = (struct mq_lane){.topic = topic,
                             .partition = partition,
                             .position = -1,
                             .expected = -1,
                             .limit = INT64_MAX,
                             .to_commit = -1,
                             .seek_to = -1,
                             .gap_at = -1};
}

void
mq_lane_reset(struct mq_lane *lane)
{
    mq_bronze_batch_release(&lane->batch);
    mq_bronze_record_release(&lane->adopted);
    mq_lane_init(lane, lane->topic, lane->partition);
}

void
mq_lane_assign(struct mq_lane *lane, int64_t position)
{
    mq_lane_reset(lane);
    lane->owned = true;
    lane->position = position >= 0 ? position : -1;
}

/* Begin an empty batch at the expected offset. */
static void
begin_batch(struct mq_lane *lane)
{
    lane->batch.topic = lane->topic;
    lane->batch.partition = lane->partition;
    lane->batch.first = lane->batch.end = lane->expected;
    lane->batch.lost = 0;
    lane->complete = false;
}

static void
drop_batch(struct mq_lane *lane)
{
    mq_bronze_batch_release(&lane->batch);
    begin_batch(lane);
}

/* The first offset that the batch at hand does not take. */
static int64_t
bound_of(const struct mq_lane *lane)
{
    return lane->adopting ? lane->adopted.end : lane->limit;
}

enum mq_status
mq_lane_take(struct mq_lane *lane, const struct mq_event *event, enum mq_lane_answer *ret_answer,
             struct mq_error *err)
{
    *ret_answer = MQ_LANE_IGNORED;
    if (!lane->owned || lane->seek_to >= 0)
        return MQ_OK;
    if (!lane->known) {
        if (lane->job == NULL)
            *ret_answer = MQ_LANE_LOOK;
        return MQ_OK;
    }
    if (event->offset < lane->expected)
        return MQ_OK;
    if (event->offset > lane->expected && lane->gap_at != event->offset) {
        *ret_answer = MQ_LANE_GAP;
        return MQ_OK;
    }
    if (event->offset >= bound_of(lane)) {
        /* Behind the batch: it is whole; come back for this event when its turn is there. */
        lane->complete = true;
        lane->batch.end = bound_of(lane);
        lane->expected = lane->batch.end;
        lane->seek_to = lane->batch.end;
        return MQ_OK;
    }
    if (lane->batch.count == 0)
        lane->batch_since_s = mq_clock_monotonic_s();
    enum mq_status st = mq_bronze_batch_add(&lane->batch, event, err);
    if (st != MQ_OK)
        return st;
    lane->expected = event->offset + 1;
    lane->gap_at = -1;
    lane->complete = lane->expected == bound_of(lane);
    *ret_answer = MQ_LANE_TAKEN;
    return MQ_OK;
}

void
mq_lane_close_gap(struct mq_lane *lane, const struct mq_event *event, int64_t first_held)
{
    if (first_held > lane->expected) {
        int64_t to = MQ_MIN(first_held, event->offset);
        lane->batch.lost += to - lane->expected;
        lane->expected = to;
    }
    if (event->offset > lane->expected && lane->gap_at != lane->expected) {
        /* Was it the client? Ask again, once. */
        lane->gap_at = lane->expected;
        lane->seek_to = lane->expected;
        return;
    }
    lane->gap_at = event->offset; /* these offsets stand for no events: take this one */
}

static void
adopt(struct mq_lane *lane, struct mq_write_job *job)
{
    mq_bronze_record_release(&lane->adopted);
    lane->adopted = job->found;
    lane->adopting = true;
    job->found = (struct mq_bronze_record){0};
    job->has_found = false;
}

void
mq_lane_looked(struct mq_lane *lane, struct mq_write_job *job)
{
    lane->known = true;
    lane->expected = job->begin;
    lane->limit = job->limit;
    lane->adopting = false;
    if (job->has_found)
        adopt(lane, job);
    drop_batch(lane);
    lane->seek_to = lane->expected;
}

struct mq_write_job *
mq_lane_close_batch(struct mq_lane *lane)
{
    struct mq_write_job *job = mq_write_job_new(MQ_WRITE_BATCH, lane->topic, lane->partition);
    if (job == NULL)
        return NULL;
    job->batch = lane->batch;
    job->adopted = lane->adopted;
    job->adopting = lane->adopting;
    /* Behind an adopted batch, or one that reached a limit, there may be another record. */
    job->look_ahead = lane->adopting || lane->batch.end == lane->limit;
    job->limit = lane->limit;
    lane->batch = (struct mq_bronze_batch){0};
    lane->adopted = (struct mq_bronze_record){0};
    lane->adopting = false;
    lane->expected = MQ_MAX(lane->expected, job->batch.end);
    if (job->look_ahead)
        lane->limit = INT64_MAX; /* until the job says better; nothing is closed before */
    begin_batch(lane);
    lane->job = job;
    return job;
}

/* Give back events that lie behind the batch's bound. */
static void
cut_batch(struct mq_lane *lane)
{
    struct mq_bronze_batch *batch = &lane->batch;
    int64_t bound = bound_of(lane);
    if (lane->expected < bound)
        return;
    while (batch->count > 0 && batch->places[batch->count - 1].offset >= bound)
        batch->bytes.size = batch->places[--batch->count].begin;
    if (lane->expected > bound)
        lane->seek_to = bound;
    lane->expected = batch->end = bound;
    lane->complete = true;
}

void
mq_lane_written(struct mq_lane *lane, struct mq_write_job *job)
{
    if (job->status == MQ_E_EXISTS) { /* another's batch begins here: write that one */
        lane->expected = job->batch.first;
        adopt(lane, job);
        drop_batch(lane);
        lane->seek_to = lane->expected;
        lane->gap_at = -1;
        return;
    }
    lane->to_commit = job->batch.end;
    if (!job->look_ahead)
        return;
    lane->limit = job->limit;
    if (job->has_found)
        adopt(lane, job);
    cut_batch(lane);
}
