#include "serve/metrics_server.h"

#include <stdlib.h>

#include "base/memory.h"
#include "serve/http_server.h"
#include "serve/service_answers.h"

struct mq_metrics_server {
    struct mq_metrics *metrics;
    struct mq_listener listener;
    struct mq_http_options options;
    struct mq_http_server *http;
};

static void
show_metrics(struct mq_http_request *request, void *context)
{
    const struct mq_metrics_server *server = context;
    mq_answer_metrics(request, server->metrics);
}

static void
show_health(struct mq_http_request *request, void *context)
{
    (void)context;
    mq_answer_health(request);
}

static int
allow_all(void *context, const char *header, uint32_t scope)
{
    (void)context;
    (void)header;
    (void)scope;
    return 200;
}

static const struct mq_http_outcome outcomes[] = {{200, "ok", NULL}, {0}};
static const struct mq_http_route routes[] = {
    {.method = "GET",
     .path = "/metrics",
     .name = "metrics",
     .summary = "counters and gauges",
     .outcomes = outcomes,
     .handle = show_metrics},
    {.method = "GET",
     .path = "/healthz",
     .name = "health",
     .summary = "whether the process lives",
     .outcomes = outcomes,
     .handle = show_health},
};

enum mq_status
mq_metrics_server_start(const char *host, int port, struct mq_metrics *metrics,
                        struct mq_metrics_server **ret_server, struct mq_error *err)
{
    struct mq_metrics_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a server");
    server->metrics = metrics;
    enum mq_status st = mq_listener_open(host, port, &server->listener, err);
    if (st == MQ_OK) {
        server->options = (struct mq_http_options){.listener = &server->listener,
                                                   .threads = 1,
                                                   .connections_max = 64,
                                                   .head_bytes = 16 << 10,
                                                   .body_bytes = 1 << 10,
                                                   .bodies_bytes = 64 << 10,
                                                   .idle_ms = 60000,
                                                   .request_ms = 10000,
                                                   .stop_ms = 1000,
                                                   .routes = routes,
                                                   .route_count = MQ_COUNT(routes),
                                                   .context = server,
                                                   .authorise = allow_all,
                                                   .metrics = metrics};
        st = mq_http_server_start(&server->options, &server->http, err);
    }
    if (st != MQ_OK) {
        free(server);
        return st;
    }
    *ret_server = server;
    return MQ_OK;
}

const char *
mq_metrics_server_address(const struct mq_metrics_server *server)
{
    return server->listener.text;
}

void
mq_metrics_server_stop(struct mq_metrics_server *server)
{
    if (server == NULL)
        return;
    mq_http_server_stop(server->http);
    free(server);
}
