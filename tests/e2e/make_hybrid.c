/* Makes a small hybrid model in a store and prints its version: make_hybrid STORE SEED MADE-S */
#include "../unit/model/hybrid_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "model/hybrid_files.h"

int
main(int argc, char **argv)
{
    struct mq_object_store *store;
    struct mq_pool *pool;
    struct mq_error err = {0};
    if (argc != 4)
        return 2;
    mq_log_configure(MQ_LOG_ERROR, false);
    if (mq_object_store_open(argv[1], &store, &err) != MQ_OK ||
        mq_pool_new(1, &pool, &err) != MQ_OK)
        return 1;
    struct mq_hybrid *hybrid = make_hybrid(pool, strtoull(argv[2], NULL, 10));
    hybrid->made_s = strtoll(argv[3], NULL, 10);
    json_t *facts = json_pack("{s:s, s:{s:s, s:s}}", "run", "test", "settings", "hybrid.factors",
                              "8", "run.seed", argv[2]);
    enum mq_status st = mq_hybrid_save(store, "1", hybrid, facts, &err);
    if (st == MQ_OK)
        printf("%s\n", hybrid->version);
    else
        fprintf(stderr, "%s\n", err.message);
    json_decref(facts);
    mq_hybrid_free(hybrid);
    mq_pool_free(pool);
    mq_object_store_free(store);
    return st != MQ_OK;
}
