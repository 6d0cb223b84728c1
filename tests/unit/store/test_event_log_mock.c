/*
 * The Kafka event log against librdkafka's own mock cluster: answers that a real broker gives
 * seldom. What needs a real one is in tests/services.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/event_log.h"
#include "store/event_log_kafka.h"

#define TOPIC "events"
/* Numbers of Kafka's protocol. */
#define PRODUCE 0
#define JOIN_GROUP 11
#define INIT_PRODUCER_ID 22

static struct {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct mq_event_log *log;
} f;

static void
open_with(const char *properties)
{
    struct mq_error err = {0};
    mq_autofree char *uri =
        mq_strfmt("kafka:%s%s", rd_kafka_mock_cluster_bootstraps(f.cluster), properties);
    check_ok(mq_event_log_open(uri, &f.log, &err));
}

static int
set_up(void **state)
{
    (void)state;
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    f.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    assert_non_null(f.handle);
    f.cluster = rd_kafka_mock_cluster_new(f.handle, 1);
    assert_non_null(f.cluster);
    assert_int_equal(rd_kafka_mock_topic_create(f.cluster, TOPIC, 3, 1), 0);
    f.log = NULL;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    mq_event_log_free(f.log);
    rd_kafka_mock_cluster_destroy(f.cluster);
    rd_kafka_destroy(f.handle);
    return 0;
}

static enum mq_status
produce_one(const char *text, struct mq_error *err)
{
    const struct mq_new_event event = {"k", 1, text, strlen(text)};
    struct mq_produced produced;
    enum mq_status st = mq_event_log_produce(f.log, TOPIC, &event, 1, 5000, &produced, err);
    if (st != MQ_OK)
        assert_int_not_equal(produced.status, MQ_OK);
    return st;
}

static void
rest_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Without the permission to write, writes are refused with its name; when it is given they go on,
 * with no new process. */
static void
writes_again_when_it_may(void **state)
{
    (void)state;
    struct mq_error err = {0};
    rd_kafka_resp_err_t refused[20];
    for (size_t i = 0; i < MQ_COUNT(refused); i++)
        refused[i] = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors_array(f.cluster, INIT_PRODUCER_ID, MQ_COUNT(refused),
                                            refused);
    open_with("");
    /* The client asks when it pleases: until then a check finds nothing wrong. */
    double refusing_s = mq_clock_monotonic_s() + 20;
    enum mq_status st;
    while ((st = mq_event_log_check(f.log, TOPIC, 3000, &err)) == MQ_OK)
        assert_true(mq_clock_monotonic_s() < refusing_s);
    assert_int_equal(st, MQ_E_DENIED);
    check_contains(err.message, "uthorization");
    check_contains(err.hint, "Write on topic 'events'");
    check_fails(MQ_E_DENIED, produce_one("a", &err));
    check_contains(err.message, "uthorization");
    check_contains(err.hint, "Write on topic 'events'");
    rd_kafka_mock_clear_request_errors(f.cluster, INIT_PRODUCER_ID);
    double end = mq_clock_monotonic_s() + 20;
    while (produce_one("b", &err) != MQ_OK) {
        assert_true(mq_clock_monotonic_s() < end);
        rest_ms(100);
    }
    check_ok(mq_event_log_check(f.log, TOPIC, 3000, &err));
    check_ok(produce_one("c", &err));
}

