/*
 * The objects that stand for plain values: what a class and its arguments would make, built here
 * without calling anything. Shapes of the arguments as CPython 3.6-3.13 and NumPy 1 and 2 pickle
 * them (object.__reduce__ of each type).
 */
#include "format/pickle_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/utf8.h"

enum pickle_class {
    CLASS_SET,
    CLASS_BYTEARRAY,
    CLASS_BYTES,
    CLASS_PLAIN_TYPE, /* list, dict, int …: only as the factory of a defaultdict */
    CLASS_ORDERED_DICT,
    CLASS_DEFAULT_DICT,
    CLASS_ENCODE,
    CLASS_DATETIME,
    CLASS_DATE,
    CLASS_TIMEDELTA,
    CLASS_TIMEZONE,
    CLASS_RECONSTRUCT,
    CLASS_SCALAR,
    CLASS_FROMBUFFER,
    CLASS_NDARRAY,
    CLASS_DTYPE
};

static const struct {
    const char *module, *name;
    enum pickle_class id;
} classes[] = {
    {"builtins", "set", CLASS_SET},
    {"builtins", "frozenset", CLASS_SET},
    {"builtins", "bytearray", CLASS_BYTEARRAY},
    {"builtins", "bytes", CLASS_BYTES},
    {"builtins", "list", CLASS_PLAIN_TYPE},
    {"builtins", "dict", CLASS_PLAIN_TYPE},
    {"builtins", "tuple", CLASS_PLAIN_TYPE},
    {"builtins", "int", CLASS_PLAIN_TYPE},
    {"builtins", "float", CLASS_PLAIN_TYPE},
    {"builtins", "str", CLASS_PLAIN_TYPE},
    {"builtins", "bool", CLASS_PLAIN_TYPE},
    {"collections", "OrderedDict", CLASS_ORDERED_DICT},
    {"collections", "defaultdict", CLASS_DEFAULT_DICT},
    {"_codecs", "encode", CLASS_ENCODE},
    {"datetime", "datetime", CLASS_DATETIME},
    {"datetime", "date", CLASS_DATE},
    {"datetime", "timedelta", CLASS_TIMEDELTA},
    {"datetime", "timezone", CLASS_TIMEZONE},
    {"numpy.core.multiarray", "_reconstruct", CLASS_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", CLASS_RECONSTRUCT},
    {"numpy.core.multiarray", "scalar", CLASS_SCALAR},
    {"numpy._core.multiarray", "scalar", CLASS_SCALAR},
    {"numpy.core.numeric", "_frombuffer", CLASS_FROMBUFFER},
    {"numpy._core.numeric", "_frombuffer", CLASS_FROMBUFFER},
    {"numpy", "ndarray", CLASS_NDARRAY},
    {"numpy", "dtype", CLASS_DTYPE},
};

const char *
pickle_class_name(const struct mq_pickle_value *value)
{
    switch (value->kind) {
    case KIND_CLASS:
        return classes[value->integer].name;
    case KIND_DTYPE:
        return "numpy.dtype";
    case KIND_SHELL:
        return "numpy.ndarray without data";
    case KIND_OUTER:
        return "outermost value";
    default:
        return "timezone";
    }
}

static enum pickle_class
class_id(const struct mq_pickle_value *value)
{
    return classes[value->integer].id;
}

static bool
is_class(const struct mq_pickle_value *value, enum pickle_class id)
{
    return value->kind == KIND_CLASS && class_id(value) == id;
}

static bool
same_name(const char *known, const char *text, size_t size)
{
    return strlen(known) == size && memcmp(known, text, size) == 0;
}

/* A name from the file, made fit for a message. */
static void
printable(char *room, size_t room_size, const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size && n + 1 < room_size; i++)
        room[n++] = text[i] > ' ' && text[i] < 0x7f ? text[i] : '?';
    room[n] = '\0';
}

