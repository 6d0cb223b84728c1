/*
 * Events that are sent again with the same event_id: what a client does that got no answer.
 */
#include "serve_fixture.h"

#include <jansson.h>

static const char *const open_server[] = {"--no-auth", NULL};

/* An event of a user. Static; overwritten by the next call. */
static const char *
event_of(const char *user, const char *event_id, int movie)
{
    static char text[512];
    snprintf(text, sizeof(text),
             "{\"user_id\":\"%s\",\"movie_id\":%d,\"rating\":3,\"timestamp\":%lld,\"event_id\":%s}",
             user, movie, (long long)mq_clock_now_s(), event_id);
    return text;
}

/* Post and give the places of the events as "partition:offset " each; "-" where there is none. */
static void
places_of(long status, const char *body, char *ret_places)
{
    struct answer answer = ask("POST", "/v1/events", JSON, body, -1);
    if (answer.status != status)
        fail_msg("%ld, expected %ld: %s", answer.status, status, answer.body.data);
    json_t *root = json_loads(answer.body.data, 0, NULL), *event;
    size_t i;
    char *p = ret_places;
    *p = '\0';
    json_array_foreach(json_object_get(root, "events"), i, event)
    {
        json_t *offset = json_object_get(event, "offset");
        if (offset != NULL)
            p += sprintf(p, "%lld:%lld ",
                         (long long)json_integer_value(json_object_get(event, "partition")),
                         (long long)json_integer_value(offset));
        else
            p += sprintf(p, "- ");
    }
    json_decref(root);
    free_answer(&answer);
}

/* A repeat gets the answer of the first and is not written; an id belongs to its user, and a number
 * is the same as its text. */
static void
same_answer(void **state)
{
    (void)state;
    char first[256], again[256], other[256];
    start_server(open_server);
    places_of(202, event_of("ada", "\"x-1\"", 1), first);
    for (int i = 0; i < 3; i++) {
        places_of(202, event_of("ada", "\"x-1\"", 2), again); /* whatever else it says now */
        assert_string_equal(again, first);
    }
    assert_int_equal(events_in_log(), 1);
    places_of(202, event_of("bob", "\"x-1\"", 1), other);
    assert_string_not_equal(other, first);
    places_of(202, event_of("ada", "17", 1), first);
    places_of(202, event_of("ada", "\"17\"", 1), again);
    assert_string_equal(again, first);
    places_of(202, event_of("ada", "\"1\\u0037\"", 1), again);
    assert_string_equal(again, first);
    places_of(202, event_of("ada", "null", 1), first); /* none: written each time */
    places_of(202, event_of("ada", "null", 1), again);
    assert_string_not_equal(again, first);
    assert_int_equal(events_in_log(), 5);
    assert_true(metric("marquee_events_repeated_total") == 5);
    assert_true(metric("marquee_events_written_total") == 5);
    assert_int_equal(stop_server(), 0);
}

/* In arrays: beside new ones and bad ones, and twice in the same. */
static void
repeats_in_arrays(void **state)
{
    (void)state;
    char body[4096], first[256], places[256];
    start_server(open_server);
    places_of(202, event_of("ada", "\"a\"", 1), first);
    size_t n = (size_t)snprintf(body, sizeof(body), "[%s,", event_of("ada", "\"b\"", 1));
    n += (size_t)snprintf(body + n, sizeof(body) - n, "%s,", event_of("ada", "\"a\"", 1));
    n += (size_t)snprintf(body + n, sizeof(body) - n, "17,%s,", event_of("ada", "\"b\"", 2));
    snprintf(body + n, sizeof(body) - n, "%s]", event_of("ada", "\"c\"", 3));
    struct answer answer = ask("POST", "/v1/events", JSON, body, -1);
    assert_int_equal(answer.status, 422);
    check_contains(answer.body.data, "\"taken\":4,\"refused\":1");
    free_answer(&answer);
    assert_int_equal(events_in_log(), 3);
    places_of(422, body, places);
    char b[64], a[64], bad[64], b_again[64], c[64];
    assert_int_equal(sscanf(places, "%63s %63s %63s %63s %63s", b, a, bad, b_again, c), 5);
    assert_string_equal(bad, "-");
    assert_string_equal(b, b_again);
    assert_string_not_equal(b, c);
    assert_int_equal(strncmp(a, first, strlen(a)), 0);
    assert_int_equal(events_in_log(), 3);

    /* A full request of repeats is answered as it was. */
    char *many = events(1000);
    expect(202, "\"taken\":1000", "POST", "/v1/events", JSON, many);
    expect(202, "\"taken\":1000", "POST", "/v1/events", JSON, many);
    free(many);
    assert_int_equal(events_in_log(), 1003);
    assert_int_equal(stop_server(), 0);
}

