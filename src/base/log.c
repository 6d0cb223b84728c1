#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress.h"

#define LINE_MAX_BYTES 4096

static enum mq_log_level threshold = MQ_LOG_INFO;
static bool as_json;

void
mq_log_configure(enum mq_log_level level, bool json)
{
    threshold = level;
    as_json = json;
}

bool
mq_log_enabled(enum mq_log_level level)
{
    return level <= threshold;
}

static size_t
json_escape(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 7 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20) {
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = '\0';
    return n;
}

static void
write_line(const char *line, int size)
{
    mq_progress_clear_line();
    /* A lost log line must not fail the work. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written;
}

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void
mq_log(enum mq_log_level level, const char *format, ...)
{
    if (!mq_log_enabled(level))
        return;
    char text[LINE_MAX_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    char instant[MQ_INSTANT_SIZE];
    mq_instant_format(mq_clock_now_s(), instant);
    char line[LINE_MAX_BYTES];
    int n;
    if (as_json) {
        char escaped[LINE_MAX_BYTES - 256];
        json_escape(escaped, sizeof(escaped), text);
        n = snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n",
                     instant, level_names[level], escaped);
    } else {
        n = snprintf(line, sizeof(line), "%.8s %-5s %s\n", instant + 11, level_names[level], text);
    }
    write_line(line, n);
}

void
mq_log_record(enum mq_log_level level, const char *message, const char *fields)
{
    if (!mq_log_enabled(level))
        return;
    char instant[MQ_INSTANT_SIZE], line[LINE_MAX_BYTES];
    mq_instant_format(mq_clock_now_s(), instant);
    int n = as_json ? snprintf(line, sizeof(line),
                               "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\",%s}\n",
                               instant, level_names[level], message, fields)
                    : snprintf(line, sizeof(line), "%.8s %-5s %s %s\n", instant + 11,
                               level_names[level], message, fields);
    if (n > 0 && n < LINE_MAX_BYTES)
        write_line(line, n);
}
