#include "fake_steps.h"

#include <time.h>
#include <utime.h>

#include "base/cancel.h"
#include "base/log.h"
#include "flow/run_document.h"

#define CATALOGUE REGION "/system/item-data/basic/1.csv"
#define CODES REGION "/feature/action/raw_embed_item_mapping.pickle"
#define VECTORS REGION "/feature/action/ub_item_embeddings.npy"

static void
test_fresh_store_makes_what_is_missing(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(bench->log, "clean:done lists:done codes:done model:done report:done");
    assert_string_equal(get_text(bench, REGION "/feature/recommend-list/movie/"
                                               "recall_batch_result.pickle"),
                        "film!");
}

static void
test_nothing_new_is_skipped(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    /* Producers whose outputs are there are not even asked, but for the cleaning step. */
    assert_string_equal(bench->log, "clean:skipped lists:skipped report:skipped");
    check_ok(bench_run(bench, (struct mq_run_request){.force = true}, &err));
    assert_string_equal(bench->log, "clean:skipped lists:done report:done");
    assert_int_equal(codes_calls, 1);
}

static void
test_changed_input_runs_only_what_it_reaches(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    put_text(bench, CATALOGUE, "film2");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(bench->log, "clean:done lists:done report:done");
    /* Written anew with the same bytes: the folder's listing differs, the clean file does not. */
    put_text(bench, CATALOGUE, "film2");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(bench->log, "clean:done lists:skipped report:skipped");
}

static void
test_optional_input_that_appears_counts(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    put_text(bench, REGION "/system/item-data/expand/1.xlsx", "x");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    /* lists runs, but its output is the same, so report does not. */
    assert_string_equal(bench->log, "clean:skipped lists:done report:skipped");
}

static void
test_option_runs_its_step_alone(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "TRAIN"}, &err));
    check_ok(mq_config_set(bench->config, "run.seed", "7", MQ_FROM_FLAG, "test", &err));
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "train"}, &err));
    assert_string_equal(bench->log, "clean:skipped codes:skipped model:done");
    struct mq_run *run = NULL;
    struct mq_run_request request = {.table = &fake_table, .only = "model", .dry_run = true};
    check_ok(mq_config_set(bench->config, "run.seed", "8", MQ_FROM_FLAG, "test", &err));
    check_ok(mq_run_workflow(bench->store, REGION, bench->config, NULL, &request, &run, &err));
    assert_string_equal(run->steps[0].reason, "option run.seed changed from 7 to 8");
    mq_run_free(run);
}

static void
test_code_version_and_lost_output(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "TRAIN"}, &err));
    const char *keys[] = {VECTORS};
    check_ok(mq_object_delete(bench->store, keys, 1, &err));
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "TRAIN"}, &err));
    assert_string_equal(bench->log, "clean:skipped codes:skipped model:done");
    put_text(bench, VECTORS, "other");
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "TRAIN"}, &err));
    assert_string_equal(bench->log, "clean:skipped codes:skipped model:done");
    fake_rows[2].version = 2;
    check_ok(bench_run(bench, (struct mq_run_request){.change_type = "TRAIN"}, &err));
    fake_rows[2].version = 1;
    assert_string_equal(bench->log, "clean:skipped codes:skipped model:done");
}

static void
test_missing_input_names_the_way_out(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    check_fails(MQ_E_INPUT, bench_run(bench, (struct mq_run_request){0}, &err));
    check_contains(err.message, "clean cannot start: item-basic");
    check_contains(err.message, "is missing");
    check_contains(err.hint, "marquee import");
    check_fails(MQ_E_INPUT,
                bench_run(bench, (struct mq_run_request){.only = "model", .no_pull = true}, &err));
    check_contains(err.message, "raw_embed_item_mapping.pickle");
    check_contains(err.hint, "marquee step codes");
    put_text(bench, CODES, "");
    check_fails(MQ_E_INPUT,
                bench_run(bench, (struct mq_run_request){.only = "model", .no_pull = true}, &err));
    check_contains(err.message, "is empty");
}

