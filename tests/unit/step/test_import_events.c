/* Imports as events: what lies in bronze afterwards, and what stays as it was. */
#include "step_fixture.h"

#include "base/clock.h"
#include "data/bronze_verify.h"
#include "data/interactions_csv.h"
#include "data/movielens.h"
#include "format/gzip_stream.h"
#include "store/event_log.h"

/* Wide rules: events of 1970 to the fixture's now. */
static const struct mq_event_rules any = {.now_ms = FIXTURE_NOW * 1000,
                                          .age_max_ms = FIXTURE_NOW * 1000,
                                          .ahead_max_ms = 3600000,
                                          .rating_min = 0.5,
                                          .rating_max = 5};

static void
put_file(struct step_fixture *f, const char *name, const char *text)
{
    struct mq_error err;
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    check_ok(mq_fs_make_parents(path, &err));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
put_movielens(struct step_fixture *f)
{
    put_file(
        f, "ml/ratings.dat",
        "1::10::5::978300760\n2::10::2::978300760\n1::20::3::978387161\n1::10::4::956703932\n");
    put_file(f, "ml/movies.dat", "10::Matrix, The (1999)::Action\n20::Amelie (2001)::Comedy\n");
    put_file(f, "ml/users.dat", "1::F::1::10::48067\n2::M::56::16::70072\n");
}

static struct mq_event_sink *
sink_of(struct step_fixture *f, const struct mq_event_rules *rules, struct mq_event_log *log)
{
    struct mq_error err = {0};
    struct mq_event_sink *sink;
    const struct mq_event_sink_options options = {.store = f->store,
                                                  .region = "1",
                                                  .rules = *rules,
                                                  .level = 1,
                                                  .pool = f->pool,
                                                  .log = log,
                                                  .topic = "clicks"};
    check_ok(mq_event_sink_new(&options, &sink, &err));
    return sink;
}

static enum mq_status
import_movielens(struct step_fixture *f, const struct mq_event_rules *rules, double max_bad_share,
                 struct mq_event_sink_figures *figures)
{
    char ml[MQ_PATH_MAX];
    snprintf(ml, sizeof(ml), "%s/ml", f->folder);
    const char *const paths[] = {ml};
    struct mq_event_sink *sink = sink_of(f, rules, NULL);
    const struct mq_movielens_options options = {.events = sink, .max_bad_share = max_bad_share};
    f->err = (struct mq_error){0};
    enum mq_status st =
        mq_movielens_import(paths, 1, &options, f->store, "1", f->pool, NULL, &f->err);
    if (figures != NULL)
        *figures = *mq_event_sink_figures(sink);
    mq_event_sink_free(sink);
    return st;
}

/* ---- looking ---------------------------------------------------------------------------- */

struct listing {
    struct mq_object_store *store;
    struct mq_buffer text;
    bool with_etag, with_text;
};

static enum mq_status
list_one(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct listing *listing = context;
    enum mq_status st = mq_buffer_append_text(&listing->text, key, err);
    if (st == MQ_OK && listing->with_etag)
        st = mq_buffer_printf(&listing->text, err, " %s", info->etag);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&listing->text, '\n', err);
    struct mq_reader *raw = NULL, *text = NULL;
    if (st == MQ_OK && listing->with_text) {
        st = mq_object_reader(listing->store, key, &raw, err);
        if (st == MQ_OK)
            st = mq_gzip_reader(raw, &text, err);
        if (st == MQ_OK)
            st = mq_reader_all(text, 1 << 20, &listing->text, err);
        mq_reader_close(text);
    }
    return st;
}

/* Objects below a prefix: keys, with ETags or texts. Owned. */
static char *
objects(struct step_fixture *f, const char *prefix, bool with_etag, bool with_text)
{
    struct mq_error err = {0};
    struct listing listing = {f->store, {0}, with_etag, with_text};
    check_ok(mq_object_list(f->store, prefix, list_one, &listing, &err));
    return mq_buffer_take(&listing.text);
}

