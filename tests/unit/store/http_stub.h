/**
 * An HTTP server for unit tests: on a free port of 127.0.0.1, it keeps each request's text and
 * answers what a function of the test says. One request a connection.
 */
#ifndef MQ_TESTS_HTTP_STUB_H
#define MQ_TESTS_HTTP_STUB_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUB_REQUESTS_MAX 64
#define STUB_TEXT_MAX 16384

struct http_stub;

/** The whole answer to request `number` (from 0), as sent; NULL: close without a word. */
typedef const char *(*http_stub_fn)(struct http_stub *stub, int number, const char *request);

struct http_stub {
    int listener, port;
    pthread_t thread;
    http_stub_fn fn;
    void *context;
    int count;
    char requests[STUB_REQUESTS_MAX][STUB_TEXT_MAX]; /* read them after http_stub_stop */
    char answer[STUB_TEXT_MAX];                      /* room for fn */
};

/* Head and body of a request. */
static inline void
http_stub_read(int connection, char *text)
{
    size_t size = 0, need = 0;
    text[0] = '\0';
    while (size < STUB_TEXT_MAX - 1) {
        ssize_t n = read(connection, text + size, STUB_TEXT_MAX - 1 - size);
        if (n <= 0)
            return;
        size += (size_t)n;
        text[size] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && need == 0) {
            const char *length = strcasestr(text, "\r\ncontent-length:");
            need = (size_t)(end + 4 - text) +
                   (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
        }
        if (need > 0 && size >= need)
            return;
    }
}

static inline void *
http_stub_main(void *argument)
{
    struct http_stub *stub = argument;
    for (;;) {
        int connection = accept(stub->listener, NULL, NULL);
        if (connection < 0)
            return NULL;
        char *text = stub->requests[stub->count % STUB_REQUESTS_MAX];
        http_stub_read(connection, text);
        const char *answer = stub->fn(stub, stub->count++, text);
        if (answer != NULL)
            (void)!write(connection, answer, strlen(answer));
        shutdown(connection, SHUT_WR);
        close(connection);
    }
}

static inline struct http_stub *
http_stub_start(http_stub_fn fn, void *context)
{
    struct http_stub *stub = calloc(1, sizeof(*stub));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    stub->fn = fn;
    stub->context = context;
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stub->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(stub->listener, 16), 0);
    assert_int_equal(getsockname(stub->listener, (struct sockaddr *)&address, &size), 0);
    stub->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&stub->thread, NULL, http_stub_main, stub), 0);
    return stub;
}

/* Stop answering; the requests may be read from now on. Then free(). */
static inline void
http_stub_stop(struct http_stub *stub)
{
    shutdown(stub->listener, SHUT_RDWR);
    pthread_join(stub->thread, NULL);
    close(stub->listener);
}

/* An answer with a body, more headers each ended by CRLF. */
static inline const char *
http_stub_answer(struct http_stub *stub, int status, const char *headers, const char *body)
{
    snprintf(stub->answer, sizeof(stub->answer),
             "HTTP/1.1 %d Stub\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
             headers, strlen(body), body);
    return stub->answer;
}

#endif
