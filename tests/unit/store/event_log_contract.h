/**
 * The contract of event_log.h as tests that any back end runs: include this in a cmocka program and
 * list EVENT_CONTRACT_TESTS(backend).
 */
#ifndef MQ_TESTS_EVENT_LOG_CONTRACT_H
#define MQ_TESTS_EVENT_LOG_CONTRACT_H

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/event_log.h"

struct log_backend {
    char *(*make)(void); /**< URI, owned by the caller */
    void (*clear)(const char *uri);
    bool trims; /**< mq_event_log_trim removes at once */
};

struct log_state {
    const struct log_backend *backend;
    char *uri;
    struct mq_event_log *log;
    char topic[64]; /**< fresh for each test */
    char group[64];
};

/** How long a test waits for what must happen. */
#define PATIENCE_S 30.0

static int
log_setup(void **state)
{
    static int serial;
    struct log_state *s = calloc(1, sizeof(*s));
    s->backend = *state;
    s->uri = s->backend->make();
    *state = s;
    snprintf(s->topic, sizeof(s->topic), "topic-%lld-%d", (long long)mq_clock_now_ms(), serial);
    snprintf(s->group, sizeof(s->group), "group-%lld-%d", (long long)mq_clock_now_ms(), serial++);
    struct mq_error err = {0};
    if (s->uri == NULL || mq_event_log_open(s->uri, &s->log, &err) != MQ_OK ||
        mq_event_log_create_topic(s->log, s->topic, 3, &err) != MQ_OK) {
        print_error("set-up: %s\n", err.message);
        return 1;
    }
    return 0;
}

static int
log_teardown(void **state)
{
    struct log_state *s = *state;
    mq_event_log_free(s->log);
    s->backend->clear(s->uri);
    free(s->uri);
    free(s);
    return 0;
}

/* Write events "<first>".."<first+count-1>" with key = number % 7. */
static void
produce_numbers(struct log_state *s, int first, int count)
{
    struct mq_error err = {0};
    struct mq_new_event *events = calloc((size_t)count, sizeof(*events));
    struct mq_produced *produced = calloc((size_t)count, sizeof(*produced));
    char(*texts)[24] = calloc((size_t)count, sizeof(*texts));
    for (int i = 0; i < count; i++) {
        int n = snprintf(texts[i], sizeof(texts[i]), "%d", first + i);
        events[i] = (struct mq_new_event){&"0123456"[(first + i) % 7], 1, texts[i], (size_t)n};
    }
    check_ok(mq_event_log_produce(s->log, s->topic, events, (size_t)count, 20000, produced, &err));
    for (int i = 0; i < count; i++) {
        assert_int_equal(produced[i].status, MQ_OK);
        assert_in_range(produced[i].partition, 0, 2);
        assert_true(produced[i].offset >= 0);
    }
    free(texts);
    free(produced);
    free(events);
}

static int
number_of(const struct mq_event *event)
{
    char text[24] = "";
    assert_true(event->value_size < sizeof(text));
    memcpy(text, event->value, event->value_size);
    return atoi(text);
}

static struct mq_consumer *
join(struct log_state *s, const char *group)
{
    struct mq_error err = {0};
    struct mq_consumer *consumer;
    struct mq_consumer_options options = {
        .topic = s->topic, .group = group, .session_timeout_ms = 6000};
    check_ok(mq_consumer_new(s->log, &options, &consumer, &err));
    return consumer;
}

/* Poll until `count` events came (or patience ends); seen[number]++, order within partitions held.
 */
static int
take_numbers(struct mq_consumer *consumer, int count, int *seen, struct mq_position next[3])
{
    struct mq_error err = {0};
    double give_up = mq_clock_monotonic_s() + PATIENCE_S;
    int taken = 0;
    while (taken < count && mq_clock_monotonic_s() < give_up) {
        const struct mq_event *events;
        size_t n;
        check_ok(mq_consumer_poll(consumer, 500, 200, &events, &n, &err));
        for (size_t i = 0; i < n; i++) {
            int32_t p = events[i].partition;
            if (next[p].offset >= 0)
                assert_int_equal(events[i].offset, next[p].offset);
            next[p] = (struct mq_position){p, events[i].offset + 1};
            assert_int_equal(events[i].key_size, 1);
            assert_int_equal(*(const char *)events[i].key, '0' + number_of(&events[i]) % 7);
            seen[number_of(&events[i])]++;
            taken++;
        }
    }
    return taken;
}

