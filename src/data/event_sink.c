#include "data/event_sink.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "data/bronze_merges.h"
#include "format/json.h"
#include "format/number_text.h"

#define DIGEST_DIGITS 12
/* Events of one write to the log. */
#define PRODUCE_EVENTS 2000

/* Most characters of a field that is a text, or its largest value. */
enum {
#define EVENT_FIELD(name, type, need, least, most, help) MOST_##name = (int)(most),
#include "data/event_fields.def"
};
_Static_assert((int)MOST_user_id == (int)MOST_movie_id, "one message tells both");

struct pending {
    size_t key_begin, key_size, begin, size; /* in the bytes */
};

struct mq_event_sink {
    struct mq_event_sink_options options;
    struct mq_bronze_layer layer;
    struct mq_event_sink_figures figures;
    struct mq_buffer line;
    /* straight */
    char *scratch;
    struct mq_bronze_batch batch;
    struct mq_bronze_record known; /* the record that begins where the batch does */
    bool is_known;
    /* through the log */
    struct mq_buffer bytes;
    struct pending *pending; /* [PRODUCE_EVENTS] */
    size_t pending_count;
};

enum mq_status
mq_event_sink_new(const struct mq_event_sink_options *options, struct mq_event_sink **ret_sink,
                  struct mq_error *err)
{
    struct mq_event_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event sink");
    sink->options = *options;
    sink->figures.through_log = options->log != NULL;
    sink->figures.first_s = INT64_MAX;
    sink->figures.last_s = INT64_MIN;
    sink->layer = (struct mq_bronze_layer){.store = options->store,
                                           .region = options->region,
                                           .rules = options->rules,
                                           .level = options->level,
                                           .pool = options->pool};
    enum mq_status st =
        options->log != NULL
            ? mq_alloc_array_raw(PRODUCE_EVENTS, sizeof(*sink->pending), &sink->pending, err)
            : mq_fs_scratch(&sink->scratch, err);
    if (st != MQ_OK) {
        free(sink);
        return st;
    }
    sink->layer.scratch = sink->scratch;
    *ret_sink = sink;
    return MQ_OK;
}

void
mq_event_sink_free(struct mq_event_sink *sink)
{
    if (sink == NULL)
        return;
    mq_buffer_release(&sink->line);
    mq_buffer_release(&sink->bytes);
    mq_bronze_batch_release(&sink->batch);
    mq_bronze_record_release(&sink->known);
    mq_free(sink->pending);
    if (sink->scratch != NULL)
        (void)!mq_fs_remove(sink->scratch, NULL);
    free(sink->scratch);
    free(sink);
}

const struct mq_event_rules *
mq_event_sink_rules(const struct mq_event_sink *sink)
{
    return &sink->options.rules;
}

/* ---- the text of an event --------------------------------------------------------------- */

static enum mq_status
put_member(struct mq_buffer *line, const char *name, struct mq_text text, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_text(line, name, err);
    return st == MQ_OK ? mq_json_quote(text.bytes, text.size, line, err) : st;
}

/* A number, whole ones without a point. */
static enum mq_status
put_real(struct mq_buffer *line, const char *name, double value, struct mq_error *err)
{
    if (value == floor(value) && fabs(value) < 1e15)
        return mq_buffer_printf(line, err, "%s%" PRId64, name, (int64_t)value);
    char text[MQ_REAL_TEXT_SIZE];
    mq_real_text(value, text);
    return mq_buffer_printf(line, err, "%s%s", name, text);
}

