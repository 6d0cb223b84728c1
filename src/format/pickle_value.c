#include "format/pickle_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/pickle_machine.h"

const char *
mq_pickle_kind_name(const struct mq_pickle_value *value)
{
    static const char *const names[MQ_PICKLE_KIND_COUNT] = {
        "None",  "bool", "int",  "int",           "float",    "str",  "bytes",    "list",
        "tuple", "set",  "dict", "numpy.ndarray", "datetime", "date", "timedelta"};
    if (value == NULL)
        return "nothing";
    return value->kind < MQ_PICKLE_KIND_COUNT ? names[value->kind] : "class";
}

static bool
is_sequence(const struct mq_pickle_value *value)
{
    return value != NULL && (value->kind == MQ_PICKLE_LIST || value->kind == MQ_PICKLE_TUPLE ||
                             value->kind == MQ_PICKLE_SET);
}

static bool
is_dict(const struct mq_pickle_value *value)
{
    return value != NULL && value->kind == MQ_PICKLE_DICT;
}

size_t
mq_pickle_count(const struct mq_pickle_value *value)
{
    return is_sequence(value) || is_dict(value) ? value->size : 0;
}

const struct mq_pickle_value *
mq_pickle_item(const struct mq_pickle_value *value, size_t i)
{
    return is_sequence(value) && i < value->size ? value->items[i] : NULL;
}

const struct mq_pickle_value *
mq_pickle_key(const struct mq_pickle_value *dict, size_t i)
{
    return is_dict(dict) && i < dict->size ? dict->items[2 * i] : NULL;
}

const struct mq_pickle_value *
mq_pickle_at(const struct mq_pickle_value *dict, size_t i)
{
    return is_dict(dict) && i < dict->size ? dict->items[2 * i + 1] : NULL;
}

const struct mq_pickle_value *
mq_pickle_get(const struct mq_pickle_value *dict, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = mq_pickle_count(dict); is_dict(dict) && i-- > 0;) {
        const struct mq_pickle_value *name = dict->items[2 * i];
        if (name->kind == MQ_PICKLE_TEXT && name->size == size &&
            memcmp(name->text, key, size) == 0)
            return dict->items[2 * i + 1];
    }
    return NULL;
}

const struct mq_pickle_value *
mq_pickle_get_int(const struct mq_pickle_value *dict, int64_t key)
{
    for (size_t i = mq_pickle_count(dict); is_dict(dict) && i-- > 0;) {
        const struct mq_pickle_value *name = dict->items[2 * i];
        if (name->kind == MQ_PICKLE_INT && name->integer == key)
            return dict->items[2 * i + 1];
    }
    return NULL;
}

bool
mq_pickle_as_text(const struct mq_pickle_value *value, const char **ret_text, size_t *ret_size)
{
    if (value == NULL || value->kind != MQ_PICKLE_TEXT)
        return false;
    *ret_text = value->text;
    *ret_size = value->size;
    return true;
}

bool
mq_pickle_as_int(const struct mq_pickle_value *value, int64_t *ret_int)
{
    if (value == NULL || (value->kind != MQ_PICKLE_INT && value->kind != MQ_PICKLE_BOOL))
        return false;
    *ret_int = value->kind == MQ_PICKLE_BOOL ? value->truth : value->integer;
    return true;
}

bool
mq_pickle_as_real(const struct mq_pickle_value *value, double *ret_real)
{
    int64_t integer;
    if (value != NULL && value->kind == MQ_PICKLE_REAL)
        *ret_real = value->real;
    else if (value != NULL && value->kind == MQ_PICKLE_BIG_INT)
        *ret_real = strtod(value->text, NULL); /* digits alone: no decimal point, any locale */
    else if (mq_pickle_as_int(value, &integer))
        *ret_real = (double)integer;
    else
        return false;
    return true;
}

bool
mq_pickle_as_bool(const struct mq_pickle_value *value, bool *ret_bool)
{
    if (value == NULL || value->kind != MQ_PICKLE_BOOL)
        return false;
    *ret_bool = value->truth;
    return true;
}

