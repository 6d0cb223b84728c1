#include "serve/http_acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

/* How long to wait before looking again: where all connections are taken, and where descriptors or
 * memory ran out. */
#define FULL_MS 5
#define SHORT_MS 100
/* Looks at full connections after which their number is asked for. */
#define FULL_LOOKS 200

struct mq_http_acceptor {
    struct mq_http_acceptor_options options;
    pthread_t thread;
    int wake; /* eventfd: time to stop */
    bool stopped;
    _Atomic int open;
};

/* Sleep until it is time to stop or `fd` is readable. @return false: stop */
static bool
wait_for(const struct mq_http_acceptor *acceptor, int fd, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = acceptor->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    (void)poll(fds, fd >= 0 ? 2 : 1, timeout_ms);
    return fds[0].revents == 0;
}

/* @return milliseconds to rest, 0: go on */
static int
take_one(struct mq_http_acceptor *acceptor)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    int fd = accept4(acceptor->options.fd, (struct sockaddr *)&address, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (is_short)
            mq_log_warn("cannot take a connection: out of descriptors or memory");
        return is_short ? SHORT_MS : 0;
    }
    atomic_fetch_add(&acceptor->open, 1);
    if (!acceptor->options.take(acceptor->options.context, fd, (struct sockaddr *)&address, size))
        mq_http_acceptor_closed(acceptor);
    return 0;
}

static void *
accept_connections(void *context)
{
    struct mq_http_acceptor *acceptor = context;
    const struct mq_http_acceptor_options *o = &acceptor->options;
    int rest_ms = 0, looks = 0;
    for (;;) {
        bool full = atomic_load(&acceptor->open) >= o->connections_max;
        if (full && ++looks % FULL_LOOKS == 0)
            atomic_store(&acceptor->open, o->count(o->context));
        if (!full)
            looks = 0;
        if (full || rest_ms > 0) {
            if (!wait_for(acceptor, -1, full ? FULL_MS : rest_ms))
                break;
            rest_ms = 0;
            continue;
        }
        if (!wait_for(acceptor, o->fd, -1))
            break;
        rest_ms = take_one(acceptor);
    }
    return NULL;
}

enum mq_status
mq_http_acceptor_start(const struct mq_http_acceptor_options *options,
                       struct mq_http_acceptor **ret_acceptor, struct mq_error *err)
{
    struct mq_http_acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (acceptor == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an acceptor");
    acceptor->options = *options;
    acceptor->wake = eventfd(0, EFD_CLOEXEC);
    int code = acceptor->wake < 0 ? errno : 0;
    *ret_acceptor = acceptor; /* connections may come and go before pthread_create returns */
    if (code == 0)
        code = pthread_create(&acceptor->thread, NULL, accept_connections, acceptor);
    if (code != 0) {
        if (acceptor->wake >= 0)
            close(acceptor->wake);
        free(acceptor);
        *ret_acceptor = NULL;
        return mq_fail_errno(err, code, "cannot start to accept connections");
    }
    return MQ_OK;
}

void
mq_http_acceptor_stop(struct mq_http_acceptor *acceptor)
{
    if (acceptor == NULL || acceptor->stopped)
        return;
    acceptor->stopped = true;
    (void)!eventfd_write(acceptor->wake, 1);
    pthread_join(acceptor->thread, NULL);
}

void
mq_http_acceptor_free(struct mq_http_acceptor *acceptor)
{
    if (acceptor == NULL)
        return;
    mq_http_acceptor_stop(acceptor);
    close(acceptor->wake);
    free(acceptor);
}

void
mq_http_acceptor_closed(struct mq_http_acceptor *acceptor)
{
    atomic_fetch_sub(&acceptor->open, 1);
}