static void
test_unknown_names(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    check_fails(MQ_E_USAGE, bench_run(bench, (struct mq_run_request){.only = "nope"}, &err));
    check_fails(MQ_E_USAGE, bench_run(bench, (struct mq_run_request){.change_type = "X"}, &err));
    check_fails(MQ_E_USAGE, bench_run(bench, (struct mq_run_request){.from = "nope"}, &err));
    check_fails(MQ_E_USAGE, bench_run(bench, (struct mq_run_request){.from = "codes"}, &err));
    check_contains(err.message, "not in workflow DAILY");
}

static void
test_from_leaves_out_the_beginning(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    check_ok(bench_run(bench, (struct mq_run_request){.from = "report", .force = true}, &err));
    assert_string_equal(bench->log, "report:done");
}

static void
test_dry_run_writes_nothing(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){.dry_run = true}, &err));
    assert_string_equal(bench->log,
                        "clean:pending lists:pending codes:pending model:pending report:pending");
    json_t *ids;
    check_ok(mq_manifest_list(bench->store, REGION, &ids, &err));
    assert_int_equal(json_array_size(ids), 0);
    json_decref(ids);
    assert_int_equal(clean_calls, 0);
}

static void
test_failure_stops_and_is_kept(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    failing_step = "lists";
    check_fails(MQ_E_IO, bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(bench->log, "clean:done lists:failed");
    json_t *manifest;
    check_ok(mq_manifest_read(bench->store, REGION, "latest", &manifest, &err));
    assert_string_equal(json_string_value(json_object_get(manifest, "status")), "failed");
    json_t *step = json_array_get(json_object_get(manifest, "steps"), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(step, "error"), "message")),
        "lists was told to fail");
    json_decref(manifest);
    failing_step = NULL;
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(bench->log, "clean:skipped lists:done codes:done model:done report:done");
}

