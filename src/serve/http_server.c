/* Connections, starting and stopping; what becomes of a request is in http_request.c. */
#include "serve/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stream.h"
#include "serve/http_inside.h"

#define TLS_VERSIONS "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
/* Memory of a connection, in heads: that one above the limit can be read, and answered by us. The
 * library answers a longer one without a request id. */
#define HEAD_ROOM 4
/* For answers that are on their way when the time to stop is over. */
#define LAST_ANSWERS_MS 500

/* ---- connections ------------------------------------------------------------------------ */

/* The request line is there: the client has begun to send. */
static void *
request_line(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct mq_http_server *server = context;
    struct mq_http_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->target = mq_strdup(uri);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->server = server;
    request->connection = connection;
    request->link = info != NULL ? info->socket_context : NULL;
    request->began_s = mq_clock_monotonic_s();
    mq_connection_allow(request->link, server->options->request_ms);
    return request;
}

static void
connection_changed(void *context, struct MHD_Connection *connection, void **own,
                   enum MHD_ConnectionNotificationCode code)
{
    struct mq_http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        mq_connections_remove(server->connections, *own);
        mq_http_acceptor_closed(server->acceptor);
        *own = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct mq_connection_link *link =
        info != NULL ? mq_connections_add(server->connections, info->connect_fd) : NULL;
    mq_connection_allow(link, server->options->idle_ms);
    *own = link;
}

static void
request_completed(void *context, struct MHD_Connection *connection, void **own,
                  enum MHD_RequestTerminationCode code)
{
    (void)connection;
    struct mq_http_server *server = context;
    struct mq_http_request *request = *own;
    if (request == NULL)
        return;
    *own = NULL;
    bool whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    double seconds = mq_clock_monotonic_s() - request->began_s;
    if (request->counted && whole)
        mq_http_count(request, seconds);
    if (request->counted && mq_log_enabled(MQ_LOG_DEBUG)) {
        char fields[512];
        snprintf(fields, sizeof(fields),
                 "\"request_id\":\"%s\",\"method\":\"%s\",\"path\":\"%s\",\"status\":%d,"
                 "\"ms\":%.3f,\"whole\":%s",
                 request->id, request->method,
                 request->route != NULL ? request->route->path : "other", request->status,
                 seconds * 1000, whole ? "true" : "false");
        mq_log_record(MQ_LOG_DEBUG, "request", fields);
    }
    mq_connection_allow(request->link, server->options->idle_ms);
    if (request->counted)
        atomic_fetch_sub(&server->in_flight, 1);
    mq_http_request_free(request);
}

static void log_library(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void
log_library(void *context, const char *format, va_list args)
{
    (void)context;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\r\n")] = '\0';
    mq_log_debug("http: %s", text);
}

/* ---- starting and stopping -------------------------------------------------------------- */

static enum mq_status
read_pem(const char *what, const char *path, char **ret_text, struct mq_error *err)
{
    struct mq_reader *reader;
    struct mq_buffer text = {0};
    if (path == NULL || *path == '\0')
        return mq_fail(err, MQ_E_CONFIG, "TLS needs a %s file too", what);
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "cannot read the TLS %s", what);
    st = mq_reader_all(reader, (size_t)1 << 20, &text, err);
    mq_reader_close(reader);
    if (st == MQ_OK && (*ret_text = mq_buffer_take(&text)) == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the TLS %s", what);
    mq_buffer_release(&text);
    return st;
}

static double
in_flight_now(void *context)
{
    return atomic_load(&((struct mq_http_server *)context)->in_flight);
}

static double
bodies_now(void *context)
{
    return (double)atomic_load(&((struct mq_http_server *)context)->bodies.held);
}

static double
answers_now(void *context)
{
    return (double)atomic_load(&((struct mq_http_server *)context)->bodies.answers);
}

static void
make_metrics(struct mq_http_server *server)
{
    const struct mq_http_options *options = server->options;
    for (size_t i = 0; i <= options->route_count; i++) {
        const char *path = i < options->route_count ? options->routes[i].path : "other";
        const char *const labels[] = {"path", path, NULL};
        server->seconds[i] = mq_metrics_histogram(
            options->metrics, "marquee_http_request_seconds",
            "Time from request line to the answer's last byte.", labels, NULL, 0);
    }
    mq_metrics_gauge_of(options->metrics, "marquee_http_in_flight", "Requests not yet answered.",
                        NULL, in_flight_now, server);
    mq_metrics_gauge_of(
        options->metrics, "marquee_http_body_bytes",
        "Bodies of requests held in memory, as sent and expanded, and what goes with them.", NULL,
        bodies_now, server);
    mq_metrics_gauge_of(options->metrics, "marquee_http_answer_bytes",
                        "Answers not yet taken by their clients.", NULL, answers_now, server);
}

/* libmicrohttpd takes up to 128 events at a time from the kernel. When it got just so many it asks
 * for more, without a time-out, before it looks at any: if there are no more, 128 clients wait for
 * an answer until somebody else comes. So no thread is given as many connections: with its own
 * wake-up it has less than 128 to look at. */
#define THREAD_CONNECTIONS_MAX 126

static unsigned
thread_count(const struct mq_http_options *options)
{
    int wished = options->threads > 0 ? options->threads : mq_cpu_count();
    int needed = (options->connections_max + THREAD_CONNECTIONS_MAX - 1) / THREAD_CONNECTIONS_MAX;
    return (unsigned)MQ_MAX(wished, needed);
}

static enum mq_status
start_daemon(struct mq_http_server *server, struct mq_error *err)
{
    const struct mq_http_options *options = server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_VERSIONS},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    if (server->certificate != NULL)
        flags |= MHD_USE_TLS;
    unsigned threads = thread_count(options);
    errno = 0;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, mq_http_access, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0U, MHD_OPTION_CONNECTION_LIMIT,
        MQ_MAX((unsigned)options->connections_max, threads), MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)options->connections_per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        HEAD_ROOM * options->head_bytes, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, request_line, server,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed, server, MHD_OPTION_ARRAY, server->certificate != NULL ? tls : none,
        MHD_OPTION_END);
    if (server->daemon != NULL)
        return MQ_OK;
    mq_fail(err, server->certificate != NULL ? MQ_E_CONFIG : MQ_E_IO, "cannot serve on %s: %s",
            options->listener->text,
            server->certificate != NULL ? "certificate and key are not usable together"
            : errno != 0                ? strerror(errno)
                                        : "the HTTP library refused");
    if (server->certificate != NULL)
        mq_error_hint(err,
                      "check both: openssl x509 -in CERTIFICATE -noout -text; openssl pkey -in "
                      "KEY -check -noout");
    return server->certificate != NULL ? MQ_E_CONFIG : MQ_E_IO;
}

