/**
 * A user as the hybrid model sees one: who it is, and what was rated or played, oldest first, in
 * the model's codes. From the model alone, with what came since, or from a list without a stored
 * user.
 *
 * Threads: reentrant; all memory is the caller's arena's.
 */
#ifndef MQ_REC_RATED_USER_H
#define MQ_REC_RATED_USER_H

#include "base/arena.h"
#include "model/hybrid.h"

struct mq_rated_user {
    const char *id;        /**< NUL-terminated; "" for nobody */
    int32_t code;          /**< the model's, -1: not known to it */
    bool changed;          /**< more, or other, than the model holds: its vectors do not fit */
    int32_t count;         /**< films */
    const int32_t *items;  /**< int32 [count] the model's codes, oldest first, each once */
    const float *ratings;  /**< float32 [count]; negative: a play without a rating */
    const uint32_t *times; /**< uint32 [count] epoch seconds */
};

/** Something that the model does not know of. */
struct mq_rated_item {
    int32_t item; /**< the model's code */
    float rating; /**< negative: a play without a rating */
    uint32_t time_s;
};

/**
 * A user of the model, or one who is not, with what came since.
 * @param id    borrowed  @param since in any order; of a film the last one in time counts, also
 *              against the model's
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O(ratings log since + since log(ratings · since)).
 */
enum mq_status mq_rated_user_make(const struct mq_hybrid *hybrid, const char *id,
                                  const struct mq_rated_item *since, int32_t since_count,
                                  struct mq_arena *arena, struct mq_rated_user *ret_user,
                                  struct mq_error *err);

/** A user of the model as it knows one, by code in [0, users). Otherwise as above. */
enum mq_status mq_rated_user_stored(const struct mq_hybrid *hybrid, int32_t code,
                                    struct mq_arena *arena, struct mq_rated_user *ret_user,
                                    struct mq_error *err);

#endif
