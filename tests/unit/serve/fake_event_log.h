/**
 * An event log in memory that does what is asked of it: partitions that come while it is read,
 * offsets that stand for no event, commits that are refused, a topic that is begun anew. One topic,
 * one group; one member, which is given the partitions below `shared_out`.
 *
 * Threads: a test's and a consumer's, under the log's lock; what a test looks at or sets while a
 * consumer runs is atomic.
 */
#ifndef MQ_TESTS_FAKE_EVENT_LOG_H
#define MQ_TESTS_FAKE_EVENT_LOG_H

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "store/event_log_backend.h"

#define FAKE_PARTITIONS 64
#define FAKE_EVENTS 2000
#define FAKE_TIME_MS INT64_C(1773100800000)

struct fake_partition {
    int64_t offsets[FAKE_EVENTS]; /* ascending */
    int count;
    int64_t first, end;        /* end may lie behind the last event */
    _Atomic int64_t committed; /* -1: nothing */
    int conflicts;             /* commits of it that are refused before one is taken */
    bool is_others;            /* never ours */
};

struct fake_log {
    struct mq_event_log base;
    pthread_mutex_t lock;
    struct fake_partition partitions[FAKE_PARTITIONS];
    _Atomic int count;      /* of the topic */
    _Atomic int shared_out; /* partitions below are the member's */
    int commits;
    _Atomic int polls, positions_asked;
    _Atomic int refuses; /* enum mq_status: writes fail so, and are known to */
    bool revoke;         /* take everything away at the next poll, once */
};

struct fake_consumer {
    struct mq_consumer base;
    int64_t next[FAKE_PARTITIONS];
    bool owned[FAKE_PARTITIONS];
    struct mq_event events[100];
    char texts[100][128];
};

static struct fake_log *
fake_of(struct mq_event_log *base)
{
    return (struct fake_log *)base;
}

static struct fake_log *
fake_of_consumer(struct mq_consumer *base)
{
    return (struct fake_log *)base->log;
}

static enum mq_status
fake_partitions(struct mq_event_log *base, const char *topic, int *ret_partitions,
                struct mq_error *err)
{
    (void)topic;
    (void)err;
    *ret_partitions = fake_of(base)->count;
    return MQ_OK;
}

static enum mq_status
fake_bounds(struct mq_event_log *base, const char *topic, int32_t partition, int64_t *ret_first,
            int64_t *ret_end, struct mq_error *err)
{
    (void)topic;
    (void)err;
    struct fake_log *log = fake_of(base);
    pthread_mutex_lock(&log->lock);
    *ret_first = log->partitions[partition].first;
    *ret_end = log->partitions[partition].end;
    pthread_mutex_unlock(&log->lock);
    return MQ_OK;
}

static enum mq_status
fake_check(struct mq_event_log *base, const char *topic, int64_t timeout_ms, struct mq_error *err)
{
    (void)timeout_ms;
    enum mq_status st = (enum mq_status)atomic_load(&fake_of(base)->refuses);
    return st == MQ_OK ? MQ_OK : mq_fail(err, st, "topic '%s' refuses writes", topic);
}

/* What was written does not matter: events are made when they are read. */
static enum mq_status
fake_produce(struct mq_event_log *base, const char *topic, const struct mq_new_event *events,
             size_t count, int64_t timeout_ms, struct mq_produced *ret_produced,
             struct mq_error *err)
{
    (void)events;
    struct fake_partition *part = &fake_of(base)->partitions[0];
    enum mq_status st = fake_check(base, topic, timeout_ms, err);
    pthread_mutex_lock(&fake_of(base)->lock);
    for (size_t i = 0; i < count; i++) {
        ret_produced[i] = (struct mq_produced){st, 0, part->end};
        if (st == MQ_OK)
            part->offsets[part->count++] = part->end++;
    }
    pthread_mutex_unlock(&fake_of(base)->lock);
    return st;
}

static enum mq_status
fake_offset_at(struct mq_event_log *base, const char *topic, int32_t partition, int64_t time_ms,
               int64_t *ret_offset, struct mq_error *err)
{
    int64_t first = 0, end = 0;
    (void)!fake_bounds(base, topic, partition, &first, &end, err);
    *ret_offset = time_ms <= FAKE_TIME_MS ? first : end;
    return MQ_OK;
}

