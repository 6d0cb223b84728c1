/**
 * Log lines to standard error: "HH:MM:SS level message", or one JSON object a line.
 *
 * Library code logs facts a user wants while watching a run ("index: flat, 3,883 vectors"); it
 * never logs errors, which travel by mq_error and are reported once by the command or server.
 * Threads: reentrant; a line is written whole.
 */
#ifndef MQ_BASE_LOG_H
#define MQ_BASE_LOG_H

#include <stdbool.h>

enum mq_log_level { MQ_LOG_ERROR = 0, MQ_LOG_WARN, MQ_LOG_INFO, MQ_LOG_DEBUG };

/** Level in force (default MQ_LOG_INFO) and form. Set once at start. */
void mq_log_configure(enum mq_log_level level, bool json);

/** Whether a line of this level would be written. */
bool mq_log_enabled(enum mq_log_level level);

void mq_log(enum mq_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * A record with fields. @param message one word or a few  @param fields members of a JSON object,
 * as `"status":202,"ms":1.5`; in the plain form they follow the message as they are
 */
void mq_log_record(enum mq_log_level level, const char *message, const char *fields);

#define mq_log_info(...) mq_log(MQ_LOG_INFO, __VA_ARGS__)
#define mq_log_warn(...) mq_log(MQ_LOG_WARN, __VA_ARGS__)
#define mq_log_debug(...) mq_log(MQ_LOG_DEBUG, __VA_ARGS__)

#endif
