/**
 * The documents that the RATING steps leave for each other about one hybrid model: candidate.json
 * and evaluation.json. Threads: reentrant.
 */
#ifndef MQ_STEP_HYBRID_DOCUMENT_H
#define MQ_STEP_HYBRID_DOCUMENT_H

#include "format/json.h"
#include "step/step.h"

/** Longest document. */
#define MQ_HYBRID_DOCUMENT_MAX_BYTES ((size_t)16 << 20)

/**
 * Read one.
 * @param ret_document owned (json_decref)
 * @param ret_version  the model it is of, borrowed from the document
 * @return MQ_OK | MQ_E_NOT_FOUND (says which step makes it) | MQ_E_FORMAT (names the artifact)
 */
enum mq_status mq_hybrid_document_read(struct mq_step_context *context, enum mq_artifact artifact,
                                       json_t **ret_document, const char **ret_version,
                                       struct mq_error *err);

#endif
