#include "serve/consume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/rejected_line.h"
#include "serve/consume_source.h"

#define POLL_IDLE_MS 100 /* also how late a finished batch may be noticed */
#define POLL_BUSY_MS 10
#define FIGURES_SECONDS 1.0
/* Batches take this part of the memory; and one is closed early at this part of theirs. */
#define BATCHES_SHARE 4
#define SOURCES_MAX 2

struct consume {
    struct mq_consume_work work;
    struct mq_source sources[SOURCES_MAX]; /* [source_count] */
    int source_count;
    bool ended; /* until_end or replay: the end was reached */
    double begun_s, figures_s;
    int64_t taken_before; /* events, for the rate */
};

/* Close batches that are due. @return whether memory is used up: no more events, please */
static bool
close_batches(struct consume *c)
{
    size_t budget = c->work.options->memory_bytes / BATCHES_SHARE, used = 0;
    for (int i = 0; i < c->source_count; i++)
        used += mq_source_memory(&c->sources[i]);
    for (int i = 0; i < c->source_count; i++)
        mq_source_close_batches(&c->sources[i], used > budget / 2);
    return used >= budget;
}

/* Only the first is waited for: it has the more to do; or the writers, who make room. */
static void
poll_all(struct consume *c, bool full)
{
    bool busy = false;
    for (int i = 0; i < c->source_count; i++)
        busy = busy || mq_source_is_busy(&c->sources[i]);
    int64_t wait_ms = busy ? POLL_BUSY_MS : POLL_IDLE_MS;
    for (int i = 0; i < c->source_count; i++)
        mq_source_poll(&c->sources[i], full, i > 0 || full ? 0 : wait_ms);
    if (full)
        mq_consume_writers_wait(c->work.writers, wait_ms);
}

static void
update_figures(struct consume *c)
{
    double now = mq_clock_monotonic_s(), oldest = now;
    size_t memory = 0;
    int64_t lag = 0;
    int owned = 0;
    if (now - c->figures_s < FIGURES_SECONDS)
        return;
    for (int i = 0; i < c->source_count; i++) {
        struct mq_source_figures figures;
        mq_source_measure(&c->sources[i], now, &figures);
        lag += figures.lag;
        owned += figures.owned;
        oldest = MQ_MIN(oldest, figures.oldest_s);
        memory += mq_source_memory(&c->sources[i]);
    }
    const struct mq_consume_counts *counts = &c->work.counts;
    mq_gauge_set(counts->batch_age, now - oldest);
    mq_gauge_set(counts->partitions, owned);
    mq_gauge_set(counts->memory, (double)memory);
    mq_gauge_set(counts->lag, (double)lag);
    mq_gauge_set(counts->rate, (double)(c->work.taken - c->taken_before) / (now - c->figures_s));
    c->taken_before = c->work.taken;
    c->figures_s = now;
}

static bool
at_end(struct consume *c)
{
    for (int i = 0; i < c->source_count; i++)
        if (!mq_source_at_end(&c->sources[i]))
            return false;
    return true;
}

/* The topic of rejected events, made where it is missing: a consumer writes to it. */
static enum mq_status
need_refusals(const struct mq_consume_options *o, struct mq_error *err)
{
    bool is_new = false;
    enum mq_status st =
        mq_event_log_ensure_topic(o->log, o->refusals_topic, MQ_REJECTED_PARTITIONS, &is_new, err);
    if (is_new)
        mq_log_info("consume: topic '%s' was not there: made", o->refusals_topic);
    return st;
}

void
mq_refusals_group(const char *group, char ret_group[MQ_TOPIC_NAME_MAX + 1])
{
    snprintf(ret_group, MQ_TOPIC_NAME_MAX + 1, "%s" MQ_REFUSALS_GROUP_SUFFIX, group);
}

static enum mq_status
prepare(struct consume *c, struct mq_error *err)
{
    const struct mq_consume_options *o = c->work.options;
    const bool has_refusals = o->refusals_topic != NULL;
    const bool is_refusals = has_refusals && strcmp(o->topic, o->refusals_topic) == 0;
    mq_consume_counts_init(o->metrics, &c->work.counts);
    enum mq_status st = MQ_OK;
    if (has_refusals && !o->replay)
        st = need_refusals(o, err);
    if (st == MQ_OK)
        st = mq_consume_writers_new(o->writers > 0 ? o->writers : 2, &o->layer, o->log,
                                    o->give_up_ms, c->work.counts.failures, &c->work.writers, err);
    if (st == MQ_OK)
        st = mq_source_open(&c->sources[c->source_count++], &c->work, o->topic, is_refusals, err);
    if (st == MQ_OK && has_refusals && !o->replay)
        st = mq_source_open(&c->sources[c->source_count++], &c->work, o->refusals_topic, true, err);
    return st;
}

static void
loop(struct consume *c)
{
    const struct mq_consume_options *o = c->work.options;
    while (c->work.status == MQ_OK && !mq_cancel_requested()) {
        for (int i = 0; i < c->source_count; i++)
            mq_source_settle(&c->sources[i]);
        c->ended = (o->until_end || o->replay) && at_end(c);
        if (c->ended)
            break;
        poll_all(c, close_batches(c));
        update_figures(c);
    }
}

/* until_end: write and commit what is at hand, with time, unlike a hand-over. */
static void
finish(struct consume *c)
{
    const struct mq_consume_options *o = c->work.options;
    for (int i = 0; i < c->source_count && c->work.status == MQ_OK; i++)
        mq_source_finish(&c->sources[i], MQ_MAX(o->give_up_ms, o->handover_ms));
    for (int i = 0; i < c->source_count && c->work.status == MQ_OK; i++)
        mq_source_check_finished(&c->sources[i]);
}

enum mq_status
mq_consume(const struct mq_consume_options *options, struct mq_consume_figures *ret_figures,
           struct mq_error *err)
{
    struct consume c = {.work = {.options = options, .told_s = -1e9},
                        .begun_s = mq_clock_monotonic_s()};
    enum mq_status st = prepare(&c, err);
    if (st == MQ_OK) {
        loop(&c);
        if ((options->until_end || options->replay) && c.work.status == MQ_OK)
            finish(&c);
        if (options->replay && options->ret_ends != NULL)
            mq_source_replayed(&c.sources[0], options->ret_ends, options->span_count);
    }
    for (int i = 0; i < c.source_count; i++)
        mq_source_leave(&c.sources[i]);
    mq_consume_writers_free(c.work.writers);
    for (int i = 0; i < c.source_count; i++)
        mq_source_close(&c.sources[i]);
    if (st == MQ_OK && c.work.status != MQ_OK) {
        if (err != NULL)
            *err = c.work.error;
        st = c.work.status;
    }
    if (st == MQ_OK && options->until_end && !c.ended) {
        st = mq_fail(err, MQ_E_CANCELLED,
                     "stopped before the end of '%s': what was read until then is written",
                     options->topic);
        mq_error_hint(err, "the same command goes on from there");
    }
    c.work.figures.seconds = mq_clock_monotonic_s() - c.begun_s;
    if (st == MQ_OK)
        *ret_figures = c.work.figures;
    return st;
}
