/* Compressed bodies: whole, several members, cut, damaged, and a bomb. */
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"
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

/* Expand bytes as a request's body; the whole budget is given back on failure. */
static enum mq_status
gunzip(const void *bytes, size_t size, struct mq_http_budget *budget, struct mq_http_body *body,
       struct mq_error *err)
{
    *body = (struct mq_http_body){0};
    enum mq_status st = mq_http_body_reserve(body, budget, size, size, err);
    if (st == MQ_OK) {
        if (size > 0)
            memcpy(body->bytes, bytes, size);
        body->size = size;
        assert_int_equal(body->accounted, size);
        st = mq_http_body_expand(body, budget, err);
    }
    if (st != MQ_OK)
        mq_http_body_release(body, budget);
    assert_int_equal(atomic_load(&budget->held), st == MQ_OK ? (int64_t)body->capacity : 0);
    return st;
}

static struct mq_http_budget
budget_of(size_t body, size_t bodies)
{
    return (struct mq_http_budget){.body_bytes = body, .bodies_bytes = bodies};
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
    struct mq_http_budget budget = budget_of(LIMIT, 10 * LIMIT);
    struct mq_http_body body;
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, LIMIT};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        size_t n = compress_gzip(plain, sizes[k], packed, sizeof(packed));
        check_ok(gunzip(packed, n, &budget, &body, &err));
        assert_int_equal(body.size, sizes[k]);
        assert_memory_equal(body.bytes, plain, body.size);
        mq_http_body_release(&body, &budget);
        /* Every way to cut it is noticed. */
        for (size_t cut = 0; cut < n; cut += 1 + n / 50)
            check_fails(MQ_E_FORMAT, gunzip(packed, cut, &budget, &body, &err));
        if (n > 30) {
            packed[n / 2] ^= 0x55;
            check_fails(MQ_E_FORMAT, gunzip(packed, n, &budget, &body, &err));
        }
    }
    size_t n = compress_gzip(plain, LIMIT + 1, packed, sizeof(packed));
    check_fails(MQ_E_RANGE, gunzip(packed, n, &budget, &body, &err));
    check_contains(err.message, "100000");
    check_fails(MQ_E_FORMAT, gunzip("{\"user_id\":1}", 13, &budget, &body, &err));
}

static void
members_join(void **state)
{
    (void)state;
    struct mq_error err = {0};
    unsigned char packed[200];
    struct mq_http_budget budget = budget_of(LIMIT, 2 * LIMIT);
    struct mq_http_body body;
    size_t n = compress_gzip("[1,", 3, packed, sizeof(packed));
    n += compress_gzip("2]", 2, packed + n, sizeof(packed) - n);
    check_ok(gunzip(packed, n, &budget, &body, &err));
    assert_int_equal(body.size, 5);
    assert_memory_equal(body.bytes, "[1,2]", 5);
    mq_http_body_release(&body, &budget);
}

/* A thousand to one: refused after the limit, not after the memory. */
static void
bombs_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static unsigned char packed[300000];
    struct mq_http_budget budget = budget_of(400000, 4000000);
    struct mq_http_body body;
    char *zeros = calloc(1, 200 << 20);
    size_t n = compress_gzip(zeros, 200 << 20, packed, sizeof(packed));
    free(zeros);
    check_fails(MQ_E_RANGE, gunzip(packed, n, &budget, &body, &err));
}

/* All bodies together stay within the budget, what they are expanded to included; what could never
 * fit is told from what may come again. */
