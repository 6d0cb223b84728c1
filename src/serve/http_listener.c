#include "serve/http_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

static void
describe(const struct sockaddr_storage *address, struct mq_listener *listener)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
        listener->port = ntohs(six->sin6_port);
        listener->is_loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
        snprintf(listener->text, sizeof(listener->text), "[%s]:%d", text, listener->port);
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
        listener->port = ntohs(four->sin_port);
        listener->is_loopback = (ntohl(four->sin_addr.s_addr) >> 24) == 127;
        snprintf(listener->text, sizeof(listener->text), "%s:%d", text, listener->port);
    }
}

static enum mq_status
listen_on(const struct addrinfo *found, const char *host, int port,
          struct mq_listener *ret_listener, struct mq_error *err)
{
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        int reason = errno;
        close(fd);
        if (reason == EADDRINUSE) {
            mq_fail(err, MQ_E_CONFLICT, "cannot listen on %s port %d: it is in use", host, port);
            mq_error_hint(err, "stop what listens there, or choose another: --port 8081");
            return MQ_E_CONFLICT;
        }
        return mq_fail_errno(err, reason, "cannot listen on %s port %d", host, port);
    }
    ret_listener->fd = fd;
    describe(&address, ret_listener);
    return MQ_OK;
}

enum mq_status
mq_listener_open(const char *host, int port, struct mq_listener *ret_listener, struct mq_error *err)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo wish = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, service, &wish, &found);
    if (code != 0) {
        mq_fail(err, MQ_E_CONFIG, "cannot listen on '%s': %s", host, gai_strerror(code));
        mq_error_hint(err, "--host takes an address of this machine, as 127.0.0.1 or 0.0.0.0");
        return MQ_E_CONFIG;
    }
    enum mq_status st = listen_on(found, host, port, ret_listener, err);
    freeaddrinfo(found);
    return st;
}
