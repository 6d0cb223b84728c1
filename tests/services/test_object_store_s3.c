/*
 * The object-store contract against a real S3 server. Needs MARQUEE_TEST_S3 = endpoint URL, and
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; tests/services/run sets them. MARQUEE_TEST_PARAMETERS
 * adds to the URI ("&stall-s=1"): stores_under_faults.py runs this through a proxy that misbehaves.
 */
#include "../unit/store/object_store_contract.h"

#include "store/s3_connection.h"

static int serial;

/* A store below a fresh prefix of the bucket that the fixture made. */
static char *
make_s3_store(void)
{
    const char *more = getenv("MARQUEE_TEST_PARAMETERS");
    return mq_strfmt("s3://marquee-test/contract-%ld-%d?endpoint=%s&part-mb=5&transfers=4%s",
                     (long)getpid(), serial++, getenv("MARQUEE_TEST_S3"), more != NULL ? more : "");
}

static enum mq_status
remove_one(void *context, const char *key, const struct mq_object_info *info, struct mq_error *err)
{
    (void)info;
    return mq_object_delete(context, &key, 1, err);
}

static void
clear_s3_store(const char *uri)
{
    struct mq_object_store *store;
    assert_int_equal(mq_object_store_open(uri, &store, NULL), MQ_OK);
    assert_int_equal(mq_object_list(store, "", remove_one, store, NULL), MQ_OK);
    mq_object_store_free(store);
}

static const struct contract_backend s3_backend = {"s3", make_s3_store, clear_s3_store};

static unsigned char
byte_at(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 11);
}

/* Above the part size: a multipart upload in parallel, read back in parallel, checksum held. */
static void
large_objects(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err = {0};
    const size_t sizes[] = {(5 << 20) - 1, 5 << 20, (5 << 20) + 1, (23 << 20) + 12345};
    for (size_t k = 0; k < MQ_COUNT(sizes); k++) {
        unsigned char *bytes = malloc(sizes[k]);
        for (size_t i = 0; i < sizes[k]; i++)
            bytes[i] = byte_at(i);
        struct mq_writer *writer;
        check_ok(mq_object_writer(s->store, "big/object", &writer, &err));
        for (size_t at = 0; at < sizes[k]; at += 700001)
            check_ok(
                mq_writer_put(writer, bytes + at, MQ_MIN((size_t)700001, sizes[k] - at), &err));
        check_ok(mq_writer_commit(writer, &err));
        mq_writer_close(writer);
        struct mq_buffer back = {0};
        check_ok(mq_object_get(s->store, "big/object", &back, &err));
        assert_int_equal(back.size, sizes[k]);
        assert_memory_equal(back.data, bytes, sizes[k]);
        mq_buffer_release(&back);
        check_ok(mq_object_copy(s->store, "big/object", "big/copy", &err));
        struct mq_object_info info;
        check_ok(mq_object_stat(s->store, "big/copy", &info, &err));
        assert_int_equal(info.size_bytes, sizes[k]);
        free(bytes);
    }
}

/* A writer that is closed without commit leaves neither object nor parts. */
static void
abandoned_upload(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err = {0};
    struct mq_writer *writer;
    char *bytes = calloc(1, 12 << 20);
    check_ok(mq_object_writer(s->store, "abandoned", &writer, &err));
    check_ok(mq_writer_put(writer, bytes, 12 << 20, &err));
    mq_writer_close(writer);
    free(bytes);
    struct mq_object_info info;
    check_fails(MQ_E_NOT_FOUND, mq_object_stat(s->store, "abandoned", &info, &err));
    struct mq_s3_connection *c;
    check_ok(mq_s3_connection_new(strchr(s->uri, ':') + 1, &c, &err));
    struct mq_http_response response = {.body.limit_bytes = 1 << 20};
    struct mq_s3_call call = {.method = "GET", .query = "uploads="};
    check_ok(mq_s3_perform(c, &call, &response, &err));
    /* An upload whose beginning was answered into the void has an id that nobody knows: only the
     * bucket's rule for unfinished uploads ends it. */
    if (getenv("MARQUEE_TEST_PARAMETERS") == NULL)
        assert_null(strstr(response.body.data, "abandoned"));
    mq_http_response_release(&response);
    mq_s3_connection_free(c);
}

