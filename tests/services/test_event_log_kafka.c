/*
 * The event-log contract against a real Kafka broker. Needs MARQUEE_TEST_KAFKA = host:port;
 * tests/services/run sets it.
 */
#include "../unit/store/event_log_contract.h"

static char *
make_kafka_log(void)
{
    return mq_strfmt("kafka:%s", getenv("MARQUEE_TEST_KAFKA"));
}

static void
clear_kafka_log(const char *uri)
{
    (void)uri; /* the fixture throws the broker's data away */
}

static const struct log_backend kafka_log = {make_kafka_log, clear_kafka_log, false};

static void
errors_name_what_is_wrong(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_event_log *log;
    check_fails(MQ_E_CONFIG, mq_event_log_open("kafka:127.0.0.1:1?no.such=1", &log, &err));
    check_contains(err.message, "no.such");
    check_fails(MQ_E_CONFIG, mq_event_log_open("kafka:", &log, &err));
    check_ok(mq_event_log_open("kafka:127.0.0.1:1", &log, &err));
    struct mq_new_event event = {NULL, 0, "x", 1};
    struct mq_produced produced;
    double begun = mq_clock_monotonic_s();
    enum mq_status st = mq_event_log_produce(log, "t", &event, 1, 300, &produced, &err);
    assert_true(st == MQ_E_TIMEOUT || st == MQ_E_UNREACHABLE);
    assert_int_equal(produced.status, st);
    assert_true(err.retriable);
    assert_true(mq_clock_monotonic_s() - begun < 5);
    mq_event_log_free(log);
}

static void
count_revoked(void *context, const int32_t *partitions, size_t count)
{
    (void)partitions;
    *(int *)context += (int)count;
}

/* A member with the shortest session that brokers take by default keeps its partitions for longer
 * than that: heartbeats come often enough. */
static void
short_session_is_kept(void **state)
{
    struct log_state *s = *state;
    struct mq_error err = {0};
    struct mq_consumer *consumer;
    const struct mq_event *events;
    size_t count;
    int revoked = 0;
    const struct mq_consumer_options options = {.topic = s->topic,
                                                .group = s->group,
                                                .session_timeout_ms = 3000,
                                                .on_revoked = count_revoked,
                                                .context = &revoked};
    check_ok(mq_consumer_new(s->log, &options, &consumer, &err));
    double end = mq_clock_monotonic_s() + 8;
    while (mq_clock_monotonic_s() < end)
        check_ok(mq_consumer_poll(consumer, 10, 100, &events, &count, &err));
    assert_int_equal(revoked, 0);
    mq_consumer_close(consumer);
    assert_int_equal(revoked, 3);
}

int
main(void)
{
    if (getenv("MARQUEE_TEST_KAFKA") == NULL) {
        printf("skip: event_log_kafka (MARQUEE_TEST_KAFKA is not set; run: make test-services)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        EVENT_CONTRACT_TESTS(&kafka_log),
        LOG_TEST(short_session_is_kept, &kafka_log),
        cmocka_unit_test(errors_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
