/**
 * Open connections with a deadline each: who is silent or slow for too long is cut off.
 *
 * libmicrohttpd's own time-out starts anew with every byte, so a client that sends one byte a
 * second holds a connection for ever. Here a deadline stands for a whole phase (waiting for a
 * request, sending it, taking the answer), however many bytes come.
 *
 * Threads: all functions are reentrant.
 */
#ifndef MQ_SERVE_HTTP_CONNECTIONS_H
#define MQ_SERVE_HTTP_CONNECTIONS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/metrics.h"
#include "marquee/status.h"

struct mq_connections;

/** One connection. */
struct mq_connection_link {
    struct mq_connection_link *next, *previous;
    int fd;
    _Atomic int64_t deadline_ms; /* monotonic; INT64_MAX: none */
};

/** Starts a thread that looks four times a second. */
enum mq_status mq_connections_new(struct mq_metrics *metrics, struct mq_connections **ret_list,
                                  struct mq_error *err);
/** All links must have been removed. NULL allowed. */
void mq_connections_free(struct mq_connections *list);

/** @return owned by the list; NULL: no memory (such a connection has no deadline) */
struct mq_connection_link *mq_connections_add(struct mq_connections *list, int fd);
/** Before the descriptor is closed. NULL allowed. */
void mq_connections_remove(struct mq_connections *list, struct mq_connection_link *link);

/** Time left from now; 0: no deadline. NULL link allowed. */
void mq_connection_allow(struct mq_connection_link *link, int64_t ms);

/** Monotonic milliseconds, to about 4 ms. */
int64_t mq_connections_now_ms(void);

#endif
