#include "serve/consume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/consume_figures.h"
#include "serve/consume_lane.h"

#define POLL_IDLE_MS 100 /* also how late a finished batch may be noticed */
#define POLL_BUSY_MS 10
#define POLL_FAILED_MS 500
#define FIGURES_SECONDS 1.0
#define TELL_SECONDS 10.0
/* until_end: how often others' partitions are looked at. */
#define OTHERS_SECONDS 0.5
/* Batches take this part of the memory; and one is closed early at this part of theirs. */
#define BATCHES_SHARE 4

struct consume {
    const struct mq_consume_options *options;
    struct mq_consumer *consumer;
    struct mq_consume_writers *writers;
    struct mq_consume_counts counts;
    struct mq_consume_figures figures;
    struct mq_lane *lanes; /* [lane_count] by partition */
    int lane_count;
    int64_t *ends; /* [lane_count] until_end: what the topic held at the beginning; 0: nothing */
    double begun_s, told_s, figures_s, failing_since_s;
    int64_t taken, taken_before; /* events, for the rate */
    double others_s;             /* until_end: when others' partitions were looked at */
    enum mq_status status;       /* of what cannot be waited for; ends the loop */
    struct mq_error error;
};

static bool
passes(enum mq_status st, const struct mq_error *err)
{
    return st == MQ_E_UNREACHABLE || st == MQ_E_TIMEOUT || st == MQ_E_IO || err->retriable;
}

static void
give_up(struct consume *c, enum mq_status st, const struct mq_error *err)
{
    if (c->status == MQ_OK) {
        c->status = st;
        c->error = *err;
    }
}

/* A failure of the log that may pass: told now and then, counted. */
static void
note_failure(struct consume *c, enum mq_status st, const struct mq_error *err)
{
    double now = mq_clock_monotonic_s();
    int64_t limit = c->options->give_up_ms;
    mq_counter_add(c->counts.failures, 1);
    if (c->failing_since_s <= 0)
        c->failing_since_s = now;
    if (!passes(st, err) || (limit > 0 && (now - c->failing_since_s) * 1000 > (double)limit))
        give_up(c, st, err);
    else if (now - c->told_s >= TELL_SECONDS) {
        mq_log_warn("consume: will be tried again: %s", err->message);
        c->told_s = now;
    }
}

/* ---- jobs ------------------------------------------------------------------------------- */

static void
submit_look(struct consume *c, struct mq_lane *lane, int64_t offset)
{
    struct mq_error err = {0};
    lane->job = mq_write_job_new(MQ_WRITE_LOOK, lane->topic, lane->partition);
    if (lane->job == NULL) {
        give_up(c, mq_fail(&err, MQ_E_NOMEM, "cannot allocate a job"), &err);
        return;
    }
    lane->job->offset = lane->position >= 0 ? lane->position : offset;
    mq_consume_writers_submit(c->writers, lane->job);
}

static void
submit_batch(struct consume *c, struct mq_lane *lane)
{
    struct mq_error err = {0};
    struct mq_write_job *job = mq_lane_close_batch(lane);
    if (job != NULL)
        mq_consume_writers_submit(c->writers, job);
    else
        give_up(c, mq_fail(&err, MQ_E_NOMEM, "cannot allocate a job"), &err);
}

static void
count_batch(struct consume *c, const struct mq_write_job *job)
{
    const struct mq_bronze_published *p = &job->figures;
    c->figures.good += p->good;
    c->figures.rejected += p->rejected;
    c->figures.batches++;
    c->figures.objects += p->objects;
    c->figures.bytes += (int64_t)job->batch.bytes.size;
    c->figures.bytes_packed += p->bytes_packed;
    c->figures.redone += p->was_there ? 1 : 0;
    mq_consume_counts_add(&c->counts, p, (int64_t)job->batch.bytes.size, job->seconds);
}

/* Take back what the writers have done. */
static void
collect(struct consume *c)
{
    for (int p = 0; p < c->lane_count; p++) {
        struct mq_lane *lane = &c->lanes[p];
        struct mq_write_job *job = lane->job;
        if (job == NULL || !job->done)
            continue;
        lane->job = NULL;
        if (job->status != MQ_OK && job->status != MQ_E_EXISTS) {
            give_up(c, job->status, &job->error);
        } else if (job->kind == MQ_WRITE_LOOK) {
            mq_lane_looked(lane, job);
        } else {
            if (job->status == MQ_OK)
                count_batch(c, job);
            mq_lane_written(lane, job);
        }
        mq_write_job_free(job);
    }
}

