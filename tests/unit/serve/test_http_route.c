#include "check.h"

#include "serve/http_route.h"

static const struct mq_http_parameter list_parameters[] = {
    {.name = "id", .in_path = true, .most = 20, .least = 1, .help = "the user"},
    {.name = "n", .type = MQ_HTTP_INT, .least = 1, .most = 100, .default_text = "20"},
    {.name = "offset", .type = MQ_HTTP_INT, .least = -5, .most = 5},
    {.name = "method", .type = MQ_HTTP_CHOICE, .choices = "item|item-based|mf"},
    {.name = "explain", .type = MQ_HTTP_FLAG},
    {.name = "note"},
    {0}};
static const struct mq_http_parameter pair_parameters[] = {
    {.name = "user", .required = true, .help = "who"}, {.name = "item", .required = true}, {0}};
static const struct mq_http_parameter two_parameters[] = {
    {.name = "a", .in_path = true}, {.name = "b", .in_path = true}, {0}};
static const struct mq_http_route routes[] = {
    {.method = "GET", .path = "/users/{id}/list", .name = "list", .parameters = list_parameters},
    {.method = "GET", .path = "/why", .name = "why", .parameters = pair_parameters},
    {.method = "POST", .path = "/why", .name = "post"},
    {.method = "GET", .path = "/two/{a}/{b}", .name = "two", .parameters = two_parameters},
};

static struct mq_http_match match;
static struct mq_http_refusal refusal;

static bool
ask(const char *method, const char *target)
{
    mq_http_match_release(&match);
    return mq_http_route_match(routes, 4, method, target, &match, &refusal);
}

static void
check_refused(int status, const char *part, const char *method, const char *target)
{
    assert_false(ask(method, target));
    assert_int_equal(refusal.status, status);
    check_contains(refusal.message, part);
    mq_http_match_release(&match);
}

static void
paths(void **state)
{
    (void)state;
    size_t size;
    assert_true(ask("GET", "/users/u1/list"));
    assert_string_equal(match.route->name, "list");
    assert_string_equal(mq_http_match_text(&match, "id", &size), "u1");
    assert_int_equal(size, 2);
    assert_true(ask("HEAD", "/users/a%2Fb+c/list"));
    assert_string_equal(mq_http_match_text(&match, "id", NULL), "a/b+c");
    assert_true(ask("GET", "/users/%e5%bd%b1/list?n=3"));
    assert_string_equal(mq_http_match_text(&match, "id", NULL), "影");
    assert_true(ask("GET", "/two/x/y"));
    assert_string_equal(mq_http_match_text(&match, "a", NULL), "x");
    assert_string_equal(mq_http_match_text(&match, "b", NULL), "y");
    check_refused(404, "no such path: /users//list", "GET", "/users//list");
    check_refused(404, "no such path", "GET", "/users/u1/list/");
    check_refused(404, "no such path", "GET", "/users/u1");
    check_refused(404, "no such path", "GET", "");
    check_refused(405, "/users/u1/list takes GET", "POST", "/users/u1/list");
    check_refused(405, "/why takes GET, POST", "DELETE", "/why?user=1");
    assert_string_equal(refusal.allow, "GET, POST");
    check_refused(400, "id has 21 bytes (allowed: 1 to 20)", "GET",
                  "/users/123456789012345678901/list");
    check_refused(400, "id is not percent-encoded UTF-8", "GET", "/users/a%2/list");
    check_refused(400, "id is not percent-encoded UTF-8", "GET", "/users/%ff/list");
    check_refused(400, "id is not percent-encoded UTF-8", "GET", "/users/a%00b/list");
    mq_http_match_release(&match);
}

static void
queries(void **state)
{
    (void)state;
    int64_t n;
    assert_true(ask("GET", "/users/u/list"));
    assert_true(mq_http_match_int(&match, "n", &n) && n == 20);
    assert_false(mq_http_match_int(&match, "offset", &n));
    assert_int_equal(mq_http_match_choice(&match, "method"), -1);
    assert_false(mq_http_match_flag(&match, "explain"));
    assert_null(mq_http_match_text(&match, "note", NULL));
    assert_true(ask("GET", "/users/u/list?&n=7&offset=-5&method=mf&explain&note=a+b%2bc&&"));
    assert_true(mq_http_match_int(&match, "n", &n) && n == 7);
    assert_true(mq_http_match_int(&match, "offset", &n) && n == -5);
    assert_int_equal(mq_http_match_choice(&match, "method"), 2);
    assert_true(mq_http_match_flag(&match, "explain"));
    assert_string_equal(mq_http_match_text(&match, "note", NULL), "a b+c");
    assert_true(ask("GET", "/users/u/list?explain=0&method=item-based"));
    assert_false(mq_http_match_flag(&match, "explain"));
    assert_int_equal(mq_http_match_choice(&match, "method"), 1);
    check_refused(400, "n is '0' (allowed: a whole number from 1 to 100)", "GET",
                  "/users/u/list?n=0");
    check_refused(400, "n is '101'", "GET", "/users/u/list?n=101");
    check_refused(400, "n is ''", "GET", "/users/u/list?n=");
    check_refused(400, "n is '1x'", "GET", "/users/u/list?n=1x");
    check_refused(400, "n is ' 1'", "GET", "/users/u/list?n=%201");
    check_refused(400, "n is '99999999999999999999'", "GET",
                  "/users/u/list?n=99999999999999999999");
    check_refused(400, "method is 'knn' (allowed: item|item-based|mf)", "GET",
                  "/users/u/list?method=knn");
    check_refused(400, "explain is 'yes' (allowed: true, false)", "GET",
                  "/users/u/list?explain=yes");
    check_refused(400, "note has 0 bytes (allowed: 1 to 4096)", "GET", "/users/u/list?note=");
    check_refused(400, "n is given twice", "GET", "/users/u/list?n=1&n=2");
    check_refused(400, "no parameter 'N' (known: n, offset, method, explain, note)", "GET",
                  "/users/u/list?N=1");
    check_refused(400, "no parameter 'id'", "GET", "/users/u/list?id=1");
    check_refused(400, "item is missing", "GET", "/why?user=1");
    check_refused(400, "user is missing: who", "GET", "/why");
    check_refused(400, "no parameter 'x' (known: none)", "POST", "/why?x=1");
    mq_http_match_release(&match);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
