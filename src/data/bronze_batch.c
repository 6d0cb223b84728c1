#include "data/bronze_batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/rejected_line.h"

/* A place whose event was refused. */
#define DAY_REJECTED INT32_MIN

void
mq_bronze_batch_release(struct mq_bronze_batch *batch)
{
    mq_buffer_release(&batch->bytes);
    free(batch->places);
    batch->places = NULL;
    batch->count = batch->capacity = 0;
    batch->has_line_ends = false;
}

void
mq_bronze_batch_reset(struct mq_bronze_batch *batch)
{
    mq_buffer_reset(&batch->bytes);
    batch->count = 0;
    batch->has_line_ends = false;
}

enum mq_status
mq_bronze_batch_add(struct mq_bronze_batch *batch, const struct mq_event *event,
                    struct mq_error *err)
{
    batch->bytes.limit_bytes = MQ_BRONZE_BATCH_LIMIT;
    enum mq_status st =
        mq_grow(&batch->places, &batch->capacity, batch->count + 1, sizeof(*batch->places), err);
    if (st == MQ_OK)
        st = mq_buffer_reserve(&batch->bytes, event->value_size + 1, err);
    if (st != MQ_OK)
        return st;
    batch->places[batch->count++] = (struct mq_bronze_place){.begin = batch->bytes.size,
                                                             .offset = event->offset,
                                                             .time_ms = event->time_ms,
                                                             .size = (uint32_t)event->value_size};
    char *to = batch->bytes.data + batch->bytes.size;
    if (event->value_size > 0) {
        memcpy(to, event->value, event->value_size);
        if (memchr(to, '\n', event->value_size) != NULL ||
            memchr(to, '\r', event->value_size) != NULL)
            batch->has_line_ends = true;
    }
    to[event->value_size] = '\n';
    batch->bytes.size += event->value_size + 1;
    batch->end = event->offset + 1;
    return MQ_OK;
}

size_t
mq_bronze_batch_memory(const struct mq_bronze_batch *batch)
{
    return batch->bytes.capacity + batch->capacity * sizeof(*batch->places);
}

void
mq_bronze_batch_digest(const struct mq_bronze_batch *batch, char ret_hex[MQ_SHA256_HEX_SIZE])
{
    struct mq_sha256 *digest = NULL;
    enum mq_status st = mq_sha256_new(&digest, NULL);
    if (st == MQ_OK)
        st = mq_sha256_add(digest, batch->bytes.data, batch->bytes.size, NULL);
    for (size_t i = 0; st == MQ_OK && i < batch->count; i++) {
        const int64_t bounds[3] = {batch->places[i].offset, batch->places[i].time_ms,
                                   batch->places[i].size};
        st = mq_sha256_add(digest, bounds, sizeof(bounds), NULL);
    }
    if (st != MQ_OK || mq_sha256_hex(digest, ret_hex, NULL) != MQ_OK)
        ret_hex[0] = '\0';
    mq_sha256_free(digest);
}

/* ---- the kinds of lines ----------------------------------------------------------------- */

struct judging {
    const struct mq_bronze_batch *batch;
    int64_t now_ms; /* of the rules */
    struct mq_bronze_verdict *verdict;
    size_t capacity; /* of the verdict's texts */
    size_t last;     /* text that was written to last */
};

/* The clock an event is judged by; some producers of Kafka give no time. */
static int64_t
clock_of(const struct judging *j, const struct mq_bronze_place *place)
{
    return place->time_ms > 0 ? MQ_MIN(place->time_ms, j->now_ms) : j->now_ms;
}

