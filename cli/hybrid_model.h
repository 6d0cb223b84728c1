/**
 * The hybrid model for commands that ask it: recommend, explain and similar --method,
 * lists, score.
 * Threads: main.
 */
#ifndef MQ_CLI_HYBRID_MODEL_H
#define MQ_CLI_HYBRID_MODEL_H

#include "base/arena.h"
#include "cli/command.h"
#include "data/artifact.h"
#include "rec/explain.h"
#include "rec/hybrid_recommend.h"

struct mq_cli_model {
    struct mq_snapshot *snapshot;
    struct mq_hybrid_session *session;
    struct mq_arena arena;
};

/**
 * Load the model that serves (or hybrid.version) from the store of --store.
 * @return MQ_OK | MQ_E_INPUT (no model, or no catalogue: says how to make one) | MQ_E_FORMAT | …
 */
enum mq_status mq_cli_model_open(struct mq_cli *cli, struct mq_cli_model *ret_model,
                                 struct mq_error *err);
void mq_cli_model_close(struct mq_cli_model *model);

/** The method of --method; the flag's choices are MQ_METHOD_CHOICES. Must be given or have a
 * default. @return MQ_OK | MQ_E_INPUT (the model was trained without it) */
enum mq_status mq_cli_method(struct mq_cli *cli, const struct mq_cli_model *model,
                             enum mq_method *ret_method, struct mq_error *err);

/** The type of programmes of --type. */
enum mq_program_type mq_cli_program_type(const struct mq_cli *cli);
/** The language of --language. */
enum mq_language mq_cli_language(const struct mq_cli *cli);

/** `marquee recommend USER --method M`. */
enum mq_status mq_cli_recommend_by_method(struct mq_cli *cli, struct mq_error *err);
/** `marquee explain USER ITEM --method M`. */
enum mq_status mq_cli_explain_by_method(struct mq_cli *cli, struct mq_error *err);
/** `marquee similar ITEM --method M`. */
enum mq_status mq_cli_similar_by_method(struct mq_cli *cli, struct mq_error *err);

/**
 * The nightly job's answer failed with *err: where the store lacks an artifact of that job, but has
 * a hybrid model, hint at the same question to the model too.
 * @param command "recommend": takes the command's positionals and --method
 */
void mq_cli_hint_at_method(struct mq_cli *cli, const char *command, enum mq_artifact artifact,
                           struct mq_error *err);

#endif
