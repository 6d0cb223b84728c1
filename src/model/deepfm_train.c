#include "model/deepfm_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "model/adam.h"
#include "model/binary_metrics.h"
#include "model/deepfm_batch.h"

/* Parameters, or feature rows, that one piece of a step updates. */
#define UPDATE_PARAMETERS 16384
#define UPDATE_ROWS 512
/* Streams of the seed. */
#define STREAM_VECTORS 1
#define STREAM_KERNELS 2 /* and one more a layer */
#define STREAM_ORDER 64
#define VECTOR_DEVIATION 0.01

struct piece {
    int32_t segment;    /* of feature rows, or -1: layers */
    int64_t begin, end; /* rows, or parameters of the block */
    float l2;
};

struct mq_deepfm_trainer {
    struct mq_deepfm *model;
    struct mq_deepfm_options options;
    struct mq_pool *pool;
    struct mq_deepfm_batch *batch;
    float *moment1, *moment2; /* parallel to the parameters */
    struct piece *pieces;
    int32_t piece_count, layer_pieces, segments;
    size_t pieces_capacity;
    int64_t step;
};

void
mq_deepfm_options_default(struct mq_deepfm_options *ret_options)
{
    *ret_options = (struct mq_deepfm_options){.dim = 32,
                                              .layer_count = 2,
                                              .width = {128, 64},
                                              .learning_rate = 1e-3f,
                                              .l2_features = 1e-6f,
                                              .batch = 4096,
                                              .epochs = 4,
                                              .patience = 1,
                                              .seed = 1};
}

static enum mq_status
check_options(const struct mq_deepfm_options *o, struct mq_error *err)
{
    if (!(o->dropout >= 0 && o->dropout < 1))
        return mq_fail(err, MQ_E_RANGE,
                       "cannot train DeepFM with dropout %g (allowed: 0 to below 1)",
                       (double)o->dropout);
    if (!(o->learning_rate > 0 && o->learning_rate <= 1))
        return mq_fail(err, MQ_E_RANGE,
                       "cannot train DeepFM with learning rate %g (allowed: above 0 to 1)",
                       (double)o->learning_rate);
    if (!(o->l2_features >= 0 && o->l2_features <= 1) || !(o->l2_layers >= 0 && o->l2_layers <= 1))
        return mq_fail(err, MQ_E_RANGE,
                       "cannot train DeepFM with L2 of %g and %g (allowed: 0 to 1)",
                       (double)o->l2_features, (double)o->l2_layers);
    if (o->batch < 1 || o->batch > 65536)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot train DeepFM with batches of %d rows (allowed: 1 to 65536)",
                       o->batch);
    if (o->epochs < 1 || o->patience < 0)
        return mq_fail(err, MQ_E_RANGE, "cannot train DeepFM for %d epochs with patience %d",
                       o->epochs, o->patience);
    return MQ_OK;
}

void
mq_deepfm_initialise(struct mq_deepfm *model, const struct mq_deepfm_rows *rows, uint64_t seed)
{
    memset(model->parameters, 0, model->parameter_count * sizeof(float));
    struct mq_rng rng;
    mq_rng_init(&rng, seed, STREAM_VECTORS);
    size_t values = (size_t)model->feature_count * (size_t)model->dim;
    for (size_t i = 0; i < values; i++)
        model->v[i] = (float)(VECTOR_DEVIATION * mq_rng_normal(&rng));
    size_t input = (size_t)model->field_count * (size_t)model->dim;
    for (int32_t l = 0; model->layer_count > 0 && l <= model->layer_count; l++) {
        size_t output = l < model->layer_count ? (size_t)model->width[l] : 1;
        double bound = sqrt(6.0 / (double)(input + output));
        mq_rng_init(&rng, seed, STREAM_KERNELS + (uint64_t)l);
        for (size_t i = 0; i < input * output; i++)
            model->kernel[l][i] = (float)(bound * (2 * mq_rng_uniform(&rng) - 1));
        input = output;
    }
    double positives = 0;
    for (int64_t i = 0; i < rows->count; i++)
        positives += (double)rows->label[i];
    if (positives > 0 && positives < (double)rows->count)
        model->bias[0] = (float)log(positives / ((double)rows->count - positives));
}

