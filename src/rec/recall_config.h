/**
 * Recall configuration: recall_config.pickle, a plain dict with the keys
 *
 *   mt_topn {method: int}   pos_weights {method: {'w','b'}}   mt_weights {method: float}
 *   pop_mt_list [method]    portrait_mt_list [property]       merge_cnt int    ps_mt str
 *
 * pop_mt_list names the property channels in force; portrait_mt_list the properties whose
 * portrait_<property> channel is. portrait_ub, heat and new are in force when mt_topn has them.
 * Methods unknown here (review, photo, …) are kept as they are and written back.
 */
#ifndef MQ_REC_RECALL_CONFIG_H
#define MQ_REC_RECALL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"
#include "rec/channel.h"

#define MQ_RECALL_TOPN_MAX 10000
#define MQ_RECALL_MERGE_MAX 10000
#define MQ_RECALL_METHODS_MAX 64
#define MQ_RECALL_NAME_MAX 64

/** What the configuration says of one method. */
struct mq_recall_method {
    char name[MQ_RECALL_NAME_MAX];
    int channel;      /**< enum mq_channel, -1: not one of ours */
    bool has_topn;    /**< in mt_topn */
    int32_t topn;     /**< items taken of each list */
    bool by_position; /**< in pos_weights: score = (len-1-pos)·w + b; else the list's own score */
    double w, b;
    bool has_weight; /**< in mt_weights */
    double weight;   /**< 1 where not */
};

struct mq_recall_config {
    struct mq_recall_method method[MQ_RECALL_METHODS_MAX];
    int32_t method_count;
    int32_t order[MQ_CHANNEL_COUNT]; /**< methods in force, by their order of work: indices */
    int32_t order_count;
    int32_t merge_cnt; /**< candidates kept of a user */
    char ps_mt[MQ_RECALL_NAME_MAX];
};

/** The defaults (docs/decisions/recall-defaults.md). */
void mq_recall_config_default(struct mq_recall_config *ret_config);

/** Method of a channel, or NULL. */
const struct mq_recall_method *mq_recall_config_method(const struct mq_recall_config *config,
                                                       enum mq_channel channel);

/** Set a channel's weight (adds it to mt_weights). */
void mq_recall_config_set_weight(struct mq_recall_config *config, enum mq_channel channel,
                                 double weight);

/**
 * @return MQ_OK | MQ_E_FORMAT (not such a dict) | MQ_E_RANGE (topn, merge_cnt or a weight outside
 *         its range; names the key)
 */
enum mq_status mq_recall_config_read(struct mq_reader *reader, struct mq_recall_config *ret_config,
                                     struct mq_error *err);

/** Does not commit the writer. */
enum mq_status mq_recall_config_write(const struct mq_recall_config *config,
                                      struct mq_writer *writer, struct mq_error *err);

#endif
