#include "data/rejected_line.h"

#include <string.h>

#include "format/base64.h"
#include "format/json.h"
#include "format/utf8.h"

enum mq_status
mq_event_line_end(const char *bytes, size_t size, struct mq_buffer *line, struct mq_error *err)
{
    enum mq_status st;
    if (mq_utf8_valid(bytes, size)) {
        st = mq_buffer_append_text(line, ",\"event\":", err);
        if (st == MQ_OK)
            st = mq_json_quote(bytes, size, line, err);
    } else {
        st = mq_buffer_append_text(line, ",\"event_base64\":\"", err);
        if (st == MQ_OK)
            st = mq_base64_encode(bytes, size, line, err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(line, '"', err);
    }
    return st == MQ_OK ? mq_buffer_append_text(line, "}\n", err) : st;
}

enum mq_status
mq_rejected_line_end(const struct mq_event_refusal *refusal, const char *bytes, size_t size,
                     struct mq_buffer *line, struct mq_error *err)
{
    const char *field = mq_event_field_name(refusal->field);
    enum mq_status st = mq_buffer_printf(line, err, ",\"reason\":\"%s\",\"place\":%zu",
                                         mq_event_fault_name(refusal->fault), refusal->offset);
    if (st == MQ_OK && field != NULL)
        st = mq_buffer_printf(line, err, ",\"field\":\"%s\"", field);
    if (st == MQ_OK)
        st = mq_buffer_append_text(line, ",\"message\":", err);
    if (st == MQ_OK)
        st = mq_json_quote(refusal->reason, strlen(refusal->reason), line, err);
    return st == MQ_OK ? mq_event_line_end(bytes, size, line, err) : st;
}