static void
test_own_state_is_put_back(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    assert_string_equal(get_text(bench, CODES), "x");
    put_text(bench, CATALOGUE, "film2");
    failing_step = "codes";
    check_fails(MQ_E_IO, bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    assert_string_equal(get_text(bench, CODES), "xx"); /* written before it failed */
    failing_step = NULL;
    check_ok(bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    assert_string_equal(get_text(bench, CODES), "xx"); /* and not "xxx" */
    check_ok(bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    assert_string_equal(bench->log, "clean:skipped codes:skipped");
}

static void
test_own_state_that_was_absent_is_removed(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    failing_step = "codes";
    check_fails(MQ_E_IO, bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    failing_step = NULL;
    check_ok(bench_run(bench, (struct mq_run_request){.only = "codes"}, &err));
    assert_string_equal(get_text(bench, CODES), "x");
}

static void
test_lock_says_who_holds_it(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    put_text(bench, REGION "/runs/lock.json",
             "{\"schema\":1,\"what\":\"TRAIN\",\"host\":\"elsewhere\",\"process\":42,"
             "\"since\":\"2026-01-02T03:04:05Z\"}");
    check_fails(MQ_E_CONFLICT, bench_run(bench, (struct mq_run_request){0}, &err));
    check_contains(err.message, "TRAIN, process 42 on elsewhere, since 2026-01-02T03:04:05Z");
    assert_true(err.retriable);
}

static void
test_lock_of_a_dead_process_is_taken_over(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    char host[256] = "", text[512];
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    put_text(bench, CATALOGUE, "film");
    snprintf(text, sizeof(text),
             "{\"schema\":1,\"what\":\"TRAIN\",\"host\":\"%s\",\"boot\":\"before\","
             "\"process\":1,\"process_start\":1,\"since\":\"2026-01-02T03:04:05Z\"}",
             host);
    put_text(bench, REGION "/runs/lock.json", text);
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    assert_string_equal(get_text(bench, REGION "/runs/lock.json"), "");
}

static void
test_dead_run_lends_its_instant(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    setenv("MARQUEE_NOW", "2026-01-02T03:10:00Z", 1);
    put_text(bench, REGION "/runs/current.json",
             "{\"schema\":1,\"run\":\"20260102T030405Z-0\",\"what\":\"DAILY\","
             "\"instant_s\":1767323045}");
    put_text(bench, REGION "/runs/20260102T030405Z-0/manifest.json",
             "{\"schema\":1,\"status\":\"running\"}");
    struct mq_run *run = NULL;
    struct mq_run_request request = {.table = &fake_table};
    check_ok(mq_run_workflow(bench->store, REGION, bench->config, NULL, &request, &run, &err));
    unsetenv("MARQUEE_NOW");
    assert_int_equal(run->now_s, 1767323045);
    assert_string_equal(run->resumed, "20260102T030405Z-0");
    mq_run_free(run);
    check_contains(get_text(bench, REGION "/runs/20260102T030405Z-0/manifest.json"), "died");
    assert_string_equal(get_text(bench, REGION "/runs/current.json"), "");
}

static void
test_unknown_schema_is_refused(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    const char *key = REGION "/runs/steps/clean.json";
    char record[4096];
    snprintf(record, sizeof(record), "%s", get_text(bench, key));
    char *outputs = strstr(record, "\"outputs\"");
    assert_non_null(outputs);
    char *schema = strstr(outputs, "\"schema\": 1");
    assert_non_null(schema);
    schema[strlen("\"schema\": ")] = '9';
    put_text(bench, key, record);
    check_fails(MQ_E_UNSUPPORTED,
                bench_run(bench, (struct mq_run_request){.from = "lists", .force = true}, &err));
    check_contains(err.message, "schema version 9");
}

static void
test_leftovers_of_dead_writers_go(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    /* A number that no process can have, one that runs, and one that wrote just now. */
    static const char *const names[] = {"a.csv.999999999-0.partial", "b.csv.1-0.partial",
                                        "c.csv.999999999-1.partial", "d.partial"};
    char path[MQ_PATH_MAX];
    for (size_t i = 0; i < MQ_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/" REGION "/%s", bench->folder, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
        struct utimbuf old = {.actime = 1, .modtime = i == 2 ? time(NULL) : 1};
        assert_int_equal(utime(path, &old), 0);
    }
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    static const bool stays[] = {false, true, true, true};
    for (size_t i = 0; i < MQ_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/" REGION "/%s", bench->folder, names[i]);
        assert_int_equal(mq_fs_exists(path), stays[i]);
    }
}

static void
test_jobs_give_the_same(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){.jobs = 4}, &err));
    assert_int_equal(clean_calls + codes_calls + model_calls + lists_calls + report_calls, 5);
    check_ok(bench_run(bench, (struct mq_run_request){.jobs = 4}, &err));
    assert_int_equal(clean_calls + codes_calls + model_calls + lists_calls + report_calls, 5);
}

static void
test_cancelled_run_is_kept_apart(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    mq_cancel_request();
    check_fails(MQ_E_CANCELLED, bench_run(bench, (struct mq_run_request){0}, &err));
    mq_cancel_reset();
    json_t *manifest;
    check_ok(mq_manifest_read(bench->store, REGION, "latest", &manifest, &err));
    assert_string_equal(json_string_value(json_object_get(manifest, "status")), "cancelled");
    json_decref(manifest);
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
}

static void
test_shards_have_their_own_records(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    check_fails(MQ_E_USAGE, bench_run(bench, (struct mq_run_request){.shard_count = 2}, &err));
    fake_rows[4].flags = MQ_STEP_SHARDS;
    /* A shard makes nothing that belongs to the whole. */
    check_fails(MQ_E_INPUT, bench_run(bench, (struct mq_run_request){.shard_count = 2}, &err));
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    check_ok(bench_run(bench, (struct mq_run_request){.shard_index = 0, .shard_count = 2}, &err));
    assert_string_equal(bench->log, "report:done");
    check_ok(bench_run(bench, (struct mq_run_request){.shard_index = 1, .shard_count = 2}, &err));
    assert_string_equal(bench->log, "report:done");
    check_ok(bench_run(bench, (struct mq_run_request){.shard_index = 0, .shard_count = 2}, &err));
    assert_string_equal(bench->log, "report:skipped");
    fake_rows[4].flags = 0;
}

static void
test_shards_exclude_the_whole_only(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    static const char held[] =
        "{\"schema\":1,\"what\":\"DAILY shard 1 of 2\",\"host\":\"elsewhere\","
        "\"process\":42,\"since\":\"2026-01-02T03:04:05Z\"}";
    put_text(bench, CATALOGUE, "film");
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    fake_rows[4].flags = MQ_STEP_SHARDS;
    put_text(bench, REGION "/runs/lock.shard-1-of-2.json", held);
    check_ok(bench_run(bench, (struct mq_run_request){.shard_index = 1, .shard_count = 2}, &err));
    check_fails(MQ_E_CONFLICT, bench_run(bench, (struct mq_run_request){.shard_count = 2}, &err));
    check_fails(MQ_E_CONFLICT, bench_run(bench, (struct mq_run_request){0}, &err));
    check_contains(err.message, "shard 1 of 2");
    assert_string_equal(get_text(bench, REGION "/runs/lock.json"), "");
    const char *keys[] = {REGION "/runs/lock.shard-1-of-2.json"};
    check_ok(mq_object_delete(bench->store, keys, 1, &err));
    put_text(bench, REGION "/runs/lock.json", held);
    check_fails(MQ_E_CONFLICT, bench_run(bench, (struct mq_run_request){.shard_count = 2}, &err));
    fake_rows[4].flags = 0;
}

static void
test_daily_steps_run_on_another_day(void **state)
{
    struct bench *bench = *state;
    struct mq_error err;
    put_text(bench, CATALOGUE, "film");
    fake_rows[4].flags = MQ_STEP_DAILY;
    setenv("MARQUEE_NOW", "2026-01-02T03:10:00Z", 1);
    check_ok(bench_run(bench, (struct mq_run_request){0}, &err));
    setenv("MARQUEE_NOW", "2026-01-02T23:59:59Z", 1);
    check_ok(bench_run(bench, (struct mq_run_request){.from = "lists"}, &err));
    assert_string_equal(bench->log, "clean:skipped lists:skipped report:skipped");
    setenv("MARQUEE_NOW", "2026-01-03T00:00:00Z", 1);
    check_ok(bench_run(bench, (struct mq_run_request){.from = "lists"}, &err));
    assert_string_equal(bench->log, "clean:skipped lists:skipped report:done");
    unsetenv("MARQUEE_NOW");
    fake_rows[4].flags = 0;
}

int
main(void)
{
    mq_log_configure(MQ_LOG_ERROR, false);
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_fresh_store_makes_what_is_missing),
        TEST(test_nothing_new_is_skipped),
        TEST(test_changed_input_runs_only_what_it_reaches),
        TEST(test_optional_input_that_appears_counts),
        TEST(test_option_runs_its_step_alone),
        TEST(test_code_version_and_lost_output),
        TEST(test_missing_input_names_the_way_out),
        TEST(test_unknown_names),
        TEST(test_from_leaves_out_the_beginning),
        TEST(test_dry_run_writes_nothing),
        TEST(test_failure_stops_and_is_kept),
        TEST(test_own_state_is_put_back),
        TEST(test_own_state_that_was_absent_is_removed),
        TEST(test_lock_says_who_holds_it),
        TEST(test_lock_of_a_dead_process_is_taken_over),
        TEST(test_dead_run_lends_its_instant),
        TEST(test_unknown_schema_is_refused),
        TEST(test_leftovers_of_dead_writers_go),
        TEST(test_jobs_give_the_same),
        TEST(test_cancelled_run_is_kept_apart),
        TEST(test_shards_have_their_own_records),
        TEST(test_shards_exclude_the_whole_only),
        TEST(test_daily_steps_run_on_another_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
