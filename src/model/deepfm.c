#include "model/deepfm.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Floats of a 64-byte line. */
#define LINE 16

void
mq_deepfm_free(struct mq_deepfm *model)
{
    if (model == NULL)
        return;
    for (int32_t f = 0; model->fields != NULL && f < model->field_count; f++) {
        char **values = model->fields[f].values;
        for (int32_t i = 0; values != NULL && i < model->fields[f].size; i++)
            free(values[i]);
        free(values);
    }
    free(model->fields);
    mq_free(model->parameters);
    free(model);
}

int32_t
mq_deepfm_field_find(const struct mq_deepfm *model, const char *name)
{
    for (int32_t f = 0; f < model->field_count; f++)
        if (strcmp(model->fields[f].name, name) == 0)
            return f;
    return -1;
}

static enum mq_status
check_shape(const struct mq_deepfm_field *fields, int32_t field_count, int32_t dim,
            int32_t layer_count, const int32_t *width, struct mq_error *err)
{
    if (field_count < 1 || field_count > MQ_DEEPFM_FIELDS_MAX)
        return mq_fail(err, MQ_E_RANGE, "a DeepFM model cannot have %d fields (allowed: 1 to %d)",
                       field_count, MQ_DEEPFM_FIELDS_MAX);
    if (dim < 1 || dim > MQ_DEEPFM_DIM_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "a DeepFM model cannot have vectors of %d (allowed: 1 to %d)", dim,
                       MQ_DEEPFM_DIM_MAX);
    if (layer_count < 0 || layer_count > MQ_DEEPFM_LAYERS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "a DeepFM model cannot have %d hidden layers (allowed: 0 to %d)",
                       layer_count, MQ_DEEPFM_LAYERS_MAX);
    for (int32_t l = 0; l < layer_count; l++)
        if (width[l] < 1 || width[l] > MQ_DEEPFM_WIDTH_MAX)
            return mq_fail(err, MQ_E_RANGE,
                           "hidden layer %d of a DeepFM model cannot have %d units (allowed: 1 to "
                           "%d)",
                           l + 1, width[l], MQ_DEEPFM_WIDTH_MAX);
    int64_t features = 0;
    for (int32_t f = 0; f < field_count; f++) {
        const struct mq_deepfm_field *field = &fields[f];
        size_t length = strnlen(field->name, MQ_DEEPFM_NAME_MAX);
        if (length == 0 || length == MQ_DEEPFM_NAME_MAX)
            return mq_fail(err, MQ_E_RANGE, "field %d has no name, or one of over %d bytes", f,
                           MQ_DEEPFM_NAME_MAX - 1);
        for (int32_t g = 0; g < f; g++)
            if (strcmp(fields[g].name, field->name) == 0)
                return mq_fail(err, MQ_E_RANGE, "fields %d and %d are both called '%s'", g, f,
                               field->name);
        if ((int)field->kind < MQ_DEEPFM_DENSE || field->kind > MQ_DEEPFM_BAG ||
            (f > 0 && field->kind < fields[f - 1].kind))
            return mq_fail(err, MQ_E_RANGE,
                           "field '%s' is out of place: dense fields come first, then categories, "
                           "then bags",
                           field->name);
        if (field->size < 1 || (field->kind == MQ_DEEPFM_DENSE && field->size != 1))
            return mq_fail(err, MQ_E_RANGE, "field '%s' cannot have %d features", field->name,
                           field->size);
        if (!isfinite(field->mean) || !isfinite(field->scale))
            return mq_fail(err, MQ_E_RANGE, "field '%s' has mean %g and scale %g: not finite",
                           field->name, (double)field->mean, (double)field->scale);
        features += field->size;
    }
    if (features > MQ_DEEPFM_FEATURES_MAX)
        return mq_fail(err, MQ_E_RANGE, "a DeepFM model cannot have %lld features (at most %d)",
                       (long long)features, MQ_DEEPFM_FEATURES_MAX);
    return MQ_OK;
}

static enum mq_status
copy_fields(struct mq_deepfm *model, const struct mq_deepfm_field *fields, struct mq_error *err)
{
    for (int32_t f = 0; f < model->field_count; f++) {
        struct mq_deepfm_field *field = &model->fields[f];
        *field = fields[f];
        field->values = NULL;
        field->first = model->feature_count;
        model->feature_count += field->size;
        model->dense_count += field->kind == MQ_DEEPFM_DENSE;
        model->category_count += field->kind == MQ_DEEPFM_CATEGORY;
        if (field->kind != MQ_DEEPFM_DENSE) {
            field->mean = 0;
            field->scale = 1;
        }
        if (fields[f].values == NULL)
            continue;
        field->values = calloc((size_t)field->size, sizeof(*field->values));
        if (field->values == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'",
                           field->name);
        for (int32_t i = 0; i < field->size; i++) {
            field->values[i] = mq_strdup(fields[f].values[i]);
            if (field->values[i] == NULL)
                return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'",
                               field->name);
        }
    }
    return MQ_OK;
}

/* Lay the arrays out in a block; with block NULL only count. */
static size_t
lay_out(struct mq_deepfm *model, float *block)
{
    size_t at = 0;
#define PLACE(pointer, count)                                                                      \
    do {                                                                                           \
        (pointer) = block != NULL ? block + at : NULL;                                             \
        at += ((size_t)(count) + LINE - 1) / LINE * LINE;                                          \
    } while (0)
    PLACE(model->w, model->feature_count);
    PLACE(model->v, (size_t)model->feature_count * (size_t)model->dim);
    size_t input = (size_t)model->field_count * (size_t)model->dim;
    for (int32_t l = 0; model->layer_count > 0 && l <= model->layer_count; l++) {
        size_t output = l < model->layer_count ? (size_t)model->width[l] : 1;
        PLACE(model->kernel[l], input * output);
        PLACE(model->offset[l], output);
        input = output;
    }
    PLACE(model->bias, 1);
#undef PLACE
    return at;
}

