#include "base/memory.h"
#include "serve/api_parts.h"

static const struct mq_http_outcome events_outcomes[] = {
    {202, "Every event is durable in the log.", "EventsAnswer"},
    {400, "The body is not gzip although the header says so, or the request is malformed.", NULL},
    {401, "No valid token.", NULL},
    {403, "The token lacks the scope.", NULL},
    {413,
     "The body, as sent or as expanded, is above the limit, or has more than 1,000 events. "
     "Nothing was taken.",
     NULL},
    {415, "Another Content-Type than application/json, or an unknown Content-Encoding.", NULL},
    {422,
     "Some events are refused, each with place and reason; the others are durable. Where the "
     "body is not JSON, nothing was taken and the answer has a single error.",
     "EventsAnswer"},
    {429, "The queue is full. Send the same again after Retry-After seconds.", NULL},
    {503,
     "The log did not acknowledge in time. Events without partition and offset may or may not "
     "be written: send them again; with an event_id they count once.",
     "EventsAnswer"},
    {0}};

static const struct mq_http_outcome health_outcomes[] = {{200, "The process lives.", "Status"},
                                                         {0}};

static const struct mq_http_outcome ready_outcomes[] = {
    {200, "Requests will be served.", "Status"},
    {503, "The event log does not answer, or the server is stopping.", NULL},
    {0}};

static const struct mq_http_outcome metrics_outcomes[] = {
    {200, "Counters in Prometheus' text form.", "text/plain"},
    {401, "No valid token, where /metrics needs one.", NULL},
    {403, "The token lacks the scope admin, where /metrics needs it.", NULL},
    {0}};

static const struct mq_http_outcome openapi_outcomes[] = {
    {200, "This description.", "application/json"}, {0}};

static const struct mq_http_route routes[] = {
    {.method = "POST",
     .path = "/v1/events",
     .name = "ingest_user_event",
     .summary = "Take user events",
     .help =
         "Takes one event, or an array of up to 1,000. The answer comes when the event log has "
         "made them durable, and tells partition and offset of each, in the order they were "
         "sent. An event with an `event_id` that its user sent lately is not written again: the "
         "answer tells where the first is. `Content-Encoding: gzip` is allowed.",
     .scope = MQ_SCOPE_EVENTS_WRITE,
     .body_schema = "Events",
     .outcomes = events_outcomes,
     .handle = mq_api_take_events},
    {.method = "GET",
     .path = "/healthz",
     .name = "health",
     .summary = "Whether the process lives",
     .help = "For liveness probes.",
     .outcomes = health_outcomes,
     .handle = mq_api_health},
    {.method = "GET",
     .path = "/readyz",
     .name = "ready",
     .summary = "Whether requests will be served",
     .help = "For readiness probes.",
     .outcomes = ready_outcomes,
     .handle = mq_api_ready},
    {.method = "GET",
     .path = "/metrics",
     .name = "metrics",
     .summary = "Counters for Prometheus",
     .help = "Open to all unless `serve.open_metrics` is off; then it needs the scope `admin`.",
     .scope = MQ_SCOPE_ADMIN,
     .outcomes = metrics_outcomes,
     .handle = mq_api_metrics},
    {.method = "GET",
     .path = "/openapi.json",
     .name = "openapi",
     .summary = "This description",
     .help = "OpenAPI 3.1.",
     .outcomes = openapi_outcomes,
     .handle = mq_api_openapi},
};

const struct mq_http_route *
mq_api_routes(size_t *ret_count)
{
    *ret_count = MQ_COUNT(routes);
    return routes;
}
