/*
 * S3 and credentials against a stub: what is sent, and what answers are taken for. The behaviour of
 * whole servers is in tests/services.
 */
#include "check.h"

#include "http_stub.h"

#include <time.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "store/aws_credentials.h"
#include "store/feature_store.h"
#include "store/object_store.h"
#include "store/s3_connection.h"

static int
clean_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_S3",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_CONFIG_FILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "http_proxy"};
    for (size_t i = 0; i < MQ_COUNT(names); i++)
        unsetenv(names[i]);
    setenv("HOME", "/nonexistent", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return 0;
}

static void
use_keys(void)
{
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
}

static struct mq_object_store *
open_stub(const struct http_stub *stub, const char *more)
{
    struct mq_error err;
    struct mq_object_store *store;
    char uri[512];
    snprintf(uri, sizeof(uri), "s3://films/p?endpoint=http://127.0.0.1:%d&deadline-s=20%s",
             stub->port, more);
    check_ok(mq_object_store_open(uri, &store, &err));
    return store;
}

/* ---- what an answer means --------------------------------------------------------------- */

struct reply {
    int status;
    const char *headers, *body;
};

static const char *
same_reply(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    (void)request;
    const struct reply *reply = stub->context;
    return http_stub_answer(stub, reply->status, reply->headers, reply->body);
}

/* Refusals are told as what they are, at once, with what to do. */
static void
refusals(void **state)
{
    (void)state;
    static const struct {
        struct reply reply;
        enum mq_status status;
        const char *message, *hint;
    } cases[] = {
        {{403, "", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"},
         MQ_E_DENIED,
         "403 AccessDenied: no",
         "permissions"},
        {{403, "", "<Error><Code>SignatureDoesNotMatch</Code></Error>"},
         MQ_E_DENIED,
         "SignatureDoesNotMatch",
         "secret key"},
        {{403, "", "<Error><Code>InvalidAccessKeyId</Code></Error>"},
         MQ_E_DENIED,
         "InvalidAccessKeyId",
         "access key"},
        {{404, "", "<Error><Code>NoSuchKey</Code></Error>"}, MQ_E_NOT_FOUND, "NoSuchKey", ""},
        {{404, "", "<Error><Code>NoSuchBucket</Code></Error>"},
         MQ_E_UNREACHABLE,
         "NoSuchBucket",
         "stores create"},
        {{404, "", "<Error><Code>XAdminUserNotFound</Code></Error>"},
         MQ_E_DENIED,
         "XAdminUserNotFound",
         "access key"},
        {{404, "", "<Error><Code>SomethingElse</Code></Error>"}, MQ_E_IO, "SomethingElse", ""},
        {{301, "x-amz-bucket-region: eu-west-3\r\n",
          "<Error><Code>PermanentRedirect</Code></Error>"},
         MQ_E_CONFIG,
         "301 PermanentRedirect",
         "region=eu-west-3"},
        {{400, "",
          "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>"},
         MQ_E_CONFIG,
         "AuthorizationHeaderMalformed",
         "region=eu-west-2"},
        {{412, "", "<Error><Code>PreconditionFailed</Code></Error>"},
         MQ_E_CONFLICT,
         "412 PreconditionFailed",
         ""},
        {{501, "", "<Error><Code>NotImplemented</Code></Error>"},
         MQ_E_UNREACHABLE,
         "NotImplemented",
         ""},
    };
    use_keys();
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        struct mq_error err = {0};
        struct http_stub *stub = http_stub_start(same_reply, (void *)&cases[i].reply);
        struct mq_object_store *store = open_stub(stub, "");
        struct mq_buffer bytes = {0};
        check_fails(cases[i].status, mq_object_get_range(store, "k", 0, 5, &bytes, &err));
        check_contains(err.message, cases[i].message);
        check_contains(err.message, "s3://films/p/k");
        check_contains(err.hint, cases[i].hint);
        mq_object_store_free(store);
        http_stub_stop(stub);
        assert_int_equal(stub->count, 1);
        free(stub);
        mq_buffer_release(&bytes);
    }
}

static const char *
third_is_well(struct http_stub *stub, int number, const char *request)
{
    (void)request;
    const struct reply *reply = stub->context;
    if (number < 2)
        return reply->status == 0
                   ? NULL
                   : http_stub_answer(stub, reply->status, reply->headers, reply->body);
    return http_stub_answer(stub, 206, "ETag: \"e\"\r\n", "hello");
}

