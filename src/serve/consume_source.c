#include "serve/consume_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define POLL_FAILED_MS 500
#define TELL_SECONDS 10.0
/* A lane that hears of offsets again asks the log no more often. */
#define ASK_SECONDS 5.0

/* Keep the first failure that waiting does not heal. */
static void
give_up(struct mq_consume_work *work, enum mq_status st, const struct mq_error *err)
{
    if (work->status == MQ_OK) {
        work->status = st;
        work->error = *err;
    }
}

/* A failure of the log that may pass: told now and then, counted. */
static void
note_failure(struct mq_source *s, enum mq_status st, const struct mq_error *err)
{
    struct mq_consume_work *work = s->work;
    double now = mq_clock_monotonic_s();
    int64_t limit = work->options->give_up_ms;
    mq_counter_add(work->counts.failures, 1);
    if (s->failing_since_s <= 0)
        s->failing_since_s = now;
    if (!mq_consume_passes(st, err) ||
        (limit > 0 && (now - s->failing_since_s) * 1000 > (double)limit)) {
        give_up(work, st, err);
    } else if (now - work->told_s >= TELL_SECONDS) {
        mq_log_warn("consume: will be tried again: %s", err->message);
        work->told_s = now;
    }
}

/* ---- jobs ------------------------------------------------------------------------------- */

static void
submit_look(struct mq_source *s, struct mq_lane *lane, int64_t offset)
{
    struct mq_error err = {0};
    struct mq_write_job *job = mq_write_job_new(MQ_WRITE_LOOK, lane->topic, lane->partition);
    if (job == NULL) {
        give_up(s->work, mq_fail(&err, MQ_E_NOMEM, "cannot allocate a job"), &err);
        return;
    }
    job->offset = lane->position >= 0 ? lane->position : offset;
    mq_lane_look(lane, job);
    mq_consume_writers_submit(s->work->writers, job);
}

static void
submit_batch(struct mq_source *s, struct mq_lane *lane)
{
    struct mq_error err = {0};
    struct mq_write_job *job = mq_lane_close_batch(lane);
    if (job != NULL)
        mq_consume_writers_submit(s->work->writers, job);
    else
        give_up(s->work, mq_fail(&err, MQ_E_NOMEM, "cannot allocate a job"), &err);
}

static void
count_batch(struct mq_source *s, const struct mq_write_job *job)
{
    const struct mq_bronze_published *p = &job->figures;
    struct mq_consume_figures *f = &s->work->figures;
    f->good += p->good;
    f->rejected += p->rejected;
    f->batches++;
    f->objects += p->objects;
    f->bytes += (int64_t)job->batch.bytes.size;
    f->bytes_packed += p->bytes_packed;
    f->redone += p->was_there ? 1 : 0;
    mq_consume_counts_add(&s->work->counts, p, s->holds_refusals, (int64_t)job->batch.bytes.size,
                          job->seconds);
}

static void
collect(struct mq_source *s)
{
    for (int p = 0; p < s->lane_count; p++) {
        struct mq_lane *lane = &s->lanes[p];
        struct mq_write_job *job = lane->job;
        if (job == NULL || !job->done)
            continue;
        lane->job = NULL;
        if (job->status != MQ_OK && job->status != MQ_E_EXISTS) {
            give_up(s->work, job->status, &job->error);
        } else if (job->kind == MQ_WRITE_LOOK) {
            mq_lane_looked(lane, job);
        } else {
            if (job->status == MQ_OK)
                count_batch(s, job);
            mq_lane_written(lane, job);
        }
        mq_write_job_free(job);
    }
}

/* ---- commits and seeks ------------------------------------------------------------------ */

/* One refuses, and with it perhaps all: each on its own. One that passed to another member is that
 * member's, who finds the batches written. */
static enum mq_status
commit_each(struct mq_source *s, const struct mq_position *positions, size_t count,
            struct mq_error *err)
{
    enum mq_status first = MQ_OK;
    for (size_t i = 0; i < count; i++) {
        struct mq_error own = {0};
        enum mq_status st = mq_consumer_commit(s->consumer, &positions[i], 1, &own);
        if (st == MQ_OK || st == MQ_E_CONFLICT)
            s->lanes[positions[i].partition].to_commit = -1;
        if (st == MQ_E_CONFLICT)
            mq_log_info("consume: %s", own.message);
        else if (st != MQ_OK && first == MQ_OK) {
            first = st;
            *err = own;
        }
    }
    return first;
}

