#include "bronze_fixture.h"

#include "data/bronze_compact.h"
#include "data/bronze_merges.h"
#include "format/gzip_pack.h"

#define DAY "2026-03-08"
#define FOLDER "1/bronze/user-events/dt=" DAY "/"

static void
name_of(int64_t first, char ret_key[MQ_OBJECT_KEY_MAX])
{
    snprintf(ret_key, MQ_OBJECT_KEY_MAX, FOLDER "user-events-2-%020d.jsonl.gz", (int)first);
}

/* Compact the day. @return what was refused */
static int64_t
compact(struct layer *l, struct mq_compact_figures *figures, struct mq_bronze_findings *refusals)
{
    struct mq_error err = {0};
    struct mq_bronze_findings own;
    const struct mq_compact_options options = {
        .target_bytes = 1 << 30, .level = 6, .refusals = refusals != NULL ? refusals : &own};
    mq_bronze_findings_init(options.refusals);
    check_ok(mq_bronze_compact(l->store, "1", DAY, &options, figures, &err));
    int64_t count = refusals != NULL ? refusals->count : own.count;
    if (refusals == NULL)
        mq_bronze_findings_release(&own);
    return count;
}

static void
put_text(struct layer *l, const char *key, const char *text)
{
    struct mq_error err = {0};
    struct mq_buffer packed = {0};
    check_ok(mq_gzip_pack(text, strlen(text), 6, &packed, &err));
    check_ok(
        mq_object_put(l->store, key, packed.data, packed.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
    mq_buffer_release(&packed);
}

static bool
is_there(struct layer *l, const char *key)
{
    struct mq_object_info info;
    return mq_object_stat(l->store, key, &info, NULL) == MQ_OK;
}

static void
delete_one(struct layer *l, const char *key)
{
    struct mq_error err = {0};
    check_ok(mq_object_delete(l->store, &key, 1, &err));
}

static void
keep_copy(struct layer *l, const char *key, struct mq_buffer *copy)
{
    struct mq_error err = {0};
    check_ok(mq_object_get(l->store, key, copy, &err));
}

static void
put_back(struct layer *l, const char *key, struct mq_buffer *copy)
{
    struct mq_error err = {0};
    check_ok(mq_object_put(l->store, key, copy->data, copy->size, MQ_PUT_ALWAYS, NULL, NULL, &err));
}

/* The day's index, changed by a test. */
static void
set_done(struct layer *l, bool done)
{
    struct mq_error err = {0};
    struct mq_bronze_merges merges = {0};
    check_ok(mq_bronze_merges_read(l->store, "1", DAY, &merges, &err));
    assert_int_equal(merges.count, 1);
    merges.merges[0].done = done;
    check_ok(mq_bronze_merges_write(l->store, "1", DAY, &merges, &err));
    mq_bronze_merges_release(&merges);
}

#define MERGED FOLDER "user-events-2-00000000000000000000-to-00000000000000000024.jsonl.gz"

static void
publish_five(struct layer *l)
{
    for (int64_t first = 0; first < 30; first += 6)
        publish_at(l, first);
}

/* Merged once; a replay leaves it so; late batches merge apart. */
static void
compaction_stays_exactly_once(void **state)
{
    struct layer *l = *state;
    struct mq_compact_figures figures;
    publish_five(l);
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_int_equal(figures.before, 5);
    assert_int_equal(figures.after, 1);
    assert_int_equal(figures.lines, 10);
    assert_whole(l, 15, 15);
    publish_five(l); /* a replay */
    assert_whole(l, 15, 15);
    publish_at(l, 30);
    publish_at(l, 36);
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_int_equal(figures.after, 2);
    assert_whole(l, 21, 21);
    compact(l, &figures, NULL);
    assert_int_equal(figures.merges, 0);
}

/* Parts that their records do not promise stay, and are named; the others are merged around them.
 */
static void
parts_that_differ_are_refused(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_compact_figures figures;
    struct mq_bronze_findings refusals;
    char keys[9][MQ_OBJECT_KEY_MAX];
    struct mq_buffer text = {0};
    for (int i = 0; i < 9; i++) {
        publish_at(l, i * INT64_C(6));
        name_of(i * INT64_C(6), keys[i]);
    }
    /* 2: a line less. 5: another text of as many lines and bytes. 8: no gzip text. */
    put_text(l, keys[2], "{\"user_id\":7,\"movie_id\":2,\"rating\":3,\"timestamp\":1773010001}\n");
    put_text(l, keys[5],
             "{\"user_id\": 1,  \"movie_id\": 4, \"rating\": 5,  \"timestamp\": 1773010000}\n"
             "{\"user_id\":7,\"movie_id\":2,\"rating\":1,\"timestamp\":1773010001}\n");
    check_ok(mq_object_put(l->store, keys[8], "x", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    assert_int_equal(compact(l, &figures, &refusals), 3);
    assert_among(&refusals, "12.jsonl.gz' has 1 lines, not 2 (what mends it: `marquee replay "
                            "--offsets 2:12-17`)");
    assert_among(&refusals, "30.jsonl.gz' does not hold what was written (SHA-256 ");
    assert_among(&refusals, "48.jsonl.gz' is damaged: ");
    mq_bronze_findings_release(&refusals);
    assert_int_equal(figures.merges, 3); /* 0 1, 3 4, 6 7 */
    assert_int_equal(figures.after, 6);
    for (int i = 0; i < 9; i++)
        assert_int_equal(is_there(l, keys[i]), i % 3 == 2);
    assert_finding(l, "count: '1/bronze");
    assert_finding(l, "changed: '1/bronze");
    assert_finding(l, "damaged: '1/bronze");
    publish_at(l, 12); /* a replay of each */
    publish_at(l, 30);
    publish_at(l, 48);
    assert_whole(l, 27, 27);
    /* Lines keep the order of keys: three single objects between merged ones stay single. */
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_int_equal(figures.merges, 0);

    /* An object that no record names, and a record that is damaged. */
    check_ok(mq_object_get(l->store, keys[2], &text, &err));
    for (int64_t first = 54; first < 72; first += 6)
        publish_at(l, first);
    check_ok(mq_object_put(l->store, FOLDER "user-events-2-00000000000000000100.jsonl.gz",
                           text.data, text.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_ok(mq_object_put(l->store, "1/bronze/batches/user-events-2-00000000000000000066.json",
                           "{", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    mq_buffer_release(&text);
    assert_int_equal(compact(l, &figures, &refusals), 2);
    assert_among(&refusals, "100.jsonl.gz' is named by no batch record that can be read");
    assert_among(&refusals, "66.jsonl.gz' is named by no batch record that can be read");
    mq_bronze_findings_release(&refusals);
    assert_int_equal(figures.merges, 1); /* 48, 54, 60 */
}

/* A compaction that died, in each of its moments. */
static void
what_was_begun_is_finished(void **state)
{
    struct layer *l = *state;
    struct mq_compact_figures figures;
    struct mq_bronze_findings refusals;
    struct mq_buffer parts[5] = {0}, merged = {0};
    char keys[5][MQ_OBJECT_KEY_MAX];
    publish_five(l);
    for (int i = 0; i < 5; i++) {
        name_of(i * INT64_C(6), keys[i]);
        keep_copy(l, keys[i], &parts[i]);
    }
    compact(l, &figures, NULL);
    keep_copy(l, MERGED, &merged);

    /* The object was not written yet. */
    set_done(l, false);
    delete_one(l, MERGED);
    for (int i = 0; i < 5; i++)
        put_back(l, keys[i], &parts[i]);
    assert_whole(l, 15, 15);
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_int_equal(figures.merges, 1);
    assert_whole(l, 15, 15);

    /* It was written, and not marked. */
    set_done(l, false);
    for (int i = 0; i < 5; i++)
        put_back(l, keys[i], &parts[i]);
    assert_finding(l, "unfinished: merge '" MERGED "'");
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_whole(l, 15, 15);

    /* It was marked, and some parts were deleted. */
    put_back(l, keys[3], &parts[3]);
    put_back(l, keys[4], &parts[4]);
    assert_finding(l, "leftover: '");
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_int_equal(figures.leftovers, 2);
    assert_whole(l, 15, 15);

    /* Marked, with parts there, and the merged object lost meanwhile: the parts are all there is.
     */
    put_back(l, keys[3], &parts[3]);
    delete_one(l, MERGED);
    assert_int_equal(compact(l, &figures, &refusals), 4); /* the others are not there */
    assert_among(&refusals, "is missing (what mends it: `marquee replay --offsets 2:0-5`)");
    mq_bronze_findings_release(&refusals);
    assert_true(is_there(l, keys[3]));
    for (int i = 0; i < 5; i++)
        put_back(l, keys[i], &parts[i]);
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_whole(l, 15, 15);
    assert_int_equal(figures.after, 1);

    /* Marked, with a part there, and the merged object damaged: nothing is deleted. */
    put_back(l, keys[3], &parts[3]);
    put_text(l, MERGED, "falsified\n");
    assert_int_equal(compact(l, &figures, &refusals), 5);
    assert_among(&refusals, "refused: merged object '" MERGED "' has 1 lines, its batches 10");
    mq_bronze_findings_release(&refusals);
    assert_true(is_there(l, keys[3]) && is_there(l, MERGED));
    assert_finding(l, "changed: merged object '" MERGED "' has 1 lines, its batches 10 (what mends "
                      "it: `marquee replay --offsets 2:0-29`)");
    for (int i = 0; i < 5; i++)
        put_back(l, keys[i], &parts[i]);
    assert_int_equal(compact(l, &figures, NULL), 0); /* from the parts again */
    assert_whole(l, 15, 15);
    struct mq_buffer again = {0};
    keep_copy(l, MERGED, &again);
    assert_int_equal(again.size, merged.size);
    assert_memory_equal(again.data, merged.data, merged.size);
    for (int i = 0; i < 5; i++)
        mq_buffer_release(&parts[i]);
    mq_buffer_release(&merged);
    mq_buffer_release(&again);
}

/* The merged object is compared with its batches, whatever its index says. */
static void
index_is_not_believed(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_compact_figures figures;
    struct mq_bronze_merges merges = {0};
    struct mq_buffer text = {0};
    publish_five(l);
    compact(l, &figures, NULL);
    const char *falsified = "{\"user_id\": 1}\n";
    put_text(l, MERGED, falsified);
    check_ok(mq_bronze_merges_read(l->store, "1", DAY, &merges, &err));
    merges.merges[0].lines = 1;
    merges.merges[0].bytes = (int64_t)strlen(falsified);
    mq_sha256_of_bytes(falsified, strlen(falsified), merges.merges[0].sha256);
    check_ok(mq_bronze_merges_write(l->store, "1", DAY, &merges, &err));
    mq_bronze_merges_release(&merges);
    assert_finding(l, "changed: merged object '" MERGED "'");
    mq_buffer_release(&text);
}

/* An index that is lost or damaged is told from the merged objects and the records. */
static void
index_is_made_anew(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_compact_figures figures;
    struct mq_bronze_findings refusals;
    struct mq_bronze_merges merges = {0};
    const char *index = "1/bronze/merges/dt=" DAY ".json";
    publish_five(l);
    compact(l, &figures, NULL);
    delete_one(l, index);
    assert_finding(l, "stray: merged object '" MERGED "' is in no index");
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_whole(l, 15, 15);
    check_ok(
        mq_object_put(l->store, index, "{\"version\":1,", 13, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_fails(MQ_E_FORMAT, mq_bronze_merges_read(l->store, "1", DAY, &merges, &err));
    check_contains(err.hint, "marquee bronze compact --date " DAY);
    assert_finding(l, "unreadable: cannot read the index of merges '1/bronze/merges/dt=" DAY);
    assert_int_equal(compact(l, &figures, NULL), 0);
    assert_whole(l, 15, 15);

    /* One that agrees with no batches is left alone, and so are the parts. */
    delete_one(l, index);
    put_text(l, MERGED, "falsified\n");
    publish_five(l);
    assert_int_equal(compact(l, &figures, &refusals), 1);
    assert_among(&refusals, "is in no index, and has 1 lines, its batches 10: nothing was done");
    mq_bronze_findings_release(&refusals);
    assert_true(is_there(l, MERGED));
    check_ok(
        mq_object_put(l->store, index, "{\"version\":7}", 13, MQ_PUT_ALWAYS, NULL, NULL, &err));
    const struct mq_compact_options options = {.target_bytes = 1 << 30, .level = 6};
    check_fails(MQ_E_UNSUPPORTED, mq_bronze_compact(l->store, "1", DAY, &options, &figures, &err));
    delete_one(l, index); /* refusals that nobody takes are the failure */
    check_fails(MQ_E_CONFLICT, mq_bronze_compact(l->store, "1", DAY, &options, &figures, &err));
    check_contains(err.message, "refused: merged object '" MERGED "'");
}

static void
index_round_trip(void **state)
{
    struct layer *l = *state;
    struct mq_error err = {0};
    struct mq_bronze_merges merges = {0}, again = {0};
    const bool keep[] = {true, false, true};
    const bool keep_part[] = {true, true, true, true, false, true};
    const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        char part[8];
        check_ok(mq_bronze_merges_add(&merges, names[i], 9 - i, &err));
        for (int p = 0; p < 2; p++) {
            snprintf(part, sizeof(part), "%s%d", names[i], p);
            check_ok(mq_bronze_merges_add_part(&merges, part, &err));
        }
    }
    check_fails(MQ_E_EXISTS, mq_bronze_merges_add_part(&merges, "a1", &err));
    merges.merges[2].done = true;
    check_ok(mq_bronze_merges_keep(&merges, keep, keep_part, &err));
    assert_int_equal(merges.count, 2);
    assert_null(mq_bronze_merge_of(&merges, "b0"));
    assert_null(mq_bronze_merge_of(&merges, "c0"));
    assert_string_equal(mq_bronze_merge_of(&merges, "c1")->name, "c");
    check_ok(mq_bronze_merges_write(l->store, "1", DAY, &merges, &err));
    check_ok(mq_bronze_merges_read(l->store, "1", DAY, &again, &err));
    assert_int_equal(again.count, 2);
    assert_int_equal(again.merges[1].level, 7);
    assert_true(again.merges[1].done && !again.merges[0].done);
    assert_string_equal(mq_bronze_merge_of(&again, "a1")->name, "a");
    mq_bronze_merges_release(&merges);
    mq_bronze_merges_release(&again);

    char name[MQ_BRONZE_MERGED_NAME_MAX], topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first, last;
    mq_bronze_merged_name("a-to-b-1", 17, 5, 123456, name);
    assert_true(mq_bronze_merged_name_parse(name, topic, &partition, &first, &last));
    assert_string_equal(topic, "a-to-b-1");
    assert_int_equal(partition, 17);
    assert_int_equal(first, 5);
    assert_int_equal(last, 123456);
    assert_false(mq_bronze_merged_name_parse("a-1-00000000000000000005.jsonl.gz", topic, &partition,
                                             &first, &last));
    assert_false(mq_bronze_merged_name_parse("x", topic, &partition, &first, &last));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compaction_stays_exactly_once, setup, teardown),
        cmocka_unit_test_setup_teardown(parts_that_differ_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_begun_is_finished, setup, teardown),
        cmocka_unit_test_setup_teardown(index_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(index_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(index_round_trip, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
