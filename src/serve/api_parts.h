/** What the routes of the API share; only src/serve includes this. */
#ifndef MQ_SERVE_API_PARTS_H
#define MQ_SERVE_API_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "config/options.h"
#include "data/event.h"
#include "serve/event_ids.h"
#include "serve/event_intake.h"
#include "serve/http_server.h"
#include "serve/live_ratings.h"
#include "serve/refused_events.h"
#include "serve/served_model.h"
#include "serve/tokens.h"
#include "store/event_log.h"
#include "store/feature_store.h"

/** Most events of one request. */
#define MQ_API_EVENTS_MAX 1000
/** Most rated films, and candidates, of one request; longest list, and how far into it. */
#define MQ_API_RATED_MAX 1000
#define MQ_API_CANDIDATES_MAX 10000
#define MQ_API_LIST_MAX 1000
#define MQ_API_OFFSET_MAX 100000
/** Requests that wait for a store at a time. */
#define MQ_API_JOBS_MAX 64

struct mq_api {
    const struct mq_config *config;
    struct mq_metrics *metrics;
    struct mq_event_log *log;
    struct mq_intake *intake;
    struct mq_event_ids *event_ids;           /* NULL: none are remembered */
    struct mq_refused_events *refused_events; /* NULL: they are told the client alone */
    struct mq_listener listener;
    struct mq_http_options http_options;
    struct mq_http_server *http; /* of the thread that starts and stops; not for the routes */
    _Atomic bool stopping;
    struct mq_served_model *model; /* NULL: serve.recommend is off */
    struct mq_live_ratings *live;  /* NULL: lists know the model's ratings alone */
    pthread_mutex_t features_lock;
    struct mq_feature_store *features; /* opened when it is first asked for */
    char user_table[MQ_TABLE_NAME_MAX + 1];
    _Atomic int jobs;             /* threads of requests that wait for a store */
    struct mq_http_route *routes; /* mq_api_routes with the settings' scopes */
    char url[MQ_ADDRESS_SIZE + 16];
    pthread_rwlock_t tokens_lock;
    struct mq_tokens *tokens;    /* NULL: serve.no_auth */
    struct mq_event_rules rules; /* now_ms is set for each request */
    struct mq_counter *refused[MQ_EVENT_FAULTS];
    struct mq_counter *taken[MQ_EVENT_KINDS];
    struct mq_counter *repeated;
    char *description;
    size_t description_size;
};

/** The route table: routing, scopes and the OpenAPI description. */
const struct mq_http_route *mq_api_routes(size_t *ret_count);

/** The OpenAPI 3.1 description of a table (openapi.c). @return owned (free), NULL: no memory */
char *mq_api_description(const struct mq_http_route *routes, size_t count);

/** POST /v1/events (event_api.c). */
void mq_api_take_events(struct mq_http_request *request, void *api);
/** Counters of event_api.c, made once. */
void mq_api_event_metrics(struct mq_api *api);

/** GET /v1/users/{id}/recommendations, …: what the hybrid model answers (recommend_api.c). */
void mq_api_recommend(struct mq_http_request *request, void *api);
void mq_api_recommend_session(struct mq_http_request *request, void *api);
void mq_api_rank(struct mq_http_request *request, void *api);
void mq_api_similar(struct mq_http_request *request, void *api);
void mq_api_neighbours(struct mq_http_request *request, void *api);
void mq_api_item(struct mq_http_request *request, void *api);
void mq_api_explain(struct mq_http_request *request, void *api);

/** GET /v1/models, POST /v1/reload, GET /v1/users/{id}/features (model_api.c). */
void mq_api_models(struct mq_http_request *request, void *api);
void mq_api_reload_model(struct mq_http_request *request, void *api);
void mq_api_features(struct mq_http_request *request, void *api);

/** Take up the model that is deployed now. What it and the one before it both know is forgotten
 * among what came since. */
enum mq_status mq_api_take_model(struct mq_api *api, struct mq_exchange *ret_exchange,
                                 struct mq_error *err);

/** Answer with the error that a status stands for. */
void mq_api_answer_failure(struct mq_http_request *request, enum mq_status st,
                           const struct mq_error *error);

/** GET /healthz, /readyz, /metrics, /openapi.json (service_api.c). */
void mq_api_health(struct mq_http_request *request, void *api);
void mq_api_ready(struct mq_http_request *request, void *api);
void mq_api_metrics(struct mq_http_request *request, void *api);
void mq_api_openapi(struct mq_http_request *request, void *api);

#endif
