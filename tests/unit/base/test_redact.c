/* What people may see of settings that hold secrets. */
#include "check.h"

#include "base/memory.h"
#include "base/redact.h"

static void
uris(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *shown;
    } cases[] = {
        {"lmdb:./marquee-events", "lmdb:./marquee-events"},
        {"/data/me@home/a?b", "/data/me@home/a?b"},
        {"file:me@home", "file:me@home"},
        {"kafka:a:9092,b:9093", "kafka:a:9092,b:9093"},
        {"kafka:h:9092?acks=all", "kafka:h:9092?acks=all"},
        {"kafka:h:9092?sasl.username=u&sasl.password=geheim&acks=all",
         "kafka:h:9092?sasl.username=u&sasl.password=***&acks=all"},
        {"kafka:h?sasl.password=a;b=c", "kafka:h?sasl.password=***"},
        {"kafka:h?ssl.key.pem=----&ssl.key.location=/k.pem",
         "kafka:h?ssl.key.pem=***&ssl.key.location=/k.pem"},
        {"kafka:h?SASL.OAUTHBEARER.CLIENT.SECRET=x", "kafka:h?SASL.OAUTHBEARER.CLIENT.SECRET=***"},
        {"kafka:user:geheim@h:9092,u2:p2@i:1?a=b", "kafka:***@h:9092,***@i:1?a=b"},
        {"s3://bucket/prefix?endpoint=http://u:geheim@h:9000&region=eu-central-1",
         "s3://bucket/prefix?endpoint=http://***@h:9000&region=eu-central-1"},
        {"s3://key:geheim@bucket/prefix", "s3://***@bucket/prefix"},
        {"s3://b?secret-access-key=x&access-key=y", "s3://b?secret-access-key=***&access-key=***"},
        {"", ""},
    };
    char shown[200];
    for (size_t i = 0; i < MQ_COUNT(cases); i++) {
        mq_redact_uri(cases[i].uri, shown, sizeof(shown));
        assert_string_equal(shown, cases[i].shown);
    }
    mq_redact_uri("kafka:h?sasl.password=geheim", shown, 25);
    assert_string_equal(shown, "kafka:h?sasl.password=**");
}

static void
properties(void **state)
{
    (void)state;
    char shown[200];
    mq_redact_properties("security.protocol=SASL_SSL; sasl.password=a&b=c;ssl.key.password = x",
                         shown, sizeof(shown));
    assert_string_equal(shown,
                        "security.protocol=SASL_SSL; sasl.password=***;ssl.key.password =***");
    mq_redact_properties("sasl.password=a;b\nacks=all\n", shown, sizeof(shown));
    assert_string_equal(shown, "sasl.password=***\nacks=all\n");
    mq_redact_properties("", shown, sizeof(shown));
    assert_string_equal(shown, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(uris), cmocka_unit_test(properties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