enum mq_status
pickle_find_class(struct pickle_machine *m, const char *module, size_t module_size,
                  const char *name, size_t name_size, struct mq_pickle_value **ret_class)
{
    bool old_builtins = same_name("__builtin__", module, module_size);
    for (size_t i = 0; i < MQ_COUNT(classes); i++) {
        bool module_fits = same_name(classes[i].module, module, module_size) ||
                           (old_builtins && strcmp(classes[i].module, "builtins") == 0);
        if (!module_fits || !same_name(classes[i].name, name, name_size))
            continue;
        struct mq_pickle_value *value = pickle_value(m, KIND_CLASS);
        if (value == NULL)
            return MQ_E_NOMEM;
        value->integer = (int64_t)i;
        *ret_class = value;
        return MQ_OK;
    }
    char module_text[128], name_text[128];
    printable(module_text, sizeof(module_text), module, module_size);
    printable(name_text, sizeof(name_text), name, name_size);
    enum mq_status st =
        pickle_fail(m, MQ_E_UNSUPPORTED,
                    "class '%s.%s' is not read here (plain values, NumPy arrays and dates are)",
                    module_text, name_text);
    mq_error_hint(m->err, "write the file again from plain dicts, lists, numbers and strings");
    return st;
}

static enum mq_status
bad_arguments(struct pickle_machine *m, const char *what)
{
    return pickle_fail(m, MQ_E_FORMAT, "%s has arguments of an unknown form", what);
}

static const struct mq_pickle_value *
argument(const struct mq_pickle_value *args, size_t i, int kind)
{
    return i < args->size && args->items[i]->kind == kind ? args->items[i] : NULL;
}

/* ---- builtins, collections, datetime ------------------------------------------------------ */

/* A container of another kind over the elements of a sequence; it shares their places. */
static enum mq_status
make_set(struct pickle_machine *m, const struct mq_pickle_value *args,
         struct mq_pickle_value **ret_value)
{
    struct mq_pickle_value *set = pickle_value(m, MQ_PICKLE_SET);
    if (set == NULL)
        return MQ_E_NOMEM;
    if (args->size > 0) {
        const struct mq_pickle_value *from = args->items[0];
        if (args->size != 1 || (from->kind != MQ_PICKLE_LIST && from->kind != MQ_PICKLE_TUPLE) ||
            (from->state & STATE_TAINTED))
            return bad_arguments(m, "set");
        set->items = from->items;
        set->size = from->size;
        set->capacity = (uint32_t)from->size; /* growing copies: the source stays as it is */
        set->depth = from->depth;
        set->expanded = from->expanded;
    }
    *ret_value = set;
    return MQ_OK;
}

static enum mq_status
make_ordered_dict(struct pickle_machine *m, const struct mq_pickle_value *args,
                  struct mq_pickle_value **ret_value)
{
    struct mq_pickle_value *dict = pickle_value(m, MQ_PICKLE_DICT);
    if (dict == NULL)
        return MQ_E_NOMEM;
    if (args->size > 0) {
        const struct mq_pickle_value *pairs = argument(args, 0, MQ_PICKLE_LIST);
        if (args->size != 1 || pairs == NULL)
            return bad_arguments(m, "OrderedDict");
        dict->items = pickle_alloc(m, (pairs->size + 1) * 2 * sizeof(*dict->items));
        if (dict->items == NULL)
            return MQ_E_NOMEM;
        dict->capacity = (uint32_t)pairs->size;
        for (size_t i = 0; i < pairs->size; i++) {
            const struct mq_pickle_value *pair = pairs->items[i];
            if ((pair->kind != MQ_PICKLE_LIST && pair->kind != MQ_PICKLE_TUPLE) || pair->size != 2)
                return bad_arguments(m, "OrderedDict");
            for (int k = 0; k < 2; k++) {
                enum mq_status st = pickle_place(m, dict, pair->items[k]);
                if (st != MQ_OK)
                    return st;
                dict->items[2 * i + (size_t)k] = pair->items[k];
            }
            dict->size++;
        }
    }
    *ret_value = dict;
    return MQ_OK;
}