static void
commit(struct mq_source *s)
{
    struct mq_position positions[MQ_PARTITIONS_MAX];
    struct mq_error err = {0};
    size_t count = 0;
    for (int p = 0; p < s->lane_count; p++) {
        struct mq_lane *lane = &s->lanes[p];
        if (lane->owned && lane->to_commit >= 0)
            positions[count++] = (struct mq_position){p, lane->to_commit};
        if (s->work->options->replay)
            lane->to_commit = -1; /* durable is all it has to be */
    }
    if (count == 0 || s->work->options->replay)
        return;
    enum mq_status st = mq_consumer_commit(s->consumer, positions, count, &err);
    if (st == MQ_OK) {
        for (size_t i = 0; i < count; i++)
            s->lanes[positions[i].partition].to_commit = -1;
    } else if (st == MQ_E_CONFLICT) {
        st = commit_each(s, positions, count, &err);
    }
    if (st != MQ_OK)
        note_failure(s, st, &err);
    else
        mq_counter_add(s->work->counts.commits, 1);
}

static void
seek_lanes(struct mq_source *s)
{
    for (int p = 0; p < s->lane_count; p++) {
        struct mq_lane *lane = &s->lanes[p];
        if (!lane->owned || lane->seek_to < 0)
            continue;
        struct mq_error err = {0};
        enum mq_status st =
            mq_consumer_seek(s->consumer, (struct mq_position){p, lane->seek_to}, &err);
        if (st == MQ_OK) {
            lane->seek_to = -1;
            lane->reached = -1;
        } else if (st != MQ_E_CONFLICT) { /* else it is about to be taken away */
            note_failure(s, st, &err);
        }
    }
}

void
mq_source_settle(struct mq_source *s)
{
    collect(s);
    commit(s);
    seek_lanes(s);
}

/* ---- batches ---------------------------------------------------------------------------- */

size_t
mq_source_memory(const struct mq_source *s)
{
    size_t bytes = 0;
    for (int p = 0; p < s->lane_count; p++) {
        bytes += mq_bronze_batch_memory(&s->lanes[p].batch);
        if (s->lanes[p].job != NULL) /* its batch is not changed by the writers */
            bytes += mq_bronze_batch_memory(&s->lanes[p].job->batch);
    }
    return bytes;
}

static bool
is_due(const struct mq_source *s, const struct mq_lane *lane, double now, bool short_of_memory)
{
    const struct mq_consume_options *o = s->work->options;
    if (!mq_lane_can_close(lane))
        return false;
    if (lane->complete || short_of_memory || lane->batch.count >= MQ_BRONZE_BATCH_EVENTS_MAX)
        return true;
    if (o->replay && lane->limit != INT64_MAX)
        return false; /* a gap between batches is filled in one piece */
    return lane->batch.bytes.size >= o->batch_bytes ||
           (now - lane->batch_since_s) * 1000 >= (double)o->batch_age_ms;
}

void
mq_source_close_batches(struct mq_source *s, bool short_of_memory)
{
    double now = mq_clock_monotonic_s();
    for (int p = 0; p < s->lane_count; p++)
        if (is_due(s, &s->lanes[p], now, short_of_memory))
            submit_batch(s, &s->lanes[p]);
}

bool
mq_source_is_busy(const struct mq_source *s)
{
    for (int p = 0; p < s->lane_count; p++)
        if (s->lanes[p].job != NULL)
            return true;
    return false;
}

/* ---- partitions come and go ------------------------------------------------------------- */

