/** A listening socket. Threads: reentrant. */
#ifndef MQ_SERVE_HTTP_LISTENER_H
#define MQ_SERVE_HTTP_LISTENER_H

#include <stdbool.h>

#include "marquee/status.h"

/** Room for "[address]:port". */
#define MQ_ADDRESS_SIZE 80

struct mq_listener {
    int fd;                     /**< owned by the caller: close() */
    int port;                   /**< the one that was given, also where 0 was asked for */
    bool is_loopback;           /**< reachable from this machine only */
    char text[MQ_ADDRESS_SIZE]; /**< "127.0.0.1:8080", "[::1]:8080" */
};

/**
 * Listen on an address or name ("127.0.0.1", "::", "localhost") and a port (0: any free one).
 * @return MQ_OK | MQ_E_CONFIG (no such address) | MQ_E_CONFLICT (port in use) | MQ_E_IO
 */
enum mq_status mq_listener_open(const char *host, int port, struct mq_listener *ret_listener,
                                struct mq_error *err);

#endif
