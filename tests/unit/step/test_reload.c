#include "../model/hybrid_fixture.h"

#include "../store/http_stub.h"
#include "model/hybrid_registry.h"
#include "step_fixture.h"

/* reload: what servers are asked, and what their answers are taken for. */

struct server {
    int status;
    const char *body;
    struct http_stub *stub;
};

static const char *
answer(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    (void)request;
    const struct server *server = stub->context;
    return server->body != NULL
               ? http_stub_answer(stub, server->status, "Content-Type: application/json\r\n",
                                  server->body)
               : NULL;
}

static void
start(struct server *server)
{
    server->stub = http_stub_start(answer, server);
}

static void
stop(struct server *server)
{
    http_stub_stop(server->stub);
    free(server->stub);
    server->stub = NULL;
}

/* A model that serves. */
static void
serve(struct step_fixture *f, uint64_t seed, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    struct mq_hybrid *hybrid = make_hybrid(f->pool, seed);
    unsetenv("http_proxy");
    check_ok(mq_hybrid_save(f->store, "1", hybrid, NULL, &err));
    memcpy(ret_version, hybrid->version, MQ_HYBRID_VERSION_SIZE);
    check_ok(mq_hybrid_pointer_read(f->store, "1", &pointer, &err));
    check_ok(mq_hybrid_pointer_move(
        f->store, "1", &pointer,
        &(struct mq_hybrid_move){.version = hybrid->version, .by = "promote"}, &err));
    mq_hybrid_pointer_release(&pointer);
    mq_hybrid_free(hybrid);
}

static void
configure(struct step_fixture *f, struct server *servers, int count)
{
    char urls[512] = "";
    for (int i = 0; i < count; i++)
        snprintf(urls + strlen(urls), sizeof(urls) - strlen(urls), "%shttp://127.0.0.1:%d%s",
                 i > 0 ? " , " : "", servers[i].stub->port, i % 2 == 0 ? "/" : "");
    fixture_option(f, "serve.reload_urls", urls);
    fixture_option(f, "serve.reload_timeout_s", "20");
}

static void
tells_every_server(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE], body[128], path[512];
    fixture_ok(f, mq_step_reload);
    check_contains(f->report.notes.data, "no servers in serve.reload_urls");
    fixture_option(f, "serve.reload_urls", "http://127.0.0.1:1");
    fixture_ok(f, mq_step_reload);
    check_contains(f->report.notes.data, "no model serves yet");

    serve(f, 1, version);
    snprintf(body, sizeof(body), "{\"version\": \"%s\", \"previous\": \"older\"}", version);
    struct server servers[2] = {{200, body, NULL}, {200, body, NULL}};
    start(&servers[0]);
    start(&servers[1]);
    configure(f, servers, 2);
    snprintf(path, sizeof(path), "%s/token", f->folder);
    FILE *file = fopen(path, "w");
    fputs("mqt_0123_abc\n", file);
    fclose(file);
    fixture_option(f, "serve.reload_token_file", path);
    fixture_ok(f, mq_step_reload);
    check_count(f, "servers", 2);
    check_count(f, "servers_failed", 0);
    check_contains(f->report.notes.data, "before: older");
    for (int i = 0; i < 2; i++) {
        http_stub_stop(servers[i].stub);
        assert_int_equal(servers[i].stub->count, 1);
        const char *request = servers[i].stub->requests[0];
        assert_memory_equal(request, "POST /v1/reload HTTP/1.1\r\n", 26);
        check_contains(request, "\r\nAuthorization: Bearer mqt_0123_abc\r\n");
        check_contains(request, "\r\nContent-Length: 0\r\n");
        free(servers[i].stub);
    }
}

