/* extract-features: bronze to silver to features, and what reaches the feature store. */
#include "events_fixture.h"

#include <math.h>

#include "data/bronze_compact.h"
#include "data/bronze_days.h"
#include "data/rating_load.h"
#include "data/silver_days.h"
#include "step/feature_tables.h"
#include "step/silver_take.h"
#include "store/feature_store.h"

static struct mq_rating_matrix *load(struct step_fixture *f,
                                     const struct mq_rating_load_options *options,
                                     enum mq_status expected,
                                     struct mq_rating_load_figures *figures);

#define D1 "2020-12-18"
#define D2 "2020-12-19"
#define D3 "2020-12-20"

static int
setup(void **state)
{
    if (fixture_setup(state) != 0)
        return 1;
    struct step_fixture *f = *state;
    mq_autofree char *uri = mq_strfmt("lmdb:%s/features", f->folder);
    fixture_option(f, "features.store", uri);
    fixture_catalogue(f);
    f->context.run_id = "run";
    return 0;
}

static void
run_both(struct step_fixture *f)
{
    fixture_ok(f, mq_step_validate_data);
    fixture_ok(f, mq_step_extract_features);
}

/* Three days: u1 rates film 1 twice on the first day and once more on the third. */
static void
put_days(struct step_fixture *f)
{
    struct mq_buffer text = {0};
    struct mq_error err = {0};
    fixture_rate(&text, D1, "u1", "1", 2, 100);
    fixture_rate(&text, D1, "u1", "1", 5, 200);
    fixture_rate(&text, D1, "u2", "1", 4, 3600);
    fixture_rate(&text, D1, "u2", "3", 2, 3601);
    check_ok(mq_buffer_append_text(
        &text,
        "{\"user_id\":\"u3\",\"movie_id\":\"2\",\"timestamp\":\"2020-12-18T05:00:00Z\","
        "\"event_type\":\"play\",\"watch_seconds\":60,\"duration_seconds\":5400}\n"
        "{\"user_id\":\"u3\",\"movie_id\":\"2\",\"timestamp\":\"2020-12-18T04:59:00Z\","
        "\"event_type\":\"exposure\"}\n"
        "{\"user_id\":\"u3\",\"timestamp\":\"2020-12-18T04:58:00Z\",\"event_type\":\"search\"}\n",
        &err));
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0, text.data);
    mq_buffer_reset(&text);
    fixture_rate(&text, D2, "u2", "2", 3, 50);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 10, text.data);
    mq_buffer_reset(&text);
    fixture_rate(&text, D3, "u1", "1", 1, 70);
    fixture_rate(&text, D3, "u1", "4", 3.5, 80);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D3, 20, text.data);
    mq_buffer_release(&text);
}

/* ---- looking at what was made ----------------------------------------------------------- */

struct listing {
    struct mq_buffer text;
    bool with_etag;
};

static enum mq_status
list_one(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    struct listing *listing = context;
    return mq_buffer_printf(&listing->text, err, "%s%s%s\n", key, listing->with_etag ? " " : "",
                            listing->with_etag ? info->etag : "");
}

/* Keys of objects below "1/<prefix>", owned. */
static char *
objects(struct step_fixture *f, const char *prefix, bool with_etag)
{
    struct mq_error err = {0};
    struct listing listing = {.with_etag = with_etag};
    char key[MQ_OBJECT_KEY_MAX];
    snprintf(key, sizeof(key), "1/%s", prefix);
    check_ok(mq_object_list(f->store, key, list_one, &listing, &err));
    return mq_buffer_take(&listing.text);
}

/* What a query says of the objects whose keys begin so, as lines of texts. Owned. */
static char *
ask(struct step_fixture *f, const char *path, const char *query)
{
    struct mq_error err = {0};
    struct mq_sql *sql;
    struct mq_sql_result *result;
    struct mq_buffer text = {0};
    char *found = objects(f, path, false), *rest = NULL;
    const char *keys[8];
    int64_t rows, count = 0;
    for (char *key = strtok_r(found, "\n", &rest); key != NULL; key = strtok_r(NULL, "\n", &rest))
        keys[count++] = key;
    const struct mq_sql_options engine = {.threads = 1, .scratch = f->folder};
    check_ok(mq_sql_open(&engine, &sql, &err));
    check_ok(mq_sql_view_of_parquet(sql, "t", f->store, keys, count, &err));
    check_ok(mq_sql_query_text(sql, query, "t", &result, &err));
    for (;;) {
        check_ok(mq_sql_next(result, &rows, &err));
        if (rows == 0)
            break;
        const struct mq_sql_string *lines = mq_sql_column(result, 0);
        for (int64_t r = 0; r < rows; r++)
            check_ok(mq_buffer_printf(&text, &err, "%.*s\n", (int)lines[r].size,
                                      mq_sql_string_bytes(&lines[r])));
    }
    mq_sql_close(result);
    mq_sql_free(sql);
    free(found);
    return mq_buffer_take(&text);
}