static void
changed_while_read(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err = {0};
    size_t size = 30 << 20;
    char *bytes = calloc(1, size);
    struct mq_writer *writer;
    struct mq_reader *reader;
    check_ok(mq_object_writer(s->store, "moving", &writer, &err));
    check_ok(mq_writer_put(writer, bytes, size, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
    check_ok(mq_object_reader(s->store, "moving", &reader, &err));
    put_text(s->store, "moving", "another version");
    size_t got;
    enum mq_status st = MQ_OK;
    do
        st = mq_reader_some(reader, bytes, size, &got, &err);
    while (st == MQ_OK && got > 0);
    assert_int_equal(st, MQ_E_CONFLICT);
    check_contains(err.message, "changed while it was read");
    mq_reader_close(reader);
    free(bytes);
}

static void
errors_name_what_is_wrong(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_object_store *store;
    struct mq_object_info info;
    struct mq_buffer bytes = {0};
    char *uri = mq_strfmt("s3://no-such-bucket/x?endpoint=%s", getenv("MARQUEE_TEST_S3"));
    check_ok(mq_object_store_open(uri, &store, &err));
    check_fails(MQ_E_NOT_FOUND, mq_object_get(store, "k", &bytes, &err));
    check_contains(err.message, "s3://no-such-bucket/x/k");
    mq_object_store_free(store);
    free(uri);

    char *secret = mq_strdup(getenv("AWS_SECRET_ACCESS_KEY"));
    setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
    uri = make_s3_store();
    check_ok(mq_object_store_open(uri, &store, &err));
    check_fails(MQ_E_DENIED, mq_object_put(store, "k", "x", 1, MQ_PUT_ALWAYS, NULL, NULL, &err));
    check_contains(err.message, "SignatureDoesNotMatch");
    mq_object_store_free(store);
    free(uri);
    setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    free(secret);

    check_ok(
        mq_object_store_open("s3://b/p?endpoint=http://127.0.0.1:1&deadline-s=1", &store, &err));
    check_fails(MQ_E_UNREACHABLE, mq_object_stat(store, "k", &info, &err));
    check_contains(err.message, "127.0.0.1:1");
    mq_object_store_free(store);
    mq_buffer_release(&bytes);
}

/* Keys that need encoding, in the path and in the answer of a list. */
static void
odd_keys(void **state)
{
    struct contract_store *s = *state;
    struct mq_error err = {0};
    const char *const keys[] = {"dt=2026-01-01/a b.csv", "odd/ü +%20&=#?~.txt", "q'\"<>&;.x"};
    for (size_t i = 0; i < MQ_COUNT(keys); i++) {
        put_text(s->store, keys[i], "1");
        assert_holds(s->store, keys[i], "1");
    }
    struct mq_buffer list = {0};
    check_ok(mq_object_list(s->store, "", collect, &list, &err));
    for (size_t i = 0; i < MQ_COUNT(keys); i++)
        check_contains(list.data, keys[i]);
    mq_buffer_release(&list);
    check_ok(mq_object_delete(s->store, keys, MQ_COUNT(keys), &err));
    assert_lists(s->store, "", "");
}

int
main(void)
{
    if (getenv("MARQUEE_TEST_S3") == NULL) {
        printf("skip: object_store_s3 (MARQUEE_TEST_S3 is not set; run: make test-services)\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS(&s3_backend),
        CONTRACT_TEST(large_objects, &s3_backend),
        CONTRACT_TEST(abandoned_upload, &s3_backend),
        CONTRACT_TEST(changed_while_read, &s3_backend),
        CONTRACT_TEST(odd_keys, &s3_backend),
        cmocka_unit_test(errors_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
