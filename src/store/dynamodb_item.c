#include "store/dynamodb_item.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/memory.h"
#include "format/json.h"
#include "store/feature_store_backend.h"

/* Base64 in pieces that fit the stack; a multiple of 3, so that only the last is padded. */
#define BASE64_PIECE 3072

/* ---- writing ---------------------------------------------------------------------------- */

enum mq_status
mq_dynamodb_integer_write(int64_t value, struct mq_buffer *buffer, struct mq_error *err)
{
    return mq_buffer_printf(buffer, err, "{\"N\":\"%lld\"}", (long long)value);
}

/* In quotes. */
static enum mq_status
write_digits(double value, struct mq_buffer *buffer, struct mq_error *err)
{
    int64_t whole;
    double kept = mq_feature_number(value);
    if (mq_feature_number_is_whole(kept, &whole))
        return mq_buffer_printf(buffer, err, "\"%lld\"", (long long)whole);
    enum mq_status st = mq_buffer_append_char(buffer, '"', err);
    if (st == MQ_OK)
        st = mq_json_real(kept, buffer, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '"', err) : st;
}

static enum mq_status
write_number(double value, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_text(buffer, "{\"N\":", err);
    if (st == MQ_OK)
        st = write_digits(value, buffer, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '}', err) : st;
}

static enum mq_status
write_base64(const struct mq_text *bytes, struct mq_buffer *buffer, struct mq_error *err)
{
    unsigned char text[BASE64_PIECE / 3 * 4 + 1];
    enum mq_status st = mq_buffer_append_text(buffer, "{\"B\":\"", err);
    for (size_t at = 0; st == MQ_OK && at < bytes->size; at += BASE64_PIECE) {
        size_t n = MQ_MIN((size_t)BASE64_PIECE, bytes->size - at);
        int size = EVP_EncodeBlock(text, (const unsigned char *)bytes->data + at, (int)n);
        st = mq_buffer_append(buffer, text, (size_t)size, err);
    }
    return st == MQ_OK ? mq_buffer_append_text(buffer, "\"}", err) : st;
}

static enum mq_status
write_text_set(const struct mq_attribute *a, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_text(buffer, "{\"SS\":[", err);
    for (size_t i = 0; st == MQ_OK && i < a->texts.count; i++) {
        if (i > 0)
            st = mq_buffer_append_char(buffer, ',', err);
        if (st == MQ_OK)
            st = mq_json_quote(a->texts.items[i].data, a->texts.items[i].size, buffer, err);
    }
    return st == MQ_OK ? mq_buffer_append_text(buffer, "]}", err) : st;
}

/* A list has its numbers with their type, a set without. */
static enum mq_status
write_reals(const struct mq_attribute *a, struct mq_buffer *buffer, struct mq_error *err)
{
    bool is_set = a->type == MQ_ATTRIBUTE_NUMBER_SET;
    enum mq_status st = mq_buffer_append_text(buffer, is_set ? "{\"NS\":[" : "{\"L\":[", err);
    for (size_t i = 0; st == MQ_OK && i < a->reals.count; i++) {
        if (i > 0)
            st = mq_buffer_append_char(buffer, ',', err);
        if (st == MQ_OK)
            st = is_set ? write_digits(a->reals.items[i], buffer, err)
                        : write_number(a->reals.items[i], buffer, err);
    }
    return st == MQ_OK ? mq_buffer_append_text(buffer, "]}", err) : st;
}

