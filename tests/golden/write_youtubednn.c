/*
 * write_youtubednn OUT DATA: train small towers of both forms and write them with their item
 * vectors, index, and the vectors of some users, for youtubednn_golden.py to compare with Keras and
 * faiss. DATA is not used.
 */
#include <stdio.h>

#include "base/memory.h"
#include "base/progress.h"
#include "format/npy.h"
#include "index/vector_index.h"
#include "model/youtubednn_train.h"

enum { USERS = 60, ITEMS = 90, PLAYS = 70, INPUTS = 2 + MQ_TOWER_HISTORY };

struct world {
    int64_t offset[USERS + 1];
    int32_t item[USERS * PLAYS], users[USERS];
    int32_t inputs[USERS][INPUTS];
    float vectors[USERS * MQ_TOWER_DIM];
};

/* User u plays u % 64 films, so that histories of 0, 1 and more than 50 occur. */
static void
make_world(struct world *w)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    w->offset[0] = 0;
    for (int32_t u = 0; u < USERS; u++) {
        int32_t order[ITEMS], plays = u % 64;
        for (int32_t i = 0; i < ITEMS; i++)
            order[i] = i;
        mq_rng_shuffle(&rng, order, ITEMS);
        w->users[u] = u;
        w->offset[u + 1] = w->offset[u] + plays;
        for (int32_t i = 0; i < plays; i++)
            w->item[w->offset[u] + i] = order[i];
        int32_t length = MQ_MIN(plays, MQ_TOWER_HISTORY);
        w->inputs[u][0] = u;
        w->inputs[u][1] = length;
        for (int32_t k = 0; k < MQ_TOWER_HISTORY; k++)
            w->inputs[u][2 + k] = k < length ? order[plays - 1 - k] : 0;
    }
}

typedef enum mq_status (*write_fn)(const struct world *w, const struct mq_user_tower *tower,
                                   struct mq_writer *writer, struct mq_error *err);

static enum mq_status
put_tower(const struct world *w, const struct mq_user_tower *tower, struct mq_writer *writer,
          struct mq_error *err)
{
    return mq_user_tower_write(tower, writer, err);
}

static enum mq_status
put_items(const struct world *w, const struct mq_user_tower *tower, struct mq_writer *writer,
          struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_F4, 2, (const int64_t[]){ITEMS, MQ_TOWER_DIM}, tower->item,
                        err);
}

static enum mq_status
put_vectors(const struct world *w, const struct mq_user_tower *tower, struct mq_writer *writer,
            struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_F4, 2, (const int64_t[]){USERS, MQ_TOWER_DIM}, w->vectors,
                        err);
}

static enum mq_status
put_inputs(const struct world *w, const struct mq_user_tower *tower, struct mq_writer *writer,
           struct mq_error *err)
{
    return mq_npy_write(writer, MQ_NPY_I4, 2, (const int64_t[]){USERS, INPUTS}, w->inputs, err);
}

static enum mq_status
put_index(const struct world *w, const struct mq_user_tower *tower, struct mq_writer *writer,
          struct mq_error *err)
{
    struct mq_vector_index_options options = mq_vector_index_options_default();
    struct mq_vector_index *index = NULL;
    enum mq_status st =
        mq_vector_index_build(tower->item, ITEMS, MQ_TOWER_DIM, &options, NULL, 1, &index, err);
    if (st == MQ_OK)
        st = mq_vector_index_write(index, writer, err);
    mq_vector_index_free(index);
    return st;
}

static enum mq_status
put(const struct world *w, const struct mq_user_tower *tower, const char *folder, const char *form,
    const char *suffix, write_fn fn, struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s/%s%s", folder, form, suffix);
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_writer_to_file(path, &writer, err);
    if (st == MQ_OK)
        st = fn(w, tower, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}

static enum mq_status
write_form(struct world *w, const char *folder, const char *form, struct mq_error *err)
{
    struct mq_config *config = NULL;
    struct mq_youtubednn_options options;
    struct mq_youtubednn_report report;
    struct mq_user_tower *tower = NULL;
    const struct mq_youtubednn_data data = {
        .user_count = USERS, .item_count = ITEMS, .offset = w->offset, .item = w->item};
    enum mq_status st = mq_config_new(&config, err);
    if (st == MQ_OK)
        st = mq_config_set(config, "youtubednn.pooling", form, MQ_FROM_FLAG, "golden", err);
    if (st == MQ_OK) {
        mq_youtubednn_options_read(config, &options);
        options.epochs = 2;
        st = mq_youtubednn_train(&data, &options, 1, NULL, &tower, &report, err);
    }
    if (st == MQ_OK)
        st = mq_user_tower_forward(tower, USERS, w->users, w->offset, w->item, w->vectors, NULL,
                                   err);
    static const struct {
        const char *suffix;
        write_fn fn;
    } files[] = {{".h5", put_tower},
                 {".index", put_index},
                 {"-items.npy", put_items},
                 {"-vectors.npy", put_vectors},
                 {"-inputs.npy", put_inputs}};
    for (size_t i = 0; i < MQ_COUNT(files) && st == MQ_OK; i++)
        st = put(w, tower, folder, form, files[i].suffix, files[i].fn, err);
    mq_user_tower_free(tower);
    mq_config_free(config);
    return st;
}

int
main(int count, char **values)
{
    static struct world world;
    struct mq_error err = {0};
    if (count < 2)
        return 2;
    mq_progress_enable(false);
    make_world(&world);
    enum mq_status st = write_form(&world, values[1], "mean", &err);
    if (st == MQ_OK)
        st = write_form(&world, values[1], "position", &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_youtubednn: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
