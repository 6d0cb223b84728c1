/*
 * POST /v1/events. The body is checked as a whole before anything is written: bytes that are not
 * JSON write nothing. Of events that are JSON the good ones are written, from the body's own
 * memory; the bad ones are told with place and reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/json.h"
#include "serve/api_parts.h"

#define JSON_TYPE "application/json"
/* Ids that had to be decoded: at most 512 bytes each. */
#define KEYS_MAX ((size_t)1 << 20)

/* One event of a request, in the order it came. */
struct outcome {
    int32_t written;                /* index in `produced`, also that of a repeat; -1: refused */
    uint32_t refusal, refusal_size; /* its text in `refusals` */
};

struct taking {
    struct mq_intake_job job;
    struct mq_http_request *request;
    struct mq_api *api;
    struct mq_event_rules rules;
    double now_s; /* monotonic */
    bool is_array;
    size_t count, room; /* outcomes */
    size_t refused;
    uint16_t kinds[MQ_EVENT_KINDS]; /* good ones */
    struct outcome *outcomes;       /* [room] */
    struct mq_new_event *events;    /* [room], job.count used */
    uint64_t *claims;               /* [room] of the events' ids, as serve/event_ids.h has them */
    /* [room]: job.count of the events, and at the end those of repeats, which are written already
     * or being written by another request */
    struct mq_produced *produced;
    size_t repeated, pending;
    struct mq_arena keys;      /* copies of ids that are not in the body */
    struct mq_buffer refusals; /* JSON of each refusal */
    bool no_memory;
};

void
mq_api_event_metrics(struct mq_api *api)
{
    for (int i = 0; i < MQ_EVENT_FAULTS; i++) {
        const char *const labels[] = {"reason", mq_event_fault_name((enum mq_event_fault)i), NULL};
        api->refused[i] = mq_metrics_counter(api->metrics, "marquee_events_refused_total",
                                             "Events that the API refused.", labels);
    }
    for (int i = 0; i < MQ_EVENT_KINDS; i++) {
        const char *const labels[] = {"event_type", mq_event_kind_name((enum mq_event_kind)i),
                                      NULL};
        api->taken[i] =
            mq_metrics_counter(api->metrics, "marquee_events_accepted_total",
                               "Events that were well formed and queued for the log.", labels);
    }
    api->repeated = mq_metrics_counter(api->metrics, "marquee_events_repeated_total",
                                       "Events not written again: their event_id was known.", NULL);
}

static void
settle_ids(const struct taking *t, const struct mq_produced *produced)
{
    if (t->api->event_ids != NULL)
        mq_event_ids_settle(t->api->event_ids, t->claims, produced, t->job.count);
}

static void
free_taking(struct taking *t)
{
    mq_arena_release(&t->keys);
    mq_buffer_release(&t->refusals);
    free(t);
}

/* Nothing was written. */
static void
give_up_taking(struct taking *t)
{
    settle_ids(t, NULL);
    free_taking(t);
}

