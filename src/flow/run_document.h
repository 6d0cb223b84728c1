/**
 * The small JSON objects that runs leave in the store: read and put whole.
 * Threads: reentrant.
 */
#ifndef MQ_FLOW_RUN_DOCUMENT_H
#define MQ_FLOW_RUN_DOCUMENT_H

#include <jansson.h>

#include "store/object_store.h"

/** Longest document in bytes. */
#define MQ_RUN_DOCUMENT_MAX ((size_t)16 << 20)

/**
 * Read one. Its "schema" must be MQ_RUN_SCHEMA or lower.
 * @param ret_document owned; NULL (with MQ_OK) when the object does not exist
 * @return MQ_OK | MQ_E_FORMAT | MQ_E_UNSUPPORTED (a later schema) | store's errors
 */
enum mq_status mq_run_document_read(struct mq_object_store *store, const char *key,
                                    json_t **ret_document, struct mq_error *err);

/** Put one. @param document taken, also on failure; NULL is refused as MQ_E_NOMEM */
enum mq_status mq_run_document_write(struct mq_object_store *store, const char *key,
                                     json_t *document, struct mq_error *err);

#endif
