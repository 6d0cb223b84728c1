/*
 * A request's life, on the thread of its connection: libmicrohttpd calls mq_http_access when the
 * head is there (stage HEAD), for each piece of the body (BODY, or DRAIN where the answer is
 * decided already), at its end, and again after a deferred answer woke the connection (HANDED).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "format/json.h"
#include "serve/http_inside.h"

/* A body that is refused is read to its end up to so much, that the client gets to read the answer.
 */
#define DRAIN_BYTES ((int64_t)32 << 20)
#define JSON_TYPE "application/json"

/* ---- requests --------------------------------------------------------------------------- */

char *
mq_http_body(struct mq_http_request *request, size_t *ret_size)
{
    *ret_size = request->body.size;
    return request->body.bytes;
}

const struct mq_http_match *
mq_http_parameters(const struct mq_http_request *request)
{
    return &request->match;
}

const char *
mq_http_header(const struct mq_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *
mq_http_request_id(const struct mq_http_request *request)
{
    return request->id;
}

void
mq_http_keep(struct mq_http_request *request, void *block)
{
    free(request->kept);
    request->kept = block;
}

void
mq_http_defer(struct mq_http_request *request)
{
    request->deferred = true;
    atomic_fetch_add(&request->server->sleeping, 1);
    MHD_suspend_connection(request->connection);
}

void
mq_http_add_header(struct mq_http_request *request, const char *name, const char *value)
{
    if (request->header_count == MQ_HTTP_ANSWER_HEADERS_MAX)
        return;
    request->headers[request->header_count].name = name;
    snprintf(request->headers[request->header_count].value, MQ_HTTP_HEADER_VALUE_SIZE, "%s", value);
    request->header_count++;
}

void
mq_http_answer(struct mq_http_request *request, int status, const char *type, char *body,
               size_t size)
{
    free(request->answer);
    request->status = status;
    request->type = type;
    request->answer = body;
    request->answer_size = body != NULL ? size : 0;
    if (request->deferred) {
        struct mq_http_server *server = request->server;
        MHD_resume_connection(request->connection); /* the request may be gone now */
        atomic_fetch_sub(&server->sleeping, 1);
    }
}

void
mq_http_answer_error(struct mq_http_request *request, int status, const char *code,
                     const char *format, ...)
{
    char message[MQ_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct mq_buffer text = {0};
    enum mq_status st =
        mq_buffer_printf(&text, NULL, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    if (st == MQ_OK)
        st = mq_json_quote(message, strlen(message), &text, NULL);
    if (st == MQ_OK)
        st = mq_buffer_printf(&text, NULL, ",\"request_id\":\"%s\"}}\n", request->id);
    if (status >= 500)
        mq_log(MQ_LOG_ERROR, "request %s: %s %s: %d: %s", request->id, request->method,
               request->path, status, message);
    size_t size = text.size;
    char *body = st == MQ_OK ? mq_buffer_take(&text) : NULL;
    mq_buffer_release(&text);
    mq_http_answer(request, status, JSON_TYPE, body, size);
}

static size_t
route_index(const struct mq_http_request *request)
{
    const struct mq_http_options *options = request->server->options;
    return request->route != NULL ? (size_t)(request->route - options->routes)
                                  : options->route_count;
}

void
mq_http_count(struct mq_http_request *request, double seconds)
{
    struct mq_http_server *server = request->server;
    size_t at = route_index(request);
    const char *path = request->route != NULL ? request->route->path : "other";
    int status = request->status - MQ_HTTP_STATUS_LEAST;
    if (status < 0 || status >= MQ_HTTP_STATUS_COUNT)
        return;
    struct mq_counter *counter = atomic_load(&server->counts[at][status]);
    if (counter == NULL) {
        char code[16];
        snprintf(code, sizeof(code), "%d", request->status);
        const char *const labels[] = {"path", path, "status", code, NULL};
        counter = mq_metrics_counter(server->options->metrics, "marquee_http_requests_total",
                                     "Answered requests.", labels);
        atomic_store(&server->counts[at][status], counter);
    }
    mq_counter_add(counter, 1);
    mq_histogram_observe(server->seconds[at], seconds);
}

void
mq_http_request_free(struct mq_http_request *request)
{
    mq_http_body_release(&request->body, &request->server->bodies);
    mq_http_match_release(&request->match);
    free(request->target);
    free(request->kept);
    free(request->answer);
    free(request);
}

/* ---- bodies ----------------------------------------------------------------------------- */

static bool
is_json_type(const char *type)
{
    size_t n = strlen(JSON_TYPE);
    return strncasecmp(type, JSON_TYPE, n) == 0 &&
           (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* Answer that there is no room for a body, which is let go. */
static void
refuse_body(struct mq_http_request *request, enum mq_status st, const struct mq_error *error)
{
    if (st == MQ_E_NOMEM)
        mq_http_add_header(request, "Retry-After", "1");
    mq_http_answer_error(request,
                         st == MQ_E_RANGE    ? 413
                         : st == MQ_E_FORMAT ? 400
                                             : 429,
                         st == MQ_E_RANGE    ? "body-too-large"
                         : st == MQ_E_FORMAT ? "bad-encoding"
                                             : "busy",
                         "%s", error->message);
    mq_http_body_release(&request->body, &request->server->bodies);
}

/* Room for `extra` more bytes of body; without it the request has an answer. */
static bool
reserve_body(struct mq_http_request *request, size_t extra)
{
    struct mq_error error = {0};
    enum mq_status st = mq_http_body_reserve(&request->body, &request->server->bodies, extra,
                                             request->expected_bytes, &error);
    if (st != MQ_OK)
        refuse_body(request, st, &error);
    return st == MQ_OK;
}

bool
mq_http_account(struct mq_http_request *request, size_t bytes)
{
    struct mq_error error = {0};
    enum mq_status st =
        mq_http_body_account(&request->body, &request->server->bodies, bytes, &error);
    if (st != MQ_OK)
        refuse_body(request, st, &error);
    return st == MQ_OK;
}

static void
expand_body(struct mq_http_request *request)
{
    struct mq_error error = {0};
    enum mq_status st = mq_http_body_expand(&request->body, &request->server->bodies, &error);
    if (st != MQ_OK)
        refuse_body(request, st, &error);
}

/* ---- heads ------------------------------------------------------------------------------ */

/* Find the route and take its parameters. @return false with *ret_refusal */
static bool
find_route(struct mq_http_request *request, const char *method, struct mq_http_refusal *ret_refusal)
{
    const struct mq_http_options *options = request->server->options;
    bool found = mq_http_route_match(options->routes, options->route_count, method,
                                     request->target != NULL ? request->target : "",
                                     &request->match, ret_refusal);
    request->route = request->match.route;
    return found;
}

static void
answer_refusal(struct mq_http_request *request, const struct mq_http_refusal *refusal)
{
    if (refusal->status == 405)
        mq_http_add_header(request, "Allow", refusal->allow);
    mq_http_answer_error(request, refusal->status, refusal->code, "%s", refusal->message);
}

static void
check_scope(struct mq_http_request *request)
{
    const struct mq_http_options *options = request->server->options;
    uint32_t scope = request->route->scope;
    if (scope == 0)
        return;
    int status =
        options->authorise(options->context, mq_http_header(request, "Authorization"), scope);
    if (status == 401) {
        mq_http_add_header(request, "WWW-Authenticate", "Bearer realm=\"marquee\"");
        mq_http_answer_error(request, 401, "unauthorised",
                             "a valid token is needed: Authorization: Bearer TOKEN");
    } else if (status == 403) {
        mq_http_answer_error(request, 403, "forbidden", "the token lacks the scope of this path");
    }
}

static void
check_body_headers(struct mq_http_request *request)
{
    const char *type = mq_http_header(request, "Content-Type");
    const char *coding = mq_http_header(request, "Content-Encoding");
    if (request->route->body_schema == NULL)
        return;
    if (type == NULL || !is_json_type(type)) {
        mq_http_answer_error(request, 415, "unsupported-type",
                             "Content-Type is %s (allowed: application/json)",
                             type != NULL ? type : "missing");
        return;
    }
    request->gzip = coding != NULL && strcasecmp(coding, "gzip") == 0;
    if (coding != NULL && !request->gzip && strcasecmp(coding, "identity") != 0) {
        mq_http_add_header(request, "Accept-Encoding", "gzip, identity");
        mq_http_answer_error(request, 415, "unsupported-encoding",
                             "Content-Encoding is %s (allowed: gzip, identity)", coding);
    }
}

/* Ids that a client chose are taken over where they cannot garble a log or a header. */
static void
choose_id(struct mq_http_request *request)
{
    const char *given = mq_http_header(request, "X-Request-Id");
    size_t n = given != NULL ? strlen(given) : 0;
    bool usable = n >= 1 && n < MQ_HTTP_REQUEST_ID_SIZE;
    for (size_t i = 0; usable && i < n; i++)
        usable = (given[i] >= '0' && given[i] <= '9') || (given[i] >= 'a' && given[i] <= 'z') ||
                 (given[i] >= 'A' && given[i] <= 'Z') || strchr("._-", given[i]) != NULL;
    if (usable)
        memcpy(request->id, given, n + 1);
    else
        snprintf(request->id, sizeof(request->id), "%08llx-%06llx",
                 (unsigned long long)request->server->id_seed,
                 (unsigned long long)atomic_fetch_add(&request->server->id_next, 1));
}

static void
check_head_size(struct mq_http_request *request)
{
    size_t most = request->server->options->head_bytes;
    size_t target = request->target != NULL ? strlen(request->target) : 0;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t head = info != NULL ? info->header_size : 0;
    if (target > most / 2)
        mq_http_answer_error(request, 414, "target-too-long",
                             "path and query have %zu bytes (allowed: up to %zu)", target,
                             most / 2);
    else if (head > most)
        mq_http_answer_error(request, 431, "head-too-large",
                             "the request's head has %zu bytes (allowed: up to %zu)", head, most);
}

/* How the head says where the body ends. */
struct framing {
    int lengths, codings; /* headers */
    bool chunked;
    int64_t length; /* -1: chunked */
};

static enum MHD_Result
see_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct framing *framing = context;
    if (strcasecmp(name, "Content-Length") == 0) {
        framing->lengths++;
        framing->length = value != NULL ? strtoll(value, NULL, 10) : 0;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->codings++;
        framing->chunked = value != NULL && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

/* A proxy may take a head that says it in two ways for other than we do, and then what follows for
 * a request of somebody else (RFC 9112, 6.3): refused, and the connection ends. */
static struct framing
check_framing(struct mq_http_request *request)
{
    struct framing framing = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, see_header, &framing);
    const char *wrong = framing.lengths > 1   ? "two Content-Length headers"
                        : framing.codings > 1 ? "two Transfer-Encoding headers"
                        : framing.codings > 0 && framing.lengths > 0 ? "Content-Length beside "
                                                                       "Transfer-Encoding"
                        : framing.codings > 0 && !framing.chunked    ? "a Transfer-Encoding other "
                                                                       "than chunked"
                                                                     : NULL;
    if (framing.codings > 0)
        framing.length = -1;
    if (wrong != NULL) {
        request->last = true;
        mq_http_answer_error(request, 400, "bad-framing", "the request has %s", wrong);
    }
    return framing;
}

static enum MHD_Result queue_answer(struct mq_http_request *request);

static enum MHD_Result
begin_request(struct mq_http_request *request, const char *url, const char *method)
{
    struct mq_http_server *server = request->server;
    atomic_fetch_add(&server->in_flight, 1);
    request->counted = true;
    snprintf(request->method, sizeof(request->method), "%s", method);
    snprintf(request->path, sizeof(request->path), "%s", url);
    choose_id(request);
    struct framing framing = check_framing(request);
    if (request->last)
        return queue_answer(request);
    check_head_size(request);
    if (request->status == 0 && atomic_load(&server->closed))
        mq_http_answer_error(request, 503, "stopping", "the server is stopping");
    struct mq_http_refusal refusal;
    bool found = request->status == 0 && find_route(request, method, &refusal);
    if (request->status == 0 && request->route != NULL) /* before its parameters are told of */
        check_scope(request);
    if (request->status == 0 && !found)
        answer_refusal(request, &refusal);
    if (request->status == 0)
        check_body_headers(request);
    int64_t length = framing.length;
    request->expected_bytes = length > 0 ? (size_t)length : 0;
    if (request->status == 0) /* too large is told at once, room is given as the bytes come */
        (void)reserve_body(request, 0);
    if (request->status == 0) {
        request->stage = STAGE_BODY;
        return MHD_YES;
    }
    /* Even a client that waits for "100 Continue" may begin to send before it has the answer, and
     * would lose it then: whatever can be drained is. */
    if (length > DRAIN_BYTES)
        return queue_answer(request);
    request->stage = STAGE_DRAIN;
    return MHD_YES;
}

static enum MHD_Result
take_piece(struct mq_http_request *request, const char *bytes, size_t *size)
{
    size_t n = *size;
    *size = 0;
    if (request->stage == STAGE_BODY && request->route->body_schema != NULL) {
        if (reserve_body(request, n)) {
            memcpy(request->body.bytes + request->body.size, bytes, n);
            request->body.size += n;
            return MHD_YES;
        }
        request->stage = STAGE_DRAIN;
    }
    request->drained_bytes += (int64_t)n;
    return request->drained_bytes <= DRAIN_BYTES ? MHD_YES : MHD_NO;
}

/* ---- answers ---------------------------------------------------------------------------- */

static enum MHD_Result
queue_answer(struct mq_http_request *request)
{
    static char nothing[] = "";
    struct mq_http_server *server = request->server;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        request->answer_size, request->answer != NULL ? request->answer : nothing,
        request->answer != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    request->answer = NULL;
    request->stage = STAGE_QUEUED;
    /* The client may take its time: from here on the answer counts in place of the body. */
    mq_http_body_release(&request->body, &server->bodies);
    mq_http_answer_charge(&request->body, &server->bodies, request->answer_size);
    if (request->type != NULL)
        MHD_add_response_header(response, "Content-Type", request->type);
    MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    for (int i = 0; i < request->header_count; i++)
        MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
    if (request->last || atomic_load(&server->draining))
        MHD_add_response_header(response, "Connection", "close");
    mq_connection_allow(request->link, server->options->request_ms);
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
finish_request(struct mq_http_request *request)
{
    struct mq_http_server *server = request->server;
    if (request->stage == STAGE_BODY && request->gzip)
        expand_body(request);
    /* Stopping closes the door and then waits for those inside: nobody defers behind its back. */
    atomic_fetch_add(&server->entering, 1);
    if (request->status == 0 && atomic_load(&server->closed))
        mq_http_answer_error(request, 503, "stopping", "the server is stopping");
    if (request->status == 0) {
        request->stage = STAGE_HANDED;
        mq_connection_allow(request->link, 0);
        request->route->handle(request, server->options->context);
    }
    atomic_fetch_sub(&server->entering, 1);
    /* A deferred one may be answered already, but is seen again by this thread only. */
    if (request->deferred)
        return MHD_YES;
    if (request->status == 0)
        mq_http_answer_error(request, 500, "internal", "the path gave no answer");
    return queue_answer(request);
}

enum MHD_Result
mq_http_access(void *context, struct MHD_Connection *connection, const char *url,
               const char *method, const char *version, const char *piece, size_t *piece_size,
               void **own)
{
    (void)context, (void)version, (void)connection;
    struct mq_http_request *request = *own;
    if (request == NULL)
        return MHD_NO;
    if (request->stage == STAGE_HEAD)
        return begin_request(request, url, method);
    if (*piece_size > 0)
        return take_piece(request, piece, piece_size);
    if (request->stage == STAGE_HANDED)
        return queue_answer(request);
    return finish_request(request);
}
