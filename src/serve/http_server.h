/**
 * HTTP/1.1: libmicrohttpd, wrapped once. Routes, limits, TLS, request bodies, answers, logs,
 * counts.
 *
 * A few threads serve all connections. A route's handler runs on one of them when the request is
 * whole; it answers at once, or defers: then the connection sleeps, without a thread, until another
 * thread answers.
 *
 * libmicrohttpd's traps, handled here: its time-out never ends a client that trickles
 * (http_connections.h); an early answer to an upload is lost by a reset of the connection (the body
 * is drained first, up to a bound); stopping with sleeping connections aborts the process (they are
 * waited for); and so may taking the listening socket from it (it never gets it:
 * http_acceptor.h). What it answers by itself has a body of its own in HTML, and no request id: 400
 * for a malformed head, 413 for a length it cannot hold, 414 and 431 for a head above four times
 * the limit (a connection's memory; only what is touched is used).
 *
 * A head that says in two ways where its body ends is refused with 400, and its connection closed:
 * a proxy in front might understand it otherwise.
 *
 * Errors are {"error": {"code": …, "message": …, "request_id": …}}. Every other answer
 * carries X-Request-Id: the client's own if it sent one of 1 to 64 letters, digits, '.', '_' and
 * '-'. Each request is a log line at debug; answers of 500 and above are logged as errors.
 *
 * Threads: server functions from one thread; answers from any.
 */
#ifndef MQ_SERVE_HTTP_SERVER_H
#define MQ_SERVE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "marquee/status.h"
#include "serve/http_listener.h"
#include "serve/http_route.h"

struct mq_http_server;

struct mq_http_options {
    const struct mq_listener *listener; /**< its descriptor is taken, also on failure */
    const char *certificate_path;       /**< PEM chain; NULL: no TLS */
    const char *key_path;               /**< PEM */
    int threads;                        /**< 0: one a processor */
    int connections_max;                /**< further ones wait to be accepted */
    int connections_per_address;        /**< further ones are closed; 0: no limit */
    size_t head_bytes;   /**< request line and headers: 414, 431; a line gets half of it */
    size_t body_bytes;   /**< largest body, as sent and as expanded: 413 */
    size_t bodies_bytes; /**< all bodies in memory together, as sent and expanded: 429; answers not
                            yet taken leave them less */
    int64_t idle_ms;     /**< longest wait for the next request */
    int64_t request_ms;  /**< longest time to send a request, or to take the answer */
    int64_t stop_ms;     /**< longest wait for requests in flight when stopping */
    const struct mq_http_route *routes;
    size_t route_count;
    void *context; /**< of the handlers and of authorise */
    /** May a request with this Authorization header (NULL: none) pass? @return 200, 401 or 403 */
    int (*authorise)(void *context, const char *header, uint32_t scope);
    struct mq_metrics *metrics;
};

/** Start. @param options borrowed while the server lives @return MQ_OK | MQ_E_CONFIG | MQ_E_IO … */
enum mq_status mq_http_server_start(const struct mq_http_options *options,
                                    struct mq_http_server **ret_server, struct mq_error *err);

/**
 * Stop: no new connections, answers say "Connection: close", requests in flight are waited for (at
 * most stop_ms, deferred ones always), then everything is closed and freed. NULL allowed.
 * @return requests that were cut off
 */
int mq_http_server_stop(struct mq_http_server *server);

/* -- requests: borrowed until they are answered -- */

/** Body, expanded; writable. NULL where empty. @param ret_size may be 0 */
char *mq_http_body(struct mq_http_request *request, size_t *ret_size);
/** The route and its parameters' values; see mq_http_match_text and its like. */
const struct mq_http_match *mq_http_parameters(const struct mq_http_request *request);
/** A header, or NULL. */
const char *mq_http_header(const struct mq_http_request *request, const char *name);
/** Request id. */
const char *mq_http_request_id(const struct mq_http_request *request);
/** Room for the handler's own state; freed with the request (free). */
void mq_http_keep(struct mq_http_request *request, void *block);

/**
 * Count memory that the handler holds for the request among that of the bodies, until the answer.
 * @return false: there is no room, and the request has its answer (429)
 */
bool mq_http_account(struct mq_http_request *request, size_t bytes);

/** The handler will answer later. Before the request is handed to another thread. */
void mq_http_defer(struct mq_http_request *request);

/** Add a header to the answer (at most 4). @param name static @param value copied, up to 127 bytes
 */
void mq_http_add_header(struct mq_http_request *request, const char *name, const char *value);

/**
 * Answer; the request is gone afterwards where it was deferred.
 * @param type static  @param body taken (free); NULL: empty
 */
void mq_http_answer(struct mq_http_request *request, int status, const char *type, char *body,
                    size_t size);

/** Answer with an error body. @param code static: "queue-full" */
void mq_http_answer_error(struct mq_http_request *request, int status, const char *code,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