/* The text of a kind and day, made at the first line. */
static struct mq_bronze_text *
text_of(struct judging *j, enum mq_bronze_kind kind, const char *date, struct mq_error *err)
{
    struct mq_bronze_verdict *v = j->verdict;
    for (size_t i = 0; i < v->text_count; i++) {
        struct mq_bronze_text *text = &v->texts[(j->last + i) % v->text_count];
        if (text->object.kind == kind && strcmp(text->object.date, date) == 0) {
            j->last = (size_t)(text - v->texts);
            return text;
        }
    }
    if (v->text_count == MQ_BRONZE_OBJECTS_MAX) {
        mq_fail(err, MQ_E_RANGE, "a batch of events of over %d days", MQ_BRONZE_OBJECTS_MAX);
        return NULL;
    }
    if (mq_grow(&v->texts, &j->capacity, v->text_count + 1, sizeof(*v->texts), err) != MQ_OK)
        return NULL;
    j->last = v->text_count++;
    struct mq_bronze_text *text = &v->texts[j->last];
    *text = (struct mq_bronze_text){.object.kind = kind};
    memcpy(text->object.date, date, MQ_DATE_SIZE);
    mq_buffer_init(&text->own, 2 * MQ_BRONZE_BATCH_LIMIT);
    return text;
}

/* {"topic":…,"partition":…,"offset":… : where an event was; the object is left open. */
static enum mq_status
begin_line(const struct judging *j, const struct mq_bronze_place *place, struct mq_buffer *line,
           struct mq_error *err)
{
    return mq_buffer_printf(
        line, err, "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%" PRId64 ",\"time_ms\":%" PRId64,
        j->batch->topic, j->batch->partition, place->offset, place->time_ms);
}

static enum mq_status
write_rejected(struct judging *j, const struct mq_bronze_place *place,
               const struct mq_event_refusal *refusal, struct mq_error *err)
{
    char date[MQ_DATE_SIZE];
    mq_date_format(mq_day_of_ms(clock_of(j, place)) * MQ_DAY_SECONDS, date);
    struct mq_bronze_text *text = text_of(j, MQ_BRONZE_REJECTED, date, err);
    if (text == NULL)
        return MQ_E_NOMEM;
    enum mq_status st = begin_line(j, place, &text->own, err);
    if (st == MQ_OK)
        st = mq_rejected_line_end(refusal, j->batch->bytes.data + place->begin, place->size,
                                  &text->own, err);
    text->object.lines++;
    return st;
}

/* Keep an event with line ends as it is. */
static enum mq_status
write_original(struct judging *j, const struct mq_bronze_place *place, const char *date,
               struct mq_error *err)
{
    const char *bytes = j->batch->bytes.data + place->begin;
    if (memchr(bytes, '\n', place->size) == NULL && memchr(bytes, '\r', place->size) == NULL)
        return MQ_OK;
    struct mq_bronze_text *text = text_of(j, MQ_BRONZE_ORIGINALS, date, err);
    if (text == NULL)
        return MQ_E_NOMEM;
    enum mq_status st = begin_line(j, place, &text->own, err);
    if (st == MQ_OK)
        st = mq_event_line_end(bytes, place->size, &text->own, err);
    text->object.lines++;
    return st;
}

/* ---- judging ---------------------------------------------------------------------------- */

static enum mq_status
judge_all(struct judging *j, const struct mq_event_rules *rules, mq_bronze_seen_fn seen,
          void *context, struct mq_error *err)
{
    const struct mq_bronze_batch *batch = j->batch;
    mq_autofree struct mq_user_event *event = malloc(sizeof(*event));
    if (event == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an event");
    struct mq_event_rules own = *rules;
    char date[MQ_DATE_SIZE] = "";
    int32_t date_day = DAY_REJECTED;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < batch->count; i++) {
        struct mq_bronze_place *place = &batch->places[i];
        struct mq_event_refusal refusal;
        own.now_ms = clock_of(j, place);
        enum mq_status verdict = mq_user_event_parse(batch->bytes.data + place->begin, place->size,
                                                     &own, event, &refusal);
        if (verdict != MQ_OK) {
            place->day = DAY_REJECTED;
            j->verdict->rejected++;
            j->verdict->faults[refusal.fault]++;
            st = write_rejected(j, place, &refusal, err);
            continue;
        }
        place->day = (int32_t)mq_day_of_ms(event->time_ms);
        j->verdict->good++;
        if (seen != NULL)
            st = seen(context, event, err);
        if (st == MQ_OK && batch->has_line_ends) {
            if (place->day != date_day)
                mq_date_format((int64_t)(date_day = place->day) * MQ_DAY_SECONDS, date);
            st = write_original(j, place, date, err);
        }
    }
    return st;
}

