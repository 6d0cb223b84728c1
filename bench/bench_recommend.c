/*
 * Load on GET /v1/users/{id}/recommendations: starts `marquee serve` on a store with a deployed
 * hybrid model, asks for the lists of all its users in turn over kept connections, and prints rate
 * and delays at full and at half load, and while the model is reloaded again and again.
 *
 *   bench_recommend MARQUEE-BINARY FOLDER --store URI --users N [--seconds 5] [--connections 32]
 *                   [--query "n=20"]
 *
 * Users are "1" to "N"; every answer is scored when it is asked for.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "http_load.h"

struct reloading {
    int port;
    _Atomic bool ends;
    int count, failed;
};

static void
make_requests(struct load *load, int users, const char *query)
{
    load->requests = calloc((size_t)users, sizeof(*load->requests));
    load->sizes = calloc((size_t)users, sizeof(*load->sizes));
    load->request_count = users;
    load->expected = "HTTP/1.1 200";
    for (int i = 0; i < users; i++) {
        char text[512];
        /* A stride that shares no divisor with them: neighbours in the matrix are not asked in
         * turn. */
        long user = 1 + (long)i * 7919 % users;
        load->sizes[i] = (size_t)snprintf(text, sizeof(text),
                                          "GET /v1/users/%ld/recommendations?%s HTTP/1.1\r\n"
                                          "Host: localhost\r\n\r\n",
                                          user, query);
        load->requests[i] = strdup(text);
    }
}

/* POST /v1/reload again and again, on a connection of its own. */
static void *
reload(void *context)
{
    struct reloading *r = context;
    static const char request[] =
        "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    while (!atomic_load(&r->ends)) {
        char answer[4096];
        int fd = connect_to(r->port);
        fcntl(fd, F_SETFL, 0);
        ssize_t n = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
        n = n > 0 ? recv(fd, answer, sizeof(answer) - 1, 0) : n;
        r->count++;
        r->failed += n < 12 || strncmp(answer, "HTTP/1.1 200", 12) != 0;
        close(fd);
    }
    return NULL;
}

static void
tell(struct load *load, const char *work, const char *more)
{
    struct bench_times times = {0};
    char quality[512];
    bench_time_add(&times, load->took_s);
    snprintf(quality, sizeof(quality),
             "{\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"not_200\": %ld%s}",
             percentile(load, 0.5), percentile(load, 0.99), percentile(load, 0.999), load->refused,
             more);
    bench_emit(work, 1, &times, (double)load->answered, "lists", quality);
}

int
main(int argc, char **argv)
{
    const char *store = "", *query = "n=20";
    double seconds = 5;
    int users = 6040, connections = 32, port;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--store") == 0)
            store = argv[i + 1];
        else if (strcmp(argv[i], "--users") == 0)
            users = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--connections") == 0)
            connections = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--query") == 0)
            query = argv[i + 1];
        else
            seconds = atof(argv[i + 1]);
    }
    if (argc < 3 || *store == '\0') {
        fprintf(stderr, "usage: bench_recommend MARQUEE-BINARY FOLDER --store URI [--users N] "
                        "[--seconds N] [--connections N] [--query TEXT]\n");
        return 2;
    }
    char log[4096], setting[4200], features[4200], more[128];
    snprintf(log, sizeof(log), "lmdb:%s/events-%ld", argv[2], (long)getpid());
    snprintf(setting, sizeof(setting), "store.uri=%s", store);
    snprintf(features, sizeof(features), "features.store=lmdb:%s/features", argv[2]);
    const char *const settings[] = {setting, features, NULL};
    pid_t server = start_server(argv[1], argv[2], log, settings, &port);
    struct load load = {.port = port, .connections = connections, .seconds = 1};
    make_requests(&load, users, query);
    run_load(&load); /* warm */
    load.seconds = seconds;
    run_load(&load);
    double rate = (double)load.answered / load.took_s;
    tell(&load, "lists as fast as they are answered", "");
    load.rate = rate / 2;
    run_load(&load);
    tell(&load, "lists, half load", "");
    struct reloading reloading = {.port = port};
    pthread_t thread;
    pthread_create(&thread, NULL, reload, &reloading);
    run_load(&load);
    atomic_store(&reloading.ends, true);
    pthread_join(thread, NULL);
    snprintf(more, sizeof(more), ", \"reloads\": %d, \"reloads_failed\": %d", reloading.count,
             reloading.failed);
    tell(&load, "lists, half load, while the model is reloaded", more);
    for (int i = 0; i < users; i++)
        free(load.requests[i]);
    free(load.requests);
    free(load.sizes);
    free(load.delays);
    kill(server, SIGTERM);
    int status;
    waitpid(server, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