/* Whoever needs a topic makes it where it is missing, and leaves it be where it is there. */
static void
log_ensure_topic(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    char topic[80];
    int partitions;
    bool made = false;
    snprintf(topic, sizeof(topic), "%s-needed", s->topic);
    check_ok(mq_event_log_ensure_topic(s->log, topic, 2, &made, &err));
    assert_true(made);
    double give_up = mq_clock_monotonic_s() + PATIENCE_S; /* until it is known everywhere */
    while (mq_event_log_partitions(s->log, topic, &partitions, &err) != MQ_OK)
        assert_true(mq_clock_monotonic_s() < give_up);
    check_ok(mq_event_log_ensure_topic(s->log, topic, 3, &made, &err));
    assert_false(made);
    check_ok(mq_event_log_partitions(s->log, topic, &partitions, &err));
    assert_int_equal(partitions, 2);
    made = true;
    check_fails(MQ_E_RANGE, mq_event_log_ensure_topic(s->log, "no name", 1, &made, &err));
    check_contains(err.message, "'no name' is no topic name");
    assert_true(made);
    snprintf(topic, sizeof(topic), "%s-other", s->topic);
    check_fails(MQ_E_RANGE, mq_event_log_ensure_topic(s->log, topic, 257, &made, &err));
}

#define NO_POSITIONS                                                                               \
    {                                                                                              \
        {0, -1}, {1, -1},                                                                          \
        {                                                                                          \
            2, -1                                                                                  \
        }                                                                                          \
    }

static void
log_order(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    static int seen[1000];
    memset(seen, 0, sizeof(seen));
    produce_numbers(s, 0, 700);
    produce_numbers(s, 700, 300);
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 1000, seen, next), 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    int64_t total = 0;
    struct mq_bounds bounds[3] = {{.partition = 0}, {.partition = 1}, {.partition = 2}};
    check_ok(mq_consumer_bounds(consumer, bounds, 3, &err));
    check_ok(mq_event_log_check(s->log, s->topic, 5000, &err));
    for (int p = 0; p < 3; p++) {
        int64_t first, end;
        check_ok(mq_event_log_bounds(s->log, s->topic, p, &first, &end, &err));
        assert_int_equal(first, 0);
        assert_int_equal(bounds[p].first, 0);
        assert_int_equal(bounds[p].end, end);
        assert_int_equal(mq_consumer_position(consumer, p), end);
        total += end;
    }
    assert_int_equal(mq_consumer_position(consumer, 3), -1);
    assert_int_equal(total, 1000);
    const struct mq_event *events;
    size_t n;
    check_ok(mq_consumer_poll(consumer, 10, 50, &events, &n, &err));
    assert_int_equal(n, 0);
    mq_consumer_close(consumer);
}

/* What was committed is not seen again, what was not is. */
static void
log_commits(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    static int seen[600];
    memset(seen, 0, sizeof(seen));
    produce_numbers(s, 0, 300);
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 300, seen, next), 300);
    int64_t committed;
    check_ok(mq_consumer_committed(consumer, 1, &committed, &err));
    assert_int_equal(committed, -1);
    check_ok(mq_consumer_commit(consumer, next, 3, &err));
    check_ok(mq_consumer_committed(consumer, 1, &committed, &err));
    assert_int_equal(committed, next[1].offset);
    int64_t group[3], other[3]; /* asked from outside: the group keeps its members */
    check_ok(mq_event_log_committed(s->log, s->topic, s->group, 3, group, &err));
    check_ok(mq_event_log_committed(s->log, s->topic, "nobody", 3, other, &err));
    for (int p = 0; p < 3; p++) {
        assert_int_equal(group[p], next[p].offset);
        assert_int_equal(other[p], -1);
    }
    produce_numbers(s, 300, 200);
    assert_int_equal(take_numbers(consumer, 200, seen, next), 200);
    mq_consumer_close(consumer); /* the last 200 are not committed */
    consumer = join(s, s->group);
    struct mq_position again[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 200, seen, again), 200);
    for (int i = 0; i < 500; i++)
        assert_int_equal(seen[i], i < 300 ? 1 : 2);
    mq_consumer_close(consumer);
}

