/** Refusing input whose share of bad lines is above what the configuration allows. */
#ifndef MQ_STEP_BAD_SHARE_H
#define MQ_STEP_BAD_SHARE_H

#include "step/step.h"

/**
 * @param what    plural, for the message: "action lines"
 * @param option  name of the option that holds the allowed share, in [0, 1]
 * @param example the first bad line and why, for the message
 * @return MQ_OK | MQ_E_INPUT when bad / total is above the share
 */
enum mq_status mq_step_check_share(const struct mq_step_context *context, const char *what,
                                   const char *option, int64_t bad, int64_t total,
                                   const char *example, struct mq_error *err);

#endif