static void
check_whole(struct step_fixture *f, int64_t events, int64_t rejected)
{
    struct mq_error err = {0};
    struct mq_bronze_history history = {0};
    struct mq_bronze_report report = {0};
    const struct mq_bronze_question all = {.date = NULL};
    check_ok(mq_bronze_history_load(f->store, "1", NULL, f->pool, &history, &err));
    check_ok(mq_bronze_verify(f->store, "1", &all, &history, f->pool, &report, &err));
    if (report.findings.count > 0)
        fail_msg("%s", report.findings.texts[0]);
    assert_int_equal(report.events, events);
    assert_int_equal(report.rejected, rejected);
    mq_bronze_report_release(&report);
    mq_bronze_history_release(&history);
}

/* ---- MovieLens -------------------------------------------------------------------------- */

static void
movielens(void **state)
{
    struct step_fixture *f = *state;
    struct mq_event_sink_figures figures;
    put_movielens(f);
    fixture_put(f, "system/user-data/action/2000-01-01/play/own.csv",
                "user_id,item_id,timestamp\n");
    assert_int_equal(import_movielens(f, &any, 0, &figures), MQ_OK);
    assert_int_equal(figures.events, 4);
    assert_int_equal(figures.batches, 1);
    assert_int_equal(figures.objects, 3);
    check_contains(figures.topic, "import-ml-1m-");
    char *text = objects(f, "1/bronze/user-events/", false, true);
    mq_autofree char *expected =
        mq_strfmt("1/bronze/user-events/dt=2000-04-25/%s-0-00000000000000000000.jsonl.gz\n"
                  "{\"user_id\":\"1\",\"movie_id\":\"10\",\"rating\":4,\"timestamp\":956703932}\n"
                  "1/bronze/user-events/dt=2000-12-31/%s-0-00000000000000000000.jsonl.gz\n"
                  "{\"user_id\":\"1\",\"movie_id\":\"10\",\"rating\":5,\"timestamp\":978300760}\n"
                  "{\"user_id\":\"2\",\"movie_id\":\"10\",\"rating\":2,\"timestamp\":978300760}\n"
                  "1/bronze/user-events/dt=2001-01-01/%s-0-00000000000000000000.jsonl.gz\n"
                  "{\"user_id\":\"1\",\"movie_id\":\"20\",\"rating\":3,\"timestamp\":978387161}\n",
                  figures.topic, figures.topic, figures.topic);
    assert_string_equal(text, expected);
    free(text);
    check_whole(f, 4, 0);
    /* Catalogue and users as ever; logs that were there stay, and none are written. */
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    check_count(f, "users", 2);
    text = objects(f, "1/system/user-data/action/", false, false);
    assert_string_equal(text, "1/system/user-data/action/2000-01-01/play/own.csv\n");
    free(text);
    /* Again: nothing changes. */
    char *before = objects(f, "1/bronze/", true, false);
    assert_int_equal(import_movielens(f, &any, 0, &figures), MQ_OK);
    assert_int_equal(figures.batches, 0);
    assert_int_equal(figures.adopted, 1);
    char *after = objects(f, "1/bronze/", true, false);
    assert_string_equal(before, after);
    free(before);
    free(after);
    /* An import as logs does not take the place of logs that no import wrote. */
    char ml[MQ_PATH_MAX];
    snprintf(ml, sizeof(ml), "%s/ml", f->folder);
    const char *const paths[] = {ml};
    const struct mq_movielens_options as_logs = {0};
    struct mq_error err = {0};
    check_fails(MQ_E_CONFLICT,
                mq_movielens_import(paths, 1, &as_logs, f->store, "1", f->pool, NULL, &err));
    check_contains(err.message, "system/user-data/action/");
    assert_int_equal(mq_input_check(f->store, "1", &err), MQ_OK);
}

/* A batch whose objects an import that died did not write, or that somebody removed, is finished.
 */
