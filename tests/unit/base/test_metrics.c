/* Metrics: the text form, families kept together, and no count lost between threads. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>

#include "base/metrics.h"

static void
text_form(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_metrics *metrics;
    struct mq_buffer text = {0};
    check_ok(mq_metrics_new(&metrics, &err));
    const char *const good[] = {"status", "202", "path", "a\"b\\c\nd", NULL};
    struct mq_counter *counter = mq_metrics_counter(metrics, "x_total", "Answers.", good);
    struct mq_gauge *gauge = mq_metrics_gauge(metrics, "x_queue", "Waiting.", NULL);
    const char *const bad[] = {"status", "503", NULL};
    mq_counter_add(mq_metrics_counter(metrics, "x_total", "Answers.", bad), 2);
    mq_counter_add(counter, 9007199254740);
    mq_gauge_set(gauge, 2.5);
    mq_gauge_add(gauge, -1);
    const double bounds[] = {0.1, 1};
    struct mq_histogram *h = mq_metrics_histogram(metrics, "x_seconds", "Time.", NULL, bounds, 2);
    mq_histogram_observe(h, 0.1);
    mq_histogram_observe(h, 0.5);
    mq_histogram_observe(h, 7);
    assert_ptr_equal(counter, mq_metrics_counter(metrics, "x_total", "Answers.", good));
    check_ok(mq_metrics_text(metrics, &text, &err));
    assert_string_equal(text.data,
                        "# HELP x_total Answers.\n"
                        "# TYPE x_total counter\n"
                        "x_total{status=\"202\",path=\"a\\\"b\\\\c\\nd\"} 9007199254740\n"
                        "x_total{status=\"503\"} 2\n"
                        "# HELP x_queue Waiting.\n"
                        "# TYPE x_queue gauge\n"
                        "x_queue 1.5\n"
                        "# HELP x_seconds Time.\n"
                        "# TYPE x_seconds histogram\n"
                        "x_seconds_bucket{le=\"0.1\"} 1\n"
                        "x_seconds_bucket{le=\"1\"} 2\n"
                        "x_seconds_bucket{le=\"+Inf\"} 3\n"
                        "x_seconds_sum 7.6\n"
                        "x_seconds_count 3\n");
    mq_buffer_reset(&text);
    mq_metrics_add_process(metrics);
    check_ok(mq_metrics_text(metrics, &text, &err));
    check_contains(text.data, "\nprocess_resident_memory_bytes ");
    assert_null(strstr(text.data, "process_resident_memory_bytes 0\n"));
    mq_buffer_release(&text);
    mq_metrics_free(metrics);
}

/* Beyond the bound, and for one name in two kinds, there is still something to touch. */
static void
series_are_bounded(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_metrics *metrics;
    struct mq_buffer text = {0};
    check_ok(mq_metrics_new(&metrics, &err));
    for (int i = 0; i < MQ_METRICS_MAX + 2; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        const char *const labels[] = {"i", value, NULL};
        mq_counter_add(mq_metrics_counter(metrics, "y_total", "Y.", labels), 1);
    }
    mq_gauge_set(mq_metrics_gauge(metrics, "y_total", "Y.", NULL), 3);
    check_ok(mq_metrics_text(metrics, &text, &err));
    check_contains(text.data, "y_total{i=\"4095\"} 1\n");
    assert_null(strstr(text.data, "4096"));
    mq_buffer_release(&text);
    mq_metrics_free(metrics);
}

#define TOUCHES 100000

static void *
touch(void *context)
{
    struct mq_metrics *metrics = context;
    for (int i = 0; i < TOUCHES; i++) {
        if (i % 1000 == 0) {
            struct mq_buffer text = {0};
            (void)!mq_metrics_text(metrics, &text, NULL);
            mq_buffer_release(&text);
        }
        mq_counter_add(mq_metrics_counter(metrics, "z_total", "Z.", NULL), 1);
        mq_gauge_add(mq_metrics_gauge(metrics, "z", "Z.", NULL), 1);
        mq_histogram_observe(mq_metrics_histogram(metrics, "z_seconds", "Z.", NULL, NULL, 0), 1);
    }
    return NULL;
}

static void
threads_lose_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_metrics *metrics;
    check_ok(mq_metrics_new(&metrics, &err));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, touch, metrics), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct mq_buffer text = {0};
    check_ok(mq_metrics_text(metrics, &text, &err));
    check_contains(text.data, "z_total 300000\n");
    check_contains(text.data, "\nz 300000\n");
    check_contains(text.data, "z_seconds_count 300000\n");
    check_contains(text.data, "z_seconds_sum 300000\n");
    mq_buffer_release(&text);
    mq_metrics_free(metrics);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_form),
        cmocka_unit_test(series_are_bounded),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