/* What passes by itself is tried again. */
static void
tried_again(void **state)
{
    (void)state;
    static const struct reply replies[] = {
        {500, "", "<Error><Code>InternalError</Code></Error>"},
        {503, "", "<Error><Code>SlowDown</Code></Error>"},
        {429, "", ""},
        {502, "", "<html>bad gateway</html>"},
        {400, "", "<Error><Code>RequestTimeout</Code></Error>"},
        {0, "", ""},
    };
    use_keys();
    for (size_t i = 0; i < MQ_COUNT(replies); i++) {
        struct mq_error err = {0};
        struct http_stub *stub = http_stub_start(third_is_well, (void *)&replies[i]);
        struct mq_object_store *store = open_stub(stub, "");
        struct mq_buffer bytes = {0};
        check_ok(mq_object_get_range(store, "k", 0, 5, &bytes, &err));
        assert_string_equal(bytes.data, "hello");
        mq_object_store_free(store);
        http_stub_stop(stub);
        assert_int_equal(stub->count, 3);
        free(stub);
        mq_buffer_release(&bytes);
    }
}

/* Retry-After is waited for, and the deadline ends it all. */
static void
deadline_holds(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    const struct reply reply = {503, "Retry-After: 30\r\n", ""};
    struct http_stub *stub = http_stub_start(same_reply, (void *)&reply);
    struct mq_object_store *store = open_stub(stub, "&deadline-s=2");
    struct mq_object_info info;
    double begin = mq_clock_monotonic_s();
    check_fails(MQ_E_UNREACHABLE, mq_object_stat(store, "k", &info, &err));
    assert_true(mq_clock_monotonic_s() - begin < 10);
    check_contains(err.hint, "gave up after 1 tries");
    mq_object_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 1);
    free(stub);
}

/* ---- clock and keys that are out of date ------------------------------------------------ */

static const char *
skewed_clock(struct http_stub *stub, int number, const char *request)
{
    (void)request;
    char date[64], headers[128];
    time_t later = time(NULL) + 3 * 3600;
    struct tm tm;
    gmtime_r(&later, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(headers, sizeof(headers), "Date: %s\r\n", date);
    if (number == 0)
        return http_stub_answer(stub, 403, headers,
                                "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    return http_stub_answer(stub, 206, headers, "hello");
}

static void
clock_skew_is_mended(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    struct http_stub *stub = http_stub_start(skewed_clock, NULL);
    struct mq_object_store *store = open_stub(stub, "");
    struct mq_buffer bytes = {0};
    char least[MQ_AMZ_DATE_SIZE], most[MQ_AMZ_DATE_SIZE];
    mq_amz_date_format((int64_t)time(NULL) + 3 * 3600 - 2, least);
    check_ok(mq_object_get_range(store, "k", 0, 5, &bytes, &err));
    mq_amz_date_format((int64_t)time(NULL) + 3 * 3600 + 2, most);
    mq_object_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 2);
    const char *sent = strcasestr(stub->requests[1], "x-amz-date: ");
    assert_non_null(sent);
    assert_true(strncmp(sent + 12, least, sizeof(least) - 1) >= 0);
    assert_true(strncmp(sent + 12, most, sizeof(most) - 1) <= 0);
    free(stub);
    mq_buffer_release(&bytes);
}

static const char *
expired_token(struct http_stub *stub, int number, const char *request)
{
    (void)request;
    if (number == 0) {
        setenv("AWS_SESSION_TOKEN", "new-token", 1);
        return http_stub_answer(stub, 400, "", "<Error><Code>ExpiredToken</Code></Error>");
    }
    return http_stub_answer(stub, 206, "", "hello");
}

/* A session token is sent and signed; one that the server calls expired is fetched anew. */
static void
session_token(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    setenv("AWS_SESSION_TOKEN", "old-token", 1);
    struct http_stub *stub = http_stub_start(expired_token, NULL);
    struct mq_object_store *store = open_stub(stub, "");
    struct mq_buffer bytes = {0};
    check_ok(mq_object_get_range(store, "k", 0, 5, &bytes, &err));
    mq_object_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 2);
    check_contains(stub->requests[0], "x-amz-security-token: old-token");
    check_contains(stub->requests[0], "x-amz-security-token, ");
    check_contains(stub->requests[1], "x-amz-security-token: new-token");
    free(stub);
    mq_buffer_release(&bytes);
}

