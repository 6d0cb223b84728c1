/*
 * reload: every server of serve.reload_urls is told to take up the model that serves now. One after
 * the other, so that they do not all load at once; all of them, even where one fails. A server that
 * refuses goes on with what it had.
 *
 *   POST {base}/v1/reload, Authorization: Bearer TOKEN  ->  200 {"version": "…", "previous": "…"}
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/memory.h"
#include "format/json.h"
#include "model/hybrid_registry.h"
#include "step/step.h"
#include "store/http_client.h"

#define SERVERS_MAX 64
#define TOKEN_MAX 1024
#define ANSWER_MAX_BYTES ((size_t)64 << 10)

struct reload {
    struct mq_step_context *context;
    char *urls[SERVERS_MAX]; /* bases without a slash at the end; owned */
    int count;
    char header[TOKEN_MAX + 32]; /* "Authorization: Bearer …"; "": no token */
    struct mq_http_client *http;
    struct mq_hybrid_pointer pointer;
    int failed;
    struct mq_error error;    /* of the first that failed */
    struct mq_buffer reasons; /* "url: why; url: why" */
};

/* ---- settings ---------------------------------------------------------------------------- */

static enum mq_status
add_url(struct reload *r, const char *text, size_t size, struct mq_error *err)
{
    while (size > 0 && isspace((unsigned char)*text))
        text++, size--;
    while (size > 0 && (isspace((unsigned char)text[size - 1]) || text[size - 1] == '/'))
        size--;
    if (size == 0)
        return MQ_OK;
    bool is_http = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    if (!is_http || size > 512 || memchr(text, '@', size) != NULL ||
        memchr(text, '?', size) != NULL)
        return mq_fail(err, MQ_E_CONFIG,
                       "serve.reload_urls has '%.*s' (allowed: http://HOST:PORT or https://…, "
                       "parted by ',', without user or query)",
                       (int)MQ_MIN(size, 200), text);
    if (r->count == SERVERS_MAX)
        return mq_fail(err, MQ_E_CONFIG, "serve.reload_urls has more than %d servers", SERVERS_MAX);
    r->urls[r->count] = mq_strfmt("%.*s", (int)size, text);
    return r->urls[r->count++] != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "no memory for a URL");
}

static enum mq_status
read_urls(struct reload *r, struct mq_error *err)
{
    const char *text = mq_config_text(r->context->config, "serve.reload_urls");
    enum mq_status st = MQ_OK;
    while (st == MQ_OK && *text != '\0') {
        size_t size = strcspn(text, ",");
        st = add_url(r, text, size, err);
        text += size + (text[size] == ',');
    }
    return st;
}

