#include "model/rank_features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

static const enum mq_property properties[MQ_RANK_CATEGORIES] = {
    MQ_PROPERTY_CATEGORY, MQ_PROPERTY_DIRECTOR, MQ_PROPERTY_ACTOR,
    MQ_PROPERTY_LANGUAGE, MQ_PROPERTY_LEVEL,    MQ_PROPERTY_YEAR};

static const char item_field[] = "item";

enum mq_property
mq_rank_property(int category)
{
    return properties[category];
}

void
mq_item_features_free(struct mq_item_features *features)
{
    if (features == NULL)
        return;
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
        mq_free(features->category[c]);
        mq_strmap_release(&features->names[c]);
    }
    mq_free(features->vector);
    mq_free(features->vector_mean);
    mq_arena_release(&features->text);
    free(features);
}

/* Programme i's values of a property, joined by '|'. */
static enum mq_status
join_values(const struct mq_catalogue *catalogue, enum mq_property property, int32_t i,
            struct mq_buffer *text, struct mq_error *err)
{
    const struct mq_strmap *names = &catalogue->names[property];
    mq_buffer_reset(text);
    enum mq_status st = MQ_OK;
    int64_t begin = catalogue->offset[property][i], end = catalogue->offset[property][i + 1];
    for (int64_t at = begin; st == MQ_OK && at < end; at++) {
        int32_t value = catalogue->value[property][at];
        if (at > begin)
            st = mq_buffer_append_char(text, '|', err);
        if (st == MQ_OK)
            st = mq_buffer_append(text, names->keys[value], names->sizes[value], err);
    }
    return st;
}

struct coded_text {
    const char *text;
    int32_t code;
};

static int
by_text(const void *a, const void *b)
{
    return strcmp(((const struct coded_text *)a)->text, ((const struct coded_text *)b)->text);
}

/* Give codes 1… in byte order to the texts of a map, in first-seen order before; 0 is "". */
static enum mq_status
order_codes(const struct mq_strmap *seen, int32_t *codes, int32_t count, struct mq_strmap *names,
            struct mq_error *err)
{
    mq_autofree struct coded_text *texts = NULL;
    mq_autofree int32_t *code_of = NULL;
    enum mq_status st = mq_alloc_array((size_t)seen->count, sizeof(*texts), &texts, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)seen->count, sizeof(*code_of), &code_of, err);
    for (int32_t s = 0; st == MQ_OK && s < seen->count; s++)
        texts[s] = (struct coded_text){.text = seen->keys[s], .code = s};
    if (st != MQ_OK)
        return st;
    qsort(texts, (size_t)seen->count, sizeof(*texts), by_text);
    int32_t code;
    st = mq_strmap_add(names, "", 0, &code, err);
    for (int32_t s = 0; st == MQ_OK && s < seen->count; s++) {
        st = mq_strmap_add_text(names, texts[s].text, &code, err);
        code_of[texts[s].code] = code;
    }
    for (int32_t i = 0; st == MQ_OK && i < count; i++)
        codes[i] = codes[i] < 0 ? 0 : code_of[codes[i]];
    return st;
}

static enum mq_status
build_category(struct mq_item_features *features, const struct mq_catalogue *catalogue, int c,
               struct mq_error *err)
{
    struct mq_buffer text = {0};
    struct mq_strmap seen = {0};
    enum mq_status st =
        mq_alloc_array((size_t)features->count, sizeof(int32_t), &features->category[c], err);
    for (int32_t i = 0; st == MQ_OK && i < features->count; i++) {
        st = join_values(catalogue, properties[c], i, &text, err);
        /* A list too long for a key is cut: what it shares with others still counts. */
        size_t size = MQ_MIN(text.size, (size_t)MQ_STRMAP_KEY_MAX);
        if (st == MQ_OK && size == 0)
            features->category[c][i] = -1;
        else if (st == MQ_OK)
            st = mq_strmap_add(&seen, text.data, size, &features->category[c][i], err);
    }
    if (st == MQ_OK)
        st = order_codes(&seen, features->category[c], features->count, &features->names[c], err);
    mq_buffer_release(&text);
    mq_strmap_release(&seen);
    return st;
}