static void
log_seek_and_time(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    static int seen[400];
    memset(seen, 0, sizeof(seen));
    produce_numbers(s, 0, 200);
    int64_t between_ms;
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL); /* so that the two halves have different times */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    between_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    nanosleep(&pause, NULL);
    produce_numbers(s, 200, 200);
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 400, seen, next), 400);
    for (int p = 0; p < 3; p++) {
        int64_t offset, first, end;
        check_ok(mq_event_log_offset_at(s->log, s->topic, p, between_ms, &offset, &err));
        check_ok(mq_event_log_bounds(s->log, s->topic, p, &first, &end, &err));
        assert_in_range(offset, first, end);
        next[p] = (struct mq_position){p, offset};
        check_ok(mq_consumer_seek(consumer, next[p], &err));
        check_ok(mq_event_log_offset_at(s->log, s->topic, p, between_ms + 3600000, &offset, &err));
        assert_int_equal(offset, end);
    }
    assert_int_equal(take_numbers(consumer, 200, seen, next), 200);
    for (int i = 0; i < 400; i++)
        assert_int_equal(seen[i], i < 200 ? 1 : 2);
    mq_consumer_close(consumer);
}

struct member {
    struct log_state *state;
    struct mq_consumer *consumer;
    struct mq_position next[3];
    int32_t owned[3];
    int *seen;
    int taken;
    int commits_failed;
    atomic_bool *stop;
};

static void
note_assigned(void *context, const struct mq_position *positions, size_t count)
{
    struct member *member = context;
    for (size_t i = 0; i < count; i++)
        member->owned[positions[i].partition] = 1;
}

static void
commit_revoked(void *context, const int32_t *partitions, size_t count)
{
    struct member *member = context;
    struct mq_position positions[3];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        member->owned[partitions[i]] = 0;
        if (member->next[partitions[i]].offset >= 0)
            positions[n++] = member->next[partitions[i]];
        member->next[partitions[i]].offset = -1;
    }
    if (mq_consumer_commit(member->consumer, positions, n, NULL) != MQ_OK)
        member->commits_failed++;
}

static void
member_join(struct member *member, struct log_state *s, int *seen)
{
    struct mq_error err = {0};
    *member = (struct member){.state = s, .next = NO_POSITIONS, .seen = seen};
    struct mq_consumer_options options = {.topic = s->topic,
                                          .group = s->group,
                                          .session_timeout_ms = 6000,
                                          .on_assigned = note_assigned,
                                          .on_revoked = commit_revoked,
                                          .context = member};
    check_ok(mq_consumer_new(s->log, &options, &member->consumer, &err));
}

static void
member_poll(struct member *member)
{
    struct mq_error err = {0};
    const struct mq_event *events;
    size_t n;
    check_ok(mq_consumer_poll(member->consumer, 50, 20, &events, &n, &err));
    for (size_t i = 0; i < n; i++) {
        member->seen[number_of(&events[i])]++;
        member->next[events[i].partition] =
            (struct mq_position){events[i].partition, events[i].offset + 1};
        member->taken++;
    }
}

static int
owned_by(const struct member *member)
{
    return member->owned[0] + member->owned[1] + member->owned[2];
}