/* ---- addresses -------------------------------------------------------------------------- */

static void
addresses(void **state)
{
    (void)state;
    static const struct {
        const char *rest, *endpoint;
        bool path_style;
    } cases[] = {
        {"//films/p?region=eu-west-1", "https://films.s3.eu-west-1.amazonaws.com", false},
        {"//films/p", "https://films.s3.us-east-1.amazonaws.com", false},
        {"//a.b/p?region=eu-west-1", "https://s3.eu-west-1.amazonaws.com", true},
        {"//films?region=cn-north-1", "https://films.s3.cn-north-1.amazonaws.com.cn", false},
        {"//films?endpoint=http://h:9000/", "http://h:9000", true},
        {"//films?endpoint=http%3A%2F%2Fh:9000&path-style=false", "http://films.h:9000", false},
    };
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        struct mq_error err;
        struct mq_s3_connection *c;
        check_ok(mq_s3_connection_new(cases[i].rest, &c, &err));
        assert_string_equal(c->aws.endpoint, cases[i].endpoint);
        assert_string_equal(c->aws.host, strstr(cases[i].endpoint, "://") + 3);
        assert_int_equal(c->path_style, cases[i].path_style);
        mq_s3_connection_free(c);
    }
    static const char *const bad[] = {"//films?colour=red",       "//films?region",
                                      "//films?part-mb=4",        "//films?transfers=65",
                                      "//films?endpoint=ftp://x", "//films?endpoint=http://",
                                      "//films?deadline-s=x",     "//fi lms",
                                      "//films/a/../b",           "//films?anonymous=perhaps"};
    for (size_t i = 0; i < MQ_COUNT(bad); i++) {
        struct mq_error err;
        struct mq_s3_connection *c;
        enum mq_status st = mq_s3_connection_new(bad[i], &c, &err);
        if (st != MQ_E_CONFIG && st != MQ_E_RANGE)
            fail_msg("%s: %s", bad[i], mq_status_name(st));
    }
}

/* ---- where keys come from --------------------------------------------------------------- */

static struct mq_aws_keys
keys_of(const char *profile, enum mq_status expected)
{
    struct mq_error err = {0};
    struct mq_http_client *http;
    struct mq_aws_credentials *credentials;
    struct mq_aws_keys keys = {0};
    check_ok(mq_http_client_new(NULL, &http, &err));
    check_ok(mq_aws_credentials_new(http, profile, &credentials, &err));
    check_fails(expected, mq_aws_credentials_get(credentials, &keys, &err));
    mq_aws_credentials_free(credentials);
    mq_http_client_free(http);
    return keys;
}

static void
keys_of_files(void **state)
{
    (void)state;
    struct mq_error err;
    char *folder;
    check_ok(mq_fs_scratch(&folder, &err));
    char path[512], config[512], region[64];
    snprintf(path, sizeof(path), "%s/credentials", folder);
    snprintf(config, sizeof(config), "%s/config", folder);
    FILE *file = fopen(path, "w");
    fputs("# mine\n[default]\naws_access_key_id = A1\naws_secret_access_key=S1\n\n"
          "[work]\naws_access_key_id=A2\naws_secret_access_key=S2\naws_session_token = T2\n",
          file);
    fclose(file);
    file = fopen(config, "w");
    fputs("[default]\nregion = eu-north-1\n[profile work]\nregion=eu-west-3\n"
          "[profile other]\naws_access_key_id=A3\naws_secret_access_key=S3\n",
          file);
    fclose(file);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_CONFIG_FILE", config, 1);
    struct mq_aws_keys keys = keys_of(NULL, MQ_OK);
    assert_string_equal(keys.access_key, "A1");
    assert_string_equal(keys.secret_key, "S1");
    assert_string_equal(keys.token, "");
    assert_true(mq_aws_default_region(NULL, region, sizeof(region)));
    assert_string_equal(region, "eu-north-1");
    keys = keys_of("work", MQ_OK);
    assert_string_equal(keys.access_key, "A2");
    assert_string_equal(keys.token, "T2");
    setenv("AWS_PROFILE", "other", 1);
    keys = keys_of(NULL, MQ_OK);
    assert_string_equal(keys.access_key, "A3");
    /* The environment is stronger than AWS_PROFILE, a profile in the URI stronger than both. */
    use_keys();
    assert_string_equal(keys_of(NULL, MQ_OK).access_key, "AKIDEXAMPLE");
    assert_string_equal(keys_of("work", MQ_OK).access_key, "A2");
    (void)keys_of("nobody", MQ_E_DENIED);
    check_ok(mq_fs_remove(folder, &err));
    free(folder);
}

