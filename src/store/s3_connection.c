#include "store/s3_connection.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/aws_sigv4.h"
#include "store/retry.h"

#define DEFAULT_REGION "us-east-1"
#define DEFAULT_PART_MB 8
#define DEFAULT_TRANSFERS 8
#define DEFAULT_DEADLINE_S 120
#define ATTEMPTS_MAX 12
#define SKEW_TOLERATED_S 30

/* ---- the URI ---------------------------------------------------------------------------- */

static int
hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void
percent_decode(char *text)
{
    char *out = text;
    for (; *text != '\0'; text++) {
        if (*text == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
            *out++ = (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

static enum mq_status
replace(char **field, const char *value, struct mq_error *err)
{
    char *copy = mq_strdup(value);
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    free(*field);
    *field = copy;
    return MQ_OK;
}

static enum mq_status
whole_number(const char *name, const char *value, long low, long high, long *ret,
             struct mq_error *err)
{
    char *end;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || number < low || number > high)
        return mq_fail(err, MQ_E_CONFIG, "%s is '%s' (allowed: %ld to %ld)", name, value, low,
                       high);
    *ret = number;
    return MQ_OK;
}

static enum mq_status
truth(const char *name, const char *value, bool *ret, struct mq_error *err)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *ret = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *ret = false;
    else
        return mq_fail(err, MQ_E_CONFIG, "%s is '%s' (allowed: true or false)", name, value);
    return MQ_OK;
}

struct uri_settings {
    char *profile;
    int path_style; /* -1 not said */
};

static enum mq_status
apply_parameter(struct mq_s3_connection *c, struct uri_settings *settings, const char *name,
                const char *value, struct mq_error *err)
{
    long number = 0;
    bool flag = false;
    enum mq_status st;
    if (strcmp(name, "region") == 0)
        return replace(&c->region, value, err);
    if (strcmp(name, "profile") == 0)
        return replace(&settings->profile, value, err);
    if (strcmp(name, "endpoint") == 0) {
        if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
            return mq_fail(err, MQ_E_CONFIG,
                           "endpoint is '%s' (allowed: http://host[:port] or https://host[:port])",
                           value);
        st = replace(&c->endpoint, value, err);
        for (size_t n = strlen(c->endpoint); st == MQ_OK && n > 0 && c->endpoint[n - 1] == '/'; n--)
            c->endpoint[n - 1] = '\0';
        return st;
    }
    if (strcmp(name, "path-style") == 0) {
        if ((st = truth(name, value, &flag, err)) == MQ_OK)
            settings->path_style = flag;
        return st;
    }
    if (strcmp(name, "anonymous") == 0)
        return truth(name, value, &c->anonymous, err);
    if (strcmp(name, "part-mb") == 0) {
        if ((st = whole_number(name, value, 5, 512, &number, err)) == MQ_OK)
            c->part_bytes = (size_t)number << 20;
        return st;
    }
    if (strcmp(name, "transfers") == 0) {
        if ((st = whole_number(name, value, 1, 64, &number, err)) == MQ_OK)
            c->transfers = (int)number;
        return st;
    }
    if (strcmp(name, "deadline-s") == 0) {
        if ((st = whole_number(name, value, 1, 3600, &number, err)) == MQ_OK)
            c->deadline_ms = number * 1000;
        return st;
    }
    return mq_fail(
        err, MQ_E_CONFIG,
        "unknown parameter '%s' (allowed: region, endpoint, path-style, profile, part-mb, "
        "transfers, deadline-s, anonymous)",
        name);
}

static enum mq_status
parse_uri(struct mq_s3_connection *c, struct uri_settings *settings, const char *rest,
          struct mq_error *err)
{
    if (strncmp(rest, "//", 2) != 0 || rest[2] == '\0' || rest[2] == '/' || rest[2] == '?')
        return mq_fail(err, MQ_E_CONFIG, "expected s3://bucket/prefix?parameters");
    mq_autofree char *text = mq_strdup(rest + 2);
    if (text == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    char *query = strchr(text, '?');
    if (query != NULL)
        *query++ = '\0';
    char *prefix = strchr(text, '/');
    if (prefix != NULL)
        *prefix++ = '\0';
    enum mq_status st = replace(&c->bucket, text, err);
    for (const char *p = text; st == MQ_OK && *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr(".-_", *p) == NULL)
            return mq_fail(err, MQ_E_CONFIG, "'%s' is no bucket name", text);
    while (prefix != NULL && *prefix == '/')
        prefix++;
    size_t n = prefix != NULL ? strlen(prefix) : 0;
    while (n > 0 && prefix[n - 1] == '/')
        prefix[--n] = '\0';
    if (st == MQ_OK && (c->prefix = n > 0 ? mq_strfmt("%s/", prefix) : mq_strdup("")) == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    if (st == MQ_OK && n > 0)
        st = mq_object_key_check(prefix, err);
    char *saved = NULL;
    for (char *item = query != NULL ? strtok_r(query, "&", &saved) : NULL;
         st == MQ_OK && item != NULL; item = strtok_r(NULL, "&", &saved)) {
        char *equals = strchr(item, '=');
        if (equals == NULL)
            return mq_fail(err, MQ_E_CONFIG, "parameter '%s' has no value", item);
        *equals = '\0';
        percent_decode(equals + 1);
        st = apply_parameter(c, settings, item, equals + 1, err);
    }
    return st;
}

static enum mq_status
settle_endpoint(struct mq_s3_connection *c, const struct uri_settings *settings,
                struct mq_error *err)
{
    char region[64];
    if (c->region == NULL) {
        if (!mq_aws_default_region(settings->profile, region, sizeof(region)))
            strcpy(region, DEFAULT_REGION);
        if ((c->region = mq_strdup(region)) == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    }
    const char *given = getenv("AWS_ENDPOINT_URL_S3");
    if (given == NULL || *given == '\0')
        given = getenv("AWS_ENDPOINT_URL");
    if (c->endpoint == NULL && given != NULL && *given != '\0') {
        enum mq_status st = apply_parameter(c, NULL, "endpoint", given, err);
        if (st != MQ_OK)
            return mq_fail_context(err, st, "environment AWS_ENDPOINT_URL");
    }
    /* Own servers seldom have a host name a bucket; names with dots break wildcard certificates. */
    bool own = c->endpoint != NULL;
    c->path_style = settings->path_style >= 0 ? settings->path_style == 1
                                              : own || strchr(c->bucket, '.') != NULL;
    if (!own) {
        c->endpoint = c->path_style
                          ? mq_strfmt("https://s3.%s.amazonaws.com", c->region)
                          : mq_strfmt("https://%s.s3.%s.amazonaws.com", c->bucket, c->region);
    } else if (!c->path_style) {
        char *scheme_end = strstr(c->endpoint, "://") + 3;
        char *address = mq_strfmt("%.*s%s.%s", (int)(scheme_end - c->endpoint), c->endpoint,
                                  c->bucket, scheme_end);
        free(c->endpoint);
        c->endpoint = address;
    }
    if (c->endpoint == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    c->host = mq_strdup(strstr(c->endpoint, "://") + 3);
    c->uri = mq_strfmt("s3://%s/%s", c->bucket, c->prefix);
    if (c->host == NULL || c->uri == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    return MQ_OK;
}

enum mq_status
mq_s3_connection_new(const char *rest, struct mq_s3_connection **ret_connection,
                     struct mq_error *err)
{
    struct mq_s3_connection *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    c->part_bytes = (size_t)DEFAULT_PART_MB << 20;
    c->transfers = DEFAULT_TRANSFERS;
    c->deadline_ms = DEFAULT_DEADLINE_S * 1000;
    c->attempts_max = ATTEMPTS_MAX;
    struct uri_settings settings = {.path_style = -1};
    enum mq_status st = parse_uri(c, &settings, rest, err);
    if (st == MQ_OK)
        st = settle_endpoint(c, &settings, err);
    struct mq_http_options options = {.timeout_ms = MQ_MIN(c->deadline_ms, 60000),
                                      .idle_connections = c->transfers + 8};
    if (st == MQ_OK)
        st = mq_http_client_new(&options, &c->http, err);
    if (st == MQ_OK)
        st = mq_aws_credentials_new(c->http, settings.profile, &c->credentials, err);
    free(settings.profile);
    if (st != MQ_OK) {
        mq_s3_connection_free(c);
        return st;
    }
    *ret_connection = c;
    return MQ_OK;
}

void
mq_s3_connection_free(struct mq_s3_connection *c)
{
    if (c == NULL)
        return;
    mq_aws_credentials_free(c->credentials);
    mq_http_client_free(c->http);
    free(c->bucket);
    free(c->prefix);
    free(c->endpoint);
    free(c->host);
    free(c->region);
    free(c->uri);
    free(c);
}

void
mq_s3_uri_of(const struct mq_s3_connection *c, const char *key, char *ret, size_t size)
{
    snprintf(ret, size, "%s%s", c->uri, key != NULL ? key : "");
}

/* ---- answers ---------------------------------------------------------------------------- */

static void
xml_unescape(char *text)
{
    static const struct {
        const char *entity;
        char c;
    } entities[] = {{"&amp;", '&'},   {"&lt;", '<'},  {"&gt;", '>'},  {"&quot;", '"'},
                    {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}};
    char *out = text;
    while (*text != '\0') {
        bool matched = false;
        for (size_t i = 0; !matched && *text == '&' && i < MQ_COUNT(entities); i++) {
            size_t n = strlen(entities[i].entity);
            if (strncmp(text, entities[i].entity, n) == 0) {
                *out++ = entities[i].c;
                text += n;
                matched = true;
            }
        }
        if (!matched)
            *out++ = *text++;
    }
    *out = '\0';
}

bool
mq_s3_xml_text(const struct mq_buffer *body, const char *tag, char *ret, size_t size)
{
    if (body->data == NULL)
        return false;
    char open[64], close[64];
    snprintf(open, sizeof(open), "<%s>", tag);
    snprintf(close, sizeof(close), "</%s>", tag);
    const char *begin = strstr(body->data, open);
    const char *end = begin != NULL ? strstr(begin, close) : NULL;
    if (end == NULL)
        return false;
    begin += strlen(open);
    if ((size_t)(end - begin) >= size)
        return false;
    memcpy(ret, begin, (size_t)(end - begin));
    ret[end - begin] = '\0';
    xml_unescape(ret);
    return true;
}

/* "Sun, 22 Nov 2026 19:38:00 GMT" */
static bool
http_date(const char *text, int64_t *ret_epoch_s)
{
    struct tm tm = {0};
    char *end = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
    if (end == NULL)
        return false;
    *ret_epoch_s = (int64_t)timegm(&tm);
    return true;
}

void
mq_s3_info_of(const struct mq_http_response *response, struct mq_object_info *ret_info)
{
    *ret_info = (struct mq_object_info){.size_bytes = -1};
    const char *length = mq_http_header_of(response, "content-length");
    const char *range = mq_http_header_of(response, "content-range");
    const char *etag = mq_http_header_of(response, "etag");
    const char *modified = mq_http_header_of(response, "last-modified");
    const char *slash = range != NULL ? strchr(range, '/') : NULL;
    if (slash != NULL)
        ret_info->size_bytes = strtoll(slash + 1, NULL, 10);
    else if (length != NULL)
        ret_info->size_bytes = strtoll(length, NULL, 10);
    if (etag != NULL)
        snprintf(ret_info->etag, sizeof(ret_info->etag), "%s", etag);
    int64_t epoch_s;
    if (modified != NULL && http_date(modified, &epoch_s))
        ret_info->modified_ms = epoch_s * 1000;
}

/* What an error answer means. @param ret_slow the service asked for less */
static enum mq_status
judge(struct mq_s3_connection *c, const struct mq_s3_call *call,
      const struct mq_http_response *response, bool *ret_slow, struct mq_error *err)
{
    char code[128] = "", text[512] = "", uri[MQ_OBJECT_KEY_MAX + 512];
    mq_s3_xml_text(&response->body, "Code", code, sizeof(code));
    mq_s3_xml_text(&response->body, "Message", text, sizeof(text));
    mq_s3_uri_of(c, call->key, uri, sizeof(uri));
    int status = response->status;
    bool slow = status == 429 || strcmp(code, "SlowDown") == 0 || strcmp(code, "Throttling") == 0 ||
                strcmp(code, "RequestLimitExceeded") == 0;
    *ret_slow = slow || status == 503;
    enum mq_status st = status == 404                                        ? MQ_E_NOT_FOUND
                        : status == 401 || status == 403                     ? MQ_E_DENIED
                        : status == 412 || status == 409                     ? MQ_E_CONFLICT
                        : status == 416                                      ? MQ_E_RANGE
                        : status == 301 || status == 307                     ? MQ_E_CONFIG
                        : status == 400 && strstr(code, "Malformed") != NULL ? MQ_E_CONFIG
                        : status >= 500 || slow                              ? MQ_E_UNREACHABLE
                                                                             : MQ_E_IO;
    mq_fail(err, st, "cannot %s '%s': the server answers %d%s%s%s%s",
            strcmp(call->method, "PUT") == 0      ? "write"
            : strcmp(call->method, "DELETE") == 0 ? "delete"
            : strcmp(call->method, "POST") == 0   ? "change"
                                                  : "read",
            uri, status, *code != '\0' ? " " : "", code, *text != '\0' ? ": " : "", text);
    if (err != NULL)
        err->retriable = status >= 500 || slow || status == 408 ||
                         strcmp(code, "RequestTimeout") == 0 ||
                         strcmp(code, "OperationAborted") == 0 ||
                         strcmp(code, "ConditionalRequestConflict") == 0;
    const char *region = mq_http_header_of(response, "x-amz-bucket-region");
    if (st == MQ_E_CONFIG && region != NULL)
        mq_error_hint(err, "the bucket lies in region %s: add region=%s to the store's URI", region,
                      region);
    else if (st == MQ_E_DENIED)
        mq_error_hint(err,
                      "check the credentials, the bucket's policy, and the permissions listed in "
                      "docs/howto/stores.md");
    else if (strcmp(code, "NoSuchBucket") == 0)
        mq_error_hint(err, "make the bucket '%s', or correct the store's URI", c->bucket);
    return st;
}

/* ---- requests --------------------------------------------------------------------------- */

static enum mq_status
send_once(struct mq_s3_connection *c, const struct mq_s3_call *call, const char *path,
          const char *payload_hash, struct mq_http_response *response, struct mq_error *err)
{
    char date[MQ_AMZ_DATE_SIZE];
    mq_amz_date_format((int64_t)time(NULL) + atomic_load(&c->clock_skew_s), date);
    struct mq_sigv4_header headers[MQ_SIGV4_HEADERS_MAX];
    size_t n = 0;
    headers[n++] = (struct mq_sigv4_header){"host", c->host};
    headers[n++] = (struct mq_sigv4_header){"x-amz-content-sha256", payload_hash};
    headers[n++] = (struct mq_sigv4_header){"x-amz-date", date};
    for (size_t i = 0; i < call->extra_count; i++)
        headers[n++] = (struct mq_sigv4_header){call->extra[i].name, call->extra[i].value};
    mq_autofree struct mq_aws_keys *keys = NULL;
    struct mq_buffer authorization = {0};
    enum mq_status st = MQ_OK;
    if (!c->anonymous) {
        if ((keys = malloc(sizeof(*keys))) == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate credentials");
        if ((st = mq_aws_credentials_get(c->credentials, keys, err)) != MQ_OK)
            return st;
        if (keys->token[0] != '\0')
            headers[n++] = (struct mq_sigv4_header){"x-amz-security-token", keys->token};
        struct mq_sigv4_identity identity = {keys->access_key, keys->secret_key, c->region, "s3"};
        struct mq_sigv4_request request = {call->method, path, call->query,
                                           headers,      n,    payload_hash};
        if ((st = mq_sigv4_authorization(&identity, &request, date, &authorization, err)) != MQ_OK)
            return st;
    }
    mq_autofree char *url =
        mq_strfmt("%s%s%s%s", c->endpoint, path, *call->query ? "?" : "", call->query);
    char *lines[MQ_HTTP_REQUEST_HEADERS_MAX];
    size_t line_count = 0;
    for (size_t i = 0; i < n; i++)
        lines[line_count++] = mq_strfmt("%s: %s", headers[i].name, headers[i].value);
    if (authorization.size > 0)
        lines[line_count++] = mq_strfmt("authorization: %s", authorization.data);
    lines[line_count++] = mq_strdup("content-type:"); /* none: it would have to be signed */
    struct mq_http_request request = {.method = call->method,
                                      .url = url,
                                      .header_count = line_count,
                                      .body = call->body,
                                      .body_size = call->body_size};
    bool built = url != NULL;
    for (size_t i = 0; i < line_count; i++) {
        request.headers[i] = lines[i];
        built = built && lines[i] != NULL;
    }
    st = built ? mq_http_perform(c->http, &request, response, err)
               : mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    for (size_t i = 0; i < line_count; i++)
        free(lines[i]);
    mq_buffer_release(&authorization);
    return st;
}

/* An answer that calls our clock or keys wrong can be mended once: true to try again at once. */
static bool
mend(struct mq_s3_connection *c, const struct mq_http_response *response)
{
    char code[128] = "";
    mq_s3_xml_text(&response->body, "Code", code, sizeof(code));
    if (strcmp(code, "ExpiredToken") == 0 || strcmp(code, "InvalidToken") == 0) {
        mq_aws_credentials_forget(c->credentials);
        return true;
    }
    const char *date = mq_http_header_of(response, "date");
    int64_t server_s;
    if (response->status != 403 || date == NULL || !http_date(date, &server_s))
        return false;
    int64_t skew = server_s - (int64_t)time(NULL);
    int64_t change = skew - atomic_load(&c->clock_skew_s);
    if (change < SKEW_TOLERATED_S && change > -SKEW_TOLERATED_S)
        return false;
    atomic_store(&c->clock_skew_s, skew);
    return true;
}

enum mq_status
mq_s3_perform(struct mq_s3_connection *c, const struct mq_s3_call *call,
              struct mq_http_response *response, struct mq_error *err)
{
    struct mq_error local = {0};
    struct mq_buffer path = {0};
    enum mq_status st = mq_buffer_append_char(&path, '/', &local);
    if (st == MQ_OK && c->path_style)
        st = mq_buffer_printf(&path, &local, "%s%s", c->bucket, call->key != NULL ? "/" : "");
    if (st == MQ_OK && call->key != NULL)
        st = mq_uri_encode(c->prefix, strlen(c->prefix), true, &path, &local);
    if (st == MQ_OK && call->key != NULL)
        st = mq_uri_encode(call->key, strlen(call->key), true, &path, &local);
    char payload_hash[MQ_SHA256_HEX_SIZE];
    mq_sha256_of_bytes(call->body != NULL ? call->body : "", call->body_size, payload_hash);
    struct mq_retry retry;
    mq_retry_begin(&retry, c->deadline_ms, c->attempts_max);
    bool mended = false;
    int tries = 0;
    while (st == MQ_OK) {
        tries++;
        mq_http_response_reset(response);
        bool slow = false;
        st = send_once(c, call, path.data, payload_hash, response, &local);
        if (st == MQ_OK && response->status < 400 && response->status != 301 &&
            response->status != 307)
            break;
        if (st == MQ_OK) {
            if (!mended && mend(c, response)) {
                mended = true;
                continue;
            }
            st = judge(c, call, response, &slow, &local);
        }
        const char *after = mq_http_header_of(response, "retry-after");
        int64_t pause_ms =
            after != NULL ? MQ_MIN(MQ_MAX(strtoll(after, NULL, 10), 0), 60) * 1000 : 0;
        if (!local.retriable)
            break;
        if (!mq_retry_again(&retry, slow, pause_ms)) {
            mq_error_hint(&local,
                          "gave up after %d tries in at most %lld s; run the command again when "
                          "the store answers",
                          retry.attempt, (long long)(c->deadline_ms / 1000));
            break;
        }
        st = MQ_OK;
    }
    if (call->ret_tries != NULL)
        *call->ret_tries = tries;
    mq_buffer_release(&path);
    if (st != MQ_OK && err != NULL)
        *err = local;
    return st;
}
