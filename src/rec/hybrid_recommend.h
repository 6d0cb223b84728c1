/**
 * A user's list by the hybrid model, or by one of its methods: films in order
 * (rec/hybrid_ranking.h), then the same availability rules, seen films and diversity picks as every
 * list has (rec/filter.h). What the commands `recommend --method` and `lists` and the server answer
 * with.
 *
 * One of whom nothing is known gets a list for anybody, marked as such: what many rate now, no
 * genre twice in a row where another is nearly as good.
 *
 * Threads: reentrant, one session a thread.
 */
#ifndef MQ_REC_HYBRID_RECOMMEND_H
#define MQ_REC_HYBRID_RECOMMEND_H

#include "rec/filter.h"
#include "rec/hybrid_ranking.h"
#include "rec/predicted_ratings.h"

/** Work space of one thread over one snapshot with a hybrid model. */
struct mq_hybrid_session;

/** @param snapshot borrowed, with a hybrid view; must outlive the session
 *  @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_hybrid_session_new(const struct mq_snapshot *snapshot,
                                     struct mq_hybrid_session **ret_session, struct mq_error *err);
/** NULL allowed. */
void mq_hybrid_session_free(struct mq_hybrid_session *session);

struct mq_hybrid_request {
    const struct mq_rated_user *user;
    enum mq_method method;
    enum mq_program_type type;
    const int32_t *excluded; /**< int32 [excluded_count] catalogue rows that are left out, or -1 */
    int32_t excluded_count;
};

/** An entry; scores are 0 for diversity picks. */
struct mq_hybrid_recommendation {
    int32_t row;  /**< of the catalogue */
    int32_t item; /**< of the model; -1: newer than the model (a diversity pick) */
    enum mq_entry_kind kind;
    float raw, recall, quality, score; /**< of rec/hybrid_ranking.h */
    int32_t place;                     /**< by recall alone, from 0 */
    int32_t position;                  /**< in the list, from 0 */
    int32_t category;                  /**< diversity: code of the category picked for; else -1 */
};

/** A list; borrowed from the session until its next use. */
struct mq_hybrid_recommendations {
    enum mq_method method; /**< that made it: MQ_METHOD_POPULAR in a cold start */
    bool cold_start;       /**< the method asked for knows nothing of the user */
    int32_t count;
    const struct mq_hybrid_recommendation *entries;
};

/**
 * Make a list: at most filter.list films and the diversity picks.
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: that of the scores (rec/method_scores.h); some microseconds for the rest.
 */
enum mq_status mq_hybrid_recommend(struct mq_hybrid_session *session,
                                   const struct mq_hybrid_request *request,
                                   struct mq_hybrid_recommendations *ret_list,
                                   struct mq_error *err);

/** The session's ranker and predictor, for scores of given films and for reasons; the predictor
 * has no user until mq_predictor_take. */
struct mq_hybrid_ranker *mq_hybrid_session_ranker(struct mq_hybrid_session *session);
struct mq_predictor *mq_hybrid_session_predictor(struct mq_hybrid_session *session);
const struct mq_snapshot *mq_hybrid_session_snapshot(const struct mq_hybrid_session *session);

/**
 * The entry's trace:
 *   <path>_<method>_<place>|<recall>|<path>_rerank_<position>|<quality>|<path>_recommend_<position>|<score>
 *   <path>_diversity_<n>|<category>
 * @param path "batch" or "online"  @return bytes written without the NUL
 */
size_t mq_hybrid_trace(const struct mq_snapshot *snapshot,
                       const struct mq_hybrid_recommendation *entry, enum mq_method method,
                       const char *path, char ret_trace[MQ_TRACE_MAX]);

#endif