/* Keys named by their number, which expire in `context` seconds. */
static const char *
metadata(struct http_stub *stub, int number, const char *request)
{
    char instant[MQ_INSTANT_SIZE], body[512];
    if (strstr(request, "PUT /latest/api/token") == request)
        return http_stub_answer(stub, 200, "", "the-token");
    if (strstr(request, "/security-credentials/ ") != NULL)
        return http_stub_answer(stub, 200, "", "films-role");
    mq_instant_format(mq_clock_now_s() + *(int *)stub->context, instant);
    snprintf(body, sizeof(body),
             "{\"AccessKeyId\": \"K%d\", \"SecretAccessKey\": \"S\", \"Token\": \"T\", "
             "\"Expiration\": \"%s\"}",
             number, instant);
    return http_stub_answer(stub, 200, "", body);
}

/* The container's endpoint is asked with its token; keys are kept until they are about to expire.
 */
static void
keys_of_container(void **state)
{
    (void)state;
    struct mq_error err;
    int life_s = 3600;
    struct http_stub *stub = http_stub_start(metadata, &life_s);
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/creds", stub->port);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret-token", 1);
    struct mq_http_client *http;
    struct mq_aws_credentials *credentials;
    struct mq_aws_keys keys;
    check_ok(mq_http_client_new(NULL, &http, &err));
    check_ok(mq_aws_credentials_new(http, NULL, &credentials, &err));
    check_ok(mq_aws_credentials_get(credentials, &keys, &err));
    assert_string_equal(keys.access_key, "K0");
    assert_string_equal(keys.token, "T");
    check_ok(mq_aws_credentials_get(credentials, &keys, &err));
    assert_string_equal(keys.access_key, "K0"); /* kept */
    /* Nearly an hour later they are renewed. */
    char now[32];
    snprintf(now, sizeof(now), "%lld", (long long)(time(NULL) + 3600 - MQ_AWS_RENEW_AHEAD_S + 5));
    setenv("MARQUEE_NOW", now, 1);
    enum mq_status st = mq_aws_credentials_get(credentials, &keys, &err);
    unsetenv("MARQUEE_NOW");
    assert_int_equal(st, MQ_OK);
    assert_string_equal(keys.access_key, "K1");
    mq_aws_credentials_free(credentials);
    mq_http_client_free(http);
    http_stub_stop(stub);
    check_contains(stub->requests[0], "GET /creds ");
    check_contains(stub->requests[0], "Authorization: secret-token");
    free(stub);
}

/* What a look-up says, by a fresh provider. */
static struct mq_error
error_of_keys(enum mq_status expected)
{
    struct mq_error err = {0};
    struct mq_http_client *http;
    struct mq_aws_credentials *credentials;
    struct mq_aws_keys keys;
    check_ok(mq_http_client_new(NULL, &http, &err));
    check_ok(mq_aws_credentials_new(http, NULL, &credentials, &err));
    check_fails(expected, mq_aws_credentials_get(credentials, &keys, &err));
    mq_aws_credentials_free(credentials);
    mq_http_client_free(http);
    return err;
}

static void
write_token(const char *path, size_t size, const char *end)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        fputc("0123456789abcdef"[i % 16], file);
    fputs(end, file);
    fclose(file);
}

static const char *
refuse_token(struct http_stub *stub, int number, const char *request)
{
    (void)request;
    return number == 0 ? http_stub_answer(stub, 401, "", "token\nexpired")
                       : http_stub_answer(stub, 200, "", "{\"no\": \"keys\"}");
}

/* Tokens of EKS have thousands of bytes: the endpoint gets them whole. What fails is told as what
 * it is, and nobody else is asked instead. */
