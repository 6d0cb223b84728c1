#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "format/pickle_reader.h"

/* Elements of a container that a sample shows. */
#define SAMPLE_ELEMENTS 12

json_t *
mq_inspect_text(const char *text, size_t size)
{
    json_t *value = json_stringn(text, size);
    if (value != NULL)
        return value;
    struct mq_buffer escaped = {0};
    for (size_t i = 0; i < MQ_MIN(size, 256); i++)
        if (mq_buffer_printf(&escaped, NULL,
                             (unsigned char)text[i] < 0x80 && text[i] >= 0x20 ? "%c" : "\\x%02x",
                             (unsigned char)text[i]) != MQ_OK)
            break;
    value = json_string(escaped.data != NULL ? escaped.data : "");
    mq_buffer_release(&escaped);
    return value;
}

json_t *
mq_inspect_shape(const int64_t *shape, int dims)
{
    char text[256] = "";
    for (int d = 0; d < dims; d++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "%s%" PRId64, d > 0 ? " x " : "", shape[d]);
    }
    return json_string(dims > 0 ? text : "scalar");
}

static json_t *
array_json(const struct mq_pickle_array *array, size_t most)
{
    json_t *values = json_array();
    for (int64_t i = 0; i < array->count && (size_t)i < most; i++) {
        json_t *number = json_real(mq_pickle_array_real(array, i));
        json_array_append_new(values, number != NULL ? number : json_null());
    }
    char type[16];
    snprintf(type, sizeof(type), "%c%u", array->kind, array->width);
    return json_pack("{s:s, s:o, s:o}", "numpy", type, "shape",
                     mq_inspect_shape(array->shape, array->dims), "first", values);
}

/* A dict's key as a JSON name. */
static void
key_name(const struct mq_pickle_value *key, char *name, size_t size)
{
    const char *text;
    size_t text_size;
    int64_t number;
    if (mq_pickle_as_text(key, &text, &text_size))
        snprintf(name, size, "%.*s", (int)MQ_MIN(text_size, size - 1), text);
    else if (mq_pickle_as_int(key, &number))
        snprintf(name, size, "%" PRId64, number);
    else
        snprintf(name, size, "(%s)", mq_pickle_kind_name(key));
}

json_t *
mq_inspect_value(const struct mq_pickle_value *value, size_t most)
{
    size_t count = mq_pickle_count(value);
    json_t *result;
    switch ((enum mq_pickle_kind)value->kind) {
    case MQ_PICKLE_NONE:
        return json_null();
    case MQ_PICKLE_BOOL:
        return json_boolean(value->truth);
    case MQ_PICKLE_INT:
    case MQ_PICKLE_INSTANT:
    case MQ_PICKLE_DATE:
    case MQ_PICKLE_DURATION:
        return json_integer(value->integer);
    case MQ_PICKLE_REAL:
        result = json_real(value->real);
        return result != NULL ? result : json_null();
    case MQ_PICKLE_TEXT:
    case MQ_PICKLE_BYTES:
    case MQ_PICKLE_BIG_INT:
        return mq_inspect_text(value->text, value->size);
    case MQ_PICKLE_ARRAY:
        return array_json(value->array, most);
    case MQ_PICKLE_LIST:
    case MQ_PICKLE_TUPLE:
    case MQ_PICKLE_SET:
        result = json_array();
        for (size_t i = 0; i < MQ_MIN(count, most); i++)
            json_array_append_new(result, mq_inspect_value(mq_pickle_item(value, i), most));
        break;
    case MQ_PICKLE_DICT:
        result = json_object();
        for (size_t i = 0; i < MQ_MIN(count, most); i++) {
            char name[256];
            key_name(mq_pickle_key(value, i), name, sizeof(name));
            json_object_set_new(result, name, mq_inspect_value(mq_pickle_at(value, i), most));
        }
        break;
    default:
        return json_null();
    }
    if (count > most) {
        char more[64];
        snprintf(more, sizeof(more), "… %zu more", count - most);
        if (json_is_array(result))
            json_array_append_new(result, json_string(more));
        else
            json_object_set_new(result, more, json_null());
    }
    return result;
}

struct walk {
    const struct mq_inspection *inspection;
    json_t *samples, *found;
    int64_t entries;
    int64_t key_kinds[MQ_PICKLE_KIND_COUNT], value_kinds[MQ_PICKLE_KIND_COUNT];
    const char *key_names[MQ_PICKLE_KIND_COUNT], *value_names[MQ_PICKLE_KIND_COUNT];
    int64_t least, most, total; /* elements of container values */
};

