#include "store/s3_connection.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/uri_parameters.h"

#define DEFAULT_PART_MB 8
#define DEFAULT_TRANSFERS 8

/* ---- the URI ---------------------------------------------------------------------------- */

struct uri_work {
    struct mq_s3_connection *connection;
    struct mq_aws_settings settings;
    int path_style; /* -1 not said */
};

static enum mq_status
take_parameter(void *context, const char *name, const char *value, struct mq_error *err)
{
    struct uri_work *work = context;
    struct mq_s3_connection *c = work->connection;
    int64_t number = 0;
    bool known, flag = false;
    enum mq_status st = mq_aws_settings_take(&work->settings, name, value, &known, err);
    if (st != MQ_OK || known)
        return st;
    if (strcmp(name, "path-style") == 0) {
        if ((st = mq_uri_truth(name, value, &flag, err)) == MQ_OK)
            work->path_style = flag;
        return st;
    }
    if (strcmp(name, "part-mb") == 0) {
        if ((st = mq_uri_whole_number(name, value, 5, 512, &number, err)) == MQ_OK)
            c->part_bytes = (size_t)number << 20;
        return st;
    }
    if (strcmp(name, "transfers") == 0) {
        if ((st = mq_uri_whole_number(name, value, 1, 64, &number, err)) == MQ_OK)
            c->transfers = (int)number;
        return st;
    }
    return mq_fail(
        err, MQ_E_CONFIG,
        "unknown parameter '%s' (allowed: region, endpoint, path-style, profile, part-mb, "
        "transfers, deadline-s, stall-s, anonymous)",
        name);
}

static enum mq_status
parse_uri(struct uri_work *work, const char *rest, struct mq_error *err)
{
    struct mq_s3_connection *c = work->connection;
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
    enum mq_status st = mq_uri_text(&c->bucket, text, err);
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
    return st == MQ_OK ? mq_uri_parameters(query, take_parameter, work, err) : st;
}

/* Own servers seldom have a host name a bucket; names with dots break wildcard certificates. */
static char *
address_of(const struct uri_work *work)
{
    const struct mq_s3_connection *c = work->connection;
    const char *own = work->settings.endpoint, *region = work->settings.region;
    /* Amazon's Chinese regions have a domain of their own. */
    const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    if (own == NULL)
        return c->path_style ? mq_strfmt("https://s3.%s.%s", region, domain)
                             : mq_strfmt("https://%s.s3.%s.%s", c->bucket, region, domain);
    if (c->path_style)
        return mq_strdup(own);
    const char *host = strstr(own, "://") + 3;
    return mq_strfmt("%.*s%s.%s", (int)(host - own), own, c->bucket, host);
}

