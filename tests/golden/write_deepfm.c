/*
 * write_deepfm OUT DATA: train a small rank model and write model.tar.gz, the feature ids and
 * values of some rows with their probabilities, and a frame of item features, for deepfm_golden.py
 * to open with onnxruntime, safetensors and pickle. DATA is not used.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "format/npy.h"
#include "model/deepfm.h"
#include "model/rank_features.h"

enum { ROWS = 400, FIELDS = MQ_RANK_FIELDS_MAX, COLUMNS = FIELDS - MQ_RANK_DIM, SIZE = 9 };

struct world {
    struct mq_deepfm_field fields[FIELDS];
    float dense[ROWS * MQ_RANK_DIM], label[ROWS], prob[ROWS];
    int32_t column[COLUMNS][ROWS];
    const int32_t *ids[COLUMNS];
    int32_t feature[ROWS * FIELDS];
    float value[ROWS * FIELDS];
    struct mq_deepfm *model;
    struct mq_item_features features;
};

static void
make_rows(struct world *w)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    for (int f = 0; f < FIELDS; f++) {
        bool dense = f < MQ_RANK_DIM;
        w->fields[f] =
            (struct mq_deepfm_field){.kind = dense ? MQ_DEEPFM_DENSE : MQ_DEEPFM_CATEGORY,
                                     .size = dense ? 1 : SIZE,
                                     .mean = 0.5f,
                                     .scale = 0.5f + (float)f / 16};
        snprintf(w->fields[f].name, sizeof(w->fields[f].name), "f%02d", f);
    }
    for (int i = 0; i < ROWS; i++) {
        for (int d = 0; d < MQ_RANK_DIM; d++)
            w->dense[i * MQ_RANK_DIM + d] = (float)mq_rng_normal(&rng);
        for (int k = 0; k < COLUMNS; k++)
            w->column[k][i] = (int32_t)mq_rng_below(&rng, SIZE);
        w->label[i] = w->dense[i * MQ_RANK_DIM] + (float)(w->column[0][i] % 3) > 1 ? 1 : 0;
    }
    for (int k = 0; k < COLUMNS; k++)
        w->ids[k] = w->column[k];
}

static enum mq_status
train(struct world *w, struct mq_error *err)
{
    struct mq_deepfm_options options;
    mq_deepfm_options_default(&options);
    options.batch = 64;
    options.epochs = 8;
    struct mq_deepfm_rows rows = {
        .count = ROWS, .dense = w->dense, .ids = w->ids, .label = w->label};
    enum mq_status st =
        mq_deepfm_train(w->fields, FIELDS, &rows, NULL, &options, NULL, &w->model, NULL, err);
    if (st == MQ_OK)
        st = mq_deepfm_predict(w->model, &rows, NULL, w->prob, err);
    for (int i = 0; st == MQ_OK && i < ROWS; i++)
        for (int f = 0; f < FIELDS; f++) {
            bool dense = f < MQ_RANK_DIM;
            int32_t id = dense ? 0 : w->column[f - MQ_RANK_DIM][i];
            w->feature[i * FIELDS + f] = w->model->fields[f].first + id;
            w->value[i * FIELDS + f] = dense ? w->dense[i * MQ_RANK_DIM + f] : 1.0f;
        }
    return st;
}

/* Three items with all that a frame can hold. */
static enum mq_status
make_features(struct world *w, struct mq_error *err)
{
    static char *ids[] = {"1", "20", "300"};
    struct mq_item_features *f = &w->features;
    f->count = 3;
    f->ids = ids;
    enum mq_status st = mq_alloc_array(3 * MQ_RANK_DIM, sizeof(float), &f->vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array(3, sizeof(float), &f->vector_mean, err);
    for (int c = 0; st == MQ_OK && c < MQ_RANK_CATEGORIES; c++) {
        int32_t code;
        st = mq_alloc_array(3, sizeof(int32_t), &f->category[c], err);
        if (st == MQ_OK)
            st = mq_strmap_add_text(&f->names[c], "", &code, err);
        if (st == MQ_OK)
            st = mq_strmap_add_text(&f->names[c], c == 0 ? "drama|history" : "\xe5\x89\xa7", &code,
                                    err);
        if (st == MQ_OK)
            f->category[c][0] = f->category[c][2] = code;
    }
    for (int d = 0; st == MQ_OK && d < MQ_RANK_DIM; d++) {
        f->vector[MQ_RANK_DIM + d] = 0.25f;
        f->vector[2 * MQ_RANK_DIM + d] = 1.0f;
    }
    if (st == MQ_OK) {
        f->vector_mean[1] = 0.25f;
        f->vector_mean[2] = 1.0f;
    }
    return st;
}

typedef enum mq_status (*write_fn)(const struct world *w, struct mq_writer *writer,
                                   struct mq_error *err);

static enum mq_status
put_model(const struct world *w, struct mq_writer *writer, struct mq_error *err)
{
    return mq_deepfm_write(w->model, writer, err);
}

static enum mq_status
put_ids(const struct world *w, struct mq_writer *writer, struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_I4, 2, (const int64_t[]){ROWS, FIELDS}, w->feature, err);
}

static enum mq_status
put_values(const struct world *w, struct mq_writer *writer, struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_F4, 2, (const int64_t[]){ROWS, FIELDS}, w->value, err);
}

static enum mq_status
put_prob(const struct world *w, struct mq_writer *writer, struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_F4, 1, (const int64_t[]){ROWS}, w->prob, err);
}

static enum mq_status
put_frame(const struct world *w, struct mq_writer *writer, struct mq_error *err)
{
    return mq_item_features_write(&w->features, writer, err);
}

static enum mq_status
write_file(const struct world *w, const char *folder, const char *name, write_fn fn,
           struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s/%s", folder, name);
    struct mq_writer *writer = NULL;
    if (path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "no memory");
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st == MQ_OK)
        st = fn(w, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

int
main(int argc, char **argv)
{
    static struct world w;
    struct mq_error err = {0};
    static const struct {
        const char *name;
        write_fn fn;
    } files[] = {{"model.tar.gz", put_model},
                 {"ids.npy", put_ids},
                 {"vals.npy", put_values},
                 {"prob.npy", put_prob},
                 {"frame.pickle", put_frame}};
    if (argc != 3) {
        fprintf(stderr, "usage: write_deepfm OUT DATA\n");
        return 2;
    }
    make_rows(&w);
    enum mq_status st = train(&w, &err);
    if (st == MQ_OK)
        st = make_features(&w, &err);
    for (size_t i = 0; st == MQ_OK && i < MQ_COUNT(files); i++)
        st = write_file(&w, argv[1], files[i].name, files[i].fn, &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_deepfm: %s\n", err.message);
    mq_deepfm_free(w.model);
    for (int c = 0; c < MQ_RANK_CATEGORIES; c++) {
        mq_free(w.features.category[c]);
        mq_strmap_release(&w.features.names[c]);
    }
    mq_free(w.features.vector);
    mq_free(w.features.vector_mean);
    return st == MQ_OK ? 0 : 1;
}
