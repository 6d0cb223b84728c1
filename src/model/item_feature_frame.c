/* The frame of item features as a pickle: a dict of columns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/pickle_reader.h"
#include "format/pickle_writer.h"
#include "model/rank_features.h"

#define VECTOR_FIRST 32 /* I32 … I63 */

static void
column_key(char prefix, int number, char ret_key[8])
{
    snprintf(ret_key, 8, "%c%d", prefix, number);
}

static void
put_reals(struct mq_pickle_writer *w, const char *key, const double *values, int64_t count)
{
    mq_pickle_put_string(w, key);
    mq_pickle_put_array(w, MQ_PICKLE_F8, 1, &count, values);
}

enum mq_status
mq_item_features_write(const struct mq_item_features *features, struct mq_writer *writer,
                       struct mq_error *err)
{
    int64_t count = features->count;
    char key[8];
    mq_autofree int64_t *codes = NULL;
    mq_autofree double *reals = NULL;
    struct mq_pickle_writer *w = NULL;
    enum mq_status st = mq_alloc_array((size_t)count, sizeof(*codes), &codes, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)count, sizeof(*reals), &reals, err);
    if (st == MQ_OK)
        st = mq_pickle_writer_new(writer, &w, err);
    if (st != MQ_OK)
        return st;
    mq_pickle_begin_dict(w);
    mq_pickle_put_string(w, "programId");
    mq_pickle_begin_list(w);
    for (int64_t i = 0; i < count; i++)
        mq_pickle_put_string(w, features->ids[i]);
    mq_pickle_end(w);
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
        for (int64_t i = 0; i < count; i++)
            codes[i] = features->category[c][i];
        column_key('C', c + 1, key);
        mq_pickle_put_string(w, key);
        mq_pickle_put_array(w, MQ_PICKLE_I8, 1, &count, codes);
    }
    for (int d = 0; d < MQ_RANK_DIM; d++) {
        for (int64_t i = 0; i < count; i++)
            reals[i] = (double)features->vector[i * MQ_RANK_DIM + d];
        column_key('I', VECTOR_FIRST + d, key);
        put_reals(w, key, reals, count);
    }
    for (int64_t i = 0; i < count; i++)
        reals[i] = (double)features->vector_mean[i];
    put_reals(w, "item_feat_mean", reals, count);
    mq_pickle_put_string(w, "values");
    mq_pickle_begin_dict(w);
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
        const struct mq_strmap *names = &features->names[c];
        column_key('C', c + 1, key);
        mq_pickle_put_string(w, key);
        mq_pickle_begin_list(w);
        for (int32_t code = 0; code < names->count; code++)
            mq_pickle_put_text(w, names->keys[code], names->sizes[code]);
        mq_pickle_end(w);
    }
    mq_pickle_end(w);
    mq_pickle_end(w);
    st = mq_pickle_finish(w, err);
    mq_pickle_writer_free(w);
    return st;
}

/* Element i of a column, a NumPy array or a list of numbers; NAN when it is neither. */
static double
column_at(const struct mq_pickle_value *column, int64_t i)
{
    if (column->kind == MQ_PICKLE_ARRAY)
        return mq_pickle_array_real(column->array, i);
    double value;
    return mq_pickle_as_real(mq_pickle_item(column, (size_t)i), &value) ? value : NAN;
}

static enum mq_status
need_column(const struct mq_pickle_value *frame, const char *key, int64_t count,
            const struct mq_pickle_value **ret_column, struct mq_error *err)
{
    const struct mq_pickle_value *column = mq_pickle_get(frame, key);
    if (column == NULL)
        return mq_fail(err, MQ_E_FORMAT, "the frame of item features lacks column '%s'", key);
    int64_t rows =
        column->kind == MQ_PICKLE_ARRAY ? column->array->count : (int64_t)mq_pickle_count(column);
    bool list = column->kind == MQ_PICKLE_LIST || column->kind == MQ_PICKLE_ARRAY;
    if (!list || rows != count)
        return mq_fail(err, MQ_E_FORMAT,
                       "column '%s' of the frame of item features is a %s of %lld (expected: a "
                       "list or array of %lld)",
                       key, mq_pickle_kind_name(column), (long long)rows, (long long)count);
    *ret_column = column;
    return MQ_OK;
}

