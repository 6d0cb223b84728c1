/*
 * The consumer where logs and stores are not as they should be: on the embedded log, and on one in
 * memory that does what seldom happens.
 */
#include "fake_event_log.h"

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/filesystem.h"
#include "data/bronze_verify.h"
#include "format/gzip_stream.h"
#include "serve/consume.h"

#define TOPIC "user-events"
#define REFUSALS "user-events.rejected"
#define NOW "1773100800"
#define PATIENCE_S 60.0

static struct {
    char *folder;
    struct mq_object_store *store;
    struct mq_event_log *log;
    struct mq_metrics *metrics;
    struct mq_consume_figures figures;
    pthread_t thread;
    enum mq_status status;
    struct mq_error error;
    struct mq_consume_options options;
} f;

static void
open_store(const char *uri)
{
    struct mq_error err = {0};
    mq_object_store_free(f.store);
    check_ok(mq_object_store_open(uri, &f.store, &err));
    f.options.layer.store = f.store;
}

static void
use_log(struct mq_event_log *log)
{
    f.log = f.options.log = f.options.layer.log = log;
}

static void
open_log(int partitions)
{
    struct mq_error err = {0};
    struct mq_event_log *log;
    mq_autofree char *uri = mq_strfmt("lmdb:%s/log", f.folder);
    check_ok(mq_event_log_open(uri, &log, &err));
    check_ok(mq_event_log_create_topic(log, TOPIC, partitions, &err));
    use_log(log);
}

static int
set_up(void **state)
{
    (void)state;
    struct mq_error err = {0};
    memset(&f, 0, sizeof(f));
    setenv("MARQUEE_NOW", NOW, 1);
    mq_cancel_reset();
    check_ok(mq_fs_scratch(&f.folder, &err));
    check_ok(mq_metrics_new(&f.metrics, &err));
    f.options = (struct mq_consume_options){.topic = TOPIC,
                                            .group = "g",
                                            .layer = {.region = "1",
                                                      .rules = {.age_max_ms = INT64_C(1) << 50,
                                                                .ahead_max_ms = INT64_C(1) << 50,
                                                                .rating_min = 0.5,
                                                                .rating_max = 5},
                                                      .level = 1},
                                            .batch_bytes = 1 << 20,
                                            .batch_age_ms = 50,
                                            .memory_bytes = MQ_CONSUME_MEMORY_MIN,
                                            .session_ms = 3000,
                                            .handover_ms = 300,
                                            .metrics = f.metrics};
    mq_autofree char *path = mq_strfmt("%s/store", f.folder);
    open_store(path);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    if (f.log != NULL && f.log->ops == &fake_ops)
        fake_free(f.log);
    else
        mq_event_log_free(f.log);
    mq_object_store_free(f.store);
    mq_metrics_free(f.metrics);
    (void)!mq_fs_remove(f.folder, NULL);
    free(f.folder);
    return 0;
}

/* One run to the end of the log. */
static enum mq_status
consume_all(struct mq_error *err)
{
    struct mq_consume_options options = f.options;
    options.until_end = true;
    options.give_up_ms = 20000;
    return mq_consume(&options, &f.figures, err);
}

static void *
run_consumer(void *unused)
{
    f.status = mq_consume(&f.options, &f.figures, &f.error);
    return unused;
}

static void
start(void)
{
    assert_int_equal(pthread_create(&f.thread, NULL, run_consumer, NULL), 0);
}

static void
stop(void)
{
    mq_cancel_request();
    pthread_join(f.thread, NULL);
    mq_cancel_reset();
}

static double
gauge(const char *name)
{
    return atomic_load(&mq_metrics_gauge(f.metrics, name, "", NULL)->value);
}

static void
moment(void)
{
    nanosleep(&(struct timespec){0, 5000000}, NULL);
}

/* Events "<first>"… into a partition chosen by key. */
static void
send_events(int count)
{
    struct mq_error err = {0};
    char text[128];
    for (int i = 0; i < count; i++) {
        int size = snprintf(
            text, sizeof(text),
            "{\"user_id\":\"u\",\"movie_id\":\"%d\",\"rating\":4,\"timestamp\":" NOW "}", i);
        const struct mq_new_event event = {"k", 1, text, (size_t)size};
        struct mq_produced produced;
        check_ok(mq_event_log_produce(f.log, TOPIC, &event, 1, 10000, &produced, &err));
    }
}

