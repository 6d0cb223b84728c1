#include "store/aws_credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define METADATA_ANSWER_MAX ((size_t)64 << 10)
#define METADATA_TIMEOUT_MS 1500
#define PROFILE_LINE_MAX 4096

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

static bool
set_keys(struct mq_aws_keys *keys, const char *access, const char *secret, const char *token,
         int64_t expires_s, const char *source)
{
    if (access == NULL || secret == NULL || strlen(access) >= MQ_AWS_KEY_MAX ||
        strlen(secret) >= MQ_AWS_KEY_MAX || (token != NULL && strlen(token) >= MQ_AWS_TOKEN_MAX))
        return false;
    strcpy(keys->access_key, access);
    strcpy(keys->secret_key, secret);
    strcpy(keys->token, token != NULL ? token : "");
    keys->expires_s = expires_s;
    keys->source = source;
    return true;
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

/* Value of `key` in [section] of an INI file; false when the file or the key is missing. */
static bool
ini_value(const char *path, const char *section, const char *key, char *ret, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    char line[PROFILE_LINE_MAX];
    bool inside = false, found = false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
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
            if (strcmp(trim(text), key) == 0)
                found = snprintf(ret, size, "%s", trim(equals + 1)) < (int)size && *ret != '\0';
        }
    }
    fclose(file);
    return found;
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

static bool
config_value(const char *profile, const char *key, char *ret, size_t size)
{
    char path[4096], section[256];
    profile_path("AWS_CONFIG_FILE", "config", path, sizeof(path));
    bool plain = strcmp(profile, "default") == 0;
    snprintf(section, sizeof(section), "%s%s", plain ? "" : "profile ", profile);
    return ini_value(path, section, key, ret, size);
}

static bool
from_profile(const char *wanted, struct mq_aws_keys *keys)
{
    const char *profile = profile_name(wanted);
    char path[4096], access[MQ_AWS_KEY_MAX], secret[MQ_AWS_KEY_MAX];
    mq_autofree char *token = calloc(1, MQ_AWS_TOKEN_MAX);
    if (token == NULL)
        return false;
    profile_path("AWS_SHARED_CREDENTIALS_FILE", "credentials", path, sizeof(path));
    if (ini_value(path, profile, "aws_access_key_id", access, sizeof(access)) &&
        ini_value(path, profile, "aws_secret_access_key", secret, sizeof(secret))) {
        ini_value(path, profile, "aws_session_token", token, MQ_AWS_TOKEN_MAX);
    } else if (config_value(profile, "aws_access_key_id", access, sizeof(access)) &&
               config_value(profile, "aws_secret_access_key", secret, sizeof(secret))) {
        config_value(profile, "aws_session_token", token, MQ_AWS_TOKEN_MAX);
    } else {
        return false;
    }
    /* Another tool may renew a profile's session token at any time: read again now and then. */
    int64_t expires = *token != '\0' ? mq_clock_now_s() + MQ_AWS_RENEW_AHEAD_S + 60 : 0;
    return set_keys(keys, access, secret, token, expires, "profile");
}

bool
mq_aws_default_region(const char *profile, char *ret, size_t size)
{
    const char *region = environment("AWS_REGION");
    if (region == NULL)
        region = environment("AWS_DEFAULT_REGION");
    if (region != NULL)
        return snprintf(ret, size, "%s", region) < (int)size;
    return config_value(profile_name(profile), "region", ret, size);
}

/* ---- metadata endpoints ----------------------------------------------------------------- */

static bool
fetch(struct mq_http_client *http, const char *method, const char *url, const char *header,
      struct mq_http_response *response)
{
    struct mq_http_request request = {
        .method = method, .url = url, .timeout_ms = METADATA_TIMEOUT_MS};
    if (header != NULL)
        request.headers[request.header_count++] = header;
    mq_http_response_reset(response);
    return mq_http_perform(http, &request, response, NULL) == MQ_OK && response->status == 200 &&
           response->body.size > 0;
}

