/** The small hybrid model of hybrid_fixture.h with what tests of its callers need. */
#ifndef MQ_TESTS_SCORING_BENCH_H
#define MQ_TESTS_SCORING_BENCH_H

#include "../model/hybrid_fixture.h"

#include "rec/rated_user.h"

struct bench {
    struct mq_pool *pool;
    struct mq_hybrid *hybrid;
    struct mq_arena arena;
};

static inline int
bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct mq_error err = {0};
    check_ok(mq_pool_new(2, &b->pool, &err));
    b->hybrid = make_hybrid(b->pool, 3);
    *state = b;
    return 0;
}

static inline int
bench_teardown(void **state)
{
    struct bench *b = *state;
    mq_hybrid_free(b->hybrid);
    mq_pool_free(b->pool);
    mq_arena_release(&b->arena);
    free(b);
    return 0;
}

static inline struct mq_rated_user
bench_user(struct bench *b, int32_t code)
{
    struct mq_rated_user user;
    struct mq_error err = {0};
    check_ok(mq_rated_user_stored(b->hybrid, code, &b->arena, &user, &err));
    return user;
}

/** One whom the model does not know. */
static inline struct mq_rated_user
bench_stranger(struct bench *b)
{
    struct mq_rated_user user;
    struct mq_error err = {0};
    check_ok(mq_rated_user_make(b->hybrid, "nobody", NULL, 0, &b->arena, &user, &err));
    return user;
}

#endif