/* Header and the four arrays in one block. @return NULL after an answer */
static struct taking *
new_taking(struct mq_api *api, struct mq_http_request *request, bool is_array, size_t room)
{
    size_t each = sizeof(struct outcome) + sizeof(struct mq_new_event) + sizeof(uint64_t) +
                  sizeof(struct mq_produced);
    size_t size = sizeof(struct taking) + room * each;
    if (!mq_http_account(request, size))
        return NULL;
    struct taking *t = malloc(size);
    if (t == NULL) {
        mq_http_answer_error(request, 503, "no-memory", "no memory for the request");
        return NULL;
    }
    *t = (struct taking){.api = api, .request = request, .is_array = is_array, .room = room};
    t->events = (struct mq_new_event *)(t + 1);
    t->claims = (uint64_t *)(t->events + room);
    t->produced = (struct mq_produced *)(t->claims + room);
    t->outcomes = (struct outcome *)(t->produced + room);
    mq_arena_init(&t->keys, KEYS_MAX);
    return t;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Refused: counted, and kept with the reason. */
static void
note_refusal(const struct taking *t, const struct mq_event_refusal *refusal, const char *bytes,
             size_t size)
{
    mq_counter_add(t->api->refused[refusal->fault], 1);
    mq_refused_events_add(t->api->refused_events, mq_http_request_id(t->request), t->rules.now_ms,
                          refusal, bytes, size);
}

/* {"error": {"code": …, "place": "/3/rating", "message": …}}: place is a JSON pointer. */
static void
write_refusal(struct taking *t, const struct mq_event_refusal *refusal, const char *bytes,
              size_t size)
{
    size_t index = t->count;
    const char *field = mq_event_field_name(refusal->field);
    char place[64];
    int n = t->is_array ? snprintf(place, sizeof(place), "/%zu", index) : 0;
    snprintf(place + n, sizeof(place) - (size_t)n, "%s%s", field != NULL ? "/" : "",
             field != NULL ? field : "");
    size_t begin = t->refusals.size;
    enum mq_status st = mq_buffer_printf(
        &t->refusals, NULL, "{\"error\":{\"code\":\"%s\",\"place\":\"%s\",\"message\":",
        mq_event_fault_name(refusal->fault), place);
    if (st == MQ_OK)
        st = mq_json_quote(refusal->reason, strlen(refusal->reason), &t->refusals, NULL);
    if (st == MQ_OK)
        st = mq_buffer_append_text(&t->refusals, "}}", NULL);
    t->no_memory |= st != MQ_OK;
    t->outcomes[t->count++] =
        (struct outcome){-1, (uint32_t)begin, (uint32_t)(t->refusals.size - begin)};
    t->refused++;
    note_refusal(t, refusal, bytes, size);
}

/* Claim an event's id. @return false: it is a repeat, whose outcome has been noted */
static bool
claim_id(struct taking *t, const struct mq_user_event *event)
{
    uint64_t *claim = &t->claims[t->job.count];
    *claim = 0;
    if (t->api->event_ids == NULL || !mq_user_event_has(event, MQ_EVENT_FIELD_event_id))
        return true;
    struct mq_event_id id =
        mq_event_ids_claim(t->api->event_ids, event->user_id.bytes, event->user_id.size,
                           event->event_id.bytes, event->event_id.size, t, t->job.count, t->now_s);
    *claim = id.claim;
    if (id.state == MQ_EVENT_ID_NEW)
        return true;
    mq_counter_add(t->api->repeated, 1);
    if (id.state == MQ_EVENT_ID_CLAIMED && id.by == t) { /* twice in this request */
        t->outcomes[t->count++] = (struct outcome){(int32_t)id.number, 0, 0};
        return false;
    }
    bool is_written = id.state == MQ_EVENT_ID_WRITTEN;
    size_t place = t->room - ++t->repeated;
    t->produced[place] = is_written ? (struct mq_produced){MQ_OK, id.partition, id.offset}
                                    : (struct mq_produced){MQ_E_TIMEOUT, -1, -1};
    t->pending += !is_written;
    t->outcomes[t->count++] = (struct outcome){(int32_t)place, 0, 0};
    return false;
}

static void
add_event(struct taking *t, char *bytes, const struct mq_user_event *event)
{
    if (!claim_id(t, event))
        return;
    const char *key = event->user_id.bytes;
    if (key >= event->scratch && key < event->scratch + sizeof(event->scratch))
        key = mq_arena_copy(&t->keys, key, event->user_id.size);
    t->no_memory |= key == NULL;
    /* One event, one line, in every file that it will come to. */
    for (size_t i = event->begin; event->has_line_ends && i < event->end; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r')
            bytes[i] = ' ';
    t->outcomes[t->count++] = (struct outcome){(int32_t)t->job.count, 0, 0};
    t->events[t->job.count++] = (struct mq_new_event){
        key, event->user_id.size, bytes + event->begin, event->end - event->begin};
    t->kinds[event->kind]++;
}

static size_t
skip_blanks(const char *body, size_t at, size_t size)
{
    while (at < size &&
           (body[at] == ' ' || body[at] == '\n' || body[at] == '\r' || body[at] == '\t'))
        at++;
    return at;
}

/* The body is no JSON: nothing is taken. @param refusal its offset is that in the body */
static void
answer_not_json(struct taking *t, const struct mq_event_refusal *refusal, const char *body,
                size_t size)
{
    note_refusal(t, refusal, body, size);
    mq_http_answer_error(t->request, 422, mq_event_fault_name(refusal->fault),
                         "byte %zu of the body: %s; nothing was taken", refusal->offset,
                         refusal->reason);
}

static void
answer_not_due(struct taking *t, size_t at, const char *reason, const char *body, size_t size)
{
    struct mq_event_refusal refusal = {MQ_EVENT_NOT_JSON, MQ_EVENT_FIELDS, at, ""};
    snprintf(refusal.reason, sizeof(refusal.reason), "not JSON: %s", reason);
    answer_not_json(t, &refusal, body, size);
}

/* @return false after an answer */
static bool
read_event(struct taking *t, char *body, size_t size, size_t *at, struct mq_user_event *event)
{
    struct mq_event_refusal refusal;
    enum mq_status st = mq_user_event_scan(body + *at, size - *at, &t->rules, event, &refusal);
    if (st == MQ_E_FORMAT) {
        refusal.offset += *at;
        answer_not_json(t, &refusal, body, size);
        return false;
    }
    if (st == MQ_OK) {
        add_event(t, body + *at, event);
    } else {
        refusal.offset -= MQ_MIN(refusal.offset, event->begin); /* in the event alone */
        write_refusal(t, &refusal, body + *at + event->begin, event->end - event->begin);
    }
    *at += event->end;
    return true;
}

static bool
read_array(struct taking *t, char *body, size_t size, size_t at, struct mq_user_event *event)
{
    at = skip_blanks(body, at + 1, size);
    if (at < size && body[at] == ']') {
        mq_http_answer_error(t->request, 422, "no-events", "the array is empty");
        return false;
    }
    for (;;) {
        if (t->count == t->room) {
            mq_http_answer_error(t->request, 413, "too-many-events",
                                 "the array has more than %d events; nothing was taken",
                                 MQ_API_EVENTS_MAX);
            return false;
        }
        if (!read_event(t, body, size, &at, event))
            return false;
        at = skip_blanks(body, at, size);
        if (at >= size || (body[at] != ',' && body[at] != ']')) {
            answer_not_due(t, at, "',' or ']' is due", body, size);
            return false;
        }
        if (body[at++] == ']')
            break;
    }
    at = skip_blanks(body, at, size);
    if (at < size)
        answer_not_due(t, at, "the end is due", body, size);
    return at == size;
}

static bool
read_single(struct taking *t, char *body, size_t size, struct mq_user_event *event)
{
    size_t at = 0;
    if (!read_event(t, body, size, &at, event))
        return false;
    at = skip_blanks(body, at, size);
    if (at < size)
        answer_not_due(t, at, "the end is due", body, size);
    return at == size;
}

/* ---- answering -------------------------------------------------------------------------- */

static char *
put_number(char *p, int64_t value)
{
    char digits[20];
    int n = 0;
    if (value < 0) {
        *p++ = '-';
        value = -value;
    }
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

static char *
put_text(char *p, const char *text)
{
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

#define WRITTEN_MOST 80

/* {"partition":0,"offset":17}, or why not */
static char *
put_written(char *p, const struct mq_produced *produced)
{
    if (produced->status != MQ_OK) {
        p = put_text(p, "{\"error\":{\"code\":\"not-acknowledged\",\"message\":\"");
        p = put_text(p, mq_status_name(produced->status));
        return put_text(p, "\"}}");
    }
    p = put_text(p, "{\"partition\":");
    p = put_number(p, produced->partition);
    p = put_text(p, ",\"offset\":");
    p = put_number(p, produced->offset);
    return put_text(p, "}");
}

/* All outcomes in the order of the request. @return false: no memory */
static bool
write_outcomes(const struct taking *t, size_t taken, struct mq_buffer *text)
{
    char *p;
    if (mq_buffer_printf(text, NULL, "\"taken\":%zu,\"refused\":%zu,\"events\":[", taken,
                         t->refused) != MQ_OK ||
        mq_buffer_reserve(text, t->count * (WRITTEN_MOST + 1) + t->refusals.size + 4, NULL) !=
            MQ_OK)
        return false;
    p = text->data + text->size;
    for (size_t i = 0; i < t->count; i++) {
        const struct outcome *outcome = &t->outcomes[i];
        if (i > 0)
            *p++ = ',';
        if (outcome->written >= 0) {
            p = put_written(p, &t->produced[outcome->written]);
        } else {
            memcpy(p, t->refusals.data + outcome->refusal, outcome->refusal_size);
            p += outcome->refusal_size;
        }
    }
    p = put_text(p, "]}\n");
    *p = '\0';
    text->size = (size_t)(p - text->data);
    return true;
}

/* The answer, when every event's outcome is known; frees. */
static void
answer(struct taking *t, enum mq_status status, const struct mq_error *error)
{
    struct mq_http_request *request = t->request;
    struct mq_buffer text = {0};
    size_t taken = 0;
    struct mq_error own;
    settle_ids(t, t->produced);
    for (size_t i = 0; i < t->count; i++)
        taken += t->outcomes[i].written >= 0 && t->produced[t->outcomes[i].written].status == MQ_OK;
    if (status == MQ_OK && t->pending > 0) {
        status = mq_fail(&own, MQ_E_TIMEOUT,
                         "%zu events are being written for an earlier request with their event_id",
                         t->pending);
        error = &own;
    }
    int code = status != MQ_OK ? 503 : t->refused > 0 ? 422 : 202;
    bool done = mq_buffer_append_char(&text, '{', NULL) == MQ_OK;
    if (done && code == 503) {
        const char *why =
            error != NULL && error->message[0] != '\0' ? error->message : mq_status_name(status);
        done = mq_buffer_append_text(
                   &text, "\"error\":{\"code\":\"not-acknowledged\",\"message\":", NULL) == MQ_OK &&
               mq_json_quote(why, strlen(why), &text, NULL) == MQ_OK &&
               mq_buffer_printf(&text, NULL, ",\"request_id\":\"%s\"},",
                                mq_http_request_id(request)) == MQ_OK;
        mq_http_add_header(request, "Retry-After", "1");
        mq_log(MQ_LOG_ERROR, "request %s: %zu events not acknowledged: %s",
               mq_http_request_id(request), t->count - t->refused - taken, why);
    }
    done = done && write_outcomes(t, taken, &text);
    size_t size = text.size;
    char *body = done ? mq_buffer_take(&text) : NULL;
    mq_buffer_release(&text);
    free_taking(t);
    /* Without memory for the answer the status still tells what happened. */
    mq_http_answer(request, code, JSON_TYPE, body, size);
}

static void
written(struct mq_intake_job *job, enum mq_status status, const struct mq_error *error)
{
    answer((struct taking *)job->context, status, error);
}

void
mq_api_take_events(struct mq_http_request *request, void *context)
{
    struct mq_api *api = context;
    size_t size;
    char *body = mq_http_body(request, &size);
    size_t at = skip_blanks(body, 0, size);
    bool is_array = at < size && body[at] == '[';
    struct taking *t = new_taking(api, request, is_array,
                                  is_array ? MQ_MIN((size_t)MQ_API_EVENTS_MAX, size / 2 + 1) : 1);
    if (t == NULL)
        return;
    struct mq_user_event event;
    t->rules = api->rules;
    t->rules.now_ms = mq_clock_now_ms();
    t->now_s = mq_clock_monotonic_s();
    bool whole =
        is_array ? read_array(t, body, size, at, &event) : read_single(t, body, size, &event);
    if (whole && t->no_memory) {
        mq_http_answer_error(request, 503, "no-memory", "no memory for the request");
        whole = false;
    }
    /* Bad events may say much more than the request did, and wait with the good ones. */
    if (whole && t->job.count > 0)
        whole = mq_http_account(request, t->refusals.capacity);
    if (!whole) {
        give_up_taking(t);
        return;
    }
    if (t->job.count == 0) {
        answer(t, MQ_OK, NULL);
        return;
    }
    t->job.events = t->events;
    t->job.produced = t->produced;
    t->job.done = written;
    t->job.context = t;
    uint16_t kinds[MQ_EVENT_KINDS]; /* once it is put, t may be gone */
    memcpy(kinds, t->kinds, sizeof(kinds));
    mq_http_defer(request);
    if (!mq_intake_put(api->intake, &t->job)) {
        give_up_taking(t);
        mq_http_add_header(request, "Retry-After", "1");
        mq_http_answer_error(request, 429, "queue-full",
                             "too many events wait to be written; send these again later");
        return;
    }
    for (int i = 0; i < MQ_EVENT_KINDS; i++)
        mq_counter_add(api->taken[i], kinds[i]);
}
