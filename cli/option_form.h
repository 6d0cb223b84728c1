/**
 * How an option's type and range are written for people. Threads: reentrant.
 */
#ifndef MQ_CLI_OPTION_FORM_H
#define MQ_CLI_OPTION_FORM_H

#include "config/options.h"

/** "whole number", "number", "true or false", "text". */
const char *mq_option_form_type(const struct mq_option *option);

/** "0 to 256 threads", "auto|flat|hnsw", "true|false", "any text". Cut at `size`. */
void mq_option_form_range(const struct mq_option *option, char *ret_text, size_t size);

/** The default as text. Cut at `size`. */
void mq_option_form_default(const struct mq_option *option, char *ret_text, size_t size);

#endif