/* A line of the API, whole and alone. */
static bool
is_of_api(const char *line, size_t size)
{
    static const char begin[] = MQ_REJECTED_BY_API;
    return size > sizeof(begin) && memcmp(line, begin, sizeof(begin) - 1) == 0 &&
           line[size - 1] == '}' && memchr(line, '\n', size) == NULL &&
           memchr(line, '\r', size) == NULL;
}

/* Of a batch that holds refusals. */
static enum mq_status
sort_refusals(struct judging *j, struct mq_error *err)
{
    const struct mq_bronze_batch *batch = j->batch;
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < batch->count; i++) {
        struct mq_bronze_place *place = &batch->places[i];
        const char *line = batch->bytes.data + place->begin;
        char date[MQ_DATE_SIZE];
        place->day = DAY_REJECTED;
        if (!is_of_api(line, place->size)) {
            j->verdict->skipped++;
            continue;
        }
        mq_date_format(mq_day_of_ms(clock_of(j, place)) * MQ_DAY_SECONDS, date);
        struct mq_bronze_text *text = text_of(j, MQ_BRONZE_REJECTED, date, err);
        if (text == NULL)
            return MQ_E_NOMEM;
        st = mq_buffer_append(&text->own, line, place->size + 1, err); /* its line end too */
        text->object.lines++;
        j->verdict->rejected++;
    }
    return st;
}

static int
compare_days(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Distinct days of the good events, ascending. @param ret_days owned */
static enum mq_status
find_days(const struct mq_bronze_batch *batch, int32_t **ret_days, size_t *ret_count,
          struct mq_error *err)
{
    size_t count = 0, distinct = 0;
    int32_t *days;
    enum mq_status st = mq_alloc_array_raw(batch->count, sizeof(*days), &days, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < batch->count; i++) { /* runs of one day count once */
        int32_t day = batch->places[i].day;
        if (day != DAY_REJECTED && (count == 0 || days[count - 1] != day))
            days[count++] = day;
    }
    if (count > 1)
        qsort(days, count, sizeof(*days), compare_days);
    for (size_t i = 0; i < count; i++)
        if (distinct == 0 || days[distinct - 1] != days[i])
            days[distinct++] = days[i];
    *ret_days = days;
    *ret_count = distinct;
    return MQ_OK;
}

static size_t
index_of_day(const int32_t *days, size_t count, int32_t day, size_t guess)
{
    if (days[guess] == day)
        return guess;
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (days[middle] <= day)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Lines of the good events, by day. */
static enum mq_status
write_days(struct judging *j, const int32_t *days, size_t day_count, struct mq_error *err)
{
    const struct mq_bronze_batch *batch = j->batch;
    const bool as_they_are = day_count == 1 && j->verdict->rejected == 0 && !batch->has_line_ends;
    size_t before = j->verdict->text_count, guess = 0;
    enum mq_status st = MQ_OK;
    mq_autofree size_t *sizes = calloc(day_count + 1, sizeof(*sizes));
    if (sizes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu days", day_count);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->places[i].day == DAY_REJECTED)
            continue;
        guess = index_of_day(days, day_count, batch->places[i].day, guess);
        sizes[guess] += batch->places[i].size + 1;
    }
    j->last = before;
    for (size_t d = 0; st == MQ_OK && d < day_count; d++) {
        char date[MQ_DATE_SIZE];
        mq_date_format((int64_t)days[d] * MQ_DAY_SECONDS, date);
        if (j->verdict->text_count == MQ_BRONZE_OBJECTS_MAX)
            return mq_fail(err, MQ_E_RANGE, "a batch of events of over %d days",
                           MQ_BRONZE_OBJECTS_MAX);
        st = mq_grow(&j->verdict->texts, &j->capacity, j->verdict->text_count + 1,
                     sizeof(*j->verdict->texts), err);
        if (st != MQ_OK)
            break;
        struct mq_bronze_text *text = &j->verdict->texts[j->verdict->text_count++];
        *text = (struct mq_bronze_text){.object.kind = MQ_BRONZE_EVENTS};
        memcpy(text->object.date, date, MQ_DATE_SIZE);
        mq_buffer_init(&text->own, 2 * MQ_BRONZE_BATCH_LIMIT);
        if (!as_they_are)
            st = mq_buffer_reserve(&text->own, sizes[d], err);
    }
    if (st != MQ_OK)
        return st;
    struct mq_bronze_text *texts = j->verdict->texts + before;
    if (as_they_are) { /* the usual case: nothing to sort */
        texts[0].text = batch->bytes.data;
        texts[0].size = batch->bytes.size;
        texts[0].object.lines = (int64_t)batch->count;
        return MQ_OK;
    }
    guess = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct mq_bronze_place *place = &batch->places[i];
        if (place->day == DAY_REJECTED)
            continue;
        guess = index_of_day(days, day_count, place->day, guess);
        struct mq_buffer *own = &texts[guess].own;
        char *line = own->data + own->size;
        memcpy(line, batch->bytes.data + place->begin, place->size + 1);
        for (size_t k = 0; batch->has_line_ends && k < place->size; k++)
            if (line[k] == '\n' || line[k] == '\r')
                line[k] = ' ';
        own->size += place->size + 1;
        texts[guess].object.lines++;
    }
    return MQ_OK;
}

static int
compare_texts(const void *a, const void *b)
{
    const struct mq_bronze_object *x = &((const struct mq_bronze_text *)a)->object;
    const struct mq_bronze_object *y = &((const struct mq_bronze_text *)b)->object;
    return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->date, y->date);
}