/* The event's JSON; a rating without further fields is what seed producers send, too. */
static enum mq_status
write_line(struct mq_buffer *line, enum mq_event_kind kind, const struct mq_input_action *action,
           struct mq_error *err)
{
    mq_buffer_reset(line);
    enum mq_status st = put_member(line, "{\"user_id\":", action->user, err);
    if (st == MQ_OK && action->item.size > 0)
        st = put_member(line, ",\"movie_id\":", action->item, err);
    if (st == MQ_OK && action->rating >= 0)
        st = put_real(line, ",\"rating\":", action->rating, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(line, err, ",\"timestamp\":%" PRId64, action->time_s);
    if (st == MQ_OK && kind != MQ_EVENT_RATING)
        st = mq_buffer_printf(line, err, ",\"event_type\":\"%s\"", mq_event_kind_name(kind));
    if (st == MQ_OK && action->watch_s >= 0)
        st = put_real(line, ",\"watch_seconds\":", action->watch_s, err);
    if (st == MQ_OK && action->length_s >= 0)
        st = put_real(line, ",\"duration_seconds\":", action->length_s, err);
    if (st == MQ_OK && action->position >= 0)
        st = mq_buffer_printf(line, err, ",\"position\":%d", action->position);
    if (st == MQ_OK && action->source.size > 0)
        st = put_member(line, ",\"source\":", action->source, err);
    if (st == MQ_OK && action->trace.size > 0)
        st = put_member(line, ",\"trace\":", action->trace, err);
    return st == MQ_OK ? mq_buffer_append_char(line, '}', err) : st;
}

/* ---- straight to bronze ----------------------------------------------------------------- */

/* Look for the record that somebody wrote of the batch that begins here. */
static enum mq_status
look_up(struct mq_event_sink *sink, struct mq_error *err)
{
    struct mq_error local;
    mq_bronze_record_release(&sink->known);
    enum mq_status st =
        mq_bronze_record_read(sink->options.store, sink->options.region, sink->figures.topic, 0,
                              sink->batch.first, &sink->known, NULL, &local);
    sink->is_known = st == MQ_OK;
    if (st == MQ_OK || st == MQ_E_NOT_FOUND)
        return MQ_OK;
    if (err != NULL)
        *err = local;
    return st;
}

/* Whether every object that a record names is there, alone or merged. */
static enum mq_status
is_whole(struct mq_event_sink *sink, const struct mq_bronze_record *record, bool *ret_whole,
         struct mq_error *err)
{
    *ret_whole = true;
    for (size_t i = 0; i < record->object_count; i++) {
        char key[MQ_OBJECT_KEY_MAX];
        struct mq_object_info info;
        struct mq_error local = {0};
        enum mq_status st =
            mq_bronze_object_key(sink->options.region, record, &record->objects[i], key, err);
        if (st != MQ_OK)
            return st;
        st = mq_object_stat(sink->options.store, key, &info, &local);
        if (st == MQ_OK)
            continue;
        if (st != MQ_E_NOT_FOUND) {
            if (err != NULL)
                *err = local;
            return st;
        }
        st = mq_bronze_is_merged(sink->options.store, sink->options.region, &record->objects[i],
                                 key, ret_whole, err);
        if (st != MQ_OK || !*ret_whole)
            return st;
    }
    return MQ_OK;
}

/* The batch was published before, by this import or by one that died in it. */
static enum mq_status
adopt(struct mq_event_sink *sink, bool *ret_done, struct mq_error *err)
{
    char digest[MQ_SHA256_HEX_SIZE];
    mq_bronze_batch_digest(&sink->batch, digest);
    if (sink->known.end != sink->batch.end || strcmp(sink->known.sha256, digest) != 0) {
        mq_fail(err, MQ_E_CONFLICT,
                "topic '%s' holds other events at offset %" PRId64 " of the bronze layer",
                sink->figures.topic, sink->batch.first);
        mq_error_hint(err, "see what is there with `marquee bronze verify`, or import into another "
                           "--region");
        return MQ_E_CONFLICT;
    }
    enum mq_status st = is_whole(sink, &sink->known, ret_done, err);
    if (st == MQ_OK && *ret_done)
        sink->figures.adopted++;
    for (size_t i = 0; st == MQ_OK && *ret_done && i < sink->known.object_count; i++)
        if (sink->known.objects[i].kind == MQ_BRONZE_REJECTED)
            sink->figures.rejected += sink->known.objects[i].lines;
    return st;
}

static enum mq_status
publish(struct mq_event_sink *sink, struct mq_error *err)
{
    struct mq_bronze_publication *publication = NULL;
    bool done = false;
    enum mq_status st = MQ_OK;
    if (sink->batch.count == 0)
        return MQ_OK;
    if (sink->is_known)
        st = adopt(sink, &done, err);
    if (st == MQ_OK && !done) {
        st = mq_bronze_publication_new(&sink->layer, &sink->batch,
                                       sink->is_known ? &sink->known : NULL, &publication, err);
        if (st == MQ_OK)
            st = mq_bronze_publication_run(publication, err);
        if (st == MQ_OK) {
            struct mq_bronze_published published;
            mq_bronze_publication_figures(publication, &published);
            sink->figures.batches++;
            sink->figures.objects += published.objects;
            sink->figures.packed += published.bytes_packed;
            sink->figures.rejected += published.rejected;
            for (int f = 0; f < MQ_EVENT_FAULTS; f++)
                sink->figures.faults[f] += published.faults[f];
        }
        mq_bronze_publication_free(publication);
    }
    if (st == MQ_OK)
        st = mq_cancel_check(err);
    if (st != MQ_OK)
        return st;
    mq_bronze_batch_reset(&sink->batch);
    sink->batch.first = sink->batch.end;
    return look_up(sink, err);
}

static enum mq_status
add_to_batch(struct mq_event_sink *sink, struct mq_error *err)
{
    bool is_full = sink->is_known ? sink->batch.end == sink->known.end
                                  : sink->batch.bytes.size >= MQ_EVENT_SINK_BATCH;
    enum mq_status st = is_full && sink->batch.count > 0 ? publish(sink, err) : MQ_OK;
    /* Without a time of its own, an event is judged by the record's clock: again the same. */
    const struct mq_event event = {
        .offset = sink->batch.end, .value = sink->line.data, .value_size = sink->line.size};
    return st == MQ_OK ? mq_bronze_batch_add(&sink->batch, &event, err) : st;
}

/* ---- through the log -------------------------------------------------------------------- */

static enum mq_status
produce(struct mq_event_sink *sink, struct mq_error *err)
{
    static const size_t count_max = PRODUCE_EVENTS;
    mq_autofree struct mq_new_event *events = NULL;
    mq_autofree struct mq_produced *produced = NULL;
    enum mq_status st = mq_alloc_array_raw(count_max, sizeof(*events), &events, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(count_max, sizeof(*produced), &produced, err);
    for (size_t i = 0; st == MQ_OK && i < sink->pending_count; i++) {
        const struct pending *p = &sink->pending[i];
        events[i] = (struct mq_new_event){sink->bytes.data + p->key_begin, p->key_size,
                                          sink->bytes.data + p->begin, p->size};
    }
    if (st == MQ_OK && sink->pending_count > 0)
        st = mq_event_log_produce(sink->options.log, sink->figures.topic, events,
                                  sink->pending_count, MQ_EVENT_SINK_TIMEOUT_MS, produced, err);
    sink->pending_count = 0;
    mq_buffer_reset(&sink->bytes);
    return st == MQ_OK ? mq_cancel_check(err) : st;
}

static enum mq_status
add_to_log(struct mq_event_sink *sink, struct mq_text user, struct mq_error *err)
{
    enum mq_status st = sink->pending_count == PRODUCE_EVENTS ? produce(sink, err) : MQ_OK;
    if (st != MQ_OK)
        return st;
    struct pending *p = &sink->pending[sink->pending_count];
    *p = (struct pending){.key_begin = sink->bytes.size,
                          .key_size = MQ_MIN(user.size, (size_t)MQ_EVENT_KEY_MAX),
                          .size = sink->line.size};
    st = mq_buffer_append(&sink->bytes, user.bytes, p->key_size, err);
    p->begin = sink->bytes.size;
    if (st == MQ_OK)
        st = mq_buffer_append(&sink->bytes, sink->line.data, sink->line.size, err);
    if (st == MQ_OK)
        sink->pending_count++;
    return st;
}

/* ---- both ------------------------------------------------------------------------------- */

enum mq_status
mq_event_sink_begin(struct mq_event_sink *sink, const char *name, const char *digest,
                    struct mq_error *err)
{
    char *topic = sink->figures.topic;
    if (sink->options.log != NULL) {
        snprintf(topic, MQ_TOPIC_NAME_MAX + 1, "%s", sink->options.topic);
        return MQ_OK;
    }
    snprintf(topic, MQ_TOPIC_NAME_MAX + 1, MQ_BRONZE_IMPORT_PREFIX "%.100s-%.*s", name,
             DIGEST_DIGITS, digest);
    for (char *p = topic; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
            *p = '-';
    sink->batch.topic = topic;
    return look_up(sink, err);
}

enum mq_status
mq_event_sink_add(struct mq_event_sink *sink, enum mq_event_kind kind,
                  const struct mq_input_action *action, struct mq_error *err)
{
    enum mq_status st = write_line(&sink->line, kind, action, err);
    if (st == MQ_OK)
        st = sink->options.log != NULL ? add_to_log(sink, action->user, err)
                                       : add_to_batch(sink, err);
    if (st != MQ_OK)
        return st;
    sink->figures.events++;
    sink->figures.first_s = MQ_MIN(sink->figures.first_s, action->time_s);
    sink->figures.last_s = MQ_MAX(sink->figures.last_s, action->time_s);
    return MQ_OK;
}

enum mq_status
mq_event_sink_finish(struct mq_event_sink *sink, struct mq_error *err)
{
    return sink->options.log != NULL ? produce(sink, err) : publish(sink, err);
}

const struct mq_event_sink_figures *
mq_event_sink_figures(const struct mq_event_sink *sink)
{
    return &sink->figures;
}

/* ---- before anything is written --------------------------------------------------------- */

/* Characters of well-formed UTF-8. */
static size_t
length_of(struct mq_text text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++)
        n += ((unsigned char)text.bytes[i] & 0xc0) != 0x80;
    return n;
}

void
mq_event_screen_take(struct mq_event_screen *screen, const struct mq_event_rules *rules,
                     enum mq_event_kind kind, const struct mq_input_action *action)
{
    int64_t time_ms = action->time_s * 1000;
    screen->total++;
    if (time_ms < rules->now_ms - rules->age_max_ms) {
        screen->oldest_s =
            screen->too_old == 0 ? action->time_s : MQ_MIN(screen->oldest_s, action->time_s);
        screen->too_old++;
    } else if (time_ms > rules->now_ms + rules->ahead_max_ms) {
        screen->newest_s = MQ_MAX(screen->newest_s, action->time_s);
        screen->in_future++;
    } else if (kind == MQ_EVENT_RATING && action->rating < 0) {
        screen->unrated++;
    } else if (action->rating >= 0 &&
               (action->rating < rules->rating_min || action->rating > rules->rating_max)) {
        screen->lowest =
            screen->off_scale == 0 ? action->rating : MQ_MIN(screen->lowest, action->rating);
        screen->highest = MQ_MAX(screen->highest, action->rating);
        screen->off_scale++;
    } else if (length_of(action->user) > MOST_user_id || length_of(action->item) > MOST_movie_id) {
        screen->long_ids++;
    }
}

enum mq_status
mq_event_screen_judge(const struct mq_event_screen *screen, const struct mq_event_rules *rules,
                      double max_bad_share, const char *what, struct mq_error *err)
{
    const int64_t counts[] = {screen->too_old, screen->off_scale, screen->in_future,
                              screen->unrated, screen->long_ids};
    int64_t bad = 0, most = 0;
    for (size_t i = 0; i < MQ_COUNT(counts); i++) {
        bad += counts[i];
        most = MQ_MAX(most, counts[i]);
    }
    if (bad == 0 || (double)bad <= max_bad_share * (double)screen->total)
        return MQ_OK;
    char share[128], date[MQ_DATE_SIZE];
    snprintf(share, sizeof(share), "%" PRId64 " of %" PRId64 " %s", most, screen->total, what);
    if (most == screen->too_old) {
        int64_t days = (rules->now_ms / 1000 - screen->oldest_s) / MQ_DAY_SECONDS + 1;
        mq_date_format(screen->oldest_s, date);
        mq_fail(err, MQ_E_INPUT,
                "%s are older than events.max_age_days allows (%" PRId64
                " days; the oldest is of %s)",
                share, rules->age_max_ms / (MQ_DAY_SECONDS * 1000), date);
        mq_error_hint(err, "if their times are right: --set events.max_age_days=%" PRId64, days);
    } else if (most == screen->off_scale) {
        mq_fail(err, MQ_E_INPUT, "%s are off the scale: from %g to %g, where %g to %g is allowed",
                share, screen->lowest, screen->highest, rules->rating_min, rules->rating_max);
        mq_error_hint(err, "set events.rating_min and events.rating_max to the scale of the file");
    } else if (most == screen->in_future) {
        mq_date_format(screen->newest_s, date);
        mq_fail(err, MQ_E_INPUT, "%s lie in the future, up to %s", share, date);
        mq_error_hint(err, "is the time in seconds or milliseconds since 1970, in UTC?");
    } else if (most == screen->unrated) {
        mq_fail(err, MQ_E_INPUT, "%s are called ratings and have none, or a negative one", share);
    } else {
        mq_fail(err, MQ_E_INPUT, "%s have ids of over %d characters", share, MOST_user_id);
    }
    if (err != NULL && err->hint[0] == '\0')
        mq_error_hint(err, "data.max_bad_share says how many may be left out");
    return MQ_E_INPUT;
}