static void
tokens_of_containers(void **state)
{
    (void)state;
    struct mq_error err;
    mq_autofree char *folder = NULL;
    int life_s = 3600;
    char url[128], path[512];
    check_ok(mq_fs_scratch(&folder, &err));
    snprintf(path, sizeof(path), "%s/token", folder);
    struct http_stub *stub = http_stub_start(metadata, &life_s);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/creds", stub->port);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    write_token(path, 10000, "-the-end\n");
    assert_string_equal(keys_of(NULL, MQ_OK).source, "container");
    http_stub_stop(stub);
    const char *token = strstr(stub->requests[0], "Authorization: 0123");
    assert_non_null(token);
    assert_int_equal(strcspn(token, "\r"), strlen("Authorization: ") + 10000 + strlen("-the-end"));
    free(stub);
    write_token(path, MQ_AWS_TOKEN_MAX, "");
    err = error_of_keys(MQ_E_RANGE);
    check_contains(err.message, "has more than 16383 bytes");
    check_contains(err.message, "TOKEN_FILE");
    write_token(path, 10, "\r\nX-Forged: 1\n");
    check_contains(error_of_keys(MQ_E_FORMAT).message, "control character at byte 10");
    assert_int_equal(unlink(path), 0);
    check_contains(error_of_keys(MQ_E_DENIED).message, path);
    write_token(path, 10, "");
    stub = http_stub_start(refuse_token, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/creds", stub->port);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    err = error_of_keys(MQ_E_DENIED);
    check_contains(err.message, "/creds' answers 401: token expired");
    check_contains(err.hint, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    check_contains(error_of_keys(MQ_E_FORMAT).message, "holds no AWS credentials");
    http_stub_stop(stub);
    free(stub);
    check_ok(mq_fs_remove(folder, &err));
}

/* Session tokens above a kilobyte or two come through, too long ones are told of. */
static void
long_session_tokens(void **state)
{
    (void)state;
    struct mq_error err;
    mq_autofree char *folder = NULL;
    static char token[MQ_AWS_TOKEN_MAX + 1];
    char path[512];
    memset(token, 'x', sizeof(token) - 1);
    token[12000] = '\0';
    check_ok(mq_fs_scratch(&folder, &err));
    snprintf(path, sizeof(path), "%s/credentials", folder);
    FILE *file = fopen(path, "w");
    fprintf(file,
            "[default]\naws_session_token=%s\naws_access_key_id=A\n"
            "aws_secret_access_key=S\n",
            token);
    fclose(file);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    assert_string_equal(keys_of(NULL, MQ_OK).token, token);
    use_keys();
    setenv("AWS_SESSION_TOKEN", token, 1);
    assert_string_equal(keys_of(NULL, MQ_OK).token, token);
    token[12000] = 'x';
    setenv("AWS_SESSION_TOKEN", token, 1);
    check_contains(error_of_keys(MQ_E_RANGE).message,
                   "session token of the AWS credentials (environment) has 16384 bytes");
    check_ok(mq_fs_remove(folder, &err));
}

/* The instance's metadata, by a session token (IMDSv2). */
static void
keys_of_instance(void **state)
{
    (void)state;
    int life_s = 3600;
    struct http_stub *stub = http_stub_start(metadata, &life_s);
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", stub->port);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    (void)keys_of(NULL, MQ_E_DENIED); /* switched off */
    unsetenv("AWS_EC2_METADATA_DISABLED");
    struct mq_aws_keys keys = keys_of(NULL, MQ_OK);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    http_stub_stop(stub);
    assert_string_equal(keys.access_key, "K2");
    assert_int_equal(stub->count, 3);
    check_contains(stub->requests[0], "X-aws-ec2-metadata-token-ttl-seconds");
    check_contains(stub->requests[1], "X-aws-ec2-metadata-token: the-token");
    check_contains(stub->requests[2], "/security-credentials/films-role ");
    free(stub);
}

/* ---- checksums --------------------------------------------------------------------------- */

/* What the server says of a checksum; "hello" has the CRC-32 0x3610a686. */
static const char *
with_checksum(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    const char *headers = stub->context;
    /* A server tells only who asks. */
    if (strcasestr(request, "\r\nx-amz-checksum-mode: ENABLED") == NULL)
        headers = "";
    snprintf(stub->answer, sizeof(stub->answer),
             "HTTP/1.1 200 OK\r\n%sETag: \"e\"\r\nContent-Length: 5\r\nLast-Modified: Sun, 22 Nov "
             "2026 19:38:00 GMT\r\nConnection: close\r\n\r\n%s",
             headers, strncmp(request, "HEAD", 4) == 0 ? "" : "hello");
    return stub->answer;
}

/* A checksum that the server keeps costs a HEAD; one that says nothing of the whole, or is none,
 * is not believed: the object is read. */
static void
checksums(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int requests;
    } cases[] = {
        {"x-amz-checksum-crc32: NhCmhg==\r\n", 1},
        {"x-amz-checksum-crc32: NhCmhg==\r\nx-amz-checksum-type: FULL_OBJECT\r\n", 1},
        {"", 4}, /* HEAD, what a reader asks (HEAD and GET), HEAD */
        {"x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-type: COMPOSITE\r\n", 4},
        {"x-amz-checksum-crc32: AAAAAA==-3\r\n", 4},
        {"x-amz-checksum-sha256: AAAA\r\n", 4},
        {"x-amz-checksum-crc32: NhC!hg==\r\n", 4},
    };
    use_keys();
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        struct mq_error err = {0};
        struct mq_object_info info;
        struct http_stub *stub =
            http_stub_start(with_checksum, (void *)(uintptr_t)cases[i].headers);
        struct mq_object_store *store = open_stub(stub, "");
        check_ok(mq_object_stat_checksum(store, "k", &info, &err));
        assert_true(info.has_crc32);
        assert_int_equal(info.crc32, 0x3610a686);
        assert_int_equal(info.size_bytes, 5);
        assert_string_equal(info.etag, "\"e\"");
        mq_object_store_free(store);
        http_stub_stop(stub);
        assert_int_equal(stub->count, cases[i].requests);
        free(stub);
    }
}