static enum mq_status
make_bytes(struct pickle_machine *m, const char *what, const struct mq_pickle_value *args,
           struct mq_pickle_value **ret_value)
{
    const struct mq_pickle_value *text = argument(args, 0, MQ_PICKLE_TEXT);
    const struct mq_pickle_value *bytes = argument(args, 0, MQ_PICKLE_BYTES);
    char *out;
    if (args->size == 0 || (args->size == 1 && bytes != NULL)) {
        size_t size = bytes != NULL ? bytes->size : 0;
        struct mq_pickle_value *value = pickle_text_value(m, MQ_PICKLE_BYTES, size, &out);
        if (value == NULL)
            return MQ_E_NOMEM;
        if (size > 0)
            memcpy(out, bytes->text, size);
        *ret_value = value;
        return MQ_OK;
    }
    /* Protocols before 3 write bytes as Latin-1 text. */
    const struct mq_pickle_value *codec = argument(args, 1, MQ_PICKLE_TEXT);
    if (args->size != 2 || text == NULL || codec == NULL ||
        (strcmp(codec->text, "latin1") != 0 && strcmp(codec->text, "latin-1") != 0))
        return bad_arguments(m, what);
    size_t size = 0;
    for (size_t i = 0; i < text->size; i++)
        size += ((unsigned char)text->text[i] & 0xc0) != 0x80;
    struct mq_pickle_value *value = pickle_text_value(m, MQ_PICKLE_BYTES, size, &out);
    if (value == NULL)
        return MQ_E_NOMEM;
    for (size_t i = 0, n = 0; i < text->size; n++) {
        unsigned char c = (unsigned char)text->text[i++];
        if (c >= 0x80) {
            if (c > 0xc3)
                return bad_arguments(m, what);
            c = (unsigned char)((c & 3) << 6 | ((unsigned char)text->text[i++] & 0x3f));
        }
        out[n] = (char)c;
    }
    *ret_value = value;
    return MQ_OK;
}

/* Days since 1970 of a proleptic Gregorian date (Howard Hinnant's days_from_civil). */
static int64_t
days_from_date(int year, int month, int day)
{
    int y = year - (month <= 2);
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * INT64_C(146097) + day_of_era - 719468;
}

static bool
read_date(const unsigned char *p, int64_t *ret_days)
{
    int year = p[0] << 8 | p[1], month = p[2] & 0x7f, day = p[3]; /* top bit of month: fold */
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    *ret_days = days_from_date(year, month, day);
    return true;
}

static enum mq_status
make_time(struct pickle_machine *m, enum pickle_class id, const struct mq_pickle_value *args,
          struct mq_pickle_value **ret_value)
{
    const struct mq_pickle_value *bytes = argument(args, 0, MQ_PICKLE_BYTES);
    int64_t integer = 0, days;
    int kind = MQ_PICKLE_DATE;
    if (id == CLASS_TIMEZONE) {
        const struct mq_pickle_value *offset = argument(args, 0, MQ_PICKLE_DURATION);
        if (offset == NULL || args->size > 2)
            return bad_arguments(m, "timezone");
        kind = KIND_TIMEZONE;
        integer = offset->integer;
    } else if (id == CLASS_TIMEDELTA) {
        int64_t part[3];
        for (size_t i = 0; i < 3; i++)
            if (args->size != 3 || !mq_pickle_as_int(args->items[i], &part[i]) ||
                part[i] < -999999999 || part[i] > 999999999)
                return bad_arguments(m, "timedelta");
        /* 10^9 days in microseconds pass int64. */
        if (__builtin_mul_overflow(part[0], INT64_C(86400000000), &integer) ||
            __builtin_add_overflow(integer, part[1] * 1000000 + part[2], &integer))
            return pickle_fail(m, MQ_E_RANGE, "a timedelta of %lld days is too long",
                               (long long)part[0]);
        kind = MQ_PICKLE_DURATION;
    } else if (id == CLASS_DATE) {
        if (bytes == NULL || args->size != 1 || bytes->size != 4 ||
            !read_date((const unsigned char *)bytes->text, &days))
            return bad_arguments(m, "date");
        integer = days;
    } else {
        const unsigned char *p = bytes != NULL ? (const unsigned char *)bytes->text : NULL;
        const struct mq_pickle_value *zone = argument(args, 1, KIND_TIMEZONE);
        if (p == NULL || bytes->size != 10 || args->size > 2 || (args->size == 2 && zone == NULL) ||
            !read_date(p, &days) || p[4] > 23 || p[5] > 59 || p[6] > 59)
            return bad_arguments(m, "datetime");
        integer = ((days * 24 + p[4]) * 60 + p[5]) * 60 + p[6];
        integer = integer * 1000000 + (p[7] << 16 | p[8] << 8 | p[9]);
        if (zone != NULL && __builtin_sub_overflow(integer, zone->integer, &integer))
            return bad_arguments(m, "datetime");
        kind = MQ_PICKLE_INSTANT;
    }
    struct mq_pickle_value *value = pickle_value(m, kind);
    if (value == NULL)
        return MQ_E_NOMEM;
    value->integer = integer;
    *ret_value = value;
    return MQ_OK;
}

