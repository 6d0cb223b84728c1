#include "base/memory.h"
#include "flow/hybrid_answers.h"
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

static const struct mq_http_outcome list_outcomes[] = {
    {200, "The list.", "Recommendations"},
    {400, "A parameter or the body is not as described.", NULL},
    {401, "No valid token.", NULL},
    {403, "The token lacks the scope.", NULL},
    {422, "The model was trained without this method.", NULL},
    {503, "No model serves yet, or the server is stopping.", NULL},
    {0}};

#define BODY_OUTCOMES(what, schema)                                                                \
    {200, what, schema}, {400, "The body is not as described.", NULL},                             \
        {401, "No valid token.", NULL}, {403, "The token lacks the scope.", NULL},                 \
        {413, "The body, as sent or as expanded, is above the limit.", NULL},                      \
        {415, "Another Content-Type than application/json, or an unknown Content-Encoding.",       \
         NULL},                                                                                    \
        {422, "The model was trained without this method.", NULL},                                 \
        {429, "Too much memory is in use by other requests.", NULL},                               \
        {503, "No model serves yet, or the server is stopping.", NULL},                            \
    {                                                                                              \
        0                                                                                          \
    }

static const struct mq_http_outcome rank_outcomes[] = {
    BODY_OUTCOMES("The films in order, best first.", "Ranking")};
static const struct mq_http_outcome session_outcomes[] = {
    BODY_OUTCOMES("The list.", "Recommendations")};

#define READ_OUTCOMES(what, schema)                                                                \
    {200, what, schema}, {400, "A parameter is not as described.", NULL},                          \
        {401, "No valid token.", NULL}, {403, "The token lacks the scope.", NULL},                 \
        {404, "There is no such thing.", NULL},                                                    \
        {422, "The model has nothing that answers this.", NULL},                                   \
    {                                                                                              \
        503, "No model serves yet, a store does not answer, or the server is stopping.", NULL      \
    }
/* Of routes that wait for a store. */
#define STORE_OUTCOME                                                                              \
    {                                                                                              \
        429, "Too many requests wait for a store; see Retry-After.", NULL                          \
    }

static const struct mq_http_outcome similar_outcomes[] = {READ_OUTCOMES("The films.", "Similar"),
                                                          {0}};
static const struct mq_http_outcome neighbours_outcomes[] = {
    READ_OUTCOMES("The users.", "Neighbours"), {0}};
static const struct mq_http_outcome item_outcomes[] = {READ_OUTCOMES("The film.", "Item"), {0}};
static const struct mq_http_outcome features_outcomes[] = {
    READ_OUTCOMES("The features.", "Features"), STORE_OUTCOME, {0}};
static const struct mq_http_outcome explain_outcomes[] = {READ_OUTCOMES("Why.", "Explanation"),
                                                          {0}};
static const struct mq_http_outcome models_outcomes[] = {
    READ_OUTCOMES("The models.", "Models"), STORE_OUTCOME, {0}};

static const struct mq_http_outcome reload_outcomes[] = {
    {200, "The new model serves.", "Reload"},
    {401, "No valid token.", NULL},
    {403, "The token lacks the scope.", NULL},
    {409, "Another reload is at work.", NULL},
    {422, "The new model was refused, for the reason given; the old one goes on.", NULL},
    STORE_OUTCOME,
    {503, "This server gives no recommendations, or is stopping.", NULL},
    {0}};

#define USER_ID                                                                                    \
    {                                                                                              \
        .name = "id", .in_path = true, .most = 512, .least = 1, .help = "A user's id.",            \
        .example = "1"                                                                             \
    }
#define ITEM_ID                                                                                    \
    {                                                                                              \
        .name = "id", .in_path = true, .most = 512, .least = 1, .help = "A film's id.",            \
        .example = "1"                                                                             \
    }
#define METHOD                                                                                     \
    {                                                                                              \
        .name = "method", .type = MQ_HTTP_CHOICE, .choices = MQ_METHOD_CHOICES,                    \
        .default_text = "hybrid", .help = "How films are scored."                                  \
    }
#define LANGUAGE                                                                                   \
    {                                                                                              \
        .name = "lang", .type = MQ_HTTP_CHOICE, .choices = "en|zh", .default_text = "en",          \
        .help = "Language of reasons."                                                             \
    }
#define COUNT(text, what)                                                                          \
    {                                                                                              \
        .name = "n", .type = MQ_HTTP_INT, .least = 1, .most = MQ_API_LIST_MAX,                     \
        .default_text = text, .help = what                                                         \
    }

static const struct mq_http_parameter list_parameters[] = {
    USER_ID,
    COUNT("20", "Films at most."),
    {.name = "offset",
     .type = MQ_HTTP_INT,
     .most = MQ_API_OFFSET_MAX,
     .default_text = "0",
     .help = "Films of the list that are passed over."},
    METHOD,
    {.name = "type",
     .type = MQ_HTTP_CHOICE,
     .choices = "movie|tv",
     .default_text = "movie",
     .help = "Films or series."},
    {.name = "explain",
     .type = MQ_HTTP_FLAG,
     .default_text = "false",
     .help = "Add reasons, the figures behind them, and traces."},
    {.name = "exclude", .help = "Ids of films that are left out, parted by commas."},
    {.name = "seed_items", .help = "Ids of films taken as just watched, parted by commas."},
    LANGUAGE,
    {0}};

