/** The small hybrid model of hybrid_fixture.h in a snapshot, for tests of what lists are made of.
 */
#ifndef MQ_TESTS_HYBRID_SNAPSHOT_H
#define MQ_TESTS_HYBRID_SNAPSHOT_H

#include "../model/hybrid_fixture.h"

#include "config/options.h"
#include "rec/hybrid_recommend.h"
#include "rec/snapshot.h"

/** Films of the catalogue: those of the model in another order, and one that is newer. */
enum { OFFERED = ITEMS + 1 };

struct hybrid_bench {
    struct mq_pool *pool;
    struct mq_snapshot *snapshot;
    struct mq_hybrid_session *session;
    struct mq_arena arena;
};

/** @param change  alters fixture_items before the catalogue is made; NULL: nothing
 *  @param settings "name", "value", …, NULL on top of a list of four films */
static inline void
hybrid_bench_make(struct hybrid_bench *b, void (*change)(struct fixture_item *items),
                  const char *const *settings)
{
    struct fixture_item items[OFFERED] = {
        {"13", "Newest", .year = 2026, .property = {"drama"}, .is_new = true}};
    struct mq_error err = {0};
    struct mq_config *config;
    *b = (struct hybrid_bench){0};
    for (int i = 0; i < ITEMS; i++)
        items[1 + i] = films[ITEMS - 1 - i];
    if (change != NULL)
        change(items);
    check_ok(mq_config_new(&config, &err));
    check_ok(mq_config_set(config, "filter.list", "4", MQ_FROM_FLAG, "test", &err));
    for (; settings != NULL && settings[0] != NULL; settings += 2)
        check_ok(mq_config_set(config, settings[0], settings[1], MQ_FROM_FLAG, "test", &err));
    check_ok(mq_pool_new(1, &b->pool, &err));
    struct mq_snapshot_parts parts = {.catalogue = fixture_catalogue(items, OFFERED),
                                      .hybrid = make_hybrid(b->pool, 3)};
    check_ok(mq_snapshot_assemble(&parts, config, NOW, b->pool, &b->snapshot, &err));
    check_ok(mq_hybrid_session_new(b->snapshot, &b->session, &err));
    mq_config_free(config);
}

static inline void
hybrid_bench_release(struct hybrid_bench *b)
{
    mq_hybrid_session_free(b->session);
    mq_snapshot_free(b->snapshot);
    mq_pool_free(b->pool);
    mq_arena_release(&b->arena);
}

/** A user by id, "u0" to "u29" of the model. */
static inline struct mq_rated_user
hybrid_bench_user(struct hybrid_bench *b, const char *id, const struct mq_rated_item *since,
                  int32_t since_count)
{
    struct mq_rated_user user;
    struct mq_error err = {0};
    check_ok(mq_rated_user_make(b->snapshot->hybrid->hybrid, id, since, since_count, &b->arena,
                                &user, &err));
    return user;
}

static inline int32_t
row_of_id(const struct hybrid_bench *b, const char *id)
{
    int32_t row = mq_catalogue_find(b->snapshot->catalogue, id);
    assert_true(row >= 0);
    return row;
}

static inline int32_t
item_of_id(const struct hybrid_bench *b, const char *id)
{
    return b->snapshot->hybrid->item_of[row_of_id(b, id)];
}

#endif
