#include "rec/pickle_copy.h"

#include <string.h>

static enum mq_status
no_memory(struct mq_error *err)
{
    return mq_fail(err, MQ_E_NOMEM, "cannot allocate memory for a pickled value");
}

static enum mq_status
unsupported(const struct mq_pickle_value *value, struct mq_error *err)
{
    return mq_fail(err, MQ_E_UNSUPPORTED, "a result holds a %s, which is not copied",
                   mq_pickle_kind_name(value));
}

static enum mq_status
copy_array(const struct mq_pickle_array *array, struct mq_arena *arena,
           const struct mq_pickle_array **ret_copy, struct mq_error *err)
{
    struct mq_pickle_array *copy = mq_arena_alloc(arena, sizeof(*copy));
    if (copy == NULL)
        return no_memory(err);
    *copy = *array;
    if (array->count > 0) {
        void *data = mq_arena_array(arena, (size_t)array->count, array->width);
        if (data == NULL)
            return no_memory(err);
        memcpy(data, array->data, (size_t)array->count * array->width);
        copy->data = data;
    }
    *ret_copy = copy;
    return MQ_OK;
}

enum mq_status
mq_pickle_value_copy(const struct mq_pickle_value *value, struct mq_arena *arena,
                     const struct mq_pickle_value **ret_copy, struct mq_error *err)
{
    struct mq_pickle_value *copy = mq_arena_alloc(arena, sizeof(*copy));
    if (copy == NULL)
        return no_memory(err);
    *copy = *value;
    enum mq_status st = MQ_OK;
    switch (value->kind) {
    case MQ_PICKLE_NONE:
    case MQ_PICKLE_BOOL:
    case MQ_PICKLE_INT:
    case MQ_PICKLE_REAL:
        break;
    case MQ_PICKLE_TEXT:
        copy->text = mq_arena_copy(arena, value->text, value->size);
        if (copy->text == NULL)
            return no_memory(err);
        break;
    case MQ_PICKLE_LIST:
    case MQ_PICKLE_TUPLE:
    case MQ_PICKLE_DICT: {
        size_t count = value->size * (value->kind == MQ_PICKLE_DICT ? 2 : 1);
        copy->items = mq_arena_array(arena, count + 1, sizeof(*copy->items));
        if (copy->items == NULL)
            return no_memory(err);
        for (size_t i = 0; i < count && st == MQ_OK; i++) {
            const struct mq_pickle_value *item;
            st = mq_pickle_value_copy(value->items[i], arena, &item, err);
            if (st == MQ_OK)
                copy->items[i] = (struct mq_pickle_value *)(uintptr_t)item;
        }
        break;
    }
    case MQ_PICKLE_ARRAY:
        st = copy_array(value->array, arena, &copy->array, err);
        break;
    default:
        return unsupported(value, err);
    }
    if (st == MQ_OK)
        *ret_copy = copy;
    return st;
}

static enum mq_status
put_array(struct mq_pickle_writer *pickle, const struct mq_pickle_value *value,
          struct mq_error *err)
{
    static const struct {
        char kind;
        uint32_t width;
        enum mq_pickle_dtype dtype;
    } types[] = {{'f', 4, MQ_PICKLE_F4},
                 {'f', 8, MQ_PICKLE_F8},
                 {'i', 4, MQ_PICKLE_I4},
                 {'i', 8, MQ_PICKLE_I8},
                 {'u', 1, MQ_PICKLE_U1}};
    const struct mq_pickle_array *array = value->array;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].kind == array->kind && types[i].width == array->width && array->dims > 0) {
            mq_pickle_put_array(pickle, types[i].dtype, array->dims, array->shape, array->data);
            return MQ_OK;
        }
    }
    return unsupported(value, err);
}

enum mq_status
mq_pickle_value_put(struct mq_pickle_writer *pickle, const struct mq_pickle_value *value,
                    struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    switch (value->kind) {
    case MQ_PICKLE_NONE:
        mq_pickle_put_none(pickle);
        break;
    case MQ_PICKLE_BOOL:
        mq_pickle_put_bool(pickle, value->truth);
        break;
    case MQ_PICKLE_INT:
        mq_pickle_put_int(pickle, value->integer);
        break;
    case MQ_PICKLE_REAL:
        mq_pickle_put_real(pickle, value->real);
        break;
    case MQ_PICKLE_TEXT:
        mq_pickle_put_text(pickle, value->text, value->size);
        break;
    case MQ_PICKLE_LIST:
    case MQ_PICKLE_TUPLE:
        if (value->kind == MQ_PICKLE_LIST)
            mq_pickle_begin_list(pickle);
        else
            mq_pickle_begin_tuple(pickle);
        for (size_t i = 0; i < value->size && st == MQ_OK; i++)
            st = mq_pickle_value_put(pickle, mq_pickle_item(value, i), err);
        mq_pickle_end(pickle);
        break;
    case MQ_PICKLE_DICT:
        mq_pickle_begin_dict(pickle);
        for (size_t i = 0; i < value->size && st == MQ_OK; i++) {
            st = mq_pickle_value_put(pickle, mq_pickle_key(value, i), err);
            if (st == MQ_OK)
                st = mq_pickle_value_put(pickle, mq_pickle_at(value, i), err);
        }
        mq_pickle_end(pickle);
        break;
    case MQ_PICKLE_ARRAY:
        st = put_array(pickle, value, err);
        break;
    default:
        return unsupported(value, err);
    }
    return st;
}
