/** A store in a folder of its own and a pool: for tests of hybrid models as files. */
#ifndef MQ_TESTS_HYBRID_BENCH_H
#define MQ_TESTS_HYBRID_BENCH_H

#include "hybrid_fixture.h"

#include "base/filesystem.h"

enum { MODELS = 5 };

struct bench {
    char *folder;
    struct mq_object_store *store;
    struct mq_pool *pool;
    char version[MODELS][MQ_HYBRID_VERSION_SIZE]; /**< of models that a test saved, oldest first */
};

static inline int
setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    if (mq_fs_scratch(&b->folder, NULL) != MQ_OK ||
        mq_object_store_open(b->folder, &b->store, NULL) != MQ_OK ||
        mq_pool_new(2, &b->pool, NULL) != MQ_OK)
        return 1;
    *state = b;
    return 0;
}

static inline int
teardown(void **state)
{
    struct bench *b = *state;
    mq_pool_free(b->pool);
    mq_object_store_free(b->store);
    mq_fs_remove(b->folder, NULL);
    free(b->folder);
    free(b);
    return 0;
}

#endif
