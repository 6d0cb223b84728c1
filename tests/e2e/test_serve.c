/*
 * `marquee serve` from outside: every status of the API, limits, slow clients, tokens, TLS,
 * stopping. The event log is the embedded one, in a fresh folder for each test.
 */
#include "serve_fixture.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <zlib.h>

static const char *const open_server[] = {"--no-auth", NULL};
/* Where the disk or the test itself may hold a write up. */
static const char *const patient_server[] = {"--no-auth", "--set", "serve.ack_ms=60000", NULL};

/* A command that runs beside the server must not overwrite its log. */
static int
rename_log(void)
{
    char from[512], to[512];
    snprintf(from, sizeof(from), "%s/log", server.folder);
    snprintf(to, sizeof(to), "%s/server.log", server.folder);
    return rename(from, to);
}

/* The exit status of a command that ends by itself. */
static int
run_marquee(const char *const *words)
{
    return wait_exit(spawn(words));
}

/* ---- the events' path ------------------------------------------------------------------- */

static void
takes_events(void **state)
{
    (void)state;
    start_server(open_server);
    expect(202, "{\"taken\":1,\"refused\":0,\"events\":[{\"partition\":", "POST", "/v1/events",
           JSON, event(1));
    expect(202, "\"taken\":1", "POST", "/v1/events",
           "Content-Type: application/json; charset=utf-8",
           " \n{\"user_id\":\"\\u00fc\",\n\"movie_id\":2,\"rating\":3,\"timestamp\":\"2026-01-01\"}"
           "\n");
    char *body = events(1000);
    struct answer answer = ask("POST", "/v1/events", JSON, body, -1);
    assert_int_equal(answer.status, 202);
    json_t *root = json_loads(answer.body.data, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "taken")), 1000);
    assert_int_equal(json_array_size(json_object_get(root, "events")), 1000);
    json_decref(root);
    free_answer(&answer);
    free(body);
    assert_int_equal(events_in_log(), 1002);
    assert_true(metric("marquee_events_written_total") == 1002);
    assert_int_equal(stop_server(), 0);
}

/* All events of a topic of the stopped server's log; release with close_reading. */
struct reading {
    struct mq_event_log *log;
    struct mq_consumer *consumer;
    const struct mq_event *events;
    size_t count;
};

static struct reading
read_topic(const char *topic)
{
    struct reading r = {0};
    char uri[512];
    struct mq_error err = {0};
    snprintf(uri, sizeof(uri), "lmdb:%s/marquee-events", server.folder);
    check_ok(mq_event_log_open(uri, &r.log, &err));
    check_ok(
        mq_consumer_new(r.log, &(struct mq_consumer_options){.topic = topic}, &r.consumer, &err));
    while (r.count == 0)
        check_ok(mq_consumer_poll(r.consumer, 1000, 1000, &r.events, &r.count, &err));
    return r;
}

static void
close_reading(struct reading *r)
{
    mq_consumer_close(r->consumer);
    mq_event_log_free(r->log);
}

/* What a consumer reads is what was sent, byte by byte, but for line ends between tokens. */
static void
keeps_the_bytes(void **state)
{
    (void)state;
    start_server(open_server);
    expect(202, NULL, "POST", "/v1/events", JSON,
           "[ {\"user_id\" : 1.0,\"movie_id\":\"\\u0031\",\r\n \"rating\":3.50,\"timestamp\":"
           "\"2026-01-01\", \"else\":[1, {}]} ]");
    assert_int_equal(stop_server(), 0);
    struct reading r = read_topic("user-events");
    const struct mq_event *read = r.events;
    static const char expected[] = "{\"user_id\" : 1.0,\"movie_id\":\"\\u0031\",   \"rating\":3.50,"
                                   "\"timestamp\":\"2026-01-01\", \"else\":[1, {}]}";
    assert_int_equal(r.count, 1);
    assert_int_equal(read->value_size, sizeof(expected) - 1);
    assert_memory_equal(read->value, expected, sizeof(expected) - 1);
    assert_int_equal(read->key_size, 1); /* the user: "1", however it was written */
    assert_memory_equal(read->key, "1", 1);
    close_reading(&r);
}

