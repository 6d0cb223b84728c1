#include "step_fixture.h"

#include "data/actions.h"
#include "data/catalogue.h"
#include "data/id_map.h"
#include "data/user_profiles.h"
#include "format/gzip_stream.h"

#define BASIC "system/item-data/basic/1.csv"
#define ITEM_CSV "system/item-data/clean/latest/item.csv"
#define ACTION_CSV "system/user-data/clean/latest/action.csv"
#define REJECTS "system/user-data/clean/latest/rejects.csv"
#define PLAY "system/user-data/action/2020-12-17/play/playlog.2020-12-17-17.0.csv"
#define EXPOSURE "system/user-data/action/2020-12-17/exposure/exposurelog.2020-12-17-17.0.csv"

static const char three_items[] =
    "program_id,program_type,program_name,release_year,director,actor,category_property,language,"
    "ticket_num,popularity,score,level,is_new\n"
    "10,movie,\"Ten, or \"\"X\"\"\",1995,Ann Lee,Bo|Cy|Bo,Drama| Comedy ,USA,100,2.5,7.5,PG,0\n"
    "9,tv,Nine,1995.0,nr,,|,,0,nan,,,1\n"
    "b_!_c,movie,\xe7\x94\xb5\xe5\xbd\xb1,,Ann Lee,D,Drama,USA,5,1,1,R,1\n";

static void
items(void **state)
{
    struct step_fixture *f = *state;
    fixture_put(f, BASIC, three_items);
    fixture_ok(f, mq_step_item_preprocessing);
    check_object(
        f, ITEM_CSV,
        "10_!_movie_!_Ten, or \"X\"_!_1995_!_Ann Lee_!_Bo|Cy|Bo_!_Drama| "
        "Comedy_!_USA_!_100_!_2.5_!_7.5_!_PG_!_0\n"
        "9_!_tv_!_Nine_!_1995_!_nr_!__!_|_!__!_0_!__!__!__!_1\n"
        "\"b_!_c\"_!_movie_!_\xe7\x94\xb5\xe5\xbd\xb1_!__!_Ann Lee_!_D_!_Drama_!_USA_!_5_!_1"
        "_!_1_!_R_!_1\n");
    check_count(f, "programmes", 3);
    check_count(f, "series", 1);
    check_count(f, "new", 2);
    struct mq_catalogue *c;
    struct mq_error err;
    check_ok(mq_catalogue_load(f->store, "1", &c, &err));
    assert_int_equal(c->count, 3);
    assert_int_equal(c->coded_count, 0);
    assert_false(c->ids_numeric);
    assert_int_equal(mq_catalogue_find(c, "9"), 1);
    assert_int_equal(mq_catalogue_find(c, "b_!_c"), 2);
    assert_int_equal(mq_catalogue_find(c, "11"), -1);
    assert_int_equal(c->type[1], MQ_PROGRAM_TV);
    assert_int_equal(c->year[1], 1995);
    assert_int_equal(c->year[2], 0);
    assert_string_equal(c->title[0], "Ten, or \"X\"");
    assert_string_equal(c->title[2], "\xe7\x94\xb5\xe5\xbd\xb1");
    assert_true(c->popularity[0] == 2.5f && c->popularity[1] == 0.0f);
    assert_true(c->available_until[0] == MQ_TIME_MAX && c->available_from[0] == MQ_TIME_MIN);
    /* A field of separators alone has no value; a value named twice counts once. */
    const int64_t *offset = c->offset[MQ_PROPERTY_CATEGORY];
    assert_int_equal(offset[1], 2);
    assert_int_equal(offset[2], 2);
    assert_int_equal(offset[3], 3);
    assert_string_equal(c->names[MQ_PROPERTY_CATEGORY].keys[0], "drama");
    assert_string_equal(c->names[MQ_PROPERTY_CATEGORY].keys[1], "comedy");
    assert_int_equal(c->value[MQ_PROPERTY_CATEGORY][2], 0);
    assert_int_equal(c->offset[MQ_PROPERTY_ACTOR][1], 2);
    assert_int_equal(c->names[MQ_PROPERTY_DIRECTOR].count, 1);
    assert_string_equal(c->names[MQ_PROPERTY_YEAR].keys[0], "1995");
    assert_string_equal(c->names[MQ_PROPERTY_LEVEL].keys[1], "r");
    mq_catalogue_free(c);
}

