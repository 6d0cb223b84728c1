#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "data/bronze_compact.h"
#include "data/bronze_history.h"
#include "data/bronze_publish.h"

#define NOW_MS INT64_C(1773100800000) /* 2026-03-10 00:00 */

struct layer {
    char *folder;
    struct mq_object_store *store;
    struct mq_bronze_layer layer;
};

static int
setup(void **state)
{
    struct layer *l = calloc(1, sizeof(*l));
    setenv("MARQUEE_NOW", "1773100800", 1);
    if (mq_fs_scratch(&l->folder, NULL) != MQ_OK ||
        mq_object_store_open(l->folder, &l->store, NULL) != MQ_OK)
        return 1;
    l->layer =
        (struct mq_bronze_layer){.store = l->store,
                                 .region = "1",
                                 .rules = {.age_max_ms = INT64_C(365) * MQ_DAY_SECONDS * 1000,
                                           .ahead_max_ms = 3600000,
                                           .rating_min = 0.5,
                                           .rating_max = 5},
                                 .level = 1};
    *state = l;
    return 0;
}

static int
teardown(void **state)
{
    struct layer *l = *state;
    mq_object_store_free(l->store);
    mq_fs_remove(l->folder, NULL);
    free(l->folder);
    free(l);
    return 0;
}

static void
add(struct mq_bronze_batch *batch, int64_t offset, const char *value)
{
    struct mq_error err = {0};
    struct mq_event event = {
        .offset = offset, .time_ms = NOW_MS, .value = value, .value_size = strlen(value)};
    check_ok(mq_bronze_batch_add(batch, &event, &err));
}

/* Good events of two days, one with line ends, and three that are refused. */
static struct mq_bronze_batch
make_batch(int64_t first)
{
    struct mq_bronze_batch batch = {
        .topic = "user-events", .partition = 2, .first = first, .end = first};
    add(&batch, first, "{\"user_id\":1,\"movie_id\":2,\"rating\":4,\"timestamp\":1773100000}");
    add(&batch, first + 1, "{\"user_id\":1,\"movie_id\":3,\"rating\":9,\"timestamp\":1773100000}");
    add(&batch, first + 2,
        "{\"user_id\": 1,\n \"movie_id\": 4, \"rating\": 5,\r\n"
        "\"timestamp\": 1773010000}");
    add(&batch, first + 3, "not json \xff");
    add(&batch, first + 4, "{\"user_id\":1,\"movie_id\":5,\"rating\":1,\"timestamp\":1}");
    add(&batch, first + 5, "{\"user_id\":7,\"movie_id\":2,\"rating\":3,\"timestamp\":1773010001}");
    return batch;
}

static enum mq_status
publish(struct layer *l, const struct mq_bronze_batch *batch, struct mq_bronze_published *figures,
        struct mq_error *err)
{
    struct mq_bronze_publication *p;
    assert_int_equal(mq_bronze_publication_new(&l->layer, batch, NULL, &p, err), MQ_OK);
    enum mq_status st = mq_bronze_publication_run(p, err);
    if (st == MQ_OK)
        mq_bronze_publication_figures(p, figures);
    mq_bronze_publication_free(p);
    return st;
}

static struct mq_bronze_report
verify(struct layer *l)
{
    struct mq_error err = {0};
    struct mq_bronze_history history = {0};
    struct mq_bronze_report report = {0};
    check_ok(mq_bronze_history_load(l->store, "1", NULL, NULL, &history, &err));
    check_ok(mq_bronze_verify(l->store, "1", NULL, &history, NULL, &report, &err));
    mq_bronze_history_release(&history);
    return report;
}

static void
assert_finding(struct layer *l, const char *part)
{
    struct mq_bronze_report report = verify(l);
    assert_true(report.finding_count > 0);
    bool found = false;
    for (size_t i = 0; i < report.findings_kept; i++)
        found = found || strstr(report.findings[i], part) != NULL;
    if (!found)
        fail_msg("no finding holds '%s'; the first: %s", part, report.findings[0]);
    mq_bronze_report_release(&report);
}

static void
assert_whole(struct layer *l, int64_t events, int64_t rejected)
{
    struct mq_bronze_report report = verify(l);
    if (report.finding_count > 0)
        fail_msg("%s", report.findings[0]);
    assert_int_equal(report.events, events);
    assert_int_equal(report.rejected, rejected);
    mq_bronze_report_release(&report);
}

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
publish_at(struct layer *l, int64_t first)
{
    struct mq_error err = {0};
    struct mq_bronze_published figures;
    struct mq_bronze_batch batch = make_batch(first);
    check_ok(publish(l, &batch, &figures, &err));
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

/* Merged once; a replay leaves it so; late batches merge apart. */
static void
compaction_stays_exactly_once(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_compact_options options = {1 << 30, 6};
    struct mq_compact_figures figures;
    for (int64_t first = 0; first < 30; first += 6)
        publish_at(l, first);
    check_ok(mq_bronze_compact(l->store, "1", "2026-03-08", &options, &figures, &err));
    assert_int_equal(figures.before, 5);
    assert_int_equal(figures.after, 1);
    assert_int_equal(figures.lines, 10);
    assert_whole(l, 15, 15);
    for (int64_t first = 0; first < 30; first += 6)
        publish_at(l, first); /* a replay */
    assert_whole(l, 15, 15);
    publish_at(l, 30);
    publish_at(l, 36);
    check_ok(mq_bronze_compact(l->store, "1", "2026-03-08", &options, &figures, &err));
    assert_int_equal(figures.after, 2);
    assert_whole(l, 21, 21);
    check_ok(mq_bronze_compact(l->store, "1", "2026-03-08", &options, &figures, &err));
    assert_int_equal(figures.merges, 0);
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
        cmocka_unit_test_setup_teardown(compaction_stays_exactly_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
