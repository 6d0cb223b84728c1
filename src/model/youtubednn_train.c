#include "model/youtubednn_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "math/blas.h"
#include "math/kernels.h"
#include "model/adam.h"
#include "model/youtubednn_runs.h"
#include "model/youtubednn_shard.h"

#define DIM MQ_TOWER_DIM
#define USER MQ_TOWER_USER_DIM
#define HISTORY MQ_TOWER_HISTORY

/* Streams of the seed: each use of chance has its own. */
enum { STREAM_INIT = 1, STREAM_HELD_OUT, STREAM_NEGATIVES, STREAM_EPOCH = 1000 };

/* Adam's moments of every parameter. */
struct moments {
    float *kernel[MQ_TOWER_LAYERS][2], *bias[MQ_TOWER_LAYERS][2];
    float *user[2], *item[2], *position[2];
};

struct trainer {
    const struct mq_youtubednn_data *data;
    const struct mq_youtubednn_options *options;
    struct mq_pool *pool;
    uint64_t seed;

    struct mq_user_tower *tower;
    struct mq_tower_position position; /* weight NULL: mean */
    float *toeplitz;
    struct moments moments;
    struct mq_negative_sampler sampler;
    struct mq_rng negatives_rng;

    struct mq_tower_runs runs;
    int32_t shard_count;
    struct mq_tower_shard *shards;     /* [shard_count] */
    struct mq_row_gradient user, item; /* of the whole batch */
    int32_t *negative;
    float *negative_vector, *negative_correction;
    int32_t *target; /* of the batch, for in-batch negatives */

    /* Held-out users. */
    uint8_t *held; /* [user_count]: the newest play is held out */
    int32_t held_count;
    int32_t *held_user, *held_target;
    int64_t *held_offset;
    int32_t *held_history;
    float *held_vector;

    int32_t epochs; /* planned */
    int64_t step, steps_planned;
    double loss_sum, weight_sum;
    struct mq_user_tower *best;
};

/* ---- setting up ---- */

static void
fill_normal(struct mq_rng *rng, float *values, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(mq_rng_normal(rng) * deviation);
}

static void
init_position(const struct mq_tower_position *position, int32_t heads)
{
    for (int32_t h = 0; h < heads; h++) {
        /* Memories from one play to all fifty: decay e^(-k/tau) with tau = 1/3, 1, 2, 4 … , and the
         * last head the plain mean. */
        double tau = h == 0 ? 1.0 / 3.0 : exp2(h - 1);
        bool flat = h == heads - 1;
        double sum = 0.0;
        position->scale[h] = 0.0f;
        for (int32_t k = 0; k < HISTORY; k++) {
            double weight = flat ? 1.0 : exp(-k / tau);
            sum += weight;
            position->weight[h * HISTORY + k] = (float)weight;
            position->scale[(k + 1) * heads + h] = (float)(1.0 / sum);
        }
    }
}

static enum mq_status
init_tower(struct trainer *t, struct mq_error *err)
{
    const struct mq_youtubednn_options *o = t->options;
    bool by_position = o->pooling == MQ_POOLING_POSITION;
    int32_t heads = by_position ? o->heads : 1;
    enum mq_status st =
        mq_user_tower_new(t->data->user_count, t->data->item_count, heads, &t->tower, err);
    if (st != MQ_OK)
        return st;
    struct mq_rng rng;
    mq_rng_init(&rng, t->seed, STREAM_INIT);
    fill_normal(&rng, t->tower->item, (size_t)t->tower->item_count * DIM, o->item_deviation);
    fill_normal(&rng, t->tower->user, (size_t)t->tower->user_count * USER, o->user_deviation);
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        struct mq_tower_layer *layer = &t->tower->layer[i];
        fill_normal(&rng, layer->kernel, (size_t)layer->inputs * (size_t)layer->outputs,
                    sqrt(2.0 / (layer->inputs + layer->outputs)));
    }
    if (!by_position)
        return MQ_OK;
    size_t band = (size_t)o->run + HISTORY - 1;
    st = mq_alloc_array((size_t)heads * HISTORY, sizeof(float), &t->position.weight, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)heads * (HISTORY + 1), sizeof(float), &t->position.scale, err);
    if (st == MQ_OK)
        st =
            mq_alloc_array((size_t)o->run * (size_t)heads * band, sizeof(float), &t->toeplitz, err);
    if (st == MQ_OK)
        init_position(&t->position, heads);
    return st;
}

