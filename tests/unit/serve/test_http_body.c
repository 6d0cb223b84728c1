/* Compressed bodies: whole, several members, cut, damaged, and a bomb. */
#include "check.h"

#include <stdlib.h>
#include <zlib.h>

#include "serve/http_body.h"

#define LIMIT 100000

static size_t
compress_gzip(const char *bytes, size_t size, unsigned char *room, size_t room_size)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (uInt)size;
    stream.next_out = room;
    stream.avail_out = (uInt)room_size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t n = room_size - stream.avail_out;
    deflateEnd(&stream);
    return n;
}

static void
expands_within_the_limit(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static char plain[LIMIT + 1];
    static unsigned char packed[LIMIT];
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (char)('a' + i * i % 23);
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, LIMIT};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        size_t n = compress_gzip(plain, sizes[k], packed, sizeof(packed)), size = 99;
        char *back;
        check_ok(mq_http_gunzip(packed, n, LIMIT, &back, &size, &err));
        assert_int_equal(size, sizes[k]);
        assert_memory_equal(back, plain, size);
        free(back);
        /* Every way to cut it is noticed. */
        for (size_t cut = 0; cut < n; cut += 1 + n / 50)
            check_fails(MQ_E_FORMAT, mq_http_gunzip(packed, cut, LIMIT, &back, &size, &err));
        if (n > 30) {
            packed[n / 2] ^= 0x55;
            check_fails(MQ_E_FORMAT, mq_http_gunzip(packed, n, LIMIT, &back, &size, &err));
        }
    }
    size_t n = compress_gzip(plain, LIMIT + 1, packed, sizeof(packed)), size;
    char *back;
    check_fails(MQ_E_RANGE, mq_http_gunzip(packed, n, LIMIT, &back, &size, &err));
    check_contains(err.message, "100000");
    check_fails(MQ_E_FORMAT, mq_http_gunzip("{\"user_id\":1}", 13, LIMIT, &back, &size, &err));
}

static void
members_join(void **state)
{
    (void)state;
    struct mq_error err = {0};
    unsigned char packed[200];
    size_t n = compress_gzip("[1,", 3, packed, sizeof(packed)), size;
    n += compress_gzip("2]", 2, packed + n, sizeof(packed) - n);
    char *back;
    check_ok(mq_http_gunzip(packed, n, LIMIT, &back, &size, &err));
    assert_int_equal(size, 5);
    assert_memory_equal(back, "[1,2]", 5);
    free(back);
}

/* A thousand to one: refused after the limit, not after the memory. */
static void
bombs_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static unsigned char packed[300000];
    char *zeros = calloc(1, 200 << 20), *back;
    size_t n = compress_gzip(zeros, 200 << 20, packed, sizeof(packed)), size;
    free(zeros);
    check_fails(MQ_E_RANGE, mq_http_gunzip(packed, n, LIMIT, &back, &size, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_within_the_limit),
        cmocka_unit_test(members_join),
        cmocka_unit_test(bombs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