static void
item_duplicates_and_forms(void **state)
{
    struct step_fixture *f = *state;
    fixture_put(f, "system/item-data/basic/1.csv",
                "1_!_movie_!_Old_!_1990_!__!__!__!__!__!__!__!__!_0\n"
                "1_!_short\n"
                "2_!_movie_!_Two_!_1991_!__!__!__!__!__!__!__!__!_1\n");
    fixture_put(f, "system/item-data/basic/2.csv",
                "\xef\xbb\xbfItemId;Title;is_new\n1;New;1\n2;Two;1\n");
    fixture_put(f, "system/item-data/expand/1.csv",
                "program_id,available_from,available_until,territories,duration_s,description\n"
                "2,2020-12-17,1609459200,\"cn, us\",5400,long\n"
                "7,,,,,\n");
    fixture_option(f, "data.max_bad_share", "0.2");
    fixture_ok(f, mq_step_item_preprocessing);
    check_count(f, "rejected.bad_line", 1);
    check_count(f, "duplicates", 2);
    check_count(f, "programmes", 2);
    check_count(f, "new", 1);
    struct mq_catalogue *c;
    struct mq_error err;
    check_ok(mq_catalogue_load(f->store, "1", &c, &err));
    assert_string_equal(c->title[0], "New");
    assert_int_equal(c->is_new[0], 0);
    assert_int_equal(c->is_new[1], 1);
    assert_true(c->ids_numeric);
    assert_int_equal(c->available_from[1], 1608163200);
    assert_int_equal(c->available_until[1], 1609459200);
    assert_string_equal(c->territories[1], "CN|US");
    assert_int_equal(c->duration_s[1], 5400);
    assert_string_equal(c->description[1], "long");
    mq_catalogue_free(c);
    fixture_option(f, "data.max_bad_share", "0.05");
    assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 5 item lines");
    check_contains(f->err.message, "line 2");
    check_contains(f->err.hint, "data.max_bad_share");
}

static void
items_missing_or_empty(void **state)
{
    struct step_fixture *f = *state;
    assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_NOT_FOUND);
    check_contains(f->err.hint, "marquee import");
    fixture_put(f, BASIC, "program_id,program_name\n");
    assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "empty");
    fixture_put(f, BASIC, "name,year\nx,1990\n");
    assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "program_id");
    check_contains(f->err.message, "'name', 'year'");
    fixture_put(f, BASIC, "program_id\nonly\n");
    fixture_ok(f, mq_step_item_preprocessing);
    check_count(f, "programmes", 1);
}

static void
users(void **state)
{
    struct step_fixture *f = *state;
    fixture_ok(f, mq_step_user_preprocessing);
    check_count(f, "users", 0);
    fixture_put(
        f, "system/user-data/portrait/ProfileMap.csv",
        "user_id,sex,age,registered,name\n"
        "u2,female,25,2020-12-17,Ada\nu1,M,200,,\"B, C\"\nu2,F,26,1608163200,Ada\n,M,1,,\n");
    fixture_option(f, "data.max_bad_share", "0.5");
    fixture_ok(f, mq_step_user_preprocessing);
    check_object(f, "system/user-data/clean/latest/user.csv",
                 "u2_!_F_!_26_!_1608163200_!_Ada\nu1_!_M_!__!__!_B, C\n");
    check_count(f, "rejected.no_id", 1);
    struct mq_user_profiles *p;
    struct mq_error err;
    check_ok(mq_user_profiles_load(f->store, "1", &p, &err));
    assert_int_equal(p->count, 2);
    int32_t u1 = mq_user_profiles_find(p, "u1", 2);
    assert_int_equal(u1, 1);
    assert_int_equal(p->sex[u1], MQ_SEX_MALE);
    assert_int_equal(p->age[u1], 0);
    assert_int_equal(p->age[0], 26);
    assert_string_equal(p->names.keys[p->name[u1]], "B, C");
    mq_user_profiles_free(p);
}

static void
put_inputs(struct step_fixture *f)
{
    fixture_put(f, BASIC, three_items);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
}