static void
died_on_the_way(void **state)
{
    struct step_fixture *f = *state;
    struct mq_event_sink_figures figures;
    struct mq_error err = {0};
    put_movielens(f);
    assert_int_equal(import_movielens(f, &any, 0, &figures), MQ_OK);
    char *before = objects(f, "1/bronze/", false, false);
    mq_autofree char *key = mq_strfmt(
        "1/bronze/user-events/dt=2001-01-01/%s-0-00000000000000000000.jsonl.gz", figures.topic);
    const char *keys[] = {key};
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_put(f, "system/import.json", "{\"schema\": 1, \"state\": \"writing\"}");
    assert_int_equal(mq_input_check(f->store, "1", &err), MQ_E_INPUT);
    assert_int_equal(import_movielens(f, &any, 0, &figures), MQ_OK);
    assert_int_equal(figures.batches, 1);
    char *after = objects(f, "1/bronze/", false, false);
    assert_string_equal(before, after);
    check_whole(f, 4, 0);
    assert_int_equal(mq_input_check(f->store, "1", &err), MQ_OK);
    free(before);
    free(after);
    /* Other ratings are another topic. */
    put_file(f, "ml/ratings.dat", "1::10::1::978300760\n");
    char topic[MQ_TOPIC_NAME_MAX + 1];
    memcpy(topic, figures.topic, sizeof(topic));
    assert_int_equal(import_movielens(f, &any, 0, &figures), MQ_OK);
    assert_string_not_equal(topic, figures.topic);
    check_whole(f, 5, 0);
}