static bool
keys_from_json(const struct mq_buffer *body, const char *source, struct mq_aws_keys *keys)
{
    json_t *root = json_loadb(body->data, body->size, 0, NULL);
    const char *expiration = json_string_value(json_object_get(root, "Expiration"));
    int64_t expires = 0;
    bool ok = expiration == NULL ||
              mq_instant_parse(expiration, strlen(expiration), &expires, NULL) == MQ_OK;
    ok = ok && set_keys(keys, json_string_value(json_object_get(root, "AccessKeyId")),
                        json_string_value(json_object_get(root, "SecretAccessKey")),
                        json_string_value(json_object_get(root, "Token")), expires, source);
    json_decref(root);
    return ok;
}

static bool
from_container(struct mq_http_client *http, struct mq_http_response *response,
               struct mq_aws_keys *keys)
{
    const char *relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL)
        return false;
    mq_autofree char *url =
        relative != NULL ? mq_strfmt("%s%s", CONTAINER_HOST, relative) : mq_strdup(full);
    char token[MQ_HTTP_HEADER_VALUE_MAX] = "";
    const char *token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token_text = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (token_file != NULL) {
        FILE *file = fopen(token_file, "re");
        if (file == NULL)
            return false;
        if (fgets(token, sizeof(token), file) == NULL)
            token[0] = '\0';
        fclose(file);
    } else if (token_text != NULL) {
        snprintf(token, sizeof(token), "%s", token_text);
    }
    mq_autofree char *header = mq_strfmt("Authorization: %s", trim(token));
    if (url == NULL || header == NULL)
        return false;
    return fetch(http, "GET", url, *trim(token) != '\0' ? header : NULL, response) &&
           keys_from_json(&response->body, "container", keys);
}

static bool
from_instance(struct mq_http_client *http, struct mq_http_response *response,
              struct mq_aws_keys *keys)
{
    const char *disabled = environment("AWS_EC2_METADATA_DISABLED");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return false;
    const char *host = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (host == NULL)
        host = INSTANCE_HOST;
    int n = (int)strlen(host);
    while (n > 0 && host[n - 1] == '/')
        n--;
    mq_autofree char *token_url = mq_strfmt("%.*s/latest/api/token", n, host);
    if (token_url == NULL ||
        !fetch(http, "PUT", token_url, "X-aws-ec2-metadata-token-ttl-seconds: 21600", response))
        return false;
    mq_autofree char *header = mq_strfmt("X-aws-ec2-metadata-token: %s", trim(response->body.data));
    mq_autofree char *roles = mq_strfmt("%.*s/latest/meta-data/iam/security-credentials/", n, host);
    if (header == NULL || roles == NULL || !fetch(http, "GET", roles, header, response))
        return false;
    char *role = trim(response->body.data);
    role[strcspn(role, "\r\n")] = '\0';
    mq_autofree char *url = mq_strfmt("%s%s", roles, role);
    return url != NULL && fetch(http, "GET", url, header, response) &&
           keys_from_json(&response->body, "instance", keys);
}

/* ---- the chain -------------------------------------------------------------------------- */

static enum mq_status
look_up(struct mq_aws_credentials *credentials, struct mq_error *err)
{
    struct mq_aws_keys *keys = &credentials->keys;
    /* A profile asked for by name is stronger than the environment. */
    if (credentials->profile != NULL) {
        if (from_profile(credentials->profile, keys))
            return MQ_OK;
        mq_fail(err, MQ_E_DENIED, "profile '%s' holds no AWS credentials", credentials->profile);
        mq_error_hint(err, "add it with: aws configure --profile %s", credentials->profile);
        return MQ_E_DENIED;
    }
    if (set_keys(keys, environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                 environment("AWS_SESSION_TOKEN"), 0, "environment"))
        return MQ_OK;
    if (from_profile(NULL, keys))
        return MQ_OK;
    struct mq_http_response response = {.body.limit_bytes = METADATA_ANSWER_MAX};
    bool found = from_container(credentials->http, &response, keys) ||
                 from_instance(credentials->http, &response, keys);
    mq_http_response_release(&response);
    if (found)
        return MQ_OK;
    mq_fail(err, MQ_E_DENIED,
            "no AWS credentials found (tried the environment, profile '%s', the container and the "
            "instance metadata endpoints)",
            profile_name(NULL));
    mq_error_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure");
    return MQ_E_DENIED;
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
