#include "step/bad_share.h"

#include <inttypes.h>

enum mq_status
mq_step_check_share(const struct mq_step_context *context, const char *what, const char *option,
                    int64_t bad, int64_t total, const char *example, struct mq_error *err)
{
    double allowed = mq_config_real(context->config, option);
    if (bad <= 0 || total <= 0 || (double)bad <= allowed * (double)total)
        return MQ_OK;
    mq_fail(err, MQ_E_INPUT,
            "%" PRId64 " of %" PRId64 " %s were refused (%.2f %%, allowed are %.2f %%); the first: "
            "%.500s",
            bad, total, what, 100.0 * (double)bad / (double)total, 100.0 * allowed, example);
    mq_error_hint(err, "mend the input, or allow more with %s", option);
    return MQ_E_INPUT;
}