/* Members come and go; with commits on hand-over every event is taken exactly once. */
static void
log_rebalance(void **state)
{
    struct log_state *s = *state;
    static int seen[2000];
    memset(seen, 0, sizeof(seen));
    struct member a, b;
    member_join(&a, s, seen);
    produce_numbers(s, 0, 500);
    double give_up = mq_clock_monotonic_s() + PATIENCE_S;
    while (a.taken < 500 && mq_clock_monotonic_s() < give_up)
        member_poll(&a);
    assert_int_equal(a.taken, 500);
    member_join(&b, s, seen);
    while ((owned_by(&a) == 3 || owned_by(&b) == 0 || owned_by(&a) == 0) &&
           mq_clock_monotonic_s() < give_up) {
        member_poll(&a);
        member_poll(&b);
    }
    for (int p = 0; p < 3; p++)
        assert_int_equal(a.owned[p] + b.owned[p], 1);
    produce_numbers(s, 500, 1000);
    while (a.taken + b.taken < 1500 && mq_clock_monotonic_s() < give_up) {
        member_poll(&a);
        member_poll(&b);
    }
    assert_true(b.taken > 0);
    mq_consumer_close(b.consumer);
    produce_numbers(s, 1500, 500);
    while (a.taken + b.taken < 2000 && mq_clock_monotonic_s() < give_up)
        member_poll(&a);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(seen[i], 1);
    mq_consumer_close(a.consumer);
    assert_int_equal(a.commits_failed + b.commits_failed, 0);
}

static void
member_wait(struct member *member, double seconds)
{
    struct mq_error err = {0};
    const struct mq_event *events;
    size_t n;
    double until = mq_clock_monotonic_s() + seconds;
    do {
        check_ok(mq_consumer_poll(member->consumer, 0, 50, &events, &n, &err));
        assert_int_equal(n, 0);
    } while (mq_clock_monotonic_s() < until);
}

/* A member that waits while it loses its partitions, and wants events again before it has others,
 * gets those of what it is given then. */
static void
log_waits_through_rebalance(void **state)
{
    struct log_state *s = *state;
    static int seen[900];
    memset(seen, 0, sizeof(seen));
    struct member a, b;
    member_join(&a, s, seen);
    produce_numbers(s, 0, 600);
    double give_up = mq_clock_monotonic_s() + PATIENCE_S;
    while (a.taken < 100 && mq_clock_monotonic_s() < give_up)
        member_poll(&a);
    member_wait(&a, 1.5);
    assert_int_equal(owned_by(&a), 3);
    member_join(&b, s, seen);
    while ((owned_by(&a) == 3 || owned_by(&a) == 0 || owned_by(&b) == 0) &&
           mq_clock_monotonic_s() < give_up) {
        if (owned_by(&a) == 3)
            member_wait(&a, 0);
        else
            member_poll(&a);
        member_poll(&b);
    }
    assert_int_equal(owned_by(&a) + owned_by(&b), 3);
    mq_consumer_close(b.consumer);
    produce_numbers(s, 600, 300);
    while (a.taken + b.taken < 900 && mq_clock_monotonic_s() < give_up)
        member_poll(&a);
    for (int i = 0; i < 900; i++)
        assert_int_equal(seen[i], 1);
    mq_consumer_close(a.consumer);
}

struct producer_thread {
    struct log_state *state;
    int first;
};

static void *
produce_many(void *argument)
{
    struct producer_thread *thread = argument;
    for (int i = 0; i < 50; i++)
        produce_numbers(thread->state, thread->first + i * 5, 5);
    return NULL;
}

