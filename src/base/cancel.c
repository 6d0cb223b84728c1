#include "base/cancel.h"

#include <stdatomic.h>

static _Atomic bool requested;

void
mq_cancel_request(void)
{
    atomic_store_explicit(&requested, true, memory_order_relaxed);
}

void
mq_cancel_reset(void)
{
    atomic_store_explicit(&requested, false, memory_order_relaxed);
}

bool
mq_cancel_requested(void)
{
    return atomic_load_explicit(&requested, memory_order_relaxed);
}

enum mq_status
mq_cancel_check(struct mq_error *err)
{
    if (!mq_cancel_requested())
        return MQ_OK;
    return mq_fail(err, MQ_E_CANCELLED, "stopped on request");
}
