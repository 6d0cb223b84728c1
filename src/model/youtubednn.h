/**
 * YoutubeDNN's user tower: a user's code and newest plays in, one vector out, whose inner product
 * with an item's vector says how much the user would like to play it next.
 *
 *   pooled_h = Σ_k pooling[len, h, k] · item[history_k]        k = 0 is the newest play
 *   z = [user | pooled_0 | … | pooled_{H-1}]
 *   vector = W3ᵀ·relu(W2ᵀ·relu(W1ᵀ·z + b1) + b2) + b3
 *
 * The literal form is H = 1 with pooling[len, 0, k] = 1/len: the masked mean. The position form
 * learns its weights by position (newest first). Both are one table by history length, so that
 * both are one Keras model of standard layers (docs/formats/user-tower.md).
 *
 * A history is given oldest first, as actions are stored; the tower takes its newest
 * MQ_TOWER_HISTORY known items. Training and serving run this same code.
 *
 * Source: Covington, Adams & Sargin 2016, section 3. Golden: tests/golden/youtubednn_golden.py
 */
#ifndef MQ_MODEL_YOUTUBEDNN_H
#define MQ_MODEL_YOUTUBEDNN_H

#include <stdint.h>

#include "base/pool.h"
#include "base/stream.h"
#include "marquee/status.h"

/** Newest plays that count. */
#define MQ_TOWER_HISTORY 50
/** Length of item and user vectors (what is compared by inner product). */
#define MQ_TOWER_DIM 32
/** Length of the embedding of a user's code. */
#define MQ_TOWER_USER_DIM 16
/** Most pooling heads. */
#define MQ_TOWER_HEADS_MAX 32
/** Dense layers, and the widths after each. */
#define MQ_TOWER_LAYERS 3
#define MQ_TOWER_WIDTH_1 128
#define MQ_TOWER_WIDTH_2 64

/** Dense layer, y = xᵀ·kernel + bias. */
struct mq_tower_layer {
    int32_t inputs, outputs;
    float *kernel; /**< float32 [inputs, outputs] row-major, as Keras keeps it */
    float *bias;   /**< float32 [outputs] */
};

/** A trained tower; all arrays owned. Immutable once trained or read. Threads: reentrant reads. */
struct mq_user_tower {
    int32_t user_count; /**< users with a code when it was trained */
    int32_t item_count; /**< items with a code when it was trained */
    int32_t heads;      /**< H, 1…MQ_TOWER_HEADS_MAX */
    float *user;        /**< float32 [user_count+1, 16]; the last row stands for unknown users */
    float *item;        /**< float32 [item_count, 32], row = code */
    float *pooling;     /**< float32 [51, H, 50], row = history length; 0 at k >= length */
    struct mq_tower_layer layer[MQ_TOWER_LAYERS];
};

/** Allocate a tower of zeros. @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM */
enum mq_status mq_user_tower_new(int32_t user_count, int32_t item_count, int32_t heads,
                                 struct mq_user_tower **ret_tower, struct mq_error *err);

/** NULL allowed. */
void mq_user_tower_free(struct mq_user_tower *tower);

/** Length of z: 16 + 32·H. */
static inline int32_t
mq_user_tower_inputs(const struct mq_user_tower *tower)
{
    return MQ_TOWER_USER_DIM + tower->heads * MQ_TOWER_DIM;
}

/**
 * Vectors of n users.
 *
 * @param user_codes   int32 [n]; -1 or a code the tower was not trained on: the unknown user
 * @param hist_offset  int64 [n+1], ascending: user i's plays are
 * hist_items[offset[i]…offset[i+1]-1]
 * @param hist_items   int32, catalogue rows, oldest first; rows the tower was not trained on (or
 *                     negative) are passed over, then the newest MQ_TOWER_HISTORY count. An empty
 *                     history is fine: all pooled parts are 0.
 * @param ret_vectors  float32 [n, 32] row-major, caller-owned
 * @param pool         NULL: this thread alone
 * @return MQ_OK | MQ_E_CANCELLED
 * A user's vector does not depend on the pool, nor on who else is in the call (to the byte).
 * Threads: reentrant.  Cost: O(n·(50·32·H + inputs·128 + 128·64 + 64·32)).
 */
enum mq_status mq_user_tower_forward(const struct mq_user_tower *tower, int64_t n,
                                     const int32_t *user_codes, const int64_t *hist_offset,
                                     const int32_t *hist_items, float *ret_vectors,
                                     struct mq_pool *pool, struct mq_error *err);

/**
 * Keep the first of each item's plays: what training sees as a user's sequence (a repeated play
 * would put the target into its own history). Callers of mq_user_tower_forward apply it too.
 *
 * @param items     int32 [n], each in [0, item_count), oldest first; compacted in place
 * @param seen      int32 [item_count] scratch, kept by the caller between calls, zero at first
 * @param round     distinct and not 0 in each call with the same scratch
 * @return how many are left
 * Cost: O(n).
 */
int64_t mq_history_distinct(int32_t *items, int64_t n, int32_t *seen, int32_t round);

/**
 * Read user_embeddings.h5 (as mq_user_tower_write, or Keras saving the same model, wrote it).
 * @param reader borrowed; read to its end
 * @return MQ_OK | MQ_E_FORMAT (not such a model, or damaged) | MQ_E_RANGE | MQ_E_NOMEM
 */
enum mq_status mq_user_tower_read(struct mq_reader *reader, struct mq_user_tower **ret_tower,
                                  struct mq_error *err);

/** Write a Keras functional model: inputs user_id, hist_movie_id (50), hist_len. */
enum mq_status mq_user_tower_write(const struct mq_user_tower *tower, struct mq_writer *writer,
                                   struct mq_error *err);

#endif