static void
actions(void **state)
{
    struct step_fixture *f = *state;
    put_inputs(f);
    /* Two kinds of header among the plays; the same second is kept in file order. */
    fixture_put(f, PLAY,
                "user_id,item_id,timestamp,watch_seconds,duration_seconds,rating\n"
                "u2,10,1608200000,50,100,4.5\n"
                "u1,10,1608200001,,,\n"
                "\"u\"\"_!_,1\",b_!_c,1608200000,500,100,\n"
                "u1,9,1608200001,20,0,\n");
    fixture_put(f, "system/user-data/action/2020-12-18/play/playlog.csv",
                "movieId\tuserId\ttime\n9\tu1\t2020-12-17T10:13:19Z\n");
    fixture_put(f, EXPOSURE,
                "user_id,item_id,timestamp,position,source,trace\n"
                "u1,10,1608200001000,3,recommend,batch_category_0|1.00\n"
                "u1,b_!_c,1608200001,,drama,\n");
    fixture_put(f, "system/user-data/action/notes.txt", "not a log");
    fixture_ok(f, mq_step_action_preprocessing);
    check_object(f, ACTION_CSV,
                 "\"u\"\"_!_,1\"_!_\"b_!_c\"_!_1_!_1_!_1608200000\n"
                 "u1_!_9_!_1_!_1_!_1608199999\n"
                 "u1_!_10_!_1_!_0_!_1608200001\n"
                 "u1_!_\"b_!_c\"_!_1_!_0_!_1608200001\n"
                 "u1_!_10_!_1_!_1_!_1608200001\n"
                 "u1_!_9_!_1_!_1_!_1608200001\n"
                 "u2_!_10_!_1_!_1_!_1608200000\n");
    check_object(f, REJECTS, "reason,file,line\n");
    check_count(f, "plays", 5);
    check_count(f, "exposures", 2);
    check_count(f, "users", 3);
    check_count(f, "files", 3);
    fixture_ok(f, mq_step_add_item_user_batch);
    check_count(f, "new_users", 3);
    check_count(f, "new_items", 3);

    struct mq_catalogue *c;
    struct mq_actions *a;
    struct mq_error err;
    check_ok(mq_catalogue_load(f->store, "1", &c, &err));
    assert_int_equal(c->coded_count, 3);
    check_ok(mq_actions_load(f->store, "1", c,
                             MQ_ACTIONS_EXPOSURES | MQ_ACTIONS_WATCH | MQ_ACTIONS_RATING |
                                 MQ_ACTIONS_TRACE,
                             0, 1, &a, NULL, &err));
    assert_int_equal(a->count, 7);
    assert_int_equal(a->user_count, 3);
    assert_int_equal(a->coded_users, 3);
    int32_t u1 = mq_strmap_find_text(&a->users, "u1"), u2 = mq_strmap_find_text(&a->users, "u2");
    int64_t at = a->offset[u1];
    assert_int_equal(a->offset[u1 + 1] - at, 5);
    assert_int_equal(a->time_s[at], 1608199999);
    assert_int_equal(a->item[at + 1], 0);
    assert_int_equal(a->kind[at + 1], MQ_ACTION_EXPOSURE);
    assert_int_equal(a->position[at + 1], 3);
    assert_string_equal(a->traces.keys[a->trace[at + 1]], "batch_category_0|1.00");
    assert_int_equal(a->position[at + 2], -1);
    assert_int_equal(a->trace[at + 2], -1);
    assert_true(a->watch_ratio[at + 3] == MQ_UNKNOWN && a->watch_ratio[at + 4] == MQ_UNKNOWN);
    assert_true(a->watch_ratio[a->offset[u2]] == 0.5f && a->rating[a->offset[u2]] == 4.5f);
    assert_true(a->watch_ratio[0] == 1.0f); /* watched longer than its length */
    mq_actions_free(a);
    /* Plays alone; shards are a partition. */
    int64_t total = 0;
    for (int shard = 0; shard < 3; shard++) {
        check_ok(mq_actions_load(f->store, "1", c, 0, shard, 3, &a, NULL, &err));
        assert_null(a->kind);
        assert_int_equal(a->user_count, 3);
        total += a->count;
        mq_actions_free(a);
    }
    assert_int_equal(total, 5);
    mq_catalogue_free(c);
}

static void
refused_actions(void **state)
{
    struct step_fixture *f = *state;
    put_inputs(f);
    fixture_put(f, PLAY,
                "user_id,item_id,timestamp\n"
                "u1,10,1608200000\n"
                "u1,10,1608200000\n"
                "u1,11,1608200000\n"
                ",10,1608200000\n"
                "u1,,1608200000\n"
                "u1,10,yesterday\n"
                "u1,10,1\n"
                "u1,10,1609999999\n"
                "u1,10\n"
                "u1,10,1608200005,7\n"
                "u1,9,1608200001\n");
    fixture_option(f, "data.max_bad_share", "0.8");
    fixture_ok(f, mq_step_action_preprocessing);
    check_object(f, ACTION_CSV, "u1_!_10_!_1_!_1_!_1608200000\nu1_!_9_!_1_!_1_!_1608200001\n");
    check_count(f, "lines", 11);
    check_count(f, "rejected.duplicate", 1);
    check_count(f, "rejected.unknown_item", 1);
    check_count(f, "rejected.no_user", 1);
    check_count(f, "rejected.no_item", 1);
    check_count(f, "rejected.bad_time", 1);
    check_count(f, "rejected.time_too_early", 1);
    check_count(f, "rejected.time_in_future", 1);
    check_count(f, "rejected.bad_line", 2);
    char *rejects = fixture_get(f, REJECTS);
    assert_non_null(rejects);
    check_contains(rejects, "unknown_item,1/" PLAY ",\"u1,11,1608200000\"\n");
    check_contains(rejects, "bad_time,1/" PLAY ",\"u1,10,yesterday\"\n");
    check_contains(rejects, "bad_line,1/" PLAY ",");
    check_contains(rejects, "duplicate,,\"u1,10,1608200000\"\n");
    free(rejects);

    fixture_option(f, "data.max_bad_share", "0.05");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "7 of 11 action lines");
    check_contains(f->err.message, "playlog.2020-12-17-17.0.csv");
    check_contains(f->err.hint, "data.max_bad_share");
    fixture_option(f, "data.max_bad_share", "0.8");
    fixture_option(f, "data.max_unknown_share", "0.01");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "unknown");
    check_contains(f->err.message, "u1,11");
    fixture_option(f, "data.max_unknown_share", "0.9");
    fixture_option(f, "data.unknown_users", "reject");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "no usable action");
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv", "user_id\nu1\n");
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "plays", 2);
}

