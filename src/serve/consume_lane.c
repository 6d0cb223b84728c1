#include "serve/consume_lane.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void
mq_lane_init(struct mq_lane *lane, const char *topic, int32_t partition, bool holds_refusals)
{
    *lane = (struct mq_lane){.topic = topic,
                             .partition = partition,
                             .holds_refusals = holds_refusals,
                             .position = -1,
                             .expected = -1,
                             .limit = INT64_MAX,
                             .skip_to = -1,
                             .durable = -1,
                             .reached = -1,
                             .begin = -1,
                             .end = -1,
                             .to_commit = -1,
                             .seek_to = -1,
                             .gap_at = -1};
}

void
mq_lane_reset(struct mq_lane *lane)
{
    mq_bronze_batch_release(&lane->batch);
    mq_bronze_record_release(&lane->adopted);
    mq_lane_init(lane, lane->topic, lane->partition, lane->holds_refusals);
}

void
mq_lane_assign(struct mq_lane *lane, int64_t position)
{
    mq_lane_reset(lane);
    lane->owned = true;
    lane->position = lane->durable = position >= 0 ? position : -1;
}

/* Begin an empty batch at the expected offset. */
static void
begin_batch(struct mq_lane *lane)
{
    lane->batch.topic = lane->topic;
    lane->batch.partition = lane->partition;
    lane->batch.holds_refusals = lane->holds_refusals;
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

/* No event lies before the next batch: go on with that one, which is looked up first. */
static void
pass_over(struct mq_lane *lane)
{
    if (lane->job != NULL) { /* which may say what comes next: not yet */
        lane->seek_to = lane->expected;
        return;
    }
    lane->position = lane->seek_to = lane->durable = bound_of(lane);
    lane->known = lane->adopting = false;
    mq_bronze_record_release(&lane->adopted);
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
    if (event->offset < lane->expected) {
        *ret_answer = MQ_LANE_BEHIND;
        return MQ_OK;
    }
    if (event->offset < lane->skip_to) {
        lane->expected = lane->seek_to = lane->durable = lane->skip_to;
        lane->skip_to = -1;
        begin_batch(lane);
        *ret_answer = MQ_LANE_LEFT_OUT;
        return MQ_OK;
    }
    lane->skip_to = -1;
    if (event->offset > lane->expected && lane->gap_at != event->offset) {
        *ret_answer = MQ_LANE_GAP;
        return MQ_OK;
    }
    if (event->offset >= bound_of(lane)) {
        /* Behind the batch: it is whole; come back for this event when its turn is there. */
        if (lane->batch.count == 0) {
            pass_over(lane);
            return MQ_OK;
        }
        lane->complete = true;
        lane->batch.end = bound_of(lane);
        lane->expected = lane->batch.end;
        lane->seek_to = lane->batch.end;
        return MQ_OK;
    }
    if (lane->batch.count == 0) {
        lane->batch_since_s =
            lane->waits_since_s > 0 ? lane->waits_since_s : mq_clock_monotonic_s();
        lane->waits_since_s = 0;
    }
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

/* Offsets up to an end stand for no event: the batch at hand has them too. */
static void
stretch_batch(struct mq_lane *lane, int64_t end)
{
    int64_t bound = bound_of(lane);
    if (lane->adopting && end < bound)
        return; /* the record says where it ends */
    lane->expected = lane->batch.end = MQ_MIN(end, bound);
    lane->complete = lane->expected == bound;
}

void
mq_lane_reached(struct mq_lane *lane, int64_t position)
{
    if (!lane->owned || lane->seek_to >= 0 || position < 0 ||
        (lane->known && position < lane->expected))
        return;
    lane->reached = position;
    if (lane->batch.count > 0) {
        if (!lane->complete && position > lane->expected)
            stretch_batch(lane, position);
        return;
    }
    if (lane->job != NULL)
        return;
    lane->waits_since_s = 0;
    if (!lane->adopting && position > lane->durable)
        lane->durable = position;
}

double
mq_lane_oldest(const struct mq_lane *lane, double now)
{
    if (lane->batch.count > 0)
        now = MQ_MIN(now, lane->batch_since_s);
    if (lane->waits_since_s > 0)
        now = MQ_MIN(now, lane->waits_since_s);
    return lane->job != NULL && lane->job->since_s > 0 ? MQ_MIN(now, lane->job->since_s) : now;
}

void
mq_lane_look(struct mq_lane *lane, struct mq_write_job *job)
{
    if (lane->waits_since_s <= 0)
        lane->waits_since_s = mq_clock_monotonic_s();
    lane->job = job;
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
    lane->skip_to = job->skip_to;
    lane->durable = MQ_MAX(job->begin, job->skip_to);
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
    job->since_s = lane->batch_since_s;
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
        lane->waits_since_s = job->since_s;
        adopt(lane, job);
        drop_batch(lane);
        lane->seek_to = lane->expected;
        lane->gap_at = -1;
        return;
    }
    lane->to_commit = lane->durable = job->batch.end;
    if (!job->look_ahead)
        return;
    lane->limit = job->limit;
    if (job->has_found)
        adopt(lane, job);
    cut_batch(lane);
}