static void
budget_holds(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static unsigned char packed[LIMIT];
    char *zeros = calloc(1, LIMIT);
    size_t n = compress_gzip(zeros, LIMIT, packed, sizeof(packed));
    struct mq_http_budget budget = budget_of(LIMIT, 3 * LIMIT);
    struct mq_http_body bodies[3] = {0}, body = {0};
    for (int i = 0; i < 3; i++) {
        enum mq_status st = mq_http_body_reserve(&bodies[i], &budget, n, n, &err);
        memcpy(bodies[i].bytes, packed, n);
        bodies[i].size = n;
        if (st == MQ_OK)
            st = mq_http_body_expand(&bodies[i], &budget, &err);
        assert_int_equal(st, i < 2 ? MQ_OK : MQ_E_NOMEM);
        assert_true(atomic_load(&budget.held) <= 3 * LIMIT);
    }
    check_contains(err.message, "hold all of the 300000 bytes");
    assert_int_equal(bodies[2].size, n); /* as it came */
    check_ok(mq_http_body_account(&bodies[2], &budget, 1000, &err));
    check_fails(MQ_E_NOMEM, mq_http_body_account(&bodies[2], &budget, 2 * LIMIT, &err));
    check_fails(MQ_E_RANGE, mq_http_body_account(&bodies[2], &budget, 3 * LIMIT, &err));
    for (int i = 0; i < 3; i++)
        mq_http_body_release(&bodies[i], &budget);
    assert_int_equal(atomic_load(&budget.held), 0);
    /* A large body that is only announced takes little; one of known size no more than that. */
    check_ok(mq_http_body_reserve(&body, &budget, 0, LIMIT, &err));
    assert_int_equal(atomic_load(&budget.held), 0);
    check_ok(mq_http_body_reserve(&body, &budget, 10, LIMIT, &err));
    assert_true(atomic_load(&budget.held) < LIMIT);
    body.size = 70000;
    check_ok(mq_http_body_reserve(&body, &budget, 1, 70001, &err));
    assert_int_equal(atomic_load(&budget.held), 70001);
    check_fails(MQ_E_RANGE, mq_http_body_reserve(&body, &budget, LIMIT, 0, &err));
    check_fails(MQ_E_RANGE, mq_http_body_reserve(&body, &budget, 1, LIMIT + 1, &err));
    mq_http_answer_charge(&body, &budget, 5 * LIMIT);
    assert_int_equal(atomic_load(&budget.held), 70001);
    assert_int_equal(atomic_load(&budget.answers), 5 * LIMIT);
    check_fails(MQ_E_NOMEM, mq_http_body_account(&bodies[0], &budget, 1, &err)); /* waits for it */
    mq_http_body_release(&body, &budget);
    assert_int_equal(atomic_load(&budget.held), 0);
    assert_int_equal(atomic_load(&budget.answers), 0);
    check_ok(mq_http_body_account(&bodies[0], &budget, 1, &err));
    mq_http_body_release(&bodies[0], &budget);
    struct mq_http_budget small = budget_of(LIMIT, 1000);
    check_fails(MQ_E_RANGE, mq_http_body_reserve(&body, &small, 2000, 2000, &err));
    check_contains(err.message, "more than 1000 bytes");
    free(zeros);
}

#define TAKERS 4
#define ROUNDS 50000

struct taker {
    pthread_t thread;
    struct mq_http_budget *budget;
    size_t bytes;
    int64_t most_seen;
    int refused;
};

static void *
take_and_give(void *context)
{
    struct taker *t = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct mq_http_body body = {0};
        struct mq_error err = {0};
        t->refused += mq_http_body_account(&body, t->budget, t->bytes, &err) != MQ_OK;
        t->most_seen = MQ_MAX(t->most_seen, atomic_load(&t->budget->held));
        mq_http_body_release(&body, t->budget);
    }
    return NULL;
}

/* Nobody ever sees more than the budget, and what asks in vain takes no room from what fits. */
static void
threads_stay_within(void **state)
{
    (void)state;
    struct mq_http_budget budget = budget_of(LIMIT, LIMIT);
    struct mq_error err = {0};
    struct mq_http_body there = {0};
    struct taker takers[TAKERS] = {
        {.bytes = 1000}, {.bytes = 1000}, {.bytes = 600}, {.bytes = 900}};
    check_ok(mq_http_body_account(&there, &budget, LIMIT - 800, &err));
    for (int i = 0; i < TAKERS; i++) {
        takers[i].budget = &budget;
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_and_give, &takers[i]), 0);
    }
    for (int i = 0; i < TAKERS; i++)
        pthread_join(takers[i].thread, NULL);
    for (int i = 0; i < TAKERS; i++) {
        assert_true(takers[i].most_seen <= LIMIT);
        assert_int_equal(takers[i].refused, takers[i].bytes > 800 ? ROUNDS : 0);
    }
    mq_http_body_release(&there, &budget);
    assert_int_equal(atomic_load(&budget.held), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_within_the_limit), cmocka_unit_test(members_join),
        cmocka_unit_test(bombs_are_refused),        cmocka_unit_test(budget_holds),
        cmocka_unit_test(threads_stay_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