static void
check_answer(struct step_fixture *f, const char *path, const char *query, const char *expected)
{
    char *answer = ask(f, path, query);
    assert_string_equal(answer, expected);
    free(answer);
}

#define RATINGS(date) "silver/ratings/dt=" date "/part-00000.parquet"
#define USERS(date) "silver/user_features/dt=" date "/part-00000.parquet"
#define MOVIES(date) "silver/movie_features/dt=" date "/part-00000.parquet"
#define RATING_LINE                                                                                \
    "select concat_ws(' ', user_id, movie_id, event_type, coalesce(cast(rating as varchar), "      \
    "'-'), "                                                                                       \
    "coalesce(cast(watch_seconds as varchar), '-'), time_ms) from t"

/* ---- silver ----------------------------------------------------------------------------- */

static void
last_of_a_day(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    run_both(f);
    check_count(f, "days", 3);
    check_count(f, "silver_rows", 7);
    /* Of u1 and film 1 the last; what is only looked for or shown is no opinion. */
    check_answer(f, RATINGS(D1), RATING_LINE,
                 "u1 1 rating 5.0 - 1608249800000\nu2 1 rating 4.0 - 1608253200000\n"
                 "u2 3 rating 2.0 - 1608253201000\nu3 2 play - 60.0 1608267600000\n");
    check_answer(f, RATINGS(D3), RATING_LINE,
                 "u1 1 rating 1.0 - 1608422470000\nu1 4 rating 3.5 - 1608422480000\n");
    char *all = objects(f, "silver/", false);
    assert_string_equal(all, "1/silver/days.json\n"
                             "1/silver/feature-store/movie_features.json\n"
                             "1/silver/feature-store/movie_features.parquet\n"
                             "1/silver/feature-store/user_features.json\n"
                             "1/silver/feature-store/user_features.parquet\n"
                             "1/" MOVIES(D3) "\n1/" RATINGS(D1) "\n1/" RATINGS(D2) "\n1/" RATINGS(
                                 D3) "\n1/" USERS(D3) "\n1/silver/validation.json\n");
    free(all);
}

static void
put_sent(struct mq_buffer *text, const char *user, const char *film, double rating, int minute,
         const char *event_id)
{
    struct mq_error err = {0};
    check_ok(mq_buffer_printf(text, &err,
                              "{\"user_id\":\"%s\",\"movie_id\":\"%s\",\"rating\":%g,\"timestamp\":"
                              "\"" D1 "T01:%02d:00Z\",\"event_id\":%s}\n",
                              user, film, rating, minute, event_id));
}

/* Of a user's events with one event_id the first that was taken counts, in whichever object the
 * others are; ids are the user's, and an event without one stands for itself. */
static void
sent_again(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    put_sent(&text, "u1", "1", 2, 1, "\"a\"");
    put_sent(&text, "u1", "1", 2, 1, "\"a\"");
    put_sent(&text, "u2", "1", 4, 1, "\"a\"");
    put_sent(&text, "u2", "2", 3, 2, "17");
    put_sent(&text, "u2", "3", 5, 3, "\"17\""); /* its text is the same */
    put_sent(&text, "u3", "1", 1, 1, "null");
    put_sent(&text, "u3", "2", 1, 1, "null");
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0, text.data);
    mq_buffer_reset(&text);
    put_sent(&text, "u1", "1", 5, 30, "\"a\""); /* with another rating, later: no second thought */
    put_sent(&text, "u1", "1", 3, 20, "\"b\"");
    put_sent(&text, "u1", "2", 3, 20, "\"b\"");
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 100, text.data);
    mq_buffer_release(&text);
    fixture_option(f, "validate.max_duplicate_share", "1");
    run_both(f);
    check_count(f, "events", 10);
    check_count(f, "events_repeated", 4);
    check_answer(f, RATINGS(D1),
                 "select concat_ws(' ', user_id, movie_id, rating) from t order by all",
                 "u1 1 3.0\nu2 1 4.0\nu2 2 3.0\nu3 1 1.0\nu3 2 1.0\n");
}

