/**
 * Rerank: how good a film is for anybody, mixed into how well it fits this user.
 *
 *   quality = 0.4 · popularity + 0.6 · average rating            both in [0, 1]
 *   final   = recall · (1 - w) + quality · w                     w in [0, 1]
 *
 * Popularity is what the model counts (ratings, those of today counting most), as its logarithm
 * over that of the most popular film; the average rating is shrunk towards the mean of all, so that
 * one good rating makes no good film, and is taken as its place on the scale. Recall is the score
 * of a method over the user's candidates, brought to [0, 1] (mq_recall_scale).
 *
 * Threads: reentrant.
 */
#ifndef MQ_REC_RERANK_H
#define MQ_REC_RERANK_H

#include <stdint.h>

#define MQ_QUALITY_POPULARITY 0.4
#define MQ_QUALITY_AVERAGE 0.6

/**
 * @param popularity float32 [n], at least 0  @param average float32 [n] ratings, 0…: in their scale
 * @param low,high   of the scale, low < high
 * @param ret_quality float32 [n] in [0, 1]; 0.6 times its average's place for films nobody rated
 */
void mq_quality_compute(int32_t n, const float *popularity, const float *average, float low,
                        float high, float *ret_quality);

/** Scores of candidates to [0, 1] in place: the least becomes 0, the greatest 1; all 1 where they
 * are equal. */
void mq_recall_scale(float *scores, int32_t n);

static inline float
mq_rerank_score(float recall, float quality, float weight)
{
    return recall * (1 - weight) + quality * weight;
}

#endif
