#include "format/xml_events.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (64 << 10)

struct mq_xml {
    XML_Parser parser;
    struct mq_reader *reader;
    const struct mq_xml_handlers *handlers;
    void *context;
    struct mq_error *err; /* of the mq_xml_run that is running */
    enum mq_status status;
    int depth;
    long long fed;
    bool paused, last_fed, ended;
};

static const char *
local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

const char *
mq_xml_attribute(const char *const *attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(local_name(attributes[0]), name) == 0)
            return attributes[1];
    }
    return NULL;
}

/* Take a handler's result; whatever expat still calls after a failure is ignored. */
static void
took(struct mq_xml *xml, enum mq_status status)
{
    if (status == MQ_OK || xml->status != MQ_OK)
        return;
    xml->status = status;
    XML_StopParser(xml->parser, XML_FALSE);
}

static void XMLCALL
on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct mq_xml *xml = context;
    if (xml->status != MQ_OK)
        return;
    if (++xml->depth > MQ_XML_DEPTH_MAX)
        took(xml, mq_fail(xml->err, MQ_E_FORMAT, "'%s': elements nest deeper than %d",
                          xml->reader->name, MQ_XML_DEPTH_MAX));
    else if (xml->handlers->start != NULL)
        took(xml, xml->handlers->start(xml->context, local_name(name),
                                       (const char *const *)attributes, xml->err));
}

static void XMLCALL
on_end(void *context, const XML_Char *name)
{
    struct mq_xml *xml = context;
    if (xml->status != MQ_OK)
        return;
    xml->depth--;
    if (xml->handlers->end != NULL)
        took(xml, xml->handlers->end(xml->context, local_name(name), xml->err));
    if (xml->status == MQ_OK && xml->paused)
        XML_StopParser(xml->parser, XML_TRUE);
}

static void XMLCALL
on_text(void *context, const XML_Char *text, int size)
{
    struct mq_xml *xml = context;
    if (xml->status == MQ_OK && xml->handlers->text != NULL)
        took(xml, xml->handlers->text(xml->context, text, (size_t)size, xml->err));
}

static void XMLCALL
on_document_type(void *context, const XML_Char *name, const XML_Char *system_id,
                 const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    struct mq_xml *xml = context;
    took(xml, mq_fail(xml->err, MQ_E_FORMAT, "'%s' has a document type, which is refused",
                      xml->reader->name));
}

enum mq_status
mq_xml_new(struct mq_reader *reader, const struct mq_xml_handlers *handlers, void *context,
           struct mq_xml **ret_xml, struct mq_error *err)
{
    struct mq_xml *xml = calloc(1, sizeof(*xml));
    if (xml == NULL || (xml->parser = XML_ParserCreate(NULL)) == NULL) {
        free(xml);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a parser of '%s'", reader->name);
    }
    xml->reader = reader;
    xml->handlers = handlers;
    xml->context = context;
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_document_type);
    *ret_xml = xml;
    return MQ_OK;
}

void
mq_xml_free(struct mq_xml *xml)
{
    if (xml == NULL)
        return;
    XML_ParserFree(xml->parser);
    free(xml);
}

void
mq_xml_pause(struct mq_xml *xml)
{
    xml->paused = true;
}

/* Read and parse one more piece. */
static enum mq_status
feed(struct mq_xml *xml, enum XML_Status *ret_parsed, struct mq_error *err)
{
    void *piece = XML_GetBuffer(xml->parser, PIECE_BYTES);
    if (piece == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer for '%s'", xml->reader->name);
    size_t got;
    enum mq_status st = mq_reader_some(xml->reader, piece, PIECE_BYTES, &got, err);
    if (st != MQ_OK)
        return st;
    xml->fed += (long long)got;
    xml->last_fed = got < PIECE_BYTES;
    *ret_parsed = XML_ParseBuffer(xml->parser, (int)got, xml->last_fed);
    return MQ_OK;
}

enum mq_status
mq_xml_run(struct mq_xml *xml, bool *ret_ended, struct mq_error *err)
{
    xml->err = err;
    bool resume = xml->paused;
    xml->paused = false;
    while (!xml->ended && xml->status == MQ_OK) {
        enum XML_Status parsed = XML_STATUS_OK;
        if (resume) {
            parsed = XML_ResumeParser(xml->parser);
            resume = false;
        } else if (xml->last_fed) {
            xml->ended = true;
            break;
        } else {
            enum mq_status st = feed(xml, &parsed, err);
            if (st != MQ_OK)
                return xml->status = st;
        }
        if (xml->status != MQ_OK)
            break;
        if (parsed == XML_STATUS_SUSPENDED) {
            *ret_ended = false;
            return MQ_OK;
        }
        if (parsed == XML_STATUS_ERROR)
            xml->status = mq_fail(err, MQ_E_FORMAT, "'%s', line %lu: %s", xml->reader->name,
                                  (unsigned long)XML_GetCurrentLineNumber(xml->parser),
                                  XML_ErrorString(XML_GetErrorCode(xml->parser)));
        else if (!xml->last_fed &&
                 xml->fed - XML_GetCurrentByteIndex(xml->parser) > MQ_XML_TOKEN_MAX)
            xml->status =
                mq_fail(err, MQ_E_FORMAT, "'%s', line %lu: one tag is longer than %ld bytes",
                        xml->reader->name, (unsigned long)XML_GetCurrentLineNumber(xml->parser),
                        MQ_XML_TOKEN_MAX);
    }
    if (xml->status == MQ_OK)
        *ret_ended = true;
    return xml->status;
}
