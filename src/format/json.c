#include "format/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/number_text.h"
#include "format/utf8.h"

/* Deepest nesting of brackets outside strings, so that the parser's recursion is bounded. */
static int
bracket_depth(const char *text, size_t size)
{
    int depth = 0, deepest = 0;
    bool in_text = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = MQ_MAX(deepest, depth);
            if (deepest > MQ_JSON_DEPTH_MAX)
                break;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return deepest;
}

enum mq_status
mq_json_parse(const char *text, size_t size, const char *name, json_t **ret_value,
              struct mq_error *err)
{
    if (size > MQ_JSON_SIZE_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot parse JSON '%s': %zu bytes (allowed: %zu)", name,
                       size, MQ_JSON_SIZE_MAX);
    if (bracket_depth(text, size) > MQ_JSON_DEPTH_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot parse JSON '%s': nested deeper than %d levels",
                       name, MQ_JSON_DEPTH_MAX);
    json_error_t where;
    json_t *value = json_loadb(text != NULL ? text : "", size,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (value == NULL) {
        enum mq_status code =
            json_error_code(&where) == json_error_out_of_memory ? MQ_E_NOMEM : MQ_E_FORMAT;
        return mq_fail(err, code, "cannot parse JSON '%s': line %d, column %d: %s", name,
                       MQ_MAX(where.line, 1), MQ_MAX(where.column, 0), where.text);
    }
    *ret_value = value;
    return MQ_OK;
}

enum mq_status
mq_json_read(struct mq_reader *reader, size_t limit_bytes, json_t **ret_value, struct mq_error *err)
{
    size_t limit = limit_bytes == 0 ? MQ_JSON_SIZE_MAX : MQ_MIN(limit_bytes, MQ_JSON_SIZE_MAX);
    struct mq_buffer buffer;
    mq_buffer_init(&buffer, limit + ((size_t)1 << 20));
    enum mq_status st = mq_reader_all(reader, limit, &buffer, err);
    if (st == MQ_OK)
        st = mq_json_parse(buffer.data, buffer.size, reader->name, ret_value, err);
    mq_buffer_release(&buffer);
    return st;
}

enum mq_status
mq_json_read_file(const char *path, json_t **ret_value, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_json_read(reader, 0, ret_value, err);
    mq_reader_close(reader);
    return st;
}

/* ---- writing ---------------------------------------------------------------------------- */

enum mq_status
mq_json_quote(const char *text, size_t size, struct mq_buffer *buffer, struct mq_error *err)
{
    static const char short_escape[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    const unsigned char *p = (const unsigned char *)text;
    enum mq_status st = mq_buffer_reserve(buffer, size + 2, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(buffer, '"', err);
    for (size_t i = 0; st == MQ_OK && i < size;) {
        size_t run = i;
        while (run < size && p[run] >= 0x20 && p[run] < 0x80 && p[run] != '"' && p[run] != '\\')
            run++;
        if (run > i) {
            st = mq_buffer_append(buffer, text + i, run - i, err);
            i = run;
            continue;
        }
        unsigned char c = p[i];
        size_t n = mq_utf8_character(text + i, size - i);
        if (c >= 0x80)
            st = n > 0 ? mq_buffer_append(buffer, text + i, n, err)
                       : mq_buffer_append_text(buffer, "\xef\xbf\xbd", err);
        else if (c == '"' || c == '\\')
            st = mq_buffer_append(buffer, (char[]){'\\', (char)c}, 2, err);
        else if (short_escape[c] != 0)
            st = mq_buffer_append(buffer, (char[]){'\\', short_escape[c]}, 2, err);
        else
            st = mq_buffer_printf(buffer, err, "\\u%04x", c);
        i += MQ_MAX(n, (size_t)1);
    }
    return st != MQ_OK ? st : mq_buffer_append_char(buffer, '"', err);
}

enum mq_status
mq_json_real(double value, struct mq_buffer *buffer, struct mq_error *err)
{
    if (!isfinite(value))
        return mq_buffer_append_text(buffer, "null", err);
    char text[MQ_REAL_TEXT_SIZE];
    size_t n = mq_real_text(value, text);
    return mq_buffer_append(buffer, text, n, err);
}

struct dump {
    enum mq_json_form form;
    struct mq_buffer *buffer;
    struct mq_error *err;
};

static enum mq_status dump_value(const struct dump *dump, const json_t *value, int depth);

static enum mq_status
dump_break(const struct dump *dump, int depth)
{
    return dump->form == MQ_JSON_INDENTED
               ? mq_buffer_printf(dump->buffer, dump->err, "\n%*s", depth * 2, "")
               : MQ_OK;
}

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum mq_status
dump_member(const struct dump *dump, const char *key, const json_t *value, bool first, int depth)
{
    enum mq_status st = first ? MQ_OK : mq_buffer_append_char(dump->buffer, ',', dump->err);
    if (st == MQ_OK)
        st = dump_break(dump, depth + 1);
    if (st == MQ_OK && key != NULL &&
        (st = mq_json_quote(key, strlen(key), dump->buffer, dump->err)) == MQ_OK)
        st = mq_buffer_append_text(dump->buffer, dump->form == MQ_JSON_INDENTED ? ": " : ":",
                                   dump->err);
    return st != MQ_OK ? st : dump_value(dump, value, depth + 1);
}

static enum mq_status
dump_object(const struct dump *dump, const json_t *object, int depth)
{
    size_t count = json_object_size(object);
    mq_autofree const char **keys = malloc((count + 1) * sizeof(*keys));
    if (keys == NULL)
        return mq_fail(dump->err, MQ_E_NOMEM, "cannot allocate memory for %zu JSON keys", count);
    size_t n = 0;
    /* jansson's iterators take a mutable object but do not change it. */
    json_t *mutable_object = (json_t *)(uintptr_t)object;
    for (void *it = json_object_iter(mutable_object); it != NULL && n < count;
         it = json_object_iter_next(mutable_object, it))
        keys[n++] = json_object_iter_key(it);
    if (dump->form == MQ_JSON_CANONICAL)
        qsort(keys, n, sizeof(*keys), compare_keys);
    enum mq_status st = mq_buffer_append_char(dump->buffer, '{', dump->err);
    for (size_t i = 0; st == MQ_OK && i < n; i++)
        st = dump_member(dump, keys[i], json_object_get(object, keys[i]), i == 0, depth);
    if (st == MQ_OK && n > 0)
        st = dump_break(dump, depth);
    return st != MQ_OK ? st : mq_buffer_append_char(dump->buffer, '}', dump->err);
}

static enum mq_status
dump_array(const struct dump *dump, const json_t *array, int depth)
{
    size_t count = json_array_size(array);
    enum mq_status st = mq_buffer_append_char(dump->buffer, '[', dump->err);
    for (size_t i = 0; st == MQ_OK && i < count; i++)
        st = dump_member(dump, NULL, json_array_get(array, i), i == 0, depth);
    if (st == MQ_OK && count > 0)
        st = dump_break(dump, depth);
    return st != MQ_OK ? st : mq_buffer_append_char(dump->buffer, ']', dump->err);
}

static enum mq_status
dump_value(const struct dump *dump, const json_t *value, int depth)
{
    if (depth > MQ_JSON_DEPTH_MAX)
        return mq_fail(dump->err, MQ_E_RANGE, "cannot write JSON nested deeper than %d levels",
                       MQ_JSON_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return dump_object(dump, value, depth);
    case JSON_ARRAY:
        return dump_array(dump, value, depth);
    case JSON_STRING:
        return mq_json_quote(json_string_value(value), json_string_length(value), dump->buffer,
                             dump->err);
    case JSON_INTEGER:
        return mq_buffer_printf(dump->buffer, dump->err, "%" JSON_INTEGER_FORMAT,
                                json_integer_value(value));
    case JSON_REAL:
        return mq_json_real(json_real_value(value), dump->buffer, dump->err);
    case JSON_TRUE:
        return mq_buffer_append_text(dump->buffer, "true", dump->err);
    case JSON_FALSE:
        return mq_buffer_append_text(dump->buffer, "false", dump->err);
    case JSON_NULL:
        break;
    }
    return mq_buffer_append_text(dump->buffer, "null", dump->err);
}

enum mq_status
mq_json_dump(const json_t *value, enum mq_json_form form, struct mq_buffer *buffer,
             struct mq_error *err)
{
    struct dump dump = {form, buffer, err};
    return dump_value(&dump, value, 0);
}

/* ---- members ---------------------------------------------------------------------------- */

static const char *
type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "real";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static enum mq_status
refuse_member(const json_t *value, const char *key, const char *due, struct mq_error *err)
{
    if (value == NULL)
        return mq_fail(err, MQ_E_FORMAT, "key '%s' is missing", key);
    return mq_fail(err, MQ_E_FORMAT, "key '%s' is of type %s where %s is due", key,
                   type_name(value), due);
}

enum mq_status
mq_json_need_text(const json_t *object, const char *key, const char **ret_text,
                  struct mq_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return refuse_member(value, key, "text", err);
    *ret_text = json_string_value(value);
    return MQ_OK;
}

enum mq_status
mq_json_need_int(const json_t *object, const char *key, int64_t *ret_int, struct mq_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        return refuse_member(value, key, "integer", err);
    *ret_int = json_integer_value(value);
    return MQ_OK;
}

enum mq_status
mq_json_need_real(const json_t *object, const char *key, double *ret_real, struct mq_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return refuse_member(value, key, "real", err);
    *ret_real = json_number_value(value);
    return MQ_OK;
}