/* A producer that has written and then lost track is replaced at once. */
static void
loses_track(void **state)
{
    (void)state;
    struct mq_error err = {0};
    open_with("");
    check_ok(produce_one("a", &err));
    rd_kafka_mock_push_request_errors(f.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    double begun = mq_clock_monotonic_s();
    enum mq_status st = produce_one("b", &err);
    if (st != MQ_OK)
        assert_true(err.retriable);
    while (produce_one("c", &err) != MQ_OK) {
        assert_true(err.retriable);
        assert_true(mq_clock_monotonic_s() < begun + 20);
        rest_ms(50);
    }
}

static void
names_the_permission(void **state)
{
    (void)state;
    struct mq_error err = {0};
    open_with("");
    check_ok(produce_one("a", &err));
    check_ok(mq_event_log_check(f.log, TOPIC, 3000, &err));
    rd_kafka_mock_push_request_errors(f.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    check_fails(MQ_E_DENIED, produce_one("b", &err));
    check_contains(err.hint, "Write on topic 'events'");
    check_fails(MQ_E_DENIED, mq_event_log_check(f.log, TOPIC, 3000, &err));
    double end = mq_clock_monotonic_s() + 20;
    while (produce_one("c", &err) != MQ_OK)
        assert_true(mq_clock_monotonic_s() < end);
    check_ok(mq_event_log_check(f.log, TOPIC, 3000, &err));
}

/* A broker that does not answer is noticed in the time that was asked for. */
static void
notices_silence(void **state)
{
    (void)state;
    struct mq_error err = {0};
    open_with("");
    check_ok(mq_event_log_check(f.log, TOPIC, 3000, &err));
    rd_kafka_mock_broker_set_rtt(f.cluster, 1, 60000);
    double begun = mq_clock_monotonic_s();
    enum mq_status st = mq_event_log_check(f.log, TOPIC, 1000, &err);
    assert_true(st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE);
    assert_true(mq_clock_monotonic_s() < begun + 5);
    rd_kafka_mock_broker_set_rtt(f.cluster, 1, 0);
}

/* TLS against a plain port is told as soon as it is known, with the client's reason. */
static void
says_why_at_once(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int partitions;
    open_with("?security.protocol=ssl&enable.ssl.certificate.verification=false");
    double begun = mq_clock_monotonic_s();
    check_fails(MQ_E_UNREACHABLE, mq_event_log_partitions(f.log, TOPIC, &partitions, &err));
    assert_true(mq_clock_monotonic_s() < begun + 10);
    check_contains(err.message, "SSL handshake");
    check_contains(err.hint, "security.protocol");
    mq_event_log_free(f.log);
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1); /* where no name server answers */
    check_ok(mq_event_log_open("kafka:no-such-host.invalid:9092", &f.log, &err));
    begun = mq_clock_monotonic_s();
    check_fails(MQ_E_UNREACHABLE, mq_event_log_partitions(f.log, TOPIC, &partitions, &err));
    assert_true(mq_clock_monotonic_s() < begun + 12);
    check_contains(err.message, "no-such-host");
}

/* librdkafka may give the state alone; of one that hangs nothing is known. */
static void
names_a_failed_handshake(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *says;
        bool is_setting;
    } cases[] = {
        {"ssl://b:1/1: Disconnected (after 0ms in state SSL_HANDSHAKE)",
         "SSL handshake failed: ssl://b:1/1: Disconnected", true},
        {"ssl://b:1/1: SSL handshake failed: Disconnected (in state SSL_HANDSHAKE)",
         "failure: ssl://b:1/1: SSL handshake failed: Disconnected", true},
        {"ssl://b:1/1: Connection setup timed out in state SSL_HANDSHAKE",
         "failure: ssl://b:1/1: Connection setup timed out", false},
    };
    open_with("");
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        struct mq_error err = {0};
        struct mq_kafka_log *log = mq_kafka_log_of(f.log);
        mq_kafka_answers(log);
        mq_kafka_note(log, RD_KAFKA_RESP_ERR__TRANSPORT, cases[i].reason, false);
        check_fails(MQ_E_UNREACHABLE,
                    mq_kafka_fail(log, RD_KAFKA_RESP_ERR__TIMED_OUT, "ask", NULL, &err));
        check_contains(err.message, cases[i].says);
        assert_int_equal(strstr(err.hint, "security.protocol") != NULL, cases[i].is_setting);
        bool vain = mq_kafka_vain(log, mq_clock_monotonic_s() - 2) != RD_KAFKA_RESP_ERR_NO_ERROR;
        assert_int_equal(vain, cases[i].is_setting);
    }
}

/* Poll for some seconds. @return the first failure */
static enum mq_status
poll_for(const struct mq_consumer_options *options, double seconds, size_t want, size_t *ret_taken,
         struct mq_error *err)
{
    struct mq_consumer *consumer;
    double end = mq_clock_monotonic_s() + seconds;
    enum mq_status st = mq_consumer_new(f.log, options, &consumer, err);
    if (st != MQ_OK)
        return st;
    *ret_taken = 0;
    while (st == MQ_OK && *ret_taken < want && mq_clock_monotonic_s() < end) {
        const struct mq_event *events;
        size_t count;
        st = mq_consumer_poll(consumer, 100, 100, &events, &count, err);
        if (st == MQ_OK)
            *ret_taken += count;
    }
    mq_consumer_close(consumer);
    return st;
}

