#include "flow/run_document.h"

#include <stdio.h>

#include "flow/step_record.h"
#include "format/json.h"

enum mq_status
mq_run_document_read(struct mq_object_store *store, const char *key, json_t **ret_document,
                     struct mq_error *err)
{
    struct mq_buffer text = {0};
    mq_buffer_init(&text, MQ_RUN_DOCUMENT_MAX);
    struct mq_error error = {0};
    enum mq_status st = mq_object_get(store, key, &text, &error);
    if (st == MQ_E_NOT_FOUND) {
        mq_buffer_release(&text);
        *ret_document = NULL;
        return MQ_OK;
    }
    json_t *document = NULL;
    char name[MQ_OBJECT_KEY_MAX + 256]; /* for the message: cut if longer */
    snprintf(name, sizeof(name), "%s/%s", mq_object_store_uri(store), key);
    if (st == MQ_OK)
        st = mq_json_parse(text.data != NULL ? text.data : "", text.size, name, &document, &error);
    mq_buffer_release(&text);
    if (st == MQ_OK) {
        json_int_t schema = json_integer_value(json_object_get(document, "schema"));
        if (schema < 1 || schema > MQ_RUN_SCHEMA) {
            st = mq_fail(&error, MQ_E_UNSUPPORTED,
                         "cannot read '%s/%s': it has schema version %lld, and this Marquee reads "
                         "up to %d",
                         mq_object_store_uri(store), key, (long long)schema, MQ_RUN_SCHEMA);
            mq_error_hint(&error, "use the version of Marquee that wrote it, or a later one");
            json_decref(document);
        }
    }
    if (st == MQ_OK)
        *ret_document = document;
    else if (err != NULL)
        *err = error;
    return st;
}

enum mq_status
mq_run_document_write(struct mq_object_store *store, const char *key, json_t *document,
                      struct mq_error *err)
{
    if (document == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate '%s'", key);
    struct mq_buffer text = {0};
    enum mq_status st = mq_json_dump(document, MQ_JSON_INDENTED, &text, err);
    json_decref(document);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    if (st == MQ_OK)
        st = mq_object_put(store, key, text.data, text.size, MQ_PUT_ALWAYS, NULL, NULL, err);
    mq_buffer_release(&text);
    return st;
}
