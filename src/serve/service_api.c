/* What orchestrators and monitors ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "serve/api_parts.h"
#include "serve/service_answers.h"

#define JSON_TYPE "application/json"

static void
answer_text(struct mq_http_request *request, int status, const char *type, const char *text)
{
    mq_http_answer(request, status, type, mq_strdup(text), strlen(text));
}

void
mq_api_health(struct mq_http_request *request, void *api)
{
    (void)api;
    mq_answer_health(request);
}

void
mq_api_ready(struct mq_http_request *request, void *context)
{
    struct mq_api *api = context;
    char reason[MQ_ERROR_MESSAGE_MAX];
    if (atomic_load(&api->stopping))
        mq_http_answer_error(request, 503, "stopping", "the server is stopping");
    else if (!mq_intake_is_ready(api->intake, reason, sizeof(reason)))
        mq_http_answer_error(request, 503, "not-ready", "event log: %s", reason);
    else
        answer_text(request, 200, JSON_TYPE, "{\"status\":\"ready\"}\n");
}

void
mq_api_metrics(struct mq_http_request *request, void *context)
{
    const struct mq_api *api = context;
    mq_answer_metrics(request, api->metrics);
}

void
mq_api_openapi(struct mq_http_request *request, void *context)
{
    struct mq_api *api = context;
    answer_text(request, 200, JSON_TYPE, api->description);
}