static void
send_line(const char *line)
{
    struct mq_error err = {0};
    struct mq_produced produced;
    const struct mq_new_event event = {NULL, 0, line, strlen(line)};
    check_ok(mq_event_log_produce(f.log, REFUSALS, &event, 1, 10000, &produced, &err));
}

/* Of all batches, and that they reach as far as the group has committed. */
static void
examine(struct mq_bronze_report *ret_report)
{
    struct mq_error err = {0};
    struct mq_bronze_history history = {0};
    struct mq_bronze_ends *ends = calloc(2, sizeof(*ends));
    const char *refusals = f.options.refusals_topic;
    const struct mq_bronze_question question = {
        .ends = &ends[0], .refusals_ends = refusals != NULL ? &ends[1] : NULL};
    check_ok(mq_bronze_ends_ask(f.log, f.options.topic, f.options.group, &ends[0], &err));
    if (refusals != NULL)
        check_ok(mq_bronze_ends_ask(f.log, refusals, f.options.group, &ends[1], &err));
    check_ok(mq_bronze_history_load(f.store, "1", NULL, NULL, &history, &err));
    check_ok(mq_bronze_verify(f.store, "1", &question, &history, NULL, ret_report, &err));
    mq_bronze_history_release(&history);
    free(ends);
}

static struct mq_bronze_report
verify(void)
{
    struct mq_bronze_report report;
    examine(&report);
    if (report.findings.count > 0)
        fail_msg("%s", report.findings.texts[0]);
    return report;
}

/* Read again from the beginning, as `marquee replay` does. */
static enum mq_status
replay_all(struct mq_error *err)
{
    struct mq_consume_options options = f.options;
    struct mq_bronze_span spans[MQ_PARTITIONS_MAX];
    enum mq_status st = mq_bronze_spans_of_time(f.log, options.topic, 0, INT64_MAX, spans,
                                                &options.span_count, err);
    if (st != MQ_OK)
        return st;
    options.replay = true;
    options.spans = spans;
    options.give_up_ms = 20000;
    return mq_consume(&options, &f.figures, err);
}

static void
assert_whole(int64_t events)
{
    struct mq_bronze_report report = verify();
    assert_int_equal(report.events, events);
    mq_bronze_report_release(&report);
}

/* ---- a log begun anew ------------------------------------------------------------------- */

static void
refuses_a_log_begun_anew(void **state)
{
    (void)state;
    struct mq_error err = {0};
    open_log(1);
    send_events(200);
    check_ok(consume_all(&err));
    assert_int_equal(f.figures.good, 200);
    mq_event_log_free(f.log);
    mq_autofree char *path = mq_strfmt("%s/log", f.folder);
    check_ok(mq_fs_remove(path, &err));
    open_log(1);
    send_events(10);
    double begun = mq_clock_monotonic_s();
    check_fails(MQ_E_CONFLICT, consume_all(&err));
    check_contains(err.message, "begun anew");
    check_contains(err.hint, "events.topic");
    check_fails(MQ_E_CONFLICT, replay_all(&err));
    assert_true(mq_clock_monotonic_s() < begun + 15);
    start(); /* one that runs on says so too */
    pthread_join(f.thread, NULL);
    assert_int_equal(f.status, MQ_E_CONFLICT);
    struct mq_bronze_report report;
    examine(&report);
    assert_int_equal(report.events, 200);
    assert_int_equal(report.findings.count, 1);
    check_contains(report.findings.texts[0], "is it the log they came from?");
    mq_bronze_report_release(&report);
}

/* The same under a consumer that runs: with new events, and without. */
static void
notices_a_log_begun_anew(void **state)
{
    (void)state;
    for (int events = 0; events <= 5; events += 5) {
        struct fake_log *log = fake_new(1);
        use_log(&log->base);
        f.options.topic = events > 0 ? "with" : "without";
        fake_add(log, 0, 100, 0);
        start();
        while (log->partitions[0].committed != 100)
            moment();
        pthread_mutex_lock(&log->lock);
        log->partitions[0].count = 0;
        log->partitions[0].end = 0;
        pthread_mutex_unlock(&log->lock);
        fake_add(log, 0, events, 0);
        pthread_join(f.thread, NULL);
        assert_int_equal(f.status, MQ_E_CONFLICT);
        check_contains(f.error.message, "begun anew");
        if (events == 0)
            free(log);
    }
}

/* ---- partitions and offsets ------------------------------------------------------------- */