/* What was refused is kept with the reason, in the order it came. */
static void
check_refused_topic(void)
{
    static const char *const parts[][3] = {
        {"\"reason\":\"missing\"", "\"field\":\"movie_id\"", "\"event\":\"{\\\"user_id\\\":2}\"}"},
        {"\"reason\":\"wrong-type\"", "\"place\":0", "\"event\":\"17\"}"},
        {"\"reason\":\"off-scale\"", "rating is 9 (allowed: 0.5 to 5)", "\"field\":\"rating\""},
        {"\"reason\":\"too-old\"", "{\"source\":\"api\",\"request_id\":\"", "\"time_ms\":"},
        {"\"reason\":\"too-deep\"", "\"place\":", "nested deeper than 32 levels"},
        {"\"reason\":\"not-json\"", "\\\"user_id\\\":2]\"}", "\"message\":"},
        {"\"reason\":\"not-json\"", "\"event\":\"\"}", "\"place\":0"},
        {"\"reason\":\"not-json\"", "\"event\":\"[", "or ']' is due"},
        {"\"reason\":\"not-json\"", "]]\"}", "the end is due"}};
    struct reading r = read_topic("user-events.rejected");
    assert_int_equal(r.count, MQ_COUNT(parts));
    for (size_t i = 0; i < r.count; i++) {
        char *line = strndup(r.events[i].value, r.events[i].value_size);
        for (size_t k = 0; k < 3; k++)
            check_contains(line, parts[i][k]);
        assert_null(strchr(line, '\n'));
        json_t *root = json_loads(line, 0, NULL);
        assert_non_null(root);
        json_decref(root);
        free(line);
    }
    close_reading(&r);
}

static void
refuses_bad_events(void **state)
{
    (void)state;
    start_server(patient_server);
    char body[1024];
    snprintf(body, sizeof(body), "[%s,{\"user_id\":2},%s]", event(1), "17");
    struct answer answer = ask("POST", "/v1/events", JSON, body, -1);
    assert_int_equal(answer.status, 422);
    check_contains(answer.body.data, "{\"taken\":1,\"refused\":2,\"events\":[{\"partition\":");
    check_contains(answer.body.data, "{\"error\":{\"code\":\"missing\",\"place\":\"/1/movie_id\","
                                     "\"message\":\"movie_id is missing\"}}");
    check_contains(answer.body.data, "\"code\":\"wrong-type\",\"place\":\"/2\"");
    free_answer(&answer);
    expect(422, "\"place\":\"/rating\",\"message\":\"rating is 9 (allowed: 0.5 to 5)\"", "POST",
           "/v1/events", JSON,
           "{\"user_id\":1,\"movie_id\":2,\"rating\":9,\"timestamp\":1767000000}");
    expect(422, "too-old", "POST", "/v1/events", JSON,
           "{\"user_id\":1,\"movie_id\":2,\"rating\":3,\"timestamp\":1}");
    assert_int_equal(events_in_log(), 1);
    /* Nested too deep is JSON: it is refused alone, with its place. */
    snprintf(body, sizeof(body), "[%.*s,\"x\":%.40s%.40s},%s]", (int)strlen(event(3)) - 1, event(3),
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
             event(4));
    expect(422,
           "{\"taken\":1,\"refused\":1,\"events\":[{\"error\":{\"code\":\"too-deep\",\"place\":"
           "\"/0\",\"message\":\"nested deeper than 32 levels\"}},{\"partition\":",
           "POST", "/v1/events", JSON, body);
    assert_int_equal(events_in_log(), 2);
    /* Not JSON: nothing is taken. */
    snprintf(body, sizeof(body), "[%s,{\"user_id\":2]", event(2));
    expect(422, "\"code\":\"not-json\",\"message\":\"byte ", "POST", "/v1/events", JSON, body);
    expect(422, "not-json", "POST", "/v1/events", JSON, "");
    snprintf(body, sizeof(body), "[%s", event(2));
    expect(422, "not-json", "POST", "/v1/events", JSON, body);
    snprintf(body, sizeof(body), "[%s]]", event(2));
    expect(422, "the end is due", "POST", "/v1/events", JSON, body);
    expect(422, "no-events", "POST", "/v1/events", JSON, " [ ] ");
    char *many = events(1001);
    expect(413, "too-many-events", "POST", "/v1/events", JSON, many);
    free(many);
    assert_int_equal(events_in_log(), 2);
    assert_true(metric("marquee_events_refused_total{reason=\"missing\"}") == 1);
    assert_true(metric("marquee_events_refused_total{reason=\"off-scale\"}") == 1);
    assert_true(metric("marquee_events_refused_total{reason=\"not-json\"}") == 4);
    /* Events of bodies of which nothing was taken are not accepted; and the refused ones are
     * written to a queue of their own. */
    assert_true(metric("marquee_events_accepted_total{event_type=\"rating\"}") == 2);
    assert_true(metric("marquee_events_written_total") == 2);
    wait_metric("marquee_refused_written_total", 9);
    assert_int_equal(stop_server(), 0);
    check_refused_topic();
}

