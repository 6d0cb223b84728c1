/* The queue before the log: batches gather, bounds hold, late jobs fail, the end loses nothing. */
#include "fake_event_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "serve/event_intake.h"

struct fixture {
    char *folder;
    struct mq_event_log *log;
    struct mq_metrics *metrics;
    struct mq_intake *intake;
};

static void
begin(struct fixture *f, const char *topic, size_t queue_events, size_t queue_bytes, int64_t ack_ms)
{
    struct mq_error err = {0};
    char uri[256];
    check_ok(mq_fs_scratch(&f->folder, &err));
    snprintf(uri, sizeof(uri), "lmdb:%s/log", f->folder);
    check_ok(mq_event_log_open(uri, &f->log, &err));
    check_ok(mq_event_log_create_topic(f->log, "events", 3, &err));
    check_ok(mq_metrics_new(&f->metrics, &err));
    const struct mq_intake_options options = {.log = f->log,
                                              .topic = topic,
                                              .writers = 2,
                                              .queue_events = queue_events,
                                              .queue_bytes = queue_bytes,
                                              .ack_ms = ack_ms,
                                              .metrics = f->metrics};
    check_ok(mq_intake_new(&options, &f->intake, &err));
}

static void
end(struct fixture *f)
{
    mq_intake_free(f->intake);
    mq_event_log_free(f->log);
    mq_metrics_free(f->metrics);
    (void)!mq_fs_remove(f->folder, NULL);
    free(f->folder);
}

struct test_job {
    struct mq_intake_job job;
    struct mq_new_event event;
    struct mq_produced produced;
    char text[32];
    enum mq_status status;
    char message[128];
    _Atomic bool done;
};

static void
done(struct mq_intake_job *job, enum mq_status status, const struct mq_error *error)
{
    struct test_job *test = job->context;
    test->status = status;
    snprintf(test->message, sizeof(test->message), "%.127s", error->message);
    atomic_store(&test->done, true);
}

static void
fill(struct test_job *test, int number)
{
    int n = snprintf(test->text, sizeof(test->text), "event %d", number);
    test->event = (struct mq_new_event){"k", 1, test->text, (size_t)n};
    test->job = (struct mq_intake_job){.events = &test->event,
                                       .count = 1,
                                       .produced = &test->produced,
                                       .done = done,
                                       .context = test};
    atomic_store(&test->done, false);
}

#define JOBS 3000

struct feeder {
    struct mq_intake *intake;
    struct test_job *jobs;
    int first;
};

static void *
feed(void *context)
{
    struct feeder *feeder = context;
    for (int i = 0; i < JOBS / 3; i++) {
        fill(&feeder->jobs[i], feeder->first + i);
        while (!mq_intake_put(feeder->intake, &feeder->jobs[i].job))
            continue; /* full: the writers will make room */
    }
    return NULL;
}