/* Lanes up to a partition. @return false: there are too many, and the run ends */
static bool
need_lanes(struct mq_source *s, int32_t partition)
{
    struct mq_error err = {0};
    if (partition < 0 || partition >= MQ_PARTITIONS_MAX) {
        give_up(s->work,
                mq_fail(&err, MQ_E_RANGE, "topic '%s' has a partition %d (at most %d)", s->topic,
                        partition, MQ_PARTITIONS_MAX - 1),
                &err);
        return false;
    }
    for (; s->lane_count <= partition; s->lane_count++)
        mq_lane_init(&s->lanes[s->lane_count], s->topic, s->lane_count, s->holds_refusals);
    return true;
}

static void
on_assigned(void *context, const struct mq_position *positions, size_t count)
{
    struct mq_source *s = context;
    mq_counter_add(s->work->counts.rebalances, 1);
    for (size_t i = 0; i < count; i++)
        if (need_lanes(s, positions[i].partition))
            mq_lane_assign(&s->lanes[positions[i].partition], positions[i].offset);
    mq_log_info("consume: %zu partitions of '%s' assigned", count, s->topic);
}

/* Write and commit what is at hand in some lanes; what is not done in time is left to the next
 * owner, who finds the record of a batch that was begun. */
static void
finish_lanes(struct mq_source *s, const int32_t *partitions, size_t count, int64_t timeout_ms)
{
    double until = mq_clock_monotonic_s() + (double)timeout_ms / 1000.0;
    for (;;) {
        bool busy = false;
        collect(s);
        commit(s);
        for (size_t i = 0; i < count; i++) {
            if (partitions[i] < 0 || partitions[i] >= s->lane_count)
                continue;
            struct mq_lane *lane = &s->lanes[partitions[i]];
            if (s->work->status == MQ_OK && mq_lane_can_close(lane))
                submit_batch(s, lane);
            busy = busy || lane->job != NULL || lane->to_commit >= 0;
        }
        double left = until - mq_clock_monotonic_s();
        if (!busy || left <= 0 || s->work->status != MQ_OK)
            return;
        mq_consume_writers_wait(s->work->writers, (int64_t)MQ_MIN(left * 1000 + 1, 100.0));
    }
}

static void
on_revoked(void *context, const int32_t *partitions, size_t count)
{
    struct mq_source *s = context;
    mq_counter_add(s->work->counts.rebalances, 1);
    finish_lanes(s, partitions, count, s->work->options->handover_ms);
    for (size_t i = 0; i < count; i++) {
        if (partitions[i] < 0 || partitions[i] >= s->lane_count)
            continue;
        struct mq_lane *lane = &s->lanes[partitions[i]];
        if (lane->job != NULL)
            mq_consume_writers_abandon(s->work->writers, lane->job);
        lane->job = NULL;
        mq_lane_reset(lane);
    }
    mq_log_info("consume: %zu partitions of '%s' handed over", count, s->topic);
}

/* ---- events ----------------------------------------------------------------------------- */

static void
close_gap(struct mq_source *s, struct mq_lane *lane, const struct mq_event *event)
{
    struct mq_error err = {0};
    int64_t first, end;
    enum mq_status st = mq_event_log_bounds(s->work->options->log, lane->topic, lane->partition,
                                            &first, &end, &err);
    if (st == MQ_OK) {
        mq_lane_close_gap(lane, event, first);
    } else {
        note_failure(s, st, &err);
        lane->seek_to = lane->expected; /* and look again */
    }
}

/* Ask the log, not too often, whether it still holds what was read of it; if not, the run ends.
 * @return whether it was asked, and does */
static bool
still_holds(struct mq_source *s, struct mq_lane *lane, int64_t known)
{
    struct mq_error err = {0};
    int64_t first, end;
    double now = mq_clock_monotonic_s();
    if (lane->asked_s > 0 && now - lane->asked_s < ASK_SECONDS)
        return false;
    lane->asked_s = now;
    enum mq_status st = mq_event_log_bounds(s->work->options->log, lane->topic, lane->partition,
                                            &first, &end, &err);
    if (st == MQ_OK && end < known)
        st = mq_consume_fail_shorter(lane->topic, lane->partition, end, known, &err);
    if (st != MQ_OK)
        note_failure(s, st, &err);
    return st == MQ_OK;
}