/* ---- NumPy ------------------------------------------------------------------------------ */

static enum mq_status
make_dtype(struct pickle_machine *m, const struct mq_pickle_value *args,
           struct mq_pickle_value **ret_value)
{
    const struct mq_pickle_value *name = argument(args, 0, MQ_PICKLE_TEXT);
    if (name == NULL || name->size < 1 || name->size > 12)
        return bad_arguments(m, "numpy.dtype");
    const char *text = name->text;
    bool swapped = text[0] == '>';
    if (strchr("<>|=", text[0]) != NULL)
        text++;
    char kind = text[0];
    long width = text[0] == '?' ? 1 : strtol(text + (text[0] != '\0'), NULL, 10);
    if (kind == '?')
        kind = 'b';
    bool known =
        (kind == 'f' && (width == 2 || width == 4 || width == 8)) ||
        ((kind == 'i' || kind == 'u') && (width == 1 || width == 2 || width == 4 || width == 8)) ||
        (kind == 'b' && width == 1) ||
        ((kind == 'S' || kind == 'U') && width >= 0 && width <= (1 << 20));
    char shown[32];
    printable(shown, sizeof(shown), name->text, name->size);
    if (!known)
        return pickle_fail(m, MQ_E_UNSUPPORTED, "NumPy type '%s' is not read here", shown);
    struct mq_pickle_value *value = pickle_value(m, KIND_DTYPE);
    struct pickle_dtype *dtype = pickle_alloc(m, sizeof(*dtype));
    if (value == NULL || dtype == NULL)
        return MQ_E_NOMEM;
    *dtype = (struct pickle_dtype){kind, (uint32_t)width * (kind == 'U' ? 4 : 1), swapped};
    value->internal = dtype;
    *ret_value = value;
    return MQ_OK;
}

/* (version, order, subdtype, names, fields, itemsize, alignment, flags[, metadata]) */
static enum mq_status
build_dtype(struct pickle_machine *m, struct mq_pickle_value *value,
            const struct mq_pickle_value *state)
{
    struct pickle_dtype *dtype = value->internal;
    const struct mq_pickle_value *order = state->kind == MQ_PICKLE_TUPLE && state->size >= 8
                                              ? argument(state, 1, MQ_PICKLE_TEXT)
                                              : NULL;
    int64_t width;
    if (order == NULL || order->size != 1 || strchr("<>|=", order->text[0]) == NULL ||
        !mq_pickle_as_int(state->items[5], &width))
        return bad_arguments(m, "the state of numpy.dtype");
    for (size_t i = 2; i < 5; i++)
        if (state->items[i]->kind != MQ_PICKLE_NONE)
            return pickle_fail(m, MQ_E_UNSUPPORTED, "NumPy record types are not read here");
    dtype->swapped = order->text[0] == '>';
    if (dtype->kind == 'S' || dtype->kind == 'U') {
        if (width < 0 || width > (4 << 20) || (dtype->kind == 'U' && width % 4 != 0))
            return bad_arguments(m, "the state of numpy.dtype");
        dtype->width = (uint32_t)width;
    }
    return MQ_OK;
}