static void
commit(struct consume *c)
{
    struct mq_position positions[MQ_PARTITIONS_MAX];
    struct mq_error err = {0};
    size_t count = 0;
    for (int p = 0; p < c->lane_count; p++) {
        struct mq_lane *lane = &c->lanes[p];
        if (lane->owned && lane->to_commit >= 0)
            positions[count++] = (struct mq_position){p, lane->to_commit};
        if (c->options->replay)
            lane->to_commit = -1; /* durable is all it has to be */
    }
    if (count == 0 || c->options->replay)
        return;
    enum mq_status st = mq_consumer_commit(c->consumer, positions, count, &err);
    if (st == MQ_E_CONFLICT) {
        /* They passed to another, who finds the batches written. */
        mq_log_info("consume: %s", err.message);
        st = MQ_OK;
    }
    if (st != MQ_OK) {
        note_failure(c, st, &err);
        return;
    }
    mq_counter_add(c->counts.commits, 1);
    for (size_t i = 0; i < count; i++)
        c->lanes[positions[i].partition].to_commit = -1;
}

static size_t
memory_of_batches(const struct consume *c)
{
    size_t bytes = 0;
    for (int p = 0; p < c->lane_count; p++) {
        bytes += mq_bronze_batch_memory(&c->lanes[p].batch);
        if (c->lanes[p].job != NULL) /* its batch is not changed by the writers */
            bytes += mq_bronze_batch_memory(&c->lanes[p].job->batch);
    }
    return bytes;
}

static bool
is_due(const struct consume *c, const struct mq_lane *lane, double now, bool short_of_memory)
{
    if (!mq_lane_can_close(lane))
        return false;
    if (lane->complete || short_of_memory || lane->batch.count >= MQ_BRONZE_BATCH_EVENTS_MAX)
        return true;
    if (c->options->replay && lane->limit != INT64_MAX)
        return false; /* a gap between batches is filled in one piece */
    return lane->batch.bytes.size >= c->options->batch_bytes ||
           (now - lane->batch_since_s) * 1000 >= (double)c->options->batch_age_ms;
}

/* Close batches that are due. @return whether memory is used up: no more events, please */
static bool
close_batches(struct consume *c, bool all)
{
    double now = mq_clock_monotonic_s();
    size_t budget = c->options->memory_bytes / BATCHES_SHARE, used = memory_of_batches(c);
    for (int p = 0; p < c->lane_count; p++)
        if (is_due(c, &c->lanes[p], now, all || used > budget / 2))
            submit_batch(c, &c->lanes[p]);
    return used >= budget;
}

static void
seek_lanes(struct consume *c)
{
    for (int p = 0; p < c->lane_count; p++) {
        struct mq_lane *lane = &c->lanes[p];
        if (!lane->owned || lane->seek_to < 0)
            continue;
        struct mq_error err = {0};
        enum mq_status st =
            mq_consumer_seek(c->consumer, (struct mq_position){p, lane->seek_to}, &err);
        if (st == MQ_OK)
            lane->seek_to = -1;
        else if (st != MQ_E_CONFLICT) /* else it is about to be taken away */
            note_failure(c, st, &err);
    }
}

/* ---- partitions come and go ------------------------------------------------------------- */

static void
on_assigned(void *context, const struct mq_position *positions, size_t count)
{
    struct consume *c = context;
    mq_counter_add(c->counts.rebalances, 1);
    for (size_t i = 0; i < count; i++)
        if (positions[i].partition < c->lane_count)
            mq_lane_assign(&c->lanes[positions[i].partition], positions[i].offset);
    mq_log_info("consume: %zu partitions assigned", count);
}

/* Write and commit what is at hand in some lanes; what is not done in time is left to the next
 * owner, who finds the record of a batch that was begun. */
static void
finish_lanes(struct consume *c, const int32_t *partitions, size_t count, int64_t timeout_ms)
{
    double until = mq_clock_monotonic_s() + (double)timeout_ms / 1000.0;
    for (;;) {
        bool busy = false;
        collect(c);
        commit(c);
        for (size_t i = 0; i < count; i++) {
            struct mq_lane *lane = &c->lanes[partitions[i]];
            if (c->status == MQ_OK && mq_lane_can_close(lane))
                submit_batch(c, lane);
            busy = busy || lane->job != NULL || lane->to_commit >= 0;
        }
        double left = until - mq_clock_monotonic_s();
        if (!busy || left <= 0 || c->status != MQ_OK)
            return;
        mq_consume_writers_wait(c->writers, (int64_t)MQ_MIN(left * 1000 + 1, 100.0));
    }
}

static void
on_revoked(void *context, const int32_t *partitions, size_t count)
{
    struct consume *c = context;
    mq_counter_add(c->counts.rebalances, 1);
    finish_lanes(c, partitions, count, c->options->handover_ms);
    for (size_t i = 0; i < count; i++) {
        struct mq_lane *lane = &c->lanes[partitions[i]];
        if (lane->job != NULL)
            mq_consume_writers_abandon(c->writers, lane->job);
        lane->job = NULL;
        mq_lane_reset(lane);
    }
    mq_log_info("consume: %zu partitions handed over", count);
}

