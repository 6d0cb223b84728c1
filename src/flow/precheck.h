/**
 * Before a step starts: is everything it reads there, whole and of a known version?
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_PRECHECK_H
#define MQ_FLOW_PRECHECK_H

#include "flow/artifact_state.h"

/**
 * Check a step's inputs.
 *
 * A required input is missing when no kind of programme has it, or it holds no bytes. The message
 * names the artifact and its place; the hint says which step makes it and the command to run, or
 * how input gets there.
 *
 * @param states of all the step's inputs, with schema versions as their writers recorded them
 * @return MQ_OK | MQ_E_INPUT (missing or empty) | MQ_E_UNSUPPORTED (unknown schema version)
 */
enum mq_status mq_precheck(const struct mq_step_table *table, const struct mq_step_row *row,
                           const struct mq_artifact_states *states, const char *store_uri,
                           struct mq_error *err);

/**
 * Check that a step wrote what it promises.
 * @return MQ_OK | MQ_E_INTERNAL
 */
enum mq_status mq_postcheck(const struct mq_step_row *row, const struct mq_artifact_states *states,
                            const char *store_uri, struct mq_error *err);

#endif
