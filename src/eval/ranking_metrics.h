/**
 * Measures of ranked lists against what a user really played: of one list (hit, recall, precision,
 * NDCG, reciprocal rank, average precision, each at a cut k; diversity) and of all lists together
 * (catalogue coverage, novelty, share of the popular).
 *
 * Measures of one list are means over users when averaged by the caller; with one relevant item a
 * user, hit rate and recall are the same. Threads: reentrant.
 */
#ifndef MQ_EVAL_RANKING_METRICS_H
#define MQ_EVAL_RANKING_METRICS_H

#include <stdint.h>

#include "marquee/status.h"

/** One list and the items that were right. All borrowed; no item twice in either. */
struct mq_judged_list {
    const int32_t *items; /**< [count], best first */
    int32_t count;
    const int32_t *relevant; /**< [relevant_count], in any order */
    int32_t relevant_count;
};

/*
 * For all: only the first min(k, count) items are looked at; 0 where nothing is relevant or k < 1.
 * Results lie in [0, 1]. Cost: O(k · relevant_count).
 */

/** 1 if any relevant item is among the first k, else 0. Mean over users: hit rate (Deshpande and
 * Karypis, "Item-based top-N recommendation algorithms", TOIS 2004, section 6). */
double mq_hit_at(const struct mq_judged_list *list, int32_t k);

/** Relevant among the first k, over all relevant. */
double mq_recall_at(const struct mq_judged_list *list, int32_t k);

/** Relevant among the first k, over k: a list shorter than k is not forgiven. */
double mq_precision_at(const struct mq_judged_list *list, int32_t k);

/**
 * Normalised discounted cumulative gain with gains 0 and 1: place i from 0 counts 1/log2(i+2), over
 * the sum of the best order, min(k, relevant_count) places long (Järvelin and Kekäläinen,
 * "Cumulated gain-based evaluation of IR techniques", TOIS 2002; this discount: Burges et al.,
 * "Learning to rank using gradient descent", ICML 2005).
 */
double mq_ndcg_at(const struct mq_judged_list *list, int32_t k);

/** 1 over the place, from 1, of the first relevant item; 0 without one. Mean over users: MRR
 * (Voorhees, "The TREC-8 question answering track report", 1999). */
double mq_reciprocal_rank_at(const struct mq_judged_list *list, int32_t k);

/**
 * Average precision: mean of the precision at each relevant item found, over
 * min(k, relevant_count). Mean over users: MAP@k (Manning, Raghavan and Schütze, "Introduction to
 * Information Retrieval", 2008, section 8.4, with the cut of TREC-style lists).
 */
double mq_average_precision_at(const struct mq_judged_list *list, int32_t k);

/** Likeness of two items in [0, 1] (or [-1, 1]); called from any thread. */
typedef double (*mq_item_similarity_fn)(const void *context, int32_t a, int32_t b);

/**
 * Intra-list diversity: mean of 1 - similarity over the pairs of the first k items (Ziegler et al.,
 * "Improving recommendation lists through topic diversification", WWW 2005, section 3.4, turned
 * round; Castells, Hurley and Vargas, "Novelty and diversity in recommender systems", 2015).
 * @return NaN where there is no pair
 * Cost: O(k²) calls.
 */
double mq_intra_list_diversity(const int32_t *items, int32_t count, int32_t k,
                               mq_item_similarity_fn similarity, const void *context);

/* -- all lists together; `shown[i]`: how many lists hold item i, none negative -- */

/**
 * Catalogue coverage: share of the items that may be offered which some list holds (Herlocker et
 * al., "Evaluating collaborative filtering recommender systems", TOIS 2004, section 4.1).
 * @param offered [n] nonzero: may be offered; items shown though not offered do not count
 * @return in [0, 1]; 0 where nothing may be offered
 */
double mq_catalogue_coverage(const int64_t *shown, const uint8_t *offered, int32_t n);

/**
 * Self-information of an item's being played, in bits: -log2(p_i), p_i = (plays_i + 1) / (all plays
 * + n), so that an item nobody played is finitely new. Its mean over the entries of lists is their
 * novelty (Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems",
 * PNAS 2010).
 * @param ret_bits double [n]
 */
void mq_self_information(const int64_t *plays, int32_t n, double *ret_bits);

/**
 * The `head` most played items, of equals the lower number first: the "short head", whose share of
 * the entries of lists is their popularity share (Abdollahpouri, Burke and Mobasher, "Managing
 * popularity bias in recommender systems with personalized re-ranking", FLAIRS 2019).
 * @param head above n counts as n
 * @param ret_is_head uint8 [n] 0 or 1
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O(n log n).
 */
enum mq_status mq_short_head(const int64_t *plays, int32_t n, int32_t head, uint8_t *ret_is_head,
                             struct mq_error *err);

/**
 * Items by plays, most played first, of equals the lower number first.
 * @param ret_order int32 [n]
 */
void mq_order_by_plays(const int64_t *plays, int32_t n, int32_t *ret_order);

#endif
