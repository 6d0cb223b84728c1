/**
 * JSON written as text, straight into a buffer: for answers of which many are made a second. Commas
 * are put where they belong; that objects and arrays are closed, and keys stand in objects alone,
 * is the caller's.
 *
 * A failure is kept: once there is one, calls do nothing, and mq_json_text_end tells it.
 * Threads: a writer belongs to one thread.
 */
#ifndef MQ_FORMAT_JSON_TEXT_H
#define MQ_FORMAT_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct mq_json_text {
    struct mq_buffer *buffer; /* borrowed */
    bool comma;               /* a value came before in this object or array */
    enum mq_status st;
    struct mq_error *err;
};

/** @param buffer appended to, borrowed  @param err where a failure goes */
void mq_json_text_begin(struct mq_json_text *text, struct mq_buffer *buffer, struct mq_error *err);
/** The first failure. */
enum mq_status mq_json_text_end(const struct mq_json_text *text);

/** @param mark '{' or '[' */
void mq_json_open(struct mq_json_text *text, char mark);
/** @param mark '}' or ']' */
void mq_json_close(struct mq_json_text *text, char mark);
/** @param key plain ASCII without quotes or backslashes */
void mq_json_key(struct mq_json_text *text, const char *key);

/** NULL is null; bytes that are not UTF-8 become U+FFFD. */
void mq_json_string(struct mq_json_text *text, const char *value);
void mq_json_int(struct mq_json_text *text, int64_t value);
/** With so many digits behind the point (0…9), zeros at the end left out; NaN and infinities are
 * null. */
void mq_json_decimal(struct mq_json_text *text, double value, int digits);
void mq_json_bool(struct mq_json_text *text, bool value);
void mq_json_null(struct mq_json_text *text);

/* key and value */
void mq_json_put_string(struct mq_json_text *text, const char *key, const char *value);
void mq_json_put_int(struct mq_json_text *text, const char *key, int64_t value);
void mq_json_put_decimal(struct mq_json_text *text, const char *key, double value, int digits);
void mq_json_put_bool(struct mq_json_text *text, const char *key, bool value);

#endif