static void
swap_elements(unsigned char *bytes, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++, bytes += width)
        for (size_t k = 0; k < width / 2; k++) {
            unsigned char t = bytes[k];
            bytes[k] = bytes[width - 1 - k];
            bytes[width - 1 - k] = t;
        }
}

/* From the first index fastest to the last index fastest. */
static void
from_fortran(const struct mq_pickle_array *array, const unsigned char *from, unsigned char *to)
{
    int64_t at[MQ_PICKLE_DIMS_MAX] = {0}, stride[MQ_PICKLE_DIMS_MAX];
    size_t width = array->width;
    int64_t step = 1;
    for (int i = 0; i < array->dims; i++) {
        stride[i] = step;
        step *= array->shape[i];
    }
    int64_t place = 0;
    for (int64_t n = 0; n < array->count; n++, to += width) {
        memcpy(to, from + (size_t)place * width, width);
        for (int i = array->dims - 1; i >= 0; i--) {
            place += stride[i];
            if (++at[i] < array->shape[i])
                break;
            place -= stride[i] * array->shape[i];
            at[i] = 0;
        }
    }
}

static enum mq_status
make_array(struct pickle_machine *m, const struct pickle_dtype *dtype,
           const struct mq_pickle_value *shape, bool fortran, const struct mq_pickle_value *bytes,
           struct mq_pickle_array **ret_array)
{
    if (shape->size > MQ_PICKLE_DIMS_MAX)
        return pickle_fail(m, MQ_E_RANGE, "a NumPy array of %zu dimensions (allowed: up to %d)",
                           shape->size, MQ_PICKLE_DIMS_MAX);
    struct mq_pickle_array *array = pickle_alloc(m, sizeof(*array));
    if (array == NULL)
        return MQ_E_NOMEM;
    array->kind = dtype->kind;
    array->width = dtype->width;
    array->dims = (uint8_t)shape->size;
    array->count = 1;
    for (size_t i = 0; i < shape->size; i++) {
        int64_t extent;
        if (!mq_pickle_as_int(shape->items[i], &extent) || extent < 0 ||
            __builtin_mul_overflow(array->count, extent, &array->count))
            return bad_arguments(m, "numpy.ndarray");
        array->shape[i] = extent;
    }
    int64_t due = 0;
    if ((array->width == 0 && array->count > 0) ||
        __builtin_mul_overflow(array->count, (int64_t)array->width, &due) || due < 0 ||
        (size_t)due != bytes->size)
        return pickle_fail(m, MQ_E_FORMAT, "a NumPy array has %zu bytes where its shape asks %lld",
                           bytes->size, (long long)due);
    array->data = bytes->text;
    bool aligned = (uintptr_t)bytes->text % MQ_ALIGNMENT == 0;
    size_t item = dtype->kind == 'U' ? 4 : dtype->width;
    bool swap = dtype->swapped && item > 1 && dtype->kind != 'S';
    bool turn = fortran && array->dims > 1;
    if (due > 0 && (!aligned || swap || turn)) {
        unsigned char *copy = pickle_alloc_aligned(m, (size_t)due);
        if (copy == NULL)
            return MQ_E_NOMEM;
        if (turn)
            from_fortran(array, (const unsigned char *)bytes->text, copy);
        else
            memcpy(copy, bytes->text, (size_t)due);
        if (swap)
            swap_elements(copy, (size_t)due / item, item);
        array->data = copy;
    }
    *ret_array = array;
    return MQ_OK;
}

/* state: (version, shape, dtype, is Fortran order, bytes) */
static enum mq_status
build_array(struct pickle_machine *m, struct mq_pickle_value *value,
            const struct mq_pickle_value *state)
{
    bool fortran;
    const struct mq_pickle_value *shape = NULL, *dtype = NULL, *bytes = NULL;
    if (state->kind == MQ_PICKLE_TUPLE && state->size == 5) {
        shape = argument(state, 1, MQ_PICKLE_TUPLE);
        dtype = argument(state, 2, KIND_DTYPE);
        bytes = argument(state, 4, MQ_PICKLE_BYTES);
    }
    if (shape == NULL || dtype == NULL || bytes == NULL ||
        !mq_pickle_as_bool(state->items[3], &fortran))
        return bad_arguments(m, "the state of numpy.ndarray");
    struct mq_pickle_array *array;
    enum mq_status st = make_array(m, dtype->internal, shape, fortran, bytes, &array);
    if (st != MQ_OK)
        return st;
    value->kind = MQ_PICKLE_ARRAY;
    value->array = array;
    return MQ_OK;
}