/* What waiting does not heal ends a poll with a next step; what passes does not. */
static void
tells_what_does_not_pass(void **state)
{
    (void)state;
    struct mq_error err = {0};
    size_t taken;
    const struct mq_consumer_options options = {.topic = TOPIC, .group = "g"};
    open_with("");
    check_ok(produce_one("a", &err));
    rd_kafka_mock_push_request_errors(f.cluster, JOIN_GROUP, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT);
    check_fails(MQ_E_CONFIG, poll_for(&options, 20, 1, &taken, &err));
    check_contains(err.message, "session timeout");
    check_contains(err.hint, "consume.session_s");
    rd_kafka_mock_push_request_errors(f.cluster, JOIN_GROUP, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    check_fails(MQ_E_DENIED, poll_for(&options, 20, 1, &taken, &err));
    check_contains(err.hint, "Read on group 'g'");
    /* One that a newer broker may have is no error that passes. */
    rd_kafka_mock_push_request_errors(f.cluster, JOIN_GROUP, 1, (rd_kafka_resp_err_t)777);
    check_fails(MQ_E_UNSUPPORTED, poll_for(&options, 20, 1, &taken, &err));
    check_contains(err.message, "777");
    check_contains(err.hint, "does not know");
    rd_kafka_mock_push_request_errors(f.cluster, JOIN_GROUP, 2, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    check_ok(poll_for(&options, 20, 1, &taken, &err));
    assert_int_equal(taken, 1);
}

/* The user's own settings win; those that Marquee's promises stand on are refused by name. */
static void
keeps_the_users_settings(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_event_log *none;
    size_t taken;
    static const struct {
        const char *property, *hint;
    } refused[] = {{"group.id=x", "events.group"},
                   {"enable.auto.commit=true", "commits"},
                   {"bootstrap.servers=a:1", "events.log"},
                   {"enable.partition.eof=false", "end of a partition"}};
    for (size_t i = 0; i < MQ_COUNT(refused); i++) {
        mq_autofree char *uri = mq_strfmt("kafka:h:1?%s", refused[i].property);
        check_fails(MQ_E_CONFIG, mq_event_log_open(uri, &none, &err));
        check_contains(err.message, "cannot be set here");
        check_contains(err.hint, refused[i].hint);
        check_fails(MQ_E_CONFIG,
                    mq_event_log_open_with("kafka:h:1", refused[i].property, &none, &err));
    }
    check_fails(MQ_E_CONFIG,
                mq_event_log_open_with("kafka:h:1", "sasl.password=a;geheim", &none, &err));
    assert_null(strstr(err.message, "geheim"));
    check_fails(MQ_E_CONFIG, mq_event_log_open("kafka:me:geheim@h:1", &none, &err));
    assert_null(strstr(err.message, "geheim"));
    check_contains(err.hint, "sasl.username");
    const struct mq_consumer_options options = {.topic = TOPIC, .group = "g"};
    open_with("?auto.offset.reset=latest&session.timeout.ms=7000");
    check_ok(produce_one("a", &err));
    check_ok(poll_for(&options, 3, 1, &taken, &err));
    assert_int_equal(taken, 0); /* a group without commits begins behind it */
}

/* What came while a member waited was not given out, and its position says so. */
static void
position_of_what_was_given_out(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_consumer *consumer;
    const struct mq_event *events;
    size_t count = 0;
    const struct mq_consumer_options options = {.topic = TOPIC, .group = "g"};
    open_with("");
    check_ok(produce_one("a", &err));
    check_ok(produce_one("b", &err));
    check_ok(mq_consumer_new(f.log, &options, &consumer, &err));
    double end = mq_clock_monotonic_s() + 3;
    while (mq_clock_monotonic_s() < end)
        check_ok(mq_consumer_poll(consumer, 0, 100, &events, &count, &err));
    for (int32_t p = 0; p < 3; p++)
        assert_true(mq_consumer_position(consumer, p) <= 0);
    size_t taken = 0;
    end = mq_clock_monotonic_s() + 20;
    while (taken < 2 && mq_clock_monotonic_s() < end) {
        check_ok(mq_consumer_poll(consumer, 1, 100, &events, &count, &err));
        for (size_t i = 0; i < count; i++)
            assert_int_equal(mq_consumer_position(consumer, events[i].partition),
                             events[count - 1].offset + 1);
        taken += count;
    }
    assert_int_equal(taken, 2);
    mq_consumer_close(consumer);
}

/* Whoever asks for a topic's partitions keeps arrays of MQ_PARTITIONS_MAX. */
static void
refuses_more_partitions(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int partitions = 0;
    assert_int_equal(rd_kafka_mock_topic_create(f.cluster, "most", MQ_PARTITIONS_MAX, 1), 0);
    assert_int_equal(rd_kafka_mock_topic_create(f.cluster, "more", MQ_PARTITIONS_MAX + 1, 1), 0);
    open_with("");
    check_ok(mq_event_log_partitions(f.log, "most", &partitions, &err));
    assert_int_equal(partitions, MQ_PARTITIONS_MAX);
    check_fails(MQ_E_RANGE, mq_event_log_partitions(f.log, "more", &partitions, &err));
    check_contains(err.message, "topic 'more' has 257 partitions (at most 256)");
    assert_int_equal(partitions, MQ_PARTITIONS_MAX);
}

int
main(void)
{
#define MOCK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MOCK_TEST(writes_again_when_it_may),
        MOCK_TEST(loses_track),
        MOCK_TEST(names_the_permission),
        MOCK_TEST(notices_silence),
        MOCK_TEST(says_why_at_once),
        MOCK_TEST(tells_what_does_not_pass),
        MOCK_TEST(names_a_failed_handshake),
        MOCK_TEST(keeps_the_users_settings),
        MOCK_TEST(position_of_what_was_given_out),
        MOCK_TEST(refuses_more_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