static enum mq_status
add_piece(struct mq_deepfm_trainer *t, int32_t segment, int64_t begin, int64_t end, float l2,
          struct mq_error *err)
{
    enum mq_status st = mq_grow(&t->pieces, &t->pieces_capacity, (size_t)t->piece_count + 1,
                                sizeof(*t->pieces), err);
    if (st == MQ_OK)
        t->pieces[t->piece_count++] =
            (struct piece){.segment = segment, .begin = begin, .end = end, .l2 = l2};
    return st;
}

/* The layers' pieces stay the same for all steps: kernels with L2, the rest without. */
static enum mq_status
cut_layers(struct mq_deepfm_trainer *t, struct mq_error *err)
{
    const struct mq_deepfm *model = t->model;
    size_t from, count;
    (void)mq_deepfm_batch_layers(t->batch, &from, &count);
    enum mq_status st = MQ_OK;
    size_t at = from, end = from + count;
    while (st == MQ_OK && at < end) {
        /* The array that begins here reaches to the next one that begins. */
        size_t stop = end;
        bool kernel = false;
        for (int32_t l = 0; model->layer_count > 0 && l <= model->layer_count; l++) {
            size_t k = (size_t)(model->kernel[l] - model->parameters);
            size_t o = (size_t)(model->offset[l] - model->parameters);
            kernel |= k == at;
            stop = k > at ? MQ_MIN(stop, k) : stop;
            stop = o > at ? MQ_MIN(stop, o) : stop;
        }
        for (; st == MQ_OK && at < stop; at += MQ_MIN(UPDATE_PARAMETERS, stop - at))
            st = add_piece(t, -1, (int64_t)at, (int64_t)(at + MQ_MIN(UPDATE_PARAMETERS, stop - at)),
                           kernel ? t->options.l2_layers : 0.0f, err);
    }
    t->layer_pieces = t->piece_count;
    return st;
}

enum mq_status
mq_deepfm_trainer_new(struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                      const struct mq_deepfm_options *options, struct mq_pool *pool,
                      struct mq_deepfm_trainer **ret_trainer, struct mq_error *err)
{
    enum mq_status st = check_options(options, err);
    if (st != MQ_OK)
        return st;
    struct mq_deepfm_trainer *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a DeepFM trainer");
    t->model = model;
    t->options = *options;
    t->pool = pool;
    int32_t capacity = (int32_t)MQ_MIN((int64_t)options->batch, rows->count);
    st = mq_deepfm_batch_new(model, rows, capacity, true, pool, &t->batch, err);
    if (st == MQ_OK)
        st = mq_alloc_array(model->parameter_count, sizeof(float), &t->moment1, err);
    if (st == MQ_OK)
        st = mq_alloc_array(model->parameter_count, sizeof(float), &t->moment2, err);
    if (st == MQ_OK) {
        t->segments = mq_deepfm_batch_segments(t->batch);
        st = cut_layers(t, err);
    }
    if (st != MQ_OK) {
        mq_deepfm_trainer_free(t);
        return st;
    }
    *ret_trainer = t;
    return MQ_OK;
}

void
mq_deepfm_trainer_free(struct mq_deepfm_trainer *t)
{
    if (t == NULL)
        return;
    mq_deepfm_batch_free(t->batch);
    mq_free(t->moment1);
    mq_free(t->moment2);
    free(t->pieces);
    free(t);
}

static enum mq_status
update_pieces(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_trainer *t = context;
    const struct mq_deepfm *model = t->model;
    size_t dim = (size_t)model->dim;
    struct mq_adam adam = mq_adam_defaults(t->options.learning_rate);
    for (int64_t i = begin; i < end; i++) {
        const struct piece *piece = &t->pieces[i];
        size_t first = (size_t)piece->begin, count = (size_t)(piece->end - piece->begin);
        adam.l2 = piece->l2;
        if (piece->segment < 0) {
            size_t from, size;
            const float *gradient = mq_deepfm_batch_layers(t->batch, &from, &size);
            mq_adam_dense(&adam, t->step, count, gradient + (first - from),
                          model->parameters + first, t->moment1 + first, t->moment2 + first);
            continue;
        }
        struct mq_deepfm_feature_gradient g = mq_deepfm_batch_segment(t->batch, piece->segment);
        size_t w = (size_t)(model->w - model->parameters);
        size_t v = (size_t)(model->v - model->parameters);
        mq_adam_rows(&adam, t->step, count, g.feature + first, 1, g.w + first, model->w,
                     t->moment1 + w, t->moment2 + w);
        mq_adam_rows(&adam, t->step, count, g.feature + first, dim, g.v + first * dim, model->v,
                     t->moment1 + v, t->moment2 + v);
    }
    return MQ_OK;
}