static void
other_paths(void **state)
{
    (void)state;
    start_server(open_server);
    expect(200, "\"ok\"", "GET", "/healthz", NULL, NULL);
    expect(200, "\"ready\"", "GET", "/readyz", NULL, NULL);
    expect(200, "text/plain; version=0.0.4", "GET", "/metrics", NULL, NULL);
    expect(200, "\"openapi\": \"3.1.0\"", "GET", "/openapi.json", NULL, NULL);
    struct answer description = ask("GET", "/openapi.json", NULL, NULL, -1);
    assert_non_null(strstr(description.body.data, "\"maxItems\": 1000"));
    assert_null(strstr(description.body.data, "\"=MQ_")); /* each limit is a number */
    assert_null(strstr(description.body.data, ": -1"));
    free_answer(&description);
    expect(200, "Content-Length: 16", "HEAD", "/healthz", NULL, NULL);
    expect(404, "\"code\":\"not-found\"", "GET", "/nope", NULL, NULL);
    expect(405, "Allow: POST", "GET", "/v1/events", NULL, NULL);
    expect(405, "Allow: GET", "POST", "/healthz", JSON, "{}");
    expect(415, "unsupported-type", "POST", "/v1/events", "Content-Type: text/plain", event(1));
    expect(415, "unsupported-encoding", "POST", "/v1/events", JSON "\nContent-Encoding: br",
           event(1));
    expect(202, "X-Request-Id: my.own-1_x\r\n", "POST", "/v1/events",
           JSON "\nX-Request-Id: my.own-1_x", event(1));
    expect(404, "\"request_id\":\"abc\"", "GET", "/x", "X-Request-Id: abc", NULL);
    struct answer answer = ask("GET", "/healthz", "X-Request-Id: a b\"c", NULL, 0);
    assert_null(strstr(answer.head.data, "a b"));
    check_contains(answer.head.data, "X-Request-Id: ");
    free_answer(&answer);
    assert_int_equal(stop_server(), 0);
    char *log = read_text("log");
    check_contains(log, "\"message\":\"request\",\"request_id\":\"my.own-1_x\",\"method\":\"POST\","
                        "\"path\":\"/v1/events\",\"status\":202,\"ms\":");
    free(log);
}

/* ---- limits ----------------------------------------------------------------------------- */

static size_t
gzip_of(const char *bytes, size_t size, char *room, size_t room_size)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = (Bytef *)room;
    stream.avail_out = (uInt)room_size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t n = room_size - stream.avail_out;
    deflateEnd(&stream);
    return n;
}

static void
expect_bytes(long status, const char *headers, const char *body, size_t size)
{
    struct answer answer = ask("POST", "/v1/events", headers, body, (long)size);
    if (answer.status != status)
        fail_msg("%zu bytes, %s: %ld (%s), expected %ld: %s", size, headers, answer.status,
                 answer.why, status, answer.body.data);
    free_answer(&answer);
}

