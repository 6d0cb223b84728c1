/**
 * Channel weights: how good each recall channel proved to be, from what was shown and then played.
 *
 * An exposure of channel c at place p is played with probability θ_p·λ_c: places at the top are
 * played more whatever stands there, and the better channels stand at the top, so both are
 * estimated together (Poisson regression with two factors, by alternating λ_c = plays_c / Σ θ_p
 * n_cp and θ_p = plays_p / Σ λ_c n_cp until they rest; λ has mean 1 over the exposures). Then λ is
 * drawn towards 1 by a Gamma(a, a) prior: λ'_c = (plays_c + a) / (expected_c + a), with a chosen by
 * the data, the maximum of the channels' marginal (negative binomial) likelihood.
 *
 * λ' becomes the channel's mt_weight, kept in [lower, upper] and moved by at most the factor
 * 1 + max_step in a run. Fewer expected plays than min_expected leave a weight alone.
 *
 * Threads: reentrant; a tally belongs to one thread at a time.
 */
#ifndef MQ_REC_CHANNEL_WEIGHTS_H
#define MQ_REC_CHANNEL_WEIGHTS_H

#include <stdint.h>

#include "config/options.h"
#include "data/actions.h"
#include "rec/recall_config.h"

/** Places counted one by one; the rest, and unknown places, share the last. */
#define MQ_WEIGHT_PLACES 201

/** Exposures with a trace, and those that were played, by channel and place. */
struct mq_channel_tally {
    int64_t shown[MQ_CHANNEL_COUNT][MQ_WEIGHT_PLACES];
    int64_t played[MQ_CHANNEL_COUNT][MQ_WEIGHT_PLACES];
    int64_t untraced; /**< exposures without a trace of a recall channel */
};

struct mq_channel_weight_options {
    double window_s;     /**< a play within so long after the exposure is its play */
    double min_expected; /**< expected plays below which a weight stays */
    double lower, upper; /**< bounds of a weight */
    double max_step;     /**< largest relative change in a run */
};

/** From weights.* settings. */
void mq_channel_weight_options_read(const struct mq_config *config,
                                    struct mq_channel_weight_options *ret_options);

/** Channel of a trace ("batch_portrait_ub_3|…": portrait_ub), or -1. */
int mq_trace_channel(const char *trace);

/**
 * Add the actions of users [begin, end). An exposure is played when the first play of that item by
 * that user at or after it lies within the window; one play answers the latest exposure before it.
 * Actions must hold exposures and traces.
 */
enum mq_status mq_channel_tally_add(struct mq_channel_tally *tally,
                                    const struct mq_actions *actions, int32_t item_count,
                                    int64_t begin, int64_t end,
                                    const struct mq_channel_weight_options *options,
                                    struct mq_error *err);

/** Sum b into a. */
void mq_channel_tally_merge(struct mq_channel_tally *a, const struct mq_channel_tally *b);

/** What was found of one channel. */
struct mq_channel_evidence {
    int64_t shown, played;
    double expected; /**< plays that an average channel would have had at those places */
    double rate;     /**< λ, plays over expected; 0 where nothing was shown */
    double shrunk;   /**< λ' */
    double before, after;
};

/**
 * New weights from a tally.
 * @param config its weights are replaced
 * @param ret_prior the chosen a; may be NULL
 */
void mq_channel_weights_update(const struct mq_channel_tally *tally,
                               const struct mq_channel_weight_options *options,
                               struct mq_recall_config *config,
                               struct mq_channel_evidence ret_evidence[MQ_CHANNEL_COUNT],
                               double *ret_prior);

#endif