/* ---- uploads ---------------------------------------------------------------------------- */

static const char *
part_denied(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    if (strncmp(request, "POST", 4) == 0)
        return http_stub_answer(stub, 200, "",
                                "<InitiateMultipartUploadResult><UploadId>up/1</UploadId>"
                                "</InitiateMultipartUploadResult>");
    if (strncmp(request, "PUT", 3) == 0)
        return http_stub_answer(stub, 403, "", "<Error><Code>AccessDenied</Code></Error>");
    return http_stub_answer(stub, 204, "", "");
}

/* An upload that fails is aborted: parts cost money until somebody does. */
static void
failed_upload_is_aborted(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    struct http_stub *stub = http_stub_start(part_denied, NULL);
    struct mq_object_store *store = open_stub(stub, "&part-mb=5&transfers=1");
    struct mq_writer *writer;
    char *bytes = calloc(1, 6 << 20);
    check_ok(mq_object_writer(store, "k", &writer, &err));
    enum mq_status st = mq_writer_put(writer, bytes, 6 << 20, &err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, &err);
    assert_int_equal(st, MQ_E_DENIED);
    mq_writer_close(writer);
    mq_object_store_free(store);
    http_stub_stop(stub);
    const char *last = stub->requests[stub->count - 1];
    check_contains(last, "DELETE /films/p/k?uploadId=up%2F1 ");
    free(stub);
    free(bytes);
}

static const char *
late_failure(struct http_stub *stub, int number, const char *request)
{
    if (strncmp(request, "HEAD", 4) == 0)
        return "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"e\"\r\nConnection: close\r\n\r\n";
    if (*(int *)stub->context == 0 && number > 1)
        return http_stub_answer(stub, 200, "", "<?xml version=\"1.0\"?><CopyObjectResult/>");
    return http_stub_answer(stub, 200, "",
                            "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
}

/* A copy whose 200 turns out to be an error is tried again. */
static void
late_failures(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    int for_ever = 0;
    struct http_stub *stub = http_stub_start(late_failure, &for_ever);
    struct mq_object_store *store = open_stub(stub, "");
    check_ok(mq_object_copy(store, "a", "b", &err));
    mq_object_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 3);
    free(stub);
    for_ever = 1;
    stub = http_stub_start(late_failure, &for_ever);
    store = open_stub(stub, "&deadline-s=1");
    check_fails(MQ_E_UNREACHABLE, mq_object_copy(store, "a", "b", &err));
    check_contains(err.message, "InternalError");
    mq_object_store_free(store);
    http_stub_stop(stub);
    free(stub);
}

