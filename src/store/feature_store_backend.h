/**
 * What a feature-store back end implements; only src/store includes this. Arguments have been
 * checked (names, keys, sizes, finite numbers). The contract is feature_store.h, held by
 * tests/unit/store/feature_store_contract.h.
 */
#ifndef MQ_STORE_FEATURE_STORE_BACKEND_H
#define MQ_STORE_FEATURE_STORE_BACKEND_H

#include "store/feature_store.h"

struct mq_feature_store_ops {
    const char *scheme;
    enum mq_status (*open)(const char *rest, struct mq_feature_store **ret_store,
                           struct mq_error *err);
    void (*free)(struct mq_feature_store *store);
    enum mq_status (*create)(struct mq_feature_store *store, const char *table,
                             struct mq_error *err);
    enum mq_status (*check)(struct mq_feature_store *store, const char *table,
                            struct mq_error *err);
    /** May be NULL: no other clock. */
    bool (*clock_skew)(const struct mq_feature_store *store, int64_t *ret_skew_s);
    enum mq_status (*batch_get)(struct mq_feature_store *store, const char *table,
                                const char *const *keys, size_t count,
                                enum mq_consistency consistency, struct mq_arena *arena,
                                struct mq_record *ret_records, struct mq_error *err);
    enum mq_status (*batch_put)(struct mq_feature_store *store, const char *table,
                                const struct mq_record *records, size_t count,
                                struct mq_error *err);
    enum mq_status (*update)(struct mq_feature_store *store, const char *table, const char *key,
                             const struct mq_attribute *changes, size_t change_count,
                             enum mq_update_condition condition, int64_t version,
                             int64_t *ret_version, struct mq_error *err);
    enum mq_status (*remove)(struct mq_feature_store *store, const char *table,
                             const char *const *keys, size_t count, struct mq_error *err);
    enum mq_status (*scan)(struct mq_feature_store *store, const char *table, int segment,
                           int segment_count, mq_feature_visit_fn fn, void *context,
                           struct mq_error *err);
};

struct mq_feature_store {
    const struct mq_feature_store_ops *ops;
    char *uri;
};

/** Tables of one LMDB environment (feature_store_lmdb.c). */
extern const struct mq_feature_store_ops mq_feature_store_lmdb_ops;

/** Tables of DynamoDB (feature_store_dynamodb.c). */
extern const struct mq_feature_store_ops mq_feature_store_dynamodb_ops;

static inline bool
mq_record_expired(const struct mq_record *record, int64_t now_s)
{
    return record->expires_s != 0 && record->expires_s <= now_s;
}

/** A number as it is kept everywhere: what is nearer to zero than any back end can say is zero. */
static inline double
mq_feature_number(double value)
{
    return value > -MQ_FEATURE_NUMBER_MIN && value < MQ_FEATURE_NUMBER_MIN ? 0.0 : value;
}

/** Whether a number is kept as INTEGER. */
static inline bool
mq_feature_number_is_whole(double value, int64_t *ret_whole)
{
    if (!(value >= -0x1p63 && value < 0x1p63) || (double)(int64_t)value != value)
        return false;
    *ret_whole = (int64_t)value;
    return true;
}

#endif