static enum mq_status
two_arrays(size_t n, float *ret_arrays[2], struct mq_error *err)
{
    enum mq_status st = mq_alloc_array(n, sizeof(float), &ret_arrays[0], err);
    return st == MQ_OK ? mq_alloc_array(n, sizeof(float), &ret_arrays[1], err) : st;
}

static enum mq_status
init_moments(struct trainer *t, struct mq_error *err)
{
    struct moments *m = &t->moments;
    enum mq_status st = two_arrays(((size_t)t->tower->user_count + 1) * USER, m->user, err);
    if (st == MQ_OK)
        st = two_arrays((size_t)t->tower->item_count * DIM, m->item, err);
    if (st == MQ_OK)
        st = two_arrays((size_t)t->tower->heads * HISTORY, m->position, err);
    for (int i = 0; i < MQ_TOWER_LAYERS && st == MQ_OK; i++) {
        const struct mq_tower_layer *layer = &t->tower->layer[i];
        st = two_arrays((size_t)layer->inputs * (size_t)layer->outputs, m->kernel[i], err);
        if (st == MQ_OK)
            st = two_arrays((size_t)layer->outputs, m->bias[i], err);
    }
    return st;
}

static enum mq_status
init_batch(struct trainer *t, struct mq_error *err)
{
    const struct mq_youtubednn_options *o = t->options;
    const struct mq_youtubednn_data *data = t->data;
    mq_autofree int64_t *plays = NULL;
    enum mq_status st = mq_alloc_array((size_t)data->item_count, sizeof(int64_t), &plays, err);
    if (st != MQ_OK)
        return st;
    for (int64_t i = data->offset[0]; i < data->offset[data->user_count]; i++)
        plays[data->item[i]]++;
    st = mq_negative_sampler_init(&t->sampler, o->negative_source, data->item_count, plays,
                                  o->negatives, o->batch, err);
    if (st != MQ_OK)
        return st;
    mq_rng_init(&t->negatives_rng, t->seed, STREAM_NEGATIVES);
    int32_t most = mq_negative_sampler_most(&t->sampler);
    t->shard_count = (o->batch + MQ_TOWER_SHARD - 1) / MQ_TOWER_SHARD;
    st = mq_alloc_array((size_t)most, sizeof(int32_t), &t->negative, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most, sizeof(float) * DIM, &t->negative_vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)most + 1, sizeof(float), &t->negative_correction, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)o->batch, sizeof(int32_t), &t->target, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)t->shard_count, sizeof(*t->shards), &t->shards, err);
    for (int32_t i = 0; i < t->shard_count && st == MQ_OK; i++)
        st = mq_tower_shard_init(&t->shards[i], t->tower, t->position.weight != NULL, o->run, most,
                                 err);
    if (st == MQ_OK)
        st = mq_row_gradient_init(&t->user, t->tower->user_count + 1, USER, o->batch, err);
    if (st == MQ_OK)
        st = mq_row_gradient_init(&t->item, t->tower->item_count, DIM,
                                  (int64_t)o->batch * (HISTORY + 1) + most, err);
    return st;
}