static void
names_all_that_fail(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE], good[128], part[128];
    serve(f, 1, version);
    snprintf(good, sizeof(good), "{\"version\": \"%s\", \"previous\": null}", version);
    struct server servers[] = {
        {409, "{\"error\": \"items.json is cut short\"}", NULL},
        {200, good, NULL},
        {422, "{\"error\": {\"code\": \"format\", \"message\": \"too new\"}}", NULL},
        {200, "{\"version\": \"20200101T000000Z-00000000\"}", NULL},
        {200, "hello", NULL},
        {200, "{}", NULL},
        {503, "", NULL},
        {200, NULL, NULL},
        {200, good, NULL},
    };
    int count = (int)MQ_COUNT(servers);
    for (int i = 0; i < count; i++)
        start(&servers[i]);
    configure(f, servers, count);
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_CONFLICT);
    check_contains(f->err.message, "7 of 9 servers did not take up model");
    check_contains(f->err.message, version);
    check_contains(f->err.message, "refused with status 409: items.json is cut short");
    check_contains(f->err.message, "refused with status 422: too new");
    check_contains(f->err.message, "serves '20200101T000000Z-00000000' after the reload");
    check_contains(f->err.message, "not in JSON");
    check_contains(f->err.message, "without a version");
    check_contains(f->err.message, "status 503");
    check_contains(f->err.hint, "`marquee step reload`");
    for (int i = 0; i < count; i++) {
        bool fails = i != 1 && i != 8;
        snprintf(part, sizeof(part), "http://127.0.0.1:%d", servers[i].stub->port);
        assert_int_equal(strstr(f->err.message, part) != NULL, fails);
        stop(&servers[i]);
    }
    check_count(f, "servers_failed", 7);
}

static void
says_who_is_not_there(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE];
    serve(f, 1, version);
    struct server server = {401, "{\"error\": {\"message\": \"no token\"}}", NULL};
    start(&server);
    configure(f, &server, 1);
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_DENIED);
    check_contains(f->err.hint, "serve.reload_token_file");
    stop(&server);
    /* Its port is closed now. */
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_UNREACHABLE);
    check_contains(f->err.message, "1 of 1 servers");
    assert_true(f->err.retriable);
}

static const char *
no_answer_in_time(struct http_stub *stub, int number, const char *request)
{
    (void)number;
    (void)request;
    pthread_mutex_lock(stub->context); /* until the test has seen the time-out */
    pthread_mutex_unlock(stub->context);
    return NULL;
}

static void
waits_so_long_and_no_longer(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE], url[64];
    pthread_mutex_t wait = PTHREAD_MUTEX_INITIALIZER;
    serve(f, 1, version);
    struct http_stub *stub = http_stub_start(no_answer_in_time, &wait);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", stub->port);
    fixture_option(f, "serve.reload_urls", url);
    fixture_option(f, "serve.reload_timeout_s", "1");
    pthread_mutex_lock(&wait);
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_TIMEOUT);
    pthread_mutex_unlock(&wait);
    http_stub_stop(stub);
    free(stub);
}

static void
refuses_settings(void **state)
{
    struct step_fixture *f = *state;
    char version[MQ_HYBRID_VERSION_SIZE], path[512];
    serve(f, 1, version);
    static const char *const urls[] = {"127.0.0.1:8080", "ftp://a", "http://u:p@a", "http://a?b=c",
                                       "http://a,b"};
    for (size_t i = 0; i < MQ_COUNT(urls); i++) {
        fixture_option(f, "serve.reload_urls", urls[i]);
        assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_CONFIG);
        check_contains(f->err.message, "serve.reload_urls");
    }
    fixture_option(f, "serve.reload_urls", "http://127.0.0.1:1, ,");
    fixture_option(f, "serve.reload_token_file", "/nonexistent/token");
    assert_int_not_equal(fixture_run(f, mq_step_reload), MQ_OK);
    check_contains(f->err.message, "serve.reload_token_file '/nonexistent/token'");
    snprintf(path, sizeof(path), "%s/token", f->folder);
    FILE *file = fopen(path, "w");
    fputs("two words\n", file);
    fclose(file);
    fixture_option(f, "serve.reload_token_file", path);
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_CONFIG);
    /* A damaged pointer is the first thing to tell. */
    fixture_put(f, "model/hybrid/current.json", "{\"version\"");
    assert_int_equal(fixture_run(f, mq_step_reload), MQ_E_FORMAT);
    check_contains(f->err.message, "current.json");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_every_server, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_all_that_fail, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(says_who_is_not_there, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(waits_so_long_and_no_longer, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_settings, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