/* ---- events ----------------------------------------------------------------------------- */

static void
close_gap(struct consume *c, struct mq_lane *lane, const struct mq_event *event)
{
    struct mq_error err = {0};
    int64_t first, end;
    enum mq_status st =
        mq_event_log_bounds(c->options->log, lane->topic, lane->partition, &first, &end, &err);
    if (st == MQ_OK) {
        mq_lane_close_gap(lane, event, first);
    } else {
        note_failure(c, st, &err);
        lane->seek_to = lane->expected; /* and look again */
    }
}

/* A replay ends at its time, or at the end of the batch that was begun across it. */
static bool
is_behind_replay(const struct consume *c, const struct mq_lane *lane, int64_t offset)
{
    return c->options->replay && lane->known && !lane->adopting && lane->seek_to < 0 &&
           offset >= c->ends[lane->partition];
}

static void
take_event(struct consume *c, const struct mq_event *event)
{
    if (event->partition < 0 || event->partition >= c->lane_count)
        return; /* partitions added while we run: known after a restart */
    struct mq_lane *lane = &c->lanes[event->partition];
    struct mq_error err = {0};
    if (is_behind_replay(c, lane, event->offset)) {
        lane->expected = MQ_MAX(lane->expected, c->ends[event->partition]);
        return;
    }
    for (int again = 0; again < 3; again++) {
        enum mq_lane_answer answer;
        enum mq_status st = mq_lane_take(lane, event, &answer, &err);
        if (st != MQ_OK)
            give_up(c, st, &err);
        if (st == MQ_OK && answer == MQ_LANE_TAKEN)
            c->taken++;
        if (st == MQ_OK && answer == MQ_LANE_LOOK)
            submit_look(c, lane, event->offset);
        if (st != MQ_OK || answer != MQ_LANE_GAP)
            return;
        close_gap(c, lane, event);
    }
}

static void
poll_once(struct consume *c, bool full)
{
    const struct mq_event *events;
    struct mq_error err = {0};
    size_t count;
    bool busy = false;
    for (int p = 0; p < c->lane_count; p++)
        busy = busy || c->lanes[p].job != NULL;
    enum mq_status st = mq_consumer_poll(c->consumer, full ? 0 : MQ_EVENTS_BATCH_MAX,
                                         busy ? POLL_BUSY_MS : POLL_IDLE_MS, &events, &count, &err);
    if (st != MQ_OK) {
        note_failure(c, st, &err);
        mq_consume_writers_wait(c->writers, POLL_FAILED_MS);
        return;
    }
    c->failing_since_s = 0;
    for (size_t i = 0; i < count && c->status == MQ_OK; i++)
        take_event(c, &events[i]);
}

static void
update_figures(struct consume *c)
{
    double now = mq_clock_monotonic_s(), oldest = now;
    int64_t lag;
    int owned = 0;
    if (now - c->figures_s < FIGURES_SECONDS)
        return;
    for (int p = 0; p < c->lane_count; p++) {
        const struct mq_lane *lane = &c->lanes[p];
        owned += lane->owned;
        if (lane->batch.count > 0)
            oldest = MQ_MIN(oldest, lane->batch_since_s);
    }
    mq_gauge_set(c->counts.batch_age, now - oldest);
    mq_gauge_set(c->counts.partitions, owned);
    mq_gauge_set(c->counts.memory, (double)memory_of_batches(c));
    mq_gauge_set(c->counts.rate, (double)(c->taken - c->taken_before) / (now - c->figures_s));
    if (mq_consumer_lag(c->consumer, &lag, NULL) == MQ_OK)
        mq_gauge_set(c->counts.lag, (double)lag);
    c->taken_before = c->taken;
    c->figures_s = now;
}

/* Whether a partition of somebody else is committed up to the end; a member that died without a
 * word holds its own for a while, and then they come to us. */
static bool
others_are_done(struct consume *c)
{
    double now = mq_clock_monotonic_s();
    if (now - c->others_s < OTHERS_SECONDS)
        return false;
    c->others_s = now;
    for (int p = 0; p < c->lane_count; p++) {
        int64_t committed = -1;
        if (c->lanes[p].owned || c->ends[p] == 0)
            continue;
        if (mq_consumer_committed(c->consumer, p, &committed, NULL) != MQ_OK ||
            committed < c->ends[p])
            return false;
    }
    return true;
}

/* until_end: whether all that the topic held at the beginning is written, by us or others. */
static bool
at_end(struct consume *c)
{
    bool all = true;
    for (int p = 0; p < c->lane_count; p++) {
        const struct mq_lane *lane = &c->lanes[p];
        int64_t next = lane->known ? lane->expected : MQ_MAX(lane->position, (int64_t)0);
        bool half = lane->adopting && lane->batch.count > 0 && !lane->complete;
        if (lane->owned && (next < c->ends[p] || half || lane->job != NULL || lane->seek_to >= 0))
            return false;
        all = all && lane->owned;
    }
    return all || c->options->replay || others_are_done(c);
}

