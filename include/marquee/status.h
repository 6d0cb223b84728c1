/**
 * Status codes and the error record that every fallible function of Marquee reports through.
 *
 * Convention: a fallible function returns `enum mq_status`; its last parameter is
 * `struct mq_error *err`, which may be NULL. The record is written only on failure, and outputs
 * (parameters named `ret_x`) are untouched on failure.
 *
 * Threads: an error record belongs to one thread at a time; all functions are reentrant.
 */
#ifndef MARQUEE_STATUS_H
#define MARQUEE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What went wrong, coarse enough to act on. The text for people is in mq_error. */
enum mq_status {
    MQ_OK = 0,
    MQ_E_NOMEM,       /**< allocation failed, or a stated memory limit would be passed */
    MQ_E_IO,          /**< the operating system refused a read or write (disk full, permission) */
    MQ_E_NOT_FOUND,   /**< the named thing does not exist */
    MQ_E_EXISTS,      /**< put-if-absent met an existing object */
    MQ_E_CONFLICT,    /**< a condition did not hold: version, ETag, lock held by another */
    MQ_E_USAGE,       /**< wrong command line or wrong API use */
    MQ_E_CONFIG,      /**< a setting is unknown or outside its range */
    MQ_E_FORMAT,      /**< bytes from outside are malformed, truncated or hostile */
    MQ_E_UNSUPPORTED, /**< well formed, but of a kind or version that is not read here */
    MQ_E_RANGE,       /**< a value lies outside its allowed range */
    MQ_E_INPUT,       /**< input data refused as a whole (too many bad lines, empty) */
    MQ_E_UNREACHABLE, /**< a store or broker did not answer */
    MQ_E_TIMEOUT,     /**< a deadline passed */
    MQ_E_DENIED,      /**< credentials missing, wrong or insufficient */
    MQ_E_CANCELLED,   /**< stopped on request (signal) */
    MQ_E_INTERNAL,    /**< a broken invariant of Marquee itself: a bug */
    MQ_STATUS_COUNT
};

/** Longest message and hint, terminating NUL included; longer text is cut with "…". */
#define MQ_ERROR_MESSAGE_MAX 1024
#define MQ_ERROR_HINT_MAX 512

/** One failure, for a person: what was tried, on what, why it failed; and the next step. */
struct mq_error {
    enum mq_status code;
    bool retriable;                     /**< the same call may succeed later */
    char message[MQ_ERROR_MESSAGE_MAX]; /**< no trailing newline */
    char hint[MQ_ERROR_HINT_MAX];       /**< the next step, or "" */
};

/**
 * Record a failure and return its code, so that callers write `return mq_fail(err, …)`.
 * Clears the hint and the retriable flag.
 *
 * @param err  may be NULL (only the code is returned then)
 * @param code not MQ_OK
 */
enum mq_status mq_fail(struct mq_error *err, enum mq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Like mq_fail with a va_list. */
enum mq_status mq_failv(struct mq_error *err, enum mq_status code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/**
 * Put context before an existing message: "<context>: <message>". Keeps code, hint and flag.
 * @return err->code, or `code` when err is NULL.
 */
enum mq_status mq_fail_context(struct mq_error *err, enum mq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Set the next step a person should take. No-op when err is NULL. */
void mq_error_hint(struct mq_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Record errno as a failure: "<context>: <strerror>". ENOSPC, EACCES, ENOENT get a fitting hint.
 */
enum mq_status mq_fail_errno(struct mq_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Short lower-case name of a status ("not-found"), never NULL. */
const char *mq_status_name(enum mq_status code);

/** Process exit status for a status: 0 done, 1 failed, 2 wrong use, 3 input refused, 4 store. */
int mq_status_exit_code(enum mq_status code);

#ifdef __cplusplus
}
#endif
#endif