enum mq_status
mq_dynamodb_value_write(const struct mq_attribute *a, struct mq_buffer *buffer,
                        struct mq_error *err)
{
    enum mq_status st;
    switch (a->type) {
    case MQ_ATTRIBUTE_BOOL:
        return mq_buffer_printf(buffer, err, "{\"BOOL\":%s}", a->truth ? "true" : "false");
    case MQ_ATTRIBUTE_INTEGER:
        return mq_dynamodb_integer_write(a->integer, buffer, err);
    case MQ_ATTRIBUTE_REAL:
        return write_number(a->real, buffer, err);
    case MQ_ATTRIBUTE_TEXT:
        st = mq_buffer_append_text(buffer, "{\"S\":", err);
        if (st == MQ_OK)
            st = mq_json_quote(a->text.data, a->text.size, buffer, err);
        return st == MQ_OK ? mq_buffer_append_char(buffer, '}', err) : st;
    case MQ_ATTRIBUTE_BYTES:
        return write_base64(&a->text, buffer, err);
    case MQ_ATTRIBUTE_TEXT_SET:
        return write_text_set(a, buffer, err);
    case MQ_ATTRIBUTE_REALS:
    case MQ_ATTRIBUTE_NUMBER_SET:
        return write_reals(a, buffer, err);
    default:
        return mq_buffer_append_text(buffer, "{\"NULL\":true}", err);
    }
}

static enum mq_status
write_key_member(const char *key, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_text(buffer, "{\"key\":{\"S\":", err);
    if (st == MQ_OK)
        st = mq_json_quote(key, strlen(key), buffer, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '}', err) : st;
}

enum mq_status
mq_dynamodb_key_write(const char *key, struct mq_buffer *buffer, struct mq_error *err)
{
    enum mq_status st = write_key_member(key, buffer, err);
    return st == MQ_OK ? mq_buffer_append_char(buffer, '}', err) : st;
}

enum mq_status
mq_dynamodb_item_write(const struct mq_record *record, struct mq_buffer *buffer,
                       struct mq_error *err)
{
    enum mq_status st = write_key_member(record->key, buffer, err);
    if (st == MQ_OK)
        st = mq_buffer_append_text(buffer, ",\"version\":", err);
    if (st == MQ_OK)
        st = mq_dynamodb_integer_write(record->version > 0 ? record->version : 1, buffer, err);
    if (st == MQ_OK && record->expires_s != 0) {
        st = mq_buffer_append_text(buffer, ",\"expires\":", err);
        if (st == MQ_OK)
            st = mq_dynamodb_integer_write(record->expires_s, buffer, err);
    }
    for (size_t i = 0; st == MQ_OK && i < record->attribute_count; i++) {
        const struct mq_attribute *a = &record->attributes[i];
        st = mq_buffer_append_char(buffer, ',', err);
        if (st == MQ_OK)
            st = mq_json_quote(a->name, strlen(a->name), buffer, err);
        if (st == MQ_OK)
            st = mq_buffer_append_char(buffer, ':', err);
        if (st == MQ_OK)
            st = mq_dynamodb_value_write(a, buffer, err);
    }
    return st == MQ_OK ? mq_buffer_append_char(buffer, '}', err) : st;
}

/* ---- reading ---------------------------------------------------------------------------- */

static bool
read_digits(const json_t *digits, double *ret_real)
{
    const char *text = json_string_value(digits);
    /* strtod takes more than DynamoDB writes: words, hexadecimal, blanks. */
    if (text == NULL || *text == '\0' || text[strspn(text, "+-0123456789.eE")] != '\0')
        return false;
    char *end;
    double real = strtod(text, &end);
    if (*end != '\0' || !isfinite(real))
        return false;
    *ret_real = real;
    return true;
}

static bool
read_number(const json_t *value, double *ret_real)
{
    return read_digits(json_object_get(value, "N"), ret_real);
}

/* A whole number of int64, to the last digit. */
static bool
read_whole(const json_t *value, int64_t *ret_whole)
{
    const char *text = json_string_value(json_object_get(value, "N"));
    if (text == NULL || *text == '\0' || text[strspn(text, "-0123456789")] != '\0')
        return false;
    char *end;
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return false;
    *ret_whole = whole;
    return true;
}

static bool
read_text(const json_t *value, struct mq_arena *arena, struct mq_text *ret_text)
{
    if (!json_is_string(value))
        return false;
    ret_text->size = json_string_length(value);
    ret_text->data = mq_arena_copy(arena, json_string_value(value), ret_text->size);
    return ret_text->data != NULL;
}