static enum mq_status
connect_to(struct uri_work *work, struct mq_error *err)
{
    struct mq_s3_connection *c = work->connection;
    enum mq_status st = mq_aws_settings_complete(&work->settings, "AWS_ENDPOINT_URL_S3", err);
    if (st != MQ_OK)
        return st;
    c->path_style = work->path_style >= 0
                        ? work->path_style == 1
                        : work->settings.endpoint != NULL || strchr(c->bucket, '.') != NULL;
    c->uri = mq_strfmt("s3://%s/%s", c->bucket, c->prefix);
    mq_autofree char *address = address_of(work);
    if (c->uri == NULL || address == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an S3 connection");
    return mq_aws_client_init(&c->aws, "s3", &work->settings, address, c->transfers + 8, err);
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
    struct uri_work work = {.connection = c, .path_style = -1};
    enum mq_status st = parse_uri(&work, rest, err);
    if (st == MQ_OK)
        st = connect_to(&work, err);
    mq_aws_settings_release(&work.settings);
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
    mq_aws_client_release(&c->aws);
    free(c->bucket);
    free(c->prefix);
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

/* The inverse of mq_s3_crc32_text. */
static bool
read_crc32(const char *text, uint32_t *ret_crc)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t bits = 0;
    if (strlen(text) != 8 || strcmp(text + 6, "==") != 0)
        return false;
    for (int i = 0; i < 6; i++) {
        const char *found = strchr(digits, text[i]);
        if (found == NULL)
            return false;
        bits = bits << 6 | (uint64_t)(found - digits);
    }
    *ret_crc = (uint32_t)(bits >> 4);
    return (bits & 15) == 0;
}

void
mq_s3_info_of(const struct mq_http_response *response, struct mq_object_info *ret_info)
{
    *ret_info = (struct mq_object_info){.size_bytes = -1};
    const char *length = mq_http_header_of(response, "content-length");
    const char *range = mq_http_header_of(response, "content-range");
    const char *etag = mq_http_header_of(response, "etag");
    const char *modified = mq_http_header_of(response, "last-modified");
    const char *crc = mq_http_header_of(response, "x-amz-checksum-crc32");
    const char *type = mq_http_header_of(response, "x-amz-checksum-type");
    /* A composite checksum (of the parts' checksums) says nothing about the whole. */
    if (crc != NULL && (type == NULL || strcmp(type, "FULL_OBJECT") == 0))
        ret_info->has_crc32 = read_crc32(crc, &ret_info->crc32);
    const char *slash = range != NULL ? strchr(range, '/') : NULL;
    if (slash != NULL)
        ret_info->size_bytes = strtoll(slash + 1, NULL, 10);
    else if (length != NULL)
        ret_info->size_bytes = strtoll(length, NULL, 10);
    if (etag != NULL)
        snprintf(ret_info->etag, sizeof(ret_info->etag), "%s", etag);
    int64_t epoch_s;
    if (modified != NULL && mq_aws_http_date(modified, &epoch_s))
        ret_info->modified_ms = epoch_s * 1000;
}

/* ---- requests --------------------------------------------------------------------------- */

struct verdict {
    struct mq_s3_connection *connection;
    const struct mq_s3_call *call;
};

static bool
is_any_of(const char *code, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

/* A copy and the end of an upload may fail after the server said 200. */
static bool
failed_late(const struct mq_http_response *response)
{
    const char *root = response->status == 200 ? response->body.data : NULL;
    while (root != NULL && (root = strchr(root, '<')) != NULL && (root[1] == '?' || root[1] == '!'))
        root++;
    return root != NULL && strncmp(root, "<Error>", 7) == 0;
}

static enum mq_status
judge(void *context, const struct mq_http_response *response, bool *ret_slow, struct mq_error *err)
{
    static const char *const slow_codes[] = {
        "SlowDown",        "Throttling", "ThrottlingException", "RequestLimitExceeded",
        "TooManyRequests", NULL};
    static const char *const passing[] = {"RequestTimeout", "OperationAborted",
                                          "ConditionalRequestConflict", "InternalError", NULL};
    /* What was sent did not arrive as it was sent. */
    static const char *const garbled[] = {"BadDigest", "XAmzContentSHA256Mismatch",
                                          "XAmzContentChecksumMismatch", "IncompleteBody", NULL};
    const struct verdict *verdict = context;
    const struct mq_s3_connection *c = verdict->connection;
    bool late = strcmp(verdict->call->method, "GET") != 0 && failed_late(response);
    int status = late ? 500 : response->status;
    if (status < 400 && status != 301 && status != 307)
        return MQ_OK;
    char code[128] = "", text[512] = "", uri[MQ_OBJECT_KEY_MAX + 512], region[64] = "";
    mq_s3_xml_text(&response->body, "Code", code, sizeof(code));
    mq_s3_xml_text(&response->body, "Message", text, sizeof(text));
    mq_s3_uri_of(c, verdict->call->key, uri, sizeof(uri));
    bool slow = status == 429 || is_any_of(code, slow_codes);
    *ret_slow = slow || status == 503;
    /* Some servers say 404 of an access key that they do not know: that must not pass for an object
     * that is not there. */
    bool missing = status == 404 && (*code == '\0' || strncmp(code, "NoSuch", 6) == 0 ||
                                     strcmp(code, "NotFound") == 0);
    bool stranger = strcmp(code, "InvalidAccessKeyId") == 0 ||
                    (status == 404 && strstr(code, "UserNotFound") != NULL);
    bool no_bucket = strcmp(code, "NoSuchBucket") == 0; /* the store is not there, nor any object */
    enum mq_status st = stranger                                             ? MQ_E_DENIED
                        : no_bucket                                          ? MQ_E_UNREACHABLE
                        : missing                                            ? MQ_E_NOT_FOUND
                        : status == 401 || status == 403                     ? MQ_E_DENIED
                        : status == 412 || status == 409                     ? MQ_E_CONFLICT
                        : status == 416                                      ? MQ_E_RANGE
                        : status == 301 || status == 307                     ? MQ_E_CONFIG
                        : status == 400 && strstr(code, "Malformed") != NULL ? MQ_E_CONFIG
                        : status >= 500 || slow                              ? MQ_E_UNREACHABLE
                                                                             : MQ_E_IO;
    const char *method = verdict->call->method;
    mq_fail(err, st, "cannot %s '%s': the server answers %d%s%s%s%s",
            strcmp(method, "PUT") == 0      ? "write"
            : strcmp(method, "DELETE") == 0 ? "delete"
            : strcmp(method, "POST") == 0   ? "change"
                                            : "read",
            uri, status, *code != '\0' ? " " : "", code, *text != '\0' ? ": " : "", text);
    if (err != NULL)
        err->retriable = (status >= 500 && status != 501 && !late) || slow || status == 408 ||
                         is_any_of(code, passing) || is_any_of(code, garbled);
    const char *header = mq_http_header_of(response, "x-amz-bucket-region");
    if (header != NULL)
        snprintf(region, sizeof(region), "%s", header);
    else
        mq_s3_xml_text(&response->body, "Region", region, sizeof(region));
    if (st == MQ_E_CONFIG && *region != '\0')
        mq_error_hint(err, "the bucket lies in region %s: add region=%s to the store's URI", region,
                      region);
    else if (strcmp(code, "RequestTimeTooSkewed") == 0)
        mq_error_hint(err, "set this machine's clock (NTP)");
    else if (stranger)
        mq_error_hint(err, "the access key is not known there: see 'Credentials' in "
                           "docs/howto/stores.md");
    else if (strcmp(code, "SignatureDoesNotMatch") == 0)
        mq_error_hint(err, "the secret key does not belong to the access key, or something on the "
                           "way changes requests");
    else if (st == MQ_E_DENIED)
        mq_error_hint(err,
                      "check the credentials, the bucket's policy, and the permissions listed in "
                      "docs/howto/stores.md");
    else if (no_bucket)
        mq_error_hint(err,
                      "make the bucket '%s' with `marquee stores create`, or correct the "
                      "store's URI",
                      c->bucket);
    return st;
}

enum mq_status
mq_s3_perform(struct mq_s3_connection *c, const struct mq_s3_call *call,
              struct mq_http_response *response, struct mq_error *err)
{
    struct mq_buffer path = {0};
    enum mq_status st = mq_buffer_append_char(&path, '/', err);
    if (st == MQ_OK && c->path_style)
        st = mq_buffer_printf(&path, err, "%s%s", c->bucket, call->key != NULL ? "/" : "");
    if (st == MQ_OK && call->key != NULL)
        st = mq_uri_encode(c->prefix, strlen(c->prefix), true, &path, err);
    if (st == MQ_OK && call->key != NULL)
        st = mq_uri_encode(call->key, strlen(call->key), true, &path, err);
    struct mq_aws_call request = {.method = call->method,
                                  .path = path.data,
                                  .query = call->query,
                                  .extra_count = call->extra_count,
                                  .body = call->body,
                                  .body_size = call->body_size,
                                  .ret_unknown = call->ret_unknown};
    memcpy(request.extra, call->extra, sizeof(request.extra));
    struct verdict verdict = {c, call};
    if (st == MQ_OK)
        st = mq_aws_perform(&c->aws, &request, judge, &verdict, response, err);
    mq_buffer_release(&path);
    return st;
}