#define GZIP JSON "\nContent-Encoding: gzip"

static void
bodies(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.body_kb=64", NULL});
    static char packed[1 << 20];
    char *many = events(500), *zeros = calloc(1, 3 << 20);
    size_t n = gzip_of(many, strlen(many), packed, sizeof(packed));
    expect_bytes(202, GZIP, packed, n);
    assert_int_equal(events_in_log(), 500);
    expect_bytes(400, GZIP, packed, n - 5);
    expect_bytes(400, GZIP, many, 100);
    n = gzip_of(zeros, 65537, packed, sizeof(packed));
    expect_bytes(413, GZIP, packed, n);
    n = gzip_of(zeros, 3 << 20, packed, sizeof(packed));
    expect_bytes(413, GZIP, packed, n);
    memset(zeros, ' ', 3 << 20);
    expect_bytes(422, JSON, zeros, 65536); /* at the limit: read, and not an event */
    expect_bytes(413, JSON, zeros, 65537);
    expect_bytes(413, JSON, zeros, 3 << 20);
    expect_bytes(413, JSON "\nTransfer-Encoding: chunked", zeros, 3 << 20);
    expect_bytes(413, JSON "\nExpect: 100-continue", zeros, 3 << 20);
    many[strlen(many) - 1] = ' '; /* a body at the limit in pieces of unknown number */
    expect_bytes(422, JSON "\nTransfer-Encoding: chunked", many, strlen(many));
    many[strlen(many) - 1] = ']';
    expect_bytes(202, JSON "\nTransfer-Encoding: chunked", many, strlen(many));
    free(many);
    free(zeros);
    assert_int_equal(stop_server(), 0);
}

/* "VmHWM" of the server in kB. */
static long
peak_kb(void)
{
    char path[64], line[256];
    long peak = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)server.pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = atol(line + 6);
    if (file != NULL)
        fclose(file);
    return peak;
}

#define BOMBS 60

struct bomb {
    pthread_t thread;
    const char *packed;
    size_t size;
    struct answer answer;
};

static void *
drop_bomb(void *context)
{
    struct bomb *bomb = context;
    bomb->answer = ask("POST", "/v1/events", GZIP, bomb->packed, (long)bomb->size);
    return NULL;
}

/* Kilobytes that expand to 3 MB each, all at once, while the log takes nothing: beyond the bound
 * for all bodies they are told to come again, and the process stays small. */
static void
expanded_bodies_are_bounded(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.bodies_mb=16", "--set",
                                       "serve.ack_ms=3000", "--set", "serve.event_ids=0", NULL});
    size_t size = 3 << 20, n = 0;
    static char packed[1 << 20];
    char *plain = malloc(size);
    for (int i = 0; i < 49; i++)
        n += (size_t)snprintf(plain + n, size - n, "%s%.*s,\"more\":\"%060000d\"}",
                              i == 0 ? "[" : ",", (int)strlen(event(i)) - 1, event(i), 0);
    snprintf(plain + n, size - n, "]");
    size_t packed_size = gzip_of(plain, n + 1, packed, sizeof(packed));
    assert_true(n > 2900000 && packed_size < 30000);
    free(plain);
    expect(202, NULL, "POST", "/v1/events", JSON, event(1)); /* the log is there */
    long before_kb = peak_kb();
    struct holder holder;
    begin_hold(&holder);
    static struct bomb bombs[BOMBS];
    for (int i = 0; i < BOMBS; i++) {
        bombs[i] = (struct bomb){.packed = packed, .size = packed_size};
        assert_int_equal(pthread_create(&bombs[i].thread, NULL, drop_bomb, &bombs[i]), 0);
    }
    wait_metric("marquee_http_requests_total{path=\"/v1/events\",status=\"429\"}", BOMBS / 2);
    assert_true(metric("marquee_http_body_bytes") <= 16 << 20);
    end_hold(&holder);
    int busy = 0, done = 0;
    for (int i = 0; i < BOMBS; i++) {
        pthread_join(bombs[i].thread, NULL);
        busy += bombs[i].answer.status == 429;
        done += bombs[i].answer.status == 202 || bombs[i].answer.status == 503;
        if (bombs[i].answer.status == 429)
            check_contains(bombs[i].answer.head.data, "Retry-After: 1");
        free_answer(&bombs[i].answer);
    }
    assert_true(busy >= BOMBS / 2);
    assert_true(done >= 1);
    assert_int_equal(busy + done, BOMBS);
    if (getenv("ASAN_OPTIONS") == NULL) /* which keeps what was freed */
        assert_true(peak_kb() - before_kb < 90 * 1024);
    print_message("peak memory grew by %ld MB\n", (peak_kb() - before_kb) >> 10);
    expect_bytes(202, GZIP, packed, packed_size); /* the room is there again */
    /* All is given back, answers too: the last one a moment after it was read. */
    double end_s = mq_clock_monotonic_s() + PATIENCE_S;
    while (metric("marquee_http_body_bytes") > 0 || metric("marquee_http_answer_bytes") > 0) {
        if (mq_clock_monotonic_s() > end_s)
            fail_msg("bodies or answers are held that nobody waits for");
        short_rest();
    }
    assert_int_equal(stop_server(), 0);
}

