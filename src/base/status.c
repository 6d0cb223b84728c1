#include "marquee/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Text that did not fit ends in an ellipsis, so that a reader knows something is missing. */
static void
mark_cut(char *text, size_t size)
{
    static const char dots[] = "…";
    memcpy(text + size - sizeof(dots), dots, sizeof(dots));
}

__attribute__((format(printf, 3, 0))) static void
format_into(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= size)
        mark_cut(text, size);
}

enum mq_status
mq_failv(struct mq_error *err, enum mq_status code, const char *format, va_list args)
{
    if (err == NULL)
        return code;
    /* An argument may point into err->message itself: format aside, then copy. */
    char text[MQ_ERROR_MESSAGE_MAX];
    format_into(text, sizeof(text), format, args);
    err->code = code;
    err->retriable = false;
    err->hint[0] = '\0';
    memcpy(err->message, text, sizeof(text));
    return code;
}

enum mq_status
mq_fail(struct mq_error *err, enum mq_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mq_failv(err, code, format, args);
    va_end(args);
    return code;
}

enum mq_status
mq_fail_context(struct mq_error *err, enum mq_status code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char context[MQ_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    format_into(context, sizeof(context), format, args);
    va_end(args);
    char text[2 * MQ_ERROR_MESSAGE_MAX];
    int n = snprintf(text, sizeof(text), "%s: %s", context, err->message);
    text[sizeof(err->message) - 1] = '\0';
    if ((size_t)n >= sizeof(err->message))
        mark_cut(text, sizeof(err->message));
    memcpy(err->message, text, strlen(text) + 1);
    return err->code;
}

void
mq_error_hint(struct mq_error *err, const char *format, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, format);
    format_into(err->hint, sizeof(err->hint), format, args);
    va_end(args);
}

enum mq_status
mq_fail_errno(struct mq_error *err, int errnum, const char *format, ...)
{
    enum mq_status code = errnum == ENOENT   ? MQ_E_NOT_FOUND
                          : errnum == ENOMEM ? MQ_E_NOMEM
                          : errnum == EEXIST ? MQ_E_EXISTS
                                             : MQ_E_IO;
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    mq_failv(err, code, format, args);
    va_end(args);
    char context[MQ_ERROR_MESSAGE_MAX];
    memcpy(context, err->message, sizeof(context));
    mq_fail(err, code, "%s: %s", context, strerror(errnum));
    if (errnum == ENOSPC || errnum == EDQUOT)
        mq_error_hint(err, "free some disk space and run the command again; nothing was published");
    else if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
        mq_error_hint(err, "check the owner and mode of the folder, or name another place");
    return code;
}

const char *
mq_status_name(enum mq_status code)
{
    static const char *const names[MQ_STATUS_COUNT] = {
        [MQ_OK] = "ok",
        [MQ_E_NOMEM] = "out-of-memory",
        [MQ_E_IO] = "io",
        [MQ_E_NOT_FOUND] = "not-found",
        [MQ_E_EXISTS] = "exists",
        [MQ_E_CONFLICT] = "conflict",
        [MQ_E_USAGE] = "usage",
        [MQ_E_CONFIG] = "config",
        [MQ_E_FORMAT] = "format",
        [MQ_E_UNSUPPORTED] = "unsupported",
        [MQ_E_RANGE] = "range",
        [MQ_E_INPUT] = "input",
        [MQ_E_UNREACHABLE] = "unreachable",
        [MQ_E_TIMEOUT] = "timeout",
        [MQ_E_DENIED] = "denied",
        [MQ_E_CANCELLED] = "cancelled",
        [MQ_E_INTERNAL] = "internal",
    };
    if ((unsigned)code >= MQ_STATUS_COUNT)
        return "unknown";
    return names[code];
}

int
mq_status_exit_code(enum mq_status code)
{
    switch (code) {
    case MQ_OK:
        return 0;
    case MQ_E_USAGE:
    case MQ_E_CONFIG:
        return 2;
    case MQ_E_FORMAT:
    case MQ_E_UNSUPPORTED:
    case MQ_E_RANGE:
    case MQ_E_INPUT:
        return 3;
    case MQ_E_UNREACHABLE:
    case MQ_E_TIMEOUT:
    case MQ_E_DENIED:
        return 4;
    default:
        return 1;
    }
}
