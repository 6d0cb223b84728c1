/**
 * Inside of http_server.h: a request and the server it belongs to, for http_request.c (a request's
 * life) and http_server.c (connections, starting, stopping) alone.
 */
#ifndef MQ_SERVE_HTTP_INSIDE_H
#define MQ_SERVE_HTTP_INSIDE_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "serve/http_acceptor.h"
#include "serve/http_body.h"
#include "serve/http_connections.h"
#include "serve/http_server.h"

#define MQ_HTTP_ANSWER_HEADERS_MAX 4
#define MQ_HTTP_HEADER_VALUE_SIZE 128
#define MQ_HTTP_REQUEST_ID_SIZE 65
/* How many statuses are counted, from MQ_HTTP_STATUS_LEAST on. */
#define MQ_HTTP_STATUS_LEAST 200
#define MQ_HTTP_STATUS_COUNT 400

enum mq_http_stage { STAGE_HEAD, STAGE_BODY, STAGE_DRAIN, STAGE_HANDED, STAGE_QUEUED };

struct mq_http_request {
    struct mq_http_server *server;
    struct MHD_Connection *connection;
    struct mq_connection_link *link;
    char *target;                      /* path and query as sent */
    const struct mq_http_route *route; /* NULL: none */
    struct mq_http_match match;
    enum mq_http_stage stage;
    bool gzip, deferred, counted;
    bool last; /* of its connection, which is closed behind the answer */
    double began_s;
    char id[MQ_HTTP_REQUEST_ID_SIZE];
    char method[16], path[128];
    struct mq_http_body body;
    size_t expected_bytes; /* of the body; 0: none, or unknown */
    int64_t drained_bytes;
    void *kept;
    /* the answer */
    int status;
    const char *type;
    char *answer;
    size_t answer_size;
    struct {
        const char *name;
        char value[MQ_HTTP_HEADER_VALUE_SIZE];
    } headers[MQ_HTTP_ANSWER_HEADERS_MAX];
    int header_count;
};

struct mq_http_server {
    const struct mq_http_options *options;
    struct MHD_Daemon *daemon;
    struct mq_http_acceptor *acceptor;
    struct mq_connections *connections;
    char *certificate, *key;
    uint64_t id_seed;
    _Atomic uint64_t id_next;
    struct mq_http_budget bodies;
    _Atomic int in_flight, entering, sleeping;
    _Atomic bool draining, closed;
    struct mq_histogram *seconds[MQ_HTTP_ROUTES_MAX + 1];
    _Atomic(struct mq_counter *) counts[MQ_HTTP_ROUTES_MAX + 1][MQ_HTTP_STATUS_COUNT];
};

/** libmicrohttpd's access handler. @param context the server  @param own the request */
enum MHD_Result mq_http_access(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *piece,
                               size_t *piece_size, void **own);

/** Count an answer that went out whole. */
void mq_http_count(struct mq_http_request *request, double seconds);
void mq_http_request_free(struct mq_http_request *request);

#endif
