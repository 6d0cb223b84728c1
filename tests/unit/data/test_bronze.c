#include "bronze_fixture.h"

#include <inttypes.h>

#include "data/bronze_repair.h"
#include "store/object_store_backend.h"

static void
judges_and_publishes(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_published figures;
    struct mq_bronze_batch batch = make_batch(100);
    check_ok(publish(l, &batch, &figures, &err));
    assert_int_equal(figures.good, 3);
    assert_int_equal(figures.rejected, 3);
    assert_int_equal(figures.faults[MQ_EVENT_OFF_SCALE], 1);
    assert_int_equal(figures.faults[MQ_EVENT_NOT_JSON], 1);
    assert_int_equal(figures.faults[MQ_EVENT_TOO_OLD], 1);
    assert_int_equal(figures.objects, 4); /* two days, rejected, originals */
    assert_false(figures.was_there);
    assert_whole(l, 3, 3);
    mq_bronze_batch_release(&batch);
}

/* Again, later, with other limits: the record rules, and nothing changes. */
static void
again_changes_nothing(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_published figures;
    struct mq_bronze_batch batch = make_batch(0);
    check_ok(publish(l, &batch, &figures, &err));
    const char *key =
        "1/bronze/user-events/dt=2026-03-08/user-events-2-00000000000000000000.jsonl.gz";
    struct mq_object_info info;
    check_ok(mq_object_stat(l->store, key, &info, &err));
    check_ok(mq_object_delete(l->store, &key, 1, &err));
    assert_finding(l, "missing");
    setenv("MARQUEE_NOW", "1999999999", 1);
    l->layer.rules.rating_max = 10;
    check_ok(publish(l, &batch, &figures, &err));
    assert_true(figures.was_there);
    assert_int_equal(figures.good, 3);
    assert_whole(l, 3, 3);
    mq_bronze_batch_release(&batch);
}

static void
other_bounds_and_other_events(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_published figures;
    struct mq_bronze_batch batch = make_batch(0);
    check_ok(publish(l, &batch, &figures, &err));
    add(&batch, 6, "{}");
    check_fails(MQ_E_EXISTS, publish(l, &batch, &figures, &err));
    mq_bronze_batch_reset(&batch);
    for (int i = 0; i < 6; i++)
        add(&batch, i, "{}");
    check_fails(MQ_E_CONFLICT, publish(l, &batch, &figures, &err));
    check_contains(err.hint, "made anew");
    assert_whole(l, 3, 3);
    mq_bronze_batch_release(&batch);
}

