/* write_silver OUT DATA: silver's tables as the RATING workflow makes them of three days of events
 * with repeated and late ratings, and the events themselves. */
#include "events_fixture.h"

#include "base/rng.h"

static const char *const dates[] = {"2020-12-18", "2020-12-19", "2020-12-20"};

static void
save(const char *folder, const char *name, const char *bytes, size_t size)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        exit(1);
}

static void
copy_out(struct step_fixture *f, const char *object, const char *folder, const char *name)
{
    struct mq_error err = {0};
    struct mq_buffer bytes = {0};
    char key[MQ_OBJECT_KEY_MAX];
    snprintf(key, sizeof(key), "1/%s", object);
    check_ok(mq_object_get(f->store, key, &bytes, &err));
    save(folder, name, bytes.data, bytes.size);
    mq_buffer_release(&bytes);
}

/* Ratings of 25 users, and plays; some names need quoting. */
static void
put_day(struct step_fixture *f, struct mq_rng *rng, int day, struct mq_buffer *all)
{
    struct mq_error err = {0};
    struct mq_buffer text = {0};
    for (int i = 0; i < 200; i++) {
        char user[16], film[8];
        int u = (int)mq_rng_below(rng, 25), m = 1 + (int)mq_rng_below(rng, 4);
        int64_t second = mq_rng_below(rng, MQ_DAY_SECONDS);
        snprintf(user, sizeof(user), u == 7 ? "用户 %d" : "u%d", u);
        snprintf(film, sizeof(film), "%d", m);
        if (i % 10 == 9)
            check_ok(mq_buffer_printf(
                &text, &err,
                "{\"user_id\":\"%s\",\"movie_id\":\"%s\",\"event_type\":\"play\","
                "\"timestamp\":%lld,\"watch_seconds\":%d.5}\n",
                user, film, (long long)((INT64_C(18614) + day) * MQ_DAY_SECONDS + second) * 1000,
                10 * i));
        else
            fixture_rate(&text, dates[day], user, film, 0.5 + 0.5 * mq_rng_below(rng, 10), second);
    }
    fixture_bronze(f, MQ_BRONZE_EVENTS, dates[day], 0, text.data);
    check_ok(mq_buffer_append(all, text.data, text.size, &err));
    mq_buffer_release(&text);
}

int
main(int argc, char **argv)
{
    void *state = NULL;
    struct mq_rng rng;
    struct mq_buffer all = {0};
    if (argc < 2 || fixture_setup(&state) != 0)
        return 1;
    struct step_fixture *f = state;
    mq_rng_init(&rng, 5, 0);
    fixture_catalogue(f);
    fixture_option(f, "features.write", "false");
    fixture_option(f, "validate.max_unknown_users", "1");
    fixture_option(f, "validate.max_duplicate_share", "1");
    for (int day = 0; day < 3; day++)
        put_day(f, &rng, day, &all);
    fixture_ok(f, mq_step_validate_data);
    fixture_ok(f, mq_step_extract_features);
    save(argv[1], "events.jsonl", all.data, all.size);
    for (int day = 0; day < 3; day++) {
        char object[128], name[64];
        snprintf(object, sizeof(object), "silver/ratings/dt=%s/part-00000.parquet", dates[day]);
        snprintf(name, sizeof(name), "ratings-%s.parquet", dates[day]);
        copy_out(f, object, argv[1], name);
    }
    copy_out(f, "silver/user_features/dt=2020-12-20/part-00000.parquet", argv[1],
             "user_features.parquet");
    copy_out(f, "silver/movie_features/dt=2020-12-20/part-00000.parquet", argv[1],
             "movie_features.parquet");
    mq_buffer_release(&all);
    return fixture_teardown(&state);
}