static void
no_actions(void **state)
{
    struct step_fixture *f = *state;
    fixture_put(f, BASIC, three_items);
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_NOT_FOUND);
    check_contains(f->err.hint, "item-preprocessing");
    put_inputs(f);
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_NOT_FOUND);
    check_contains(f->err.hint, "marquee import");
    fixture_put(f, PLAY, "");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    fixture_put(f, PLAY, "user_id,item_id,timestamp\n");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "no usable action");
    fixture_put(f, PLAY, "user,when\nu1,2\n");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "item_id");
    /* Codes are given without any action too. */
    fixture_ok(f, mq_step_add_item_user_batch);
    check_count(f, "items", 3);
    check_count(f, "users", 0);
}

static void
hard_ids_and_gzip(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    put_inputs(f);
    char *text = malloc(64000);
    assert_non_null(text);
    strcpy(text, "user_id,item_id,timestamp\n\"line\nbreak\",10,1608200000\n");
    char *end = text + strlen(text);
    memset(end, 'x', 10240);
    strcpy(end + 10240, ",9,1608200000\n");
    end += strlen(end);
    memset(end, 'y', 20000);
    strcpy(end + 20000, ",9,1608200000\n");
    struct mq_writer *writer;
    check_ok(mq_object_writer(f->store, "1/system/user-data/action/2020-12-17/play/a.csv.gz",
                              &writer, &err));
    check_ok(mq_gzip_writer(writer, 6, &writer, &err));
    check_ok(mq_writer_put(writer, text, strlen(text), &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    fixture_option(f, "data.max_bad_share", "0.5");
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "plays", 2);
    check_count(f, "rejected.id_too_long", 1);
    fixture_ok(f, mq_step_add_item_user_batch);
    struct mq_strmap ids = {0};
    check_ok(mq_id_map_load(f->store, "1", MQ_ID_USER, &ids, &err));
    assert_int_equal(ids.count, 2);
    assert_string_equal(ids.keys[0], "line\nbreak");
    assert_int_equal(ids.sizes[1], 10240);
    mq_strmap_release(&ids);
    free(text);
}

static void
codes_are_append_only(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    put_inputs(f);
    fixture_ok(f, mq_step_add_item_user_batch);
    /* A catalogue in another order, with one item gone and one new. */
    fixture_put(f, BASIC, "program_id\n1\nb_!_c\n10\n");
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv", "user_id\nzoe\nann\n");
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_add_item_user_batch);
    check_count(f, "new_items", 1);
    struct mq_strmap ids = {0};
    check_ok(mq_id_map_load(f->store, "1", MQ_ID_ITEM, &ids, &err));
    const char *const expected[] = {"10", "9", "b_!_c", "1"};
    assert_int_equal(ids.count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(ids.keys[i], expected[i]);
    mq_strmap_release(&ids);
    check_ok(mq_id_map_load(f->store, "1", MQ_ID_USER, &ids, &err));
    assert_string_equal(ids.keys[0], "zoe");
    mq_strmap_release(&ids);
    struct mq_catalogue *c;
    check_ok(mq_catalogue_load(f->store, "1", &c, &err));
    assert_int_equal(c->count, 4);
    assert_int_equal(c->present[1], 0);
    assert_string_equal(c->title[1], "");
    assert_int_equal(c->present[3], 1);
    mq_catalogue_free(c);
}

int
main(void)
{
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(items),
        STEP_TEST(item_duplicates_and_forms),
        STEP_TEST(items_missing_or_empty),
        STEP_TEST(users),
        STEP_TEST(actions),
        STEP_TEST(refused_actions),
        STEP_TEST(no_actions),
        STEP_TEST(hard_ids_and_gzip),
        STEP_TEST(codes_are_append_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
