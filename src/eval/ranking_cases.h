/**
 * Cases of a ranking evaluation: a user, the items that are right, and, where not all items are
 * ranked, the candidates among which they are looked for.
 *
 * From a split a user with relevant test ratings is one case. From lists made elsewhere each list
 * is one. Candidates stand in an order drawn by the seed, and scores that are equal are ranked in
 * that order: neither the right item nor the popular one (whose code is low) has an advantage.
 */
#ifndef MQ_EVAL_RANKING_CASES_H
#define MQ_EVAL_RANKING_CASES_H

#include <stdint.h>

#include "data/rating_matrix.h"
#include "eval/rating_splits.h"

/** Most candidates drawn for a case. */
#define MQ_NEGATIVES_MAX 100000

/** Zero-initialise; then mq_ranking_cases_release. */
struct mq_ranking_cases {
    int64_t count;
    int32_t *user;             /**< [count] */
    int64_t *relevant_offset;  /**< [count+1] */
    int32_t *relevant;         /**< items, ascending within a case; at least one */
    int64_t *candidate_offset; /**< [count+1]; NULL: all items are ranked */
    int32_t *candidate;        /**< items, each once within a case, the relevant among them */
    int64_t eligible;          /**< cases before sampling */
};

/** Candidate lists made elsewhere. Zero-initialise; then mq_candidate_lists_release. */
struct mq_candidate_lists {
    int64_t count;
    int32_t *user;   /**< [count] */
    int32_t *target; /**< [count] the right item; -1: the user's relevant test ratings */
    int64_t *offset; /**< [count+1] */
    int32_t *item;   /**< may repeat */
};

struct mq_ranking_cases_options {
    float relevant_at_least; /**< lower test ratings are not relevant; 0: all are */
    int64_t cases_max;       /**< at most so many, drawn without replacement; 0: all */
    uint64_t seed;
};

/**
 * One case a user, all items to be ranked.
 * @param marks uint8 [matrix->count]  @param part MQ_SPLIT_TEST or MQ_SPLIT_VALIDATION
 * @return MQ_OK (also without a case) | MQ_E_NOMEM
 * Threads: reentrant.  Cost: O(ratings).
 */
enum mq_status mq_ranking_cases_from_split(const struct mq_rating_matrix *matrix,
                                           const uint8_t *marks, unsigned part,
                                           const struct mq_ranking_cases_options *options,
                                           struct mq_ranking_cases *ret_cases,
                                           struct mq_error *err);

/**
 * Candidates for all cases: the relevant items and `negatives` others that the user has not rated
 * in any part, drawn evenly without replacement; all of them where there are fewer (the protocol of
 * He et al., "Neural collaborative filtering", WWW 2017, section 4.1, with 99). A user's draw does
 * not depend on other users. On figures of sampled candidates see Krichene and Rendle, "On sampled
 * metrics for item recommendation", KDD 2020.
 *
 * @param cases without candidates; receives them
 * @return MQ_OK | MQ_E_RANGE (negatives) | MQ_E_NOMEM
 * Cost: O(cases · (negatives log negatives + a user's ratings)).
 */
enum mq_status mq_ranking_cases_sample(struct mq_ranking_cases *cases,
                                       const struct mq_rating_matrix *matrix, int32_t negatives,
                                       uint64_t seed, struct mq_error *err);

/**
 * Candidates for all cases: those of some items that the user has not rated in any part, and the
 * relevant ones. With the items of mq_split_items: new films among new films.
 * @param cases without candidates; receives them
 * @param among uint8 [matrix->item_count] 0: no candidate
 * @return MQ_OK | MQ_E_NOMEM
 * Cost and memory: O(cases · items among).
 */
enum mq_status mq_ranking_cases_among(struct mq_ranking_cases *cases,
                                      const struct mq_rating_matrix *matrix, const uint8_t *among,
                                      uint64_t seed, struct mq_error *err);

/**
 * One case a list; lists without a relevant item are left out. Repeated candidates count once.
 * cases_max is as above.
 * @return MQ_OK | MQ_E_RANGE (a code) | MQ_E_NOMEM
 */
enum mq_status mq_ranking_cases_from_lists(const struct mq_rating_matrix *matrix,
                                           const uint8_t *marks,
                                           const struct mq_candidate_lists *lists,
                                           const struct mq_ranking_cases_options *options,
                                           struct mq_ranking_cases *ret_cases,
                                           struct mq_error *err);

void mq_ranking_cases_release(struct mq_ranking_cases *cases);
void mq_candidate_lists_release(struct mq_candidate_lists *lists);

#endif
