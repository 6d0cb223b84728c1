#include "cli/option_form.h"

#include <inttypes.h>
#include <stdio.h>

const char *
mq_option_form_type(const struct mq_option *option)
{
    static const char *const names[] = {"whole number", "number", "true or false", "text"};
    return names[option->type];
}

void
mq_option_form_range(const struct mq_option *option, char *ret_text, size_t size)
{
    const char *blank = *option->unit != '\0' ? " " : "";
    switch (option->type) {
    case MQ_OPTION_INT:
        if (option->int_max == INT64_MAX)
            snprintf(ret_text, size, "from %" PRId64 "%s%s", option->int_min, blank, option->unit);
        else
            snprintf(ret_text, size, "%" PRId64 " to %" PRId64 "%s%s", option->int_min,
                     option->int_max, blank, option->unit);
        break;
    case MQ_OPTION_REAL:
        snprintf(ret_text, size, "%g to %g%s%s", option->real_min, option->real_max, blank,
                 option->unit);
        break;
    case MQ_OPTION_FLAG:
        snprintf(ret_text, size, "true|false");
        break;
    case MQ_OPTION_TEXT:
        snprintf(ret_text, size, "%s",
                 option->choices != NULL ? option->choices : mq_name_form_text(option->form));
        break;
    }
}

void
mq_option_form_default(const struct mq_option *option, char *ret_text, size_t size)
{
    switch (option->type) {
    case MQ_OPTION_INT:
        snprintf(ret_text, size, "%" PRId64, option->int_default);
        break;
    case MQ_OPTION_REAL:
        snprintf(ret_text, size, "%g", option->real_default);
        break;
    case MQ_OPTION_FLAG:
        snprintf(ret_text, size, "%s", option->int_default != 0 ? "true" : "false");
        break;
    case MQ_OPTION_TEXT:
        snprintf(ret_text, size, "%s", option->text_default);
        break;
    }
}
