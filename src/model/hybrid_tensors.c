#include "model/hybrid_tensors.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct mq_bound_tensor *
mq_bound_tensors_add(struct mq_bound_tensors *tensors, const char *prefix, const char *name,
                     enum mq_tensor_type type, int dims, int64_t rows, int64_t columns, void *array)
{
    assert(tensors->count < MQ_BOUND_TENSORS_MAX);
    struct mq_bound_tensor *t = &tensors->list[tensors->count++];
    *t = (struct mq_bound_tensor){
        .type = type, .dims = dims, .shape = {rows, columns}, .array = array};
    snprintf(t->name, sizeof(t->name), "%s%s%s", prefix, *prefix != '\0' ? "." : "", name);
    return t;
}

enum mq_status
mq_bound_tensors_write(const struct mq_bound_tensors *tensors, struct mq_writer *writer,
                       struct mq_error *err)
{
    struct mq_tensor list[MQ_BOUND_TENSORS_MAX] = {0};
    for (int i = 0; i < tensors->count; i++) {
        const struct mq_bound_tensor *t = &tensors->list[i];
        const void *data;
        memcpy(&data, t->array, sizeof(data));
        list[i] = (struct mq_tensor){.name = t->name,
                                     .type = t->type,
                                     .dims = t->dims,
                                     .shape = {t->shape[0], t->shape[1]},
                                     .data = data};
    }
    return mq_safetensors_write(writer, list, (size_t)tensors->count, NULL, 0, err);
}

static const char *
shape_text(int dims, const int64_t *shape, char text[64])
{
    if (dims == 1)
        snprintf(text, 64, "[%lld]", (long long)shape[0]);
    else
        snprintf(text, 64, "[%lld,%lld]", (long long)shape[0], (long long)shape[1]);
    return text;
}

static enum mq_status
check_tensor(const struct mq_bound_tensor *want, const struct mq_tensor *found, const char *file,
             struct mq_error *err)
{
    if (found == NULL)
        return mq_fail(err, MQ_E_FORMAT, "'%s': tensor '%s' is missing", file, want->name);
    if (found->type != want->type || found->dims != want->dims)
        return mq_fail(err, MQ_E_FORMAT, "'%s': tensor '%s' is %s of %d dimensions (%s of %d)",
                       file, want->name, mq_tensor_type_name(found->type), found->dims,
                       mq_tensor_type_name(want->type), want->dims);
    for (int d = 0; d < want->dims; d++) {
        char is[64], due[64];
        if (want->shape[d] >= 0 && found->shape[d] != want->shape[d])
            return mq_fail(err, MQ_E_FORMAT, "'%s': tensor '%s' is %s (%s is due; -1: any)", file,
                           want->name, shape_text(found->dims, found->shape, is),
                           shape_text(want->dims, want->shape, due));
    }
    if (want->type != MQ_TENSOR_F32)
        return MQ_OK;
    const float *values = found->data;
    for (int64_t i = 0; i < found->count; i++)
        if (!isfinite(values[i]))
            return mq_fail(err, MQ_E_FORMAT, "'%s': value %lld of tensor '%s' is not finite", file,
                           (long long)i, want->name);
    return MQ_OK;
}

enum mq_status
mq_bound_tensors_read(struct mq_bound_tensors *tensors, struct mq_reader *reader,
                      struct mq_error *err)
{
    struct mq_safetensors file = {0};
    enum mq_status st = mq_safetensors_read(reader, 0, &file, err);
    for (int i = 0; st == MQ_OK && i < tensors->count; i++) {
        struct mq_bound_tensor *t = &tensors->list[i];
        const struct mq_tensor *found = mq_safetensors_find(&file, t->name);
        st = check_tensor(t, found, reader->name, err);
        if (st == MQ_OK)
            st = mq_alloc_array_raw((size_t)found->count, mq_tensor_type_size(t->type), t->array,
                                    err);
        if (st != MQ_OK)
            break;
        void *data;
        memcpy(&data, t->array, sizeof(data));
        if (found->size_bytes > 0)
            memcpy(data, found->data, found->size_bytes);
        for (int d = 0; d < t->dims; d++)
            t->shape[d] = found->shape[d];
    }
    mq_safetensors_release(&file);
    return st;
}