enum mq_status
mq_deepfm_trainer_step(struct mq_deepfm_trainer *t, const int32_t *order, int32_t n,
                       double *ret_loss, struct mq_error *err)
{
    uint64_t state = t->options.seed ^ ((uint64_t)t->step << 20);
    double loss = 0;
    enum mq_status st = mq_deepfm_batch_gradient(t->batch, order, n, t->options.dropout,
                                                 mq_splitmix64(&state), &loss, err);
    if (st != MQ_OK)
        return st;
    t->step++;
    t->piece_count = t->layer_pieces;
    for (int32_t s = 0; st == MQ_OK && s < t->segments; s++) {
        int32_t rows = mq_deepfm_batch_segment(t->batch, s).count;
        for (int32_t r = 0; st == MQ_OK && r < rows; r += UPDATE_ROWS)
            st = add_piece(t, s, r, MQ_MIN(r + UPDATE_ROWS, rows), t->options.l2_features, err);
    }
    if (st == MQ_OK)
        st = mq_pool_for(t->pool, t->piece_count, 1, update_pieces, t, err);
    if (st == MQ_OK && ret_loss != NULL)
        *ret_loss = loss;
    return st;
}

static enum mq_status
check_labels(const struct mq_deepfm_rows *rows, struct mq_error *err)
{
    if (rows->count == 0)
        return mq_fail(err, MQ_E_INPUT, "cannot train DeepFM: there are no rows");
    if (rows->count > INT32_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot train DeepFM on %lld rows (at most %d)",
                       (long long)rows->count, INT32_MAX);
    if (rows->label == NULL)
        return mq_fail(err, MQ_E_RANGE, "cannot train DeepFM: the rows have no labels");
    for (int64_t i = 1; i < rows->count; i++)
        if (rows->label[i] != rows->label[0])
            return MQ_OK;
    return mq_fail(err, MQ_E_INPUT,
                   "cannot train DeepFM: all %lld rows have label %g; both kinds are needed",
                   (long long)rows->count, (double)rows->label[0]);
}

/* One pass over the rows. @param ret_loss mean of the steps' losses, weighted by their rows */
static enum mq_status
run_epoch(struct mq_deepfm_trainer *t, int32_t *order, int64_t count, struct mq_rng *rng,
          double *ret_loss, struct mq_error *err)
{
    mq_rng_shuffle(rng, order, (uint32_t)count);
    double sum = 0;
    for (int64_t at = 0; at < count; at += t->options.batch) {
        int32_t n = (int32_t)MQ_MIN(count - at, t->options.batch);
        double loss = 0;
        enum mq_status st = mq_deepfm_trainer_step(t, order + at, n, &loss, err);
        if (st != MQ_OK)
            return st;
        sum += loss * n;
    }
    *ret_loss = sum / (double)count;
    if (!isfinite(*ret_loss))
        return mq_fail(err, MQ_E_INPUT,
                       "DeepFM diverged: log-loss is %g (try a lower deepfm.learning_rate)",
                       *ret_loss);
    return MQ_OK;
}

struct validation {
    const struct mq_deepfm_rows *rows;
    float *prob;
    float *best; /* parameters */
    int32_t worse;
};

/* Measure the model on the held-out rows; keep it when it is the best so far. */
static enum mq_status
validate(struct mq_deepfm_trainer *t, struct validation *v, struct mq_deepfm_history *history,
         struct mq_error *err)
{
    struct mq_binary_metrics metrics;
    enum mq_status st = mq_deepfm_predict(t->model, v->rows, t->pool, v->prob, err);
    if (st == MQ_OK)
        st = mq_binary_metrics(v->prob, v->rows->label, v->rows->count, &metrics, err);
    if (st != MQ_OK)
        return st;
    mq_log_info("deepfm: epoch %d: log-loss %.4f, held out %.4f, AUC %.4f", history->epochs,
                history->train_loss, metrics.log_loss, metrics.auc);
    if (history->best_epoch > 0 && metrics.log_loss >= history->valid_loss) {
        v->worse++;
        return MQ_OK;
    }
    v->worse = 0;
    history->best_epoch = history->epochs;
    history->valid_loss = metrics.log_loss;
    history->valid_auc = metrics.auc;
    memcpy(v->best, t->model->parameters, t->model->parameter_count * sizeof(float));
    return MQ_OK;
}

