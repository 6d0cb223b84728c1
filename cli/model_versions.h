/**
 * What the commands `marquee models …` share: the models of a region, which one serves, what a
 * version on the command line means, and how a model did when it was evaluated.
 * Threads: the main thread.
 */
#ifndef MQ_CLI_MODEL_VERSIONS_H
#define MQ_CLI_MODEL_VERSIONS_H

#include "cli/command.h"
#include "format/json.h"
#include "model/hybrid_registry.h"

/** Zero-initialise; mq_models_load; then mq_models_release. */
struct mq_models {
    struct mq_object_store *store; /**< borrowed */
    const char *region;            /**< borrowed */
    struct mq_hybrid_list list;    /**< newest first */
    struct mq_hybrid_pointer pointer;
    char previous[MQ_HYBRID_VERSION_SIZE]; /**< "": none */
    json_t *last;                          /**< evaluation of the last candidate; NULL: none */
};

/**
 * Read them. A damaged pointer is warned of, and is as none.
 * @return MQ_OK | errors of the store
 */
enum mq_status mq_models_load(struct mq_models *models, struct mq_cli *cli, struct mq_error *err);
void mq_models_release(struct mq_models *models);

/**
 * The model that a text means: a version or the beginning of one alone.
 * @return MQ_OK | MQ_E_NOT_FOUND (says which there are) | MQ_E_USAGE (several begin so) |
 *         MQ_E_UNSUPPORTED (a newer Marquee made it) | MQ_E_FORMAT (its model.json is damaged)
 */
enum mq_status mq_models_find(const struct mq_models *models, const char *text,
                              const struct mq_hybrid_entry **ret_entry, struct mq_error *err);

/** Versions that can be used here, but one, newest first, at most five: "'a', 'b' and 3 more";
 * "none". */
void mq_models_others(const struct mq_models *models, const char *but, char *ret_text, size_t size);

/**
 * How a model was evaluated: {"version", "live", "report", …} as the step deploy keeps it beside
 * the model, else of the last run. NULL: it was not, or it cannot be read (a warning). Owned.
 */
json_t *mq_models_evaluation(const struct mq_models *models, const char *version);

/** Its figures, {"ndcg_10": {"value", "low", "high"}, …}; NULL: none. Borrowed. */
const json_t *mq_models_figures(const json_t *evaluation);

/** The report's system that was the candidate, which has them. Borrowed, or NULL. */
const json_t *mq_models_candidate(const json_t *evaluation);

/** "serves", "before", "refused" or "". */
const char *mq_models_state(const struct mq_models *models, const char *version,
                            const json_t *evaluation);

/** Whether the quality gate refused it, whatever became of it then. */
bool mq_models_refused(const json_t *evaluation);

/** Names of the methods that a model blends. Owned. */
json_t *mq_models_methods(const json_t *model);

#endif
