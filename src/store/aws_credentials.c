#include "store/aws_credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/stream.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define METADATA_ANSWER_MAX ((size_t)64 << 10)
#define METADATA_TIMEOUT_MS 1500

struct mq_aws_credentials {
    struct mq_http_client *http;
    char *profile; /* NULL: from the environment */
    pthread_mutex_t lock;
    bool held;
    struct mq_aws_keys keys;
};

static const char *
environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

enum mq_status
mq_aws_credentials_new(struct mq_http_client *http, const char *profile,
                       struct mq_aws_credentials **ret_credentials, struct mq_error *err)
{
    struct mq_aws_credentials *credentials = calloc(1, sizeof(*credentials));
    if (credentials == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a credential provider");
    credentials->http = http;
    if (profile != NULL && (credentials->profile = mq_strdup(profile)) == NULL) {
        free(credentials);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a credential provider");
    }
    pthread_mutex_init(&credentials->lock, NULL);
    *ret_credentials = credentials;
    return MQ_OK;
}

void
mq_aws_credentials_free(struct mq_aws_credentials *credentials)
{
    if (credentials == NULL)
        return;
    pthread_mutex_destroy(&credentials->lock);
    free(credentials->profile);
    free(credentials);
}

static enum mq_status
take_key(char *place, size_t size, const char *value, const char *what, const char *source,
         struct mq_error *err)
{
    size_t n = value != NULL ? strlen(value) : 0;
    if (n >= size)
        return mq_fail(err, MQ_E_RANGE,
                       "the %s of the AWS credentials (%s) has %zu bytes (at most "
                       "%zu)",
                       what, source, n, size - 1);
    memcpy(place, value != NULL ? value : "", n + 1);
    return MQ_OK;
}

/* @return MQ_E_NOT_FOUND, without a message: there are none */
static enum mq_status
set_keys(struct mq_aws_keys *keys, const char *access, const char *secret, const char *token,
         int64_t expires_s, const char *source, struct mq_error *err)
{
    if (access == NULL || secret == NULL)
        return MQ_E_NOT_FOUND;
    enum mq_status st =
        take_key(keys->access_key, MQ_AWS_KEY_MAX, access, "access key", source, err);
    if (st == MQ_OK)
        st = take_key(keys->secret_key, MQ_AWS_KEY_MAX, secret, "secret key", source, err);
    if (st == MQ_OK)
        st = take_key(keys->token, MQ_AWS_TOKEN_MAX, token, "session token", source, err);
    keys->expires_s = expires_s;
    keys->source = source;
    return st;
}

/* ---- profile files ---------------------------------------------------------------------- */

static char *
trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
        text[--n] = '\0';
    return text;
}

/* Value of `key` in [section] of an INI file; NULL when the file or the key is missing, or is
 * empty. @return owned */
static char *
ini_value(const char *path, const char *section, const char *key)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *line = NULL, *value = NULL;
    size_t room = 0;
    bool inside = false;
    while (value == NULL && getline(&line, &room, file) > 0) {
        char *text = trim(line);
        size_t n = strlen(text);
        if (*text == '[' && text[n - 1] == ']') {
            text[n - 1] = '\0';
            inside = strcmp(trim(text + 1), section) == 0;
        } else if (inside && *text != '#' && *text != ';') {
            char *equals = strchr(text, '=');
            if (equals == NULL)
                continue;
            *equals = '\0';
            if (strcmp(trim(text), key) == 0 && *trim(equals + 1) != '\0')
                value = mq_strdup(trim(equals + 1));
        }
    }
    free(line);
    fclose(file);
    return value;
}

static void
profile_path(const char *variable, const char *name, char *ret, size_t size)
{
    const char *given = environment(variable), *home = environment("HOME");
    if (given != NULL)
        snprintf(ret, size, "%s", given);
    else
        snprintf(ret, size, "%s/.aws/%s", home != NULL ? home : "", name);
}

static const char *
profile_name(const char *profile)
{
    if (profile != NULL)
        return profile;
    const char *name = environment("AWS_PROFILE");
    return name != NULL ? name : "default";
}

