/**
 * The step table: every step once, with what it reads, what it writes and which options shape its
 * outputs; and the workflows, which are lists of its steps. The dependency graph, the pre-checks,
 * the runner, skipping and the manifests all come from it; no second description exists.
 *
 * Tests run the runner on tables of their own. Threads: static data.
 */
#ifndef MQ_FLOW_STEPS_H
#define MQ_FLOW_STEPS_H

#include "step/step.h"

/** Most steps of a table. */
#define MQ_STEPS_MAX 64
/** Most inputs or outputs of one step, kinds of programme counted singly. */
#define MQ_STEP_ARTIFACTS_MAX 96

/** What a step wants of an input, or promises of an output. */
#define MQ_MAY_MISS (1u << 0) /**< the step works without it; for an output: not always written */
/** An input that is the step's own output of an earlier run (code maps, recall weights). It is not
 * compared for skipping, and the runner keeps a copy while the step runs: a step that died starts
 * again from the same state. */
#define MQ_OWN_STATE (1u << 1)
/** As MQ_OWN_STATE, but what the step makes does not depend on it: no copy is kept. */
#define MQ_OWN_CACHE (1u << 2)

struct mq_step_artifact {
    enum mq_artifact artifact;
    unsigned flags;
};

/** Properties of a step. */
#define MQ_STEP_CLEANS                                                                             \
    (1u << 0)                    /**< cheap upkeep of raw input: every workflow that reads its     \
                                      outputs brings it up to date first */
#define MQ_STEP_SHARDS (1u << 1) /**< works on a share of the users when --shard is given */
#define MQ_STEP_DAILY (1u << 2)  /**< looks at licence windows: runs again on another UTC day */
#define MQ_STEP_DATED (1u << 3)  /**< works on the day that --date names: runs again for another */

struct mq_step_row {
    const char *name; /**< "recall-batch" */
    const char *help; /**< one line */
    mq_step_fn fn;
    const struct mq_step_artifact *inputs;
    int input_count;
    const struct mq_step_artifact *outputs;
    int output_count;
    /** Sections ("recall") and single options ("run.seed") that shape the outputs, parted by
     * blanks; "" for none. A change of one makes the step run again. */
    const char *options;
    /** Raised whenever the same inputs and options would give other bytes. */
    int version;
    unsigned flags;
    /** Refuses settings (MQ_E_CONFIG) before any step of the run starts; NULL: nothing to check. */
    enum mq_status (*check_settings)(const struct mq_config *config, struct mq_error *err);
};

struct mq_workflow {
    const char *name;  /**< "ACTION" */
    const char *alias; /**< "BATCH", or NULL */
    const char *help;
    const char *const *steps; /**< names in order; ends with NULL */
};

struct mq_step_table {
    const struct mq_step_row *rows;
    int row_count;
    const struct mq_workflow *workflows; /**< the first is the default */
    int workflow_count;
};

/** Marquee's own table. */
const struct mq_step_table *mq_step_table(void);

/** Row index by name, or -1. */
int mq_step_find(const struct mq_step_table *table, const char *name);

/** Row index of the step that writes an artifact, or -1: it comes from outside. */
int mq_step_producer(const struct mq_step_table *table, enum mq_artifact artifact);

/** Workflow by name or alias in any case; NULL name: the default; NULL: no such workflow. */
const struct mq_workflow *mq_workflow_find(const struct mq_step_table *table, const char *name);

/** Whether an option ("youtubednn.epochs") shapes the step's outputs. */
bool mq_step_has_option(const struct mq_step_row *row, const char *option);

/** Whether the step reads what `producer` writes (its own state aside). */
bool mq_step_depends(const struct mq_step_row *row, const struct mq_step_row *producer);

/**
 * Check a table: names unique, workflows name steps, every artifact has one producer, no cycle.
 * @return MQ_OK | MQ_E_INTERNAL (which rule is broken, and where)
 */
enum mq_status mq_step_table_check(const struct mq_step_table *table, struct mq_error *err);

#endif
