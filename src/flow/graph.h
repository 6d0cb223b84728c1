/**
 * The dependency graph that the step table spells out: what to run for a workflow, and pictures.
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_GRAPH_H
#define MQ_FLOW_GRAPH_H

#include <jansson.h>

#include "base/buffer.h"
#include "flow/steps.h"

/** One step of a plan. */
struct mq_planned_step {
    int row;             /**< in the table */
    int needed_by;       /**< row that needs its output, when it was pulled in; else -1 */
    int needed_artifact; /**< enum mq_artifact that is missing, when pulled in; else -1 */
};

struct mq_plan {
    struct mq_planned_step steps[MQ_STEPS_MAX];
    int count;
};

/** Whether an artifact is there (any kind of programme). */
typedef enum mq_status (*mq_plan_exists_fn)(void *context, enum mq_artifact artifact,
                                            bool *ret_exists, struct mq_error *err);

/**
 * Order steps for a run: the wanted ones in their order, each after the producers it waits for.
 * A producer that is not wanted is pulled in where its output is missing, or where it cleans
 * (MQ_STEP_CLEANS); with pull false nothing is pulled in.
 *
 * @param wanted rows of the table, `count` of them
 * @return MQ_OK | a failure of `exists`
 */
enum mq_status mq_plan_make(const struct mq_step_table *table, const int *wanted, int count,
                            bool pull, mq_plan_exists_fn exists, void *context,
                            struct mq_plan *ret_plan, struct mq_error *err);

/** Position of a row in the plan, or -1. */
int mq_plan_find(const struct mq_plan *plan, int row);

enum mq_graph_format { MQ_GRAPH_TEXT, MQ_GRAPH_DOT, MQ_GRAPH_MERMAID };

/**
 * Draw steps and artifacts. Text is one paragraph a step; dot is Graphviz; mermaid is what code
 * hosts draw in Markdown.
 * @param workflow only its steps; NULL: all
 */
enum mq_status mq_graph_draw(const struct mq_step_table *table, const struct mq_workflow *workflow,
                             enum mq_graph_format format, struct mq_buffer *buffer,
                             struct mq_error *err);

/**
 * The same as data: {"nodes": [{"id", "kind": "step"|"artifact", "path" (artifacts), "help"}, …],
 * "edges": [{"from": id, "to": id, "optional": bool, "own": bool}, …]}. An edge leads from an
 * artifact to the step that reads it, or from a step to the artifact it writes; "own" marks state
 * that a step reads back from its run before.
 * @return owned; NULL when out of memory
 */
json_t *mq_graph_json(const struct mq_step_table *table, const struct mq_workflow *workflow);

#endif