static int
connect_raw(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Heads that a proxy in front could take for others than we do. */
static void
ambiguous_heads(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *says;
    } cases[] = {
        {"Content-Length: 5\r\nContent-Length: 60\r\n", "two Content-Length headers"},
        {"Content-Length: 60\r\nContent-Length: 60\r\n", "two Content-Length headers"},
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length beside"},
        {"Transfer-Encoding: chunked\r\ncontent-length: 5\r\n", "Content-Length beside"},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "two Transfer-Encoding"},
        {"Transfer-Encoding: gzip, chunked\r\n", "other than chunked"},
        {"Transfer-Encoding: identity\r\n", "other than chunked"},
    };
    start_server(open_server);
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        char text[1024], answer[2048];
        size_t n = 0;
        ssize_t got;
        snprintf(text, sizeof(text),
                 "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n"
                 "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
                 cases[i].headers);
        int fd = connect_raw();
        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
        while ((got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0) /* it hangs up */
            n += (size_t)got;
        answer[n] = '\0';
        close(fd);
        check_contains(answer, "HTTP/1.1 400");
        check_contains(answer, "Connection: close");
        check_contains(answer, "\"code\":\"bad-framing\"");
        check_contains(answer, cases[i].says);
        assert_null(strstr(answer, "404"));
        assert_null(strstr(answer + 10, "HTTP/1.1 "));
    }
    assert_int_equal(events_in_log(), 0);
    expect(202, NULL, "POST", "/v1/events", JSON, event(1));
    assert_int_equal(stop_server(), 0);
}

/* Send a byte every 100 ms until the server hangs up. @return seconds it took */
static double
trickle(const char *text)
{
    int fd = connect_raw();
    double start_s = mq_clock_monotonic_s();
    while (mq_clock_monotonic_s() < start_s + PATIENCE_S) {
        if (*text != '\0' && send(fd, text++, 1, MSG_NOSIGNAL) != 1)
            break;
        char byte;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            break;
    }
    close(fd);
    return mq_clock_monotonic_s() - start_s;
}

/* However it trickles, head or body: the deadline is for all of it. */
static void
slow_clients_are_cut(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.request_s=1", "--set",
                                       "serve.idle_s=1", NULL});
    static char text[2000] =
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    size_t head = strlen(text);
    memset(text + head, 'x', 1000);
    assert_true(trickle(text) < 15); /* a header that never ends */
    static char body[2000];
    snprintf(body, sizeof(body), "%.*sContent-Length: 1000\r\n\r\n", (int)head, text);
    int fd = connect_raw();
    assert_int_equal(send(fd, body, strlen(body), 0), strlen(body));
    double start_s = mq_clock_monotonic_s();
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0); /* a body that never comes */
    assert_true(mq_clock_monotonic_s() - start_s < 15);
    close(fd);
    assert_true(trickle("") < 15); /* nothing at all */
    wait_metric("marquee_http_connections_cut_total", 3);
    expect(202, NULL, "POST", "/v1/events", JSON, event(1));
    assert_int_equal(stop_server(), 0);
}