/* Where a lane has to come to, and where a replay begins. */
static enum mq_status
set_bounds(struct consume *c, int32_t partition, struct mq_error *err)
{
    const struct mq_consume_options *o = c->options;
    struct mq_bronze_span span = {0, 0};
    if (o->replay) {
        if (partition < o->span_count)
            span = o->spans[partition];
    } else {
        enum mq_status st =
            mq_event_log_bounds(o->log, o->topic, partition, &span.first, &span.end, err);
        if (st != MQ_OK)
            return st;
    }
    if (mq_bronze_span_is_empty(span))
        return MQ_OK; /* the end stays 0: nothing held, or asked for */
    c->ends[partition] = span.end;
    if (o->replay) {
        mq_lane_assign(&c->lanes[partition], span.first);
        c->lanes[partition].seek_to = span.first;
    }
    return MQ_OK;
}

static enum mq_status
prepare(struct consume *c, struct mq_error *err)
{
    const struct mq_consume_options *o = c->options;
    struct mq_consumer_options member = {.topic = o->topic,
                                         .group = o->replay ? NULL : o->group,
                                         .session_timeout_ms = o->session_ms,
                                         .on_assigned = on_assigned,
                                         .on_revoked = on_revoked,
                                         .context = c};
    mq_consume_counts_init(o->metrics, &c->counts);
    enum mq_status st = mq_event_log_partitions(o->log, o->topic, &c->lane_count, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)c->lane_count, sizeof(*c->lanes), &c->lanes, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)c->lane_count, sizeof(*c->ends), &c->ends, err);
    for (int p = 0; st == MQ_OK && p < c->lane_count; p++) {
        mq_lane_init(&c->lanes[p], o->topic, p);
        if (o->until_end || o->replay)
            st = set_bounds(c, p, err);
    }
    if (st == MQ_OK)
        st = mq_consume_writers_new(o->writers > 0 ? o->writers : 2, &o->layer, o->log,
                                    o->give_up_ms, c->counts.failures, &c->writers, err);
    return st == MQ_OK ? mq_consumer_new(o->log, &member, &c->consumer, err) : st;
}

static void
loop(struct consume *c)
{
    while (c->status == MQ_OK && !mq_cancel_requested()) {
        collect(c);
        commit(c);
        seek_lanes(c);
        if ((c->options->until_end || c->options->replay) && at_end(c))
            break;
        poll_once(c, close_batches(c, false));
        update_figures(c);
    }
}

/* until_end: all that was read is written and committed, or why not. */
static void
check_finished(struct consume *c)
{
    struct mq_error err = {0};
    for (int p = 0; p < c->lane_count; p++) {
        const struct mq_lane *lane = &c->lanes[p];
        if (lane->owned && (lane->job != NULL || lane->to_commit >= 0 || lane->batch.count > 0))
            give_up(c,
                    mq_fail(&err, MQ_E_TIMEOUT,
                            "partition %d of topic '%s' was read, but not written in time", p,
                            c->options->topic),
                    &err);
    }
}

enum mq_status
mq_consume(const struct mq_consume_options *options, struct mq_consume_figures *ret_figures,
           struct mq_error *err)
{
    struct consume c = {.options = options, .begun_s = mq_clock_monotonic_s(), .told_s = -1e9};
    enum mq_status st = prepare(&c, err);
    if (st == MQ_OK) {
        loop(&c);
        if ((options->until_end || options->replay) &&
            c.status == MQ_OK) { /* with time, unlike a hand-over */
            int32_t all[MQ_PARTITIONS_MAX];
            for (int p = 0; p < c.lane_count; p++)
                all[p] = p;
            finish_lanes(&c, all, (size_t)c.lane_count,
                         MQ_MAX(options->give_up_ms, options->handover_ms));
            check_finished(&c);
        }
    }
    mq_consumer_close(c.consumer); /* hands all partitions over: batches at hand are written */
    mq_consume_writers_free(c.writers);
    for (int p = 0; p < c.lane_count && c.lanes != NULL; p++) {
        mq_write_job_free(c.lanes[p].job);
        mq_lane_reset(&c.lanes[p]);
    }
    mq_free(c.lanes);
    mq_free(c.ends);
    if (st == MQ_OK && c.status != MQ_OK) {
        if (err != NULL)
            *err = c.error;
        st = c.status;
    }
    c.figures.seconds = mq_clock_monotonic_s() - c.begun_s;
    if (st == MQ_OK)
        *ret_figures = c.figures;
    return st;
}
