#include "step_fixture.h"

#include <math.h>

#include "data/actions.h"
#include "data/catalogue.h"
#include "data/input_stage.h"
#include "data/interactions_csv.h"
#include "data/movielens.h"
#include "data/simulate.h"
#include "data/sql.h"
#include "data/user_profiles.h"
#include "format/archive.h"
#include "rec/channel_weights.h"

#define BASIC "system/item-data/basic/1.csv"

/* A local file "<folder>/<name>"; its path lives as long as the fixture's next call. */
static const char *
local_file(struct step_fixture *f, const char *name, const char *text)
{
    static char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    struct mq_error err;
    check_ok(mq_fs_make_parents(path, &err));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

struct listing {
    struct mq_object_store *store;
    struct mq_buffer text;
};

static enum mq_status
list_object(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    struct listing *listing = context;
    struct mq_buffer bytes = {0};
    enum mq_status st = MQ_OK;
    if (strstr(key, "import.json") == NULL)
        st = mq_object_get(listing->store, key, &bytes, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(
            &listing->text, err, "%s %016llx\n", key,
            (unsigned long long)mq_hash_bytes(bytes.data != NULL ? bytes.data : "", bytes.size, 0));
    mq_buffer_release(&bytes);
    return st;
}

/* Every object of a region with a hash of its bytes; owned. */
static char *
contents(struct step_fixture *f, const char *region)
{
    struct mq_error err;
    struct listing listing = {.store = f->store};
    check_ok(mq_object_list(f->store, region, list_object, &listing, &err));
    return mq_buffer_take(&listing.text);
}

static void
write_ml(struct step_fixture *f)
{
    local_file(
        f, "ml/ratings.dat",
        "1::10::5::978300760\n2::10::2::978300760\n1::20::3::978387161\n1::10::4::956703932\n");
    local_file(f, "ml/movies.dat",
               "10::Matrix, The (1999)::Action|Sci-Fi\n20::Am\xe9lie (2001)::Comedy\n"
               "30::Never Rated (1950)::Drama\n"
               "40::Princess Mononoke, The (Mononoke Hime) (1997)::Animation\n"
               "50::Postman, The (Postino, Il) (1994)::Drama\n"
               "60::Misérables, Les (1995)::Drama\n");
    local_file(f, "ml/users.dat", "1::F::1::10::48067\n2::M::56::16::70072\n");
    local_file(f, "hetrec/movie_directors.dat",
               "movieID\tdirectorID\tdirectorName\n10\twach\tLana Wachowski\n99\tx\tX\n");
    local_file(f, "hetrec/movie_actors.dat",
               "10\tb\tSecond Billed\t2\n10\ta\tFirst Billed\t1\n10\tz\tTenth\t10\n");
    local_file(f, "hetrec/movie_countries.dat", "movieID\tcountry\n10\tUSA\n20\tFrance\n");
    local_file(f, "hetrec/movies.dat",
               "id\ttitle\timdbID\tspanishTitle\timdbPictureURL\tyear\trtID\trtAllCriticsRating\t"
               "rtAllCriticsNumReviews\trtAllCriticsNumFresh\trtAllCriticsNumRotten\t"
               "rtAllCriticsScore\n10\tMatrix\t1\tM\thttp://x/p.jpg\t1999\tm\t7.4\t1\t1\t1\t87\n");
}

static enum mq_status
import_ml(struct step_fixture *f, double play_at_least, bool replace)
{
    char ml[MQ_PATH_MAX], hetrec[MQ_PATH_MAX];
    snprintf(ml, sizeof(ml), "%s/ml", f->folder);
    snprintf(hetrec, sizeof(hetrec), "%s/hetrec", f->folder);
    const char *const paths[] = {ml, hetrec};
    const struct mq_movielens_options options = {.play_at_least = play_at_least,
                                                 .replace = replace};
    f->err = (struct mq_error){0};
    return mq_movielens_import(paths, 2, &options, f->store, "1", f->pool, NULL, &f->err);
}

static void
movielens(void **state)
{
    struct step_fixture *f = *state;
    write_ml(f);
    assert_int_equal(import_ml(f, 0, false), MQ_OK);
    check_object(f, BASIC,
                 "program_id,program_type,program_name,release_year,director,actor,"
                 "category_property,language,ticket_num,popularity,score,level,is_new\n"
                 "10,movie,The Matrix,1999,Lana Wachowski,First Billed|Second Billed|Tenth,"
                 "Action|Sci-Fi,USA,2,3,87,,0\n"
                 "20,movie,Am\xc3\xa9lie,2001,,,Comedy,France,0,1,,,0\n"
                 "30,movie,Never Rated,1950,,,Drama,,0,0,,,0\n"
                 "40,movie,The Princess Mononoke (Mononoke Hime),1997,,,Animation,,0,0,,,0\n"
                 "50,movie,The Postman (Il Postino),1994,,,Drama,,0,0,,,0\n"
                 "60,movie,Les Misérables,1995,,,Drama,,0,0,,,0\n");
    check_object(f, "system/user-data/action/2000-12-31/play/playlog.2000-12-31-00.0.csv",
                 "user_id,item_id,timestamp,rating\n1,10,978300760,5\n2,10,978300760,2\n");
    check_object(f, "system/user-data/action/2000-12-31/exposure/exposurelog.2000-12-31-00.0.csv",
                 "user_id,item_id,timestamp\n1,10,978300760\n2,10,978300760\n");
    check_object(f, "system/user-data/portrait/ProfileMap.csv",
                 "user_id,sex,age,registered,name,occupation,zip\n1,F,1,,,10,48067\n"
                 "2,M,56,,,16,70072\n");
    fixture_ok(f, mq_step_item_preprocessing);
    check_count(f, "expand_rows", 1);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "plays", 4);
    check_count(f, "exposures", 4);
    /* Values are matched in lower case, and shown as the file spells them. */
    struct mq_error err;
    struct mq_catalogue *catalogue;
    check_ok(mq_catalogue_load(f->store, "1", &catalogue, &err));
    assert_string_equal(catalogue->names[MQ_PROPERTY_LANGUAGE].keys[0], "usa");
    assert_string_equal(catalogue->spelling[MQ_PROPERTY_LANGUAGE][0], "USA");
    assert_string_equal(catalogue->spelling[MQ_PROPERTY_LANGUAGE][1], "France");
    assert_string_equal(catalogue->spelling[MQ_PROPERTY_ACTOR][1], "Second Billed");
    assert_null(catalogue->spelling[MQ_PROPERTY_CATEGORY]);
    mq_catalogue_free(catalogue);
    /* Again, with a threshold: the day without a play is gone from the plays alone. */
    assert_int_equal(import_ml(f, 3.5, false), MQ_OK);
    assert_null(fixture_get(f, "system/user-data/action/2001-01-01/play/"
                               "playlog.2001-01-01-00.0.csv"));
    check_object(f, "system/user-data/action/2001-01-01/exposure/exposurelog.2001-01-01-00.0.csv",
                 "user_id,item_id,timestamp,rating\n1,20,978387161,3\n");
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "plays", 2);
    /* Broken input changes nothing. */
    char *before = contents(f, "1/");
    local_file(f, "ml/ratings.dat", "1::10::5::978300760\n1::10::five::978300760\n");
    assert_int_equal(import_ml(f, 0, false), MQ_E_FORMAT);
    check_contains(f->err.message, "ratings.dat");
    check_contains(f->err.message, "line 2");
    char *after = contents(f, "1/");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void
owner_and_interruption(void **state)
{
    struct step_fixture *f = *state;
    write_ml(f);
    fixture_put(f, "system/user-data/action/2020-12-17/play/theirs.csv",
                "user_id,item_id,timestamp\n");
    assert_int_equal(import_ml(f, 0, false), MQ_E_CONFLICT);
    check_contains(f->err.hint, "--replace");
    assert_null(fixture_get(f, BASIC));
    assert_int_equal(import_ml(f, 0, true), MQ_OK);
    assert_null(fixture_get(f, "system/user-data/action/2020-12-17/play/theirs.csv"));
    fixture_put(f, "system/import.json", "{\"schema\": 1, \"state\": \"writing\"}");
    assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_INPUT);
    check_contains(f->err.message, "interrupted");
    assert_int_equal(fixture_run(f, mq_step_action_preprocessing), MQ_E_INPUT);
    assert_int_equal(import_ml(f, 0, false), MQ_OK);
    fixture_ok(f, mq_step_item_preprocessing);
    /* Two sets at once, no set, no such path. */
    local_file(f, "ml/u.data", "1\t10\t5\t978300760\n");
    assert_int_equal(import_ml(f, 0, false), MQ_E_INPUT);
    check_contains(f->err.message, "two sets");
    struct mq_error err;
    const struct mq_movielens_options options = {0};
    const char *const missing[] = {"/no/such/path"};
    check_fails(MQ_E_NOT_FOUND,
                mq_movielens_import(missing, 1, &options, f->store, "1", NULL, NULL, &err));
    const char *const no_set[] = {f->folder};
    check_fails(MQ_E_INPUT,
                mq_movielens_import(no_set, 1, &options, f->store, "1", NULL, NULL, &err));
}

