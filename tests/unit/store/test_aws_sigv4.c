#include "check.h"

#include "base/buffer.h"
#include "store/aws_sigv4.h"

/* Of AWS's published test suite: "get-vanilla-query-order-key-case" and "post-vanilla". */
static void
published_vectors(void **state)
{
    (void)state;
    struct mq_error err;
    const struct mq_sigv4_identity identity = {
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"};
    const struct mq_sigv4_header headers[] = {{"x-amz-date", "20150830T123600Z"},
                                              {"host", "example.amazonaws.com"}};
    char empty[MQ_SHA256_HEX_SIZE];
    mq_sha256_of_bytes("", 0, empty);
    assert_string_equal(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const struct {
        const char *method, *query, *signature;
    } vectors[] = {
        {"GET", "Param1=value1&Param2=value2",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct mq_sigv4_request request = {vectors[i].method, "/", vectors[i].query,
                                           headers,           2,   empty};
        struct mq_buffer value = {0};
        check_ok(mq_sigv4_authorization(&identity, &request, "20150830T123600Z", &value, &err));
        check_contains(value.data,
                       "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request");
        check_contains(value.data, "SignedHeaders=host;x-amz-date, ");
        check_contains(value.data, vectors[i].signature);
        mq_buffer_release(&value);
    }
}

static void
percent_encoding(void **state)
{
    (void)state;
    struct mq_error err;
    struct mq_buffer text = {0};
    check_ok(mq_uri_encode("a/ü =~", 7, true, &text, &err));
    assert_string_equal(text.data, "a/%C3%BC%20%3D~");
    mq_buffer_reset(&text);
    check_ok(mq_uri_encode("a/b", 3, false, &text, &err));
    assert_string_equal(text.data, "a%2Fb");
    mq_buffer_release(&text);
    char date[MQ_AMZ_DATE_SIZE];
    mq_amz_date_format(1440938160, date);
    assert_string_equal(date, "20150830T123600Z");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