static void
late_event_lands_in_its_day(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer late = {0};
    put_days(f);
    run_both(f);
    char *before = objects(f, "silver/ratings/", true);
    fixture_rate(&late, D1, "u9", "4", 1.5, 86399);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 900, late.data);
    run_both(f);
    check_count(f, "days", 1);
    check_answer(f, RATINGS(D1),
                 "select concat_ws(' ', user_id, rating) from t where movie_id = '4'", "u9 1.5\n");
    check_answer(f, USERS(D3),
                 "select concat_ws(' ', user_id, rating_count) from t where user_id = 'u9'",
                 "u9 1\n");
    /* The other days' objects were not touched. */
    char *after = objects(f, "silver/ratings/", true);
    const char *kept = strstr(before, "1/" RATINGS(D2));
    assert_non_null(kept);
    assert_non_null(strstr(after, kept));
    assert_true(strcmp(before, after) != 0);
    free(before);
    free(after);
    mq_buffer_release(&late);
}

static void
nothing_new_changes_nothing(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    run_both(f);
    char *before = objects(f, "silver/", true);
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "days", 0);
    check_count(f, "user_features_written", 0);
    check_count(f, "movie_features_written", 0);
    char *after = objects(f, "silver/", true);
    /* All but the list of days and the states, which are written again. */
    const char *parquet = strstr(before, "1/silver/movie_features/");
    assert_non_null(parquet);
    char *end = strstr(before, "1/silver/validation.json");
    *end = '\0';
    assert_non_null(strstr(after, parquet));
    free(before);
    free(after);
    /* A part that is gone is made again. */
    const char *keys[] = {"1/" RATINGS(D2)};
    struct mq_error err = {0};
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "days", 1);
    check_answer(f, RATINGS(D2), RATING_LINE, "u2 2 rating 3.0 - 1608336050000\n");
}

static void
compaction_changes_nothing(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_buffer more = {0};
    struct mq_compact_figures figures;
    const struct mq_compact_options options = {.target_bytes = 1 << 20, .level = 1};
    put_days(f);
    fixture_rate(&more, D1, "u4", "2", 4, 500);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 50, more.data);
    run_both(f);
    char *before = objects(f, "silver/ratings/", true);
    check_ok(mq_bronze_compact(f->store, "1", D1, &options, &figures, &err));
    assert_int_equal(figures.merges, 1);
    run_both(f);
    check_count(f, "days", 1);
    check_count(f, "days_as_before", 1);
    char *after = objects(f, "silver/ratings/", true);
    assert_string_equal(before, after);
    free(before);
    free(after);
    mq_buffer_release(&more);
}

static void
days_not_found_good(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    put_days(f);
    fixture_ok(f, mq_step_validate_data);
    /* Came after validate-data looked. */
    fixture_rate(&text, D2, "u5", "1", 4, 500);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 70, text.data);
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "days", 2);
    check_contains(f->report.notes.data, "1 days were left out");
    assert_null(fixture_get(f, RATINGS(D2)));
    run_both(f);
    check_count(f, "days", 1);
    char *part = fixture_get(f, RATINGS(D2));
    assert_non_null(part);
    free(part);
    mq_buffer_release(&text);
}

static void
one_day_at_a_time(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    f->context.date = D1;
    run_both(f);
    check_count(f, "days", 1);
    check_answer(f, USERS(D1), "select concat_ws(' ', user_id, rating_count, choice_count) from t",
                 "u1 1 0\nu2 2 0\nu3 0 1\n");
    f->context.date = D3;
    run_both(f);
    check_count(f, "days", 1);
    check_answer(f, USERS(D3), "select concat_ws(' ', user_id, rating_count) from t",
                 "u1 2\nu2 2\nu3 0\n");
    /* The rest; features are as of the newest day. */
    f->context.date = NULL;
    run_both(f);
    check_count(f, "days", 1);
    check_answer(f, USERS(D3), "select concat_ws(' ', user_id, rating_count) from t",
                 "u1 2\nu2 3\nu3 0\n");
    /* Features of an earlier day are made, and do not reach the feature store. */
    f->context.date = D2;
    run_both(f);
    check_answer(f, USERS(D2), "select concat_ws(' ', user_id, rating_count) from t",
                 "u1 1\nu2 3\nu3 0\n");
    check_count(f, "user_features_written", 0);
    check_contains(f->report.notes.data, "features of a later day");
    f->context.date = "2020-12-01";
    fixture_option(f, "validate.min_events", "0");
    fixture_ok(f, mq_step_validate_data);
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_INPUT);
    check_contains(f->err.message, "no rating and no choice up to 2020-12-01");
    f->context.date = NULL;
}

