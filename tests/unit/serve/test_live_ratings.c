/* Events since the model: by user, newest of a film, within bounds of memory. */
#include "fake_event_log.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "serve/live_ratings.h"

static struct {
    char *folder;
    struct mq_event_log *log;
    struct mq_metrics *metrics;
    struct mq_live_ratings *live;
    struct mq_arena arena;
} f;

static int
set_up(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char uri[256];
    memset(&f, 0, sizeof(f));
    check_ok(mq_fs_scratch(&f.folder, &err));
    snprintf(uri, sizeof(uri), "lmdb:%s/log", f.folder);
    check_ok(mq_event_log_open(uri, &f.log, &err));
    check_ok(mq_event_log_create_topic(f.log, "events", 3, &err));
    check_ok(mq_metrics_new(&f.metrics, &err));
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    mq_live_ratings_free(f.live);
    mq_event_log_free(f.log);
    mq_metrics_free(f.metrics);
    mq_arena_release(&f.arena);
    (void)!mq_fs_remove(f.folder, NULL);
    free(f.folder);
    return 0;
}

static void
send(const char *user, const char *item, const char *more, int64_t time_s)
{
    char text[256];
    struct mq_error err = {0};
    struct mq_produced produced;
    int size = snprintf(text, sizeof(text),
                        "{\"user_id\":\"%s\",\"movie_id\":\"%s\",%s,\"timestamp\":%lld}", user,
                        item, more, (long long)time_s);
    const struct mq_new_event event = {user, strlen(user), text, (size_t)size};
    check_ok(mq_event_log_produce(f.log, "events", &event, 1, 10000, &produced, &err));
}

/* Ratings first…first+count-1 in one write: user and item by number where the pattern says so, each
 * a second later than the one before; or all at one time, if that is not 0. */
static void
send_many_at(int first, int count, const char *pattern, int time_s)
{
    static char texts[1000][200];
    static struct mq_new_event events[1000];
    static struct mq_produced produced[1000];
    struct mq_error err = {0};
    for (int i = 0; i < count; i++) {
        int n = first + i, size = 0;
        for (const char *p = pattern; *p != '\0'; p++)
            size +=
                *p == '#' ? sprintf(texts[i] + size, "%d", n) : sprintf(texts[i] + size, "%c", *p);
        size += sprintf(texts[i] + size, ",\"rating\":3,\"timestamp\":%d}",
                        time_s != 0 ? time_s : n + 1);
        events[i] = (struct mq_new_event){NULL, 0, texts[i], (size_t)size};
    }
    check_ok(mq_event_log_produce(f.log, "events", events, (size_t)count, 10000, produced, &err));
}

static void
send_many(int first, int count, const char *pattern)
{
    send_many_at(first, count, pattern, 0);
}

static void
start(int64_t since_ms, size_t memory_bytes)
{
    struct mq_error err = {0};
    const struct mq_live_options options = {.log = f.log,
                                            .topic = "events",
                                            .rules = {.age_max_ms = INT64_C(1) << 50,
                                                      .ahead_max_ms = 3600000,
                                                      .rating_min = 0.5,
                                                      .rating_max = 5},
                                            .since_ms = since_ms,
                                            .memory_bytes = memory_bytes,
                                            .metrics = f.metrics};
    check_ok(mq_live_ratings_start(&options, &f.live, &err));
    while (!mq_live_ratings_caught_up(f.live))
        sched_yield();
}

static size_t
count_of(const char *user, const struct mq_live_rating **ret_ratings)
{
    struct mq_error err = {0};
    size_t count;
    check_ok(mq_live_ratings_of(f.live, user, strlen(user), &f.arena, ret_ratings, &count, &err));
    return count;
}

/* Wait until a user has so many. */
static const struct mq_live_rating *
wait_for(const char *user, size_t count)
{
    const struct mq_live_rating *ratings = NULL;
    double end = mq_clock_monotonic_s() + 300;
    while (count_of(user, &ratings) != count) {
        assert_true(mq_clock_monotonic_s() < end);
        usleep(1000);
    }
    return ratings;
}

static void
follows_the_log(void **state)
{
    (void)state;
    const struct mq_live_rating *r;
    send("u", "a", "\"rating\":4", 1000);
    send("u", "b", "\"rating\":2,\"event_type\":\"rating\"", 900);
    send("u", "c", "\"event_type\":\"play\"", 1100);
    send("u", "d", "\"event_type\":\"search\"", 1200);
    send("v", "a", "\"rating\":9", 1000); /* off the scale */
    start(0, 1 << 20);
    r = wait_for("u", 3);
    assert_string_equal(r[0].item, "b");
    assert_string_equal(r[1].item, "a");
    assert_true(r[1].rating == 4 && r[1].time_ms == 1000000);
    assert_string_equal(r[2].item, "c");
    assert_true(r[2].rating < 0);
    assert_int_equal(count_of("v", &r), 0);
    assert_int_equal(count_of("nobody", &r), 0);
    /* What comes now is there soon; the newest of a film counts, and a play keeps its rating. */
    send("u", "a", "\"rating\":1", 1500);
    send("u", "b", "\"event_type\":\"play\"", 1600);
    send("u", "b", "\"rating\":5", 100); /* older than what is known */
    send("v", "x", "\"rating\":3", 1);
    wait_for("v", 1);
    r = wait_for("u", 3);
    assert_string_equal(r[0].item, "c");
    assert_string_equal(r[1].item, "a");
    assert_true(r[1].rating == 1);
    assert_string_equal(r[2].item, "b");
    assert_true(r[2].rating == 2 && r[2].time_ms == 1600000);
}

