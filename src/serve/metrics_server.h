/**
 * A small server for a process that serves nothing else: GET /metrics (Prometheus) and /healthz.
 * Open to whoever reaches the address, so it listens on loopback unless told otherwise.
 * Threads: one; answers come from the server's own.
 */
#ifndef MQ_SERVE_METRICS_SERVER_H
#define MQ_SERVE_METRICS_SERVER_H

#include "base/metrics.h"

struct mq_metrics_server;

/** Start. @param port 0: any free one @param metrics borrowed while the server lives */
enum mq_status mq_metrics_server_start(const char *host, int port, struct mq_metrics *metrics,
                                       struct mq_metrics_server **ret_server, struct mq_error *err);
/** "127.0.0.1:9464". Borrowed. */
const char *mq_metrics_server_address(const struct mq_metrics_server *server);
/** NULL allowed. */
void mq_metrics_server_stop(struct mq_metrics_server *server);

#endif
