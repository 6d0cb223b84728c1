/**
 * XML as events, from a stream: expat, wrapped once.
 *
 * Traps of expat, handled here: a document type may define entities that expand without end or name
 * files (refused as such); a handler may still be called after the parser was stopped; one token
 * that never ends (an attribute, a comment) is scanned again with every buffer (refused above
 * MQ_XML_TOKEN_MAX); nesting has no limit (MQ_XML_DEPTH_MAX here). Names come without their
 * namespace prefix. Text may come in pieces. Threads: one parser, one thread at a time.
 */
#ifndef MQ_FORMAT_XML_EVENTS_H
#define MQ_FORMAT_XML_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/stream.h"
#include "marquee/status.h"

#define MQ_XML_TOKEN_MAX ((long)1 << 20)
#define MQ_XML_DEPTH_MAX 64

/** Any may be NULL. A status other than MQ_OK ends parsing and is what mq_xml_run returns. */
struct mq_xml_handlers {
    /** @param attributes name, value, name, value, …, NULL; see mq_xml_attribute */
    enum mq_status (*start)(void *context, const char *name, const char *const *attributes,
                            struct mq_error *err);
    enum mq_status (*end)(void *context, const char *name, struct mq_error *err);
    enum mq_status (*text)(void *context, const char *text, size_t size, struct mq_error *err);
};

struct mq_xml;

/** @param reader borrowed until mq_xml_free  @param handlers borrowed, as is context */
enum mq_status mq_xml_new(struct mq_reader *reader, const struct mq_xml_handlers *handlers,
                          void *context, struct mq_xml **ret_xml, struct mq_error *err);
/** NULL allowed. */
void mq_xml_free(struct mq_xml *xml);

/**
 * Parse on, until a handler pauses or the document ends.
 * @return MQ_OK | MQ_E_FORMAT ("line 3: …") | the failure of a handler or of the source
 */
enum mq_status mq_xml_run(struct mq_xml *xml, bool *ret_ended, struct mq_error *err);

/** From an `end` handler: let mq_xml_run return after this event. */
void mq_xml_pause(struct mq_xml *xml);

/** Value of an attribute by its name without prefix, or NULL. */
const char *mq_xml_attribute(const char *const *attributes, const char *name);

#endif