static enum mq_status
read_ids(struct mq_item_features *features, const struct mq_pickle_value *frame,
         struct mq_error *err)
{
    const struct mq_pickle_value *column = mq_pickle_get(frame, "programId");
    if (column == NULL || column->kind != MQ_PICKLE_LIST || mq_pickle_count(column) > INT32_MAX - 1)
        return mq_fail(err, MQ_E_FORMAT,
                       "the frame of item features lacks its list of ids, 'programId'");
    features->count = (int32_t)mq_pickle_count(column);
    features->ids =
        mq_arena_array(&features->text, (size_t)MQ_MAX(features->count, 1), sizeof(*features->ids));
    if (features->ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items",
                       features->count);
    for (int32_t i = 0; i < features->count; i++) {
        const char *text;
        size_t size;
        if (!mq_pickle_as_text(mq_pickle_item(column, (size_t)i), &text, &size) ||
            strlen(text) != size)
            return mq_fail(err, MQ_E_FORMAT,
                           "entry %d of 'programId' in the frame of item features is no id", i);
        features->ids[i] = mq_arena_copy(&features->text, text, size);
        if (features->ids[i] == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items",
                           features->count);
    }
    return MQ_OK;
}

static enum mq_status
read_category(struct mq_item_features *features, const struct mq_pickle_value *frame, int c,
              struct mq_error *err)
{
    char key[8];
    column_key('C', c + 1, key);
    const struct mq_pickle_value *texts = mq_pickle_get(mq_pickle_get(frame, "values"), key);
    const struct mq_pickle_value *column = NULL;
    struct mq_strmap *names = &features->names[c];
    enum mq_status st = need_column(frame, key, features->count, &column, err);
    if (st == MQ_OK && (texts == NULL || texts->kind != MQ_PICKLE_LIST || texts->size == 0 ||
                        texts->size > INT32_MAX - 1))
        st = mq_fail(err, MQ_E_FORMAT, "the frame of item features lacks the texts of column '%s'",
                     key);
    for (size_t code = 0; st == MQ_OK && code < texts->size; code++) {
        const char *text = "";
        size_t size = 0;
        int32_t given = -1;
        if (!mq_pickle_as_text(mq_pickle_item(texts, code), &text, &size) || (code == 0) != !size)
            st = mq_fail(err, MQ_E_FORMAT, "text %zu of column '%s' is not one (0 must be '')",
                         code, key);
        else
            st = mq_strmap_add(names, text, size, &given, err);
        if (st == MQ_OK && given != (int32_t)code)
            st = mq_fail(err, MQ_E_FORMAT, "column '%s' holds text '%s' twice", key, text);
    }
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)features->count, sizeof(int32_t), &features->category[c], err);
    for (int32_t i = 0; st == MQ_OK && i < features->count; i++) {
        double code = column_at(column, i);
        if (!(code >= 0 && code < names->count))
            st = mq_fail(err, MQ_E_FORMAT,
                         "column '%s' of the frame of item features has code %g for item '%s' "
                         "(allowed: 0 to %d)",
                         key, code, features->ids[i], names->count - 1);
        else
            features->category[c][i] = (int32_t)code;
    }
    return st;
}

static enum mq_status
read_vectors(struct mq_item_features *features, const struct mq_pickle_value *frame,
             struct mq_error *err)
{
    enum mq_status st = mq_alloc_array((size_t)features->count * MQ_RANK_DIM, sizeof(float),
                                       &features->vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)features->count, sizeof(float), &features->vector_mean, err);
    for (int d = 0; st == MQ_OK && d <= MQ_RANK_DIM; d++) {
        char key[16] = "item_feat_mean";
        if (d < MQ_RANK_DIM)
            column_key('I', VECTOR_FIRST + d, key);
        const struct mq_pickle_value *column = NULL;
        st = need_column(frame, key, features->count, &column, err);
        for (int32_t i = 0; st == MQ_OK && i < features->count; i++) {
            double x = column_at(column, i);
            if (!isfinite((float)x))
                st = mq_fail(err, MQ_E_FORMAT,
                             "column '%s' of the frame of item features has %g for item '%s' "
                             "(allowed: what float32 holds)",
                             key, x, features->ids[i]);
            else if (d < MQ_RANK_DIM)
                features->vector[(int64_t)i * MQ_RANK_DIM + d] = (float)x;
            else
                features->vector_mean[i] = (float)x;
        }
    }
    return st;
}

