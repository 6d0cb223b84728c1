/**
 * Load on `marquee serve`: starts it as a child, and sends requests over kept connections, as fast
 * as they are answered or at a rate. For the benches of src/serve.
 *
 * One thread, epoll. At a rate requests are due at fixed times, and a delay counts from the time a
 * request was due, not from when a connection came free for it: a slow server cannot hide its
 * queue.
 */
#ifndef MQ_BENCH_HTTP_LOAD_H
#define MQ_BENCH_HTTP_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "emit.h"

#define ANSWER_MAX 65536
#define DELAYS_MAX 4000000

struct connection {
    int fd;
    char *request; /* what is being sent: a copy of its own */
    size_t size, sent;
    char answer[ANSWER_MAX];
    size_t got;
    double due_s;
    bool busy;
};

struct load {
    int port, connections;
    double rate; /* requests a second; 0: as fast as they are answered */
    double seconds;
    char **requests; /* [request_count], sent in turn */
    size_t *sizes;
    int request_count;
    const char *expected; /* "HTTP/1.1 202" */
    /* Changes the copy that is sent; NULL: it goes as it is. */
    void (*prepare)(void *context, char *request, int index);
    void *context;
    /* results */
    long answered, refused; /* refused: another status than the expected */
    float *delays;
    long delay_count;
    double took_s;
};

static inline void
die(const char *what)
{
    perror(what);
    exit(1);
}

static inline int
connect_to(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static inline void
push(struct connection *c)
{
    while (c->sent < c->size) {
        ssize_t n = send(c->fd, c->request + c->sent, c->size - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN)
                return;
            die("send");
        }
        c->sent += (size_t)n;
    }
}

static inline void
begin(struct load *load, struct connection *c, long number, double due_s)
{
    int index = (int)(number % load->request_count);
    c->size = load->sizes[index];
    memcpy(c->request, load->requests[index], c->size);
    if (load->prepare != NULL)
        load->prepare(load->context, c->request, index);
    c->sent = c->got = 0;
    c->due_s = due_s;
    c->busy = true;
    push(c);
}

/* Whether a whole answer is there. */
static inline bool
is_answered(struct load *load, struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - 1 - c->got, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        die("the server closed a connection");
    c->got += (size_t)n;
    c->answer[c->got] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "content-length: ");
    if (end == NULL || length == NULL)
        return false;
    if (c->got < (size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10))
        return false;
    if (strncmp(c->answer, load->expected, strlen(load->expected)) != 0 && load->refused++ == 0)
        fprintf(stderr, "not %s: %.300s\n", load->expected, c->answer);
    return true;
}

static inline void
run_load(struct load *load)
{
    int poll = epoll_create1(0);
    struct connection *all = calloc((size_t)load->connections, sizeof(*all));
    struct epoll_event events[256];
    size_t longest = 0;
    for (int i = 0; i < load->request_count; i++)
        longest = load->sizes[i] > longest ? load->sizes[i] : longest;
    for (int i = 0; i < load->connections; i++) {
        all[i].request = malloc(longest + 1);
        all[i].fd = connect_to(load->port);
        if (all[i].fd < 0)
            die("connect");
        struct epoll_event wish = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &wish);
    }
    if (load->delays == NULL)
        load->delays = malloc(DELAYS_MAX * sizeof(float));
    load->answered = load->refused = load->delay_count = 0;
    double start_s = mq_clock_monotonic_s(), end_s = start_s + load->seconds, now_s = start_s;
    long sent = 0, in_flight = 0;
    for (;;) {
        now_s = mq_clock_monotonic_s();
        for (int i = 0; i < load->connections && now_s < end_s; i++) {
            double due_s = load->rate > 0 ? start_s + (double)sent / load->rate : now_s;
            if (due_s > now_s)
                break;
            if (!all[i].busy) {
                begin(load, &all[i], sent++, due_s);
                in_flight++;
            }
        }
        if (now_s >= end_s && in_flight == 0)
            break;
        int ready = epoll_wait(poll, events, 256, load->rate > 0 ? 1 : 100);
        for (int k = 0; k < ready; k++) {
            struct connection *c = events[k].data.ptr;
            if (!c->busy)
                continue;
            push(c);
            while (c->busy && is_answered(load, c)) {
                now_s = mq_clock_monotonic_s();
                c->busy = false;
                in_flight--;
                load->answered++;
                if (load->delay_count < DELAYS_MAX)
                    load->delays[load->delay_count++] = (float)(now_s - c->due_s);
                if (load->rate <= 0 && now_s < end_s) {
                    begin(load, c, sent++, now_s);
                    in_flight++;
                }
            }
        }
    }
    load->took_s = now_s - start_s;
    for (int i = 0; i < load->connections; i++) {
        close(all[i].fd);
        free(all[i].request);
    }
    close(poll);
    free(all);
}

static inline int
compare_delays(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline double
percentile(struct load *load, double share)
{
    qsort(load->delays, (size_t)load->delay_count, sizeof(float), compare_delays);
    return load->delays[(long)(share * (double)(load->delay_count - 1))] * 1000.0;
}

/* The server as a child; its log tells the port. settings: "name=value" …, NULL; or NULL. */
static inline pid_t
start_server(const char *binary, const char *folder, const char *uri, const char *const *settings,
             int *ret_port)
{
    const char *arguments[64] = {binary, "serve", "--no-auth", "--port", "0"};
    int count = 5;
    char log[4096], set[4200];
    snprintf(log, sizeof(log), "%s/serve.log", folder);
    snprintf(set, sizeof(set), "events.log=%s", uri);
    arguments[count++] = "--set";
    arguments[count++] = set;
    arguments[count++] = "--set";
    arguments[count++] = "serve.connections_per_address=0";
    for (; settings != NULL && *settings != NULL && count < 60; settings++) {
        arguments[count++] = "--set";
        arguments[count++] = *settings;
    }
    unlink(log);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        dup2(fd, 2);
        execv(binary, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    for (int i = 0; i < 3000; i++) {
        char text[4096] = "";
        FILE *file = fopen(log, "r");
        size_t n = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
        text[n] = '\0';
        if (file != NULL)
            fclose(file);
        const char *at = strstr(text, "serving on http://127.0.0.1:");
        if (at != NULL) {
            *ret_port = atoi(at + 28);
            return pid;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            fprintf(stderr, "the server ended: %s\n", text);
            exit(1);
        }
        usleep(10000);
    }
    fprintf(stderr, "the server did not start\n");
    exit(1);
}

#endif