static void
heads(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.head_kb=8", NULL});
    static char long_header[9000] = "X-Long: ", long_path[6000] = "/healthz?";
    memset(long_header + 8, 'x', sizeof(long_header) - 9);
    memset(long_path + 9, 'x', sizeof(long_path) - 10);
    expect(431, "\"head-too-large\"", "GET", "/healthz", long_header, NULL);
    expect(431, "\"request_id\":\"", "POST", "/v1/events", long_header, event(1));
    expect(414, "\"target-too-long\"", "GET", long_path, NULL, NULL);
    long_path[4096] = '\0'; /* just the limit: another refusal, by the route */
    expect(400, NULL, "GET", long_path, NULL, NULL);
    static char header[60000] = "X-Long: "; /* the library's own answer */
    memset(header + 8, 'x', sizeof(header) - 9);
    int fd = connect_raw();
    static const char line[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    assert_true(send(fd, line, sizeof(line) - 1, 0) > 0);
    assert_true(send(fd, header, sizeof(header) - 1, MSG_NOSIGNAL) > 0);
    assert_true(send(fd, "\r\n\r\n", 4, MSG_NOSIGNAL) > 0 || errno == EPIPE || errno == ECONNRESET);
    char answer[64] = "";
    (void)!recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL);
    check_contains(answer, "HTTP/1.1 431");
    close(fd);
    fd = connect_raw();
    assert_true(send(fd, "rubbish\r\n\r\n", 11, 0) > 0);
    assert_true(recv(fd, answer, sizeof(answer) - 1, 0) >= 0); /* refused or hung up, not a crash */
    close(fd);
    expect(200, NULL, "GET", "/healthz", NULL, NULL);
    assert_int_equal(stop_server(), 0);
}

/* The log's lock is held: writes wait, the queue fills, who waited too long is told so. */
static void
full_queue_and_late_answers(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.queue_events=1000", "--set",
                                       "serve.ack_ms=2000", "--set", "serve.writers=1", NULL});
    struct holder holder;
    struct waiting first, second;
    char *many = events(1000);
    begin_hold(&holder);
    begin_waiting(&first, event(1));
    wait_metric("marquee_events_accepted_total{event_type=\"rating\"}", 1);
    while (metric("marquee_events_queued") > 0)
        short_rest(); /* the writer has it */
    begin_waiting(&second, many);
    wait_metric("marquee_events_queued", 1000);
    expect(429, "Retry-After: 1", "POST", "/v1/events", JSON, event(2));
    expect(429, "queue-full", "POST", "/v1/events", JSON, event(2));
    nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 200000000},
              NULL); /* beyond ack_ms, that is the point */
    end_hold(&holder);
    end_waiting(&first);
    end_waiting(&second);
    assert_int_equal(first.answer.status, 202);
    assert_int_equal(second.answer.status, 503);
    check_contains(second.answer.body.data, "{\"error\":{\"code\":\"not-acknowledged\"");
    check_contains(second.answer.body.data, "\"taken\":0");
    check_contains(second.answer.head.data, "Retry-After: 1");
    free_answer(&first.answer);
    free_answer(&second.answer);
    free(many);
    assert_int_equal(events_in_log(), 1);
    expect(202, NULL, "POST", "/v1/events", JSON, event(3));
    assert_int_equal(stop_server(), 0);
}

/* ---- stopping --------------------------------------------------------------------------- */

