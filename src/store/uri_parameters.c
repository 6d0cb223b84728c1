#include "store/uri_parameters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/memory.h"

static void
percent_decode(char *text)
{
    char *out = text;
    for (; *text != '\0'; text++) {
        if (*text == '%' && mq_hex_digit(text[1]) >= 0 && mq_hex_digit(text[2]) >= 0) {
            *out++ = (char)(mq_hex_digit(text[1]) * 16 + mq_hex_digit(text[2]));
            text += 2;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
}

enum mq_status
mq_uri_parameters(char *query, mq_uri_parameter_fn fn, void *context, struct mq_error *err)
{
    char *saved = NULL;
    enum mq_status st = MQ_OK;
    for (char *item = query != NULL ? strtok_r(query, "&", &saved) : NULL;
         st == MQ_OK && item != NULL; item = strtok_r(NULL, "&", &saved)) {
        char *equals = strchr(item, '=');
        if (equals == NULL)
            return mq_fail(err, MQ_E_CONFIG, "parameter '%s' has no value", item);
        *equals = '\0';
        percent_decode(equals + 1);
        st = fn(context, item, equals + 1, err);
    }
    return st;
}

enum mq_status
mq_uri_whole_number(const char *name, const char *value, int64_t low, int64_t high,
                    int64_t *ret_number, struct mq_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < low || number > high)
        return mq_fail(err, MQ_E_CONFIG, "%s is '%s' (allowed: %lld to %lld)", name, value,
                       (long long)low, (long long)high);
    *ret_number = number;
    return MQ_OK;
}

enum mq_status
mq_uri_truth(const char *name, const char *value, bool *ret_truth, struct mq_error *err)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *ret_truth = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *ret_truth = false;
    else
        return mq_fail(err, MQ_E_CONFIG, "%s is '%s' (allowed: true or false)", name, value);
    return MQ_OK;
}

enum mq_status
mq_uri_text(char **field, const char *value, struct mq_error *err)
{
    char *copy = mq_strdup(value);
    if (copy == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a store's settings");
    free(*field);
    *field = copy;
    return MQ_OK;
}
