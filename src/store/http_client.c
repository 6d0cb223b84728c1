#include "store/http_client.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/memory.h"

struct mq_http_client {
    struct mq_http_options options;
    pthread_mutex_t lock; /* guards idle */
    CURL **idle;
    int idle_count;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void
initialise_globally(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum mq_status
mq_http_client_new(const struct mq_http_options *options, struct mq_http_client **ret_client,
                   struct mq_error *err)
{
    pthread_once(&global_once, initialise_globally);
    struct mq_http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an HTTP client");
    if (options != NULL)
        client->options = *options;
    struct mq_http_options *o = &client->options;
    if (o->connect_timeout_ms == 0)
        o->connect_timeout_ms = 5000;
    if (o->timeout_ms == 0)
        o->timeout_ms = 60000;
    if (o->stall_timeout_ms == 0)
        o->stall_timeout_ms = 20000;
    if (o->idle_connections == 0)
        o->idle_connections = 16;
    client->idle = calloc((size_t)o->idle_connections, sizeof(*client->idle));
    if (client->idle == NULL) {
        free(client);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an HTTP client");
    }
    pthread_mutex_init(&client->lock, NULL);
    *ret_client = client;
    return MQ_OK;
}

void
mq_http_client_free(struct mq_http_client *client)
{
    if (client == NULL)
        return;
    for (int i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->idle);
    free(client);
}

/* A handle keeps its connection alive between requests; the newest is the warmest. */
static CURL *
take_handle(struct mq_http_client *client)
{
    pthread_mutex_lock(&client->lock);
    CURL *handle = client->idle_count > 0 ? client->idle[--client->idle_count] : NULL;
    pthread_mutex_unlock(&client->lock);
    if (handle == NULL)
        return curl_easy_init();
    curl_easy_reset(handle);
    return handle;
}

static void
return_handle(struct mq_http_client *client, CURL *handle)
{
    pthread_mutex_lock(&client->lock);
    bool kept = client->idle_count < client->options.idle_connections;
    if (kept)
        client->idle[client->idle_count++] = handle;
    pthread_mutex_unlock(&client->lock);
    if (!kept)
        curl_easy_cleanup(handle);
}

struct transfer {
    struct mq_http_response *response;
    const char *body; /* what is left to send */
    size_t body_left;
    const char *body_all;
    size_t body_size;
    enum mq_status failure; /* of a callback */
    struct mq_error *err;
};

static size_t
on_body(char *bytes, size_t unit, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t size = unit * count;
    struct mq_error local;
    transfer->failure = mq_buffer_append(&transfer->response->body, bytes, size, &local);
    if (transfer->failure == MQ_OK)
        return size;
    transfer->failure = mq_fail(transfer->err, MQ_E_RANGE, "the answer is larger than %zu bytes",
                                transfer->response->body.limit_bytes);
    return 0;
}

static size_t
on_header(char *line, size_t unit, size_t count, void *context)
{
    struct mq_http_response *response = ((struct transfer *)context)->response;
    size_t size = unit * count;
    /* A new status line begins another header block (after "100 Continue"): start over. */
    if (size > 5 && memcmp(line, "HTTP/", 5) == 0) {
        response->header_count = 0;
        return size;
    }
    const char *colon = memchr(line, ':', size);
    if (colon == NULL || response->header_count == MQ_HTTP_RESPONSE_HEADERS_MAX)
        return size;
    struct mq_http_header *header = &response->headers[response->header_count];
    size_t name_size = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + size;
    while (value < end && isspace((unsigned char)*value))
        value++;
    while (end > value && isspace((unsigned char)end[-1]))
        end--;
    size_t value_size = (size_t)(end - value);
    if (name_size >= sizeof(header->name) || value_size >= sizeof(header->value))
        return size;
    for (size_t i = 0; i < name_size; i++)
        header->name[i] = (char)tolower((unsigned char)line[i]);
    header->name[name_size] = '\0';
    memcpy(header->value, value, value_size);
    header->value[value_size] = '\0';
    response->header_count++;
    return size;
}

static size_t
on_send(char *bytes, size_t unit, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t n = MQ_MIN(unit * count, transfer->body_left);
    memcpy(bytes, transfer->body, n);
    transfer->body += n;
    transfer->body_left -= n;
    return n;
}

/* libcurl resends a body when a kept connection turns out to be dead. */
static int
on_rewind(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > transfer->body_size)
        return CURL_SEEKFUNC_FAIL;
    transfer->body = transfer->body_all + offset;
    transfer->body_left = transfer->body_size - (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static enum mq_status
translate(CURLcode code, const struct mq_http_request *request, const char *detail,
          struct mq_error *err)
{
    enum mq_status st = code == CURLE_OPERATION_TIMEDOUT ? MQ_E_TIMEOUT
                        : code == CURLE_OUT_OF_MEMORY    ? MQ_E_NOMEM
                                                         : MQ_E_UNREACHABLE;
    const char *query = strchr(request->url, '?');
    int length = query != NULL ? (int)(query - request->url) : (int)strlen(request->url);
    mq_fail(err, st, "cannot reach '%.*s': %s", MQ_MIN(length, 300), request->url,
            *detail != '\0' ? detail : curl_easy_strerror(code));
    if (err != NULL)
        err->retriable = st != MQ_E_NOMEM && code != CURLE_URL_MALFORMAT &&
                         code != CURLE_UNSUPPORTED_PROTOCOL &&
                         code != CURLE_PEER_FAILED_VERIFICATION;
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
        mq_error_hint(err, "is the server running, and is the endpoint in the URI right?");
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        mq_error_hint(err, "the server's certificate is not trusted here; set SSL_CERT_FILE to the "
                           "authority that signed it");
    return st;
}

enum mq_status
mq_http_perform(struct mq_http_client *client, const struct mq_http_request *request,
                struct mq_http_response *response, struct mq_error *err)
{
    CURL *handle = take_handle(client);
    if (handle == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an HTTP request");
    struct transfer transfer = {.response = response,
                                .body = request->body,
                                .body_left = request->body_size,
                                .body_all = request->body,
                                .body_size = request->body_size,
                                .err = err};
    struct curl_slist *headers = NULL;
    bool built = true;
    for (size_t i = 0; built && i < request->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);
        built = longer != NULL;
        if (built)
            headers = longer;
    }
    /* An "Expect: 100-continue" costs a round trip that a retry does not. */
    struct curl_slist *longer = curl_slist_append(headers, "Expect:");
    built = built && longer != NULL;
    if (longer != NULL)
        headers = longer;
    if (!built) {
        curl_slist_free_all(headers);
        curl_easy_cleanup(handle);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an HTTP request");
    }
    const struct mq_http_options *o = &client->options;
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                     (long)(request->timeout_ms > 0 ? request->timeout_ms : o->timeout_ms));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)MQ_MAX(o->stall_timeout_ms / 1000, 1));
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (request->body != NULL || strcmp(request->method, "PUT") == 0) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(handle, CURLOPT_READDATA, &transfer);
        curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(handle, CURLOPT_SEEKDATA, &transfer);
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    } else {
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    }
    CURLcode code = curl_easy_perform(handle);
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (code == CURLE_OK)
        return_handle(client, handle);
    else
        curl_easy_cleanup(handle);
    if (transfer.failure != MQ_OK)
        return transfer.failure;
    if (code != CURLE_OK)
        return translate(code, request, detail, err);
    response->status = (int)status;
    return MQ_OK;
}

const char *
mq_http_header_of(const struct mq_http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

void
mq_http_response_reset(struct mq_http_response *response)
{
    response->status = 0;
    response->header_count = 0;
    mq_buffer_reset(&response->body);
}

void
mq_http_response_release(struct mq_http_response *response)
{
    mq_buffer_release(&response->body);
    response->header_count = 0;
}
