/**
 * A request to stop: set by a signal or by the caller, looked at by long work.
 *
 * mq_pool_for looks at every range, so a loop on the pool ends with MQ_E_CANCELLED by itself; work
 * outside the pool that may last over a second calls mq_cancel_check now and then.
 * Threads: all functions are reentrant; mq_cancel_request may be called in a signal handler.
 */
#ifndef MQ_BASE_CANCEL_H
#define MQ_BASE_CANCEL_H

#include <stdbool.h>

#include "marquee/status.h"

/** Ask the process's work to stop at the next check. */
void mq_cancel_request(void);

/** Take the request back (tests, and the library between two calls). */
void mq_cancel_reset(void);

bool mq_cancel_requested(void);

/** @return MQ_OK | MQ_E_CANCELLED */
enum mq_status mq_cancel_check(struct mq_error *err);

#endif
