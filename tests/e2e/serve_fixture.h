/**
 * A running `marquee serve` and a client for it: included once, by each test_serve….c.
 */
#ifndef MQ_TESTS_SERVE_FIXTURE_H
#define MQ_TESTS_SERVE_FIXTURE_H

/* Each program uses some of it. */
#pragma GCC diagnostic ignored "-Wunused-function"

#include "check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/stream.h"
#include "store/event_log.h"
#include "store/lmdb_environment.h"

#define MORE_MAX 24
/* Nothing here takes so long unless something hangs. */
#define PATIENCE_S 60

struct server {
    char folder[256];
    pid_t pid;
    int port;
    bool tls;
};

static struct server server;

static void
short_rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static char *
read_text(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", server.folder, name);
    struct mq_reader *reader;
    struct mq_buffer text = {0};
    if (mq_reader_from_file(path, &reader, NULL) != MQ_OK)
        return mq_strdup("");
    (void)!mq_reader_all(reader, 1 << 24, &text, NULL);
    mq_reader_close(reader);
    return mq_buffer_take(&text);
}

/* Run the binary; standard output and error go to files. `words` end with NULL. */
static pid_t
spawn(const char *const *words)
{
    const char *argv[MORE_MAX + 8] = {"marquee"};
    int n = 1;
    while (words[n - 1] != NULL && n < MORE_MAX + 6) {
        argv[n] = words[n - 1];
        n++;
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(server.folder) != 0)
            _exit(126);
        int out = open("out", O_CREAT | O_TRUNC | O_WRONLY, 0600);
        int log = open("log", O_CREAT | O_TRUNC | O_WRONLY, 0600);
        dup2(out, 1);
        dup2(log, 2);
        execv(getenv("MARQUEE_BINARY"), (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static int
wait_exit(pid_t pid)
{
    int status;
    for (double end_s = mq_clock_monotonic_s() + PATIENCE_S; mq_clock_monotonic_s() < end_s;) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        short_rest();
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    fail_msg("the process did not end");
    return -1;
}

/* Start a server; `more` are further words, ending with NULL. Its log names the port. */
static void
start_server(const char *const *more)
{
    const char *words[MORE_MAX] = {"serve", "--port", "0", "--verbose"};
    for (int i = 0; more[i] != NULL && i < MORE_MAX - 5; i++)
        words[4 + i] = more[i];
    char before[512];
    snprintf(before, sizeof(before), "%s/log", server.folder);
    (void)unlink(before); /* of a server that was here before: it names another port */
    server.pid = spawn(words);
    for (double end_s = mq_clock_monotonic_s() + PATIENCE_S; mq_clock_monotonic_s() < end_s;) {
        char *log = read_text("log");
        const char *at = strstr(log, "serving on http");
        if (at != NULL) {
            at = strstr(at, "127.0.0.1:");
            server.port = atoi(at + 10);
            free(log);
            return;
        }
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid)
            fail_msg("the server ended: %s", log);
        free(log);
        short_rest();
    }
    fail_msg("the server does not start");
}

static int
stop_server(void)
{
    kill(server.pid, SIGTERM);
    int status = wait_exit(server.pid);
    server.pid = 0;
    if (status >= 128) {
        char *log = read_text("log");
        size_t size = strlen(log);
        print_error("the server was killed:\n%s\n", size > 2000 ? log + size - 2000 : log);
        free(log);
    }
    return status;
}

static int
make_folder(void **state)
{
    (void)state;
    char *folder;
    struct mq_error err = {0};
    memset(&server, 0, sizeof(server));
    check_ok(mq_fs_scratch(&folder, &err));
    snprintf(server.folder, sizeof(server.folder), "%s", folder);
    free(folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    if (server.pid != 0) {
        kill(server.pid, SIGKILL);
        waitpid(server.pid, NULL, 0);
    }
    (void)!mq_fs_remove(server.folder, NULL);
    return 0;
}

/* ---- requests --------------------------------------------------------------------------- */

/** An answer; release with free_answer. */
struct answer {
    long status;     /* 0: none came */
    const char *why; /* none came; static */
    struct mq_buffer head, body;
};

static size_t
collect(char *bytes, size_t size, size_t count, void *buffer)
{
    return mq_buffer_append(buffer, bytes, size * count, NULL) == MQ_OK ? size * count : 0;
}

static void
free_answer(struct answer *answer)
{
    mq_buffer_release(&answer->head);
    mq_buffer_release(&answer->body);
}

/* @param headers parted by '\n', or NULL  @param size of the body; -1: its text's length */
static struct answer
ask(const char *method, const char *path, const char *headers, const char *body, long size)
{
    struct answer answer = {0};
    char url[8192], line[16384];
    snprintf(url, sizeof(url), "%s://localhost:%d%s", server.tls ? "https" : "http", server.port,
             path);
    CURL *curl = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (const char *p = headers; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)n, p);
        list = curl_slist_append(list, line);
        p += n + (p[n] == '\n');
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PATIENCE_S);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, size >= 0 ? size : (long)strlen(body));
    }
    if (server.tls) {
        char certificate[512];
        snprintf(certificate, sizeof(certificate), "%s/certificate.pem", server.folder);
        curl_easy_setopt(curl, CURLOPT_CAINFO, certificate);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.head);
    CURLcode code = curl_easy_perform(curl);
    answer.why = curl_easy_strerror(code);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    (void)!mq_buffer_append_text(&answer.head, "", NULL);
    (void)!mq_buffer_append_text(&answer.body, "", NULL);
    return answer;
}