/* While the first is being written its fate is open: the repeat is told to come again, and neither
 * is lost or doubled. What was not written at all does not count. */
static void
repeats_in_flight(void **state)
{
    (void)state;
    struct holder holder;
    struct waiting first;
    char again[256], places[256];
    start_server((const char *const[]){"--no-auth", "--set", "serve.ack_ms=2000", "--set",
                                       "serve.writers=1", NULL});
    begin_hold(&holder);
    begin_waiting(&first, event_of("ada", "\"a\"", 1));
    wait_metric("marquee_events_accepted_total{event_type=\"rating\"}", 1);
    while (metric("marquee_events_queued") > 0)
        short_rest(); /* the writer has it */
    expect(503, "being written for an earlier request", "POST", "/v1/events", JSON,
           event_of("ada", "\"a\"", 1));
    expect(503, "Retry-After: 1", "POST", "/v1/events", JSON, event_of("ada", "\"a\"", 1));
    struct waiting late;
    begin_waiting(&late, event_of("ada", "\"late\"", 1)); /* waits in the queue for too long */
    wait_metric("marquee_events_queued", 1);
    nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 200000000}, NULL); /* beyond ack_ms */
    end_hold(&holder);
    end_waiting(&first);
    end_waiting(&late);
    assert_int_equal(first.answer.status, 202);
    assert_int_equal(late.answer.status, 503);
    places_of(202, event_of("ada", "\"a\"", 1), again);
    snprintf(places, sizeof(places), "{\"partition\":%c,\"offset\":%c}", again[0], again[2]);
    check_contains(first.answer.body.data, places);
    free_answer(&first.answer);
    free_answer(&late.answer);
    assert_int_equal(events_in_log(), 1);
    places_of(202, event_of("ada", "\"late\"", 1), again);
    assert_int_equal(events_in_log(), 2);
    /* A request of which nothing is taken claims nothing. */
    char body[1024];
    snprintf(body, sizeof(body), "[%s,{]", event_of("ada", "\"half\"", 1));
    expect(422, "nothing was taken", "POST", "/v1/events", JSON, body);
    places_of(202, event_of("ada", "\"half\"", 1), again);
    assert_int_equal(events_in_log(), 3);
    assert_int_equal(stop_server(), 0);
}

/* What is not promised: beyond the window, after a restart, and where it is switched off. */
static void
bounds_of_the_window(void **state)
{
    (void)state;
    start_server((const char *const[]){"--no-auth", "--set", "serve.event_ids=2", NULL});
    for (int i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        expect(202, NULL, "POST", "/v1/events", JSON, event_of("ada", id, 1));
    }
    expect(202, NULL, "POST", "/v1/events", JSON, event_of("ada", "2", 1));
    assert_int_equal(events_in_log(), 3);
    expect(202, NULL, "POST", "/v1/events", JSON, event_of("ada", "0", 1));
    assert_int_equal(events_in_log(), 4);
    assert_int_equal(stop_server(), 0);
    start_server(open_server);
    expect(202, NULL, "POST", "/v1/events", JSON, event_of("ada", "0", 1));
    assert_int_equal(events_in_log(), 5);
    assert_int_equal(stop_server(), 0);
    start_server((const char *const[]){"--no-auth", "--set", "serve.event_ids=0", NULL});
    for (int i = 0; i < 2; i++)
        expect(202, NULL, "POST", "/v1/events", JSON, event_of("ada", "9", 1));
    assert_int_equal(events_in_log(), 7);
    assert_int_equal(stop_server(), 0);
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(same_answer),
        SERVE_TEST(repeats_in_arrays),
        SERVE_TEST(repeats_in_flight),
        SERVE_TEST(bounds_of_the_window),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    unsetenv("MARQUEE_NOW");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
