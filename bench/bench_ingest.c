/*
 * Load on POST /v1/events: starts `marquee serve` over a fresh log, sends single events and arrays
 * of 500 over kept connections, and prints rates, and the delays at half the rate that was reached.
 *
 *   bench_ingest MARQUEE-BINARY FOLDER [--log URI] [--seconds 5] [--only one|many]
 *                [--connections 256]
 * (bench/http_load.h).
 */
#include "http_load.h"

#define BODIES 64

/* Digits of an event's id, which is another one each time that a request is sent. */
#define ID_DIGITS 12

/* Requests of so many events each. */
struct batches {
    int events;
    size_t *ids[BODIES]; /* [events] where an event's id is in the request */
    long event_count;    /* sent so far */
};

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
make_requests(struct load *load, struct batches *batches)
{
    long number = 0;
    char *body = malloc((size_t)batches->events * 200 + 16);
    load->requests = calloc(BODIES, sizeof(*load->requests));
    load->sizes = calloc(BODIES, sizeof(*load->sizes));
    load->request_count = BODIES;
    load->expected = "HTTP/1.1 202";
    for (int i = 0; i < BODIES; i++) {
        size_t n = 0;
        batches->ids[i] = malloc((size_t)batches->events * sizeof(size_t));
        if (batches->events > 1)
            body[n++] = '[';
        for (int k = 0; k < batches->events; k++) {
            if (k > 0)
                body[n++] = ',';
            n += put_event(body + n, number++);
            batches->ids[i][k] = n - 2 - ID_DIGITS;
        }
        if (batches->events > 1)
            body[n++] = ']';
        load->requests[i] = malloc(n + 256);
        int head = sprintf(load->requests[i],
                           "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           "application/json\r\nContent-Length: %zu\r\n\r\n",
                           n);
        memcpy(load->requests[i] + head, body, n);
        load->sizes[i] = (size_t)head + n;
        for (int k = 0; k < batches->events; k++)
            batches->ids[i][k] += (size_t)head;
    }
    free(body);
}

static void
number_events(void *context, char *request, int index)
{
    struct batches *batches = context;
    for (int k = 0; k < batches->events; k++) {
        char *digit = request + batches->ids[index][k] + ID_DIGITS;
        for (long rest = batches->event_count++, i = 0; i < ID_DIGITS; i++, rest /= 10)
            *--digit = (char)('0' + rest % 10);
    }
}

static void
measure(int port, int connections, double seconds, struct batches *batches, const char *work)
{
    struct load load = {
        .port = port, .connections = connections, .prepare = number_events, .context = batches};
    make_requests(&load, batches);
    load.seconds = 1; /* warm */
    run_load(&load);
    load.seconds = seconds;
    run_load(&load);
    double rate = (double)load.answered / load.took_s;
    struct bench_times times = {0};
    bench_time_add(&times, load.took_s);
    char quality[256];
    snprintf(quality, sizeof(quality), "{\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"not_202\": %ld}",
             percentile(&load, 0.5), percentile(&load, 0.99), load.refused);
    bench_emit(work, 1, &times, (double)load.answered * batches->events, "events", quality);
    load.rate = rate / 2;
    run_load(&load);
    char half[128];
    snprintf(half, sizeof(half), "%s, half load", work);
    struct bench_times again = {0};
    bench_time_add(&again, load.took_s);
    snprintf(quality, sizeof(quality),
             "{\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"not_202\": %ld}",
             percentile(&load, 0.5), percentile(&load, 0.99), percentile(&load, 0.999),
             load.refused);
    bench_emit(half, 1, &again, (double)load.answered * batches->events, "events", quality);
    for (int i = 0; i < BODIES; i++) {
        free(load.requests[i]);
        free(batches->ids[i]);
    }
    free(load.requests);
    free(load.sizes);
    free(load.delays);
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
    pid_t server = start_server(argv[1], argv[2], uri, NULL, &port);
    if (strcmp(only, "many") != 0)
        measure(port, connections, seconds, &(struct batches){.events = 1}, "events one by one");
    if (strcmp(only, "one") != 0)
        measure(port, 16, seconds, &(struct batches){.events = 500, .event_count = 1000000000},
                "events in arrays of 500");
    kill(server, SIGTERM);
    int status;
    waitpid(server, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