static int
compare_int32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Choose users whose newest play is held out: of those that keep at least one sample. */
static enum mq_status
init_held_out(struct trainer *t, struct mq_error *err)
{
    const struct mq_youtubednn_data *data = t->data;
    enum mq_status st = mq_alloc_array((size_t)data->user_count, 1, &t->held, err);
    if (st != MQ_OK || t->options->validation_users == 0)
        return st;
    st = mq_alloc_array((size_t)data->user_count, sizeof(int32_t), &t->held_user, err);
    if (st != MQ_OK)
        return st;
    int32_t n = 0;
    for (int32_t u = 0; u < data->user_count; u++)
        if (data->offset[u + 1] - data->offset[u] >= 3)
            t->held_user[n++] = u;
    struct mq_rng rng;
    mq_rng_init(&rng, t->seed, STREAM_HELD_OUT);
    mq_rng_shuffle(&rng, t->held_user, (uint32_t)n);
    t->held_count = MQ_MIN(n, t->options->validation_users);
    if (t->held_count == 0)
        return MQ_OK;
    qsort(t->held_user, (size_t)t->held_count, sizeof(int32_t), compare_int32);
    int64_t total = 0;
    for (int32_t i = 0; i < t->held_count; i++) {
        int32_t u = t->held_user[i];
        t->held[u] = 1;
        total += data->offset[u + 1] - data->offset[u] - 1;
    }
    size_t count = (size_t)t->held_count;
    st = mq_alloc_array(count, sizeof(int32_t), &t->held_target, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count + 1, sizeof(int64_t), &t->held_offset, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)total, sizeof(int32_t), &t->held_history, err);
    if (st == MQ_OK)
        st = mq_alloc_array(count, sizeof(float) * DIM, &t->held_vector, err);
    if (st != MQ_OK)
        return st;
    int64_t at = 0;
    for (int32_t i = 0; i < t->held_count; i++) {
        int32_t u = t->held_user[i];
        int64_t plays = data->offset[u + 1] - data->offset[u] - 1;
        t->held_offset[i] = at;
        memcpy(t->held_history + at, data->item + data->offset[u], sizeof(int32_t) * (size_t)plays);
        t->held_target[i] = data->item[data->offset[u + 1] - 1];
        at += plays;
    }
    t->held_offset[t->held_count] = at;
    return MQ_OK;
}

/* ---- a step ---- */

struct shard_job {
    struct trainer *t;
    const struct mq_tower_batch *batch;
    const struct mq_tower_shard_runs *parts;
};

static enum mq_status
run_shards(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct shard_job *job = context;
    for (int64_t i = begin; i < end; i++)
        mq_tower_shard_run(&job->t->shards[i], job->batch, job->parts[i].runs,
                           job->parts[i].run_count);
    return MQ_OK;
}

static void
dense_update(const struct mq_adam *adam, struct trainer *t, int32_t shards, size_t n, float *value,
             float *const moments[2], float *(*gradient_of)(struct mq_tower_shard *, int),
             int which)
{
    const struct mq_kernels *kernels = mq_kernels();
    float *sum = gradient_of(&t->shards[0], which);
    for (int32_t i = 1; i < shards; i++)
        kernels->add(gradient_of(&t->shards[i], which), sum, n);
    mq_adam_dense(adam, t->step, n, sum, value, moments[0], moments[1]);
}

static float *
kernel_of(struct mq_tower_shard *shard, int which)
{
    return shard->kernel[which];
}

static float *
bias_of(struct mq_tower_shard *shard, int which)
{
    return shard->bias[which];
}

static float *
position_of(struct mq_tower_shard *shard, int which)
{
    return shard->position;
}

static float
scheduled_rate(const struct trainer *t)
{
    const struct mq_youtubednn_options *o = t->options;
    double done = t->steps_planned > 0 ? (double)t->step / (double)t->steps_planned : 0.0;
    double cosine = 0.5 * (1.0 + cos(3.14159265358979 * MQ_MIN(done, 1.0)));
    double warm_steps = MQ_MIN(200.0, 0.05 * (double)t->steps_planned);
    double warm = MQ_MIN(1.0, (double)(t->step + 1) / (warm_steps + 1.0));
    return (float)(o->rate * warm * (o->rate_end + (1.0 - o->rate_end) * cosine));
}