static void
stops_after_answering(void **state)
{
    (void)state;
    start_server(patient_server);
    struct holder holder;
    struct waiting waiting[3];
    begin_hold(&holder);
    for (int i = 0; i < 3; i++)
        begin_waiting(&waiting[i], event(i));
    wait_metric("marquee_events_accepted_total{event_type=\"rating\"}", 3);
    kill(server.pid, SIGTERM);
    double end_s = mq_clock_monotonic_s() + PATIENCE_S;
    int fd;
    while ((fd = connect_raw()) >= 0 && mq_clock_monotonic_s() < end_s) {
        close(fd);
        short_rest();
    }
    assert_int_equal(fd, -1); /* no new connections, while the old ones wait */
    assert_int_equal(waitpid(server.pid, NULL, WNOHANG), 0);
    end_hold(&holder);
    for (int i = 0; i < 3; i++) {
        end_waiting(&waiting[i]);
        assert_int_equal(waiting[i].answer.status, 202);
        check_contains(waiting[i].answer.head.data, "Connection: close");
        free_answer(&waiting[i].answer);
    }
    assert_int_equal(wait_exit(server.pid), 0);
    server.pid = 0;
    assert_int_equal(events_in_log(), 3);
    char *log = read_text("log");
    check_contains(log, "stopped, 0 requests cut off");
    free(log);
}

/* ---- tokens ----------------------------------------------------------------------------- */

static void
new_token(const char *name, const char *scope, char header[128])
{
    assert_int_equal(
        run_marquee((const char *const[]){"token", "create", name, "--scope", scope, NULL}), 0);
    char *token = read_text("out");
    token[strcspn(token, "\n")] = '\0';
    snprintf(header, 128, "Authorization: Bearer %s", token);
    free(token);
}

static void
tokens(void **state)
{
    (void)state;
    char writer[128], reader[128], admin[128], both[256];
    new_token("web", "events:write", writer);
    new_token("tv", "recommend:read", reader);
    new_token("ops", "admin", admin);
    start_server((const char *const[]){"--set", "serve.open_metrics=false", NULL});
    snprintf(both, sizeof(both), "%s\n%s", JSON, writer);
    expect(202, NULL, "POST", "/v1/events", both, event(1));
    expect(401, "WWW-Authenticate: Bearer", "POST", "/v1/events", JSON, event(1));
    expect(401, "unauthorised", "POST", "/v1/events", JSON "\nAuthorization: Bearer mqt_x",
           event(1));
    expect(401, NULL, "GET", "/metrics", NULL, NULL);
    expect(403, NULL, "GET", "/metrics", writer, NULL);
    expect(200, "marquee_events_written_total 1", "GET", "/metrics", admin, NULL);
    expect(200, NULL, "GET", "/healthz", NULL, NULL);
    char other[256];
    snprintf(other, sizeof(other), "%s\n%s", JSON, reader);
    expect(403, "forbidden", "POST", "/v1/events", other, event(1));
    snprintf(other, sizeof(other), "%s\n%s", JSON, admin);
    expect(202, NULL, "POST", "/v1/events", other, event(1));
    assert_int_equal(stop_server(), 0);
    char *log = read_text("log");
    assert_null(strstr(log, strstr(writer, "mqt_"))); /* nowhere in the log */
    free(log);
}

static void
tokens_are_read_again(void **state)
{
    (void)state;
    char writer[128], headers[256];
    new_token("web", "events:write", writer);
    start_server((const char *const[]){NULL});
    snprintf(headers, sizeof(headers), "%s\n%s", JSON, writer);
    expect(202, NULL, "POST", "/v1/events", headers, event(1));
    pid_t pid = server.pid;
    assert_int_equal(rename_log(), 0);
    assert_int_equal(run_marquee((const char *const[]){"token", "revoke", "web", NULL}), 0);
    expect(202, NULL, "POST", "/v1/events", headers, event(2));
    kill(pid, SIGHUP);
    double end_s = mq_clock_monotonic_s() + PATIENCE_S;
    for (;;) {
        struct answer answer = ask("POST", "/v1/events", headers, event(3), -1);
        long status = answer.status;
        free_answer(&answer);
        if (status == 401)
            break;
        assert_int_equal(status, 202);
        assert_true(mq_clock_monotonic_s() < end_s);
        short_rest();
    }
    assert_int_equal(stop_server(), 0);
}