/* ---- features --------------------------------------------------------------------------- */

static void
features_by_hand(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    run_both(f);
    check_count(f, "ratings", 5);
    /* Ratings that count: u1: 1→1, 4→3.5; u2: 1→4, 3→2, 2→3. Mean 2.7, rounded to 2.7. */
    assert_true(fabs(fixture_count(f, "prior_mean") - 2.7) < 1e-12);
    check_answer(f, USERS(D3),
                 "select concat_ws(' ', user_id, round(rating_mean, 4), round(rating_mean_shrunk, "
                 "4), round(rating_deviation, 4), active_days, events_7d, round(recency_days, 4)) "
                 "from t where rating_count > 0",
                 /* u1: (4.5 + 27) / 12; sd of 1, 3.5; u2: (9 + 27) / 13 */
                 "u1 2.25 2.625 1.25 1 2 0.9991\nu2 3.0 2.7692 0.8165 2 3 1.9994\n");
    check_answer(
        f, USERS(D3),
        "select concat_ws(' ', user_id, hours[1], hours[2], hours[6], weekdays[7], weekdays[5], "
        "weekdays[6], len(hours), len(weekdays)) from t",
        /* the 20th is a Sunday */
        "u1 2 0 0 2 0 0 24 7\nu2 1 2 0 0 2 1 24 7\nu3 0 0 1 0 1 0 24 7\n");
    /* u2, mean shrunk to 36/13: drama is films 1 and 2 (4 + 3 - 72/13) / 7, crime film 2. */
    check_answer(f, USERS(D3),
                 "select concat(genres[1], ' ', round(genre_affinities[1], 4), ' ', "
                 "genre_events[1], ' ', genres[2], ' ', round(genre_affinities[2], 4), ' ', "
                 "people[1], ' ', round(person_affinities[1], 4)) from t where user_id = 'u2'",
                 "drama 0.2088 2 crime 0.0385 Cy 0.2088\n");
    check_answer(f, USERS(D3),
                 "select concat_ws(' ', array_to_string(people, ','), len(genres)) from t where "
                 "user_id = 'u3'",
                 "Ann,Cy 2\n");
    check_answer(f, MOVIES(D3),
                 "select concat_ws(' ', movie_id, rating_count, choice_count, "
                 "coalesce(cast(round(rating_mean, 4) as varchar), '-'), round(rating_mean_shrunk, "
                 "4), popularity_1d, popularity_7d, popularity_28d, round(trend, 4)) from t",
                 "1 2 0 2.5 2.6667 1 2 2 1.0\n2 1 1 3.0 2.7273 0 2 2 1.0\n"
                 "3 1 0 2.0 2.6364 0 1 1 0.6781\n4 1 0 3.5 2.7727 1 1 1 0.6781\n");
}

/* Next to nothing: one rating; before it, only what is no opinion. */
static void
one_rating(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0,
                   "{\"user_id\":\"u3\",\"movie_id\":\"2\",\"timestamp\":1608267600,"
                   "\"event_type\":\"exposure\"}\n");
    fixture_ok(f, mq_step_validate_data);
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_INPUT);
    check_contains(f->err.message, "no rating and no choice at all");
    fixture_rate(&text, D2, "u1", "1", 5, 43200);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 10, text.data);
    mq_buffer_release(&text);
    run_both(f);
    assert_null(fixture_get(f, RATINGS(D1)));
    check_answer(f, USERS(D2),
                 "select concat_ws(' ', user_id, rating_mean, rating_mean_shrunk, "
                 "rating_deviation, recency_days, genre_affinities[1]) from t",
                 "u1 5.0 5.0 0.0 0.5 0.0\n");
    check_answer(f, MOVIES(D2),
                 "select concat_ws(' ', movie_id, rating_count, rating_mean_shrunk, "
                 "coalesce(cast(hours[13] as varchar), '-')) from t",
                 "1 1 5.0 1\n2 0 5.0 -\n3 0 5.0 -\n4 0 5.0 -\n");
    struct mq_rating_load_options options = {0};
    struct mq_rating_matrix *m = load(f, &options, MQ_OK, NULL);
    assert_int_equal(m->count, 1);
    mq_rating_matrix_free(m);
}