/* _frombuffer(bytes, dtype, shape, order) of protocol 5 */
static enum mq_status
make_from_buffer(struct pickle_machine *m, const struct mq_pickle_value *args,
                 struct mq_pickle_value **ret_value)
{
    const struct mq_pickle_value *bytes = argument(args, 0, MQ_PICKLE_BYTES),
                                 *dtype = argument(args, 1, KIND_DTYPE),
                                 *shape = argument(args, 2, MQ_PICKLE_TUPLE),
                                 *order = argument(args, 3, MQ_PICKLE_TEXT);
    if (args->size != 4 || bytes == NULL || dtype == NULL || shape == NULL || order == NULL)
        return bad_arguments(m, "numpy.ndarray");
    struct mq_pickle_array *array;
    enum mq_status st =
        make_array(m, dtype->internal, shape, strcmp(order->text, "F") == 0, bytes, &array);
    if (st != MQ_OK)
        return st;
    struct mq_pickle_value *value = pickle_value(m, MQ_PICKLE_ARRAY);
    if (value == NULL)
        return MQ_E_NOMEM;
    value->array = array;
    *ret_value = value;
    return MQ_OK;
}

/* UCS-4 of the machine's byte order to UTF-8, trailing NULs cut as NumPy does. */
static enum mq_status
make_text_scalar(struct pickle_machine *m, const unsigned char *bytes, size_t size,
                 struct mq_pickle_value **ret_value)
{
    size_t characters = size / 4;
    uint32_t point;
    while (characters > 0) {
        memcpy(&point, bytes + 4 * (characters - 1), 4);
        if (point != 0)
            break;
        characters--;
    }
    char *text, encoded[4];
    size_t length = 0;
    for (int pass = 0; pass < 2; pass++) {
        struct mq_pickle_value *value = NULL;
        if (pass == 1) {
            value = pickle_text_value(m, MQ_PICKLE_TEXT, length, &text);
            if (value == NULL)
                return MQ_E_NOMEM;
            *ret_value = value;
        }
        size_t at = 0;
        for (size_t i = 0; i < characters; i++) {
            memcpy(&point, bytes + 4 * i, 4);
            if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return bad_arguments(m, "numpy.str_");
            size_t n = mq_utf8_encode(point, encoded);
            if (pass == 1)
                memcpy(text + at, encoded, n);
            at += n;
        }
        length = at;
    }
    return MQ_OK;
}

