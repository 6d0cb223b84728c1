#include "store/json_object.h"

enum mq_status
mq_object_put_json(struct mq_object_store *store, const char *key, const json_t *document,
                   enum mq_json_form form, size_t limit_bytes, enum mq_put_condition condition,
                   const char *etag, struct mq_object_info *ret_info, struct mq_error *err)
{
    struct mq_buffer text;
    if (document == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the document '%s'", key);
    mq_buffer_init(&text, limit_bytes);
    enum mq_status st = mq_json_dump(document, form, &text, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&text, '\n', err);
    if (st == MQ_OK)
        st = mq_object_put(store, key, text.data, text.size, condition, etag, ret_info, err);
    mq_buffer_release(&text);
    return st;
}