static void
other_threads_same_bytes(void **state)
{
    struct step_fixture *f = *state;
    static const char *const paths[] = {RATINGS(D1), USERS(D3), MOVIES(D3)};
    char *first[3];
    put_days(f);
    run_both(f);
    for (int i = 0; i < 3; i++)
        first[i] = fixture_get(f, paths[i]);
    fixture_option(f, "run.threads", "1");
    char *before = objects(f, "silver/user_features/", true);
    const char *keys[] = {"1/silver/days.json"};
    struct mq_error err = {0};
    check_ok(mq_object_delete(f->store, keys, 1, &err));
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "days_as_before", 0); /* nobody knew them any more, and they came out alike */
    char *after = objects(f, "silver/user_features/", true);
    assert_string_equal(before, after);
    for (int i = 0; i < 3; i++) {
        check_object(f, paths[i], first[i]);
        free(first[i]);
    }
    free(before);
    free(after);
}

/* ---- how the work is shared out --------------------------------------------------------- */

/* An engine with an empty folder, and the days that silver has. */
static struct mq_sql *
open_engine(struct step_fixture *f, struct mq_silver_days *silver)
{
    struct mq_error err = {0};
    struct mq_sql *sql;
    check_ok(mq_fs_remove(f->scratch, &err));
    check_ok(mq_fs_make_folders(f->scratch, &err));
    const struct mq_sql_options options = mq_sql_options_from(f->config, f->scratch);
    check_ok(mq_sql_open(&options, &sql, &err));
    check_ok(mq_silver_days_read(f->store, "1", silver, &err));
    return sql;
}

static struct mq_buffer
bytes_of(struct step_fixture *f, const char *path)
{
    struct mq_error err = {0};
    struct mq_buffer bytes = {0};
    char key[MQ_OBJECT_KEY_MAX];
    snprintf(key, sizeof(key), "1/%s", path);
    check_ok(mq_object_get(f->store, key, &bytes, &err));
    return bytes;
}

static void
check_bytes(struct step_fixture *f, const char *path, const struct mq_buffer *expected)
{
    struct mq_buffer bytes = bytes_of(f, path);
    assert_int_equal(bytes.size, expected->size);
    assert_memory_equal(bytes.data, expected->data, bytes.size);
    mq_buffer_release(&bytes);
}

/* All days anew. @return groups they were taken in */
static int64_t
take_anew(struct step_fixture *f, const struct mq_silver_limits *limits)
{
    struct mq_error err = {0};
    struct mq_silver_days silver = {0};
    struct mq_silver_taken taken;
    static const char *const keys[] = {"1/silver/days.json", "1/" RATINGS(D1), "1/" RATINGS(D2),
                                       "1/" RATINGS(D3)};
    check_ok(mq_object_delete(f->store, keys, MQ_COUNT(keys), &err));
    struct mq_sql *sql = open_engine(f, &silver);
    check_ok(mq_silver_take(&f->context, sql, &silver, limits, &taken, &err));
    assert_int_equal(taken.days, 3);
    assert_int_equal(taken.rows, 7);
    mq_sql_free(sql);
    mq_silver_days_release(&silver);
    return taken.groups;
}

/* A large day is taken by itself, small ones up to a number of bytes together: the rows of a day
 * are the same, and its bytes depend on the day alone. */
