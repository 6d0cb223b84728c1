/**
 * Bodies of requests in memory, as sent and expanded, within bounds: one for a body, and one for
 * all of a server's bodies together, which is asked before memory is (growing may copy: a body's
 * worth more a thread, for a moment). A client that announces a large body gets its room as the
 * bytes come.
 *
 * Threads: a budget is shared by all; a body belongs to one thread at a time.
 */
#ifndef MQ_SERVE_HTTP_BODY_H
#define MQ_SERVE_HTTP_BODY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** What all bodies of a server may hold together. */
struct mq_http_budget {
    size_t body_bytes;       /**< largest body, as sent and as expanded */
    size_t bodies_bytes;     /**< all of them */
    _Atomic int64_t held;    /**< by bodies, and what their requests need: at most bodies_bytes */
    _Atomic int64_t answers; /**< by answers under way, whose room bodies wait for */
};

/** A body; zero-initialise, release. */
struct mq_http_body {
    char *bytes;
    size_t size, capacity;
    size_t accounted;    /* of budget->held */
    size_t answer_bytes; /* of budget->answers */
};

/**
 * Room for `extra` more bytes.
 * @param expected size of the whole body, 0: unknown; no more is reserved where it is known
 * @return MQ_OK | MQ_E_RANGE (larger than a body may be) | MQ_E_NOMEM (the budget is used up for
 *         now); the body stays as it was
 */
enum mq_status mq_http_body_reserve(struct mq_http_body *body, struct mq_http_budget *budget,
                                    size_t extra, size_t expected, struct mq_error *err);

/**
 * Put in place of a gzip body (one or more members) what it holds. Both are in memory for a while,
 * and accounted for.
 * @return MQ_OK | MQ_E_FORMAT (damaged or cut) | MQ_E_RANGE, MQ_E_NOMEM as above
 */
enum mq_status mq_http_body_expand(struct mq_http_body *body, struct mq_http_budget *budget,
                                   struct mq_error *err);

/**
 * Take from the budget for something else that a request holds, until its body is released.
 * @return MQ_OK | MQ_E_NOMEM, MQ_E_RANGE as above
 */
enum mq_status mq_http_body_account(struct mq_http_body *body, struct mq_http_budget *budget,
                                    size_t bytes, struct mq_error *err);

/** An answer, which is there already: always; new bodies wait then. Given back by release. */
void mq_http_answer_charge(struct mq_http_body *body, struct mq_http_budget *budget, size_t bytes);

/** Give memory and budget back; the body is empty then. */
void mq_http_body_release(struct mq_http_body *body, struct mq_http_budget *budget);

#endif
