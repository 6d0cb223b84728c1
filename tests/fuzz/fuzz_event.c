/* Any bytes as a user event; what is taken stays within its bounds, and is taken again. */
#include <stdlib.h>
#include <string.h>

#include "data/event.h"
#include "format/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mq_event_rules rules = {.now_ms = INT64_C(1767225600000),
                                            .age_max_ms = INT64_C(1767225600000),
                                            .ahead_max_ms = 3600000,
                                            .rating_min = 0.5,
                                            .rating_max = 5};

static void
check_text(struct mq_event_text text)
{
    if (text.size > 4096 || !mq_utf8_valid(text.bytes, text.size))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mq_user_event event, again;
    struct mq_event_refusal refusal = {0};
    const char *bytes = (const char *)data;
    enum mq_status st = mq_user_event_parse(bytes, size, &rules, &event, &refusal);
    if (st != MQ_OK) {
        if (refusal.reason[0] == '\0' || refusal.offset > size ||
            memchr(refusal.reason, '\0', sizeof(refusal.reason)) == NULL)
            abort();
        return 0;
    }
    const struct mq_event_text *texts[] = {&event.user_id, &event.movie_id,   &event.source,
                                           &event.trace,   &event.session_id, &event.event_id};
    static const enum mq_event_field fields[] = {
        MQ_EVENT_FIELD_user_id, MQ_EVENT_FIELD_movie_id,   MQ_EVENT_FIELD_source,
        MQ_EVENT_FIELD_trace,   MQ_EVENT_FIELD_session_id, MQ_EVENT_FIELD_event_id};
    for (int i = 0; i < 6; i++)
        if (mq_user_event_has(&event, fields[i]))
            check_text(*texts[i]);
    if (event.begin >= event.end || event.end > size || event.kind >= MQ_EVENT_KINDS ||
        event.end - event.begin > MQ_USER_EVENT_BYTES_MAX)
        abort();
    /* The bytes between begin and end alone are the same event, and so is the start of a list. */
    if (mq_user_event_parse(bytes + event.begin, event.end - event.begin, &rules, &again,
                            &refusal) != MQ_OK ||
        again.present != event.present || again.time_ms != event.time_ms ||
        again.user_id.size != event.user_id.size ||
        memcmp(again.user_id.bytes, event.user_id.bytes, again.user_id.size) != 0)
        abort();
    return 0;
}