/* The three keys of a section; those that are missing are NULL. @return false: it has none */
static bool
section_keys(const char *path, const char *section, char *values[3])
{
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key",
                                        "aws_session_token"};
    for (int i = 0; i < 3; i++) {
        free(values[i]);
        values[i] = ini_value(path, section, names[i]);
    }
    return values[0] != NULL && values[1] != NULL;
}

/* Where the config file has a profile. */
static void
config_place(const char *profile, char path[4096], char section[256])
{
    profile_path("AWS_CONFIG_FILE", "config", path, 4096);
    bool plain = strcmp(profile, "default") == 0;
    snprintf(section, 256, "%s%s", plain ? "" : "profile ", profile);
}

static enum mq_status
from_profile(const char *wanted, struct mq_aws_keys *keys, struct mq_error *err)
{
    const char *profile = profile_name(wanted);
    char path[4096], section[256], *values[3] = {NULL};
    profile_path("AWS_SHARED_CREDENTIALS_FILE", "credentials", path, sizeof(path));
    bool found = section_keys(path, profile, values);
    if (!found) {
        config_place(profile, path, section);
        found = section_keys(path, section, values);
    }
    /* Another tool may renew a profile's session token at any time: read again now and then. */
    int64_t expires = values[2] != NULL ? mq_clock_now_s() + MQ_AWS_RENEW_AHEAD_S + 60 : 0;
    enum mq_status st =
        found ? set_keys(keys, values[0], values[1], values[2], expires, "profile", err)
              : MQ_E_NOT_FOUND;
    for (int i = 0; i < 3; i++)
        free(values[i]);
    return st;
}

bool
mq_aws_default_region(const char *profile, char *ret, size_t size)
{
    const char *region = environment("AWS_REGION");
    if (region == NULL)
        region = environment("AWS_DEFAULT_REGION");
    if (region != NULL)
        return snprintf(ret, size, "%s", region) < (int)size;
    char path[4096], section[256];
    config_place(profile_name(profile), path, section);
    mq_autofree char *value = ini_value(path, section, "region");
    return value != NULL && snprintf(ret, size, "%s", value) < (int)size;
}

/* ---- metadata endpoints ----------------------------------------------------------------- */

/* The beginning of a refusal's text, for a message: printable and on one line. */
static void
say_why(const struct mq_buffer *body, char ret_text[160])
{
    size_t n = MQ_MIN(body->size, (size_t)159);
    memcpy(ret_text, body->data != NULL ? body->data : "", n);
    ret_text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)ret_text[i] < ' ' || (unsigned char)ret_text[i] > '~')
            ret_text[i] = ' ';
}

/* @return MQ_OK (200 with a body) | MQ_E_DENIED, MQ_E_UNREACHABLE (another answer) | … */
static enum mq_status
fetch(struct mq_http_client *http, const char *method, const char *url, const char *header,
      struct mq_http_response *response, struct mq_error *err)
{
    struct mq_http_request request = {
        .method = method, .url = url, .timeout_ms = METADATA_TIMEOUT_MS};
    if (header != NULL)
        request.headers[request.header_count++] = header;
    mq_http_response_reset(response);
    enum mq_status st = mq_http_perform(http, &request, response, err);
    if (st != MQ_OK || (response->status == 200 && response->body.size > 0))
        return st;
    char why[160];
    say_why(&response->body, why);
    bool passing = response->status >= 500 || response->status == 429;
    st = mq_fail(err, passing ? MQ_E_UNREACHABLE : MQ_E_DENIED, "'%.200s' answers %d%s%s", url,
                 response->status, *why != '\0' ? ": " : "", why);
    if (err != NULL)
        err->retriable = passing;
    return st;
}

