/* What pyarrow wrote (tests/golden/parquet_golden.py) is read as Marquee's own item.parquet and
 * action.parquet, and imported. MARQUEE_GOLDEN names another folder with the files. */
#include "step_fixture.h"

#include "data/actions.h"
#include "data/catalogue.h"
#include "data/interactions_csv.h"
#include "data/sql.h"

static const char *
golden_path(const char *name)
{
    static char path[MQ_PATH_MAX];
    const char *other = getenv("MARQUEE_GOLDEN");
    if (other != NULL)
        snprintf(path, sizeof(path), "%s/%s", other, name);
    else
        snprintf(path, sizeof(path), "%s/tests/golden/data/%s", getenv("MARQUEE_SOURCE"), name);
    return path;
}

static void
put_golden(struct step_fixture *f, enum mq_artifact artifact, const char *name)
{
    struct mq_error err;
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_reader *reader;
    struct mq_buffer bytes = {0};
    check_ok(mq_artifact_key("1", artifact, MQ_PROGRAM_MOVIE, key, &err));
    check_ok(mq_reader_from_file(golden_path(name), &reader, &err));
    check_ok(mq_reader_all(reader, 1 << 20, &bytes, &err));
    mq_reader_close(reader);
    check_ok(mq_object_put(f->store, key, bytes.data, bytes.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
    mq_buffer_release(&bytes);
}

static void
items_and_actions_of_pyarrow(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    struct mq_catalogue *catalogue;
    struct mq_actions *actions;
    put_golden(f, MQ_ARTIFACT_ITEM_PARQUET, "parquet-item.parquet");
    put_golden(f, MQ_ARTIFACT_ACTION_PARQUET, "parquet-action.parquet");
    check_ok(mq_catalogue_load(f->store, "1", &catalogue, &err));
    assert_int_equal(catalogue->count, 2);
    int32_t seven = mq_catalogue_find(catalogue, "7"), eight = mq_catalogue_find(catalogue, "é 8");
    assert_int_equal(seven, 0);
    assert_int_equal(eight, 1);
    assert_string_equal(catalogue->title[seven], "Seven, \"7\"");
    assert_string_equal(catalogue->title[eight], "活着");
    assert_string_equal(catalogue->description[seven], "two\nlines");
    assert_string_equal(catalogue->territories[seven], "CN|US");
    assert_int_equal(catalogue->type[seven], MQ_PROGRAM_TV);
    assert_int_equal(catalogue->year[seven], 1999);
    assert_int_equal(catalogue->year[eight], 0);
    assert_true(catalogue->score[seven] == 8.25F && catalogue->score[eight] == 0);
    assert_true(catalogue->is_new[seven] && !catalogue->is_new[eight]);
    assert_true(catalogue->available_from[seven] == 1577836800);
    assert_true(catalogue->available_until[seven] == 1893456000);
    assert_true(catalogue->available_from[eight] == MQ_TIME_MIN);
    assert_int_equal(catalogue->duration_s[seven], 5400);
    assert_int_equal(catalogue->names[MQ_PROPERTY_ACTOR].count, 2);
    check_ok(mq_actions_load(f->store, "1", catalogue,
                             MQ_ACTIONS_EXPOSURES | MQ_ACTIONS_WATCH | MQ_ACTIONS_RATING |
                                 MQ_ACTIONS_TRACE,
                             0, 1, &actions, NULL, &err));
    assert_int_equal(actions->count, 4);
    assert_string_equal(actions->users.keys[0], "a,b");
    assert_string_equal(actions->users.keys[1], "u");
    assert_int_equal(actions->offset[1], 1);
    static const uint32_t times[] = {1608163200, 1608163250, 1608163250, 1608163300};
    static const uint8_t kinds[] = {1, 0, 0, 1};
    static const int16_t positions[] = {-1, 3, -1, -1};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(actions->time_s[i], times[i]);
        assert_int_equal(actions->kind[i], kinds[i]);
        assert_int_equal(actions->position[i], positions[i]);
        assert_int_equal(actions->item[i], i % 2 == 0 ? eight : seven);
    }
    assert_true(actions->rating[3] == 4.5F && actions->rating[0] == MQ_UNKNOWN);
    assert_true(actions->watch_ratio[3] > 0.0112F && actions->watch_ratio[3] < 0.01121F);
    assert_string_equal(actions->traces.keys[actions->trace[1]], "batch_portrait_ub_3|1.00");
    mq_actions_free(actions);
    mq_catalogue_free(catalogue);
}

static void
log_of_pyarrow(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    struct mq_sql *sql;
    const struct mq_sql_options engine = {.threads = 1, .scratch = f->folder};
    const char *const paths[] = {golden_path("parquet-log.parquet")};
    const struct mq_interactions_options options = {
        .paths = paths, .path_count = 1, .columns = "user=viewer,item=film,time=ts,rating=stars"};
    check_ok(mq_sql_open(&engine, &sql, &err));
    check_ok(mq_interactions_import(&options, sql, f->store, "1", f->pool, NULL, NULL, &err));
    mq_sql_free(sql);
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp,rating\nu,8,1608163200,\nv,7,1608163201,3\n"
                 "u,7,1608163202,4.5\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(items_and_actions_of_pyarrow, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(log_of_pyarrow, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