static void
wrong_starts(void **state)
{
    (void)state;
    const struct {
        const char *words[8];
        int status;
        const char *part;
    } wrong[] = {
        {{"serve", "--port", "0", NULL}, 1, "marquee token create"},
        {{"serve", "--port", "0", "--no-auth", "--host", "0.0.0.0", NULL}, 2, "without tokens"},
        {{"serve", "--port", "0", "--no-auth", "--host", "nowhere.invalid", NULL}, 2, "nowhere"},
        {{"serve", "--port", "0", "--no-auth", "--key", "k.pem", NULL}, 2, "certificate"},
        {{"serve", "--port", "0", "--no-auth", "--events", "ftp:x", NULL}, 2, "ftp:x"},
        {{"serve", "--port", "0", "--no-auth", "--certificate", "none.pem", NULL}, 1, "none.pem"},
        {{"token", "create", "x", "--scope", "all", NULL}, 2, "'all' is no scope"},
        {{"token", "create", "x", NULL}, 2, "--scope"},
        {{"token", "revoke", "x", NULL}, 1, "no token 'x'"},
    };
    for (size_t i = 0; i < MQ_COUNT(wrong); i++) {
        int status = run_marquee(wrong[i].words);
        char *log = read_text("log");
        if (status != wrong[i].status || strstr(log, wrong[i].part) == NULL)
            fail_msg("case %zu: status %d (expected %d), no '%s' in: %s", i, status,
                     wrong[i].status, wrong[i].part, log);
        free(log);
    }
    start_server(open_server);
    char port[16];
    snprintf(port, sizeof(port), "%d", server.port);
    assert_int_equal(rename_log(), 0);
    assert_int_equal(run_marquee((const char *const[]){"serve", "--no-auth", "--port", port, NULL}),
                     1);
    char *log = read_text("log");
    check_contains(log, "it is in use");
    free(log);
    assert_int_equal(stop_server(), 0);
}

/* ---- TLS -------------------------------------------------------------------------------- */

/* A throwaway certificate for localhost, signed by itself, in certificate.pem and key.pem. */
static void
make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(key);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    char path[512];
    snprintf(path, sizeof(path), "%s/certificate.pem", server.folder);
    FILE *file = fopen(path, "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    snprintf(path, sizeof(path), "%s/key.pem", server.folder);
    file = fopen(path, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void
tls(void **state)
{
    (void)state;
    make_certificate();
    server.tls = true;
    start_server((const char *const[]){"--no-auth", "--certificate", "certificate.pem", "--key",
                                       "key.pem", NULL});
    expect(202, NULL, "POST", "/v1/events", JSON, event(1));
    char *many = events(1000);
    expect(202, "\"taken\":1000", "POST", "/v1/events", JSON, many);
    free(many);
    server.tls = false;
    expect(0, NULL, "GET", "/healthz", NULL, NULL); /* plain text gets no answer */
    server.tls = true;
    expect(200, NULL, "GET", "/healthz", NULL, NULL);
    assert_int_equal(stop_server(), 0);
    /* A key that is not the certificate's. */
    char path[512];
    snprintf(path, sizeof(path), "%s/certificate.pem", server.folder);
    char *certificate = read_text("certificate.pem");
    make_certificate();
    FILE *file = fopen(path, "w");
    fputs(certificate, file);
    fclose(file);
    free(certificate);
    assert_int_equal(
        run_marquee((const char *const[]){"serve", "--no-auth", "--port", "0", "--certificate",
                                          "certificate.pem", "--key", "key.pem", NULL}),
        2);
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(takes_events),
        SERVE_TEST(keeps_the_bytes),
        SERVE_TEST(refuses_bad_events),
        SERVE_TEST(other_paths),
        SERVE_TEST(bodies),
        SERVE_TEST(slow_clients_are_cut),
        SERVE_TEST(expanded_bodies_are_bounded),
        SERVE_TEST(heads),
        SERVE_TEST(ambiguous_heads),
        SERVE_TEST(full_queue_and_late_answers),
        SERVE_TEST(stops_after_answering),
        SERVE_TEST(tokens),
        SERVE_TEST(tokens_are_read_again),
        SERVE_TEST(wrong_starts),
        SERVE_TEST(tls),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    unsetenv("MARQUEE_NOW");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