/* Sum the shards' gradients in their order and move every parameter. */
static void
update(struct trainer *t, int32_t shards)
{
    float rate = scheduled_rate(t);
    t->step++;
    struct mq_adam dense = mq_adam_defaults(rate), rows = dense;
    rows.l2 = t->options->l2;
    struct mq_user_tower *tower = t->tower;
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        struct mq_tower_layer *layer = &tower->layer[i];
        dense_update(&dense, t, shards, (size_t)layer->inputs * (size_t)layer->outputs,
                     layer->kernel, t->moments.kernel[i], kernel_of, i);
        dense_update(&dense, t, shards, (size_t)layer->outputs, layer->bias, t->moments.bias[i],
                     bias_of, i);
    }
    if (t->position.weight != NULL)
        dense_update(&dense, t, shards, (size_t)tower->heads * HISTORY, t->position.weight,
                     t->moments.position, position_of, 0);
    mq_row_gradient_clear(&t->user);
    mq_row_gradient_clear(&t->item);
    for (int32_t i = 0; i < shards; i++) {
        mq_row_gradient_merge(&t->user, &t->shards[i].user);
        mq_row_gradient_merge(&t->item, &t->shards[i].item);
    }
    mq_adam_rows(&rows, t->step, (size_t)t->user.count, t->user.rows, USER, t->user.value,
                 tower->user, t->moments.user[0], t->moments.user[1]);
    mq_adam_rows(&rows, t->step, (size_t)t->item.count, t->item.rows, DIM, t->item.value,
                 tower->item, t->moments.item[0], t->moments.item[1]);
}

static double
batch_weight(const struct trainer *t, const struct mq_tower_shard_runs *parts, int32_t shards,
             int32_t *ret_targets)
{
    const struct mq_youtubednn_data *data = t->data;
    double sum = 0.0;
    int32_t n = 0;
    for (int32_t s = 0; s < shards; s++)
        for (int32_t r = 0; r < parts[s].run_count; r++) {
            const struct mq_tower_run *run = &parts[s].runs[r];
            for (int32_t j = 0; j < run->count; j++) {
                t->target[n++] = data->item[run->first + j];
                sum += data->weight != NULL ? (double)data->weight[run->first + j] : 1.0;
            }
        }
    *ret_targets = n;
    return sum;
}

static enum mq_status
train_batch(struct trainer *t, const struct mq_tower_shard_runs *parts, int32_t shards,
            struct mq_error *err)
{
    int32_t targets = 0;
    double weight = batch_weight(t, parts, shards, &targets);
    if (!(weight > 0.0))
        return MQ_OK;
    int32_t negatives = mq_negative_sampler_draw(&t->sampler, &t->negatives_rng, t->target, targets,
                                                 t->negative, t->negative_correction);
    t->negative_correction[negatives] = 0.0f;
    for (int32_t i = 0; i < negatives; i++)
        memcpy(t->negative_vector + (size_t)i * DIM, t->tower->item + (size_t)t->negative[i] * DIM,
               sizeof(float) * DIM);
    if (t->position.weight != NULL)
        mq_tower_toeplitz(&t->position, t->tower->heads, t->options->run, t->toeplitz);
    struct mq_tower_batch batch = {
        .tower = t->tower,
        .position = t->position.weight != NULL ? &t->position : NULL,
        .toeplitz = t->toeplitz,
        .run_max = t->options->run,
        .item = t->data->item,
        .weight = t->data->weight,
        .weight_factor = (float)(1.0 / weight),
        .log_expected = t->sampler.log_expected,
        .negative_count = negatives,
        .negative = t->negative,
        .negative_vector = t->negative_vector,
        .negative_correction = t->negative_correction,
    };
    struct shard_job job = {.t = t, .batch = &batch, .parts = parts};
    enum mq_status st = mq_pool_for(t->pool, shards, 1, run_shards, &job, err);
    if (st != MQ_OK)
        return st;
    for (int32_t i = 0; i < shards; i++)
        t->loss_sum += t->shards[i].loss * weight;
    t->weight_sum += weight;
    update(t, shards);
    return MQ_OK;
}

/* ---- epochs ---- */

static void
fill_pooling(const struct trainer *t)
{
    struct mq_user_tower *tower = t->tower;
    int32_t heads = tower->heads;
    for (int32_t length = 1; length <= HISTORY; length++)
        for (int32_t h = 0; h < heads; h++) {
            float *to = tower->pooling + (size_t)(length * heads + h) * HISTORY;
            for (int32_t k = 0; k < length; k++)
                to[k] = t->position.weight == NULL ? 1.0f / (float)length
                                                   : t->position.weight[h * HISTORY + k] *
                                                         t->position.scale[length * heads + h];
        }
}