#define JSON "Content-Type: application/json"

/* Ask, and check status and a part of the body (NULL: any) or of the head. */
static void
expect(long status, const char *part, const char *method, const char *path, const char *headers,
       const char *body)
{
    struct answer answer = ask(method, path, headers, body, -1);
    if (answer.status != status)
        fail_msg("%s %s: %ld (%s), expected %ld: %s", method, path, answer.status, answer.why,
                 status, answer.body.data);
    if (part != NULL && strstr(answer.body.data, part) == NULL &&
        strstr(answer.head.data, part) == NULL)
        fail_msg("%s %s: no '%s' in: %s%s", method, path, part, answer.head.data, answer.body.data);
    free_answer(&answer);
}

/* A good event, with an id that no other call gives. Static; overwritten by the next call. */
static const char *
event(int number)
{
    static char text[256];
    static int serial;
    snprintf(text, sizeof(text),
             "{\"user_id\":%d,\"movie_id\":2,\"rating\":3,\"timestamp\":%lld,\"event_id\":\"e%d\"}",
             number % 17, (long long)mq_clock_now_s(), serial++);
    return text;
}

/* An array of events; owned. */
static char *
events(int count)
{
    struct mq_buffer text = {0};
    for (int i = 0; i < count; i++)
        (void)!mq_buffer_printf(&text, NULL, "%s%s", i == 0 ? "[" : ",", event(i));
    (void)!mq_buffer_append_text(&text, "]", NULL);
    return mq_buffer_take(&text);
}

/* Value of a metric in /metrics; -1: not there. */
static double
metric(const char *name)
{
    struct answer answer = ask("GET", "/metrics", NULL, NULL, 0);
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(answer.body.data, line);
    double value = at != NULL ? atof(at + strlen(line)) : -1;
    free_answer(&answer);
    return value;
}

static void
wait_metric(const char *name, double least)
{
    double end_s = mq_clock_monotonic_s() + PATIENCE_S;
    while (metric(name) < least) {
        if (mq_clock_monotonic_s() > end_s)
            fail_msg("%s does not reach %g", name, least);
        short_rest();
    }
}

/* ---- requests that wait ----------------------------------------------------------------- */

/** A request on a thread of its own. */
struct waiting {
    pthread_t thread;
    char *body; /* owned */
    struct answer answer;
};

static void *
ask_and_wait(void *context)
{
    struct waiting *waiting = context;
    waiting->answer = ask("POST", "/v1/events", JSON, waiting->body, -1);
    return NULL;
}

static void
begin_waiting(struct waiting *waiting, const char *body)
{
    waiting->body = mq_strdup(body);
    assert_int_equal(pthread_create(&waiting->thread, NULL, ask_and_wait, waiting), 0);
}

static void
end_waiting(struct waiting *waiting)
{
    pthread_join(waiting->thread, NULL);
    free(waiting->body);
}

/* ---- the log as the tests see it -------------------------------------------------------- */

/** Holds the embedded log's write lock, so that the server's writes wait. */
struct holder {
    pthread_t thread;
    _Atomic bool held, released;
};

static int
hold(void *context, MDB_txn *txn)
{
    (void)txn;
    struct holder *holder = context;
    atomic_store(&holder->held, true);
    while (!atomic_load(&holder->released))
        short_rest();
    return 0;
}

static void *
hold_log(void *context)
{
    char path[512];
    struct mq_lmdb *environment;
    snprintf(path, sizeof(path), "%s/marquee-events", server.folder);
    if (mq_lmdb_open(path, &environment, NULL) != MQ_OK)
        return NULL;
    (void)!mq_lmdb_write(environment, hold, context, NULL);
    mq_lmdb_close(environment);
    return NULL;
}

static void
begin_hold(struct holder *holder)
{
    *holder = (struct holder){0};
    assert_int_equal(pthread_create(&holder->thread, NULL, hold_log, holder), 0);
    while (!atomic_load(&holder->held))
        short_rest();
}

static void
end_hold(struct holder *holder)
{
    atomic_store(&holder->released, true);
    pthread_join(holder->thread, NULL);
}

/* Events in the log, over all partitions. */
static int64_t
events_in_log(void)
{
    char uri[512];
    struct mq_event_log *log;
    struct mq_error err = {0};
    int partitions;
    int64_t sum = 0;
    snprintf(uri, sizeof(uri), "lmdb:%s/marquee-events", server.folder);
    check_ok(mq_event_log_open(uri, &log, &err));
    check_ok(mq_event_log_partitions(log, "user-events", &partitions, &err));
    for (int p = 0; p < partitions; p++) {
        int64_t first, end;
        check_ok(mq_event_log_bounds(log, "user-events", p, &first, &end, &err));
        sum += end - first;
    }
    mq_event_log_free(log);
    return sum;
}

#endif
