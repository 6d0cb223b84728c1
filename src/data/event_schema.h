/** The user event's JSON Schema and its page, from the table that the validator uses. */
#ifndef MQ_DATA_EVENT_SCHEMA_H
#define MQ_DATA_EVENT_SCHEMA_H

#include <jansson.h>

#include "base/buffer.h"
#include "marquee/status.h"

/** The schema as a value. @param with_identity its $schema, $id and title too @return owned, NULL:
 * no memory */
json_t *mq_event_schema(bool with_identity);

/** docs/formats/event.schema.json: JSON Schema 2020-12. Appends. */
enum mq_status mq_event_schema_text(struct mq_buffer *buffer, struct mq_error *err);

/** docs/formats/event.md. Appends. */
enum mq_status mq_event_page(struct mq_buffer *buffer, struct mq_error *err);

#endif
