#include "data/event_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strmap.h"

/* Bronze keeps what was young enough when it came. */
#define ANY_AGE_MS (INT64_C(1) << 52)
#define ID_SEED 11

struct loading {
    struct mq_sql_appender *appender;
    struct mq_event_rules rules;
    struct mq_user_event *event;
    int64_t day, *seq;
    const char *date;
    unsigned kinds;
    struct mq_event_census *census;
};

enum mq_status
mq_event_table_create(struct mq_sql *sql, struct mq_error *err)
{
    return mq_sql_statement(sql,
                            "create or replace temp table event (day bigint, user_id varchar, "
                            "movie_id varchar, event_type varchar, rating double, watch_s double, "
                            "length_s double, time_ms bigint, seq bigint, event_hash bigint)",
                            err);
}

void
mq_text_piece(const char *bytes, size_t size, char *ret_text, size_t room)
{
    bool is_cut = size >= room;
    size_t n = is_cut ? room - 1 : size;
    while (is_cut && n > 0 && ((unsigned char)bytes[n] & 0xc0) == 0x80)
        n--;
    memcpy(ret_text, bytes, n);
    ret_text[n] = '\0';
    if (!mq_sql_text_is_valid(ret_text, n))
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)ret_text[i] >= 0x80 || ret_text[i] == '\0')
                ret_text[i] = '?';
}

static void
refuse(struct loading *loading, const struct mq_bronze_line *line, int verdict, const char *reason)
{
    struct mq_event_census *census = loading->census;
    int64_t before = census->refused[verdict]++;
    if (before >= MQ_EVENT_SAMPLES)
        return;
    struct mq_event_sample *sample = &census->samples[verdict][before];
    const char *slash = strrchr(line->key, '/');
    const char *name = slash != NULL ? slash + 1 : line->key;
    mq_text_piece(name, strlen(name), sample->object, sizeof(sample->object));
    sample->line = line->number;
    snprintf(sample->reason, sizeof(sample->reason), "%s", reason);
    mq_text_piece(line->bytes, line->size, sample->text, sizeof(sample->text));
}

static void
append_real(struct loading *loading, enum mq_event_field field, double value)
{
    if (mq_user_event_has(loading->event, field))
        mq_sql_append_real(loading->appender, value);
    else
        mq_sql_append_null(loading->appender);
}

static void
append(struct loading *loading)
{
    const struct mq_user_event *event = loading->event;
    const char *kind = mq_event_kind_name(event->kind);
    struct mq_sql_appender *to = loading->appender;
    mq_sql_append_int(to, loading->day);
    mq_sql_append_text(to, event->user_id.bytes, event->user_id.size);
    if (mq_user_event_has(event, MQ_EVENT_FIELD_movie_id))
        mq_sql_append_text(to, event->movie_id.bytes, event->movie_id.size);
    else
        mq_sql_append_null(to);
    mq_sql_append_text(to, kind, strlen(kind));
    append_real(loading, MQ_EVENT_FIELD_rating, event->rating);
    append_real(loading, MQ_EVENT_FIELD_watch_seconds, event->watch_seconds);
    append_real(loading, MQ_EVENT_FIELD_duration_seconds, event->duration_seconds);
    mq_sql_append_int(to, event->time_ms);
    mq_sql_append_int(to, (*loading->seq)++);
    if (mq_user_event_has(event, MQ_EVENT_FIELD_event_id))
        mq_sql_append_int(
            to, (int64_t)mq_hash_bytes(event->event_id.bytes, event->event_id.size, ID_SEED));
    else
        mq_sql_append_null(to);
    mq_sql_append_end(to);
}

static enum mq_status
take(void *context, const struct mq_bronze_line *line, struct mq_error *err)
{
    (void)err;
    struct loading *loading = context;
    struct mq_event_refusal refusal;
    loading->census->lines++;
    if (mq_user_event_parse(line->bytes, line->size, &loading->rules, loading->event, &refusal) !=
        MQ_OK) {
        refuse(loading, line, (int)refusal.fault, refusal.reason);
        return MQ_OK;
    }
    if (mq_day_of_ms(loading->event->time_ms) != loading->day) {
        char reason[96], instant[MQ_INSTANT_SIZE];
        mq_instant_format(loading->event->time_ms / 1000, instant);
        snprintf(reason, sizeof(reason), "timestamp is of %s, the object of %s", instant,
                 loading->date);
        refuse(loading, line, MQ_EVENT_OTHER_DAY, reason);
        return MQ_OK;
    }
    loading->census->kinds[loading->event->kind]++;
    if ((loading->kinds >> loading->event->kind & 1) != 0) {
        loading->census->taken++;
        append(loading);
    }
    return MQ_OK;
}

enum mq_status
mq_event_table_load(struct mq_sql *sql, struct mq_object_store *store, const char *region,
                    const char *date, const struct mq_event_rules *rules, unsigned kinds,
                    int64_t *seq, struct mq_event_census *census, struct mq_error *err)
{
    struct loading loading = {
        .rules = *rules, .seq = seq, .kinds = kinds, .census = census, .date = date};
    int64_t day_s;
    loading.rules.age_max_ms = ANY_AGE_MS;
    enum mq_status st = mq_instant_parse(date, strlen(date), &day_s, err);
    if (st != MQ_OK)
        return st;
    loading.day = day_s / MQ_DAY_SECONDS;
    loading.event = malloc(sizeof(*loading.event));
    if (loading.event == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event");
    st = mq_sql_appender_new(sql, "event", &loading.appender, err);
    if (st == MQ_OK)
        st = mq_bronze_read_day(store, region, MQ_BRONZE_EVENTS, date, take, &loading, err);
    enum mq_status ended = mq_sql_appender_free(loading.appender, st == MQ_OK ? err : NULL);
    free(loading.event);
    return st != MQ_OK ? st : ended;
}
