#include "data/bronze_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

#define TEXT_MAX 2560

void
mq_bronze_findings_init(struct mq_bronze_findings *findings)
{
    *findings = (struct mq_bronze_findings){0};
    pthread_mutex_init(&findings->lock, NULL);
}

void
mq_bronze_findings_release(struct mq_bronze_findings *findings)
{
    for (size_t i = 0; i < findings->kept; i++)
        free(findings->texts[i]);
    free(findings->texts);
    pthread_mutex_destroy(&findings->lock);
    *findings = (struct mq_bronze_findings){0};
}

void
mq_bronze_find(struct mq_bronze_findings *findings, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pthread_mutex_lock(&findings->lock);
    findings->count++;
    char *copy = findings->kept < MQ_BRONZE_FINDINGS_MAX ? mq_strdup(text) : NULL;
    if (copy != NULL && mq_grow(&findings->texts, &findings->capacity, findings->kept + 1,
                                sizeof(*findings->texts), NULL) == MQ_OK)
        findings->texts[findings->kept++] = copy;
    else
        free(copy);
    pthread_mutex_unlock(&findings->lock);
}
