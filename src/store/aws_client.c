#include "store/aws_client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/retry.h"
#include "store/uri_parameters.h"

#define DEFAULT_REGION "us-east-1"
#define DEFAULT_DEADLINE_S 120
#define DEFAULT_STALL_S 20
/* Services refuse a signature that is 15 minutes off, some 5; a smaller difference explains none.
 */
#define SKEW_TOLERATED_S 30
#define RETRY_AFTER_MAX_S 60

/* ---- settings --------------------------------------------------------------------------- */

static enum mq_status
take_endpoint(struct mq_aws_settings *settings, const char *value, struct mq_error *err)
{
    const char *host = strncmp(value, "http://", 7) == 0    ? value + 7
                       : strncmp(value, "https://", 8) == 0 ? value + 8
                                                            : "";
    if (strchr(host, '@') != NULL) { /* the value is not shown: it holds a secret */
        mq_fail(err, MQ_E_CONFIG, "endpoint holds a user and a password, which are not used");
        mq_error_hint(err, "leave them away; keys come from the environment or AWS's own files");
        return MQ_E_CONFIG;
    }
    if (*host == '\0' || *host == '/' || strpbrk(host, "?# ") != NULL)
        return mq_fail(err, MQ_E_CONFIG,
                       "endpoint is '%s' (allowed: http://host[:port] or https://host[:port])",
                       value);
    enum mq_status st = mq_uri_text(&settings->endpoint, value, err);
    for (size_t n = st == MQ_OK ? strlen(settings->endpoint) : 0;
         n > 0 && settings->endpoint[n - 1] == '/'; n--)
        settings->endpoint[n - 1] = '\0';
    return st;
}

enum mq_status
mq_aws_settings_take(struct mq_aws_settings *settings, const char *name, const char *value,
                     bool *ret_known, struct mq_error *err)
{
    *ret_known = true;
    if (strcmp(name, "region") == 0)
        return mq_uri_text(&settings->region, value, err);
    if (strcmp(name, "profile") == 0)
        return mq_uri_text(&settings->profile, value, err);
    if (strcmp(name, "endpoint") == 0)
        return take_endpoint(settings, value, err);
    if (strcmp(name, "anonymous") == 0)
        return mq_uri_truth(name, value, &settings->anonymous, err);
    if (strcmp(name, "deadline-s") == 0)
        return mq_uri_whole_number(name, value, 1, 3600, &settings->deadline_s, err);
    if (strcmp(name, "stall-s") == 0)
        return mq_uri_whole_number(name, value, 1, 600, &settings->stall_s, err);
    *ret_known = false;
    return MQ_OK;
}

enum mq_status
mq_aws_settings_complete(struct mq_aws_settings *settings, const char *variable,
                         struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    if (settings->region == NULL) {
        char region[64];
        if (!mq_aws_default_region(settings->profile, region, sizeof(region)))
            snprintf(region, sizeof(region), "%s", DEFAULT_REGION);
        st = mq_uri_text(&settings->region, region, err);
    }
    const char *const variables[] = {variable, "AWS_ENDPOINT_URL"};
    for (size_t i = 0; st == MQ_OK && settings->endpoint == NULL && i < MQ_COUNT(variables); i++) {
        const char *given = getenv(variables[i]);
        if (given == NULL || *given == '\0')
            continue;
        st = take_endpoint(settings, given, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "environment %s", variables[i]);
    }
    return st;
}

void
mq_aws_settings_release(struct mq_aws_settings *settings)
{
    free(settings->region);
    free(settings->endpoint);
    free(settings->profile);
    *settings = (struct mq_aws_settings){0};
}

/* ---- the client ------------------------------------------------------------------------- */

