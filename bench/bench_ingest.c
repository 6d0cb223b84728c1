/*
 * Load on POST /v1/events: starts `marquee serve` over a fresh log, sends single events and arrays
 * of 500 over kept connections, and prints rates, and the delays at half the rate that was reached.
 *
 *   bench_ingest MARQUEE-BINARY FOLDER [--log URI] [--seconds 5] [--only one|many]
 *                [--connections 256]
 *
 * One thread, epoll. At half load requests are due at fixed times, and a delay counts from the time
 * a request was due, not from when a connection came free for it: a slow server cannot hide its
 * queue.
 */
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

#define BODIES 64
#define ANSWER_MAX 65536
#define DELAYS_MAX 4000000
/* Digits of an event's id, which is another one each time that a request is sent. */
#define ID_DIGITS 12

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
    int port, connections, events;
    double rate; /* requests a second; 0: as fast as they are answered */
    double seconds;
    char *requests[BODIES];
    size_t sizes[BODIES];
    size_t *ids[BODIES]; /* [events] where an event's id is in the request */
    long event_count;    /* sent so far */
    /* results */
    long answered, refused;
    float *delays;
    long delay_count;
    double took_s;
};

static void
die(const char *what)
{
    perror(what);
    exit(1);
}

static size_t
put_event(char *p, long number)
{
    long now = time(NULL);
    return (size_t)sprintf(
        p,
        "{\"user_id\":\"u%ld\",\"movie_id\":%ld,\"rating\":%ld.5,\"timestamp\":%ld,"
        "\"event_type\":\"rating\",\"source\":\"bench\",\"event_id\":\"%0*ld\"}",
        number * 7919 % 100003, number % 9973, 1 + number % 4, now - number % 1000, ID_DIGITS,
        number);
}

static void
make_requests(struct load *load)
{
    long number = 0;
    char *body = malloc((size_t)load->events * 200 + 16);
    for (int i = 0; i < BODIES; i++) {
        size_t n = 0;
        load->ids[i] = malloc((size_t)load->events * sizeof(size_t));
        if (load->events > 1)
            body[n++] = '[';
        for (int k = 0; k < load->events; k++) {
            if (k > 0)
                body[n++] = ',';
            n += put_event(body + n, number++);
            load->ids[i][k] = n - 2 - ID_DIGITS;
        }
        if (load->events > 1)
            body[n++] = ']';
        load->requests[i] = malloc(n + 256);
        int head = sprintf(load->requests[i],
                           "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           "application/json\r\nContent-Length: %zu\r\n\r\n",
                           n);
        memcpy(load->requests[i] + head, body, n);
        load->sizes[i] = (size_t)head + n;
        for (int k = 0; k < load->events; k++)
            load->ids[i][k] += (size_t)head;
    }
    free(body);
}

static int
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

static void
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

static void
begin(struct load *load, struct connection *c, long number, double due_s)
{
    c->size = load->sizes[number % BODIES];
    memcpy(c->request, load->requests[number % BODIES], c->size);
    for (int k = 0; k < load->events; k++) {
        char *digit = c->request + load->ids[number % BODIES][k] + ID_DIGITS;
        for (long rest = load->event_count++, i = 0; i < ID_DIGITS; i++, rest /= 10)
            *--digit = (char)('0' + rest % 10);
    }
    c->sent = c->got = 0;
    c->due_s = due_s;
    c->busy = true;
    push(c);
}

/* Whether a whole answer is there. */
static bool
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
    if (strncmp(c->answer, "HTTP/1.1 202", 12) != 0 && load->refused++ == 0)
        fprintf(stderr, "not 202: %.300s\n", c->answer);
    return true;
}

static void
run_load(struct load *load)
{
    int poll = epoll_create1(0);
    struct connection *all = calloc((size_t)load->connections, sizeof(*all));
    struct epoll_event events[256];
    for (int i = 0; i < load->connections; i++) {
        all[i].request = malloc((size_t)load->events * 200 + 512);
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

static int
compare_delays(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double
percentile(struct load *load, double share)
{
    qsort(load->delays, (size_t)load->delay_count, sizeof(float), compare_delays);
    return load->delays[(long)(share * (double)(load->delay_count - 1))] * 1000.0;
}

/* The server as a child; its log tells the port. */
static pid_t
start_server(const char *binary, const char *folder, const char *uri, int *ret_port)
{
    char log[4096], set[4200];
    snprintf(log, sizeof(log), "%s/serve.log", folder);
    snprintf(set, sizeof(set), "events.log=%s", uri);
    unlink(log);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        dup2(fd, 2);
        execl(binary, binary, "serve", "--no-auth", "--port", "0", "--set", set, "--set",
              "serve.connections_per_address=0", (char *)NULL);
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

static void
measure(struct load *load, const char *work)
{
    make_requests(load);
    double seconds = load->seconds;
    load->seconds = 1; /* warm */
    run_load(load);
    load->seconds = seconds;
    run_load(load);
    double rate = (double)load->answered / load->took_s;
    struct bench_times times = {0};
    bench_time_add(&times, load->took_s);
    char quality[256];
    snprintf(quality, sizeof(quality), "{\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"not_202\": %ld}",
             percentile(load, 0.5), percentile(load, 0.99), load->refused);
    bench_emit(work, 1, &times, (double)load->answered * load->events, "events", quality);
    load->rate = rate / 2;
    run_load(load);
    char half[128];
    snprintf(half, sizeof(half), "%s, half load", work);
    struct bench_times again = {0};
    bench_time_add(&again, load->took_s);
    snprintf(quality, sizeof(quality),
             "{\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"not_202\": %ld}",
             percentile(load, 0.5), percentile(load, 0.99), percentile(load, 0.999), load->refused);
    bench_emit(half, 1, &again, (double)load->answered * load->events, "events", quality);
    for (int i = 0; i < BODIES; i++) {
        free(load->requests[i]);
        free(load->ids[i]);
    }
    free(load->delays);
}

int
main(int argc, char **argv)
{
    const char *only = "", *uri = NULL;
    double seconds = 5;
    int connections = 256;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_ingest MARQUEE-BINARY FOLDER [--log URI] [--seconds N] "
                        "[--only one|many]\n");
        return 2;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--log") == 0)
            uri = argv[i + 1];
        else if (strcmp(argv[i], "--connections") == 0)
            connections = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else
            only = argv[i + 1];
    }
    char embedded[4096];
    if (uri == NULL) {
        snprintf(embedded, sizeof(embedded), "lmdb:%s/events-%ld", argv[2], (long)getpid());
        uri = embedded;
    }
    int port;
    pid_t server = start_server(argv[1], argv[2], uri, &port);
    if (strcmp(only, "many") != 0)
        measure(
            &(struct load){
                .port = port, .connections = connections, .events = 1, .seconds = seconds},
            "events one by one");
    if (strcmp(only, "one") != 0)
        measure(&(struct load){.port = port,
                               .connections = 16,
                               .events = 500,
                               .seconds = seconds,
                               .event_count = 1000000000},
                "events in arrays of 500");
    kill(server, SIGTERM);
    int status;
    waitpid(server, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
