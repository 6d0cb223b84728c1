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
#include "serve/refused_events.h"
#include "serve/tokens.h"
#include "store/event_log.h"

/** Most events of one request. */
#define MQ_API_EVENTS_MAX 1000

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

/** GET /healthz, /readyz, /metrics, /openapi.json (service_api.c). */
void mq_api_health(struct mq_http_request *request, void *api);
void mq_api_ready(struct mq_http_request *request, void *api);
void mq_api_metrics(struct mq_http_request *request, void *api);
void mq_api_openapi(struct mq_http_request *request, void *api);

#endif