static void
groups_of_days(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_bronze_days bronze = {0};
    static const char *const paths[] = {RATINGS(D1), RATINGS(D2), RATINGS(D3)};
    char *rows[3];
    struct mq_buffer bytes[3];
    put_days(f);
    fixture_ok(f, mq_step_validate_data);
    check_ok(mq_bronze_days_list(f->store, "1", NULL, &bronze, &err));
    assert_int_equal(bronze.count, 3);
    const int64_t size[] = {bronze.days[0].bytes, bronze.days[1].bytes, bronze.days[2].bytes};
    assert_true(size[0] > size[1] && size[0] > size[2]);
    assert_int_equal(take_anew(f, NULL), 1);
    for (int i = 0; i < 3; i++) {
        rows[i] = ask(f, paths[i], RATING_LINE);
        bytes[i] = bytes_of(f, paths[i]);
    }
    const struct {
        struct mq_silver_limits limits;
        int64_t groups;
    } cases[] = {{{size[0] + size[1], INT64_MAX}, 2},
                 {{size[0] + size[1] - 1, INT64_MAX}, 2},
                 {{1, INT64_MAX}, 3},
                 {{INT64_MAX, size[0]}, 2},
                 {{INT64_MAX, size[0] + 1}, 1},
                 {{INT64_MAX, 1}, 3}};
    for (size_t c = 0; c < MQ_COUNT(cases); c++) {
        assert_int_equal(take_anew(f, &cases[c].limits), cases[c].groups);
        for (int i = 0; i < 3; i++) {
            check_answer(f, paths[i], RATING_LINE, rows[i]);
            if (size[i] < cases[c].limits.large_bytes)
                check_bytes(f, paths[i], &bytes[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        free(rows[i]);
        mq_buffer_release(&bytes[i]);
    }
    mq_bronze_days_release(&bronze);
}

static struct mq_feature_tables
make_tables(struct step_fixture *f, int64_t share_rows)
{
    struct mq_error err = {0};
    struct mq_silver_days silver = {0};
    struct mq_feature_tables tables;
    struct mq_sql *sql = open_engine(f, &silver);
    check_ok(mq_feature_tables_make(&f->context, sql, &silver, D3, share_rows, &tables, &err));
    mq_sql_free(sql);
    mq_silver_days_release(&silver);
    return tables;
}

/* Whatever the number of shares: the same rows of users, the same bytes of films, and no part of an
 * earlier making. */
static void
shares_of_users(void **state)
{
    static const char all[] = "silver/user_features/dt=" D3 "/";
    static const char rows[] = "select cast(t as varchar) from t order by user_id";
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    put_days(f);
    for (int i = 0; i < 40; i++) {
        char user[8], film[8];
        snprintf(user, sizeof(user), "u%d", 1 + i % 9);
        snprintf(film, sizeof(film), "%d", 1 + i * 7 % 4);
        fixture_rate(&text, D2, user, film, 1 + i % 9 / 2.0, 1000 + i);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, D2, 200, text.data);
    mq_buffer_release(&text);
    run_both(f);
    int64_t silver_rows = (int64_t)fixture_count(f, "silver_rows");
    char *users = ask(f, all, rows);
    struct mq_buffer films = bytes_of(f, MOVIES(D3)), alone = bytes_of(f, USERS(D3));
    static const int shares[] = {3, 2, 1};
    for (size_t i = 0; i < MQ_COUNT(shares); i++) {
        struct mq_feature_tables tables = make_tables(f, (silver_rows + shares[i] - 1) / shares[i]);
        char *parts = objects(f, "silver/user_features/", false);
        int count = 0;
        for (const char *p = parts; (p = strchr(p, '\n')) != NULL; p++)
            count++;
        assert_int_equal(tables.parts, shares[i]);
        assert_int_equal(count, shares[i]);
        assert_int_equal(tables.users, 9);
        check_answer(f, all, rows, users);
        check_bytes(f, MOVIES(D3), &films);
        free(parts);
    }
    check_bytes(f, USERS(D3), &alone);
    mq_buffer_release(&alone);
    mq_buffer_release(&films);
    free(users);
}

/* ---- the feature store ------------------------------------------------------------------ */

static struct mq_feature_store *
open_features(struct step_fixture *f)
{
    struct mq_error err = {0};
    struct mq_feature_store *store;
    check_ok(mq_feature_store_open(mq_config_text(f->config, "features.store"), &store, &err));
    return store;
}

static void
records_of_the_store(void **state)
{
    struct step_fixture *f = *state;
    struct mq_error err = {0};
    struct mq_arena arena = {0};
    struct mq_record record;
    put_days(f);
    run_both(f);
    check_count(f, "user_features_written", 3);
    check_count(f, "movie_features_written", 4);
    struct mq_feature_store *store = open_features(f);
    check_ok(mq_feature_get(store, "user-features", "u2", MQ_READ_STRONG, &arena, &record, &err));
    assert_int_equal(record.version, 18616); /* days to D3 */
    assert_int_equal(mq_record_find(&record, "rating_count")->integer, 3);
    assert_true(mq_record_find(&record, "rating_mean")->real == 3 ||
                mq_record_find(&record, "rating_mean")->integer == 3);
    assert_string_equal(mq_record_find(&record, "genres")->text.data, "drama|crime|comedy");
    assert_int_equal(mq_record_find(&record, "genre_affinities")->reals.count, 3);
    assert_int_equal(mq_record_find(&record, "hours")->reals.count, 24);
    assert_true(mq_record_find(&record, "hours")->reals.items[1] == 2);
    assert_true(mq_record_find(&record, "weekdays")->reals.items[4] == 2);
    assert_string_equal(mq_record_find(&record, "date")->text.data, D3);
    check_ok(mq_feature_get(store, "user-features", "u3", MQ_READ_STRONG, &arena, &record, &err));
    assert_null(mq_record_find(&record, "rating_mean"));
    check_ok(mq_feature_get(store, "movie-features", "4", MQ_READ_STRONG, &arena, &record, &err));
    assert_int_equal(mq_record_find(&record, "popularity_1d")->integer, 1);
    assert_null(mq_record_find(&record, "genres"));
    mq_feature_store_free(store);
    mq_arena_release(&arena);
}

static void
only_what_changed(void **state)
{
    struct step_fixture *f = *state;
    struct mq_buffer text = {0};
    put_days(f);
    run_both(f);
    fixture_rate(&text, D3, "u2", "1", 4, 5000); /* as before: the mean of all stays */
    fixture_bronze(f, MQ_BRONZE_EVENTS, D3, 800, text.data);
    run_both(f);
    check_count(f, "user_features_written", 1); /* u2 */
    check_count(f, "movie_features_written", 1);
    /* A day that loses a user: its record goes. */
    mq_buffer_reset(&text);
    fixture_rate(&text, D1, "u1", "1", 5, 200);
    fixture_bronze(f, MQ_BRONZE_EVENTS, D1, 0, text.data);
    run_both(f);
    check_count(f, "user_features_deleted", 1); /* u3 */
    struct mq_feature_store *store = open_features(f);
    struct mq_arena arena = {0};
    struct mq_record record;
    struct mq_error err = {0};
    check_fails(MQ_E_NOT_FOUND, mq_feature_get(store, "user-features", "u3", MQ_READ_STRONG, &arena,
                                               &record, &err));
    mq_feature_store_free(store);
    mq_arena_release(&arena);
    mq_buffer_release(&text);
    /* Another store gets everything. */
    mq_autofree char *uri = mq_strfmt("lmdb:%s/other", f->folder);
    fixture_option(f, "features.store", uri);
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", 2);
    check_count(f, "movie_features_written", 4);
    /* And so does the same store, where nobody knows what it holds. */
    const char *keys[] = {"1/silver/feature-store/user_features.json",
                          "1/silver/feature-store/user_features.parquet"};
    check_ok(mq_object_delete(f->store, keys, 2, &err));
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", 2);
    check_count(f, "movie_features_written", 0);
    /* No store is needed where none is wanted. */
    fixture_option(f, "features.write", "false");
    fixture_option(f, "features.store", "lmdb:/dev/null/none");
    fixture_ok(f, mq_step_extract_features);
    assert_true(fixture_count(f, "user_features_written") < 0);
}

static void
tables_setting(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    fixture_ok(f, mq_step_validate_data);
    fixture_option(f, "features.tables", "only-one");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_CONFIG);
    check_contains(f->err.message, "features.tables is 'only-one'");
    fixture_option(f, "features.tables", "people|titles");
    fixture_ok(f, mq_step_extract_features);
    check_count(f, "user_features_written", 3);
}

static void
damaged_states(void **state)
{
    struct step_fixture *f = *state;
    put_days(f);
    run_both(f);
    fixture_put(f, "silver/feature-store/user_features.json", "{\"schema\": 99}");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_UNSUPPORTED);
    fixture_put(f, "silver/feature-store/user_features.json", "{");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_FORMAT);
    check_contains(f->err.hint, "delete it");
    fixture_put(f, "silver/days.json", "[]");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_FORMAT);
    check_contains(f->err.message, "silver/days.json");
    fixture_put(f, "silver/days.json", "{\"schema\": 2, \"version\": 1, \"days\": []}");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_UNSUPPORTED);
    fixture_put(f, "silver/days.json", "{\"schema\": 1, \"version\": 1, \"days\": [{}]}");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_FORMAT);
    fixture_put(f, "silver/days.json", "{\"schema\": 1, \"version\": 0, \"days\": []}");
    fixture_put(f, "silver/validation.json", "{\"schema\": 1, \"version\": 1, \"days\": [{}]}");
    assert_int_equal(fixture_run(f, mq_step_extract_features), MQ_E_FORMAT);
    check_contains(f->err.hint, "validate-data");
    /* Of another version of silver, all days are taken anew. */
    fixture_put(f, "silver/days.json", "{\"schema\": 1, \"version\": 0, \"days\": []}");
    const char *keys[] = {"1/silver/validation.json", "1/silver/feature-store/user_features.json"};
    struct mq_error err = {0};
    check_ok(mq_object_delete(f->store, keys, 2, &err));
    run_both(f);
    check_count(f, "days", 3);
}