static enum mq_status
import_csv(struct step_fixture *f, struct mq_interactions_options options)
{
    struct mq_error err;
    struct mq_sql *sql;
    const struct mq_sql_options engine = {
        .threads = 2, .memory_bytes = (int64_t)256 << 20, .scratch = f->folder};
    check_ok(mq_sql_open(&engine, &sql, &err));
    f->err = (struct mq_error){0};
    enum mq_status st =
        mq_interactions_import(&options, sql, f->store, "1", f->pool, NULL, NULL, &f->err);
    mq_sql_free(sql);
    return st;
}

static void
csv_by_header_and_position(void **state)
{
    struct step_fixture *f = *state;
    char items[MQ_PATH_MAX], log[MQ_PATH_MAX];
    strcpy(items, local_file(f, "films.csv",
                             "id,title,genres,type,score\n7,\"Seven, 7\",Drama,tv,8\n"
                             "8,Eight,,movie,\n7,Seven,Crime|Drama,movie,9\n"));
    strcpy(log, local_file(f, "log.csv",
                           "time,USER,movie_id,stars\n2020-12-17 10:00:00,\"a,b\",7,5\n"
                           "1608163200,c,8,2.5\n,c,8,1\n"));
    const char *const logs[] = {log};
    const char *const item_files[] = {items};
    struct mq_interactions_options options = {.paths = logs,
                                              .path_count = 1,
                                              .item_paths = item_files,
                                              .item_path_count = 1,
                                              .max_bad_share = 0.4};
    assert_int_equal(import_csv(f, options), MQ_OK);
    check_object(f, BASIC,
                 "program_id,program_type,program_name,release_year,director,actor,"
                 "category_property,language,ticket_num,popularity,score,level,is_new\n"
                 "7,movie,Seven,,,,Crime|Drama,,1,1,9,,0\n8,movie,Eight,,,,,,0,2,,,0\n");
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp,rating\nc,8,1608163200,2.5\n"
                 "\"a,b\",7,1608199200,5\n");
    options.max_bad_share = 0.1;
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "1 of 3 rows");
    options.columns = "time=time,user=USER,item=film";
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "film");
    options.columns = "user,colour";
    assert_int_equal(import_csv(f, options), MQ_E_USAGE);
    check_contains(f->err.message, "colour");
    options.columns = "user,item";
    assert_int_equal(import_csv(f, options), MQ_E_USAGE);
    check_contains(f->err.message, "timestamp");
    /* A file without a header: the first line is data. */
    strcpy(log, local_file(f, "log.tsv", "c\t8\tx\t1608163200\nd\t9\tx\t1608163300\n"));
    options = (struct mq_interactions_options){
        .paths = logs, .path_count = 1, .columns = "user,item,-,timestamp"};
    assert_int_equal(import_csv(f, options), MQ_OK);
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp\nc,8,1608163200\nd,9,1608163300\n");
    strcpy(log, local_file(f, "empty.csv", ""));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    strcpy(log, local_file(f, "header.csv", "user,item,timestamp\n"));
    options.columns = NULL;
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "nothing to import");
}

