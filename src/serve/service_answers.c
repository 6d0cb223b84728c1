#include "serve/service_answers.h"

#include <string.h>

#include "base/memory.h"

void
mq_answer_metrics(struct mq_http_request *request, struct mq_metrics *metrics)
{
    struct mq_buffer text = {0};
    struct mq_error error = {0};
    if (mq_metrics_text(metrics, &text, &error) != MQ_OK) {
        mq_buffer_release(&text);
        mq_http_answer_error(request, 503, "no-memory", "%s", error.message);
        return;
    }
    size_t size = text.size;
    mq_http_answer(request, 200, MQ_METRICS_CONTENT_TYPE, mq_buffer_take(&text), size);
}

void
mq_answer_health(struct mq_http_request *request)
{
    static const char text[] = "{\"status\":\"ok\"}\n";
    mq_http_answer(request, 200, "application/json", mq_strdup(text), strlen(text));
}