static enum mq_status
build_vectors(struct mq_item_features *features, const float *vectors, int64_t vector_rows,
              struct mq_error *err)
{
    int64_t rows = MQ_MIN(vector_rows, features->count);
    enum mq_status st = mq_alloc_array((size_t)features->count * MQ_RANK_DIM, sizeof(float),
                                       &features->vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)features->count, sizeof(float), &features->vector_mean, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < rows * MQ_RANK_DIM; i++)
        if (!isfinite(vectors[i]))
            return mq_fail(err, MQ_E_RANGE,
                           "cannot make item features: the vector of item code %lld holds %g",
                           (long long)(i / MQ_RANK_DIM), (double)vectors[i]);
    for (int d = 0; d < MQ_RANK_DIM; d++) {
        float low = 0, high = 0;
        for (int32_t i = 0; i < features->count; i++) {
            float x = i < rows ? vectors[(int64_t)i * MQ_RANK_DIM + d] : 0;
            low = i == 0 ? x : MQ_MIN(low, x);
            high = i == 0 ? x : MQ_MAX(high, x);
        }
        for (int32_t i = 0; high > low && i < features->count; i++) {
            float x = i < rows ? vectors[(int64_t)i * MQ_RANK_DIM + d] : 0;
            features->vector[(int64_t)i * MQ_RANK_DIM + d] =
                (float)(((double)x - (double)low) / ((double)high - (double)low));
        }
    }
    for (int32_t i = 0; i < features->count; i++) {
        double sum = 0;
        for (int d = 0; d < MQ_RANK_DIM; d++)
            sum += (double)features->vector[(int64_t)i * MQ_RANK_DIM + d];
        features->vector_mean[i] = (float)(sum / MQ_RANK_DIM);
    }
    return MQ_OK;
}

static enum mq_status
fill_features(struct mq_item_features *features, const struct mq_catalogue *catalogue,
              const float *vectors, int64_t vector_rows, struct mq_error *err)
{
    features->count = catalogue->count;
    features->ids =
        mq_arena_array(&features->text, (size_t)MQ_MAX(features->count, 1), sizeof(*features->ids));
    if (features->ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items",
                       features->count);
    for (int32_t i = 0; i < features->count; i++) {
        features->ids[i] =
            mq_arena_copy(&features->text, catalogue->ids.keys[i], catalogue->ids.sizes[i]);
        if (features->ids[i] == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items",
                           features->count);
    }
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
        enum mq_status st = build_category(features, catalogue, c, err);
        if (st != MQ_OK)
            return st;
    }
    return build_vectors(features, vectors, vector_rows, err);
}

