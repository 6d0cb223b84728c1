#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "step/step.h"

/* The counter of this name, made at the end when new; NULL when the report is full. */
static struct mq_step_counter *
find_counter(struct mq_step_report *report, const char *name)
{
    for (int i = 0; i < report->counter_count; i++)
        if (strcmp(report->counters[i].name, name) == 0)
            return &report->counters[i];
    if (report->counter_count == MQ_STEP_COUNTERS_MAX) {
        mq_log_debug("step report is full: '%s' is left out", name);
        return NULL;
    }
    struct mq_step_counter *counter = &report->counters[report->counter_count++];
    memset(counter, 0, sizeof(*counter));
    snprintf(counter->name, sizeof(counter->name), "%s", name);
    return counter;
}

void
mq_step_count(struct mq_step_context *context, const char *name, int64_t value)
{
    if (context->report == NULL)
        return;
    struct mq_step_counter *counter = find_counter(context->report, name);
    if (counter == NULL)
        return;
    counter->value += (double)value;
    counter->integral = true;
}

void
mq_step_figure(struct mq_step_context *context, const char *name, double value)
{
    if (context->report == NULL)
        return;
    struct mq_step_counter *counter = find_counter(context->report, name);
    if (counter == NULL)
        return;
    counter->value = value;
    counter->integral = false;
}

void
mq_step_note(struct mq_step_context *context, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    mq_log_info("%s", line);
    if (context->report == NULL)
        return;
    /* A note that does not fit in memory is only lost for the manifest. */
    if (mq_buffer_append_text(&context->report->notes, line, NULL) == MQ_OK)
        (void)!mq_buffer_append_char(&context->report->notes, '\n', NULL);
}

enum mq_status
mq_step_report_key(const struct mq_step_context *context, const char *name, const char *suffix,
                   char ret_key[MQ_OBJECT_KEY_MAX], struct mq_error *err)
{
    char key[MQ_OBJECT_KEY_MAX];
    int n = snprintf(key, sizeof(key), "%s/runs/%s/%s.%s", context->region,
                     context->run_id != NULL ? context->run_id : "none", name, suffix);
    if (n >= MQ_OBJECT_KEY_MAX)
        return mq_fail(err, MQ_E_RANGE, "region '%.64s…' is too long", context->region);
    memcpy(ret_key, key, sizeof(key));
    return MQ_OK;
}
