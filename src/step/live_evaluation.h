/**
 * The live model's own evaluation, which step deploy kept beside it (docs/formats/
 * hybrid-deployment.md): what a candidate is held against where the live model has seen what is
 * held out. It can be compared where both were measured in the same way: split, what is ranked,
 * what is relevant. Threads: reentrant.
 */
#ifndef MQ_STEP_LIVE_EVALUATION_H
#define MQ_STEP_LIVE_EVALUATION_H

#include "eval/quality_gate.h"
#include "format/json.h"
#include "step/step.h"

/** Zero-initialise; then mq_live_evaluation_release. */
struct mq_live_evaluation {
    json_t *document; /**< owned; NULL: nothing that can be compared */
    const json_t *figures;
    const char *data;
    char nothing[160]; /**< why nothing can be compared; "" where `figures` are set */
};

void mq_live_evaluation_release(struct mq_live_evaluation *live);

/**
 * How the settings have an evaluation measured: {"split", "share", "among", …}. What does not
 * matter for the split chosen is left out. Owned (json_decref); NULL: no memory.
 */
json_t *mq_evaluation_method(const struct mq_config *config);

/**
 * Read it.
 * @param version  of the live model
 * @param method   of mq_evaluation_method
 * @param protocol the sentence that says the same; of records that have no method
 * @return MQ_OK (also where there is none, or a damaged one: says why) | errors of the store
 */
enum mq_status mq_live_evaluation_read(struct mq_step_context *context, const char *version,
                                       const json_t *method, const char *protocol,
                                       struct mq_live_evaluation *ret_live, struct mq_error *err);

#endif