enum mq_status
mq_deepfm_new(const struct mq_deepfm_field *fields, int32_t field_count, int32_t dim,
              int32_t layer_count, const int32_t *width, struct mq_deepfm **ret_model,
              struct mq_error *err)
{
    enum mq_status st = check_shape(fields, field_count, dim, layer_count, width, err);
    if (st != MQ_OK)
        return st;
    struct mq_deepfm *model = calloc(1, sizeof(*model));
    if (model == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a DeepFM model");
    model->field_count = field_count;
    model->dim = dim;
    model->layer_count = layer_count;
    if (layer_count > 0)
        memcpy(model->width, width, (size_t)layer_count * sizeof(*width));
    model->fields = calloc((size_t)field_count, sizeof(*model->fields));
    st = model->fields != NULL ? copy_fields(model, fields, err)
                               : mq_fail(err, MQ_E_NOMEM, "cannot allocate a DeepFM model");
    if (st == MQ_OK) {
        model->parameter_count = lay_out(model, NULL);
        st = mq_alloc_array(model->parameter_count, sizeof(float), &model->parameters, err);
    }
    if (st != MQ_OK) {
        mq_deepfm_free(model);
        return st;
    }
    lay_out(model, model->parameters);
    *ret_model = model;
    return MQ_OK;
}

static enum mq_status
check_dense(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows, struct mq_error *err)
{
    int64_t width = model->dense_count;
    int64_t count = rows->dense_row != NULL ? rows->dense_rows : rows->count;
    if (rows->dense == NULL && count > 0)
        return mq_fail(err, MQ_E_RANGE, "rows lack the dense values of the model's %lld fields",
                       (long long)width);
    for (int64_t i = 0; rows->dense_row != NULL && i < rows->count; i++)
        if (rows->dense_row[i] < 0 || rows->dense_row[i] >= rows->dense_rows)
            return mq_fail(err, MQ_E_RANGE, "row %lld names dense row %d of %lld", (long long)i,
                           rows->dense_row[i], (long long)rows->dense_rows);
    /* x - x is 0 unless x is infinite or NaN; sums of zeros vectorise, a search runs on failure. */
    for (int64_t r = 0; r < count; r++) {
        const float *x = rows->dense + r * width;
        float bad = 0;
        for (int64_t d = 0; d < width; d++)
            bad += x[d] - x[d];
        if (bad == 0)
            continue;
        for (int64_t d = 0; d < width; d++)
            if (!isfinite(x[d]))
                return mq_fail(err, MQ_E_RANGE,
                               "field '%s' of dense row %lld is %g: not a finite number",
                               model->fields[d].name, (long long)r, (double)x[d]);
    }
    return MQ_OK;
}

static enum mq_status
check_bags(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows, int32_t bag,
           struct mq_error *err)
{
    int32_t f = model->dense_count + model->category_count + bag;
    const char *name = model->fields[f].name;
    if (rows->bag_offset == NULL || rows->bag_ids == NULL || rows->bag_count == NULL ||
        rows->bag_offset[bag] == NULL)
        return mq_fail(err, MQ_E_RANGE, "rows lack the bags of field '%s'", name);
    int64_t bags = rows->bag_count[bag];
    if (bags < 0 || bags > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "field '%s' cannot have %lld bags", name, (long long)bags);
    for (int64_t b = 0; b < bags; b++)
        if (rows->bag_offset[bag][b] < 0 || rows->bag_offset[bag][b + 1] < rows->bag_offset[bag][b])
            return mq_fail(err, MQ_E_RANGE, "bag %lld of field '%s' ends before it begins",
                           (long long)b, name);
    const int32_t *number = rows->ids[model->category_count + bag];
    for (int64_t i = 0; i < rows->count; i++)
        if (number[i] < 0 || number[i] >= bags)
            return mq_fail(err, MQ_E_RANGE, "row %lld names bag %d of %lld in field '%s'",
                           (long long)i, number[i], (long long)bags, name);
    return MQ_OK;
}

enum mq_status
mq_deepfm_rows_check(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                     struct mq_error *err)
{
    if (rows->count < 0)
        return mq_fail(err, MQ_E_RANGE, "there cannot be %lld rows", (long long)rows->count);
    if (model->dense_count > 0) {
        enum mq_status st = check_dense(model, rows, err);
        if (st != MQ_OK)
            return st;
    }
    int32_t columns = model->field_count - model->dense_count;
    for (int32_t k = 0; k < columns; k++)
        if (rows->ids == NULL || rows->ids[k] == NULL)
            return mq_fail(err, MQ_E_RANGE, "rows lack the column of field '%s'",
                           model->fields[model->dense_count + k].name);
    for (int32_t k = 0; k < columns - model->category_count; k++) {
        enum mq_status st = check_bags(model, rows, k, err);
        if (st != MQ_OK)
            return st;
    }
    for (int64_t i = 0; rows->label != NULL && i < rows->count; i++)
        if (rows->label[i] != 0.0f && rows->label[i] != 1.0f)
            return mq_fail(err, MQ_E_RANGE, "the label of row %lld is %g (allowed: 0 and 1)",
                           (long long)i, (double)rows->label[i]);
    return MQ_OK;
}