/* What is no id to the import is none to the steps; refusals name the file, the line, the value. */
static void
missing_ids_and_refusals(void **state)
{
    struct step_fixture *f = *state;
    char items[MQ_PATH_MAX], log[MQ_PATH_MAX];
    static const char *const none[] = {"nan", "NULL", "\"NULL\"", "N/A", "''", "\" \"", ""};
    const char *const logs[] = {log};
    const char *const item_files[] = {items};
    struct mq_interactions_options options = {
        .paths = logs, .path_count = 1, .max_bad_share = 0.05};
    for (size_t i = 0; i < MQ_COUNT(none); i++) {
        char text[512];
        snprintf(text, sizeof(text), "user,item,timestamp\na,7,1608163200\nb,%s,1608163200\n",
                 none[i]);
        strcpy(log, local_file(f, "log.csv", text));
        assert_int_equal(import_csv(f, options), MQ_E_INPUT);
        check_contains(f->err.message, "1 of 2 rows");
        check_contains(f->err.message, "log.csv' line 3: no item_id: '");
        snprintf(text, sizeof(text), "user,item,timestamp\n%s,7,1608163200\nb,7,1608163200\n",
                 none[i]);
        strcpy(log, local_file(f, "log.csv", text));
        assert_int_equal(import_csv(f, options), MQ_E_INPUT);
        check_contains(f->err.message, "log.csv' line 2: no user_id: '");
        strcpy(log, local_file(f, "log.csv", "user,item,timestamp\na,7,1608163200\n"));
        snprintf(text, sizeof(text), "id,title\n7,Seven\n%s,None\n", none[i]);
        strcpy(items, local_file(f, "films.csv", text));
        options.item_paths = item_files;
        options.item_path_count = 1;
        assert_int_equal(import_csv(f, options), MQ_E_INPUT);
        check_contains(f->err.message, "1 of 2 item lines");
        check_contains(f->err.message, "films.csv' line 3: no program_id: '");
        options.item_path_count = 0;
        /* The same in the input of the steps. */
        snprintf(text, sizeof(text), "program_id,program_name\n7,Seven\n%s,None\n", none[i]);
        fixture_put(f, BASIC, text);
        assert_int_equal(fixture_run(f, mq_step_item_preprocessing), MQ_E_INPUT);
        check_contains(f->err.message, "1.csv' line 3: no program_id: '");
        fixture_put(f, "system/user-data/portrait/ProfileMap.csv", "user_id,sex\n");
        fixture_put(f, BASIC, "program_id,program_name\n7,Seven\n");
        snprintf(text, sizeof(text), "user_id,item_id,timestamp\n%s,7,1608163200\n", none[i]);
        fixture_put(f, "system/user-data/action/2020-12-17/play/playlog.csv", text);
        fixture_ok(f, mq_step_item_preprocessing);
        fixture_option(f, "data.max_bad_share", "1");
        (void)fixture_run(f, mq_step_action_preprocessing);
        check_count(f, "rejected.no_user", 1);
        fixture_option(f, "data.max_bad_share", "0.05");
        struct mq_error err;
        struct mq_object_store *store = f->store;
        const char *const gone[] = {"1/system/user-data/action/2020-12-17/play/playlog.csv",
                                    "1/" BASIC, "1/system/user-data/portrait/ProfileMap.csv"};
        check_ok(mq_object_delete(store, gone, MQ_COUNT(gone), &err));
    }
    /* Other reasons; broken lines count for the number of a line after them. */
    options.max_bad_share = 0.3;
    strcpy(log, local_file(f, "log.csv",
                           "user,item,timestamp,event\na,7,1608163200,play\n"
                           "a,7,yesterday,play\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "line 3: timestamp 'yesterday' cannot be read");
    strcpy(log, local_file(f, "log.csv",
                           "user,item,timestamp,event\na,7,1608163200,play\n"
                           "a,7,1608163200,slept\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "line 3: event 'slept'");
    strcpy(log, local_file(f, "log.csv", "user,item,timestamp\na,7,1608163200\na,7,1,2,3\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "log.csv' line 3: too many columns: 'a,7,1,2,3'");
    strcpy(log, local_file(f, "log.jsonl",
                           "{\"user\": \"a\", \"item\": 7, \"ts\": 1608163200}\n"
                           "{\"user\": \"a\", \"item\": null, \"ts\": 1}\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "log.jsonl' line 2: no item_id: ''");
    /* One file is named once, and a column that goes by its own name alone has no others. */
    strcpy(log, local_file(f, "log.csv", "who,item,timestamp\na,7,1608163200\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    assert_null(strstr(strstr(f->err.message, "log.csv") + 1, "log.csv"));
    options.columns = "user=viewer,item=item,timestamp=timestamp";
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    assert_null(strstr(f->err.hint, "nothing else"));
    /* Blanks around an id are no part of it. */
    options.columns = NULL;
    strcpy(log, local_file(f, "log.csv", "user,item,timestamp\n\" a\",\t7 ,1608163200\n"));
    assert_int_equal(import_csv(f, options), MQ_OK);
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp\na,7,1608163200\n");
}

/* A rating that cannot be read is a bad row, named and counted, never a play without one. */
static void
unreadable_ratings(void **state)
{
    struct step_fixture *f = *state;
    char log[MQ_PATH_MAX], text[256], expected[128];
    static const char *const bad[] = {"abc", "4 stars", "NaN", "nan", "inf", "\"3,5\"", "-1"};
    static const char *const none[] = {"", "NULL", "N/A", "\" \""};
    const char *const logs[] = {log};
    struct mq_interactions_options options = {.paths = logs, .path_count = 1};
    for (size_t i = 0; i < MQ_COUNT(bad); i++) {
        snprintf(text, sizeof(text),
                 "user,item,rating,timestamp\na,7,4,1608163200\nb,7,%s,1608163201\n", bad[i]);
        strcpy(log, local_file(f, "log.csv", text));
        options.max_bad_share = 0.4;
        assert_int_equal(import_csv(f, options), MQ_E_INPUT);
        check_contains(f->err.message, "1 of 2 rows cannot be used (50.00 %");
        bool is_quoted = bad[i][0] == '"';
        snprintf(expected, sizeof(expected), "log.csv' line 3: rating '%.*s' (a number",
                 (int)strlen(bad[i]) - 2 * is_quoted, bad[i] + is_quoted);
        check_contains(f->err.message, expected);
        options.max_bad_share = 0.5;
        assert_int_equal(import_csv(f, options), MQ_OK);
        check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                     "user_id,item_id,timestamp,rating\na,7,1608163200,4\n");
    }
    options.max_bad_share = 0;
    for (size_t i = 0; i < MQ_COUNT(none); i++) {
        snprintf(text, sizeof(text),
                 "user,item,rating,timestamp\na,7,4,1608163200\nb,7,%s,1608163201\n", none[i]);
        strcpy(log, local_file(f, "log.csv", text));
        assert_int_equal(import_csv(f, options), MQ_OK);
        check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                     "user_id,item_id,timestamp,rating\na,7,1608163200,4\nb,7,1608163201,\n");
    }
    strcpy(log, local_file(f, "log.jsonl",
                           "{\"user\": \"a\", \"item\": 7, \"ts\": 1608163200, \"rating\": 4}\n"
                           "{\"user\": \"a\", \"item\": 8, \"ts\": 1608163200, \"rating\": "
                           "\"abc\"}\n"));
    assert_int_equal(import_csv(f, options), MQ_E_INPUT);
    check_contains(f->err.message, "log.jsonl' line 2: rating 'abc'");
}

static void
json_and_parquet(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    char log[MQ_PATH_MAX], query[MQ_PATH_MAX + 256];
    strcpy(log, local_file(f, "log.jsonl",
                           "{\"user\": \"a\", \"item\": 7, \"ts\": 1608163200000, \"event\": "
                           "\"play\"}\n{\"user\": \"b\", \"item\": 7, \"ts\": \"2020-12-17\", "
                           "\"event\": \"impression\", \"position\": 3}\n"));
    const char *const logs[] = {log};
    struct mq_interactions_options options = {.paths = logs, .path_count = 1};
    assert_int_equal(import_csv(f, options), MQ_OK);
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp,position\na,7,1608163200,\n");
    check_object(f, "system/user-data/action/2020-12-17/exposure/exposurelog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp,position\nb,7,1608163200,3\n");
    struct mq_sql *sql;
    const struct mq_sql_options engine = {.threads = 1, .scratch = f->folder};
    check_ok(mq_sql_open(&engine, &sql, &err));
    snprintf(log, sizeof(log), "%s/log.parquet", f->folder);
    snprintf(query, sizeof(query),
             "copy (select 'x' as viewer, 5 as film, 1608163200 + n as t from range(3) r(n)) to "
             "'%s' (format parquet)",
             log);
    check_ok(mq_sql_statement(sql, query, &err));
    mq_sql_free(sql);
    options.columns = "user=viewer,item=film,timestamp=t";
    assert_int_equal(import_csv(f, options), MQ_OK);
    check_object(f, "system/user-data/action/2020-12-17/play/playlog.2020-12-17-00.0.csv",
                 "user_id,item_id,timestamp\nx,5,1608163200\nx,5,1608163201\nx,5,1608163202\n");
    local_file(f, "log.parquet", "PAR1 but not really");
    assert_int_equal(import_csv(f, options), MQ_E_FORMAT);
}

/* Plays over exposures of a channel at the places where both are plenty, from traces. */
static void
simulated_channels(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    const struct mq_simulate_options options = {
        .users = 300, .items = 200, .events = 120000, .days = 5, .until_s = 1608163200, .seed = 7};
    struct mq_input_summary summary;
    check_ok(mq_simulate(&options, f->store, "1", f->pool, &summary, &err));
    assert_int_equal(summary.items, 200);
    assert_int_equal(summary.users, 300);
    assert_int_equal(summary.days, 5);
    assert_true(summary.plays > 5000);
    assert_true(llabs(summary.plays + summary.exposures - 120000) < 1200);
    fixture_ok(f, mq_step_item_preprocessing);
    assert_true(fixture_count(f, "series") > 20 && fixture_count(f, "new") > 0 &&
                fixture_count(f, "licensed") > 10);
    check_count(f, "expand_rows", 200);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "rejected.bad_line", 0);
    struct mq_sql *sql;
    struct mq_sql_result *result;
    int64_t rows;
    const struct mq_sql_options engine = {.threads = 1, .scratch = f->folder};
    check_ok(mq_sql_open(&engine, &sql, &err));
    check_ok(
        mq_sql_view_of_artifact(sql, "action", f->store, "1", MQ_ARTIFACT_ACTION_PARQUET, &err));
    check_ok(mq_sql_query_text(
        sql,
        "select regexp_extract(trace, 'batch_([a-z_]+)_[0-9]', 1) as channel, "
        "cast(sum(action_value) as double) / sum(1 - action_value) from action where trace is not "
        "null group by channel",
        "td", &result, &err));
    double rate[16] = {0};
    while (true) {
        check_ok(mq_sql_next(result, &rows, &err));
        if (rows == 0)
            break;
        const struct mq_sql_string *names = mq_sql_column(result, 0);
        for (int64_t r = 0; r < rows; r++)
            for (int c = 0; mq_simulated_channels[c].name != NULL; c++)
                if (strlen(mq_simulated_channels[c].name) == names[r].size &&
                    memcmp(mq_simulated_channels[c].name, mq_sql_string_bytes(&names[r]),
                           names[r].size) == 0)
                    rate[c] = ((const double *)mq_sql_column(result, 1))[r];
    }
    mq_sql_close(result);
    mq_sql_free(sql);
    for (int c = 0; mq_simulated_channels[c].name != NULL; c++) {
        assert_true(rate[c] > 0);
        for (int d = 0; mq_simulated_channels[d].name != NULL; d++)
            if (mq_simulated_channels[c].quality > 1.3 * mq_simulated_channels[d].quality)
                assert_true(rate[c] > rate[d]);
    }
}

/* From a simulated world, through the logs and the step, to weights in the order of the channels'
 * true quality. A run moves a weight by a quarter at most; here it may go all the way. */
static void
weights_find_the_better_channels(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    const struct mq_simulate_options options = {
        .users = 600, .items = 200, .events = 300000, .days = 5, .until_s = 1608163200, .seed = 11};
    check_ok(mq_simulate(&options, f->store, "1", f->pool, NULL, &err));
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    fixture_option(f, "weights.max_step", "10");
    fixture_ok(f, mq_step_weight_update_batch);
    struct mq_reader *reader;
    struct mq_recall_config config;
    check_ok(mq_artifact_reader(f->store, "1", MQ_ARTIFACT_RECALL_CONFIG, MQ_PROGRAM_MOVIE, &reader,
                                &err));
    check_ok(mq_recall_config_read(reader, &config, &err));
    mq_reader_close(reader);
    double weight[MQ_CHANNEL_COUNT], quality[MQ_CHANNEL_COUNT];
    int count = 0;
    for (const struct mq_simulated_channel *c = mq_simulated_channels; c->name != NULL; c++) {
        char trace[64];
        snprintf(trace, sizeof(trace), "batch_%s_0|1.00", c->name);
        int channel = mq_trace_channel(trace);
        assert_true(channel >= 0);
        weight[count] = mq_recall_config_method(&config, (enum mq_channel)channel)->weight;
        quality[count++] = c->quality;
    }
    int pairs = 0;
    for (int a = 0; a < count; a++) {
        for (int b = 0; b < count; b++) {
            if (quality[a] < 1.2 * quality[b])
                continue;
            if (weight[a] <= weight[b])
                fail_msg("qualities %g and %g got weights %g and %g", quality[a], quality[b],
                         weight[a], weight[b]);
            pairs++;
        }
    }
    assert_true(pairs > 30);
}

static void
simulation_repeats(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    struct mq_simulate_options options = {
        .users = 50, .items = 30, .events = 3000, .days = 3, .until_s = 1608163200, .seed = 3};
    check_ok(mq_simulate(&options, f->store, "1", f->pool, NULL, &err));
    char *first = contents(f, "1/");
    check_ok(mq_simulate(&options, f->store, "1", NULL, NULL, &err));
    char *second = contents(f, "1/");
    assert_string_equal(first, second);
    free(second);
    options.seed = 4;
    options.gzip_level = 1;
    check_ok(mq_simulate(&options, f->store, "1", NULL, NULL, &err));
    second = contents(f, "1/");
    assert_string_not_equal(first, second);
    check_contains(second, ".csv.gz");
    assert_null(strstr(second, "log.2020-12-16-00.0.csv "));
    free(first);
    free(second);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    assert_true(fixture_count(f, "exposures") > 2000);
    /* The smallest world. */
    options = (struct mq_simulate_options){
        .users = 1, .items = 1, .events = 1, .days = 1, .until_s = 1608163200};
    check_ok(mq_simulate(&options, f->store, "2", NULL, NULL, &err));
    options.items = 0;
    check_fails(MQ_E_RANGE, mq_simulate(&options, f->store, "2", NULL, NULL, &err));
}

static void
fill_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A zip that a broken download cut anywhere is refused as such, as ratings and as metadata. */
static void
cut_zip(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err;
    struct mq_buffer zip = {0};
    struct mq_writer *out;
    struct mq_archive_writer *archive;
    check_ok(mq_writer_to_buffer(&zip, &out, &err));
    check_ok(mq_archive_writer_new(out, MQ_ARCHIVE_ZIP, &archive, &err));
    static const char ratings[] = "userId,movieId,rating,timestamp\n1,10,5,978300760\n";
    static const char movies[] = "movieId,title,genres\n10,\"Matrix, The (1999)\",Action\n";
    check_ok(mq_archive_put(archive, "ml/ratings.csv", ratings, sizeof(ratings) - 1, &err));
    check_ok(mq_archive_put(archive, "ml/movies.csv", movies, sizeof(movies) - 1, &err));
    check_ok(mq_archive_writer_finish(archive, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_archive_writer_free(archive);
    mq_writer_close(out);
    char whole[MQ_PATH_MAX], cut[MQ_PATH_MAX];
    snprintf(whole, sizeof(whole), "%s/whole.zip", f->folder);
    snprintf(cut, sizeof(cut), "%s/cut.zip", f->folder);
    fill_file(whole, zip.data, zip.size);
    const char *const alone[] = {cut}, *const second[] = {whole, cut}, *const sound[] = {whole};
    const struct mq_movielens_options options = {0};
    for (size_t size = 0; size < zip.size - 22; size += 7) {
        fill_file(cut, zip.data, size);
        check_fails(MQ_E_FORMAT,
                    mq_movielens_import(alone, 1, &options, f->store, "1", NULL, NULL, &err));
        check_contains(err.message, "cut.zip");
        check_contains(err.message, size < 4 ? "no tar or zip" : "truncated");
        check_fails(MQ_E_FORMAT,
                    mq_movielens_import(second, 2, &options, f->store, "1", NULL, NULL, &err));
    }
    assert_null(fixture_get(f, BASIC));
    check_ok(mq_movielens_import(sound, 1, &options, f->store, "1", NULL, NULL, &err));
    mq_buffer_release(&zip);
}

/* The real thing, where it is at hand. */
static void
real_movielens(void **state)
{
    struct step_fixture *f = *state;
    const char *folder = getenv("MARQUEE_TEST_DATA");
    if (folder == NULL) {
        print_message("MARQUEE_TEST_DATA is not set: ml-100k is not imported\n");
        skip();
    }
    struct mq_error err;
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/ml-100k.zip", folder);
    const char *const paths[] = {path};
    const struct mq_movielens_options options = {0};
    struct mq_input_summary summary;
    check_ok(mq_movielens_import(paths, 1, &options, f->store, "1", f->pool, &summary, &err));
    assert_int_equal(summary.plays, 100000);
    assert_int_equal(summary.items, 1682);
    assert_int_equal(summary.users, 943);
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    check_count(f, "plays", 100000);
    fixture_ok(f, mq_step_add_item_user_batch);
    check_count(f, "users", 943);
}

int
main(void)
{
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(movielens),
        STEP_TEST(owner_and_interruption),
        STEP_TEST(csv_by_header_and_position),
        STEP_TEST(missing_ids_and_refusals),
        STEP_TEST(unreadable_ratings),
        STEP_TEST(json_and_parquet),
        STEP_TEST(simulated_channels),
        STEP_TEST(weights_find_the_better_channels),
        STEP_TEST(simulation_repeats),
        STEP_TEST(cut_zip),
        STEP_TEST(real_movielens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