bool
mq_pickle_is_none(const struct mq_pickle_value *value)
{
    return value != NULL && value->kind == MQ_PICKLE_NONE;
}

static enum mq_status
refuse_entry(const struct mq_pickle_value *dict, const struct mq_pickle_value *value,
             const char *key, const char *due, struct mq_error *err)
{
    if (!is_dict(dict))
        return mq_fail(err, MQ_E_FORMAT, "a %s stands where a dict with key '%s' is due",
                       mq_pickle_kind_name(dict), key);
    if (value == NULL)
        return mq_fail(err, MQ_E_FORMAT, "key '%s' is missing", key);
    return mq_fail(err, MQ_E_FORMAT, "key '%s' holds %s where %s is due", key,
                   mq_pickle_kind_name(value), due);
}

enum mq_status
mq_pickle_need_text(const struct mq_pickle_value *dict, const char *key, const char **ret_text,
                    size_t *ret_size, struct mq_error *err)
{
    const struct mq_pickle_value *value = mq_pickle_get(dict, key);
    return mq_pickle_as_text(value, ret_text, ret_size)
               ? MQ_OK
               : refuse_entry(dict, value, key, "str", err);
}

enum mq_status
mq_pickle_need_int(const struct mq_pickle_value *dict, const char *key, int64_t *ret_int,
                   struct mq_error *err)
{
    const struct mq_pickle_value *value = mq_pickle_get(dict, key);
    return mq_pickle_as_int(value, ret_int) ? MQ_OK : refuse_entry(dict, value, key, "int", err);
}

enum mq_status
mq_pickle_need_real(const struct mq_pickle_value *dict, const char *key, double *ret_real,
                    struct mq_error *err)
{
    const struct mq_pickle_value *value = mq_pickle_get(dict, key);
    return mq_pickle_as_real(value, ret_real) ? MQ_OK
                                              : refuse_entry(dict, value, key, "float", err);
}

/* ---- arrays ----------------------------------------------------------------------------- */

static double
half_to_double(uint16_t bits)
{
    int exponent = (bits >> 10) & 31;
    int fraction = bits & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction != 0 ? (double)NAN : (double)INFINITY)
                                    : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

#define READ_AS(type)                                                                              \
    do {                                                                                           \
        type element;                                                                              \
        memcpy(&element, p, sizeof(element));                                                      \
        return (double)element;                                                                    \
    } while (0)

double
mq_pickle_number(char kind, uint32_t width, const void *bytes)
{
    const unsigned char *p = bytes;
    uint16_t half;
    switch (kind) {
    case 'f':
        if (width == 4)
            READ_AS(float);
        if (width == 8)
            READ_AS(double);
        memcpy(&half, p, sizeof(half));
        return half_to_double(half);
    case 'b':
        return p[0] != 0;
    case 'i':
        if (width == 1)
            READ_AS(int8_t);
        if (width == 2)
            READ_AS(int16_t);
        if (width == 4)
            READ_AS(int32_t);
        READ_AS(int64_t);
    case 'u':
        if (width == 1)
            READ_AS(uint8_t);
        if (width == 2)
            READ_AS(uint16_t);
        if (width == 4)
            READ_AS(uint32_t);
        READ_AS(uint64_t);
    default:
        return (double)NAN;
    }
}

double
mq_pickle_array_real(const struct mq_pickle_array *array, int64_t i)
{
    return mq_pickle_number(array->kind, array->width,
                            (const unsigned char *)array->data + (size_t)i * array->width);
}

enum mq_status
mq_pickle_array_floats(const struct mq_pickle_array *array, float *ret_floats, struct mq_error *err)
{
    if (array->kind == 'S' || array->kind == 'U')
        return mq_fail(err, MQ_E_FORMAT, "an array of text stands where numbers are due");
    if (array->kind == 'f' && array->width == 4) {
        if (array->count > 0)
            memcpy(ret_floats, array->data, (size_t)array->count * sizeof(float));
        return MQ_OK;
    }
    for (int64_t i = 0; i < array->count; i++)
        ret_floats[i] = (float)mq_pickle_array_real(array, i);
    return MQ_OK;
}