static enum mq_status
keys_from_json(const struct mq_buffer *body, const char *source, struct mq_aws_keys *keys,
               struct mq_error *err)
{
    json_t *root = json_loadb(body->data, body->size, 0, NULL);
    const char *expiration = json_string_value(json_object_get(root, "Expiration"));
    int64_t expires = 0;
    enum mq_status st = MQ_E_NOT_FOUND;
    if (expiration == NULL ||
        mq_instant_parse(expiration, strlen(expiration), &expires, NULL) == MQ_OK)
        st = set_keys(keys, json_string_value(json_object_get(root, "AccessKeyId")),
                      json_string_value(json_object_get(root, "SecretAccessKey")),
                      json_string_value(json_object_get(root, "Token")), expires, source, err);
    json_decref(root);
    if (st == MQ_E_NOT_FOUND)
        st = mq_fail(err, MQ_E_FORMAT, "the answer of the %s's endpoint holds no AWS credentials",
                     source);
    return st;
}

/* A token goes into a header: no line end may be in it. */
static enum mq_status
check_token(const char *token, size_t size, const char *place, struct mq_error *err)
{
    if (size >= MQ_AWS_TOKEN_MAX)
        return mq_fail(err, MQ_E_RANGE, "the token in %s has more than %d bytes", place,
                       MQ_AWS_TOKEN_MAX - 1);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)token[i] < ' ' || token[i] == 0x7f)
            return mq_fail(err, MQ_E_FORMAT,
                           "the token in %s holds a control character at byte "
                           "%zu",
                           place, i);
    return MQ_OK;
}

