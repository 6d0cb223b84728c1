/**
 * `marquee serve`: the HTTP server with its routes, tokens, event log and counters, put together
 * from the settings.
 *
 * Threads: start, reload and stop from one thread.
 */
#ifndef MQ_SERVE_API_SERVER_H
#define MQ_SERVE_API_SERVER_H

#include <stdint.h>

#include "config/options.h"
#include "marquee/status.h"

struct mq_api;

/**
 * Open the log (its topic is made where it is missing), read the tokens, start to serve. Raises the
 * process's limit of open files as far as its hard limit allows.
 *
 * Without tokens only where serve.no_auth is set and the address is a loopback one.
 * @param config borrowed while the server lives
 * @return MQ_OK | MQ_E_CONFIG | MQ_E_NOT_FOUND (no tokens) | MQ_E_DENIED | MQ_E_CONFLICT (port in
 * use) | MQ_E_UNREACHABLE, MQ_E_TIMEOUT (event log)
 */
enum mq_status mq_api_start(const struct mq_config *config, struct mq_api **ret_api,
                            struct mq_error *err);

/** "http://127.0.0.1:8080". Borrowed. */
const char *mq_api_url(const struct mq_api *api);

/** Read the tokens again; on failure the old ones stay. */
enum mq_status mq_api_reload(struct mq_api *api, struct mq_error *err);

/** Stop as http_server.h says, write what is queued, free. NULL allowed. @return requests cut off
 */
int mq_api_stop(struct mq_api *api);

#endif
