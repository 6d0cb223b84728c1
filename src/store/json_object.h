/**
 * JSON documents as objects: pointers, records, states. A line feed at the end; published whole.
 * Threads: reentrant.
 */
#ifndef MQ_STORE_JSON_OBJECT_H
#define MQ_STORE_JSON_OBJECT_H

#include "format/json.h"
#include "store/object_store.h"

/**
 * Put a document.
 * @param document    borrowed; NULL: there was no memory to make it
 * @param limit_bytes longest text; 0: MQ_BUFFER_DEFAULT_LIMIT
 * @param condition,etag,ret_info as in mq_object_put
 * @return MQ_OK | MQ_E_NOMEM (also above the limit) | as mq_object_put
 */
enum mq_status mq_object_put_json(struct mq_object_store *store, const char *key,
                                  const json_t *document, enum mq_json_form form,
                                  size_t limit_bytes, enum mq_put_condition condition,
                                  const char *etag, struct mq_object_info *ret_info,
                                  struct mq_error *err);

#endif