static enum mq_status
visit_entry(void *context, const struct mq_pickle_value *key, const struct mq_pickle_value *value,
            struct mq_error *err)
{
    struct walk *walk = context;
    char name[256];
    if (key != NULL) {
        walk->key_kinds[key->kind]++;
        walk->key_names[key->kind] = mq_pickle_kind_name(key);
        key_name(key, name, sizeof(name));
    } else {
        snprintf(name, sizeof(name), "%" PRId64, walk->entries);
    }
    walk->value_kinds[value->kind]++;
    walk->value_names[value->kind] = mq_pickle_kind_name(value);
    int64_t count = (int64_t)mq_pickle_count(value);
    walk->least = walk->entries == 0 ? count : MQ_MIN(walk->least, count);
    walk->most = MQ_MAX(walk->most, count);
    walk->total += count;
    if (walk->inspection->entry != NULL) {
        if (strcmp(walk->inspection->entry, name) == 0)
            json_object_set_new(walk->found, name, mq_inspect_value(value, SIZE_MAX));
    } else if (walk->entries < walk->inspection->samples) {
        json_object_set_new(walk->samples, name, mq_inspect_value(value, SAMPLE_ELEMENTS));
    }
    walk->entries++;
    return MQ_OK;
}

/* "str 120, int 3". */
static json_t *
kinds_json(const int64_t *counts, const char *const *names)
{
    char text[512] = "";
    for (int k = 0; k < MQ_PICKLE_KIND_COUNT; k++) {
        size_t n = strlen(text);
        if (counts[k] > 0)
            snprintf(text + n, sizeof(text) - n, "%s%s %" PRId64, n > 0 ? ", " : "", names[k],
                     counts[k]);
    }
    return json_string(text);
}

/* A pickle that is one plain value, or shares containers across the file: read whole. */
static enum mq_status
inspect_whole(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_arena arena = {0};
    const struct mq_pickle_value *value;
    st = mq_pickle_read(reader, NULL, &arena, &value, err);
    if (st == MQ_OK) {
        json_object_set_new(object, "type", json_string(mq_pickle_kind_name(value)));
        json_object_set_new(object, "entries", json_integer((json_int_t)mq_pickle_count(value)));
        json_object_set_new(object, "value", mq_inspect_value(value, SAMPLE_ELEMENTS));
    }
    mq_arena_release(&arena);
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_inspect_pickle(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct walk walk = {.inspection = inspection, .samples = json_object(), .found = json_object()};
    struct mq_error error = {0};
    st = mq_pickle_stream(reader, NULL, visit_entry, &walk, NULL, &error);
    mq_reader_close(reader);
    if (st == MQ_E_UNSUPPORTED || (st == MQ_E_FORMAT && walk.entries == 0)) {
        /* The whole read decides; its message is the better one. */
        st = inspect_whole(inspection, object, err);
    } else if (st != MQ_OK) {
        if (err != NULL)
            *err = error;
    } else if (inspection->entry != NULL) {
        if (json_object_size(walk.found) == 0)
            st = mq_fail(err, MQ_E_NOT_FOUND, "'%s' has no key '%s' among %" PRId64,
                         inspection->key, inspection->entry, walk.entries);
        else
            json_object_set(object, "value", walk.found);
    } else {
        bool is_dict = false;
        for (int k = 0; k < MQ_PICKLE_KIND_COUNT; k++)
            is_dict = is_dict || walk.key_kinds[k] > 0;
        json_object_set_new(object, "type", json_string(is_dict ? "dict" : "list"));
        json_object_set_new(object, "entries", json_integer(walk.entries));
        if (is_dict)
            json_object_set_new(object, "keys", kinds_json(walk.key_kinds, walk.key_names));
        json_object_set_new(object, "values", kinds_json(walk.value_kinds, walk.value_names));
        if (walk.most > 0)
            json_object_set_new(object, "elements of a value",
                                json_pack("{s:I, s:f, s:I}", "least", (json_int_t)walk.least,
                                          "mean", (double)walk.total / (double)walk.entries, "most",
                                          (json_int_t)walk.most));
        json_object_set(object, "first", walk.samples);
    }
    json_decref(walk.samples);
    json_decref(walk.found);
    return st;
}