static enum mq_status
fake_consumer_new(struct mq_event_log *base, const struct mq_consumer_options *options,
                  struct mq_consumer **ret_consumer, struct mq_error *err)
{
    (void)err;
    struct fake_consumer *consumer = calloc(1, sizeof(*consumer));
    consumer->base = (struct mq_consumer){base, *options};
    for (int p = 0; p < FAKE_PARTITIONS; p++) {
        consumer->owned[p] = options->group == NULL && p < fake_of(base)->count;
        consumer->next[p] = fake_of(base)->partitions[p].first;
    }
    *ret_consumer = &consumer->base;
    return MQ_OK;
}

/* Partitions that are to be the member's and are not yet, or all of them to be taken away. */
static void
fake_rebalance(struct fake_consumer *consumer)
{
    struct fake_log *log = fake_of_consumer(&consumer->base);
    const struct mq_consumer_options *options = &consumer->base.options;
    struct mq_position positions[FAKE_PARTITIONS];
    int32_t partitions[FAKE_PARTITIONS];
    size_t given = 0, taken = 0;
    pthread_mutex_lock(&log->lock);
    for (int p = 0; p < FAKE_PARTITIONS; p++) {
        struct fake_partition *part = &log->partitions[p];
        if (log->revoke && consumer->owned[p])
            partitions[taken++] = p;
        else if (!log->revoke && p < log->shared_out && !part->is_others && !consumer->owned[p])
            positions[given++] = (struct mq_position){p, part->committed};
    }
    log->revoke = false;
    pthread_mutex_unlock(&log->lock);
    if (taken > 0)
        options->on_revoked(options->context, partitions, taken);
    for (size_t i = 0; i < taken; i++)
        consumer->owned[partitions[i]] = false;
    for (size_t i = 0; i < given; i++) {
        int32_t p = positions[i].partition;
        consumer->owned[p] = true;
        consumer->next[p] = MQ_MAX(positions[i].offset, log->partitions[p].first);
    }
    if (given > 0)
        options->on_assigned(options->context, positions, given);
}

static size_t
fake_read(struct fake_consumer *consumer, size_t max_events)
{
    struct fake_log *log = fake_of_consumer(&consumer->base);
    size_t n = 0;
    pthread_mutex_lock(&log->lock);
    for (int p = 0; p < log->count; p++) {
        const struct fake_partition *part = &log->partitions[p];
        if (!consumer->owned[p])
            continue;
        if (consumer->next[p] > part->end || consumer->next[p] < part->first)
            consumer->next[p] = part->first; /* out of range: begun again */
        for (int i = 0; i < part->count && n < MQ_MIN(max_events, MQ_COUNT(consumer->events));
             i++) {
            if (part->offsets[i] < consumer->next[p])
                continue;
            int size = snprintf(consumer->texts[n], sizeof(consumer->texts[n]),
                                "{\"user_id\":\"u\",\"movie_id\":\"%d-%lld\",\"rating\":4,"
                                "\"timestamp\":%lld}",
                                p, (long long)part->offsets[i], (long long)FAKE_TIME_MS / 1000);
            consumer->events[n] = (struct mq_event){.partition = p,
                                                    .offset = part->offsets[i],
                                                    .time_ms = FAKE_TIME_MS,
                                                    .value = consumer->texts[n],
                                                    .value_size = (size_t)size};
            consumer->next[p] = part->offsets[i] + 1;
            n++;
        }
        /* All was given out: what lies behind stands for no event. */
        if (part->count == 0 || part->offsets[part->count - 1] < consumer->next[p])
            consumer->next[p] = MQ_MAX(consumer->next[p], n == 0 ? part->end : consumer->next[p]);
    }
    pthread_mutex_unlock(&log->lock);
    return n;
}