/* A replay ends at its time, or at the end of the batch that was begun across it. */
static bool
is_behind_replay(const struct mq_source *s, const struct mq_lane *lane, int64_t offset)
{
    return s->work->options->replay && lane->known && !lane->adopting && lane->seek_to < 0 &&
           offset >= s->ends[lane->partition];
}

static void
take_event(struct mq_source *s, const struct mq_event *event)
{
    if (event->partition < 0 || event->partition >= s->lane_count)
        return; /* not ours (any more) */
    struct mq_lane *lane = &s->lanes[event->partition];
    struct mq_error err = {0};
    if (is_behind_replay(s, lane, event->offset)) {
        lane->expected = MQ_MAX(lane->expected, s->ends[event->partition]);
        return;
    }
    for (int again = 0; again < 3; again++) {
        enum mq_lane_answer answer;
        int64_t chain = lane->expected;
        enum mq_status st = mq_lane_take(lane, event, &answer, &err);
        if (st != MQ_OK) {
            give_up(s->work, st, &err);
            return;
        }
        if (answer == MQ_LANE_TAKEN)
            s->work->taken++;
        else if (answer == MQ_LANE_LOOK)
            submit_look(s, lane, event->offset);
        else if (answer == MQ_LANE_LEFT_OUT && !s->work->options->replay)
            mq_log_warn("consume: partition %d of '%s' goes on at offset %" PRId64
                        ", though its batches end at %" PRId64 ": events between are left out",
                        lane->partition, s->topic, lane->expected, chain);
        else if (answer == MQ_LANE_BEHIND && still_holds(s, lane, lane->expected))
            lane->seek_to = lane->expected; /* the client lost its place */
        if (answer != MQ_LANE_GAP)
            return;
        close_gap(s, lane, event);
    }
}

void
mq_source_poll(struct mq_source *s, bool full, int64_t timeout_ms)
{
    const struct mq_event *events;
    struct mq_error err = {0};
    size_t count;
    enum mq_status st = mq_consumer_poll(s->consumer, full ? 0 : MQ_EVENTS_BATCH_MAX, timeout_ms,
                                         &events, &count, &err);
    if (st != MQ_OK) {
        note_failure(s, st, &err);
        mq_consume_writers_wait(s->work->writers, POLL_FAILED_MS);
        return;
    }
    s->failing_since_s = 0;
    for (size_t i = 0; i < count && s->work->status == MQ_OK; i++)
        take_event(s, &events[i]);
    if (count > 0 || full)
        return;
    for (int p = 0; p < s->lane_count; p++)
        if (s->lanes[p].owned)
            mq_lane_reached(&s->lanes[p], mq_consumer_position(s->consumer, p));
}

/* ---- the end ---------------------------------------------------------------------------- */

void
mq_source_finish(struct mq_source *s, int64_t timeout_ms)
{
    int32_t all[MQ_PARTITIONS_MAX];
    for (int p = 0; p < s->lane_count; p++)
        all[p] = p;
    finish_lanes(s, all, (size_t)s->lane_count, timeout_ms);
}

void
mq_source_check_finished(const struct mq_source *s)
{
    struct mq_error err = {0};
    for (int p = 0; p < s->lane_count; p++) {
        const struct mq_lane *lane = &s->lanes[p];
        if (lane->owned && (lane->job != NULL || lane->to_commit >= 0 || lane->batch.count > 0))
            give_up(s->work,
                    mq_fail(&err, MQ_E_TIMEOUT,
                            "partition %d of topic '%s' was read, but not written in time", p,
                            s->topic),
                    &err);
    }
}

/* ---- figures ---------------------------------------------------------------------------- */

/* Where the log ends, lane by lane; where it does not say, what it said last stays. */
static void
ask_ends(struct mq_source *s)
{
    struct mq_bounds bounds[MQ_PARTITIONS_MAX];
    size_t count = 0;
    for (int p = 0; p < s->lane_count; p++)
        if (s->lanes[p].owned)
            bounds[count++] = (struct mq_bounds){.partition = p};
    if (count == 0 || mq_consumer_bounds(s->consumer, bounds, count, NULL) != MQ_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        struct mq_lane *lane = &s->lanes[bounds[i].partition];
        lane->end = bounds[i].end;
        lane->begin = bounds[i].first;
        if (lane->durable > lane->end)
            (void)still_holds(s, lane, lane->durable);
    }
}

