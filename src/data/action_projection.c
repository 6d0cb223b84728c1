#include "data/action_projection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/artifact.h"
#include "format/number_text.h"

static const char header[] =
    "user_id,item_id,timestamp,watch_seconds,duration_seconds,rating,position,source,trace\n";

void
mq_action_projection_release(struct mq_action_projection *projection)
{
    for (size_t i = 0; i < projection->count; i++)
        mq_buffer_release(&projection->logs[i].text);
    free(projection->logs);
    *projection = (struct mq_action_projection){0};
}

static enum mq_status
log_of(struct mq_action_projection *p, bool is_play, const char *date,
       struct mq_projected_log **ret_log, struct mq_error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        struct mq_projected_log *log = &p->logs[(p->last + i) % p->count];
        if (log->is_play == is_play && strcmp(log->date, date) == 0) {
            p->last = (size_t)(log - p->logs);
            *ret_log = log;
            return MQ_OK;
        }
    }
    enum mq_status st = mq_grow(&p->logs, &p->capacity, p->count + 1, sizeof(*p->logs), err);
    if (st != MQ_OK)
        return st;
    struct mq_projected_log *log = &p->logs[p->count];
    *log = (struct mq_projected_log){.is_play = is_play};
    memcpy(log->date, date, MQ_DATE_SIZE);
    st = mq_buffer_append_text(&log->text, header, err);
    if (st != MQ_OK) {
        mq_buffer_release(&log->text);
        return st;
    }
    p->last = p->count++;
    *ret_log = log;
    return MQ_OK;
}

/* A field, quoted where it has to be (RFC 4180), and the separator behind it. */
static enum mq_status
put_text(struct mq_buffer *line, const struct mq_event_text *text, char behind,
         struct mq_error *err)
{
    bool quote = false;
    for (uint32_t i = 0; i < text->size && !quote; i++)
        quote = strchr(",\"\n\r", text->bytes[i]) != NULL;
    if (text->size > 0)
        quote = quote || text->bytes[0] == ' ' || text->bytes[text->size - 1] == ' ';
    enum mq_status st = mq_buffer_reserve(line, 2 * (size_t)text->size + 3, err);
    if (st != MQ_OK)
        return st;
    char *out = line->data + line->size;
    if (quote)
        *out++ = '"';
    for (uint32_t i = 0; i < text->size; i++) {
        if (text->bytes[i] == '"')
            *out++ = '"';
        *out++ = text->bytes[i];
    }
    if (quote)
        *out++ = '"';
    *out++ = behind;
    line->size = (size_t)(out - line->data);
    return MQ_OK;
}

static enum mq_status
put_real(struct mq_buffer *line, bool present, double value, struct mq_error *err)
{
    char text[MQ_REAL_TEXT_SIZE] = "";
    size_t n = present ? mq_real_text(value, text) : 0;
    if (n > 2 && strcmp(text + n - 2, ".0") == 0) /* whole numbers as people write them */
        n -= 2;
    enum mq_status st = mq_buffer_append(line, text, n, err);
    return st == MQ_OK ? mq_buffer_append_char(line, ',', err) : st;
}

enum mq_status
mq_action_projection_take(void *context, const struct mq_user_event *event, struct mq_error *err)
{
    static const struct mq_event_text nothing = {"", 0};
    bool is_play = event->kind == MQ_EVENT_PLAY || event->kind == MQ_EVENT_RATING;
    if ((!is_play && event->kind != MQ_EVENT_EXPOSURE) ||
        !mq_user_event_has(event, MQ_EVENT_FIELD_movie_id))
        return MQ_OK;
    int64_t second = event->time_ms / 1000 - (event->time_ms % 1000 < 0);
    char date[MQ_DATE_SIZE];
    struct mq_projected_log *log;
    mq_date_format(second, date);
    enum mq_status st = log_of(context, is_play, date, &log, err);
    if (st != MQ_OK)
        return st;
    struct mq_buffer *line = &log->text;
    st = put_text(line, &event->user_id, ',', err);
    if (st == MQ_OK)
        st = put_text(line, &event->movie_id, ',', err);
    if (st == MQ_OK)
        st = mq_buffer_printf(line, err, "%" PRId64 ",", second);
    if (st == MQ_OK)
        st = put_real(line, mq_user_event_has(event, MQ_EVENT_FIELD_watch_seconds),
                      event->watch_seconds, err);
    if (st == MQ_OK)
        st = put_real(line, mq_user_event_has(event, MQ_EVENT_FIELD_duration_seconds),
                      event->duration_seconds, err);
    if (st == MQ_OK)
        st = put_real(line, mq_user_event_has(event, MQ_EVENT_FIELD_rating), event->rating, err);
    if (st == MQ_OK)
        st =
            put_real(line, mq_user_event_has(event, MQ_EVENT_FIELD_position), event->position, err);
    if (st == MQ_OK)
        st = put_text(line,
                      mq_user_event_has(event, MQ_EVENT_FIELD_source) ? &event->source : &nothing,
                      ',', err);
    if (st == MQ_OK)
        st = put_text(line,
                      mq_user_event_has(event, MQ_EVENT_FIELD_trace) ? &event->trace : &nothing,
                      '\n', err);
    return st;
}

enum mq_status
mq_projected_log_key(const char *region, const struct mq_projected_log *log, const char *topic,
                     int32_t partition, int64_t first, char ret_key[MQ_OBJECT_KEY_MAX],
                     struct mq_error *err)
{
    enum mq_status st =
        mq_artifact_key(region, MQ_ARTIFACT_ACTION_LOGS, MQ_PROGRAM_MOVIE, ret_key, err);
    if (st != MQ_OK)
        return st;
    size_t n = strlen(ret_key);
    int added = snprintf(ret_key + n, MQ_OBJECT_KEY_MAX - n, "%s/%s/%s-%d-%020" PRId64 ".csv",
                         log->date, log->is_play ? "play" : "exposure", topic, partition, first);
    return (size_t)added < MQ_OBJECT_KEY_MAX - n
               ? MQ_OK
               : mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", region);
}
