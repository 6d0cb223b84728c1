/**
 * What is known of users beside their actions: sex, age, name; from user.csv (the cleaned
 * ProfileMap.csv). Immutable after loading. Threads: reentrant reads.
 */
#ifndef MQ_DATA_USER_PROFILES_H
#define MQ_DATA_USER_PROFILES_H

#include <stdint.h>

#include "base/strmap.h"
#include "data/artifact.h"

enum mq_sex { MQ_SEX_UNKNOWN = 0, MQ_SEX_FEMALE, MQ_SEX_MALE };

struct mq_user_profiles {
    int32_t count;
    struct mq_strmap ids;   /**< user id by row, in the order of the file */
    uint8_t *sex;           /**< [count] enum mq_sex */
    uint8_t *age;           /**< [count] years, 0 unknown */
    struct mq_strmap names; /**< distinct names */
    int32_t *name;          /**< [count] code of names, -1 unknown */
};

/**
 * Load user.csv; none there is no error but no users.
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_NOMEM | an error of the store
 */
enum mq_status mq_user_profiles_load(struct mq_object_store *store, const char *region,
                                     struct mq_user_profiles **ret_profiles, struct mq_error *err);

/** NULL allowed. */
void mq_user_profiles_free(struct mq_user_profiles *profiles);

/** Row of a user id, or -1. */
int32_t mq_user_profiles_find(const struct mq_user_profiles *profiles, const char *user_id,
                              size_t size);

#endif