static bool
read_base64(const json_t *value, struct mq_arena *arena, struct mq_text *ret_text)
{
    const char *text = json_string_value(value);
    size_t size = text != NULL ? json_string_length(value) : 1;
    if (size % 4 != 0 || size > (size_t)1 << 24)
        return false;
    size_t signs = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = size - signs;
    if (padding > 2 || strspn(text + signs, "=") != padding)
        return false;
    unsigned char *bytes = mq_arena_alloc(arena, size / 4 * 3 + 1);
    if (bytes == NULL || EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size) < 0)
        return false;
    ret_text->size = size / 4 * 3 - padding;
    bytes[ret_text->size] = '\0';
    ret_text->data = (const char *)bytes;
    return true;
}

static int
compare_texts(const void *left, const void *right)
{
    return strcmp(((const struct mq_text *)left)->data, ((const struct mq_text *)right)->data);
}

static bool
read_text_set(const json_t *value, struct mq_arena *arena, struct mq_attribute *a)
{
    size_t count = json_array_size(value);
    struct mq_text *items = mq_arena_array(arena, count, sizeof(*items));
    if (count == 0 || items == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_text(json_array_get(value, i), arena, &items[i]))
            return false;
    qsort(items, count, sizeof(*items), compare_texts);
    for (size_t i = 1; i < count; i++)
        if (compare_texts(&items[i - 1], &items[i]) == 0)
            return false;
    a->texts.items = items;
    a->texts.count = count;
    return true;
}

static bool
read_reals(const json_t *value, struct mq_arena *arena, struct mq_attribute *a)
{
    size_t count = json_array_size(value);
    double *items = mq_arena_array(arena, count, sizeof(*items));
    if (!json_is_array(value) || items == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_number(json_array_get(value, i), &items[i]))
            return false;
    a->reals.items = items;
    a->reals.count = count;
    return true;
}

