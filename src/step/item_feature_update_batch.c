/*
 * item-feature-update-batch: the frame of item features, one row a programme, in catalogue order.
 * It runs after model-update-ub, whose vectors it takes (row = code); without any they are zeros.
 */
#include <math.h>

#include <stdio.h>

#include "base/memory.h"
#include "data/catalogue.h"
#include "format/npy.h"
#include "model/rank_features.h"
#include "step/step.h"

/* Item vectors, or none where there are none yet. */
static enum mq_status
read_vectors(struct mq_step_context *context, float **ret_vectors, int64_t *ret_rows,
             struct mq_error *err)
{
    bool exists = false;
    enum mq_status st =
        mq_artifact_exists(context->store, context->region, MQ_ARTIFACT_ITEM_EMBEDDINGS,
                           MQ_PROGRAM_MOVIE, &exists, err);
    if (st != MQ_OK)
        return st;
    if (!exists) {
        mq_step_note(context, "item features: no item vectors yet, zeros stand for them");
        return MQ_OK;
    }
    struct mq_reader *reader = NULL;
    float *vectors = NULL;
    int64_t rows = 0, columns = 0;
    st = mq_artifact_reader(context->store, context->region, MQ_ARTIFACT_ITEM_EMBEDDINGS,
                            MQ_PROGRAM_MOVIE, &reader, err);
    if (st == MQ_OK)
        st = mq_npy_read_floats(reader, 0, &vectors, &rows, &columns, err);
    if (st == MQ_OK && rows > 0 && columns != MQ_RANK_DIM)
        st = mq_fail(err, MQ_E_FORMAT, "'%s': item vectors have %lld numbers each (expected: %d)",
                     reader->name, (long long)columns, MQ_RANK_DIM);
    for (int64_t i = 0; st == MQ_OK && i < rows * columns; i++)
        if (!isfinite(vectors[i]))
            st = mq_fail(err, MQ_E_FORMAT, "'%s': the vector of item code %lld holds %g",
                         reader->name, (long long)(i / columns), (double)vectors[i]);
    mq_reader_close(reader);
    if (st != MQ_OK) {
        mq_free(vectors);
        return mq_artifact_damaged(MQ_ARTIFACT_ITEM_EMBEDDINGS, st, err);
    }
    *ret_vectors = vectors;
    *ret_rows = rows;
    return MQ_OK;
}

static enum mq_status
write_frame(struct mq_step_context *context, const struct mq_item_features *features,
            struct mq_error *err)
{
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_artifact_writer(
        context->store, context->region, MQ_ARTIFACT_ITEM_FEATURES, MQ_PROGRAM_MOVIE, &writer, err);
    if (st == MQ_OK)
        st = mq_item_features_write(features, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

enum mq_status
mq_step_item_feature_update_batch(struct mq_step_context *context, struct mq_error *err)
{
    struct mq_catalogue *catalogue = NULL;
    struct mq_item_features *features = NULL;
    mq_autofree float *vectors = NULL;
    int64_t rows = 0;
    enum mq_status st = mq_catalogue_load(context->store, context->region, &catalogue, err);
    if (st == MQ_OK)
        st = read_vectors(context, &vectors, &rows, err);
    if (st == MQ_OK)
        st = mq_item_features_build(catalogue, vectors, rows, &features, err);
    if (st == MQ_OK)
        st = write_frame(context, features, err);
    if (st == MQ_OK) {
        mq_step_count(context, "rows", features->count);
        mq_step_count(context, "items_with_vector", MQ_MIN(rows, features->count));
        for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
            char name[64];
            snprintf(name, sizeof(name), "values_%s", mq_property_name(mq_rank_property(c)));
            mq_step_count(context, name, features->names[c].count - 1);
        }
    }
    mq_item_features_free(features);
    mq_catalogue_free(catalogue);
    return st;
}
