/*
 * Many clients that send at the same moment, and nobody after them.
 */
#include "serve_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define CLIENTS_MAX 512
#define ROUNDS 10

static int
connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void
ask_health(int fd)
{
    static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
}

static void
await_answer(int fd, int client, int clients)
{
    char answer[2048];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 10000) != 1)
        fail_msg("client %d of %d got no answer", client, clients);
    ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n > 12);
    answer[n] = '\0';
    check_contains(answer, "HTTP/1.1 200");
}

/* The process is stopped while all send, so that it finds all of them at once. The library takes
 * 128 events at a time: as many, one less and one more, and twice as many, again and again, since
 * its threads may be quicker than the clients. */
static void
all_at_once(void **state)
{
    (void)state;
    static const int counts[] = {128, 256, 127, 129, CLIENTS_MAX};
    static int fds[CLIENTS_MAX];
    start_server((const char *const[]){"--no-auth", "--set", "serve.threads=1", NULL});
    for (size_t c = 0; c < ROUNDS * sizeof(counts) / sizeof(counts[0]); c++) {
        int count = counts[c % (sizeof(counts) / sizeof(counts[0]))];
        for (int i = 0; i < count; i++) {
            fds[i] = connect_client();
            ask_health(fds[i]);
            await_answer(fds[i], i, count);
        }
        kill(server.pid, SIGSTOP);
        for (int i = 0; i < count; i++)
            ask_health(fds[i]);
        kill(server.pid, SIGCONT);
        for (int i = 0; i < count; i++)
            await_answer(fds[i], i, count);
        for (int i = 0; i < count; i++)
            close(fds[i]);
    }
    assert_int_equal(stop_server(), 0);
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {SERVE_TEST(all_at_once)};
    unsetenv("MARQUEE_NOW");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
