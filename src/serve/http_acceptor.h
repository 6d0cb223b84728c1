/**
 * Takes connections off a listening socket and hands them on, on a thread of its own.
 *
 * Why not the HTTP library: its threads let go of a listening socket at a moment of their own, and
 * abort the process when it is taken from them meanwhile (libmicrohttpd 0.9.75, "Failed to remove
 * listen FD from epoll set"). Here stopping is one thread that ends.
 *
 * Threads: start and stop from one thread; mq_http_acceptor_closed from any.
 */
#ifndef MQ_SERVE_HTTP_ACCEPTOR_H
#define MQ_SERVE_HTTP_ACCEPTOR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "marquee/status.h"

struct mq_http_acceptor;

struct mq_http_acceptor_options {
    int fd;              /**< listening; borrowed */
    int connections_max; /**< further ones wait in the backlog */
    /** Take over a connection. @return false: it was closed */
    bool (*take)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    /** Connections that are really open, for when closings got lost. */
    int (*count)(void *context);
    void *context;
};

/** @param options copied @return MQ_OK | MQ_E_IO | MQ_E_NOMEM */
enum mq_status mq_http_acceptor_start(const struct mq_http_acceptor_options *options,
                                      struct mq_http_acceptor **ret_acceptor, struct mq_error *err);

/** No more connections from now on. NULL allowed, and a second call. */
void mq_http_acceptor_stop(struct mq_http_acceptor *acceptor);

/** Stop and free. NULL allowed. */
void mq_http_acceptor_free(struct mq_http_acceptor *acceptor);

/** A connection was closed: there is room for another. */
void mq_http_acceptor_closed(struct mq_http_acceptor *acceptor);

#endif
