/**
 * Why a film is in a hybrid list: a sentence a viewer would accept, and the figures behind it.
 *
 * The sentence speaks of the method that counted most in the film's score (rec/blended_scores.h),
 * where that has something to show for it, else of the next: a film that the user liked and that
 * the same people chose; one after which many watched this; what both share; people who agree with
 * the user, and how they rate it. What nothing can be shown for is said to be near the user's
 * taste, or, to one who liked nothing yet, how it is rated.
 *
 * A film is never named that the user rated below the middle of the scale. People agree on a film
 * that both rated at most a quarter of the scale apart: one star of five. Only people are counted
 * who agree with the user on three films or more, and on more than half of those both rated.
 *
 * Threads: as the session. Texts live in the caller's arena.
 */
#ifndef MQ_REC_HYBRID_REASONS_H
#define MQ_REC_HYBRID_REASONS_H

#include "rec/hybrid_recommend.h"
#include "rec/reasons.h"

struct mq_hybrid_reason {
    enum mq_reason kind;
    const char *text;            /**< the sentence */
    enum mq_method method;       /**< that it speaks of; what MF, EASE and the deep model found is
                                      shown by people, by films chosen alike and by what came next */
    int32_t seed_row;            /**< catalogue row of the film it names, -1: none */
    float likeness;              /**< of that film and the item; 0: none */
    float seed_rating;           /**< what the user gave it; negative: a play, or no film */
    int32_t people;              /**< whose ratings it speaks of; 0: nobody's */
    int32_t agreed;              /**< films that each of them agrees with the user on, at least */
    float people_rating;         /**< mean of what they gave the item */
    float part[MQ_METHOD_COUNT]; /**< what each method added to the score; 0 in a single method's */
};

/**
 * The reason of an entry of the list that the session made last.
 * @param user the list's; mq_predictor_take must have been called with it on the session's
 * predictor
 * @return MQ_OK | MQ_E_NOMEM
 * Cost: O(ratings of the user · log neighbours); where people are cited, their ratings more.
 */
enum mq_status mq_hybrid_reason(struct mq_hybrid_session *session,
                                const struct mq_hybrid_recommendations *list,
                                const struct mq_rated_user *user,
                                const struct mq_hybrid_recommendation *entry,
                                enum mq_language language, struct mq_arena *arena,
                                struct mq_hybrid_reason *ret_reason, struct mq_error *err);

#endif
