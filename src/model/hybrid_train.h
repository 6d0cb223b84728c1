/**
 * Training of the hybrid's parts from ratings and catalogue: each method on its own, all weighing
 * the same; how they are blended is learned by rec/hybrid_fit.h.
 *
 * Every rating is a choice: for ranking it counts that a film was watched, not how it was liked;
 * for prediction it counts how.
 *
 * Threads: one call at a time per pool. The bytes do not depend on the number of threads.
 */
#ifndef MQ_MODEL_HYBRID_TRAIN_H
#define MQ_MODEL_HYBRID_TRAIN_H

#include "config/options.h"
#include "data/catalogue.h"
#include "model/content_matrix.h"
#include "model/hybrid.h"
#include "model/youtubednn_train.h"

struct mq_hybrid_options {
    unsigned methods;           /**< 1u << enum mq_method of those that are trained */
    bool predict;               /**< the rating predictors too */
    int32_t neighbours;         /**< of a film or user */
    int32_t content_neighbours; /**< of a film, by content */
    double half_life_days;      /**< age at which a rating counts half in popularity */
    double average_prior;       /**< ratings of the mean that a film's average begins with */
    float rating_low, rating_high;
    float recency; /**< as in struct mq_hybrid, 0…MQ_HYBRID_RECENCY_MAX */
    bool literal;  /**< as there; lists of neighbours by ratings are made without `predict`, too */
    float threshold;
    int32_t scale_users; /**< bounds of users' lists and comparisons are those of so many users: of
                              ratings that stand for more; 0: of those that there are */
    struct mq_content_options content;
    struct mq_ials_options ials;
    struct mq_ease_options ease;
    struct mq_slit_options slit;
    struct mq_youtubednn_options deep;
    struct mq_biased_mf_options factors;
};

/**
 * Bits 1u << enum mq_method of names joined by '|'; the popular one always is among them.
 * @param setting its name, for the message @return MQ_OK | MQ_E_CONFIG
 */
enum mq_status mq_methods_parse(const char *text, const char *setting, unsigned *ret_methods,
                                struct mq_error *err);

/** From the settings hybrid.*, youtubednn.*, events.rating_min and rating_max. */
enum mq_status mq_hybrid_options_read(const struct mq_config *config,
                                      struct mq_hybrid_options *ret_options, struct mq_error *err);

/** Seconds that each part took, for the run's report. */
struct mq_hybrid_report {
    double method_s[MQ_METHOD_COUNT];
    double predictors_s;
    bool left_out[MQ_METHOD_COUNT]; /**< asked for, but the catalogue is too large for it */
};

/** Most entries of all lists of one kind, 12 bytes each; but for lists of so many entries or less.
 */
#define MQ_HYBRID_LIST_ENTRIES_MAX (INT64_C(1) << 26)
#define MQ_HYBRID_LIST_LENGTH_MIN 20

/** Neighbours that each of `rows` films or users keeps, of `neighbours` asked for: 1 at least. */
int32_t mq_hybrid_list_length(int32_t neighbours, int32_t rows);

/**
 * @param ratings taken on success; its first items are the catalogue's rows in order
 * @param catalogue for content; NULL: no content
 * @param made_s  the run's instant; ages count from the newest rating
 * @return MQ_OK | MQ_E_INPUT (no ratings) | MQ_E_NOMEM | MQ_E_CANCELLED
 */
enum mq_status mq_hybrid_train(struct mq_rating_matrix *ratings,
                               const struct mq_catalogue *catalogue,
                               const struct mq_hybrid_options *options, int64_t made_s,
                               uint64_t seed, struct mq_pool *pool, struct mq_hybrid **ret_hybrid,
                               struct mq_hybrid_report *ret_report, struct mq_error *err);

#endif