static void
begins_at_a_time(void **state)
{
    (void)state;
    const struct mq_live_rating *r;
    send("u", "old", "\"rating\":4", 1000);
    int64_t now = mq_clock_now_ms();
    while (mq_clock_now_ms() == now)
        sched_yield();
    now = mq_clock_now_ms();
    send("u", "new", "\"rating\":4", 1000);
    start(now, 1 << 20);
    r = wait_for("u", 1);
    assert_string_equal(r[0].item, "new");
}

static bool
is_a(void *context, const char *user, size_t user_size, const char *item, size_t item_size,
     int64_t time_ms)
{
    (void)context;
    (void)user;
    (void)user_size;
    return item_size == 1 && item[0] == 'a' && time_ms <= 1000000;
}

static void
forgets(void **state)
{
    (void)state;
    const struct mq_live_rating *r;
    send("u", "a", "\"rating\":4", 1000);
    send("u", "b", "\"rating\":4", 1000);
    send("v", "a", "\"rating\":4", 2000);
    send("w", "a", "\"rating\":4", 900);
    start(0, 1 << 20);
    assert_int_equal(mq_live_ratings_forget(f.live, is_a, NULL), 2);
    assert_int_equal(count_of("u", &r), 1);
    assert_string_equal(r[0].item, "b");
    assert_int_equal(count_of("v", &r), 1);
    assert_int_equal(count_of("w", &r), 0);
    send("w", "c", "\"rating\":4", 900);
    wait_for("w", 1);
}

/* A full memory loses the users who were silent longest, and no newer one. */
static void
stays_in_its_memory(void **state)
{
    (void)state;
    const struct mq_live_rating *r;
    start(0, 1 << 20);
    for (int u = 0; u < 20000; u += 1000)
        send_many(u, 1000,
                  "{\"user_id\":\"a-user-of-quite-a-long-name-#\",\"movie_id\":\"item-#\"");
    wait_for("a-user-of-quite-a-long-name-19999", 1);
    assert_int_equal(count_of("a-user-of-quite-a-long-name-0", &r), 0);
    assert_int_equal(count_of("a-user-of-quite-a-long-name-19000", &r), 1);
    struct mq_gauge *bytes = mq_metrics_gauge(f.metrics, "marquee_live_bytes", "", NULL);
    assert_true(atomic_load(&bytes->value) <= (double)(1 << 20));
}

/* Where all are as old, most stay all the same. */
static void
forgets_a_part_of_the_same_time(void **state)
{
    (void)state;
    start(0, 1 << 20);
    for (int u = 0; u < 20000; u += 1000)
        send_many_at(u, 1000,
                     "{\"user_id\":\"a-user-of-quite-a-long-name-#\",\"movie_id\":\"item-#\"", 77);
    /* Partitions are read in no order of each other: who is left is not said, how many are is. */
    struct mq_counter *taken = mq_metrics_counter(f.metrics, "marquee_live_events_total", "", NULL);
    double end = mq_clock_monotonic_s() + 300;
    while (mq_counter_value(taken) < 20000) {
        assert_true(mq_clock_monotonic_s() < end);
        usleep(1000);
    }
    struct mq_gauge *held = mq_metrics_gauge(f.metrics, "marquee_live_ratings", "", NULL);
    assert_true(atomic_load(&held->value) > 1200 && atomic_load(&held->value) < 20000);
}

/* Offsets at the end that stand for no event hold nothing up; partitions that come later are read
 * too. */
static void
reads_markers_and_new_partitions(void **state)
{
    (void)state;
    const struct mq_live_rating *r;
    struct fake_log *log = fake_new(2);
    mq_event_log_free(f.log);
    f.log = &log->base;
    fake_add(log, 0, 3, 2);
    fake_add(log, 1, 0, 4);
    start(0, 1 << 20); /* until it has caught up */
    assert_int_equal(count_of("u", &r), 3);
    /* Once it has caught up, a poll asks no partition how far it was read. */
    const int asked = log->positions_asked, polled = log->polls;
    fake_add(log, 0, 1, 0);
    wait_for("u", 4);
    while (log->polls < polled + 10)
        usleep(1000);
    assert_int_equal(log->positions_asked, asked);
    fake_add(log, 2, 2, 1);
    log->count = 3;
    wait_for("u", 6);
    assert_int_equal(log->positions_asked, asked + 2); /* where the next consumer goes on */
    struct mq_counter *taken = mq_metrics_counter(f.metrics, "marquee_live_events_total", "", NULL);
    assert_int_equal(mq_counter_value(taken), 6); /* none of them twice */
    mq_live_ratings_free(f.live);
    f.live = NULL;
    fake_free(f.log);
    f.log = NULL;
}

/* The newest thousand of a user. */
static void
bounds_a_user(void **state)
{
    (void)state;
    start(0, 16 << 20);
    send_many(0, 50, "{\"user_id\":\"u\",\"movie_id\":\"item-#\"");
    send_many(50, MQ_LIVE_RATINGS_OF_USER_MAX, "{\"user_id\":\"u\",\"movie_id\":\"item-#\"");
    send("v", "x", "\"rating\":3", 1);
    wait_for("v", 1);
    const struct mq_live_rating *r = wait_for("u", MQ_LIVE_RATINGS_OF_USER_MAX);
    assert_string_equal(r[0].item, "item-50");
}

int
main(void)
{
#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LIVE_TEST(follows_the_log),
        LIVE_TEST(begins_at_a_time),
        LIVE_TEST(forgets),
        LIVE_TEST(bounds_a_user),
        LIVE_TEST(stays_in_its_memory),
        LIVE_TEST(forgets_a_part_of_the_same_time),
        LIVE_TEST(reads_markers_and_new_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