enum mq_status
mq_aws_client_init(struct mq_aws_client *client, const char *service,
                   const struct mq_aws_settings *settings, const char *endpoint,
                   int idle_connections, struct mq_error *err)
{
    *client = (struct mq_aws_client){.service = service, .anonymous = settings->anonymous};
    int64_t deadline_s = settings->deadline_s > 0 ? settings->deadline_s : DEFAULT_DEADLINE_S;
    int64_t stall_s = settings->stall_s > 0 ? settings->stall_s : DEFAULT_STALL_S;
    client->deadline_ms = deadline_s * 1000;
    client->attempts_max = MQ_AWS_ATTEMPTS_MAX;
    enum mq_status st = mq_uri_text(&client->region, settings->region, err);
    if (st == MQ_OK)
        st = mq_uri_text(&client->endpoint, endpoint, err);
    if (st == MQ_OK)
        st = mq_uri_text(&client->host, strstr(endpoint, "://") + 3, err);
    struct mq_http_options options = {.timeout_ms = client->deadline_ms,
                                      .stall_timeout_ms = MQ_MIN(stall_s, deadline_s) * 1000,
                                      .connect_timeout_ms = MQ_MIN(5000, client->deadline_ms),
                                      .idle_connections = idle_connections};
    if (st == MQ_OK)
        st = mq_http_client_new(&options, &client->http, err);
    if (st == MQ_OK)
        st = mq_aws_credentials_new(client->http, settings->profile, &client->credentials, err);
    if (st != MQ_OK)
        mq_aws_client_release(client);
    return st;
}

void
mq_aws_client_release(struct mq_aws_client *client)
{
    mq_aws_credentials_free(client->credentials);
    mq_http_client_free(client->http);
    free(client->region);
    free(client->endpoint);
    free(client->host);
    *client = (struct mq_aws_client){0};
}

/* ---- requests --------------------------------------------------------------------------- */

bool
mq_aws_http_date(const char *text, int64_t *ret_epoch_s)
{
    struct tm tm = {0};
    if (strptime(text, "%a, %d %b %Y %H:%M:%S", &tm) == NULL)
        return false;
    *ret_epoch_s = (int64_t)timegm(&tm);
    return true;
}

enum mq_status
mq_aws_token(char ret_token[MQ_AWS_TOKEN_SIZE], struct mq_error *err)
{
    unsigned char bytes[MQ_AWS_TOKEN_SIZE / 2];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return mq_fail(err, MQ_E_IO, "cannot get random bytes from the system");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret_token + 2 * i, 3, "%02x", bytes[i]);
    return MQ_OK;
}

