/**
 * Whether a step has to run: its inputs, options, code and outputs against its last good run.
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_DECISION_H
#define MQ_FLOW_DECISION_H

#include "flow/manifest.h"

struct mq_decision {
    bool run;
    char reason[1536]; /**< "item.parquet changed", "nothing changed since run …" */
};

/**
 * Decide from the states of inputs and outputs.
 *
 * The step runs when it never ran to its end, its code's version or one of its options changed, an
 * input's content changed, appeared or vanished (its own state aside), or an output is missing or
 * not what it wrote.
 *
 * @param record  of the last good run
 * @param died    whether a run died in this step since
 * @param options of now (mq_step_options)
 * @param shared  the outputs are written by other shards too: they must be there, not be the same

 */
void mq_decide(const struct mq_step_row *row, const struct mq_step_record *record, bool died,
               const json_t *options, const struct mq_artifact_states *inputs,
               const struct mq_artifact_states *outputs, bool shared,
               struct mq_decision *ret_decision);

#endif