/* ---- DynamoDB --------------------------------------------------------------------------- */

static const char *
leaves_some(struct http_stub *stub, int number, const char *request)
{
    (void)request;
    if (number == 0)
        return http_stub_answer(
            stub, 200, "",
            "{\"UnprocessedItems\": {\"t-users\": [{\"PutRequest\": {\"Item\": {\"key\": {\"S\": "
            "\"b\"}}}}]}}");
    if (number == 1)
        return http_stub_answer(
            stub, 400, "",
            "{\"__type\": \"com.amazonaws.dynamodb.v20120810#ThrottlingException\"}");
    if (number == 2) /* damaged on the way */
        return http_stub_answer(stub, 200, "x-amz-crc32: 1\r\n", "{\"UnprocessedItems\": {}}");
    return http_stub_answer(stub, 200, "", "{\"UnprocessedItems\": {}}");
}

/* What was left unprocessed goes again, alone; throttling and damaged answers are tried again. */
static void
unprocessed_items(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    struct http_stub *stub = http_stub_start(leaves_some, NULL);
    char uri[128];
    struct mq_feature_store *store;
    snprintf(uri, sizeof(uri), "dynamodb:t-?endpoint=http://127.0.0.1:%d&deadline-s=20",
             stub->port);
    check_ok(mq_feature_store_open(uri, &store, &err));
    const struct mq_record records[] = {{.key = "a"}, {.key = "b"}};
    check_ok(mq_feature_batch_put(store, "users", records, 2, &err));
    mq_feature_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 4);
    check_contains(stub->requests[0], "x-amz-target: DynamoDB_20120810.BatchWriteItem");
    check_contains(stub->requests[0], "us-east-1/dynamodb/aws4_request");
    check_contains(stub->requests[0], "{\"S\":\"a\"}");
    check_contains(stub->requests[3], "{\"S\":\"b\"}");
    assert_null(strstr(stub->requests[3], "{\"S\":\"a\"}"));
    free(stub);
}

static const char *
denies(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    (void)request;
    return http_stub_answer(
        stub, 400, "",
        "{\"__type\": \"x#AccessDeniedException\", \"Message\": \"user films is "
        "not authorized to perform: dynamodb:BatchGetItem\"}");
}

static void
dynamodb_denied(void **state)
{
    (void)state;
    struct mq_error err = {0};
    use_keys();
    struct http_stub *stub = http_stub_start(denies, NULL);
    char uri[128];
    struct mq_feature_store *store;
    struct mq_arena arena = {0};
    struct mq_record record;
    snprintf(uri, sizeof(uri), "dynamodb:t-?endpoint=http://127.0.0.1:%d", stub->port);
    check_ok(mq_feature_store_open(uri, &store, &err));
    check_fails(MQ_E_DENIED,
                mq_feature_get(store, "users", "k", MQ_READ_EVENTUAL, &arena, &record, &err));
    check_contains(err.message, "not authorized to perform: dynamodb:BatchGetItem");
    check_contains(err.message, "t-users");
    mq_feature_store_free(store);
    http_stub_stop(stub);
    assert_int_equal(stub->count, 1);
    assert_null(strstr(stub->requests[0], "ConsistentRead"));
    free(stub);
    mq_arena_release(&arena);
}

#define REQUEST_TEST(test) cmocka_unit_test_setup(test, clean_environment)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        REQUEST_TEST(refusals),
        REQUEST_TEST(tried_again),
        REQUEST_TEST(deadline_holds),
        REQUEST_TEST(clock_skew_is_mended),
        REQUEST_TEST(session_token),
        REQUEST_TEST(addresses),
        REQUEST_TEST(keys_of_files),
        REQUEST_TEST(keys_of_container),
        REQUEST_TEST(tokens_of_containers),
        REQUEST_TEST(long_session_tokens),
        REQUEST_TEST(keys_of_instance),
        REQUEST_TEST(checksums),
        REQUEST_TEST(failed_upload_is_aborted),
        REQUEST_TEST(late_failures),
        REQUEST_TEST(unprocessed_items),
        REQUEST_TEST(dynamodb_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
