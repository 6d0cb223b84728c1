/**
 * Parameters of a store's URI: "name=value&name=value", values percent-encoded where need be.
 *
 * An unknown or malformed one is MQ_E_CONFIG, and the message names it. Threads: reentrant.
 */
#ifndef MQ_STORE_URI_PARAMETERS_H
#define MQ_STORE_URI_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "marquee/status.h"

/** Take one parameter. @param value decoded */
typedef enum mq_status (*mq_uri_parameter_fn)(void *context, const char *name, const char *value,
                                              struct mq_error *err);

/** Visit all of a query, in order. @param query cut up in place; NULL or "" has none */
enum mq_status mq_uri_parameters(char *query, mq_uri_parameter_fn fn, void *context,
                                 struct mq_error *err);

/** A whole number in [low, high]. */
enum mq_status mq_uri_whole_number(const char *name, const char *value, int64_t low, int64_t high,
                                   int64_t *ret_number, struct mq_error *err);

/** true, false, 1 or 0. */
enum mq_status mq_uri_truth(const char *name, const char *value, bool *ret_truth,
                            struct mq_error *err);

/** Replace an owned text by a copy. */
enum mq_status mq_uri_text(char **field, const char *value, struct mq_error *err);

#endif
