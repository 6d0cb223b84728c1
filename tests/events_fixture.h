/**
 * A store with a small catalogue and events in its bronze layer: for tests of the RATING workflow.
 * Include instead of step_fixture.h.
 */
#ifndef MQ_TESTS_EVENTS_FIXTURE_H
#define MQ_TESTS_EVENTS_FIXTURE_H

#include "step_fixture.h"

#include "base/clock.h"
#include "data/bronze_record.h"
#include "format/gzip_pack.h"

/** Four films, users u1 to u9; catalogue and users cleaned. */
static inline void
fixture_catalogue(struct step_fixture *f)
{
    fixture_put(f, "system/item-data/basic/1.csv",
                "program_id,program_type,program_name,release_year,director,actor,"
                "category_property,language,ticket_num,popularity,score,level,is_new\n"
                "1,movie,One,1991,Ann,Bo|Cy,Drama,en,5,2.5,8.25,PG,0\n"
                "2,movie,Two,1992,Ann,Cy,Drama|Crime,en,5,2.5,8.25,PG,0\n"
                "3,movie,Three,1993,Dan,Ann|Bo,Comedy,en,5,2.5,8.25,PG,0\n"
                "4,movie,Four,1994,,,Comedy,en,5,2.5,8.25,PG,0\n");
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv",
                "user_id,sex\nu1,F\nu2,M\nu3,F\nu4,M\nu5,F\nu6,M\nu7,F\nu8,M\nu9,F\n");
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
}

/** An object of the bronze layer with its batch record, as the consumer would name them. */
static inline void
fixture_bronze(struct step_fixture *f, enum mq_bronze_kind kind, const char *date, int64_t first,
               const char *text)
{
    struct mq_error err = {0};
    struct mq_buffer packed = {0};
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_bronze_object object = {.kind = kind, .bytes = (int64_t)strlen(text)};
    struct mq_bronze_record record = {
        .topic = "t", .first = first, .objects = &object, .object_count = 1};
    memcpy(object.date, date, MQ_DATE_SIZE);
    mq_sha256_of_bytes(text, strlen(text), object.sha256);
    for (const char *p = strchr(text, '\n'); p != NULL; p = strchr(p + 1, '\n'))
        object.lines++;
    record.count = object.lines;
    record.end = first + record.count;
    check_ok(mq_bronze_object_key("1", &record, &object, key, &err));
    check_ok(mq_gzip_pack(text, strlen(text), 1, &packed, &err));
    check_ok(
        mq_object_put(f->store, key, packed.data, packed.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
    mq_buffer_reset(&packed);
    check_ok(mq_bronze_record_key("1", "t", 0, first, key, &err));
    check_ok(mq_bronze_record_text(&record, &packed, &err));
    check_ok(
        mq_object_put(f->store, key, packed.data, packed.size, MQ_PUT_ALWAYS, NULL, NULL, &err));
    mq_buffer_release(&packed);
}

/** Append a rating event at a time after the beginning of a day. */
static inline void
fixture_rate(struct mq_buffer *text, const char *date, const char *user, const char *film,
             double rating, int64_t second)
{
    struct mq_error err = {0};
    int64_t day_s;
    check_ok(mq_instant_parse(date, strlen(date), &day_s, &err));
    check_ok(mq_buffer_printf(text, &err,
                              "{\"user_id\":\"%s\",\"movie_id\":\"%s\",\"rating\":%g,"
                              "\"timestamp\":%lld}\n",
                              user, film, rating, (long long)(day_s + second)));
}

/** Append a play likewise, of a minute. */
static inline void
fixture_play(struct mq_buffer *text, const char *date, const char *user, const char *film,
             int64_t second)
{
    struct mq_error err = {0};
    int64_t day_s;
    check_ok(mq_instant_parse(date, strlen(date), &day_s, &err));
    check_ok(mq_buffer_printf(text, &err,
                              "{\"user_id\":\"%s\",\"movie_id\":\"%s\",\"timestamp\":%lld,"
                              "\"event_type\":\"play\",\"watch_seconds\":60}\n",
                              user, film, (long long)(day_s + second)));
}

#endif
