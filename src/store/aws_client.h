/**
 * Signed requests to one AWS service (or a server that speaks its language): address, region,
 * credentials, and the retries that are the same for all of them. What an answer means is judged by
 * the service's own file (s3_connection.c, dynamodb_connection.c). Only src/store includes this.
 *
 * Threads: one client may be used from many threads.
 */
#ifndef MQ_STORE_AWS_CLIENT_H
#define MQ_STORE_AWS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/aws_credentials.h"
#include "store/aws_sigv4.h"
#include "store/http_client.h"

/** Most headers that a caller adds to a request. */
#define MQ_AWS_EXTRA_HEADERS_MAX 8
/** Tries of one call, the first included, as long as the deadline allows. */
#define MQ_AWS_ATTEMPTS_MAX 12

/** What a URI says of the service; zero-initialise, then mq_aws_settings_release. */
struct mq_aws_settings {
    char *region;   /**< NULL: not said */
    char *endpoint; /**< without a final slash; NULL: AWS itself */
    char *profile;
    bool anonymous;
    int64_t deadline_s; /**< 0: not said */
    int64_t stall_s;    /**< 0: not said */
};

struct mq_aws_client {
    const char *service; /**< static: "s3", "dynamodb" */
    char *region;
    char *endpoint; /**< "https://host[:port]", no final slash */
    char *host;     /**< value of the Host header */
    bool anonymous; /**< do not sign */
    int64_t deadline_ms;
    int attempts_max;
    struct mq_http_client *http;
    struct mq_aws_credentials *credentials;
    _Atomic int64_t clock_skew_s; /**< server's clock minus ours, as far as signatures need it */
    _Atomic int64_t seen_skew_s;  /**< the same at the last answer, for reports */
    _Atomic bool seen_clock;      /**< an answer told the server's time */
};

/**
 * Take a parameter that all services know: region, endpoint, profile, anonymous, deadline-s (1 to
 * 3600), stall-s (1 to 600).
 * @param ret_known false: it is none of these
 * @return MQ_OK | MQ_E_CONFIG | MQ_E_NOMEM
 */
enum mq_status mq_aws_settings_take(struct mq_aws_settings *settings, const char *name,
                                    const char *value, bool *ret_known, struct mq_error *err);

/**
 * Fill in what was not said: region from AWS_REGION, AWS_DEFAULT_REGION, the profile, us-east-1;
 * endpoint from `variable` (AWS_ENDPOINT_URL_S3 …) and AWS_ENDPOINT_URL.
 */
enum mq_status mq_aws_settings_complete(struct mq_aws_settings *settings, const char *variable,
                                        struct mq_error *err);
void mq_aws_settings_release(struct mq_aws_settings *settings);

/**
 * A client; nothing is contacted. Defaults: deadline 120 s, stall 20 s (a try is given up when less
 * than 1 kB/s moves for so long).
 * @param service  static text
 * @param settings completed; its texts are copied
 * @param endpoint copied: where requests go, which may differ from the settings'
 * @param idle_connections kept open
 */
enum mq_status mq_aws_client_init(struct mq_aws_client *client, const char *service,
                                  const struct mq_aws_settings *settings, const char *endpoint,
                                  int idle_connections, struct mq_error *err);
void mq_aws_client_release(struct mq_aws_client *client);

struct mq_aws_header {
    const char *name; /**< lower case */
    const char *value;
};

struct mq_aws_call {
    const char *method;
    const char *path;                                     /**< encoded, begins with '/' */
    const char *query;                                    /**< encoded, sorted; "" none */
    struct mq_aws_header extra[MQ_AWS_EXTRA_HEADERS_MAX]; /**< signed; borrowed */
    size_t extra_count;
    const void *body; /**< NULL none */
    size_t body_size;
    int *ret_unknown; /**< NULL, or set to how many earlier tries may have taken effect: their
                         answer got lost, or was a 5xx that says nothing */
};

/**
 * What an answer means: MQ_OK takes it; a failure with err->retriable is tried again.
 * @param ret_slow set when the service asked for less
 */
typedef enum mq_status (*mq_aws_judge_fn)(void *context, const struct mq_http_response *response,
                                          bool *ret_slow, struct mq_error *err);

/**
 * Sign, send, judge; retry time-outs, broken connections and what the judge calls retriable, with
 * full jitter, within the client's deadline. A refusal that shows our clock or our temporary keys
 * to be out of date is mended once and tried at once.
 *
 * @param response body limit set by the caller; holds the last answer
 * @return MQ_OK | what the judge says | MQ_E_UNREACHABLE | MQ_E_TIMEOUT | MQ_E_DENIED (no
 *         credentials) | MQ_E_RANGE (body above its limit) | MQ_E_NOMEM
 */
enum mq_status mq_aws_perform(struct mq_aws_client *client, const struct mq_aws_call *call,
                              mq_aws_judge_fn judge, void *context,
                              struct mq_http_response *response, struct mq_error *err);

/** 32 random hexadecimal digits: the mark of one write. @return MQ_OK | MQ_E_IO */
#define MQ_AWS_TOKEN_SIZE 33
enum mq_status mq_aws_token(char ret_token[MQ_AWS_TOKEN_SIZE], struct mq_error *err);

/** Epoch seconds of "Sun, 22 Nov 2026 19:38:00 GMT"; false where it is none. */
bool mq_aws_http_date(const char *text, int64_t *ret_epoch_s);

#endif