static enum mq_status
evaluate(struct trainer *t, struct mq_hit_rates *ret_rates, struct mq_error *err)
{
    fill_pooling(t);
    if (t->held_count == 0) {
        *ret_rates = (struct mq_hit_rates){0};
        return MQ_OK;
    }
    enum mq_status st = mq_user_tower_forward(t->tower, t->held_count, t->held_user, t->held_offset,
                                              t->held_history, t->held_vector, t->pool, err);
    if (st != MQ_OK)
        return st;
    return mq_leave_one_out(t->held_count, t->tower->item_count, DIM, t->held_vector,
                            t->tower->item, t->held_target, t->held_offset, t->held_history,
                            t->pool, ret_rates, err);
}

static void
copy_tower(const struct mq_user_tower *from, struct mq_user_tower *to)
{
    memcpy(to->user, from->user, sizeof(float) * ((size_t)from->user_count + 1) * USER);
    memcpy(to->item, from->item, sizeof(float) * (size_t)from->item_count * DIM);
    memcpy(to->pooling, from->pooling,
           sizeof(float) * (HISTORY + 1) * (size_t)from->heads * HISTORY);
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        const struct mq_tower_layer *layer = &from->layer[i];
        memcpy(to->layer[i].kernel, layer->kernel,
               sizeof(float) * (size_t)layer->inputs * (size_t)layer->outputs);
        memcpy(to->layer[i].bias, layer->bias, sizeof(float) * (size_t)layer->outputs);
    }
}

static enum mq_status
train_epoch(struct trainer *t, int32_t epoch, struct mq_error *err)
{
    struct mq_rng rng;
    mq_rng_init(&rng, t->seed, STREAM_EPOCH + (uint64_t)epoch);
    t->loss_sum = t->weight_sum = 0.0;
    char what[64];
    snprintf(what, sizeof(what), "YoutubeDNN epoch %d of at most %d", epoch, t->epochs);
    struct mq_progress progress;
    mq_progress_begin(&progress, what, "samples", t->runs.samples);
    enum mq_status st = mq_tower_runs_shuffle(&t->runs, &rng, err);
    while (st == MQ_OK) {
        const struct mq_tower_shard_runs *parts;
        int32_t samples;
        int32_t shards = mq_tower_runs_next(&t->runs, &parts, &samples);
        if (shards == 0)
            break;
        st = train_batch(t, parts, shards, err);
        mq_progress_add(&progress, samples);
    }
    mq_progress_end(&progress);
    return st;
}

static enum mq_status
train_all(struct trainer *t, struct mq_youtubednn_report *report, struct mq_error *err)
{
    const struct mq_youtubednn_options *o = t->options;
    report->samples = t->runs.samples;
    enum mq_status st = evaluate(t, &report->held_out, err);
    if (st != MQ_OK || t->runs.samples == 0)
        return st;
    int64_t affordable = o->samples_max > 0 ? o->samples_max / t->runs.samples : o->epochs;
    t->epochs = (int32_t)MQ_MAX(1, MQ_MIN(affordable, o->epochs));
    t->steps_planned = ((t->runs.samples + o->batch - 1) / o->batch) * t->epochs;
    double best = -1.0;
    for (int32_t epoch = 1; epoch <= t->epochs; epoch++) {
        double started = mq_clock_monotonic_s();
        st = train_epoch(t, epoch, err);
        if (st != MQ_OK)
            return st;
        double seconds = mq_clock_monotonic_s() - started;
        report->seconds += seconds;
        report->epochs = epoch;
        report->loss = t->weight_sum > 0.0 ? t->loss_sum / t->weight_sum : 0.0;
        struct mq_hit_rates rates;
        st = evaluate(t, &rates, err);
        if (st != MQ_OK)
            return st;
        mq_log_info("YoutubeDNN epoch %d: loss %.4f, held-out HR@50 %.4f of %lld users (seen left "
                    "out %.4f), %.1f s",
                    epoch, report->loss, rates.hit_50[0], (long long)rates.count, rates.hit_50[1],
                    seconds);
        if (rates.count == 0 || rates.hit_50[1] > best) {
            best = rates.hit_50[1];
            report->best_epoch = epoch;
            report->held_out = rates;
            if (rates.count > 0)
                copy_tower(t->tower, t->best);
        } else if (epoch - report->best_epoch >= o->patience) {
            mq_log_info("YoutubeDNN stops: no better hit rate in %d epochs", o->patience);
            break;
        }
    }
    return MQ_OK;
}

