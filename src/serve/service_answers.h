/**
 * What every server of Marquee's says of itself: the API's and the consumer's own.
 * Threads: reentrant.
 */
#ifndef MQ_SERVE_SERVICE_ANSWERS_H
#define MQ_SERVE_SERVICE_ANSWERS_H

#include "base/metrics.h"
#include "serve/http_server.h"

/** 200 with the set in Prometheus' text form, or 503 without memory for it. */
void mq_answer_metrics(struct mq_http_request *request, struct mq_metrics *metrics);

/** 200: the process lives. */
void mq_answer_health(struct mq_http_request *request);

#endif