static void
log_concurrent_producers(void **state)
{
    struct log_state *s = *state;
    static int seen[1000];
    memset(seen, 0, sizeof(seen));
    pthread_t threads[4];
    struct producer_thread work[4];
    for (int i = 0; i < 4; i++) {
        work[i] = (struct producer_thread){s, i * 250};
        assert_int_equal(pthread_create(&threads[i], NULL, produce_many, &work[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct mq_consumer *consumer = join(s, NULL);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 1000, seen, next), 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    struct mq_error err = {0};
    check_fails(MQ_E_USAGE, mq_consumer_commit(consumer, next, 3, &err));
    mq_consumer_close(consumer);
}

/* A member that waits takes nothing, stays a member, and goes on where it was. */
static void
log_waiting_member(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    static int seen[600];
    memset(seen, 0, sizeof(seen));
    produce_numbers(s, 0, 300);
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_true(take_numbers(consumer, 100, seen, next) >= 100);
    const struct mq_event *events;
    size_t n = 1;
    double until = mq_clock_monotonic_s() + 1.5;
    produce_numbers(s, 300, 300);
    while (mq_clock_monotonic_s() < until) {
        check_ok(mq_consumer_poll(consumer, 0, 50, &events, &n, &err));
        assert_int_equal(n, 0);
    }
    int taken = 0;
    for (int i = 0; i < 600; i++)
        taken += seen[i];
    assert_int_equal(take_numbers(consumer, 600 - taken, seen, next), 600 - taken);
    for (int i = 0; i < 600; i++)
        assert_int_equal(seen[i], 1);
    check_ok(mq_consumer_commit(consumer, next, 3, &err));
    mq_consumer_close(consumer);
}

static void
log_refusals(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    struct mq_produced produced;
    struct mq_new_event event = {NULL, 0, "x", 1};
    int partitions;
    check_fails(MQ_E_NOT_FOUND,
                mq_event_log_partitions(s->log, "no-such-topic", &partitions, &err));
    check_contains(err.message, "no-such-topic");
    check_ok(mq_event_log_partitions(s->log, s->topic, &partitions, &err));
    assert_int_equal(partitions, 3);
    check_ok(mq_event_log_create_topic(s->log, s->topic, 3, &err));
    check_fails(MQ_E_NOT_FOUND, mq_event_log_check(s->log, "no-such-topic", 5000, &err));
    check_fails(MQ_E_RANGE, mq_event_log_create_topic(s->log, "bad name", 1, &err));
    check_fails(MQ_E_RANGE, mq_event_log_create_topic(s->log, "t", 0, &err));
    char *large = calloc(1, MQ_EVENT_BYTES_MAX + 1);
    event = (struct mq_new_event){NULL, 0, large, MQ_EVENT_BYTES_MAX + 1};
    check_fails(MQ_E_RANGE,
                mq_event_log_produce(s->log, s->topic, &event, 1, 1000, &produced, &err));
    assert_int_equal(produced.status, MQ_E_RANGE);
    free(large);
    int64_t first, end;
    check_fails(MQ_E_RANGE, mq_event_log_bounds(s->log, s->topic, 3, &first, &end, &err));
}

static void
log_trim(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    int64_t removed;
    produce_numbers(s, 0, 100);
    struct timespec pause = {0, 5000000};
    nanosleep(&pause, NULL);
    check_ok(mq_event_log_trim(s->log, s->topic, INT64_MAX, &removed, &err));
    if (!s->backend->trims)
        return;
    assert_int_equal(removed, 100);
    produce_numbers(s, 100, 50);
    static int seen[150];
    memset(seen, 0, sizeof(seen));
    struct mq_consumer *consumer = join(s, s->group);
    struct mq_position next[3] = NO_POSITIONS;
    assert_int_equal(take_numbers(consumer, 50, seen, next), 50);
    int64_t total = 0;
    for (int p = 0; p < 3; p++) {
        int64_t first, end;
        check_ok(mq_event_log_bounds(s->log, s->topic, p, &first, &end, &err));
        total += end - first;
        assert_int_equal(next[p].offset, end); /* offsets went on where they were */
    }
    assert_int_equal(total, 50);
    mq_consumer_close(consumer);
}

#define LOG_TEST(test, backend)                                                                    \
    {                                                                                              \
#test, test, log_setup, log_teardown, (void *)(backend)                                    \
    }
#define EVENT_CONTRACT_TESTS(backend)                                                              \
    LOG_TEST(log_order, backend), LOG_TEST(log_commits, backend),                                  \
        LOG_TEST(log_seek_and_time, backend), LOG_TEST(log_rebalance, backend),                    \
        LOG_TEST(log_concurrent_producers, backend), LOG_TEST(log_waiting_member, backend),        \
        LOG_TEST(log_waits_through_rebalance, backend), LOG_TEST(log_refusals, backend),           \
        LOG_TEST(log_trim, backend), LOG_TEST(log_ensure_topic, backend)

#endif