/* Three threads feed a small queue; freeing it writes what is left; every offset is its own. */
static void
nothing_is_lost(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "events", 50, 1 << 20, 20000);
    static struct test_job jobs[JOBS];
    pthread_t threads[3];
    struct feeder feeders[3];
    for (int i = 0; i < 3; i++) {
        feeders[i] = (struct feeder){f.intake, jobs + i * JOBS / 3, i * JOBS / 3};
        assert_int_equal(pthread_create(&threads[i], NULL, feed, &feeders[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    mq_intake_free(f.intake);
    f.intake = NULL;
    static bool seen[JOBS];
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < JOBS; i++) {
        assert_true(atomic_load(&jobs[i].done));
        assert_int_equal(jobs[i].status, MQ_OK);
        int64_t offset = jobs[i].produced.offset;
        assert_true(offset >= 0 && offset < JOBS && !seen[offset]);
        seen[offset] = true;
    }
    struct mq_buffer text = {0};
    struct mq_error err = {0};
    check_ok(mq_metrics_text(f.metrics, &text, &err));
    check_contains(text.data, "marquee_events_written_total 3000\n");
    mq_buffer_release(&text);
    end(&f);
}

static void
bounds_hold(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "events", 10, 1000, 20000);
    static char big[1200];
    struct test_job test;
    fill(&test, 0);
    test.event.value = big;
    test.event.value_size = 1001;
    assert_false(mq_intake_put(f.intake, &test.job)); /* more bytes than the queue ever holds */
    static struct mq_new_event many[11];
    for (int i = 0; i < 11; i++)
        many[i] = test.event;
    test.job.events = many;
    test.job.count = 11;
    assert_false(mq_intake_put(f.intake, &test.job));
    end(&f);
}

static void
wait_for(struct test_job *test)
{
    while (!atomic_load(&test->done))
        continue;
}

/* The topic is gone: the job fails with the log's own words, and the server is not ready. */
static void
failures_are_told(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "missing", 10, 1000, 20000);
    struct test_job test;
    fill(&test, 0);
    assert_true(mq_intake_put(f.intake, &test.job));
    wait_for(&test);
    assert_int_equal(test.status, MQ_E_NOT_FOUND);
    check_contains(test.message, "missing");
    char reason[200];
    while (mq_intake_is_ready(f.intake, reason, sizeof(reason)))
        continue;
    check_contains(reason, "missing");
    end(&f);
}

/* A permission that is taken away: the first write that fails says so, at once; and when it is
 * back, nothing has to be started again. */
static void
refused_writes_are_not_ready(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct mq_error err = {0};
    struct fake_log *log = fake_new(1);
    check_ok(mq_metrics_new(&f.metrics, &err));
    const struct mq_intake_options options = {.log = &log->base,
                                              .topic = "events",
                                              .writers = 1,
                                              .queue_events = 10,
                                              .queue_bytes = 1000,
                                              .ack_ms = 20000,
                                              .metrics = f.metrics};
    check_ok(mq_intake_new(&options, &f.intake, &err));
    struct test_job test;
    char reason[200];
    fill(&test, 0);
    assert_true(mq_intake_put(f.intake, &test.job));
    wait_for(&test);
    assert_int_equal(test.status, MQ_OK);
    assert_true(mq_intake_is_ready(f.intake, reason, sizeof(reason)));
    atomic_store(&log->refuses, MQ_E_DENIED);
    fill(&test, 1);
    assert_true(mq_intake_put(f.intake, &test.job));
    wait_for(&test);
    assert_int_equal(test.status, MQ_E_DENIED);
    double begun = mq_clock_monotonic_s();
    while (mq_intake_is_ready(f.intake, reason, sizeof(reason)))
        assert_true(mq_clock_monotonic_s() < begun + 1.5);
    check_contains(reason, "refuses writes");
    atomic_store(&log->refuses, MQ_OK);
    begun = mq_clock_monotonic_s();
    while (!mq_intake_is_ready(f.intake, reason, sizeof(reason)))
        assert_true(mq_clock_monotonic_s() < begun + 30);
    mq_intake_free(f.intake);
    mq_metrics_free(f.metrics);
    fake_free(&log->base);
}

/* A deadline of no time at all: the job is too late when it is taken, and nothing is written. */
static void
late_jobs_are_not_written(void **state)
{
    (void)state;
    struct fixture f;
    struct mq_error err = {0};
    begin(&f, "events", 10, 1000, -1);
    struct test_job test;
    fill(&test, 0);
    assert_true(mq_intake_put(f.intake, &test.job));
    wait_for(&test);
    assert_int_equal(test.status, MQ_E_TIMEOUT);
    for (int p = 0; p < 3; p++) {
        int64_t first, last;
        check_ok(mq_event_log_bounds(f.log, "events", p, &first, &last, &err));
        assert_int_equal(last, 0);
    }
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(late_jobs_are_not_written),
        cmocka_unit_test(refused_writes_are_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
