/**
 * Adviser: recommendations for one user at a time, with words: what `marquee recommend`, `explain`,
 * `similar` and `portrait` print and the public API returns. Loads a snapshot of a region once,
 * then answers from it; a user's plays are fetched from action.parquet when asked about.
 *
 * Answers are JSON documents, described at each function. In all of them
 *   "missing": [{"artifact", "uri", "step", "command"}, …]
 * says what the store lacks and the answer is made without (a silent channel, probabilities of 0,
 * default settings), and the command that makes it; and "registered" in those about a user is false
 * where the store knows no such user at all.
 * Threads: one adviser, one thread.
 */
#ifndef MQ_FLOW_ADVISER_H
#define MQ_FLOW_ADVISER_H

#include <jansson.h>

#include "base/pool.h"
#include "rec/explain.h"
#include "rec/snapshot.h"

struct mq_adviser;

/**
 * Load what recommending needs. Models, vectors, lists and settings that the store lacks are left
 * out and named in every answer ("missing"); the catalogue must be there, and for answers about a
 * user the actions.
 * @param store,region,config borrowed, must outlive the adviser
 * @param pool for loading; may be NULL
 * @return MQ_OK | MQ_E_INPUT (no catalogue: says which step makes it) | MQ_E_FORMAT | store's
 */
enum mq_status mq_adviser_open(struct mq_object_store *store, const char *region,
                               const struct mq_config *config, struct mq_pool *pool,
                               struct mq_adviser **ret_adviser, struct mq_error *err);
/** NULL allowed. */
void mq_adviser_close(struct mq_adviser *adviser);

/** The snapshot that answers come from. Borrowed. */
const struct mq_snapshot *mq_adviser_snapshot(const struct mq_adviser *adviser);

/* Blanks at the ends of a user's or an item's id are no part of it, as in imports and steps. */

/**
 * A user's list.
 *   {"user": id, "type": "movie", "known": bool, "plays": n, "items": [{"item": id, "title": …,
 *    "year": n, "kind": "recommend"|"diversity", "score": x, "channel": name, "recall_score": x,
 *    "recall_position": n, "probability": x, "rank_position": n, "trace": …, "reason": …}, …]}
 * A user of whom nothing is known gets what is hot and new; "known" is then false.
 *
 * @param n entries at most
 * @param reasons whether to add "reason"
 * @param ret_document owned
 */
enum mq_status mq_adviser_recommend(struct mq_adviser *adviser, const char *user,
                                    enum mq_program_type type, int n, bool reasons,
                                    enum mq_language language, json_t **ret_document,
                                    struct mq_error *err);

/**
 * Why an item is in a user's list, or which stage dropped it.
 *   {"user", "item", "title", "type", "verdict": "listed"|…, "reason", "detail": [lines],
 *    "places": [{"channel", "value", "position", "length", "takes"}], "recall_score", "cut_score",
 *    "probability", "score", "because_of": title or null}
 * @return MQ_OK | MQ_E_NOT_FOUND (no such item)
 */
enum mq_status mq_adviser_explain(struct mq_adviser *adviser, const char *user, const char *item,
                                  enum mq_language language, json_t **ret_document,
                                  struct mq_error *err);

/**
 * Items nearest to one by its vector (cosine), what may be offered only.
 *   {"item", "title", "items": [{"item", "title", "year", "similarity"}]}
 * @return MQ_OK | MQ_E_NOT_FOUND (no such item) | MQ_E_INPUT (it has no vector yet)
 */
enum mq_status mq_adviser_similar(struct mq_adviser *adviser, const char *item, int n,
                                  json_t **ret_document, struct mq_error *err);

/**
 * A user's portrait, built from the plays.
 *   {"user", "known", "plays", "last_play": instant or null, "has_vector", "properties":
 *    {"category": {"recent": [values], "threshold": x, "values": [{"value", "score"}]}, …}}
 * @param n values of a property at most, best first
 */
enum mq_status mq_adviser_portrait(struct mq_adviser *adviser, const char *user, int n,
                                   json_t **ret_document, struct mq_error *err);

#endif
