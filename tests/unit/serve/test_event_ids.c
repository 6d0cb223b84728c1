/* The window of event ids: newest and young enough, claims settled once, against a plain list. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "serve/event_ids.h"

static struct mq_event_id
claim(struct mq_event_ids *ids, const char *user, int number, double now_s)
{
    char id[16];
    int n = snprintf(id, sizeof(id), "%d", number);
    return mq_event_ids_claim(ids, user, strlen(user), id, (size_t)n, ids, (size_t)number, now_s);
}

static void
settle(struct mq_event_ids *ids, uint64_t number, enum mq_status status, int64_t offset)
{
    const struct mq_produced produced = {status, 3, offset};
    mq_event_ids_settle(ids, &number, &produced, 1);
}

static void
claims(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_event_ids *ids;
    check_ok(mq_event_ids_new(100, 60, &ids, &err));
    struct mq_event_id id = claim(ids, "u", 1, 5);
    assert_int_equal(id.state, MQ_EVENT_ID_NEW);
    assert_true(id.claim != 0);
    struct mq_event_id again = claim(ids, "u", 1, 5);
    assert_int_equal(again.state, MQ_EVENT_ID_CLAIMED);
    assert_int_equal(again.claim, 0);
    assert_ptr_equal(again.by, ids);
    assert_int_equal(again.number, 1);
    settle(ids, again.claim, MQ_OK, 99); /* no claim: nothing happens */
    assert_int_equal(claim(ids, "u", 1, 6).state, MQ_EVENT_ID_CLAIMED);
    settle(ids, id.claim, MQ_OK, 17);
    again = claim(ids, "u", 1, 7);
    assert_int_equal(again.state, MQ_EVENT_ID_WRITTEN);
    assert_int_equal(again.partition, 3);
    assert_int_equal(again.offset, 17);
    assert_int_equal(claim(ids, "v", 1, 7).state, MQ_EVENT_ID_NEW); /* another user's */
    id = claim(ids, "u", 2, 7);
    settle(ids, id.claim, MQ_E_TIMEOUT, -1); /* forgotten */
    id = claim(ids, "u", 2, 7);
    assert_int_equal(id.state, MQ_EVENT_ID_NEW);
    mq_event_ids_settle(ids, &id.claim, NULL, 1);
    assert_int_equal(claim(ids, "u", 2, 7).state, MQ_EVENT_ID_NEW);
    /* Age counts from the claim. */
    assert_int_equal(claim(ids, "u", 1, 65).state, MQ_EVENT_ID_WRITTEN);
    assert_int_equal(claim(ids, "u", 1, 66).state, MQ_EVENT_ID_NEW);
    mq_event_ids_free(ids);
    check_fails(MQ_E_RANGE, mq_event_ids_new(0, 60, &ids, &err));
    check_fails(MQ_E_RANGE, mq_event_ids_new((size_t)MQ_EVENT_IDS_MAX + 1, 60, &ids, &err));
    mq_event_ids_free(NULL);
}

/* Exactly the newest are known, however many came and whatever became of them. */
static void
newest_are_known(void **state)
{
    (void)state;
    enum { IDS = 3000 };
    static const size_t sizes[] = {1, 2, 7, 64, 1000};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct mq_error err = {0};
        struct mq_event_ids *ids;
        static uint64_t open[IDS];
        check_ok(mq_event_ids_new(sizes[s], 1e6, &ids, &err));
        for (int i = 0; i < IDS; i++) {
            struct mq_event_id id = claim(ids, "u", i, 0);
            assert_int_equal(id.state, MQ_EVENT_ID_NEW);
            open[i] = id.claim;
            if (i >= 5) /* settled late, when the place may be another's */
                settle(ids, open[i - 5], i % 3 == 0 ? MQ_E_IO : MQ_OK, i - 5);
        }
        for (int i = IDS - 1; i > IDS - 5 && i >= IDS - (int)sizes[s]; i--)
            assert_int_equal(claim(ids, "u", i, 0).state, MQ_EVENT_ID_CLAIMED);
        /* Newest first: looking at one that is gone takes a place. */
        for (int i = IDS - 6; i >= IDS - (int)sizes[s]; i--) {
            if ((i + 5) % 3 == 0)
                continue;
            struct mq_event_id id = claim(ids, "u", i, 0);
            assert_int_equal(id.state, MQ_EVENT_ID_WRITTEN);
            assert_int_equal(id.offset, i);
        }
        assert_int_equal(claim(ids, "u", IDS - 1 - (int)sizes[s], 0).state, MQ_EVENT_ID_NEW);
        mq_event_ids_free(ids);
    }
}

#define THREADS 4
#define EACH 20000

struct claimer {
    struct mq_event_ids *ids;
    _Atomic int *written; /* [EACH] how many claimed each id */
};

static void *
claim_all(void *context)
{
    const struct claimer *c = context;
    for (int i = 0; i < EACH; i++) {
        struct mq_event_id id = claim(c->ids, "u", i, 0);
        if (id.state == MQ_EVENT_ID_NEW) {
            atomic_fetch_add(&c->written[i], 1);
            settle(c->ids, id.claim, MQ_OK, i);
        } else if (id.state == MQ_EVENT_ID_WRITTEN && id.offset != i) {
            atomic_fetch_add(&c->written[i], 100);
        }
    }
    return NULL;
}

/* Of many at once, one claims each id. */
static void
one_of_many(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static _Atomic int written[EACH];
    struct claimer claimer = {.written = written};
    pthread_t threads[THREADS];
    check_ok(mq_event_ids_new(EACH, 1e6, &claimer.ids, &err));
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, claim_all, &claimer), 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int i = 0; i < EACH; i++)
        assert_int_equal(atomic_load(&written[i]), 1);
    mq_event_ids_free(claimer.ids);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims),
        cmocka_unit_test(newest_are_known),
        cmocka_unit_test(one_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