/* ---- the whole ---- */

static void
release(struct trainer *t)
{
    mq_user_tower_free(t->tower);
    mq_user_tower_free(t->best);
    mq_negative_sampler_release(&t->sampler);
    mq_tower_runs_release(&t->runs);
    for (int32_t i = 0; t->shards != NULL && i < t->shard_count; i++)
        mq_tower_shard_release(&t->shards[i]);
    mq_row_gradient_release(&t->user);
    mq_row_gradient_release(&t->item);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
            mq_free(t->moments.kernel[i][side]);
            mq_free(t->moments.bias[i][side]);
        }
        mq_free(t->moments.user[side]);
        mq_free(t->moments.item[side]);
        mq_free(t->moments.position[side]);
    }
    void *blocks[] = {
        t->position.weight, t->position.scale,      t->toeplitz,     t->shards,     t->negative,
        t->negative_vector, t->negative_correction, t->target,       t->held,       t->held_user,
        t->held_target,     t->held_offset,         t->held_history, t->held_vector};
    for (size_t i = 0; i < MQ_COUNT(blocks); i++)
        mq_free(blocks[i]);
}

static enum mq_status
check_data(const struct mq_youtubednn_data *data, struct mq_error *err)
{
    int64_t n = data->offset[data->user_count];
    for (int64_t i = 0; i < n; i++) {
        if (data->item[i] < 0 || data->item[i] >= data->item_count)
            return mq_fail(err, MQ_E_RANGE,
                           "cannot train YoutubeDNN: play %lld is of item %d (allowed: 0 to %d)",
                           (long long)i, data->item[i], data->item_count - 1);
        if (data->weight != NULL && !(data->weight[i] >= 0.0f && isfinite(data->weight[i])))
            return mq_fail(err, MQ_E_RANGE,
                           "cannot train YoutubeDNN: play %lld has the weight %g (allowed: finite, "
                           "at least 0)",
                           (long long)i, (double)data->weight[i]);
    }
    return MQ_OK;
}

static enum mq_status
check_options(const struct mq_youtubednn_options *o, struct mq_error *err)
{
    if (o->run < 1 || o->run > MQ_TOWER_RUN_MAX || o->batch < 1 || o->negatives < 1 ||
        o->epochs < 1 || o->heads < 1 || o->heads > MQ_TOWER_HEADS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot train YoutubeDNN with runs of %d samples (allowed: 1 to %d), "
                       "batches of %d, %d negatives, %d epochs (allowed: at least 1), %d heads "
                       "(allowed: 1 to %d)",
                       o->run, MQ_TOWER_RUN_MAX, o->batch, o->negatives, o->epochs, o->heads,
                       MQ_TOWER_HEADS_MAX);
    return MQ_OK;
}

enum mq_status
mq_youtubednn_train(const struct mq_youtubednn_data *data,
                    const struct mq_youtubednn_options *options, uint64_t seed,
                    struct mq_pool *pool, struct mq_user_tower **ret_tower,
                    struct mq_youtubednn_report *ret_report, struct mq_error *err)
{
    struct trainer t = {.data = data, .options = options, .pool = pool, .seed = seed};
    struct mq_youtubednn_report report = {0};
    enum mq_status st = check_options(options, err);
    if (st == MQ_OK)
        st = check_data(data, err);
    if (st == MQ_OK)
        st = init_tower(&t, err);
    if (st == MQ_OK)
        st = init_moments(&t, err);
    if (st == MQ_OK)
        st = init_batch(&t, err);
    if (st == MQ_OK)
        st = init_held_out(&t, err);
    if (st == MQ_OK)
        st = mq_tower_runs_init(&t.runs, data, t.held, options, err);
    if (st == MQ_OK && t.held_count > 0)
        st = mq_user_tower_new(data->user_count, data->item_count, t.tower->heads, &t.best, err);
    if (st == MQ_OK)
        st = train_all(&t, &report, err);
    if (st == MQ_OK) {
        struct mq_user_tower **kept = t.best != NULL && report.epochs > 0 ? &t.best : &t.tower;
        *ret_tower = *kept;
        *kept = NULL;
        *ret_report = report;
    }
    release(&t);
    return st;
}