enum mq_status
mq_item_features_build(const struct mq_catalogue *catalogue, const float *vectors,
                       int64_t vector_rows, struct mq_item_features **ret_features,
                       struct mq_error *err)
{
    struct mq_item_features *features = calloc(1, sizeof(*features));
    if (features == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate item features");
    enum mq_status st = fill_features(features, catalogue, vectors, vector_rows, err);
    if (st != MQ_OK) {
        mq_item_features_free(features);
        return st;
    }
    *ret_features = features;
    return MQ_OK;
}

/* Text of item i in a category column, "" where missing; column MQ_RANK_CATEGORIES is the item. */
static const char *
value_text(const struct mq_item_features *features, int column, int32_t i)
{
    if (column == MQ_RANK_CATEGORIES)
        return features->ids[i];
    return features->names[column].keys[features->category[column][i]];
}

static const char *
column_name(int column)
{
    return column == MQ_RANK_CATEGORIES ? item_field : mq_property_name(properties[column]);
}

static enum mq_status
category_field(const struct mq_item_features *features, int column, const int64_t *item_rows,
               int64_t min_rows, struct mq_arena *arena, struct mq_deepfm_field *ret_field,
               struct mq_error *err)
{
    bool item = column == MQ_RANK_CATEGORIES;
    int32_t codes = item ? features->count + 1 : features->names[column].count;
    mq_autofree int64_t *rows = NULL;
    enum mq_status st = mq_alloc_array((size_t)codes, sizeof(*rows), &rows, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < features->count; i++)
        rows[item ? i + 1 : features->category[column][i]] +=
            item_rows != NULL ? item_rows[i] : INT32_MAX;
    char **values = mq_arena_array(arena, (size_t)codes, sizeof(*values));
    if (values == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'",
                       column_name(column));
    int32_t size = 0;
    values[size++] = mq_arena_copy(arena, "", 0);
    for (int32_t code = 1; code < codes; code++)
        if (rows[code] >= min_rows)
            values[size++] = item ? features->ids[code - 1]
                                  : (char *)(uintptr_t)features->names[column].keys[code];
    if (values[0] == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'",
                       column_name(column));
    *ret_field = (struct mq_deepfm_field){
        .kind = MQ_DEEPFM_CATEGORY, .size = size, .scale = 1, .values = values};
    snprintf(ret_field->name, sizeof(ret_field->name), "%s", column_name(column));
    return MQ_OK;
}

enum mq_status
mq_rank_fields(const struct mq_item_features *features, bool with_item, const int64_t *item_rows,
               int64_t min_rows, struct mq_arena *arena, struct mq_deepfm_field *ret_fields,
               int32_t *ret_count, struct mq_error *err)
{
    int32_t count = 0;
    for (; count < MQ_RANK_DIM; count++) {
        ret_fields[count] =
            (struct mq_deepfm_field){.kind = MQ_DEEPFM_DENSE, .size = 1, .scale = 1};
        snprintf(ret_fields[count].name, sizeof(ret_fields[count].name), "u%02d", count);
    }
    for (int column = 0; column < MQ_RANK_CATEGORIES + (with_item ? 1 : 0); column++) {
        enum mq_status st =
            category_field(features, column, item_rows, min_rows, arena, &ret_fields[count], err);
        if (st != MQ_OK)
            return st;
        count++;
    }
    *ret_count = count;
    return MQ_OK;
}

void
mq_rank_user_values(const float *vector, int64_t history, float ret_values[MQ_RANK_DIM])
{
    if (vector == NULL || history <= 0)
        memset(ret_values, 0, MQ_RANK_DIM * sizeof(float));
    else
        memcpy(ret_values, vector, MQ_RANK_DIM * sizeof(float));
}

void
mq_rank_ids_free(int32_t **ids, int32_t columns)
{
    for (int32_t k = 0; ids != NULL && k < columns; k++)
        mq_free(ids[k]);
    free(ids);
}

/* Ids of one field for all items, through a map of the field's texts. */
static enum mq_status
field_ids(const struct mq_deepfm_field *field, const struct mq_item_features *features,
          int32_t *ret_ids, struct mq_error *err)
{
    int column = 0;
    while (column <= MQ_RANK_CATEGORIES && strcmp(column_name(column), field->name) != 0)
        column++;
    if (column > MQ_RANK_CATEGORIES || field->kind != MQ_DEEPFM_CATEGORY || field->values == NULL)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "the rank model has a field '%s' that is no item feature (known: category, "
                       "director, actor, language, level, year, item)",
                       field->name);
    struct mq_strmap map = {0};
    enum mq_status st = MQ_OK;
    int32_t code;
    for (int32_t id = 0; st == MQ_OK && id < field->size; id++) {
        st = mq_strmap_add_text(&map, field->values[id], &code, err);
        if (st == MQ_OK && code != id)
            st = mq_fail(err, MQ_E_FORMAT, "the rank model's field '%s' holds '%s' twice",
                         field->name, field->values[id]);
    }
    for (int32_t i = 0; st == MQ_OK && i < features->count; i++) {
        const char *text = value_text(features, column, i);
        ret_ids[i] = text[0] == '\0' ? 0 : MQ_MAX(mq_strmap_find_text(&map, text), 0);
    }
    mq_strmap_release(&map);
    return st;
}

enum mq_status
mq_rank_ids(const struct mq_deepfm_field *fields, int32_t field_count,
            const struct mq_item_features *features, int32_t ***ret_ids, struct mq_error *err)
{
    int32_t dense = 0;
    while (dense < field_count && fields[dense].kind == MQ_DEEPFM_DENSE)
        dense++;
    int32_t columns = field_count - dense;
    int32_t **ids = calloc((size_t)MQ_MAX(columns, 1), sizeof(*ids));
    if (ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the ids of %d items", features->count);
    enum mq_status st = MQ_OK;
    for (int32_t k = 0; st == MQ_OK && k < columns; k++) {
        st = mq_alloc_array((size_t)features->count, sizeof(int32_t), &ids[k], err);
        if (st == MQ_OK)
            st = field_ids(&fields[dense + k], features, ids[k], err);
    }
    if (st != MQ_OK) {
        mq_rank_ids_free(ids, columns);
        return st;
    }
    *ret_ids = ids;
    return MQ_OK;
}

enum mq_status
mq_rank_scorer_new(const struct mq_deepfm *model, const struct mq_item_features *features,
                   struct mq_pool *pool, struct mq_deepfm_scorer **ret_scorer, struct mq_error *err)
{
    if (model->dense_count != MQ_RANK_DIM)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "the rank model takes %d dense values (a user's vector has %d)",
                       model->dense_count, MQ_RANK_DIM);
    int32_t **ids = NULL;
    enum mq_status st = mq_rank_ids(model->fields, model->field_count, features, &ids, err);
    if (st != MQ_OK)
        return st;
    struct mq_deepfm_rows items = {.count = features->count, .ids = (const int32_t *const *)ids};
    st = mq_deepfm_scorer_new(model, &items, pool, ret_scorer, err);
    mq_rank_ids_free(ids, model->field_count - model->dense_count);
    return st;
}