static int
compare_reals(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Numbers that are one as a double cannot be told apart: malformed. */
static bool
read_number_set(const json_t *value, struct mq_arena *arena, struct mq_attribute *a)
{
    size_t count = json_array_size(value);
    double *items = mq_arena_array(arena, count, sizeof(*items));
    if (count == 0 || items == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_digits(json_array_get(value, i), &items[i]))
            return false;
    qsort(items, count, sizeof(*items), compare_reals);
    for (size_t i = 1; i < count; i++)
        if (items[i - 1] >= items[i])
            return false;
    a->reals.items = items;
    a->reals.count = count;
    return true;
}

/* @return false: malformed, of a type that is not read here (MQ_ATTRIBUTE_TYPE_COUNT), or no memory
 */
static bool
read_value(const json_t *value, struct mq_arena *arena, struct mq_attribute *a)
{
    static const struct {
        const char *name;
        enum mq_attribute_type type;
    } types[] = {{"NULL", MQ_ATTRIBUTE_NULL}, {"BOOL", MQ_ATTRIBUTE_BOOL},
                 {"N", MQ_ATTRIBUTE_REAL},    {"S", MQ_ATTRIBUTE_TEXT},
                 {"B", MQ_ATTRIBUTE_BYTES},   {"SS", MQ_ATTRIBUTE_TEXT_SET},
                 {"L", MQ_ATTRIBUTE_REALS},   {"NS", MQ_ATTRIBUTE_NUMBER_SET}};
    a->type = MQ_ATTRIBUTE_TYPE_COUNT;
    const json_t *inner = NULL;
    for (size_t i = 0; json_object_size(value) == 1 && i < MQ_COUNT(types) && inner == NULL; i++) {
        inner = json_object_get(value, types[i].name);
        if (inner != NULL)
            a->type = types[i].type;
    }
    int64_t whole;
    switch (a->type) {
    case MQ_ATTRIBUTE_NULL:
        return json_is_true(inner);
    case MQ_ATTRIBUTE_BOOL:
        a->truth = json_is_true(inner);
        return json_is_boolean(inner);
    case MQ_ATTRIBUTE_REAL:
        if (read_whole(value, &whole)) {
            a->type = MQ_ATTRIBUTE_INTEGER;
            a->integer = whole;
            return true;
        }
        if (!read_number(value, &a->real))
            return false;
        if (mq_feature_number_is_whole(a->real, &whole)) { /* "1E+3" */
            a->type = MQ_ATTRIBUTE_INTEGER;
            a->integer = whole;
        }
        return true;
    case MQ_ATTRIBUTE_TEXT:
        return read_text(inner, arena, &a->text);
    case MQ_ATTRIBUTE_BYTES:
        return read_base64(inner, arena, &a->text);
    case MQ_ATTRIBUTE_TEXT_SET:
        return read_text_set(inner, arena, a);
    case MQ_ATTRIBUTE_REALS:
        return read_reals(inner, arena, a);
    case MQ_ATTRIBUTE_NUMBER_SET:
        return read_number_set(inner, arena, a);
    default:
        return false;
    }
}

const char *
mq_dynamodb_item_key(const json_t *item)
{
    return json_string_value(json_object_get(json_object_get(item, "key"), "S"));
}

int64_t
mq_dynamodb_item_integer(const json_t *item, const char *name, int64_t missing)
{
    int64_t whole;
    return read_whole(json_object_get(item, name), &whole) ? whole : missing;
}

enum mq_status
mq_dynamodb_item_read(const json_t *item, struct mq_arena *arena, struct mq_record *ret_record,
                      struct mq_error *err)
{
    const char *key = mq_dynamodb_item_key(item);
    if (key == NULL || *key == '\0')
        return mq_fail(err, MQ_E_FORMAT, "an item has no text in its attribute 'key'");
    size_t count = json_object_size(item);
    struct mq_record record = {.found = true,
                               .version = mq_dynamodb_item_integer(item, "version", 0)};
    if (count > MQ_RECORD_ATTRIBUTES_MAX + 3 || record.version < 1)
        return mq_fail(err, MQ_E_FORMAT,
                       count > MQ_RECORD_ATTRIBUTES_MAX + 3
                           ? "item '%.64s' has more than %d attributes"
                           : "item '%.64s' has no whole number from 1 in its attribute 'version'",
                       key, MQ_RECORD_ATTRIBUTES_MAX);
    const json_t *expires = json_object_get(item, "expires");
    if (expires != NULL && !read_whole(expires, &record.expires_s))
        return mq_fail(err, MQ_E_FORMAT,
                       "item '%.64s' has no whole number in its attribute 'expires'", key);
    struct mq_attribute *attributes = mq_arena_array(arena, count, sizeof(*attributes));
    record.key = mq_arena_copy(arena, key, strlen(key));
    record.attributes = attributes;
    if (attributes == NULL || record.key == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate item '%.64s'", key);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)item, name, value)
    {
        if (strcmp(name, "key") == 0 || strcmp(name, "version") == 0 ||
            strcmp(name, "expires") == 0)
            continue;
        struct mq_attribute *a = &attributes[record.attribute_count++];
        if (!read_value(value, arena, a))
            return a->type == MQ_ATTRIBUTE_TYPE_COUNT
                       ? mq_fail(err, MQ_E_UNSUPPORTED,
                                 "item '%.64s': attribute '%.64s' has a type that no record has "
                                 "(known: NULL, BOOL, N, S, B, SS, NS, L of N)",
                                 key, name)
                       : mq_fail(err, MQ_E_FORMAT, "item '%.64s': attribute '%.64s' is malformed",
                                 key, name);
        if (*name == '\0' || (a->name = mq_arena_copy(arena, name, strlen(name))) == NULL)
            return mq_fail(err, MQ_E_FORMAT, "item '%.64s' has an attribute without a name", key);
    }
    *ret_record = record;
    return MQ_OK;
}
