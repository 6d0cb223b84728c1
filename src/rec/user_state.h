/**
 * One user's state: all that recall, rank, filter and explain know of a user. Nothing here is
 * owned; the batch points into its columns, the server into its live state.
 */
#ifndef MQ_REC_USER_STATE_H
#define MQ_REC_USER_STATE_H

#include <stdint.h>

#include "rec/portrait.h"

struct mq_user_state {
    const char *id;        /**< user id, NUL-terminated; seeds the user's random choices */
    int32_t code;          /**< code of raw_embed_user_mapping, -1 unknown */
    int64_t play_count;    /**< plays known */
    const int32_t *items;  /**< [play_count] catalogue rows, oldest first, repeats included */
    const uint32_t *times; /**< [play_count] epoch seconds, or NULL where not known */
    const struct mq_portrait
        *portrait; /**< NULL: none; the portrait and vector channels are left out */
};

#endif