static const struct mq_http_parameter similar_parameters[] = {
    ITEM_ID,
    COUNT("20", "Films at most."),
    {.name = "method",
     .type = MQ_HTTP_CHOICE,
     .choices = MQ_SIMILAR_CHOICES,
     .default_text = "item-based",
     .help = "How films are compared, by a method that the model was trained with."},
    {0}};

static const struct mq_http_parameter neighbours_parameters[] = {
    USER_ID, COUNT("20", "Users at most."), {0}};
static const struct mq_http_parameter item_parameters[] = {ITEM_ID, {0}};
static const struct mq_http_parameter features_parameters[] = {USER_ID, {0}};

static const struct mq_http_parameter explain_parameters[] = {
    {.name = "user", .required = true, .least = 1, .most = 512, .help = "A user's id."},
    {.name = "item", .required = true, .least = 1, .most = 512, .help = "A film's id."},
    METHOD,
    LANGUAGE,
    {0}};

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
     .path = "/v1/users/{id}/recommendations",
     .name = "recommend",
     .summary = "A user's list",
     .help =
         "Films in order, from the model and from what the user did since: a rating sent to "
         "`/v1/events` counts at the next request. A user of whom nothing is known gets what "
         "many rate now, with `cold_start` true. Ids of `seed_items` and `exclude` that are not "
         "known come back as `unknown`.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = list_outcomes,
     .handle = mq_api_recommend,
     .parameters = list_parameters},
    {.method = "POST",
     .path = "/v1/recommendations",
     .name = "recommend_session",
     .summary = "A list for a session, or for nobody known",
     .help = "The body tells what was watched, with or without ratings; no user need be stored. "
             "With a `user_id` it is added to what is known. Ids that are not known come back as "
             "`unknown`.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .body_schema = "SessionRequest",
     .outcomes = session_outcomes,
     .handle = mq_api_recommend_session},
    {.method = "POST",
     .path = "/v1/rank",
     .name = "rank",
     .summary = "Given films in order",
     .help = "Orders the candidates for a user of the model, for one who is told by `items`, or "
             "both. `score`, in [0, 1], is the place among these candidates, with the share of "
             "quality that lists have; `method_score` is the method's own, as `marquee score` "
             "prints it for the same history. Ids that the model does not know come back as "
             "`unknown`; of whom nothing "
             "is known the scores are those for anybody, with `cold_start` true and "
             "`method_score` null.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .body_schema = "RankRequest",
     .outcomes = rank_outcomes,
     .handle = mq_api_rank},
    {.method = "GET",
     .path = "/v1/users/{id}/neighbours",
     .name = "neighbours",
     .summary = "Users who rate alike",
     .help = "With how alike they are, and how many films both rated.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = neighbours_outcomes,
     .handle = mq_api_neighbours,
     .parameters = neighbours_parameters},
    {.method = "GET",
     .path = "/v1/users/{id}/features",
     .name = "user_features",
     .summary = "A user's features",
     .help = "As the last run wrote them to the feature store.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = features_outcomes,
     .handle = mq_api_features,
     .parameters = features_parameters},
    {.method = "GET",
     .path = "/v1/items/{id}",
     .name = "item",
     .summary = "A film",
     .help = "What the catalogue and the model know of it.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = item_outcomes,
     .handle = mq_api_item,
     .parameters = item_parameters},
    {.method = "GET",
     .path = "/v1/items/{id}/similar",
     .name = "similar",
     .summary = "Films like one",
     .help = "Of those that may be offered.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = similar_outcomes,
     .handle = mq_api_similar,
     .parameters = similar_parameters},
    {.method = "GET",
     .path = "/v1/explain",
     .name = "explain",
     .summary = "One film for one user",
     .help = "Whether it is in the user's list, at which place and why; or why it is not. With the "
             "predicted rating and what each method adds.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = explain_outcomes,
     .handle = mq_api_explain,
     .parameters = explain_parameters},
    {.method = "GET",
     .path = "/v1/models",
     .name = "models",
     .summary = "Models of the store",
     .help = "Newest first, which one is deployed, and which one this server answers with.",
     .scope = MQ_SCOPE_RECOMMEND_READ,
     .outcomes = models_outcomes,
     .handle = mq_api_models},
    {.method = "POST",
     .path = "/v1/reload",
     .name = "reload",
     .summary = "Take up the deployed model",
     .help = "The new model is read, checked and warmed beside the old one, and then put in its "
             "place; no request is dropped.",
     .scope = MQ_SCOPE_ADMIN,
     .outcomes = reload_outcomes,
     .handle = mq_api_reload_model},
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