static void
takes_new_partitions(void **state)
{
    (void)state;
    struct fake_log *log = fake_new(2);
    use_log(&log->base);
    fake_add(log, 0, 10, 0);
    start();
    while (log->partitions[0].committed != 10)
        moment();
    for (int p = 0; p < 40; p++)
        fake_add(log, p, 5, 0);
    log->count = log->shared_out = 40;
    for (int p = 0; p < 40; p++)
        while (log->partitions[p].committed != (p == 0 ? 15 : 5))
            moment();
    stop();
    assert_int_equal(f.status, MQ_OK);
    assert_whole(10 + 40 * 5);
    assert_int_equal(f.figures.good, 10 + 40 * 5);
}

/* Offsets that stand for no event: between events, at the end, alone; and the group stands behind
 * them when the consumer comes back. */
static void
passes_over_markers(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct fake_log *log = fake_new(4);
    use_log(&log->base);
    for (int round = 1; round <= 3; round++) {
        fake_add(log, 0, 10, 1);
        fake_add(log, 1, 0, 3);
        fake_add(log, 2, 1, 0);
        if (round == 2)
            fake_add(log, 3, 0, 7);
        check_ok(consume_all(&err));
        assert_int_equal(log->partitions[0].committed, round * 11);
        assert_int_equal(log->partitions[1].committed, -1);
        assert_int_equal(log->partitions[2].committed, round);
        assert_whole(round * 11);
    }
    fake_add(log, 1, 2, 0);
    fake_add(log, 3, 2, 1);
    check_ok(consume_all(&err));
    assert_int_equal(log->partitions[3].committed, 10);
    check_ok(replay_all(&err));
    assert_whole(37);
    struct mq_bronze_report report = verify();
    assert_int_equal(report.empty, 2 + 9 + 7 + 1 + 1);
    mq_bronze_report_release(&report);
}

/* A chain that begins behind markers, as retention took them for events once: a replay of all that
 * is there passes over them to the first batch. */
static void
passes_over_markers_before_the_chain(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct fake_log *log = fake_new(1);
    use_log(&log->base);
    fake_add(log, 0, 0, 9);
    log->partitions[0].first = 9;
    fake_add(log, 0, 4, 0);
    check_ok(consume_all(&err));
    assert_whole(4);
    log->partitions[0].first = 0;
    check_ok(replay_all(&err));
    assert_int_equal(f.figures.good, 4);
    assert_int_equal(f.figures.redone, 1);
}

/* A group that was set ahead leaves events out, and the chain says so; offsets without events that
 * it stands behind are no gap. */
static void
tells_events_from_markers(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct fake_log *log = fake_new(1);
    use_log(&log->base);
    fake_add(log, 0, 10, 0);
    check_ok(consume_all(&err));
    fake_add(log, 0, 0, 5); /* markers: in no batch, so not committed */
    check_ok(consume_all(&err));
    assert_int_equal(log->partitions[0].committed, 10);
    log->partitions[0].committed = 15; /* another's consumer would */
    fake_add(log, 0, 5, 0);
    check_ok(consume_all(&err));
    assert_whole(15);
    fake_add(log, 0, 10, 0);
    log->partitions[0].committed = 25; /* by hand: five events are passed over */
    check_ok(consume_all(&err));
    struct mq_bronze_report report;
    examine(&report);
    assert_int_equal(report.findings.count, 1);
    check_contains(report.findings.texts[0], "offsets 20 to 24");
    assert_int_equal(report.events, 20);
    mq_bronze_report_release(&report);
}

/* To the end, while another member holds a partition that ends in markers. */
static void
waits_for_others(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct fake_log *log = fake_new(2);
    use_log(&log->base);
    fake_add(log, 0, 3, 0);
    fake_add(log, 1, 3, 2);
    log->partitions[1].is_others = true;
    log->partitions[1].committed = 3; /* as the other's consumer commits it */
    check_ok(consume_all(&err));
    assert_int_equal(f.figures.good, 3);
}

/* One partition that passed to another leaves the others' commits as they are. */
static void
commits_the_others(void **state)
{
    (void)state;
    struct fake_log *log = fake_new(3);
    use_log(&log->base);
    for (int p = 0; p < 3; p++)
        fake_add(log, p, 4, 0);
    log->partitions[1].conflicts = 2; /* together with the others, and alone */
    f.options.handover_ms = 20000;    /* what is under way when it stops is written */
    start();
    while (log->partitions[0].committed != 4 || log->partitions[2].committed != 4)
        moment();
    stop();
    assert_int_equal(f.status, MQ_OK);
    assert_int_equal(log->partitions[1].committed, -1);
    assert_whole(12);
}