void
mq_source_measure(struct mq_source *s, double now, struct mq_source_figures *ret_figures)
{
    struct mq_source_figures figures = {.oldest_s = now};
    ask_ends(s);
    for (int p = 0; p < s->lane_count; p++) {
        const struct mq_lane *lane = &s->lanes[p];
        if (!lane->owned)
            continue;
        int64_t durable = lane->durable >= 0 ? lane->durable : lane->begin;
        figures.owned++;
        figures.oldest_s = MQ_MIN(figures.oldest_s, mq_lane_oldest(lane, now));
        figures.lag += MQ_MAX(lane->end - MQ_MAX(durable, lane->begin), (int64_t)0);
    }
    *ret_figures = figures;
}

/* ---- opening and closing ---------------------------------------------------------------- */

/* Where a lane has to come to, and where a replay begins. */
static enum mq_status
set_bounds(struct mq_source *s, int32_t partition, struct mq_error *err)
{
    const struct mq_consume_options *o = s->work->options;
    struct mq_bronze_span span = {0, 0};
    if (o->replay) {
        if (partition < o->span_count)
            span = o->spans[partition];
    } else {
        enum mq_status st =
            mq_event_log_bounds(o->log, s->topic, partition, &span.first, &span.end, err);
        if (st != MQ_OK)
            return st;
    }
    if (mq_bronze_span_is_empty(span))
        return MQ_OK; /* the end stays 0: nothing held, or asked for */
    s->ends[partition] = span.end;
    if (o->replay) {
        mq_lane_assign(&s->lanes[partition], span.first);
        s->lanes[partition].seek_to = span.first;
    }
    return MQ_OK;
}

enum mq_status
mq_source_open(struct mq_source *s, struct mq_consume_work *work, const char *topic,
               bool holds_refusals, struct mq_error *err)
{
    const struct mq_consume_options *o = work->options;
    int partitions;
    *s = (struct mq_source){.work = work, .topic = topic, .holds_refusals = holds_refusals};
    if (!o->replay && strlen(o->group) > (size_t)MQ_CONSUME_GROUP_MAX)
        return mq_fail(err, MQ_E_CONFIG,
                       "events.group is '%.40s…', longer than %d bytes: refusals are read by a "
                       "group of that name followed by " MQ_REFUSALS_GROUP_SUFFIX,
                       o->group, MQ_CONSUME_GROUP_MAX);
    if (!o->replay && holds_refusals)
        mq_refusals_group(o->group, s->group);
    else if (!o->replay)
        snprintf(s->group, sizeof(s->group), "%s", o->group);
    struct mq_consumer_options member = {.topic = topic,
                                         .group = o->replay ? NULL : s->group,
                                         .session_timeout_ms = o->session_ms,
                                         .on_assigned = on_assigned,
                                         .on_revoked = on_revoked,
                                         .context = s};
    enum mq_status st = mq_alloc_array(MQ_PARTITIONS_MAX, sizeof(*s->lanes), &s->lanes, err);
    if (st == MQ_OK)
        st = mq_alloc_array(MQ_PARTITIONS_MAX, sizeof(*s->ends), &s->ends, err);
    if (st == MQ_OK)
        st = mq_event_log_partitions(o->log, topic, &partitions, err);
    for (int p = 0; st == MQ_OK && p < partitions; p++) {
        need_lanes(s, p);
        if (o->until_end || o->replay)
            st = set_bounds(s, p, err);
    }
    return st == MQ_OK ? mq_consumer_new(o->log, &member, &s->consumer, err) : st;
}

void
mq_source_leave(struct mq_source *s)
{
    mq_consumer_close(s->consumer);
    s->consumer = NULL;
}

void
mq_source_close(struct mq_source *s)
{
    for (int p = 0; p < s->lane_count; p++) {
        mq_write_job_free(s->lanes[p].job);
        mq_lane_reset(&s->lanes[p]);
    }
    mq_free(s->lanes);
    mq_free(s->ends);
}