static enum mq_status
send_once(struct mq_aws_client *client, const struct mq_aws_call *call, const char *payload_hash,
          int64_t timeout_ms, struct mq_http_response *response, struct mq_error *err)
{
    char date[MQ_AMZ_DATE_SIZE];
    mq_amz_date_format((int64_t)time(NULL) + atomic_load(&client->clock_skew_s), date);
    struct mq_sigv4_header headers[MQ_SIGV4_HEADERS_MAX];
    size_t n = 0;
    bool has_type = false;
    headers[n++] = (struct mq_sigv4_header){"host", client->host};
    headers[n++] = (struct mq_sigv4_header){"x-amz-content-sha256", payload_hash};
    headers[n++] = (struct mq_sigv4_header){"x-amz-date", date};
    for (size_t i = 0; i < call->extra_count; i++) {
        headers[n++] = (struct mq_sigv4_header){call->extra[i].name, call->extra[i].value};
        has_type = has_type || strcmp(call->extra[i].name, "content-type") == 0;
    }
    mq_autofree struct mq_aws_keys *keys = NULL;
    struct mq_buffer authorization = {0};
    enum mq_status st = MQ_OK;
    if (!client->anonymous) {
        if ((keys = malloc(sizeof(*keys))) == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate credentials");
        if ((st = mq_aws_credentials_get(client->credentials, keys, err)) != MQ_OK)
            return st;
        if (keys->token[0] != '\0')
            headers[n++] = (struct mq_sigv4_header){"x-amz-security-token", keys->token};
        struct mq_sigv4_identity identity = {keys->access_key, keys->secret_key, client->region,
                                             client->service};
        struct mq_sigv4_request request = {call->method, call->path, call->query,
                                           headers,      n,          payload_hash};
        st = mq_sigv4_authorization(&identity, &request, date, &authorization, err);
        if (st != MQ_OK) {
            mq_buffer_release(&authorization);
            return st;
        }
    }
    mq_autofree char *url =
        mq_strfmt("%s%s%s%s", client->endpoint, call->path, *call->query ? "?" : "", call->query);
    char *lines[MQ_HTTP_REQUEST_HEADERS_MAX];
    size_t line_count = 0;
    for (size_t i = 0; i < n; i++)
        lines[line_count++] = mq_strfmt("%s: %s", headers[i].name, headers[i].value);
    if (authorization.size > 0)
        lines[line_count++] = mq_strfmt("authorization: %s", authorization.data);
    if (!has_type)
        lines[line_count++] = mq_strdup("content-type:"); /* none: it would have to be signed */
    struct mq_http_request request = {.method = call->method,
                                      .url = url,
                                      .header_count = line_count,
                                      .body = call->body,
                                      .body_size = call->body_size,
                                      .timeout_ms = timeout_ms};
    bool built = url != NULL;
    for (size_t i = 0; i < line_count; i++) {
        request.headers[i] = lines[i];
        built = built && lines[i] != NULL;
    }
    st = built ? mq_http_perform(client->http, &request, response, err)
               : mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    for (size_t i = 0; i < line_count; i++)
        free(lines[i]);
    mq_buffer_release(&authorization);
    return st;
}

static bool
body_names(const struct mq_http_response *response, const char *code)
{
    return response->body.data != NULL && strstr(response->body.data, code) != NULL;
}

static void
look_at_clock(struct mq_aws_client *client, const struct mq_http_response *response)
{
    const char *date = mq_http_header_of(response, "date");
    int64_t server_s;
    if (date == NULL || !mq_aws_http_date(date, &server_s))
        return;
    atomic_store(&client->seen_skew_s, server_s - (int64_t)time(NULL));
    atomic_store(&client->seen_clock, true);
}

/* A refusal that shows our keys or our clock to be out of date can be mended: true to try again at
 * once. A difference of the clocks explains any refusal of a signed request. */
static bool
mend(struct mq_aws_client *client, const struct mq_http_response *response)
{
    if (response->status != 400 && response->status != 401 && response->status != 403)
        return false;
    bool mute = response->status == 400 && response->body.size == 0; /* of a HEAD: it may be that */
    if (mute || body_names(response, "ExpiredToken") || body_names(response, "InvalidToken")) {
        mq_aws_credentials_forget(client->credentials);
        return true;
    }
    if (!atomic_load(&client->seen_clock))
        return false;
    int64_t skew = atomic_load(&client->seen_skew_s);
    int64_t change = skew - atomic_load(&client->clock_skew_s);
    if (change < SKEW_TOLERATED_S && change > -SKEW_TOLERATED_S)
        return false;
    atomic_store(&client->clock_skew_s, skew);
    mq_log_warn("%s: this machine's clock is %lld s off the server's at %s; allowed for",
                client->service, (long long)-skew, client->host);
    return true;
}

static int64_t
pause_asked_ms(const struct mq_http_response *response)
{
    const char *after = mq_http_header_of(response, "retry-after");
    if (after == NULL)
        return 0;
    return MQ_MIN(MQ_MAX(strtoll(after, NULL, 10), 0), RETRY_AFTER_MAX_S) * 1000;
}

enum mq_status
mq_aws_perform(struct mq_aws_client *client, const struct mq_aws_call *call, mq_aws_judge_fn judge,
               void *context, struct mq_http_response *response, struct mq_error *err)
{
    struct mq_error local = {0};
    char payload_hash[MQ_SHA256_HEX_SIZE];
    mq_sha256_of_bytes(call->body != NULL ? call->body : "", call->body_size, payload_hash);
    struct mq_retry retry;
    mq_retry_begin(&retry, client->deadline_ms, client->attempts_max);
    bool mended = false;
    int unknown = 0;
    enum mq_status st = MQ_OK;
    for (;;) {
        bool slow = false;
        double left_s = retry.deadline_s - mq_clock_monotonic_s();
        mq_http_response_reset(response);
        st = send_once(client, call, payload_hash, MQ_MAX((int64_t)(left_s * 1000.0), 1000),
                       response, &local);
        if (st == MQ_OK) {
            look_at_clock(client, response);
            if (!mended && mend(client, response)) {
                mended = true;
                continue;
            }
            st = judge(context, response, &slow, &local);
        }
        if (st == MQ_OK || !local.retriable)
            break;
        if (!mq_retry_again(&retry, slow, pause_asked_ms(response))) {
            mq_error_hint(&local,
                          "gave up after %d tries in at most %lld s; run the command again when "
                          "the store answers",
                          retry.attempt, (long long)(client->deadline_ms / 1000));
            break;
        }
        /* 503 and throttling are refusals; of other failures nobody knows. */
        int status = response->status;
        unknown += status == 0 || (status >= 500 && status != 503 && !slow);
    }
    if (call->ret_unknown != NULL)
        *call->ret_unknown = unknown;
    if (st != MQ_OK && err != NULL)
        *err = local;
    return st;
}