enum mq_status
mq_bronze_judge(const struct mq_bronze_batch *batch, const struct mq_event_rules *rules,
                mq_bronze_seen_fn seen, void *context, struct mq_bronze_verdict *ret_verdict,
                struct mq_error *err)
{
    struct mq_bronze_verdict verdict = {0};
    struct judging j = {.batch = batch, .now_ms = rules->now_ms, .verdict = &verdict};
    mq_autofree int32_t *days = NULL;
    size_t day_count = 0;
    enum mq_status st =
        batch->holds_refusals ? sort_refusals(&j, err) : judge_all(&j, rules, seen, context, err);
    if (st == MQ_OK)
        st = find_days(batch, &days, &day_count, err);
    if (st == MQ_OK && day_count > 0)
        st = write_days(&j, days, day_count, err);
    if (st != MQ_OK) {
        mq_bronze_verdict_release(&verdict);
        return st;
    }
    for (size_t i = 0; i < verdict.text_count; i++) {
        struct mq_bronze_text *text = &verdict.texts[i];
        if (text->text == NULL) {
            text->text = text->own.data;
            text->size = text->own.size;
        }
        text->object.bytes = (int64_t)text->size;
        mq_sha256_of_bytes(text->text, text->size, text->object.sha256);
    }
    if (verdict.text_count > 1)
        qsort(verdict.texts, verdict.text_count, sizeof(*verdict.texts), compare_texts);
    *ret_verdict = verdict;
    return MQ_OK;
}

void
mq_bronze_verdict_release(struct mq_bronze_verdict *verdict)
{
    for (size_t i = 0; i < verdict->text_count; i++)
        mq_buffer_release(&verdict->texts[i].own);
    free(verdict->texts);
    *verdict = (struct mq_bronze_verdict){0};
}

enum mq_status
mq_bronze_record_make(const struct mq_bronze_batch *batch, const char digest[MQ_SHA256_HEX_SIZE],
                      const struct mq_event_rules *rules, const struct mq_bronze_verdict *verdict,
                      struct mq_bronze_record *ret_record, struct mq_error *err)
{
    struct mq_bronze_record record = {.partition = batch->partition,
                                      .first = batch->first,
                                      .end = batch->end,
                                      .count = (int64_t)batch->count,
                                      .lost = batch->lost,
                                      .skipped = verdict->skipped,
                                      .rules = *rules,
                                      .object_count = verdict->text_count};
    memcpy(record.topic, batch->topic, strlen(batch->topic) + 1);
    memcpy(record.sha256, digest, MQ_SHA256_HEX_SIZE);
    record.objects = calloc(verdict->text_count + 1, sizeof(*record.objects));
    if (record.objects == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a batch record");
    for (size_t i = 0; i < verdict->text_count; i++)
        record.objects[i] = verdict->texts[i].object;
    *ret_record = record;
    return MQ_OK;
}
