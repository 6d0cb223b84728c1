/**
 * Actions in memory: who was shown or played what and when, grouped by user, oldest first.
 *
 * Columns as arrays (one row an action); user u owns rows [offset[u], offset[u+1]), sorted by
 * (time, file order). About 10 bytes an action with the default columns. Immutable after loading.
 * Threads: reentrant reads.
 */
#ifndef MQ_DATA_ACTIONS_H
#define MQ_DATA_ACTIONS_H

#include <stdint.h>

#include "base/strmap.h"
#include "data/catalogue.h"

enum mq_action_kind { MQ_ACTION_EXPOSURE = 0, MQ_ACTION_PLAY = 1 };

/** Which optional columns to load. */
#define MQ_ACTIONS_EXPOSURES (1u << 0) /**< exposures too; default plays only */
#define MQ_ACTIONS_WATCH (1u << 1)     /**< watch_ratio */
#define MQ_ACTIONS_RATING (1u << 2)    /**< rating */
#define MQ_ACTIONS_TRACE (1u << 3)     /**< position, trace */

/** Watch ratio or rating that is not known. */
#define MQ_UNKNOWN (-1.0f)

struct mq_actions {
    int32_t user_count;     /**< rows of `users` */
    struct mq_strmap users; /**< id by row: codes of raw_embed_user_mapping, then unknown users */
    int32_t coded_users;    /**< users below have a code in raw_embed_user_mapping */
    int64_t count;
    int64_t *offset;    /**< [user_count+1] */
    int32_t *item;      /**< [count] catalogue row */
    uint32_t *time_s;   /**< [count] epoch seconds */
    uint8_t *kind;      /**< [count] enum mq_action_kind; NULL: plays only */
    float *watch_ratio; /**< [count] watched share of the length, MQ_UNKNOWN; or NULL */
    float *rating;      /**< [count] MQ_UNKNOWN; or NULL */
    int16_t *position;  /**< [count] 0-based place in the shown list, -1 unknown; or NULL */
    int32_t *trace;     /**< [count] code of traces, -1 none; or NULL */
    struct mq_strmap traces;
};

/**
 * Load action.parquet (columns by `want`), map ids, sort.
 * Actions of items that the catalogue does not know are left out and counted in *ret_skipped.
 *
 * @param shard_index,shard_count keep only users with hash(user id) % count == index; 0,1: all.
 *        User rows stay those of the whole map.
 * @param ret_skipped may be NULL
 */
enum mq_status mq_actions_load(struct mq_object_store *store, const char *region,
                               const struct mq_catalogue *catalogue, unsigned want, int shard_index,
                               int shard_count, struct mq_actions **ret_actions,
                               int64_t *ret_skipped, struct mq_error *err);

/** NULL allowed. */
void mq_actions_free(struct mq_actions *actions);

/** Whether a user id belongs to shard index of count. */
bool mq_shard_has_user(const char *user_id, size_t size, int shard_index, int shard_count);

#endif