/* The container's authorization token. @param ret_token owned; NULL: none is asked for */
static enum mq_status
container_token(char **ret_token, struct mq_error *err)
{
    const char *path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    mq_autofree char *place = NULL;
    struct mq_buffer bytes = {0};
    enum mq_status st = MQ_OK;
    *ret_token = NULL;
    if (path != NULL) {
        struct mq_reader *reader;
        place = mq_strfmt("'%s' (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)", path);
        struct mq_error local = {0};
        if (mq_reader_from_file(path, &reader, &local) != MQ_OK)
            return mq_fail(err, MQ_E_DENIED,
                           "cannot read the token of the container's endpoint "
                           "(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE): %s",
                           local.message);
        st = mq_reader_all(reader, MQ_AWS_TOKEN_MAX + 16, &bytes, err);
        mq_reader_close(reader);
        if (st == MQ_E_RANGE)
            st = check_token("", MQ_AWS_TOKEN_MAX, place != NULL ? place : path, err);
    } else if (text != NULL) {
        place = mq_strdup("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        st = mq_buffer_append_text(&bytes, text, err);
    }
    if (st == MQ_OK && bytes.size > 0) {
        const char *token = trim(bytes.data);
        size_t size = strlen(token);
        if (place == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a token");
        else
            st = check_token(token, size, place, err);
        if (st == MQ_OK && size > 0 && (*ret_token = mq_strdup(token)) == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a token");
    }
    mq_buffer_release(&bytes);
    return st;
}

static enum mq_status
from_container(struct mq_http_client *http, struct mq_http_response *response,
               struct mq_aws_keys *keys, struct mq_error *err)
{
    const char *relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return MQ_E_NOT_FOUND;
    mq_autofree char *url =
        relative != NULL ? mq_strfmt("%s%s", CONTAINER_HOST, relative) : mq_strdup(full);
    mq_autofree char *token = NULL;
    enum mq_status st = container_token(&token, err);
    if (st != MQ_OK)
        return st;
    mq_autofree char *header = token != NULL ? mq_strfmt("Authorization: %s", token) : NULL;
    if (url == NULL || (token != NULL && header == NULL))
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    st = fetch(http, "GET", url, header, response, err);
    if (st == MQ_OK)
        st = keys_from_json(&response->body, "container", keys, err);
    if (st == MQ_E_DENIED)
        mq_error_hint(err, "see that the container's role and AWS_CONTAINER_AUTHORIZATION_TOKEN"
                           "(_FILE) are right, or take them out of the environment");
    return st == MQ_OK ? MQ_OK : mq_fail_context(err, st, "no AWS credentials from the container");
}

static enum mq_status
from_instance(struct mq_http_client *http, struct mq_http_response *response,
              struct mq_aws_keys *keys, struct mq_error *err)
{
    const char *disabled = environment("AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return mq_fail(err, MQ_E_NOT_FOUND, "AWS_EC2_METADATA_DISABLED");
    const char *host = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (host == NULL)
        host = INSTANCE_HOST;
    int n = (int)strlen(host);
    while (n > 0 && host[n - 1] == '/')
        n--;
    mq_autofree char *token_url = mq_strfmt("%.*s/latest/api/token", n, host);
    mq_autofree char *roles = mq_strfmt("%.*s/latest/meta-data/iam/security-credentials/", n, host);
    if (token_url == NULL || roles == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    enum mq_status st =
        fetch(http, "PUT", token_url, "X-aws-ec2-metadata-token-ttl-seconds: 21600", response, err);
    if (st != MQ_OK)
        return st;
    mq_autofree char *header = mq_strfmt("X-aws-ec2-metadata-token: %s", trim(response->body.data));
    if (header == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    if ((st = fetch(http, "GET", roles, header, response, err)) != MQ_OK)
        return st;
    char *role = trim(response->body.data);
    role[strcspn(role, "\r\n")] = '\0';
    mq_autofree char *url = mq_strfmt("%s%s", roles, role);
    if (url == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a request");
    st = fetch(http, "GET", url, header, response, err);
    return st == MQ_OK ? keys_from_json(&response->body, "instance", keys, err) : st;
}

/* ---- the chain -------------------------------------------------------------------------- */

static enum mq_status
from_endpoints(struct mq_aws_credentials *credentials, struct mq_error *err)
{
    struct mq_http_response response = {.body.limit_bytes = METADATA_ANSWER_MAX};
    enum mq_status st = from_container(credentials->http, &response, &credentials->keys, err);
    if (st == MQ_E_NOT_FOUND) {
        /* Nobody named the instance's endpoint: most machines have none. */
        struct mq_error local = {0};
        st = from_instance(credentials->http, &response, &credentials->keys, &local);
        if (st != MQ_OK) {
            st = mq_fail(err, MQ_E_DENIED,
                         "no AWS credentials found (tried the environment, profile '%s', the "
                         "container's endpoint, and the instance's: %.300s)",
                         profile_name(NULL), local.message);
            mq_error_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws "
                               "configure");
        }
    }
    mq_http_response_release(&response);
    return st;
}

static enum mq_status
look_up(struct mq_aws_credentials *credentials, struct mq_error *err)
{
    struct mq_aws_keys *keys = &credentials->keys;
    /* A profile asked for by name is stronger than the environment. */
    if (credentials->profile != NULL) {
        enum mq_status st = from_profile(credentials->profile, keys, err);
        if (st != MQ_E_NOT_FOUND)
            return st;
        mq_fail(err, MQ_E_DENIED, "profile '%s' holds no AWS credentials", credentials->profile);
        mq_error_hint(err, "add it with: aws configure --profile %s", credentials->profile);
        return MQ_E_DENIED;
    }
    enum mq_status st =
        set_keys(keys, environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                 environment("AWS_SESSION_TOKEN"), 0, "environment", err);
    if (st == MQ_E_NOT_FOUND)
        st = from_profile(NULL, keys, err);
    return st == MQ_E_NOT_FOUND ? from_endpoints(credentials, err) : st;
}

enum mq_status
mq_aws_credentials_get(struct mq_aws_credentials *credentials, struct mq_aws_keys *ret_keys,
                       struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    pthread_mutex_lock(&credentials->lock);
    int64_t now = mq_clock_now_s();
    int64_t expires = credentials->keys.expires_s;
    if (!credentials->held || (expires != 0 && now >= expires - MQ_AWS_RENEW_AHEAD_S)) {
        struct mq_aws_keys before = credentials->keys;
        st = look_up(credentials, err);
        if (st == MQ_OK) {
            credentials->held = true;
        } else if (credentials->held && now < expires) {
            /* The endpoint is away for a moment, and the old keys still hold. */
            credentials->keys = before;
            st = MQ_OK;
        }
    }
    if (st == MQ_OK)
        *ret_keys = credentials->keys;
    pthread_mutex_unlock(&credentials->lock);
    return st;
}

void
mq_aws_credentials_forget(struct mq_aws_credentials *credentials)
{
    pthread_mutex_lock(&credentials->lock);
    credentials->held = false;
    pthread_mutex_unlock(&credentials->lock);
}