/* ---- the loader ------------------------------------------------------------------------- */

static struct mq_rating_matrix *
load(struct step_fixture *f, const struct mq_rating_load_options *options, enum mq_status expected,
     struct mq_rating_load_figures *figures)
{
    struct mq_error err = {0};
    struct mq_sql *sql;
    struct mq_rating_matrix *m = NULL;
    const struct mq_sql_options engine = {.threads = 2, .scratch = f->folder};
    check_ok(mq_sql_open(&engine, &sql, &err));
    enum mq_status st = mq_rating_load(sql, f->store, "1", options, &m, figures, &err);
    if (st != expected)
        fail_msg("%s: %s", mq_status_name(st), err.message);
    f->err = err;
    mq_sql_free(sql);
    return m;
}

static float
rating_of(const struct mq_rating_matrix *m, const char *user, const char *film)
{
    int32_t u = mq_strmap_find_text(&m->users, user), i = mq_strmap_find_text(&m->items, film);
    int64_t at = u >= 0 && i >= 0 ? mq_rating_matrix_find(m, u, i) : -1;
    return at >= 0 ? m->user_rating[at] : -1;
}

static void
loading(void **state)
{
    struct step_fixture *f = *state;
    struct mq_rating_load_figures figures;
    struct mq_rating_load_options options = {0};
    load(f, &options, MQ_E_NOT_FOUND, NULL);
    check_contains(f->err.hint, "extract-features");
    put_days(f);
    run_both(f);
    struct mq_rating_matrix *m = load(f, &options, MQ_OK, &figures);
    assert_int_equal(m->count, 5);
    assert_int_equal(m->user_count, 2);
    assert_int_equal(figures.days, 3);
    assert_int_equal(figures.rows, 6);
    assert_string_equal(figures.last_day, D3);
    assert_string_equal(m->users.keys[0], "u1");
    assert_string_equal(m->items.keys[1], "3");
    assert_true(rating_of(m, "u1", "1") == 1 && rating_of(m, "u1", "4") == 3.5F);
    assert_true(rating_of(m, "u2", "2") == 3 && rating_of(m, "u3", "2") < 0);
    assert_int_equal(m->user_time[mq_rating_matrix_find(m, 0, 0)], 1608422470);
    mq_rating_matrix_free(m);
    options.date = D2;
    m = load(f, &options, MQ_OK, &figures);
    assert_string_equal(figures.last_day, D2);
    assert_true(rating_of(m, "u1", "1") == 5 && rating_of(m, "u1", "4") < 0);
    mq_rating_matrix_free(m);
    /* Plays as choices; a rating of the same film counts more. */
    options = (struct mq_rating_load_options){.kinds = 1u << MQ_EVENT_RATING | 1u << MQ_EVENT_PLAY,
                                              .choice_rating = 4.25F};
    m = load(f, &options, MQ_OK, NULL);
    assert_true(rating_of(m, "u3", "2") == 4.25F && rating_of(m, "u2", "2") == 3);
    mq_rating_matrix_free(m);
    options.kinds = 1u << MQ_EVENT_CLICK;
    load(f, &options, MQ_E_INPUT, NULL);
    options.choice_rating = NAN;
    load(f, &options, MQ_E_RANGE, NULL);
    options = (struct mq_rating_load_options){.date = "2020-01-01"};
    load(f, &options, MQ_E_NOT_FOUND, NULL);
    fixture_put(f, RATINGS(D2), "PAR1 no more");
    options.date = NULL;
    load(f, &options, MQ_E_FORMAT, NULL);
    check_contains(f->err.message, "dt=" D2);
    check_contains(f->err.hint, "extract-features");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(last_of_a_day),
        TEST(sent_again),
        TEST(late_event_lands_in_its_day),
        TEST(nothing_new_changes_nothing),
        TEST(compaction_changes_nothing),
        TEST(days_not_found_good),
        TEST(one_day_at_a_time),
        TEST(features_by_hand),
        TEST(one_rating),
        TEST(other_threads_same_bytes),
        TEST(groups_of_days),
        TEST(shares_of_users),
        TEST(records_of_the_store),
        TEST(only_what_changed),
        TEST(tables_setting),
        TEST(damaged_states),
        TEST(loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