static enum mq_status
fake_poll(struct mq_consumer *base, size_t max_events, int64_t timeout_ms,
          const struct mq_event **ret_events, size_t *ret_count, struct mq_error *err)
{
    (void)err;
    struct fake_consumer *consumer = (struct fake_consumer *)base;
    atomic_fetch_add(&fake_of_consumer(base)->polls, 1);
    if (base->options.group != NULL)
        fake_rebalance(consumer);
    *ret_events = consumer->events;
    *ret_count = fake_read(consumer, max_events);
    if (*ret_count == 0 && timeout_ms > 0)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return MQ_OK;
}

static enum mq_status
fake_commit(struct mq_consumer *base, const struct mq_position *positions, size_t count,
            struct mq_error *err)
{
    struct fake_log *log = fake_of_consumer(base);
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < count; i++) {
        struct fake_partition *part = &log->partitions[positions[i].partition];
        if (part->conflicts > 0) { /* with one, none is taken */
            part->conflicts--;
            st = mq_fail(err, MQ_E_CONFLICT, "partition %d passed to another",
                         positions[i].partition);
        }
    }
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        log->partitions[positions[i].partition].committed = positions[i].offset;
    log->commits++;
    pthread_mutex_unlock(&log->lock);
    return st;
}

static enum mq_status
fake_committed(struct mq_consumer *base, int32_t partition, int64_t *ret_offset,
               struct mq_error *err)
{
    (void)err;
    struct fake_log *log = fake_of_consumer(base);
    pthread_mutex_lock(&log->lock);
    *ret_offset = log->partitions[partition].committed;
    pthread_mutex_unlock(&log->lock);
    return MQ_OK;
}

static enum mq_status
fake_group_committed(struct mq_event_log *base, const char *topic, const char *group,
                     int partitions, int64_t *ret_offsets, struct mq_error *err)
{
    (void)topic;
    (void)group;
    (void)err;
    for (int p = 0; p < partitions; p++)
        ret_offsets[p] = fake_of(base)->partitions[p].committed;
    return MQ_OK;
}

static enum mq_status
fake_seek(struct mq_consumer *base, struct mq_position position, struct mq_error *err)
{
    (void)err;
    ((struct fake_consumer *)base)->next[position.partition] = position.offset;
    return MQ_OK;
}

static int64_t
fake_position(struct mq_consumer *base, int32_t partition)
{
    const struct fake_consumer *consumer = (const struct fake_consumer *)base;
    atomic_fetch_add(&fake_of_consumer(base)->positions_asked, 1);
    return consumer->owned[partition] ? consumer->next[partition] : -1;
}

static void
fake_consumer_close(struct mq_consumer *base)
{
    struct fake_consumer *consumer = (struct fake_consumer *)base;
    fake_of_consumer(base)->revoke = true;
    if (base->options.group != NULL)
        fake_rebalance(consumer);
    fake_of_consumer(base)->revoke = false;
    free(consumer);
}

static void
fake_free(struct mq_event_log *base)
{
    free(base);
}

static const struct mq_event_log_ops fake_ops = {
    .scheme = "fake",
    .free = fake_free,
    .partitions = fake_partitions,
    .produce = fake_produce,
    .check = fake_check,
    .bounds = fake_bounds,
    .offset_at = fake_offset_at,
    .consumer_new = fake_consumer_new,
    .poll = fake_poll,
    .commit = fake_commit,
    .committed = fake_committed,
    .group_committed = fake_group_committed,
    .seek = fake_seek,
    .position = fake_position,
    .consumer_close = fake_consumer_close,
};

/** A topic of so many empty partitions, all of them the member's. */
static inline struct fake_log *
fake_new(int partitions)
{
    struct fake_log *log = calloc(1, sizeof(*log));
    log->base.ops = &fake_ops;
    pthread_mutex_init(&log->lock, NULL);
    log->count = log->shared_out = partitions;
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        log->partitions[p].committed = -1;
    return log;
}

/** Events at the offsets that come next, then so many offsets that stand for none. */
static inline void
fake_add(struct fake_log *log, int partition, int events, int markers)
{
    struct fake_partition *part = &log->partitions[partition];
    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < events; i++)
        part->offsets[part->count++] = part->end++;
    part->end += markers;
    pthread_mutex_unlock(&log->lock);
}

#endif