/* scalar(dtype, bytes) */
static enum mq_status
make_scalar(struct pickle_machine *m, const struct mq_pickle_value *args,
            struct mq_pickle_value **ret_value)
{
    const struct mq_pickle_value *type = argument(args, 0, KIND_DTYPE),
                                 *bytes = argument(args, 1, MQ_PICKLE_BYTES);
    if (args->size != 2 || type == NULL || bytes == NULL)
        return bad_arguments(m, "a NumPy scalar");
    const struct pickle_dtype *dtype = type->internal;
    if (bytes->size != dtype->width)
        return bad_arguments(m, "a NumPy scalar");
    size_t item = dtype->kind == 'U' ? 4 : dtype->width;
    unsigned char *native = pickle_alloc(m, bytes->size + 1);
    if (native == NULL)
        return MQ_E_NOMEM;
    memcpy(native, bytes->text, bytes->size);
    if (dtype->swapped && dtype->kind != 'S' && item > 1)
        swap_elements(native, bytes->size / item, item);
    if (dtype->kind == 'U')
        return make_text_scalar(m, native, bytes->size, ret_value);
    struct mq_pickle_value *value = pickle_value(m, MQ_PICKLE_REAL);
    if (value == NULL)
        return MQ_E_NOMEM;
    if (dtype->kind == 'S') {
        value->kind = MQ_PICKLE_BYTES;
        value->text = (const char *)native;
        value->size = bytes->size;
    } else if (dtype->kind == 'b') {
        value->kind = MQ_PICKLE_BOOL;
        value->truth = native[0] != 0;
    } else if (dtype->kind == 'f') {
        value->real = mq_pickle_number('f', dtype->width, native);
    } else {
        uint64_t bits = 0;
        memcpy(&bits, native, dtype->width);
        int unused = 64 - 8 * (int)dtype->width;
        value->kind = MQ_PICKLE_INT;
        value->integer = dtype->kind == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
        if (dtype->kind == 'u' && value->integer < 0) {
            char digits[24], *text;
            int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)bits);
            value = pickle_text_value(m, MQ_PICKLE_BIG_INT, (size_t)n, &text);
            if (value == NULL)
                return MQ_E_NOMEM;
            memcpy(text, digits, (size_t)n);
        }
    }
    *ret_value = value;
    return MQ_OK;
}

/* ---- REDUCE and BUILD ------------------------------------------------------------------- */

enum mq_status
pickle_reduce(struct pickle_machine *m, const struct mq_pickle_value *callable,
              struct mq_pickle_value *args, struct mq_pickle_value **ret_value)
{
    if (callable->kind != KIND_CLASS)
        return pickle_fail(m, MQ_E_FORMAT, "a %s is called", mq_pickle_kind_name(callable));
    const char *name = pickle_class_name(callable);
    if (args->kind != MQ_PICKLE_TUPLE)
        return bad_arguments(m, name);
    struct mq_pickle_value *value;
    switch (class_id(callable)) {
    case CLASS_SET:
        return make_set(m, args, ret_value);
    case CLASS_BYTEARRAY:
    case CLASS_BYTES:
    case CLASS_ENCODE:
        return make_bytes(m, name, args, ret_value);
    case CLASS_ORDERED_DICT:
        return make_ordered_dict(m, args, ret_value);
    case CLASS_DEFAULT_DICT:
        if (args->size > 1 || (args->size == 1 && args->items[0]->kind != MQ_PICKLE_NONE &&
                               args->items[0]->kind != KIND_CLASS))
            return bad_arguments(m, name);
        value = pickle_value(m, MQ_PICKLE_DICT);
        if (value == NULL)
            return MQ_E_NOMEM;
        *ret_value = value;
        return MQ_OK;
    case CLASS_DATETIME:
    case CLASS_DATE:
    case CLASS_TIMEDELTA:
    case CLASS_TIMEZONE:
        return make_time(m, class_id(callable), args, ret_value);
    case CLASS_RECONSTRUCT:
        if (args->size != 3 || !is_class(args->items[0], CLASS_NDARRAY))
            return bad_arguments(m, name);
        value = pickle_value(m, KIND_SHELL);
        if (value == NULL)
            return MQ_E_NOMEM;
        *ret_value = value;
        return MQ_OK;
    case CLASS_SCALAR:
        return make_scalar(m, args, ret_value);
    case CLASS_FROMBUFFER:
        return make_from_buffer(m, args, ret_value);
    case CLASS_DTYPE:
        return make_dtype(m, args, ret_value);
    case CLASS_NDARRAY:
    case CLASS_PLAIN_TYPE:
        break;
    }
    return pickle_fail(m, MQ_E_UNSUPPORTED, "class '%s' is called, which is not done here", name);
}

enum mq_status
pickle_build(struct pickle_machine *m, struct mq_pickle_value *value,
             const struct mq_pickle_value *state)
{
    if (value->kind == KIND_SHELL)
        return build_array(m, value, state);
    if (value->kind == KIND_DTYPE)
        return build_dtype(m, value, state);
    return pickle_fail(m, MQ_E_UNSUPPORTED, "a %s with attributes is not read here",
                       mq_pickle_kind_name(value));
}
