#include "format/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strmap.h"
#include "format/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they are");

#define DEFAULT_LIMIT ((size_t)16 << 30)

static const struct {
    const char *name;
    size_t size;
} types[MQ_TENSOR_TYPE_COUNT] = {{"F32", 4}, {"F64", 8},  {"I32", 4}, {"I64", 8}, {"U8", 1},
                                 {"F16", 2}, {"BF16", 2}, {"I8", 1},  {"I16", 2}, {"BOOL", 1}};

size_t
mq_tensor_type_size(enum mq_tensor_type type)
{
    return types[type].size;
}

const char *
mq_tensor_type_name(enum mq_tensor_type type)
{
    return types[type].name;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct entry {
    struct mq_tensor tensor;
    int64_t begin, end;
};

static enum mq_status
refuse(const char *file, const char *tensor, const char *what, struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "cannot read safetensors '%s': tensor '%.100s': %s", file,
                   tensor, what);
}

static enum mq_status
read_entry(const char *file, const char *name, const json_t *object, struct entry *entry,
           struct mq_error *err)
{
    const json_t *dtype = json_object_get(object, "dtype");
    const json_t *shape = json_object_get(object, "shape");
    const json_t *offsets = json_object_get(object, "data_offsets");
    struct mq_tensor *tensor = &entry->tensor;
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2 || json_object_size(object) != 3)
        return refuse(file, name, "it must have dtype, shape and two data_offsets, alone", err);
    size_t type = 0;
    while (type < MQ_TENSOR_TYPE_COUNT && strcmp(types[type].name, json_string_value(dtype)) != 0)
        type++;
    if (type == MQ_TENSOR_TYPE_COUNT)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "cannot read safetensors '%s': tensor '%.100s' is of type '%.20s'", file,
                       name, json_string_value(dtype));
    tensor->type = (enum mq_tensor_type)type;
    if (json_array_size(shape) > MQ_SAFETENSORS_DIMS_MAX)
        return refuse(file, name, "more than 8 dimensions", err);
    tensor->dims = (int)json_array_size(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->dims; i++) {
        const json_t *extent = json_array_get(shape, (size_t)i);
        tensor->shape[i] = json_integer_value(extent);
        if (!json_is_integer(extent) || tensor->shape[i] < 0 ||
            __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count))
            return refuse(file, name, "an extent is no size", err);
    }
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    entry->begin = json_integer_value(begin);
    entry->end = json_integer_value(end);
    int64_t bytes;
    if (!json_is_integer(begin) || !json_is_integer(end) || entry->begin < 0 ||
        entry->end < entry->begin ||
        __builtin_mul_overflow(tensor->count, (int64_t)types[type].size, &bytes) ||
        bytes != entry->end - entry->begin)
        return refuse(file, name, "its data_offsets do not fit its shape", err);
    tensor->size_bytes = (size_t)bytes;
    return MQ_OK;
}

static int
compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

static enum mq_status
read_metadata(const char *file, json_t *object, struct mq_safetensors *out, struct mq_error *err)
{
    if (!json_is_object(object))
        return refuse(file, "__metadata__", "it is not an object", err);
    out->metadata = mq_arena_array(&out->arena, 2 * json_object_size(object) + 1, sizeof(char *));
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return refuse(file, "__metadata__", "a value is not a text", err);
        char *key_copy = mq_arena_copy(&out->arena, key, strlen(key));
        char *value_copy =
            mq_arena_copy(&out->arena, json_string_value(value), json_string_length(value));
        if (out->metadata == NULL || key_copy == NULL || value_copy == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate safetensors metadata");
        out->metadata[2 * out->metadata_count] = key_copy;
        out->metadata[2 * out->metadata_count++ + 1] = value_copy;
    }
    return MQ_OK;
}