/* The file's first line. */
static enum mq_status
read_token(struct reload *r, struct mq_error *err)
{
    const char *path = mq_config_text(r->context->config, "serve.reload_token_file");
    char token[TOKEN_MAX] = "";
    if (*path == '\0')
        return MQ_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return mq_fail_errno(err, errno, "cannot read serve.reload_token_file '%s'", path);
    size_t size = fread(token, 1, sizeof(token) - 1, file);
    int bad = ferror(file);
    fclose(file);
    if (bad)
        return mq_fail(err, MQ_E_IO, "cannot read serve.reload_token_file '%s'", path);
    token[size] = '\0';
    size = strcspn(token, "\r\n");
    token[size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (!isgraph((unsigned char)token[i]))
            size = 0;
    if (size == 0)
        return mq_fail(err, MQ_E_CONFIG,
                       "serve.reload_token_file '%s' holds no token (allowed: one line, as "
                       "`marquee token create` prints it)",
                       path);
    snprintf(r->header, sizeof(r->header), "Authorization: Bearer %s", token);
    return MQ_OK;
}

/* ---- one server -------------------------------------------------------------------------- */

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* What a refusal says: {"error": "…"} or {"error": {"message": "…"}}. */
static enum mq_status
refused(const struct mq_http_response *response, const json_t *answer, struct mq_error *err)
{
    const json_t *error = json_object_get(answer, "error");
    const char *why = json_is_string(error) ? json_string_value(error) : text_of(error, "message");
    enum mq_status code = response->status == 401 || response->status == 403 ? MQ_E_DENIED
                          : response->status == 404                          ? MQ_E_NOT_FOUND
                          : response->status >= 500                          ? MQ_E_UNREACHABLE
                                                                             : MQ_E_CONFLICT;
    return mq_fail(err, code, "refused with status %d%s%.300s", response->status,
                   *why != '\0' ? ": " : "", why);
}

/* 200: it should serve what the pointer says, as read before, or as it was moved meanwhile. */
static enum mq_status
check_answer(struct reload *r, const char *url, const json_t *answer, struct mq_error *err)
{
    const char *version = text_of(answer, "version"), *previous = text_of(answer, "previous");
    if (*version == '\0')
        return mq_fail(err, MQ_E_FORMAT, "answered 200 without a version");
    if (strcmp(version, r->pointer.version) != 0) {
        struct mq_hybrid_pointer now = {0};
        enum mq_status st =
            mq_hybrid_pointer_read(r->context->store, r->context->region, &now, err);
        if (st == MQ_OK && strcmp(version, now.version) != 0)
            st = mq_fail(err, MQ_E_CONFLICT,
                         "serves '%.40s' after the reload: is it on another store or region?",
                         version);
        mq_hybrid_pointer_release(&now);
        if (st != MQ_OK)
            return st;
    }
    mq_step_note(r->context, "%s serves '%.40s'; before: %.40s", url, version,
                 *previous != '\0' ? previous : "none");
    return MQ_OK;
}

static enum mq_status
tell(struct reload *r, const char *url, struct mq_error *err)
{
    mq_autofree char *full = mq_strfmt("%s/v1/reload", url);
    mq_autojson json_t *answer = NULL;
    struct mq_http_response response = {0};
    if (full == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory for a URL");
    struct mq_http_request request = {
        .method = "POST", .url = full, .body = "", .headers = {"Accept: application/json"}};
    request.header_count = 1;
    if (r->header[0] != '\0')
        request.headers[request.header_count++] = r->header;
    mq_buffer_init(&response.body, ANSWER_MAX_BYTES);
    enum mq_status st = mq_http_perform(r->http, &request, &response, err);
    bool is_json =
        st == MQ_OK && response.body.size > 0 &&
        mq_json_parse(response.body.data, response.body.size, "answer", &answer, NULL) == MQ_OK;
    if (st == MQ_OK && response.status != 200)
        st = refused(&response, answer, err);
    else if (st == MQ_OK && !is_json)
        st = mq_fail(err, MQ_E_FORMAT, "answered 200, but not in JSON: is it Marquee's server?");
    else if (st == MQ_OK)
        st = check_answer(r, url, answer, err);
    mq_http_response_release(&response);
    return st;
}

/* ---- all --------------------------------------------------------------------------------- */

static enum mq_status
note_failure(struct reload *r, const char *url, const struct mq_error *error, struct mq_error *err)
{
    mq_step_note(r->context, "%s: %s", url, error->message);
    if (r->failed++ == 0)
        r->error = *error;
    return mq_buffer_printf(&r->reasons, err, "%s%s: %s", r->failed > 1 ? "; " : "", url,
                            error->message);
}

static enum mq_status
fail_all(struct reload *r, struct mq_error *err)
{
    mq_fail(err, r->error.code, "%d of %d servers did not take up model '%s': %s", r->failed,
            r->count, r->pointer.version, r->reasons.data);
    if (err != NULL)
        err->retriable = r->error.retriable;
    mq_error_hint(err, r->error.code == MQ_E_DENIED
                           ? "they want a token with the scope admin: serve.reload_token_file; "
                             "then `marquee step reload`"
                           : "they go on with what they had; once that is mended: `marquee step "
                             "reload`");
    return r->error.code;
}

static enum mq_status
reload(struct reload *r, struct mq_error *err)
{
    struct mq_step_context *context = r->context;
    enum mq_status st = mq_hybrid_pointer_read(context->store, context->region, &r->pointer, err);
    if (st == MQ_OK)
        st = read_urls(r, err);
    if (st != MQ_OK)
        return st;
    mq_step_count(context, "servers", r->count);
    if (r->count == 0 || r->pointer.version[0] == '\0') {
        mq_step_note(context, r->count == 0 ? "no servers in serve.reload_urls: nothing to do"
                                            : "no model serves yet: nothing to do");
        return MQ_OK;
    }
    /* A server is silent while it loads: only the whole time is bounded. */
    int64_t timeout_ms = mq_config_int(context->config, "serve.reload_timeout_s") * 1000;
    const struct mq_http_options options = {.timeout_ms = timeout_ms,
                                            .stall_timeout_ms = timeout_ms + 1000};
    st = read_token(r, err);
    if (st == MQ_OK)
        st = mq_http_client_new(&options, &r->http, err);
    for (int i = 0; st == MQ_OK && i < r->count; i++) {
        struct mq_error error = {0};
        st = mq_cancel_check(err);
        if (st == MQ_OK && tell(r, r->urls[i], &error) != MQ_OK)
            st = note_failure(r, r->urls[i], &error, err);
    }
    mq_step_count(context, "servers_failed", r->failed);
    return st == MQ_OK && r->failed > 0 ? fail_all(r, err) : st;
}

enum mq_status
mq_step_reload(struct mq_step_context *context, struct mq_error *err)
{
    struct reload *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the list of servers");
    r->context = context;
    enum mq_status st = reload(r, err);
    for (int i = 0; i < r->count; i++)
        free(r->urls[i]);
    mq_http_client_free(r->http);
    mq_hybrid_pointer_release(&r->pointer);
    mq_buffer_release(&r->reasons);
    free(r);
    return st;
}