static bool
take_connection(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
    struct mq_http_server *server = context;
    return MHD_add_connection(server->daemon, fd, address, size) == MHD_YES;
}

static int
count_connections(void *context)
{
    const struct mq_http_server *server = context;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL ? (int)info->num_connections : 0;
}

static enum mq_status
start_accepting(struct mq_http_server *server, struct mq_error *err)
{
    const struct mq_http_acceptor_options options = {.fd = server->options->listener->fd,
                                                     .connections_max =
                                                         server->options->connections_max,
                                                     .take = take_connection,
                                                     .count = count_connections,
                                                     .context = server};
    enum mq_status st = mq_http_acceptor_start(&options, &server->acceptor, err);
    if (st != MQ_OK)
        MHD_stop_daemon(server->daemon);
    return st;
}

static void
free_server(struct mq_http_server *server)
{
    mq_http_acceptor_free(server->acceptor);
    mq_connections_free(server->connections);
    free(server->certificate);
    if (server->key != NULL)
        explicit_bzero(server->key, strlen(server->key));
    free(server->key);
    free(server);
}

enum mq_status
mq_http_server_start(const struct mq_http_options *options, struct mq_http_server **ret_server,
                     struct mq_error *err)
{
    struct mq_http_server *server = calloc(1, sizeof(*server));
    enum mq_status st = MQ_OK;
    if (server == NULL || options->route_count > MQ_HTTP_ROUTES_MAX) {
        free(server);
        close(options->listener->fd);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a server");
    }
    server->options = options;
    server->bodies = (struct mq_http_budget){.body_bytes = options->body_bytes,
                                             .bodies_bytes = options->bodies_bytes};
    server->id_seed = ((uint64_t)mq_clock_now_ms() ^ (uint64_t)getpid() << 20) & 0xffffffffU;
    if (options->certificate_path != NULL) {
        st = read_pem("certificate", options->certificate_path, &server->certificate, err);
        if (st == MQ_OK)
            st = read_pem("key", options->key_path, &server->key, err);
    }
    if (st == MQ_OK)
        st = mq_connections_new(options->metrics, &server->connections, err);
    if (st == MQ_OK) {
        make_metrics(server);
        st = start_daemon(server, err);
        if (st == MQ_OK)
            st = start_accepting(server, err);
    }
    if (st != MQ_OK) {
        close(options->listener->fd);
        free_server(server);
        return st;
    }
    *ret_server = server;
    return MQ_OK;
}

static void
pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

int
mq_http_server_stop(struct mq_http_server *server)
{
    if (server == NULL)
        return 0;
    atomic_store(&server->draining, true);
    mq_http_acceptor_stop(server->acceptor);
    close(server->options->listener->fd);
    int64_t until_ms = mq_connections_now_ms() + server->options->stop_ms;
    while (atomic_load(&server->in_flight) > 0 && mq_connections_now_ms() < until_ms)
        pause_ms(2);
    /* From here on nothing falls asleep any more; who sleeps is woken by his answer. */
    atomic_store(&server->closed, true);
    while (atomic_load(&server->entering) > 0 || atomic_load(&server->sleeping) > 0)
        pause_ms(2);
    until_ms = mq_connections_now_ms() + LAST_ANSWERS_MS;
    while (atomic_load(&server->in_flight) > 0 && mq_connections_now_ms() < until_ms)
        pause_ms(2);
    int cut = atomic_load(&server->in_flight);
    MHD_stop_daemon(server->daemon);
    free_server(server);
    return cut;
}