static void
refused_ratings(void **state)
{
    struct step_fixture *f = *state;
    struct mq_event_sink_figures figures;
    struct mq_event_rules rules = any;
    put_movielens(f);
    rules.age_max_ms = INT64_C(7500) * MQ_DAY_SECONDS * 1000;
    assert_int_equal(import_movielens(f, &rules, 0, NULL), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 4 ratings are older than events.max_age_days allows (7500 "
                                   "days; the oldest is of 2000-04-25)");
    check_contains(f->err.hint, "--set events.max_age_days=7556");
    char *none = objects(f, "1/", false, false);
    assert_string_equal(none, "");
    free(none);
    rules = any;
    rules.rating_max = 4;
    assert_int_equal(import_movielens(f, &rules, 0, NULL), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 4 ratings are off the scale: from 5 to 5, where 0.5 to 4");
    rules = any;
    rules.now_ms = INT64_C(978303600) * 1000;
    assert_int_equal(import_movielens(f, &rules, 0, NULL), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 4 ratings lie in the future, up to 2001-01-01");
    /* As many as may be left out: they are kept aside, with the reason. */
    rules = any;
    rules.rating_max = 4;
    assert_int_equal(import_movielens(f, &rules, 0.25, &figures), MQ_OK);
    assert_int_equal(figures.rejected, 1);
    assert_int_equal(figures.faults[MQ_EVENT_OFF_SCALE], 1);
    check_whole(f, 3, 1);
    assert_int_equal(import_movielens(f, &rules, 0.25, &figures), MQ_OK);
    assert_int_equal(figures.rejected, 1); /* as the record says */
}

/* ---- CSV -------------------------------------------------------------------------------- */

static enum mq_status
import_csv(struct step_fixture *f, const char *name, struct mq_event_sink *sink)
{
    struct mq_error err = {0};
    struct mq_sql *sql;
    char path[MQ_PATH_MAX];
    const char *const paths[] = {path};
    const struct mq_sql_options engine = {.threads = 1, .scratch = f->folder};
    const struct mq_interactions_options options = {
        .paths = paths, .path_count = 1, .events = sink, .max_bad_share = 0.2};
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    check_ok(mq_sql_open(&engine, &sql, &err));
    f->err = (struct mq_error){0};
    enum mq_status st =
        mq_interactions_import(&options, sql, f->store, "1", f->pool, NULL, NULL, &f->err);
    mq_sql_free(sql);
    return st;
}

static const char clicks[] =
    "user_id,item_id,timestamp,event,rating,watch_seconds,duration_seconds,position,source,trace\n"
    "a,x,1600000300,play,,60.5,5400,,home,\n"
    "a,x,1600000100,impression,,,,3,home,t|1\n"
    "\"b \"\"q\"\"\",x,1600000200,rating,4.5,,,,,\n"
    "b,y,1600000400,click,,,,,,\n"
    "b,y,1600000500,watchlist,,,,,,\n"
    "b,y,1600000600,0,,,,,,\n";

static void
csv_kinds(void **state)
{
    struct step_fixture *f = *state;
    put_file(f, "clicks.csv", clicks);
    struct mq_event_sink *sink = sink_of(f, &any, NULL);
    assert_int_equal(import_csv(f, "clicks.csv", sink), MQ_OK);
    assert_int_equal(mq_event_sink_figures(sink)->events, 6);
    check_contains(mq_event_sink_figures(sink)->topic, "import-clicks.csv-");
    mq_event_sink_free(sink);
    char *text = objects(f, "1/bronze/user-events/", false, true);
    check_contains(
        text,
        "{\"user_id\":\"a\",\"movie_id\":\"x\",\"timestamp\":1600000100,\"event_type\":"
        "\"exposure\","
        "\"position\":3,\"source\":\"home\",\"trace\":\"t|1\"}\n"
        "{\"user_id\":\"b \\\"q\\\"\",\"movie_id\":\"x\",\"rating\":4.5,\"timestamp\":1600000200}\n"
        "{\"user_id\":\"a\",\"movie_id\":\"x\",\"timestamp\":1600000300,\"event_type\":\"play\","
        "\"watch_seconds\":60.5,\"duration_seconds\":5400,\"source\":\"home\"}\n"
        "{\"user_id\":\"b\",\"movie_id\":\"y\",\"timestamp\":1600000400,\"event_type\":\"click\"}\n"
        "{\"user_id\":\"b\",\"movie_id\":\"y\",\"timestamp\":1600000500,\"event_type\":\"add-to-"
        "list\"}\n"
        "{\"user_id\":\"b\",\"movie_id\":\"y\",\"timestamp\":1600000600,\"event_type\":"
        "\"exposure\"}"
        "\n");
    free(text);
    check_whole(f, 6, 0);
    /* Without the column: ratings, and plays where there is none. */
    put_file(f, "plain.csv", "user,item,time,rating\na,x,1600000000,3\na,y,1600000001,\n");
    sink = sink_of(f, &any, NULL);
    assert_int_equal(import_csv(f, "plain.csv", sink), MQ_OK);
    mq_event_sink_free(sink);
    text = objects(f, "1/bronze/user-events/", false, true);
    check_contains(text, "\"movie_id\":\"x\",\"rating\":3,\"timestamp\":1600000000}\n");
    check_contains(text, "\"movie_id\":\"y\",\"timestamp\":1600000001,\"event_type\":\"play\"}\n");
    free(text);
}

/* A day's events are added to the catalogue and users that are there, whoever put them there. */
static void
csv_adds_to_what_is_known(void **state)
{
    struct step_fixture *f = *state;
    static const char basic[] = "program_id,program_type,program_name,release_year,director,actor,"
                                "category_property,language,ticket_num,popularity,score,level,"
                                "is_new\nx,movie,X,,,,,,,,,,0\n";
    fixture_put(f, "system/item-data/basic/own.csv", basic);
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv", "user_id,sex\na,F\n");
    put_file(f, "day.csv", "user,item,time,rating\na,x,1600000000,3\nb,y,1600000001,4\n");
    struct mq_event_sink *sink = sink_of(f, &any, NULL);
    assert_int_equal(import_csv(f, "day.csv", sink), MQ_OK);
    mq_event_sink_free(sink);
    check_object(f, "system/item-data/basic/own.csv", basic);
    check_object(f, "system/user-data/portrait/ProfileMap.csv", "user_id,sex\na,F\n");
    check_whole(f, 2, 0);
    /* They are nobody's import still. */
    struct mq_error err = {0};
    put_movielens(f);
    assert_int_equal(import_movielens(f, &any, 0, NULL), MQ_E_CONFLICT);
    check_contains(f->err.message, "ProfileMap.csv");
    const char *keys[] = {"1/system/item-data/basic/own.csv",
                          "1/system/user-data/portrait/ProfileMap.csv"};
    check_ok(mq_object_delete(f->store, keys, 2, &err));
    assert_int_equal(import_movielens(f, &any, 0, NULL), MQ_OK);
    put_file(f, "next.csv", "user,item,time,rating\na,10,1600100000,3\n");
    sink = sink_of(f, &any, NULL);
    assert_int_equal(import_csv(f, "next.csv", sink), MQ_OK);
    mq_event_sink_free(sink);
    char *basics = fixture_get(f, "system/item-data/basic/1.csv");
    check_contains(basics, "\n20,movie,Amelie,2001,");
    free(basics);
    assert_int_equal(import_movielens(f, &any, 0, NULL), MQ_OK);
}

static void
csv_screen(void **state)
{
    struct step_fixture *f = *state;
    struct mq_event_rules rules = any;
    put_file(f, "old.csv", "user,item,time,rating\na,x,100,3\na,y,1600000001,4\n");
    rules.age_max_ms = INT64_C(3650) * MQ_DAY_SECONDS * 1000;
    struct mq_event_sink *sink = sink_of(f, &rules, NULL);
    assert_int_equal(import_csv(f, "old.csv", sink), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 2 interactions are older than events.max_age_days");
    put_file(f, "ten.csv", "user,item,time,rating\na,x,1600000000,9\na,y,1600000001,10\n");
    assert_int_equal(import_csv(f, "ten.csv", sink), MQ_E_INPUT);
    check_contains(f->err.message, "2 of 2 interactions are off the scale: from 9 to 10");
    check_contains(f->err.hint, "events.rating_max");
    put_file(f, "none.csv", "user,item,time,event\na,x,1600000000,rating\n");
    assert_int_equal(import_csv(f, "none.csv", sink), MQ_E_INPUT);
    check_contains(f->err.message, "are called ratings and have none");
    put_file(f, "stars.csv", "user,item,time,rating\na,x,1600000000,4\na,y,1600000001,4 stars\n");
    assert_int_equal(import_csv(f, "stars.csv", sink), MQ_E_INPUT);
    check_contains(f->err.message, "stars.csv' line 3: rating '4 stars' (a number");
    put_file(f, "odd.csv", "user,item,time,event\na,x,1600000000,danced\n");
    assert_int_equal(import_csv(f, "odd.csv", sink), MQ_E_INPUT);
    char text[512]; /* an id of 129 characters; the rules take 128 */
    snprintf(text, sizeof(text),
             "user,item,time,rating\n%0129d,x,1600000000,3\na,%0129d,1600000001,3\n"
             "%0128d,y,1600000001,4\n",
             1, 2, 3);
    put_file(f, "long.csv", text);
    assert_int_equal(import_csv(f, "long.csv", sink), MQ_E_INPUT);
    check_contains(f->err.message, "2 of 3 interactions have ids of over 128 characters");
    mq_event_sink_free(sink);
    char *none = objects(f, "1/", false, false);
    assert_string_equal(none, "");
    free(none);
}

/* ---- through the log -------------------------------------------------------------------- */

static void
through_the_log(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_event_log *log;
    struct mq_consumer *consumer;
    mq_autofree char *uri = mq_strfmt("lmdb:%s/log", f->folder);
    check_ok(mq_event_log_open(uri, &log, &err));
    check_ok(mq_event_log_create_topic(log, "clicks", 1, &err));
    put_file(f, "clicks.csv", clicks);
    struct mq_event_sink *sink = sink_of(f, &any, log);
    assert_int_equal(import_csv(f, "clicks.csv", sink), MQ_OK);
    assert_int_equal(mq_event_sink_figures(sink)->events, 6);
    mq_event_sink_free(sink);
    const struct mq_consumer_options options = {.topic = "clicks"};
    check_ok(mq_consumer_new(log, &options, &consumer, &err));
    const struct mq_event *events;
    size_t count = 0;
    check_ok(mq_consumer_poll(consumer, 100, 5000, &events, &count, &err));
    assert_int_equal(count, 6);
    assert_int_equal(events[0].key_size, 1);
    assert_memory_equal(events[0].key, "a", 1);
    check_contains((const char *)events[1].value, "\"rating\":4.5");
    mq_consumer_close(consumer);
    mq_event_log_free(log);
    char *bronze = objects(f, "1/bronze/", false, false);
    assert_string_equal(bronze, "");
    free(bronze);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(movielens),      TEST(died_on_the_way),           TEST(refused_ratings),
        TEST(csv_kinds),      TEST(csv_adds_to_what_is_known), TEST(csv_screen),
        TEST(through_the_log)};
    setenv("MARQUEE_NOW", "2021-01-01T00:00:00Z", 1); /* the clock that records are judged by */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
