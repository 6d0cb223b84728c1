/**
 * Answers of the hybrid model as JSON text: what the server sends, and what `marquee recommend
 * --method`, `score`, `similar --method` print with --json, and `lists` for everybody. One writer
 * for both.
 *
 * Ids that are not known are no errors where a list can be given without them.
 * Threads: reentrant, one session a thread. A film is a catalogue row.
 */
#ifndef MQ_FLOW_HYBRID_ANSWERS_H
#define MQ_FLOW_HYBRID_ANSWERS_H

#include "rec/hybrid_reasons.h"

struct mq_answer_options {
    int32_t n, offset; /**< entries, from the offset-th on */
    bool explain;      /**< with reasons, figures and traces */
    enum mq_language language;
    const char *path; /**< of traces: "online", "batch" */
};

/** Ids of films that a request was made with and that are not known: told in its answer. Borrowed.
 */
struct mq_answer_unknown {
    const char **ids; /**< [count] */
    int32_t count;
};

/**
 * A user's list.
 *   {"user", "type", "method", "model", "known": bool, "cold_start": bool, "ratings": n, "offset",
 *    "total", "items": [{"item", "title", "year", "kind": "recommend"|"diversity", "score",
 *      "position",  and with explain: "recall", "quality", "place", "predicted_rating", "reason",
 *      "because": {"method", "item", "title", "likeness", "rating", "people", "films_agreed",
 *      "people_rating"}, "parts": {method: x, …}, "trace"}],
 *    "unknown": [ids]}
 * A film of no known year has none; recall, quality, place and parts are those of recommended films
 * alone, a predicted rating that of films that the model knows; "because" has what the sentence
 * speaks of.
 * @param unknown of what the request named; NULL: none
 * @param out appended to
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_CANCELLED
 */
enum mq_status mq_answer_list(struct mq_hybrid_session *session,
                              const struct mq_hybrid_request *request,
                              const struct mq_answer_options *options,
                              const struct mq_answer_unknown *unknown, struct mq_arena *arena,
                              struct mq_buffer *out, struct mq_error *err);

/**
 * Given films in order, best first.
 *   {"user", "method", "model", "known": bool, "cold_start": bool, "items": [{"item", "title",
 *    "score", "method_score", "predicted_rating", "seen": bool}], "unknown": [ids that the model
 *    does not know]}
 * "score" is final, among these films (mq_hybrid_rank_given); "method_score" the method's own. In a
 * cold start, where the method knows nothing of the user, scores are those for anybody, and
 * "method_score" is null.
 * @param ids [count] films as they were asked for
 * @param unknown other films that the request named; NULL: none
 */
enum mq_status mq_answer_rank(struct mq_hybrid_session *session, const struct mq_rated_user *user,
                              enum mq_method method, const char *const *ids, int32_t count,
                              const struct mq_answer_unknown *unknown, struct mq_arena *arena,
                              struct mq_buffer *out, struct mq_error *err);

/** Methods that compare films. */
#define MQ_SIMILAR_CHOICES "item-based|content|mf|ease|sequence|deep"

/**
 * Films like one: {"item", "title", "method", "model", "items": [{"item", "title", "year",
 * "similarity", "shared_users"}]}. item-based, content: their lists; mf, deep: cosine of vectors;
 * ease, sequence: weights from the film to others. Only films that may be offered.
 * @return MQ_OK | MQ_E_NOT_FOUND (no such film) | MQ_E_UNSUPPORTED (a method that compares no
 * films, or that the model lacks) | MQ_E_NOMEM
 */
enum mq_status mq_answer_similar(const struct mq_snapshot *snapshot, const char *id,
                                 enum mq_method method, int32_t n, struct mq_arena *arena,
                                 struct mq_buffer *out, struct mq_error *err);

/** Users alike: {"user", "model", "known", "neighbours": [{"user", "likeness",
 * "films_in_common"}]}, by ratings where the model predicts them, else by choices.
 * @return MQ_OK | MQ_E_UNSUPPORTED (the model has neither) | MQ_E_NOMEM */
enum mq_status mq_answer_neighbours(struct mq_hybrid_session *session,
                                    const struct mq_rated_user *user, int32_t n,
                                    struct mq_buffer *out, struct mq_error *err);

/** A film: {"item", "title", "year", "type", "description", "categories", "directors", "actors",
 * "languages", "levels", "offered": bool, "barred": why, "model", and of films that the model knows
 * "ratings", "average", "popularity", "quality"}.
 * @return MQ_OK | MQ_E_NOT_FOUND | MQ_E_NOMEM */
enum mq_status mq_answer_item(const struct mq_snapshot *snapshot, const char *id,
                              struct mq_arena *arena, struct mq_buffer *out, struct mq_error *err);

/**
 * One film for one user: {"user", "item", "title", "year", "method", "model", "known",
 * "cold_start", "verdict": "listed"|"diversity"|"seen"|"barred"|"ranked-lower"|"not-known",
 * "barred": why, "position", "score", "reason", "because": {as in a list}, "predicted_rating",
 * "predictors": {name: x, …}, "methods": {method: {"weight", "standard_score", "part"}}}.
 * Position and score are those of films in the list; the methods are those of the hybrid.
 * @return MQ_OK | MQ_E_NOT_FOUND (no such film) | MQ_E_NOMEM
 */
enum mq_status mq_answer_explain(struct mq_hybrid_session *session,
                                 const struct mq_hybrid_request *request, const char *id,
                                 enum mq_language language, struct mq_arena *arena,
                                 struct mq_buffer *out, struct mq_error *err);

#endif