enum mq_status
mq_item_features_read(struct mq_reader *reader, struct mq_item_features **ret_features,
                      struct mq_error *err)
{
    struct mq_arena arena = {0};
    const struct mq_pickle_value *frame = NULL;
    struct mq_item_features *features = NULL;
    enum mq_status st = mq_pickle_read(reader, NULL, &arena, &frame, err);
    if (st == MQ_OK && frame->kind != MQ_PICKLE_DICT)
        st = mq_fail(err, MQ_E_FORMAT, "the frame of item features is a %s (expected: a dict)",
                     mq_pickle_kind_name(frame));
    if (st == MQ_OK) {
        features = calloc(1, sizeof(*features));
        st = features != NULL ? read_ids(features, frame, err)
                              : mq_fail(err, MQ_E_NOMEM, "cannot allocate item features");
    }
    for (int c = 0; st == MQ_OK && c < MQ_RANK_CATEGORIES; c++)
        st = read_category(features, frame, c, err);
    if (st == MQ_OK)
        st = read_vectors(features, frame, err);
    mq_arena_release(&arena);
    if (st != MQ_OK) {
        mq_item_features_free(features);
        return st;
    }
    *ret_features = features;
    return MQ_OK;
}

/* Bring rows into catalogue order; items that the frame lacks get zeros. Ids become the
 * catalogue's. */
static enum mq_status
align(struct mq_item_features *features, const struct mq_catalogue *catalogue, struct mq_error *err)
{
    int32_t count = catalogue->count;
    char **ids = mq_arena_array(&features->text, (size_t)MQ_MAX(count, 1), sizeof(*ids));
    if (ids == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items", count);
    mq_autofree int32_t *from = NULL;
    enum mq_status st = mq_alloc_array((size_t)count, sizeof(*from), &from, err);
    struct mq_strmap rows = {0};
    int32_t row;
    for (int32_t i = 0; st == MQ_OK && i < features->count; i++) {
        st = mq_strmap_add_text(&rows, features->ids[i], &row, err);
        if (st == MQ_OK && row != i)
            st = mq_fail(err, MQ_E_FORMAT, "the frame of item features holds item '%s' twice",
                         features->ids[i]);
    }
    for (int32_t i = 0; st == MQ_OK && i < count; i++) {
        from[i] = mq_strmap_find(&rows, catalogue->ids.keys[i], catalogue->ids.sizes[i]);
        ids[i] = mq_arena_copy(&features->text, catalogue->ids.keys[i], catalogue->ids.sizes[i]);
        if (ids[i] == NULL)
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate the features of %d items", count);
    }
    mq_strmap_release(&rows);
    for (int c = 0; st == MQ_OK && c < MQ_RANK_CATEGORIES; c++) {
        int32_t *codes = NULL;
        st = mq_alloc_array((size_t)count, sizeof(*codes), &codes, err);
        for (int32_t i = 0; st == MQ_OK && i < count; i++)
            codes[i] = from[i] >= 0 ? features->category[c][from[i]] : 0;
        if (st == MQ_OK) {
            mq_free(features->category[c]);
            features->category[c] = codes;
        }
    }
    float *vector = NULL, *mean = NULL;
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)count * MQ_RANK_DIM, sizeof(float), &vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)count, sizeof(float), &mean, err);
    if (st != MQ_OK) {
        mq_free(vector);
        return st;
    }
    for (int32_t i = 0; i < count; i++) {
        if (from[i] < 0)
            continue;
        memcpy(vector + (int64_t)i * MQ_RANK_DIM, features->vector + (int64_t)from[i] * MQ_RANK_DIM,
               MQ_RANK_DIM * sizeof(float));
        mean[i] = features->vector_mean[from[i]];
    }
    mq_free(features->vector);
    mq_free(features->vector_mean);
    features->vector = vector;
    features->vector_mean = mean;
    features->ids = ids;
    features->count = count;
    return MQ_OK;
}

enum mq_status
mq_item_features_load(struct mq_object_store *store, const char *region,
                      const struct mq_catalogue *catalogue, struct mq_item_features **ret_features,
                      struct mq_error *err)
{
    struct mq_reader *reader = NULL;
    struct mq_item_features *features = NULL;
    enum mq_status st = mq_artifact_reader(store, region, MQ_ARTIFACT_ITEM_FEATURES,
                                           MQ_PROGRAM_MOVIE, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_item_features_read(reader, &features, err);
    mq_reader_close(reader);
    if (st == MQ_OK)
        st = align(features, catalogue, err);
    if (st != MQ_OK) {
        mq_item_features_free(features);
        mq_artifact_damaged(MQ_ARTIFACT_ITEM_FEATURES, st, err);
        return mq_fail_context(err, st, "cannot load item features");
    }
    *ret_features = features;
    return MQ_OK;
}