static enum mq_status
run_epochs(struct mq_deepfm_trainer *t, const struct mq_deepfm_rows *rows, struct validation *v,
           struct mq_deepfm_history *history, struct mq_error *err)
{
    mq_autofree int32_t *order = NULL;
    enum mq_status st = mq_alloc_array((size_t)rows->count, sizeof(*order), &order, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < rows->count; i++)
        order[i] = (int32_t)i;
    struct mq_rng rng;
    mq_rng_init(&rng, t->options.seed, STREAM_ORDER);
    double seconds = 0;
    for (int32_t epoch = 1; epoch <= t->options.epochs; epoch++) {
        double before = mq_clock_monotonic_s();
        st = run_epoch(t, order, rows->count, &rng, &history->train_loss, err);
        if (st != MQ_OK)
            return st;
        seconds += mq_clock_monotonic_s() - before;
        history->epochs = epoch;
        if (v->rows == NULL) {
            mq_log_info("deepfm: epoch %d: log-loss %.4f", epoch, history->train_loss);
            continue;
        }
        st = validate(t, v, history, err);
        if (st != MQ_OK)
            return st;
        if (t->options.patience > 0 && v->worse >= t->options.patience)
            break;
    }
    history->rows_per_s = (double)rows->count * history->epochs / MQ_MAX(seconds, 1e-9);
    if (v->rows != NULL)
        memcpy(t->model->parameters, v->best, t->model->parameter_count * sizeof(float));
    else
        history->best_epoch = history->epochs;
    return MQ_OK;
}

static enum mq_status
train_model(struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
            const struct mq_deepfm_rows *valid, const struct mq_deepfm_options *options,
            struct mq_pool *pool, struct mq_deepfm_history *history, struct mq_error *err)
{
    enum mq_status st = mq_deepfm_rows_check(model, rows, err);
    if (st == MQ_OK)
        st = check_labels(rows, err);
    struct validation v = {.rows = valid != NULL && valid->count > 0 ? valid : NULL};
    if (st == MQ_OK && v.rows != NULL)
        st = valid->label == NULL
                 ? mq_fail(err, MQ_E_RANGE, "cannot train DeepFM: held-out rows have no labels")
                 : mq_deepfm_rows_check(model, valid, err);
    if (st != MQ_OK)
        return st;
    mq_deepfm_initialise(model, rows, options->seed);
    struct mq_deepfm_trainer *t = NULL;
    st = mq_deepfm_trainer_new(model, rows, options, pool, &t, err);
    if (st == MQ_OK && v.rows != NULL)
        st = mq_alloc_array_raw((size_t)valid->count, sizeof(float), &v.prob, err);
    if (st == MQ_OK && v.rows != NULL)
        st = mq_alloc_array_raw(model->parameter_count, sizeof(float), &v.best, err);
    if (st == MQ_OK)
        st = run_epochs(t, rows, &v, history, err);
    mq_free(v.prob);
    mq_free(v.best);
    mq_deepfm_trainer_free(t);
    return st;
}

enum mq_status
mq_deepfm_train(const struct mq_deepfm_field *fields, int32_t field_count,
                const struct mq_deepfm_rows *rows, const struct mq_deepfm_rows *valid,
                const struct mq_deepfm_options *options, struct mq_pool *pool,
                struct mq_deepfm **ret_model, struct mq_deepfm_history *ret_history,
                struct mq_error *err)
{
    struct mq_deepfm *model = NULL;
    struct mq_deepfm_history history = {.valid_loss = NAN, .valid_auc = NAN};
    enum mq_status st = mq_deepfm_new(fields, field_count, options->dim, options->layer_count,
                                      options->width, &model, err);
    if (st == MQ_OK)
        st = train_model(model, rows, valid, options, pool, &history, err);
    if (st != MQ_OK) {
        mq_deepfm_free(model);
        return st;
    }
    *ret_model = model;
    if (ret_history != NULL)
        *ret_history = history;
    return MQ_OK;
}