static void
gaps_doubles_and_strangers_are_found(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    publish_at(l, 0);
    publish_at(l, 6);
    assert_whole(l, 6, 6);
    publish_at(l, 20);
    assert_finding(l, "gap: partition 2 of topic 'user-events': no batch holds offsets 12 to 19");
    publish_at(l, 10);
    assert_finding(l,
                   "double: partition 2 of topic 'user-events': two batches hold offsets 10 to 11");
    check_ok(mq_object_put(l->store, "1/bronze/user-events/dt=2026-03-08/x.jsonl.gz", "x", 1,
                           MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_finding(l, "stray: no batch names");
    check_ok(mq_object_put(l->store,
                           "1/bronze/user-events/dt=2026-03-08/"
                           "user-events-2-00000000000000000000.jsonl.gz",
                           "x", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_finding(l, "damaged");
}

static void
chains_are_looked_up(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_record record = {0};
    int64_t after;
    check_fails(MQ_E_NOT_FOUND,
                mq_bronze_record_before(l->store, "1", "user-events", 2, 5, &record, &err));
    const int64_t firsts[] = {0, 6, 12, 994, 1000, 123456};
    for (size_t i = 0; i < MQ_COUNT(firsts); i++)
        publish_at(l, firsts[i]);
    const int64_t places[][3] = {{0, 0, 6},
                                 {5, 0, 6},
                                 {6, 6, 12},
                                 {993, 12, 994},
                                 {999, 994, 1000},
                                 {99999, 1000, 123456},
                                 {123455, 1000, 123456},
                                 {INT64_MAX - 1, 123456, INT64_MAX}};
    for (size_t i = 0; i < MQ_COUNT(places); i++) {
        check_ok(
            mq_bronze_record_before(l->store, "1", "user-events", 2, places[i][0], &record, &err));
        assert_int_equal(record.first, places[i][1]);
        assert_int_equal(record.end, places[i][1] + 6);
        mq_bronze_record_release(&record);
        check_ok(
            mq_bronze_record_after(l->store, "1", "user-events", 2, places[i][0], &after, &err));
        assert_int_equal(after, places[i][2]);
    }
}

static void
days_and_stretches_are_asked_for(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_report report;
    for (int64_t first = 0; first < 30; first += 6)
        publish_at(l, first);
    const struct mq_bronze_question day = {.date = "2026-03-08"};
    verify_as(l, &day, &report);
    assert_int_equal(report.findings.count, 0);
    assert_int_equal(report.batches, 5);  /* all chains */
    assert_int_equal(report.events, 10);  /* the day's alone */
    assert_int_equal(report.objects, 10); /* and the originals */
    mq_bronze_report_release(&report);
    const struct mq_bronze_question other = {.date = "2030-01-01"};
    verify_as(l, &other, &report);
    assert_among(&report.findings, "nothing: no batch holds events of 2030-01-01");
    assert_among(&report.findings, "(the days are from 2026-03-08 to 2026-03-10)");
    mq_bronze_report_release(&report);

    /* A stretch is all batches that reach into it, and must be covered by them. */
    struct mq_bronze_span spans[3] = {{0, 0}, {0, 0}, {8, 13}};
    const struct mq_bronze_scope scope = {"user-events", spans, 3};
    const struct mq_bronze_question stretch = {.scope = &scope};
    verify_as(l, &stretch, &report);
    assert_int_equal(report.findings.count, 0);
    assert_int_equal(report.batches, 2); /* 6 to 11, 12 to 17 */
    mq_bronze_report_release(&report);
    spans[2] = (struct mq_bronze_span){27, 40};
    verify_as(l, &stretch, &report);
    assert_among(&report.findings,
                 "gap: partition 2 of topic 'user-events': no batch holds offsets "
                 "30 to 39 (what mends it: `marquee replay --offsets 2:30-39`)");
    mq_bronze_report_release(&report);
    spans[0] = (struct mq_bronze_span){5, 7};
    spans[2] = (struct mq_bronze_span){0, 0};
    verify_as(l, &stretch, &report);
    assert_among(&report.findings,
                 "gap: partition 0 of topic 'user-events': no batch holds offsets "
                 "5 to 6");
    mq_bronze_report_release(&report);
    const char *lost = "1/bronze/user-events/dt=2026-03-09/"
                       "user-events-2-00000000000000000012.jsonl.gz";
    check_ok(mq_object_delete(l->store, &lost, 1, &err));
    spans[2] = (struct mq_bronze_span){14, 15};
    verify_as(l, &stretch, &report);
    assert_among(&report.findings, "missing: '1/bronze/user-events/dt=2026-03-09/");
    mq_bronze_report_release(&report);
    verify_as(l, &day, &report); /* of another day */
    assert_int_equal(report.findings.count, 0);
    mq_bronze_report_release(&report);
}

/* Partition 2 holds batches of offsets 6 to 17; the log and the group are where the test says. */
static void
check_ends(struct layer *l, struct mq_bronze_end partition, const char *finding,
           const char *unchecked)
{
    struct mq_bronze_report report;
    struct mq_bronze_ends *ends = calloc(1, sizeof(*ends));
    mq_bronze_ends_unknown("user-events", "consumers", "", ends);
    ends->is_known = true;
    ends->count = 3;
    ends->ends[0] = ends->ends[1] = (struct mq_bronze_end){0, 0, -1};
    ends->ends[2] = partition;
    const struct mq_bronze_question question = {.ends = ends};
    verify_as(l, &question, &report);
    assert_int_equal(report.findings.count, finding != NULL);
    if (finding != NULL)
        assert_among(&report.findings, finding);
    assert_int_equal(report.unchecked.count, unchecked != NULL);
    if (unchecked != NULL)
        assert_among(&report.unchecked, unchecked);
    mq_bronze_report_release(&report);
    free(ends);
}

static void
ends_are_told_by_the_log(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_report report;
    publish_at(l, 6);
    publish_at(l, 12);
    check_ends(l, (struct mq_bronze_end){0, 18, 18},
               "beginning: partition 2 of topic 'user-events': no batch holds offsets 0 to 5 (what "
               "mends it: `marquee replay --offsets 2:0-5`)",
               NULL);
    check_ends(l, (struct mq_bronze_end){6, 18, 18}, NULL,
               "beginning of partition 2 of topic 'user-events': the first batch begins at offset "
               "6, and the log holds nothing before 6");
    check_ends(l, (struct mq_bronze_end){3, 30, 18},
               "beginning: partition 2 of topic 'user-events': no batch holds offsets 3 to 5",
               NULL);
    publish_at(l, 0);
    check_ends(l, (struct mq_bronze_end){0, 30, 18}, NULL, NULL);
    check_ends(l, (struct mq_bronze_end){0, 30, 12}, NULL, NULL); /* committed a little later */
    check_ends(l, (struct mq_bronze_end){0, 30, 25},
               "end: partition 2 of topic 'user-events': no batch holds offsets 18 to 24", NULL);
    check_ends(l, (struct mq_bronze_end){20, 30, 25}, "(what mends it: nothing of Marquee", NULL);
    check_ends(
        l, (struct mq_bronze_end){0, 30, -1}, NULL,
        "end of partition 2 of topic 'user-events': group 'consumers' has committed nothing");
    check_ends(l, (struct mq_bronze_end){0, 10, 10}, "is it the log they came from?", NULL);

    /* The last batch is begun and not committed: its objects may be on their way. */
    const char *coming[] = {"1/bronze/user-events/dt=2026-03-09/"
                            "user-events-2-00000000000000000012.jsonl.gz",
                            "1/bronze/user-events/dt=2026-03-09/"
                            "user-events-2-00000000000000000006.jsonl.gz"};
    check_ok(mq_object_delete(l->store, &coming[0], 1, &err));
    check_ends(l, (struct mq_bronze_end){0, 30, 12}, NULL, "begun and not committed yet");
    check_ends(l, (struct mq_bronze_end){0, 30, 18}, "missing: '1/bronze", NULL);
    check_ok(mq_object_delete(l->store, &coming[1], 1, &err));
    check_ends(l, (struct mq_bronze_end){0, 30, 0}, "missing: '1/bronze",
               "begun and not committed yet"); /* the group was set back: only the last may be */

    struct mq_bronze_ends *ends = calloc(1, sizeof(*ends));
    mq_bronze_ends_unknown("user-events", "consumers", "the broker is away", ends);
    const struct mq_bronze_question question = {.ends = ends};
    verify_as(l, &question, &report);
    assert_among(&report.unchecked, "both ends of topic 'user-events': the broker is away");
    mq_bronze_report_release(&report);
    mq_bronze_ends_unknown("clicks", "consumers", "", ends);
    verify_as(l, &question, &report);
    assert_among(&report.unchecked, "both ends of topic 'user-events': the log was asked for");
    mq_bronze_report_release(&report);
    free(ends);
}

static void
a_damaged_record_is_one_finding(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_report report;
    struct mq_bronze_record record = {0};
    assert_finding(l, "nothing: there is no batch in region '1'");
    for (int64_t first = 0; first < 18; first += 6)
        publish_at(l, first);
    const char *key = "1/bronze/batches/user-events-2-00000000000000000006.json";
    check_ok(mq_object_put(l->store, key, "{\n", 2, MQ_PUT_ALWAYS, NULL, NULL, &err));
    verify(l, &report);
    assert_int_equal(report.findings.count, 1);
    assert_among(&report.findings, key);
    assert_among(&report.findings, "`marquee replay --offsets 2:6-11`");
    assert_int_equal(report.batches, 2);
    mq_bronze_report_release(&report);
    check_fails(MQ_E_FORMAT,
                mq_bronze_record_read(l->store, "1", "user-events", 2, 6, &record, NULL, &err));
    check_contains(err.hint, "marquee replay --offsets 2:6-6");
    /* One with another's name is damaged, too; what is no record at all is passed over. */
    check_ok(mq_object_copy(l->store, "1/bronze/batches/user-events-2-00000000000000000000.json",
                            key, &err));
    check_ok(mq_object_put(l->store, "1/bronze/batches/README", "x", 1, MQ_PUT_ALWAYS, NULL, NULL,
                           &err));
    assert_finding(l, "unreadable: batch record '1/bronze/batches/user-events-2-0000000000000000000"
                      "6.json' is one of 'user-events' 2, offset 0");
}

static void
imports_have_no_log(void **state)
{
    struct layer *l = *state;
    struct mq_bronze_report report;
    struct mq_bronze_batch batch = make_batch(6);
    struct mq_bronze_published figures;
    struct mq_error err = {0};
    struct mq_bronze_ends *ends = calloc(1, sizeof(*ends));
    batch.topic = "import-ml-1m-0123456789ab";
    check_ok(publish(l, &batch, &figures, &err));
    mq_bronze_ends_unknown("user-events", "consumers", "", ends);
    const struct mq_bronze_question question = {.ends = ends};
    verify_as(l, &question, &report);
    assert_among(&report.findings,
                 "beginning: partition 2 of topic 'import-ml-1m-0123456789ab': no "
                 "batch holds offsets 0 to 5 (what mends it: import the same "
                 "source again)");
    assert_among(&report.unchecked, "end of topic 'import-ml-1m-0123456789ab': no log holds");
    mq_bronze_report_release(&report);
    mq_bronze_batch_release(&batch);
    free(ends);
}

static void
stretches_are_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "0",      "0:",    ":1",     "0:1-",    "0:5-4",
                                      "a:1", "0:1-2x", "256:1", "0:-1-2", "0:1 - 2", "0: 1"};
    struct mq_error err = {0};
    struct mq_bronze_span span;
    int32_t partition;
    check_ok(mq_bronze_span_parse("3:120-250", &partition, &span, &err));
    assert_int_equal(partition, 3);
    assert_int_equal(span.first, 120);
    assert_int_equal(span.end, 251);
    check_ok(mq_bronze_span_parse("0:7", &partition, &span, &err));
    assert_int_equal(span.end, 8);
    check_fails(MQ_E_RANGE, mq_bronze_span_parse("0:9223372036854775807", &partition, &span, &err));
    for (size_t i = 0; i < MQ_COUNT(bad); i++)
        check_fails(MQ_E_RANGE, mq_bronze_span_parse(bad[i], &partition, &span, &err));
}

/* ---- how far a repair reaches back ------------------------------------------------------- */

static int records_read;

static enum mq_status
count_records(struct mq_object_store *store, const char *key, struct mq_reader **ret_reader,
              struct mq_error *err)
{
    records_read += strstr(key, "/bronze/batches/") != NULL;
    return mq_object_store_file_ops.reader(store, key, ret_reader, err);
}

/* A log of three partitions that took so many events of each, and forgot them all. */
static struct mq_event_log *
forgetful_log(const struct layer *l, int64_t events)
{
    struct mq_error err = {0};
    struct mq_event_log *log;
    size_t count = 3 * (size_t)events;
    struct mq_new_event *new_events = calloc(count, sizeof(*new_events));
    struct mq_produced *produced = calloc(count, sizeof(*produced));
    mq_autofree char *uri = mq_strfmt("lmdb:%s/events", l->folder);
    assert_true(new_events != NULL && produced != NULL && uri != NULL);
    for (size_t i = 0; i < count; i++)
        new_events[i] = (struct mq_new_event){.value = "{}", .value_size = 2};
    check_ok(mq_event_log_open(uri, &log, &err));
    check_ok(mq_event_log_create_topic(log, "user-events", 3, &err));
    check_ok(mq_event_log_produce(log, "user-events", new_events, count, 60000, produced, &err));
    check_ok(mq_event_log_trim(log, "user-events", INT64_MAX, NULL, &err));
    free(new_events);
    free(produced);
    return log;
}

/* Of batches that the log forgot, those since the time asked for are verified; and of a long chain
 * no more is read than that. */
static void
repairs_reach_back_by_time(void **state)
{
    enum { BATCHES = 100, SIZE = 6 };
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_event_log *log = forgetful_log(l, BATCHES * SIZE);
    for (int b = 0; b < BATCHES; b++) { /* one a minute */
        char now[32];
        snprintf(now, sizeof(now), "%" PRId64, NOW_MS / 1000 + 60 * b);
        setenv("MARQUEE_NOW", now, 1);
        publish_at(l, b * SIZE);
    }
    struct mq_object_store_ops ops = *l->store->ops;
    ops.reader = count_records;
    l->store->ops = &ops;
    const struct {
        int from_batch, first_batch; /* BATCHES: none */
        int reads_max;
    } cases[] = {{BATCHES - 1, BATCHES - 1, 12},
                 {BATCHES - 3, BATCHES - 3, 24},
                 {BATCHES, BATCHES, 4},
                 {BATCHES / 2, BATCHES / 2, 3 * BATCHES},
                 {0, 0, 4 * BATCHES},
                 {-5, 0, 4 * BATCHES}};
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        struct mq_bronze_span spans[3] = {{0, 0}};
        struct mq_bronze_repair *repair;
        const struct mq_bronze_repair_options options = {
            .store = l->store,
            .region = "1",
            .log = log,
            .topic = "user-events",
            .group = "bronze",
            .from_ms = NOW_MS + INT64_C(60000) * cases[i].from_batch};
        records_read = 0;
        check_ok(mq_bronze_repair_new(&options, spans, 3, &repair, &err));
        mq_bronze_repair_free(repair);
        assert_true(mq_bronze_span_is_empty(spans[0]) && mq_bronze_span_is_empty(spans[1]));
        assert_int_equal(mq_bronze_span_is_empty(spans[2]), cases[i].first_batch == BATCHES);
        if (cases[i].first_batch < BATCHES) {
            assert_int_equal(spans[2].first, cases[i].first_batch * SIZE);
            assert_int_equal(spans[2].end, BATCHES * SIZE);
        }
        if (records_read > cases[i].reads_max)
            fail_msg("from batch %d on: %d records read", cases[i].from_batch, records_read);
    }
    l->store->ops = &mq_object_store_file_ops;
    mq_event_log_free(log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(judges_and_publishes, setup, teardown),
        cmocka_unit_test_setup_teardown(again_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(other_bounds_and_other_events, setup, teardown),
        cmocka_unit_test_setup_teardown(gaps_doubles_and_strangers_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(chains_are_looked_up, setup, teardown),
        cmocka_unit_test_setup_teardown(days_and_stretches_are_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_are_told_by_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_one_finding, setup, teardown),
        cmocka_unit_test_setup_teardown(imports_have_no_log, setup, teardown),
        cmocka_unit_test(stretches_are_read),
        cmocka_unit_test_setup_teardown(repairs_reach_back_by_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
