/**
 * JSON: jansson, wrapped once, with limits and errors that name line and column, and one canonical
 * form to write.
 *
 * jansson's traps, handled here: it recurses (limit 2048 levels there, MQ_JSON_DEPTH_MAX here), it
 * refuses integers beyond int64 and NUL in text, a repeated key silently wins (refused here), it
 * prints reals with 17 digits (the shortest here), and NaN has no JSON form (written as null).
 * Values are jansson's own (`json_t`, reference-counted: json_decref, or mq_autojson).
 * Threads: a value belongs to one thread at a time.
 */
#ifndef MQ_FORMAT_JSON_H
#define MQ_FORMAT_JSON_H

#include <jansson.h>

#include "base/stream.h"

/** Default and largest bytes of a document. */
#define MQ_JSON_SIZE_MAX ((size_t)256 << 20)
/** Nesting of arrays and objects. */
#define MQ_JSON_DEPTH_MAX 128

/** Release on scope exit: `mq_autojson json_t *root = NULL;` */
#define mq_autojson __attribute__((cleanup(mq_json_cleanup)))

static inline void
mq_json_cleanup(json_t **value)
{
    json_decref(*value);
}

/**
 * Parse one document (any JSON value) from memory.
 * @param name of the source, for messages
 * @param ret_value owned (json_decref)
 * @return MQ_OK | MQ_E_FORMAT ("line 3, column 7: …") | MQ_E_RANGE (too large or too deep)
 */
enum mq_status mq_json_parse(const char *text, size_t size, const char *name, json_t **ret_value,
                             struct mq_error *err);

/** Read and parse all of a stream. @param limit_bytes 0: MQ_JSON_SIZE_MAX */
enum mq_status mq_json_read(struct mq_reader *reader, size_t limit_bytes, json_t **ret_value,
                            struct mq_error *err);

/** mq_json_read of a local file. */
enum mq_status mq_json_read_file(const char *path, json_t **ret_value, struct mq_error *err);

enum mq_json_form {
    MQ_JSON_COMPACT = 0, /**< no white space, keys in insertion order */
    MQ_JSON_CANONICAL,   /**< no white space, keys in byte order: equal values, equal bytes */
    MQ_JSON_INDENTED     /**< two blanks a level, keys in insertion order */
};

/** Append a value's text (no final newline). @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (too deep) */
enum mq_status mq_json_dump(const json_t *value, enum mq_json_form form, struct mq_buffer *buffer,
                            struct mq_error *err);

/** Append a JSON string literal, quotes included; bytes that are not UTF-8 become U+FFFD. */
enum mq_status mq_json_quote(const char *text, size_t size, struct mq_buffer *buffer,
                             struct mq_error *err);

/** Append the shortest decimal that reads back as the same double; null for NaN and infinities. */
enum mq_status mq_json_real(double value, struct mq_buffer *buffer, struct mq_error *err);

/** Members of an object that must be there; messages name key and expected type. */
enum mq_status mq_json_need_text(const json_t *object, const char *key, const char **ret_text,
                                 struct mq_error *err);
enum mq_status mq_json_need_int(const json_t *object, const char *key, int64_t *ret_int,
                                struct mq_error *err);
/** Accepts integers too. */
enum mq_status mq_json_need_real(const json_t *object, const char *key, double *ret_real,
                                 struct mq_error *err);

#endif