/* ---- what is not durable ---------------------------------------------------------------- */

/* While the store is away: what was not written is behind, and grows old, though it was read. */
static void
measures_what_is_not_durable(void **state)
{
    (void)state;
    struct mq_error err = {0};
    setenv("AWS_ACCESS_KEY_ID", "k", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    open_store("s3://b/p?endpoint=http://127.0.0.1:1&deadline-s=1");
    open_log(1);
    send_events(30);
    start();
    double end = mq_clock_monotonic_s() + PATIENCE_S;
    while (gauge("marquee_consume_lag_events") != 30 ||
           gauge("marquee_consume_batch_age_seconds") < 1.5)
        assert_true(mq_clock_monotonic_s() < end);
    stop();
    /* A batch under way, which a file in the folder's place holds up. */
    mq_autofree char *path = mq_strfmt("%s/held", f.folder);
    mq_autofree char *bronze = mq_strfmt("%s/held/1/bronze", f.folder);
    mq_autofree char *batches = mq_strfmt("%s/held/1/bronze/user-events", f.folder);
    open_store(path);
    check_ok(mq_fs_make_folders(bronze, &err));
    FILE *file = fopen(batches, "w");
    assert_non_null(file);
    fclose(file);
    start();
    end = mq_clock_monotonic_s() + PATIENCE_S;
    while (gauge("marquee_consume_lag_events") != 30 ||
           gauge("marquee_consume_batch_age_seconds") < 1.5 ||
           gauge("marquee_consume_batch_memory_bytes") <= 0)
        assert_true(mq_clock_monotonic_s() < end);
    assert_int_equal(remove(batches), 0);
    end = mq_clock_monotonic_s() + PATIENCE_S;
    while (gauge("marquee_consume_lag_events") != 0 ||
           gauge("marquee_consume_batch_age_seconds") != 0)
        assert_true(mq_clock_monotonic_s() < end);
    stop();
    assert_int_equal(f.status, MQ_OK);
    assert_whole(30);
}

/* ---- what the API refused --------------------------------------------------------------- */

#define OF_API "{\"source\":\"api\",\"request_id\":\"r1\",\"time_ms\":1,\"reason\":\"too-old\"}"

static void
read_rejected(const char *name, struct mq_buffer *text)
{
    struct mq_error err = {0};
    struct mq_reader *raw, *plain;
    mq_autofree char *key = mq_strfmt("1/bronze/rejected/dt=2026-03-10/%s", name);
    char bytes[4096];
    size_t n = 1;
    check_ok(mq_object_reader(f.store, key, &raw, &err));
    check_ok(mq_gzip_reader(raw, &plain, &err));
    while (n > 0) {
        check_ok(mq_reader_some(plain, bytes, sizeof(bytes), &n, &err));
        check_ok(mq_buffer_append(text, bytes, n, &err));
    }
    mq_reader_close(plain);
    check_ok(mq_buffer_append_char(text, '\0', &err));
}

static void
keeps_what_the_api_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_buffer text = {0};
    const char *name = REFUSALS "-0-00000000000000000000.jsonl.gz";
    open_log(1);
    f.options.refusals_topic = f.options.layer.rejected_topic = REFUSALS;
    check_ok(mq_event_log_create_topic(f.log, REFUSALS, 1, &err));
    send_line(OF_API);
    send_line("{\"topic\":\"user-events\",\"partition\":0,\"offset\":3,\"reason\":\"not-json\"}");
    send_line("{\"reason\": \"a probe of marquee doctor\", \"at_ms\": 1}");
    send_line("{\"source\":\"api\",\n}"); /* none of ours */
    send_line(OF_API);
    send_events(2);
    const struct mq_new_event bad = {"k", 1, "no event", 8};
    struct mq_produced produced;
    check_ok(mq_event_log_produce(f.log, TOPIC, &bad, 1, 10000, &produced, &err));
    check_ok(consume_all(&err));
    assert_int_equal(f.figures.good, 2);
    assert_int_equal(f.figures.rejected, 3);
    read_rejected(name, &text);
    assert_string_equal(text.data, OF_API "\n" OF_API "\n");
    struct mq_bronze_report report = verify();
    assert_int_equal(report.rejected, 3);
    mq_bronze_report_release(&report);
    /* What the consumer itself told the topic is in the layer already: passed over. */
    check_ok(consume_all(&err));
    assert_int_equal(f.figures.rejected, 0);
    report = verify();
    assert_int_equal(report.rejected, 3);
    assert_int_equal(report.skipped, 4);
    mq_bronze_report_release(&report);
    int64_t first, end;
    check_ok(mq_event_log_bounds(f.log, REFUSALS, 0, &first, &end, &err));
    assert_int_equal(end, 6);
    /* A replay brings the object back, the same. */
    mq_autofree char *key = mq_strfmt("1/bronze/rejected/dt=2026-03-10/%s", name);
    const char *keys[] = {key};
    check_ok(mq_object_delete(f.store, keys, 1, &err));
    f.options.layer.rejected_topic = NULL;
    f.options.topic = REFUSALS;
    check_ok(replay_all(&err));
    f.options.topic = TOPIC;
    assert_int_equal(f.figures.rejected, 2);
    report = verify();
    assert_int_equal(report.rejected, 3);
    mq_bronze_report_release(&report);
    mq_buffer_release(&text);
}