static enum mq_status
read_header(const char *file, json_t *root, struct mq_safetensors *out, struct entry *entries,
            struct mq_error *err)
{
    const char *key;
    json_t *value;
    enum mq_status st;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            if ((st = read_metadata(file, value, out, err)) != MQ_OK)
                return st;
            continue;
        }
        struct entry *entry = &entries[out->count++];
        if ((st = read_entry(file, key, value, entry, err)) != MQ_OK)
            return st;
        entry->tensor.name = mq_arena_copy(&out->arena, key, strlen(key));
        if (entry->tensor.name == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate a tensor's name");
    }
    qsort(entries, out->count, sizeof(*entries), compare_entries);
    int64_t at = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (entries[i].begin != at)
            return refuse(file, entries[i].tensor.name,
                          "its data leaves a gap or overlaps another's", err);
        at = entries[i].end;
    }
    return MQ_OK;
}

static enum mq_status
read_data(struct mq_reader *reader, struct mq_safetensors *out, const struct entry *entries,
          struct mq_error *err)
{
    out->tensors = mq_arena_array(&out->arena, out->count + 1, sizeof(*out->tensors));
    if (out->tensors == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu tensors", out->count);
    for (size_t i = 0; i < out->count; i++) {
        out->tensors[i] = entries[i].tensor;
        size_t size = entries[i].tensor.size_bytes;
        void *data = mq_arena_array(&out->arena, size, 1);
        if (data == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate %zu bytes for tensor '%.100s'", size,
                           entries[i].tensor.name);
        enum mq_status st = mq_reader_exact(reader, data, size, err);
        if (st != MQ_OK)
            return st;
        out->tensors[i].data = data;
    }
    size_t extra;
    unsigned char byte;
    enum mq_status st = mq_reader_some(reader, &byte, 1, &extra, err);
    if (st == MQ_OK && extra > 0)
        st = mq_fail(err, MQ_E_FORMAT, "cannot read safetensors '%s': bytes follow the last tensor",
                     reader->name);
    return st;
}

enum mq_status
mq_safetensors_read(struct mq_reader *reader, size_t limit_bytes, struct mq_safetensors *ret_file,
                    struct mq_error *err)
{
    uint64_t size;
    size_t limit = limit_bytes != 0 ? limit_bytes : DEFAULT_LIMIT;
    enum mq_status st = mq_reader_exact(reader, &size, sizeof(size), err);
    if (st != MQ_OK)
        return st;
    if (size > MQ_MIN(MQ_SAFETENSORS_HEADER_MAX, limit))
        return mq_fail(
            err, MQ_E_RANGE, "cannot read safetensors '%s': header of %llu bytes (allowed: %zu)",
            reader->name, (unsigned long long)size, MQ_MIN(MQ_SAFETENSORS_HEADER_MAX, limit));
    if (reader->size_bytes >= 0 && size > (uint64_t)(reader->size_bytes - reader->offset))
        return mq_fail(err, MQ_E_FORMAT,
                       "cannot read safetensors '%s': its header of %llu bytes is cut off",
                       reader->name, (unsigned long long)size);
    mq_autofree char *text = NULL;
    mq_autojson json_t *root = NULL;
    if ((st = mq_alloc_array_raw((size_t)size + 1, 1, &text, err)) != MQ_OK ||
        (st = mq_reader_exact(reader, text, (size_t)size, err)) != MQ_OK ||
        (st = mq_json_parse(text, (size_t)size, reader->name, &root, err)) != MQ_OK)
        return st;
    if (!json_is_object(root) || json_object_size(root) > MQ_SAFETENSORS_COUNT_MAX)
        return mq_fail(err, MQ_E_FORMAT,
                       "cannot read safetensors '%s': its header is not an object of at most %d "
                       "tensors",
                       reader->name, MQ_SAFETENSORS_COUNT_MAX);
    mq_autofree struct entry *entries = NULL;
    if ((st = mq_alloc_array(json_object_size(root) + 1, sizeof(*entries), &entries, err)) != MQ_OK)
        return st;
    struct mq_safetensors file = {0};
    mq_arena_init(&file.arena, limit);
    st = read_header(reader->name, root, &file, entries, err);
    int64_t due = st == MQ_OK && file.count > 0 ? entries[file.count - 1].end : 0;
    if (st == MQ_OK && reader->size_bytes >= 0 && due != reader->size_bytes - reader->offset)
        st = mq_fail(
            err, MQ_E_FORMAT, "cannot read safetensors '%s': %lld bytes of data where %lld are due",
            reader->name, (long long)(reader->size_bytes - reader->offset), (long long)due);
    if (st == MQ_OK)
        st = read_data(reader, &file, entries, err);
    if (st != MQ_OK) {
        mq_safetensors_release(&file);
        return st;
    }
    *ret_file = file;
    return MQ_OK;
}

void
mq_safetensors_release(struct mq_safetensors *file)
{
    mq_arena_release(&file->arena);
    *file = (struct mq_safetensors){0};
}

const struct mq_tensor *
mq_safetensors_find(const struct mq_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

static void
print_shape(char *room, size_t room_size, int dims, const int64_t *shape)
{
    size_t n = (size_t)snprintf(room, room_size, "(");
    for (int i = 0; i < dims && n + 24 < room_size; i++)
        n += (size_t)(shape[i] < 0 ? snprintf(room + n, room_size - n, "%sany", i > 0 ? "," : "")
                                   : snprintf(room + n, room_size - n, "%s%lld", i > 0 ? "," : "",
                                              (long long)shape[i]));
    snprintf(room + n, room_size - n, ")");
}

enum mq_status
mq_safetensors_need_floats(const struct mq_safetensors *file, const char *name, int dims,
                           const int64_t *shape, const struct mq_tensor **ret_tensor,
                           struct mq_error *err)
{
    const struct mq_tensor *tensor = mq_safetensors_find(file, name);
    if (tensor == NULL)
        return mq_fail(err, MQ_E_NOT_FOUND, "tensor '%s' is missing", name);
    bool fits = tensor->type == MQ_TENSOR_F32 && tensor->dims == dims;
    for (int i = 0; fits && i < dims; i++)
        fits = shape[i] < 0 || shape[i] == tensor->shape[i];
    if (!fits) {
        char found[160], due[160];
        print_shape(found, sizeof(found), tensor->dims, tensor->shape);
        print_shape(due, sizeof(due), dims, shape);
        return mq_fail(err, MQ_E_FORMAT, "tensor '%s' is %s %s where F32 %s is due", name,
                       types[tensor->type].name, found, due);
    }
    *ret_tensor = tensor;
    return MQ_OK;
}

/* ---- writing ---------------------------------------------------------------------------- */

static int
compare_tensors(const void *a, const void *b)
{
    const struct mq_tensor *x = *(const struct mq_tensor *const *)a;
    const struct mq_tensor *y = *(const struct mq_tensor *const *)b;
    /* Wide elements first keeps every tensor aligned to its width without padding. */
    if (types[x->type].size != types[y->type].size)
        return types[x->type].size > types[y->type].size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum mq_status
tensor_bytes(const struct mq_tensor *tensor, const char *file, size_t *ret_bytes,
             struct mq_error *err)
{
    if (tensor->name == NULL || tensor->name[0] == '\0' ||
        strcmp(tensor->name, "__metadata__") == 0)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot write safetensors '%s': a tensor's name is empty or '__metadata__'",
                       file);
    size_t bytes = types[tensor->type].size;
    bool fits = tensor->dims >= 0 && tensor->dims <= MQ_SAFETENSORS_DIMS_MAX;
    for (int i = 0; fits && i < tensor->dims; i++)
        fits = tensor->shape[i] >= 0 &&
               !__builtin_mul_overflow(bytes, (size_t)tensor->shape[i], &bytes);
    if (!fits)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot write safetensors '%s': tensor '%.100s' has no sound shape", file,
                       tensor->name);
    *ret_bytes = bytes;
    return MQ_OK;
}

static enum mq_status
put_entry(struct mq_buffer *header, const struct mq_tensor *tensor, size_t begin, size_t end,
          struct mq_error *err)
{
    enum mq_status st = mq_json_quote(tensor->name, strlen(tensor->name), header, err);
    if (st == MQ_OK)
        st = mq_buffer_printf(header, err, ":{\"dtype\":\"%s\",\"shape\":[",
                              types[tensor->type].name);
    for (int i = 0; st == MQ_OK && i < tensor->dims; i++)
        st = mq_buffer_printf(header, err, "%s%lld", i > 0 ? "," : "", (long long)tensor->shape[i]);
    return st != MQ_OK ? st
                       : mq_buffer_printf(header, err, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

static enum mq_status
put_metadata(struct mq_buffer *header, const char *const *metadata, size_t count,
             struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_text(header, "\"__metadata__\":{", err);
    for (size_t i = 0; st == MQ_OK && i < 2 * count; i++) {
        if (i > 0)
            st = mq_buffer_append_char(header, i % 2 != 0 ? ':' : ',', err);
        if (st == MQ_OK)
            st = mq_json_quote(metadata[i], strlen(metadata[i]), header, err);
    }
    return st != MQ_OK ? st : mq_buffer_append_char(header, '}', err);
}

static enum mq_status
put_header(struct mq_buffer *header, const struct mq_tensor **order, size_t count,
           const char *const *metadata, size_t metadata_count, const char *file,
           struct mq_error *err)
{
    enum mq_status st = mq_buffer_append_char(header, '{', err);
    if (st == MQ_OK && metadata_count > 0)
        st = put_metadata(header, metadata, metadata_count, err);
    struct mq_strmap names = {0};
    size_t at = 0;
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        size_t bytes = 0;
        int32_t code;
        st = tensor_bytes(order[i], file, &bytes, err);
        if (st == MQ_OK)
            st = mq_strmap_add_text(&names, order[i]->name, &code, err);
        if (st == MQ_OK && (size_t)code != i)
            st = mq_fail(err, MQ_E_RANGE,
                         "cannot write safetensors '%s': two tensors named '%.100s'", file,
                         order[i]->name);
        if (st == MQ_OK && (i > 0 || metadata_count > 0))
            st = mq_buffer_append_char(header, ',', err);
        if (st == MQ_OK)
            st = put_entry(header, order[i], at, at + bytes, err);
        at += bytes;
    }
    mq_strmap_release(&names);
    if (st == MQ_OK)
        st = mq_buffer_append_char(header, '}', err);
    while (st == MQ_OK && header->size % 8 != 0)
        st = mq_buffer_append_char(header, ' ', err);
    return st;
}

enum mq_status
mq_safetensors_write(struct mq_writer *writer, const struct mq_tensor *tensors, size_t count,
                     const char *const *metadata, size_t metadata_count, struct mq_error *err)
{
    mq_autofree const struct mq_tensor **order = NULL;
    enum mq_status st = mq_alloc_array(count, sizeof(*order), &order, err);
    if (st != MQ_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        size_t bytes;
        if ((st = tensor_bytes(&tensors[i], writer->name, &bytes, err)) != MQ_OK)
            return st;
        order[i] = &tensors[i];
    }
    qsort(order, count, sizeof(*order), compare_tensors);
    struct mq_buffer header;
    mq_buffer_init(&header, MQ_SAFETENSORS_HEADER_MAX);
    st = put_header(&header, order, count, metadata, metadata_count, writer->name, err);
    uint64_t size = header.size;
    if (st == MQ_OK)
        st = mq_writer_put(writer, &size, sizeof(size), err);
    if (st == MQ_OK)
        st = mq_writer_put(writer, header.data, header.size, err);
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        size_t bytes = 0;
        st = tensor_bytes(order[i], writer->name, &bytes, err);
        if (st == MQ_OK && bytes > 0)
            st = mq_writer_put(writer, order[i]->data, bytes, err);
    }
    mq_buffer_release(&header);
    return st;
}