/* Refusals are read by a group of their own; its name must have room. */
static void
refusals_have_a_group(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char group[MQ_TOPIC_NAME_MAX + 1], name[MQ_TOPIC_NAME_MAX + 1];
    int64_t committed = 0;
    open_log(1);
    f.options.refusals_topic = f.options.layer.rejected_topic = REFUSALS;
    check_ok(mq_event_log_create_topic(f.log, REFUSALS, 1, &err));
    send_line(OF_API);
    send_events(2);
    check_ok(consume_all(&err));
    mq_refusals_group(f.options.group, group);
    check_ok(mq_event_log_committed(f.log, REFUSALS, group, 1, &committed, &err));
    assert_int_equal(committed, 1);
    check_ok(mq_event_log_committed(f.log, REFUSALS, f.options.group, 1, &committed, &err));
    assert_int_equal(committed, -1);
    check_ok(mq_event_log_committed(f.log, TOPIC, f.options.group, 1, &committed, &err));
    assert_int_equal(committed, 2);

    const char *own = f.options.group;
    memset(name, 'g', sizeof(name));
    f.options.group = name;
    name[MQ_CONSUME_GROUP_MAX + 1] = '\0';
    check_fails(MQ_E_CONFIG, consume_all(&err));
    check_contains(err.message, "events.group");
    check_contains(err.message, "longer than 191 bytes");
    err = (struct mq_error){0};
    name[MQ_CONSUME_GROUP_MAX] = '\0';
    check_ok(consume_all(&err));
    f.options.group = own;
}

/* The topic is made where it is missing, but not by a replay. */
static void
makes_the_topic_of_refusals(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int partitions;
    open_log(1);
    f.options.refusals_topic = REFUSALS;
    check_ok(replay_all(&err));
    check_fails(MQ_E_NOT_FOUND, mq_event_log_partitions(f.log, REFUSALS, &partitions, &err));
    check_ok(consume_all(&err));
    check_ok(mq_event_log_partitions(f.log, REFUSALS, &partitions, &err));
    assert_int_equal(partitions, 1);
}

/* To the end of the log, and told to stop before it: no success, and the next run goes on. */
static void
stopped_before_the_end(void **state)
{
    (void)state;
    struct mq_error err = {0};
    open_log(1);
    send_events(2);
    mq_cancel_request();
    check_fails(MQ_E_CANCELLED, consume_all(&err));
    assert_non_null(strstr(err.message, "stopped before the end of '" TOPIC "'"));
    assert_non_null(strstr(err.hint, "goes on from there"));
    mq_cancel_reset();
    check_ok(consume_all(&err));
    assert_int_equal(f.figures.good, 2);
}

int
main(void)
{
#define CONSUME_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CONSUME_TEST(refuses_a_log_begun_anew),
        CONSUME_TEST(notices_a_log_begun_anew),
        CONSUME_TEST(takes_new_partitions),
        CONSUME_TEST(passes_over_markers),
        CONSUME_TEST(passes_over_markers_before_the_chain),
        CONSUME_TEST(tells_events_from_markers),
        CONSUME_TEST(waits_for_others),
        CONSUME_TEST(commits_the_others),
        CONSUME_TEST(measures_what_is_not_durable),
        CONSUME_TEST(keeps_what_the_api_refused),
        CONSUME_TEST(refusals_have_a_group),
        CONSUME_TEST(makes_the_topic_of_refusals),
        CONSUME_TEST(stopped_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
